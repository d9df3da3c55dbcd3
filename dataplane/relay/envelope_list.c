/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of clients with a list in them. */
#include "relay/envelope.h"

enum wax_status frame_parse_multi(struct view frame, struct frame_multi *out)
{
    if (frame.len < WIRE_SEND_MULTI_BYTES || frame.len > WAX_FRAME_BYTES_MAX ||
        frame.data[0] != WIRE_SEND_MULTI)
        return WAX_FRAME_MALFORMED;
    out->flags = frame.data[1];
    out->count = load_be16(frame.data + 2);
    out->ttl_s = load_be32(frame.data + 4);
    out->id = load_be64(frame.data + 8);
    size_t shared = load_be32(frame.data + 16), at = WIRE_SEND_MULTI_BYTES;
    if (out->count == 0 || out->count > WAX_MULTI_RECIPIENTS_MAX)
        return WAX_FRAME_MALFORMED;
    for (uint32_t i = 0; i < out->count; i++) {
        if (frame.len - at < WIRE_MULTI_ENTRY_BYTES)
            return WAX_FRAME_MALFORMED;
        size_t head = load_be16(frame.data + at + 18);
        at += WIRE_MULTI_ENTRY_BYTES;
        if (frame.len - at < head)
            return WAX_FRAME_MALFORMED;
        at += head;
    }
    out->entries = view_of(frame.data + WIRE_SEND_MULTI_BYTES, at - WIRE_SEND_MULTI_BYTES);
    out->shared = view_of(frame.data + at, frame.len - at);
    return frame.len - at == shared ? WAX_OK : WAX_FRAME_MALFORMED;
}

struct frame_multi_entry frame_multi_entry(const uint8_t *entry)
{
    struct frame_multi_entry out = {.head_bytes = load_be16(entry + 18)};
    memcpy(out.to.user, entry, WAX_USER_BYTES);
    out.to.device = load_be16(entry + 16);
    return out;
}

/* A view's copy; empty views may have no address. */
static void put(uint8_t *at, struct view bytes)
{
    if (bytes.len != 0)
        memcpy(at, bytes.data, bytes.len);
}

size_t frame_open_multi(struct span out, const struct frame_multi *multi)
{
    if (out.len < WIRE_SEND_MULTI_BYTES)
        return 0;
    memset(out.data, 0, WIRE_SEND_MULTI_BYTES);
    out.data[0] = WIRE_SEND_MULTI;
    out.data[1] = multi->flags;
    store_be32(out.data + 4, multi->ttl_s);
    store_be64(out.data + 8, multi->id);
    return WIRE_SEND_MULTI_BYTES;
}

size_t frame_append_multi(struct span out, size_t len, const struct name *to, struct view head)
{
    uint32_t count = load_be16(out.data + 2);
    if (count == WAX_MULTI_RECIPIENTS_MAX || head.len > UINT16_MAX ||
        out.len < len + WIRE_MULTI_ENTRY_BYTES + head.len)
        return 0;
    uint8_t *at = out.data + len;
    memcpy(at, to->user, WAX_USER_BYTES);
    store_be16(at + 16, to->device);
    store_be16(at + 18, (uint16_t)head.len);
    put(at + WIRE_MULTI_ENTRY_BYTES, head);
    store_be16(out.data + 2, (uint16_t)(count + 1));
    return len + WIRE_MULTI_ENTRY_BYTES + head.len;
}

size_t frame_close_multi(struct span out, size_t len, struct view shared)
{
    if (out.len < len + shared.len || len + shared.len > WAX_FRAME_BYTES_MAX)
        return 0;
    store_be32(out.data + 16, (uint32_t)shared.len);
    put(out.data + len, shared);
    return len + shared.len;
}

enum wax_status frame_parse_read(struct view frame, struct frame_read *out)
{
    if (frame.len < WIRE_READ_BYTES || frame.len > WAX_FRAME_BYTES_MAX || frame.data[0] != WIRE_READ)
        return WAX_FRAME_MALFORMED;
    out->count = load_be16(frame.data + 2);
    out->entries = frame.data + WIRE_READ_BYTES;
    return frame.len == WIRE_READ_BYTES + (size_t)out->count * WIRE_READ_ENTRY_BYTES ? WAX_OK
                                                                                     : WAX_FRAME_MALFORMED;
}

struct frame_read_entry frame_read_entry(const uint8_t *entry)
{
    struct frame_read_entry out = {.id = load_be64(entry + 4)};
    out.sender.device = load_be16(entry + 2);
    memcpy(out.sender.user, entry + 12, WAX_USER_BYTES);
    return out;
}

size_t frame_open_read(struct span out)
{
    if (out.len < WIRE_READ_BYTES)
        return 0;
    memset(out.data, 0, WIRE_READ_BYTES);
    out.data[0] = WIRE_READ;
    return WIRE_READ_BYTES;
}

size_t frame_append_read(struct span out, const struct frame_read_entry *entry)
{
    uint32_t count = load_be16(out.data + 2);
    size_t len = WIRE_READ_BYTES + (size_t)count * WIRE_READ_ENTRY_BYTES;
    if (count == UINT16_MAX || out.len < len + WIRE_READ_ENTRY_BYTES ||
        len + WIRE_READ_ENTRY_BYTES > WAX_FRAME_BYTES_MAX)
        return 0;
    uint8_t *at = out.data + len;
    store_be16(at, 0);
    store_be16(at + 2, entry->sender.device);
    store_be64(at + 4, entry->id);
    memcpy(at + 12, entry->sender.user, WAX_USER_BYTES);
    store_be16(out.data + 2, (uint16_t)(count + 1));
    return len + WIRE_READ_ENTRY_BYTES;
}
