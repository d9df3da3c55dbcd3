/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A pool of equal items in memory that the caller hands in. Taking and giving back are O(1)
 * and last-in first-out, so the next item taken is the one most likely to be in the cache. The free
 * list is an array of indexes beside the items: a free item's own memory is never touched.
 * One owner (thread); nothing is locked. Under AddressSanitizer free items are poisoned.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <assert.h>
#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/status.h"

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif
#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POOL_POISON(p, n)   ASAN_POISON_MEMORY_REGION(p, n)
#define POOL_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POOL_POISON(p, n)   ((void)(p), (void)(n))
#define POOL_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define POOL_NONE UINT32_MAX /* no item has this index */

struct pool {
    uint8_t *items;      /* first item, on a cache line */
    uint32_t *free_list; /* indexes of free items; the top of the stack is [free_count - 1] */
    uint32_t count;
    uint32_t free_count;
    uint32_t low_water;  /* the least free_count there has been; see pool_low_water_reset */
    uint32_t item_bytes; /* distance between items: the size asked for, rounded up to 8 */
    uint32_t shift;      /* log2(item_bytes), or 0 when that is no power of two */
};

/*
 * Bytes of memory that a pool of `count` items of `item_bytes` needs, slack for its alignment included.
 */
size_t pool_bytes(uint32_t count, uint32_t item_bytes);

/*
 * Makes a pool in `memory` (any alignment; it stays the caller's and must outlive the pool). Items begin on
 * a cache line and lie item_bytes (rounded up to 8) apart; their content is not set. Indexes are first
 * handed out in rising order. Returns WAX_OK; WAX_BAD_ARGUMENT when count or item_bytes is 0 or count is
 * POOL_NONE; WAX_NO_MEMORY when `memory` is smaller than pool_bytes().
 */
enum wax_status pool_init(struct pool *pool, struct span memory, uint32_t count, uint32_t item_bytes);

/*
 * The item with `index` (0 to count-1), taken or free.
 */
static inline void *pool_at(const struct pool *pool, uint32_t index)
{
    return pool->items + (size_t)index * pool->item_bytes;
}

/*
 * The index of `item`, which must be one of the pool's.
 */
static inline uint32_t pool_index(const struct pool *pool, const void *item)
{
    size_t offset = (size_t)((const uint8_t *)item - pool->items);
    return (uint32_t)(pool->shift != 0 ? offset >> pool->shift : offset / pool->item_bytes);
}

/*
 * Takes an item and returns its index, or POOL_NONE when the pool is empty. Its content is arbitrary.
 */
static inline uint32_t pool_take_index(struct pool *pool)
{
    if (pool->free_count == 0) {
        pool->low_water = 0;
        return POOL_NONE;
    }
    uint32_t index = pool->free_list[--pool->free_count];
    if (pool->free_count < pool->low_water) {
        pool->low_water = pool->free_count;
    }
    POOL_UNPOISON(pool_at(pool, index), pool->item_bytes);
    return index;
}

/*
 * Gives back the item with `index`, which must have been taken.
 */
static inline void pool_give_index(struct pool *pool, uint32_t index)
{
    assert(index < pool->count && pool->free_count < pool->count);
    POOL_POISON(pool_at(pool, index), pool->item_bytes);
    pool->free_list[pool->free_count++] = index;
}

/*
 * Takes an item; NULL when the pool is empty. Its content is arbitrary.
 */
static inline void *pool_take(struct pool *pool)
{
    uint32_t index = pool_take_index(pool);
    return index == POOL_NONE ? NULL : pool_at(pool, index);
}

/*
 * The item that will be taken `after` others, unless some are given back first; NULL when there are too few.
 * For its address only: it is free.
 */
static inline const void *pool_foresee(const struct pool *pool, uint32_t after)
{
    return pool->free_count <= after ? NULL : pool_at(pool, pool->free_list[pool->free_count - 1 - after]);
}

/*
 * Gives back an item that was taken from this pool.
 */
static inline void pool_give(struct pool *pool, void *item)
{
    pool_give_index(pool, pool_index(pool, item));
}

/*
 * Begins a new period for `low_water`.
 */
static inline void pool_low_water_reset(struct pool *pool)
{
    pool->low_water = pool->free_count;
}

#endif
