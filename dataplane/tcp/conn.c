/* SPDX-License-Identifier: BSD-3-Clause */
/* Slots of connections: the flow table, birth, negotiation and death. */
#include "tcp/engine.h"

#include "base/hash.h"

#define IP6_MORE_BYTES 20u /* of header than IPv4 */

struct same_ctx {
    const struct tcp_engine *e;
    const struct tcp_tuple *tuple;
};

static bool same_tuple(const void *ctx, uint32_t id)
{
    const struct same_ctx *s = (const struct same_ctx *)ctx;
    return memcmp(&s->e->conns[id].tuple, s->tuple, sizeof *s->tuple) == 0;
}

_Static_assert(sizeof(struct tcp_tuple) == 36, "tuples are compared and hashed as bytes");

static struct view tuple_key(const struct tcp_tuple *t, uint8_t small[12])
{
    if (addr_is_ip4(&t->peer) && addr_is_ip4(&t->local)) {
        memcpy(small, t->peer.b + 12, 4);
        memcpy(small + 4, t->local.b + 12, 4);
        memcpy(small + 8, &t->peer_port, 4);
        return view_of(small, 12);
    }
    return view_of(t, sizeof *t);
}

uint64_t engine_hash(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
    uint8_t small[12];
    return siphash13(e->env.flow_key, tuple_key(tuple, small));
}

uint32_t engine_find(const struct tcp_engine *e, uint64_t hash, const struct tcp_tuple *tuple)
{
    struct same_ctx ctx = {e, tuple};
    return flow_find(&e->flows, hash, same_tuple, &ctx);
}

/* RFC 6528 3: a clock of 4 us beside a keyed hash of the connection's ends. */
uint32_t conn_isn(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
    uint8_t small[12];
    return (uint32_t)siphash24(e->env.isn_key, tuple_key(tuple, small)) + (uint32_t)(e->now_us >> 2);
}

/* RFC 7323 5.4: one offset for a pair of hosts, so that a new connection's timestamps follow the old one's.
 */
uint32_t conn_ts_offset(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
    return (uint32_t)(siphash24(e->env.isn_key, view_of(tuple, 2 * sizeof(struct addr))) >> 32);
}

struct tcp_conn *conn_new(struct tcp_engine *e, const struct tcp_tuple *tuple)
{
    if (e->free_head == TCP_NONE && e->tw_head != 0) {
        /* The oldest TIME-WAIT makes room: it has waited longest and its user has left. */
        conn_close(e, conn_at(e, e->tw_head - 1), WAX_OK);
    }
    uint32_t id = e->free_head;
    if (id == TCP_NONE || flow_insert(&e->flows, engine_hash(e, tuple), id) != WAX_OK) {
        engine_count(e, WAX_TCP_CONNS_FULL);
        return NULL;
    }
    struct tcp_conn *c = conn_at(e, id);
    e->free_head = c->ready_next;
    uint32_t generation = c->generation;
    memset(c, 0, sizeof *c);
    c->generation = generation;
    c->tuple = *tuple;
    c->flags = F_FLOW;
    c->ts_offset = conn_ts_offset(e, tuple);
    c->snd_una = c->snd_nxt = c->snd_max = c->recover = conn_isn(e, tuple);
    c->mss = TCP_MSS_DEFAULT_IP4;
    c->stall_ms = e->now_ms;
    c->heard_s = e->now_s;
    c->challenge_ms = e->now_ms - e->cfg.challenge_ms;
    e->stats.conns++;
    if (e->trace.on != 0) {
        trace_adopt(e, c);
    }
    return c;
}

void conn_detach(struct tcp_engine *e, struct tcp_conn *c)
{
    if ((c->flags & F_FLOW) != 0) {
        c->flags &= ~F_FLOW;
        enum wax_status status = flow_remove(&e->flows, engine_hash(e, &c->tuple), conn_id(e, c));
        assert(status == WAX_OK);
        (void)status;
    }
}

void conn_half_open(struct tcp_engine *e, struct tcp_conn *c, bool on)
{
    if (on && (c->flags & F_HALF_OPEN) == 0) {
        c->flags |= F_HALF_OPEN;
        e->stats.half_open++;
    } else if (!on && (c->flags & F_HALF_OPEN) != 0) {
        c->flags &= ~F_HALF_OPEN;
        e->stats.half_open--;
    }
}

void conn_collect(struct tcp_engine *e, struct tcp_conn *c)
{
    if (c->state != TCP_STATE_CLOSED || (c->flags & (F_USER | F_RST_NOW)) != 0) {
        return;
    }
    if ((c->flags & F_READY) != 0) {
        c->flags |= F_DEAD;
        return;
    }
    c->state = TCP_STATE_FREE;
    c->flags = 0;
    c->events = 0;
    c->generation++;
    c->ready_next = e->free_head;
    e->free_head = conn_id(e, c);
    e->stats.conns--;
}

void conn_close(struct tcp_engine *e, struct tcp_conn *c, enum wax_status status)
{
    if (c->state <= TCP_STATE_CLOSED) {
        return;
    }
    wheel_cancel(&e->wheel, &c->timer);
    conn_detach(e, c);
    conn_half_open(e, c, false);
    quota_give(e, c);
    time_wait_unlist(e, c);
    fifo_clear(e->env.blocks, &c->send);
    reassembly_clear(e, c);
    board_give(e, c);
    if (c->state == TCP_STATE_TIME_WAIT) {
        e->stats.time_wait--;
        c->status = WAX_OK;
    } else {
        c->status = (uint8_t)status;
        if ((c->flags & F_USER) != 0) {
            c->events |= TCP_EV_CLOSED | (status == WAX_TCP_RESET ? TCP_EV_RESET : 0u);
        }
    }
    conn_state(e, c, TCP_STATE_CLOSED);
    c->flags &= F_READY | F_DEAD | F_USER | F_RST_NOW | F_TS | F_ACTIVE | F_TRACE;
    c->dupacks_owed = 0;
    conn_collect(e, c);
}

/* What we announce: the MTU less the fixed headers, which IPv6 has 20 bytes more of (RFC 6691, RFC
 * 9293 3.7.1). */
uint16_t conn_mss_ours(const struct tcp_engine *e, const struct tcp_tuple *tuple)
{
    uint32_t more = addr_is_ip4(&tuple->peer) ? 0u : IP6_MORE_BYTES;
    return (uint16_t)(e->cfg.mss > TCP_MSS_MIN + more ? e->cfg.mss - more : TCP_MSS_MIN);
}

/* The largest payload without options that both ends take. */
uint16_t conn_mss_offered(const struct tcp_engine *e, const struct tcp_segment *syn)
{
    uint32_t mss = syn->mss, ours = conn_mss_ours(e, &syn->tuple);
    if (mss == 0) {
        mss = addr_is_ip4(&syn->tuple.peer) ? TCP_MSS_DEFAULT_IP4 : TCP_MSS_DEFAULT_IP6;
    }
    mss = mss < TCP_MSS_MIN ? TCP_MSS_MIN : mss;
    return (uint16_t)(mss < ours ? mss : ours);
}

/* What the peer's SYN says about MSS, scaling and timestamps (RFC 6691, 7323). */
void conn_options(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *syn)
{
    uint32_t mss = conn_mss_offered(e, syn);
    if (syn->has_timestamps && !e->cfg.no_timestamps) {
        c->flags |= F_TS;
        c->ts_recent = syn->tsval;
        mss -= TCP_TIMESTAMPS_BYTES;
    }
    if (syn->wscale != 0xff && !e->cfg.no_window_scale) {
        c->flags |= F_WSCALE;
        c->snd_scale = syn->wscale & 15u;
        c->rcv_scale = e->rcv_scale & 15u;
    }
    if (syn->sack_permitted && !e->cfg.no_sack) {
        c->flags |= F_SACK_OK;
    }
    ecn_options(e, c, syn);
    c->mss = (uint16_t)mss;
    c->snd_wnd = c->wnd_max = syn->window; /* never scaled in a SYN (RFC 7323 2.2) */
    c->rcv_nxt = syn->seq + 1;
    c->ack_sent = c->rcv_nxt;
    uint32_t cap = conn_receive_cap(e, c);
    c->rcv_edge = c->rcv_nxt + (cap < UINT16_MAX ? cap : UINT16_MAX);
}

/* `s` acknowledged our SYN. */
void conn_established(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s)
{
    ack_rtt(e, c, s);
    conn_half_open(e, c, false);
    conn_state(e, c, (c->flags & F_FIN_QUEUED) != 0 ? TCP_STATE_FIN_WAIT_1 : TCP_STATE_ESTABLISHED);
    c->flags &= ~(F_RTX | F_RTT | F_SYN_NOW | F_LIFE);
    c->flags |= F_USER;
    c->backoff = 0;
    c->snd_una = s->ack;
    c->snd_nxt = seq_max(c->snd_nxt, c->snd_una);
    c->snd_wnd = (s->flags & TCP_SYN) != 0 ? s->window : (uint32_t)s->window << c->snd_scale;
    c->wnd_max = c->snd_wnd;
    c->snd_wl1 = s->seq;
    c->stall_ms = e->now_ms;
    congestion_start(e, c);
    if (e->cfg.keepalive_ms != 0) {
        timer_life(e, c, e->cfg.keepalive_ms);
    }
    if ((c->flags & F_ACTIVE) != 0) {
        e->stats.opened_active++;
    } else {
        e->stats.opened_passive++;
    }
    c->events |= TCP_EV_OPENED;
    if (conn_unsent(c)) {
        conn_ready(e, c);
    }
}

void tcp_abort(struct tcp_engine *e, uint32_t id)
{
    struct tcp_conn *c = conn_at(e, id);
    if (c->state <= TCP_STATE_CLOSED || c->state == TCP_STATE_TIME_WAIT) {
        return;
    }
    if (c->state != TCP_STATE_SYN_SENT) {
        c->flags |= F_RST_NOW;
    }
    conn_ready(e, c);
    conn_close(e, c, WAX_TCP_CLOSED);
}

void tcp_release(struct tcp_engine *e, uint32_t id)
{
    struct tcp_conn *c = conn_at(e, id);
    if (c->state == TCP_STATE_FREE || (c->flags & F_USER) == 0) {
        return;
    }
    bool unread = c->receive.len > 0;
    c->flags &= ~F_USER;
    c->events = 0;
    fifo_clear(e->env.blocks, &c->receive);
    if (c->state == TCP_STATE_CLOSED) {
        conn_collect(e, c);
    } else if (c->state == TCP_STATE_TIME_WAIT) {
        time_wait_list(e, c);
    } else if (unread || (c->flags & (F_FIN_QUEUED | F_FIN_ACKED)) == 0) {
        /* Bytes that nobody will read, or a half that was never closed: the peer must learn of it (RFC
         * 2525 2.17). */
        tcp_abort(e, id);
    } else if (c->state == TCP_STATE_SYN_SENT) {
        conn_close(e, c, WAX_TCP_CLOSED);
    } else {
        c->stall_ms = e->now_ms;
    }
}
