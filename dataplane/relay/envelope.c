/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/envelope.h"

/* A view's copy at the end of what has been written; empty views may have no address. */
static void put(uint8_t *at, struct view bytes)
{
    if (bytes.len != 0)
        memcpy(at, bytes.data, bytes.len);
}

static bool is_frame(struct view frame, uint8_t type, size_t least)
{
    return frame.len >= least && frame.len <= WAX_FRAME_BYTES_MAX && frame.data[0] == type;
}

enum wax_status frame_parse_hello(struct view frame, struct frame_hello *out)
{
    if (frame.len < 2 || frame.data[0] != WIRE_HELLO)
        return WAX_FRAME_MALFORMED;
    if (frame.data[1] != WIRE_VERSION)
        return WAX_SESSION_VERSION;
    if (frame.len < WIRE_HELLO_BYTES)
        return WAX_FRAME_MALFORMED;
    size_t token = load_be16(frame.data + 56);
    if (token > WAX_TOKEN_BYTES_MAX || frame.len < WIRE_HELLO_BYTES + token + 2)
        return WAX_FRAME_MALFORMED;
    size_t invite = load_be16(frame.data + WIRE_HELLO_BYTES + token);
    if (invite > WAX_INVITE_BYTES_MAX || frame.len != WIRE_HELLO_BYTES + token + 2 + invite)
        return WAX_FRAME_MALFORMED;
    out->device = load_be16(frame.data + 2);
    out->flags = load_be32(frame.data + 4);
    out->account_key = frame.data + 8;
    out->client_nonce = frame.data + 40;
    out->token = view_of(frame.data + WIRE_HELLO_BYTES, token);
    out->invite = view_of(frame.data + WIRE_HELLO_BYTES + token + 2, invite);
    return out->device == 0 ? WAX_FRAME_MALFORMED : WAX_OK;
}

size_t frame_write_hello(struct span out, const struct frame_hello *hello)
{
    size_t len = WIRE_HELLO_BYTES + hello->token.len + 2 + hello->invite.len;
    if (out.len < len || hello->token.len > WAX_TOKEN_BYTES_MAX || hello->invite.len > WAX_INVITE_BYTES_MAX)
        return 0;
    out.data[0] = WIRE_HELLO;
    out.data[1] = WIRE_VERSION;
    store_be16(out.data + 2, hello->device);
    store_be32(out.data + 4, hello->flags);
    memcpy(out.data + 8, hello->account_key, WAX_ACCOUNT_KEY_BYTES);
    memcpy(out.data + 40, hello->client_nonce, WAX_CLIENT_NONCE_BYTES);
    store_be16(out.data + 56, (uint16_t)hello->token.len);
    put(out.data + WIRE_HELLO_BYTES, hello->token);
    store_be16(out.data + WIRE_HELLO_BYTES + hello->token.len, (uint16_t)hello->invite.len);
    put(out.data + WIRE_HELLO_BYTES + hello->token.len + 2, hello->invite);
    return len;
}

enum wax_status frame_parse_proof(struct view frame, struct frame_proof *out)
{
    if (frame.len != WIRE_PROOF_BYTES || frame.data[0] != WIRE_PROOF)
        return WAX_FRAME_MALFORMED;
    out->flags = frame.data[1];
    out->signature = frame.data + 8;
    return WAX_OK;
}

size_t frame_write_proof(struct span out, const struct frame_proof *proof)
{
    if (out.len < WIRE_PROOF_BYTES)
        return 0;
    memset(out.data, 0, 8);
    out.data[0] = WIRE_PROOF;
    out.data[1] = proof->flags;
    memcpy(out.data + 8, proof->signature, WAX_SIGNATURE_BYTES);
    return WIRE_PROOF_BYTES;
}

enum wax_status frame_parse_send(struct view frame, struct frame_send *out)
{
    if (!is_frame(frame, WIRE_SEND, WIRE_SEND_BYTES))
        return WAX_FRAME_MALFORMED;
    out->flags = frame.data[1];
    out->to.device = load_be16(frame.data + 2);
    out->ttl_s = load_be32(frame.data + 4);
    out->id = load_be64(frame.data + 8);
    memcpy(out->to.user, frame.data + 16, WAX_USER_BYTES);
    out->payload = view_of(frame.data + WIRE_SEND_BYTES, frame.len - WIRE_SEND_BYTES);
    return WAX_OK;
}

size_t frame_write_send_head(struct span out, const struct frame_send *send)
{
    if (out.len < WIRE_SEND_BYTES)
        return 0;
    out.data[0] = WIRE_SEND;
    out.data[1] = send->flags;
    store_be16(out.data + 2, send->to.device);
    store_be32(out.data + 4, send->ttl_s);
    store_be64(out.data + 8, send->id);
    memcpy(out.data + 16, send->to.user, WAX_USER_BYTES);
    return WIRE_SEND_BYTES;
}

size_t frame_write_send(struct span out, const struct frame_send *send)
{
    if (send->payload.len > WAX_FRAME_BYTES_MAX - WIRE_SEND_BYTES ||
        out.len < WIRE_SEND_BYTES + send->payload.len)
        return 0;
    size_t head = frame_write_send_head(out, send);
    put(out.data + head, send->payload);
    return head + send->payload.len;
}

enum wax_status frame_parse_ack(struct view frame, uint32_t *seq)
{
    if (frame.len != WIRE_ACK_BYTES || frame.data[0] != WIRE_ACK)
        return WAX_FRAME_MALFORMED;
    *seq = load_be32(frame.data + 4);
    return WAX_OK;
}

size_t frame_write_ack(struct span out, uint32_t seq)
{
    if (out.len < WIRE_ACK_BYTES)
        return 0;
    store_be32(out.data, (uint32_t)WIRE_ACK << 24);
    store_be32(out.data + 4, seq);
    return WIRE_ACK_BYTES;
}

enum wax_status frame_parse_challenge(struct view frame, struct frame_challenge *out)
{
    if (frame.len != WIRE_CHALLENGE_BYTES || frame.data[0] != WIRE_CHALLENGE)
        return WAX_FRAME_MALFORMED;
    if (frame.data[1] != WIRE_VERSION)
        return WAX_SESSION_VERSION;
    out->relay_nonce = frame.data + 8;
    out->relay_id = frame.data + 40;
    out->time_ms = load_be64(frame.data + 56);
    return WAX_OK;
}

size_t frame_write_challenge(struct span out, const struct frame_challenge *challenge)
{
    if (out.len < WIRE_CHALLENGE_BYTES)
        return 0;
    memset(out.data, 0, 8);
    out.data[0] = WIRE_CHALLENGE;
    out.data[1] = WIRE_VERSION;
    memcpy(out.data + 8, challenge->relay_nonce, WAX_NONCE_BYTES);
    memcpy(out.data + 40, challenge->relay_id, WAX_RELAY_ID_BYTES);
    store_be64(out.data + 56, challenge->time_ms);
    return WIRE_CHALLENGE_BYTES;
}

enum wax_status frame_parse_welcome(struct view frame, struct frame_welcome *out)
{
    if (!is_frame(frame, WIRE_WELCOME, WIRE_WELCOME_BYTES))
        return WAX_FRAME_MALFORMED;
    size_t token = load_be16(frame.data + 42);
    if (token > WAX_TOKEN_BYTES_MAX || frame.len < WIRE_WELCOME_BYTES + token + 2)
        return WAX_FRAME_MALFORMED;
    size_t media = load_be16(frame.data + WIRE_WELCOME_BYTES + token);
    if (media > WAX_TOKEN_BYTES_MAX || frame.len != WIRE_WELCOME_BYTES + token + 2 + media)
        return WAX_FRAME_MALFORMED;
    out->flags = frame.data[1];
    out->device = load_be16(frame.data + 2);
    out->payload_bytes_max = load_be32(frame.data + 4);
    out->time_ms = load_be64(frame.data + 8);
    out->user = frame.data + 16;
    out->window = load_be32(frame.data + 32);
    out->waiting = load_be32(frame.data + 36);
    out->heartbeat_s = load_be16(frame.data + 40);
    out->token = view_of(frame.data + WIRE_WELCOME_BYTES, token);
    out->media_token = view_of(frame.data + WIRE_WELCOME_BYTES + token + 2, media);
    return WAX_OK;
}

size_t frame_write_welcome(struct span out, const struct frame_welcome *welcome)
{
    size_t token = welcome->token.len;
    size_t len = WIRE_WELCOME_BYTES + token + 2 + welcome->media_token.len;
    if (out.len < len || token > WAX_TOKEN_BYTES_MAX || welcome->media_token.len > WAX_TOKEN_BYTES_MAX)
        return 0;
    out.data[0] = WIRE_WELCOME;
    out.data[1] = welcome->flags;
    store_be16(out.data + 2, welcome->device);
    store_be32(out.data + 4, welcome->payload_bytes_max);
    store_be64(out.data + 8, welcome->time_ms);
    memcpy(out.data + 16, welcome->user, WAX_USER_BYTES);
    store_be32(out.data + 32, welcome->window);
    store_be32(out.data + 36, welcome->waiting);
    store_be16(out.data + 40, welcome->heartbeat_s);
    store_be16(out.data + 42, (uint16_t)token);
    put(out.data + WIRE_WELCOME_BYTES, welcome->token);
    store_be16(out.data + WIRE_WELCOME_BYTES + token, (uint16_t)welcome->media_token.len);
    put(out.data + WIRE_WELCOME_BYTES + token + 2, welcome->media_token);
    return len;
}

enum wax_status frame_parse_deliver(struct view frame, struct frame_deliver *out)
{
    if (!is_frame(frame, WIRE_DELIVER, WIRE_DELIVER_BYTES))
        return WAX_FRAME_MALFORMED;
    out->flags = frame.data[1];
    out->from.device = load_be16(frame.data + 2);
    out->seq = load_be32(frame.data + 4);
    out->id = load_be64(frame.data + 8);
    memcpy(out->from.user, frame.data + 16, WAX_USER_BYTES);
    out->taken_ms = load_be64(frame.data + 32);
    out->head_bytes = load_be32(frame.data + 40);
    out->payload = view_of(frame.data + WIRE_DELIVER_BYTES, frame.len - WIRE_DELIVER_BYTES);
    return out->head_bytes > out->payload.len ? WAX_FRAME_MALFORMED : WAX_OK;
}

size_t frame_write_deliver_head(struct span out, const struct frame_deliver *deliver)
{
    if (out.len < WIRE_DELIVER_BYTES)
        return 0;
    out.data[0] = WIRE_DELIVER;
    out.data[1] = deliver->flags;
    store_be16(out.data + 2, deliver->from.device);
    store_be32(out.data + 4, deliver->seq);
    store_be64(out.data + 8, deliver->id);
    memcpy(out.data + 16, deliver->from.user, WAX_USER_BYTES);
    store_be64(out.data + 32, deliver->taken_ms);
    store_be32(out.data + 40, deliver->head_bytes);
    return WIRE_DELIVER_BYTES;
}

enum wax_status frame_parse_status(struct view frame, struct frame_status *out)
{
    if (!is_frame(frame, WIRE_STATUS, WIRE_STATUS_BYTES))
        return WAX_FRAME_MALFORMED;
    out->count = load_be16(frame.data + 2);
    out->entries = frame.data + WIRE_STATUS_BYTES;
    return frame.len == WIRE_STATUS_BYTES + (size_t)out->count * WIRE_STATUS_ENTRY_BYTES
               ? WAX_OK
               : WAX_FRAME_MALFORMED;
}

struct frame_status_entry frame_status_entry(const struct frame_status *status, uint32_t index)
{
    assert(index < status->count);
    const uint8_t *at = status->entries + (size_t)index * WIRE_STATUS_ENTRY_BYTES;
    struct frame_status_entry entry = {.kind = at[0], .reason = at[1], .id = load_be64(at + 4)};
    entry.about.device = load_be16(at + 2);
    memcpy(entry.about.user, at + 12, WAX_USER_BYTES);
    return entry;
}

size_t frame_open_status(struct span out)
{
    if (out.len < WIRE_STATUS_BYTES)
        return 0;
    memset(out.data, 0, WIRE_STATUS_BYTES);
    out.data[0] = WIRE_STATUS;
    return WIRE_STATUS_BYTES;
}

size_t frame_append_status(struct span out, const struct frame_status_entry *entry)
{
    uint32_t count = load_be16(out.data + 2);
    size_t len = WIRE_STATUS_BYTES + (size_t)count * WIRE_STATUS_ENTRY_BYTES;
    if (count >= WAX_STATUS_ENTRIES_MAX || out.len < len + WIRE_STATUS_ENTRY_BYTES)
        return 0;
    uint8_t *at = out.data + len;
    at[0] = entry->kind;
    at[1] = entry->reason;
    store_be16(at + 2, entry->about.device);
    store_be64(at + 4, entry->id);
    memcpy(at + 12, entry->about.user, WAX_USER_BYTES);
    store_be16(out.data + 2, (uint16_t)(count + 1));
    return len + WIRE_STATUS_ENTRY_BYTES;
}

enum wax_status frame_parse_error(struct view frame, struct frame_error *out)
{
    if (!is_frame(frame, WIRE_ERROR, WIRE_ERROR_BYTES))
        return WAX_FRAME_MALFORMED;
    out->code = frame.data[1];
    out->request = load_be32(frame.data + 4);
    out->text = view_of(frame.data + WIRE_ERROR_BYTES, frame.len - WIRE_ERROR_BYTES);
    return out->text.len == load_be16(frame.data + 2) ? WAX_OK : WAX_FRAME_MALFORMED;
}

size_t frame_write_error(struct span out, const struct frame_error *error)
{
    size_t len = WIRE_ERROR_BYTES + error->text.len;
    if (out.len < len || error->text.len > WAX_ERROR_TEXT_BYTES_MAX)
        return 0;
    out.data[0] = WIRE_ERROR;
    out.data[1] = error->code;
    store_be16(out.data + 2, (uint16_t)error->text.len);
    store_be32(out.data + 4, error->request);
    put(out.data + WIRE_ERROR_BYTES, error->text);
    return len;
}

void frame_write_proof_signed(uint8_t out[WIRE_PROOF_SIGNED_BYTES], const uint8_t *relay_id,
                              const uint8_t *relay_nonce, const uint8_t *client_nonce, uint16_t device,
                              const uint8_t *binding)
{
    memcpy(out, WIRE_PROOF_CONTEXT, 17);
    memcpy(out + 17, relay_id, WAX_RELAY_ID_BYTES);
    memcpy(out + 33, relay_nonce, WAX_NONCE_BYTES);
    memcpy(out + 65, client_nonce, WAX_CLIENT_NONCE_BYTES);
    store_be16(out + 81, device);
    if (binding != NULL)
        memcpy(out + 83, binding, WAX_BINDING_BYTES);
    else
        memset(out + 83, 0, WAX_BINDING_BYTES);
}
