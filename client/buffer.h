/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of bytes that grows: what is to be written, or a message gathered from pieces. */
#ifndef WAXWIRE_CLIENT_BUFFER_H
#define WAXWIRE_CLIENT_BUFFER_H

#include "waxwire/bytes.h"

struct buffer {
    uint8_t *data;
    size_t start, end, room;
};

/*
 * Room for `want` more bytes, contiguous at the tail; commit says how many were used. `data` is NULL when
 * there is no memory. Invalidates views of the buffer.
 */
struct span buffer_reserve(struct buffer *buffer, size_t want);
void buffer_commit(struct buffer *buffer, size_t bytes);

/* All bytes held, in one piece. */
struct view buffer_view(const struct buffer *buffer);

/* Takes `bytes` of those held off the front. */
void buffer_consume(struct buffer *buffer, size_t bytes);

/* Empties it and keeps its memory for more. */
void buffer_clear(struct buffer *buffer);

/* Gives the memory back; the buffer is empty and may be used again. */
void buffer_free(struct buffer *buffer);

#endif
