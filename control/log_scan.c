/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading a segment from its start: what is sound, what is damage, and where it ends. */
#include "log.h"

void log_scan_init(struct log_scan *scan, struct view bytes, uint32_t seed, uint64_t expect,
                   enum log_tail tail)
{
    *scan = (struct log_scan){.bytes = bytes, .seed = seed, .expect = expect, .tail = tail};
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
            found->place.sequence >= least)
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
    bool confirmed = scan->tail != LOG_TAIL_OPEN;
    if (at != scan->bytes.len && !confirmed) {
        /* without an expectation a commit that begins behind the damage is proof as well */
        uint64_t expect = scan->expect != 0                                       ? scan->expect
                          : first.place.sequence == first.place.commit && at != 0 ? first.place.commit - 1
                                                                                  : first.place.commit;
        confirmed = first.place.commit > expect;
        later = first;
        for (size_t next = at; !confirmed;) {
            next = find_sound(scan, next + log_padded(later.bytes), later.place.sequence + 1, &later);
            if (next == scan->bytes.len)
                break;
            confirmed = later.place.commit > expect;
        }
    }
    if (!confirmed) {
        const uint8_t *here = scan->bytes.data + scan->at;
        scan->partial = scan->bytes.len - scan->at >= LOG_HEADER_BYTES && load_be32(here) == LOG_MAGIC &&
                        load_be64(here + 16) == scan->expect;
        return WAX_STORE_TORN;
    }
    if (at == scan->bytes.len && scan->tail == LOG_TAIL_FOLLOWED)
        return WAX_NOT_FOUND; /* should anything be lost, the next segment's first sequence tells */
    scan->lost_bytes += at - scan->at;
    scan->at = at;
    scan->expect = at != scan->bytes.len ? first.place.sequence : 0;
    return WAX_STORE_CORRUPT;
}

enum wax_status log_scan_next(struct log_scan *scan, struct log_record *record, size_t *offset)
{
    size_t left = scan->bytes.len - scan->at, block = log_blocks(scan->at);
    if (block != scan->at && block <= scan->bytes.len &&
        all_zero(scan->bytes.data + scan->at, block - scan->at)) {
        scan->filled_bytes += block - scan->at;
        scan->at = block;
        left = scan->bytes.len - block;
    }
    if (left == 0)
        return WAX_NOT_FOUND;
    const uint8_t *here = scan->bytes.data + scan->at;
    enum wax_status status = log_parse(view_of(here, left), scan->seed, record);
    if (status == WAX_OK && (scan->expect == 0 || record->place.sequence == scan->expect)) {
        *offset = scan->at;
        scan->at += log_padded(record->bytes);
        scan->expect = record->place.sequence + 1;
        return WAX_OK;
    }
    if (all_zero(here, left))
        return WAX_NOT_FOUND;
    return judge_damage(scan);
}
