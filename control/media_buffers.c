/* SPDX-License-Identifier: BSD-3-Clause */
/* Buffers: made when they are first needed, and kept; never more than there may be. */
#include <stdlib.h>

#include "media_internal.h"

bool buffers_left(const struct media_buffers *buffers)
{
    return buffers->used < buffers->max;
}

struct media_buffer *buffer_take(struct media_buffers *buffers)
{
    struct media_buffer *buffer = buffers->free;
    assert(buffers->used < buffers->max);
    buffers->used++;
    if (buffer != NULL) {
        buffers->free = buffer->next;
    } else {
        buffer = malloc(sizeof *buffer);
        if (buffer == NULL)
            abort();
        buffers->made++;
    }
    buffer->next = NULL;
    buffer->fill = buffer->done = 0;
    return buffer;
}

void buffer_give(struct media_buffers *buffers, struct media_buffer *buffer)
{
    buffers->used--;
    buffer->next = buffers->free;
    buffers->free = buffer;
}

void buffers_free(struct media_buffers *buffers)
{
    while (buffers->free != NULL) {
        struct media_buffer *buffer = buffers->free;
        buffers->free = buffer->next;
        free(buffer);
    }
}
