/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/statuses.h"

size_t statuses_bytes(uint32_t chunks)
{
    return pool_bytes(chunks, sizeof(struct status_chunk));
}

enum wax_status statuses_init(struct statuses *statuses, struct span memory, uint32_t chunks, void *ctx,
                              void (*out)(void *ctx, struct status_chunk **owner, struct view frame))
{
    statuses->ctx = ctx;
    statuses->out = out;
    link_init(&statuses->waiting);
    return pool_init(&statuses->chunks, memory, chunks, sizeof(struct status_chunk));
}

void statuses_flush_one(struct statuses *statuses, struct status_chunk **owner)
{
    struct status_chunk *chunk = *owner;
    if (chunk == NULL)
        return;
    *owner = NULL;
    list_remove(&chunk->link);
    statuses->out(statuses->ctx, owner, view_of(chunk->frame, chunk->bytes));
    pool_give(&statuses->chunks, chunk);
}

static struct status_chunk *oldest(struct statuses *statuses)
{
    struct link *first = list_first(&statuses->waiting);
    return first == NULL ? NULL : list_entry(first, struct status_chunk, link);
}

void statuses_flush(struct statuses *statuses)
{
    for (struct status_chunk *chunk = oldest(statuses); chunk != NULL; chunk = oldest(statuses))
        statuses_flush_one(statuses, chunk->owner);
}

void statuses_drop(struct statuses *statuses, struct status_chunk **owner)
{
    if (*owner == NULL)
        return;
    list_remove(&(*owner)->link);
    pool_give(&statuses->chunks, *owner);
    *owner = NULL;
}

void statuses_add(struct statuses *statuses, struct status_chunk **owner,
                  const struct frame_status_entry *entry)
{
    if (*owner == NULL) {
        if (statuses->chunks.free_count == 0)
            statuses_flush_one(statuses, oldest(statuses)->owner);
        struct status_chunk *chunk = pool_take(&statuses->chunks);
        assert(chunk != NULL);
        link_init(&chunk->link);
        list_append(&statuses->waiting, &chunk->link);
        chunk->owner = owner;
        chunk->bytes = (uint32_t)frame_open_status(span_of(chunk->frame, sizeof chunk->frame));
        *owner = chunk;
    }
    struct status_chunk *chunk = *owner;
    size_t bytes = frame_append_status(span_of(chunk->frame, sizeof chunk->frame), entry);
    assert(bytes != 0);
    chunk->bytes = (uint32_t)bytes;
    if (bytes == STATUS_CHUNK_BYTES)
        statuses_flush_one(statuses, owner);
}
