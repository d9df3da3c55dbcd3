/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment for which there is no connection: LISTEN and CLOSED (RFC 9293 3.10.7.1, 3.10.7.2). */
#include "tcp/engine.h"

static const struct tcp_listener *listener_for(const struct tcp_engine *e, const struct tcp_tuple *t)
{
    const struct tcp_listener *any = NULL;
    for (uint32_t i = 0; i < WAX_LISTENERS_MAX; i++) {
        const struct tcp_listener *l = &e->listeners[i];
        if (l->port != t->local_port || l->port == 0) {
            continue;
        }
        if (l->any) {
            any = l;
        } else if (addr_same(&l->local, &t->local)) {
            return l;
        }
    }
    return any;
}

static void refuse(struct tcp_engine *e, const struct tcp_segment *s, enum wax_status status,
                   struct tcp_result *r)
{
    r->status = engine_count(e, status);
    r->reply_len = (uint8_t)segment_reset(s, e->cfg.checksum_offload, r->reply);
}

/* Where SYN cookies will answer: today the SYN is dropped and the peer tries again (RFC 4987). */
static void listen_overflow(struct tcp_engine *e, const struct tcp_segment *s, struct tcp_result *r)
{
    (void)s;
    r->status = engine_count(e, WAX_TCP_HALF_OPEN_FULL);
}

static void listen_syn(struct tcp_engine *e, const struct tcp_listener *l, const struct tcp_segment *s,
                       struct tcp_result *r)
{
    if (e->stats.half_open >= e->cfg.half_open_max) {
        listen_overflow(e, s, r);
        return;
    }
    struct tcp_conn *c = conn_new(e, &s->tuple);
    if (c == NULL) {
        r->status = WAX_TCP_CONNS_FULL;
        return;
    }
    conn_state(e, c, TCP_STATE_SYN_RECEIVED);
    c->tag = l->tag;
    conn_options(e, c, s);
    conn_half_open(e, c, true);
    c->flags |= F_SYN_NOW;
    timer_life(e, c, e->cfg.half_open_ms);
    conn_ready(e, c);
    r->id = conn_id(e, c);
}

void input_unknown(struct tcp_engine *e, const struct tcp_segment *s, struct tcp_result *r)
{
    const struct tcp_tuple *t = &s->tuple;
    if (t->peer_port == 0 || t->local_port == 0 ||
        (t->peer_port == t->local_port && addr_same(&t->peer, &t->local))) {
        r->status = engine_count(e, WAX_TCP_SPOOFED);
        return;
    }
    const struct tcp_listener *l = listener_for(e, t);
    if (l == NULL || (s->flags & (TCP_RST | TCP_ACK)) != 0 || (s->flags & TCP_SYN) == 0) {
        bool syn = (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
        if (l != NULL && (s->flags & TCP_ACK) == 0) {
            r->status = engine_count(e, WAX_TCP_NO_CONNECTION); /* neither SYN nor ACK: not worth an answer */
            return;
        }
        refuse(e, s, syn ? WAX_TCP_NO_LISTENER : WAX_TCP_NO_CONNECTION, r);
        return;
    }
    listen_syn(e, l, s, r);
}
