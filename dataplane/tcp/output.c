/* SPDX-License-Identifier: BSD-3-Clause */
/* Building segments, one at a time (RFC 9293 3.8; RFC 1122 4.2.3.4). */
#include "tcp/engine.h"

/* The most that we let wait for the user; without scaling the field bounds it. */
uint32_t conn_receive_cap(const struct tcp_engine *e, const struct tcp_conn *c)
{
    uint32_t most = (uint32_t)UINT16_MAX << c->rcv_scale;
    return e->cfg.receive_bytes_max < most ? e->cfg.receive_bytes_max : most;
}

/* How far the window could reach now; never behind what was offered (RFC 9293 3.8.6). */
uint32_t output_window_edge(const struct tcp_engine *e, const struct tcp_conn *c)
{
    uint32_t cap = conn_receive_cap(e, c);
    uint32_t room = cap > c->receive.len ? cap - c->receive.len : 0;
    if (e->env.blocks->free_count <= e->cfg.blocks_reserve) {
        uint32_t little = 4u * e->cfg.mss; /* blocks are short: take what there is, but in small portions */
        room = room < little ? room : little;
    }
    return seq_max(c->rcv_nxt + room, c->rcv_edge);
}

/* The window field; opens the window, but not in small steps while it is small (RFC 1122 4.2.3.3). */
static uint16_t output_window(const struct tcp_engine *e, struct tcp_conn *c)
{
    uint32_t half = conn_receive_cap(e, c) / 2;
    uint32_t step = half < e->cfg.mss ? half : e->cfg.mss;
    uint32_t edge = output_window_edge(e, c);
    if (edge - c->rcv_nxt < half && edge - c->rcv_edge < step) {
        edge = c->rcv_edge;
    }
    uint32_t field = (edge - c->rcv_nxt) >> c->rcv_scale;
    field = field < UINT16_MAX ? field : UINT16_MAX;
    c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt + (field << c->rcv_scale));
    return (uint16_t)field;
}

/* What is sent, in sequence space. */
struct piece {
    uint32_t seq, len;
    uint8_t flags;
    uint8_t ecn;
};

static bool output_finish(const struct tcp_engine *e, const struct tcp_conn *c, size_t header_len,
                          const struct piece *p, struct span out, struct tcp_out *o)
{
    o->ecn = p->ecn;
    o->payload_len = p->len;
    o->len = header_len + p->len;
    o->seq = p->seq;
    o->flags = p->flags;
    o->tuple = &c->tuple;
    segment_checksum(&c->tuple, span_of(out.data, o->len), e->cfg.checksum_offload);
    return true;
}

static struct tcp_header header_of(const struct tcp_engine *e, const struct tcp_conn *c, uint32_t seq,
                                   uint8_t flags)
{
    return (struct tcp_header){
        .source = c->tuple.local_port,
        .destination = c->tuple.peer_port,
        .seq = seq,
        .ack = (flags & TCP_ACK) != 0 ? c->rcv_nxt : 0,
        .flags = flags,
        .wscale = 0xff,
        .has_timestamps = (c->flags & F_TS) != 0,
        .tsval = conn_ts_now(e, c),
        .tsecr = (flags & TCP_ACK) != 0 ? c->ts_recent : 0,
    };
}

/* A segment with ACK of a synchronized connection; `len` bytes from `seq` on are taken from the send queue.
 */
static bool output_segment(struct tcp_engine *e, struct tcp_conn *c, const struct piece *p, struct span out,
                           struct tcp_out *o)
{
    uint8_t echo = (c->flags2 & F2_ECE) != 0 ? TCP_ECE : 0;
    struct tcp_header h = header_of(e, c, p->seq, p->flags | echo);
    struct sack_block blocks[TCP_SACK_BLOCKS_MAX];
    h.window = output_window(e, c);
    if ((c->flags & F_SACK_OK) != 0 && (c->ooo_head != 0 || (c->flags2 & F2_DSACK) != 0)) {
        h.sack = blocks;
        h.sack_count = (uint8_t)sack_blocks(e, c, p->len < c->mss ? c->mss - p->len : 0, blocks);
    }
    assert(out.len >= TCP_HEADER_BYTES_MAX + p->len);
    size_t header_len = segment_write(out.data, &h);
    if (p->len > 0) {
        size_t n = fifo_copy_from(e->env.blocks, &c->send, &c->cursor, p->seq - c->snd_una,
                                  span_of(out.data + header_len, p->len));
        assert(n == p->len);
        (void)n;
    }
    c->ack_sent = c->rcv_nxt;
    c->flags &= ~(F_ACK_NOW | F_ACK_DELAYED);
    e->stats.segments_out++;
    output_finish(e, c, header_len, p, out, o);
    o->flags |= echo;
    return true;
}

/* Where a segment without data stands: inside the peer's window even when that shrank (RFC 9293 3.8.6). */
static uint32_t ack_seq(const struct tcp_conn *c)
{
    uint32_t edge = c->snd_una + c->snd_wnd;
    return seq_lt(edge, c->snd_max) ? edge : c->snd_max;
}

static bool output_ack(struct tcp_engine *e, struct tcp_conn *c, uint32_t seq, struct span out,
                       struct tcp_out *o)
{
    struct piece p = {.seq = seq, .flags = TCP_ACK};
    return output_segment(e, c, &p, out, o);
}

static bool output_reset(struct tcp_engine *e, struct tcp_conn *c, struct span out, struct tcp_out *o)
{
    struct piece p = {.seq = ack_seq(c), .flags = TCP_RST | TCP_ACK};
    struct tcp_header h = header_of(e, c, p.seq, p.flags);
    c->flags &= ~F_RST_NOW;
    e->stats.segments_out++;
    output_finish(e, c, segment_write(out.data, &h), &p, out, o);
    conn_collect(e, c);
    return true;
}

/* SYN, SYN-ACK. */
static bool output_syn(struct tcp_engine *e, struct tcp_conn *c, struct span out, struct tcp_out *o)
{
    bool active = c->state == TCP_STATE_SYN_SENT;
    if ((c->flags & F_SYN_NOW) == 0) {
        if ((c->flags & F_ACK_NOW) == 0 || active) {
            return false;
        }
        return output_ack(e, c, c->snd_max, out, o);
    }
    struct piece p = {.seq = c->snd_una,
                      .flags = (uint8_t)((active ? TCP_SYN : TCP_SYN | TCP_ACK) | ecn_syn(e, c, active))};
    struct tcp_header h = header_of(e, c, p.seq, p.flags);
    uint32_t cap = e->cfg.receive_bytes_max;
    h.window = (uint16_t)(cap < UINT16_MAX ? cap : UINT16_MAX);
    h.mss = conn_mss_ours(e, &c->tuple);
    if (active) {
        h.has_timestamps = !e->cfg.no_timestamps;
    }
    h.sack_permitted = active ? !e->cfg.no_sack : (c->flags & F_SACK_OK) != 0;
    if (active ? !e->cfg.no_window_scale : (c->flags & F_WSCALE) != 0) {
        h.wscale = e->rcv_scale;
    }
    c->flags &= ~(F_SYN_NOW | F_ACK_NOW);
    if (c->snd_max == c->snd_una) {
        c->flags |= F_RTT;
        c->rtt_seq = c->snd_una;
        c->rtt_start_us = (uint32_t)e->now_us;
        c->stall_ms = e->now_ms;
    } else {
        c->flags = (c->flags & ~F_RTT) | F_SYN_AGAIN;
        e->stats.retransmits++;
    }
    c->snd_nxt = c->snd_max = c->snd_una + 1;
    if ((c->flags & F_RTX) == 0) {
        timer_rtx(e, c, conn_rto_ms(e, c));
    }
    e->stats.segments_out++;
    return output_finish(e, c, segment_write(out.data, &h), &p, out, o);
}

static uint32_t min3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* The segment at snd_una again: whole, but one byte even when the window has shut since. */
static void choose_again(struct tcp_conn *c, struct piece *p)
{
    uint32_t wnd = c->snd_wnd > 0 ? c->snd_wnd : 1;
    c->flags &= ~F_RESEND;
    p->seq = c->snd_una;
    p->len = min3(c->send.len, c->mss, wnd);
    if (p->len == c->send.len && (c->flags & F_FIN_QUEUED) != 0 && p->len < wnd) {
        p->flags |= TCP_FIN;
    }
}

/*
 * The first bytes that are lost, if the window has room for them (RFC 6675 5, (C)) or they are to go whatever
 * it says. The peer may have shrunk its window: one byte at snd_una goes all the same.
 */
static bool choose_lost(const struct tcp_engine *e, struct tcp_conn *c, const struct board *b,
                        struct piece *p)
{
    uint32_t i = 0;
    while (i < b->count && (b->ranges[i].state & RANGE_LOST) == 0) {
        i++;
    }
    uint32_t start = board_start(c, b, i), offset = start - c->snd_una;
    uint32_t space = b->ranges[i].end - start;
    uint32_t wnd = c->snd_wnd > offset ? c->snd_wnd - offset : offset == 0;
    uint32_t left = c->send.len > offset ? c->send.len - offset : 0;
    bool held = b->frto == 2 || conn_pipe(e, c) + (space < c->mss ? space : c->mss) > c->cwnd;
    if (held && !b->force) {
        return false;
    }
    p->seq = start;
    p->len = min3(space < left ? space : left, c->mss, wnd);
    if (p->len == left && space > left && p->len < wnd) {
        p->flags |= TCP_FIN;
    }
    return p->len > 0 || (p->flags & TCP_FIN) != 0;
}

/* A tail loss probe: new data, else the last segment once more (RFC 8985 7.3). False: it has become needless.
 */
static bool choose_tail(struct tcp_engine *e, struct tcp_conn *c, struct board *b, struct piece *p)
{
    c->flags &= ~F_PROBE;
    c->flags2 &= (uint8_t)~F2_TLP_NOW;
    uint32_t flight = c->snd_max - c->snd_una;
    if (flight == 0 || flight > c->snd_wnd || b->sacked > 0 || b->lost > 0) {
        return false;
    }
    uint32_t avail = c->send.len > flight ? c->send.len - flight : 0;
    uint32_t len = avail < c->mss ? avail : c->mss;
    bool again = len == 0 || len > c->snd_wnd - flight;
    if (again) {
        bool fin = flight > c->send.len;
        uint32_t bytes = fin ? c->send.len : flight;
        p->len = bytes < c->mss ? bytes : c->mss;
        p->seq = c->snd_una + bytes - p->len;
        p->flags |= fin ? TCP_FIN : 0;
    } else {
        p->seq = c->snd_max;
        p->len = len;
    }
    rack_probe_sent(e, c, b, p->seq + p->len + ((p->flags & TCP_FIN) != 0), again);
    return true;
}

enum choice { CHOICE_MADE, CHOICE_NEXT, CHOICE_NOTHING };

/* What goes before new data: a tail loss probe, then what is lost. */
static __attribute__((noinline)) enum choice choose_repair(struct tcp_engine *e, struct tcp_conn *c,
                                                           struct piece *p)
{
    struct board *b = board_of(e, c);
    if (b == NULL) {
        choose_again(c, p);
        return p->len > 0 || (p->flags & TCP_FIN) != 0 ? CHOICE_MADE : CHOICE_NOTHING;
    }
    if ((c->flags2 & F2_TLP_NOW) != 0 && choose_tail(e, c, b, p)) {
        return CHOICE_MADE;
    }
    if ((c->flags & F_RESEND) != 0 && choose_lost(e, c, b, p)) {
        return CHOICE_MADE;
    }
    return b->lost == 0 || b->frto == 2 ? CHOICE_NEXT : CHOICE_NOTHING;
}

/*
 * The next segment, if the windows let one out that is worth sending: a full one, or all there is (there is
 * no Nagle delay), or half of the largest window seen (RFC 1122 4.2.3.4).
 */
static bool choose_next(struct tcp_engine *e, struct tcp_conn *c, struct piece *p)
{
    uint32_t offset = c->snd_nxt - c->snd_una;
    bool fin = (c->flags & F_FIN_QUEUED) != 0;
    if (offset > c->send.len || (offset == c->send.len && !fin)) {
        c->flags &= ~F_PROBE;
        return false;
    }
    congestion_idle(e, c);
    if (c->mss_top != 0) {
        pmtu_idle(e, c);
    }
    uint32_t cwnd = c->cwnd, pipe = (c->flags & F_BOARD) != 0 ? conn_pipe(e, c) : offset;
    if ((c->flags & F_RECOVERY) == 0 && c->dupacks > 0) {
        cwnd += (c->dupacks < 2u ? c->dupacks : 2u) * c->mss; /* limited transmit (RFC 3042) */
    }
    uint32_t avail = c->send.len - offset;
    uint32_t by_cwnd = cwnd > pipe ? cwnd - pipe : 0;
    uint32_t by_wnd = c->snd_wnd > offset ? c->snd_wnd - offset : 0;
    if (avail > by_cwnd) {
        c->flags |= F_LIMITED;
    }
    p->seq = c->snd_nxt;
    p->len = min3(avail, by_cwnd < by_wnd ? by_cwnd : by_wnd, c->mss);
    fin = fin && p->len == avail && p->len < by_wnd;
    bool worth = p->len > 0 && (p->len == c->mss || p->len == avail || p->len >= c->wnd_max / 2);
    if (!worth && !fin && (c->flags & F_PROBE) != 0) {
        p->len = p->len > 0 ? p->len : avail > 0;
        fin = avail == 0;
        worth = true;
    }
    c->flags &= ~F_PROBE;
    if (fin) {
        p->flags |= TCP_FIN;
    }
    if (!worth && !fin && c->snd_una == c->snd_max && (c->flags & F_RTX) == 0) {
        c->flags |= F_PERSIST;
        c->stall_ms = e->now_ms;
        timer_rtx(e, c, conn_rto_ms(e, c));
    }
    if (__builtin_expect(avail > WAX_PACE_BURST_BYTES, 0) && worth) {
        return pace_take(e, c, p->len);
    }
    return worth || fin;
}

/* The segment is about to go: sequence variables, timers, RTT (RFC 6298 3, 5.1). */
static void output_account(struct tcp_engine *e, struct tcp_conn *c, const struct piece *p, bool probe)
{
    uint32_t end = p->seq + p->len + ((p->flags & TCP_FIN) != 0);
    if (seq_lt(p->seq, c->snd_max)) {
        c->flags &= ~F_RTT; /* Karn */
        e->stats.retransmits += !probe;
    } else if ((c->flags & (F_RTT | F_TIMEOUT)) == 0 && !probe) {
        c->flags |= F_RTT;
        c->rtt_seq = p->seq;
        c->rtt_start_us = (uint32_t)e->now_us;
    }
    e->stats.probes += probe;
    if (seq_lt(c->snd_max, end)) {
        e->stats.bytes_out += end - c->snd_max - ((p->flags & TCP_FIN) != 0);
    }
    if (c->snd_una == c->snd_max && !probe) {
        c->stall_ms = e->now_ms;
    }
    uint32_t flight = c->snd_max - c->snd_una;
    if ((c->flags & F_BOARD) != 0) {
        recovery_sent(e, c, board_of(e, c), p->seq, end);
    }
    c->snd_max = seq_max(c->snd_max, end);
    if (!probe) {
        c->snd_nxt = seq_max(c->snd_nxt, end);
        c->flags &= ~F_PERSIST;
    }
    c->sent_us = (uint32_t)e->now_us;
    /* A probe's timer is shorter from the second segment on. */
    bool sooner = (c->flags2 & F2_PTO) != 0 && flight <= c->mss && c->snd_max - c->snd_una > c->mss;
    if ((c->flags & F_RTX) == 0 || sooner) {
        rack_timer(e, c);
    }
}

static bool output_data(struct tcp_engine *e, struct tcp_conn *c, struct span out, struct tcp_out *o)
{
    struct piece p = {.flags = TCP_ACK};
    /* A probe leaves snd_nxt where it is: its byte is sent again with the rest when the window opens. */
    bool probe = (c->flags & (F_PROBE | F_PERSIST)) == (F_PROBE | F_PERSIST);
    enum choice choice = CHOICE_NEXT;
    if ((c->flags & (F_BOARD | F_RESEND)) != 0) {
        choice = choose_repair(e, c, &p);
        probe = false;
    }
    if (choice == CHOICE_NOTHING || (choice == CHOICE_NEXT && !choose_next(e, c, &p))) {
        return false;
    }
    if (p.len > 0 && p.seq + p.len == c->snd_una + c->send.len) {
        p.flags |= TCP_PSH;
    }
    if ((c->flags2 & F2_ECN) != 0 && p.len > 0 && !probe && !seq_lt(p.seq, c->snd_max)) {
        p.ecn = TCP_ECN_ECT0; /* new data alone (RFC 3168 6.1.4 to 6.1.6) */
        p.flags |= c->ecn_cwr != 0 ? TCP_CWR : 0;
        c->ecn_cwr = 0;
    }
    output_account(e, c, &p, probe);
    return output_segment(e, c, &p, out, o);
}

/* What is to be sent first. */
static bool output_next(struct tcp_engine *e, struct tcp_conn *c, struct span out, struct tcp_out *o)
{
    if (c->state <= TCP_STATE_CLOSED) {
        return (c->flags & F_RST_NOW) != 0 && output_reset(e, c, out, o);
    }
    if (!conn_synchronized(c)) {
        return output_syn(e, c, out, o);
    }
    if (c->dupacks_owed > 0) {
        c->dupacks_owed--;
        return output_ack(e, c, ack_seq(c), out, o);
    }
    if ((conn_unsent(c) || (c->flags & F_PROBE) != 0) && output_data(e, c, out, o)) {
        return true;
    }
    if ((c->flags & F_ACK_NOW) != 0) {
        return output_ack(e, c, ack_seq(c), out, o);
    }
    if ((c->flags & F_KEEPALIVE) != 0) {
        c->flags &= ~F_KEEPALIVE;
        e->stats.probes++;
        return output_ack(e, c, c->snd_una - 1, out, o); /* RFC 1122 4.2.3.6 */
    }
    return false;
}

bool tcp_output(struct tcp_engine *e, uint32_t id, uint64_t now_us, struct span out, struct tcp_out *o)
{
    engine_clock(e, now_us);
    struct tcp_conn *c = conn_at(e, id);
    bool traced = conn_traced(c); /* the slot is free behind a RST */
    bool built = output_next(e, c, out, o);
    if (traced && built) {
        trace_out(e, c, view_of(out.data, o->len));
    }
    return built;
}
