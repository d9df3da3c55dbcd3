/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * WebSocket framing (RFC 6455 5) for both roles: a streaming decoder that unmasks in place and hands out
 * pieces of messages as they come, and an encoder of headers. Binary messages only.
 */
#ifndef WAXWIRE_WS_FRAME_H
#define WAXWIRE_WS_FRAME_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xA
};
#define WS_FIN 0x80u /* or-ed to an opcode: the last frame of a message */

/* Who we are: a server expects masked frames and sends unmasked ones, a client the reverse. */
enum ws_role { WS_SERVER, WS_CLIENT };

struct ws_decoder {
    uint8_t *control; /* 125 bytes lent by the caller while a split control frame is gathered, or NULL */
    union {
        struct {
            uint32_t frame_left; /* payload bytes of the present frame still to come */
            uint8_t mask[4];     /* turned so that the next payload byte meets mask[0] */
        };
        uint8_t header[WAX_WS_HEADER_BYTES_MAX]; /* between frames: a header that was split over inputs */
    };
    uint32_t message_bytes; /* payload of the present message so far, without the piece to come */
    uint32_t message_max;   /* larger messages are refused */
    uint8_t header_len;
    uint8_t control_len;
    uint8_t first_byte; /* of the present frame: FIN and opcode */
    uint8_t flags;      /* WS_F_… in decode.c */
    uint8_t role;
    uint8_t status; /* the error that ended the stream, or WAX_OK */
};

_Static_assert(sizeof(struct ws_decoder) <= 40, "a decoder is small: every idle session has one");

struct ws_event {
    uint8_t opcode; /* WS_BINARY (a piece of a message), WS_PING, WS_PONG, WS_CLOSE; WS_CONTINUATION: none */
    bool first;     /* WS_BINARY: the piece begins a message … */
    bool last;      /* … and ends it: both for a message in one piece */
    uint16_t close_code; /* WS_CLOSE: the code, 1005 when the frame had none */
    uint32_t offset;     /* WS_BINARY: bytes of the message before this piece */
    uint32_t frame_left; /* WS_BINARY: bytes of this frame that come after this piece */
    size_t consumed;     /* bytes of the input that are done with */
    struct span data; /* the piece, or a control frame's payload (a close: its reason), unmasked; inside the
                         input, or in decoder->control for a control frame that was split */
};

/*
 * Begins a stream. Messages above `message_max` bytes (normally WAX_FRAME_BYTES_MAX) are refused.
 */
void ws_decoder_init(struct ws_decoder *d, enum ws_role role, uint32_t message_max);

/*
 * Decodes until the first event or the end of `in`, unmasking in place. It returns one of:
 *
 * WAX_OK: *ev is an event; ev->consumed bytes are done with, call again with the rest. ev->data stays valid
 * as long as the input does, or d->control for a control frame that was split.
 *
 * WAX_MORE: all of `in` is consumed (the decoder keeps a split header itself); there's no event.
 *
 * WAX_FULL: a control frame is split and d->control is NULL. Consume ev->consumed bytes, lend 125 bytes by
 * setting d->control, and call again with the rest. After any other return (and when its event, if any, has
 * been dealt with) they are the caller's again when !ws_holds_control(d): set d->control to NULL then.
 *
 * WAX_WS_…: the stream has ended (WAX_WS_CLOSED: bytes after a close frame, to be ignored); ws_close_code
 * says the code to close with. Further calls return the same and consume everything.
 */
enum wax_status ws_decode(struct ws_decoder *d, struct span in, struct ws_event *ev);

/*
 * True while d->control holds bytes of a control frame that is not whole yet. False once its event has been
 * returned: when that has been dealt with, the bytes are the caller's again.
 */
bool ws_holds_control(const struct ws_decoder *d);

/*
 * True between messages, when no byte of an unfinished frame or message has been taken.
 */
bool ws_is_idle(const struct ws_decoder *d);

/*
 * The close code (RFC 6455 7.4.1) for a status: 1002, 1003, 1007 or 1009 for WAX_WS_…, 1000 for WAX_OK, 1011
 * else.
 */
uint16_t ws_close_code(enum wax_status status);

/*
 * The length of the header that ws_encode_header writes: 2 to 14.
 */
size_t ws_header_bytes(uint64_t len, bool masked);

/*
 * Writes the header of a frame of `len` payload bytes; `first_byte` is an opcode with WS_FIN for the last
 * frame of a message; `mask` is 4 random bytes for a client, NULL for a server. Returns its length, or 0 when
 * `out` is too small. A client then masks the payload by ws_mask.
 */
size_t ws_encode_header(struct span out, uint8_t first_byte, uint64_t len, const uint8_t *mask);

/*
 * Writes a whole control frame (WS_PING, WS_PONG) with a payload of at most 125 bytes. Returns its length, or
 * 0.
 */
size_t ws_encode_control(struct span out, uint8_t opcode, struct view payload, const uint8_t *mask);

/*
 * Writes a whole close frame; the reason (UTF-8) is cut to 123 bytes. Code 0 or 1005: a close without a code.
 * Returns its length, or 0 when `out` is too small (129 bytes always suffice for a server, 133 for a client).
 */
size_t ws_encode_close(struct span out, uint16_t code, struct view reason, const uint8_t *mask);

/*
 * Masks or unmasks in place (RFC 6455 5.3). `phase` is the number of payload bytes before these.
 */
void ws_mask(struct span data, const uint8_t *mask, size_t phase);

#endif
