/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/fifo.h"
#include "base/random.h"

#define BLOCKS 32u

static struct pool blocks;
static uint8_t *memory;

static void set_up(void)
{
    size_t n = pool_bytes(BLOCKS, WAX_BLOCK_BYTES);
    memory = malloc(n);
    cr_assert_eq(pool_init(&blocks, span_of(memory, n), BLOCKS, WAX_BLOCK_BYTES), WAX_OK);
}

static void tear_down(void)
{
    free(memory);
}

TestSuite(fifo, .init = set_up, .fini = tear_down);

Test(fifo, of_zeros_is_empty_and_holds_no_block)
{
    struct fifo fifo = {0};
    uint8_t out[4];
    cr_assert_eq(fifo_peek(&blocks, &fifo).len, 0);
    cr_assert_eq(fifo_copy(&blocks, &fifo, 0, span_of(out, 4)), 0);
    fifo_consume(&blocks, &fifo, 0);
    fifo_clear(&blocks, &fifo);
    cr_assert_eq(fifo_append(&blocks, &fifo, view_of(NULL, 0)), WAX_OK);
    cr_assert_eq(blocks.free_count, BLOCKS);
}

Test(fifo, append_is_all_or_nothing)
{
    static uint8_t bytes[BLOCKS * WAX_BLOCK_BYTES];
    struct fifo fifo = {0};
    size_t most = (size_t)BLOCKS * FIFO_BLOCK_DATA_BYTES;
    cr_assert_eq(fifo_append(&blocks, &fifo, view_of(bytes, 1)), WAX_OK);
    cr_assert_eq(fifo_append(&blocks, &fifo, view_of(bytes, most)), WAX_NO_MEMORY);
    cr_assert_eq(fifo.len, 1);
    cr_assert_eq(blocks.free_count, BLOCKS - 1, "nothing was taken");
    cr_assert_eq(fifo_append(&blocks, &fifo, view_of(bytes, most - 1)), WAX_OK);
    cr_assert_eq(blocks.free_count, 0);
    cr_assert_eq(fifo_append(&blocks, &fifo, view_of(bytes, 1)), WAX_NO_MEMORY);
    fifo_consume(&blocks, &fifo, most);
    cr_assert_eq(blocks.free_count, BLOCKS, "an empty queue holds no block");
}

Test(fifo, commit_of_nothing_returns_the_block)
{
    struct fifo fifo = {0};
    struct span room = fifo_reserve(&blocks, &fifo, 100);
    cr_assert_eq(room.len, FIFO_BLOCK_DATA_BYTES);
    fifo_commit(&blocks, &fifo, 0);
    cr_assert_eq(blocks.free_count, BLOCKS);
}

Test(fifo, reserve_uses_the_tail_when_it_is_large_enough)
{
    struct fifo fifo = {0};
    cr_assert_eq(fifo_append(&blocks, &fifo, view_of("0123456789", 10)), WAX_OK);
    struct span room = fifo_reserve(&blocks, &fifo, FIFO_BLOCK_DATA_BYTES - 10);
    cr_assert_eq(room.len, FIFO_BLOCK_DATA_BYTES - 10);
    fifo_commit(&blocks, &fifo, 0);
    room = fifo_reserve(&blocks, &fifo, FIFO_BLOCK_DATA_BYTES - 9);
    cr_assert_eq(room.len, FIFO_BLOCK_DATA_BYTES);
    room.data[0] = 'x';
    fifo_commit(&blocks, &fifo, 1);
    uint8_t out[16];
    cr_assert_eq(fifo_copy(&blocks, &fifo, 0, span_of(out, 16)), 11);
    cr_assert_arr_eq(out, "0123456789x", 11);
    fifo_consume(&blocks, &fifo, 10);
    cr_assert_eq(fifo_peek(&blocks, &fifo).data[0], 'x');
    fifo_clear(&blocks, &fifo);
    cr_assert_eq(blocks.free_count, BLOCKS);
}

Test(fifo, reserve_without_blocks_is_empty)
{
    struct fifo fifo = {0};
    while (pool_take(&blocks) != NULL) {
    }
    cr_assert_eq(fifo_reserve(&blocks, &fifo, 1).len, 0);
    fifo_commit(&blocks, &fifo, 0);
    cr_assert_eq(fifo.len, 0);
}

Test(fifo, move_joins_two_queues)
{
    struct fifo a = {0}, b = {0};
    uint8_t out[8];
    fifo_append(&blocks, &b, view_of("def", 3));
    fifo_move(&blocks, &a, &b);
    fifo_append(&blocks, &b, view_of("ghi", 3));
    fifo_move(&blocks, &a, &b);
    fifo_move(&blocks, &a, &b);
    cr_assert_eq(fifo_copy(&blocks, &a, 0, span_of(out, 8)), 6);
    cr_assert_arr_eq(out, "defghi", 6);
    cr_assert_eq(b.len, 0);
    fifo_clear(&blocks, &a);
    cr_assert_eq(blocks.free_count, BLOCKS);
}

/* Any sequence of operations gives what a plain array gives, and cursors never read anything else. */
Test(fifo, behaves_like_an_array_under_random_operations)
{
    static uint8_t model[1 << 17], piece[9000], out[9000];
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        struct fifo fifo = {.consumed = (uint32_t)rng_next(&rng)};
        struct fifo_cursor cursor = {0};
        size_t len = 0;
        for (int step = 0; step < 1500; step++) {
            uint64_t action = rng_below(&rng, 10);
            size_t n = rng_below(&rng, rng_chance(&rng, 300000) ? sizeof piece : 200);
            if (action < 3) {
                rng_fill(&rng, span_of(piece, n));
                if (fifo_append(&blocks, &fifo, view_of(piece, n)) == WAX_OK) {
                    memcpy(model + len, piece, n);
                    len += n;
                }
            } else if (action < 5) {
                n = 1 + n % FIFO_BLOCK_DATA_BYTES;
                struct span room = fifo_reserve(&blocks, &fifo, n);
                size_t use = room.len == 0 ? 0 : rng_below(&rng, n + 1);
                rng_fill(&rng, span_of(room.data, use));
                memcpy(model + len, use > 0 ? room.data : piece, use);
                fifo_commit(&blocks, &fifo, use);
                len += use;
            } else if (action < 7) {
                n = n < len ? n : len;
                fifo_consume(&blocks, &fifo, n);
                memmove(model, model + n, len - n);
                len -= n;
            } else if (action < 9) {
                size_t offset = rng_below(&rng, len + 2);
                size_t expect = offset >= len ? 0 : (len - offset < n ? len - offset : n);
                size_t got = fifo_copy_from(&blocks, &fifo, &cursor, offset, span_of(out, n));
                cr_assert_eq(got, expect, "seed %lu step %d", (unsigned long)seed, step);
                cr_assert(memcmp(out, model + offset, got) == 0, "seed %lu step %d", (unsigned long)seed,
                          step);
                struct view at = fifo_peek_at(&blocks, &fifo, offset);
                cr_assert_eq(at.len == 0, offset >= len);
                cr_assert(at.len == 0 || memcmp(at.data, model + offset, at.len) == 0);
            } else if (rng_chance(&rng, 50000)) {
                fifo_clear(&blocks, &fifo);
                len = 0;
            }
            cr_assert_eq(fifo.len, len);
            struct view first = fifo_peek(&blocks, &fifo);
            cr_assert_eq(first.len == 0, len == 0);
            cr_assert(len == 0 || memcmp(first.data, model, first.len) == 0);
            cr_assert(len != 0 || blocks.free_count == BLOCKS);
        }
        fifo_clear(&blocks, &fifo);
        cr_assert_eq(blocks.free_count, BLOCKS);
    }
}
