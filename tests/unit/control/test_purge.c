/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Nothing is kept: what was retired can't be read any more from the disk and its key files, once the
 * time for it is over, and what has expired has no payload any more. Nor does the log keep much room for what
 * is gone. The disk here is that of tests/sim; the reader of it knows the master key.
 */
#include <criterion/criterion.h>
#include <sodium.h>

#include "image.h"
#include "mailbox.h"
#include "storage_sim.h"

#define PURGE_MS  400u
#define POSITIONS 4096u

struct fixture {
    struct storage_sim *disk;
    struct mailboxes *m;
    bool ready;
    uint64_t now_ms;
    uint32_t stored;
    uint32_t ttl_s; /* of what is put */
};

static const struct mailbox_config config = {.hash_key = "0123456789abcde",
                                             .seed = 9,
                                             .segment_bytes = STORAGE_SIM_SEGMENT_BYTES,
                                             .commit_bytes = 4096,
                                             .master = "the key of keys, for this test.",
                                             .purge_ms = PURGE_MS,
                                             .cipher = LOG_CHACHA20_POLY1305};

static void on_ready(void *ctx, enum wax_status status)
{
    ((struct fixture *)ctx)->ready = status == WAX_OK;
}

static void on_stored(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason)
{
    (void)worker;
    (void)tag;
    cr_assert_eq(reason, 0);
    ((struct fixture *)ctx)->stored++;
}

static uint64_t on_settled(void *ctx, uint32_t worker)
{
    (void)ctx;
    (void)worker;
    return 0;
}

static void on_failed(void *ctx, enum wax_status status)
{
    (void)ctx;
    cr_assert_fail("%s", wax_status_text(status));
}

static void on_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    (void)ctx;
    (void)shard;
    (void)segment;
    (void)offset;
    cr_assert_eq(status, WAX_STORE_TORN);
}

static void turn(struct fixture *f)
{
    mailboxes_clock(f->m, ++f->now_ms);
    mailboxes_flush(f->m);
    storage_sim_step(f->disk);
}

static void pass(struct fixture *f, uint32_t ms)
{
    for (uint32_t i = 0; i < ms; i++)
        turn(f);
}

static void open_store(struct fixture *f)
{
    const struct mailbox_port port = {.ctx = f,
                                      .ready = on_ready,
                                      .stored = on_stored,
                                      .settled = on_settled,
                                      .failed = on_failed,
                                      .damaged = on_damaged};
    f->ready = false;
    f->m = mailboxes_new(storage_sim_storage(f->disk), &port, &config);
    mailboxes_clock(f->m, f->now_ms);
    mailboxes_recover(f->m);
    while (!f->ready)
        storage_sim_step(f->disk);
}

static struct fixture *begin(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    cr_assert_geq(sodium_init(), 0);
    f->disk = storage_sim_new(1);
    f->now_ms = 1000000;
    f->ttl_s = 100000;
    open_store(f);
    return f;
}

static void reopen(struct fixture *f)
{
    storage_sim_crash(f->disk);
    mailboxes_free(f->m);
    open_store(f);
}

static void end(struct fixture *f)
{
    storage_sim_crash(f->disk);
    mailboxes_free(f->m);
    storage_sim_free(f->disk);
    free(f);
}

static struct device_name name_of(uint64_t position)
{
    struct device_name name = {.device = 1};
    memset(name.user, (int)(position % 50), sizeof name.user);
    return name;
}

static void put(struct fixture *f, uint64_t position)
{
    static uint64_t buffer[(sizeof(struct channel_store) + 2048) / 8];
    struct channel_store *request = (struct channel_store *)(void *)buffer;
    uint32_t bytes = (uint32_t)(40 + position * 37 % 300);
    *request = (struct channel_store){.tag = position,
                                      .name = name_of(position),
                                      .sender = name_of(position + 1),
                                      .position = position,
                                      .id = position,
                                      .taken_ms = f->now_ms,
                                      .ttl_s = f->ttl_s,
                                      .payload_bytes = bytes};
    memset(request->payload, (int)(position & 0xff), bytes);
    memcpy(request->payload, "plain words", 11);
    while (mailbox_store(f->m, 0, request) == WAX_FULL)
        turn(f);
}

static void retire(struct fixture *f, uint64_t position)
{
    uint64_t buffer[sizeof(struct channel_retire) / 8 + 1];
    struct channel_retire *request = (struct channel_retire *)(void *)buffer;
    *request = (struct channel_retire){.name = name_of(position), .count = 1};
    request->position[0] = position;
    while (mailbox_retire(f->m, request) == WAX_FULL)
        turn(f);
}

static void put_all(struct fixture *f, uint64_t first, uint64_t count)
{
    uint32_t before = f->stored;
    for (uint64_t p = first; p < first + count; p++)
        put(f, p);
    while (f->stored < before + count)
        turn(f);
}

/* What a thief of the disk and the key file can read. */
struct loot {
    bool message[POSITIONS];
    uint32_t messages, stripped, retirements;
    bool retirement_of[POSITIONS];
};

static void loot_take(void *ctx, const struct log_record *record)
{
    struct loot *loot = ctx;
    if (record->type == LOG_MESSAGE && record->message.stripped) {
        cr_assert_eq(record->message.payload.len, 0);
        loot->stripped++;
    } else if (record->type == LOG_MESSAGE) {
        cr_assert_lt(record->message.position, POSITIONS);
        loot->messages += !loot->message[record->message.position];
        loot->message[record->message.position] = true;
        cr_assert_arr_eq(record->message.payload.data, "plain words", 11);
    } else if (record->type == LOG_RETIRE) {
        loot->retirements++;
        for (uint32_t i = 0; i < record->retire.count; i++)
            loot->retirement_of[log_retire_position(&record->retire, i)] = true;
    }
}

/* Try the keys of an entry on a segment: from each offset on, for a thief does not stop at damage. */
static void loot_segment(struct fixture *f, struct loot *loot, uint32_t shard,
                         const struct keyring_entry *entry)
{
    size_t len;
    const uint8_t *bytes = storage_sim_segment(f->disk, shard, entry->segment, &len);
    if (bytes == NULL)
        return;
    cr_assert_null(memmem(bytes, len, "plain words", 11));
    struct keyring_entry guess = *entry;
    for (uint32_t area = 0; area < (entry->nodes != 0 ? 2 : 1); area++) { /* also the table of before */
        guess.area = (uint8_t)area;
        struct image_counts counts = {0};
        struct image_segment image = {.bytes = view_of(bytes, len),
                                      .log_bytes = STORAGE_SIM_SEGMENT_BYTES,
                                      .valid =
                                          len < STORAGE_SIM_SEGMENT_BYTES ? len : STORAGE_SIM_SEGMENT_BYTES,
                                      .seed = config.seed,
                                      .entry = &guess};
        image_scan(&image, &counts, loot, loot_take);
        cr_assert_eq(counts.forged, 0);
    }
}

static struct loot *steal(struct fixture *f)
{
    struct loot *loot = calloc(1, sizeof *loot);
    for (uint32_t shard = 0; shard < WAX_STORE_SHARDS; shard++) {
        size_t len;
        static struct keyring_entry entries[KEYRING_ENTRIES_MAX];
        const uint8_t *ring = storage_sim_ring(f->disk, shard, &len);
        if (ring == NULL)
            continue;
        cr_assert_eq(keyring_open(view_of(ring, len), shard, config.master, entries), WAX_OK);
        uint32_t count = keyring_count(view_of(ring, len));
        for (uint32_t i = 0; i < count; i++)
            loot_segment(f, loot, shard, &entries[i]);
    }
    return loot;
}

static void expect_loot(struct fixture *f, uint64_t count, bool (*lives)(uint64_t position))
{
    struct loot *loot = steal(f);
    for (uint64_t p = 1; p <= count; p++)
        cr_assert_eq(loot->message[p], lives(p), "position %lu", (unsigned long)p);
    free(loot);
}

static bool not_thirds(uint64_t position)
{
    return position % 3 != 0;
}

static bool fifths(uint64_t position)
{
    return position % 5 == 0 && position % 3 != 0;
}

static bool all(uint64_t position)
{
    return position != 0;
}

Test(purge, what_is_stored_can_be_read_and_what_is_retired_no_more_when_its_time_is_over)
{
    struct fixture *f = begin();
    put_all(f, 1, 1500);
    expect_loot(f, 1500, all);
    for (uint64_t p = 3; p <= 1500; p += 3)
        retire(f, p);
    pass(f, PURGE_MS);
    expect_loot(f, 1500, not_thirds);
    for (uint64_t p = 1; p <= 1500; p++) {
        if (!fifths(p) && not_thirds(p))
            retire(f, p);
    }
    pass(f, PURGE_MS);
    expect_loot(f, 1500, fifths);
    struct mailbox_counts counts;
    mailboxes_counts(f->m, &counts);
    cr_assert_leq(counts.purge_late_ms, PURGE_MS);
    end(f);
}

Test(purge, nor_can_it_be_read_that_it_was_there_twice_that_time_later)
{
    struct fixture *f = begin();
    put_all(f, 1, 300);
    for (uint64_t p = 3; p <= 300; p += 3)
        retire(f, p);
    pass(f, 2 * PURGE_MS);
    struct loot *loot = steal(f);
    cr_assert_eq(loot->retirements, 0);
    cr_assert_eq(loot->messages, 200);
    free(loot);
    end(f);
}

Test(purge, the_living_survive_a_crash_at_any_step_of_it)
{
    for (uint32_t step = 0; step < 60; step++) {
        struct fixture *f = begin();
        put_all(f, 1, 200);
        for (uint64_t p = 3; p <= 200; p += 3)
            retire(f, p);
        pass(f, PURGE_MS / 2);
        mailboxes_purge(f->m);
        pass(f, step);
        reopen(f);
        struct mailbox_counts counts;
        mailboxes_counts(f->m, &counts);
        cr_assert_eq(counts.items_now, 134, "%lu at step %u", (unsigned long)counts.items_now, step);
        cr_assert_eq(counts.damaged, 0);
        pass(f, PURGE_MS); /* and the start catches up with what was due */
        expect_loot(f, 200, not_thirds);
        end(f);
    }
}

Test(purge, a_store_that_is_told_to_end_forgets_at_once)
{
    struct fixture *f = begin();
    put_all(f, 1, 100);
    pass(f, 10);
    for (uint64_t p = 3; p <= 100; p += 3)
        retire(f, p);
    pass(f, 30);
    mailboxes_purge(f->m);
    turn(f);
    for (int i = 0; i < 200 && mailboxes_busy(f->m); i++)
        turn(f);
    cr_assert_not(mailboxes_busy(f->m));
    expect_loot(f, 100, not_thirds);
    end(f);
}

Test(purge, writes_that_fail_or_whose_outcome_is_unknown_only_put_it_off)
{
    struct fixture *f = begin();
    put_all(f, 1, 400);
    for (uint64_t p = 3; p <= 400; p += 3)
        retire(f, p);
    pass(f, 60);
    storage_sim_set(f->disk, (struct storage_sim_faults){.unknown = 300, .no_space = 300, .delay = 4});
    pass(f, 600);
    storage_sim_set(f->disk, (struct storage_sim_faults){0});
    pass(f, PURGE_MS);
    expect_loot(f, 400, not_thirds);
    reopen(f);
    struct mailbox_counts counts;
    mailboxes_counts(f->m, &counts);
    cr_assert_eq(counts.items_now, 267);
    end(f);
}

Test(purge, what_has_expired_has_no_payload_any_more_and_its_sender_can_still_be_told)
{
    struct fixture *f = begin();
    put_all(f, 1, 150);
    f->ttl_s = 1;
    put_all(f, 151, 150);
    pass(f, 2000 + 5000 + PURGE_MS); /* its time, the look at all mailboxes, and the end of keys */
    struct loot *loot = steal(f);
    for (uint64_t p = 1; p <= 300; p++)
        cr_assert_eq(loot->message[p], p <= 150, "position %lu", (unsigned long)p);
    cr_assert_eq(loot->stripped, 150);
    free(loot);
    struct mailbox_counts counts;
    mailboxes_counts(f->m, &counts);
    cr_assert_eq(counts.stripped, 150);
    cr_assert_eq(counts.items_now, 300);
    uint64_t bytes = counts.bytes_now;
    reopen(f);
    mailboxes_counts(f->m, &counts);
    cr_assert_eq(counts.items_now, 300);
    cr_assert_eq(counts.bytes_now, bytes);
    end(f);
}

/* All segments together, but for one that is being written in each shard. */
static void expect_compact(struct fixture *f)
{
    struct mailbox_counts counts;
    mailboxes_counts(f->m, &counts);
    cr_assert_leq(counts.log_bytes_now, 2 * counts.bytes_now + WAX_STORE_SHARDS * STORAGE_SIM_SEGMENT_BYTES,
                  "%lu bytes for %lu", (unsigned long)counts.log_bytes_now, (unsigned long)counts.bytes_now);
}

Test(purge, what_is_gone_takes_no_more_room_than_what_lives_and_copies_cost_no_more_than_they_gain)
{
    struct fixture *f = begin();
    put_all(f, 1, 3000);
    struct mailbox_counts before, after;
    mailboxes_counts(f->m, &before);
    for (uint64_t p = 1; p <= 3000; p++) {
        if (p % 7 != 0)
            retire(f, p);
        if (p % 100 == 0)
            pass(f, 20);
    }
    pass(f, 3 * PURGE_MS);
    expect_compact(f);
    mailboxes_counts(f->m, &after);
    cr_assert_eq(after.items_now, 3000 / 7);
    cr_assert_gt(after.moved, 0);
    cr_assert_leq(after.moved_bytes, before.bytes_now - after.bytes_now);
    reopen(f);
    mailboxes_counts(f->m, &after);
    cr_assert_eq(after.items_now, 3000 / 7);
    struct loot *loot = steal(f);
    for (uint64_t p = 1; p <= 3000; p++)
        cr_assert(p % 7 != 0 || loot->message[p], "position %lu", (unsigned long)p);
    free(loot);
    end(f);
}

Test(purge, the_living_survive_a_crash_at_any_step_of_compaction)
{
    for (uint32_t step = 0; step < 120; step += 3) {
        struct fixture *f = begin();
        storage_sim_set(f->disk, (struct storage_sim_faults){.delay = 4});
        put_all(f, 1, 900);
        for (uint64_t p = 1; p <= 900; p++) {
            if (p % 9 != 0)
                retire(f, p);
        }
        pass(f, step);
        for (int i = 0; i < 3; i++) {
            struct mailbox_counts counts;
            reopen(f);
            mailboxes_counts(f->m, &counts);
            cr_assert_geq(counts.items_now, 100);
            pass(f, 40);
        }
        pass(f, 2 * PURGE_MS);
        struct loot *loot = steal(f);
        for (uint64_t p = 9; p <= 900; p += 9)
            cr_assert(loot->message[p], "position %lu at step %u", (unsigned long)p, step);
        free(loot);
        end(f);
    }
}

Test(purge, there_is_always_a_key_for_the_next_segment)
{
    struct fixture *f = begin();
    for (uint64_t p = 50; p < POSITIONS; p += 50) { /* of one user, thus of one shard */
        for (uint64_t i = 0; i < 40; i++)
            put_all(f, p * 40 + i * 50, 1);
    }
    struct mailbox_counts counts;
    mailboxes_counts(f->m, &counts);
    cr_assert_gt(counts.segments_now, 60);
    reopen(f);
    mailboxes_counts(f->m, &counts);
    cr_assert_eq(counts.items_now, 40 * ((POSITIONS - 1) / 50));
    end(f);
}

Test(purge, without_its_key_a_store_is_not_opened)
{
    struct fixture *f = begin();
    put_all(f, 1, 10);
    struct mailbox_config other = config;
    other.master[0] ^= 1;
    const struct mailbox_port port = {.ctx = f, .ready = on_ready};
    storage_sim_crash(f->disk);
    mailboxes_free(f->m);
    f->ready = true;
    f->m = mailboxes_new(storage_sim_storage(f->disk), &port, &other);
    mailboxes_recover(f->m);
    for (int i = 0; i < 100; i++)
        storage_sim_step(f->disk);
    cr_assert_not(f->ready);
    mailboxes_free(f->m);
    open_store(f); /* nothing was harmed */
    struct mailbox_counts counts;
    mailboxes_counts(f->m, &counts);
    cr_assert_eq(counts.items_now, 10);
    end(f);
}
