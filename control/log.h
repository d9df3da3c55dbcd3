/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The format of a shard's log: pure functions over bytes, version 2.
 *
 * A shard's log is a row of segments, a segment a row of records, each padded to 8 bytes.
 * Records are numbered through the shard without a gap (`sequence`). They are written in
 * commits, one at a time: `commit` is the sequence of the first record of a record's
 * commit. So a record that is sound proves that every record before its commit was
 * confirmed, which is how a scan tells damage (to be reported and confined) from a torn
 * tail (never confirmed, to be cut off).
 *
 * A record has a slot in its segment, counted from 0, and its body is sealed under the key of that
 * slot (keytree.h), so that destroying the key destroys the record. The first part of a body is
 * sealed by itself: an index can be made of it without opening payloads. What remains in
 * clear is the header: when and how much was written, never for whom.
 *
 * A commit is filled up with zeros to whole blocks of the disk, so that no block is ever written twice. A
 * segment may be laid over an older one: behind its end lies what the file was before.
 *
 * The checksum covers the sealed bytes and begins from a seed of the segment, so that neither a
 * payload nor a record of another segment, or of the file's earlier use, can pose as one.
 * All integers are big-endian. Header, 40 bytes: 0:4 magic · 4:1 version · 5:1 type · 6:1 cipher ·
 * 7:1 zero · 8:4 bytes (header and body) · 12:4 CRC-32C of the record with this field zero ·
 * 16:8 sequence · 24:4 sequence less commit · 28:4 slot · 32:8 epoch of the shard.
 */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

#define LOG_MAGIC            0x77786c67u /* "wxlg" */
#define LOG_VERSION          2u
#define LOG_HEADER_BYTES     40u
#define LOG_BLOCK_BYTES      512u /* a commit begins and ends at a multiple */
#define LOG_TAG_BYTES        16u  /* behind each sealed part */
#define LOG_KEY_BYTES        32u
#define LOG_MESSAGE_BYTES    80u /* of the first part; the payload is the second, when it is not empty */
#define LOG_RECEIPT_BYTES    72u
#define LOG_RETIRE_BYTES     24u /* before the positions */
#define LOG_SEGMENT_BYTES    16u /* in clear */
#define LOG_RETIRE_COUNT_MAX 1024u
#define LOG_RECORD_BYTES_MAX (LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + WAX_FRAME_BYTES_MAX + 2u * LOG_TAG_BYTES)
#define LOG_RETIRE_BYTES_MAX (LOG_HEADER_BYTES + LOG_RETIRE_BYTES + 8u * LOG_RETIRE_COUNT_MAX + LOG_TAG_BYTES)
/* What log_open takes of room without the payload, whatever the record is. */
#define LOG_OPEN_BYTES_MAX LOG_RETIRE_BYTES_MAX

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
    bool moved;    /* a copy: the record with this position before it is not valid any more */
    bool stripped; /* it has expired, and its payload was left behind */
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
    bool moved; /* as a message's */
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

enum log_cipher {
    LOG_CHACHA20_POLY1305 = 1, /* RFC 8439 */
    LOG_AES256_GCM = 2,
};

/* Where a record stands. */
struct log_place {
    uint64_t sequence;
    uint64_t commit;
    uint64_t epoch;
    uint32_t slot;
};

/* A record taken apart. Views point into the bytes that it was taken from. */
struct log_record {
    enum log_type type;
    uint32_t bytes;
    struct log_place place;
    union { /* after log_read or log_open; of LOG_SEGMENT at once */
        struct log_message message;
        struct log_receipt receipt;
        struct log_retire retire;
        struct log_segment segment;
    };
};

/* What a commit of so many bytes takes. */
static inline size_t log_blocks(size_t bytes)
{
    return (bytes + LOG_BLOCK_BYTES - 1u) & ~(size_t)(LOG_BLOCK_BYTES - 1u);
}

/* What `bytes` take in a commit. */
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

/* The seed of a segment's checksums, from the store's and the segment's salt. */
uint32_t log_seed(uint32_t seed, const uint8_t salt[16]);

/* The faster cipher of this machine. */
enum log_cipher log_cipher_choose(void);

/* ---- encoding: put plain, then seal ---- */

/* The bytes that a record takes, padding included, plain as sealed. */
size_t log_message_size(size_t payload_bytes);
size_t log_receipt_size(void);
size_t log_retire_size(uint32_t count);
size_t log_segment_size(void);

/*
 * Write a plain record, without its place in the log, into `out`, which has room for its size.
 * Return the size written, padding included and zeroed.
 */
size_t log_put_message(uint8_t *out, const struct log_message *message);
size_t log_put_receipt(uint8_t *out, const struct log_receipt *receipt);
size_t log_put_retire(uint8_t *out, const struct log_name *name, const uint64_t *positions, uint32_t count);
size_t log_put_segment(uint8_t *out, const struct log_segment *segment);

/* Mark a plain message or receipt as moved. */
void log_mark_moved(uint8_t *plain);

/*
 * Seal a plain record under its key, give it its place and its checksum. `sealed` has room for its size, and
 * lies elsewhere. A record LOG_SEGMENT is not sealed; its key is ignored. Returns the size with padding.
 */
size_t log_seal(uint8_t *sealed, const uint8_t *plain, enum log_cipher cipher,
                const uint8_t key[LOG_KEY_BYTES], uint32_t seed, const struct log_place *place);

/* ---- decoding ---- */

/*
 * Look at the sealed record at the start of `bytes`: its type, size and place. OK, MORE when the bytes
 * end within it, or STORE_CORRUPT when it is not a sound record.
 */
enum wax_status log_parse(struct view bytes, uint32_t seed, struct log_record *record);

/* Whether a record whose checksum may be wrong has the shape of one of so many bytes. */
bool log_shaped(const uint8_t *record, size_t bytes);

/* Take a plain record apart; false when it is not one. */
bool log_read(const uint8_t *plain, struct log_record *record);

/*
 * Open a record that log_parse found sound, and take it apart. `plain` has room for record->bytes, or
 * for LOG_OPEN_BYTES_MAX when the payload is left out (its view then has a length and no data); it may be
 * the sealed bytes themselves. False when the key is not the right one.
 */
bool log_open(const uint8_t *sealed, const uint8_t key[LOG_KEY_BYTES], bool payload, uint8_t *plain,
              struct log_record *record);

/* What is known of a segment's end. */
enum log_tail {
    LOG_TAIL_OPEN,     /* the last commit may be torn */
    LOG_TAIL_SEALED,   /* all of it was confirmed */
    LOG_TAIL_FOLLOWED, /* all was confirmed up to where the next segment goes on; behind that lies anything */
};

struct log_scan {
    struct view bytes; /* of one segment, from its start */
    size_t at;         /* the next record's offset */
    uint64_t expect;   /* its sequence, 0 = not known */
    uint32_t seed;
    enum log_tail tail;
    bool partial; /* a torn tail is one of this segment, not what the file was before */
    uint64_t lost_bytes;
    uint64_t filled_bytes; /* between commits */
};

/* Begin to scan a segment. */
void log_scan_init(struct log_scan *scan, struct view bytes, uint32_t seed, uint64_t expect,
                   enum log_tail tail);

/*
 * The next record, and where it lies (`*offset`).
 *   OK             a record
 *   NOT_FOUND      the end of what was written
 *   STORE_CORRUPT  damage among confirmed records; the scan goes on behind it when called again
 *   STORE_TORN     the tail that begins at scan->at was never confirmed; the end
 */
enum wax_status log_scan_next(struct log_scan *scan, struct log_record *record, size_t *offset);

#endif
