/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Congestion control: what is common to the algorithms (fast retransmit and NewReno recovery, RFC 5681 and
 * 6582; initial window, RFC 6928; limited transmit is in output.c), and NewReno's growth of the window.
 */
#include "tcp/engine.h"

#define DUPACKS_LOSS 3u
#define CWND_MAX     (1u << 30)
#define IDLE_LONG_MS (1u << 20)
#define RTT_SANE_MS  (1u << 18)

uint32_t congestion_initial_window(const struct tcp_conn *c)
{
    uint32_t mss = c->mss;
    if ((c->flags & F_SYN_AGAIN) != 0) {
        return mss; /* RFC 5681 3.1: SYN or SYN-ACK was lost */
    }
    uint32_t floor = 2 * mss > 14600 ? 2 * mss : 14600;
    return 10 * mss < floor ? 10 * mss : floor;
}

void congestion_start(struct tcp_engine *e, struct tcp_conn *c)
{
    e->congestion->start(c, congestion_initial_window(c));
}

/*
 * RFC 5681 4.1: after a pause of an RTO the path is no longer known. The threshold remembers where the window
 * was (RFC 2861 3.1), so it is regained in few round trips.
 */
void congestion_idle(const struct tcp_engine *e, struct tcp_conn *c)
{
    uint32_t restart = congestion_initial_window(c);
    if (c->snd_una != c->snd_max || c->cwnd <= restart) {
        return;
    }
    uint32_t quiet_ms = ((uint32_t)e->now_us - c->sent_us) / 1000;
    uint32_t empty_ms = e->now_ms - c->stall_ms; /* since the last of it was acknowledged */
    if (quiet_ms <= conn_rto_ms(e, c) && empty_ms < IDLE_LONG_MS) { /* sent_us comes round in 71 minutes */
        return;
    }
    uint32_t near = c->cwnd / 4 * 3;
    c->ssthresh = c->ssthresh > near ? c->ssthresh : near;
    if (e->congestion->idle != NULL) {
        e->congestion->idle(c);
    }
    c->cwnd = restart;
}

static uint32_t window_after_recovery(const struct tcp_conn *c, uint32_t ack)
{
    uint32_t flight = c->snd_max - ack;
    uint32_t calm = (flight > c->mss ? flight : c->mss) + c->mss; /* RFC 6582 3.2, step 3, full ACK, (1) */
    return c->ssthresh < calm ? c->ssthresh : calm;
}

/* RFC 3168 6.1.2: what was reduced in this window for an echo is not reduced for a loss as well. */
void congestion_lost(struct tcp_engine *e, struct tcp_conn *c, uint32_t flight)
{
    if (c->ecn_reduced == 0 || seq_le(c->recover, c->snd_una)) {
        c->ssthresh = e->congestion->ssthresh(c, flight);
    }
    c->ecn_reduced = 0;
    c->ecn_cwr = (c->flags2 & F2_ECN) != 0;
}

void congestion_duplicate(struct tcp_engine *e, struct tcp_conn *c)
{
    c->dupacks = (uint8_t)(c->dupacks < UINT8_MAX ? c->dupacks + 1 : UINT8_MAX);
    if ((c->flags & F_RECOVERY) != 0) {
        c->cwnd += c->cwnd < CWND_MAX ? c->mss : 0; /* a segment has left the network */
        return;
    }
    if (c->dupacks < DUPACKS_LOSS) {
        conn_ready(e, c); /* limited transmit (RFC 3042) */
        return;
    }
    if (c->dupacks > DUPACKS_LOSS || (!seq_lt(c->recover, c->snd_una) && c->ecn_reduced == 0)) {
        return; /* duplicates of what a time-out made us send again (RFC 6582 3.2, step 2) */
    }
    uint32_t flight = c->snd_max - c->snd_una; /* without what limited transmit let out (RFC 5681 3.2) */
    congestion_lost(e, c, flight < c->cwnd ? flight : c->cwnd);
    c->recover = c->snd_max;
    c->cwnd = c->ssthresh + DUPACKS_LOSS * c->mss;
    c->flags = (c->flags & ~F_PARTIAL) | F_RECOVERY | F_RESEND;
    e->stats.fast_recoveries++;
    conn_ready(e, c);
}

void congestion_grow(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, uint32_t acked)
{
    c->flags &= ~F_LIMITED;
    if ((s->flags & TCP_ECE) != 0 && (c->flags2 & F2_ECN) != 0) {
        return; /* RFC 3168 6.1.2 */
    }
    if (e->congestion->rtt != NULL && c->ssthresh == CWND_MAX && (c->flags & F_TS) != 0 &&
        s->has_timestamps) {
        uint32_t rtt_ms = conn_ts_now(e, c) - s->tsecr;
        e->congestion->rtt(c, (rtt_ms < RTT_SANE_MS ? rtt_ms : RTT_SANE_MS) * 1000);
    }
    e->congestion->acked(c, acked, e->now_us);
}

void congestion_acked(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, uint32_t acked)
{
    uint32_t ack = s->ack;
    c->dupacks = 0;
    if ((c->flags & F_RECOVERY) == 0) {
        if ((c->flags & F_LIMITED) != 0) {
            congestion_grow(e, c, s, acked);
        }
        return;
    }
    if (seq_le(c->recover, ack)) {
        c->cwnd = window_after_recovery(c, ack);
        c->flags &= ~(F_RECOVERY | F_PARTIAL);
        return;
    }
    /* A partial ACK: the next hole, and the window deflates by what left (RFC 6582 3.2, step 3). */
    c->cwnd -= acked < c->cwnd ? acked : c->cwnd;
    if (acked >= c->mss || c->cwnd < c->mss) {
        c->cwnd += c->mss;
    }
    c->flags |= F_RESEND;
    conn_ready(e, c);
}

void congestion_timeout(struct tcp_engine *e, struct tcp_conn *c)
{
    struct board *b = board_take(e, c);
    if (b != NULL) {
        recovery_timeout(e, c, b);
        return;
    }
    if ((c->flags & F_TIMEOUT) == 0) {
        uint32_t flight = c->snd_max - c->snd_una;
        bool repairing = (c->flags & F_RECOVERY) != 0 || seq_lt(c->snd_una, c->recover);
        c->undo_pipe = repairing ? 0 : flight > c->ssthresh ? flight : c->ssthresh;
        c->rtt_start_us = conn_ts_now(e, c);              /* F_RTT is off until data is acknowledged */
        c->ssthresh = e->congestion->ssthresh(c, flight); /* once for a loss (RFC 5681 3.1, (4)) */
    }
    c->cwnd = c->mss;
    c->recover = c->snd_max;
    c->ecn_reduced = 0;
    c->ecn_cwr = (c->flags2 & F2_ECN) != 0;
    c->dupacks = 0;
    c->snd_nxt = c->snd_una;
    c->flags &= ~(F_RECOVERY | F_PARTIAL | F_RTT);
    c->flags |= F_TIMEOUT | F_RESEND;
}

/*
 * The first ACK behind a time-out without a board, of `acked` bytes. It echoes something older than what was
 * sent again: the original came, and what follows it is on its way (RFC 3522 3.2, RFC 4015 3.2). Not behind a
 * repair, whose retransmissions are older as well.
 */
void congestion_undo(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, uint32_t acked)
{
    if (c->undo_pipe == 0 || (c->flags & F_TS) == 0 || !s->has_timestamps || s->tsecr == 0 ||
        !seq_lt(s->tsecr, c->rtt_start_us)) {
        return;
    }
    uint32_t initial = congestion_initial_window(c), flight = c->snd_max - s->ack;
    c->cwnd = flight + (acked < initial ? acked : initial);
    c->cwnd = c->cwnd > c->mss ? c->cwnd : c->mss;
    c->ssthresh = c->undo_pipe;
    c->snd_nxt = c->snd_max;
    c->flags &= ~F_RESEND;
    e->stats.undone++;
}

/* NewReno (RFC 5681 3.1). */

static void newreno_start(struct tcp_conn *c, uint32_t initial_window)
{
    c->cwnd = initial_window;
    c->ssthresh = CWND_MAX;
}

static void newreno_acked(struct tcp_conn *c, uint32_t bytes, uint64_t now_us)
{
    (void)now_us;
    uint32_t mss = c->mss;
    uint32_t step;
    if (c->cwnd < c->ssthresh) {
        step = bytes < mss ? bytes : mss;
    } else {
        step = (uint32_t)((uint64_t)mss * mss / c->cwnd);
        step = step > 0 ? step : 1;
    }
    c->cwnd = c->cwnd < CWND_MAX ? c->cwnd + step : c->cwnd;
}

static uint32_t newreno_ssthresh(struct tcp_conn *c, uint32_t flight)
{
    uint32_t floor = 2u * c->mss;
    return flight / 2 > floor ? flight / 2 : floor;
}

const struct tcp_congestion tcp_newreno = {
    .name = "newreno",
    .start = newreno_start,
    .acked = newreno_acked,
    .ssthresh = newreno_ssthresh,
};
