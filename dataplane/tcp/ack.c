/* SPDX-License-Identifier: BSD-3-Clause */
/* Acknowledgements: the send window, round-trip times, duplicate and new ACKs (RFC 9293 3.10.7.4, step 5). */
#include "tcp/engine.h"

#define RECOVER_OLD (1u << 30)
#define RTT_SANE_MS (1u << 20) /* an echo older than this is not ours */

/*
 * The peer's window, from segments that are not older than the one that set it. One that only shrinks it,
 * with nothing new, is taken for reordered.
 */
void ack_window(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, uint32_t wnd)
{
    bool newer = seq_lt(c->snd_una, s->ack) || seq_lt(c->snd_wl1, s->seq) ||
                 (c->snd_wl1 == s->seq && wnd > c->snd_wnd);
    if (!newer || seq_lt(s->ack, c->snd_una)) {
        return;
    }
    c->snd_wl1 = s->seq;
    if (wnd == c->snd_wnd) {
        return;
    }
    c->snd_wnd = wnd;
    c->wnd_max = wnd > c->wnd_max ? wnd : c->wnd_max;
    if (wnd != 0 && (c->flags & F_PERSIST) != 0) {
        /* Output decides anew whether it must go on probing. */
        c->flags &= ~(F_PERSIST | F_PROBE | F_RTX);
        c->backoff = 0;
        if (c->snd_una != c->snd_max) {
            timer_rtx(e, c, conn_rto_ms(e, c));
        }
    }
}

/* RFC 6298 3 (Karn) and RFC 7323 4: a segment that was timed, or after retransmissions what the peer echoes.
 */
void ack_rtt(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s)
{
    if ((c->flags & F_RTT) != 0) {
        if (seq_lt(c->rtt_seq, s->ack)) {
            c->flags &= ~F_RTT;
            timer_rtt(e, c, (uint32_t)e->now_us - c->rtt_start_us);
        }
        return;
    }
    if ((c->flags & F_TS) != 0 && s->has_timestamps && s->tsecr != 0 &&
        (c->backoff != 0 || c->srtt_us == 0)) {
        uint32_t ms = conn_ts_now(e, c) - s->tsecr;
        if (ms < RTT_SANE_MS) {
            timer_rtt(e, c, ms * 1000);
        }
    }
}

/* `s` acknowledges something new. */
void ack_advance(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, struct tcp_result *r)
{
    uint32_t acked = s->ack - c->snd_una;
    uint32_t bytes = acked < c->send.len ? acked : c->send.len;
    ack_rtt(e, c, s);
    if ((c->flags & F_BOARD) == 0) {
        if ((c->flags & F_TIMEOUT) != 0) {
            congestion_undo(e, c, s, acked);
        }
        congestion_acked(e, c, s, acked);
    }
    if (bytes > 0) {
        fifo_consume(e->env.blocks, &c->send, bytes);
        c->acked += bytes;
        r->acked_bytes = bytes;
        c->events |= TCP_EV_ACKED;
    }
    if (acked > bytes) {
        assert(acked == bytes + 1 && (c->flags & F_FIN_QUEUED) != 0);
        c->flags = (c->flags & ~F_FIN_QUEUED) | F_FIN_ACKED;
    }
    c->snd_una = s->ack;
    c->snd_nxt = seq_max(c->snd_nxt, c->snd_una);
    c->flags &= ~F_TIMEOUT;
    c->stall_ms = e->now_ms;
    if (c->snd_una - c->recover - RECOVER_OLD < RECOVER_OLD) {
        c->recover = c->snd_una - 1; /* follows at a distance: sequence numbers come round */
    }
    if (c->snd_una == c->snd_max) {
        c->flags &= ~(F_RTX | F_PERSIST | F_RESEND); /* RFC 6298 5.2 */
    } else if ((c->flags & F_PARTIAL) == 0) {
        c->flags &= ~F_PERSIST;
        rack_timer(e, c); /* RFC 6298 5.3; in recovery for the first partial ACK alone */
    }
    if ((c->flags & (F_RECOVERY | F_BOARD)) == F_RECOVERY) {
        c->flags |= F_PARTIAL;
    }
}

void ack_take(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, struct tcp_result *r)
{
    uint32_t wnd = (uint32_t)s->window << c->snd_scale;
    uint32_t before = c->snd_wnd;
    ack_window(e, c, s, wnd);
    bool board = ((c->flags & F_BOARD) != 0 || s->sack.len > 0) && recovery_ack(e, c, s, r);
    if (board) {
        /* done */
    } else if (seq_lt(c->snd_una, s->ack)) {
        ack_advance(e, c, s, r);
    } else if (s->ack == c->snd_una && segment_space(s) == 0 && wnd == before && c->snd_max != c->snd_una &&
               (c->flags & F_PERSIST) == 0 && ((c->flags & F_SACK_OK) == 0 || s->sack.len > 0)) {
        congestion_duplicate(e, c); /* RFC 5681 2 */
    }
    if (wnd == 0 && (c->flags & F_USER) != 0) {
        c->stall_ms =
            e->now_ms; /* alive, though it takes nothing: never given up for that (RFC 1122 4.2.2.17) */
    }
    if ((s->flags & TCP_ECE) != 0 && (c->flags2 & F2_ECN) != 0) {
        ecn_echo(e, c);
    }
    if (conn_unsent(c)) {
        conn_ready(e, c);
    }
}
