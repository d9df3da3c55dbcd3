/* SPDX-License-Identifier: BSD-3-Clause */
/* Peers that send what wants an answer, and read none. */
#include <criterion/criterion.h>

#include "conn/state.h"
#include "rig.h"

#define ASK "GET /healthz HTTP/1.1\r\nHost: r\r\n\r\n"

enum { TURNS_MAX = 20000 };

/* Bytes again and again, as many as TCP takes, until it has been cut off. False: it never was. */
static bool flood(struct rig *rig, struct peer *peer, const void *bytes, size_t len)
{
    for (unsigned i = 0; i < TURNS_MAX && !peer->closed; i++) {
        for (unsigned n = 0; n < 256 && tcp_send_room(rig->host, peer->id) > len + 1024; n++)
            peer_write(peer, bytes, len);
        rig_turn(rig, 1000);
        if (rig->stack->blocks.free_count < rig->config.blocks / 4)
            return false;
    }
    return peer->closed;
}

Test(conn_unread, pings_of_who_reads_nothing_do_not_take_all_blocks)
{
    static const char upgrade[] =
        "GET /v1/relay HTTP/1.1\r\nHost: r\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Protocol: waxwire.v1\r\n\r\n";
    static const uint8_t ping[6 + 125] = {0x89, 0x80 | 125};
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    peer_print(peer, upgrade);
    rig_run(rig, 50);
    cr_assert_gt(peer->len, 0);
    peer->stalled = true;
    cr_expect(flood(rig, peer, ping, sizeof ping));
    cr_expect_eq(rig->metrics.status[WAX_TCP_BLOCKS_EMPTY], 0);
    rig_free(rig);
}

Test(conn_unread, requests_of_who_reads_nothing_do_not_take_all_blocks)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    peer->stalled = true;
    cr_expect(flood(rig, peer, ASK, sizeof ASK - 1));
    cr_expect_eq(rig->metrics.status[WAX_TCP_BLOCKS_EMPTY], 0);
    rig_free(rig);
}

/* RFC 8446 4.6.3: the answer to a KeyUpdate goes before more data, and there is no room for either. */
Test(conn_unread, key_updates_of_who_reads_nothing_are_answered_when_it_does)
{
    enum { UPDATES = 20 };
    struct rig *rig = rig_new(NULL);
    struct peer *peer = peer_connect(rig, RIG_PORT_TLS);
    uint32_t id = 0;
    while (rig->stack->conns[id].state == CONN_FREE)
        id++;
    peer->stalled = true;
    for (unsigned i = 0; i < TURNS_MAX && rig->stack->conns[id].out.len == 0; i++) {
        unsigned asks = tcp_send_room(rig->stack->tcp, id) > 20000 ? 16 : 1;
        for (unsigned n = 0; n < asks; n++)
            peer_print(peer, ASK);
        rig_turn(rig, 1000);
    }
    cr_assert_gt(rig->stack->conns[id].out.len, 0);
    cr_assert_lt(tcp_send_room(rig->stack->tcp, id), UPDATES * (TLS_OVERHEAD_BYTES + 5));
    for (unsigned i = 0; i < UPDATES; i++) {
        uint8_t bytes[TLS_OUT_BYTES];
        size_t len;
        cr_assert_eq(tls_update(&peer->state, true, span_of(bytes, sizeof bytes), &len), WAX_OK);
        cr_assert_eq(tcp_write(rig->host, peer->id, view_of(bytes, len)), WAX_OK);
        rig_turn(rig, 1000);
    }
    cr_expect_not(peer->reset || peer->fin);
    size_t before = peer->len;
    peer->stalled = false;
    rig_run(rig, 3000);
    cr_expect_geq(peer->len, before + WAX_CONN_SEND_BYTES_MAX / 10 * 9);
    cr_expect(!peer->reset && peer->tls_status == WAX_OK, "%s", wax_status_name(peer->tls_status));
    cr_expect_not(tls_answer_due(&rig->stack->conns[id].tls));
    rig_free(rig);
}
