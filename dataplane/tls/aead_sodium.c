/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ChaCha20-Poly1305 (IETF) and AES-256-GCM by libsodium. It has no AES-128-GCM.
 */
#include <sodium.h>

#include "tls/backends.h"

static bool always(void)
{
    return true;
}

static bool has_aes(void)
{
    return crypto_aead_aes256gcm_is_available() != 0;
}

static void chacha_seal(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain,
                        struct span out)
{
    assert(out.len >= plain.len + WAX_TLS_TAG_BYTES);
    crypto_aead_chacha20poly1305_ietf_encrypt(out.data, NULL, plain.data, plain.len, aad.data, aad.len, NULL,
                                              iv, key);
}

static bool chacha_open(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed,
                        struct span out)
{
    assert(sealed.len >= WAX_TLS_TAG_BYTES && out.len >= sealed.len - WAX_TLS_TAG_BYTES);
    return crypto_aead_chacha20poly1305_ietf_decrypt(out.data, NULL, NULL, sealed.data, sealed.len, aad.data,
                                                     aad.len, iv, key) == 0;
}

static void aes_seal(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain,
                     struct span out)
{
    assert(out.len >= plain.len + WAX_TLS_TAG_BYTES);
    crypto_aead_aes256gcm_encrypt(out.data, NULL, plain.data, plain.len, aad.data, aad.len, NULL, iv, key);
}

static bool aes_open(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed,
                     struct span out)
{
    assert(sealed.len >= WAX_TLS_TAG_BYTES && out.len >= sealed.len - WAX_TLS_TAG_BYTES);
    return crypto_aead_aes256gcm_decrypt(out.data, NULL, NULL, sealed.data, sealed.len, aad.data, aad.len, iv,
                                         key) == 0;
}

static const struct aead backends[] = {
    {
        .name = "libsodium chacha20-poly1305",
        .suite = TLS_CHACHA20_POLY1305_SHA256,
        .key_bytes = 32,
        .secret_bytes = 32,
        .records_max = UINT64_MAX - 1,
        .available = always,
        .seal = chacha_seal,
        .open = chacha_open,
    },
    {
        .name = "libsodium aes-256-gcm",
        .suite = TLS_AES_256_GCM_SHA384,
        .key_bytes = 32,
        .secret_bytes = 48,
        .records_max = AES_GCM_RECORDS_MAX,
        .available = has_aes,
        .seal = aes_seal,
        .open = aes_open,
    },
};

const struct aead *aead_sodium_at(size_t index)
{
    return index < sizeof backends / sizeof backends[0] ? &backends[index] : NULL;
}
