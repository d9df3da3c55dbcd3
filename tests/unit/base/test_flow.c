/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/flow.h"
#include "base/random.h"

#define CAPACITY 20000u

static uint64_t hashes[CAPACITY];

static bool same_hash(const void *ctx, uint32_t value)
{
    return hashes[value] == *(const uint64_t *)ctx;
}

static bool same_value(const void *ctx, uint32_t value)
{
    return *(const uint32_t *)ctx == value;
}

static uint8_t *table_make(struct flow_table *table, uint32_t capacity)
{
    size_t n = flow_bytes(capacity);
    uint8_t *memory = malloc(n);
    cr_assert_eq(flow_init(table, span_of(memory, n), capacity), WAX_OK);
    return memory;
}

Test(flow, finds_everything_at_full_capacity)
{
    struct flow_table table;
    uint8_t *memory = table_make(&table, CAPACITY);
    struct rng rng;
    rng_init(&rng, 1);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        hashes[i] = rng_next(&rng);
        cr_assert_eq(flow_insert(&table, hashes[i], i), WAX_OK, "entry %u", i);
    }
    cr_assert_eq(flow_insert(&table, 1, 1), WAX_FULL);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        flow_prefetch(&table, hashes[i]);
        cr_assert_eq(flow_find(&table, hashes[i], same_hash, &hashes[i]), i);
        uint64_t absent = rng_next(&rng);
        cr_assert_eq(flow_find(&table, absent, same_hash, &absent), FLOW_NONE);
    }
    cr_assert_leq(flow_bytes(1000000) / 1000000, 20, "the budget is 20 bytes an entry");
    free(memory);
}

Test(flow, agrees_with_a_model_under_churn_at_the_limit)
{
    struct flow_table table;
    uint8_t *memory = table_make(&table, 1000);
    static bool in[2000];
    struct rng rng;
    rng_init(&rng, 2);
    for (uint32_t i = 0; i < 2000; i++) {
        hashes[i] = rng_next(&rng);
    }
    uint32_t count = 0;
    for (int step = 0; step < 200000; step++) {
        uint32_t i = (uint32_t)rng_below(&rng, 2000);
        cr_assert_eq(flow_find(&table, hashes[i], same_hash, &hashes[i]), in[i] ? i : FLOW_NONE);
        if (in[i]) {
            cr_assert_eq(flow_remove(&table, hashes[i], i), WAX_OK);
            in[i] = false;
            count--;
        } else {
            enum wax_status status = flow_insert(&table, hashes[i], i);
            cr_assert_eq(status, count == 1000 ? WAX_FULL : WAX_OK);
            in[i] = status == WAX_OK;
            count += in[i];
            cr_assert_eq(flow_remove(&table, hashes[i], i + 5000), WAX_NOT_FOUND);
        }
        cr_assert_eq(table.count, count);
    }
    for (uint32_t i = 0; i < 2000; i++) {
        if (in[i]) {
            cr_assert_eq(flow_remove(&table, hashes[i], i), WAX_OK);
        }
    }
    for (uint32_t b = 0; b < table.bucket_count; b++) {
        cr_assert_eq(table.buckets[b].away, 0, "no bucket remembers entries that are gone");
        cr_assert_eq(table.buckets[b].guests, 0);
    }
    free(memory);
}

Test(flow, tells_entries_of_equal_hash_apart_by_their_keys)
{
    struct flow_table table;
    uint8_t *memory = table_make(&table, 100);
    for (uint32_t i = 0; i < 15; i++) {
        cr_assert_eq(flow_insert(&table, 0xabcd000000000000u, i), WAX_OK, "more than a bucket of one hash");
    }
    for (uint32_t i = 0; i < 15; i++) {
        cr_assert_eq(flow_find(&table, 0xabcd000000000000u, same_value, &i), i);
    }
    cr_assert_neq(flow_guess(&table, 0xabcd000000000000u), FLOW_NONE);
    for (uint32_t i = 0; i < 15; i += 2) {
        cr_assert_eq(flow_remove(&table, 0xabcd000000000000u, i), WAX_OK);
    }
    for (uint32_t i = 0; i < 15; i++) {
        cr_assert_eq(flow_find(&table, 0xabcd000000000000u, same_value, &i), i % 2 ? i : FLOW_NONE);
    }
    free(memory);
}

Test(flow, is_full_not_lost_when_one_hash_fills_its_buckets)
{
    struct flow_table table;
    uint8_t *memory = table_make(&table, 100);
    uint32_t in = 0;
    while (in < 100 && flow_insert(&table, 0x1234567800000042u, in) == WAX_OK) {
        in++;
    }
    cr_assert_geq(in, 20);
    cr_assert_lt(in, 100);
    for (uint32_t i = 0; i < in; i++) {
        cr_assert_eq(flow_find(&table, 0x1234567800000042u, same_value, &i), i);
    }
    free(memory);
}

Test(flow, refuses_bad_capacity_and_short_memory)
{
    static uint8_t memory[4096];
    struct flow_table table;
    cr_assert_eq(flow_init(&table, span_of(memory, 4096), 0), WAX_BAD_ARGUMENT);
    cr_assert_eq(flow_init(&table, span_of(memory, flow_bytes(100) - 1), 100), WAX_NO_MEMORY);
}
