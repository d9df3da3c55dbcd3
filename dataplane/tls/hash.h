/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HMAC with SHA-256 or SHA-384 that allocates nothing (RFC 2104), for the key schedule.
 */
#ifndef WAXWIRE_TLS_HASH_H
#define WAXWIRE_TLS_HASH_H

#include "waxwire/bytes.h"

/*
 * HMAC of `message` under a key of any length, by the hash of `hash_bytes` (32 or 48) bytes, which are
 * written to `out`.
 */
void tls_hmac(size_t hash_bytes, struct view key, struct view message, uint8_t *out);

#endif
