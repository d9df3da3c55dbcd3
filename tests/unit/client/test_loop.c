/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tls_server.h"

static struct tls_server server;
static struct wax_loop_config loop_config;
static struct wax_client_config client_config;
static struct wax_loop *loop;
static unsigned opened, accepted, closes;
static struct wax_client_closed last_closed;

static void on_event(void *context, const struct wax_client_event *event)
{
    (void)context;
    opened += event->kind == WAX_CLIENT_OPENED;
    accepted += event->kind == WAX_CLIENT_STATUS && event->status.kind == WIRE_ACCEPTED;
    if (event->kind == WAX_CLIENT_CLOSED) {
        closes++;
        last_closed = event->closed;
    }
}

static void begin(void)
{
    uint8_t seed[32] = {1};

    signal(SIGPIPE, SIG_IGN);
    wax_identity_from_seed(&client_config.identity, seed);
    client_config.device = 1;
    client_config.event = on_event;
    loop_config = (struct wax_loop_config){.host = "127.0.0.1", .name = "relay.test", .reconnect = true};
}

static void start(void)
{
    tls_server_start(&server);
    loop_config.port = server.port;
    if (loop_config.ca_file == NULL)
        loop_config.ca_file = server.ca_file;
    cr_assert_eq(wax_loop_create(&loop, &loop_config, &client_config), WAX_OK);
}

static void stop(void)
{
    wax_loop_destroy(loop);
    tls_server_stop(&server);
}

/* Turns until *counter has come to `value`, the loop has ended, or 5 s have passed. */
static enum wax_status turn_until(const unsigned *counter, unsigned value)
{
    enum wax_status status = WAX_OK;
    uint64_t end_us = wax_clock_us() + 5000000;

    while (status == WAX_OK && *counter < value && wax_clock_us() < end_us)
        status = wax_loop_turn(loop, 50, -1, NULL);
    return status;
}

static void send_some(unsigned count, size_t bytes)
{
    uint8_t *payload = calloc(1, bytes);
    struct wax_client_message message = {
        .recipient = {2}, .recipient_device = 1, .payload = view_of(payload, bytes)};
    uint64_t id;

    for (unsigned i = 0; i < count; i++)
        cr_assert_eq(wax_client_send(wax_loop_client(loop), &message, wax_clock_ms(), &id), WAX_OK);
    free(payload);
}

TestSuite(loop, .init = begin);

Test(loop, opens_over_tls_with_a_proof_bound_to_the_connection)
{
    start();
    cr_assert_eq(turn_until(&opened, 1), WAX_OK);
    cr_assert_eq(opened, 1);
    cr_assert_eq(server.proofs_good, 1);
    cr_assert_eq(server.proofs_bound, 1);
    stop();
}

Test(loop, opens_over_a_plain_listener_without_binding)
{
    server.plain = loop_config.plain = true;
    start();
    turn_until(&opened, 1);
    cr_assert_eq(server.proofs_good, 1);
    cr_assert_eq(server.proofs_bound, 0);
    stop();
}

Test(loop, a_certificate_of_another_authority_is_refused)
{
    char other[] = "/tmp/waxwire-loop-other-XXXXXX";
    static struct tls_server impostor;
    tls_server_start(&impostor);
    cr_assert_not_null(mkdtemp(other));
    loop_config.ca_file = impostor.ca_file;
    start();
    cr_assert_eq(turn_until(&opened, 1), WAX_TLS_CERTIFICATE);
    cr_assert_not_null(strstr(wax_loop_reason(loop), "certificate verify failed"));
    cr_assert_eq(server.proofs_good, 0);
    stop();
    tls_server_stop(&impostor);
    rmdir(other);
}

Test(loop, a_certificate_for_another_name_is_refused)
{
    loop_config.name = "other.test";
    start();
    cr_assert_eq(turn_until(&opened, 1), WAX_TLS_CERTIFICATE);
    stop();
}

Test(loop, a_certificate_for_the_address_is_taken)
{
    loop_config.name = NULL;
    start();
    cr_assert_eq(turn_until(&opened, 1), WAX_OK);
    cr_assert_eq(opened, 1);
    stop();
}

Test(loop, tls_1_2_is_refused)
{
    server.only_tls12 = true;
    start();
    cr_assert_eq(turn_until(&opened, 1), WAX_TLS_HANDSHAKE);
    stop();
}

Test(loop, a_cut_connection_is_resumed_and_the_unanswered_sent_again_in_order)
{
    server.cut_after_sends = 3;
    start();
    send_some(3, 100);
    cr_assert_eq(turn_until(&accepted, 3), WAX_OK);
    cr_assert_eq(accepted, 3);
    cr_assert_eq(closes, 1);
    cr_assert_eq(server.connections, 2);
    cr_assert_eq(server.resumed, 1, "the second handshake uses the first one's ticket");
    cr_assert_eq(server.sends, 6);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(server.ids[i], server.ids[i + 3]);
    cr_assert_eq(wax_client_unanswered(wax_loop_client(loop)), 0);
    stop();
}

Test(loop, a_displaced_session_does_not_come_back)
{
    server.error_after_send = WIRE_ERROR_DISPLACED;
    start();
    send_some(1, 10);
    cr_assert_eq(turn_until(&opened, 2), WAX_SESSION_DISPLACED);
    cr_assert_eq(last_closed.close_code, 4009);
    cr_assert_eq(server.connections, 1);
    stop();
}

Test(loop, more_than_the_sockets_hold_goes_through)
{
    start();
    send_some(200, 60000);
    cr_assert_eq(turn_until(&accepted, 200), WAX_OK);
    cr_assert_eq(accepted, 200);
    for (int i = 1; i < 200; i++)
        cr_assert_gt(server.ids[i], server.ids[i - 1]);
    stop();
}

Test(loop, a_clean_close_ends_with_done)
{
    start();
    turn_until(&opened, 1);
    wax_client_close(wax_loop_client(loop), wax_clock_us());
    cr_assert_eq(turn_until(&opened, 2), WAX_CLIENT_DONE);
    cr_assert_eq(last_closed.status, WAX_OK);
    cr_assert_eq(last_closed.close_code, 1000);
    stop();
}

Test(loop, nobody_there_is_an_error_at_once_or_tried_again_as_asked)
{
    start();
    stop();
    cr_assert_eq(wax_loop_create(&loop, &loop_config, &client_config), WAX_TLS_CERTIFICATE,
                 "the CA file is gone");
    loop_config.plain = true;
    cr_assert_eq(wax_loop_create(&loop, &loop_config, &client_config), WAX_OK);
    cr_assert_eq(turn_until(&opened, 1), WAX_CLIENT_CONNECT);
    wax_loop_destroy(loop);
    loop_config.retry = true;
    wax_loop_create(&loop, &loop_config, &client_config);
    uint64_t end_us = wax_clock_us() + 500000;
    while (wax_clock_us() < end_us)
        cr_assert_eq(wax_loop_turn(loop, 50, -1, NULL), WAX_OK);
    wax_loop_destroy(loop);
}
