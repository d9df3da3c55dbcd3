/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The payload of a close frame (RFC 6455 5.5.1, 7.4).
 */
#ifndef WAXWIRE_WS_CLOSE_H
#define WAXWIRE_WS_CLOSE_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/status.h"

/*
 * Reads a close frame's payload: *code is 1005 when it is empty. WAX_OK, WAX_WS_CLOSE_CODE (one byte long, or
 * a code that may not be sent) or WAX_WS_UTF8 (the reason is not UTF-8).
 */
enum wax_status ws_close_parse(struct view payload, uint16_t *code, struct view *reason);

/*
 * True when the bytes are UTF-8 (RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF).
 */
bool ws_is_utf8(struct view text);

#endif
