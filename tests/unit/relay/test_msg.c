/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/msg.h"

#include <criterion/criterion.h>

static uint8_t slots[16384], block_memory[64 * WAX_BLOCK_BYTES + 4096], payload[40000], back[40000];
static struct pool blocks;
static struct msg_pool pool;

static void start(void)
{
    cr_assert_eq(pool_init(&blocks, span_of(block_memory, sizeof block_memory), 40, WAX_BLOCK_BYTES), WAX_OK);
    cr_assert_eq(msg_pool_init(&pool, span_of(slots, sizeof slots), 8, &blocks, 4, 3), WAX_OK);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
}

Test(msg, payloads_of_every_shape_come_back, .init = start)
{
    static const size_t lengths[] = {0,
                                     1,
                                     MSG_INLINE_BYTES,
                                     MSG_INLINE_BYTES + 1,
                                     MSG_BLOCK_DATA_BYTES,
                                     MSG_BLOCK_DATA_BYTES + 1,
                                     3 * MSG_BLOCK_DATA_BYTES,
                                     40000};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct msg *msg = msg_make(&pool, view_of(payload, lengths[i]));
        cr_assert_not_null(msg);
        cr_assert_eq(msg->payload_bytes, lengths[i]);
        cr_assert_eq(msg->owner, 3);
        memset(back, 0, sizeof back);
        msg_copy(msg, back);
        cr_assert_arr_eq(back, payload, lengths[i]);
        struct view pieces[MSG_PIECES_MAX];
        uint32_t count = msg_pieces(msg, pieces);
        size_t at = 0;
        for (uint32_t p = 0; p < count; p++) {
            cr_assert_arr_eq(pieces[p].data, payload + at, pieces[p].len);
            at += pieces[p].len;
        }
        cr_assert_eq(at, lengths[i]);
        msg_free(&pool, msg);
        cr_assert_eq(pool.slots.free_count, 8);
        cr_assert_eq(blocks.free_count, 40);
        cr_assert_eq(pool.blocks_held, 0);
    }
}

Test(msg, nothing_is_taken_when_slots_are_short, .init = start)
{
    struct msg *all[8];
    for (int i = 0; i < 8; i++)
        cr_assert_not_null(all[i] = msg_make(&pool, view_of(payload, 10)));
    cr_assert_null(msg_make(&pool, view_of(payload, 5000)));
    cr_assert_eq(blocks.free_count, 40);
    for (int i = 0; i < 8; i++)
        msg_free(&pool, all[i]);
}

Test(msg, blocks_are_left_to_others, .init = start)
{
    cr_assert_null(msg_make(&pool, view_of(payload, 37 * (size_t)MSG_BLOCK_DATA_BYTES)),
                   "36 of 40 may be taken");
    cr_assert_eq(pool.slots.free_count, 8);
    struct msg *msg = msg_make(&pool, view_of(payload, 10 * (size_t)MSG_BLOCK_DATA_BYTES));
    cr_assert_not_null(msg);
    cr_assert_eq(pool.blocks_held, 10);
    msg_free(&pool, msg);
}

Test(msg, the_largest_frame_fits_the_array_of_pieces)
{
    cr_assert_geq((uint64_t)MSG_PIECES_MAX * MSG_BLOCK_DATA_BYTES, WAX_FRAME_BYTES_MAX);
}
