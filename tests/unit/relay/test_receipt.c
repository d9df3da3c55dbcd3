/* SPDX-License-Identifier: BSD-3-Clause */
/* Receipts of stored messages: given to the sender, or kept for it, before the message is retired. */
#include "toy.h"

/* A message of 1 for 2 that is in the mailbox, drained to 2 and acknowledged. Returns its position. */
static uint64_t stored_and_acknowledged(void)
{
    toy_message(1, 2, 7, 0);
    struct channel_store *store = toy_record(CHANNEL_STORE);
    uint64_t tag = store->tag, position = store->position;
    toy_stored(tag, 0);
    toy_carry();
    struct item attached = toy_attach(2, 9, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_drained(2, generation, position, 1, 7, CHANNEL_ITEM_MESSAGE);
    toy_idle(2, generation, position);
    toy_clear();
    toy_report(&attached, ITEM_ACK, 1);
    cr_assert_null(toy_record(CHANNEL_RETIRE), "not before its receipt");
    toy_carry();
    return position;
}

Test(receipt, is_kept_for_a_sender_who_is_away_in_one_commit_with_the_retirement, .init = toy_start)
{
    uint64_t position = stored_and_acknowledged();
    struct channel_store_receipt *receipt = toy_record(CHANNEL_STORE_RECEIPT);
    cr_assert_not_null(receipt);
    cr_assert_eq(receipt->name.user[0], 1);
    cr_assert_eq(receipt->about.user[0], 2);
    cr_assert_eq(receipt->id, 7);
    cr_assert_eq(receipt->retire, position);
    cr_assert_eq(receipt->status_kind, WIRE_DELIVERED);
    cr_assert_gt(receipt->position, position);
    toy_stored(receipt->tag, 0);
    toy_carry();
    cr_assert_null(toy_record(CHANNEL_RETIRE), "the commit has retired it");
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(receipt, is_shown_to_a_sender_who_is_here_and_then_the_message_is_retired, .init = toy_start)
{
    struct item sender = toy_online(1, 5);
    uint64_t position = stored_and_acknowledged();
    struct item *show = toy_next_of(&toy.sends, ITEM_SHOW);
    cr_assert_not_null(show);
    cr_assert_eq(show->u.show.conn, 5);
    cr_assert_eq(show->u.show.id, 7);
    cr_assert_eq(show->u.show.number, 1);
    cr_assert_eq(show->u.show.status_kind, WIRE_DELIVERED);
    cr_assert_null(toy_record(CHANNEL_RETIRE), "TCP has not acknowledged it yet");
    toy_report(&sender, ITEM_GIVEN, 1);
    toy_carry();
    struct channel_retire *retire = toy_record(CHANNEL_RETIRE);
    cr_assert_eq(retire->position[0], position);
    cr_assert_eq(home_counts(toy.home).entries, 0);
}

Test(receipt, that_was_not_given_when_the_session_ends_is_kept, .init = toy_start)
{
    struct item sender = toy_online(1, 5);
    uint64_t position = stored_and_acknowledged();
    cr_assert_not_null(toy_next_of(&toy.sends, ITEM_SHOW));
    toy_report(&sender, ITEM_END, 0);
    struct channel_store_receipt *receipt = toy_record(CHANNEL_STORE_RECEIPT);
    cr_assert_eq(receipt->retire, position);
}

Test(receipt, out_of_the_mailbox_is_shown_and_retired_when_given, .init = toy_start)
{
    struct item sender = toy_attach(1, 5, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    toy_drained(1, drain->generation, 11, 2, 7, CHANNEL_ITEM_RECEIPT);
    struct item *show = toy_next_of(&toy.sends, ITEM_SHOW);
    cr_assert_eq(show->u.show.about.user[0], 2);
    cr_assert_null(toy_record(CHANNEL_RETIRE));
    toy_report(&sender, ITEM_GIVEN, 1);
    cr_assert_eq(((struct channel_retire *)toy_record(CHANNEL_RETIRE))->position[0], 11);
}

Test(receipt, out_of_the_mailbox_comes_again_when_it_was_not_given, .init = toy_start)
{
    struct item sender = toy_attach(1, 5, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_drained(1, generation, 11, 2, 7, CHANNEL_ITEM_RECEIPT);
    toy_drained(1, generation, 12, 2, 8, CHANNEL_ITEM_MESSAGE);
    toy_report(&sender, ITEM_ACK, 1);
    toy_report(&sender, ITEM_END, 0);
    toy_clear();
    toy_attach(1, 6, false);
    drain = toy_record(CHANNEL_DRAIN);
    cr_assert_eq(drain->after, 10);
    toy_drained(1, drain->generation, 11, 2, 7, CHANNEL_ITEM_RECEIPT);
    cr_assert_not_null(toy_next_of(&toy.sends, ITEM_SHOW));
    toy_drained(1, drain->generation, 12, 2, 8, CHANNEL_ITEM_MESSAGE);
    cr_assert_null(toy_next_of(&toy.sends, ITEM_DELIVER), "that one was acknowledged");
}

Test(receipt, reaches_a_send_only_session, .init = toy_start)
{
    toy_attach(1, 5, true);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    uint64_t generation = drain->generation;
    toy_drained(1, generation, 10, 2, 3, CHANNEL_ITEM_MESSAGE);
    toy_drained(1, generation, 11, 2, 7, CHANNEL_ITEM_RECEIPT);
    struct item *item = toy_next(&toy.sends);
    cr_assert_eq(item->kind, ITEM_SHOW, "and nothing is delivered");
}

Test(receipt, of_an_expired_message_says_rejected_7, .init = toy_start)
{
    struct item sender = toy_online(1, 5);
    struct item attached = toy_attach(2, 9, false);
    (void)attached;
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    toy_drained(2, drain->generation, 33, 1, 7, CHANNEL_ITEM_EXPIRED);
    toy_carry();
    struct item *show = toy_next_of(&toy.sends, ITEM_SHOW);
    cr_assert_eq(show->u.show.status_kind, WIRE_REJECTED);
    cr_assert_eq(show->u.show.reason, WIRE_REASON_EXPIRED);
    toy_report(&sender, ITEM_GIVEN, 1);
    toy_carry();
    cr_assert_eq(((struct channel_retire *)toy_record(CHANNEL_RETIRE))->position[0], 33);
}

Test(receipt, whose_sender_has_no_mailbox_any_more_is_given_up_and_the_message_retired, .init = toy_start)
{
    uint64_t position = stored_and_acknowledged();
    struct channel_store_receipt *receipt = toy_record(CHANNEL_STORE_RECEIPT);
    toy_stored(receipt->tag, WIRE_REASON_UNKNOWN_USER);
    toy_carry();
    cr_assert_eq(((struct channel_retire *)toy_record(CHANNEL_RETIRE))->position[0], position);
}

Test(receipt, is_offered_again_when_the_store_is_busy, .init = toy_start)
{
    stored_and_acknowledged();
    struct channel_store_receipt *receipt = toy_record(CHANNEL_STORE_RECEIPT);
    toy_stored(receipt->tag, WIRE_REASON_BUSY);
    toy_wait(1002);
    cr_assert_not_null(toy_record(CHANNEL_STORE_RECEIPT));
}
