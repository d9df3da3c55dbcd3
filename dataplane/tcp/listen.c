/* SPDX-License-Identifier: BSD-3-Clause */
/* A segment for which there is no connection: LISTEN and CLOSED (RFC 9293 3.10.7.1, 3.10.7.2), and the end of
 * a handshake. */
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

/* No place for another half-open connection. A cookie is sent only if its connection would find one of its
 * own. */
void input_overflow(struct tcp_engine *e, const struct tcp_segment *s, bool cookie, struct tcp_result *r)
{
    if (e->free_head == TCP_NONE && e->tw_head == 0) {
        r->status = engine_count(e, WAX_TCP_CONNS_FULL);
        return;
    }
    if (!e->cfg.cookies_always) {
        r->status = engine_count(e, WAX_TCP_HALF_OPEN_FULL);
    }
    if (cookie && !e->cfg.no_cookies) {
        cookie_answer(e, s, r);
    }
}

/* Whether the peer's address may have another connection: a terminator may. */
static enum wax_status listen_quota(const struct tcp_engine *e, const struct tcp_listener *l,
                                    const struct tcp_segment *s)
{
    return (l->tag & TCP_TAG_BEHIND) != 0 ? WAX_OK : quota_check(e, &s->tuple.peer);
}

/* An ACK to a listener: it may acknowledge a cookie (RFC 4987 3.6). */
static bool listen_ack(struct tcp_engine *e, const struct tcp_listener *l, const struct tcp_segment *s,
                       struct tcp_result *r)
{
    struct tcp_segment syn;
    enum cookie_verdict verdict = cookie_check(e, s, s->seq - 1, &syn);
    if (verdict == COOKIE_LATER) {
        verdict = cookie_check(e, s, s->seq, &syn); /* a keepalive probe, its handshake's ACK being lost */
    }
    if (verdict != COOKIE_GOOD) {
        r->status = engine_count(e, WAX_TCP_COOKIE_BAD);
        if (verdict == COOKIE_NONE) {
            r->reply_len = (uint8_t)segment_reset(s, e->cfg.checksum_offload, r->reply);
        }
        return false;
    }
    enum wax_status status = listen_quota(e, l, s);
    if (status != WAX_OK) {
        refuse(e, s, status, r);
        return false;
    }
    struct tcp_conn *c = conn_new(e, &s->tuple);
    if (c == NULL) {
        r->status = WAX_TCP_CONNS_FULL;
        return false;
    }
    conn_state(e, c, TCP_STATE_SYN_RECEIVED);
    c->tag = l->tag;
    (void)quota_take(e, c);
    cookie_take(e, c, s, &syn);
    r->id = conn_id(e, c);
    return true;
}

static void listen_syn(struct tcp_engine *e, const struct tcp_listener *l, const struct tcp_segment *s,
                       struct tcp_result *r)
{
    enum wax_status status = listen_quota(e, l, s);
    if (status != WAX_OK) {
        r->status = engine_count(e, status);
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

/* The handshake of a half-open connection is done: whether its address may have it (else it is refused). */
static bool admit(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, struct tcp_result *r)
{
    enum wax_status status = (c->flags & F_ACTIVE) != 0 ? WAX_OK : quota_take(e, c);
    if (status != WAX_OK) {
        refuse(e, s, status, r);
        conn_close(e, c, status);
    }
    return status == WAX_OK;
}

/* Step 5 in SYN-RECEIVED: it must acknowledge our SYN. False: the segment is done with. */
bool input_handshake(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                     struct tcp_result *r)
{
    struct tcp_segment syn;
    bool ours = s->ack == c->snd_una + 1 && c->snd_max != c->snd_una;
    /* One SYN of it may have been answered by a cookie, and another not. */
    bool cookie =
        !ours && (c->flags & F_ACTIVE) == 0 && cookie_check(e, s, c->rcv_nxt - 1, &syn) == COOKIE_GOOD;
    if (!ours && !cookie) {
        r->status = engine_count(e, WAX_TCP_BAD_ACK);
        r->reply_len = (uint8_t)segment_reset(s, e->cfg.checksum_offload, r->reply);
        return false;
    }
    if (!admit(e, c, s, r)) {
        return false;
    }
    if (cookie) {
        cookie_take(e, c, s, &syn);
    } else {
        conn_established(e, c, s);
    }
    return true;
}

/* Whether somebody listens at the local end. */
bool listen_open(const struct tcp_engine *e, const struct tcp_tuple *t)
{
    return listener_for(e, t) != NULL;
}

/* A SYN for a listener, where no connection is (any more). */
void input_syn(struct tcp_engine *e, const struct tcp_segment *s, struct tcp_result *r)
{
    if (cookie_wanted(e)) {
        input_overflow(e, s, true, r);
    } else {
        listen_syn(e, listener_for(e, &s->tuple), s, r);
    }
}

bool input_unknown(struct tcp_engine *e, const struct tcp_segment *s, struct tcp_result *r)
{
    const struct tcp_tuple *t = &s->tuple;
    if (t->peer_port == 0 || t->local_port == 0 ||
        (t->peer_port == t->local_port && addr_same(&t->peer, &t->local))) {
        r->status = engine_count(e, WAX_TCP_SPOOFED);
        return false;
    }
    const struct tcp_listener *l = listener_for(e, t);
    if (l != NULL && (s->flags & (TCP_SYN | TCP_RST | TCP_ACK)) == TCP_ACK && cookie_recent(e)) {
        return listen_ack(e, l, s, r);
    }
    if (l == NULL || (s->flags & (TCP_RST | TCP_ACK)) != 0 || (s->flags & TCP_SYN) == 0) {
        bool syn = (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
        if (l != NULL && (s->flags & TCP_ACK) == 0) {
            r->status = engine_count(e, WAX_TCP_NO_CONNECTION); /* neither SYN nor ACK: not worth an answer */
            return false;
        }
        refuse(e, s, syn ? WAX_TCP_NO_LISTENER : WAX_TCP_NO_CONNECTION, r);
        return false;
    }
    input_syn(e, s, r);
    return false;
}
