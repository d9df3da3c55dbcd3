/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The Range field of a request (RFC 9110 14.2): one range of bytes.
 */
#ifndef WAXWIRE_HTTP_RANGE_H
#define WAXWIRE_HTTP_RANGE_H

#include "waxwire/bytes.h"
#include "waxwire/status.h"

/* What of a representation is to be sent. */
struct http_range {
    uint64_t first;
    uint64_t bytes;
    uint8_t partial; /* 1: answered by 206, also when it is all of it; 0: the field is ignored, 200 */
};

/*
 * Reads the value of Range (empty: there was none) for a representation of `size` bytes. WAX_OK and *range:
 * the part, or all of it when there is no range, more than one (RFC 9110 14.2 lets a server ignore those), or
 * one that is malformed or of another unit (to be ignored, 14.1.1, 14.2). WAX_HTTP_RANGE: it begins behind
 * the end, or is a suffix of no bytes.
 */
enum wax_status http_range_parse(struct view value, uint64_t size, struct http_range *range);

#endif
