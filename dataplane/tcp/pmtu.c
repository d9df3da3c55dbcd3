/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP errors about our segments (RFC 1122 4.2.3.9, RFC 5927) and the path's MTU (RFC 1191, 8201, 4821).
 *
 * Anybody can send an ICMP error, so one is believed only as far as it does no harm: what it quotes must be
 * in flight; a synchronized connection is never ended by it; an MTU is only ever lowered, not below a floor,
 * and only when a segment that would not have fitted was in flight. Then all that is in flight goes out again
 * at once in smaller segments, without a reduction of the congestion window: nothing was congested.
 *
 * Where routers keep silent, time-outs of full-size segments in a row lower the MSS (RFC 4821 7.7, RFC 2923).
 * Upwards there is no probing in the middle of a transfer: the old MSS is tried again by the first data after
 * ten minutes of silence (RFC 1191 6.3 asks for no less), and if the path is still narrow it is lowered
 * again.
 */
#include "tcp/engine.h"

#define IP4_TCP_BYTES     40u /* fixed headers */
#define IP6_TCP_BYTES     60u
#define MTU_LEAST_IP4     552u  /* what is said to be less is taken as this */
#define MTU_LEAST_IP6     1280u /* RFC 8200 5 */
#define TOP_UNIT          64u   /* of mss_top */
#define BLACK_HOLE_FIRST  3u    /* time-outs in a row, then an MTU of 1280 */
#define BLACK_HOLE_SECOND 5u    /* and then the floor */
#define RAISE_MS          600000u

/* RFC 1191 7.1: MTUs that are met with. */
static const uint16_t plateaus[] = {8166, 4352, 2002, 1492, 1280, 1006, MTU_LEAST_IP4};

static uint32_t header_bytes(const struct tcp_conn *c)
{
    uint32_t fixed = addr_is_ip4(&c->tuple.peer) ? IP4_TCP_BYTES : IP6_TCP_BYTES;
    return fixed + ((c->flags & F_TS) != 0 ? TCP_TIMESTAMPS_BYTES : 0);
}

static uint32_t mtu_floor(const struct tcp_conn *c)
{
    return addr_is_ip4(&c->tuple.peer) ? MTU_LEAST_IP4 : MTU_LEAST_IP6;
}

/* RFC 1191 5: a router that doesn't tell: the next smaller one of the usual. */
static uint32_t mtu_below(uint32_t mtu)
{
    for (size_t i = 0; i < sizeof plateaus / sizeof plateaus[0]; i++) {
        if (plateaus[i] < mtu) {
            return plateaus[i];
        }
    }
    return MTU_LEAST_IP4;
}

/* Smaller segments from now on. False: they are no larger already. */
static bool mss_lower(struct tcp_conn *c, uint32_t mtu)
{
    mtu = mtu > mtu_floor(c) ? mtu : mtu_floor(c);
    uint32_t mss = mtu - header_bytes(c);
    if (mss >= c->mss) {
        return false;
    }
    if (c->mss_top == 0) {
        c->mss_top = (uint8_t)(c->mss / TOP_UNIT < UINT8_MAX ? c->mss / TOP_UNIT : UINT8_MAX);
    }
    c->mss = (uint16_t)mss;
    return true;
}

/* All that is in flight goes out again, whatever the peer has not reported. */
static void resend_all(struct tcp_engine *e, struct tcp_conn *c)
{
    struct board *b = board_take(e, c);
    c->flags &= ~F_RTT; /* Karn */
    c->flags |= F_RESEND;
    if (b == NULL) {
        c->snd_nxt = c->snd_una;
    } else {
        for (uint32_t i = 0; i < b->count; i++) {
            if ((b->ranges[i].state & (RANGE_SACKED | RANGE_LOST)) == 0) {
                board_lose(c, b, i);
            }
        }
        if ((c->flags & F_RECOVERY) == 0) {
            b->loss = true; /* repaired as after a time-out, but the windows stay */
            c->recover = c->snd_max;
        }
        b->force = true;
        b->undo = b->calm = b->tlp_out = false;
        b->frto = 0;
    }
    timer_rtx(e, c, conn_rto_ms(e, c));
    conn_ready(e, c);
}

static enum wax_status too_big(struct tcp_engine *e, struct tcp_conn *c, const struct icmp_error *error)
{
    uint32_t mtu = error->mtu != 0 ? error->mtu : mtu_below(c->mss + header_bytes(c));
    mtu = mtu > mtu_floor(c) ? mtu : mtu_floor(c);
    if (!conn_synchronized(c) || c->snd_max - error->seq + header_bytes(c) <= mtu || !mss_lower(c, mtu)) {
        return WAX_TCP_ICMP_STALE;
    }
    e->stats.mtu_lowered++;
    resend_all(e, c);
    return WAX_TCP_MTU_LOWERED;
}

enum wax_status tcp_icmp(struct tcp_engine *e, const struct icmp_error *error, uint64_t now_us)
{
    engine_clock(e, now_us);
    struct tcp_tuple t = {error->dst, error->src, error->dport, error->sport};
    uint32_t id = engine_find(e, engine_hash(e, &t), &t);
    struct tcp_conn *c = id != TCP_NONE ? conn_at(e, id) : NULL;
    enum wax_status status = WAX_TCP_ICMP_SOFT;
    /* RFC 5927 4.1. */
    if (c == NULL || c->state == TCP_STATE_TIME_WAIT || seq_lt(error->seq, c->snd_una) ||
        !seq_lt(error->seq, c->snd_max)) {
        status = WAX_TCP_ICMP_STALE;
    } else if (error->too_big) {
        status = too_big(e, c, error);
    } else if (error->hard && !conn_synchronized(c)) {
        status = WAX_TCP_UNREACHABLE; /* RFC 5461 3: nothing is lost yet, and the user need not wait */
    }
    engine_count(e, status);
    if (e->trace.on != 0) {
        trace_reason(e, id, &t, status);
    }
    if (status == WAX_TCP_UNREACHABLE) {
        conn_ready(e, c);
        conn_close(e, c, status);
    }
    return status;
}

void pmtu_timeout(struct tcp_engine *e, struct tcp_conn *c)
{
    bool full = c->send.len >= c->mss && c->snd_max - c->snd_una >= c->mss;
    uint32_t mtu = c->backoff >= BLACK_HOLE_SECOND ? mtu_floor(c) : MTU_LEAST_IP6;
    if (full && c->backoff >= BLACK_HOLE_FIRST && mss_lower(c, mtu)) {
        c->cwnd = c->mss; /* one segment, as after any time-out */
        e->stats.black_holes++;
    }
}

void pmtu_idle(struct tcp_engine *e, struct tcp_conn *c)
{
    uint32_t mss = c->mss_top * TOP_UNIT;
    if (c->snd_una != c->snd_max || e->now_ms - c->stall_ms < RAISE_MS) {
        return;
    }
    c->mss_top = 0;
    c->mss = (uint16_t)(mss > c->mss ? mss : c->mss);
    c->cwnd = c->cwnd > c->mss ? c->cwnd : c->mss;
}
