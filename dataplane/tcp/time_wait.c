/* SPDX-License-Identifier: BSD-3-Clause */
/* TIME-WAIT: its queue, and the segments that arrive in it (RFC 9293 3.10.7.4, RFC 6191, RFC 1337). */
#include "tcp/engine.h"

void time_wait_unlist(struct tcp_engine *e, struct tcp_conn *c)
{
    if ((c->flags & F_TW_LISTED) == 0) {
        return;
    }
    c->flags &= ~F_TW_LISTED;
    if (c->tw.prev != 0) {
        e->conns[c->tw.prev - 1].tw.next = c->tw.next;
    } else {
        e->tw_head = c->tw.next;
    }
    if (c->tw.next != 0) {
        e->conns[c->tw.next - 1].tw.prev = c->tw.prev;
    } else {
        e->tw_tail = c->tw.prev;
    }
}

void time_wait_list(struct tcp_engine *e, struct tcp_conn *c)
{
    c->flags |= F_TW_LISTED;
    c->tw.next = 0;
    c->tw.prev = e->tw_tail;
    uint32_t ref = conn_id(e, c) + 1;
    if (e->tw_tail != 0) {
        e->conns[e->tw_tail - 1].tw.next = ref;
    } else {
        e->tw_head = ref;
    }
    e->tw_tail = ref;
}

void conn_time_wait(struct tcp_engine *e, struct tcp_conn *c)
{
    conn_state(e, c, TCP_STATE_TIME_WAIT);
    c->flags &= ~(F_RTX | F_PERSIST | F_RESEND | F_PROBE | F_KEEPALIVE | F_RTT | F_RECOVERY | F_LIFE);
    reassembly_clear(e, c);
    assert(c->send.len == 0);
    e->stats.time_wait++;
    quota_give(e, c);
    timer_life(e, c, e->cfg.time_wait_ms);
    if ((c->flags & F_USER) != 0) {
        c->events |= TCP_EV_CLOSED;
    } else {
        time_wait_list(e, c);
    }
}

/* Whether a SYN is of a new connection for certain (RFC 6191 2; RFC 1122 4.2.2.13). */
static bool syn_newer(const struct tcp_engine *e, const struct tcp_conn *c, const struct tcp_segment *s)
{
    bool before = (c->flags & F_TS) != 0, now = s->has_timestamps && !e->cfg.no_timestamps;
    if (before && now && s->tsval != c->ts_recent) {
        return seq_lt(c->ts_recent, s->tsval);
    }
    return (!before && now) || seq_lt(c->rcv_nxt, s->seq);
}

/* Ends it, so that another connection between the same ends can begin. */
static void time_wait_end(struct tcp_engine *e, struct tcp_conn *c, struct tcp_result *r)
{
    conn_detach(e, c);
    if ((c->flags & F_USER) == 0) {
        conn_close(e, c, WAX_OK);
    }
    r->id = TCP_NONE;
}

/* A new SYN may take over; with no half-open place it is answered by a cookie, and TIME-WAIT goes on. */
static void time_wait_syn(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                          struct tcp_result *r)
{
    if (!syn_newer(e, c, s) || !listen_open(e, &s->tuple)) {
        r->status = engine_count(e, WAX_TCP_BAD_SYN);
        input_challenge(e, c); /* RFC 9293 3.10.7.4, where RFC 6191 2 would drop it silently */
        return;
    }
    if (cookie_wanted(e)) {
        /* A cookie isn't beyond the old sequence numbers: without timestamps the two could be confused. */
        bool safe = (c->flags & F_TS) != 0 && s->has_timestamps;
        input_overflow(e, s, safe, r);
        return;
    }
    uint32_t floor = c->snd_max;
    time_wait_end(e, c, r);
    input_syn(e, s, r);
    if (r->id != TCP_NONE && seq_le(conn_at(e, r->id)->snd_una, floor)) {
        struct tcp_conn *n = conn_at(e, r->id);
        n->snd_una = n->snd_nxt = n->snd_max = n->recover = floor + 1;
    }
}

/* RST is ignored (RFC 1337). True: a cookie has made the connection r->id, whose turn the segment is. */
bool input_time_wait(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                     struct tcp_result *r)
{
    struct tcp_segment syn;
    if ((s->flags & TCP_RST) != 0) {
        r->status = engine_count(e, WAX_TCP_BAD_RST);
        return false;
    }
    if ((s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        time_wait_syn(e, c, s, r);
        return false;
    }
    if ((s->flags & TCP_SYN) == 0 && (c->flags & F_TS) != 0 && s->has_timestamps &&
        seq_lt(c->ts_recent, s->tsval) && cookie_check(e, s, s->seq - 1, &syn) == COOKIE_GOOD) {
        time_wait_end(e, c, r);
        return input_unknown(e, s, r);
    }
    r->status = engine_count(e, WAX_TCP_OUT_OF_WINDOW);
    if ((s->flags & TCP_FIN) != 0 && !input_paws(e, c, s)) {
        timer_life(e, c, e->cfg.time_wait_ms); /* its FIN again: our last ACK was lost */
        ack_soon(e, c);
    } else {
        input_dubious(e, c, s);
    }
    return false;
}
