/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Timers. A connection has one timer in the wheel, armed at or before the earliest of its three deadlines.
 * Moving a deadline back, as every ACK does, leaves the wheel alone: the timer expires early and is armed
 * again.
 */
#include "tcp/engine.h"

#define GRANULARITY_US     1000u
#define RTO_AFTER_SYN_LOSS 3000u /* RFC 6298 5.7 */
#define BACKOFF_MAX        16u

uint32_t conn_rto_ms(const struct tcp_engine *e, const struct tcp_conn *c)
{
    uint64_t rto = e->cfg.rto_initial_ms;
    if (c->srtt_us != 0) {
        uint64_t spread = 4ull * c->rttvar_us;
        rto = (c->srtt_us + (spread > GRANULARITY_US ? spread : GRANULARITY_US) + 999) / 1000;
    } else if ((c->flags & F_SYN_AGAIN) != 0 && conn_synchronized(c) && rto < RTO_AFTER_SYN_LOSS) {
        rto = RTO_AFTER_SYN_LOSS;
    }
    rto = rto < e->cfg.rto_min_ms ? e->cfg.rto_min_ms : rto;
    rto <<= c->backoff;
    return rto < e->cfg.rto_max_ms ? (uint32_t)rto : e->cfg.rto_max_ms;
}

/* RFC 6298 2.2, 2.3; a sample ends the back-off. */
void timer_rtt(struct tcp_engine *e, struct tcp_conn *c, uint32_t rtt_us)
{
    (void)e;
    rtt_us = rtt_us > 0 ? rtt_us : 1;
    if (c->srtt_us == 0) {
        c->srtt_us = rtt_us;
        c->rttvar_us = rtt_us / 2;
    } else {
        uint32_t gap = c->srtt_us > rtt_us ? c->srtt_us - rtt_us : rtt_us - c->srtt_us;
        c->rttvar_us += gap / 4 - c->rttvar_us / 4;
        c->srtt_us += rtt_us / 8 - c->srtt_us / 8;
        c->srtt_us += c->srtt_us == 0;
    }
    c->backoff = 0;
    rack_rtt(c, rtt_us);
}

static void timer_need(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms)
{
    uint64_t at = e->now_us + (uint64_t)after_ms * 1000;
    if (!timer_armed(&c->timer) || c->timer.deadline_us > at) {
        wheel_arm(&e->wheel, &c->timer, at);
    }
}

void timer_rtx(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms)
{
    c->flags |= F_RTX;
    c->flags2 &= (uint8_t)~F2_PTO;
    c->rtx_at = e->now_ms + after_ms;
    timer_need(e, c, after_ms);
}

void timer_ack(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms)
{
    c->flags |= F_ACK_DELAYED;
    c->ack_at = e->now_ms + after_ms;
    timer_need(e, c, after_ms);
}

void timer_life(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms)
{
    c->flags |= F_LIFE;
    c->life_at = e->now_ms + after_ms;
    timer_need(e, c, after_ms);
}

/* No deadline of its own: whenever the timer expires the connection asks again. */
void timer_pace(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms)
{
    timer_need(e, c, after_ms);
}

/* Gives the connection up, and lets the peer know if it can still hear. */
static void give_up(struct tcp_engine *e, struct tcp_conn *c)
{
    engine_count(e, WAX_TCP_TIMEOUT);
    if (conn_synchronized(c)) {
        c->flags |= F_RST_NOW;
    }
    conn_ready(e, c);
    conn_close(e, c, WAX_TCP_TIMEOUT);
}

static void rtx_expired(struct tcp_engine *e, struct tcp_conn *c)
{
    bool syn = !conn_synchronized(c);
    uint32_t limit = c->state == TCP_STATE_SYN_SENT ? e->cfg.connect_timeout_ms : e->cfg.user_timeout_ms;
    if (c->snd_una == c->snd_max && (c->flags & F_PERSIST) == 0) {
        return;
    }
    if (e->now_ms - c->stall_ms >= limit) {
        give_up(e, c);
        return;
    }
    struct board *b = board_of(e, c);
    if (b != NULL && b->reorder_timer) {
        recovery_reorder_expired(e, c, b);
        return;
    }
    if ((c->flags2 & F2_PTO) != 0 && rack_probe_expired(e, c)) {
        return;
    }
    c->backoff = (c->backoff < BACKOFF_MAX ? c->backoff + 1u : BACKOFF_MAX) & 31u;
    if (syn) {
        c->flags = (c->flags & ~F_RTT) | F_SYN_NOW | F_SYN_AGAIN;
        e->stats.timeouts++;
    } else if ((c->flags & F_PERSIST) != 0) {
        c->flags |= F_PROBE; /* RFC 9293 3.8.6.1 */
    } else {
        congestion_timeout(e, c);
        pmtu_timeout(e, c);
        e->stats.timeouts++;
    }
    timer_rtx(e, c, conn_rto_ms(e, c));
    conn_ready(e, c);
}

static void keepalive_expired(struct tcp_engine *e, struct tcp_conn *c)
{
    uint32_t idle_ms = (e->now_s - c->heard_s) * 1000;
    uint32_t least_ms = e->cfg.keepalive_ms + 1000; /* heard_s is rounded down: never before its time */
    if (idle_ms < least_ms) {
        c->probes = 0;
        timer_life(e, c, least_ms - idle_ms);
    } else if (c->probes >= e->cfg.keepalive_probes) {
        give_up(e, c);
    } else {
        c->probes++;
        c->flags |= F_KEEPALIVE;
        conn_ready(e, c);
        timer_life(e, c, e->cfg.keepalive_probe_ms);
    }
}

static void life_expired(struct tcp_engine *e, struct tcp_conn *c)
{
    uint32_t idle_ms = (e->now_s - c->heard_s) * 1000;
    switch (c->state) {
    case TCP_STATE_SYN_RECEIVED:
        give_up(e, c);
        return;
    case TCP_STATE_ESTABLISHED:
    case TCP_STATE_CLOSE_WAIT:
        keepalive_expired(e, c);
        return;
    case TCP_STATE_FIN_WAIT_2:
        if (e->cfg.fin_wait_2_ms == UINT32_MAX) {
            return; /* it was the keepalive's */
        }
        if (idle_ms + 1000 > e->cfg.fin_wait_2_ms) { /* heard_s is rounded down */
            give_up(e, c);
        } else {
            timer_life(e, c, e->cfg.fin_wait_2_ms - idle_ms);
        }
        return;
    case TCP_STATE_TIME_WAIT:
        conn_close(e, c, WAX_OK);
        return;
    default:
        return;
    }
}

static bool due(const struct tcp_engine *e, uint32_t at_ms)
{
    return (int32_t)(e->now_ms - at_ms) >= 0;
}

static void timers_rearm(struct tcp_engine *e, struct tcp_conn *c)
{
    const struct {
        uint32_t flag, at;
    } deadlines[] = {{F_RTX, c->rtx_at}, {F_ACK_DELAYED, c->ack_at}, {F_LIFE, c->life_at}};
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        if ((c->flags & deadlines[i].flag) != 0) {
            int32_t ahead = (int32_t)(deadlines[i].at - e->now_ms);
            timer_need(e, c, ahead > 0 ? (uint32_t)ahead : 0);
        }
    }
}

static inline void timer_traced(struct tcp_engine *e, struct tcp_conn *c, enum tcp_trace_timer which)
{
    if (conn_traced(c)) {
        trace_timer(e, c, which);
    }
}

static void timers_run(struct tcp_engine *e, struct tcp_conn *c)
{
    if (c->paced) {
        c->paced = 0;
        conn_ready(e, c);
    }
    if ((c->flags & F_ACK_DELAYED) != 0 && due(e, c->ack_at)) {
        timer_traced(e, c, TCP_TRACE_TIMER_DELAYED_ACK);
        c->flags = (c->flags & ~F_ACK_DELAYED) | F_ACK_NOW;
        conn_ready(e, c);
    }
    if ((c->flags & F_RTX) != 0 && due(e, c->rtx_at)) {
        c->flags &= ~F_RTX;
        timer_traced(e, c,
                     (c->flags & F_PERSIST) != 0 ? TCP_TRACE_TIMER_PERSIST : TCP_TRACE_TIMER_RETRANSMIT);
        rtx_expired(e, c);
        if (conn_traced(c) && conn_synchronized(c)) {
            trace_congestion(e, c);
        }
    }
    if (c->state > TCP_STATE_CLOSED && (c->flags & F_LIFE) != 0 && due(e, c->life_at)) {
        c->flags &= ~F_LIFE;
        timer_traced(e, c, TCP_TRACE_TIMER_LIFE);
        life_expired(e, c);
    }
    if (c->state > TCP_STATE_CLOSED) {
        timers_rearm(e, c);
    }
}

void tcp_advance(struct tcp_engine *e, uint64_t now_us)
{
    engine_clock(e, now_us);
    struct timer *t;
    while ((t = wheel_expire(&e->wheel, now_us)) != NULL) {
        timers_run(e, conn_at(e, wheel_index(&e->wheel, t)));
    }
}

uint64_t tcp_next_us(const struct tcp_engine *e)
{
    return e->ready_head != TCP_NONE ? e->now_us : wheel_next_us(&e->wheel);
}
