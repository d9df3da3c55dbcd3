/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests, which the relay's control plane answers, and READ. */
#include "waxwire/request.h"

#include <sodium.h>

#include "core.h"
#include "relay/envelope.h"

/* Room for a request; its number is taken. */
static enum wax_status begin(struct wax_client *client, size_t len, uint8_t **out)
{
    if (client->state != CORE_OPEN)
        return WAX_CLIENT_NOT_OPEN;
    *out = core_message_reserve(client, len);
    if (*out == NULL)
        return WAX_NO_MEMORY;
    if (++client->requests == 0)
        client->requests = 1;
    return WAX_OK;
}

static enum wax_status end(struct wax_client *client, size_t len, uint32_t *request)
{
    core_message_commit(client, len);
    *request = client->requests;
    return WAX_OK;
}

enum wax_status wax_client_device(struct wax_client *client, uint8_t what, uint16_t device, uint32_t *request)
{
    uint8_t *out;
    enum wax_status status = begin(client, WIRE_DEVICE_BYTES, &out);
    if (status != WAX_OK)
        return status;
    struct wire_device frame = {what, device, client->requests};
    return end(client, wire_device_write(span_of(out, WIRE_DEVICE_BYTES), &frame), request);
}

enum wax_status wax_client_block(struct wax_client *client, uint8_t what, const uint8_t *user,
                                 uint32_t *request)
{
    static const uint8_t nobody[WAX_USER_BYTES];
    uint8_t *out;
    enum wax_status status = begin(client, WIRE_BLOCK_BYTES, &out);
    if (status != WAX_OK)
        return status;
    struct wire_block frame = {what, client->requests, user != NULL ? user : nobody};
    return end(client, wire_block_write(span_of(out, WIRE_BLOCK_BYTES), &frame), request);
}

enum wax_status wax_client_keys_get(struct wax_client *client, const uint8_t user[WAX_USER_BYTES],
                                    uint16_t device, bool take, uint32_t *request)
{
    uint8_t *out;
    enum wax_status status = begin(client, WIRE_KEYS_GET_BYTES, &out);
    if (status != WAX_OK)
        return status;
    struct wire_keys_get frame = {take ? WIRE_KEYS_GET_TAKE : 0, device, client->requests, user};
    return end(client, wire_keys_get_write(span_of(out, WIRE_KEYS_GET_BYTES), &frame), request);
}

/* The account key's word on the bundle. */
static bool sign(const struct wax_client *client, struct view bundle, uint8_t signature[WAX_SIGNATURE_BYTES])
{
    uint8_t text[WIRE_KEYS_SIGNED_BYTES + WAX_BUNDLE_BYTES_MAX];
    wire_keys_signed_write(text, client->config.identity.user, client->config.device);
    memcpy(text + WIRE_KEYS_SIGNED_BYTES, bundle.data, bundle.len);
    return crypto_sign_detached(signature, NULL, text, WIRE_KEYS_SIGNED_BYTES + bundle.len,
                                client->config.identity.secret_key) == 0;
}

enum wax_status wax_client_keys_put(struct wax_client *client, struct view bundle, const struct view *keys,
                                    uint16_t count, bool replace, uint32_t *request)
{
    uint8_t signature[WAX_SIGNATURE_BYTES], *out;
    size_t len = WIRE_KEYS_PUT_BYTES + bundle.len + WAX_SIGNATURE_BYTES;

    if (bundle.len == 0 || bundle.len > WAX_BUNDLE_BYTES_MAX || count > WAX_ONE_TIME_KEYS_PUT_MAX)
        return WAX_BAD_ARGUMENT;
    for (uint16_t i = 0; i < count; i++) {
        if (keys[i].len == 0 || keys[i].len > WAX_ONE_TIME_KEY_BYTES_MAX)
            return WAX_BAD_ARGUMENT;
        len += 2 + keys[i].len;
    }
    if (len > WAX_FRAME_BYTES_MAX || !sign(client, bundle, signature))
        return WAX_BAD_ARGUMENT;
    enum wax_status status = begin(client, len, &out);
    if (status != WAX_OK)
        return status;
    struct wire_keys_put put = {.flags = replace ? WIRE_KEYS_PUT_REPLACE : 0,
                                .device = client->config.device,
                                .request = client->requests,
                                .bundle = bundle,
                                .signature = signature,
                                .count = count};
    size_t at = wire_keys_put_write(span_of(out, len), &put);
    for (uint16_t i = 0; i < count; i++)
        at += wire_key_write(span_of(out + at, len - at), keys[i]);
    return end(client, at, request);
}

enum wax_status wax_client_read(struct wax_client *client, const uint8_t sender[WAX_USER_BYTES],
                                uint16_t sender_device, uint64_t id)
{
    size_t len = WIRE_READ_BYTES + WIRE_READ_ENTRY_BYTES;
    struct frame_read_entry entry = {.id = id, .sender = {.device = sender_device}};

    if (client->state != CORE_OPEN)
        return WAX_CLIENT_NOT_OPEN;
    /* The relay lets no READ overtake an ACK that came before it. */
    enum wax_status status = client->unacknowledged != 0 ? frames_ack(client) : WAX_OK;
    uint8_t *out = status == WAX_OK ? core_message_reserve(client, len) : NULL;
    if (out == NULL)
        return WAX_NO_MEMORY;
    memcpy(entry.sender.user, sender, WAX_USER_BYTES);
    frame_open_read(span_of(out, len));
    core_message_commit(client, frame_append_read(span_of(out, len), &entry));
    return WAX_OK;
}

/* Numbers of requests stand at the same place in all of these. */
enum wax_status requests_take(struct wax_client *client, struct view frame)
{
    bool low = frame.data[0] == WIRE_KEYS_LOW;
    if (frame.len < 8)
        return WAX_FRAME_MALFORMED;
    struct wax_client_event event = {.kind = WAX_CLIENT_REPLY,
                                     .reply = {.frame = frame, .type = frame.data[0]}};
    event.reply.request = low ? 0 : load_be32(frame.data + 4);
    core_raise(client, &event);
    return WAX_OK;
}
