/* SPDX-License-Identifier: BSD-3-Clause */
#include "ticket_keys.h"

#include <sodium.h>
#include <string.h>

bool ticket_keys_init(struct ticket_keys *keys, uint32_t interval_s)
{
    keys->interval_ms = (uint64_t)interval_s * 1000u;
    keys->count = 0;
    keys->key = sodium_allocarray(WAX_TICKET_KEYS_MAX, sizeof keys->key[0]);
    return keys->key != NULL;
}

void ticket_keys_end(struct ticket_keys *keys)
{
    sodium_free(keys->key);
    keys->key = NULL;
    keys->count = 0;
}

bool ticket_keys_turn(struct ticket_keys *keys, uint64_t now_ms)
{
    struct wax_ticket_key *key = keys->key;
    bool changed = false;
    while (keys->count > 1 && now_ms >= key[keys->count - 1].replaced_ms + WAX_TICKET_MS) {
        keys->count--;
        sodium_memzero(&key[keys->count], sizeof key[0]);
        changed = true;
    }
    if (keys->count > 0 && now_ms < key[0].made_ms + keys->interval_ms)
        return changed;
    if (keys->count == WAX_TICKET_KEYS_MAX)
        keys->count--; /* only a clock that jumps comes here */
    memmove(key + 1, key, keys->count * sizeof key[0]);
    if (keys->count > 0)
        key[1].replaced_ms = now_ms;
    randombytes_buf(key[0].name, sizeof key[0].name);
    randombytes_buf(key[0].cipher_key, sizeof key[0].cipher_key);
    randombytes_buf(key[0].mac_key, sizeof key[0].mac_key);
    key[0].made_ms = now_ms;
    key[0].replaced_ms = 0;
    keys->count++;
    return true;
}
