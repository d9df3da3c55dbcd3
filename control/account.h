/* SPDX-License-Identifier: BSD-3-Clause */
/* An account as the directory keeps it: its key, its devices, and what an operator has said of it. */
#ifndef CONTROL_ACCOUNT_H
#define CONTROL_ACCOUNT_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"

#define ACCOUNT_BYTES        48u /* version 1, flags 1, devices 2, invite 4, key 32, created 8 */
#define ACCOUNT_DEVICE_BYTES 12u /* device 2, flags 2, last seen 8 */

enum account_flag {
    ACCOUNT_SUSPENDED = 0x01, /* nobody comes in */
    ACCOUNT_POLICY = 0x02,    /* it has a policy, or had one */
    ACCOUNT_DELETED = 0x04,   /* it goes with its last device */
};

struct account {
    size_t len;
    uint8_t bytes[ACCOUNT_BYTES + ACCOUNT_DEVICE_BYTES * WAX_DEVICES_PER_USER_MAX];
};

/* A new one, without devices. */
void account_make(struct account *account, const uint8_t key[WAX_ACCOUNT_KEY_BYTES], uint64_t now_ms);

/* Whether what was read is one. */
bool account_sound(const struct account *account);

/* Its key, flags and when it was made (ms since 1970). */
const uint8_t *account_key(const struct account *account);
uint8_t account_flags(const struct account *account);
uint64_t account_created_ms(const struct account *account);
void account_set_flags(struct account *account, uint8_t flags);

/* The invite by which it was made; 0: none. */
uint32_t account_invite(const struct account *account);
void account_set_invite(struct account *account, uint32_t invite);

/* How many devices it has; the number of one of them (below that), and when it was last seen. */
uint32_t account_devices(const struct account *account);
uint16_t account_device(const struct account *account, uint32_t index);
uint64_t account_seen_ms(const struct account *account, uint32_t index);

/*
 * The place of a device, or the number of devices when it has no such device; whether it has one that has not
 * been removed.
 */
uint32_t account_place(const struct account *account, uint16_t device);
bool account_has(const struct account *account, uint16_t device);

/* A device that is removed, and stays until its mailbox is empty. */
bool account_removed(const struct account *account, uint32_t index);
void account_mark_removed(struct account *account, uint32_t index);

/* One device more (there must be room) or less; when it was seen. */
void account_add(struct account *account, uint16_t device, uint64_t now_ms);
void account_remove(struct account *account, uint32_t index);
void account_see(struct account *account, uint32_t index, uint64_t now_ms);

#endif
