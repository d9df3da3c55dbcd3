/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that arrive, in the order of steps of RFC 9293 3.10.7, behind a fast path. */
#include "tcp/engine.h"

#define PAWS_IDLE_S  (24u * 86400u) /* RFC 7323 5.5: after so long ts_recent says nothing */
#define RCV_MSS_MIN  88u            /* floor of the estimate that delayed ACKs go by */
#define DUPACKS_OWED 64u            /* ACKs for out-of-order segments that one turn sends at most */

void input_challenge(struct tcp_engine *e, struct tcp_conn *c)
{
    /* Throttled for each connection by itself: a common limit could be read from outside (RFC 5961 7). */
    if (e->now_ms - c->challenge_ms < e->cfg.challenge_ms) {
        return;
    }
    c->challenge_ms = e->now_ms;
    c->flags |= F_ACK_NOW;
    e->stats.challenge_acks++;
    conn_ready(e, c);
}

/* In-order bytes were taken: acknowledge every second full segment, or later (RFC 5681 4.2). */
static void ack_data(struct tcp_engine *e, struct tcp_conn *c, size_t len)
{
    if (len > c->rcv_mss) {
        c->rcv_mss = (uint16_t)(len < e->cfg.mss ? len : e->cfg.mss); /* RMSS at most */
    }
    uint32_t full = c->rcv_mss > RCV_MSS_MIN ? c->rcv_mss : RCV_MSS_MIN;
    if (c->rcv_nxt - c->ack_sent >= 2 * full || conn_rcv_wnd(c) < full) {
        ack_soon(e, c);
    } else if ((c->flags & F_ACK_DELAYED) == 0) {
        timer_ack(e, c, e->cfg.delayed_ack_ms);
    }
}

/* RFC 7323 4.3 (2): remember the timestamp of the segment that spans the last ACK sent. */
static void ts_update(struct tcp_conn *c, const struct tcp_segment *s)
{
    if ((c->flags & F_TS) != 0 && s->has_timestamps && seq_le(c->ts_recent, s->tsval) &&
        seq_le(s->seq, c->ack_sent)) {
        c->ts_recent = s->tsval;
    }
}

/* The user is gone: what comes now nobody will read (RFC 9293 3.6.1, RFC 1122 4.2.2.13). */
static void input_orphan(struct tcp_engine *e, struct tcp_conn *c, struct tcp_result *r)
{
    r->status = engine_count(e, WAX_TCP_CLOSED);
    tcp_abort(e, conn_id(e, c));
}

/*
 * Header prediction: the next in-order segment of an established connection without anything unusual, which
 * acknowledges or carries data or both. False: nothing was done.
 */
static bool input_fast(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                       struct tcp_result *r)
{
    const uint32_t unusual = F_RECOVERY | F_TIMEOUT | F_PERSIST | F_FIN_SEEN | F_FIN_QUEUED | F_BOARD;
    if (c->state != TCP_STATE_ESTABLISHED || s->seq != c->rcv_nxt || (c->flags & unusual) != 0 ||
        (s->flags & ~TCP_PSH) != TCP_ACK || s->ecn == TCP_ECN_CE ||
        ((c->flags & F_TS) != 0 && (!s->has_timestamps || seq_lt(s->tsval, c->ts_recent)))) {
        return false;
    }
    bool acks = seq_lt(c->snd_una, s->ack);
    size_t len = s->payload.len;
    if (seq_lt(c->snd_max, s->ack) || seq_lt(s->ack, c->snd_una) || (!acks && len == 0) || c->dupacks != 0 ||
        s->sack.len != 0 ||
        (len != 0 && (len > conn_rcv_wnd(c) || c->ooo_head != 0 || c->receive.len != 0))) {
        return false;
    }
    e->stats.fast_path_in++;
    c->heard_s = e->now_s;
    ts_update(c, s);
    ack_window(e, c, s, (uint32_t)s->window << c->snd_scale);
    if (acks) {
        ack_advance(e, c, s, r);
    }
    if (conn_unsent(c)) {
        conn_ready(e, c);
    }
    if (len != 0) {
        c->rcv_nxt += (uint32_t)len;
        e->stats.bytes_in += len;
        r->data = s->payload;
        c->events |= TCP_EV_DATA;
        ack_data(e, c, len);
    }
    return true;
}

/* RFC 9293 3.10.7.3: an answer to our SYN. */
static void input_syn_sent(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                           struct tcp_result *r)
{
    bool acked = (s->flags & TCP_ACK) != 0;
    if (acked && (s->ack != c->snd_una + 1 || c->snd_max == c->snd_una)) {
        r->status = engine_count(e, WAX_TCP_BAD_ACK);
        r->reply_len = (uint8_t)segment_reset(s, e->cfg.checksum_offload, r->reply);
        return;
    }
    if ((s->flags & TCP_RST) != 0) {
        if (acked) {
            r->status = engine_count(e, WAX_TCP_RESET);
            conn_close(e, c, WAX_TCP_RESET);
        } else {
            r->status = engine_count(e, WAX_TCP_BAD_RST);
        }
        return;
    }
    if ((s->flags & TCP_SYN) == 0) {
        r->status = engine_count(e, WAX_TCP_NO_CONNECTION);
        return;
    }
    conn_options(e, c, s);
    c->heard_s = e->now_s;
    if (acked) {
        /* Bytes or FIN on the SYN-ACK are left for the peer to send again. */
        conn_established(e, c, s);
        ack_soon(e, c);
        return;
    }
    conn_state(e, c, TCP_STATE_SYN_RECEIVED); /* simultaneous open (RFC 9293 3.5, figure 7) */
    c->flags |= F_SYN_NOW;
    conn_ready(e, c);
}

/* First step: is any of it inside the window (RFC 9293 3.10.7.4)? A shut window still lets ACK and RST in. */
static bool acceptable(const struct tcp_conn *c, const struct tcp_segment *s)
{
    uint32_t wnd = conn_rcv_wnd(c);
    uint32_t space = segment_space(s);
    if (wnd == 0) {
        return s->seq == c->rcv_nxt;
    }
    uint32_t first = s->seq - c->rcv_nxt;
    uint32_t last = s->seq + space - 1 - c->rcv_nxt;
    return first < wnd || (space > 0 && last < wnd);
}

/* RFC 7323 5.3 R1. */
bool input_paws(const struct tcp_engine *e, const struct tcp_conn *c, const struct tcp_segment *s)
{
    return (c->flags & F_TS) != 0 && s->has_timestamps && seq_lt(s->tsval, c->ts_recent) &&
           (s->flags & TCP_RST) == 0 && e->now_s - c->heard_s < PAWS_IDLE_S;
}

/* A segment that is old or strange is answered by an ACK, which tells a sound peer where we are. */
void input_dubious(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s)
{
    if (s->payload.len > 0 && (s->flags & TCP_SYN) == 0) {
        uint32_t end = s->seq + (uint32_t)s->payload.len;
        sack_duplicate(e, c, s->seq, seq_lt(end, c->rcv_nxt) ? end : c->rcv_nxt);
        ack_soon(e, c); /* never throttled: a retransmission means that our ACK was lost */
    } else {
        input_challenge(e, c);
    }
}

/* Steps 1 to 4: window, timestamps, RST, SYN. False: the segment is done with. */
static bool input_checks(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                         struct tcp_result *r)
{
    if (c->state == TCP_STATE_SYN_RECEIVED && (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
        s->seq == c->rcv_nxt - 1) {
        c->flags |= F_SYN_NOW | F_SYN_AGAIN; /* our SYN-ACK was lost */
        ts_update(c, s);
        conn_ready(e, c);
        return false;
    }
    if ((c->flags & F_TS) != 0 && !s->has_timestamps && (s->flags & (TCP_RST | TCP_SYN)) == 0) {
        r->status = engine_count(e, WAX_TCP_NO_TIMESTAMP);
        return false;
    }
    if (input_paws(e, c, s)) {
        r->status = engine_count(e, WAX_TCP_PAWS);
        input_dubious(e, c, s);
        return false;
    }
    if (!acceptable(c, s)) {
        r->status = engine_count(e, WAX_TCP_OUT_OF_WINDOW);
        if ((s->flags & TCP_RST) == 0) {
            input_dubious(e, c, s);
        }
        return false;
    }
    if ((s->flags & TCP_RST) != 0) {
        if (s->seq == c->rcv_nxt) { /* RFC 5961 3.2 */
            r->status = engine_count(e, WAX_TCP_RESET);
            conn_close(e, c, WAX_TCP_RESET);
        } else {
            r->status = engine_count(e, WAX_TCP_BAD_RST);
            input_challenge(e, c);
        }
        return false;
    }
    if ((s->flags & TCP_SYN) != 0) { /* RFC 5961 4.2 */
        r->status = engine_count(e, WAX_TCP_BAD_SYN);
        input_challenge(e, c);
        return false;
    }
    c->heard_s = e->now_s;
    c->probes = 0;
    ts_update(c, s);
    return true;
}

/* Step 5: the ACK field. False: the segment is done with. */
static bool input_ack(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                      struct tcp_result *r)
{
    if ((s->flags & TCP_ACK) == 0) {
        r->status = engine_count(e, WAX_TCP_NO_ACK);
        return false;
    }
    if (c->state == TCP_STATE_SYN_RECEIVED) {
        return input_handshake(e, c, s, r);
    }
    /* RFC 5961 5.2 */
    if (seq_lt(c->snd_max, s->ack) || seq_lt(s->ack, c->snd_una - c->wnd_max)) {
        r->status = engine_count(e, WAX_TCP_BAD_ACK);
        input_challenge(e, c);
        return false;
    }
    ack_take(e, c, s, r);
    if ((c->flags & F_FIN_ACKED) == 0) {
        return true;
    }
    switch (c->state) {
    case TCP_STATE_FIN_WAIT_1:
        conn_state(e, c, TCP_STATE_FIN_WAIT_2);
        if (e->cfg.fin_wait_2_ms != UINT32_MAX) {
            timer_life(e, c, e->cfg.fin_wait_2_ms);
        }
        return true;
    case TCP_STATE_CLOSING:
        conn_time_wait(e, c);
        return false;
    case TCP_STATE_LAST_ACK:
        conn_close(e, c, WAX_OK);
        return false;
    default:
        return true;
    }
}

/* The part of the segment that is new and inside the window. */
struct part {
    uint32_t seq;
    struct view data;
    bool fin;
};

static struct part segment_trim(const struct tcp_conn *c, const struct tcp_segment *s)
{
    struct part p = {s->seq, s->payload, (s->flags & TCP_FIN) != 0};
    uint32_t old = c->rcv_nxt - p.seq;
    if (seq_lt(p.seq, c->rcv_nxt)) {
        if (old > p.data.len) {
            p.data.len = 0;
            p.fin = false;
        } else {
            p.data = view_of(p.data.data + old, p.data.len - old);
        }
        p.seq = c->rcv_nxt;
    }
    uint32_t edge = c->rcv_edge;
    if ((c->flags & F_FIN_SEEN) != 0 && seq_lt(c->rcv_fin, edge)) {
        edge = c->rcv_fin; /* nothing can follow the FIN */
    }
    uint32_t room = seq_lt(p.seq, edge) ? edge - p.seq : 0;
    if (p.data.len > room) {
        p.data.len = room;
        p.fin = false;
    }
    return p;
}

/* In-order bytes: into the user's hands, or behind those that wait for it. */
static void deliver(struct tcp_engine *e, struct tcp_conn *c, struct view data, struct tcp_result *r)
{
    bool waits = c->receive.len != 0 || c->ooo_head != 0;
    if (waits && fifo_append(e->env.blocks, &c->receive, data) != WAX_OK) {
        r->status = engine_count(e, WAX_TCP_BLOCKS_EMPTY);
        ack_soon(e, c);
        /* What came out of order makes room for what is in order (RFC 2018 8): else connections that hold a
         * piece each could wait for one another's blocks for ever. */
        reassembly_clear(e, c);
        waits = c->receive.len != 0;
        if (waits && fifo_append(e->env.blocks, &c->receive, data) != WAX_OK) {
            return;
        }
    }
    if (!waits) {
        r->data = data;
    }
    c->events |= TCP_EV_DATA;
    c->rcv_nxt += (uint32_t)data.len;
    e->stats.bytes_in += data.len;
    c->dupacks_owed = 0;
    if (c->ooo_head != 0) {
        reassembly_pull(e, c);
        ack_soon(e, c); /* RFC 5681 4.2: at once when a gap is filled */
    }
    ack_data(e, c, data.len);
}

/* Step 8: the peer's FIN, once everything before it is there. */
static void input_fin(struct tcp_engine *e, struct tcp_conn *c)
{
    c->flags |= F_FIN_TAKEN;
    c->rcv_nxt++;
    c->rcv_edge = seq_max(c->rcv_edge, c->rcv_nxt);
    c->events |= TCP_EV_FIN;
    c->dupacks_owed = 0;
    reassembly_clear(e, c);
    ack_soon(e, c);
    switch (c->state) {
    case TCP_STATE_ESTABLISHED:
        conn_state(e, c, TCP_STATE_CLOSE_WAIT);
        break;
    case TCP_STATE_FIN_WAIT_1:
        conn_state(e, c, TCP_STATE_CLOSING);
        break;
    case TCP_STATE_FIN_WAIT_2:
        conn_time_wait(e, c);
        break;
    default:
        assert(false);
    }
}

/* Steps 6 to 8. Urgent data is ordinary data (RFC 9293 3.8.5, RFC 6093). */
static void input_data(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                       struct tcp_result *r)
{
    if (c->state != TCP_STATE_ESTABLISHED && c->state != TCP_STATE_FIN_WAIT_1 &&
        c->state != TCP_STATE_FIN_WAIT_2) {
        if (segment_space(s) > 0) {
            ack_soon(e, c);
        }
        return;
    }
    if (segment_space(s) == 0) {
        return;
    }
    struct part p = segment_trim(c, s);
    if (seq_lt(s->seq, c->rcv_nxt) && s->payload.len > 0) {
        sack_duplicate(e, c, s->seq, p.seq);
    }
    if (p.fin && (c->flags & F_FIN_SEEN) == 0) {
        c->flags |= F_FIN_SEEN;
        c->rcv_fin = p.seq + (uint32_t)p.data.len;
    }
    if (p.data.len > 0 && (c->flags & F_USER) == 0) {
        input_orphan(e, c, r);
        return;
    }
    if (p.data.len > 0 && p.seq == c->rcv_nxt) {
        deliver(e, c, p.data, r);
    } else if (p.data.len > 0 || p.seq != c->rcv_nxt) {
        if (p.data.len > 0) {
            enum wax_status status = reassembly_insert(e, c, p.seq, p.data);
            r->status = status == WAX_OK ? WAX_OK : engine_count(e, status);
        }
        c->dupacks_owed = (uint8_t)(c->dupacks_owed < DUPACKS_OWED ? c->dupacks_owed + 1u : DUPACKS_OWED);
        conn_ready(e, c);
    } else if (!p.fin) {
        ack_soon(e, c); /* all of it was old, or beyond a shut window */
    }
    if ((c->flags & (F_FIN_SEEN | F_FIN_TAKEN)) == F_FIN_SEEN && c->rcv_nxt == c->rcv_fin) {
        input_fin(e, c);
    }
}

static void input_steps(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                        struct tcp_result *r)
{
    if (!input_checks(e, c, s, r) || !input_ack(e, c, s, r)) {
        return;
    }
    if ((c->flags2 & F2_ECN) != 0) {
        ecn_in(e, c, s);
    }
    input_data(e, c, s, r);
}

void input_dispatch(struct tcp_engine *e, uint32_t id, const struct tcp_segment *s, struct tcp_result *r)
{
    if (id == TCP_NONE) {
        if (!input_unknown(e, s, r)) {
            return;
        }
        id = r->id;
    }
    struct tcp_conn *c = conn_at(e, id);
    if (!input_fast(e, c, s, r)) {
        switch (c->state) {
        case TCP_STATE_SYN_SENT:
            input_syn_sent(e, c, s, r);
            break;
        case TCP_STATE_TIME_WAIT:
            if (input_time_wait(e, c, s, r)) {
                id = r->id;
                input_steps(e, conn_at(e, id), s, r);
            }
            break;
        default:
            input_steps(e, c, s, r);
            break;
        }
    }
    if (r->id == id) {
        r->events = tcp_take_events(e, id);
    }
}

void tcp_input(struct tcp_engine *e, uint32_t id, const struct tcp_segment *s, uint64_t now_us,
               struct tcp_result *r)
{
    engine_clock(e, now_us);
    e->stats.segments_in++;
    r->events = 0;
    r->acked_bytes = 0;
    r->data = view_of(NULL, 0);
    r->status = WAX_OK;
    r->reply_len = 0;
    /* The id may be stale: an earlier segment of the burst, or its user, may have ended the connection. */
    if (id == TCP_NONE || (conn_at(e, id)->flags & F_FLOW) == 0 ||
        memcmp(&conn_at(e, id)->tuple, &s->tuple, sizeof s->tuple) != 0) {
        id = engine_find(e, engine_hash(e, &s->tuple), &s->tuple);
    }
    r->id = id;
    if (__builtin_expect(e->trace.on != 0, 0)) {
        trace_input(e, id, s, r);
        return;
    }
    input_dispatch(e, id, s, r);
}
