/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A queue of bytes in blocks of WAX_BLOCK_BYTES out of a shared pool. The handle is 16 bytes and a queue of
 * all zeros is empty and ready for use. An empty queue holds no block. The pool must have been made with
 * item_bytes = WAX_BLOCK_BYTES; every call on one queue gets the same pool.
 */
#ifndef BASE_FIFO_H
#define BASE_FIFO_H

#include "base/pool.h"
#include "waxwire/limits.h"

/* One block. References (`next`, and head and tail of a queue) are the index in the pool plus one; 0 is none.
 */
struct block {
    uint32_t next;
    uint16_t start, end; /* the bytes data[start] to data[end - 1] are queued */
    uint8_t data[];
};

#define FIFO_BLOCK_DATA_BYTES (WAX_BLOCK_BYTES - (uint32_t)sizeof(struct block))

struct fifo {
    uint32_t head, tail;
    uint32_t len;      /* bytes queued */
    uint32_t consumed; /* bytes that ever left it, modulo 2^32; places cursors */
};

/*
 * Remembers where in a long queue the last copy ended, so that reading onward doesn't walk all its blocks.
 * All zeros is a fresh cursor. It stays sound whatever happens to the queue, as long as it is zeroed
 * together with it and used at least once in every 2^31 bytes that pass.
 */
struct fifo_cursor {
    uint32_t block;
    uint32_t position; /* of the block's first byte, on the scale of fifo.consumed */
};

_Static_assert(sizeof(struct fifo) == 16, "a handle is small, connections hold several");
_Static_assert(WAX_BLOCK_BYTES <= UINT16_MAX, "offsets in a block fit 16 bits");

/*
 * Copies `bytes` to the end of the queue: all of them (WAX_OK) or none (WAX_NO_MEMORY: too few blocks are
 * free, or the queue would exceed 2^31 bytes).
 */
enum wax_status fifo_append(struct pool *blocks, struct fifo *fifo, struct view bytes);

/*
 * The first contiguous piece of the queue, without removing it; empty only when the queue is. It is valid
 * until the next consume or clear. The bytes may be changed in place (through fifo_peek_span).
 */
struct view fifo_peek(const struct pool *blocks, const struct fifo *fifo);
struct span fifo_peek_span(const struct pool *blocks, const struct fifo *fifo);

/*
 * The contiguous piece of the queue that begins `offset` bytes after its head: empty when offset >= len.
 */
struct view fifo_peek_at(const struct pool *blocks, const struct fifo *fifo, size_t offset);

/*
 * Copies bytes from `offset` after the head to `out` and returns how many: as many as fit and are there.
 * fifo_copy_from does the same in O(1) when it reads on from where `cursor` was left.
 */
size_t fifo_copy(const struct pool *blocks, const struct fifo *fifo, size_t offset, struct span out);
size_t fifo_copy_from(const struct pool *blocks, const struct fifo *fifo, struct fifo_cursor *cursor,
                      size_t offset, struct span out);

/*
 * Removes the first `n` bytes (at most len: asserted) and gives emptied blocks back.
 */
void fifo_consume(struct pool *blocks, struct fifo *fifo, size_t n);

/*
 * Removes everything.
 */
void fifo_clear(struct pool *blocks, struct fifo *fifo);

/*
 * Contiguous room at the end of the queue, of at least `want` bytes (1 to FIFO_BLOCK_DATA_BYTES); all the
 * room of the block is returned. Empty when no block is free. What was written there joins the queue by
 * fifo_commit(n), n <= the room; nothing else may be done to the queue between the two. fifo_commit must be
 * called, if only with 0 (which returns the block of an otherwise empty queue).
 */
struct span fifo_reserve(struct pool *blocks, struct fifo *fifo, size_t want);
void fifo_commit(struct pool *blocks, struct fifo *fifo, size_t n);

/*
 * Moves everything in `from` to the end of `to`, without copying. `from` is empty afterwards.
 */
void fifo_move(struct pool *blocks, struct fifo *to, struct fifo *from);

#endif
