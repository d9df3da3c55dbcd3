/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces of connections, from a request of the control plane to the records that come back. */
#include <criterion/criterion.h>

#include "rig.h"

static const struct addr host = {{[10] = 0xff, [11] = 0xff, 198, 18, 0, 2}};

static void request(struct rig *rig, uint64_t tag, uint16_t peer_port, bool on)
{
    struct channel_trace r = {.record = {sizeof r, CHANNEL_TRACE, 0}, .tag = tag, .on = on};
    memcpy(r.match.peer, host.b, sizeof r.match.peer);
    r.match.peer_port = peer_port;
    stack_record(rig->stack, &r.record);
    rig_turn(rig, 1000);
}

static const struct trace_event *find(const struct rig *rig, uint32_t from, enum trace_kind kind,
                                      uint8_t flags)
{
    for (uint32_t i = from; i < rig->traced_count; i++)
        if (rig->traced[i].kind == kind && (rig->traced[i].flags & flags) == flags)
            return &rig->traced[i];
    return NULL;
}

Test(conn_trace, a_connection_is_traced_from_syn_to_fin_and_not_longer)
{
    struct rig *rig = rig_new(NULL);
    rig_turn(rig, 1000);
    request(rig, 7, 0, true);
    cr_assert_eq(rig->traced_answers, 1);
    cr_expect_eq(rig->traced_tag, 7);
    cr_expect_eq(rig->traced_status, WAX_OK);
    cr_expect_eq(rig->traced_count, 0);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    rig_run(rig, 100);
    cr_expect(peer->fin);
    cr_assert_not_null(find(rig, 0, TRACE_IN, 0x02), "SYN");
    cr_expect_not_null(find(rig, 0, TRACE_OUT, 0x12), "SYN-ACK");
    cr_expect_not_null(find(rig, 0, TRACE_IN, 0x08), "the request");
    cr_expect_not_null(find(rig, 0, TRACE_OUT, 0x08), "the answer");
    cr_expect_not_null(find(rig, 0, TRACE_OUT, 0x01), "FIN");
    cr_expect_not_null(find(rig, 0, TRACE_STATE, 0), "states");
    const struct trace_event *syn = find(rig, 0, TRACE_IN, 0x02);
    cr_expect_eq(syn->local_port, RIG_PORT_PLAIN);
    cr_expect_arr_eq(syn->peer, host.b, 16);
    uint64_t wall_us = rig->wall_ms / 1000000 * 1000000 * 1000; /* the rig's clock began at a round time */
    cr_expect(wall_us - rig->traced_wall_us < 1000, "the wall clock when the monotonic one was 0");
    request(rig, 7, 0, false);
    uint32_t until = rig->traced_count;
    peer_connect(rig, RIG_PORT_PLAIN);
    rig_run(rig, 100);
    cr_expect_eq(rig->traced_count, until, "it is off");
    rig_free(rig);
}

Test(conn_trace, only_the_port_that_was_asked_for_is_traced)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = peer_connect(rig, RIG_PORT_PLAIN), *b = peer_connect(rig, RIG_PORT_PLAIN);
    uint16_t port = tcp_peer(rig->host, a->id)->local_port;
    request(rig, 1, port, true);
    peer_print(a, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    peer_print(b, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_run(rig, 100);
    cr_assert_gt(rig->traced_count, 0);
    for (uint32_t i = 0; i < rig->traced_count; i++)
        cr_expect_eq(rig->traced[i].peer_port, port);
    rig_free(rig);
}

Test(conn_trace, two_requests_for_the_same_share_a_watch_until_both_are_off)
{
    struct rig *rig = rig_new(NULL);
    request(rig, 1, 0, true);
    request(rig, 2, 0, true);
    cr_expect_eq(rig->traced_status, WAX_OK);
    request(rig, 1, 0, false);
    peer_connect(rig, RIG_PORT_PLAIN);
    uint32_t count = rig->traced_count;
    cr_expect_gt(count, 0, "the other one is still on");
    request(rig, 2, 0, false);
    count = rig->traced_count;
    peer_connect(rig, RIG_PORT_PLAIN);
    cr_expect_eq(rig->traced_count, count);
    rig_free(rig);
}

Test(conn_trace, beyond_the_limit_a_request_is_refused)
{
    struct rig *rig = rig_new(NULL);
    for (uint64_t tag = 1; tag <= WAX_TRACES_MAX; tag++) {
        request(rig, tag, (uint16_t)tag, true);
        cr_expect_eq(rig->traced_status, WAX_OK);
    }
    request(rig, 100, 100, true);
    cr_expect_eq(rig->traced_tag, 100);
    cr_expect_eq(rig->traced_status, WAX_FULL);
    request(rig, 3, 3, false);
    request(rig, 101, 101, true);
    cr_expect_eq(rig->traced_status, WAX_OK, "room again");
    rig_free(rig);
}

Test(conn_trace, all_traces_end_with_the_channel)
{
    struct rig *rig = rig_new(NULL);
    request(rig, 1, 0, true);
    rig_control_down(rig);
    rig_turn(rig, 1000);
    rig_control_up(rig);
    rig_turn(rig, 1000);
    peer_connect(rig, RIG_PORT_PLAIN);
    cr_expect_eq(rig->traced_count, 0);
    rig_free(rig);
}

Test(conn_trace, a_nonsense_address_is_refused)
{
    struct rig *rig = rig_new(NULL);
    struct channel_trace r = {.record = {sizeof r, CHANNEL_TRACE, 0}, .tag = 5, .on = 1};
    stack_record(rig->stack, &r.record);
    rig_turn(rig, 1000);
    cr_expect_eq(rig->traced_tag, 5);
    cr_expect_eq(rig->traced_status, WAX_BAD_ARGUMENT);
    rig_free(rig);
}

Test(conn_trace, what_exceeds_the_rate_is_lost_and_told)
{
    struct rig *rig = rig_new(NULL);
    request(rig, 1, 0, true);
    struct peer *peer = peer_connect(rig, RIG_PORT_PLAIN);
    uint32_t told = 0, lost = 0, more = 0;
    for (uint32_t i = 0; i < 3000; i++) { /* of virtual microseconds: far above the rate */
        peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        rig_turn(rig, 1);
        for (uint32_t e = 0; e < rig->traced_count; e++)
            lost += rig->traced[e].lost;
        told += rig->traced_count;
        rig->traced_count = 0;
    }
    cr_expect_geq(told, WAX_TRACE_BURST);
    cr_expect_leq(told, WAX_TRACE_BURST + 3000 * WAX_TRACE_EVENTS_PER_S / 1000000 + 50);
    for (uint32_t i = 0; i < 500; i++) {
        rig_turn(rig, 1000);
        more += rig->traced_count;
        for (uint32_t e = 0; e < rig->traced_count; e++)
            lost += rig->traced[e].lost;
        rig->traced_count = 0;
    }
    peer_print(peer, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    rig_run(rig, 100);
    for (uint32_t e = 0; e < rig->traced_count; e++)
        lost += rig->traced[e].lost;
    cr_expect_geq(more, WAX_TRACE_RING_EVENTS, "what waited in the ring comes later");
    cr_expect_gt(lost, 0, "and the rest is counted");
    rig_free(rig);
}
