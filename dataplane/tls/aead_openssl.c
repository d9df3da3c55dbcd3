/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AES-GCM by OpenSSL, for machines and builds without ipsec-mb: right everywhere, slow (it allocates a
 * context for each record).
 */
#include <openssl/evp.h>
#include <stdlib.h>

#include "tls/backends.h"

static bool always(void)
{
    return true;
}

/* A failure here is memory running out inside OpenSSL: nothing may be sent that was not sealed. */
static void must(int ok)
{
    if (ok != 1)
        abort();
}

static void seal_with(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *iv, struct view aad,
                      struct view plain, struct span out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    assert(out.len >= plain.len + WAX_TLS_TAG_BYTES);
    must(ctx != NULL);
    must(EVP_EncryptInit_ex(ctx, cipher, NULL, key, iv));
    if (aad.len != 0)
        must(EVP_EncryptUpdate(ctx, NULL, &n, aad.data, (int)aad.len));
    if (plain.len != 0)
        must(EVP_EncryptUpdate(ctx, out.data, &n, plain.data, (int)plain.len));
    must(EVP_EncryptFinal_ex(ctx, out.data + plain.len, &n));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, WAX_TLS_TAG_BYTES, out.data + plain.len));
    EVP_CIPHER_CTX_free(ctx);
}

static bool open_with(const EVP_CIPHER *cipher, const uint8_t *key, const uint8_t *iv, struct view aad,
                      struct view sealed, struct span out)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    size_t len = sealed.len - WAX_TLS_TAG_BYTES;
    uint8_t tag[WAX_TLS_TAG_BYTES], unused[WAX_TLS_TAG_BYTES];
    int n = 0;
    assert(sealed.len >= WAX_TLS_TAG_BYTES && out.len >= len);
    must(ctx != NULL);
    memcpy(tag, sealed.data + len, sizeof tag);
    must(EVP_DecryptInit_ex(ctx, cipher, NULL, key, iv));
    if (aad.len != 0)
        must(EVP_DecryptUpdate(ctx, NULL, &n, aad.data, (int)aad.len));
    if (len != 0)
        must(EVP_DecryptUpdate(ctx, out.data, &n, sealed.data, (int)len));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, WAX_TLS_TAG_BYTES, tag));
    bool right = EVP_DecryptFinal_ex(ctx, unused, &n) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return right;
}

static void seal_128(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain,
                     struct span out)
{
    seal_with(EVP_aes_128_gcm(), key, iv, aad, plain, out);
}

static bool open_128(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed,
                     struct span out)
{
    return open_with(EVP_aes_128_gcm(), key, iv, aad, sealed, out);
}

static void seal_256(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain,
                     struct span out)
{
    seal_with(EVP_aes_256_gcm(), key, iv, aad, plain, out);
}

static bool open_256(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed,
                     struct span out)
{
    return open_with(EVP_aes_256_gcm(), key, iv, aad, sealed, out);
}

static const struct aead backends[] = {
    {
        .name = "openssl aes-128-gcm",
        .suite = TLS_AES_128_GCM_SHA256,
        .key_bytes = 16,
        .secret_bytes = 32,
        .records_max = AES_GCM_RECORDS_MAX,
        .available = always,
        .seal = seal_128,
        .open = open_128,
    },
    {
        .name = "openssl aes-256-gcm",
        .suite = TLS_AES_256_GCM_SHA384,
        .key_bytes = 32,
        .secret_bytes = 48,
        .records_max = AES_GCM_RECORDS_MAX,
        .available = always,
        .seal = seal_256,
        .open = open_256,
    },
};

const struct aead *aead_openssl_at(size_t index)
{
    return index < sizeof backends / sizeof backends[0] ? &backends[index] : NULL;
}
