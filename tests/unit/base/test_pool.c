/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/pool.h"

Test(pool, hands_out_each_item_once_and_then_none)
{
    size_t n = pool_bytes(100, 24);
    uint8_t *memory = malloc(n);
    struct pool pool;
    cr_assert_eq(pool_init(&pool, span_of(memory, n), 100, 24), WAX_OK);
    uint8_t *items[100];
    for (uint32_t i = 0; i < 100; i++) {
        items[i] = pool_take(&pool);
        cr_assert_not_null(items[i]);
        cr_assert_eq(pool_index(&pool, items[i]), i, "indexes rise at first");
        cr_assert_eq(pool_at(&pool, i), items[i]);
        memset(items[i], (int)i, 24);
    }
    cr_assert_null(pool_take(&pool));
    cr_assert_eq(pool_take_index(&pool), POOL_NONE);
    for (uint32_t i = 0; i < 100; i++) {
        for (int k = 0; k < 24; k++) {
            cr_assert_eq(items[i][k], i, "items don't overlap");
        }
        pool_give(&pool, items[i]);
    }
    cr_assert_eq(pool.free_count, 100);
    free(memory);
}

Test(pool, last_given_is_first_taken)
{
    size_t n = pool_bytes(8, 64);
    uint8_t *memory = malloc(n);
    struct pool pool;
    cr_assert_eq(pool_init(&pool, span_of(memory, n), 8, 64), WAX_OK);
    void *a = pool_take(&pool), *b = pool_take(&pool);
    pool_give(&pool, b);
    pool_give(&pool, a);
    cr_assert_eq(pool_take(&pool), a);
    cr_assert_eq(pool_take(&pool), b);
    free(memory);
}

Test(pool, items_begin_on_cache_lines_in_memory_of_any_alignment)
{
    size_t n = pool_bytes(3, 2048);
    uint8_t *memory = malloc(n + 7);
    for (size_t skew = 0; skew < 8; skew++) {
        struct pool pool;
        cr_assert_eq(pool_init(&pool, span_of(memory + skew, n), 3, 2048), WAX_OK);
        uint8_t *last = NULL;
        for (int i = 0; i < 3; i++) {
            last = pool_take(&pool);
            cr_assert_eq((uintptr_t)last % 64, 0);
            memset(last, 0xee, 2048);
        }
        cr_assert_leq((void *)(last + 2048), (void *)(memory + skew + n));
        for (uint32_t i = 0; i < 3; i++) {
            POOL_UNPOISON(pool_at(&pool, i), 2048);
        }
    }
    free(memory);
}

Test(pool, low_water_is_the_least_that_was_free)
{
    size_t n = pool_bytes(4, 8);
    uint8_t *memory = malloc(n);
    struct pool pool;
    cr_assert_eq(pool_init(&pool, span_of(memory, n), 4, 8), WAX_OK);
    void *a = pool_take(&pool), *b = pool_take(&pool);
    pool_give(&pool, a);
    pool_give(&pool, b);
    cr_assert_eq(pool.low_water, 2);
    pool_low_water_reset(&pool);
    cr_assert_eq(pool.low_water, 4);
    free(memory);
}

Test(pool, refuses_bad_sizes_and_short_memory)
{
    uint8_t memory[256];
    struct pool pool;
    cr_assert_eq(pool_init(&pool, span_of(memory, sizeof memory), 0, 8), WAX_BAD_ARGUMENT);
    cr_assert_eq(pool_init(&pool, span_of(memory, sizeof memory), 8, 0), WAX_BAD_ARGUMENT);
    cr_assert_eq(pool_init(&pool, span_of(memory, sizeof memory), POOL_NONE, 8), WAX_BAD_ARGUMENT);
    cr_assert_eq(pool_init(&pool, span_of(memory, pool_bytes(4, 8) - 1), 4, 8), WAX_NO_MEMORY);
}
