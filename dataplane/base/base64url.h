/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as text that goes into addresses and headers as it is: base64url without padding (RFC 4648 5, 3.2).
 */
#ifndef BASE_BASE64URL_H
#define BASE_BASE64URL_H

#include <stdbool.h>

#include "waxwire/bytes.h"

/* Characters that so many bytes take. */
#define BASE64URL_CHARACTERS(bytes) (((bytes)*4u + 2u) / 3u)

/*
 * What a character stands for, 0 to 63; -1: it is none of them.
 */
int base64url_digit(uint8_t c);

/*
 * Writes BASE64URL_CHARACTERS(raw.len) characters to `text`, with nothing behind them.
 */
void base64url_encode(struct view raw, uint8_t *text);

/*
 * Reads `text` into exactly raw.len bytes. False when its length is another, a character is none of the 64,
 * or the bits left over are not zero (RFC 4648 3.5: one spelling for each value); `raw` is then undefined.
 */
bool base64url_decode(struct view text, struct span raw);

#endif
