/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of /v1/media: what they ask for, by whom, and the transfer that begins with one. */
#include "conn/conn.h"
#include "conn/media.h"
#include "conn/state.h"
#include "http/reply.h"
#include "http/writer.h"

#define REPLY_BYTES     1024u
#define FIELDS_BYTES    384u
#define ETAG_CHARACTERS (HTTP_MEDIA_ID_CHARACTERS + 4u) /* W/"…" */

/* Whether If-None-Match names a blob: its ETag is its id (RFC 9110 13.1.2, weak comparison). */
static bool etag_listed(struct view list, const uint8_t id[WAX_MEDIA_ID_BYTES])
{
    char weak[ETAG_CHARACTERS + 1u] = "W/\"";
    if (list.len == 1 && list.data[0] == '*')
        return true;
    http_media_id_write(id, weak + 3);
    weak[ETAG_CHARACTERS - 1u] = '"';
    weak[ETAG_CHARACTERS] = '\0';
    return http_list_has(list, weak) || http_list_has(list, weak + 2);
}

/* Whether a Range is to be looked at: If-Range, when there, is the ETag (RFC 9110 13.1.5, strong comparison).
 */
static bool if_range_holds(struct view value, const uint8_t id[WAX_MEDIA_ID_BYTES])
{
    char etag[HTTP_MEDIA_ID_CHARACTERS + 2u];
    if (value.data == NULL)
        return true;
    etag[0] = etag[sizeof etag - 1u] = '"';
    http_media_id_write(id, etag + 1);
    return value.len == sizeof etag && memcmp(value.data, etag, sizeof etag) == 0;
}

static enum transfer_kind kind_of(const struct http_request *request)
{
    switch ((enum http_method)request->method) {
    case HTTP_PUT:
        return TRANSFER_PUT;
    case HTTP_DELETE:
        return TRANSFER_DELETE;
    case HTTP_HEAD:
        return TRANSFER_HEAD;
    default:
        return TRANSFER_GET;
    }
}

/* Whose token it is; reading needs none. */
static enum wax_status authorize(const struct stack *stack, const struct http_media *media,
                                 struct name *owner)
{
    if (media->token.len == 0)
        return WAX_OK;
    if (stack->tokens.key_count == 0)
        return WAX_MEDIA_AWAY;
    return token_check(&stack->tokens, stack->session_env.mac, TOKEN_MEDIA, media->token, NULL,
                       stack->wall_ms, owner);
}

static enum wax_status transfer_fill(struct stack *stack, const struct http_request *request,
                                     struct transfer *transfer)
{
    const struct wax_config *config = stack->config.config;
    struct http_media media;
    *transfer =
        (struct transfer){.kind = (uint8_t)kind_of(request),
                          .minor = request->minor,
                          .keep_alive = request->keep_alive,
                          .expects_continue = request->expects_continue,
                          .bytes = request->chunked ? CHANNEL_MEDIA_UNKNOWN : request->content_length};
    if (!config->media_enabled)
        return WAX_MEDIA_OFF;
    enum wax_status status = http_media_parse(request, &media);
    if (status == WAX_OK)
        status = authorize(stack, &media, &transfer->owner);
    if (status == WAX_OK)
        status = http_body_begin(&transfer->body, request, config->media_bytes_max);
    if (status != WAX_OK)
        return status;
    if (!stack->control_up)
        return WAX_MEDIA_AWAY;
    transfer->ttl_s = media.ttl_s;
    memcpy(transfer->id, media.id, sizeof transfer->id);
    if (!media.has_id)
        stack->env.random(stack->env.ctx, span_of(transfer->id, sizeof transfer->id));
    if (transfer->kind == TRANSFER_GET && request->range.len <= sizeof transfer->range &&
        if_range_holds(request->if_range, transfer->id)) {
        transfer->range_len = (uint8_t)request->range.len;
        if (request->range.len != 0)
            memcpy(transfer->range, request->range.data, request->range.len);
    }
    transfer->known = media.token.len == 0 && request->if_none_match.len != 0 &&
                      etag_listed(request->if_none_match, transfer->id);
    return WAX_OK;
}

/* The methods of a path, for those who ask for another (RFC 9110 15.5.6) or for them (9.3.7). */
static const char *methods_of(const struct http_request *request)
{
    return request->media_id.len == 0 ? "PUT, OPTIONS" : "GET, HEAD, DELETE, OPTIONS";
}

/* OPTIONS: what a browser asks before a page of another origin may send anything (WHATWG Fetch 4.8). */
static void options_answer(struct stack *stack, uint32_t id, const struct http_request *request)
{
    static const char permits[] = "Access-Control-Allow-Methods: GET, HEAD, PUT, "
                                  "DELETE\r\nAccess-Control-Allow-Headers: Authorization, "
                                  "Content-Type, If-None-Match, If-Range, Range, Waxwire-Id, Waxwire-TTL\r\n"
                                  "Access-Control-Max-Age: 86400\r\n";
    uint8_t out[REPLY_BYTES];
    char room[FIELDS_BYTES];
    struct http_writer fields = {.out = span_of(room, sizeof room)};
    bool goes_on = request->keep_alive && !request->chunked && request->content_length == 0;
    size_t len = 0;
    http_put_text(&fields, "Allow: ");
    http_put_text(&fields, methods_of(request));
    http_put_text(&fields, "\r\n");
    http_put_text(&fields, permits);
    struct http_reply reply = {.code = 204,
                               .close = !goes_on,
                               .secure = (stack->conns[id].flags & CONN_TLS) != 0,
                               .shared = true,
                               .fields = http_written(&fields)};
    (void)http_reply_write(span_of(out, sizeof out), &reply, &len);
    if (!conn_queue(stack, id, view_of(out, len)))
        conn_abort(stack, id, WAX_NO_MEMORY);
    else if (goes_on)
        conn_begin_http(stack, id);
    else
        conn_shut(stack, id);
}

void media_request(struct stack *stack, uint32_t id, const struct http_request *request)
{
    struct conn *conn = &stack->conns[id];
    struct transfer transfer;
    if (request->method == HTTP_OPTIONS && stack->config.config->media_enabled) {
        options_answer(stack, id, request);
        return;
    }
    enum wax_status status = transfer_fill(stack, request, &transfer);
    uint32_t index = status == WAX_OK ? pool_take_index(&stack->transfers) : POOL_NONE;
    if (status == WAX_OK && index == POOL_NONE)
        status = WAX_MEDIA_BUSY;
    if (status != WAX_OK) {
        struct http_asked asked = {
            .head = request->method == HTTP_HEAD, .shared = true, .allow = methods_of(request)};
        conn_refuse(stack, id, status, &asked);
        return;
    }
    struct transfer *taken = pool_at(&stack->transfers, index);
    *taken = transfer;
    taken->conn = id;
    taken->serial = ++stack->transfer_serial;
    taken->alive_us = stack->now_us;
    taken->mark = taken->kind == TRANSFER_GET ? tcp_acked(stack->tcp, id) : 0;
    taken->state = TRANSFER_ASK;
    link_init(&taken->waiting);
    stack->transfers_live[index / 64u] |= UINT64_C(1) << index % 64u;
    if (taken->kind == TRANSFER_GET)
        stack->downloads++;
    conn->shake.transfer = index + 1u;
    conn->state = CONN_MEDIA;
    conn->flags |= CONN_PAUSED;
    conn_arm(stack, conn, WAX_MEDIA_IDLE_MS);
    media_go(stack, taken);
}
