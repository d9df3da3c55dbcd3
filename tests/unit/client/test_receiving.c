/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

TestSuite(receiving, .init = bench_begin, .fini = bench_end);

Test(receiving, a_delivery_is_an_event_and_then_acknowledged)
{
    open_session(256);
    relay_say_deliver(&bench.relay, 1, 77, WIRE_DELIVER_STORED, 3, view_of("hi", 2));
    exchange();
    cr_assert_eq(bench.messages, 1);
    cr_assert_eq(bench.last_message.id, 77);
    cr_assert_eq(bench.last_message.sender_device, 3);
    cr_assert_eq(bench.last_message.flags, WIRE_DELIVER_STORED);
    cr_assert_eq(bench.last_message.payload.len, 2);
    cr_assert_arr_eq(bench.payload, "hi", 2);
    cr_assert_eq(next_ack(), 1);
}

Test(receiving, a_message_in_fragments_around_a_ping_is_put_together)
{
    uint8_t frame[WIRE_DELIVER_BYTES + 5];
    struct frame_deliver deliver = {.from = {.device = 3}, .seq = 1, .id = 9, .payload = view_of("whole", 5)};
    open_session(256);
    size_t n = frame_write_deliver_head(span_of(frame, sizeof frame), &deliver);
    memcpy(frame + n, "whole", 5);
    relay_say_raw(&bench.relay, WS_BINARY, view_of(frame, 10));
    relay_say_raw(&bench.relay, WS_FIN | WS_PING, view_of("are you there", 13));
    relay_say_raw(&bench.relay, WS_CONTINUATION, view_of(frame + 10, 0));
    relay_say_raw(&bench.relay, WS_FIN | WS_CONTINUATION, view_of(frame + 10, sizeof frame - 10));
    exchange();
    cr_assert_eq(bench.messages, 1);
    cr_assert_arr_eq(bench.payload, "whole", 5);
    const struct relay_frame *pong = relay_next(&bench.relay);
    cr_assert_eq(pong->opcode, WS_PONG);
    cr_assert_eq(pong->len, 13);
    cr_assert_arr_eq(pong->data, "are you there", 13);
    cr_assert_eq(next_ack(), 1);
}

Test(receiving, every_sixteenth_delivery_is_acknowledged_at_once)
{
    wax_client_destroy(bench.client);
    bench.config.ack_delay_ms = 900;
    wax_client_create(&bench.client, &bench.config);
    open_session(256);
    for (uint32_t i = 1; i <= 40; i++)
        relay_say_deliver(&bench.relay, i, i, 0, 3, view_of("x", 1));
    exchange();
    cr_assert_eq(next_ack(), 16);
    cr_assert_eq(next_ack(), 32);
    cr_assert_null(relay_next(&bench.relay));
    cr_assert_eq(wax_client_next_us(bench.client), bench.now_us + 900000);
    bench.now_us += 899999;
    wax_client_tick(bench.client, bench.now_us);
    exchange();
    cr_assert_null(relay_next(&bench.relay));
    bench.now_us += 1;
    wax_client_tick(bench.client, bench.now_us);
    exchange();
    cr_assert_eq(next_ack(), 40);
}

Test(receiving, one_ack_answers_a_burst)
{
    open_session(256);
    for (uint32_t i = 1; i <= 10; i++)
        relay_say_deliver(&bench.relay, i, i, 0, 3, view_of("x", 1));
    exchange();
    cr_assert_eq(next_ack(), 10);
    cr_assert_null(relay_next(&bench.relay));
}

Test(receiving, a_duplicate_is_acknowledged_and_hidden)
{
    open_session(256);
    relay_say_deliver(&bench.relay, 1, 10, 0, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 2, 11, 0, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 3, 10, WIRE_DELIVER_AGAIN, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 4, 11, WIRE_DELIVER_AGAIN, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 5, 10, 0, 4, view_of("x", 1));
    exchange();
    cr_assert_eq(bench.messages, 3);
    cr_assert_eq(next_ack(), 5);
}

Test(receiving, duplicates_are_known_across_reconnects)
{
    open_session(256);
    relay_say_deliver(&bench.relay, 1, 10, 0, 3, view_of("x", 1));
    exchange();
    wax_client_disconnected(bench.client, WAX_TCP_RESET);
    open_session(256);
    relay_say_deliver(&bench.relay, 1, 10, WIRE_DELIVER_AGAIN, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 2, 12, WIRE_DELIVER_AGAIN, 3, view_of("x", 1));
    exchange();
    cr_assert_eq(bench.messages, 2);
    cr_assert_eq(next_ack(), 2);
}

Test(receiving, an_ephemeral_delivery_stands_outside_the_id_rule)
{
    open_session(256);
    relay_say_deliver(&bench.relay, 1, 20, WIRE_DELIVER_EPHEMERAL, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 2, 10, 0, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 3, 5, WIRE_DELIVER_EPHEMERAL, 3, view_of("x", 1));
    exchange();
    cr_assert_eq(bench.messages, 3);
}

Test(receiving, a_silent_delivery_has_sequence_0_and_no_ack)
{
    open_session(256);
    relay_say_deliver(&bench.relay, 0, 20, WIRE_DELIVER_EPHEMERAL, 3, view_of("x", 1));
    exchange();
    cr_assert_eq(bench.messages, 1);
    cr_assert_null(relay_next(&bench.relay));
}

Test(receiving, a_gap_in_the_sequence_ends_the_session)
{
    open_session(256);
    relay_say_deliver(&bench.relay, 1, 1, 0, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 3, 2, 0, 3, view_of("x", 1));
    cr_assert_eq(exchange(), WAX_CLIENT_OUT_OF_PLACE);
    cr_assert_eq(bench.messages, 1);
    cr_assert_eq(bench.closes, 1);
}

Test(receiving, closing_from_the_handler_acknowledges_what_it_has_seen)
{
    open_session(256);
    bench.close_on_message = true;
    relay_say_deliver(&bench.relay, 1, 1, 0, 3, view_of("x", 1));
    relay_say_deliver(&bench.relay, 2, 2, 0, 3, view_of("x", 1));
    exchange();
    cr_assert_eq(bench.messages, 1);
    cr_assert_eq(next_ack(), 1);
    const struct relay_frame *close = relay_next(&bench.relay);
    cr_assert_eq(close->opcode, WS_CLOSE);
    cr_assert_eq(close->close_code, WIRE_CLOSE_NORMAL);
    cr_assert_null(relay_next(&bench.relay));
}
