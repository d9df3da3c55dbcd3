/* SPDX-License-Identifier: BSD-3-Clause */
/* The mailbox store, case by case; tests/sim/sim_store.c has the chances. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "mailbox_help.h"
#include "waxwire/wire.h"

Test(mailbox, an_answer_comes_only_after_the_write)
{
    struct fixture *f = begin();
    cr_assert_eq(put(f, 1, 10, 100), WAX_OK);
    cr_assert_eq(f->count, 0);
    mailboxes_flush(f->m);
    cr_assert_eq(f->count, 0);
    storage_sim_step(f->disk);
    expect_stored(f, 10, 0);
    struct device_name name = name_of(1);
    cr_assert_eq(mailbox_waiting(f->m, &name), 1);
    end(f);
}

Test(mailbox, an_offer_at_or_below_the_end_is_answered_and_not_stored_again)
{
    struct fixture *f = begin();
    put(f, 1, 10, 5);
    expect_stored(f, 10, 0);
    put(f, 1, 10, 5);
    expect_stored(f, 10, 0);
    retire(f, 1, 10);
    settle(f);
    put(f, 1, 10, 5); /* retired since: it was stored all the same */
    expect_stored(f, 10, 0);
    drain(f, 1, 1, 0, 10);
    expect_idle(f, 10);
    end(f);
}

Test(mailbox, an_offer_repeated_while_it_is_written_gets_one_answer_to_the_newer)
{
    struct fixture *f = begin();
    put(f, 1, 10, 5);
    mailboxes_flush(f->m);
    mailboxes_detach(f->m);
    put(f, 1, 10, 5);
    settle(f);
    expect_stored(f, 10, 0);
    expect_silence(f);
    end(f);
}

Test(mailbox, a_drain_streams_with_credit_and_tells_each_end_once)
{
    struct fixture *f = begin();
    for (uint64_t p = 1; p <= 5; p++)
        put(f, 1, p, 50);
    settle(f);
    f->read = f->count;
    drain(f, 1, 7, 1, 2);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 3, CHANNEL_ITEM_MESSAGE);
    expect_silence(f);
    struct channel_drain_credit credit = {.name = name_of(1), .generation = 6, .messages = 9};
    mailbox_drain_credit(f->m, &credit); /* of another generation: nothing */
    expect_silence(f);
    credit.generation = 7;
    mailbox_drain_credit(f->m, &credit);
    expect_item(f, 4, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 5, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 5);
    expect_silence(f);
    put(f, 1, 6, 50); /* the answer comes before the item */
    expect_stored(f, 6, 0);
    expect_item(f, 6, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 6);
    struct channel_drain_stop stop = {.name = name_of(1), .generation = 7};
    mailbox_drain_stop(f->m, &stop);
    put(f, 1, 7, 50);
    expect_stored(f, 7, 0);
    expect_silence(f);
    end(f);
}

Test(mailbox, an_older_generation_does_not_take_a_drain_over)
{
    struct fixture *f = begin();
    drain(f, 1, 7, 0, 9);
    expect_idle(f, 0);
    drain(f, 1, 6, 0, 9);
    expect_silence(f);
    drain(f, 1, 8, 0, 9);
    expect_idle(f, 0);
    cr_assert_eq(f->said[f->read - 1].generation, 8);
    end(f);
}

Test(mailbox, a_drain_that_finds_no_room_goes_on_later)
{
    struct fixture *f = begin();
    put(f, 1, 1, 50);
    put(f, 1, 2, 0);
    settle(f);
    f->read = f->count;
    f->room = false;
    drain(f, 1, 1, 0, 9);
    expect_silence(f);
    f->room = true;
    expect_item(f, 1, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 2);
    end(f);
}

Test(mailbox, a_message_whose_time_is_over_is_told_without_its_body)
{
    struct fixture *f = begin();
    put_ttl(f, 1, 1, 50, 10);
    put_ttl(f, 1, 2, 50, 1000);
    settle(f);
    f->read = f->count;
    f->now_ms += 10000;
    turn(f);
    drain(f, 1, 1, 0, 9);
    expect_item(f, 1, CHANNEL_ITEM_EXPIRED);
    cr_assert_eq(f->said[f->read - 1].payload_bytes, 0);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    end(f);
}

Test(mailbox, what_is_retired_while_it_is_written_does_not_come)
{
    struct fixture *f = begin();
    put(f, 1, 1, 50);
    mailboxes_flush(f->m);
    retire(f, 1, 1);
    expect_stored(f, 1, 0);
    settle(f);
    drain(f, 1, 1, 0, 9);
    expect_idle(f, 1);
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_idle(f, 1);
    end(f);
}

Test(mailbox, a_message_larger_than_a_commit_comes_back)
{
    struct fixture *f = begin();
    put(f, 1, 1, 12000);
    put(f, 1, 2, 12000);
    settle(f);
    f->read = f->count;
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_item(f, 1, CHANNEL_ITEM_MESSAGE);
    cr_assert_eq(f->said[f->read - 1].payload_bytes, 12000);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    end(f);
}

Test(mailbox, too_much_under_way_is_told_and_taken_later)
{
    struct fixture *f = begin();
    uint64_t p = 1;
    while (put(f, 1, p, 1000) == WAX_OK)
        p++;
    cr_assert_gt(p, 3);
    cr_assert_lt(p, 20);
    settle(f);
    cr_assert_eq(put(f, 1, p, 1000), WAX_OK);
    settle(f);
    cr_assert_eq(f->count, p);
    end(f);
}

Test(mailbox, a_full_disk_refuses_in_order_and_nothing_refused_comes)
{
    struct fixture *f = begin();
    put(f, 1, 1, 100);
    expect_stored(f, 1, 0);
    storage_sim_set(f->disk, (struct storage_sim_faults){.no_space = 1000});
    put(f, 1, 2, 100);
    mailboxes_flush(f->m);
    put(f, 1, 3, 100); /* waits behind it */
    storage_sim_step(f->disk);
    storage_sim_set(f->disk, (struct storage_sim_faults){0});
    expect_stored(f, 2, WIRE_REASON_BUSY);
    expect_stored(f, 3, WIRE_REASON_BUSY);
    put(f, 1, 4, 100); /* sent before the refusals were read */
    expect_stored(f, 4, WIRE_REASON_BUSY);
    put(f, 1, 2, 100); /* and an offer of a refused position is never told to be stored */
    expect_stored(f, 2, WIRE_REASON_BUSY);
    f->settled += 2;
    put(f, 1, 5, 100);
    expect_stored(f, 5, 0);
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_item(f, 1, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 5, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 5);
    cr_assert_eq(f->damaged, 0);
    end(f);
}

Test(mailbox, an_input_output_error_stops_the_store)
{
    struct fixture *f = begin();
    storage_sim_set(f->disk, (struct storage_sim_faults){.io = 1000});
    put(f, 1, 1, 100);
    turn(f);
    cr_assert(f->failed);
    cr_assert_eq(f->count, 0);
    cr_assert_eq(put(f, 1, 2, 100), WAX_STORE_IO);
    end(f);
}

Test(mailbox, a_store_that_has_stopped_answers_nothing_more)
{
    struct fixture *f = begin();
    for (uint8_t user = 1; user <= 40; user++) /* in many shards, each with a write of its own */
        put(f, user, 1, 100);
    storage_sim_set(f->disk, (struct storage_sim_faults){.io = 100});
    turn(f);
    cr_assert(f->failed);
    cr_assert_gt(f->said_before, 0, "the first write has failed: nothing is shown");
    cr_assert_eq(f->count, f->said_before);
    end(f);
}

/* The segment in which user 1's messages lie (there is one). */
static uint8_t *only_segment(struct fixture *f, size_t *bytes)
{
    for (uint32_t shard = 0; shard < WAX_STORE_SHARDS; shard++) {
        for (uint64_t id = 1; id < 4; id++) {
            uint8_t *at = storage_sim_segment(f->disk, shard, id, bytes);
            if (at != NULL)
                return at;
        }
    }
    return NULL;
}

Test(mailbox, damage_on_the_disk_costs_the_record_that_it_hit)
{
    struct fixture *f = begin();
    size_t bytes;
    for (uint64_t p = 1; p <= 5; p++) {
        put(f, 1, p, 200);
        settle(f); /* a commit of its own */
    }
    uint8_t *at = only_segment(f, &bytes);
    cr_assert_leq(log_segment_size() + log_message_size(200), LOG_BLOCK_BYTES);
    at[2 * LOG_BLOCK_BYTES + 150] ^= 0x10; /* within message 3 */
    reopen(f);
    cr_assert_eq(f->damaged, 1);
    cr_assert_eq(f->torn, 0);
    drain(f, 1, 1, 0, 9);
    expect_item(f, 1, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 4, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 5, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 5);
    end(f);
}

/* Five messages whose records can't be read from `offset` on at a start, then one more, then a start that
 * can. */
static void unreadable(uint64_t offset, uint32_t readable)
{
    struct fixture *f = begin();
    for (uint64_t p = 1; p <= 5; p++) {
        put(f, 1, p, 200);
        settle(f); /* a block of its own */
    }
    storage_sim_unreadable(f->disk, offset);
    reopen(f);
    cr_assert_gt(f->damaged, 0);
    cr_assert_eq(f->torn, 0);
    drain(f, 1, 1, 0, 9);
    for (uint32_t p = 1; p <= readable; p++)
        expect_item(f, p, CHANNEL_ITEM_MESSAGE);
    put(f, 1, 6, 200);
    settle(f);
    for (int i = 0; i < 2000; i++) /* rounds of purging, and looking for segments to delete */
        turn(f);
    storage_sim_unreadable(f->disk, UINT64_MAX);
    reopen(f);
    drain(f, 1, 2, 0, 9);
    for (uint32_t p = 1; p <= 6; p++)
        expect_item(f, p, CHANNEL_ITEM_MESSAGE);
    end(f);
}

Test(mailbox, what_cannot_be_read_at_a_start_is_kept_and_told)
{
    unreadable(4 * LOG_BLOCK_BYTES, 4);
    unreadable(0, 0);
}

Test(mailbox, damage_met_while_draining_is_told_as_expired)
{
    struct fixture *f = begin();
    size_t bytes;
    for (uint64_t p = 1; p <= 3; p++)
        put(f, 1, p, 200);
    settle(f);
    f->read = f->count;
    uint8_t *at = only_segment(f, &bytes);
    at[log_segment_size() + log_message_size(200) + 150] ^= 0x10;
    drain(f, 1, 1, 0, 9);
    expect_item(f, 1, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 2, CHANNEL_ITEM_EXPIRED);
    expect_item(f, 3, CHANNEL_ITEM_MESSAGE);
    cr_assert_eq(f->damaged, 1);
    end(f);
}

Test(mailbox, segments_in_which_nothing_lives_are_given_back)
{
    struct fixture *f = begin();
    for (uint64_t p = 1; p <= 60; p++) {
        put(f, 1, p, 3000);
        settle(f);
    }
    cr_assert_gt(storage_sim_segments(f->disk), 8);
    for (uint64_t p = 1; p <= 60; p++)
        retire(f, 1, p);
    settle(f);
    cr_assert_leq(storage_sim_segments(f->disk), 2);
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_idle(f, 0); /* nothing is left that could tell */
    end(f);
}

Test(mailbox, a_retirement_outlives_what_it_retires)
{
    struct fixture *f = begin();
    put(f, 1, 1, 100); /* to be retired; lies with 2, which stays */
    put(f, 1, 2, 100);
    settle(f);
    for (uint64_t p = 3; p <= 8; p++) { /* on to another segment */
        put(f, 1, p, 6000);
        settle(f);
    }
    retire(f, 1, 1);
    settle(f);
    for (uint64_t p = 9; p <= 20; p++) { /* and the retirement's segment is left behind, too */
        put(f, 1, p, 6000);
        settle(f);
    }
    for (uint64_t p = 3; p <= 20; p++)
        retire(f, 1, p);
    settle(f);
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    end(f);
}

static void put_now(struct fixture *f, uint64_t position, uint32_t bytes)
{
    put(f, 1, position, bytes);
    settle(f);
}

static void retire_now(struct fixture *f, uint64_t position)
{
    retire(f, 1, position);
    settle(f);
}

/* What fills a segment and is retired in it. */
static void fill_with_nothing(struct fixture *f, uint64_t position)
{
    put_now(f, position, 6000);
    retire_now(f, position);
    put_now(f, position + 1, 7500);
    retire_now(f, position + 1);
}

/* Two that take 7168 bytes each, and one that takes the rest of a segment. */
static void fill_with_living(struct fixture *f, uint64_t position)
{
    put_now(f, position, 7000);
    put_now(f, position + 1, 7000);
    put_now(f, position + 2, 1000);
}

Test(mailbox, a_copy_outlives_its_original)
{
    config.purge_ms = 40000000; /* no round after the first: all keys stay */
    struct fixture *f = begin();
    struct mailbox_counts counts;
    fill_with_living(f, 1);
    fill_with_living(f, 4);
    put_now(f, 7, 100); /* to be retired; lies with three that live */
    fill_with_living(f, 8);
    put_now(f, 11, 100); /* the original; 7's retirement keeps its segment when nothing lives there */
    retire_now(f, 7);
    put_now(f, 12, 7000);
    put_now(f, 13, 7000);
    put_now(f, 14, 100);
    put_now(f, 15, 100);
    for (uint64_t p = 12; p <= 15; p++) /* in the next */
        retire_now(f, p);
    put_now(f, 16, 7000);
    retire_now(f, 16);
    put_now(f, 17, 5088);
    retire_now(f, 17);
    mailboxes_counts(f->m, &counts);
    cr_assert_eq(counts.moved, 0);
    cr_assert_eq(counts.segments_now, 5);
    retire_now(f, 1); /* it is full now, and more than half of the log is dead: 11 is copied to another */
    settle(f);
    mailboxes_counts(f->m, &counts);
    cr_assert_eq(counts.moved, 1);
    cr_assert_eq(counts.segments_now, 6);
    retire_now(f, 11);
    fill_with_nothing(f, 18); /* that is left, and nothing lives in it */
    fill_with_nothing(f, 20);
    fill_with_nothing(f, 22);
    reopen(f);
    drain(f, 1, 1, 0, 99);
    for (uint64_t p = 2; p <= 10; p++) {
        if (p != 7)
            expect_item(f, p, CHANNEL_ITEM_MESSAGE);
    }
    const struct said *said = next(f);
    cr_assert_eq(said->kind, CHANNEL_DRAIN_IDLE, "position %lu has come back", (unsigned long)said->position);
    end(f);
}

Test(mailbox, an_acknowledgement_that_is_lost_only_means_again)
{
    struct fixture *f = begin();
    put_now(f, 1, 100);
    put_now(f, 2, 100);
    f->read = f->count;
    retire(f, 1, 1); /* not durable yet */
    drain(f, 1, 1, 0, 9);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    reopen(f);
    drain(f, 1, 2, 0, 9);
    expect_item(f, 1, CHANNEL_ITEM_MESSAGE);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 2);
    retire_now(f, 1);
    reopen(f);
    drain(f, 1, 3, 0, 9);
    expect_item(f, 2, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 2);
    end(f);
}

/* The shards that have a segment, as bits. */
static uint32_t shards_in_use(struct fixture *f)
{
    uint32_t bits = 0;
    size_t bytes;
    for (uint32_t shard = 0; shard < WAX_STORE_SHARDS; shard++) {
        for (uint64_t id = 1; id < 40; id++)
            bits |= storage_sim_segment(f->disk, shard, id, &bytes) != NULL ? 1u << shard : 0;
    }
    return bits;
}

/* Two users whose mailboxes lie in different shards, each with a message at position 1. */
static void two_shards(struct fixture *f, uint8_t *other)
{
    put(f, 1, 1, 100);
    settle(f);
    uint32_t first = shards_in_use(f);
    for (*other = 2; shards_in_use(f) == first; ++*other) {
        put(f, *other, 1, 100);
        settle(f);
    }
    --*other;
}

static void put_receipt(struct fixture *f, uint8_t user, uint64_t position, uint8_t about, uint64_t retires)
{
    struct channel_store_receipt request = {.tag = position,
                                            .name = name_of(user),
                                            .position = position,
                                            .about = name_of(about),
                                            .id = retires,
                                            .retire = retires,
                                            .status_kind = WIRE_DELIVERED};
    cr_assert_eq(mailbox_store_receipt(f->m, 0, &request), WAX_OK);
}

Test(mailbox, a_receipt_stays_until_what_it_retires_is_gone_for_good)
{
    struct fixture *f = begin();
    uint8_t other;
    two_shards(f, &other);
    put(f, 1, 50, 100); /* so that the message's segment stays */
    settle(f);
    put_receipt(f, other, 2, 1, 1);
    mailboxes_flush(f->m);
    storage_sim_step(f->disk); /* the receipt is durable, the retirement is queued in the other shard */
    storage_sim_set(f->disk, (struct storage_sim_faults){.no_space = 1000});
    turn(f);
    turn(f); /* and put off, since the disk is full */
    storage_sim_set(f->disk, (struct storage_sim_faults){0});
    retire(f, other, 1);
    retire(f, other, 2);
    for (uint64_t p = 3; p < 12; p++) { /* nothing else keeps the receipt's segment */
        put(f, other, p, 6000);
        retire(f, other, p);
        for (int i = 0; i < 30; i++)
            turn(f);
    }
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_item(f, 50, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 50);
    end(f);
}

Test(mailbox, a_receipt_keeps_its_key_until_what_it_retires_is_retired_for_good)
{
    struct fixture *f = begin();
    uint8_t other;
    two_shards(f, &other);
    put(f, 1, 50, 100);
    settle(f);
    put_receipt(f, other, 2, 1, 1);
    mailboxes_flush(f->m);
    storage_sim_step(f->disk); /* the receipt is durable, the retirement is queued in the other shard */
    storage_sim_set(f->disk, (struct storage_sim_faults){.no_space = 1000});
    turn(f);
    turn(f); /* and put off for a second, since the disk is full */
    storage_sim_set(f->disk, (struct storage_sim_faults){0});
    retire(f, other, 2);
    for (int i = 0; i < 800; i++) /* longer than keys of what is retired last */
        turn(f);
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_item(f, 50, CHANNEL_ITEM_MESSAGE);
    expect_idle(f, 50);
    end(f);
}

Test(mailbox, a_receipt_that_was_answered_has_retired_its_message)
{
    struct fixture *f = begin();
    uint8_t other;
    two_shards(f, &other);
    f->read = f->count;
    put_receipt(f, other, 2, 1, 1);
    mailboxes_flush(f->m);
    storage_sim_step(f->disk);
    expect_stored(f, 2, 0);
    drain(f, 1, 1, 0, 9); /* also in this life */
    expect_idle(f, 1);
    reopen(f);
    drain(f, 1, 1, 0, 9);
    expect_idle(f, 1);
    drain(f, other, 2, 1, 9);
    expect_item(f, 2, CHANNEL_ITEM_RECEIPT);
    end(f);
}
