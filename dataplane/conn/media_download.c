/* SPDX-License-Identifier: BSD-3-Clause */
/* Downloads: control reads as the client's TCP acknowledges, so that a slow reader holds a window and no
 * more. */
#include "conn/conn.h"
#include "conn/media.h"
#include "conn/state.h"
#include "http/range.h"
#include "http/reply.h"
#include "http/writer.h"

#define FIELDS_BYTES 224u
#define STEPS        4u /* of a window: credit is given for one at least */

/*
 * What a download may have under way. It earns its window as its client acknowledges, so that who reads
 * nothing has little; and beyond the least of windows all of them together stay within their part of the
 * blocks.
 */
static uint64_t window_of(const struct stack *stack, const struct transfer *transfer)
{
    uint64_t all = (uint64_t)stack->blocks.count * WAX_BLOCK_BYTES / WAX_MEDIA_BLOCKS_PART;
    uint64_t others = stack->downloads_held - transfer->held;
    uint64_t window = all / (stack->downloads != 0 ? stack->downloads : 1u);
    window = window < transfer->window ? window : transfer->window;
    if (others + window > all)
        window = others < all ? all - others : 0;
    return window > WAX_MEDIA_WINDOW_BYTES_MIN ? window : WAX_MEDIA_WINDOW_BYTES_MIN;
}

/* Note what is under way, and what the client has acknowledged since the last time. */
static void held_note(struct stack *stack, uint32_t id, struct transfer *transfer)
{
    uint32_t held = stack->conns[id].out.len + tcp_unacked(stack->tcp, id) + transfer->credit;
    if (held < transfer->held) {
        uint32_t earned = transfer->window + (transfer->held - held);
        transfer->window = earned < WAX_MEDIA_WINDOW_BYTES_MAX ? earned : WAX_MEDIA_WINDOW_BYTES_MAX;
    }
    stack->downloads_held = stack->downloads_held - transfer->held + held;
    transfer->held = held;
}

static bool read_tell(struct stack *stack, struct transfer *transfer)
{
    struct channel_media_read *read = media_reserve(stack, transfer, CHANNEL_MEDIA_READ, sizeof *read);
    if (read == NULL)
        return false;
    read->offset = transfer->offset;
    read->bytes = transfer->bytes;
    stack->env.relay.control_publish(stack->env.relay.ctx);
    transfer->state = TRANSFER_STREAM;
    return true;
}

void media_download_go(struct stack *stack, uint32_t id)
{
    struct transfer *transfer = media_of(stack, id);
    if (transfer->state == TRANSFER_READ && !read_tell(stack, transfer))
        return;
    held_note(stack, id, transfer);
    uint64_t window = window_of(stack, transfer);
    uint64_t wanted = transfer->left - transfer->credit; /* unknown: more than any window */
    uint64_t more = transfer->held < window ? window - transfer->held : 0;
    more = more < wanted ? more : wanted;
    if (more == 0 || (more < window / STEPS && more < wanted))
        return;
    struct channel_media_credit *credit =
        media_reserve(stack, transfer, CHANNEL_MEDIA_CREDIT, sizeof *credit);
    if (credit == NULL)
        return;
    credit->bytes = (uint32_t)more;
    credit->reserved = 0;
    stack->env.relay.control_publish(stack->env.relay.ctx);
    transfer->credit += (uint32_t)more;
    held_note(stack, id, transfer);
}

static int code_of(const struct transfer *transfer, const struct http_range *range)
{
    if (transfer->known)
        return 304;
    return range->partial ? 206 : 200;
}

/* The head of the reply that says what comes; false when the connection is over. */
static bool head_write(struct stack *stack, uint32_t id, uint64_t size, const struct http_range *range)
{
    struct transfer *transfer = media_of(stack, id);
    char out[FIELDS_BYTES], text[HTTP_MEDIA_ID_CHARACTERS];
    struct http_writer fields = {.out = span_of(out, sizeof out)};
    http_media_id_write(transfer->id, text);
    http_put_text(&fields, "ETag: \"");
    http_put(&fields, text, sizeof text);
    http_put_text(&fields, "\"\r\n");
    if (size != CHANNEL_MEDIA_UNKNOWN)
        http_put_text(&fields, "Accept-Ranges: bytes\r\n");
    if (range->partial) {
        http_put_text(&fields, "Content-Range: bytes ");
        http_put_number(&fields, range->first);
        http_put_text(&fields, "-");
        http_put_number(&fields, range->first + range->bytes - 1);
        http_put_text(&fields, "/");
        http_put_number(&fields, size);
        http_put_text(&fields, "\r\n");
    }
    struct http_reply reply = {.code = code_of(transfer, range),
                               .content_type = "application/octet-stream",
                               .fields = http_written(&fields),
                               .stream = true,
                               .length = size == CHANNEL_MEDIA_UNKNOWN ? HTTP_LENGTH_UNKNOWN : range->bytes};
    if (reply.length == HTTP_LENGTH_UNKNOWN && transfer->minor == 0) {
        reply.length = HTTP_LENGTH_NONE; /* HTTP/1.0 knows no chunks: the end of the connection says it */
        transfer->keep_alive = false;
    }
    if (transfer->known)
        reply.length = HTTP_LENGTH_NONE;
    transfer->chunked = reply.length == HTTP_LENGTH_UNKNOWN;
    return media_reply(stack, id, &reply);
}

/* 416 says how long it would be (RFC 9110 15.5.17). */
static void range_refuse(struct stack *stack, uint32_t id, uint64_t size)
{
    char out[FIELDS_BYTES];
    static const char text[] = "416 Range Not Satisfiable\n";
    struct http_writer fields = {.out = span_of(out, sizeof out)};
    http_put_text(&fields, "Content-Range: bytes */");
    http_put_number(&fields, size);
    http_put_text(&fields, "\r\n");
    struct http_reply reply = {
        .code = 416, .fields = http_written(&fields), .body = view_of(text, sizeof text - 1u)};
    struct transfer *transfer = media_of(stack, id);
    metrics_count(stack->metrics, WAX_HTTP_RANGE);
    transfer->keep_alive = false;
    if (!media_reply(stack, id, &reply))
        return;
    media_end(stack, transfer, true);
    conn_shut(stack, id);
}

void media_download_opened(struct stack *stack, uint32_t id, const struct channel_media_answer *answer)
{
    struct transfer *transfer = media_of(stack, id);
    uint64_t size = answer->bytes;
    struct http_range range = {.bytes = size};
    bool ends = transfer->kind == TRANSFER_HEAD || transfer->known; /* control has ended it already */
    if (!ends && size != CHANNEL_MEDIA_UNKNOWN &&
        http_range_parse(view_of(transfer->range, transfer->range_len), size, &range) != WAX_OK) {
        range_refuse(stack, id, size);
        return;
    }
    if (!head_write(stack, id, size, &range))
        return;
    if (ends) {
        media_written(stack, id);
        return;
    }
    transfer->offset = range.first;
    transfer->bytes = transfer->left = range.bytes;
    transfer->window = WAX_MEDIA_WINDOW_BYTES_FIRST;
    transfer->state = TRANSFER_READ;
    media_download_go(stack, id);
}

void media_download_piece(struct stack *stack, uint32_t id, struct view bytes)
{
    struct transfer *transfer = media_of(stack, id);
    char frame[20];
    if (transfer->state != TRANSFER_STREAM || bytes.len > transfer->credit || bytes.len > transfer->left ||
        bytes.len == 0) {
        conn_abort(stack, id, WAX_CHANNEL_CORRUPT);
        return;
    }
    transfer->credit -= (uint32_t)bytes.len;
    if (transfer->left != CHANNEL_MEDIA_UNKNOWN)
        transfer->left -= bytes.len;
    if (stack->conns[id].out.len + tcp_unacked(stack->tcp, id) == 0)
        transfer->alive_us = stack->now_us; /* from here on it is the client's turn */
    stack->metrics->media_out_bytes += bytes.len;
    bool queued = true;
    if (transfer->chunked) {
        struct http_writer size = {.out = span_of(frame, sizeof frame)};
        http_put_hex(&size, bytes.len);
        http_put_text(&size, "\r\n");
        queued = conn_queue(stack, id, http_written(&size));
    }
    queued = queued && conn_queue(stack, id, bytes) &&
             (!transfer->chunked || conn_queue(stack, id, view_of("\r\n", 2)));
    if (!queued)
        conn_abort(stack, id, WAX_NO_MEMORY);
}

void media_download_done(struct stack *stack, uint32_t id, enum wax_status status)
{
    struct transfer *transfer = media_of(stack, id);
    bool whole = transfer->left == 0 || transfer->left == CHANNEL_MEDIA_UNKNOWN;
    if (transfer->state != TRANSFER_STREAM || status != WAX_OK || !whole) {
        transfer->state = TRANSFER_REST;                                 /* at control it is over */
        conn_abort(stack, id, status == WAX_OK ? WAX_MEDIA_IO : status); /* nobody takes it for the whole */
        return;
    }
    if (transfer->chunked && !conn_queue(stack, id, view_of("0\r\n\r\n", 5))) {
        conn_abort(stack, id, WAX_NO_MEMORY);
        return;
    }
    stack->metrics->media_downloads++;
    media_written(stack, id);
}
