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

/* A part of a frame whose head begins at `head` and whose shared bytes begin at `shared`. */
static void check_part(size_t head, size_t head_bytes, size_t shared, size_t shared_bytes)
{
    struct msg *frame = msg_make_frame(&pool, view_of(payload, 40000));
    struct msg_place at = msg_begin(frame), place_of_head;
    msg_read(frame, &at, NULL, head);
    place_of_head = at;
    msg_read(frame, &at, back, shared - head);
    cr_assert_eq(memcmp(back, payload + head, shared - head), 0);
    msg_frame(frame)->shared = at;
    msg_frame(frame)->shared_bytes = (uint32_t)shared_bytes;
    struct msg *part = msg_make_part(&pool, frame, place_of_head, (uint16_t)head_bytes);
    msg_free(&pool, frame); /* the part holds it */
    cr_assert_eq(msg_frame_of(part), frame);
    cr_assert_eq(part->payload_bytes, head_bytes + shared_bytes);
    struct view pieces[MSG_PIECES_MAX];
    size_t len = 0;
    for (uint32_t i = 0, count = msg_pieces(part, pieces); i < count; i++) {
        memcpy(back + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    cr_assert_eq(len, head_bytes + shared_bytes);
    cr_assert_eq(memcmp(back, payload + head, head_bytes), 0);
    cr_assert_eq(memcmp(back + head_bytes, payload + shared, shared_bytes), 0);
    memset(back, 0, sizeof back);
    msg_copy(part, back);
    cr_assert_eq(memcmp(back, payload + head, head_bytes), 0);
    cr_assert_eq(memcmp(back + head_bytes, payload + shared, shared_bytes), 0);
    msg_free(&pool, part);
    cr_assert_eq(pool.slots.free_count, 8);
    cr_assert_eq(blocks.free_count, 40);
}

Test(msg, a_part_is_its_head_and_what_is_shared_wherever_they_lie, .init = start)
{
    const size_t block = MSG_BLOCK_DATA_BYTES;
    check_part(24, 0, 44, 10);
    check_part(44, 100, 200, 300);
    check_part(block - 5, 10, block + 5, 1);
    check_part(block, 1, 2 * block, 0);
    check_part(block - 1, 1, block, block);
    check_part(100, 3 * block, 4 * block - 1, 40000 - 4 * block + 1);
}

Test(msg, a_frame_goes_with_its_last_holder, .init = start)
{
    struct msg *frame = msg_make_frame(&pool, view_of(payload, 10));
    struct msg_place at = msg_begin(frame);
    msg_frame(frame)->shared = at;
    struct msg *one = msg_make_part(&pool, frame, at, 3), *two = msg_make_part(&pool, frame, at, 4);
    msg_free(&pool, one);
    msg_free(&pool, frame);
    cr_assert_eq(blocks.free_count, 39);
    msg_free(&pool, two);
    cr_assert_eq(blocks.free_count, 40);
    cr_assert_eq(pool.slots.free_count, 8);
    cr_assert(msg_fits(&pool, 36 * MSG_BLOCK_DATA_BYTES, 0));
    cr_assert(!msg_fits(&pool, 36 * MSG_BLOCK_DATA_BYTES + 1, 0), "four blocks are kept for others");
    cr_assert(!msg_fits(&pool, 36 * MSG_BLOCK_DATA_BYTES, 1));
}

Test(msg, is_written_over_across_blocks, .init = start)
{
    static const uint8_t four[4] = {1, 2, 3, 4};
    struct msg *msg = msg_make(&pool, view_of(payload, 3 * MSG_BLOCK_DATA_BYTES));
    struct msg_place at = msg_begin(msg);
    msg_read(msg, &at, NULL, MSG_BLOCK_DATA_BYTES - 2);
    msg_write(msg, &at, view_of(four, 4));
    msg_copy(msg, back);
    cr_assert_eq(memcmp(back + MSG_BLOCK_DATA_BYTES - 2, four, 4), 0);
    memcpy(back + MSG_BLOCK_DATA_BYTES - 2, payload + MSG_BLOCK_DATA_BYTES - 2, 4);
    cr_assert_eq(memcmp(back, payload, 3 * MSG_BLOCK_DATA_BYTES), 0);
    msg_free(&pool, msg);
}

Test(msg, the_largest_frame_fits_the_array_of_pieces)
{
    cr_assert_geq((uint64_t)MSG_PIECES_MAX * MSG_BLOCK_DATA_BYTES, WAX_FRAME_BYTES_MAX);
}
