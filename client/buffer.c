/* SPDX-License-Identifier: BSD-3-Clause */
#include "buffer.h"

#include <assert.h>
#include <stdlib.h>

#define BUFFER_BYTES_MIN 4096u

struct span buffer_reserve(struct buffer *buffer, size_t want)
{
    size_t held = buffer->end - buffer->start;

    if (buffer->room - buffer->end < want && buffer->start > 0) {
        memmove(buffer->data, buffer->data + buffer->start, held);
        buffer->start = 0;
        buffer->end = held;
    }
    if (buffer->room - buffer->end < want) {
        size_t room = buffer->room < BUFFER_BYTES_MIN ? BUFFER_BYTES_MIN : buffer->room;
        while (room - held < want)
            room *= 2;
        uint8_t *data = realloc(buffer->data, room);
        if (data == NULL)
            return span_of(NULL, 0);
        buffer->data = data;
        buffer->room = room;
    }
    return span_of(buffer->data + buffer->end, want);
}

void buffer_commit(struct buffer *buffer, size_t bytes)
{
    assert(bytes <= buffer->room - buffer->end);
    buffer->end += bytes;
}

struct view buffer_view(const struct buffer *buffer)
{
    return view_of(buffer->data + buffer->start, buffer->end - buffer->start);
}

void buffer_consume(struct buffer *buffer, size_t bytes)
{
    assert(bytes <= buffer->end - buffer->start);
    buffer->start += bytes;
    if (buffer->start == buffer->end)
        buffer_clear(buffer);
}

void buffer_clear(struct buffer *buffer)
{
    buffer->start = buffer->end = 0;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}
