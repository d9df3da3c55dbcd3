/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The format of a shard's log: pure functions over bytes, version 1.
 *
 * A shard's log is a row of segments, a segment a row of records, each padded to 8 bytes.
 * Records are numbered through the shard without a gap (`sequence`). They are written in
 * commits, one at a time: `commit` is the sequence of the first record of a record's
 * commit. So a record that is sound proves that every record before its commit was
 * confirmed, which is how a scan tells damage (to be reported and confined) from a torn
 * tail (never confirmed, to be cut off).
 *
 * The checksum begins from a secret seed of the store, so that no payload can pose as a record.
 * All integers are big-endian. Header, 40 bytes: 0:4 magic · 4:1 version · 5:1 type · 6:2 zero ·
 * 8:4 bytes (header and body) · 12:4 CRC-32C of the record with this field zero ·
 * 16:8 sequence · 24:8 commit · 32:8 epoch of the shard.
 */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

#define LOG_MAGIC            0x77786c67u /* "wxlg" */
#define LOG_VERSION          1u
#define LOG_HEADER_BYTES     40u
#define LOG_MESSAGE_BYTES    80u /* of the body, before the payload */
#define LOG_RECEIPT_BYTES    72u
#define LOG_RETIRE_BYTES     24u /* of the body, before the positions */
#define LOG_SEGMENT_BYTES    16u
#define LOG_RETIRE_COUNT_MAX 1024u
#define LOG_RECORD_BYTES_MAX (LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + WAX_FRAME_BYTES_MAX)

enum log_type {
    LOG_SEGMENT = 1, /* first in every segment */
    LOG_MESSAGE = 2,
    LOG_RECEIPT = 3, /* and the retirement of what it is about */
    LOG_RETIRE = 4,
};

/* A device of a user: the name of a mailbox. */
struct log_name {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device;
};

struct log_message {
    struct log_name name;
    struct log_name sender;
    uint64_t position;
    uint64_t id;
    uint64_t taken_ms;
    uint32_t ttl_s;
    uint32_t head_bytes;
    uint8_t deliver_flags;
    struct view payload;
};

struct log_receipt {
    struct log_name name;
    struct log_name about;
    uint64_t position;
    uint64_t id;
    uint64_t retire; /* a position in the mailbox of `about`, 0 = none */
    uint64_t taken_ms;
    uint8_t kind;
    uint8_t reason;
};

struct log_retire {
    struct log_name name;
    uint32_t count;
    const uint8_t *positions; /* big-endian, 8 bytes each: log_retire_position */
};

struct log_segment {
    uint32_t shard;
    uint64_t segment;
};

/* A record taken apart. Views point into the scanned bytes. */
struct log_record {
    enum log_type type;
    uint32_t bytes;
    uint64_t sequence;
    uint64_t commit;
    uint64_t epoch;
    union {
        struct log_message message;
        struct log_receipt receipt;
        struct log_retire retire;
        struct log_segment segment;
    };
};

/* What `bytes` take in a segment. */
static inline size_t log_padded(size_t bytes)
{
    return (bytes + 7u) & ~(size_t)7u;
}

static inline uint64_t log_retire_position(const struct log_retire *retire, uint32_t index)
{
    return load_be64(retire->positions + (size_t)index * 8u);
}

/* CRC-32C (Castagnoli) of the bytes, continued from `crc` (0 to begin). */
uint32_t log_crc32c(uint32_t crc, const void *data, size_t len);

/* ---- encoding; the record is whole after log_stamp ---- */

/* The bytes that a record takes, padding included. */
size_t log_message_size(size_t payload_bytes);
size_t log_receipt_size(void);
size_t log_retire_size(uint32_t count);
size_t log_segment_size(void);

/*
 * Write a record without its place in the log into `out`, which has room for its size.
 * Return the size written, padding included and zeroed.
 */
size_t log_put_message(uint8_t *out, const struct log_message *message);
size_t log_put_receipt(uint8_t *out, const struct log_receipt *receipt);
size_t log_put_retire(uint8_t *out, const struct log_name *name, const uint64_t *positions, uint32_t count);
size_t log_put_segment(uint8_t *out, const struct log_segment *segment);

/* Give a record that was put its place and its checksum. Returns its size with padding. */
size_t log_stamp(uint8_t *record, uint32_t seed, uint64_t sequence, uint64_t commit, uint64_t epoch);

/* ---- decoding ---- */

/*
 * Take apart the record at the start of `bytes`. OK, MORE when the bytes end within it, or
 * STORE_CORRUPT when it is not a sound record.
 */
enum wax_status log_parse(struct view bytes, uint32_t seed, struct log_record *record);

struct log_scan {
    struct view bytes; /* of one segment, from its start */
    size_t at;         /* the next record's offset */
    uint64_t expect;   /* its sequence, 0 = not known */
    uint32_t seed;
    bool closed; /* everything in the segment was confirmed: damage is never a torn tail */
    uint64_t lost_bytes;
};

/* Begin to scan a segment. */
void log_scan_init(struct log_scan *scan, struct view bytes, uint32_t seed, uint64_t expect, bool closed);

/*
 * The next record, and where it lies (`*offset`).
 *   OK             a record
 *   NOT_FOUND      the end of what was written
 *   STORE_CORRUPT  damage among confirmed records; the scan goes on behind it when called again
 *   STORE_TORN     the tail that begins at scan->at was never confirmed; the end
 */
enum wax_status log_scan_next(struct log_scan *scan, struct log_record *record, size_t *offset);

#endif
