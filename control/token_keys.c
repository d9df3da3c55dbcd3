/* SPDX-License-Identifier: BSD-3-Clause */
#include "token_keys.h"

#include <sodium.h>
#include <string.h>

bool token_keys_init(struct token_keys *keys, uint32_t life_s)
{
    *keys = (struct token_keys){.life_ms = (uint64_t)life_s * 1000u};
    keys->key = sodium_allocarray(WAX_TOKEN_KEYS_MAX, sizeof keys->key[0]);
    keys->revoked = sodium_allocarray(WAX_TOKENS_REVOKED_MAX, sizeof keys->revoked[0]);
    return keys->key != NULL && keys->revoked != NULL;
}

void token_keys_end(struct token_keys *keys)
{
    sodium_free(keys->key);
    sodium_free(keys->revoked);
    *keys = (struct token_keys){0};
}

static bool id_taken(const struct token_keys *keys, uint32_t id)
{
    for (uint32_t i = 0; i < keys->count; i++)
        if (keys->key[i].id == id)
            return true;
    return id == 0;
}

static void key_make(struct token_keys *keys, uint64_t now_ms)
{
    struct wax_token_key *key = keys->key;
    uint32_t id;
    do
        id = randombytes_random();
    while (id_taken(keys, id));
    if (keys->count == WAX_TOKEN_KEYS_MAX)
        keys->count--; /* only a clock that jumps comes here */
    memmove(key + 1, key, keys->count * sizeof key[0]);
    if (keys->count > 0)
        key[1].replaced_ms = now_ms;
    memset(&key[0], 0, sizeof key[0]);
    key[0].id = id;
    randombytes_buf(key[0].key, sizeof key[0].key);
    key[0].made_ms = now_ms;
    keys->count++;
}

bool token_keys_turn(struct token_keys *keys, uint64_t now_ms)
{
    struct wax_token_key *key = keys->key;
    bool changed = false;
    while (keys->count > 1 && now_ms >= key[keys->count - 1].replaced_ms + keys->life_ms) {
        keys->count--;
        sodium_memzero(&key[keys->count], sizeof key[0]);
        changed = true;
    }
    for (uint32_t i = 0; i < keys->revoked_count;) {
        if (now_ms < keys->revoked[i].at_ms + keys->life_ms) {
            i++;
            continue;
        }
        keys->revoked[i] = keys->revoked[--keys->revoked_count];
        changed = true;
    }
    if (keys->count > 0 && now_ms < key[0].made_ms + keys->life_ms / WAX_TOKEN_KEYS_A_LIFE)
        return changed;
    key_make(keys, now_ms);
    return true;
}

void token_keys_revoke(struct token_keys *keys, const uint8_t user[WAX_USER_BYTES], uint16_t device,
                       uint64_t now_ms)
{
    struct wax_token_revoked revoked = {.device = device, .at_ms = now_ms};
    memcpy(revoked.user, user, sizeof revoked.user);
    for (uint32_t i = 0; i < keys->revoked_count; i++) {
        struct wax_token_revoked *at = &keys->revoked[i];
        if (at->device == device && memcmp(at->user, user, sizeof at->user) == 0) {
            at->at_ms = now_ms > at->at_ms ? now_ms : at->at_ms;
            return;
        }
    }
    if (keys->revoked_count < WAX_TOKENS_REVOKED_MAX) {
        keys->revoked[keys->revoked_count++] = revoked;
        return;
    }
    sodium_memzero(keys->key, WAX_TOKEN_KEYS_MAX * sizeof keys->key[0]);
    keys->count = 0;
    keys->revoked_count = 0;
    key_make(keys, now_ms);
}
