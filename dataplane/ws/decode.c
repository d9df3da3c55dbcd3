/* SPDX-License-Identifier: BSD-3-Clause */
#include <assert.h>

#include "ws/close.h"
#include "ws/frame.h"

/* Flags of a decoder. */
#define WS_F_FRAME   0x01u /* a header has been read, frame_left bytes of payload follow */
#define WS_F_MESSAGE 0x02u /* between the first and the last frame of a message */
#define WS_F_FIRST   0x04u /* no piece of this message has been handed out yet */

_Static_assert(WAX_STATUS_COUNT < 256, "a status fits the decoder's byte");

void ws_decoder_init(struct ws_decoder *d, enum ws_role role, uint32_t message_max)
{
    *d = (struct ws_decoder){.role = (uint8_t)role, .message_max = message_max};
}

bool ws_holds_control(const struct ws_decoder *d)
{
    return d->control_len > 0;
}

bool ws_is_idle(const struct ws_decoder *d)
{
    return d->header_len == 0 && (d->flags & (WS_F_FRAME | WS_F_MESSAGE)) == 0;
}

static bool is_control(uint8_t first_byte)
{
    return (first_byte & 0x08) != 0;
}

/* Judges the first two bytes of a header (RFC 6455 5.2, 5.4, 5.5). */
static enum wax_status header_check(const struct ws_decoder *d, const uint8_t *h)
{
    uint8_t opcode = h[0] & 0x0F;
    bool masked = (h[1] & 0x80) != 0;
    bool in_message = (d->flags & WS_F_MESSAGE) != 0;

    if ((h[0] & 0x70) != 0)
        return WAX_WS_RESERVED;
    if (d->role == WS_SERVER && !masked)
        return WAX_WS_UNMASKED;
    if (d->role == WS_CLIENT && masked)
        return WAX_WS_MASKED;
    switch (opcode) {
    case WS_CLOSE:
    case WS_PING:
    case WS_PONG:
        return (h[0] & WS_FIN) == 0 || (h[1] & 0x7F) > WAX_WS_CONTROL_BYTES_MAX ? WAX_WS_CONTROL : WAX_OK;
    case WS_CONTINUATION:
        return in_message ? WAX_OK : WAX_WS_SEQUENCE;
    case WS_TEXT:
        return in_message ? WAX_WS_SEQUENCE : WAX_WS_TEXT;
    case WS_BINARY:
        return in_message ? WAX_WS_SEQUENCE : WAX_OK;
    default:
        return WAX_WS_RESERVED;
    }
}

static size_t header_bytes(const uint8_t *h)
{
    size_t bytes = 2;
    if ((h[1] & 0x7F) == 126)
        bytes += 2;
    else if ((h[1] & 0x7F) == 127)
        bytes += 8;
    return bytes + ((h[1] & 0x80) != 0 ? 4 : 0);
}

/* Begins a frame: `h` is its whole header, whose first two bytes have been checked. */
static enum wax_status frame_begin(struct ws_decoder *d, const uint8_t *h)
{
    const uint8_t *p = h + 2;
    uint64_t len = h[1] & 0x7F;
    if (len == 126) {
        len = load_be16(p);
        p += 2;
        if (len < 126)
            return WAX_WS_LENGTH;
    } else if (len == 127) {
        len = load_be64(p);
        p += 8;
        if (len <= UINT16_MAX || len >> 63 != 0)
            return WAX_WS_LENGTH;
    }
    if (!is_control(h[0])) {
        if ((h[0] & 0x0F) == WS_BINARY) {
            d->message_bytes = 0;
            d->flags |= WS_F_MESSAGE | WS_F_FIRST;
        }
        if (len > d->message_max - d->message_bytes)
            return WAX_WS_TOO_BIG;
    }
    if ((h[1] & 0x80) != 0)
        memcpy(d->mask, p, 4);
    d->first_byte = h[0];
    d->frame_left = (uint32_t)len;
    d->flags |= WS_F_FRAME;
    return WAX_OK;
}

/* Takes a header, whole or in parts. *pos moves on; WAX_OK when a frame has begun. */
static enum wax_status header_take(struct ws_decoder *d, struct span in, size_t *pos)
{
    const uint8_t *h = in.data + *pos;
    size_t have = in.len - *pos;
    if (d->header_len == 0 && have >= 2) {
        enum wax_status status = header_check(d, h);
        if (status != WAX_OK)
            return status;
        size_t need = header_bytes(h);
        if (have >= need) {
            *pos += need;
            return frame_begin(d, h);
        }
    }
    while (*pos < in.len) {
        d->header[d->header_len++] = in.data[(*pos)++];
        if (d->header_len < 2)
            continue;
        if (d->header_len == 2) {
            enum wax_status status = header_check(d, d->header);
            if (status != WAX_OK)
                return status;
        }
        if (d->header_len == header_bytes(d->header)) {
            uint8_t whole[WAX_WS_HEADER_BYTES_MAX]; /* the frame's fields lie where it was gathered */
            memcpy(whole, d->header, sizeof whole);
            d->header_len = 0;
            return frame_begin(d, whole);
        }
    }
    return WAX_MORE;
}

/* Unmasks the next bytes of the frame and turns the mask for those behind them. */
static void payload_unmask(struct ws_decoder *d, struct span piece)
{
    if (d->role != WS_SERVER || piece.len == 0)
        return;
    ws_mask(piece, d->mask, 0);
    uint8_t turned[4];
    for (size_t i = 0; i < 4; i++)
        turned[i] = d->mask[(piece.len + i) & 3];
    memcpy(d->mask, turned, 4);
}

static enum wax_status control_event(struct ws_decoder *d, struct span payload, struct ws_event *ev)
{
    d->flags &= (uint8_t)~WS_F_FRAME;
    ev->opcode = d->first_byte & 0x0F;
    ev->data = payload;
    if (ev->opcode != WS_CLOSE)
        return WAX_OK;
    struct view reason;
    enum wax_status status = ws_close_parse(view_of(payload.data, payload.len), &ev->close_code, &reason);
    if (status != WAX_OK)
        return status;
    ev->data = payload.len < 2 ? span_of(NULL, 0) : span_of(payload.data + 2, payload.len - 2);
    d->status = WAX_WS_CLOSED;
    return WAX_OK;
}

static enum wax_status control_take(struct ws_decoder *d, struct span in, size_t *pos, struct ws_event *ev)
{
    size_t have = in.len - *pos;
    size_t n = have < d->frame_left ? have : d->frame_left;
    struct span piece = span_of(in.data + *pos, n);
    if (d->control_len == 0 && n == d->frame_left) {
        payload_unmask(d, piece);
        *pos += n;
        return control_event(d, piece, ev);
    }
    if (n == 0)
        return WAX_MORE;
    if (d->control == NULL)
        return WAX_FULL;
    payload_unmask(d, piece);
    memcpy(d->control + d->control_len, piece.data, n);
    d->control_len = (uint8_t)(d->control_len + n);
    d->frame_left -= (uint32_t)n;
    *pos += n;
    if (d->frame_left > 0)
        return WAX_MORE;
    struct span whole = span_of(d->control, d->control_len);
    d->control_len = 0;
    return control_event(d, whole, ev);
}

/* The next piece of a data frame. WAX_OK with ev->opcode WS_CONTINUATION: an empty fragment, go on. */
static enum wax_status data_take(struct ws_decoder *d, struct span in, size_t *pos, struct ws_event *ev)
{
    size_t have = in.len - *pos;
    size_t n = have < d->frame_left ? have : d->frame_left;
    if (n == 0 && d->frame_left > 0)
        return WAX_MORE;
    struct span piece = span_of(in.data + *pos, n);
    payload_unmask(d, piece);
    *pos += n;
    d->frame_left -= (uint32_t)n;
    bool ended = d->frame_left == 0;
    bool last = ended && (d->first_byte & WS_FIN) != 0;
    if (ended)
        d->flags &= (uint8_t)~WS_F_FRAME;
    if (n == 0 && !last)
        return WAX_OK;

    ev->opcode = WS_BINARY;
    ev->first = (d->flags & WS_F_FIRST) != 0;
    ev->last = last;
    ev->offset = d->message_bytes;
    ev->frame_left = d->frame_left;
    ev->data = piece;
    d->message_bytes += (uint32_t)n;
    d->flags &= (uint8_t)~WS_F_FIRST;
    if (last)
        d->flags &= (uint8_t)~WS_F_MESSAGE;
    return WAX_OK;
}

enum wax_status ws_decode(struct ws_decoder *d, struct span in, struct ws_event *ev)
{
    *ev = (struct ws_event){.opcode = WS_CONTINUATION};
    if (d->status != WAX_OK) {
        ev->consumed = in.len;
        return (enum wax_status)d->status;
    }
    if (in.len == 0)
        return WAX_MORE;
    size_t pos = 0;
    enum wax_status status;
    do {
        status = WAX_OK;
        if ((d->flags & WS_F_FRAME) == 0)
            status = header_take(d, in, &pos);
        if (status == WAX_OK)
            status = is_control(d->first_byte) ? control_take(d, in, &pos, ev) : data_take(d, in, &pos, ev);
    } while (status == WAX_OK && ev->opcode == WS_CONTINUATION);

    assert(pos <= in.len);
    ev->consumed = pos;
    if (status != WAX_OK && status != WAX_MORE && status != WAX_FULL) {
        d->status = (uint8_t)status;
        ev->consumed = in.len;
    }
    return status;
}
