/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The last message id seen from each sending device: ids of a device rise strictly, so one that is not above
 * the last is a duplicate. Grows with the number of senders.
 */
#ifndef WAXWIRE_CLIENT_SEEN_H
#define WAXWIRE_CLIENT_SEEN_H

#include "waxwire/client.h"

struct seen_entry {
    uint64_t last_id; /* 0: free */
    uint16_t device;
    uint8_t user[WAX_USER_BYTES];
};

struct seen {
    struct seen_entry *entries;
    uint32_t count;
    uint32_t room; /* a power of two, or 0 */
    uint8_t hash_key[16];
};

/* Begins empty; `hash_key` is random, so that no sender can choose where it lies in the table. */
void seen_init(struct seen *seen, const uint8_t hash_key[16]);

/* Forgets all senders. */
void seen_free(struct seen *seen);

/*
 * Notes `id` (above 0). Returns WAX_OK when it is new, WAX_EXISTS when it is a duplicate, WAX_NO_MEMORY.
 */
enum wax_status seen_note(struct seen *seen, const uint8_t user[WAX_USER_BYTES], uint16_t device,
                          uint64_t id);

#endif
