/* SPDX-License-Identifier: BSD-3-Clause */
/* What was received: TCP's bytes become records, a request, and a WebSocket's stream. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/proxy.h"
#include "conn/state.h"
#include "http/reply.h"
#include "http/upgrade.h"

static bool conn_reads(const struct conn *conn)
{
    return (conn->state == CONN_PROXY || conn->state == CONN_HTTP || conn->state == CONN_WS ||
            conn->state == CONN_MEDIA) &&
           !(conn->flags & CONN_PAUSED);
}

static bool conn_is_over(const struct conn *conn)
{
    return conn->state == CONN_CLOSING || conn->state == CONN_GONE || conn->state == CONN_FREE;
}

/* ---- HTTP ---- */

static bool conn_secure(const struct stack *stack, uint32_t id)
{
    return (stack->conns[id].flags & CONN_TLS) != 0;
}

void conn_refuse(struct stack *stack, uint32_t id, enum wax_status status, const struct http_asked *asked)
{
    uint8_t reply[HTTP_REPLY_BYTES_MAX];
    size_t len = 0;
    struct http_asked whole = *asked;
    whole.secure = conn_secure(stack, id);
    metrics_count(stack->metrics, status);
    http_reply_status(span_of(reply, sizeof reply), status, &whole, &len);
    if (conn_queue(stack, id, view_of(reply, len)))
        conn_shut(stack, id);
    else
        conn_abort(stack, id, WAX_NO_MEMORY);
}

static void http_serve(struct stack *stack, uint32_t id, const struct http_request *request)
{
    uint8_t reply[HTTP_REPLY_BYTES_MAX];
    size_t len = 0;
    if (request->place == HTTP_PLACE_MEDIA) {
        media_request(stack, id, request);
        return;
    }
    struct http_asked asked = {.head = request->method == HTTP_HEAD, .secure = conn_secure(stack, id)};
    enum wax_status status = http_request_check(request);
    if (status != WAX_OK) {
        conn_refuse(stack, id, status, &asked);
        return;
    }
    bool upgrade = request->place == HTTP_PLACE_RELAY;
    if (upgrade)
        http_upgrade_reply(span_of(reply, sizeof reply), request, &len);
    else
        http_reply_status(span_of(reply, sizeof reply), WAX_OK, &asked, &len);
    if (!conn_queue(stack, id, view_of(reply, len))) {
        conn_abort(stack, id, WAX_NO_MEMORY);
        return;
    }
    bool has_body = request->chunked || request->content_length > 0;
    if (upgrade)
        conn_begin_session(stack, id);
    else if (request->keep_alive && !has_body)
        conn_begin_http(stack, id);
    else
        conn_shut(stack, id);
}

/* The head of a request has to lie in one piece. Returns how many bytes of it were used: all or none. */
static size_t http_receive(struct stack *stack, uint32_t id, struct view bytes)
{
    struct http_request request = {0};
    enum wax_status status = http_request_parse(bytes, &request);
    if (status == WAX_MORE)
        return 0;
    if (status != WAX_OK) {
        conn_refuse(stack, id, status, &(struct http_asked){0});
        return bytes.len;
    }
    http_serve(stack, id, &request);
    return request.consumed;
}

/* ---- the PROXY protocol ---- */

/* Who the client is; without a word to one who doesn't say it properly. Returns how many bytes were used. */
static size_t proxy_receive(struct stack *stack, uint32_t id, struct view bytes)
{
    struct conn *conn = &stack->conns[id];
    struct proxy_header header;
    enum wax_status status = proxy_parse(bytes, &header);
    if (status == WAX_MORE)
        return 0;
    if (status != WAX_OK) {
        conn_abort(stack, id, status);
        return bytes.len;
    }
    if (header.known) {
        conn->flags |= CONN_PROXIED;
        conn->client = (struct conn_client){.address = header.client, .port = header.port};
        status = tcp_client_take(stack->tcp, &header.client, &conn->client.counted);
    }
    if (status != WAX_OK) {
        conn_abort(stack, id, WAX_PROXY_REFUSED); /* TCP has counted which limit it is */
        return bytes.len;
    }
    conn_begin_http(stack, id);
    return header.bytes;
}

/* ---- plaintext ---- */

static size_t plain_take_some(struct stack *stack, uint32_t id, struct span bytes)
{
    switch ((enum conn_state)stack->conns[id].state) {
    case CONN_WS:
        return conn_messages(stack, id, bytes);
    case CONN_PROXY:
        return proxy_receive(stack, id, view_of(bytes.data, bytes.len));
    case CONN_MEDIA:
        return media_body(stack, id, view_of(bytes.data, bytes.len));
    default:
        return http_receive(stack, id, view_of(bytes.data, bytes.len));
    }
}

static size_t plain_take(struct stack *stack, uint32_t id, struct span bytes)
{
    const struct conn *conn = &stack->conns[id];
    size_t used = 0;
    while (used < bytes.len && conn_reads(conn)) {
        struct span rest = span_of(bytes.data + used, bytes.len - used);
        size_t taken = plain_take_some(stack, id, rest);
        if (taken == 0)
            break;
        used += taken;
    }
    return conn_is_over(conn) ? bytes.len : used;
}

static void plain_used(struct stack *stack, struct conn *conn, size_t used)
{
    if (conn->backlog == 0)
        return; /* the connection was aborted meanwhile */
    struct fifo *plain = &conn_backlog(stack, conn)->plain;
    fifo_consume(&stack->blocks, plain, used < plain->len ? used : plain->len);
    conn_backlog_rest(stack, conn);
}

/* Work off what was kept; a request's head is gathered, since it has to lie in one piece. */
static void plain_resume(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    while (conn->backlog != 0 && conn_reads(conn)) {
        const struct fifo *plain = &conn_backlog_look(stack, conn)->plain;
        if (plain->len == 0)
            return;
        struct span piece = fifo_peek_span(&stack->blocks, plain);
        if ((conn->state == CONN_HTTP || conn->state == CONN_PROXY) && piece.len < plain->len) {
            struct span room = span_of(stack->request, sizeof stack->request);
            piece = span_of(room.data, fifo_copy(&stack->blocks, plain, 0, room));
        }
        size_t used = plain_take(stack, id, piece);
        if (used == 0)
            return;
        plain_used(stack, conn, used);
    }
}

/* Plaintext that has just come. All of it is used, or kept in `plain`. */
static void plain_receive(struct stack *stack, uint32_t id, struct span bytes)
{
    struct conn *conn = &stack->conns[id];
    size_t used = conn_backlog_look(stack, conn)->plain.len == 0 ? plain_take(stack, id, bytes) : 0;
    if (used == bytes.len || conn_is_over(conn))
        return;
    struct view rest = view_of(bytes.data + used, bytes.len - used);
    if ((conn->backlog == 0 && stack->blocks.free_count == 0) ||
        fifo_append(&stack->blocks, &conn_backlog(stack, conn)->plain, rest) != WAX_OK) {
        conn_abort(stack, id, WAX_TCP_BLOCKS_EMPTY);
        return;
    }
    plain_resume(stack, id);
}

/* ---- records ---- */

/*
 * Where tls_input may write: without room for an answer and an alert behind it, there is none for the answer,
 * which then waits for the next flush.
 */
static struct span record_answer(const struct stack *stack, uint32_t id, uint8_t out[TLS_OUT_BYTES])
{
    uint32_t room = tcp_send_room(stack->tcp, id);
    if (room >= TLS_OUT_BYTES)
        return span_of(out, TLS_OUT_BYTES);
    return span_of(out, room < TLS_ALERT_BYTES ? room : TLS_ALERT_BYTES);
}

/* An error of its records ends a connection: its alert was the last word, what waits is never said. */
static void record_fail(struct stack *stack, uint32_t id, enum wax_status status)
{
    metrics_count(stack->metrics, status);
    fifo_clear(&stack->blocks, &stack->conns[id].out);
    conn_shut(stack, id);
}

/* Open one record at the head of `bytes`. Returns what it took, 0 when it is not whole. */
static size_t record_receive(struct stack *stack, uint32_t id, struct span bytes)
{
    struct conn *conn = &stack->conns[id];
    uint8_t out[TLS_OUT_BYTES];
    struct tls_event event = {0};
    enum wax_status status =
        tls_input(&conn->tls, bytes, record_answer(stack, id, out), stack->now_us, &event);
    if (event.out_len > 0 && tcp_write(stack->tcp, id, view_of(out, event.out_len)) != WAX_OK) {
        conn_abort(stack, id, WAX_NO_MEMORY);
        return bytes.len;
    }
    if (status == WAX_MORE)
        return 0;
    if (status == WAX_TLS_CLOSE_NOTIFY) {
        conn_peer_fin(stack, id);
        return bytes.len;
    }
    if (status != WAX_OK) {
        record_fail(stack, id, status);
        return bytes.len;
    }
    if (event.data.len > 0)
        plain_receive(stack, id, event.data);
    return event.consumed;
}

size_t conn_receive(struct stack *stack, uint32_t id, struct span bytes)
{
    struct conn *conn = &stack->conns[id];
    if (conn_is_over(conn))
        return bytes.len;
    if (!conn_reads(conn))
        return 0;
    if (conn->state == CONN_WS)
        session_heard(&conn->session, stack->now_us);
    if (!(conn->flags & CONN_TLS)) {
        plain_receive(stack, id, bytes);
        return bytes.len;
    }
    size_t used = 0;
    while (used < bytes.len && conn_reads(conn)) {
        size_t taken = record_receive(stack, id, span_of(bytes.data + used, bytes.len - used));
        if (taken == 0)
            break;
        used += taken;
    }
    return conn_is_over(conn) ? bytes.len : used;
}

/* The next stretch of the receive queue in one piece: a whole record, or as much as there is. */
static struct span received_piece(struct stack *stack, const struct conn *conn, const struct fifo *received)
{
    struct span first = fifo_peek_span(&stack->blocks, received);
    size_t need = first.len;
    if (conn->flags & CONN_TLS) {
        uint8_t head[WAX_TLS_HEADER_BYTES];
        size_t have = fifo_copy(&stack->blocks, received, 0, span_of(head, sizeof head));
        if (tls_record_length(view_of(head, have), &need) != WAX_OK)
            need = have;
    }
    if (first.len >= need)
        return first;
    assert(need <= sizeof stack->record);
    return span_of(stack->record, fifo_copy(&stack->blocks, received, 0, span_of(stack->record, need)));
}

void conn_resume(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->state == CONN_SHAKE) {
        conn_shake(stack, id);
        return;
    }
    if (conn->state == CONN_WS)
        conn_retry_parked(stack, id);
    plain_resume(stack, id);
    while (conn_reads(conn) || conn->state == CONN_CLOSING) {
        const struct fifo *received = tcp_received(stack->tcp, id);
        if (received->len == 0)
            break;
        size_t used = conn_receive(stack, id, received_piece(stack, conn, received));
        if (conn->state == CONN_FREE || conn->state == CONN_GONE)
            return;
        if (used == 0)
            break;
        tcp_consume(stack->tcp, id, used, stack->now_us);
    }
    if (conn->state == CONN_MEDIA && conn->flags & CONN_PEER_FIN)
        media_fin(stack, id);
}
