/* SPDX-License-Identifier: BSD-3-Clause */
/* Which devices a push gateway is to be told of, and when. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "wake_table.h"

#define RETRY_MS 30000u

static struct wake_table *table;
static struct wake_event events[WAKE_BATCH_MAX];

static struct device_name name_of(uint32_t user, uint16_t device)
{
    struct device_name name = {.device = device};
    store_be32(name.user, user);
    return name;
}

static bool note(uint32_t user, bool urgent, uint64_t now_ms)
{
    struct device_name name = name_of(user, 1);
    return wake_table_note(table, &name, urgent, now_ms);
}

static void calm(uint32_t user)
{
    struct device_name name = name_of(user, 1);
    wake_table_calm(table, &name);
}

static uint32_t take(uint64_t now_ms)
{
    return wake_table_take(table, events, WAKE_BATCH_MAX, now_ms);
}

/* Every event that was queued has come to one end, or waits. */
static struct wake_counts counts(uint32_t waiting, uint32_t pending)
{
    struct wake_counts c;
    wake_table_count(table, &c);
    cr_assert_eq(c.waiting_now, waiting);
    cr_assert_eq(c.queued, c.sent + c.refused + c.needless + waiting + pending);
    return c;
}

static void make(uint32_t devices, uint32_t interval_ms)
{
    cr_assert_geq(sodium_init(), 0);
    table = wake_table_new(devices, interval_ms, RETRY_MS);
}

static void fini(void)
{
    wake_table_free(table);
}

TestSuite(wake_table, .fini = fini);

Test(wake_table, devices_are_told_once_in_the_order_they_were_noted)
{
    make(8, 1000);
    cr_assert_eq(wake_table_due_ms(table), UINT64_MAX);
    cr_assert(note(1, false, 10));
    cr_assert(note(2, true, 11));
    cr_assert_not(note(1, true, 12), "it waits already");
    struct device_name other = name_of(1, 2);
    cr_assert(wake_table_note(table, &other, false, 13), "another device of the same user");
    cr_assert_leq(wake_table_due_ms(table), 13);
    cr_assert_eq(take(13), 3);
    cr_assert(events[0].name.user[3] == 1 && events[0].urgent && events[0].since_ms == 10);
    cr_assert(events[1].name.user[3] == 2 && events[1].urgent);
    cr_assert(events[2].name.device == 2 && !events[2].urgent);
    wake_table_sent(table, 20);
    cr_assert_eq(take(20), 0);
    cr_assert_eq(counts(0, 0).coalesced, 1);
}

Test(wake_table, a_device_is_told_again_when_its_interval_is_over)
{
    make(8, 1000);
    note(1, true, 0);
    cr_assert_eq(take(0), 1);
    wake_table_sent(table, 5);
    cr_assert(note(1, false, 100), "after it was told");
    cr_assert_not(note(1, false, 200));
    counts(0, 1);
    cr_assert_eq(take(1004), 0);
    cr_assert_eq(wake_table_due_ms(table), 1005);
    cr_assert_eq(take(1005), 1);
    cr_assert(events[0].since_ms == 100 && !events[0].urgent);
    wake_table_sent(table, 1005);
    cr_assert_eq(take(2005), 0);
    cr_assert(note(1, false, 2005), "its rest is over: told at once");
    cr_assert_eq(take(2005), 1);
}

Test(wake_table, without_an_interval_every_event_is_told)
{
    make(8, 0);
    for (uint64_t now_ms = 0; now_ms < 5; now_ms++) {
        cr_assert(note(1, false, now_ms));
        cr_assert_eq(take(now_ms), 1);
        wake_table_sent(table, now_ms);
    }
    cr_assert_eq(counts(0, 0).sent, 5);
}

Test(wake_table, what_could_not_be_told_is_told_first_after_a_growing_while)
{
    make(200, 1000);
    for (uint32_t i = 0; i < 100; i++)
        note(i, false, 0);
    uint64_t now_ms = 0, wait_ms = WAKE_RETRY_MS_FIRST;
    for (int i = 0; i < 15; i++) {
        cr_assert_eq(take(now_ms), WAKE_BATCH_MAX);
        cr_assert_eq(load_be32(events[0].name.user), 0);
        cr_assert_eq(load_be32(events[WAKE_BATCH_MAX - 1].name.user), WAKE_BATCH_MAX - 1);
        wake_table_failed(table, now_ms);
        cr_assert_eq(wake_table_due_ms(table), now_ms + wait_ms);
        cr_assert_eq(take(now_ms + wait_ms - 1), 0);
        now_ms += wait_ms;
        wait_ms = 2 * wait_ms < RETRY_MS ? 2 * wait_ms : RETRY_MS;
    }
    cr_assert_eq(wait_ms, RETRY_MS);
    struct wake_counts c = counts(100, 0);
    cr_assert(c.failures == 15 && c.failing_since_ms != UINT64_MAX && c.sent == 0);
    cr_assert_eq(take(now_ms), WAKE_BATCH_MAX);
    wake_table_sent(table, now_ms);
    cr_assert_eq(counts(100 - WAKE_BATCH_MAX, 0).failing_since_ms, 0);
    cr_assert_eq(take(now_ms), 100 - WAKE_BATCH_MAX, "at once");
    wake_table_failed(table, now_ms);
    cr_assert_eq(wake_table_due_ms(table), now_ms + WAKE_RETRY_MS_FIRST, "patience begins anew");
}

Test(wake_table, what_comes_while_a_device_is_being_told_is_not_lost)
{
    make(8, 1000);
    note(1, false, 0);
    cr_assert_eq(take(0), 1);
    cr_assert_not(note(1, true, 1), "nothing is due before the batch has ended");
    wake_table_failed(table, 2);
    cr_assert_eq(take(500), 1, "one event tells both");
    cr_assert(events[0].urgent && events[0].since_ms == 0);
    note(1, false, 501);
    wake_table_sent(table, 502);
    cr_assert_eq(take(1502), 1);
    cr_assert(!events[0].urgent && events[0].since_ms == 501);
    wake_table_refused(table, 1502);
    cr_assert_eq(counts(0, 0).refused, 1);
}

Test(wake_table, who_has_come_is_not_told_of)
{
    make(8, 1000);
    note(1, false, 0);
    note(2, false, 0);
    calm(1);
    calm(3);
    cr_assert_eq(take(0), 1);
    cr_assert_eq(events[0].name.user[3], 2);
    calm(2);
    wake_table_failed(table, 1);
    cr_assert_eq(take(5000), 0, "it came while it was being told of");
    note(4, false, 5000);
    cr_assert_eq(take(5000), 1);
    wake_table_sent(table, 5000);
    note(4, true, 5001);
    calm(4);
    cr_assert_eq(take(6000), 0);
    note(5, false, 7000);
    cr_assert_eq(take(7000), 1);
    calm(5);
    note(5, true, 7002); /* it came, went, and was wanted once more */
    wake_table_failed(table, 7003);
    cr_assert_eq(take(8000), 1);
    cr_assert(events[0].urgent && events[0].since_ms == 7002);
    wake_table_sent(table, 8000);
    cr_assert_eq(counts(0, 0).needless, 4);
}

Test(wake_table, what_finds_no_room_is_dropped_and_those_that_only_rest_make_room)
{
    make(4, 1000);
    for (uint32_t i = 0; i < 6; i++)
        cr_assert_eq(note(i, false, 0), i < 4);
    cr_assert_eq(counts(4, 0).dropped, 2);
    cr_assert_eq(take(0), 4);
    cr_assert_not(note(9, false, 0), "they are being told");
    wake_table_sent(table, 1);
    note(0, false, 2); /* has something to tell, and stays */
    cr_assert_not(note(10, false, 3), "the oldest one has something to tell");
    cr_assert_eq(take(1001), 1);
    wake_table_sent(table, 1001);
    for (uint32_t i = 20; i < 23; i++)
        cr_assert(note(i, false, 1002));
    cr_assert(note(30, false, 1003), "in the place of the one that rests");
    cr_assert_eq(counts(4, 0).dropped, 4);
}

Test(wake_table, many_devices_in_any_order_are_all_told_and_nothing_leaks)
{
    make(1000, 50);
    uint64_t now_ms = 1, told = 0;
    uint32_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t user = (seed >> 8) % 1500, what = (seed >> 24) % 16;
        if (what < 9)
            note(user, (seed & 1) != 0, now_ms);
        else if (what < 11)
            calm(user);
        uint32_t count = what == 15 ? wake_table_take(table, events, 8, now_ms) : 0;
        if (count != 0 && (seed & 0x700) == 0)
            wake_table_failed(table, now_ms);
        else if (count != 0) {
            wake_table_sent(table, now_ms);
            told += count;
        }
        now_ms += what == 14 ? 20 : 0;
    }
    for (int i = 0; i < 1000; i++, now_ms += 1000) {
        uint32_t count = take(now_ms);
        if (count != 0)
            wake_table_sent(table, now_ms);
        told += count;
    }
    struct wake_counts c = counts(0, 0);
    cr_assert_eq(c.sent, told);
    cr_assert(c.resting_now == 0 && c.dropped != 0 && c.failures != 0 && c.needless != 0 && c.coalesced != 0);
    cr_assert_eq(wake_table_due_ms(table), UINT64_MAX);
    for (uint32_t i = 0; i < 1001; i++)
        cr_assert_eq(note(i, false, now_ms), i < 1000, "every place is free again");
}
