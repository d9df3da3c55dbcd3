/* SPDX-License-Identifier: BSD-3-Clause */
/* One direction: sealing and opening single records (RFC 8446 5.2-5.5). */
#include "tls/record.h"

#include <assert.h>

#include "tls/record_private.h"

/* The longest body: inner plaintext of 2^14 + 1 bytes (RFC 8446 5.4) and the tag. */
#define BODY_BYTES_MAX (WAX_TLS_PLAINTEXT_BYTES_MAX + 1u + WAX_TLS_TAG_BYTES)
#define BODY_BYTES_MIN (1u + WAX_TLS_TAG_BYTES)

void dir_rekey(struct tls_dir *dir, const uint8_t *secret)
{
    tls_traffic_keys(dir->aead, secret, dir->key, dir->iv);
    dir->seq = 0;
}

/* The nonce: the sequence number, big-endian, over the IV's last 8 bytes (RFC 8446 5.3). */
static void nonce_make(const struct tls_dir *dir, uint8_t nonce[TLS_IV_BYTES])
{
    memcpy(nonce, dir->iv, TLS_IV_BYTES);
    store_be64(nonce + 4, load_be64(dir->iv + 4) ^ dir->seq);
}

enum wax_status tls_record_length(struct view head, size_t *len)
{
    *len = WAX_TLS_HEADER_BYTES;
    if (head.len < WAX_TLS_HEADER_BYTES)
        return head.len > 0 && head.data[0] != TLS_APPLICATION_DATA ? WAX_TLS_RECORD_TYPE : WAX_MORE;
    if (head.data[0] != TLS_APPLICATION_DATA)
        return WAX_TLS_RECORD_TYPE;
    size_t body = load_be16(head.data + 3);
    if (body > WAX_TLS_RECORD_BYTES_MAX - WAX_TLS_HEADER_BYTES)
        return WAX_TLS_RECORD_LENGTH;
    *len += body;
    return WAX_OK;
}

enum wax_status dir_seal(struct tls_dir *dir, uint8_t type, struct view plain, struct span out, size_t *len)
{
    *len = 0;
    if (plain.len > WAX_TLS_PLAINTEXT_BYTES_MAX)
        return WAX_BAD_ARGUMENT;
    if (out.len < plain.len + TLS_OVERHEAD_BYTES)
        return WAX_FULL;
    uint8_t *body = out.data + WAX_TLS_HEADER_BYTES;
    size_t inner = plain.len + 1;
    if (plain.len != 0 && plain.data != body)
        memmove(body, plain.data, plain.len);
    body[plain.len] = type;
    out.data[0] = TLS_APPLICATION_DATA;
    store_be16(out.data + 1, 0x0303);
    store_be16(out.data + 3, (uint16_t)(inner + WAX_TLS_TAG_BYTES));

    uint8_t nonce[TLS_IV_BYTES];
    nonce_make(dir, nonce);
    dir->aead->seal(dir->key, nonce, view_of(out.data, WAX_TLS_HEADER_BYTES), view_of(body, inner),
                    span_of(body, inner + WAX_TLS_TAG_BYTES));
    dir->seq++;
    *len = plain.len + TLS_OVERHEAD_BYTES;
    return WAX_OK;
}

enum wax_status tls_seal(struct tls_dir *dir, uint8_t type, struct view plain, struct span out, size_t *len)
{
    *len = 0;
    if (dir->seq >= dir->aead->records_max)
        return WAX_TLS_KEYS_EXHAUSTED;
    return dir_seal(dir, type, plain, out, len);
}

/* The length of `inner` without the zeros at its end; the last byte left is the type. */
static size_t unpadded(const uint8_t *inner, size_t len)
{
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, inner + len - 8, sizeof word);
        if (word != 0)
            break;
        len -= 8;
    }
    while (len > 0 && inner[len - 1] == 0)
        len--;
    return len;
}

enum wax_status tls_open(struct tls_dir *dir, struct span record, uint8_t *type, struct span *plain)
{
    assert(record.len >= WAX_TLS_HEADER_BYTES);
    size_t body_len = record.len - WAX_TLS_HEADER_BYTES;
    uint8_t *body = record.data + WAX_TLS_HEADER_BYTES;
    if (record.data[0] != TLS_APPLICATION_DATA)
        return WAX_TLS_RECORD_TYPE;
    if (body_len > BODY_BYTES_MAX || body_len != load_be16(record.data + 3))
        return WAX_TLS_RECORD_LENGTH;
    if (body_len < BODY_BYTES_MIN)
        return WAX_TLS_RECORD_SHORT;
    if (dir->seq == UINT64_MAX)
        return WAX_TLS_KEYS_EXHAUSTED;

    uint8_t nonce[TLS_IV_BYTES];
    nonce_make(dir, nonce);
    size_t inner = body_len - WAX_TLS_TAG_BYTES;
    if (!dir->aead->open(dir->key, nonce, view_of(record.data, WAX_TLS_HEADER_BYTES), view_of(body, body_len),
                         span_of(body, inner)))
        return WAX_TLS_BAD_TAG;
    dir->seq++;
    size_t len = unpadded(body, inner);
    if (len == 0)
        return WAX_TLS_BAD_PADDING;
    *type = body[len - 1];
    *plain = span_of(body, len - 1);
    return WAX_OK;
}
