/* SPDX-License-Identifier: BSD-3-Clause */
/* The beginning and the end of a connection. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"

#define CONN_FROM_SESSION(pointer)                                                                           \
    ((struct conn *)(void *)((uint8_t *)(pointer)-offsetof(struct conn, session)))

void conn_arm(struct stack *stack, struct conn *conn, uint32_t after_ms)
{
    wheel_arm(&stack->wheel, &conn->timer, stack->now_us + (uint64_t)after_ms * 1000u);
}

void conn_open(struct stack *stack, uint32_t id, uint32_t tag)
{
    struct conn *conn = &stack->conns[id];
    assert(conn->state == CONN_FREE && (tag & ~TCP_TAG_BEHIND) < stack->config.config->listener_count);
    uint16_t listed = conn->flags & (CONN_DIRTY | CONN_RESUME); /* this turn's lists may still name the id */
    memset(conn, 0, sizeof *conn);
    conn->flags = listed;
    stack->metrics->connections_opened++;
    stack->metrics->connections_now++;
    const struct config_listener *listener = &stack->config.config->listener[tag & ~TCP_TAG_BEHIND];
    if (listener->tls) {
        conn->flags |= CONN_TLS;
        conn->state = CONN_SHAKE;
        conn_arm(stack, conn, WAX_TLS_TIMEOUT_MS);
    } else if (listener->proxy_protocol) {
        conn->state = CONN_PROXY;
        conn_arm(stack, conn, WAX_PROXY_TIMEOUT_MS);
    } else {
        conn_begin_http(stack, id);
    }
    if (stack->draining || stack->vacate.state == VACATE_ON)
        conn_abort(stack, id, WAX_TCP_CLOSED);
}

void conn_begin_http(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    conn->state = CONN_HTTP;
    conn_arm(stack, conn, WAX_HTTP_TIMEOUT_MS);
}

struct addr conn_client(const struct stack *stack, uint32_t id)
{
    const struct conn *conn = &stack->conns[id];
    return (conn->flags & CONN_PROXIED) != 0 ? conn->client.address : tcp_peer(stack->tcp, id)->peer;
}

void conn_begin_session(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    bool proxied = (conn->flags & CONN_PROXIED) != 0;
    struct addr client = conn_client(stack, id);
    uint16_t client_port = proxied ? conn->client.port : tcp_peer(stack->tcp, id)->peer_port;
    conn->state = CONN_WS;
    conn->flags |= CONN_FRAMES;
    enum wax_status status =
        session_init(&conn->session, &stack->session_env, id, tcp_generation(stack->tcp, id), client.b,
                     client_port, (conn->flags & CONN_TLS) != 0, stack->now_us);
    ws_decoder_init(&conn->ws, WS_SERVER, WAX_FRAME_BYTES_MAX); /* what it needed of `shake` it has */
    if (status != WAX_OK) {
        metrics_count(stack->metrics, status);
        conn_close_ws(stack, id, WIRE_CLOSE_TRY_LATER);
        return;
    }
    conn->flags |= CONN_SESSION;
    wheel_arm(&stack->wheel, &conn->timer, session_deadline_us(&conn->session, &stack->session_env));
}

void conn_end_session(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (!(conn->flags & CONN_SESSION) || conn->flags & CONN_ENDED)
        return;
    conn->flags |= CONN_ENDED;
    if (session_end(&conn->session, &stack->session_env))
        conn->flags &= (uint16_t)~CONN_SESSION;
}

struct backlog *conn_backlog(struct stack *stack, struct conn *conn)
{
    if (conn->backlog == 0) {
        uint32_t index = pool_take_index(&stack->backlogs);
        assert(index != POOL_NONE);
        memset(pool_at(&stack->backlogs, index), 0, sizeof(struct backlog));
        conn->backlog = index + 1u;
    }
    return pool_at(&stack->backlogs, conn->backlog - 1u);
}

const struct backlog *conn_backlog_look(const struct stack *stack, const struct conn *conn)
{
    static const struct backlog none;
    return conn->backlog == 0 ? &none : pool_at(&stack->backlogs, conn->backlog - 1u);
}

void conn_backlog_rest(struct stack *stack, struct conn *conn)
{
    const struct backlog *backlog = conn_backlog_look(stack, conn);
    if (conn->backlog == 0 || backlog->plain.len + backlog->message.len + backlog->parked.len > 0)
        return;
    pool_give_index(&stack->backlogs, conn->backlog - 1u);
    conn->backlog = 0;
}

/* Give back everything but the session. */
static void conn_empty(struct stack *stack, struct conn *conn)
{
    fifo_clear(&stack->blocks, &conn->out);
    if (conn->backlog != 0) {
        struct backlog *backlog = conn_backlog(stack, conn);
        fifo_clear(&stack->blocks, &backlog->plain);
        fifo_clear(&stack->blocks, &backlog->message);
        fifo_clear(&stack->blocks, &backlog->parked);
        conn_backlog_rest(stack, conn);
    }
    wheel_cancel(&stack->wheel, &conn->timer);
    if (conn->flags & CONN_PROXIED)
        tcp_client_give(stack->tcp, &conn->client.address, &conn->client.counted);
    else
        explicit_bzero(&conn->tls, sizeof conn->tls);
    if (!(conn->flags & CONN_FRAMES)) {
        explicit_bzero(conn->shake.binding, sizeof conn->shake.binding);
        return;
    }
    if (conn->ws.control != NULL)
        pool_give(&stack->blocks, conn->ws.control);
    conn->ws.control = NULL;
}

/* The id may be used again only when nobody looks for the session any more. */
static void conn_free_if_done(struct stack *stack, struct conn *conn)
{
    if (conn->state != CONN_GONE || conn->flags & CONN_SESSION)
        return;
    uint32_t id = (uint32_t)(conn - stack->conns);
    conn->state = CONN_FREE;
    tcp_release(stack->tcp, id);
}

void conn_gone(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->state == CONN_FREE || conn->state == CONN_GONE)
        return;
    conn_shake_cancel(stack, id);
    media_cancel(stack, conn);
    conn_end_session(stack, id);
    conn_empty(stack, conn);
    conn->state = CONN_GONE;
    stack->metrics->connections_now--;
    conn_free_if_done(stack, conn);
}

void conn_released(struct stack *stack, struct session *session)
{
    struct conn *conn = CONN_FROM_SESSION(session);
    conn->flags &= (uint16_t)~CONN_SESSION;
    conn_free_if_done(stack, conn);
}

void conn_shut(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->state == CONN_FREE || conn->state == CONN_GONE || conn->flags & CONN_SHUT_DUE)
        return;
    conn_shake_cancel(stack, id);
    media_cancel(stack, conn);
    conn->state = CONN_CLOSING;
    conn->flags |= CONN_SHUT_DUE;
    conn_arm(stack, conn, WAX_CLOSE_TIMEOUT_MS);
    conn_mark(stack, id);
}

void conn_peer_fin(struct stack *stack, uint32_t id)
{
    stack->conns[id].flags |= CONN_PEER_FIN;
    if (stack->conns[id].state == CONN_MEDIA)
        media_fin(stack, id);
    else
        conn_shut(stack, id);
}

void conn_close_ws(struct stack *stack, uint32_t id, uint16_t code)
{
    struct conn *conn = &stack->conns[id];
    uint8_t frame[WAX_WS_HEADER_BYTES_MAX + WAX_WS_CONTROL_BYTES_MAX];
    if (conn->state != CONN_WS)
        return;
    size_t len = ws_encode_close(span_of(frame, sizeof frame), code, view_of(NULL, 0), NULL);
    if (conn_queue(stack, id, view_of(frame, len)))
        conn_shut(stack, id);
    else
        conn_abort(stack, id, WAX_NO_MEMORY);
}

void conn_abort(struct stack *stack, uint32_t id, enum wax_status status)
{
    struct conn *conn = &stack->conns[id];
    if (conn->state == CONN_FREE || conn->state == CONN_GONE)
        return;
    metrics_count(stack->metrics, status);
    conn_shake_cancel(stack, id);
    media_cancel(stack, conn);
    conn_empty(stack, conn);
    conn->state = CONN_CLOSING;
    conn->flags |= CONN_SHUT_DUE | CONN_SHUT;
    tcp_abort(stack->tcp, id);
    conn_mark(stack, id);
}

/* Where a session is open its own deadline counts; it moves later by itself, so this looks before it acts. */
static void conn_tick_session(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->flags & CONN_PAUSED)
        session_heard(&conn->session, stack->now_us); /* we don't read, so we can't complain */
    if (session_deadline_us(&conn->session, &stack->session_env) <= stack->now_us)
        session_tick(&conn->session, &stack->session_env, stack->now_us);
    if (conn->state != CONN_WS)
        return;
    uint64_t next = session_deadline_us(&conn->session, &stack->session_env);
    if (next != UINT64_MAX)
        wheel_arm(&stack->wheel, &conn->timer, next);
}

void conn_tick(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    switch ((enum conn_state)conn->state) {
    case CONN_SHAKE:
        conn_shake_tick(stack, id);
        break;
    case CONN_PROXY:
        conn_abort(stack, id, WAX_PROXY_TIMEOUT);
        break;
    case CONN_HTTP:
        metrics_count(stack->metrics, WAX_HTTP_TIMEOUT);
        conn_shut(stack, id);
        break;
    case CONN_WS:
        conn_tick_session(stack, id);
        break;
    case CONN_MEDIA:
        media_tick(stack, id);
        break;
    case CONN_CLOSING:
        conn_abort(stack, id, WAX_TCP_TIMEOUT);
        break;
    case CONN_FREE:
    case CONN_GONE:
        break;
    }
}
