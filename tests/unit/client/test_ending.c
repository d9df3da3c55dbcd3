/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

TestSuite(ending, .init = bench_begin, .fini = bench_end);

Test(ending, every_truncation_of_a_relay_frame_ends_the_session)
{
    uint8_t frame[WIRE_DELIVER_BYTES];
    struct frame_deliver deliver = {.from = {.device = 3}, .seq = 1, .id = 9};
    frame_write_deliver_head(span_of(frame, sizeof frame), &deliver);
    for (size_t len = 0; len < sizeof frame; len++) {
        open_session(256);
        relay_say(&bench.relay, view_of(frame, len));
        cr_assert_eq(exchange(), WAX_FRAME_MALFORMED, "%zu bytes", len);
        const struct relay_frame *close = relay_next(&bench.relay);
        cr_assert_eq(close->close_code, WIRE_CLOSE_PROTOCOL);
    }
    cr_assert_eq(bench.messages, 0);
}

Test(ending, a_frame_of_an_unknown_type_is_ignored)
{
    open_session(256);
    relay_say(&bench.relay, view_of("\xd7whatever", 9));
    cr_assert_eq(exchange(), WAX_OK);
    cr_assert(wax_client_is_open(bench.client));
}

Test(ending, a_masked_frame_of_the_relay_closes_with_1002)
{
    open_session(256);
    uint8_t masked[] = {0x82, 0x81, 1, 2, 3, 4, 5};
    cr_assert_eq(wax_client_input(bench.client, span_of(masked, sizeof masked), bench.now_us), WAX_WS_MASKED);
    exchange();
    cr_assert_eq(relay_next(&bench.relay)->close_code, 1002);
}

Test(ending, a_text_message_closes_with_1003)
{
    open_session(256);
    relay_say_raw(&bench.relay, WS_FIN | WS_TEXT, view_of("x", 1));
    cr_assert_eq(exchange(), WAX_WS_TEXT);
    cr_assert_eq(relay_next(&bench.relay)->close_code, 1003);
}

Test(ending, a_fatal_error_names_itself_when_the_close_comes)
{
    open_session(256);
    relay_say_error(&bench.relay, WIRE_ERROR_DISPLACED);
    relay_say_close(&bench.relay, 4009);
    cr_assert_eq(exchange(), WAX_SESSION_DISPLACED);
    cr_assert_eq(bench.errors, 1);
    cr_assert_eq(bench.last_error.code, WIRE_ERROR_DISPLACED);
    cr_assert_eq(bench.last_closed.error, WIRE_ERROR_DISPLACED);
    cr_assert_eq(bench.last_closed.close_code, 4009);
    cr_assert_eq(relay_next(&bench.relay)->close_code, 4009);
}

Test(ending, an_error_from_128_leaves_the_session_open)
{
    open_session(256);
    relay_say_error(&bench.relay, WIRE_ERROR_UNKNOWN_REQUEST);
    cr_assert_eq(exchange(), WAX_OK);
    cr_assert_eq(bench.errors, 1);
    cr_assert(wax_client_is_open(bench.client));
}

Test(ending, a_clean_close_waits_for_the_relays_answer)
{
    open_session(256);
    wax_client_close(bench.client, bench.now_us);
    exchange();
    cr_assert_eq(relay_next(&bench.relay)->close_code, WIRE_CLOSE_NORMAL);
    cr_assert_eq(bench.closes, 0);
    relay_say_close(&bench.relay, WIRE_CLOSE_NORMAL);
    cr_assert_eq(exchange(), WAX_OK);
    cr_assert_eq(bench.closes, 1);
    cr_assert_eq(bench.last_closed.status, WAX_OK);
    cr_assert_null(relay_next(&bench.relay));
}

Test(ending, an_answer_that_crosses_our_close_still_counts)
{
    open_session(256);
    uint64_t id = send_one();
    wax_client_close(bench.client, bench.now_us);
    relay_say_status(&bench.relay, WIRE_ACCEPTED, 0, id, &to_bob);
    exchange();
    cr_assert_eq(wax_client_unanswered(bench.client), 0);
}

Test(ending, a_close_without_answer_ends_after_three_seconds)
{
    open_session(256);
    wax_client_close(bench.client, bench.now_us);
    cr_assert_eq(wax_client_next_us(bench.client), bench.now_us + 3000000);
    wax_client_tick(bench.client, bench.now_us + 3000000);
    cr_assert(wax_client_is_closed(bench.client));
    cr_assert_eq(bench.last_closed.status, WAX_OK);
}

Test(ending, a_silent_relay_is_pinged_and_then_given_up)
{
    open_session(256);
    uint64_t heard_us = bench.now_us;
    cr_assert_eq(wax_client_next_us(bench.client), heard_us + 240000000);
    cr_assert_eq(wax_client_tick(bench.client, heard_us + 240000000), WAX_OK);
    client_to_relay();
    cr_assert_eq(relay_next(&bench.relay)->opcode, WS_PING);
    cr_assert_eq(wax_client_next_us(bench.client), heard_us + 485000000);
    cr_assert_eq(wax_client_tick(bench.client, heard_us + 485000000), WAX_CLIENT_TIMEOUT);
}

Test(ending, a_pong_is_a_sign_of_life)
{
    open_session(256);
    bench.now_us += 240000000;
    wax_client_tick(bench.client, bench.now_us);
    relay_say_raw(&bench.relay, WS_FIN | WS_PONG, view_of(NULL, 0));
    exchange();
    cr_assert_eq(wax_client_next_us(bench.client), bench.now_us + 240000000);
}

Test(ending, arguments_are_checked)
{
    struct wax_client *client;
    struct wax_client_config config = bench.config;
    config.device = 0;
    cr_assert_eq(wax_client_create(&client, &config), WAX_BAD_ARGUMENT);
    config = bench.config;
    memset(config.seed, 0, sizeof config.seed);
    cr_assert_eq(wax_client_create(&client, &config), WAX_BAD_ARGUMENT);
    config = bench.config;
    config.ack_delay_ms = 901;
    cr_assert_eq(wax_client_create(&client, &config), WAX_BAD_ARGUMENT);
    config = bench.config;
    config.host = "evil\r\nX: y";
    cr_assert_eq(wax_client_create(&client, &config), WAX_BAD_ARGUMENT);
}
