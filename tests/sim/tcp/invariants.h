/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold of a connection whenever the engine has returned: for the simulator and the fuzzer.
 */
#ifndef TESTS_TCP_INVARIANTS_H
#define TESTS_TCP_INVARIANTS_H

#include "tcp/engine.h"

/*
 * NULL, or what is wrong with the scoreboard of `c`: ranges without gaps from snd_una to snd_max, sums that
 * are right, so a pipe that is never negative.
 */
static inline const char *tcp_board_fault(const struct tcp_engine *e, const struct tcp_conn *c)
{
    const struct board *b = board_of(e, c);
    if (b == NULL) {
        return NULL;
    }
    uint32_t at = c->snd_una, sacked = 0, lost = 0;
    if (b->count > RANGES_MAX) {
        return "too many ranges";
    }
    for (uint32_t i = 0; i < b->count; i++) {
        const struct range *r = &b->ranges[i];
        if (!seq_lt(at, r->end)) {
            return "an empty or backward range";
        }
        if ((r->state & (RANGE_SACKED | RANGE_LOST)) == (RANGE_SACKED | RANGE_LOST)) {
            return "reported and lost at once";
        }
        sacked += (r->state & RANGE_SACKED) != 0 ? r->end - at : 0;
        lost += (r->state & RANGE_LOST) != 0 ? r->end - at : 0;
        at = r->end;
    }
    if (at != c->snd_max) {
        return "the scoreboard ends elsewhere than what was sent";
    }
    if (sacked != b->sacked || lost != b->lost) {
        return "the scoreboard's sums are wrong";
    }
    if (((c->flags & F_RESEND) != 0) != (lost > 0)) {
        return "F_RESEND disagrees with the scoreboard";
    }
    if (conn_pipe(e, c) > c->snd_max - c->snd_una) {
        return "a negative pipe";
    }
    return c->snd_una == c->snd_max ? "a scoreboard with nothing in flight" : NULL;
}

/*
 * NULL, or what is wrong with connection `id`.
 */
static inline const char *tcp_conn_fault(const struct tcp_engine *e, uint32_t id)
{
    const struct tcp_conn *c = &e->conns[id];
    if (c->state == TCP_STATE_FREE) {
        return NULL;
    }
    bool begun = c->state > TCP_STATE_SYN_SENT;
    uint32_t deadlines = F_RTX | F_ACK_DELAYED | F_LIFE;
    const struct {
        bool holds;
        const char *what;
    } rules[] = {
        {c->send.len <= e->cfg.send_bytes_max, "send queue beyond its bound"},
        {c->receive.len <= e->cfg.receive_bytes_max, "receive queue beyond its bound"},
        {reassembly_count(e, c) <= e->ooo_max, "too many pieces in reassembly"},
        {seq_le(c->snd_una, c->snd_nxt) && seq_le(c->snd_nxt, c->snd_max), "send variables out of order"},
        {!begun || seq_le(c->rcv_nxt, c->rcv_edge), "rcv_nxt beyond the window"},
        {!begun || conn_rcv_wnd(c) <= e->cfg.receive_bytes_max, "window beyond the receive queue's bound"},
        {c->state < TCP_STATE_ESTABLISHED || c->cwnd >= c->mss, "congestion window below a segment"},
        {c->state != TCP_STATE_CLOSED || (c->send.len == 0 && c->ooo_head == 0), "queues after the end"},
        {c->snd_una == c->snd_max || c->state == TCP_STATE_CLOSED || (c->flags & (F_RTX | F_READY)) != 0,
         "in flight without a timer"},
        {c->state == TCP_STATE_CLOSED || (c->flags & deadlines) == 0 || timer_armed(&c->timer),
         "a deadline without a timer"},
        {!c->paced || c->state == TCP_STATE_CLOSED || timer_armed(&c->timer), "paced without a timer"},
        {(c->flags & F_BOARD) == 0 || c->state >= TCP_STATE_ESTABLISHED, "a scoreboard at the wrong time"},
        {(c->flags & F_FIN_TAKEN) == 0 || c->ooo_head == 0, "bytes behind FIN"},
        {c->state == TCP_STATE_CLOSED || (c->flags & (F_USER | F_FIN_QUEUED | F_FIN_ACKED)) != 0 ||
             c->state == TCP_STATE_SYN_RECEIVED,
         "nobody's connection"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (!rules[i].holds) {
            return rules[i].what;
        }
    }
    return tcp_board_fault(e, c);
}

#endif
