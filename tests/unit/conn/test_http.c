/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP requests over TLS and plain, and what a connection does that never becomes a session. */
#include <criterion/criterion.h>

#include "net/checksum.h"
#include "net/icmp.h"
#include "rig.h"

static bool replied(const struct peer *peer, const char *text)
{
    return memmem(peer->bytes, peer->len, text, strlen(text)) != NULL;
}

static void ask(const char *request, const char *reply, bool closes)
{
    static const uint16_t ports[] = {RIG_PORT_PLAIN, RIG_PORT_TLS};
    struct rig *rig = rig_new(NULL);
    for (unsigned i = 0; i < 2; i++) {
        struct peer *peer = peer_connect(rig, ports[i]);
        peer_print(peer, request);
        rig_run(rig, 50);
        cr_expect(replied(peer, reply), "port %u: %s -> %.*s", ports[i], request, (int)peer->len,
                  peer->bytes);
        cr_expect_eq(peer->fin, closes);
        if (ports[i] == RIG_PORT_TLS && closes)
            cr_expect_eq(peer->tls_status, WAX_TLS_CLOSE_NOTIFY);
    }
    rig_free(rig);
}

Test(conn_http, healthz_answers_ok_and_keeps_the_connection)
{
    ask("GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n", "HTTP/1.1 200 OK", false);
}

Test(conn_http, unknown_path_is_404)
{
    ask("GET /nowhere HTTP/1.1\r\nHost: r\r\n\r\n", "HTTP/1.1 404", true);
}

Test(conn_http, relay_without_upgrade_is_426)
{
    ask("GET /v1/relay HTTP/1.1\r\nHost: r\r\n\r\n", "HTTP/1.1 426", true);
}

Test(conn_http, post_to_healthz_is_405)
{
    ask("POST /healthz HTTP/1.1\r\nHost: r\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 405", true);
}

Test(conn_http, no_subprotocol_is_400)
{
    ask("GET /v1/relay HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        "HTTP/1.1 400", true);
}

Test(conn_http, a_head_above_8_kib_is_431)
{
    static char request[10000];
    memset(request, 'a', sizeof request - 1);
    memcpy(request, "GET /healthz HTTP/1.1\r\nX: ", 26);
    ask(request, "HTTP/1.1 431", true);
}

Test(conn_http, two_requests_in_one_segment_get_two_replies)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\nGET /healthz HTTP/1.1\r\nHost: r\r\n\r\n");
    rig_run(rig, 50);
    const uint8_t *second = memmem(peer->bytes + 1, peer->len - 1, "HTTP/1.1 200", 12);
    cr_expect(second != NULL);
    rig_free(rig);
}

Test(conn_http, a_request_byte_by_byte_is_answered)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n";
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    for (size_t i = 0; i < sizeof request - 1; i++) {
        peer_write(peer, request + i, 1);
        rig_run(rig, 2);
    }
    rig_run(rig, 50);
    cr_expect(replied(peer, "HTTP/1.1 200"));
    rig_free(rig);
}

Test(conn_http, a_request_not_finished_in_10_s_ends)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    peer_print(peer, "GET /healthz HTTP/1.1\r\n");
    rig_run(rig, 9900);
    cr_expect(!peer->fin);
    rig_run(rig, 200);
    cr_expect(peer->fin);
    cr_expect_eq(rig->metrics.status[WAX_HTTP_TIMEOUT], 1);
    rig_run(rig, 8000);
    cr_expect_eq(rig->metrics.connections_now, 0);
    rig_free(rig);
}

Test(conn_http, garbage_instead_of_tls_ends_with_an_alert)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect_raw(rig, RIG_PORT_TLS);
    tls_shake_free(peer->shake);
    peer->shake = NULL;
    rig_run(rig, 10);
    cr_assert_eq(tcp_write(rig->host, peer->id, view_of("GET / HTTP/1.1\r\n\r\n", 18)), WAX_OK);
    rig_run(rig, 100);
    cr_expect(peer->fin);
    rig_run(rig, 8000);
    cr_expect_eq(rig->metrics.connections_now, 0);
    cr_expect_eq(rig->metrics.handshakes_now, 0);
    rig_free(rig);
}

Test(conn_http, a_silent_client_is_dropped_when_its_handshake_takes_10_s)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect_raw(rig, RIG_PORT_TLS);
    tls_shake_free(peer->shake);
    peer->shake = NULL;
    rig_run(rig, 10100);
    cr_expect(peer->reset);
    cr_expect_eq(rig->metrics.status[WAX_TLS_HANDSHAKE_TIMEOUT], 1);
    cr_expect_eq(rig->metrics.connections_now, 0);
    rig_free(rig);
}

Test(conn_http, more_handshakes_than_jobs_wait_their_turn)
{
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 2});
    struct peer *peer[8];
    rig->jobs_held = true;
    for (unsigned i = 0; i < 8; i++)
        peer[i] = peer_connect_raw(rig, RIG_PORT_TLS);
    rig_run(rig, 50);
    cr_expect_eq(rig->metrics.handshakes_now, 2);
    cr_expect_eq(rig->metrics.status[WAX_TLS_HANDSHAKES_FULL], 6);
    rig->jobs_held = false;
    rig_run(rig, 200);
    for (unsigned i = 0; i < 8; i++)
        cr_expect(peer[i]->sealed);
    cr_expect_eq(rig->metrics.handshakes, 8);
    cr_expect_eq(rig->metrics.handshakes_now, 0);
    rig_free(rig);
}

Test(conn_http, a_connection_that_dies_while_its_job_is_out_is_cleaned_up)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect_raw(rig, RIG_PORT_TLS);
    rig->jobs_held = true;
    rig_run(rig, 20);
    cr_expect_eq(rig->metrics.handshakes_now, 1);
    tcp_abort(rig->host, peer->id);
    rig_run(rig, 20);
    cr_expect_eq(rig->metrics.connections_now, 0);
    rig->jobs_held = false;
    rig_run(rig, 20);
    cr_expect_eq(rig->metrics.handshakes_now, 0);
    rig_free(rig);
}

/* An ICMP error for the stack about a segment of its connection, as a router would send it. */
static void icmp_error(struct rig *rig, uint8_t type, uint8_t code, uint16_t peer_port)
{
    struct rig_wire *wire = &rig->to_stack;
    struct rig_frame *frame = &wire->frame[(wire->head + wire->count++) % RIG_FRAMES];
    const struct mac to = {{2, 0, 0, 0, 0, 1}}, from = {{2, 0, 0, 0, 0, 2}};
    struct addr ours = addr_ip4(0xc6120001u), peer = addr_ip4(0xc6120002u);
    uint8_t *ip = frame->data + ETH_HEADER_BYTES, *icmp = ip + 20, *quoted = icmp + ICMP_HEADER_BYTES;
    memset(frame->data, 0, 14 + 20 + 8 + 20 + 8);
    eth_write(frame->data, &to, &from, ETH_TYPE_IP4);
    ip4_write(ip, &peer, &ours, 1, 0, 8 + 20 + 8);
    ip4_write(quoted, &ours, &peer, IP_PROTOCOL_TCP, 0, 20);
    store_be16(quoted + 20, RIG_PORT_PLAIN);
    store_be16(quoted + 22, peer_port);
    icmp[0] = type;
    icmp[1] = code;
    store_be16(icmp + 2, checksum_finish(checksum_add(0, view_of(icmp, 8 + 20 + 8))));
    frame->len = 14 + 20 + 8 + 20 + 8;
}

Test(conn_http, rfc1122_4_2_3_9_icmp_errors_reach_tcp)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    rig_run(rig, 50);
    icmp_error(rig, 3, 3, 4711);
    icmp_error(rig, 3, 4, 4712);
    rig_run(rig, 5);
    cr_expect_eq(rig->stack_config.metrics->status[WAX_TCP_ICMP_STALE], 2);
    peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n");
    rig_run(rig, 50);
    cr_expect(replied(peer, "HTTP/1.1 200 OK"), "forged errors change nothing");
    rig_free(rig);
}

Test(conn_http, only_what_answers_strangers_may_be_dropped_by_a_slow_port)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    rig_run(rig, 100);
    cr_expect(peer->fin);
    cr_expect_gt(rig->sent, 3);
    cr_expect_eq(rig->expendable, 0, "a connection's segments");
    uint32_t sent = rig->sent;
    struct peer *stranger = peer_connect_raw(rig, 81);
    rig_run(rig, 100);
    cr_expect(stranger->reset);
    cr_expect_eq(rig->sent, sent + 1);
    cr_expect_eq(rig->expendable, 1, "the RST");
    rig_free(rig);
}
