/* SPDX-License-Identifier: BSD-3-Clause */
#include "core.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define US_PER_MS 1000u

void core_random(struct wax_client *client, void *out, size_t len)
{
    uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

    _Static_assert(sizeof nonce == 8 && crypto_stream_chacha20_KEYBYTES == 32, "djb's ChaCha20");
    store_be64(nonce, client->random_count++);
    crypto_stream_chacha20(out, len, nonce, client->config.seed);
}

void core_raise(struct wax_client *client, const struct wax_client_event *event)
{
    if (client->config.event != NULL)
        client->config.event(client->config.context, event);
}

enum wax_status wax_client_create(struct wax_client **out, const struct wax_client_config *config)
{
    uint8_t hash_key[16];

    *out = NULL;
    if (config->device == 0 || config->host == NULL || strlen(config->host) > CORE_HOST_BYTES_MAX ||
        config->ack_delay_ms > CORE_ACK_DELAY_MS_MAX || sodium_is_zero(config->seed, sizeof config->seed) ||
        strpbrk(config->host, "\r\n") != NULL || sodium_init() < 0)
        return WAX_BAD_ARGUMENT;
    struct wax_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return WAX_NO_MEMORY;
    client->config = *config;
    client->config.host = client->host;
    memcpy(client->host, config->host, strlen(config->host) + 1);
    if (client->config.open_timeout_ms == 0)
        client->config.open_timeout_ms = CORE_OPEN_TIMEOUT_MS;
    client->ack_us = UINT64_MAX;
    client->deadline_us = UINT64_MAX;
    outbox_init(&client->outbox,
                config->kept_bytes_max != 0 ? config->kept_bytes_max : CORE_KEPT_BYTES_DEFAULT);
    core_random(client, hash_key, sizeof hash_key);
    seen_init(&client->seen, hash_key);
    *out = client;
    return WAX_OK;
}

void wax_client_destroy(struct wax_client *client)
{
    if (client == NULL)
        return;
    outbox_free(&client->outbox);
    seen_free(&client->seen);
    buffer_free(&client->in);
    buffer_free(&client->out);
    buffer_free(&client->gathered);
    sodium_memzero(client, sizeof *client);
    free(client);
}

enum wax_status wax_client_connected(struct wax_client *client, const uint8_t *binding, uint64_t now_us)
{
    uint8_t upgrade_nonce[16];
    size_t len;

    assert(client->state == CORE_IDLE || client->state == CORE_CLOSED);
    buffer_clear(&client->in);
    buffer_clear(&client->out);
    ws_decoder_init(&client->decoder, WS_CLIENT, WAX_FRAME_BYTES_MAX);
    client->closed = (struct wax_client_closed){0};
    client->error = 0;
    client->has_binding = binding != NULL;
    if (binding != NULL)
        memcpy(client->binding, binding, sizeof client->binding);
    else
        memset(client->binding, 0, sizeof client->binding);
    core_random(client, upgrade_nonce, sizeof upgrade_nonce);
    client->now_us = client->heard_us = now_us;
    client->deadline_us = now_us + (uint64_t)client->config.open_timeout_ms * US_PER_MS;
    client->ack_us = UINT64_MAX;
    client->pinged = false;
    struct span room = buffer_reserve(&client->out, CORE_UPGRADE_BYTES_MAX);
    if (room.data == NULL)
        return WAX_NO_MEMORY;
    enum wax_status status =
        http_upgrade_ask(room, client->host, WIRE_PATH_RELAY, upgrade_nonce, client->upgrade_key, &len);
    if (status != WAX_OK)
        return status;
    buffer_commit(&client->out, len);
    client->state = CORE_UPGRADING;
    return WAX_OK;
}

/* ---- the end ---- */

static void forget_ephemeral(struct wax_client *client)
{
    struct outbox_message *m;

    while ((m = outbox_take_ephemeral(&client->outbox)) != NULL) {
        struct wax_client_event event = {
            .kind = WAX_CLIENT_STATUS,
            .status = {.kind = WIRE_REJECTED,
                       .reason = WIRE_REASON_NOT_CONNECTED,
                       .first = true,
                       .local = true,
                       .recipient_device = m->recipient_device,
                       .id = m->id},
        };
        memcpy(event.status.recipient, m->recipient, WAX_USER_BYTES);
        free(m);
        core_raise(client, &event);
    }
}

static enum wax_status closed(struct wax_client *client, enum wax_status status)
{
    if (client->state == CORE_CLOSED)
        return status;
    client->state = CORE_CLOSED;
    client->deadline_us = client->ack_us = UINT64_MAX;
    client->closed.status = client->error != 0 ? frames_error_status(client->error) : status;
    client->closed.error = client->error;
    forget_ephemeral(client);
    outbox_rewind(&client->outbox);
    core_raise(client, &(struct wax_client_event){.kind = WAX_CLIENT_CLOSED, .closed = client->closed});
    return client->closed.status;
}

static void write_close(struct wax_client *client, uint16_t code)
{
    uint8_t mask[4];
    struct span room = buffer_reserve(&client->out, WAX_WS_CONTROL_BYTES_MAX + WAX_WS_HEADER_BYTES_MAX);

    if (room.data == NULL)
        return;
    core_random(client, mask, sizeof mask);
    buffer_commit(&client->out, ws_encode_close(room, code, view_of(NULL, 0), mask));
}

static bool may_write(const struct wax_client *client)
{
    return client->state == CORE_HELLO || client->state == CORE_PROOF || client->state == CORE_OPEN;
}

enum wax_status core_end(struct wax_client *client, enum wax_status status, uint16_t close_code)
{
    if (may_write(client))
        write_close(client, close_code);
    return closed(client, status);
}

void wax_client_close(struct wax_client *client, uint64_t now_us)
{
    if (client->state == CORE_IDLE || client->state == CORE_CLOSING || client->state == CORE_CLOSED)
        return;
    if (!may_write(client)) {
        closed(client, WAX_OK);
        return;
    }
    if (client->state == CORE_OPEN && client->unacknowledged > 0)
        frames_ack(client);
    write_close(client, WIRE_CLOSE_NORMAL);
    client->state = CORE_CLOSING;
    client->ack_us = UINT64_MAX;
    client->deadline_us = now_us + CORE_CLOSE_TIMEOUT_MS * US_PER_MS;
}

void wax_client_disconnected(struct wax_client *client, enum wax_status why)
{
    if (client->state == CORE_IDLE || client->state == CORE_CLOSED)
        return;
    closed(client, client->state == CORE_CLOSING ? WAX_OK : why == WAX_OK ? WAX_TCP_CLOSED : why);
}

/* ---- bytes in ---- */

static enum wax_status take_close(struct wax_client *client, const struct ws_event *ev)
{
    bool asked = client->state == CORE_CLOSING;

    client->closed.close_code = ev->close_code;
    return core_end(client, asked ? WAX_OK : WAX_WS_CLOSED, ev->close_code);
}

static enum wax_status answer_ping(struct wax_client *client, struct view payload)
{
    uint8_t mask[4];

    if (!may_write(client))
        return WAX_OK;
    struct span room = buffer_reserve(&client->out, WAX_WS_CONTROL_BYTES_MAX + WAX_WS_HEADER_BYTES_MAX);
    if (room.data == NULL)
        return WAX_NO_MEMORY;
    core_random(client, mask, sizeof mask);
    buffer_commit(&client->out, ws_encode_control(room, WS_PONG, payload, mask));
    return WAX_OK;
}

static enum wax_status take_piece(struct wax_client *client, const struct ws_event *ev)
{
    struct view piece = view_of(ev->data.data, ev->data.len);

    if (ev->first && ev->last)
        return frames_take(client, piece);
    if (ev->first)
        buffer_clear(&client->gathered);
    struct span room = buffer_reserve(&client->gathered, piece.len + 1);
    if (room.data == NULL)
        return WAX_NO_MEMORY;
    if (piece.len > 0)
        memcpy(room.data, piece.data, piece.len);
    buffer_commit(&client->gathered, piece.len);
    return ev->last ? frames_take(client, buffer_view(&client->gathered)) : WAX_OK;
}

static enum wax_status take_event(struct wax_client *client, const struct ws_event *ev)
{
    enum wax_status status = WAX_OK;

    switch (ev->opcode) {
    case WS_BINARY:
        status = take_piece(client, ev);
        break;
    case WS_PING:
        status = answer_ping(client, view_of(ev->data.data, ev->data.len));
        break;
    case WS_CLOSE:
        return take_close(client, ev);
    default:
        break;
    }
    if (status != WAX_OK)
        return core_end(client, status, status == WAX_NO_MEMORY ? 1011 : WIRE_CLOSE_PROTOCOL);
    return WAX_OK;
}

static enum wax_status take_websocket(struct wax_client *client, struct span bytes)
{
    while (bytes.len > 0 && client->state != CORE_CLOSED) {
        struct ws_event ev;
        enum wax_status status = ws_decode(&client->decoder, bytes, &ev);
        if (status == WAX_FULL)
            client->decoder.control = client->control;
        else if (status == WAX_MORE)
            break;
        else if (status != WAX_OK)
            return core_end(client, status, ws_close_code(status));
        else if ((status = take_event(client, &ev)) != WAX_OK)
            return status;
        bytes = span_of(bytes.data + ev.consumed, bytes.len - ev.consumed);
    }
    return client->state == CORE_CLOSED ? client->closed.status : WAX_OK;
}

static enum wax_status take_upgrade(struct wax_client *client, struct span bytes)
{
    size_t consumed;
    int code = 0;
    struct span room = buffer_reserve(&client->in, bytes.len);

    if (room.data == NULL)
        return closed(client, WAX_NO_MEMORY);
    memcpy(room.data, bytes.data, bytes.len);
    buffer_commit(&client->in, bytes.len);
    enum wax_status status =
        http_upgrade_confirm(buffer_view(&client->in), client->upgrade_key, &consumed, &code);
    if (status == WAX_MORE)
        return WAX_OK;
    if (status != WAX_OK) {
        client->closed.http_status = (uint16_t)code;
        return closed(client, WAX_CLIENT_UPGRADE);
    }
    buffer_consume(&client->in, consumed);
    client->state = CORE_HELLO;
    status = frames_hello(client);
    if (status != WAX_OK)
        return closed(client, status);
    /* Bytes behind the head belong to the WebSocket. The buffer isn't touched again before they are done
     * with. */
    struct view rest = buffer_view(&client->in);
    if (rest.len == 0)
        return WAX_OK;
    return take_websocket(client, span_of(client->in.data + client->in.start, rest.len));
}

enum wax_status wax_client_input(struct wax_client *client, struct span bytes, uint64_t now_us)
{
    enum wax_status status;

    if (client->state == CORE_IDLE || client->state == CORE_CLOSED)
        return WAX_CLIENT_NOT_OPEN;
    if (bytes.len == 0)
        return WAX_OK;
    client->now_us = client->heard_us = now_us;
    client->pinged = false;
    status = client->state == CORE_UPGRADING ? take_upgrade(client, bytes) : take_websocket(client, bytes);
    if (status == WAX_OK && client->state == CORE_OPEN && client->ack_us <= now_us)
        status = frames_ack(client);
    return status;
}

/* ---- bytes out ---- */

uint8_t *core_message_reserve(struct wax_client *client, size_t len)
{
    struct span room = buffer_reserve(&client->out, len + WAX_WS_HEADER_BYTES_MAX);

    return room.data == NULL ? NULL : room.data + ws_header_bytes(len, true);
}

void core_message_commit(struct wax_client *client, size_t len)
{
    uint8_t mask[4];
    struct span room = buffer_reserve(&client->out, len + WAX_WS_HEADER_BYTES_MAX);

    core_random(client, mask, sizeof mask);
    size_t header = ws_encode_header(room, WS_FIN | WS_BINARY, len, mask);
    ws_mask(span_of(room.data + header, len), mask, 0);
    buffer_commit(&client->out, header + len);
}

struct view wax_client_output(struct wax_client *client)
{
    if (client->state == CORE_OPEN)
        frames_pump(client);
    return buffer_view(&client->out);
}

void wax_client_written(struct wax_client *client, size_t bytes)
{
    buffer_consume(&client->out, bytes);
}

/* ---- time ---- */

static uint64_t heartbeat_us(const struct wax_client *client)
{
    if (client->state != CORE_OPEN || client->heartbeat_ms == 0)
        return UINT64_MAX;
    uint64_t silent_ms = client->pinged ? 2 * (uint64_t)client->heartbeat_ms + CORE_HEARTBEAT_GRACE_MS
                                        : (uint64_t)client->heartbeat_ms;
    return client->heard_us + silent_ms * US_PER_MS;
}

uint64_t wax_client_next_us(const struct wax_client *client)
{
    uint64_t next_us = heartbeat_us(client);

    if (client->deadline_us < next_us)
        next_us = client->deadline_us;
    return client->ack_us < next_us ? client->ack_us : next_us;
}

enum wax_status wax_client_tick(struct wax_client *client, uint64_t now_us)
{
    client->now_us = now_us;
    if (client->deadline_us <= now_us)
        return core_end(client, client->state == CORE_CLOSING ? WAX_OK : WAX_CLIENT_TIMEOUT,
                        WIRE_CLOSE_NORMAL);
    if (heartbeat_us(client) <= now_us) {
        if (client->pinged)
            return core_end(client, WAX_CLIENT_TIMEOUT, WIRE_CLOSE_NORMAL);
        client->pinged = true;
        wax_client_ping(client);
    }
    return client->ack_us <= now_us ? frames_ack(client) : WAX_OK;
}

enum wax_status wax_client_ping(struct wax_client *client)
{
    uint8_t mask[4];

    if (client->state != CORE_OPEN)
        return WAX_CLIENT_NOT_OPEN;
    struct span room = buffer_reserve(&client->out, WAX_WS_HEADER_BYTES_MAX);
    if (room.data == NULL)
        return WAX_NO_MEMORY;
    core_random(client, mask, sizeof mask);
    buffer_commit(&client->out, ws_encode_control(room, WS_PING, view_of(NULL, 0), mask));
    return WAX_OK;
}

/* ---- messages ---- */

enum wax_status wax_client_send(struct wax_client *client, const struct wax_client_message *message,
                                uint64_t now_ms, uint64_t *id)
{
    const uint8_t silent = WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT;
    uint64_t fresh = now_ms << 20;

    if (message->payload.len > WAX_PAYLOAD_BYTES_MAX)
        return WAX_BAD_ARGUMENT;
    fresh = fresh > client->last_id ? fresh : client->last_id + 1;
    if ((message->flags & silent) == silent) {
        /* Nobody answers it: kept no longer than it takes to write it. */
        if (client->state != CORE_OPEN)
            return WAX_CLIENT_NOT_OPEN;
        enum wax_status status = frames_send(client, message, fresh);
        if (status != WAX_OK)
            return status;
    } else {
        enum wax_status status = outbox_add(&client->outbox, message, fresh);
        if (status != WAX_OK)
            return status;
    }
    client->last_id = *id = fresh;
    return WAX_OK;
}

bool wax_client_is_open(const struct wax_client *client)
{
    return client->state == CORE_OPEN;
}

bool wax_client_is_closed(const struct wax_client *client)
{
    return client->state == CORE_CLOSED;
}

uint32_t wax_client_unanswered(const struct wax_client *client)
{
    return client->outbox.count;
}
