/* SPDX-License-Identifier: BSD-3-Clause */
#include "scripted_relay.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

#include "http/upgrade.h"

void relay_reset(struct scripted_relay *relay)
{
    for (uint32_t i = 0; i < relay->count; i++)
        free(relay->frames[i].data);
    buffer_clear(&relay->in);
    buffer_clear(&relay->out);
    relay->upgraded = false;
    relay->count = relay->read = 0;
    memset(relay->nonce, 0x4e, sizeof relay->nonce);
    memset(relay->id, 0x1d, sizeof relay->id);
    ws_decoder_init(&relay->decoder, WS_SERVER, WAX_FRAME_BYTES_MAX);
}

static void append(struct buffer *buffer, struct view bytes)
{
    struct span room = buffer_reserve(buffer, bytes.len + 1);

    cr_assert_not_null(room.data);
    if (bytes.len > 0)
        memcpy(room.data, bytes.data, bytes.len);
    buffer_commit(buffer, bytes.len);
}

static void file_frame(struct scripted_relay *relay, const struct ws_event *ev)
{
    cr_assert_lt(relay->count, RELAY_FRAMES_MAX);
    if (ev->opcode != WS_BINARY || ev->first)
        relay->frames[relay->count] =
            (struct relay_frame){.opcode = ev->opcode, .close_code = ev->close_code};
    struct relay_frame *frame = &relay->frames[relay->count];
    frame->data = realloc(frame->data, frame->len + ev->data.len + 1);
    memcpy(frame->data + frame->len, ev->data.data, ev->data.len);
    frame->len += ev->data.len;
    if (ev->opcode != WS_BINARY || ev->last)
        relay->count++;
}

static void take_websocket(struct scripted_relay *relay, struct span bytes)
{
    while (bytes.len > 0) {
        struct ws_event ev;
        enum wax_status status = ws_decode(&relay->decoder, bytes, &ev);
        if (status == WAX_MORE)
            return;
        if (status == WAX_FULL)
            relay->decoder.control = relay->control;
        else if (status == WAX_OK)
            file_frame(relay, &ev);
        else
            cr_assert_fail("the client's WebSocket: %s", wax_status_text(status));
        bytes = span_of(bytes.data + ev.consumed, bytes.len - ev.consumed);
    }
}

static void take_upgrade(struct scripted_relay *relay)
{
    struct http_request request = {0};
    uint8_t reply[HTTP_UPGRADE_BYTES_MAX];
    size_t len;
    struct view in = buffer_view(&relay->in);

    if (http_request_parse(in, &request) != WAX_OK)
        return;
    cr_assert_eq(http_request_check(&request), WAX_OK);
    cr_assert_eq(request.place, HTTP_PLACE_RELAY);
    cr_assert_eq(http_upgrade_reply(span_of(reply, sizeof reply), &request, &len), WAX_OK);
    append(&relay->out, view_of(reply, len));
    relay->upgraded = true;
    uint8_t *rest = relay->in.data + relay->in.start + request.consumed;
    take_websocket(relay, span_of(rest, in.len - request.consumed));
}

void relay_take(struct scripted_relay *relay, struct view bytes)
{
    if (relay->upgraded) {
        buffer_clear(&relay->in);
        append(&relay->in, bytes);
        take_websocket(relay, span_of(relay->in.data, bytes.len));
        return;
    }
    append(&relay->in, bytes);
    take_upgrade(relay);
}

const struct relay_frame *relay_next(struct scripted_relay *relay)
{
    return relay->read < relay->count ? &relay->frames[relay->read++] : NULL;
}

void relay_say_raw(struct scripted_relay *relay, uint8_t first_byte, struct view payload)
{
    uint8_t header[WAX_WS_HEADER_BYTES_MAX];
    size_t len = ws_encode_header(span_of(header, sizeof header), first_byte, payload.len, NULL);

    append(&relay->out, view_of(header, len));
    append(&relay->out, payload);
}

void relay_say(struct scripted_relay *relay, struct view frame)
{
    relay_say_raw(relay, WS_FIN | WS_BINARY, frame);
}

void relay_say_challenge(struct scripted_relay *relay)
{
    uint8_t out[WIRE_CHALLENGE_BYTES];
    struct frame_challenge challenge = {.relay_nonce = relay->nonce, .relay_id = relay->id, .time_ms = 1};

    relay_say(relay, view_of(out, frame_write_challenge(span_of(out, sizeof out), &challenge)));
}

void relay_say_welcome(struct scripted_relay *relay, const struct wax_identity *who, uint16_t device,
                       uint8_t flags, uint32_t window, struct view token)
{
    uint8_t out[WIRE_WELCOME_BYTES + 2 * WAX_TOKEN_BYTES_MAX + 2];
    struct frame_welcome welcome = {
        .flags = flags,
        .device = device,
        .payload_bytes_max = WAX_PAYLOAD_BYTES_DEFAULT,
        .time_ms = 1700000000000,
        .user = who->user,
        .window = window,
        .waiting = 3,
        .heartbeat_s = 240,
        .token = token,
        .media_token = view_of("media", 5),
    };

    relay_say(relay, view_of(out, frame_write_welcome(span_of(out, sizeof out), &welcome)));
}

void relay_say_deliver(struct scripted_relay *relay, uint32_t seq, uint64_t id, uint8_t flags, uint8_t sender,
                       struct view payload)
{
    uint8_t *out = malloc(WIRE_DELIVER_BYTES + payload.len);
    struct frame_deliver deliver = {
        .flags = flags,
        .from = {.device = sender},
        .seq = seq,
        .id = id,
        .taken_ms = 1700000000001,
        .payload = payload,
    };

    memset(deliver.from.user, sender, sizeof deliver.from.user);
    size_t head = frame_write_deliver_head(span_of(out, WIRE_DELIVER_BYTES), &deliver);
    if (payload.len > 0)
        memcpy(out + head, payload.data, payload.len);
    relay_say(relay, view_of(out, head + payload.len));
    free(out);
}

void relay_say_status(struct scripted_relay *relay, uint8_t kind, uint8_t reason, uint64_t id,
                      const struct wax_client_message *message)
{
    uint8_t out[WIRE_STATUS_BYTES + WIRE_STATUS_ENTRY_BYTES];
    struct frame_status_entry entry = {
        .kind = kind,
        .reason = reason,
        .about = {.device = message->recipient_device},
        .id = id,
    };

    memcpy(entry.about.user, message->recipient, WAX_USER_BYTES);
    frame_open_status(span_of(out, sizeof out));
    relay_say(relay, view_of(out, frame_append_status(span_of(out, sizeof out), &entry)));
}

void relay_say_error(struct scripted_relay *relay, uint8_t code)
{
    uint8_t out[WIRE_ERROR_BYTES + 8];
    struct frame_error error = {.code = code, .text = view_of("because", 7)};

    relay_say(relay, view_of(out, frame_write_error(span_of(out, sizeof out), &error)));
}

void relay_say_close(struct scripted_relay *relay, uint16_t code)
{
    uint8_t out[2];

    store_be16(out, code);
    relay_say_raw(relay, WS_FIN | WS_CLOSE, view_of(out, 2));
}

bool relay_proof_is_good(const struct scripted_relay *relay, const struct relay_frame *hello,
                         const struct relay_frame *proof, const uint8_t *binding)
{
    struct frame_hello h;
    struct frame_proof p;
    uint8_t text[WIRE_PROOF_SIGNED_BYTES];

    if (frame_parse_hello(view_of(hello->data, hello->len), &h) != WAX_OK ||
        frame_parse_proof(view_of(proof->data, proof->len), &p) != WAX_OK)
        return false;
    frame_write_proof_signed(text, relay->id, relay->nonce, h.client_nonce, h.device, binding);
    return crypto_sign_verify_detached(p.signature, text, sizeof text, h.account_key) == 0;
}
