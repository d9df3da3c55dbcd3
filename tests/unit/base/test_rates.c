/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/rates.h"

static struct rates rates;

static void start(uint32_t per_s, uint32_t burst)
{
    uint8_t *memory = aligned_alloc(WAX_CACHE_LINE_BYTES, rates_bytes());
    cr_assert_not_null(memory);
    rates_init(&rates, span_of(memory, rates_bytes()), per_s, burst);
}

static void stop(void)
{
    free(rates.places);
}

Test(rates, after_a_burst_what_is_overdrawn_must_be_waited_for)
{
    start(100, 50);
    cr_expect_eq(rates_spend(&rates, 77, 50, 1000000), 0);
    cr_expect_eq(rates_spend(&rates, 77, 1, 1000000), 10000, "one costs 10 ms");
    cr_expect_eq(rates_spend(&rates, 77, 1, 1015000), 5000);
    cr_expect_eq(rates_spend(&rates, 99, 50, 1015000), 0, "another's is its own");
    cr_expect_eq(rates_wait_us(&rates, 77, 1015000), 5000);
    cr_expect_eq(rates_wait_us(&rates, 77, 1020000), 0);
    cr_expect_eq(rates_wait_us(&rates, 55, 1015000), 0, "who has no place has spent nothing");
    stop();
}

Test(rates, rest_gives_back_no_more_than_the_burst)
{
    start(100, 50);
    rates_spend(&rates, 77, 50, 1000000);
    cr_expect_eq(rates_spend(&rates, 77, 50, 100000000), 0);
    cr_expect_eq(rates_spend(&rates, 77, 1, 100000000), 10000);
    stop();
}

Test(rates, over_a_long_time_the_rate_holds)
{
    start(100, 50);
    uint64_t now_us = 1, sent = 0, waited = 0;
    while (now_us < 100000000) {
        sent += 32;
        waited = rates_spend(&rates, 77, 32, now_us);
        now_us += waited + 1;
    }
    cr_expect_geq(sent, 100 * 100);
    cr_expect_leq(sent, 100 * 100 + 50 + 64);
    stop();
}

Test(rates, without_a_limit_nothing_is_kept)
{
    rates_init(&rates, span_of(calloc(1, rates_bytes()), rates_bytes()), 0, 1);
    cr_expect_eq(rates_spend(&rates, 77, 1000000, 1), 0);
    cr_expect_eq(rates.places[0].name, 0);
    stop();
}

Test(rates, a_place_that_is_spent_is_not_taken_by_those_who_rest)
{
    start(1, 10);
    uint64_t set = UINT64_C(5) << 32;
    cr_expect_eq(rates_spend(&rates, set | 1, 20, 1000000), 10000000);
    for (uint64_t other = 3; other < 2000; other += 2)
        rates_spend(&rates, set | other, 1, 1000000);
    cr_expect_eq(rates_wait_us(&rates, set | 1, 1000000), 10000000, "it is still overdrawn");
    stop();
}
