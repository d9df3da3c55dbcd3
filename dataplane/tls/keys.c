/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls/keys.h"

#include <assert.h>

#include <sodium.h>

#include "tls/hash.h"

void tls_extract(size_t hash_bytes, struct view salt, struct view ikm, uint8_t *out)
{
    tls_hmac(hash_bytes, salt, ikm, out);
}

void tls_expand_label(struct view secret, const char *label, struct view context, struct span out)
{
    /* HkdfLabel: uint16 length, opaque label<7..255> = "tls13 " + label, opaque context<0..255>. */
    uint8_t info[2 + 1 + 6 + 24 + 1 + 64];
    size_t label_len = strlen(label);
    assert(label_len <= 24 && context.len <= 64 && out.len <= 255);
    size_t n = 0;
    store_be16(info, (uint16_t)out.len);
    n += 2;
    info[n++] = (uint8_t)(6 + label_len);
    memcpy(info + n, "tls13 ", 6);
    n += 6;
    memcpy(info + n, label, label_len);
    n += label_len;
    info[n++] = (uint8_t)context.len;
    if (context.len != 0)
        memcpy(info + n, context.data, context.len);
    n += context.len;

    /* HKDF-Expand (RFC 5869 2.3): T(i) = HMAC(secret, T(i-1) | info | i). */
    uint8_t block[TLS_SECRET_BYTES_MAX + sizeof info + 1];
    uint8_t t[TLS_SECRET_BYTES_MAX];
    size_t t_len = 0;
    uint8_t counter = 1;
    for (size_t done = 0; done < out.len; counter++) {
        memcpy(block, t, t_len);
        memcpy(block + t_len, info, n);
        block[t_len + n] = counter;
        tls_hmac(secret.len, secret, view_of(block, t_len + n + 1), t);
        t_len = secret.len;
        size_t take = out.len - done < t_len ? out.len - done : t_len;
        memcpy(out.data + done, t, take);
        done += take;
    }
    sodium_memzero(block, sizeof block);
    sodium_memzero(t, sizeof t);
}

void tls_traffic_keys(const struct aead *aead, const uint8_t *secret, uint8_t *key, uint8_t *iv)
{
    struct view from = view_of(secret, aead->secret_bytes);
    tls_expand_label(from, "key", view_of(NULL, 0), span_of(key, aead->key_bytes));
    tls_expand_label(from, "iv", view_of(NULL, 0), span_of(iv, TLS_IV_BYTES));
}

void tls_next_secret(const struct aead *aead, uint8_t *secret)
{
    uint8_t next[TLS_SECRET_BYTES_MAX];
    tls_expand_label(view_of(secret, aead->secret_bytes), "traffic upd", view_of(NULL, 0),
                     span_of(next, aead->secret_bytes));
    memcpy(secret, next, aead->secret_bytes);
    sodium_memzero(next, sizeof next);
}
