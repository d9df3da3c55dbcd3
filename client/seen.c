/* SPDX-License-Identifier: BSD-3-Clause */
#include "seen.h"

#include <sodium.h>
#include <stdlib.h>

#define SEEN_ROOM_MIN 16u

_Static_assert(crypto_shorthash_KEYBYTES == 16 && crypto_shorthash_BYTES == 8, "SipHash-2-4");

void seen_init(struct seen *seen, const uint8_t hash_key[16])
{
    *seen = (struct seen){0};
    memcpy(seen->hash_key, hash_key, sizeof seen->hash_key);
}

void seen_free(struct seen *seen)
{
    free(seen->entries);
    seen->entries = NULL;
    seen->count = seen->room = 0;
}

/* The sender's entry, or the free one where it belongs. There is always a free one. */
static struct seen_entry *seen_find(const struct seen *seen, const uint8_t user[WAX_USER_BYTES],
                                    uint16_t device)
{
    uint8_t name[WAX_USER_BYTES + 2], digest[crypto_shorthash_BYTES];

    memcpy(name, user, WAX_USER_BYTES);
    store_be16(name + WAX_USER_BYTES, device);
    crypto_shorthash(digest, name, sizeof name, seen->hash_key);
    for (uint32_t i = load_be32(digest);; i++) {
        struct seen_entry *entry = &seen->entries[i & (seen->room - 1)];
        if (entry->last_id == 0 ||
            (entry->device == device && memcmp(entry->user, user, WAX_USER_BYTES) == 0))
            return entry;
    }
}

static bool seen_grow(struct seen *seen)
{
    struct seen old = *seen;

    seen->room = old.room == 0 ? SEEN_ROOM_MIN : old.room * 2;
    seen->entries = calloc(seen->room, sizeof *seen->entries);
    if (seen->entries == NULL) {
        *seen = old;
        return false;
    }
    for (uint32_t i = 0; i < old.room; i++) {
        if (old.entries[i].last_id != 0)
            *seen_find(seen, old.entries[i].user, old.entries[i].device) = old.entries[i];
    }
    free(old.entries);
    return true;
}

enum wax_status seen_note(struct seen *seen, const uint8_t user[WAX_USER_BYTES], uint16_t device, uint64_t id)
{
    if (seen->count >= seen->room / 4 * 3 && !seen_grow(seen))
        return WAX_NO_MEMORY;
    struct seen_entry *entry = seen_find(seen, user, device);
    if (entry->last_id == 0) {
        memcpy(entry->user, user, WAX_USER_BYTES);
        entry->device = device;
        seen->count++;
    } else if (id <= entry->last_id) {
        return WAX_EXISTS;
    }
    entry->last_id = id;
    return WAX_OK;
}
