/* SPDX-License-Identifier: BSD-3-Clause */
/* READ: from its reader's session to its reader's home, to its message's sender's home, to that one's
 * session. */
#include "toy_session.h"

/* ---- the session ---- */

static enum wax_status say_read(uint32_t count, uint64_t first_id)
{
    size_t len = frame_open_read(span_of(out, sizeof out));
    for (uint32_t i = 0; i < count; i++) {
        struct frame_read_entry entry = {{{9}, 1}, first_id == 0 ? 0 : first_id + i};
        len = frame_append_read(span_of(out, sizeof out), &entry);
    }
    return feed(len);
}

/* READs that have been sent; their ids must rise from `*next` on. */
static uint32_t reads_sent(uint64_t *next)
{
    uint32_t count = 0;
    for (struct item *item = toy_next_of(&toy.sends, ITEM_READ); item != NULL;
         item = toy_next_of(&toy.sends, ITEM_READ)) {
        cr_assert_eq(item->u.read.id, (*next)++);
        cr_assert_eq(item->u.read.generation, 55);
        cr_assert_eq(item->u.read.recipient, 6);
        cr_assert_eq(item->u.read.sender.user[0], 9);
        count++;
    }
    return count;
}

Test(read, goes_to_its_readers_home_entry_by_entry, .init = start)
{
    uint64_t next = 70;
    open_session();
    cr_assert_eq(say_read(3, 70), WAX_OK);
    cr_assert_eq(reads_sent(&next), 3);
    cr_assert_eq(say_read(0, 0), WAX_OK, "nothing is sound");
    cr_assert_eq(reads_sent(&next), 0);
    cr_assert_eq(toy.metrics.reads, 3);
}

Test(read, that_is_malformed_is_error_1, .init = start)
{
    open_session();
    say_read(2, 70);
    cr_assert_eq(feed(WIRE_READ_BYTES + 2 * WIRE_READ_ENTRY_BYTES - 1), WAX_FRAME_MALFORMED);
    expect_error(WIRE_ERROR_MALFORMED);
}

Test(read, about_nobody_is_dropped_and_counted, .init = start)
{
    uint64_t next = 0;
    open_session();
    cr_assert_eq(say_read(2, 0), WAX_OK);
    cr_assert_eq(reads_sent(&next), 0);
    cr_assert_eq(toy.metrics.status[WAX_READ_DROPPED], 2);
}

Test(read, comes_behind_the_acks_before_it, .init = start)
{
    uint64_t next = 70;
    open_session();
    deliver(55, 1);
    cr_assert_eq(say_ack(1), WAX_OK);
    cr_assert_eq(say_read(1, 70), WAX_OK);
    cr_assert_eq(toy_next_of(&toy.gives, ITEM_ACK)->u.report.seq, 1, "given before the READ was sent");
    cr_assert_eq(reads_sent(&next), 1);
    deliver(55, 2);
    toy.gives_full = true;
    say_ack(2);
    cr_assert_eq(say_read(1, 71), WAX_FULL, "the ACK finds no room");
    cr_assert_eq(reads_sent(&next), 0);
    flush();
    cr_assert_eq(resumes, 0);
    toy.gives_full = false;
    flush();
    flush();
    cr_assert_eq(resumes, 1);
    cr_assert_not_null(toy_next_of(&toy.gives, ITEM_ACK));
}

Test(read, that_is_long_is_handed_out_in_portions_that_leave_credits_to_others, .init = start)
{
    uint64_t next = 1000;
    toy.credits = env.send_slots = 40;
    open_session();
    cr_assert_eq(say_read(100, 1000), WAX_OK);
    cr_assert_eq(reads_sent(&next), 0);
    flush();
    cr_assert_eq(reads_sent(&next), 30, "three of four credits");
    cr_assert_eq(say_send(5, 1, 0, 1), WAX_OK, "a SEND finds one");
    toy_clear();
    flush();
    toy_clear();
    cr_assert_eq(say_read(1, 1), WAX_FULL, "behind the list that is under way");
    next += 30;
    flush();
    cr_assert_eq(reads_sent(&next), 30);
    toy_clear();
    flush();
    cr_assert_eq(reads_sent(&next), 10);
    cr_assert_eq(resumes, 1, "the other one may come");
    cr_assert_eq(toy.messages.slots.free_count, 149, "all but the SEND's");
}

Test(read, that_is_under_way_outlives_its_session, .init = start)
{
    uint64_t next = 1;
    toy.credits = env.send_slots = 8;
    open_session();
    cr_assert_eq(say_read(10, 1), WAX_OK);
    session_end(&session, &env);
    for (uint32_t i = 0; i < 5; i++) {
        flush();
        for (uint32_t peer = 0; peer < 2; peer++)
            toy.peers[peer].consumed = toy.peers[peer].sent;
    }
    cr_assert_eq(reads_sent(&next), 10);
    cr_assert_eq(toy.messages.slots.free_count, 150);
}

/* ---- homes ---- */

/* The session of user 2 says that message `id` of user 1 has been read. */
static void read_by(const struct item *attached, uint64_t id)
{
    struct item item = {.kind = ITEM_READ};
    item.u.read.generation = attached->u.attached.generation;
    item.u.read.recipient = attached->u.attached.recipient;
    item.u.read.sender = toy_name(1);
    item.u.read.id = id;
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
}

static void expect_show(uint64_t id, uint8_t kind)
{
    struct item *show = toy_next_of(&toy.sends, ITEM_SHOW);
    cr_assert_not_null(show);
    cr_assert_eq(show->u.show.id, id);
    cr_assert_eq(show->u.show.status_kind, kind);
    cr_assert_eq(show->u.show.about.user[0], 2);
}

Test(read, reaches_its_messages_sender_as_status_3, .init = toy_start)
{
    struct item reader = toy_online(2, 9), sender = toy_online(1, 5);
    read_by(&reader, 7);
    toy_carry();
    expect_show(7, WIRE_READ_BY);
    toy_report(&sender, ITEM_GIVEN, 1);
    toy_carry();
    cr_assert_eq(home_counts(toy.home).entries, 0);
    cr_assert_null(toy_record(CHANNEL_RETIRE), "nothing was stored");
}

Test(read, is_kept_for_a_sender_who_is_away, .init = toy_start)
{
    struct item reader = toy_online(2, 9);
    read_by(&reader, 7);
    toy_carry();
    struct channel_store_receipt *receipt = toy_record(CHANNEL_STORE_RECEIPT);
    cr_assert_not_null(receipt);
    cr_assert_eq(receipt->name.user[0], 1);
    cr_assert_eq(receipt->status_kind, WIRE_READ_BY);
    cr_assert_eq(receipt->retire, 0, "it answers no message of a mailbox");
    toy_stored(receipt->tag, 0);
    toy_carry();
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(read, that_was_not_given_when_the_session_ends_is_kept, .init = toy_start)
{
    struct item reader = toy_online(2, 9), sender = toy_online(1, 5);
    read_by(&reader, 7);
    toy_carry();
    expect_show(7, WIRE_READ_BY);
    toy_report(&sender, ITEM_END, 0);
    struct channel_store_receipt *receipt = toy_record(CHANNEL_STORE_RECEIPT);
    cr_assert_eq(receipt->status_kind, WIRE_READ_BY);
}

Test(read, stands_behind_the_receipts_in_its_senders_mailbox, .init = toy_start)
{
    struct item reader = toy_online(2, 9);
    toy_attach(1, 5, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    read_by(&reader, 7);
    toy_carry();
    cr_assert_null(toy_next_of(&toy.sends, ITEM_SHOW), "what the mailbox holds has not all been shown");
    struct channel_store_receipt *receipt = toy_record(CHANNEL_STORE_RECEIPT);
    cr_assert_not_null(receipt);
    toy_stored(receipt->tag, 0);
    toy_carry();
    toy_idle(1, generation, receipt->position);
    read_by(&reader, 8);
    toy_carry();
    expect_show(8, WIRE_READ_BY);
}

Test(read, of_a_session_that_has_ended_still_counts_but_not_of_one_displaced, .init = toy_start)
{
    struct item first = toy_online(2, 9);
    toy_online(1, 5);
    toy_report(&first, ITEM_END, 0);
    read_by(&first, 7);
    toy_carry();
    expect_show(7, WIRE_READ_BY);
    struct item second = toy_attach(2, 10, false);
    toy_attach(2, 11, false); /* whose home has not heard the second's last ACKs, and won't */
    toy_clear();
    read_by(&second, 8);
    toy_carry();
    cr_assert_null(toy_next_of(&toy.sends, ITEM_SHOW));
    cr_assert_eq(toy.metrics.status[WAX_READ_DROPPED], 1);
}

Test(read, stands_behind_receipts_that_were_shown_and_not_yet_given, .init = toy_start)
{
    struct item reader = toy_online(2, 9), sender = toy_attach(1, 5, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    toy_drained(1, drain->generation, 11, 2, 6, CHANNEL_ITEM_RECEIPT);
    expect_show(6, WIRE_DELIVERED);
    read_by(&reader, 6);
    toy_carry();
    cr_assert_null(toy_record(CHANNEL_STORE_RECEIPT), "stored now, it would come first if the session ended");
    toy_report(&sender, ITEM_GIVEN, 1);
    cr_assert_not_null(toy_record(CHANNEL_STORE_RECEIPT));
}

Test(read, obeys_the_senders_blocks, .init = toy_start)
{
    static _Alignas(8) uint8_t memory[sizeof(struct channel_policy) + WAX_USER_BYTES];
    struct channel_policy *policy = (struct channel_policy *)(void *)memory;
    struct item reader = toy_online(2, 9), sender = toy_online(1, 5);
    struct name name = toy_name(1), blocked = toy_name(2);
    *policy = (struct channel_policy){.generation = sender.u.attached.generation, .count = 1};
    policy->record.bytes = sizeof memory;
    policy->record.kind = CHANNEL_POLICY;
    policy->name = name_to_channel(&name);
    memcpy(policy->user[0], blocked.user, WAX_USER_BYTES);
    cr_assert_eq(home_control(toy.home, &policy->record, toy.now_us), WAX_OK);
    read_by(&reader, 7);
    toy_carry();
    cr_assert_null(toy_next_of(&toy.sends, ITEM_SHOW));
    cr_assert_eq(toy.metrics.status[WAX_REJECT_BLOCKED], 1);
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(read, waits_until_its_message_is_said_to_be_delivered, .init = toy_start)
{
    struct item reader = toy_online(2, 9);
    toy.port.workers = 2;
    toy.messages.owner = 1; /* messages of another worker, whose ring is full */
    toy.full = 1u << 1;
    toy_message(1, 2, 7, 0);
    toy_message(1, 2, 8, 0);
    toy_report(&reader, ITEM_ACK, 1);
    read_by(&reader, 7);
    cr_assert_null(toy_next_of(&toy.gives, ITEM_RECEIPT));
    toy_report(&reader, ITEM_ACK, 2);
    read_by(&reader, 8);
    toy.full = 0;
    toy_poll();
    bool said[2] = {false};
    uint32_t reads = 0;
    for (struct item *item = toy_next(&toy.gives); item != NULL; item = toy_next(&toy.gives)) {
        if (item->kind == ITEM_ANSWER)
            said[item->u.answer.id - 7] = true;
        if (item->kind == ITEM_RECEIPT)
            cr_assert(said[reads++], "READ number %u has overtaken", reads);
    }
    cr_assert_eq(reads, 2);
}

Test(read, that_finds_no_room_is_dropped_and_messages_still_find_some, .init = toy_start)
{
    struct item reader = toy_online(2, 8);
    toy.gives_full = true;
    for (uint64_t id = 1; id <= 100; id++)
        read_by(&reader, id);
    cr_assert_eq(home_counts(toy.home).entries, 75, "three quarters");
    cr_assert_eq(toy.metrics.status[WAX_READ_DROPPED], 25);
    toy_online(4, 9);
    toy_message(3, 4, 1, 0);
    cr_assert_not_null(toy_next_of(&toy.sends, ITEM_DELIVER));
}
