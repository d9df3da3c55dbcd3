/* SPDX-License-Identifier: BSD-3-Clause */
/* The user's calls on a connection: open, write, read, close. */
#include "tcp/engine.h"

enum wax_status tcp_connect(struct tcp_engine *e, const struct tcp_tuple *tuple, uint32_t tag,
                            uint64_t now_us, uint32_t *id)
{
    engine_clock(e, now_us);
    if (tuple->peer_port == 0 || tuple->local_port == 0) {
        return WAX_BAD_ARGUMENT;
    }
    if (engine_find(e, engine_hash(e, tuple), tuple) != TCP_NONE) {
        return WAX_EXISTS;
    }
    struct tcp_conn *c = conn_new(e, tuple);
    if (c == NULL) {
        return WAX_TCP_CONNS_FULL;
    }
    conn_state(e, c, TCP_STATE_SYN_SENT);
    c->tag = tag;
    c->flags |= F_USER | F_ACTIVE | F_SYN_NOW;
    conn_ready(e, c);
    *id = conn_id(e, c);
    return WAX_OK;
}

/* True in the states in which the user may still write (RFC 9293 3.10.2). */
static bool conn_writable(const struct tcp_conn *c)
{
    return (c->flags & F_FIN_QUEUED) == 0 &&
           (c->state == TCP_STATE_ESTABLISHED || c->state == TCP_STATE_CLOSE_WAIT ||
            c->state == TCP_STATE_SYN_SENT || c->state == TCP_STATE_SYN_RECEIVED);
}

uint32_t tcp_send_room(const struct tcp_engine *e, uint32_t id)
{
    const struct tcp_conn *c = conn_at(e, id);
    if (!conn_writable(c) || c->send.len >= e->cfg.send_bytes_max) {
        return 0;
    }
    return e->cfg.send_bytes_max - c->send.len;
}

enum wax_status tcp_write(struct tcp_engine *e, uint32_t id, struct view bytes)
{
    struct tcp_conn *c = conn_at(e, id);
    if (!conn_writable(c)) {
        return WAX_TCP_CLOSED;
    }
    if (bytes.len > tcp_send_room(e, id)) {
        return WAX_FULL;
    }
    if (fifo_append(e->env.blocks, &c->send, bytes) != WAX_OK) {
        engine_count(e, WAX_TCP_BLOCKS_EMPTY);
        return WAX_NO_MEMORY;
    }
    if (bytes.len > 0) {
        conn_ready(e, c);
    }
    return WAX_OK;
}

struct span tcp_reserve(struct tcp_engine *e, uint32_t id, size_t want)
{
    struct tcp_conn *c = conn_at(e, id);
    uint32_t room = tcp_send_room(e, id);
    if (want == 0 || room < want) {
        return span_of(NULL, 0);
    }
    struct span span = fifo_reserve(e->env.blocks, &c->send, want);
    span.len = span.len < room ? span.len : room;
    return span;
}

void tcp_commit(struct tcp_engine *e, uint32_t id, size_t n)
{
    struct tcp_conn *c = conn_at(e, id);
    fifo_commit(e->env.blocks, &c->send, n);
    if (n > 0) {
        conn_ready(e, c);
    }
}

uint32_t tcp_unacked(const struct tcp_engine *e, uint32_t id)
{
    return conn_at(e, id)->send.len;
}

uint64_t tcp_acked(const struct tcp_engine *e, uint32_t id)
{
    return conn_at(e, id)->acked;
}

uint64_t tcp_written(const struct tcp_engine *e, uint32_t id)
{
    return conn_at(e, id)->acked + conn_at(e, id)->send.len;
}

const struct fifo *tcp_received(const struct tcp_engine *e, uint32_t id)
{
    return &conn_at(e, id)->receive;
}

enum wax_status tcp_keep(struct tcp_engine *e, uint32_t id, struct view bytes)
{
    struct tcp_conn *c = conn_at(e, id);
    if (fifo_append(e->env.blocks, &c->receive, bytes) != WAX_OK) {
        engine_count(e, WAX_TCP_BLOCKS_EMPTY);
        return WAX_NO_MEMORY;
    }
    return WAX_OK;
}

void tcp_consume(struct tcp_engine *e, uint32_t id, size_t n, uint64_t now_us)
{
    engine_clock(e, now_us);
    struct tcp_conn *c = conn_at(e, id);
    fifo_consume(e->env.blocks, &c->receive, n);
    if (!conn_synchronized(c) || (c->flags & F_FIN_TAKEN) != 0) {
        return;
    }
    /* Announce only a step that is worth a segment (RFC 1122 4.2.3.3). */
    uint32_t gain = output_window_edge(e, c) - c->rcv_edge;
    uint32_t step = conn_receive_cap(e, c) / 2;
    uint32_t mss = conn_rcv_wnd(c) < e->cfg.mss ? e->cfg.mss : 2u * e->cfg.mss;
    if (gain > 0 && gain >= (step < mss ? step : mss)) {
        c->flags |= F_ACK_NOW;
        conn_ready(e, c);
    }
}

void tcp_close(struct tcp_engine *e, uint32_t id, uint64_t now_us)
{
    engine_clock(e, now_us);
    struct tcp_conn *c = conn_at(e, id);
    if (!conn_writable(c)) {
        return;
    }
    switch (c->state) {
    case TCP_STATE_SYN_SENT:
        conn_ready(e, c);
        conn_close(e, c, WAX_OK);
        return;
    case TCP_STATE_ESTABLISHED:
        conn_state(e, c, TCP_STATE_FIN_WAIT_1);
        break;
    case TCP_STATE_CLOSE_WAIT:
        conn_state(e, c, TCP_STATE_LAST_ACK);
        break;
    default: /* SYN-RECEIVED: FIN goes out once established */
        break;
    }
    c->flags |= F_FIN_QUEUED;
    conn_ready(e, c);
}
