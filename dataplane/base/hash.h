/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SipHash (Aumasson, Bernstein): a keyed 64-bit hash whose collisions can't be found without the key. 1-3 is
 * for tables and choice of the owner of a user; 2-4 where an attacker sees outputs (sequence numbers,
 * tokens).
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "waxwire/bytes.h"

/*
 * The hash of `bytes` under the 16-byte key whose little-endian halves are key[0] and key[1].
 */
uint64_t siphash13(const uint64_t key[2], struct view bytes);
uint64_t siphash24(const uint64_t key[2], struct view bytes);

#endif
