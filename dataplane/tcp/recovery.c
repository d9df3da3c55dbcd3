/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recovery with a scoreboard: fast recovery at the pace of PRR (RFC 9937, 6675), repair after a time-out, and
 * taking both back when they were for nothing (RFC 3522, 4015, 5682, 3708). Peers without SACK are in
 * congestion.c (RFC 6582).
 */
#include "tcp/engine.h"

/* Remembers what a reduction is about to change. */
static void undo_keep(const struct tcp_conn *c, struct board *b)
{
    b->undo = true;
    b->undo_again_any = false;
    b->undo_again = 0;
    b->undo_cwnd = c->cwnd;
    b->undo_ssthresh = c->ssthresh;
    b->undo_una = c->snd_una;
    memcpy(b->undo_cc, c->cc, sizeof b->undo_cc);
}

/* The reduction was for nothing: everything as before, and nothing is lost (RFC 4015 3). */
static void undo(struct tcp_engine *e, struct tcp_conn *c, struct board *b)
{
    c->cwnd = c->cwnd > b->undo_cwnd ? c->cwnd : b->undo_cwnd;
    c->ssthresh = b->undo_ssthresh;
    memcpy(c->cc, b->undo_cc, sizeof b->undo_cc);
    c->flags2 |= (c->flags & F_RECOVERY) != 0 ? F2_REORDER : 0; /* else RACK finds them lost at once again */
    c->flags &= ~(F_RECOVERY | F_TIMEOUT);
    b->undo = b->loss = b->force = false;
    b->frto = 0;
    board_unlose(c, b);
    e->stats.undone++;
}

/* RFC 9937 6.1: recovery begins; `bytes` of this ACK's news are part of it. */
static void recovery_begin(struct tcp_engine *e, struct tcp_conn *c, struct board *b,
                           const struct delivery *d)
{
    undo_keep(c, b);
    uint32_t flight = c->snd_max - c->snd_una;
    congestion_lost(e, c, flight < c->cwnd ? flight : c->cwnd);
    c->recover = c->snd_max;
    c->flags |= F_RECOVERY;
    c->flags &= ~F_LIMITED;
    b->prr_delivered = b->prr_out = 0;
    b->recover_flight = flight - b->sacked + d->bytes;
    b->reduced_us = (uint32_t)e->now_us;
    b->again_lost = false;
    b->force = true;
    b->frto = 0;
    b->calm = false;
    e->stats.fast_recoveries++;
}

/* RFC 5681 4.3: the loss of a retransmission lowers the window a second time; those of one round trip do so
 * once, and PRR begins again from what is in flight now. */
static void recovery_again(struct tcp_engine *e, struct tcp_conn *c, struct board *b,
                           const struct delivery *d)
{
    bool due = b->again_lost && (uint32_t)e->now_us - b->reduced_us >= c->srtt_us;
    b->again_lost = false;
    if (!due) {
        return;
    }
    c->ssthresh = e->congestion->ssthresh(c, c->cwnd);
    c->ecn_cwr = (c->flags2 & F2_ECN) != 0;
    b->recover_flight = conn_pipe(e, c) + d->bytes;
    b->prr_delivered = b->prr_out = 0;
    b->reduced_us = (uint32_t)e->now_us;
    b->force = true;
    e->stats.again_lost++;
}

/* RFC 9937 6.2: what may be sent after this ACK. */
static void recovery_pace(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct delivery *d,
                          uint32_t lost)
{
    uint32_t pipe = conn_pipe(e, c), send;
    if (d->bytes == 0) {
        return;
    }
    b->prr_delivered += d->bytes;
    if (pipe > c->ssthresh) {
        uint32_t flight = b->recover_flight > 0 ? b->recover_flight : 1;
        uint64_t share = ((uint64_t)b->prr_delivered * c->ssthresh + flight - 1) / flight;
        send = share > b->prr_out ? (uint32_t)share - b->prr_out : 0;
    } else {
        uint32_t owed = b->prr_delivered > b->prr_out ? b->prr_delivered - b->prr_out : 0;
        send = owed > d->bytes ? owed : d->bytes;
        if (d->advanced && b->lost <= lost) {
            send += c->mss; /* a safe ACK: it moves on and shows no further loss */
        }
        send = send < c->ssthresh - pipe ? send : c->ssthresh - pipe;
    }
    if (b->prr_out == 0 && send < c->mss) {
        send = c->mss; /* the fast retransmission itself */
    }
    c->cwnd = pipe + send > c->mss ? pipe + send : c->mss;
}

static void recovery_end(struct tcp_conn *c, struct board *b)
{
    if ((c->flags & F_RECOVERY) != 0) {
        c->cwnd = c->ssthresh > c->mss ? c->ssthresh : c->mss;
    }
    c->flags &= ~F_RECOVERY;
    b->loss = b->force = false;
    b->frto = 0;
    rack_recovered(c);
}

/* RFC 3522 3.2: the first ACK after a retransmission echoes something older: the original came. */
static bool undo_by_echo(const struct tcp_conn *c, const struct board *b, const struct tcp_segment *s)
{
    return (c->flags & F_TS) != 0 && s->has_timestamps && s->tsecr != 0 && b->undo_again_any &&
           seq_lt(s->tsecr, b->undo_ts);
}

/* Every retransmission was reported as a duplicate (RFC 3708). */
static bool undo_by_duplicates(struct tcp_conn *c, struct board *b, const struct delivery *d)
{
    if (!d->dsack || !b->undo_again_any || seq_lt(d->duplicate.start, b->undo_una) ||
        seq_lt(c->recover, d->duplicate.end)) {
        return false;
    }
    uint32_t len = d->duplicate.end - d->duplicate.start;
    b->undo_again -= len < b->undo_again ? len : b->undo_again;
    return b->undo_again == 0;
}

/* Whether the last reduction was for nothing, as this ACK shows. */
static bool undo_due(struct tcp_conn *c, struct board *b, const struct tcp_segment *s,
                     const struct delivery *d)
{
    if (!b->undo) {
        return false;
    }
    bool echo = false;
    if (d->advanced && b->undo_again_any && ((c->flags & F_RECOVERY) != 0 || b->loss)) {
        echo = undo_by_echo(c, b, s);
    }
    /* RFC 5682 3.1, step 3b, where no timestamp can tell. */
    bool frto = b->loss && b->frto == 2 && d->original && !d->again;
    return undo_by_duplicates(c, b, d) || echo || frto;
}

/* RFC 5682 3.1, steps 2 and 3: what to send after the first and the second ACK behind a time-out. */
static void frto_step(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct delivery *d)
{
    if (!b->loss || b->frto == 0 || (!d->advanced && d->sacked == 0)) {
        return;
    }
    bool more = c->snd_max - c->snd_una < c->send.len && c->snd_max - c->snd_una < c->snd_wnd;
    if (b->frto == 1 && d->advanced && more && (c->flags & F_TS) == 0) {
        b->frto = 2; /* new data before more of the old */
        uint32_t pipe = conn_pipe(e, c);
        c->cwnd = c->cwnd > pipe + 2u * c->mss ? c->cwnd : pipe + 2u * c->mss;
    } else {
        b->frto = 0;
    }
}

/* RFC 8985 7.4.2: the probe has hidden a loss from the congestion control. */
static void probe_loss(struct tcp_engine *e, struct tcp_conn *c, struct board *b)
{
    if ((c->flags & F_RECOVERY) != 0 || b->loss) {
        return;
    }
    uint32_t flight = c->snd_max - c->snd_una;
    flight = flight > c->mss ? flight : c->mss;
    c->ssthresh = e->congestion->ssthresh(c, c->cwnd > flight ? c->cwnd : flight);
    c->cwnd = c->ssthresh < c->cwnd ? c->ssthresh : c->cwnd;
    c->cwnd = c->cwnd > c->mss ? c->cwnd : c->mss;
    c->recover = c->snd_max;
    e->stats.tlp_losses++;
}

/* The window grows outside of fast recovery, where it was what held us back. */
static void recovery_grow(struct tcp_engine *e, struct tcp_conn *c, const struct board *b,
                          const struct tcp_segment *s, uint32_t bytes)
{
    if (bytes > 0 && (c->flags & F_RECOVERY) == 0 && ((c->flags & F_LIMITED) != 0 || b->loss)) {
        congestion_grow(e, c, s, bytes);
    }
}

static void recovery_timer(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t wait_us)
{
    bool was = b->reorder_timer;
    b->reorder_timer = wait_us > 0;
    if (c->snd_una == c->snd_max) {
        return;
    }
    if (wait_us > 0) {
        timer_rtx(e, c, (wait_us + 999) / 1000);
    } else if (was || (c->flags2 & F2_PTO) != 0) {
        rack_timer(e, c); /* the conditions of a probe may have changed */
    }
}

/* The board has done its work when nothing of this trouble is in flight any more. */
static void recovery_calm(struct tcp_engine *e, struct tcp_conn *c, struct board *b)
{
    if (c->snd_una == c->snd_max) {
        board_give(e, c);
        return;
    }
    bool calm = (c->flags & F_RECOVERY) == 0 && !b->loss && !b->tlp_out && board_plain(b);
    if (calm && !b->calm) {
        b->calm_at = c->snd_max;
    }
    b->calm = calm;
    if (calm && seq_le(b->calm_at, c->snd_una)) {
        board_give(e, c);
        rack_timer(e, c);
    }
}

/* What the ACK means for the state of the repair. */
static void recovery_step(struct tcp_engine *e, struct tcp_conn *c, struct board *b,
                          const struct tcp_segment *s, const struct delivery *d)
{
    uint32_t lost = b->lost;
    rack_dsack(e, c, b, d);
    if (undo_due(c, b, s, d)) {
        undo(e, c, b);
    }
    if (rack_probe_acked(e, c, b, s, d)) {
        probe_loss(e, c, b);
    }
    bool ends = d->advanced && seq_le(c->recover, c->snd_una) && ((c->flags & F_RECOVERY) != 0 || b->loss);
    if (ends) {
        recovery_end(c, b);
    }
    uint32_t wait_us = d->bytes > 0 || b->reorder_timer ? rack_detect(e, c, b) : 0;
    bool begins = b->lost > 0 && (c->flags & F_RECOVERY) == 0 && !b->loss;
    if (begins) {
        recovery_begin(e, c, b, d);
    }
    if ((c->flags & F_RECOVERY) != 0) {
        recovery_again(e, c, b, d);
        recovery_pace(e, c, b, d, begins ? 0 : lost);
    } else if (!ends) {
        recovery_grow(e, c, b, s, d->acked);
        frto_step(e, c, b, d);
    }
    recovery_timer(e, c, b, wait_us);
    e->stats.sack_rounds += d->sacked > 0;
}

/* An ACK while there is a board, or that brings SACK blocks. False: it is to be taken without a board. */
bool recovery_ack(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, struct tcp_result *r)
{
    struct board *b = board_of(e, c);
    if (b == NULL) {
        if (c->snd_una == c->snd_max || seq_lt(s->ack, c->snd_una)) {
            return false;
        }
        b = board_take(e, c);
        if (b == NULL) {
            return false;
        }
    }
    if (seq_lt(s->ack, c->snd_una)) {
        return true; /* old: its blocks may be older than what we know */
    }
    struct delivery d = {0};
    if (seq_lt(c->snd_una, s->ack)) {
        board_acked(e, c, b, s, &d);
        ack_advance(e, c, s, r);
    }
    if (s->sack.len > 0) {
        board_sacked(e, c, b, s, &d);
    }
    recovery_step(e, c, b, s, &d);
    recovery_calm(e, c, b);
    conn_ready(e, c);
    return true;
}

/* RACK's reordering timer (RFC 8985 6.3). */
void recovery_reorder_expired(struct tcp_engine *e, struct tcp_conn *c, struct board *b)
{
    b->reorder_timer = false;
    uint32_t wait_us = rack_detect(e, c, b);
    if (b->lost > 0 && (c->flags & F_RECOVERY) == 0 && !b->loss) {
        struct delivery none = {0};
        recovery_begin(e, c, b, &none);
        c->cwnd = conn_pipe(e, c) + c->mss;
    }
    if (wait_us > 0) {
        recovery_timer(e, c, b, wait_us);
    } else {
        timer_rtx(e, c, conn_rto_ms(e, c));
    }
    conn_ready(e, c);
}

/* The retransmission timer has expired (RFC 6298 5.4 to 5.6, RFC 5681 3.1, RFC 8985 6.3). */
void recovery_timeout(struct tcp_engine *e, struct tcp_conn *c, struct board *b)
{
    bool first = (c->flags & F_TIMEOUT) == 0;
    if (first) {
        if (!b->loss) {
            undo_keep(c, b);
        }
        uint32_t flight = c->snd_max - c->snd_una;
        c->ssthresh = e->congestion->ssthresh(c, flight); /* once for a loss (RFC 5681 3.1, (4)) */
    }
    bool reneged = b->count > 0 && (b->ranges[0].state & RANGE_SACKED) != 0;
    if (reneged || !first) {
        board_renege(b); /* RFC 2018 8: the peer may have let go of what it reported */
        e->stats.sack_reneges += reneged;
    }
    c->cwnd = c->mss;
    c->recover = c->snd_max;
    c->flags &= ~F_RECOVERY;
    c->flags |= F_TIMEOUT;
    c->flags2 &= (uint8_t)~F2_TLP_NOW;
    c->ecn_reduced = 0;
    c->ecn_cwr = (c->flags2 & F2_ECN) != 0;
    b->frto = first && !b->loss ? 1 : 0;
    b->loss = b->force = true;
    b->tlp_out = b->calm = b->reorder_timer = false;
    rack_timeout(e, c, b);
}

/* [start, end) goes out again or for the first time: PRR and undo keep count. */
void recovery_sent(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t start, uint32_t end)
{
    if (seq_lt(start, c->snd_max)) {
        if (!b->undo_again_any) {
            b->undo_again_any = true;
            b->undo_ts = conn_ts_now(e, c);
        }
        b->undo_again += end - start;
        b->force = false;
    }
    b->prr_out += end - start;
    board_sent(e, c, b, start, end);
}
