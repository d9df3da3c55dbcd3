/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A histogram of times, of a fixed size and cheap to add to: every value below 64 has a bucket, above it each
 * power of two has 64 (so a value is known within 1.6 %). In whatever unit the values are.
 */
#ifndef WAXWIRE_LATENCY_H
#define WAXWIRE_LATENCY_H

#include <stdint.h>

#define LATENCY_SUB_BITS 6u
#define LATENCY_BUCKETS  ((32u - LATENCY_SUB_BITS + 1u) << LATENCY_SUB_BITS)

/* The bucket of a value. */
static inline uint32_t latency_bucket(uint32_t value)
{
    if (value < 1u << LATENCY_SUB_BITS)
        return value;
    uint32_t power = 31u - (uint32_t)__builtin_clz(value);
    return ((power - LATENCY_SUB_BITS + 1) << LATENCY_SUB_BITS) +
           ((value >> (power - LATENCY_SUB_BITS)) & ((1u << LATENCY_SUB_BITS) - 1));
}

/* The largest value of a bucket. */
static inline uint64_t latency_top(uint32_t bucket)
{
    uint32_t power = bucket >> LATENCY_SUB_BITS;
    if (power == 0)
        return bucket;
    uint64_t base = (1ull << LATENCY_SUB_BITS) + (bucket & ((1u << LATENCY_SUB_BITS) - 1));
    return ((base + 1) << (power - 1)) - 1;
}

/* The value, rounded up, that `part` in a million of those counted don't exceed; 0 without any. */
static inline uint64_t latency_at(const uint64_t buckets[LATENCY_BUCKETS], uint64_t part)
{
    uint64_t total = 0, seen = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        total += buckets[i];
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += buckets[i];
        if (seen > 0 && seen * 1000000u >= total * part)
            return latency_top(i);
    }
    return 0;
}

#endif
