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
    timer_life(e, c, e->cfg.time_wait_ms);
    if ((c->flags & F_USER) != 0) {
        c->events |= TCP_EV_CLOSED;
    } else {
        time_wait_list(e, c);
    }
}

/* TIME-WAIT: a new SYN may take over (RFC 6191, RFC 1122 4.2.2.13); RST is ignored (RFC 1337). */
void input_time_wait(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                     struct tcp_result *r)
{
    if ((s->flags & TCP_RST) != 0) {
        r->status = engine_count(e, WAX_TCP_BAD_RST);
        return;
    }
    if ((s->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        bool both = (c->flags & F_TS) != 0 && s->has_timestamps;
        bool newer =
            both && s->tsval != c->ts_recent ? seq_lt(c->ts_recent, s->tsval) : seq_lt(c->rcv_nxt, s->seq);
        if (newer) {
            uint32_t floor = c->snd_max;
            conn_detach(e, c);
            if ((c->flags & F_USER) == 0) {
                conn_close(e, c, WAX_OK);
            }
            r->id = TCP_NONE;
            input_unknown(e, s, r);
            if (r->id != TCP_NONE && seq_le(conn_at(e, r->id)->snd_una, floor)) {
                struct tcp_conn *n = conn_at(e, r->id);
                n->snd_una = n->snd_nxt = n->snd_max = n->recover = floor + 1;
            }
            return;
        }
    }
    r->status = engine_count(e, WAX_TCP_OUT_OF_WINDOW);
    if ((s->flags & TCP_FIN) != 0 && !input_paws(e, c, s)) {
        timer_life(e, c, e->cfg.time_wait_ms); /* its FIN again: our last ACK was lost */
        ack_soon(e, c);
    } else {
        input_dubious(e, c, s);
    }
}
