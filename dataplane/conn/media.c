/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a transfer, and what control says of it. */
#include "conn/media.h"

#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"
#include "http/reply.h"

#define REPLY_BYTES 1024u
#define STEP_BYTES  (WAX_MEDIA_PIECE_BYTES + 64u) /* of the channel, that who waits may need to go on */
#define REST_BYTES  WAX_MEDIA_WINDOW_BYTES_MIN    /* of a reply that may be unacknowledged when we close */

uint32_t media_transfers_max(const struct wax_config *config)
{
    uint32_t most = config->blocks / (WAX_MEDIA_BLOCKS_PART * WAX_MEDIA_WINDOW_BYTES_MIN / WAX_BLOCK_BYTES);
    if (most == 0)
        return 1;
    return most < WAX_MEDIA_TRANSFERS_MAX ? most : WAX_MEDIA_TRANSFERS_MAX;
}

struct transfer *media_of(const struct stack *stack, uint32_t id)
{
    const struct conn *conn = &stack->conns[id];
    assert(conn->state == CONN_MEDIA && conn->shake.transfer != 0);
    return pool_at(&stack->transfers, conn->shake.transfer - 1u);
}

/* ---- to control ---- */

void media_wait(struct stack *stack, struct transfer *transfer)
{
    list_remove(&transfer->waiting);
    list_append(&stack->transfers_wait, &transfer->waiting);
}

void *media_reserve(struct stack *stack, struct transfer *transfer, enum channel_media_kind kind,
                    size_t bytes)
{
    const struct relay_port *port = &stack->env.relay;
    struct channel_media_mark *record = (void *)port->control_reserve(port->ctx, (uint32_t)bytes);
    if (record == NULL) {
        media_wait(stack, transfer);
        return NULL;
    }
    record->record.kind = (uint16_t)kind;
    record->tag = (uint64_t)transfer->serial << 32 | pool_index(&stack->transfers, transfer);
    return record;
}

static void publish(struct stack *stack)
{
    stack->env.relay.control_publish(stack->env.relay.ctx);
}

static bool ask_put(struct stack *stack, struct transfer *transfer)
{
    struct channel_media_put *put = media_reserve(stack, transfer, CHANNEL_MEDIA_PUT, sizeof *put);
    if (put == NULL)
        return false;
    put->name = name_to_channel(&transfer->owner);
    memcpy(put->id, transfer->id, sizeof put->id);
    put->bytes = transfer->bytes;
    put->ttl_s = transfer->ttl_s;
    put->reserved = 0;
    return true;
}

static bool ask_get(struct stack *stack, struct transfer *transfer)
{
    struct channel_media_get *get = media_reserve(stack, transfer, CHANNEL_MEDIA_GET, sizeof *get);
    if (get == NULL)
        return false;
    memcpy(get->id, transfer->id, sizeof get->id);
    memset(get->reserved, 0, sizeof get->reserved);
    get->head = transfer->kind == TRANSFER_HEAD || transfer->known;
    return true;
}

static bool ask_delete(struct stack *stack, struct transfer *transfer)
{
    struct channel_media_delete *drop = media_reserve(stack, transfer, CHANNEL_MEDIA_DELETE, sizeof *drop);
    if (drop == NULL)
        return false;
    drop->name = name_to_channel(&transfer->owner);
    memcpy(drop->id, transfer->id, sizeof drop->id);
    return true;
}

static void ask(struct stack *stack, struct transfer *transfer)
{
    bool asked = transfer->kind == TRANSFER_PUT      ? ask_put(stack, transfer)
                 : transfer->kind == TRANSFER_DELETE ? ask_delete(stack, transfer)
                                                     : ask_get(stack, transfer);
    if (!asked)
        return;
    publish(stack);
    transfer->state = TRANSFER_ASKED;
}

/* ---- the end ---- */

static void transfer_free(struct stack *stack, struct transfer *transfer)
{
    uint32_t index = pool_index(&stack->transfers, transfer);
    list_remove(&transfer->waiting);
    stack->transfers_live[index / 64u] &= ~(UINT64_C(1) << index % 64u);
    pool_give_index(&stack->transfers, index);
}

/* Control has still to be told that a transfer has ended here. */
static void forlorn_go(struct stack *stack, struct transfer *transfer)
{
    if (media_reserve(stack, transfer, CHANNEL_MEDIA_CLOSE, sizeof(struct channel_media_mark)) == NULL)
        return;
    publish(stack);
    transfer_free(stack, transfer);
}

void media_end(struct stack *stack, struct transfer *transfer, bool tell)
{
    stack->conns[transfer->conn].shake.transfer = 0;
    transfer->conn = CONN_NONE;
    if (transfer->kind == TRANSFER_GET)
        stack->downloads--;
    stack->downloads_held -= transfer->held;
    tell = tell && stack->control_up && transfer->state != TRANSFER_ASK && transfer->state != TRANSFER_REST;
    transfer->state = TRANSFER_FORLORN;
    if (tell)
        forlorn_go(stack, transfer);
    else
        transfer_free(stack, transfer);
}

void media_cancel(struct stack *stack, struct conn *conn)
{
    if (conn->state != CONN_MEDIA || conn->shake.transfer == 0)
        return;
    struct transfer *transfer = media_of(stack, (uint32_t)(conn - stack->conns));
    if (transfer->kind == TRANSFER_PUT && transfer->state != TRANSFER_REST)
        metrics_count(stack->metrics, WAX_MEDIA_BROKEN);
    media_end(stack, transfer, true);
}

void media_refuse(struct stack *stack, uint32_t id, enum wax_status status, bool tell)
{
    struct transfer *transfer = media_of(stack, id);
    struct http_asked asked = {.head = transfer->kind == TRANSFER_HEAD, .shared = true};
    media_end(stack, transfer, tell);
    conn_refuse(stack, id, status, &asked);
}

bool media_reply(struct stack *stack, uint32_t id, const struct http_reply *reply)
{
    uint8_t out[REPLY_BYTES];
    size_t len = 0;
    struct http_reply whole = *reply;
    whole.shared = true;
    whole.secure = (stack->conns[id].flags & CONN_TLS) != 0;
    whole.close = !media_of(stack, id)->keep_alive;
    enum wax_status status = http_reply_write(span_of(out, sizeof out), &whole, &len);
    assert(status == WAX_OK);
    if (status == WAX_OK && conn_queue(stack, id, view_of(out, len)))
        return true;
    conn_abort(stack, id, WAX_NO_MEMORY);
    return false;
}

/*
 * What a client has not acknowledged takes memory, so its transfer has a place until then; but who is told of
 * the end by a FIN need not wait for that.
 */
static void rest_go(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    struct transfer *transfer = media_of(stack, id);
    bool goes_on = transfer->keep_alive && !(conn->flags & CONN_PEER_FIN) && !stack->draining;
    if (conn->out.len + tcp_unacked(stack->tcp, id) > (goes_on ? 0 : REST_BYTES))
        return;
    media_end(stack, transfer, false);
    conn->flags &= (uint16_t)~CONN_PAUSED;
    if (!goes_on) {
        conn_shut(stack, id);
        return;
    }
    conn_begin_http(stack, id);
    conn_resume_soon(stack, id);
}

void media_written(struct stack *stack, uint32_t id)
{
    struct transfer *transfer = media_of(stack, id);
    transfer->state = TRANSFER_REST;
    transfer->alive_us = stack->now_us;
    stack->conns[id].flags |= CONN_PAUSED;
    rest_go(stack, id);
}

/* ---- what happens meanwhile ---- */

/* Nothing more comes: an upload whose body can't become whole has broken off. */
void media_fin(struct stack *stack, uint32_t id)
{
    const struct conn *conn = &stack->conns[id];
    const struct transfer *transfer = media_of(stack, id);
    if (transfer->state == TRANSFER_REST)
        rest_go(stack, id);
    else if (transfer->kind == TRANSFER_PUT && transfer->state <= TRANSFER_BODY &&
             conn_backlog_look(stack, conn)->plain.len == 0 && tcp_received(stack->tcp, id)->len == 0)
        conn_shut(stack, id);
}

void media_moved(const struct stack *stack, struct transfer *transfer, uint64_t moved)
{
    transfer->moved = moved;
    if (moved - transfer->mark < WAX_MEDIA_PROGRESS_BYTES)
        return; /* who trickles holds a place that others want */
    transfer->mark = moved;
    transfer->alive_us = stack->now_us;
}

void media_acked(struct stack *stack, uint32_t id)
{
    struct transfer *transfer = media_of(stack, id);
    if (transfer->kind == TRANSFER_GET)
        media_moved(stack, transfer, tcp_acked(stack->tcp, id));
    if (transfer->state == TRANSFER_STREAM)
        media_download_go(stack, id);
    else if (transfer->state == TRANSFER_REST)
        rest_go(stack, id);
}

void media_tick(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    struct transfer *transfer = media_of(stack, id);
    bool owes = conn->out.len + tcp_unacked(stack->tcp, id) != 0; /* the client an acknowledgement */
    bool reads = transfer->state == TRANSFER_BODY && !(conn->flags & CONN_PAUSED);
    if (!owes && !reads)
        transfer->alive_us = stack->now_us; /* it is control's turn, whose end is noticed otherwise */
    uint64_t idle_us = stack->now_us - transfer->alive_us;
    if (idle_us < WAX_MEDIA_IDLE_MS * UINT64_C(1000)) {
        conn_arm(stack, conn, WAX_MEDIA_IDLE_MS - (uint32_t)(idle_us / 1000u));
        return;
    }
    if (reads && !owes)
        media_refuse(stack, id, WAX_MEDIA_STALLED, true);
    else
        conn_abort(stack, id, WAX_MEDIA_STALLED);
}

void media_go(struct stack *stack, struct transfer *transfer)
{
    switch ((enum transfer_state)transfer->state) {
    case TRANSFER_ASK:
        ask(stack, transfer);
        break;
    case TRANSFER_BODY:
    case TRANSFER_END:
        media_upload_go(stack, transfer->conn);
        break;
    case TRANSFER_READ:
    case TRANSFER_STREAM:
        media_download_go(stack, transfer->conn);
        break;
    case TRANSFER_FORLORN:
        forlorn_go(stack, transfer);
        break;
    default:
        break;
    }
}

void media_turn(struct stack *stack)
{
    if (list_empty(&stack->transfers_wait))
        return;
    uint64_t room = stack->env.media_room(stack->env.ctx);
    for (; room >= STEP_BYTES && !list_empty(&stack->transfers_wait); room -= STEP_BYTES) {
        struct link *first = list_first(&stack->transfers_wait);
        list_remove(first);
        media_go(stack, list_entry(first, struct transfer, waiting));
    }
}

/* ---- from control ---- */

/* The transfer that a tag names, NULL when it has ended. */
static struct transfer *find(const struct stack *stack, uint64_t tag)
{
    uint32_t index = (uint32_t)tag;
    if (index >= stack->transfers.count || (stack->transfers_live[index / 64u] >> index % 64u & 1u) == 0)
        return NULL;
    struct transfer *transfer = pool_at(&stack->transfers, index);
    return transfer->serial == (uint32_t)(tag >> 32) && transfer->conn != CONN_NONE ? transfer : NULL;
}

static void take_opened(struct stack *stack, struct transfer *transfer,
                        const struct channel_media_answer *answer)
{
    enum wax_status status =
        answer->status < WAX_STATUS_COUNT ? (enum wax_status)answer->status : WAX_MEDIA_IO;
    if (transfer->state != TRANSFER_ASKED)
        return;
    transfer->alive_us = stack->now_us;
    if (status != WAX_OK)
        media_refuse(stack, transfer->conn, status, false);
    else if (transfer->kind == TRANSFER_PUT)
        media_upload_opened(stack, transfer->conn, answer);
    else
        media_download_opened(stack, transfer->conn, answer);
}

static void take_done(struct stack *stack, struct transfer *transfer,
                      const struct channel_media_answer *answer)
{
    enum wax_status status =
        answer->status < WAX_STATUS_COUNT ? (enum wax_status)answer->status : WAX_MEDIA_IO;
    uint32_t id = transfer->conn;
    if (transfer->kind == TRANSFER_PUT) {
        media_upload_done(stack, id, answer);
    } else if (transfer->kind == TRANSFER_GET) {
        media_download_done(stack, id, status);
    } else if (status != WAX_OK) {
        media_refuse(stack, id, status, false);
    } else if (media_reply(stack, id, &(struct http_reply){.code = 204})) {
        media_written(stack, id);
    }
}

static void take_credit(struct stack *stack, struct transfer *transfer, uint32_t bytes)
{
    if (transfer->kind != TRANSFER_PUT || transfer->state != TRANSFER_BODY)
        return;
    transfer->credit += bytes;
    media_upload_go(stack, transfer->conn);
}

void media_record(struct stack *stack, const struct channel_record *record)
{
    const struct channel_media_mark *mark = (const void *)record;
    const struct channel_media_answer *answer = (const void *)record;
    if (record->bytes < sizeof *mark) {
        metrics_count(stack->metrics, WAX_CHANNEL_CORRUPT);
        return;
    }
    struct transfer *transfer = find(stack, mark->tag);
    if (transfer == NULL)
        return;
    if (record->kind == CHANNEL_MEDIA_PIECE) {
        const struct channel_media_piece *piece = (const void *)record;
        media_download_piece(stack, transfer->conn, view_of(piece->bytes, record->bytes - sizeof *piece));
    } else if (record->kind == CHANNEL_MEDIA_CREDIT && record->bytes >= sizeof(struct channel_media_credit)) {
        take_credit(stack, transfer, ((const struct channel_media_credit *)(const void *)record)->bytes);
    } else if (record->kind == CHANNEL_MEDIA_OPENED && record->bytes >= sizeof *answer) {
        take_opened(stack, transfer, answer);
    } else if (record->kind == CHANNEL_MEDIA_DONE && record->bytes >= sizeof *answer) {
        take_done(stack, transfer, answer);
    } else {
        metrics_count(stack->metrics, WAX_CHANNEL_CORRUPT);
    }
}

void media_control_down(struct stack *stack)
{
    for (uint32_t index = 0; index < stack->transfers.count; index++) {
        if ((stack->transfers_live[index / 64u] >> index % 64u & 1u) == 0)
            continue;
        struct transfer *transfer = pool_at(&stack->transfers, index);
        if (transfer->conn == CONN_NONE) {
            transfer_free(stack, transfer);
        } else if (transfer->state <= TRANSFER_ENDED) {
            media_refuse(stack, transfer->conn, WAX_MEDIA_AWAY, false);
        } else if (transfer->state != TRANSFER_REST) {
            conn_abort(stack, transfer->conn, WAX_MEDIA_AWAY); /* half of a reply says that it is none */
        }
    }
}
