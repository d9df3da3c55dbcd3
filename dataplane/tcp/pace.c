/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pacing: a large transfer leaves in portions of a millisecond instead of a window at a time, so that a queue
 * on the way sees the path's rate and not the worker's. What fits a burst goes at once and pays nothing
 * for it.
 *
 * A connection has no room for a bucket of its own: the engine keeps those of the transfers that were paced
 * last, by id. One that was pushed out starts again from when it last sent, which loses a fraction of a
 * segment.
 */
#include "tcp/engine.h"

#define RTT_MIN_US 2000u /* below, a millisecond is no portion of a round trip */
#define PORTION_US 1000u /* the wheel's granule */
#define LATE_MAX   4u    /* portions that a late turn makes up for */

_Static_assert(WAX_PACE_BURST_BYTES >= 10 * 1460, "the initial window is a burst (RFC 6928)");

/* Bytes that go out in `us`: twice the window in a round trip while it may double, then a fifth more than it,
 * so that it is still the window that limits. */
static uint64_t pace_bytes(const struct tcp_conn *c, uint32_t us)
{
    uint64_t tenths = c->cwnd < c->ssthresh ? 20 : 12;
    return (uint64_t)c->cwnd * tenths / 10 * us / c->srtt_us;
}

static struct pace *pace_of(struct tcp_engine *e, const struct tcp_conn *c)
{
    uint32_t id = conn_id(e, c);
    struct pace *p = &e->paces[id % WAX_PACES];
    if (p->id != id) {
        *p = (struct pace){.id = id, .at_us = c->sent_us};
    }
    return p;
}

/* Fills the bucket for the time that has passed. */
static void pace_fill(const struct tcp_engine *e, const struct tcp_conn *c, struct pace *p, uint32_t portion)
{
    uint32_t burst = portion > WAX_PACE_BURST_BYTES ? portion : WAX_PACE_BURST_BYTES;
    uint32_t most = LATE_MAX * portion > burst ? LATE_MAX * portion : burst;
    uint32_t gone_us = (uint32_t)e->now_us - p->at_us;
    uint64_t credit = p->credit + pace_bytes(c, gone_us < c->srtt_us ? gone_us : c->srtt_us);
    p->at_us = (uint32_t)e->now_us;
    if (c->snd_una == c->snd_max) {
        p->credit = burst; /* the path is empty */
    } else {
        p->credit = credit < most ? (uint32_t)credit : most;
    }
}

bool pace_take(struct tcp_engine *e, struct tcp_conn *c, uint32_t len)
{
    if (e->cfg.no_pacing || c->cwnd <= WAX_PACE_BURST_BYTES || c->srtt_us < RTT_MIN_US) {
        return true; /* the window is a burst, or lasts no time */
    }
    uint32_t portion = (uint32_t)pace_bytes(c, PORTION_US);
    portion = portion > 2u * c->mss ? portion : 2u * c->mss;
    struct pace *p = pace_of(e, c);
    pace_fill(e, c, p, portion);
    if (p->credit >= len) {
        p->credit -= len;
        return true;
    }
    e->stats.paced += !c->paced;
    c->paced = 1;
    uint64_t wait_ms = (portion - p->credit) / (pace_bytes(c, PORTION_US) + 1);
    timer_pace(e, c, wait_ms > 0 ? (uint32_t)wait_ms : 1);
    return false;
}
