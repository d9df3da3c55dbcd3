/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/statuses.h"

#include <criterion/criterion.h>

static uint8_t memory[4096];
static struct statuses statuses;
static struct status_chunk *conn[4];
static struct {
    struct status_chunk **owner;
    uint32_t count;
    uint64_t first;
} frames[64];
static uint32_t frame_count;

static void out(void *ctx, struct status_chunk **owner, struct view frame)
{
    struct frame_status status;
    (void)ctx;
    cr_assert_eq(frame_parse_status(frame, &status), WAX_OK);
    frames[frame_count].owner = owner;
    frames[frame_count].count = status.count;
    frames[frame_count++].first = frame_status_entry(&status, 0).id;
}

static void start(void)
{
    memset(conn, 0, sizeof conn);
    frame_count = 0;
    cr_assert_eq(statuses_init(&statuses, span_of(memory, sizeof memory), 2, NULL, out), WAX_OK);
}

static void add(uint32_t to, uint64_t id)
{
    struct frame_status_entry entry = {WIRE_ACCEPTED, 0, {{1}, 1}, id};
    statuses_add(&statuses, &conn[to], &entry);
}

Test(statuses, entries_of_a_turn_go_out_in_one_frame, .init = start)
{
    add(0, 1);
    add(0, 2);
    add(0, 3);
    cr_assert_eq(frame_count, 0);
    statuses_flush(&statuses);
    cr_assert_eq(frame_count, 1);
    cr_assert_eq(frames[0].count, 3);
    cr_assert_eq(frames[0].owner, &conn[0]);
    cr_assert_null(conn[0]);
    statuses_flush(&statuses);
    cr_assert_eq(frame_count, 1);
}

Test(statuses, a_full_chunk_goes_out_at_once_and_order_holds, .init = start)
{
    for (uint64_t id = 1; id <= STATUS_CHUNK_ENTRIES + 2; id++)
        add(0, id);
    cr_assert_eq(frame_count, 1);
    statuses_flush(&statuses);
    cr_assert_eq(frame_count, 2);
    cr_assert_eq(frames[0].first, 1);
    cr_assert_eq(frames[1].first, STATUS_CHUNK_ENTRIES + 1);
    cr_assert_eq(frames[1].count, 2);
}

Test(statuses, the_oldest_goes_out_early_when_chunks_are_short, .init = start)
{
    add(0, 1);
    add(1, 2);
    add(2, 3);
    cr_assert_eq(frame_count, 1);
    cr_assert_eq(frames[0].owner, &conn[0]);
    statuses_flush(&statuses);
    cr_assert_eq(frame_count, 3);
}

Test(statuses, what_waits_for_an_ended_connection_is_dropped, .init = start)
{
    add(0, 1);
    add(1, 2);
    statuses_drop(&statuses, &conn[0]);
    statuses_drop(&statuses, &conn[0]);
    statuses_flush(&statuses);
    cr_assert_eq(frame_count, 1);
    cr_assert_eq(frames[0].owner, &conn[1]);
    cr_assert_eq(statuses.chunks.free_count, 2);
}
