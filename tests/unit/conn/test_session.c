/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions of the client library through a whole stack: custody, order, back-pressure, ends. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/random.h"
#include "rig.h"

static struct peer *client(struct rig *rig, uint16_t port, uint8_t person)
{
    struct peer *peer = peer_connect(rig, port);
    peer_open(peer, person, 1);
    for (unsigned i = 0; i < 2000 && peer->opens == 0; i++)
        rig_turn(rig, 1000);
    cr_assert_eq(peer->opens, 1, "person %u gets no WELCOME", person);
    return peer;
}

static void send_numbers(struct peer *peer, uint8_t person, uint32_t from, uint32_t count, size_t bytes)
{
    uint8_t *payload = calloc(1, bytes);
    for (uint32_t i = from; i < from + count; i++) {
        store_be32(payload, i);
        peer_send(peer, person, payload, bytes);
    }
    free(payload);
}

Test(conn_session, a_message_crosses_and_is_answered_delivered)
{
    static const uint16_t ports[] = {RIG_PORT_PLAIN, RIG_PORT_TLS};
    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = rig_new(NULL);
        struct peer *a = client(rig, ports[i], 1), *b = client(rig, ports[i], 2);
        peer_send(a, 2, "hello", 5);
        rig_run(rig, 200);
        cr_expect_eq(b->messages, 1);
        cr_expect(b->last_payload_len == 5 && memcmp(b->last_payload, "hello", 5) == 0);
        cr_expect_eq(a->delivered, 1);
        cr_expect_eq(a->accepted, 0);
        cr_expect_eq(wax_client_unanswered(a->client), 0);
        cr_expect_eq(rig->metrics.messages_now, 0);
        rig_free(rig);
    }
}

Test(conn_session, a_message_keeps_the_stamp_of_its_packet_until_its_deliver_is_written)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_PLAIN, 2);
    const uint64_t *stamps;
    cr_expect_eq(stack_delivered(rig->stack, &stamps), 0, "nothing has been delivered");
    uint64_t sent_us = rig->now_us;
    peer_send(a, 2, "hello", 5);
    rig_run(rig, 200);
    cr_expect_eq(b->messages, 1);
    cr_assert_eq(stack_delivered(rig->stack, &stamps), 1);
    cr_expect(stamps[0] > sent_us && stamps[0] <= sent_us + 5000, "polled %lu us after it was sent",
              (unsigned long)(stamps[0] - sent_us));
    stack_delivered_done(rig->stack);
    cr_expect_eq(stack_delivered(rig->stack, &stamps), 0);
    rig_free(rig);
}

Test(conn_session, what_comes_from_a_mailbox_has_no_stamp)
{
    struct rig *rig = rig_new(NULL);
    const uint64_t *stamps;
    struct peer *a = client(rig, RIG_PORT_TLS, 1);
    send_numbers(a, 2, 0, 20, 64);
    rig_run(rig, 300);
    struct peer *b = client(rig, RIG_PORT_TLS, 2);
    rig_run(rig, 500);
    cr_expect_eq(b->messages, 20);
    cr_expect_eq(rig->metrics.deliveries, 20);
    cr_expect_eq(stack_delivered(rig->stack, &stamps), 0);
    rig_free(rig);
}

Test(conn_session, stamps_beyond_their_room_are_counted)
{
    struct rig *rig = rig_new(NULL);
    const uint64_t *stamps;
    struct peer *a = client(rig, RIG_PORT_PLAIN, 1), *b = client(rig, RIG_PORT_PLAIN, 2);
    for (uint32_t i = 0; i < 3000; i += 10) {
        send_numbers(a, 2, i, 10, 16);
        rig_run(rig, 5);
    }
    rig_run(rig, 500);
    cr_expect_eq(b->messages, 3000);
    cr_expect_eq(stack_delivered(rig->stack, &stamps) + rig->metrics.untimed, 3000);
    cr_expect_gt(rig->metrics.untimed, 0);
    rig_free(rig);
}

Test(conn_session, messages_to_oneself_cross_as_well)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1);
    send_numbers(a, 1, 0, 40, 100);
    rig_run(rig, 300);
    cr_expect_eq(a->messages, 40);
    cr_expect(a->in_order);
    cr_expect_eq(a->delivered, 40);
    rig_free(rig);
}

Test(conn_session, a_message_for_one_who_is_away_is_stored_and_drained_in_order)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1);
    send_numbers(a, 2, 0, 100, 64);
    rig_run(rig, 300);
    cr_expect_eq(a->accepted, 100);
    cr_expect_eq(rig_stored_living(rig), 100);
    struct peer *b = client(rig, RIG_PORT_TLS, 2);
    rig_run(rig, 500);
    cr_expect_eq(b->messages, 100);
    cr_expect(b->in_order);
    cr_expect(b->last_flags & WIRE_DELIVER_STORED);
    cr_expect_eq(a->delivered, 100);
    rig_run(rig, 2500);
    cr_expect_eq(rig_stored_living(rig), 0, "%u are left", rig_stored_living(rig));
    rig_free(rig);
}

Test(conn_session, order_holds_from_the_mailbox_to_the_direct_way)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1);
    send_numbers(a, 2, 0, 50, 64);
    rig_run(rig, 100);
    struct peer *b = peer_connect(rig, RIG_PORT_TLS);
    peer_open(b, 2, 1);
    for (uint32_t i = 50; i < 150; i++) {
        send_numbers(a, 2, i, 1, 64);
        rig_run(rig, 3);
    }
    rig_run(rig, 500);
    cr_expect_eq(b->messages, 150);
    cr_expect(b->in_order);
    cr_expect(!(b->last_flags & WIRE_DELIVER_STORED), "it is online by now");
    rig_free(rig);
}

Test(conn_session, large_messages_of_many_records_and_segments_cross)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_PLAIN, 2);
    send_numbers(a, 2, 0, 20, 60000);
    rig_run(rig, 3000);
    cr_expect_eq(b->messages, 20);
    cr_expect(b->in_order);
    cr_expect_eq(a->delivered, 20);
    rig_free(rig);
}

Test(conn_session, what_a_lossy_wire_does_is_mended)
{
    struct rig *rig = rig_new(&(struct rig_options){.lose_each = 13});
    struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_TLS, 2);
    send_numbers(a, 2, 0, 200, 300);
    send_numbers(b, 1, 0, 200, 300);
    rig_run(rig, 60000);
    cr_expect_eq(a->messages, 200);
    cr_expect_eq(b->messages, 200);
    cr_expect(a->in_order && b->in_order);
    cr_expect_eq(wax_client_unanswered(a->client), 0);
    cr_expect_eq(wax_client_unanswered(b->client), 0);
    rig_free(rig);
}

Test(conn_session, a_newer_session_displaces_the_older_with_error_9)
{
    struct rig *rig = rig_new(NULL);
    struct peer *old = client(rig, RIG_PORT_TLS, 1);
    struct peer *young = client(rig, RIG_PORT_TLS, 1);
    rig_run(rig, 100);
    cr_expect(old->ended);
    cr_expect_eq(old->end.error, WIRE_ERROR_DISPLACED);
    cr_expect_eq(old->end.close_code, WIRE_CLOSE_ERROR_BASE + WIRE_ERROR_DISPLACED);
    cr_expect(!young->ended);
    struct peer *b = client(rig, RIG_PORT_TLS, 2);
    peer_send(b, 1, "x", 1);
    rig_run(rig, 200);
    cr_expect_eq(young->messages, 1);
    cr_expect_eq(b->delivered, 1);
    rig_free(rig);
}

Test(conn_session, a_reader_that_stops_costs_its_senders_nothing)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_TLS, 2);
    b->stalled = true;
    send_numbers(a, 2, 0, 600, 2000);
    rig_run(rig, 20000);
    cr_expect_eq(wax_client_unanswered(a->client), 0, "%u wait", wax_client_unanswered(a->client));
    cr_expect_eq(a->accepted, 600);
    b->stalled = false;
    rig_run(rig, 20000);
    cr_expect_eq(b->messages, 600);
    cr_expect(b->in_order);
    cr_expect_eq(a->delivered, 600);
    rig_free(rig);
}

Test(conn_session, a_session_without_an_ack_for_60_s_ends_with_error_8)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_TLS, 2);
    b->stalled = true;
    send_numbers(a, 2, 0, 10, 100);
    rig_run(rig, 61500);
    cr_expect_eq(rig->metrics.status[WAX_SESSION_TOO_SLOW], 1);
    b->stalled = false;
    rig_run(rig, 6000);
    cr_expect_eq(b->end.error, WIRE_ERROR_TOO_SLOW);
    cr_expect_eq(rig_stored_living(rig), 10);
    rig_free(rig);
}

Test(conn_session, online_traffic_goes_on_while_the_control_plane_is_away)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_TLS, 2);
    send_numbers(a, 2, 0, 1, 100);
    rig_run(rig, 100);
    rig_control_down(rig);
    send_numbers(a, 2, 1, 50, 100);
    peer_send(a, 3, "for one who is away", 19);
    rig_run(rig, 500);
    cr_expect_eq(b->messages, 51);
    cr_expect_eq(a->delivered, 51);
    cr_expect_eq(wax_client_unanswered(a->client), 1, "what has to be stored waits");
    rig_control_up(rig);
    rig_run(rig, 100);
    cr_expect_eq(a->accepted, 1);
    cr_expect_eq(wax_client_unanswered(a->client), 0);
    rig_free(rig);
}

Test(conn_session, a_session_that_opens_before_the_control_plane_is_there_waits_for_it)
{
    struct rig *rig = rig_new(&(struct rig_options){.no_control = true});
    struct peer *a = peer_connect(rig, RIG_PORT_TLS);
    peer_open(a, 1, 1);
    rig_run(rig, 1000);
    cr_expect_eq(a->opens, 0);
    rig_control_up(rig);
    rig_run(rig, 200);
    cr_expect_eq(a->opens, 1);
    rig_free(rig);
}

Test(conn_session, no_hello_within_10_s_is_error_7)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = peer_connect(rig, RIG_PORT_PLAIN);
    peer_print(a, "GET /v1/relay HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                  "Sec-WebSocket-Protocol: waxwire.v1\r\n\r\n");
    rig_run(rig, 9900);
    cr_expect(!a->fin);
    rig_run(rig, 200);
    cr_expect(a->fin);
    static const uint8_t error[] = {WIRE_ERROR, WIRE_ERROR_TIMEOUT};
    static const uint8_t close[] = {0x88, 2, 4007 >> 8, 4007 & 0xff};
    cr_expect(memmem(a->bytes, a->len, error, sizeof error) != NULL);
    cr_expect(memmem(a->bytes, a->len, close, sizeof close) != NULL);
    rig_free(rig);
}

Test(conn_session, a_quiet_client_is_pinged_and_dropped_after_two_heartbeats)
{
    struct rig *rig = rig_new(&(struct rig_options){.heartbeat_s = 5});
    struct peer *a = client(rig, RIG_PORT_TLS, 1);
    rig_run(rig, 30000);
    cr_expect(!a->ended, "the client answers pings");
    a->mute = true;
    rig_run(rig, 11000);
    cr_expect_eq(rig->metrics.status[WAX_SESSION_TIMEOUT], 1);
    cr_expect_eq(a->end.error, WIRE_ERROR_TIMEOUT);
    rig_free(rig);
}

Test(conn_session, a_drain_closes_sessions_with_1012)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_TLS, 1);
    for (unsigned i = 0; i < 100 && !stack_drain(rig->stack); i++)
        rig_run(rig, 50);
    cr_expect_eq(a->end.close_code, WIRE_CLOSE_RESTART);
    cr_expect_eq(a->end.error, 0);
    cr_expect_eq(rig->metrics.connections_now, 0);
    rig_free(rig);
}

Test(conn_session, nothing_is_held_when_all_have_gone)
{
    struct rig *rig = rig_new(NULL);
    uint64_t blocks = 0;
    rig_run(rig, 1);
    blocks = rig->metrics.blocks_free_now;
    struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_PLAIN, 2);
    send_numbers(a, 2, 0, 300, 3000);
    send_numbers(b, 1, 0, 300, 3000);
    rig_run(rig, 40);
    tcp_abort(rig->host, a->id);
    tcp_abort(rig->host, b->id);
    rig_run(rig, 5000);
    cr_expect_eq(rig->metrics.connections_now, 0);
    cr_expect_eq(rig->metrics.messages_now, 0, "%lu messages", (unsigned long)rig->metrics.messages_now);
    cr_expect_eq(rig->metrics.blocks_free_now, blocks);
    rig_free(rig);
}

Test(conn_session, who_is_established_is_served_before_strangers)
{
    struct rig *rig = rig_new(&(struct rig_options){.strangers_wait = true});
    struct peer *a = client(rig, RIG_PORT_PLAIN, 1);
    rig_run(rig, 200);
    rig->sent_before = rig->held = 0;
    for (uint32_t i = 0; i < 20; i++) {
        peer_connect_raw(rig, 81); /* its SYN leaves first */
        peer_send(a, 1, "hello", 5);
        rig_turn(rig, 1000);
    }
    rig_run(rig, 200);
    cr_expect_eq(rig->held, 20, "each SYN has waited");
    cr_expect_gt(rig->sent_before, 0, "until messages were dealt with");
    cr_expect_eq(rig->expendable, 20, "and was answered");
    cr_expect_eq(a->messages, 20);
    rig_free(rig);
}

Test(conn_session, sessions_open_and_relay_where_strangers_wait)
{
    for (uint32_t lose_each = 0; lose_each <= 13; lose_each += 13) {
        struct rig *rig = rig_new(&(struct rig_options){.strangers_wait = true, .lose_each = lose_each});
        struct peer *a = client(rig, RIG_PORT_TLS, 1), *b = client(rig, RIG_PORT_TLS, 2);
        send_numbers(a, 2, 0, 100, 300);
        send_numbers(b, 1, 0, 100, 300);
        rig_run(rig, lose_each == 0 ? 2000 : 40000);
        cr_expect_eq(a->messages, 100);
        cr_expect_eq(b->messages, 100);
        cr_expect(a->in_order && b->in_order);
        cr_expect_gt(rig->held, 0);
        rig_free(rig);
    }
}

Test(conn_session, a_burst_of_strangers_is_answered_to_the_last)
{
    struct rig *rig = rig_new(&(struct rig_options){.strangers_wait = true});
    struct peer *stranger[60];
    for (uint32_t i = 0; i < 60; i++)
        stranger[i] = peer_connect_raw(rig, 81);
    rig_run(rig, 100);
    for (uint32_t i = 0; i < 60; i++)
        cr_expect(stranger[i]->reset);
    cr_expect_eq(rig->expendable, 60);
    rig_free(rig);
}
