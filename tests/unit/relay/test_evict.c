/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that is no more: what its mailbox holds is rejected. */
#include "toy.h"

#include "relay/home_internal.h"

TestSuite(evict, .init = toy_start);

static void evict(uint8_t user)
{
    struct channel_evict said = {.record = {sizeof said, CHANNEL_EVICT, 0},
                                 .reason = WIRE_REASON_UNKNOWN_DEVICE};
    struct name name = toy_name(user);
    said.name = name_to_channel(&name);
    cr_assert_eq(home_control(toy.home, &said.record, toy.now_us), WAX_OK);
    toy_poll();
}

static void drained(uint8_t user, uint64_t generation, uint64_t position, uint8_t item)
{
    static _Alignas(8) uint8_t memory[sizeof(struct channel_drained) + 8];
    struct channel_drained *said = (struct channel_drained *)(void *)memory;
    struct name name = toy_name(user), peer = toy_name(9);
    *said = (struct channel_drained){.generation = generation,
                                     .position = position,
                                     .id = position + 1000,
                                     .item = item,
                                     .status_kind = WIRE_DELIVERED,
                                     .payload_bytes = item == CHANNEL_ITEM_MESSAGE ? 4 : 0};
    said->record.bytes = (uint32_t)sizeof *said + said->payload_bytes;
    said->record.kind = CHANNEL_DRAINED;
    said->name = name_to_channel(&name);
    said->peer = name_to_channel(&peer);
    cr_assert_eq(home_control(toy.home, &said->record, toy.now_us), WAX_OK);
}

static void idle(uint8_t user, uint64_t generation, uint64_t upto)
{
    struct channel_drain_idle said = {
        .record = {sizeof said, CHANNEL_DRAIN_IDLE, 0}, .generation = generation, .upto = upto};
    struct name name = toy_name(user);
    said.name = name_to_channel(&name);
    cr_assert_eq(home_control(toy.home, &said.record, toy.now_us), WAX_OK);
    toy_poll();
}

static uint64_t drain_of(void)
{
    const struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    cr_assert_not_null(drain, "a drain");
    return drain->generation;
}

Test(evict, messages_are_rejected_receipts_retired_and_nothing_is_left_behind)
{
    evict(1);
    uint64_t generation = drain_of();
    drained(1, generation, 5, CHANNEL_ITEM_MESSAGE);
    drained(1, generation, 6, CHANNEL_ITEM_RECEIPT);
    toy_poll();
    const struct channel_retire *retire = toy_record(CHANNEL_RETIRE);
    cr_assert_eq(retire->count, 1);
    cr_assert_eq(retire->position[0], 6);
    struct item *receipt = toy_next_of(&toy.gives, ITEM_RECEIPT);
    cr_assert_not_null(receipt);
    home_return(toy.home, receipt, toy.now_us); /* its sender is at home here, too, and away */
    toy_poll();
    const struct channel_store_receipt *store = toy_record(CHANNEL_STORE_RECEIPT);
    cr_assert_eq(store->name.user[0], 9);
    cr_assert_eq(store->status_kind, WIRE_REJECTED);
    cr_assert_eq(store->reason, WIRE_REASON_UNKNOWN_DEVICE);
    cr_assert_eq(store->id, 1005);
    cr_assert_eq(store->retire, 5);
    struct channel_stored stored = {.record = {sizeof stored, CHANNEL_STORED, 0}, .tag = store->tag};
    cr_assert_eq(home_control(toy.home, &stored.record, toy.now_us), WAX_OK);
    toy_poll();
    struct item *done = toy_next_of(&toy.gives, ITEM_RECEIPT_DONE);
    cr_assert_not_null(done);
    home_return(toy.home, done, toy.now_us);
    idle(1, generation, 6);
    cr_assert_not_null(toy_record(CHANNEL_DRAIN_STOP));
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    struct home_counts counts = home_counts(toy.home);
    cr_assert_eq(counts.awake + counts.entries + counts.reserved + counts.stores, 0);
}

Test(evict, it_is_asked_for_again_and_again_and_begins_anew_with_a_new_control_plane)
{
    evict(1);
    uint64_t generation = drain_of();
    evict(1);
    cr_assert_null(toy_record(CHANNEL_DRAIN), "it is under way");
    home_control_up(toy.home, 2, toy.now_us);
    toy_poll();
    uint64_t next = drain_of();
    cr_assert_neq(next, generation);
    idle(1, generation, 0); /* of before */
    cr_assert_null(toy_record(CHANNEL_DRAIN_STOP));
    idle(1, next, 0);
    cr_assert_not_null(toy_record(CHANNEL_DRAIN_STOP));
    cr_assert_eq(home_counts(toy.home).reserved, 0);
}

Test(evict, who_has_a_session_is_left_alone_and_a_session_ends_it)
{
    struct item item = {.kind = ITEM_ATTACH};
    item.u.attach.conn = 7;
    item.u.attach.name = toy_name(1);
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    idle(1, drain_of(), 0);
    evict(1);
    cr_assert_null(toy_record(CHANNEL_DRAIN));
    evict(2);
    uint64_t generation = drain_of();
    item.u.attach.name = toy_name(2);
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    uint64_t next = drain_of();
    cr_assert_neq(next, generation);
    drained(2, next, 3, CHANNEL_ITEM_MESSAGE);
    toy_poll();
    cr_assert_not_null(toy_next_of(&toy.sends, ITEM_DELIVER), "a session is served");
}
