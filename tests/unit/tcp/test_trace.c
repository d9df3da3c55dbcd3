/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace of single connections. */
#include "script.h"

#define EVENTS_MAX 64u

static _Alignas(128) uint8_t memory[EVENTS_MAX * 64u + 1024u];
static struct ring *ring;
static uint32_t watch;

static void ring_start(uint32_t slots)
{
    cr_assert_eq(ring_init(&ring, span_of(memory, sizeof memory), slots, sizeof(struct tcp_trace_event)),
                 WAX_OK);
    cr_assert_eq(tcp_trace_ring(S.e, ring), WAX_OK);
}

static void watch_peer(void)
{
    struct tcp_tuple match = {.peer = S.tuple.peer};
    cr_assert_eq(tcp_trace_on(S.e, &match, &watch), WAX_OK);
}

/* The next event, which must be of this kind. */
static struct tcp_trace_event next(int line, enum tcp_trace_kind kind)
{
    struct tcp_trace_event event;
    cr_assert_eq(ring_pop(ring, &event, 1), 1, "line %d: no event", line);
    cr_assert_eq(event.kind, kind, "line %d: kind %s", line, tcp_trace_kind_text(event.kind));
    return event;
}

#define NEXT(kind) next(__LINE__, TCP_TRACE_##kind)
#define NO_MORE()  cr_assert_eq(ring_count(ring), 0, "line %d: more events", __LINE__)

Test(trace, an_address_is_watched_from_the_first_syn_to_the_end)
{
    script_start(NULL);
    script_listen();
    ring_start(EVENTS_MAX);
    watch_peer();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .win = 5000);
    struct tcp_trace_event in = NEXT(IN);
    cr_assert(in.flags == TCP_SYN && in.segment.seq == S.iss && in.segment.window == 5000);
    cr_assert(addr_same(&in.peer, &S.tuple.peer) && in.peer_port == 50000 && in.local_port == SCRIPT_PORT);
    cr_assert_eq(in.id, TCP_NONE);
    cr_assert_eq(in.time_us, S.now_us);
    struct tcp_trace_event state = NEXT(STATE);
    cr_assert(state.change.from == TCP_STATE_FREE && state.state == TCP_STATE_SYN_RECEIVED);
    cr_assert_neq(state.id, TCP_NONE);
    struct tcp_trace_event out = NEXT(OUT);
    cr_assert(out.flags == (TCP_SYN | TCP_ACK) && out.segment.seq == S.irs && out.segment.ack == S.iss + 1);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    NEXT(IN);
    cr_assert_eq(NEXT(STATE).state, TCP_STATE_ESTABLISHED);
    struct tcp_trace_event window = NEXT(CONGESTION);
    cr_assert(window.congestion.cwnd == 14600 && window.congestion.snd_wnd == 65535);
    IN(TCP_RST, .seq = 1);
    NEXT(IN);
    state = NEXT(STATE);
    cr_assert(state.state == TCP_STATE_CLOSED && state.status == WAX_TCP_RESET);
    cr_assert_eq(NEXT(REASON).status, WAX_TCP_RESET);
    NO_MORE();
    script_end();
}

Test(trace, a_live_connection_is_watched_at_once_when_all_of_it_is_named)
{
    script_open(NULL);
    ring_start(EVENTS_MAX);
    cr_assert_eq(tcp_trace_on(S.e, &S.tuple, &watch), WAX_OK);
    WRITE(100);
    struct tcp_trace_event out = NEXT(OUT);
    cr_assert(out.segment.len == 100 && out.segment.seq == S.irs + 1 && out.id == S.id && out.watch == watch);
    SLEEP(210);
    cr_assert_eq(NEXT(TIMER).timer.which, TCP_TRACE_TIMER_RETRANSMIT);
    cr_assert_eq(NEXT(CONGESTION).congestion.cwnd, 1460);
    cr_assert_eq(NEXT(OUT).segment.seq, S.irs + 1);
    NO_MORE();
    script_end();
}

Test(trace, an_address_takes_in_a_live_connection_with_its_next_segment)
{
    script_open(NULL);
    ring_start(EVENTS_MAX);
    watch_peer();
    WRITE(100);
    NO_MORE();
    IN(TCP_ACK, .seq = 1, .ack = 101);
    cr_assert_eq(NEXT(IN).segment.ack, S.irs + 101);
    NEXT(CONGESTION);
    tcp_abort(S.e, S.id);
    script_pump();
    cr_assert_eq(NEXT(STATE).status, WAX_TCP_CLOSED);
    cr_assert_eq(NEXT(OUT).flags, TCP_RST | TCP_ACK);
    NO_MORE();
    script_end();
}

Test(trace, nothing_is_told_of_others_and_nothing_after_the_end_of_a_watch)
{
    script_open(NULL);
    ring_start(EVENTS_MAX);
    struct tcp_tuple other = S.tuple;
    other.peer_port++;
    cr_assert_eq(tcp_trace_on(S.e, &other, &watch), WAX_OK);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10);
    NO_MORE();
    uint32_t second;
    cr_assert_eq(tcp_trace_on(S.e, &S.tuple, &second), WAX_OK);
    cr_assert_eq(tcp_trace_off(S.e, second), WAX_OK);
    cr_assert_eq(S.e->conns[S.id].flags & F_TRACE, F_TRACE, "it finds out at its next event");
    IN(TCP_ACK, .seq = 11, .ack = 1, .len = 10);
    NO_MORE();
    cr_assert_eq(S.e->conns[S.id].flags & F_TRACE, 0);
    cr_assert_eq(tcp_trace_off(S.e, watch), WAX_OK);
    cr_assert_eq(tcp_trace_off(S.e, watch), WAX_NOT_FOUND);
    cr_assert_eq(tcp_stats(S.e)->trace_events, 0);
    script_end();
}

Test(trace, reasons_are_told)
{
    script_open(NULL);
    ring_start(EVENTS_MAX);
    watch_peer();
    IN(TCP_ACK, .seq = 1, .ack = 999999, .len = 10);
    NEXT(IN);
    struct tcp_trace_event reason = NEXT(REASON);
    cr_assert(reason.status == WAX_TCP_BAD_ACK && reason.id == S.id && reason.state == TCP_STATE_ESTABLISHED);
    cr_assert_eq(NEXT(OUT).flags, TCP_ACK);
    IN(TCP_SYN, .seq = 0, .port = 9);
    NEXT(IN);
    NEXT(STATE);
    NEXT(OUT);
    IN(TCP_ACK, .seq = 0, .ack = 1, .port = 10);
    NEXT(IN);
    reason = NEXT(REASON);
    cr_assert(reason.status == WAX_TCP_NO_CONNECTION && reason.id == TCP_NONE && reason.peer_port == 10);
    NO_MORE();
    script_end();
}

Test(trace, a_full_ring_drops_the_newest_and_says_how_many)
{
    script_open(NULL);
    ring_start(4);
    watch_peer();
    for (uint32_t i = 0; i < 10; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 999999, .len = 10);
    }
    cr_assert_eq(ring_count(ring), 4);
    cr_assert_eq(tcp_stats(S.e)->trace_events, 4);
    uint64_t lost = tcp_stats(S.e)->trace_lost;
    cr_assert_gt(lost, 0);
    for (uint32_t i = 0; i < 4; i++) {
        struct tcp_trace_event event;
        cr_assert_eq(ring_pop(ring, &event, 1), 1);
        cr_assert_eq(event.lost, 0);
    }
    IN(TCP_ACK, .seq = 1, .ack = 999999, .len = 10);
    cr_assert_eq(NEXT(IN).lost, lost);
    cr_assert_eq(NEXT(REASON).lost, 0);
    script_end();
}

Test(trace, limits_and_arguments)
{
    script_open(NULL);
    struct tcp_tuple match = S.tuple, nobody = {.peer_port = 5};
    cr_assert_eq(tcp_trace_on(S.e, &match, &watch), WAX_BAD_ARGUMENT, "no ring");
    struct ring *odd;
    cr_assert_eq(ring_init(&odd, span_of(memory, sizeof memory), 4, 32), WAX_OK);
    cr_assert_eq(tcp_trace_ring(S.e, odd), WAX_BAD_ARGUMENT);
    ring_start(4);
    cr_assert_eq(tcp_trace_on(S.e, &nobody, &watch), WAX_BAD_ARGUMENT, "no peer");
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++) {
        match.peer_port = (uint16_t)(i + 1);
        cr_assert_eq(tcp_trace_on(S.e, &match, &watch), WAX_OK);
        cr_assert_eq(watch, i);
    }
    cr_assert_eq(tcp_trace_on(S.e, &match, &watch), WAX_EXISTS);
    match.peer_port = 99;
    cr_assert_eq(tcp_trace_on(S.e, &match, &watch), WAX_FULL);
    cr_assert_eq(tcp_trace_off(S.e, WAX_TRACES_MAX), WAX_NOT_FOUND);
    cr_assert_eq(tcp_trace_ring(S.e, NULL), WAX_OK);
    cr_assert_eq(S.e->trace.on, 0);
    cr_assert_str_eq(tcp_trace_kind_text(TCP_TRACE_REASON), "reason");
    cr_assert_str_eq(tcp_trace_state_text(TCP_STATE_TIME_WAIT), "time-wait");
    cr_assert_str_eq(tcp_trace_timer_text(TCP_TRACE_TIMER_OTHER), "other");
    cr_assert_str_eq(tcp_trace_kind_text(99), "?");
    script_end();
}
