/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Text into a span, piece by piece. What doesn't fit is left out, and `full` says so: looked at once, at the
 * end.
 */
#ifndef WAXWIRE_HTTP_WRITER_H
#define WAXWIRE_HTTP_WRITER_H

#include <stdbool.h>

#include "waxwire/bytes.h"

struct http_writer {
    struct span out;
    size_t len; /* written */
    bool full;  /* sticks */
};

/* Appends bytes: all, or none. */
static inline void http_put(struct http_writer *w, const void *bytes, size_t len)
{
    if (w->full || w->out.len - w->len < len) {
        w->full = true;
        return;
    }
    if (len != 0)
        memcpy(w->out.data + w->len, bytes, len);
    w->len += len;
}

/* Appends a text that ends by NUL. */
static inline void http_put_text(struct http_writer *w, const char *text)
{
    http_put(w, text, strlen(text));
}

/* Appends a number in decimal. */
static inline void http_put_number(struct http_writer *w, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    http_put(w, digits + i, sizeof digits - i);
}

/* Appends a number in hexadecimal, as a chunk's size is. */
static inline void http_put_hex(struct http_writer *w, uint64_t n)
{
    char digits[16];
    size_t i = sizeof digits;
    do {
        digits[--i] = "0123456789abcdef"[n & 15u];
        n >>= 4;
    } while (n != 0);
    http_put(w, digits + i, sizeof digits - i);
}

/* What has been written. */
static inline struct view http_written(const struct http_writer *w)
{
    return view_of(w->out.data, w->len);
}

#endif
