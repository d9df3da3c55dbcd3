/* SPDX-License-Identifier: BSD-3-Clause */
/* How much devices, accounts and addresses may send. */
#include "toy_session.h"

#define COST_US 100000u

static uint32_t charged, charges;
static uint64_t charge_wait_us;

static uint64_t charge(void *ctx, uint32_t conn, uint32_t count)
{
    (void)ctx;
    cr_assert_eq(conn, 3);
    charged += count;
    charges++;
    return charge_wait_us;
}

/* A device may send `burst` at once, and then ten in a second. */
static void limit(uint32_t burst)
{
    env.rates = (struct session_rates){true, false, COST_US, (burst - 1ull) * COST_US};
    charged = charges = 0;
    charge_wait_us = 0;
}

/* The reason why the message is rejected; 0: it isn't. */
static uint8_t reason_of(uint64_t id)
{
    uint8_t reason = 0;
    flush();
    while (frame_head != frame_tail) {
        struct frame_status status;
        cr_assert_eq(frame_parse_status(next_frame(), &status), WAX_OK);
        for (uint32_t i = 0; i < status.count; i++) {
            struct frame_status_entry entry = frame_status_entry(&status, i);
            if (entry.id == id && entry.kind == WIRE_REJECTED)
                reason = entry.reason;
        }
    }
    return reason;
}

static enum wax_status say_multi(uint64_t id, uint32_t count, uint8_t flags)
{
    uint8_t *at = out;
    memset(out, 0, sizeof out);
    at[0] = WIRE_SEND_MULTI;
    at[1] = flags;
    store_be16(at + 2, (uint16_t)count);
    store_be64(at + 8, id);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t *entry = at + WIRE_SEND_MULTI_BYTES + i * WIRE_MULTI_ENTRY_BYTES;
        entry[0] = (uint8_t)(i + 1);
        store_be16(entry + WAX_USER_BYTES, 1);
    }
    return feed(WIRE_SEND_MULTI_BYTES + count * WIRE_MULTI_ENTRY_BYTES);
}

static enum wax_status say_reads(uint32_t count)
{
    size_t len = frame_open_read(span_of(out, sizeof out));
    for (uint32_t i = 0; i < count; i++) {
        struct frame_read_entry entry = {.id = i + 1, .sender = {{9}, 1}};
        len = frame_append_read(span_of(out, sizeof out), &entry);
    }
    return feed(len);
}

static enum wax_status say_devices(uint32_t request)
{
    memset(out, 0, 8);
    out[0] = WIRE_DEVICE;
    out[1] = 1;
    store_be32(out + 4, request);
    return feed(8);
}

Test(rate, beyond_it_sends_are_rejected_4_until_time_has_passed, .init = start)
{
    open_session();
    limit(2);
    for (uint64_t id = 1; id <= 3; id++)
        cr_assert_eq(say_send(id, 1, 0, 1), WAX_OK);
    cr_expect_eq(session.unanswered, 2);
    cr_expect_eq(reason_of(3), WIRE_REASON_RATE);
    cr_expect_eq(toy.metrics.status[WAX_REJECT_RATE], 1);
    toy.now_us += COST_US - 1;
    say_send(4, 1, 0, 1);
    cr_expect_eq(reason_of(4), WIRE_REASON_RATE);
    toy.now_us++;
    say_send(5, 1, 0, 1);
    cr_expect_eq(reason_of(5), 0);
    cr_expect_eq(session.unanswered, 3, "one more may come");
    say_send(6, 1, 0, 1);
    cr_expect_eq(reason_of(6), WIRE_REASON_RATE);
}

Test(rate, rest_gives_back_no_more_than_the_burst, .init = start)
{
    open_session();
    limit(2);
    env.send_window = 100;
    say_send(1, 1, 0, 1);
    toy.now_us += 1000 * COST_US;
    for (uint64_t id = 2; id <= 9; id++)
        say_send(id, 1, 0, 1);
    cr_expect_eq(session.unanswered, 3);
}

Test(rate, silent_ones_cost_and_beyond_it_are_dropped_unanswered, .init = start)
{
    open_session();
    limit(2);
    for (uint64_t id = 1; id <= 3; id++)
        cr_assert_eq(say_send(id, 1, WIRE_SEND_SILENT | WIRE_SEND_EPHEMERAL, 1), WAX_OK);
    flush();
    cr_expect_eq(frame_head, frame_tail, "nothing answers it");
    cr_expect_eq(toy.metrics.status[WAX_SILENT_DROPPED], 1);
    cr_expect_eq(toy.metrics.sends, 2);
}

Test(rate, a_send_that_waits_for_a_credit_is_charged_once, .init = start)
{
    open_session();
    limit(2);
    uint32_t slots = env.send_slots;
    env.send_slots = 0;
    for (int i = 0; i < 5; i++)
        cr_assert_eq(say_send(1, 1, 0, 1), WAX_FULL);
    env.send_slots = slots;
    cr_assert_eq(say_send(1, 1, 0, 1), WAX_OK);
    cr_assert_eq(say_send(2, 1, 0, 1), WAX_OK);
    cr_expect_eq(session.unanswered, 2);
}

Test(rate, what_is_refused_for_another_reason_costs_nothing, .init = start)
{
    open_session();
    limit(1);
    say_send(0, 1, 0, 1);
    say_send(1, 0, 0, 1);
    say_send(2, 1, 0, 101);
    say_send(3, 1, 0, 1);
    cr_expect_eq(session.unanswered, 1);
}

Test(rate, a_group_message_costs_as_much_as_it_has_recipients, .init = start)
{
    open_session();
    limit(10);
    cr_assert_eq(say_multi(1, 9, 0), WAX_OK);
    cr_expect_eq(toy.metrics.sends, 9);
    cr_expect_eq(reason_of(1), 0);
    say_send(2, 1, 0, 1);
    cr_expect_eq(reason_of(2), 0, "the tenth");
    say_send(3, 1, 0, 1);
    cr_expect_eq(reason_of(3), WIRE_REASON_RATE);
}

Test(rate, a_group_message_is_taken_whole_and_paid_for_afterwards, .init = start)
{
    open_session();
    limit(10);
    cr_assert_eq(say_multi(1, 15, 0), WAX_OK);
    cr_expect_eq(reason_of(1), 0);
    cr_expect_eq(toy.metrics.sends, 15);
    cr_assert_eq(say_multi(2, 3, 0), WAX_OK);
    cr_expect_eq(reason_of(2), WIRE_REASON_RATE);
    cr_expect_eq(toy.metrics.status[WAX_REJECT_RATE], 3, "each of its recipients");
    toy.now_us += 6 * COST_US - 1;
    say_send(3, 1, 0, 1);
    cr_expect_eq(reason_of(3), WIRE_REASON_RATE);
    toy.now_us++;
    say_send(4, 1, 0, 1);
    cr_expect_eq(reason_of(4), 0);
    say_multi(5, 3, WIRE_SEND_SILENT | WIRE_SEND_EPHEMERAL);
    cr_expect_eq(reason_of(5), 0);
    cr_expect_eq(toy.metrics.status[WAX_SILENT_DROPPED], 3);
}

Test(rate, eight_reads_cost_one_message_and_beyond_it_are_dropped, .init = start)
{
    open_session();
    limit(2);
    cr_assert_eq(say_reads(8), WAX_OK);
    cr_assert_eq(say_send(1, 1, 0, 1), WAX_OK);
    cr_assert_eq(say_reads(5), WAX_OK);
    cr_expect_eq(toy.metrics.reads, 8);
    cr_expect_eq(toy.metrics.status[WAX_READ_DROPPED], 5);
    cr_expect_eq(reason_of(1), 0);
}

Test(rate, reads_never_hold_back_messages_for_longer_than_one_costs, .init = start)
{
    open_session();
    limit(2);
    cr_assert_eq(say_reads(100), WAX_OK);
    cr_expect_eq(toy.metrics.reads, 100);
    say_send(1, 1, 0, 1);
    cr_expect_eq(reason_of(1), WIRE_REASON_RATE);
    toy.now_us += COST_US;
    say_send(2, 1, 0, 1);
    cr_expect_eq(reason_of(2), 0);
}

Test(rate, a_request_costs_one_and_beyond_it_is_error_131, .init = start)
{
    open_session();
    limit(1);
    cr_assert_eq(say_devices(7), WAX_OK);
    cr_expect_eq(toy.metrics.requests, 1);
    cr_assert_eq(say_devices(8), WAX_OK);
    cr_expect_eq(toy.metrics.requests, 1);
    struct frame_error error;
    cr_assert_eq(frame_parse_error(next_frame(), &error), WAX_OK);
    cr_expect_eq(error.code, WIRE_ERROR_RATE);
    cr_expect_eq(error.request, 8);
    cr_expect_eq(closes, 0);
}

Test(rate, account_and_address_are_told_after_32_messages_and_at_the_end, .init = start)
{
    open_session();
    limit(1000);
    env.rates.account = true;
    env.charge = charge;
    env.send_window = 100;
    for (uint64_t id = 1; id <= 31; id++)
        say_send(id, 1, 0, 1);
    flush();
    cr_expect_null(toy_next_of(&toy.gives, ITEM_USED));
    say_send(32, 1, 0, 1);
    flush();
    struct item *used = toy_next_of(&toy.gives, ITEM_USED);
    cr_assert_not_null(used);
    cr_expect_eq(used->u.report.seq, 32);
    cr_expect_eq(used->u.report.generation, 55);
    cr_expect_eq(charged, 32);
    say_send(33, 1, 0, 1);
    session_end(&session, &env);
    struct item *end = toy_next_of(&toy.gives, ITEM_END);
    cr_assert_not_null(end);
    cr_expect_eq(end->u.report.seq, 1, "what was not told goes with the END");
    cr_expect_eq(charged, 33);
}

Test(rate, while_the_ring_is_full_what_is_not_told_adds_up, .init = start)
{
    open_session();
    limit(1000);
    env.rates.account = true;
    env.charge = charge;
    env.send_window = 100;
    toy.gives_full = true;
    for (uint64_t id = 1; id <= 40; id++)
        say_send(id, 1, 0, 1);
    flush();
    say_send(41, 1, 0, 1);
    flush();
    cr_expect_eq(charged, 0);
    toy.gives_full = false;
    flush();
    cr_expect_eq(toy_next_of(&toy.gives, ITEM_USED)->u.report.seq, 41);
    cr_expect_eq(charged, 41);
    flush();
    cr_expect_eq(charged, 41, "once");
}

Test(rate, whose_address_is_overdrawn_waits, .init = start)
{
    open_session();
    env.rates = (struct session_rates){.on = true};
    env.charge = charge;
    env.send_window = 100;
    charge_wait_us = 500000;
    for (uint64_t id = 1; id <= 32; id++)
        say_send(id, 1, 0, 1);
    flush();
    cr_expect_eq(toy.metrics.status[WAX_RATE_ADDRESS], 1);
    toy.now_us += 499999;
    say_send(33, 1, 0, 1);
    cr_expect_eq(reason_of(33), WIRE_REASON_RATE);
    toy.now_us++;
    say_send(34, 1, 0, 1);
    cr_expect_eq(reason_of(34), 0);
}

Test(rate, whose_account_is_overdrawn_waits_and_so_others_of_it_when_they_send, .init = start)
{
    open_session();
    limit(3);
    struct item hold = {.kind = ITEM_HOLD, .u.hold = {700000, 3, 4}};
    session_item(&env, &hold, toy.now_us);
    say_send(1, 1, 0, 1);
    cr_expect_eq(reason_of(1), WIRE_REASON_RATE);
    toy.now_us += 700000;
    say_send(2, 1, 0, 1);
    cr_expect_eq(reason_of(2), 0);
    say_send(3, 1, 0, 1);
    cr_expect_eq(reason_of(3), WIRE_REASON_RATE, "a device that was held back begins without a burst");
}

Test(rate, a_hold_of_a_connection_that_is_gone_or_not_open_is_ignored, .init = start)
{
    log_in();
    struct item hold = {.kind = ITEM_HOLD, .u.hold = {700000, 3, 4}};
    session_item(&env, &hold, toy.now_us);
    cr_expect_not_null(session.opening, "what is there until it is open is left alone");
    hold.u.hold.conn_generation = 9;
    session_item(&env, &hold, toy.now_us);
}

/* ---- at home ---- */

static void start_home(void)
{
    toy_account.per_s = 10;
    toy_account.burst = 40;
    toy_start();
}

static uint64_t used(const struct item *attached, enum item_kind kind, uint32_t count)
{
    toy_clear();
    toy_report(attached, kind, count);
    struct item *hold = toy_next_of(&toy.gives, ITEM_HOLD);
    return hold == NULL ? 0 : hold->u.hold.wait_us;
}

Test(rate, devices_of_an_account_spend_together, .init = start_home)
{
    struct item item = {.kind = ITEM_ATTACH}, attached[2];
    for (uint32_t i = 0; i < 2; i++) {
        item.u.attach =
            (typeof(item.u.attach)){.conn = i + 1, .conn_generation = 1, .name = {{7}, (uint16_t)(i + 1)}};
        cr_assert(home_send(toy.home, &item, toy.now_us));
        toy_poll();
        attached[i] = *toy_next_of(&toy.sends, ITEM_ATTACHED);
    }
    cr_expect_eq(used(&attached[0], ITEM_USED, 32), 0);
    cr_expect_eq(used(&attached[1], ITEM_USED, 32), 24 * COST_US);
    cr_expect_eq(used(&attached[0], ITEM_USED, 32), 56 * COST_US);
    cr_expect_eq(toy.metrics.status[WAX_RATE_ACCOUNT], 2);
    struct item other = toy_attach(8, 3, false);
    cr_expect_eq(used(&other, ITEM_USED, 32), 0, "another account has its own");
}

Test(rate, an_account_that_comes_again_and_again_is_charged_all_the_same, .init = start_home)
{
    for (uint32_t i = 0; i < 4; i++) {
        struct item attached = toy_attach(7, 20 + i, false);
        cr_expect_eq(attached.u.attached.wait_us, i < 2 ? 0 : (i * 31 - 40) * COST_US);
        used(&attached, ITEM_END, 31);
    }
    struct item attached = toy_attach(7, 30, false);
    cr_expect_eq(used(&attached, ITEM_USED, 32), (4 * 31 + 32 - 40) * COST_US);
}

Test(rate, a_session_of_an_account_that_is_overdrawn_waits_from_its_welcome_on, .init = start)
{
    log_in();
    limit(5);
    struct item attached = {.kind = ITEM_ATTACHED, .u.attached = {55, 3, 4, 6, 0, 400000}};
    session_item(&env, &attached, toy.now_us);
    cr_assert_eq(frame_type(next_frame()), WIRE_WELCOME);
    say_send(1, 1, 0, 1);
    cr_expect_eq(reason_of(1), WIRE_REASON_RATE);
    toy.now_us += 400000;
    say_send(2, 1, 0, 1);
    cr_expect_eq(reason_of(2), 0);
}

Test(rate, a_session_that_was_displaced_is_charged, .init = start_home)
{
    struct item first = toy_attach(7, 20, false), second = toy_attach(7, 21, false);
    cr_expect_eq(used(&first, ITEM_END, 60), 0, "nobody is there to be held back");
    cr_expect_eq(used(&second, ITEM_USED, 1), 21 * COST_US);
    struct item *hold = (toy_report(&second, ITEM_USED, 1), toy_next_of(&toy.gives, ITEM_HOLD));
    cr_assert_not_null(hold);
    cr_expect_eq(hold->u.hold.conn, 21);
}

Test(rate, a_report_of_nobody_is_ignored, .init = start_home)
{
    struct item attached = toy_attach(7, 20, false);
    attached.u.attached.generation += 5;
    cr_expect_eq(used(&attached, ITEM_USED, 1000), 0);
    attached.u.attached.recipient = 100000;
    cr_expect_eq(used(&attached, ITEM_USED, 1000), 0);
}
