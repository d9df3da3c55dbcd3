/* SPDX-License-Identifier: BSD-3-Clause */
/* BLOCK at waxwire-control as a process: what homes are told, and what it refuses itself. */
#include <criterion/criterion.h>
#include <signal.h>

#include "request_help.h"
#include "waxwire/wire.h"

TestSuite(requests_block, .init = setup, .fini = teardown, .timeout = 60);

static struct view block_frame(uint8_t what, const uint8_t *user, uint32_t request)
{
    static const uint8_t nobody[WAX_USER_BYTES];
    static uint8_t frame[WIRE_BLOCK_BYTES];
    struct wire_block block = {what, request, user != NULL ? user : nobody};
    return view_of(frame, wire_block_write(span_of(frame, sizeof frame), &block));
}

static void expect_ok(struct view frame, uint32_t request)
{
    cr_assert_eq(frame.len, WIRE_OK_BYTES, "type %02x", frame.data[0]);
    cr_assert_eq(frame.data[0], WIRE_OK);
    cr_assert_eq(load_be32(frame.data + 4), request);
}

/* A policy for worker 0; with users that must be these. Returns its tag. */
static uint64_t expect_policy(struct plane *plane, uint64_t generation, bool only,
                              const struct person *users[], uint32_t count)
{
    const struct channel_record *record = next(plane, 0, 5000);
    cr_assert_not_null(record, "no policy");
    cr_assert_eq(record->kind, CHANNEL_POLICY, "kind %u", record->kind);
    const struct channel_policy *policy = (const void *)record;
    cr_assert_eq(policy->generation, generation);
    cr_assert_eq(policy->only, only);
    cr_assert_eq(policy->count, count);
    for (uint32_t i = 0; i < count; i++) {
        bool there = false;
        for (uint32_t j = 0; j < count; j++)
            there |= memcmp(policy->user[j], users[i]->user, WAX_USER_BYTES) == 0;
        cr_assert(there);
        cr_assert(i == 0 || memcmp(policy->user[i - 1], policy->user[i], WAX_USER_BYTES) < 0);
    }
    uint64_t tag = policy->tag;
    release(plane, 0, record);
    return tag;
}

static void confirm(struct plane *plane, uint64_t tag)
{
    struct channel_policed *policed = reserve(plane, 0, CHANNEL_POLICED, sizeof *policed);
    policed->tag = tag;
    publish(plane, 0);
}

Test(requests_block, homes_obey_before_it_is_answered)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2), carol = person_of(3);
    attach(&plane, 0);
    for (uint16_t device = 1; device <= 3; device++)
        cr_assert_eq(come_in(&plane, &alice, device), 0);
    session_is(&plane, &alice, 1, 11);
    session_is(&plane, &alice, 3, 13);
    uint32_t serial = ask(&plane, &alice, 1, block_frame(WIRE_BLOCK_USER, bob.user, 5));
    uint64_t first = expect_policy(&plane, 11, false, (const struct person *[]){&bob}, 1);
    uint64_t second = expect_policy(&plane, 13, false, (const struct person *[]){&bob}, 1);
    cr_assert(first != 0 && second != 0 && first != second);
    confirm(&plane, second);
    expect_nothing(&plane, 1);
    confirm(&plane, first);
    expect_ok(answer_to(&plane, serial), 5);
    serial = ask(&plane, &alice, 3, block_frame(WIRE_BLOCK_USER, carol.user, 6));
    confirm(&plane, expect_policy(&plane, 11, false, (const struct person *[]){&bob, &carol}, 2));
    confirm(&plane, expect_policy(&plane, 13, false, (const struct person *[]){&bob, &carol}, 2));
    expect_ok(answer_to(&plane, serial), 6);
    session_is(&plane, &alice, 1, 15); /* a new session brings it along */
    cr_assert_eq(expect_policy(&plane, 15, false, (const struct person *[]){&bob, &carol}, 2), 0);
    detach(&plane);
}

Test(requests_block, who_is_offline_is_protected_by_control_also_after_a_kill)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2), carol = person_of(3);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    cr_assert_eq(store(&plane, &bob, &alice, 1, false), 0);
    expect_ok(asked(&plane, &alice, 1, block_frame(WIRE_BLOCK_USER, bob.user, 1)), 1);
    cr_assert_eq(store(&plane, &bob, &alice, 2, false), WIRE_REASON_BLOCKED,
                 "though the mailbox holds something");
    cr_assert_eq(store(&plane, &carol, &alice, 3, false), 0);
    cr_assert_eq(store(&plane, &bob, &alice, 4, true), 0, "it has been handed to a connection");
    cr_assert_eq(store(&plane, &alice, &alice, 5, false), 0);
    uint64_t epoch = plane.grant.epoch;
    stop_control(SIGKILL);
    detach(&plane);
    start_control();
    attach(&plane, epoch);
    cr_assert_eq(store(&plane, &bob, &alice, 6, false), WIRE_REASON_BLOCKED);
    expect_ok(asked(&plane, &alice, 1, block_frame(WIRE_BLOCK_UNBLOCK, bob.user, 2)), 2);
    cr_assert_eq(store(&plane, &bob, &alice, 7, false), 0);
    detach(&plane);
}

Test(requests_block, only_those_allowed_and_everyone_again)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2), carol = person_of(3);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    expect_ok(asked(&plane, &alice, 1, block_frame(WIRE_BLOCK_ONLY_ALLOWED, NULL, 1)), 1);
    cr_assert_eq(store(&plane, &bob, &alice, 1, false), WIRE_REASON_BLOCKED);
    cr_assert_eq(store(&plane, &alice, &alice, 2, false), 0, "one's own devices");
    expect_ok(asked(&plane, &alice, 1, block_frame(WIRE_BLOCK_ALLOW, bob.user, 2)), 2);
    cr_assert_eq(store(&plane, &bob, &alice, 3, false), 0);
    session_is(&plane, &alice, 1, 8);
    cr_assert_eq(expect_policy(&plane, 8, true, (const struct person *[]){&bob}, 1), 0);
    uint32_t serial = ask(&plane, &alice, 1, block_frame(WIRE_BLOCK_USER, bob.user, 3));
    confirm(&plane, expect_policy(&plane, 8, true, NULL, 0)); /* to block counts more than to allow */
    expect_ok(answer_to(&plane, serial), 3);
    cr_assert_eq(store(&plane, &bob, &alice, 4, false), WIRE_REASON_BLOCKED, "though allowed");
    serial = ask(&plane, &alice, 1, block_frame(WIRE_BLOCK_EVERYONE, NULL, 4));
    confirm(&plane, expect_policy(&plane, 8, false, (const struct person *[]){&bob}, 1));
    expect_ok(answer_to(&plane, serial), 4);
    cr_assert_eq(store(&plane, &carol, &alice, 5, false), 0);
    cr_assert_eq(store(&plane, &bob, &alice, 6, false), WIRE_REASON_BLOCKED);
    expect_error(asked(&plane, &alice, 1, block_frame(6, NULL, 9)), WIRE_ERROR_UNKNOWN_REQUEST, 9);
    detach(&plane);
}

Test(requests_block, a_list_has_an_end_and_an_account_must_be_there)
{
    struct plane plane;
    struct person alice = person_of(1), nobody = person_of(9);
    uint8_t user[WAX_USER_BYTES] = {0};
    uint32_t refused = 0;
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    for (uint32_t i = 0; i < WAX_POLICY_USERS_MAX + 5; i++) {
        store_be32(user, i * 0x9e3779b1u);
        struct view frame = asked(&plane, &alice, 1, block_frame(WIRE_BLOCK_USER, user, i));
        while (frame.data[0] == WIRE_ERROR && i < WAX_POLICY_USERS_MAX) { /* rate limited */
            for (int ms = 0; ms < 25; ms++)
                nap();
            frame = asked(&plane, &alice, 1, block_frame(WIRE_BLOCK_USER, user, i));
        }
        refused += frame.data[0] == WIRE_ERROR;
    }
    cr_assert_eq(refused, 5);
    expect_error(asked(&plane, &nobody, 1, block_frame(WIRE_BLOCK_USER, user, 7)), WIRE_ERROR_RATE, 7);
    detach(&plane);
}
