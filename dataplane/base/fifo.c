/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/fifo.h"

#define LEN_MAX ((size_t)INT32_MAX)

static struct block *block_at(const struct pool *blocks, uint32_t ref)
{
    return (struct block *)pool_at(blocks, ref - 1);
}

static uint32_t block_len(const struct block *b)
{
    return (uint32_t)b->end - b->start;
}

static struct block *block_add(struct pool *blocks, struct fifo *fifo)
{
    uint32_t index = pool_take_index(blocks);
    if (index == POOL_NONE) {
        return NULL;
    }
    struct block *b = (struct block *)pool_at(blocks, index);
    b->next = 0;
    b->start = b->end = 0;
    if (fifo->head == 0) {
        fifo->head = index + 1;
    } else {
        block_at(blocks, fifo->tail)->next = index + 1;
    }
    fifo->tail = index + 1;
    return b;
}

static void block_drop_head(struct pool *blocks, struct fifo *fifo)
{
    uint32_t ref = fifo->head;
    fifo->head = block_at(blocks, ref)->next;
    if (fifo->head == 0) {
        fifo->tail = 0;
    }
    pool_give_index(blocks, ref - 1);
}

static uint32_t tail_room(const struct pool *blocks, const struct fifo *fifo)
{
    return fifo->tail == 0 ? 0 : FIFO_BLOCK_DATA_BYTES - block_at(blocks, fifo->tail)->end;
}

enum wax_status fifo_append(struct pool *blocks, struct fifo *fifo, struct view bytes)
{
    assert(blocks->item_bytes == WAX_BLOCK_BYTES);
    size_t room = tail_room(blocks, fifo);
    if (bytes.len > LEN_MAX - fifo->len) {
        return WAX_NO_MEMORY;
    }
    if (bytes.len > room &&
        (bytes.len - room + FIFO_BLOCK_DATA_BYTES - 1) / FIFO_BLOCK_DATA_BYTES > blocks->free_count) {
        return WAX_NO_MEMORY;
    }
    fifo->len += (uint32_t)bytes.len;
    while (bytes.len > 0) {
        struct block *b = room > 0 ? block_at(blocks, fifo->tail) : block_add(blocks, fifo);
        size_t n = FIFO_BLOCK_DATA_BYTES - (size_t)b->end;
        n = n < bytes.len ? n : bytes.len;
        memcpy(b->data + b->end, bytes.data, n);
        b->end = (uint16_t)(b->end + n);
        bytes = view_of(bytes.data + n, bytes.len - n);
        room = 0;
    }
    return WAX_OK;
}

struct span fifo_peek_span(const struct pool *blocks, const struct fifo *fifo)
{
    if (fifo->len == 0) {
        return span_of(NULL, 0);
    }
    struct block *b = block_at(blocks, fifo->head);
    return span_of(b->data + b->start, block_len(b));
}

struct view fifo_peek(const struct pool *blocks, const struct fifo *fifo)
{
    struct span piece = fifo_peek_span(blocks, fifo);
    return view_of(piece.data, piece.len);
}

struct view fifo_peek_at(const struct pool *blocks, const struct fifo *fifo, size_t offset)
{
    if (offset >= fifo->len) {
        return view_of(NULL, 0);
    }
    const struct block *b = block_at(blocks, fifo->head);
    while (offset >= block_len(b)) {
        offset -= block_len(b);
        b = block_at(blocks, b->next);
    }
    return view_of(b->data + b->start + offset, block_len(b) - offset);
}

size_t fifo_copy_from(const struct pool *blocks, const struct fifo *fifo, struct fifo_cursor *cursor,
                      size_t offset, struct span out)
{
    if (offset >= fifo->len || out.len == 0) {
        return 0;
    }
    size_t want = fifo->len - offset;
    want = want < out.len ? want : out.len;
    uint32_t ref = fifo->head;
    size_t base = 0; /* where the block begins, counted from the head */
    /* A block that begins behind the head's first byte can't have been freed. */
    int32_t ahead = (int32_t)(cursor->position - fifo->consumed);
    if (cursor->block != 0 && ahead > 0 && (size_t)ahead <= offset) {
        ref = cursor->block;
        base = (size_t)ahead;
    }
    size_t done = 0;
    for (;;) {
        const struct block *b = block_at(blocks, ref);
        size_t within = offset + done - base;
        size_t len = block_len(b);
        if (within < len) {
            size_t n = len - within < want - done ? len - within : want - done;
            memcpy(out.data + done, b->data + b->start + within, n);
            done += n;
        }
        if (done == want) {
            break;
        }
        base += len;
        ref = b->next;
    }
    cursor->block = ref;
    cursor->position = fifo->consumed + (uint32_t)base;
    return done;
}

size_t fifo_copy(const struct pool *blocks, const struct fifo *fifo, size_t offset, struct span out)
{
    struct fifo_cursor cursor = {0};
    return fifo_copy_from(blocks, fifo, &cursor, offset, out);
}

void fifo_consume(struct pool *blocks, struct fifo *fifo, size_t n)
{
    assert(n <= fifo->len);
    fifo->len -= (uint32_t)n;
    fifo->consumed += (uint32_t)n;
    if (fifo->len == 0) {
        while (fifo->head != 0) {
            block_drop_head(blocks, fifo);
        }
        return;
    }
    for (;;) {
        struct block *b = block_at(blocks, fifo->head);
        if (n < block_len(b)) {
            b->start = (uint16_t)(b->start + n);
            return;
        }
        n -= block_len(b);
        block_drop_head(blocks, fifo);
    }
}

void fifo_clear(struct pool *blocks, struct fifo *fifo)
{
    fifo_consume(blocks, fifo, fifo->len);
}

struct span fifo_reserve(struct pool *blocks, struct fifo *fifo, size_t want)
{
    assert(blocks->item_bytes == WAX_BLOCK_BYTES && want <= FIFO_BLOCK_DATA_BYTES);
    uint32_t room = tail_room(blocks, fifo);
    if (room < want || room == 0) {
        if (block_add(blocks, fifo) == NULL) {
            return span_of(NULL, 0);
        }
        room = FIFO_BLOCK_DATA_BYTES;
    }
    struct block *b = block_at(blocks, fifo->tail);
    return span_of(b->data + b->end, room);
}

void fifo_commit(struct pool *blocks, struct fifo *fifo, size_t n)
{
    if (fifo->tail == 0) {
        assert(n == 0);
        return;
    }
    struct block *b = block_at(blocks, fifo->tail);
    assert(n <= (size_t)FIFO_BLOCK_DATA_BYTES - b->end && n <= LEN_MAX - fifo->len);
    b->end = (uint16_t)(b->end + n);
    fifo->len += (uint32_t)n;
    if (fifo->len == 0) {
        fifo_clear(blocks, fifo);
    }
}

void fifo_move(struct pool *blocks, struct fifo *to, struct fifo *from)
{
    assert(to != from && from->len <= LEN_MAX - to->len);
    if (from->len == 0) {
        return;
    }
    if (to->head == 0) {
        to->head = from->head;
    } else {
        block_at(blocks, to->tail)->next = from->head;
    }
    to->tail = from->tail;
    to->len += from->len;
    from->consumed += from->len;
    from->head = from->tail = from->len = 0;
}
