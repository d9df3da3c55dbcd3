/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The body of a request, as its head frames it: Content-Length, or chunks (RFC 9112 6, 7.1). A reader that
 * keeps no bytes: what it finds points into the caller's. Everything that two readers might read differently
 * is refused, and the connection must then be closed (RFC 9112 11.2).
 */
#ifndef WAXWIRE_HTTP_BODY_H
#define WAXWIRE_HTTP_BODY_H

#include "http/request.h"

#define HTTP_CHUNK_DIGITS_MAX     15u   /* of a chunk's size: below 2^60 */
#define HTTP_EXTENSIONS_BYTES_MAX 4096u /* of all chunk extensions of a body (RFC 9112 7.1.1) */

/* All of it is the reader's own. */
struct http_body {
    uint64_t left;       /* bytes still to come: of the body, or of this chunk */
    uint64_t room;       /* bytes that further chunks may bring */
    uint32_t extensions; /* bytes of chunk extensions so far */
    uint16_t trailers;   /* bytes of trailers so far */
    uint8_t digits;      /* of this chunk's size */
    uint8_t state;
};

/*
 * Begins with the body of a request whose head was parsed; without Content-Length and chunks it is empty
 * (RFC 9112 6.3 item 7). WAX_OK, or WAX_HTTP_TOO_LARGE when it is announced to be above `limit` bytes.
 */
enum wax_status http_body_begin(struct http_body *body, const struct http_request *request, uint64_t limit);

/*
 * True when nothing more belongs to the body: what follows is the next request.
 */
bool http_body_is_over(const struct http_body *body);

/*
 * Reads on. *used bytes of `in` are done with; *data is the piece of the body among them, perhaps none. At
 * least one byte is used unless `in` is empty or the body is over.
 *
 * WAX_OK: the body is over, with this piece. WAX_MORE: call again with what follows the *used bytes.
 * WAX_HTTP_CHUNK (RFC 9112 7.1), WAX_HTTP_TOO_LARGE (the chunks exceed the limit), WAX_HTTP_HEAD_TOO_LARGE
 * (trailers above 8 KiB); after one of these call no more.
 */
enum wax_status http_body_read(struct http_body *body, struct view in, size_t *used, struct view *data);

#endif
