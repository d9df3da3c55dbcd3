/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Keys of resume and media tokens. The control plane makes them, keeps them in locked memory only, and hands
 * them to each data plane that attaches; that one forgets what it had before. They never lie on a disk: after
 * a restart of the control plane every token is stale, and clients prove their key once more.
 */
#ifndef WAXWIRE_TOKEN_H
#define WAXWIRE_TOKEN_H

#include <stdint.h>

#include "waxwire/limits.h"

struct wax_token_key {
    uint32_t id; /* stands in the token, in clear; not 0 */
    uint32_t reserved;
    uint8_t key[32];      /* of BLAKE2b */
    uint64_t made_ms;     /* since 1970 */
    uint64_t replaced_ms; /* since 1970, 0: it is the current one */
};

/* Tokens of a device that were given at or before a time are dead. */
struct wax_token_revoked {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device; /* 0: all of the user */
    uint8_t reserved[6];
    uint64_t at_ms; /* since 1970 */
};

_Static_assert(sizeof(struct wax_token_key) == 56, "orders have one layout");
_Static_assert(sizeof(struct wax_token_revoked) == 32, "orders have one layout");

#endif
