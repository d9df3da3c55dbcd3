/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The WebSocket decoder: an input is a role (bit 0 of the first byte), a step (second byte) and a stream.
 * What the decoder makes of the stream must not depend on how it is split.
 */
#include <stdlib.h>

#include "ws/frame.h"

#define MESSAGE_MAX 70000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A digest of all events and the end. */
struct digest {
    uint64_t hash;
    enum wax_status end;
};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void digest_add(struct digest *d, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++)
        d->hash = (d->hash ^ p[i]) * 0x100000001b3u;
}

/* Only what no split may change: pieces differ, the bytes in order and the messages' ends do not. */
static void event_check(struct digest *d, const struct ws_event *ev, uint64_t *message)
{
    uint8_t mark[4] = {ev->opcode, 0, (uint8_t)(ev->close_code >> 8), (uint8_t)ev->close_code};
    if (ev->opcode != WS_BINARY) {
        check(ev->data.len <= WAX_WS_CONTROL_BYTES_MAX);
        digest_add(d, mark, sizeof mark);
        digest_add(d, ev->data.data, ev->data.len);
        return;
    }
    check(ev->data.len > 0 || ev->last);
    check(ev->first == (*message == 0 || ev->offset == 0));
    check(ev->offset == *message);
    *message += ev->data.len;
    check(*message + ev->frame_left <= MESSAGE_MAX);
    digest_add(d, ev->data.data, ev->data.len);
    if (ev->last) {
        check(ev->frame_left == 0);
        digest_add(d, mark, sizeof mark);
        *message = 0;
    }
}

static struct digest decode(const uint8_t *data, size_t size, enum ws_role role, size_t step)
{
    struct digest digest = {.hash = 0xcbf29ce484222325u, .end = WAX_MORE};
    struct ws_decoder d;
    uint8_t held[WAX_WS_CONTROL_BYTES_MAX];
    uint64_t message = 0;
    ws_decoder_init(&d, role, MESSAGE_MAX);
    for (size_t at = 0; at < size && digest.end == WAX_MORE; at += step) {
        size_t n = size - at < step ? size - at : step;
        uint8_t *copy = malloc(n);
        check(copy != NULL);
        memcpy(copy, data + at, n);
        struct span left = span_of(copy, n);
        do {
            struct ws_event ev;
            digest.end = ws_decode(&d, left, &ev);
            check(ev.consumed <= left.len);
            left = span_of(left.data + ev.consumed, left.len - ev.consumed);
            if (digest.end == WAX_OK)
                event_check(&digest, &ev, &message);
            if (digest.end == WAX_FULL) {
                check(d.control == NULL);
                d.control = held;
            } else if (!ws_holds_control(&d)) {
                d.control = NULL;
            }
        } while (digest.end == WAX_OK || digest.end == WAX_FULL);
        check(left.len == 0);
        free(copy);
    }
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    enum ws_role role = (data[0] & 1) != 0 ? WS_CLIENT : WS_SERVER;
    size_t step = data[1] == 0 ? 1 : data[1];
    struct digest whole = decode(data + 2, size - 2, role, size);
    struct digest split = decode(data + 2, size - 2, role, step);
    check(whole.end == split.end && whole.hash == split.hash);
    check(whole.end == WAX_MORE || ws_close_code(whole.end) >= 1002);
    return 0;
}
