/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of custody and order at a recipient's home, one at a time. */
#include "toy.h"

#define EPOCH (UINT64_C(1) << 48)

Test(home, a_message_for_one_who_is_away_is_stored_and_then_accepted, .init = toy_start)
{
    struct msg *msg = toy_message(1, 2, 7, WIRE_SEND_URGENT);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    cr_assert_not_null(store);
    cr_assert_eq(store->id, 7);
    cr_assert_eq(store->position, EPOCH + 1);
    cr_assert_eq(store->ttl_s, 60);
    cr_assert_eq(store->deliver_flags, WIRE_DELIVER_URGENT);
    cr_assert_eq(store->again, 0);
    cr_assert_eq(store->exempt, 0);
    cr_assert_eq(store->payload_bytes, 7);
    cr_assert_arr_eq(store->payload, "payload", 7);
    cr_assert_null(toy_next(&toy.gives), "no answer before it is on stable storage");
    toy_stored(store->tag, 0);
    struct item *answer = toy_next(&toy.gives);
    cr_assert_eq(answer->u.answer.status_kind, WIRE_ACCEPTED);
    cr_assert_eq(answer->u.answer.msg, msg, "its memory goes back with the answer");
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(home, what_the_store_refuses_is_rejected_with_its_reason, .init = toy_start)
{
    toy_message(1, 2, 7, 0);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    toy_stored(store->tag, WIRE_REASON_MAILBOX_FULL);
    TOY_ANSWER(7, WIRE_REJECTED, WIRE_REASON_MAILBOX_FULL);
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(home, positions_rise_in_the_order_of_sending, .init = toy_start)
{
    uint64_t last = 0;
    for (uint64_t id = 1; id <= 5; id++)
        toy_message(1, 2, id, 0);
    for (uint64_t id = 1; id <= 5; id++) {
        struct channel_store *store = toy_record(CHANNEL_STORE);
        cr_assert_eq(store->id, id);
        cr_assert_gt(store->position, last);
        last = store->position;
    }
}

Test(home, nothing_is_delivered_before_control_has_said_what_the_mailbox_holds, .init = toy_start)
{
    toy_attach(2, 1, false);
    toy_message(1, 2, 7, 0);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    cr_assert_not_null(toy_record(CHANNEL_STORE));
}

Test(home, a_session_is_announced_and_its_mailbox_asked_for, .init = toy_start)
{
    struct item attached = toy_attach(2, 9, false);
    struct channel_session_open *open = toy_record(CHANNEL_SESSION_OPEN);
    cr_assert_eq(open->generation, attached.u.attached.generation);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    cr_assert_eq(drain->after, 0);
    cr_assert_eq(drain->messages, 4, "no more than its window");
    toy_report(&attached, ITEM_END, 0);
    struct channel_session_close *close = toy_record(CHANNEL_SESSION_CLOSE);
    cr_assert_eq(close->generation, attached.u.attached.generation);
}

Test(home, one_who_is_online_gets_it_directly_and_its_ack_is_the_answer, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    struct msg *msg = toy_message(1, 2, 7, 0);
    struct item *deliver = toy_next_of(&toy.sends, ITEM_DELIVER);
    cr_assert_eq(deliver->u.deliver.msg, msg);
    cr_assert_eq(deliver->u.deliver.conn, 9);
    cr_assert_eq(deliver->u.deliver.seq, 1);
    cr_assert_eq(deliver->flags, 0);
    cr_assert_null(toy_next(&toy.gives), "no answer before the recipient's device has acknowledged it");
    toy_report(&attached, ITEM_ACK, 1);
    TOY_ANSWER(7, WIRE_DELIVERED, 0);
    cr_assert_null(toy_record(CHANNEL_STORE), "nothing was stored");
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(home, an_ack_covers_everything_up_to_it, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    for (uint64_t id = 1; id <= 3; id++)
        toy_message(1, 2, id, 0);
    toy_report(&attached, ITEM_ACK, 2);
    TOY_ANSWER(1, WIRE_DELIVERED, 0);
    TOY_ANSWER(2, WIRE_DELIVERED, 0);
    cr_assert_null(toy_next(&toy.gives));
}

Test(home, what_is_not_acknowledged_within_a_second_is_stored_and_accepted, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_wait(500);
    toy_message(1, 2, 2, 0);
    cr_assert_null(toy_record(CHANNEL_STORE));
    toy_wait(502);
    struct channel_store *first = toy_record(CHANNEL_STORE), *second = toy_record(CHANNEL_STORE);
    cr_assert_eq(first->id, 1);
    cr_assert_eq(second->id, 2, "the whole window is stored, in order");
    cr_assert_eq(first->exempt, 1, "of quota: it has been handed to a connection");
    toy_stored(first->tag, 0);
    TOY_ANSWER(1, WIRE_ACCEPTED, 0);
    toy_report(&attached, ITEM_ACK, 2);
    TOY_ANSWER(2, WIRE_DELIVERED, 0);
}

Test(home, a_window_that_overflows_is_stored_before_the_newer_one, .init = toy_start)
{
    toy_online(2, 9);
    for (uint64_t id = 1; id <= 5; id++)
        toy_message(1, 2, id, 0);
    for (uint64_t id = 1; id <= 5; id++) {
        struct channel_store *store = toy_record(CHANNEL_STORE);
        cr_assert_not_null(store);
        cr_assert_eq(store->id, id);
    }
    for (uint64_t id = 1; id <= 4; id++)
        cr_assert_eq(toy_next_of(&toy.sends, ITEM_DELIVER)->u.deliver.seq, id);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER), "the fifth waits in the mailbox");
}

Test(home, after_an_overflow_the_mailbox_is_drained_from_behind_the_window, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    for (uint64_t id = 1; id <= 5; id++)
        toy_message(1, 2, id, 0);
    toy_clear();
    toy_report(&attached, ITEM_ACK, 2);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    cr_assert_not_null(drain);
    cr_assert_eq(drain->after, EPOCH + 4);
    toy_drained(2, drain->generation, EPOCH + 5, 1, 5, CHANNEL_ITEM_MESSAGE);
    struct item *deliver = toy_next_of(&toy.sends, ITEM_DELIVER);
    cr_assert_eq(deliver->u.deliver.seq, 5);
    cr_assert_eq(deliver->flags, WIRE_DELIVER_STORED);
}

Test(home, a_window_is_bounded_in_bytes_too, .init = toy_start)
{
    toy_online(2, 9);
    static uint8_t big[6000];
    for (uint64_t id = 1; id <= 2; id++) {
        struct msg *msg = msg_make(&toy.messages, view_of(big, sizeof big));
        msg->id = id;
        msg->ttl_s = 1;
        msg->from = toy_name(1);
        msg->to = toy_name(2);
        struct item item = {.kind = ITEM_SEND, .u.send.msg = msg};
        home_send(toy.home, &item, toy.now_us);
        toy_poll();
    }
    cr_assert_not_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    cr_assert_not_null(toy_record(CHANNEL_STORE));
}

Test(home, a_session_that_ends_leaves_its_window_to_the_mailbox, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_message(1, 2, 2, 0);
    toy_report(&attached, ITEM_END, 0);
    struct channel_store *first = toy_record(CHANNEL_STORE), *second = toy_record(CHANNEL_STORE);
    cr_assert_eq(first->id, 1);
    cr_assert_eq(second->id, 2);
    struct item again = toy_attach(2, 10, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    toy_stored(first->tag, 0);
    toy_drained(2, drain->generation, first->position, 1, 1, CHANNEL_ITEM_MESSAGE);
    struct item *deliver = toy_next_of(&toy.sends, ITEM_DELIVER);
    while (deliver->u.deliver.conn != 10)
        deliver = toy_next_of(&toy.sends, ITEM_DELIVER);
    cr_assert_eq(deliver->flags, WIRE_DELIVER_STORED | WIRE_DELIVER_AGAIN, "delivered again, and it says so");
    cr_assert_eq(deliver->u.deliver.seq, 1, "sequences start at 1 in each session");
    cr_assert_neq(again.u.attached.generation, attached.u.attached.generation);
}

Test(home, a_newer_session_displaces_the_older_one, .init = toy_start)
{
    struct item old = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_clear();
    toy_attach(2, 10, false);
    struct item *displace = toy_next_of(&toy.gives, ITEM_DISPLACE);
    cr_assert_eq(displace->u.attached.conn, 9);
    cr_assert_eq(displace->u.attached.status, WAX_SESSION_DISPLACED);
    cr_assert_not_null(toy_record(CHANNEL_STORE), "what the old one had goes to the mailbox");
    toy_report(&old, ITEM_ACK, 1);
    cr_assert_null(toy_next_of(&toy.gives, ITEM_ANSWER), "its reports count no more");
    cr_assert_eq(toy.metrics.status[WAX_SESSION_STALE], 1);
    toy_report(&old, ITEM_END, 0);
    cr_assert_eq(home_counts(toy.home).sessions, 1);
}

Test(home, a_session_displaced_before_it_was_attached_is_refused, .init = toy_start)
{
    toy.credits = 0;
    struct item item = {.kind = ITEM_ATTACH};
    item.u.attach.conn = 1;
    item.u.attach.name = toy_name(2);
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    item.u.attach.conn = 2;
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    struct item *refused = toy_next(&toy.gives);
    cr_assert_eq(refused->kind, ITEM_REFUSED);
    cr_assert_eq(refused->u.attached.conn, 1);
    toy.credits = 10;
    toy_poll();
    struct item *attached = toy_next(&toy.sends);
    cr_assert_eq(attached->u.attached.conn, 2);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_ATTACHED));
}

Test(home, sixty_seconds_without_an_ack_end_the_session, .init = toy_start)
{
    toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_wait(59000);
    toy_wait(900);
    cr_assert_null(toy_next_of(&toy.gives, ITEM_CLOSE));
    toy_wait(200);
    struct item *close = toy_next_of(&toy.gives, ITEM_CLOSE);
    cr_assert_not_null(close);
    cr_assert_eq(close->u.attached.conn, 9);
    cr_assert_eq(close->u.attached.status, WAX_SESSION_TOO_SLOW);
}

Test(home, an_idle_session_is_never_too_slow, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_report(&attached, ITEM_ACK, 1);
    toy_wait(200000);
    toy_wait(200000);
    cr_assert_null(toy_next_of(&toy.gives, ITEM_CLOSE));
}

Test(home, an_ephemeral_message_is_delivered_or_rejected_and_never_stored, .init = toy_start)
{
    toy_message(1, 2, 1, WIRE_SEND_EPHEMERAL);
    TOY_ANSWER(1, WIRE_REJECTED, WIRE_REASON_NOT_CONNECTED);
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 2, WIRE_SEND_EPHEMERAL);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_DELIVER)->flags, WIRE_DELIVER_EPHEMERAL);
    toy_report(&attached, ITEM_ACK, 1);
    TOY_ANSWER(2, WIRE_DELIVERED, 0);
    toy_message(1, 2, 3, WIRE_SEND_EPHEMERAL);
    toy_wait(1002);
    TOY_ANSWER(3, WIRE_REJECTED, WIRE_REASON_NOT_CONNECTED);
    toy_message(1, 2, 4, WIRE_SEND_EPHEMERAL);
    toy_report(&attached, ITEM_END, 0);
    TOY_ANSWER(4, WIRE_REJECTED, WIRE_REASON_NOT_CONNECTED);
    cr_assert_null(toy_record(CHANNEL_STORE));
}

Test(home, a_silent_message_has_sequence_0_and_no_answer, .init = toy_start)
{
    toy_message(1, 2, 1, WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT);
    cr_assert_eq(toy_next(&toy.gives)->kind, ITEM_FREE, "dropped: only its memory goes back");
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 2, WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT);
    struct item *deliver = toy_next_of(&toy.sends, ITEM_DELIVER);
    cr_assert_eq(deliver->u.deliver.seq, 0);
    toy_message(1, 2, 3, 0);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_DELIVER)->u.deliver.seq, 1, "it counts in no window");
    toy_report(&attached, ITEM_ACK, 1);
    TOY_ANSWER(3, WIRE_DELIVERED, 0);
}

Test(home, a_message_in_a_ring_keeps_its_memory_until_it_is_taken, .init = toy_start)
{
    toy_online(2, 9);
    toy_clear();
    struct msg *msg = toy_message(1, 2, 2, WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT);
    (void)msg;
    cr_assert_eq(toy.messages.slots.free_count, 149);
    toy.peers[0].consumed = toy.peers[0].sent;
    toy_poll();
    cr_assert_eq(toy.messages.slots.free_count, 150);
}

Test(home, a_send_only_session_is_delivered_nothing, .init = toy_start)
{
    toy_attach(2, 9, true);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    toy_idle(2, drain->generation, 0);
    toy_message(1, 2, 1, 0);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    cr_assert_not_null(toy_record(CHANNEL_STORE));
    toy_message(1, 2, 2, WIRE_SEND_EPHEMERAL);
    TOY_ANSWER(2, WIRE_REJECTED, WIRE_REASON_NOT_CONNECTED);
}

Test(home, without_a_credit_nothing_is_delivered_and_nothing_is_lost, .init = toy_start)
{
    toy_online(2, 9);
    toy_clear();
    toy.credits = 1;
    for (uint64_t id = 1; id <= 3; id++)
        toy_message(1, 2, id, 0);
    cr_assert_eq(toy_next(&toy.sends)->u.deliver.seq, 1);
    cr_assert_null(toy_next(&toy.sends));
    toy_clear();
    toy_poll();
    cr_assert_eq(toy_next(&toy.sends)->u.deliver.seq, 2);
    toy_clear();
    toy_poll();
    cr_assert_eq(toy_next(&toy.sends)->u.deliver.seq, 3);
}

Test(home, an_answer_waits_for_room_in_its_ring, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy.gives_full = true;
    toy_report(&attached, ITEM_ACK, 1);
    cr_assert_null(toy_next_of(&toy.gives, ITEM_ANSWER));
    cr_assert(home_poll(toy.home, toy.now_us), "it says that something waits");
    toy.gives_full = false;
    toy_poll();
    TOY_ANSWER(1, WIRE_DELIVERED, 0);
}

Test(home, more_than_may_wait_is_rejected_as_busy_while_it_has_gone_nowhere, .init = toy_start)
{
    toy.control_away = true;
    for (uint64_t id = 1; id <= 20; id++)
        toy_message(1, 2, id, 0);
    cr_assert_null(toy_next(&toy.gives));
    toy_message(1, 2, 21, 0);
    TOY_ANSWER(21, WIRE_REJECTED, WIRE_REASON_BUSY);
    toy_message(1, 3, 22, 0);
    cr_assert_null(toy_next(&toy.gives), "another recipient has a queue of its own");
}

Test(home, recipients_are_forgotten_when_there_are_too_many, .init = toy_start)
{
    for (uint8_t user = 1; user <= 40; user++) {
        toy_message(1, user, user, 0);
        struct channel_store *store = toy_record(CHANNEL_STORE);
        toy_stored(store->tag, 0);
        toy_carry();
        toy_clear();
    }
    cr_assert_leq(home_counts(toy.home).recipients, 16);
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(home, malformed_records_give_the_channel_up, .init = toy_start)
{
    struct channel_stored stored = {{8, CHANNEL_STORED, 0}, 0, 0, {0}};
    cr_assert_eq(home_control(toy.home, &stored.record, 0), WAX_CHANNEL_CORRUPT);
    struct channel_drained drained = {
        .record = {sizeof drained, CHANNEL_DRAINED, 0}, .payload_bytes = 1, .position = 1};
    cr_assert_eq(home_control(toy.home, &drained.record, 0), WAX_CHANNEL_CORRUPT);
    struct channel_drain_idle idle = {.record = {sizeof idle - 1, CHANNEL_DRAIN_IDLE, 0}};
    cr_assert_eq(home_control(toy.home, &idle.record, 0), WAX_CHANNEL_CORRUPT);
    struct channel_record unknown = {8, 99, 0};
    cr_assert_eq(home_control(toy.home, &unknown, 0), WAX_NOT_FOUND);
}

Test(home, a_confirmation_of_nothing_is_ignored, .init = toy_start)
{
    toy_stored(12345, 0);
    toy_stored(UINT64_MAX, 0);
    cr_assert_eq(toy.metrics.status[WAX_NOT_FOUND], 2);
}
