/* SPDX-License-Identifier: BSD-3-Clause */
#include "log.h"

#include <nmmintrin.h>

enum {
    AT_VERSION = 4,
    AT_TYPE = 5,
    AT_BYTES = 8,
    AT_CRC = 12,
    AT_SEQUENCE = 16,
    AT_COMMIT = 24,
    AT_EPOCH = 32
};

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

size_t log_message_size(size_t payload_bytes)
{
    return log_padded(LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + payload_bytes);
}

size_t log_receipt_size(void)
{
    return log_padded(LOG_HEADER_BYTES + LOG_RECEIPT_BYTES);
}

size_t log_retire_size(uint32_t count)
{
    return log_padded(LOG_HEADER_BYTES + LOG_RETIRE_BYTES + (size_t)count * 8u);
}

size_t log_segment_size(void)
{
    return log_padded(LOG_HEADER_BYTES + LOG_SEGMENT_BYTES);
}

/* The header and a zeroed fixed part; what follows is the caller's to fill, but for the padding. */
static uint8_t *put_header(uint8_t *out, enum log_type type, size_t fixed, size_t variable)
{
    size_t bytes = LOG_HEADER_BYTES + fixed + variable;
    memset(out, 0, LOG_HEADER_BYTES + fixed);
    memset(out + bytes, 0, log_padded(bytes) - bytes);
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
    uint8_t *body = put_header(out, LOG_MESSAGE, LOG_MESSAGE_BYTES, message->payload.len);
    put_name(body, &message->name);
    put_name(body + 18, &message->sender);
    body[36] = message->deliver_flags;
    store_be64(body + 40, message->position);
    store_be64(body + 48, message->id);
    store_be64(body + 56, message->taken_ms);
    store_be32(body + 64, message->ttl_s);
    store_be32(body + 68, message->head_bytes);
    store_be32(body + 72, (uint32_t)message->payload.len);
    if (message->payload.len != 0)
        memcpy(body + LOG_MESSAGE_BYTES, message->payload.data, message->payload.len);
    return log_message_size(message->payload.len);
}

size_t log_put_receipt(uint8_t *out, const struct log_receipt *receipt)
{
    uint8_t *body = put_header(out, LOG_RECEIPT, LOG_RECEIPT_BYTES, 0);
    put_name(body, &receipt->name);
    put_name(body + 18, &receipt->about);
    body[36] = receipt->kind;
    body[37] = receipt->reason;
    store_be64(body + 40, receipt->position);
    store_be64(body + 48, receipt->id);
    store_be64(body + 56, receipt->retire);
    store_be64(body + 64, receipt->taken_ms);
    return log_receipt_size();
}

size_t log_put_retire(uint8_t *out, const struct log_name *name, const uint64_t *positions, uint32_t count)
{
    uint8_t *body = put_header(out, LOG_RETIRE, LOG_RETIRE_BYTES, (size_t)count * 8u);
    put_name(body, name);
    store_be32(body + 20, count);
    for (uint32_t i = 0; i < count; i++)
        store_be64(body + LOG_RETIRE_BYTES + (size_t)i * 8u, positions[i]);
    return log_retire_size(count);
}

size_t log_put_segment(uint8_t *out, const struct log_segment *segment)
{
    uint8_t *body = put_header(out, LOG_SEGMENT, LOG_SEGMENT_BYTES, 0);
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

size_t log_stamp(uint8_t *record, uint32_t seed, uint64_t sequence, uint64_t commit, uint64_t epoch)
{
    size_t bytes = load_be32(record + AT_BYTES);
    store_be64(record + AT_SEQUENCE, sequence);
    store_be64(record + AT_COMMIT, commit);
    store_be64(record + AT_EPOCH, epoch);
    store_be32(record + AT_CRC, record_crc(record, bytes, seed));
    return log_padded(bytes);
}

static bool parse_message(const uint8_t *body, size_t len, struct log_message *out)
{
    if (len < LOG_MESSAGE_BYTES)
        return false;
    get_name(body, &out->name);
    get_name(body + 18, &out->sender);
    out->deliver_flags = body[36];
    out->position = load_be64(body + 40);
    out->id = load_be64(body + 48);
    out->taken_ms = load_be64(body + 56);
    out->ttl_s = load_be32(body + 64);
    out->head_bytes = load_be32(body + 68);
    out->payload = view_of(body + LOG_MESSAGE_BYTES, load_be32(body + 72));
    return out->payload.len == len - LOG_MESSAGE_BYTES && out->head_bytes <= out->payload.len;
}

static bool parse_receipt(const uint8_t *body, size_t len, struct log_receipt *out)
{
    if (len != LOG_RECEIPT_BYTES)
        return false;
    get_name(body, &out->name);
    get_name(body + 18, &out->about);
    out->kind = body[36];
    out->reason = body[37];
    out->position = load_be64(body + 40);
    out->id = load_be64(body + 48);
    out->retire = load_be64(body + 56);
    out->taken_ms = load_be64(body + 64);
    return true;
}

static bool parse_retire(const uint8_t *body, size_t len, struct log_retire *out)
{
    if (len < LOG_RETIRE_BYTES)
        return false;
    get_name(body, &out->name);
    out->count = load_be32(body + 20);
    out->positions = body + LOG_RETIRE_BYTES;
    return out->count <= LOG_RETIRE_COUNT_MAX && len - LOG_RETIRE_BYTES == (size_t)out->count * 8u;
}

static bool parse_segment(const uint8_t *body, size_t len, struct log_segment *out)
{
    if (len != LOG_SEGMENT_BYTES)
        return false;
    out->shard = load_be32(body);
    out->segment = load_be64(body + 8);
    return true;
}

enum wax_status log_parse(struct view bytes, uint32_t seed, struct log_record *record)
{
    if (bytes.len < LOG_HEADER_BYTES)
        return WAX_MORE;
    const uint8_t *p = bytes.data;
    size_t len = load_be32(p + AT_BYTES);
    if (load_be32(p) != LOG_MAGIC || p[AT_VERSION] != LOG_VERSION || len < LOG_HEADER_BYTES ||
        len > LOG_RECORD_BYTES_MAX)
        return WAX_STORE_CORRUPT;
    if (bytes.len < log_padded(len))
        return WAX_MORE;
    if (record_crc(p, len, seed) != load_be32(p + AT_CRC))
        return WAX_STORE_CORRUPT;
    *record = (struct log_record){
        .type = (enum log_type)p[AT_TYPE],
        .bytes = (uint32_t)len,
        .sequence = load_be64(p + AT_SEQUENCE),
        .commit = load_be64(p + AT_COMMIT),
        .epoch = load_be64(p + AT_EPOCH),
    };
    if (record->sequence == 0 || record->commit == 0 || record->commit > record->sequence)
        return WAX_STORE_CORRUPT;
    const uint8_t *body = p + LOG_HEADER_BYTES;
    size_t body_len = len - LOG_HEADER_BYTES;
    bool good = false;
    switch (record->type) {
    case LOG_MESSAGE:
        good = parse_message(body, body_len, &record->message);
        break;
    case LOG_RECEIPT:
        good = parse_receipt(body, body_len, &record->receipt);
        break;
    case LOG_RETIRE:
        good = parse_retire(body, body_len, &record->retire);
        break;
    case LOG_SEGMENT:
        good = parse_segment(body, body_len, &record->segment);
        break;
    }
    return good ? WAX_OK : WAX_STORE_CORRUPT;
}

void log_scan_init(struct log_scan *scan, struct view bytes, uint32_t seed, uint64_t expect, bool closed)
{
    *scan = (struct log_scan){.bytes = bytes, .seed = seed, .expect = expect, .closed = closed};
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

/* The offset of the next sound record from `at` on whose sequence is at least `least`, or the end. */
static size_t find_sound(const struct log_scan *scan, size_t at, uint64_t least, struct log_record *found)
{
    for (; at + LOG_HEADER_BYTES <= scan->bytes.len; at += 8) {
        if (load_be32(scan->bytes.data + at) != LOG_MAGIC)
            continue;
        if (log_parse(view_of(scan->bytes.data + at, scan->bytes.len - at), scan->seed, found) == WAX_OK &&
            found->sequence >= least)
            return at;
    }
    return scan->bytes.len;
}

/*
 * What stands at scan->at is no sound successor. Decide by what is sound behind it, and
 * move to where the scan goes on.
 */
static enum wax_status judge_damage(struct log_scan *scan)
{
    struct log_record first, later;
    size_t at = find_sound(scan, scan->at, scan->expect, &first);
    bool confirmed = scan->closed;
    if (at != scan->bytes.len && !confirmed) {
        /* without an expectation a commit that begins behind the damage is proof as well */
        uint64_t expect = scan->expect != 0                           ? scan->expect
                          : first.sequence == first.commit && at != 0 ? first.commit - 1
                                                                      : first.commit;
        confirmed = first.commit > expect;
        later = first;
        for (size_t next = at; !confirmed;) {
            next = find_sound(scan, next + log_padded(later.bytes), later.sequence + 1, &later);
            if (next == scan->bytes.len)
                break;
            confirmed = later.commit > expect;
        }
    }
    if (!confirmed)
        return WAX_STORE_TORN;
    scan->lost_bytes += at - scan->at;
    scan->at = at;
    scan->expect = at != scan->bytes.len ? first.sequence : 0;
    return WAX_STORE_CORRUPT;
}

enum wax_status log_scan_next(struct log_scan *scan, struct log_record *record, size_t *offset)
{
    size_t left = scan->bytes.len - scan->at;
    if (left == 0)
        return WAX_NOT_FOUND;
    const uint8_t *here = scan->bytes.data + scan->at;
    enum wax_status status = log_parse(view_of(here, left), scan->seed, record);
    if (status == WAX_OK && (scan->expect == 0 || record->sequence == scan->expect)) {
        *offset = scan->at;
        scan->at += log_padded(record->bytes);
        scan->expect = record->sequence + 1;
        return WAX_OK;
    }
    if (all_zero(here, left))
        return WAX_NOT_FOUND;
    return judge_damage(scan);
}
