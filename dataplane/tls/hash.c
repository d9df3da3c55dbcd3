/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls/hash.h"

#include <assert.h>

#include <sodium.h>

/* SHA-384 is SHA-512 from another initial value, cut to 48 bytes (FIPS 180-4 5.3.4, 6.5). */
static void sha384_init(crypto_hash_sha512_state *state)
{
    static const uint64_t initial[8] = {0xcbbb9d5dc1059ed8, 0x629a292a367cd507, 0x9159015a3070dd17,
                                        0x152fecd8f70e5939, 0x67332667ffc00b31, 0x8eb44a8768581511,
                                        0xdb0c2e0d64f98fa7, 0x47b5481dbefa4fa4};
    crypto_hash_sha512_init(state);
    memcpy(state->state, initial, sizeof initial);
}

static void sha384_2(struct view a, struct view b, uint8_t *out)
{
    crypto_hash_sha512_state state;
    uint8_t full[crypto_hash_sha512_BYTES];
    sha384_init(&state);
    crypto_hash_sha512_update(&state, a.data, a.len);
    crypto_hash_sha512_update(&state, b.data, b.len);
    crypto_hash_sha512_final(&state, full);
    memcpy(out, full, 48);
    sodium_memzero(full, sizeof full);
}

static void sha256_2(struct view a, struct view b, uint8_t *out)
{
    crypto_hash_sha256_state state;
    crypto_hash_sha256_init(&state);
    crypto_hash_sha256_update(&state, a.data, a.len);
    crypto_hash_sha256_update(&state, b.data, b.len);
    crypto_hash_sha256_final(&state, out);
}

void tls_hmac(size_t hash_bytes, struct view key, struct view message, uint8_t *out)
{
    void (*hash)(struct view, struct view, uint8_t *) = hash_bytes == 32 ? sha256_2 : sha384_2;
    size_t block = hash_bytes == 32 ? 64 : 128;
    uint8_t pad[128] = {0};
    uint8_t inner[48];
    assert(hash_bytes == 32 || hash_bytes == 48);

    if (key.len > block)
        hash(key, view_of(NULL, 0), pad);
    else if (key.len != 0)
        memcpy(pad, key.data, key.len);
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36;
    hash(view_of(pad, block), message, inner);
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    hash(view_of(pad, block), view_of(inner, hash_bytes), out);
    sodium_memzero(pad, sizeof pad);
    sodium_memzero(inner, sizeof inner);
}
