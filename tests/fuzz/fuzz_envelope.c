/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of the protocol, both directions: what is read and written again must be the same frame. */
#include <stdlib.h>

#include "relay/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[WAX_FRAME_BYTES_MAX + 64];

static void same(struct view frame, size_t len, size_t reserved_from, size_t reserved_to)
{
    if (len != frame.len)
        abort();
    for (size_t i = 0; i < len; i++) {
        if (out[i] != frame.data[i] && (i < reserved_from || i >= reserved_to))
            abort();
    }
}

static void multi_frame(struct view frame)
{
    struct span room = span_of(out, sizeof out);
    struct frame_multi multi;
    if (frame_parse_multi(frame, &multi) != WAX_OK)
        return;
    size_t len = frame_open_multi(room, &multi);
    const uint8_t *at = multi.entries.data;
    for (uint32_t i = 0; i < multi.count; i++) {
        struct frame_multi_entry entry = frame_multi_entry(at);
        struct view head = view_of(at + WIRE_MULTI_ENTRY_BYTES, entry.head_bytes);
        len = frame_append_multi(room, len, &entry.to, head);
        at += WIRE_MULTI_ENTRY_BYTES + entry.head_bytes;
    }
    same(frame, frame_close_multi(room, len, multi.shared), 20, 24);
}

static void read_frame(struct view frame)
{
    struct span room = span_of(out, sizeof out);
    struct frame_read read;
    if (frame_parse_read(frame, &read) != WAX_OK)
        return;
    size_t len = frame_open_read(room);
    for (uint32_t i = 0; i < read.count; i++) {
        const uint8_t *at = read.entries + (size_t)i * WIRE_READ_ENTRY_BYTES;
        struct frame_read_entry entry = frame_read_entry(at);
        len = frame_append_read(room, &entry);
        memcpy(out + len - WIRE_READ_ENTRY_BYTES, at, 2); /* reserved */
    }
    out[1] = frame.data[1];
    same(frame, len, 4, 8);
}

static void client_frame(struct view frame)
{
    struct span room = span_of(out, sizeof out);
    struct frame_hello hello;
    struct frame_proof proof;
    struct frame_send send;
    uint32_t seq;
    if (frame_parse_hello(frame, &hello) == WAX_OK)
        same(frame, frame_write_hello(room, &hello), 0, 0);
    if (frame_parse_proof(frame, &proof) == WAX_OK)
        same(frame, frame_write_proof(room, &proof), 2, 8);
    if (frame_parse_send(frame, &send) == WAX_OK)
        same(frame, frame_write_send(room, &send), 0, 0);
    if (frame_parse_ack(frame, &seq) == WAX_OK)
        same(frame, frame_write_ack(room, seq), 1, 4);
    multi_frame(frame);
    read_frame(frame);
}

static void status_frame(struct view frame)
{
    struct span room = span_of(out, sizeof out);
    struct frame_status status;
    if (frame_parse_status(frame, &status) != WAX_OK)
        return;
    size_t len = frame_open_status(room);
    for (uint32_t i = 0; i < status.count && i < WAX_STATUS_ENTRIES_MAX; i++) {
        struct frame_status_entry entry = frame_status_entry(&status, i);
        len = frame_append_status(room, &entry);
    }
    if (status.count <= WAX_STATUS_ENTRIES_MAX) {
        out[1] = frame.data[1];
        same(frame, len, 4, 8);
    }
}

static void relay_frame(struct view frame)
{
    struct span room = span_of(out, sizeof out);
    struct frame_challenge challenge;
    struct frame_welcome welcome;
    struct frame_deliver deliver;
    struct frame_error error;
    if (frame_parse_challenge(frame, &challenge) == WAX_OK)
        same(frame, frame_write_challenge(room, &challenge), 2, 8);
    if (frame_parse_welcome(frame, &welcome) == WAX_OK)
        same(frame, frame_write_welcome(room, &welcome), 0, 0);
    if (frame_parse_deliver(frame, &deliver) == WAX_OK) {
        size_t head = frame_write_deliver_head(room, &deliver);
        if (deliver.payload.len != 0)
            memcpy(out + head, deliver.payload.data, deliver.payload.len);
        same(frame, head + deliver.payload.len, 0, 0);
    }
    if (frame_parse_error(frame, &error) == WAX_OK && error.text.len <= WAX_ERROR_TEXT_BYTES_MAX)
        same(frame, frame_write_error(room, &error), 0, 0);
    status_frame(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    client_frame(view_of(data, size));
    relay_frame(view_of(data, size));
    return 0;
}
