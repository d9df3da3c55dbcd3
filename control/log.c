/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <nmmintrin.h>
#include <sodium.h>

#include "waxwire/aes_gcm.h"

enum {
    AT_VERSION = 4,
    AT_TYPE = 5,
    AT_CIPHER = 6,
    AT_BYTES = 8,
    AT_CRC = 12,
    AT_SEQUENCE = 16,
    AT_COMMIT = 24,
    AT_SLOT = 28,
    AT_EPOCH = 32
};

/* Of the body of a message or receipt. */
enum { AT_MARKS = 38 };
enum { MARK_MOVED = 1, MARK_STRIPPED = 2 };

_Static_assert(LOG_OPEN_BYTES_MAX >= LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + LOG_TAG_BYTES, "any first part");
_Static_assert(LOG_KEY_BYTES == 256 / 8, "AES-256 takes keys of 32 bytes");
_Static_assert(LOG_KEY_BYTES == crypto_aead_chacha20poly1305_ietf_KEYBYTES, "and so does the other cipher");
_Static_assert(LOG_TAG_BYTES == GCM_TAG_BYTES, "both have tags of 16 bytes");
_Static_assert(LOG_TAG_BYTES == crypto_aead_chacha20poly1305_ietf_ABYTES, "likewise");

uint32_t log_crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t c = ~crc;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        c = _mm_crc32_u64(c, word);
    }
    for (; len != 0; p++, len--)
        c = _mm_crc32_u8((uint32_t)c, *p);
    return ~(uint32_t)c;
}

uint32_t log_seed(uint32_t seed, const uint8_t salt[16])
{
    return log_crc32c(seed, salt, 16);
}

enum log_cipher log_cipher_choose(void)
{
    return gcm_available() ? LOG_AES256_GCM : LOG_CHACHA20_POLY1305;
}

size_t log_message_size(size_t payload_bytes)
{
    size_t second = payload_bytes != 0 ? payload_bytes + LOG_TAG_BYTES : 0;
    return log_padded(LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + LOG_TAG_BYTES + second);
}

size_t log_receipt_size(void)
{
    return log_padded(LOG_HEADER_BYTES + LOG_RECEIPT_BYTES + LOG_TAG_BYTES);
}

size_t log_retire_size(uint32_t count)
{
    return log_padded(LOG_HEADER_BYTES + LOG_RETIRE_BYTES + (size_t)count * 8u + LOG_TAG_BYTES);
}

size_t log_segment_size(void)
{
    return log_padded(LOG_HEADER_BYTES + LOG_SEGMENT_BYTES);
}

/* The header, and a body of zeros. */
static uint8_t *put_header(uint8_t *out, enum log_type type, size_t body)
{
    size_t bytes = LOG_HEADER_BYTES + body;
    memset(out, 0, log_padded(bytes));
    store_be32(out, LOG_MAGIC);
    out[AT_VERSION] = LOG_VERSION;
    out[AT_TYPE] = (uint8_t)type;
    store_be32(out + AT_BYTES, (uint32_t)bytes);
    return out + LOG_HEADER_BYTES;
}

static void put_name(uint8_t *out, const struct log_name *name)
{
    memcpy(out, name->user, WAX_USER_BYTES);
    store_be16(out + WAX_USER_BYTES, name->device);
}

static void get_name(const uint8_t *in, struct log_name *name)
{
    memcpy(name->user, in, WAX_USER_BYTES);
    name->device = load_be16(in + WAX_USER_BYTES);
}

size_t log_put_message(uint8_t *out, const struct log_message *message)
{
    size_t second = message->payload.len != 0 ? message->payload.len + LOG_TAG_BYTES : 0;
    uint8_t *body = put_header(out, LOG_MESSAGE, LOG_MESSAGE_BYTES + LOG_TAG_BYTES + second);
    put_name(body, &message->name);
    put_name(body + 18, &message->sender);
    body[36] = message->deliver_flags;
    body[AT_MARKS] = (uint8_t)((message->moved ? MARK_MOVED : 0) | (message->stripped ? MARK_STRIPPED : 0));
    store_be64(body + 40, message->position);
    store_be64(body + 48, message->id);
    store_be64(body + 56, message->taken_ms);
    store_be32(body + 64, message->ttl_s);
    store_be32(body + 68, message->head_bytes);
    if (message->payload.len != 0)
        memcpy(body + LOG_MESSAGE_BYTES + LOG_TAG_BYTES, message->payload.data, message->payload.len);
    return log_message_size(message->payload.len);
}

size_t log_put_receipt(uint8_t *out, const struct log_receipt *receipt)
{
    uint8_t *body = put_header(out, LOG_RECEIPT, LOG_RECEIPT_BYTES + LOG_TAG_BYTES);
    put_name(body, &receipt->name);
    put_name(body + 18, &receipt->about);
    body[36] = receipt->kind;
    body[37] = receipt->reason;
    body[AT_MARKS] = receipt->moved ? MARK_MOVED : 0;
    store_be64(body + 40, receipt->position);
    store_be64(body + 48, receipt->id);
    store_be64(body + 56, receipt->retire);
    store_be64(body + 64, receipt->taken_ms);
    return log_receipt_size();
}

size_t log_put_retire(uint8_t *out, const struct log_name *name, const uint64_t *positions, uint32_t count)
{
    uint8_t *body = put_header(out, LOG_RETIRE, LOG_RETIRE_BYTES + (size_t)count * 8u + LOG_TAG_BYTES);
    put_name(body, name);
    for (uint32_t i = 0; i < count; i++)
        store_be64(body + LOG_RETIRE_BYTES + (size_t)i * 8u, positions[i]);
    return log_retire_size(count);
}

size_t log_put_segment(uint8_t *out, const struct log_segment *segment)
{
    uint8_t *body = put_header(out, LOG_SEGMENT, LOG_SEGMENT_BYTES);
    store_be32(body, segment->shard);
    store_be64(body + 8, segment->segment);
    return log_segment_size();
}

static uint32_t record_crc(const uint8_t *record, size_t bytes, uint32_t seed)
{
    static const uint8_t zero[4];
    uint32_t crc = log_crc32c(seed, record, AT_CRC);
    crc = log_crc32c(crc, zero, sizeof zero);
    return log_crc32c(crc, record + AT_SEQUENCE, bytes - AT_SEQUENCE);
}

void log_mark_moved(uint8_t *plain)
{
    plain[LOG_HEADER_BYTES + AT_MARKS] |= MARK_MOVED;
}

/* ---- sealing ---- */

/* The parts of a body, behind the header: where each begins, and its length without its tag. */
struct parts {
    size_t at[2], len[2];
    uint32_t count;
};

static struct parts parts_of(const uint8_t *header)
{
    size_t body = load_be32(header + AT_BYTES) - LOG_HEADER_BYTES;
    struct parts parts = {.at = {LOG_HEADER_BYTES}, .len = {body - LOG_TAG_BYTES}, .count = 1};
    if (header[AT_TYPE] == LOG_SEGMENT)
        parts.count = 0;
    if (header[AT_TYPE] == LOG_MESSAGE && body > LOG_MESSAGE_BYTES + LOG_TAG_BYTES) {
        parts.len[0] = LOG_MESSAGE_BYTES;
        parts.at[1] = LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + LOG_TAG_BYTES;
        parts.len[1] = body - LOG_MESSAGE_BYTES - 2u * LOG_TAG_BYTES;
        parts.count = 2;
    }
    return parts;
}

/* What a part is bound to: the header but for the checksum, which comes last. */
#define BOUND_BYTES (LOG_HEADER_BYTES - 4u)

static void bound(const uint8_t *header, uint8_t out[BOUND_BYTES])
{
    memcpy(out, header, AT_CRC);
    memcpy(out + AT_CRC, header + AT_SEQUENCE, LOG_HEADER_BYTES - AT_SEQUENCE);
}

/* A key seals one record: its parts take the nonces 0 and 1. */
GCM_TARGET static void part_seal(uint8_t *sealed, const uint8_t *plain, size_t len, uint8_t part,
                                 const uint8_t *header, const uint8_t *key)
{
    uint8_t ad[BOUND_BYTES];
    const uint8_t nonce[GCM_IV_BYTES] = {part};
    bound(header, ad);
    if (header[AT_CIPHER] == LOG_AES256_GCM)
        gcm_seal(key, nonce, view_of(ad, sizeof ad), view_of(plain, len),
                 span_of(sealed, len + LOG_TAG_BYTES), AES_ROUNDS_256);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt_detached(sealed, sealed + len, NULL, plain, len, ad,
                                                           sizeof ad, NULL, nonce, key);
}

GCM_TARGET static bool part_open(uint8_t *plain, const uint8_t *sealed, size_t len, uint8_t part,
                                 const uint8_t *header, const uint8_t *key)
{
    uint8_t ad[BOUND_BYTES];
    const uint8_t nonce[GCM_IV_BYTES] = {part};
    bound(header, ad);
    if (header[AT_CIPHER] == LOG_AES256_GCM)
        return gcm_available() &&
               gcm_open(key, nonce, view_of(ad, sizeof ad), view_of(sealed, len + LOG_TAG_BYTES),
                        span_of(plain, len), AES_ROUNDS_256);
    return crypto_aead_chacha20poly1305_ietf_decrypt_detached(plain, NULL, sealed, len, sealed + len, ad,
                                                              sizeof ad, nonce, key) == 0;
}

size_t log_seal(uint8_t *sealed, const uint8_t *plain, enum log_cipher cipher,
                const uint8_t key[LOG_KEY_BYTES], uint32_t seed, const struct log_place *place)
{
    size_t bytes = load_be32(plain + AT_BYTES);
    struct parts parts = parts_of(plain);
    memcpy(sealed, plain, LOG_HEADER_BYTES);
    sealed[AT_CIPHER] = parts.count != 0 ? (uint8_t)cipher : 0;
    store_be64(sealed + AT_SEQUENCE, place->sequence);
    store_be32(sealed + AT_COMMIT, (uint32_t)(place->sequence - place->commit));
    store_be32(sealed + AT_SLOT, place->slot);
    store_be64(sealed + AT_EPOCH, place->epoch);
    for (uint32_t i = 0; i < parts.count; i++)
        part_seal(sealed + parts.at[i], plain + parts.at[i], parts.len[i], (uint8_t)i, sealed, key);
    if (parts.count == 0)
        memcpy(sealed + LOG_HEADER_BYTES, plain + LOG_HEADER_BYTES, bytes - LOG_HEADER_BYTES);
    memset(sealed + bytes, 0, log_padded(bytes) - bytes);
    store_be32(sealed + AT_CRC, record_crc(sealed, bytes, seed));
    return log_padded(bytes);
}

/* ---- decoding ---- */

static void read_message(const uint8_t *body, size_t len, struct log_message *out)
{
    get_name(body, &out->name);
    get_name(body + 18, &out->sender);
    out->deliver_flags = body[36];
    out->moved = (body[AT_MARKS] & MARK_MOVED) != 0;
    out->stripped = (body[AT_MARKS] & MARK_STRIPPED) != 0;
    out->position = load_be64(body + 40);
    out->id = load_be64(body + 48);
    out->taken_ms = load_be64(body + 56);
    out->ttl_s = load_be32(body + 64);
    out->head_bytes = load_be32(body + 68);
    out->payload = (struct view){0};
    if (len > LOG_MESSAGE_BYTES + LOG_TAG_BYTES)
        out->payload =
            view_of(body + LOG_MESSAGE_BYTES + LOG_TAG_BYTES, len - LOG_MESSAGE_BYTES - 2u * LOG_TAG_BYTES);
}

static void read_receipt(const uint8_t *body, struct log_receipt *out)
{
    get_name(body, &out->name);
    get_name(body + 18, &out->about);
    out->kind = body[36];
    out->reason = body[37];
    out->moved = (body[AT_MARKS] & MARK_MOVED) != 0;
    out->position = load_be64(body + 40);
    out->id = load_be64(body + 48);
    out->retire = load_be64(body + 56);
    out->taken_ms = load_be64(body + 64);
}

static void read_retire(const uint8_t *body, size_t len, struct log_retire *out)
{
    get_name(body, &out->name);
    out->count = (uint32_t)((len - LOG_RETIRE_BYTES - LOG_TAG_BYTES) / 8u);
    out->positions = body + LOG_RETIRE_BYTES;
}

static void read_segment(const uint8_t *body, struct log_segment *out)
{
    out->shard = load_be32(body);
    out->segment = load_be64(body + 8);
}

/* Whether a record of this type can be so long. */
static bool length_fits(uint8_t type, size_t len)
{
    size_t message = LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + LOG_TAG_BYTES;
    size_t retire = LOG_HEADER_BYTES + LOG_RETIRE_BYTES + LOG_TAG_BYTES;
    switch ((enum log_type)type) {
    case LOG_MESSAGE:
        return len == message || (len > message + LOG_TAG_BYTES && len <= LOG_RECORD_BYTES_MAX);
    case LOG_RECEIPT:
        return len == LOG_HEADER_BYTES + LOG_RECEIPT_BYTES + LOG_TAG_BYTES;
    case LOG_RETIRE:
        return len >= retire && len <= LOG_RETIRE_BYTES_MAX && (len - retire) % 8u == 0;
    case LOG_SEGMENT:
        return len == LOG_HEADER_BYTES + LOG_SEGMENT_BYTES;
    }
    return false;
}

enum wax_status log_parse(struct view bytes, uint32_t seed, struct log_record *record)
{
    if (bytes.len < LOG_HEADER_BYTES)
        return WAX_MORE;
    const uint8_t *p = bytes.data;
    size_t len = load_be32(p + AT_BYTES);
    if (load_be32(p) != LOG_MAGIC || p[AT_VERSION] != LOG_VERSION || !length_fits(p[AT_TYPE], len))
        return WAX_STORE_CORRUPT;
    if (bytes.len < log_padded(len))
        return WAX_MORE;
    if (record_crc(p, len, seed) != load_be32(p + AT_CRC))
        return WAX_STORE_CORRUPT;
    uint64_t sequence = load_be64(p + AT_SEQUENCE), behind = load_be32(p + AT_COMMIT);
    *record = (struct log_record){
        .type = (enum log_type)p[AT_TYPE],
        .bytes = (uint32_t)len,
        .place = {sequence, sequence - behind, load_be64(p + AT_EPOCH), load_be32(p + AT_SLOT)},
    };
    if (sequence <= behind)
        return WAX_STORE_CORRUPT;
    if (record->type == LOG_SEGMENT)
        read_segment(p + LOG_HEADER_BYTES, &record->segment);
    return WAX_OK;
}

bool log_shaped(const uint8_t *record, size_t bytes)
{
    size_t len = load_be32(record + AT_BYTES);
    return load_be32(record) == LOG_MAGIC && record[AT_VERSION] == LOG_VERSION &&
           length_fits(record[AT_TYPE], len) && log_padded(len) == bytes;
}

bool log_read(const uint8_t *plain, struct log_record *record)
{
    size_t len = load_be32(plain + AT_BYTES);
    const uint8_t *body = plain + LOG_HEADER_BYTES;
    record->type = (enum log_type)plain[AT_TYPE];
    record->bytes = (uint32_t)len;
    if (!length_fits(plain[AT_TYPE], len))
        return false;
    switch (record->type) {
    case LOG_MESSAGE:
        read_message(body, len - LOG_HEADER_BYTES, &record->message);
        return record->message.head_bytes <= record->message.payload.len;
    case LOG_RECEIPT:
        read_receipt(body, &record->receipt);
        return true;
    case LOG_RETIRE:
        read_retire(body, len - LOG_HEADER_BYTES, &record->retire);
        return true;
    case LOG_SEGMENT:
        read_segment(body, &record->segment);
        return true;
    }
    return false;
}

bool log_open(const uint8_t *sealed, const uint8_t key[LOG_KEY_BYTES], bool payload, uint8_t *plain,
              struct log_record *record)
{
    struct parts parts = parts_of(sealed);
    uint32_t count = payload ? parts.count : parts.count != 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!part_open(plain + parts.at[i], sealed + parts.at[i], parts.len[i], (uint8_t)i, sealed, key))
            return false;
    }
    if (plain != sealed)
        memcpy(plain, sealed, LOG_HEADER_BYTES);
    if (!log_read(plain, record))
        return false;
    if (count < parts.count)
        record->message.payload.data = NULL;
    return true;
}
