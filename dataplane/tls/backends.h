/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the backends of crypto.h share. Private to tls/.
 */
#ifndef WAXWIRE_TLS_BACKENDS_H
#define WAXWIRE_TLS_BACKENDS_H

#include <assert.h>

#include "tls/crypto.h"

/* RFC 8446 5.5: 2^24.5 full-size records under one AES-GCM key. */
#define AES_GCM_RECORDS_MAX 23726566u

/* Each library's backends by index from 0, fastest first; NULL past the end. */
const struct aead *aead_imb_at(size_t index);
const struct aead *aead_ni_at(size_t index);
const struct aead *aead_sodium_at(size_t index);
const struct aead *aead_openssl_at(size_t index);

/* aead_ni.c, for the backends that leave small records to it. */
void ni_seal_128(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain, struct span out);
bool ni_open_128(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed, struct span out);
void ni_seal_256(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain, struct span out);
bool ni_open_256(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed, struct span out);

/* Compares two tags in constant time, in two words: a byte loop costs more than it protects. */
static inline bool tags_equal(const uint8_t *a, const uint8_t *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

#endif
