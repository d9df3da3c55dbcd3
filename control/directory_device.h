/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices and accounts that go. First they are marked, durably: from then on nobody comes in by them, nothing
 * is taken for them, and their keys are given to nobody. When their mailboxes are empty they are erased.
 */
#ifndef CONTROL_DIRECTORY_DEVICE_H
#define CONTROL_DIRECTORY_DEVICE_H

#include "directory.h"

/* The caller's memory until `done`. */
struct removal {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device; /* 0: the account with all of them */
    /* OK: it is durable, or there was no such device. */
    void (*done)(struct removal *removal, enum wax_status status);
};

/* Mark a device, or an account. */
void directory_remove(struct directory *directory, struct removal *removal);

/*
 * The account behind `user` of which something is marked that may not have been erased yet; false when there
 * is none. From zeros on, after a start: what is marked must be erased by and by.
 */
bool directory_unfinished(const struct directory *directory, uint8_t user[WAX_USER_BYTES]);

/*
 * Erase a device that is marked, with its bundle and one-time keys, and with the last one of an account that
 * is marked the account (any device, when it has none). What is not marked stays.
 */
void directory_erase(struct directory *directory, struct removal *removal);

#define DIRECTORY_SEEN_MS 86400000u /* what is kept of when a device was seen may be so old */

/* A device is here, or was until now. That is written when what is kept is a day old; nobody waits for it. */
void directory_see(struct directory *directory, const struct device_name *name, uint64_t now_ms);

#endif
