/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What request and reply heads share: finding their end, and splitting lines into fields (RFC 9112 2, 5).
 */
#ifndef WAXWIRE_HTTP_HEAD_H
#define WAXWIRE_HTTP_HEAD_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/status.h"

/*
 * Looks for the empty line that ends the head at the beginning of `in`, going on from *scanned bytes with
 * *state (both 0 at first). One empty line before the start line is passed over (RFC 9112 2.2); lines end by
 * CRLF alone; control characters are refused. WAX_OK and *scanned is the head's length, WAX_MORE,
 * WAX_HTTP_BAD_REQUEST, WAX_HTTP_HEAD_TOO_LARGE.
 */
enum wax_status http_head_scan(struct view in, uint32_t *scanned, uint8_t *state);

/*
 * Takes the next line off a head that was scanned, without its CRLF. False at the empty line or the end.
 */
bool http_line_next(struct view *head, struct view *line);

/*
 * Splits a field line into name and value, spaces around the value removed (RFC 9112 5.1). False when the
 * name is not a token directly followed by a colon, which refuses folded lines too (5.2).
 */
bool http_field_split(struct view line, struct view *name, struct view *value);

/*
 * True when the bytes are a token (RFC 9110 5.6.2), so not empty.
 */
bool http_is_token(struct view bytes);

#endif
