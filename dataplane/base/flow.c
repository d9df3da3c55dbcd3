/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/flow.h"

#include <assert.h>

#include "waxwire/limits.h"

#define LINE          ((size_t)WAX_CACHE_LINE_BYTES)
#define FILL          6u /* of the ten entries of a bucket, on average, at capacity: 4% of them overflow */
#define ALL_ENTRIES   ((1u << FLOW_ENTRIES) - 1)
#define CAPACITY_MAX  (UINT32_C(1) << 31)
#define BUCKETS_LEAST 8u

static uint32_t buckets_for(uint32_t capacity)
{
    uint32_t n = (uint32_t)(((uint64_t)capacity + FILL - 1) / FILL);
    return n < BUCKETS_LEAST ? BUCKETS_LEAST : n;
}

size_t flow_bytes(uint32_t capacity)
{
    return LINE - 1 + (size_t)buckets_for(capacity) * sizeof(struct flow_bucket);
}

enum wax_status flow_init(struct flow_table *table, struct span memory, uint32_t capacity)
{
    if (capacity == 0 || capacity > CAPACITY_MAX) {
        return WAX_BAD_ARGUMENT;
    }
    if (memory.len < flow_bytes(capacity)) {
        return WAX_NO_MEMORY;
    }
    size_t pad = (LINE - (uintptr_t)memory.data % LINE) % LINE;
    table->buckets = (struct flow_bucket *)(void *)(memory.data + pad);
    table->bucket_count = buckets_for(capacity);
    table->capacity = capacity;
    table->count = 0;
    memset(table->buckets, 0, (size_t)table->bucket_count * sizeof(struct flow_bucket));
    return WAX_OK;
}

static void entry_put(struct flow_table *t, uint32_t bucket, uint16_t tag, uint32_t value, bool guest)
{
    struct flow_bucket *b = &t->buckets[bucket];
    uint32_t i = (uint32_t)__builtin_ctz(flow_match(b, 0));
    b->tags[i] = tag;
    b->values[i] = value;
    if (guest) {
        b->guests |= (uint16_t)(1u << i);
        t->buckets[flow_bucket_other(t, bucket, tag)].away++;
    }
}

static void entry_clear(struct flow_table *t, uint32_t bucket, uint32_t i)
{
    struct flow_bucket *b = &t->buckets[bucket];
    if (((uint32_t)b->guests >> i & 1u) != 0) {
        b->guests &= (uint16_t) ~(1u << i);
        t->buckets[flow_bucket_other(t, bucket, b->tags[i])].away--;
    }
    b->tags[i] = 0;
}

/* Moves one entry of a full bucket to its other bucket, if one of the ten finds room there. */
static bool make_room(struct flow_table *t, uint32_t bucket)
{
    struct flow_bucket *b = &t->buckets[bucket];
    for (uint32_t i = 0; i < FLOW_ENTRIES; i++) {
        uint16_t tag = b->tags[i];
        uint32_t other = flow_bucket_other(t, bucket, tag);
        if (other != bucket && flow_match(&t->buckets[other], 0) != 0) {
            uint32_t value = b->values[i];
            bool was_guest = ((uint32_t)b->guests >> i & 1u) != 0;
            entry_clear(t, bucket, i);
            entry_put(t, other, tag, value, !was_guest);
            return true;
        }
    }
    return false;
}

enum wax_status flow_insert(struct flow_table *table, uint64_t hash, uint32_t value)
{
    assert(value != FLOW_NONE);
    if (table->count == table->capacity) {
        return WAX_FULL;
    }
    uint32_t first = flow_bucket_first(table, hash);
    uint16_t tag = flow_tag(hash);
    uint32_t other = flow_bucket_other(table, first, tag);
    if (flow_match(&table->buckets[first], 0) != 0) {
        entry_put(table, first, tag, value, false);
    } else if (other != first && flow_match(&table->buckets[other], 0) != 0) {
        entry_put(table, other, tag, value, true);
    } else if (make_room(table, first)) {
        entry_put(table, first, tag, value, false);
    } else if (other != first && make_room(table, other)) {
        entry_put(table, other, tag, value, true);
    } else {
        return WAX_FULL;
    }
    table->count++;
    return WAX_OK;
}

enum wax_status flow_remove(struct flow_table *table, uint64_t hash, uint32_t value)
{
    uint32_t bucket = flow_bucket_first(table, hash);
    uint16_t tag = flow_tag(hash);
    for (int tries = 0; tries < 2; tries++) {
        struct flow_bucket *b = &table->buckets[bucket];
        for (uint32_t match = flow_match(b, tag); match != 0; match &= match - 1) {
            uint32_t i = (uint32_t)__builtin_ctz(match);
            if (b->values[i] == value) {
                entry_clear(table, bucket, i);
                table->count--;
                return WAX_OK;
            }
        }
        bucket = flow_bucket_other(table, bucket, tag);
    }
    return WAX_NOT_FOUND;
}
