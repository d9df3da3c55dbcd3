/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What must hold of an engine as a whole whenever it has returned: everything that was taken is somewhere.
 * It walks over all slots, so it is for now and then.
 */
#ifndef TESTS_TCP_AUDIT_H
#define TESTS_TCP_AUDIT_H

#include "invariants.h"

struct tcp_audit {
    uint32_t conns, half_open, time_wait, flows, timers, blocks, free, ready;
};

static inline uint32_t tcp_audit_fifo(const struct tcp_engine *e, const struct fifo *fifo)
{
    uint32_t n = 0, len = 0;
    for (uint32_t ref = fifo->head; ref != 0; n++) {
        const struct block *b = (const struct block *)pool_at(e->env.blocks, ref - 1);
        len += (uint32_t)b->end - b->start;
        ref = ref == fifo->tail ? 0 : b->next;
    }
    return len == fifo->len ? n : UINT32_MAX / 2;
}

static inline struct tcp_audit tcp_audit_take(const struct tcp_engine *e)
{
    struct tcp_audit a = {0};
    for (uint32_t id = 0; id < e->cfg.conns_max; id++) {
        const struct tcp_conn *c = &e->conns[id];
        if (c->state == TCP_STATE_FREE) {
            continue;
        }
        a.conns++;
        a.half_open += (c->flags & F_HALF_OPEN) != 0;
        a.time_wait += c->state == TCP_STATE_TIME_WAIT;
        a.flows += (c->flags & F_FLOW) != 0;
        a.timers += timer_armed(&c->timer);
        a.blocks += tcp_audit_fifo(e, &c->send) + tcp_audit_fifo(e, &c->receive) + reassembly_count(e, c) +
                    ((c->flags & F_BOARD) != 0);
    }
    for (uint32_t id = e->free_head; id != TCP_NONE && a.free <= e->cfg.conns_max; a.free++) {
        id = e->conns[id].ready_next;
    }
    for (uint32_t id = e->ready_head; id != TCP_NONE && a.ready <= e->cfg.conns_max; a.ready++) {
        id = e->conns[id].ready_next;
    }
    return a;
}

/*
 * NULL, or what is wrong. The pool of blocks must serve this engine alone, with nothing but queues and
 * scoreboards.
 */
static inline const char *tcp_engine_fault(const struct tcp_engine *e)
{
    struct tcp_audit a = tcp_audit_take(e);
    const struct tcp_stats *s = &e->stats;
    const struct {
        bool holds;
        const char *what;
    } rules[] = {
        {a.conns == s->conns && a.conns + a.free == e->cfg.conns_max, "a slot is lost, or in two places"},
        {a.half_open == s->half_open && a.half_open <= e->cfg.half_open_max,
         "half-open connections miscounted"},
        {a.time_wait == s->time_wait, "connections in TIME-WAIT miscounted"},
        {a.flows == e->flows.count, "the flow table and the connections disagree"},
        {a.timers == e->wheel.armed, "the wheel and the connections disagree"},
        {a.blocks == e->env.blocks->count - e->env.blocks->free_count, "a block is lost, or in two places"},
        {a.ready <= a.conns, "the ready list is broken"},
    };
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (!rules[i].holds) {
            return rules[i].what;
        }
    }
    return NULL;
}

#endif
