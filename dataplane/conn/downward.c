/* SPDX-License-Identifier: BSD-3-Clause */
/* What is to be sent: frames gather in `out`, and are sealed into as few records as hold them. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"

void conn_mark(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->flags & CONN_DIRTY)
        return;
    conn->flags |= CONN_DIRTY;
    stack->dirty[stack->dirty_count++] = id;
}

/* A small frame is written at once into the contiguous room of one block. */
static bool frame_small(struct stack *stack, uint32_t id, const struct view *pieces, uint32_t count,
                        size_t len)
{
    struct conn *conn = &stack->conns[id];
    size_t header = ws_header_bytes(len, false);
    struct span room = fifo_reserve(&stack->blocks, &conn->out, header + len);
    if (room.len == 0)
        return false;
    uint8_t *at = room.data + ws_encode_header(room, WS_FIN | WS_BINARY, len, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (pieces[i].len != 0)
            memcpy(at, pieces[i].data, pieces[i].len);
        at += pieces[i].len;
    }
    fifo_commit(&stack->blocks, &conn->out, header + len);
    return true;
}

static bool frame_large(struct stack *stack, uint32_t id, const struct view *pieces, uint32_t count,
                        size_t len)
{
    struct conn *conn = &stack->conns[id];
    uint8_t header[WAX_WS_HEADER_BYTES_MAX];
    size_t header_len = ws_encode_header(span_of(header, sizeof header), WS_FIN | WS_BINARY, len, NULL);
    /* A block for what each piece leaves of one: no frame may end half written. */
    size_t blocks = len / FIFO_BLOCK_DATA_BYTES + 2u;
    if (stack->blocks.free_count < blocks)
        return false;
    enum wax_status status = fifo_append(&stack->blocks, &conn->out, view_of(header, header_len));
    for (uint32_t i = 0; i < count && status == WAX_OK; i++)
        status = fifo_append(&stack->blocks, &conn->out, pieces[i]);
    assert(status == WAX_OK);
    return true;
}

bool conn_frame(struct stack *stack, uint32_t id, const struct view *pieces, uint32_t count)
{
    struct conn *conn = &stack->conns[id];
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++)
        len += pieces[i].len;
    assert(len <= WAX_FRAME_BYTES_MAX);
    if (conn->state != CONN_WS || conn->flags & CONN_SHUT)
        return true; /* nobody reads it any more */
    if (conn->out.len + len > WAX_CONN_SEND_BYTES_MAX)
        return false;
    bool written = len + WAX_WS_HEADER_BYTES_MAX <= FIFO_BLOCK_DATA_BYTES
                       ? frame_small(stack, id, pieces, count, len)
                       : frame_large(stack, id, pieces, count, len);
    if (!written)
        metrics_count(stack->metrics, WAX_TCP_BLOCKS_EMPTY);
    conn_mark(stack, id);
    return written;
}

bool conn_queue(struct stack *stack, uint32_t id, struct view bytes)
{
    struct conn *conn = &stack->conns[id];
    /* Who asks and never reads the answers would have every block in the end. */
    if (conn->out.len + bytes.len > WAX_CONN_SEND_BYTES_MAX)
        return false;
    if (fifo_append(&stack->blocks, &conn->out, bytes) != WAX_OK) {
        metrics_count(stack->metrics, WAX_TCP_BLOCKS_EMPTY);
        return false;
    }
    conn_mark(stack, id);
    return true;
}

/*
 * The largest plaintext of the first record of a flush. Nothing can be read of a record before its last
 * segment is there: so what sets out on an idle path begins with one that fits the first segment, and each is
 * twice as long as the one before; what joins bytes under way fills whole records.
 */
static size_t record_first(struct stack *stack, uint32_t id)
{
    if (tcp_unacked(stack->tcp, id) != 0)
        return WAX_TLS_PLAINTEXT_BYTES_MAX;
    uint32_t mss = tcp_mss(stack->tcp, id);
    return mss > 2u * TLS_OVERHEAD_BYTES ? mss - TLS_OVERHEAD_BYTES : TLS_OVERHEAD_BYTES;
}

static size_t record_next(size_t most)
{
    size_t next = 2u * most + TLS_OVERHEAD_BYTES; /* together with its overhead a whole number of segments */
    return next < WAX_TLS_PLAINTEXT_BYTES_MAX ? next : WAX_TLS_PLAINTEXT_BYTES_MAX;
}

/* What one record takes: a contiguous piece, or one gathered from several blocks. */
static struct view flush_piece(struct stack *stack, struct conn *conn, size_t most)
{
    struct view piece = fifo_peek(&stack->blocks, &conn->out);
    if (!(conn->flags & CONN_TLS))
        return piece;
    if (piece.len >= most)
        return view_of(piece.data, most);
    if (piece.len == conn->out.len)
        return piece;
    return view_of(stack->gather, fifo_copy(&stack->blocks, &conn->out, 0, span_of(stack->gather, most)));
}

static enum wax_status flush_record(struct stack *stack, uint32_t id, struct view piece)
{
    struct conn *conn = &stack->conns[id];
    size_t need = piece.len + TLS_OVERHEAD_BYTES, len = 0;
    struct span record = span_of(stack->record, sizeof stack->record);
    bool in_place = need <= FIFO_BLOCK_DATA_BYTES;
    if (in_place) {
        record = tcp_reserve(stack->tcp, id, need);
        if (record.len == 0)
            return WAX_NO_MEMORY;
    }
    enum wax_status status = tls_seal(&conn->tls.tx, TLS_APPLICATION_DATA, piece, record, &len);
    if (in_place)
        tcp_commit(stack->tcp, id, status == WAX_OK ? len : 0);
    else if (status == WAX_OK)
        status = tcp_write(stack->tcp, id, view_of(record.data, len));
    return status;
}

/* Our KeyUpdate, when one is due, goes before the next record. */
static enum wax_status flush_answer(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    uint8_t answer[TLS_OUT_BYTES];
    size_t len = 0;
    if (!tls_answer_due(&conn->tls))
        return WAX_OK;
    enum wax_status status = tls_answer(&conn->tls, span_of(answer, sizeof answer), &len);
    return status != WAX_OK ? status : tcp_write(stack->tcp, id, view_of(answer, len));
}

/* Move `out` into TCP as far as its send queue has room; what is left goes when the peer acknowledges. */
static enum wax_status flush_out(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    size_t most = record_first(stack, id);
    for (; conn->out.len > 0; most = record_next(most)) {
        struct view piece = flush_piece(stack, conn, most);
        /* Room for a KeyUpdate before it, and for an alert behind it that may come at any time. */
        if (tcp_send_room(stack->tcp, id) < piece.len + TLS_OVERHEAD_BYTES + TLS_OUT_BYTES)
            return WAX_OK;
        enum wax_status status = WAX_OK;
        if (conn->flags & CONN_TLS) {
            status = flush_answer(stack, id);
            if (status == WAX_OK)
                status = flush_record(stack, id, piece);
        } else {
            status = tcp_write(stack->tcp, id, piece);
        }
        if (status != WAX_OK)
            return status;
        fifo_consume(&stack->blocks, &conn->out, piece.len);
    }
    return WAX_OK;
}

/* Everything has been written: close_notify, FIN. */
static void flush_shut(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    uint8_t alert[TLS_OUT_BYTES];
    size_t len = 0;
    if (conn->flags & CONN_SEALED &&
        tls_close(&conn->tls, WAX_OK, span_of(alert, sizeof alert), &len) == WAX_OK)
        (void)tcp_write(stack->tcp, id, view_of(alert, len)); /* without it the peer sees FIN alone */
    conn->flags |= CONN_SHUT;
    tcp_close(stack->tcp, id, stack->now_us);
}

void conn_flush(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    assert(conn->flags & CONN_DIRTY);
    conn->flags &= (uint16_t)~CONN_DIRTY;
    if (conn->state == CONN_CLOSING)
        conn_end_session(stack, id);
    if (conn->state == CONN_FREE || conn->state == CONN_GONE || conn->flags & CONN_SHUT)
        return;
    enum wax_status status = flush_out(stack, id);
    if (status != WAX_OK) {
        conn_abort(stack, id, status);
        return;
    }
    if (conn->out.len > 0)
        return;
    if (conn->state == CONN_WS && session_wants_mark(&conn->session))
        session_mark(&conn->session, tcp_written(stack->tcp, id));
    if (conn->flags & CONN_SHUT_DUE)
        flush_shut(stack, id);
}
