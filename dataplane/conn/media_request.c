/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests of /v1/media: what they ask for, by whom, and the transfer that begins with one. */
#include "conn/conn.h"
#include "conn/media.h"
#include "conn/state.h"

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
    if (transfer->kind == TRANSFER_GET && request->range.len <= sizeof transfer->range) {
        transfer->range_len = (uint8_t)request->range.len;
        if (request->range.len != 0)
            memcpy(transfer->range, request->range.data, request->range.len);
    }
    transfer->known = media.token.len == 0 && request->if_none_match.len != 0 &&
                      etag_listed(request->if_none_match, transfer->id);
    return WAX_OK;
}

void media_request(struct stack *stack, uint32_t id, const struct http_request *request)
{
    struct conn *conn = &stack->conns[id];
    struct transfer transfer;
    enum wax_status status = transfer_fill(stack, request, &transfer);
    uint32_t index = status == WAX_OK ? pool_take_index(&stack->transfers) : POOL_NONE;
    if (status == WAX_OK && index == POOL_NONE)
        status = WAX_MEDIA_BUSY;
    if (status != WAX_OK) {
        conn_refuse(stack, id, status, request->method == HTTP_HEAD);
        return;
    }
    struct transfer *taken = pool_at(&stack->transfers, index);
    *taken = transfer;
    taken->conn = id;
    taken->serial = ++stack->transfer_serial;
    taken->alive_us = stack->now_us;
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
