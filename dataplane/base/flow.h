/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A table from 64-bit keyed hashes to 32-bit values (indexes of connections, users). It keeps no keys: a
 * 16-bit tag of the hash sorts out candidates and the caller compares the key behind the value. Buckets are
 * one cache line of ten entries; an entry lies in its first bucket, or in the second one when the first was
 * full, which the first remembers: a lookup reads one line, seldom two, and never more. It never grows.
 *
 * In bursts: flow_prefetch for all, then flow_find for all. One owner.
 */
#ifndef BASE_FLOW_H
#define BASE_FLOW_H

#include <emmintrin.h>
#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/status.h"

#define FLOW_NONE    UINT32_MAX /* no value: not to be inserted */
#define FLOW_ENTRIES 10u

struct flow_bucket {
    uint16_t tags[FLOW_ENTRIES]; /* 0: the entry is free */
    uint16_t guests;             /* bit i: entry i belongs to another bucket, which was full */
    uint16_t away;               /* entries that belong here and lie elsewhere */
    uint32_t values[FLOW_ENTRIES];
};

_Static_assert(sizeof(struct flow_bucket) == 64, "a bucket is one cache line");

struct flow_table {
    struct flow_bucket *buckets;
    uint32_t bucket_count;
    uint32_t capacity;
    uint32_t count; /* entries in the table */
};

/* Whether the object behind `value` has the key that is sought. */
typedef bool flow_same(const void *ctx, uint32_t value);

/*
 * Bytes of memory for a table of `capacity` entries: about 10.7 an entry.
 */
size_t flow_bytes(uint32_t capacity);

/*
 * Makes an empty table in `memory` (any alignment; stays the caller's). capacity 1 to 2^31. WAX_BAD_ARGUMENT
 * or WAX_NO_MEMORY otherwise.
 */
enum wax_status flow_init(struct flow_table *table, struct span memory, uint32_t capacity);

/*
 * Inserts `value` (not FLOW_NONE) under `hash`. Does not look whether it is there already. WAX_FULL when
 * `capacity` entries are in, or (with a keyed hash: never in practice) no room near its two buckets.
 */
enum wax_status flow_insert(struct flow_table *table, uint64_t hash, uint32_t value);

/*
 * Removes the entry of `value` under `hash`. WAX_NOT_FOUND when there is none.
 */
enum wax_status flow_remove(struct flow_table *table, uint64_t hash, uint32_t value);

/* The first of the two buckets that a hash may lie in. */
static inline uint32_t flow_bucket_first(const struct flow_table *t, uint64_t hash)
{
    return (uint32_t)((hash >> 32) * t->bucket_count >> 32);
}

/* What a bucket keeps of a hash; never 0, which marks an empty entry. */
static inline uint16_t flow_tag(uint64_t hash)
{
    uint16_t tag = (uint16_t)hash;
    return tag != 0 ? tag : 1;
}

/* Its own inverse, so an entry can be moved knowing only its tag. */
static inline uint32_t flow_bucket_other(const struct flow_table *t, uint32_t bucket, uint16_t tag)
{
    uint32_t mirror = (uint32_t)((uint64_t)(tag * 0x9e3779b1u) * t->bucket_count >> 32);
    return mirror >= bucket ? mirror - bucket : mirror + (t->bucket_count - bucket);
}

/* Bit i: entry i has this tag. */
static inline uint32_t flow_match(const struct flow_bucket *b, uint16_t tag)
{
    __m128i want = _mm_set1_epi16((short)tag);
    __m128i low = _mm_load_si128((const __m128i *)(const void *)b);
    __m128i high = _mm_load_si128((const __m128i *)(const void *)b + 1);
    __m128i both = _mm_packs_epi16(_mm_cmpeq_epi16(low, want), _mm_cmpeq_epi16(high, want));
    return (uint32_t)_mm_movemask_epi8(both) & ((1u << FLOW_ENTRIES) - 1);
}

/*
 * Asks for the line that flow_find(hash) will read first.
 */
static inline __attribute__((always_inline)) void flow_prefetch(const struct flow_table *t, uint64_t hash)
{
    __builtin_prefetch(&t->buckets[flow_bucket_first(t, hash)]);
}

/*
 * The first value under the tag of `hash`, without comparing keys, or FLOW_NONE: a guess good enough to
 * prefetch what lies behind it.
 */
static inline uint32_t flow_guess(const struct flow_table *t, uint64_t hash)
{
    const struct flow_bucket *b = &t->buckets[flow_bucket_first(t, hash)];
    uint32_t match = flow_match(b, flow_tag(hash));
    return match != 0 ? b->values[__builtin_ctz(match)] : FLOW_NONE;
}

/*
 * The value under `hash` for which same(ctx, value) is true, or FLOW_NONE. `same` is inlined when it is
 * visible.
 */
static inline __attribute__((always_inline)) uint32_t flow_find(const struct flow_table *t, uint64_t hash,
                                                                flow_same *same, const void *ctx)
{
    uint32_t bucket = flow_bucket_first(t, hash);
    uint16_t tag = flow_tag(hash);
    for (int tries = 0; tries < 2; tries++) {
        const struct flow_bucket *b = &t->buckets[bucket];
        for (uint32_t match = flow_match(b, tag); match != 0; match &= match - 1) {
            uint32_t value = b->values[__builtin_ctz(match)];
            if (same(ctx, value)) {
                return value;
            }
        }
        if (__builtin_expect(b->away == 0, 1)) {
            break;
        }
        bucket = flow_bucket_other(t, bucket, tag);
    }
    return FLOW_NONE;
}

#endif
