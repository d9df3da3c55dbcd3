/* SPDX-License-Identifier: BSD-3-Clause */
/* WebSocket messages become frames of the session; SENDs that must wait are parked, in order. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"

#define PARKED_LENGTH_BYTES 4u

/* Keep a SEND for later. Beyond the bound nothing more is read, so that what is kept stays bounded. */
static void frame_park(struct stack *stack, uint32_t id, struct view frame)
{
    struct conn *conn = &stack->conns[id];
    uint8_t length[PARKED_LENGTH_BYTES];
    store_be32(length, (uint32_t)frame.len);
    size_t blocks = frame.len / FIFO_BLOCK_DATA_BYTES + 2u;
    if (stack->blocks.free_count < blocks) {
        conn_abort(stack, id, WAX_TCP_BLOCKS_EMPTY);
        return;
    }
    struct fifo *parked = &conn_backlog(stack, conn)->parked;
    enum wax_status status = fifo_append(&stack->blocks, parked, view_of(length, sizeof length));
    if (status == WAX_OK)
        status = fifo_append(&stack->blocks, parked, frame);
    assert(status == WAX_OK);
    if (parked->len > WAX_CONN_PARKED_BYTES_MAX)
        conn->flags |= CONN_PAUSED;
}

static bool frame_is_send(struct view frame)
{
    int type = frame_type(frame);
    return type == WIRE_SEND || type == WIRE_SEND_MULTI;
}

static void frame_take(struct stack *stack, uint32_t id, struct view frame)
{
    struct conn *conn = &stack->conns[id];
    if (conn->backlog != 0 && frame_is_send(frame) && conn_backlog_look(stack, conn)->parked.len > 0) {
        frame_park(stack, id, frame);
        return;
    }
    enum wax_status status = session_frame(&conn->session, &stack->session_env, frame, stack->now_us);
    if (status == WAX_SESSION_WINDOW)
        conn->flags |= CONN_PAUSED;
    if (status == WAX_SESSION_WINDOW || status == WAX_FULL)
        frame_park(stack, id, frame);
    else if (status != WAX_OK)
        metrics_count(stack->metrics, status);
}

/* The first parked frame, in one piece; empty when it would only be refused again. */
static struct view parked_first(struct stack *stack, struct session *session, const struct fifo *parked)
{
    uint8_t head[PARKED_LENGTH_BYTES + 1];
    size_t got = fifo_copy(&stack->blocks, parked, 0, span_of(head, sizeof head));
    assert(got == sizeof head);
    size_t len = load_be32(head);
    assert(len > 0 && len <= WAX_FRAME_BYTES_MAX);
    if (!session_may_retry(session, &stack->session_env, head[PARKED_LENGTH_BYTES], len))
        return view_of(NULL, 0);
    got = fifo_copy(&stack->blocks, parked, PARKED_LENGTH_BYTES, span_of(stack->frame_in, len));
    assert(got == len);
    return view_of(stack->frame_in, len);
}

void conn_retry_parked(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    while (conn_backlog_look(stack, conn)->parked.len > 0 && conn->state == CONN_WS) {
        struct view frame = parked_first(stack, &conn->session, &conn_backlog_look(stack, conn)->parked);
        if (frame.len == 0)
            break;
        enum wax_status status = session_frame(&conn->session, &stack->session_env, frame, stack->now_us);
        if (status == WAX_FULL || status == WAX_SESSION_WINDOW)
            break;
        if (status != WAX_OK)
            metrics_count(stack->metrics, status);
        if (conn->backlog == 0)
            return; /* the connection was aborted meanwhile */
        struct fifo *parked = &conn_backlog(stack, conn)->parked;
        fifo_consume(&stack->blocks, parked, PARKED_LENGTH_BYTES + frame.len);
        if (parked->len <= WAX_CONN_PARKED_BYTES_MAX / 2)
            conn->flags &= (uint16_t)~CONN_PAUSED;
        conn_backlog_rest(stack, conn);
    }
    if (conn_backlog_look(stack, conn)->parked.len == 0)
        conn->flags &= (uint16_t)~CONN_PAUSED;
}

static void control_take(struct stack *stack, uint32_t id, const struct ws_event *event)
{
    uint8_t frame[WAX_WS_HEADER_BYTES_MAX + WAX_WS_CONTROL_BYTES_MAX];
    if (event->opcode == WS_PING) {
        struct view payload = view_of(event->data.data, event->data.len);
        size_t len = ws_encode_control(span_of(frame, sizeof frame), WS_PONG, payload, NULL);
        if (!conn_queue(stack, id, view_of(frame, len)))
            conn_abort(stack, id, WAX_NO_MEMORY);
    } else if (event->opcode == WS_CLOSE) {
        conn_close_ws(stack, id, event->close_code == 1005 ? 0 : event->close_code);
    } /* a pong: that it came is all that counts */
}

/* A message that comes in pieces is gathered in blocks until it is whole. */
static void piece_take(struct stack *stack, uint32_t id, const struct ws_event *event)
{
    struct conn *conn = &stack->conns[id];
    struct view piece = view_of(event->data.data, event->data.len);
    if (event->first && event->last) {
        frame_take(stack, id, piece);
        return;
    }
    struct fifo *message = NULL;
    if (conn->backlog != 0 || stack->blocks.free_count > 0)
        message = &conn_backlog(stack, conn)->message;
    if (message == NULL || fifo_append(&stack->blocks, message, piece) != WAX_OK) {
        conn_abort(stack, id, WAX_TCP_BLOCKS_EMPTY);
        return;
    }
    if (!event->last)
        return;
    assert(message->len <= WAX_FRAME_BYTES_MAX);
    size_t len = fifo_copy(&stack->blocks, message, 0, span_of(stack->frame_in, WAX_FRAME_BYTES_MAX));
    fifo_clear(&stack->blocks, message);
    conn_backlog_rest(stack, conn);
    frame_take(stack, id, view_of(stack->frame_in, len));
}

/* A control frame that is split over inputs is gathered in a block that is lent to the decoder. */
static bool control_lend(struct stack *stack, struct conn *conn)
{
    conn->ws.control = pool_take(&stack->blocks);
    return conn->ws.control != NULL;
}

static void control_take_back(struct stack *stack, struct conn *conn)
{
    if (conn->ws.control == NULL || ws_holds_control(&conn->ws))
        return;
    pool_give(&stack->blocks, conn->ws.control);
    conn->ws.control = NULL;
}

size_t conn_messages(struct stack *stack, uint32_t id, struct span bytes)
{
    struct conn *conn = &stack->conns[id];
    size_t used = 0;
    while (used < bytes.len && conn->state == CONN_WS && !(conn->flags & CONN_PAUSED)) {
        struct ws_event event = {0};
        enum wax_status status = ws_decode(&conn->ws, span_of(bytes.data + used, bytes.len - used), &event);
        used += event.consumed;
        if (status == WAX_MORE)
            return bytes.len;
        if (status == WAX_FULL) {
            if (!control_lend(stack, conn))
                conn_abort(stack, id, WAX_TCP_BLOCKS_EMPTY);
            continue;
        }
        if (status != WAX_OK) {
            metrics_count(stack->metrics, status);
            conn_close_ws(stack, id, ws_close_code(status));
            return bytes.len;
        }
        if (event.opcode == WS_BINARY)
            piece_take(stack, id, &event);
        else if (event.opcode != WS_CONTINUATION)
            control_take(stack, id, &event);
        if (conn->state == CONN_WS)
            control_take_back(stack, conn);
    }
    return used;
}
