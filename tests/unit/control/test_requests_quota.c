/* SPDX-License-Identifier: BSD-3-Clause */
/* Quotas, and what holds for receipts of those who are absent, at waxwire-control as a process. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "request_help.h"
#include "waxwire/wire.h"

static void setup_small(void)
{
    setup_with("accounts: {mailbox_messages: 6, mailbox_mib: 1}\n");
}

TestSuite(requests_quota, .init = setup_small, .fini = teardown, .timeout = 60);

static void attach_to(struct plane *plane, const struct person *alice, uint16_t devices)
{
    attach(plane, 0);
    for (uint16_t device = 1; device <= devices; device++)
        cr_assert_eq(come_in(plane, alice, device), 0);
}

static void retire(struct plane *plane, const struct person *who, uint64_t position)
{
    struct channel_retire *retire = reserve(plane, 0, CHANNEL_RETIRE, sizeof *retire + 8);
    memcpy(retire->name.user, who->user, WAX_USER_BYTES);
    retire->name.device = 1;
    retire->count = 1;
    retire->position[0] = position;
    publish(plane, 0);
}

static void block(struct plane *plane, const struct person *who, const struct person *whom)
{
    uint8_t frame[WIRE_BLOCK_BYTES];
    struct wire_block wanted = {WIRE_BLOCK_USER, 1, whom->user};
    struct view answer =
        asked(plane, who, 1, view_of(frame, wire_block_write(span_of(frame, sizeof frame), &wanted)));
    cr_assert_eq(answer.data[0], WIRE_OK);
}

/* A number that the admin socket tells. */
static uint64_t told(const char *key)
{
    char reply[16384], name[40];
    unsigned long long value = 0;
    ask_admin("{\"command\":\"status\"}\n", reply, sizeof reply);
    snprintf(name, sizeof name, "\"%s\":", key);
    const char *at = strstr(reply, name);
    cr_assert_not_null(at, "%s in %s", key, reply);
    cr_assert_eq(sscanf(at + strlen(name), "%llu", &value), 1);
    return value;
}

Test(requests_quota, a_message_too_many_is_mailbox_full_until_there_is_room)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach_to(&plane, &alice, 1);
    for (uint64_t i = 1; i <= 6; i++)
        cr_assert_eq(store(&plane, &bob, &alice, i, false), 0);
    cr_assert_eq(store(&plane, &bob, &alice, 7, false), WIRE_REASON_MAILBOX_FULL);
    cr_assert_eq(store(&plane, &bob, &alice, 8, true), 0, "it has been handed to a connection");
    retire(&plane, &alice, 1);
    retire(&plane, &alice, 2);
    cr_assert_eq(store(&plane, &bob, &alice, 9, false), 0);
    cr_assert_eq(store(&plane, &bob, &alice, 10, false), WIRE_REASON_MAILBOX_FULL);
    cr_assert_eq(told("mailbox_full"), 2);
    cr_assert_eq(told("mailbox_messages"), 6);
    detach(&plane);
}

Test(requests_quota, bytes_are_counted_as_well)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach_to(&plane, &alice, 1);
    send_store(&plane, &bob, &alice, 1, 1, 700u << 10, false);
    cr_assert_eq(stored(&plane, 1), 0);
    send_store(&plane, &bob, &alice, 1, 2, 400u << 10, false);
    cr_assert_eq(stored(&plane, 2), WIRE_REASON_MAILBOX_FULL);
    send_store(&plane, &bob, &alice, 1, 3, 300u << 10, false);
    cr_assert_eq(stored(&plane, 3), 0);
    detach(&plane);
}

Test(requests_quota, a_device_has_its_share_whatever_waits_for_the_others)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach_to(&plane, &alice, 2);
    for (uint64_t i = 1; i <= 6; i++)
        cr_assert_eq(store(&plane, &bob, &alice, i, false), 0);
    for (uint64_t i = 7; i <= 10; i++) {
        send_store(&plane, &bob, &alice, 2, i, 5, false);
        cr_assert_eq(stored(&plane, i), i < 10 ? 0 : WIRE_REASON_MAILBOX_FULL, "%u", (unsigned)i);
    }
    cr_assert_eq(store(&plane, &bob, &alice, 11, false), WIRE_REASON_MAILBOX_FULL);
    detach(&plane);
}

Test(requests_quota, what_was_stored_is_not_refused_when_it_is_offered_again)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach_to(&plane, &alice, 1);
    for (uint64_t i = 1; i <= 6; i++)
        cr_assert_eq(store(&plane, &bob, &alice, i, false), 0);
    uint64_t epoch = plane.grant.epoch;
    stop_control(SIGKILL);
    detach(&plane);
    start_control();
    attach(&plane, epoch);
    for (uint64_t i = 1; i <= 6; i++)
        cr_assert_eq(store(&plane, &bob, &alice, i, false), 0, "it is there");
    cr_assert_eq(store(&plane, &bob, &alice, 7, false), WIRE_REASON_MAILBOX_FULL);
    block(&plane, &alice, &bob);
    cr_assert_eq(store(&plane, &bob, &alice, 6, false), 0, "it is there still");
    cr_assert_eq(store(&plane, &bob, &alice, 8, false), WIRE_REASON_BLOCKED);
    detach(&plane);
}

Test(requests_quota, delivered_is_kept_in_a_full_mailbox_and_read_as_far_as_it_goes)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach_to(&plane, &alice, 1);
    cr_assert_eq(come_in(&plane, &bob, 1), 0);
    for (uint64_t i = 1; i <= 6; i++)
        cr_assert_eq(store(&plane, &bob, &alice, i, false), 0);
    for (uint64_t i = 7; i <= 10; i++)
        cr_assert_eq(store_receipt(&plane, &bob, &alice, i, WIRE_READ_BY, 0), 0);
    for (uint64_t i = 11; i <= 20; i++)
        cr_assert_eq(store_receipt(&plane, &bob, &alice, i, i % 2 != 0 ? WIRE_DELIVERED : WIRE_REJECTED, 0),
                     0);
    cr_assert_eq(store_receipt(&plane, &bob, &alice, 21, WIRE_READ_BY, 0), WIRE_REASON_MAILBOX_FULL);
    cr_assert_eq(told("reads_refused"), 1);
    cr_assert_eq(told("mailbox_full"), 0);
    detach(&plane);
}

Test(requests_quota, read_for_who_is_absent_obeys_blocks_and_delivered_does_not)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2), carol = person_of(3);
    attach_to(&plane, &alice, 1);
    block(&plane, &alice, &bob);
    cr_assert_eq(store_receipt(&plane, &bob, &alice, 1, WIRE_READ_BY, 0), WIRE_REASON_BLOCKED);
    cr_assert_eq(store_receipt(&plane, &carol, &alice, 2, WIRE_READ_BY, 0), 0);
    cr_assert_eq(store_receipt(&plane, &bob, &alice, 3, WIRE_DELIVERED, 0), 0);
    cr_assert_eq(store_receipt(&plane, &alice, &alice, 4, WIRE_READ_BY, 0), 0, "one's own devices");
    cr_assert_eq(told("reads_refused"), 1);
    detach(&plane);
}

Test(requests_quota, a_receipt_for_nobody_is_not_kept)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach_to(&plane, &alice, 1);
    cr_assert_eq(store(&plane, &bob, &alice, 1, false), 0);
    cr_assert_eq(store_receipt(&plane, &alice, &bob, 2, WIRE_DELIVERED, 1), WIRE_REASON_UNKNOWN_USER);
    cr_assert_eq(store_receipt(&plane, &alice, &bob, 3, WIRE_READ_BY, 0), WIRE_REASON_UNKNOWN_USER);
    cr_assert_eq(told("receipts_refused"), 1);
    detach(&plane);
}

/*
 * Nothing is stored behind a rejection that home has not read, a receipt neither: were control killed now,
 * what was rejected would be offered again at a position below the mailbox's end, and be taken for stored.
 */
Test(requests_quota, a_receipt_waits_until_a_rejection_before_it_has_been_read)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach_to(&plane, &alice, 1);
    block(&plane, &alice, &bob);
    uint64_t epoch = plane.grant.epoch;
    send_store(&plane, &bob, &alice, 1, 1, 5, false);
    struct channel_store_receipt *receipt = reserve(&plane, 0, CHANNEL_STORE_RECEIPT, sizeof *receipt);
    memcpy(receipt->name.user, alice.user, WAX_USER_BYTES);
    memcpy(receipt->about.user, alice.user, WAX_USER_BYTES);
    receipt->name.device = receipt->about.device = 1;
    receipt->tag = receipt->position = receipt->id = 2;
    receipt->status_kind = WIRE_DELIVERED;
    publish(&plane, 0);
    for (int i = 0; i < 200; i++)
        nap(); /* without reading anything */
    stop_control(SIGKILL);
    detach(&plane);
    start_control();
    attach(&plane, epoch);
    cr_assert_eq(store(&plane, &bob, &alice, 1, false), WIRE_REASON_BLOCKED, "it was not stored");
    detach(&plane);
}
