/* SPDX-License-Identifier: BSD-3-Clause */
/* What holds for the engine's state after every event, and when all is over. */
#include "play.h"

static const char *sequence_wrong(const struct tcp_conn *c)
{
    if (seq_lt(c->snd_nxt, c->snd_una) || seq_lt(c->snd_max, c->snd_nxt)) {
        return "SND.UNA, SND.NXT and the highest sent are out of order";
    }
    if (seq_lt(c->rcv_edge, c->rcv_nxt) && conn_synchronized(c)) {
        return "RCV.NXT is beyond the window that was offered";
    }
    if (conn_synchronized(c) && c->state != TCP_STATE_TIME_WAIT &&
        c->snd_max - c->snd_una > c->send.len + 1) {
        return "more is unacknowledged than was written";
    }
    return NULL;
}

/* Each deadline that is set has the wheel's timer armed at or before it. */
static const char *timers_wrong(const struct tcp_engine *e, const struct tcp_conn *c)
{
    const struct {
        uint32_t flag, at;
    } deadlines[] = {{F_RTX, c->rtx_at}, {F_ACK_DELAYED, c->ack_at}, {F_LIFE, c->life_at}};
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        if ((c->flags & deadlines[i].flag) == 0) {
            continue;
        }
        if (!timer_armed(&c->timer)) {
            return "a deadline is set and no timer is armed";
        }
        int32_t ahead = (int32_t)(deadlines[i].at - e->now_ms);
        if (ahead >= 0 && c->timer.deadline_us > e->now_us + ((uint64_t)ahead + 1) * 1000) {
            return "the timer is armed behind its deadline";
        }
    }
    bool flying = conn_synchronized(c) && c->state != TCP_STATE_TIME_WAIT && c->snd_una != c->snd_max;
    if (flying && (c->flags & (F_RTX | F_READY)) == 0) {
        return "something is unacknowledged and no retransmission timer runs (RFC 6298 5.1)";
    }
    return NULL;
}

/* Pieces that nobody can pull any more would stay for ever. */
static const char *reassembly_wrong(const struct tcp_engine *e, const struct tcp_conn *c)
{
    if (c->ooo_head != 0 && reassembly_count(e, c) == 0) {
        return "the list of out-of-order pieces disagrees with its count";
    }
    if (c->ooo_head != 0 && (c->flags & F_FIN_TAKEN) != 0) {
        return "out-of-order pieces are kept behind the FIN";
    }
    return NULL;
}

bool audit_check(struct play *p)
{
    const struct tcp_engine *e = p->engine;
    uint32_t conns = 0, half_open = 0, time_wait = 0;
    for (uint32_t id = 0; id < e->cfg.conns_max; id++) {
        const struct tcp_conn *c = conn_at(e, id);
        if (c->state == TCP_STATE_FREE) {
            continue;
        }
        conns++;
        half_open += (c->flags & F_HALF_OPEN) != 0;
        time_wait += c->state == TCP_STATE_TIME_WAIT;
        if (c->state == TCP_STATE_CLOSED) {
            if (timer_armed(&c->timer) || (c->flags & F_FLOW) != 0 || c->send.len != 0) {
                return play_fail(p, "connection %u is closed and still holds a timer, a flow or bytes", id);
            }
            continue;
        }
        const char *wrong = sequence_wrong(c);
        wrong = wrong != NULL ? wrong : timers_wrong(e, c);
        wrong = wrong != NULL ? wrong : reassembly_wrong(e, c);
        if (wrong != NULL) {
            return play_fail(p, "the engine's state is unsound (connection %u, at %.3f ms): %s", id,
                             play_ms(p, p->now_us), wrong);
        }
    }
    if (e->stats.segments_in != p->injected || e->stats.segments_out != p->built) {
        return play_fail(p, "the engine counts %llu segments in and %llu out; there were %llu and %llu",
                         (unsigned long long)e->stats.segments_in, (unsigned long long)e->stats.segments_out,
                         (unsigned long long)p->injected, (unsigned long long)p->built);
    }
    if (conns != e->stats.conns || half_open != e->stats.half_open || time_wait != e->stats.time_wait) {
        return play_fail(
            p, "the engine miscounts: %u connections, %u half-open, %u in TIME-WAIT; there are %u, %u, %u",
            e->stats.conns, e->stats.half_open, e->stats.time_wait, conns, half_open, time_wait);
    }
    return true;
}

bool audit_end(struct play *p)
{
    const struct tcp_stats *s = tcp_stats(p->engine);
    if (s->conns != 0 || s->half_open != 0 || s->time_wait != 0) {
        return play_fail(p, "at the end %u connections are left, %u half-open, %u in TIME-WAIT", s->conns,
                         s->half_open, s->time_wait);
    }
    if (p->blocks.free_count != p->blocks.count) {
        return play_fail(p, "at the end %u blocks are lost", p->blocks.count - p->blocks.free_count);
    }
    if (p->engine->wheel.armed != 0) {
        return play_fail(p, "at the end %u timers are armed", (unsigned)p->engine->wheel.armed);
    }
    return true;
}
