/* SPDX-License-Identifier: BSD-3-Clause */
/* RACK-TLP (RFC 8985): losses told by the times of what was sent, and the probe of a silent tail. */
#include "tcp/engine.h"

#define DUPTHRESH         3u
#define REO_STEPS_MAX     7u  /* times a quarter of the shortest round trip, at most about two of them */
#define REO_PERSIST       16u /* recoveries after which the window is narrow again */
#define MIN_RTT_UNIT_US   64u
#define TLP_MAX_ACK_DELAY 200u
#define TLP_BLIND_MS      1000u

uint32_t rack_min_rtt_us(const struct tcp_conn *c)
{
    return c->min_rtt != 0 ? c->min_rtt * MIN_RTT_UNIT_US : c->srtt_us;
}

void rack_rtt(struct tcp_conn *c, uint32_t rtt_us)
{
    uint32_t units = rtt_us / MIN_RTT_UNIT_US;
    units = units > 0 ? units : 1;
    units = units < UINT16_MAX ? units : UINT16_MAX;
    if (c->min_rtt == 0 || units < c->min_rtt) {
        c->min_rtt = (uint16_t)units;
    }
}

/* RFC 8985 5.2: (a_us, a_end) was sent after (b_us, b_end). */
static bool sent_after(uint32_t a_us, uint32_t a_end, uint32_t b_us, uint32_t b_end)
{
    return (int32_t)(a_us - b_us) > 0 || (a_us == b_us && seq_lt(b_end, a_end));
}

/* Whether the echo shows that an ACK answers something older than what was sent again at sent_us. */
static bool echo_older(const struct tcp_engine *e, const struct tcp_conn *c, const struct tcp_segment *s,
                       uint32_t sent_us)
{
    uint32_t ago_ms = ((uint32_t)e->now_us - sent_us) / 1000;
    return (c->flags & F_TS) != 0 && s->has_timestamps && seq_lt(s->tsecr, conn_ts_now(e, c) - ago_ms - 1);
}

/* Steps 1 to 3 of RFC 8985 6.2 for a piece that ends at `end`. */
void rack_delivered(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct range *r,
                    uint32_t end, const struct tcp_segment *s)
{
    uint32_t rtt_us = (uint32_t)e->now_us - r->sent_us;
    if ((r->state & RANGE_AGAIN) == 0) {
        if (seq_lt(end, b->fack) && (c->flags2 & F2_REORDER) == 0) {
            c->flags2 |= F2_REORDER;
            e->stats.reorders++;
        }
        b->fack = seq_max(b->fack, end);
    } else if (rtt_us < rack_min_rtt_us(c) || echo_older(e, c, s, r->sent_us)) {
        return; /* of the copy before */
    }
    if (!b->rack_set || sent_after(r->sent_us, end, b->rack_sent_us, b->rack_end)) {
        b->rack_set = true;
        b->rack_sent_us = r->sent_us;
        b->rack_end = end;
        b->rack_rtt_us = rtt_us;
    }
}

/* Step 4: how long something may be late (RFC 8985 6.2, RACK_update_reo_wnd). */
static uint32_t reorder_window_us(const struct tcp_conn *c, const struct board *b)
{
    if ((c->flags2 & F2_REORDER) == 0 &&
        ((c->flags & F_RECOVERY) != 0 || b->loss || b->sack_acks >= DUPTHRESH ||
         b->sacked > (DUPTHRESH - 1) * c->mss)) {
        return 0;
    }
    uint32_t window = rack_min_rtt_us(c) / 4 * (c->reo_steps + 1u);
    return window < c->srtt_us ? window : c->srtt_us;
}

void rack_dsack(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct delivery *d)
{
    (void)e;
    if (b->dsack_round && seq_le(b->dsack_next, c->snd_una)) {
        b->dsack_round = false;
    }
    if (d->dsack && !b->dsack_round) {
        b->dsack_round = true; /* once a round trip */
        b->dsack_next = c->snd_max;
        c->flags2 |= F2_REORDER;
        c->reo_steps = (uint8_t)((c->reo_steps < REO_STEPS_MAX ? c->reo_steps + 1u : REO_STEPS_MAX) & 7u);
        c->reo_persist = REO_PERSIST;
    }
}

void rack_recovered(struct tcp_conn *c)
{
    if (c->reo_persist > 0 && --c->reo_persist == 0) {
        c->reo_steps = 0;
    }
}

/*
 * Step 5: marks what was sent so long before something delivered that it must be lost. Returns after how many
 * microseconds to look again, 0: nothing waits.
 */
uint32_t rack_detect(struct tcp_engine *e, struct tcp_conn *c, struct board *b)
{
    uint32_t now = (uint32_t)e->now_us, wait = 0;
    uint32_t allowed = b->rack_rtt_us + reorder_window_us(c, b);
    for (uint32_t i = 0; b->rack_set && i < b->count; i++) {
        const struct range *r = &b->ranges[i];
        if ((r->state & (RANGE_SACKED | RANGE_LOST)) != 0 ||
            !sent_after(b->rack_sent_us, b->rack_end, r->sent_us, r->end)) {
            continue;
        }
        int32_t remaining = (int32_t)(r->sent_us + allowed - now);
        if (remaining <= 0) {
            board_lose(c, b, i);
            e->stats.rack_losses++;
        } else if ((uint32_t)remaining > wait) {
            wait = (uint32_t)remaining;
        }
    }
    return wait;
}

/* RFC 8985 6.3: at a time-out the first one is lost, and what is overdue by RACK's clock. */
void rack_timeout(struct tcp_engine *e, struct tcp_conn *c, struct board *b)
{
    uint32_t now = (uint32_t)e->now_us;
    uint32_t allowed = (b->rack_set ? b->rack_rtt_us : c->srtt_us) + reorder_window_us(c, b);
    for (uint32_t i = 0; i < b->count; i++) {
        const struct range *r = &b->ranges[i];
        bool overdue = (int32_t)(r->sent_us + allowed - now) <= 0;
        if ((r->state & (RANGE_SACKED | RANGE_LOST)) == 0 && (i == 0 || overdue)) {
            board_lose(c, b, i);
        }
    }
}

/* RFC 8985 7.2: after how long a probe, or 0: none is due. */
static uint32_t probe_after_ms(const struct tcp_engine *e, const struct tcp_conn *c, uint32_t rto_ms)
{
    const uint32_t never = F_RECOVERY | F_TIMEOUT | F_PERSIST;
    if ((c->flags & (F_SACK_OK | never)) != F_SACK_OK || c->backoff != 0) {
        return 0;
    }
    const struct board *b = board_of(e, c);
    if (b != NULL && (b->sacked > 0 || b->loss || b->tlp_out)) {
        return 0;
    }
    uint32_t ms = c->srtt_us != 0 ? c->srtt_us / 500 + 1 : TLP_BLIND_MS;
    if (c->snd_max - c->snd_una <= c->mss) {
        ms += TLP_MAX_ACK_DELAY; /* a lone segment's ACK may be delayed */
    }
    return ms < rto_ms ? ms : rto_ms;
}

/* The retransmission timer is to start: as the probe's, where one is due. */
void rack_timer(struct tcp_engine *e, struct tcp_conn *c)
{
    uint32_t rto_ms = conn_rto_ms(e, c), probe_ms = probe_after_ms(e, c, rto_ms);
    timer_rtx(e, c, probe_ms != 0 ? probe_ms : rto_ms);
    c->flags2 |= probe_ms != 0 ? F2_PTO : 0;
}

/*
 * The probe's timer has expired. It was started by the last acknowledgement or the first segment (stall_ms),
 * and what has been sent since puts it off, until the time-out would be due. False: it is a time-out.
 */
bool rack_probe_expired(struct tcp_engine *e, struct tcp_conn *c)
{
    c->flags2 &= (uint8_t)~F2_PTO;
    uint32_t rto_ms = conn_rto_ms(e, c), probe_ms = probe_after_ms(e, c, rto_ms);
    if (probe_ms == 0) {
        return false;
    }
    uint32_t sent_ms = e->now_ms - ((uint32_t)e->now_us - c->sent_us) / 1000;
    int32_t wait = (int32_t)(sent_ms + probe_ms - e->now_ms);
    int32_t most = (int32_t)(c->stall_ms + rto_ms - e->now_ms);
    wait = wait < most ? wait : most;
    if (wait > 0) {
        timer_rtx(e, c, (uint32_t)wait);
        c->flags2 |= F2_PTO;
        return true;
    }
    if (board_take(e, c) == NULL) {
        if (most <= 0) {
            return false;
        }
        timer_rtx(e, c, (uint32_t)most); /* no memory for a probe: the time-out will do */
        return true;
    }
    c->flags2 |= F2_TLP_NOW;
    c->flags |= F_PROBE;
    timer_rtx(e, c, rto_ms);
    conn_ready(e, c);
    return true;
}

/* The probe has been built. */
void rack_probe_sent(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t end, bool again)
{
    b->tlp_out = true;
    b->tlp_again = again;
    b->tlp_end = end;
    b->tlp_sent_us = (uint32_t)e->now_us;
    b->tlp_ts = conn_ts_now(e, c);
    e->stats.tlp_probes++;
}

/*
 * RFC 8985 7.4.2: whether this ACK shows that the probe repaired a loss, which must count as one. Where the
 * RFC waits for a later ACK we decide at once if nothing is left in flight, by the echoed timestamp or else
 * by the time: the board must not wait for a connection that has fallen silent.
 */
bool rack_probe_acked(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct tcp_segment *s,
                      const struct delivery *d)
{
    if (!b->tlp_out || seq_lt(s->ack, b->tlp_end)) {
        return false;
    }
    if (!b->tlp_again || (d->dsack && seq_le(b->tlp_end, d->duplicate.end))) {
        b->tlp_out = false;
        return false;
    }
    if ((c->flags & F_TS) != 0 && s->has_timestamps) {
        b->tlp_out = false;
        return seq_le(b->tlp_ts, s->tsecr);
    }
    if (seq_lt(b->tlp_end, s->ack)) {
        b->tlp_out = false;
        return true;
    }
    if (!d->advanced && s->sack.len == 0 && s->payload.len == 0) {
        b->tlp_out = false; /* both copies came */
        return false;
    }
    if (c->snd_una == c->snd_max) {
        b->tlp_out = false;
        return (uint32_t)e->now_us - b->tlp_sent_us >= rack_min_rtt_us(c);
    }
    return false;
}
