/* SPDX-License-Identifier: BSD-3-Clause */
/* Home and the mailbox: order, restarts of the control plane, drains. */
#include "toy.h"

#define EPOCH (UINT64_C(1) << 48)

Test(store, after_a_restart_what_was_not_confirmed_is_offered_again_in_order, .init = toy_start)
{
    for (uint64_t id = 1; id <= 3; id++)
        toy_message(1, 2, id, 0);
    struct channel_store *first = toy_record(CHANNEL_STORE);
    uint64_t position = first->position;
    toy_stored(first->tag, 0);
    home_control_down(toy.home);
    toy_poll();
    toy_clear();
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    struct channel_store *second = toy_record(CHANNEL_STORE), *third = toy_record(CHANNEL_STORE);
    cr_assert_eq(second->id, 2);
    cr_assert_eq(second->again, 1);
    cr_assert_eq(second->position, position + 1, "the same position: the store recognises it");
    cr_assert_eq(third->id, 3);
    cr_assert_null(toy_record(CHANNEL_STORE));
}

Test(store, messages_taken_while_control_is_away_are_offered_when_it_comes, .init = toy_start)
{
    home_control_down(toy.home);
    toy_message(1, 2, 1, 0);
    cr_assert_null(toy_record(CHANNEL_STORE));
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    struct channel_store *store = toy_record(CHANNEL_STORE);
    cr_assert_eq(store->id, 1);
    cr_assert_eq(store->again, 0);
}

Test(store, those_online_go_on_while_control_is_away, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    home_control_down(toy.home);
    for (uint64_t id = 1; id <= 10; id++) {
        toy_message(1, 2, id, 0);
        toy_report(&attached, ITEM_ACK, (uint32_t)id);
        TOY_ANSWER(id, WIRE_DELIVERED, 0);
    }
}

Test(store, while_control_is_away_an_overflowing_window_goes_on_in_memory, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    home_control_down(toy.home);
    for (uint64_t id = 1; id <= 7; id++)
        toy_message(1, 2, id, 0);
    for (uint32_t seq = 1; seq <= 7; seq++) {
        cr_assert_eq(toy_next_of(&toy.sends, ITEM_DELIVER)->u.deliver.seq, seq);
        toy_report(&attached, ITEM_ACK, seq);
        TOY_ANSWER(seq, WIRE_DELIVERED, 0);
    }
    toy_clear();
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    cr_assert_null(toy_record(CHANNEL_STORE));
    toy.record_head = 0;
    cr_assert_null(toy_record(CHANNEL_DRAIN), "it is online");
}

Test(store, what_moved_up_into_the_window_keeps_its_place_in_the_queue_for_the_store, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    home_control_down(toy.home);
    for (uint64_t id = 1; id <= 7; id++)
        toy_message(1, 2, id, 0);
    toy_report(&attached, ITEM_ACK, 1);
    TOY_ANSWER(1, WIRE_DELIVERED, 0);
    toy_clear();
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    for (uint64_t id = 2; id <= 7; id++) {
        struct channel_store *store = toy_record(CHANNEL_STORE);
        cr_assert_not_null(store);
        cr_assert_eq(store->id, id);
    }
}

Test(store, after_a_restart_sessions_are_announced_and_drains_go_on_where_they_were, .init = toy_start)
{
    toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_drained(2, generation, EPOCH - 5, 1, 1, CHANNEL_ITEM_MESSAGE);
    home_control_down(toy.home);
    toy_clear();
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    cr_assert_not_null(toy_record(CHANNEL_SESSION_OPEN));
    drain = toy_record(CHANNEL_DRAIN);
    cr_assert_eq(drain->after, EPOCH - 5);
    cr_assert_gt(drain->generation, generation);
    cr_assert_eq(drain->messages, 3, "what is in the window counts");
}

Test(store, a_session_that_is_online_needs_no_drain_after_a_restart, .init = toy_start)
{
    toy_online(2, 9);
    home_control_down(toy.home);
    toy_clear();
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    cr_assert_not_null(toy_record(CHANNEL_SESSION_OPEN));
    cr_assert_null(toy_record(CHANNEL_DRAIN));
}

Test(store, items_of_an_older_drain_are_ignored, .init = toy_start)
{
    toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t old = drain->generation;
    toy_attach(2, 10, false);
    toy_drained(2, old, 5, 1, 1, CHANNEL_ITEM_MESSAGE);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    cr_assert_eq(toy.metrics.status[WAX_SESSION_STALE], 1);
}

Test(store, while_the_mailbox_is_drained_newer_messages_join_its_end, .init = toy_start)
{
    toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_drained(2, generation, 5, 1, 1, CHANNEL_ITEM_MESSAGE);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_DELIVER)->u.deliver.msg->id, 1);
    toy_message(1, 2, 2, 0);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    cr_assert_eq(store->id, 2);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER));
    toy_stored(store->tag, 0);
    toy_idle(2, generation, 5);
    toy_message(1, 2, 3, 0);
    cr_assert_eq(((struct channel_store *)toy_record(CHANNEL_STORE))->id, 3,
                 "that idle did not cover the second");
}

Test(store, what_comes_when_the_mailbox_is_almost_through_is_held_behind_it, .init = toy_start)
{
    toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_message(1, 2, 1, 0);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    uint64_t tag = store->tag, position = store->position;
    toy_idle(2, generation, 0);
    toy_message(1, 2, 2, 0);
    cr_assert_null(toy_record(CHANNEL_STORE), "held in memory");
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER), "and behind the first");
    toy_stored(tag, 0);
    toy_drained(2, generation, position, 1, 1, CHANNEL_ITEM_MESSAGE);
    toy_idle(2, generation, position);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_DELIVER)->u.deliver.msg->id, 1);
    cr_assert_eq(toy_next_of(&toy.sends, ITEM_DELIVER)->u.deliver.msg->id, 2);
    cr_assert_not_null(toy_record(CHANNEL_DRAIN_STOP));
}

Test(store, what_is_held_for_a_second_is_stored, .init = toy_start)
{
    toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_message(1, 2, 1, 0);
    toy_idle(2, generation, 0);
    toy_message(1, 2, 2, 0);
    toy_clear();
    toy_wait(1002);
    cr_assert_eq(((struct channel_store *)toy_record(CHANNEL_STORE))->id, 2);
}

Test(store, a_drain_has_no_more_under_way_than_its_window_takes, .init = toy_start)
{
    struct item attached = toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    for (uint64_t position = 1; position <= 4; position++)
        toy_drained(2, generation, position, 1, position, CHANNEL_ITEM_MESSAGE);
    cr_assert_null(toy_record(CHANNEL_DRAIN_CREDIT), "the window is full");
    toy_report(&attached, ITEM_ACK, 3);
    struct channel_drain_credit *credit = toy_record(CHANNEL_DRAIN_CREDIT);
    cr_assert_eq(credit->messages, 3);
    cr_assert_eq(credit->generation, generation);
}

Test(store, without_memory_for_an_item_the_drain_begins_again_behind_the_last_one, .init = toy_start)
{
    toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_drained(2, generation, 1, 1, 1, CHANNEL_ITEM_MESSAGE);
    struct msg *all[150];
    uint32_t count = 0;
    while ((all[count] = msg_make(&toy.messages, view_of("", 0))) != NULL)
        count++;
    toy_drained(2, generation, 2, 1, 2, CHANNEL_ITEM_MESSAGE);
    toy_drained(2, generation, 3, 1, 3, CHANNEL_ITEM_MESSAGE);
    while (count > 0)
        msg_free(&toy.messages, all[--count]);
    cr_assert_null(toy_record(CHANNEL_DRAIN));
    toy_wait(30);
    drain = toy_record(CHANNEL_DRAIN);
    cr_assert_not_null(drain);
    cr_assert_eq(drain->after, 1);
}

Test(store, a_message_acknowledged_before_it_was_offered_is_not_stored, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy.control_away = true;
    toy_message(1, 2, 1, 0);
    toy_wait(1002);
    toy_report(&attached, ITEM_ACK, 1);
    TOY_ANSWER(1, WIRE_DELIVERED, 0);
    toy.control_away = false;
    toy_poll();
    cr_assert_null(toy_record(CHANNEL_STORE));
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(store, a_message_acknowledged_while_it_is_being_stored_is_retired, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_wait(1002);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    toy_report(&attached, ITEM_ACK, 1);
    TOY_ANSWER(1, WIRE_DELIVERED, 0);
    uint64_t tag = store->tag, position = store->position;
    toy_stored(tag, 0);
    struct channel_retire *retire = toy_record(CHANNEL_RETIRE);
    cr_assert_eq(retire->count, 1);
    cr_assert_eq(retire->position[0], position);
    cr_assert_null(toy_next_of(&toy.gives, ITEM_ANSWER), "one first answer");
}

Test(store, of_one_acknowledged_whose_store_died_with_control_nothing_remains, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_wait(1002);
    uint64_t position = ((struct channel_store *)toy_record(CHANNEL_STORE))->position;
    toy_report(&attached, ITEM_ACK, 1);
    home_control_down(toy.home);
    toy_clear();
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    cr_assert_eq(((struct channel_retire *)toy_record(CHANNEL_RETIRE))->position[0], position);
    toy.record_head = 0;
    cr_assert_null(toy_record(CHANNEL_STORE));
}

Test(store, what_was_handed_over_is_offered_until_the_store_takes_it, .init = toy_start)
{
    toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_message(1, 2, 2, 0);
    toy_wait(1002);
    struct channel_store *first = toy_record(CHANNEL_STORE), *second = toy_record(CHANNEL_STORE);
    uint64_t position = first->position;
    toy_stored(first->tag, WIRE_REASON_BUSY);
    cr_assert_null(toy_next_of(&toy.gives, ITEM_ANSWER), "it has gone somewhere: no refusal");
    toy_message(1, 2, 3, 0);
    toy_stored(second->tag, WIRE_REASON_BUSY);
    toy_wait(1002);
    first = toy_record(CHANNEL_STORE);
    cr_assert_eq(first->id, 1);
    cr_assert_eq(first->position, position);
    cr_assert_eq(first->again, 1);
    cr_assert_eq(((struct channel_store *)toy_record(CHANNEL_STORE))->id, 2);
}

Test(store, positions_go_on_above_those_of_an_earlier_epoch, .init = toy_start)
{
    home_control_down(toy.home);
    home_control_up(toy.home, 9, toy.now_us);
    toy_message(1, 2, 1, 0);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    cr_assert_eq(store->position, (UINT64_C(9) << 48) + 1);
}

Test(store, a_retirement_that_may_have_been_lost_is_made_again, .init = toy_start)
{
    struct item attached = toy_online(2, 9);
    toy_message(1, 2, 1, 0);
    toy_wait(1002);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    uint64_t tag = store->tag, position = store->position;
    toy_report(&attached, ITEM_ACK, 1);
    toy_stored(tag, 0);
    cr_assert_not_null(toy_record(CHANNEL_RETIRE));
    home_control_down(toy.home);
    home_control_up(toy.home, 1, toy.now_us);
    toy_poll();
    toy_clear();
    toy_attach(2, 10, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    cr_assert_eq(drain->after, position - 1);
    toy_drained(2, drain->generation, position, 1, 1, CHANNEL_ITEM_MESSAGE);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER), "it has been acknowledged");
    cr_assert_eq(((struct channel_retire *)toy_record(CHANNEL_RETIRE))->position[0], position);
}
