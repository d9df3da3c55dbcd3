/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>
#include <sodium.h>

#include "core.h"
#include "relay/envelope.h"

#define MS_PER_S  1000u
#define US_PER_MS 1000u

enum wax_status frames_error_status(uint8_t code)
{
    switch (code) {
    case WIRE_ERROR_MALFORMED:
        return WAX_FRAME_MALFORMED;
    case WIRE_ERROR_NOT_AUTHENTICATED:
        return WAX_FRAME_NOT_AUTHENTICATED;
    case WIRE_ERROR_BAD_PROOF:
        return WAX_SESSION_BAD_PROOF;
    case WIRE_ERROR_VERSION:
        return WAX_SESSION_VERSION;
    case WIRE_ERROR_NOT_INVITED:
        return WAX_SESSION_NOT_INVITED;
    case WIRE_ERROR_SUSPENDED:
        return WAX_SESSION_SUSPENDED;
    case WIRE_ERROR_TIMEOUT:
        return WAX_SESSION_TIMEOUT;
    case WIRE_ERROR_TOO_SLOW:
        return WAX_SESSION_TOO_SLOW;
    case WIRE_ERROR_DISPLACED:
        return WAX_SESSION_DISPLACED;
    case WIRE_ERROR_DEVICES:
        return WAX_SESSION_DEVICES;
    default:
        return WAX_WS_CLOSED;
    }
}

/* ---- ours ---- */

enum wax_status frames_hello(struct wax_client *client)
{
    const struct wax_client_config *config = &client->config;
    bool resume = client->token_bytes > 0 && !config->no_resume;
    size_t len = WIRE_HELLO_BYTES + (resume ? client->token_bytes : 0u) + 2;
    struct frame_hello hello = {
        .device = config->device,
        .flags = (resume ? WIRE_HELLO_RESUME : 0) | (client->has_binding ? WIRE_HELLO_BINDING : 0) |
                 (config->send_only ? WIRE_HELLO_SEND_ONLY : 0),
        .account_key = config->identity.account_key,
        .client_nonce = client->nonce,
        .token = view_of(client->token, resume ? client->token_bytes : 0),
    };

    core_random(client, client->nonce, sizeof client->nonce);
    uint8_t *out = core_message_reserve(client, len);
    if (out == NULL)
        return WAX_NO_MEMORY;
    size_t written = frame_write_hello(span_of(out, len), &hello);
    assert(written == len);
    core_message_commit(client, len);
    return WAX_OK;
}

static enum wax_status write_proof(struct wax_client *client, const struct frame_challenge *challenge)
{
    uint8_t text[WIRE_PROOF_SIGNED_BYTES], signature[WAX_SIGNATURE_BYTES];
    struct frame_proof proof = {
        .flags = client->has_binding ? WIRE_PROOF_BINDING : 0,
        .signature = signature,
    };

    frame_write_proof_signed(text, challenge->relay_id, challenge->relay_nonce, client->nonce,
                             client->config.device, client->has_binding ? client->binding : NULL);
    crypto_sign_detached(signature, NULL, text, sizeof text, client->config.identity.secret_key);
    uint8_t *out = core_message_reserve(client, WIRE_PROOF_BYTES);
    if (out == NULL)
        return WAX_NO_MEMORY;
    core_message_commit(client, frame_write_proof(span_of(out, WIRE_PROOF_BYTES), &proof));
    return WAX_OK;
}

enum wax_status frames_ack(struct wax_client *client)
{
    uint8_t *out = core_message_reserve(client, WIRE_ACK_BYTES);

    if (out == NULL)
        return WAX_NO_MEMORY;
    core_message_commit(client, frame_write_ack(span_of(out, WIRE_ACK_BYTES), client->last_sequence));
    client->unacknowledged = 0;
    client->ack_us = UINT64_MAX;
    return WAX_OK;
}

enum wax_status frames_send(struct wax_client *client, const struct wax_client_message *m, uint64_t id)
{
    size_t len = WIRE_SEND_BYTES + m->payload.len;
    struct frame_send send = {
        .flags = m->flags,
        .to = {.device = m->recipient_device},
        .ttl_s = m->ttl_s,
        .id = id,
        .payload = m->payload,
    };

    memcpy(send.to.user, m->recipient, WAX_USER_BYTES);
    uint8_t *out = core_message_reserve(client, len);
    if (out == NULL)
        return WAX_NO_MEMORY;
    core_message_commit(client, frame_write_send(span_of(out, len), &send));
    return WAX_OK;
}

enum wax_status frames_pump(struct wax_client *client)
{
    const struct outbox_message *m;

    while (client->outbox.written_count < client->window &&
           buffer_view(&client->out).len < CORE_OUTPUT_BYTES && (m = outbox_next(&client->outbox)) != NULL) {
        struct wax_client_message message = {
            .recipient_device = m->recipient_device,
            .flags = m->flags,
            .ttl_s = m->ttl_s,
            .payload = view_of(m->payload, m->payload_bytes),
        };
        memcpy(message.recipient, m->recipient, WAX_USER_BYTES);
        enum wax_status status = frames_send(client, &message, m->id);
        if (status != WAX_OK)
            return status;
        outbox_written(&client->outbox);
    }
    return WAX_OK;
}

/* ---- the relay's ---- */

static enum wax_status take_challenge(struct wax_client *client, struct view frame)
{
    struct frame_challenge challenge;
    enum wax_status status = frame_parse_challenge(frame, &challenge);

    if (status != WAX_OK)
        return status;
    if (client->state != CORE_HELLO)
        return WAX_CLIENT_OUT_OF_PLACE;
    client->token_bytes = 0; /* it was stale */
    client->state = CORE_PROOF;
    return write_proof(client, &challenge);
}

static enum wax_status take_welcome(struct wax_client *client, struct view frame)
{
    struct frame_welcome welcome;
    enum wax_status status = frame_parse_welcome(frame, &welcome);

    if (status != WAX_OK)
        return status;
    if (client->state != CORE_HELLO && client->state != CORE_PROOF)
        return WAX_CLIENT_OUT_OF_PLACE;
    if (welcome.device != client->config.device ||
        memcmp(welcome.user, client->config.identity.user, WAX_USER_BYTES) != 0)
        return WAX_CLIENT_OUT_OF_PLACE;
    client->state = CORE_OPEN;
    client->deadline_us = UINT64_MAX;
    client->last_sequence = 0;
    client->unacknowledged = 0;
    client->window = welcome.window;
    client->heartbeat_ms = welcome.heartbeat_s * MS_PER_S;
    client->token_bytes = (uint16_t)welcome.token.len;
    if (welcome.token.len > 0)
        memcpy(client->token, welcome.token.data, welcome.token.len);
    struct wax_client_event event = {
        .kind = WAX_CLIENT_OPENED,
        .opened = {.flags = welcome.flags,
                   .heartbeat_s = welcome.heartbeat_s,
                   .payload_max = welcome.payload_bytes_max,
                   .window = welcome.window,
                   .waiting = welcome.waiting,
                   .relay_ms = welcome.time_ms,
                   .media_token = welcome.media_token},
    };
    core_raise(client, &event);
    return WAX_OK;
}

/* A gap would make our ACK a lie: everything up to it has been received. */
static enum wax_status count_delivery(struct wax_client *client, uint32_t sequence)
{
    if (sequence == 0)
        return WAX_OK;
    if (sequence != sequence_next(client->last_sequence))
        return WAX_CLIENT_OUT_OF_PLACE;
    client->last_sequence = sequence;
    client->unacknowledged++;
    if (client->ack_us == UINT64_MAX)
        client->ack_us = client->now_us + client->config.ack_delay_ms * US_PER_MS;
    return WAX_OK;
}

static enum wax_status take_deliver(struct wax_client *client, struct view frame)
{
    struct frame_deliver deliver;
    enum wax_status status = frame_parse_deliver(frame, &deliver);

    if (status != WAX_OK)
        return status;
    if (deliver.id == 0)
        return WAX_FRAME_MALFORMED;
    status = count_delivery(client, deliver.seq);
    if (status == WAX_OK && !(deliver.flags & WIRE_DELIVER_EPHEMERAL))
        status = seen_note(&client->seen, deliver.from.user, deliver.from.device, deliver.id);
    if (status == WAX_OK) {
        struct view payload = deliver.payload;
        struct wax_client_event event = {
            .kind = WAX_CLIENT_MESSAGE,
            .message = {.sender_device = deliver.from.device,
                        .flags = deliver.flags,
                        .sequence = deliver.seq,
                        .id = deliver.id,
                        .taken_ms = deliver.taken_ms,
                        .head = view_of(payload.data, deliver.head_bytes),
                        .payload =
                            view_of(payload.data + deliver.head_bytes, payload.len - deliver.head_bytes)},
        };
        memcpy(event.message.sender, deliver.from.user, WAX_USER_BYTES);
        core_raise(client, &event);
    } else if (status != WAX_EXISTS) {
        return status;
    }
    /* The handler may have begun the close, which has acknowledged what came before this one. */
    if (client->state != CORE_OPEN || client->unacknowledged < CORE_ACK_EVERY)
        return WAX_OK;
    return frames_ack(client);
}

static enum wax_status take_status(struct wax_client *client, struct view frame)
{
    struct frame_status list;
    enum wax_status status = frame_parse_status(frame, &list);

    for (uint32_t i = 0; status == WAX_OK && i < list.count; i++) {
        struct frame_status_entry entry = frame_status_entry(&list, i);
        bool ends =
            entry.kind == WIRE_ACCEPTED || entry.kind == WIRE_DELIVERED || entry.kind == WIRE_REJECTED;
        struct wax_client_event event = {
            .kind = WAX_CLIENT_STATUS,
            .status = {.kind = entry.kind,
                       .reason = entry.reason,
                       .recipient_device = entry.about.device,
                       .id = entry.id},
        };
        memcpy(event.status.recipient, entry.about.user, WAX_USER_BYTES);
        event.status.first =
            ends && outbox_answer(&client->outbox, entry.id, entry.about.user, entry.about.device);
        core_raise(client, &event);
    }
    return status;
}

static enum wax_status take_error(struct wax_client *client, struct view frame)
{
    struct frame_error error;
    enum wax_status status = frame_parse_error(frame, &error);

    if (status != WAX_OK)
        return status;
    if (error.code <= WIRE_ERROR_FATAL_MAX)
        client->error = error.code;
    struct wax_client_event event = {
        .kind = WAX_CLIENT_ERROR,
        .error = {.code = error.code, .request = error.request, .text = error.text},
    };
    core_raise(client, &event);
    return WAX_OK;
}

enum wax_status frames_take(struct wax_client *client, struct view frame)
{
    bool open = client->state == CORE_OPEN;
    int type = frame_type(frame);

    /* After our close frame the relay may still be sending: nothing of that is ours any more, but its word on
       what we have sent. */
    if (client->state == CORE_CLOSING)
        return type == WIRE_STATUS ? take_status(client, frame) : WAX_OK;
    switch (type) {
    case -1:
        return WAX_FRAME_MALFORMED;
    case WIRE_CHALLENGE:
        return take_challenge(client, frame);
    case WIRE_WELCOME:
        return take_welcome(client, frame);
    case WIRE_ERROR:
        return take_error(client, frame);
    case WIRE_DELIVER:
        return open ? take_deliver(client, frame) : WAX_CLIENT_OUT_OF_PLACE;
    case WIRE_STATUS:
        return open ? take_status(client, frame) : WAX_CLIENT_OUT_OF_PLACE;
    case WIRE_KEYS_OK:
    case WIRE_KEYS:
    case WIRE_KEYS_LOW:
    case WIRE_OK:
    case WIRE_DEVICES:
        return open ? requests_take(client, frame) : WAX_CLIENT_OUT_OF_PLACE;
    default:
        return WAX_OK;
    }
}
