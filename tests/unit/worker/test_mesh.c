/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "worker/mesh.h"

enum { WORKERS = 2 };

static struct mesh mesh;
static struct mesh_end end[WORKERS];
static void *memory[WORKERS];

static void make(void)
{
    const struct mesh_lane_shape shape[MESH_LANES] = {
        [MESH_RETURNS] = {8, sizeof(uint64_t)}, [MESH_SENDS] = {4, sizeof(uint64_t)}};
    mesh_init(&mesh, WORKERS, shape);
    for (uint32_t w = 0; w < WORKERS; w++) {
        size_t bytes = mesh_bytes(&mesh);
        memory[w] = malloc(bytes);
        cr_assert_eq(mesh_add(&mesh, w, span_of(memory[w], bytes - 1)), WAX_NO_MEMORY);
        cr_assert_eq(mesh_add(&mesh, w, span_of(memory[w], bytes)), WAX_OK);
        mesh_end_init(&end[w], &mesh, w);
    }
    cr_assert_eq(mesh_add(&mesh, WORKERS, span_of(memory[0], 1)), WAX_BAD_ARGUMENT);
}

static void unmake(void)
{
    for (uint32_t w = 0; w < WORKERS; w++)
        free(memory[w]);
}

static bool push(uint32_t from, uint32_t to, enum mesh_lane lane, uint64_t item)
{
    return mesh_push(&end[from], to, lane, &item);
}

/* The next item, or 0. */
static uint64_t pop(uint32_t to, uint32_t from, enum mesh_lane lane)
{
    uint64_t item = 0;
    ring_pop(mesh_ring(&end[to], from, lane), &item, 1);
    return item;
}

TestSuite(mesh, .init = make, .fini = unmake);

Test(mesh, nothing_is_seen_before_the_flush)
{
    cr_assert(push(0, 1, MESH_SENDS, 11));
    cr_assert(push(0, 1, MESH_RETURNS, 12));
    cr_assert_eq(mesh_listen(&end[1]), 0);
    cr_assert_eq(pop(1, 0, MESH_SENDS), 0);
    cr_assert_eq(mesh_flush(&end[0]), 2);
    cr_assert_eq(mesh_listen(&end[1]), 1u << 0);
    cr_assert_eq(pop(1, 0, MESH_SENDS), 11);
    cr_assert_eq(pop(1, 0, MESH_RETURNS), 12);
    mesh_settle(&end[1]);
    cr_assert_eq(mesh_listen(&end[1]), 0);
    cr_assert_eq(mesh_flush(&end[0]), 0);
}

Test(mesh, a_send_without_a_slot_is_refused_until_one_is_taken)
{
    for (uint64_t i = 1; i <= 4; i++)
        cr_assert(push(0, 1, MESH_SENDS, i));
    cr_assert_not(push(0, 1, MESH_SENDS, 5), "uncommitted items hold their slots");
    mesh_flush(&end[0]);
    cr_assert_not(push(0, 1, MESH_SENDS, 5));
    cr_assert(push(0, 1, MESH_RETURNS, 6), "returns have rings of their own");
    cr_assert_eq(pop(1, 0, MESH_SENDS), 1);
    cr_assert(push(0, 1, MESH_SENDS, 5));
    cr_assert_not(push(0, 1, MESH_SENDS, 7));
    mesh_flush(&end[0]);
    for (uint64_t i = 2; i <= 5; i++)
        cr_assert_eq(pop(1, 0, MESH_SENDS), i, "order is kept");
}

Test(mesh, a_bell_stays_open_while_an_item_is_left_in_its_ring)
{
    push(0, 1, MESH_SENDS, 1);
    push(0, 1, MESH_SENDS, 2);
    mesh_flush(&end[0]);
    mesh_listen(&end[1]);
    cr_assert_eq(pop(1, 0, MESH_SENDS), 1);
    mesh_settle(&end[1]);
    cr_assert_eq(mesh_listen(&end[1]), 1u << 0);
    cr_assert_eq(pop(1, 0, MESH_SENDS), 2);
    mesh_settle(&end[1]);
    cr_assert_eq(mesh_listen(&end[1]), 0);
}

Test(mesh, sends_are_noted_before_returns_are_taken)
{
    push(0, 1, MESH_SENDS, 1);
    push(0, 1, MESH_SENDS, 2);
    mesh_flush(&end[0]);
    mesh_note_sends(&end[1]);
    push(0, 1, MESH_SENDS, 3);
    mesh_flush(&end[0]);
    cr_assert_eq(end[1].noted, 1u << 0);
    cr_assert_eq(end[1].sends[0], 2, "the third has to wait");
    mesh_note_sends(&end[1]);
    cr_assert_eq(end[1].sends[0], 3);
    mesh_note_sends(&end[0]);
    cr_assert_eq(end[0].noted, 0);
}

Test(mesh, items_to_oneself_go_the_same_way)
{
    cr_assert(push(1, 1, MESH_SENDS, 9));
    mesh_flush(&end[1]);
    cr_assert_eq(mesh_listen(&end[1]), 1u << 1);
    cr_assert_eq(pop(1, 1, MESH_SENDS), 9);
    cr_assert_eq(end[1].pushed[MESH_SENDS], 1);
}

Test(mesh, a_lane_without_slots_has_no_ring)
{
    cr_assert_null(mesh_ring(&end[0], 1, MESH_PACKETS));
    cr_assert_null(mesh_ring(&end[0], 1, MESH_FRAMES));
    mesh_settle(&end[0]);
}
