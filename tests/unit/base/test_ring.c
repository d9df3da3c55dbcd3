/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/ring.h"

static struct ring *ring_make(uint8_t **memory, uint32_t slots, uint32_t item_bytes)
{
    size_t n = ring_bytes(slots, item_bytes);
    struct ring *r = NULL;
    *memory = malloc(n);
    cr_assert_eq(ring_init(&r, span_of(*memory, n), slots, item_bytes), WAX_OK);
    return r;
}

Test(ring, takes_all_its_slots_and_no_more)
{
    uint8_t *memory;
    struct ring *r = ring_make(&memory, 8, 8);
    uint64_t in[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, out[10];
    cr_assert_eq(ring_room(r), 8);
    cr_assert_eq(ring_push(r, in, 10), 8);
    cr_assert_eq(ring_push(r, in, 1), 0);
    cr_assert_eq(ring_count(r), 8);
    cr_assert_eq(ring_pop(r, out, 10), 8);
    cr_assert_arr_eq(out, in, 8 * sizeof *in);
    cr_assert_eq(ring_pop(r, out, 1), 0);
    free(memory);
}

Test(ring, keeps_order_when_positions_wrap_past_32_bits)
{
    uint8_t *memory;
    struct ring *r = ring_make(&memory, 16, 12);
    atomic_store(&r->head, UINT32_MAX - 20);
    atomic_store(&r->tail, UINT32_MAX - 20);
    r->head_seen = r->tail_seen = UINT32_MAX - 20;
    struct rng rng;
    rng_init(&rng, 7);
    uint32_t sent = 0, got = 0;
    while (got < 5000) {
        uint32_t items[20][3], n = (uint32_t)rng_below(&rng, 21);
        for (uint32_t i = 0; i < n; i++) {
            items[i][0] = items[i][1] = items[i][2] = sent + i;
        }
        sent += ring_push(r, items, n);
        n = ring_pop(r, items, (uint32_t)rng_below(&rng, 21));
        for (uint32_t i = 0; i < n; i++, got++) {
            cr_assert_eq(items[i][0], got);
            cr_assert_eq(items[i][2], got);
        }
        cr_assert_eq(ring_count(r), sent - got);
        cr_assert_eq(ring_room(r), 16 - (sent - got));
    }
    free(memory);
}

Test(ring, in_place_slots_are_invisible_until_committed)
{
    uint8_t *memory;
    struct ring *r = ring_make(&memory, 4, 64);
    for (uint32_t i = 0; i < 4; i++) {
        uint8_t *slot = ring_peek_slot(r, i);
        cr_assert_not_null(slot);
        cr_assert_eq((uintptr_t)slot % 64, 0);
        memset(slot, (int)i, 64);
    }
    cr_assert_null(ring_peek_slot(r, 4));
    cr_assert_null(ring_front(r, 0));
    ring_commit(r, 2);
    cr_assert_eq(*(uint8_t *)ring_front(r, 0), 0);
    cr_assert_eq(*(uint8_t *)ring_front(r, 1), 1);
    cr_assert_null(ring_front(r, 2));
    ring_release(r, 1);
    cr_assert_eq(*(uint8_t *)ring_front(r, 0), 1);
    cr_assert_eq(ring_room(r), 3);
    free(memory);
}

Test(ring, sides_lie_on_lines_of_their_own)
{
    cr_assert_geq(offsetof(struct ring, head) - offsetof(struct ring, tail), 128);
    cr_assert_geq(offsetof(struct ring, slots) - offsetof(struct ring, head), 128);
}

Test(ring, refuses_bad_sizes_and_short_memory)
{
    static uint8_t memory[4096];
    struct ring *r;
    struct span m = span_of(memory, sizeof memory);
    cr_assert_eq(ring_init(&r, m, 0, 8), WAX_BAD_ARGUMENT);
    cr_assert_eq(ring_init(&r, m, 12, 8), WAX_BAD_ARGUMENT);
    cr_assert_eq(ring_init(&r, m, 16, 0), WAX_BAD_ARGUMENT);
    cr_assert_eq(ring_init(&r, m, 16, 4097), WAX_BAD_ARGUMENT);
    cr_assert_eq(ring_init(&r, span_of(memory, ring_bytes(16, 8) - 1), 16, 8), WAX_NO_MEMORY);
}
