/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Explicit congestion notification (RFC 3168). New data is marked ECT(0); a mark of the network is echoed to
 * the peer until it says that it has reacted; an echo of the peer's is taken as a loss that cost nothing,
 * once a round trip.
 */
#include "tcp/engine.h"

/* 6.1.1: what the peer's SYN or SYN-ACK says. */
void ecn_options(const struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *syn)
{
    uint8_t bits = syn->flags & (TCP_ECE | TCP_CWR);
    bool answer = (syn->flags & TCP_ACK) != 0;
    /* A SYN sent again doesn't ask (6.1.1.1), so an ECE in its answer agrees to nothing. */
    bool agreed = answer ? bits == TCP_ECE && (c->flags & F_SYN_AGAIN) == 0 : bits == (TCP_ECE | TCP_CWR);
    if (agreed && !e->cfg.no_ecn) {
        c->flags2 |= F2_ECN;
    }
}

/* The bits of our SYN or SYN-ACK. */
uint8_t ecn_syn(const struct tcp_engine *e, const struct tcp_conn *c, bool active)
{
    if (active) {
        return e->cfg.no_ecn || (c->flags & F_SYN_AGAIN) != 0 || c->snd_max != c->snd_una ? 0
                                                                                          : TCP_ECE | TCP_CWR;
    }
    return (c->flags2 & F2_ECN) != 0 ? TCP_ECE : 0;
}

/* 6.1.3: an acceptable segment of the peer. */
void ecn_in(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s)
{
    if (s->payload.len == 0) {
        return; /* only data is marked by a sound peer */
    }
    if ((s->flags & TCP_CWR) != 0) {
        c->flags2 &= (uint8_t)~F2_ECE;
    }
    if (s->ecn == TCP_ECN_CE) {
        c->flags2 |= F2_ECE;
        e->stats.ecn_marks++;
    }
}

/* 6.1.2: the peer echoes a mark, with an ACK that has been dealt with. */
void ecn_echo(struct tcp_engine *e, struct tcp_conn *c)
{
    const struct board *b = board_of(e, c);
    bool repairing = (c->flags & (F_RECOVERY | F_TIMEOUT)) != 0 || (b != NULL && b->loss);
    if (repairing || seq_le(c->snd_una, c->recover)) {
        return; /* there was a reduction in this window; CWR is in the data behind it */
    }
    uint32_t flight = c->snd_max - c->snd_una;
    c->ssthresh = e->congestion->ssthresh(c, c->cwnd > flight ? c->cwnd : flight);
    c->cwnd = c->ssthresh > c->mss ? c->ssthresh : c->mss;
    c->recover = c->snd_max;
    c->flags &= ~F_LIMITED;
    c->ecn_cwr = c->ecn_reduced = 1;
    e->stats.ecn_reductions++;
}
