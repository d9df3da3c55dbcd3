/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench.h"

TestSuite(opening, .init = bench_begin, .fini = bench_end);

Test(opening, hello_then_a_proof_over_the_challenge_then_open)
{
    struct frame_hello hello;
    cr_assert_eq(wax_client_connected(bench.client, NULL, bench.now_us), WAX_OK);
    exchange();
    const struct relay_frame *first = relay_next(&bench.relay);
    cr_assert_eq(frame_parse_hello(view_of(first->data, first->len), &hello), WAX_OK);
    cr_assert_eq(hello.device, 5);
    cr_assert_eq(hello.flags, 0);
    cr_assert_eq(hello.token.len, 0);
    relay_say_challenge(&bench.relay);
    exchange();
    const struct relay_frame *proof = relay_next(&bench.relay);
    cr_assert(relay_proof_is_good(&bench.relay, first, proof, NULL));
    cr_assert_eq(proof->data[1], 0);
    relay_say_welcome(&bench.relay, &bench.config.identity, 5, WIRE_WELCOME_NEW_ACCOUNT, 256,
                      view_of(NULL, 0));
    exchange();
    cr_assert_eq(bench.opened, 1);
    cr_assert_eq(bench.last_opened.window, 256);
    cr_assert_eq(bench.last_opened.waiting, 3);
    cr_assert_eq(bench.last_opened.flags, WIRE_WELCOME_NEW_ACCOUNT);
}

Test(opening, a_proof_is_bound_to_the_tls_exporter_where_there_is_one)
{
    uint8_t binding[WAX_BINDING_BYTES];
    struct frame_hello hello;
    memset(binding, 0x33, sizeof binding);
    wax_client_connected(bench.client, binding, bench.now_us);
    exchange();
    const struct relay_frame *first = relay_next(&bench.relay);
    frame_parse_hello(view_of(first->data, first->len), &hello);
    cr_assert_eq(hello.flags, WIRE_HELLO_BINDING);
    relay_say_challenge(&bench.relay);
    exchange();
    const struct relay_frame *proof = relay_next(&bench.relay);
    cr_assert_eq(proof->data[1], WIRE_PROOF_BINDING);
    cr_assert(relay_proof_is_good(&bench.relay, first, proof, binding));
    cr_assert_not(relay_proof_is_good(&bench.relay, first, proof, NULL));
}

Test(opening, opens_whatever_the_pieces_the_bytes_come_in)
{
    for (size_t step = 1; step < 70; step++) {
        bench.relay.step = step;
        open_session(256);
        cr_assert_eq(bench.opened, step);
        wax_client_disconnected(bench.client, WAX_TCP_RESET);
    }
}

Test(opening, a_resume_token_is_offered_and_welcome_alone_opens)
{
    struct frame_hello hello;
    wax_client_connected(bench.client, NULL, bench.now_us);
    exchange();
    relay_say_challenge(&bench.relay);
    relay_say_welcome(&bench.relay, &bench.config.identity, 5, 0, 256, view_of("token-1", 7));
    exchange();
    wax_client_disconnected(bench.client, WAX_TCP_RESET);
    relay_reset(&bench.relay);
    wax_client_connected(bench.client, NULL, bench.now_us);
    exchange();
    const struct relay_frame *first = relay_next(&bench.relay);
    cr_assert_eq(frame_parse_hello(view_of(first->data, first->len), &hello), WAX_OK);
    cr_assert_eq(hello.flags, WIRE_HELLO_RESUME);
    cr_assert_eq(hello.token.len, 7);
    cr_assert_arr_eq(hello.token.data, "token-1", 7);
    relay_say_welcome(&bench.relay, &bench.config.identity, 5, WIRE_WELCOME_RESUMED, 256,
                      view_of("token-2", 7));
    exchange();
    cr_assert_eq(bench.opened, 2);
    cr_assert_eq(bench.last_opened.flags, WIRE_WELCOME_RESUMED);
}

Test(opening, a_stale_resume_token_falls_back_to_the_proof)
{
    wax_client_connected(bench.client, NULL, bench.now_us);
    exchange();
    relay_say_challenge(&bench.relay);
    relay_say_welcome(&bench.relay, &bench.config.identity, 5, 0, 256, view_of("token-1", 7));
    exchange();
    wax_client_disconnected(bench.client, WAX_TCP_RESET);
    open_session(256);
    cr_assert_eq(bench.opened, 2);
}

Test(opening, a_welcome_for_somebody_else_ends_the_session)
{
    struct wax_identity other = bench.config.identity;
    other.user[0] ^= 1;
    wax_client_connected(bench.client, NULL, bench.now_us);
    exchange();
    relay_say_challenge(&bench.relay);
    relay_say_welcome(&bench.relay, &other, 5, 0, 256, view_of(NULL, 0));
    cr_assert_eq(exchange(), WAX_CLIENT_OUT_OF_PLACE);
    cr_assert_eq(bench.closes, 1);
    cr_assert_eq(bench.opened, 0);
}

Test(opening, a_refused_upgrade_tells_its_http_status)
{
    wax_client_connected(bench.client, NULL, bench.now_us);
    char reply[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    enum wax_status status = wax_client_input(bench.client, span_of(reply, sizeof reply - 1), bench.now_us);
    cr_assert_eq(status, WAX_CLIENT_UPGRADE);
    cr_assert_eq(bench.last_closed.http_status, 404);
}

Test(opening, an_upgrade_with_a_wrong_accept_key_is_refused)
{
    wax_client_connected(bench.client, NULL, bench.now_us);
    char reply[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: waxwire.v1\r\n\r\n";
    cr_assert_eq(wax_client_input(bench.client, span_of(reply, sizeof reply - 1), bench.now_us),
                 WAX_CLIENT_UPGRADE);
    cr_assert_eq(bench.closes, 1);
}

Test(opening, a_relay_that_does_not_open_in_time_is_given_up)
{
    wax_client_connected(bench.client, NULL, bench.now_us);
    exchange();
    cr_assert_eq(wax_client_next_us(bench.client), bench.now_us + 15000000);
    cr_assert_eq(wax_client_tick(bench.client, bench.now_us + 14999999), WAX_OK);
    cr_assert_eq(wax_client_tick(bench.client, bench.now_us + 15000000), WAX_CLIENT_TIMEOUT);
    cr_assert_eq(bench.last_closed.status, WAX_CLIENT_TIMEOUT);
}

Test(opening, frames_before_welcome_end_the_session)
{
    wax_client_connected(bench.client, NULL, bench.now_us);
    exchange();
    relay_say_deliver(&bench.relay, 1, 5, 0, 1, view_of("x", 1));
    cr_assert_eq(exchange(), WAX_CLIENT_OUT_OF_PLACE);
    cr_assert_eq(bench.messages, 0);
}
