/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of an open session: windows, acknowledgements, receipts, its end. */
#include "toy_session.h"

Test(session, a_send_goes_to_its_recipients_home, .init = start)
{
    open_session();
    cr_assert_eq(say_send(17, 2, WIRE_SEND_URGENT, 5), WAX_OK);
    struct item *item = toy_next_of(&toy.sends, ITEM_SEND);
    struct msg *msg = item->u.send.msg;
    cr_assert_eq(msg->id, 17);
    cr_assert_eq(msg->to.device, 2);
    cr_assert_eq(msg->from.user[0], 0xCC);
    cr_assert_eq(msg->ttl_s, 3600, "the default");
    cr_assert_eq(msg->conn, 3);
    cr_assert_eq(msg->payload_bytes, 5);
    cr_assert_eq(msg->send_flags, WIRE_SEND_URGENT);
    cr_assert_eq(session.unanswered, 1);
}

Test(session, silent_without_ephemeral_is_ignored, .init = start)
{
    open_session();
    say_send(17, 2, WIRE_SEND_SILENT, 5);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_SEND)->u.send.msg->send_flags, 0);
    say_send(18, 2, WIRE_SEND_SILENT | WIRE_SEND_EPHEMERAL, 5);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_SEND)->u.send.msg->send_flags,
                 WIRE_SEND_SILENT | WIRE_SEND_EPHEMERAL);
    cr_assert_eq(session.unanswered, 1, "a silent one counts in no window");
}

Test(session, a_full_window_does_not_stop_silent_ones_for_they_count_in_none, .init = start)
{
    open_session();
    for (uint64_t id = 1; id <= 4; id++)
        cr_assert_eq(say_send(id, 1, 0, 1), WAX_OK);
    toy_clear();
    cr_assert_eq(say_send(5, 2, WIRE_SEND_SILENT | WIRE_SEND_EPHEMERAL, 1), WAX_OK);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_SEND)->u.send.msg->id, 5);
    cr_assert_eq(session.unanswered, 4);
    cr_assert_eq(say_send(6, 2, WIRE_SEND_SILENT, 1), WAX_SESSION_WINDOW, "silent without ephemeral counts");
}

Test(session, what_asks_the_impossible_is_rejected_9_and_too_large_6, .init = start)
{
    open_session();
    cr_assert_eq(say_send(0, 2, 0, 5), WAX_OK);
    cr_assert_eq(say_send(5, 0, 0, 5), WAX_OK);
    cr_assert_eq(say_send(6, 1, 0, 101), WAX_OK);
    cr_assert_eq(say_send(7, 1, 0, 100), WAX_OK);
    flush();
    struct frame_status status;
    cr_assert_eq(frame_parse_status(next_frame(), &status), WAX_OK);
    cr_assert_eq(status.count, 3);
    cr_assert_eq(frame_status_entry(&status, 0).reason, WIRE_REASON_MALFORMED);
    cr_assert_eq(frame_status_entry(&status, 1).reason, WIRE_REASON_MALFORMED);
    cr_assert_eq(frame_status_entry(&status, 2).reason, WIRE_REASON_TOO_LARGE);
    cr_assert_eq(session.unanswered, 1);
}

Test(session, beyond_the_window_it_stops_until_an_answer_comes, .init = start)
{
    open_session();
    for (uint64_t id = 1; id <= 4; id++)
        cr_assert_eq(say_send(id, 1, 0, 1), WAX_OK);
    cr_assert_eq(say_send(5, 1, 0, 1), WAX_SESSION_WINDOW);
    flush();
    cr_assert_eq(resumes, 0);
    answer(1, WIRE_ACCEPTED);
    flush();
    cr_assert_eq(resumes, 1);
    cr_assert_eq(say_send(5, 1, 0, 1), WAX_OK);
}

Test(session, a_send_without_a_credit_is_parked_and_acks_behind_it_are_taken, .init = start)
{
    open_session();
    deliver(55, 1);
    env.send_slots = 0;
    cr_assert_eq(say_send(1, 1, 0, 1), WAX_FULL);
    cr_assert_eq(say_ack(1), WAX_OK);
    flush();
    cr_assert_eq(toy_next_of(&toy.gives, ITEM_ACK)->u.report.seq, 1);
    cr_assert_eq(resumes, 0);
    env.send_slots = 256;
    flush();
    cr_assert_eq(resumes, 1);
    cr_assert_eq(say_send(1, 1, 0, 1), WAX_OK);
    cr_assert_eq(toy.messages.slots.free_count, 149);
}

Test(session, acks_reach_home_with_the_generation, .init = start)
{
    open_session();
    deliver(55, 1);
    deliver(55, 2);
    cr_assert_eq(say_ack(0), WAX_OK, "acknowledges nothing");
    flush();
    cr_assert_null(toy_next(&toy.gives));
    say_ack(1);
    say_ack(2);
    say_ack(1);
    flush();
    struct item *ack = toy_next_of(&toy.gives, ITEM_ACK);
    cr_assert_eq(ack->u.report.seq, 2);
    cr_assert_eq(ack->u.report.generation, 55);
    cr_assert_eq(ack->u.report.recipient, 6);
    cr_assert_null(toy_next(&toy.gives));
}

Test(session, an_ack_of_what_was_not_sent_is_error_1, .init = start)
{
    open_session();
    deliver(55, 1);
    next_frame();
    cr_assert_eq(say_ack(2), WAX_SESSION_BAD_ACK);
    expect_error(1);
}

Test(session, an_ack_from_below_the_first_sequence_is_error_1, .init = start)
{
    open_session();
    deliver(55, 1);
    next_frame();
    cr_assert_eq(say_ack(0xFFFFFFFF), WAX_SESSION_BAD_ACK);
    expect_error(1);
}

Test(session, an_ack_from_before_the_wrap_is_sound, .init = start)
{
    open_session();
    deliver(55, 0xFFFFFFFE);
    deliver(55, 0xFFFFFFFF);
    deliver(55, 1);
    cr_assert_eq(say_ack(0xFFFFFFFF), WAX_OK);
    cr_assert_eq(say_ack(1), WAX_OK);
    cr_assert_eq(say_ack(2), WAX_SESSION_BAD_ACK);
}

Test(session, an_unknown_type_is_error_130_and_the_session_goes_on, .init = start)
{
    open_session();
    out[0] = 0x55;
    cr_assert_eq(feed(10), WAX_OK);
    expect_error(130);
    cr_assert_eq(closes, 0);
    cr_assert_eq(session.state, SESSION_OPEN);
}

Test(session, deliveries_are_written_from_the_message, .init = start)
{
    open_session();
    deliver(55, 1);
    struct frame_deliver back;
    cr_assert_eq(frame_parse_deliver(next_frame(), &back), WAX_OK);
    cr_assert_eq(back.id, 44);
    cr_assert_eq(back.seq, 1);
    cr_assert_eq(back.flags, WIRE_DELIVER_URGENT);
    cr_assert_eq(back.payload.len, 2);
    deliver(54, 2);
    cr_assert_eq(frame_head, frame_tail, "one for another session is dropped");
}

Test(session, that_can_not_be_written_to_is_too_slow_and_home_hears_of_its_end, .init = start)
{
    open_session();
    frames_full = true;
    deliver(55, 1);
    cr_assert_eq(closes, 1);
    cr_assert_eq(close_code, 4008);
    flush();
    cr_assert_not_null(toy_next_of(&toy.gives, ITEM_END));
}

Test(session, displaced_is_error_9_and_4009, .init = start)
{
    open_session();
    struct item item = {.kind = ITEM_DISPLACE};
    item.u.attached.conn = 3;
    item.u.attached.conn_generation = 4;
    item.u.attached.status = WAX_SESSION_DISPLACED;
    session_item(&env, &item, toy.now_us);
    expect_error(9);
}

Test(session, its_end_waits_for_room_and_comes_behind_its_last_ack, .init = start)
{
    open_session();
    deliver(55, 1);
    say_ack(1);
    toy.gives_full = true;
    cr_assert(!session_end(&session, &env));
    flush();
    cr_assert_eq(releases, 0);
    toy.gives_full = false;
    flush();
    cr_assert_eq(releases, 1);
    cr_assert_eq(toy_next(&toy.gives)->kind, ITEM_ACK);
    cr_assert_eq(toy_next(&toy.gives)->kind, ITEM_END);
    cr_assert_eq(session.state, SESSION_NONE);
}

Test(session, that_ends_while_it_attaches_waits_for_homes_answer, .init = start)
{
    log_in();
    cr_assert(!session_end(&session, &env));
    struct item attached = {.kind = ITEM_ATTACHED};
    attached.u.attached.generation = 55;
    attached.u.attached.conn = 3;
    attached.u.attached.conn_generation = 4;
    session_item(&env, &attached, toy.now_us);
    cr_assert_eq(frame_head, frame_tail, "no WELCOME");
    flush();
    cr_assert_eq(releases, 1);
    cr_assert_eq(toy_next_of(&toy.gives, ITEM_END)->u.report.generation, 55);
}

Test(session, refused_by_home_is_closed_and_free, .init = start)
{
    log_in();
    struct item refused = {.kind = ITEM_REFUSED};
    refused.u.attached.conn = 3;
    refused.u.attached.conn_generation = 4;
    refused.u.attached.status = WAX_SESSION_NO_ROOM;
    session_item(&env, &refused, toy.now_us);
    cr_assert_eq(close_code, 1013);
    cr_assert(session_end(&session, &env));
}

Test(session, an_answer_gives_memory_back_even_when_its_connection_is_gone, .init = start)
{
    open_session();
    say_send(1, 1, 0, 1);
    struct msg *msg = toy_next_of(&toy.sends, ITEM_SEND)->u.send.msg;
    session_end(&session, &env);
    flush();
    struct item item = {.kind = ITEM_ANSWER, .flags = 1};
    item.u.answer.msg = msg;
    item.u.answer.conn = 3;
    item.u.answer.conn_generation = 4;
    session_item(&env, &item, toy.now_us);
    cr_assert_eq(toy.messages.slots.free_count, 150);
}

static void show(uint32_t number)
{
    struct item item = {.kind = ITEM_SHOW};
    item.u.show.conn = 3;
    item.u.show.conn_generation = 4;
    item.u.show.number = number;
    item.u.show.status_kind = WIRE_DELIVERED;
    session_item(&env, &item, toy.now_us);
}

Test(session, receipts_count_as_given_when_tcp_has_acknowledged_their_bytes, .init = start)
{
    open_session();
    show(1);
    cr_assert(!session_wants_mark(&session), "not yet in a frame");
    flush();
    cr_assert(session_wants_mark(&session));
    session_mark(&session, 1000);
    show(2);
    show(3);
    flush();
    session_mark(&session, 2000);
    show(4);
    flush();
    session_mark(&session, 3000);
    session_acked(&session, &env, 999);
    flush();
    cr_assert_null(toy_next_of(&toy.gives, ITEM_GIVEN));
    session_acked(&session, &env, 1000);
    flush();
    cr_assert_eq(toy_next_of(&toy.gives, ITEM_GIVEN)->u.report.seq, 1);
    session_acked(&session, &env, 2999);
    flush();
    cr_assert_null(toy_next_of(&toy.gives, ITEM_GIVEN), "later ones are joined: the last counts");
    session_acked(&session, &env, 3000);
    flush();
    cr_assert_eq(toy_next_of(&toy.gives, ITEM_GIVEN)->u.report.seq, 4);
}
