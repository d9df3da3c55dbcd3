/* SPDX-License-Identifier: BSD-3-Clause */
/* Uploads: a body, piece by piece as control gives credit, so that TCP's window closes when control is
 * behind. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/media.h"
#include "conn/state.h"
#include "http/reply.h"
#include "http/writer.h"

#define RECORD_BYTES  (sizeof(struct channel_media_piece) + 8u) /* of a piece's record, without the piece */
#define CREATED_BYTES 160u

static void pause(struct stack *stack, uint32_t id)
{
    stack->conns[id].flags |= CONN_PAUSED;
}

static void go_on(struct stack *stack, uint32_t id)
{
    stack->conns[id].flags &= (uint16_t)~CONN_PAUSED;
    conn_resume_soon(stack, id);
}

/* The body is whole: control makes it durable, then says so. */
static void body_end(struct stack *stack, struct transfer *transfer)
{
    transfer->state = TRANSFER_END;
    pause(stack, transfer->conn);
    if (media_reserve(stack, transfer, CHANNEL_MEDIA_END, sizeof(struct channel_media_mark)) == NULL)
        return;
    stack->env.relay.control_publish(stack->env.relay.ctx);
    transfer->state = TRANSFER_ENDED;
}

/* How much of the body may be read now; 0: credit or room has to come first. */
static size_t body_most(struct stack *stack, struct transfer *transfer, size_t len)
{
    size_t most = len < WAX_MEDIA_PIECE_BYTES ? len : WAX_MEDIA_PIECE_BYTES;
    most = most < transfer->credit ? most : transfer->credit;
    if (most != 0 && stack->env.media_room(stack->env.ctx) < most + RECORD_BYTES) {
        media_wait(stack, transfer);
        return 0;
    }
    return most;
}

static void body_piece(struct stack *stack, struct transfer *transfer, struct view data)
{
    struct channel_media_piece *piece =
        media_reserve(stack, transfer, CHANNEL_MEDIA_PIECE, sizeof *piece + data.len);
    assert(piece != NULL); /* there was room for as much */
    memcpy(piece->bytes, data.data, data.len);
    stack->env.relay.control_publish(stack->env.relay.ctx);
    transfer->credit -= (uint32_t)data.len;
    stack->metrics->media_in_bytes += data.len;
}

size_t media_body(struct stack *stack, uint32_t id, struct view bytes)
{
    struct transfer *transfer = media_of(stack, id);
    size_t used = 0;
    while (used < bytes.len) {
        struct view data;
        size_t taken = 0, most = body_most(stack, transfer, bytes.len - used);
        if (most == 0) {
            pause(stack, id);
            break;
        }
        enum wax_status status =
            http_body_read(&transfer->body, view_of(bytes.data + used, most), &taken, &data);
        used += taken;
        media_moved(stack, transfer, transfer->moved + taken);
        if (data.len != 0)
            body_piece(stack, transfer, data);
        if (status == WAX_OK) {
            body_end(stack, transfer);
            break;
        }
        if (status != WAX_MORE) {
            media_refuse(stack, id, status, true);
            break;
        }
    }
    return used;
}

void media_upload_go(struct stack *stack, uint32_t id)
{
    struct transfer *transfer = media_of(stack, id);
    if (transfer->state == TRANSFER_END)
        body_end(stack, transfer);
    else
        go_on(stack, id);
}

void media_upload_opened(struct stack *stack, uint32_t id, const struct channel_media_answer *answer)
{
    static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct transfer *transfer = media_of(stack, id);
    transfer->credit = answer->credit;
    transfer->state = TRANSFER_BODY;
    if (http_body_is_over(&transfer->body)) {
        body_end(stack, transfer);
        return;
    }
    if (transfer->expects_continue && transfer->minor >= 1 &&
        !conn_queue(stack, id, view_of(proceed, sizeof proceed - 1u))) {
        conn_abort(stack, id, WAX_NO_MEMORY);
        return;
    }
    go_on(stack, id);
}

void media_upload_done(struct stack *stack, uint32_t id, const struct channel_media_answer *answer)
{
    struct transfer *transfer = media_of(stack, id);
    char json[CREATED_BYTES], location[CREATED_BYTES], text[HTTP_MEDIA_ID_CHARACTERS];
    struct http_writer body = {.out = span_of(json, sizeof json)};
    struct http_writer fields = {.out = span_of(location, sizeof location)};
    if (answer->status != WAX_OK) {
        enum wax_status why =
            answer->status < WAX_STATUS_COUNT ? (enum wax_status)answer->status : WAX_MEDIA_IO;
        media_refuse(stack, id, why, false);
        return;
    }
    http_media_id_write(transfer->id, text);
    http_put_text(&body, "{\"id\":\"");
    http_put(&body, text, sizeof text);
    http_put_text(&body, "\",\"size\":");
    http_put_number(&body, answer->bytes);
    http_put_text(&body, ",\"expires\":");
    http_put_number(&body, answer->expires_s);
    http_put_text(&body, "}\n");
    http_put_text(&fields, "Location: /v1/media/");
    http_put(&fields, text, sizeof text);
    http_put_text(&fields, "\r\n");
    struct http_reply reply = {.code = 201,
                               .content_type = "application/json",
                               .fields = http_written(&fields),
                               .body = http_written(&body)};
    stack->metrics->media_uploads++;
    if (media_reply(stack, id, &reply))
        media_written(stack, id);
}
