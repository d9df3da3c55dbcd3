/* SPDX-License-Identifier: BSD-3-Clause */
/* AES-GCM of our own (waxwire/aes_gcm.h): fastest for small records. */
#include "tls/backends.h"
#include "waxwire/aes_gcm.h"

_Static_assert(GCM_TAG_BYTES == WAX_TLS_TAG_BYTES && GCM_IV_BYTES == TLS_IV_BYTES, "RFC 5116 5.1");

GCM_TARGET void ni_seal_128(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain,
                            struct span out)
{
    gcm_seal(key, iv, aad, plain, out, AES_ROUNDS_128);
}

GCM_TARGET bool ni_open_128(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed,
                            struct span out)
{
    return gcm_open(key, iv, aad, sealed, out, AES_ROUNDS_128);
}

GCM_TARGET void ni_seal_256(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain,
                            struct span out)
{
    gcm_seal(key, iv, aad, plain, out, AES_ROUNDS_256);
}

GCM_TARGET bool ni_open_256(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed,
                            struct span out)
{
    return gcm_open(key, iv, aad, sealed, out, AES_ROUNDS_256);
}

static const struct aead backends[] = {
    {
        .name = "aes-ni aes-128-gcm",
        .suite = TLS_AES_128_GCM_SHA256,
        .key_bytes = 16,
        .secret_bytes = 32,
        .records_max = AES_GCM_RECORDS_MAX,
        .available = gcm_available,
        .seal = ni_seal_128,
        .open = ni_open_128,
    },
    {
        .name = "aes-ni aes-256-gcm",
        .suite = TLS_AES_256_GCM_SHA384,
        .key_bytes = 32,
        .secret_bytes = 48,
        .records_max = AES_GCM_RECORDS_MAX,
        .available = gcm_available,
        .seal = ni_seal_256,
        .open = ni_open_256,
    },
};

const struct aead *aead_ni_at(size_t index)
{
    return index < sizeof backends / sizeof backends[0] ? &backends[index] : NULL;
}
