/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/range.h"

#include "http/request.h"

#define UNIT_BYTES 6u /* of "bytes=" */

/* Takes the digits at the head of *in; one too large for 64 bits is the largest. Returns how many. */
static size_t number_take(struct view *in, uint64_t *n)
{
    size_t digits = 0;
    *n = 0;
    for (; digits < in->len && in->data[digits] >= '0' && in->data[digits] <= '9'; digits++) {
        uint64_t digit = (uint64_t)(in->data[digits] - '0');
        *n = *n > (UINT64_MAX - digit) / 10u ? UINT64_MAX : *n * 10u + digit;
    }
    *in = view_of(in->data + digits, in->len - digits);
    return digits;
}

/* "-N": the last N bytes. */
static enum wax_status suffix(uint64_t n, uint64_t size, struct http_range *range)
{
    if (n == 0 || size == 0)
        return WAX_HTTP_RANGE;
    uint64_t bytes = n < size ? n : size;
    *range = (struct http_range){size - bytes, bytes, 1};
    return WAX_OK;
}

enum wax_status http_range_parse(struct view value, uint64_t size, struct http_range *range)
{
    uint64_t first, last;
    *range = (struct http_range){0, size, 0};
    if (value.len <= UNIT_BYTES || !http_is(view_of(value.data, UNIT_BYTES), "bytes="))
        return WAX_OK;
    struct view rest = view_of(value.data + UNIT_BYTES, value.len - UNIT_BYTES);
    size_t first_digits = number_take(&rest, &first);
    if (rest.len == 0 || rest.data[0] != '-')
        return WAX_OK;
    rest = view_of(rest.data + 1, rest.len - 1);
    size_t last_digits = number_take(&rest, &last);
    if (rest.len != 0 || (first_digits == 0 && last_digits == 0))
        return WAX_OK;
    if (first_digits == 0)
        return suffix(last, size, range);
    if (last_digits != 0 && last < first)
        return WAX_OK;
    if (first >= size)
        return WAX_HTTP_RANGE;
    if (last_digits == 0 || last >= size)
        last = size - 1;
    *range = (struct http_range){first, last - first + 1, 1};
    return WAX_OK;
}
