/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "log.h"

#define SEED 0x5eed5eedu

static const struct log_name alice = {"alice-----------", 1};
static const struct log_name bob = {"bob-------------", 65535};

/* A log of commits with three records each: message, receipt, retirement. */
struct sample {
    uint8_t bytes[8192];
    size_t len;
    size_t offset[32]; /* of each record */
    uint32_t count;
    uint64_t sequence;
};

/* The key of a record by its sequence. */
static const uint8_t *key_of(uint64_t sequence)
{
    static uint8_t key[LOG_KEY_BYTES];
    memset(key, (int)(sequence + 1), sizeof key);
    return key;
}

static void seal(struct sample *s, const uint8_t *plain, uint64_t commit)
{
    struct log_place place = {s->sequence, commit, 7, (uint32_t)s->sequence + 100};
    enum log_cipher cipher = s->sequence % 2 == 0 && log_cipher_choose() == LOG_AES256_GCM
                                 ? LOG_AES256_GCM
                                 : LOG_CHACHA20_POLY1305;
    s->offset[s->count++] = s->len;
    s->len += log_seal(s->bytes + s->len, plain, cipher, key_of(s->sequence), SEED, &place);
    s->sequence++;
}

/* Parse the record at an offset and open it. */
static bool open_at(const struct sample *s, size_t at, bool payload, uint8_t *plain, struct log_record *r)
{
    return log_parse(view_of(s->bytes + at, s->len - at), SEED, r) == WAX_OK &&
           log_open(s->bytes + at, key_of(r->place.sequence), payload, plain, r);
}

static void add_commit(struct sample *s)
{
    uint64_t commit = s->sequence;
    struct log_message message = {.name = alice,
                                  .sender = bob,
                                  .position = s->sequence,
                                  .id = 99,
                                  .taken_ms = 1234567,
                                  .ttl_s = 60,
                                  .head_bytes = 2,
                                  .deliver_flags = 2,
                                  .payload = view_of("hello", 5)};
    struct log_receipt receipt = {.name = bob,
                                  .about = alice,
                                  .position = s->sequence,
                                  .id = 98,
                                  .retire = 3,
                                  .taken_ms = 5,
                                  .kind = 2,
                                  .reason = 1};
    uint64_t positions[2] = {4, UINT64_MAX};
    uint8_t plain[512];
    log_put_message(plain, &message);
    seal(s, plain, commit);
    log_put_receipt(plain, &receipt);
    seal(s, plain, commit);
    log_put_retire(plain, &alice, positions, 2);
    seal(s, plain, commit);
}

static struct sample sample_of(uint32_t commits)
{
    struct sample s = {.sequence = 1};
    struct log_segment segment = {3, 17};
    uint8_t plain[512];
    log_put_segment(plain, &segment);
    seal(&s, plain, 1);
    for (uint32_t i = 0; i < commits; i++)
        add_commit(&s);
    return s;
}

/* Scan everything; returns how often each outcome came. */
struct outcome {
    uint32_t records, damaged, torn;
    uint64_t last;
};

static struct outcome scan_all(const uint8_t *bytes, size_t len, uint64_t expect, enum log_tail tail)
{
    struct outcome out = {0};
    struct log_scan scan;
    struct log_record record;
    enum wax_status status;
    size_t offset;
    log_scan_init(&scan, view_of(bytes, len), SEED, expect, tail);
    while ((status = log_scan_next(&scan, &record, &offset)) == WAX_OK || status == WAX_STORE_CORRUPT) {
        out.damaged += status == WAX_STORE_CORRUPT;
        if (status == WAX_OK) {
            out.records++;
            cr_assert_gt(record.place.sequence, out.last);
            out.last = record.place.sequence;
        }
    }
    out.torn = status == WAX_STORE_TORN;
    return out;
}

Test(log, crc32c_of_the_test_vectors)
{
    uint8_t bytes[32] = {0};
    cr_assert_eq(log_crc32c(0, "123456789", 9), 0xe3069283u);
    cr_assert_eq(log_crc32c(0, bytes, 32), 0x8a9136aau); /* RFC 3720 B.4 */
    memset(bytes, 0xff, 32);
    cr_assert_eq(log_crc32c(0, bytes, 32), 0x62a8ab43u);
    cr_assert_eq(log_crc32c(log_crc32c(0, "1234", 4), "56789", 5), 0xe3069283u);
}

Test(log, every_type_comes_back_as_it_was_put)
{
    struct sample s = sample_of(1);
    struct log_record r;
    uint8_t plain[LOG_OPEN_BYTES_MAX];
    cr_assert_eq(log_parse(view_of(s.bytes, s.len), SEED, &r), WAX_OK);
    cr_assert_eq(r.type, LOG_SEGMENT);
    cr_assert_eq(r.segment.shard, 3);
    cr_assert_eq(r.segment.segment, 17);
    cr_assert(open_at(&s, s.offset[1], true, plain, &r));
    cr_assert_eq(r.type, LOG_MESSAGE);
    cr_assert_eq(r.place.sequence, 2);
    cr_assert_eq(r.place.commit, 2);
    cr_assert_eq(r.place.epoch, 7);
    cr_assert_eq(r.place.slot, 102);
    cr_assert_arr_eq(r.message.name.user, alice.user, 16);
    cr_assert_eq(r.message.sender.device, 65535);
    cr_assert_eq(r.message.position, 2);
    cr_assert_eq(r.message.id, 99);
    cr_assert_eq(r.message.taken_ms, 1234567);
    cr_assert_eq(r.message.ttl_s, 60);
    cr_assert_eq(r.message.head_bytes, 2);
    cr_assert_eq(r.message.deliver_flags, 2);
    cr_assert_eq(r.message.payload.len, 5);
    cr_assert_arr_eq(r.message.payload.data, "hello", 5);
    cr_assert(open_at(&s, s.offset[2], true, plain, &r));
    cr_assert_eq(r.type, LOG_RECEIPT);
    cr_assert_eq(r.receipt.about.device, 1);
    cr_assert_eq(r.receipt.id, 98);
    cr_assert_eq(r.receipt.retire, 3);
    cr_assert_eq(r.receipt.kind, 2);
    cr_assert_eq(r.receipt.reason, 1);
    cr_assert(open_at(&s, s.offset[3], true, plain, &r));
    cr_assert_eq(r.type, LOG_RETIRE);
    cr_assert_eq(r.retire.count, 2);
    cr_assert_eq(log_retire_position(&r.retire, 1), UINT64_MAX);
}

Test(log, the_first_part_opens_without_the_payload)
{
    struct sample s = sample_of(1);
    struct log_record r;
    uint8_t plain[LOG_OPEN_BYTES_MAX] = {0};
    cr_assert(open_at(&s, s.offset[1], false, plain, &r));
    cr_assert_eq(r.message.position, 2);
    cr_assert_eq(r.message.payload.len, 5);
    cr_assert_null(r.message.payload.data);
    cr_assert(open_at(&s, s.offset[1], true, s.bytes + s.offset[1], &r)); /* and all of it in place */
    cr_assert_arr_eq(r.message.payload.data, "hello", 5);
}

Test(log, nothing_of_a_body_is_in_clear_and_only_its_own_key_opens_it)
{
    struct sample s = sample_of(1);
    struct log_record r;
    uint8_t plain[LOG_OPEN_BYTES_MAX];
    cr_assert_null(memmem(s.bytes, s.len, "hello", 5));
    cr_assert_null(memmem(s.bytes, s.len, "alice", 5));
    cr_assert_null(memmem(s.bytes, s.len, "bob", 3));
    for (uint32_t i = 1; i < s.count; i++) {
        cr_assert_eq(log_parse(view_of(s.bytes + s.offset[i], s.len - s.offset[i]), SEED, &r), WAX_OK);
        cr_assert_not(log_open(s.bytes + s.offset[i], key_of(r.place.sequence + 1), true, plain, &r));
    }
}

Test(log, a_body_opens_only_behind_its_own_header)
{
    struct sample s = sample_of(1);
    struct log_record r;
    uint8_t plain[LOG_OPEN_BYTES_MAX];
    cr_assert(open_at(&s, s.offset[1], true, plain, &r));
    s.bytes[s.offset[1] + 31] ^= 1; /* the slot */
    cr_assert_not(log_open(s.bytes + s.offset[1], key_of(2), true, plain, &r));
}

Test(log, a_record_cut_anywhere_asks_for_more)
{
    struct sample s = sample_of(1);
    struct log_record r;
    for (uint32_t i = 0; i < s.count; i++) {
        size_t end = i + 1 < s.count ? s.offset[i + 1] : s.len;
        for (size_t at = s.offset[i]; at < end; at++)
            cr_assert_eq(log_parse(view_of(s.bytes + s.offset[i], at - s.offset[i]), SEED, &r), WAX_MORE);
    }
}

Test(log, a_flipped_bit_anywhere_in_a_record_is_found)
{
    struct sample s = sample_of(1);
    struct log_record r;
    for (uint32_t i = 0; i < s.count; i++) {
        size_t end = i + 1 < s.count ? s.offset[i + 1] : s.len;
        size_t bytes = load_be32(s.bytes + s.offset[i] + 8);
        for (size_t bit = 0; bit < bytes * 8; bit++) {
            s.bytes[s.offset[i] + bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_neq(log_parse(view_of(s.bytes + s.offset[i], end - s.offset[i]), SEED, &r), WAX_OK);
            s.bytes[s.offset[i] + bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

Test(log, a_record_of_another_seed_is_none)
{
    struct sample s = sample_of(1);
    struct log_record r;
    cr_assert_eq(log_parse(view_of(s.bytes, s.len), SEED + 1, &r), WAX_STORE_CORRUPT);
}

Test(log, a_tail_cut_anywhere_keeps_what_is_whole_before_it)
{
    struct sample s = sample_of(3);
    for (size_t cut = 0; cut <= s.len; cut++) {
        uint8_t bytes[sizeof s.bytes] = {0};
        uint32_t whole = 0;
        memcpy(bytes, s.bytes, cut);
        while (whole < s.count && (whole + 1 < s.count ? s.offset[whole + 1] : s.len) <= cut)
            whole++;
        struct outcome out = scan_all(bytes, s.len + 64, 1, LOG_TAIL_OPEN);
        /* padding may be cut without harm, so one more can be whole */
        cr_assert(out.records == whole || out.records == whole + 1, "cut %zu: %u of %u", cut, out.records,
                  whole);
        cr_assert_eq(out.damaged, 0);
    }
}

Test(log, a_hole_in_the_last_commit_is_a_torn_tail_whatever_lies_behind_it)
{
    struct sample s = sample_of(3);
    for (uint32_t hole = 7; hole < 9; hole++) { /* the last commit is records 7 to 9 */
        struct sample t = s;
        memset(t.bytes + t.offset[hole], 0, t.offset[hole + 1] - t.offset[hole]);
        struct outcome out = scan_all(t.bytes, t.len, 1, LOG_TAIL_OPEN);
        cr_assert_eq(out.records, hole);
        cr_assert_eq(out.torn, 1);
        cr_assert_eq(out.damaged, 0);
    }
}

Test(log, damage_before_the_last_commit_is_confined_to_its_record)
{
    struct sample s = sample_of(3);
    for (uint32_t i = 0; i < 7; i++) {
        for (size_t at = s.offset[i]; at < s.offset[i] + load_be32(s.bytes + s.offset[i] + 8); at++) {
            for (uint64_t expect = 0; expect <= 1; expect++) {
                s.bytes[at] ^= 0x40;
                struct outcome out = scan_all(s.bytes, s.len, expect, LOG_TAIL_OPEN);
                s.bytes[at] ^= 0x40;
                cr_assert_eq(out.records, s.count - 1, "record %u offset %zu: %u", i, at, out.records);
                cr_assert_eq(out.damaged, 1);
                cr_assert_eq(out.torn, 0);
            }
        }
    }
}

Test(log, in_a_closed_segment_every_damage_is_confined)
{
    struct sample s = sample_of(3);
    for (uint32_t i = 0; i < s.count; i++) {
        s.bytes[s.offset[i] + 20] ^= 1;
        struct outcome out = scan_all(s.bytes, s.len, 1, LOG_TAIL_SEALED);
        s.bytes[s.offset[i] + 20] ^= 1;
        cr_assert_eq(out.records, s.count - 1);
        cr_assert_eq(out.damaged, 1);
        cr_assert_eq(out.torn, 0);
    }
}

Test(log, commits_are_filled_up_to_blocks_and_what_lay_in_the_file_before_is_no_damage)
{
    struct sample s = sample_of(2), old = sample_of(9);
    uint8_t bytes[16384];
    size_t half = s.offset[4], end = log_blocks(half) + log_blocks(s.len - half);
    memset(bytes, 0xaa, sizeof bytes); /* of another use */
    memcpy(bytes + 100, old.bytes, old.len);
    for (size_t at = 0; at + LOG_HEADER_BYTES < sizeof bytes; at++) {
        if (load_be32(bytes + at) == LOG_MAGIC)
            bytes[at + 12] ^= 1; /* its checksums began from another seed */
    }
    memset(bytes, 0, end);
    memcpy(bytes, s.bytes, half);
    memcpy(bytes + log_blocks(half), s.bytes + half, s.len - half);
    for (int tail = LOG_TAIL_OPEN; tail <= LOG_TAIL_FOLLOWED; tail++) {
        struct outcome out =
            scan_all(bytes, tail == LOG_TAIL_SEALED ? end : sizeof bytes, 1, (enum log_tail)tail);
        cr_assert_eq(out.records, s.count);
        cr_assert_eq(out.damaged, 0);
        cr_assert_eq(out.torn, tail == LOG_TAIL_OPEN);
    }
    struct log_scan scan;
    struct log_record record;
    size_t offset;
    log_scan_init(&scan, view_of(bytes, sizeof bytes), SEED, 1, LOG_TAIL_OPEN);
    while (log_scan_next(&scan, &record, &offset) == WAX_OK)
        continue;
    cr_assert_eq(scan.at, end);
    cr_assert_not(scan.partial);
}

Test(log, records_below_the_expected_sequence_are_not_taken)
{
    struct sample s = sample_of(2);
    struct outcome out = scan_all(s.bytes, s.len, 3, LOG_TAIL_OPEN);
    cr_assert_eq(out.records, s.count - 2);
    cr_assert_eq(out.damaged, 1);
}

Test(log, a_payload_that_poses_as_a_record_is_not_taken_for_one)
{
    struct sample s = {.sequence = 1};
    struct log_message forged = {.name = bob, .position = 1, .payload = view_of("x", 1)};
    uint8_t record[512], plain[1024];
    log_put_message(plain, &forged);
    /* who forges knows neither the seed nor how the body will be sealed; suppose the latter */
    size_t len = log_seal(record, plain, LOG_CHACHA20_POLY1305, key_of(2), SEED + 1,
                          &(struct log_place){.sequence = 2, .commit = 2, .epoch = 7});
    struct log_message outer = {.name = alice, .position = 9, .payload = view_of(record, len)};
    log_put_message(plain, &outer);
    seal(&s, plain, 1);
    memcpy(s.bytes + LOG_HEADER_BYTES + LOG_MESSAGE_BYTES + LOG_TAG_BYTES, record, len);
    add_commit(&s);
    s.bytes[9] ^= 1;
    struct outcome out = scan_all(s.bytes, s.len, 1, LOG_TAIL_SEALED);
    cr_assert_eq(out.records, 3);
    cr_assert_eq(out.damaged, 1);
}
