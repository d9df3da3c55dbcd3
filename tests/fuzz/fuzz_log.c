/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log of a shard: an input is a way (bit 0 sealed, bit 1 the sequence is known to be 1, bit 3 followed,
 * bit 2 mend the checksums first, so that what lies behind them is reached) and a segment.
 * Every scan ends, records rise and lie within the segment, and nothing is counted twice. Of each record
 * log_read stays within it, and log_open does, with a key that is not its own.
 */
#include <stdlib.h>

#include "log.h"

#define SEED 7u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void mend(uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at + LOG_HEADER_BYTES <= len; at += 8) {
        if (load_be32(bytes + at) != LOG_MAGIC)
            continue;
        size_t record = load_be32(bytes + at + 8);
        if (record < LOG_HEADER_BYTES || record > len - at)
            continue;
        uint32_t crc = log_crc32c(log_crc32c(SEED, bytes + at, 12), (const uint8_t[4]){0}, 4);
        store_be32(bytes + at + 12, log_crc32c(crc, bytes + at + 16, record - 16));
    }
}

static void check_record(const uint8_t *at, const uint8_t *bytes, size_t end)
{
    struct log_record read, *record = &read;
    static const uint8_t key[LOG_KEY_BYTES];
    uint8_t plain[LOG_OPEN_BYTES_MAX];
    (void)log_open(at, key, false, plain, record);
    if (!log_read(at, record))
        return;
    if (record->type == LOG_MESSAGE && record->message.payload.len != 0) {
        const struct log_message *message = &record->message;
        check(message->head_bytes <= message->payload.len);
        check(message->payload.data >= bytes && message->payload.data + message->payload.len <= bytes + end);
    }
    if (record->type == LOG_RETIRE && record->retire.count != 0) {
        check(record->retire.count <= LOG_RETIRE_COUNT_MAX);
        check(record->retire.positions + 8u * record->retire.count <= bytes + end);
        (void)log_retire_position(&record->retire, record->retire.count - 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    uint8_t way = data[0];
    size_t len = size - 1, offset = 0, taken = 0;
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    check(bytes != NULL);
    memcpy(bytes, data + 1, len);
    if ((way & 4) != 0)
        mend(bytes, len);
    struct log_scan scan;
    struct log_record record;
    enum wax_status status;
    uint64_t last = 0;
    uint32_t turns = 0;
    log_scan_init(&scan, view_of(bytes, len), SEED, (way & 2) != 0 ? 1 : 0,
                  (way & 1) != 0   ? LOG_TAIL_SEALED
                  : (way & 8) != 0 ? LOG_TAIL_FOLLOWED
                                   : LOG_TAIL_OPEN);
    while ((status = log_scan_next(&scan, &record, &offset)) == WAX_OK || status == WAX_STORE_CORRUPT) {
        check(++turns <= len + 2);
        check(scan.at <= len);
        if (status != WAX_OK)
            continue;
        check(record.place.sequence > last || last == UINT64_MAX);
        check(offset % 8 == 0 && offset + log_padded(record.bytes) == scan.at);
        check_record(bytes + offset, bytes, scan.at);
        last = record.place.sequence;
        taken += log_padded(record.bytes);
    }
    check(status == WAX_NOT_FOUND || (status == WAX_STORE_TORN && (way & 9) == 0));
    check(taken + scan.lost_bytes + scan.filled_bytes == scan.at);
    free(bytes);
    return 0;
}
