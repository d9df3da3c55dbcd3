/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Resume and media tokens: a name, when it was given, and a MAC over both, as base64url without padding. A
 * resume token's MAC is over the account key as well, so that nobody comes in under another one. Clients see
 * opaque characters.
 *
 *   0:1 kind · 1:1 version · 2:2 device · 4:4 key's id · 8:8 given, ms since 1970 · 16:16 user · 32:32 MAC
 */
#ifndef RELAY_TOKEN_H
#define RELAY_TOKEN_H

#include "relay/name.h"
#include "waxwire/status.h"
#include "waxwire/token.h"

#define TOKEN_RAW_BYTES 64u
#define TOKEN_MAC_BYTES 32u
#define TOKEN_BYTES     86u /* of base64url */

_Static_assert(TOKEN_BYTES == (TOKEN_RAW_BYTES * 4u + 2u) / 3u, "base64url without padding");
_Static_assert(TOKEN_BYTES <= WAX_TOKEN_BYTES_MAX, "a token fits WELCOME and HELLO");

enum token_kind { TOKEN_RESUME = 1, TOKEN_MEDIA = 2 };

/* BLAKE2b of 32 bytes over `text` under a key of 32 bytes. */
typedef void token_mac(uint8_t out[TOKEN_MAC_BYTES], const uint8_t *key, struct view text);

/* What a worker knows about tokens: a copy of what the control plane has said last. */
struct token_set {
    uint64_t life_ms; /* a token is good for so long */
    uint32_t key_count;
    uint32_t revoked_count;
    struct wax_token_key key[WAX_TOKEN_KEYS_MAX]; /* the current one first */
    struct wax_token_revoked revoked[WAX_TOKENS_REVOKED_MAX];
};

/*
 * Write a token for `name`, given now. `account_key` (WAX_ACCOUNT_KEY_BYTES) for a resume token, NULL for a
 * media token. Returns TOKEN_BYTES, or 0 while there is no key.
 */
size_t token_make(const struct token_set *set, token_mac *mac, enum token_kind kind, const struct name *name,
                  const uint8_t *account_key, uint64_t now_ms, uint8_t out[TOKEN_BYTES]);

/*
 * Check a token of that kind; whose it is goes into `name`. Returns OK; TOKEN_FORGED when it was not made
 * under a key that is known (or for another account key, or of another kind, or is no token at all);
 * TOKEN_STALE when its time is over, not yet come, or it was revoked.
 */
enum wax_status token_check(const struct token_set *set, token_mac *mac, enum token_kind kind,
                            struct view token, const uint8_t *account_key, uint64_t now_ms,
                            struct name *name);

#endif
