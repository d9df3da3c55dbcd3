/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ring between one producing and one consuming thread. Items of a fixed size travel by value, in
 * order. Each side keeps its own index on its own cache lines and a copy of the other's, so a burst costs
 * one exchange of a line at most. Everything the producer wrote before a push is visible to the consumer
 * after the pop that returns the item, and the other way round for freed slots.
 */
#ifndef BASE_RING_H
#define BASE_RING_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

/* Two lines apart: the prefetcher fetches lines in pairs. */
#define RING_APART (2u * WAX_CACHE_LINE_BYTES)

struct ring {
    _Alignas(RING_APART) uint32_t mask; /* never written after ring_init */
    uint32_t item_bytes;
    _Alignas(RING_APART) _Atomic uint32_t tail; /* the producer's: items ever pushed, modulo 2^32 */
    uint32_t head_seen;
    _Alignas(RING_APART) _Atomic uint32_t head; /* the consumer's: items ever popped, modulo 2^32 */
    uint32_t tail_seen;
    _Alignas(RING_APART) uint8_t slots[];
};

/*
 * Bytes of memory for a ring of `slots` items, slack for alignment included.
 */
size_t ring_bytes(uint32_t slots, uint32_t item_bytes);

/*
 * Makes an empty ring in `memory` (any alignment; stays the caller's) and sets *ring to it. `slots` is a
 * power of two from 2 to 2^30, item_bytes 1 to 4096 (8 and multiples of 64 are fastest; slots lie item_bytes
 * apart, the first on a cache line). WAX_BAD_ARGUMENT or WAX_NO_MEMORY otherwise.
 */
enum wax_status ring_init(struct ring **ring, struct span memory, uint32_t slots, uint32_t item_bytes);

/* The slot at a position (free-running; the mask takes it round). */
static inline void *ring_at(struct ring *r, uint32_t position)
{
    return r->slots + (size_t)(position & r->mask) * r->item_bytes;
}

/*
 * Producer: how many items can be pushed now, as far as it needs to know: when the room already known is at
 * least `want` the consumer's line isn't read again.
 */
static inline uint32_t ring_room_for(struct ring *r, uint32_t want)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint32_t room = r->mask + 1 - (tail - r->head_seen);
    if (room < want) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        room = r->mask + 1 - (tail - r->head_seen);
    }
    return room;
}

/*
 * Consumer: the same for items that can be popped.
 */
static inline uint32_t ring_count_for(struct ring *r, uint32_t want)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint32_t count = r->tail_seen - head;
    if (count < want) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        count = r->tail_seen - head;
    }
    return count;
}

/*
 * Producer: exact room now (it can only grow until the next push).
 */
static inline uint32_t ring_room(struct ring *r)
{
    return ring_room_for(r, r->mask + 1);
}

/*
 * Consumer: exact number of items now (it can only grow until the next pop).
 */
static inline uint32_t ring_count(struct ring *r)
{
    return ring_count_for(r, r->mask + 1);
}

/*
 * Producer, in place: the slot `ahead` places behind the last committed item, to be filled; NULL when the
 * ring has no more than `ahead` free slots. ring_commit(n) then hands over the first n slots filled.
 */
static inline void *ring_peek_slot(struct ring *r, uint32_t ahead)
{
    if (ring_room_for(r, ahead + 1) <= ahead) {
        return NULL;
    }
    return ring_at(r, atomic_load_explicit(&r->tail, memory_order_relaxed) + ahead);
}

static inline void ring_commit(struct ring *r, uint32_t n)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    assert(n <= r->mask + 1 - (tail - r->head_seen));
    atomic_store_explicit(&r->tail, tail + n, memory_order_release);
}

/*
 * Consumer, in place: the item `ahead` places behind the oldest, NULL when there is none. ring_release(n)
 * frees the n oldest, whose slots must not be read any more.
 */
static inline void *ring_front(struct ring *r, uint32_t ahead)
{
    if (ring_count_for(r, ahead + 1) <= ahead) {
        return NULL;
    }
    return ring_at(r, atomic_load_explicit(&r->head, memory_order_relaxed) + ahead);
}

static inline void ring_release(struct ring *r, uint32_t n)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    assert(n <= r->tail_seen - head);
    atomic_store_explicit(&r->head, head + n, memory_order_release);
}

/* The usual sizes are copied without a call. */
static inline void ring_copy(void *to, const void *from, uint32_t n, uint32_t item_bytes)
{
    uint8_t *out = (uint8_t *)to;
    const uint8_t *in = (const uint8_t *)from;
    /* Or the compiler, knowing the size of one end, warns of the cases that are not taken. */
    __asm__("" : "+r"(out), "+r"(in));
    switch (item_bytes) {
    case 8:
        for (uint32_t i = 0; i < n; i++) {
            memcpy(out + (size_t)i * 8, in + (size_t)i * 8, 8);
        }
        break;
    case 64:
        for (uint32_t i = 0; i < n; i++) {
            memcpy(out + (size_t)i * 64, in + (size_t)i * 64, 64);
        }
        break;
    default:
        memcpy(out, in, (size_t)n * item_bytes);
    }
}

/*
 * Producer: pushes up to `n` items that lie item_bytes apart at `items`; returns how many found room.
 */
static inline uint32_t ring_push(struct ring *r, const void *items, uint32_t n)
{
    uint32_t room = ring_room_for(r, n);
    n = n < room ? n : room;
    if (n == 0) {
        return 0;
    }
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint32_t first = r->mask + 1 - (tail & r->mask); /* up to the end of the slots */
    first = first < n ? first : n;
    ring_copy(ring_at(r, tail), items, first, r->item_bytes);
    if (first < n) {
        ring_copy(r->slots, (const uint8_t *)items + (size_t)first * r->item_bytes, n - first, r->item_bytes);
    }
    atomic_store_explicit(&r->tail, tail + n, memory_order_release);
    return n;
}

/*
 * Consumer: pops up to `n` items into `items`; returns how many there were.
 */
static inline uint32_t ring_pop(struct ring *r, void *items, uint32_t n)
{
    uint32_t count = ring_count_for(r, n);
    n = n < count ? n : count;
    if (n == 0) {
        return 0;
    }
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    uint32_t first = r->mask + 1 - (head & r->mask);
    first = first < n ? first : n;
    ring_copy(items, ring_at(r, head), first, r->item_bytes);
    if (first < n) {
        ring_copy((uint8_t *)items + (size_t)first * r->item_bytes, r->slots, n - first, r->item_bytes);
    }
    atomic_store_explicit(&r->head, head + n, memory_order_release);
    return n;
}

#endif
