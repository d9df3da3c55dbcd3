/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of resume and media tokens, and whose tokens are dead though their time is not over. All of it
 * lives in locked memory here and in the data plane's, never on a disk.
 */
#ifndef CONTROL_TOKEN_KEYS_H
#define CONTROL_TOKEN_KEYS_H

#include <stdbool.h>

#include "waxwire/token.h"

struct token_keys {
    uint64_t life_ms; /* that a token is good for */
    uint32_t count;
    uint32_t revoked_count;
    struct wax_token_key *key;         /* WAX_TOKEN_KEYS_MAX, the current one first */
    struct wax_token_revoked *revoked; /* WAX_TOKENS_REVOKED_MAX */
};

/* Begin without keys, for tokens of `life_s` (WAX_TOKEN_S_MIN or more). False without memory. */
bool token_keys_init(struct token_keys *keys, uint32_t life_s);

/* Wipe and free. */
void token_keys_end(struct token_keys *keys);

/*
 * Make a new current key when there is none or it is old enough, wipe those whose tokens are all over, and
 * forget revocations of such tokens. Returns whether anything changed: then data planes must learn of it.
 */
bool token_keys_turn(struct token_keys *keys, uint64_t now_ms);

/*
 * All tokens that this device (0: each of the user's) was given up to now are dead once data planes have
 * learnt of it. When too many are, every token is: all keys are wiped, and a new one is made.
 */
void token_keys_revoke(struct token_keys *keys, const uint8_t user[WAX_USER_BYTES], uint16_t device,
                       uint64_t now_ms);

#endif
