/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "base/random.h"
#include "base/wheel.h"

#define N 500u

struct object {
    uint64_t other;
    struct timer timer;
    uint64_t expired_us;
};

static struct object objects[N];
static struct wheel wheel;

static void start(uint32_t granule_us, uint64_t now_us)
{
    wheel_init(&wheel, &objects[0].timer, sizeof objects[0], granule_us, now_us);
}

static struct object *expire(uint64_t now_us)
{
    struct timer *t = wheel_expire(&wheel, now_us);
    return t == NULL ? NULL : &objects[wheel_index(&wheel, t)];
}

Test(wheel, expires_not_early_and_less_than_a_granule_late)
{
    start(1000, 5000000);
    wheel_arm(&wheel, &objects[3].timer, 5010500);
    cr_assert(timer_armed(&objects[3].timer));
    cr_assert_null(expire(5010500 - 1));
    cr_assert_null(expire(5010999));
    cr_assert_eq(expire(5011000), &objects[3]);
    cr_assert_not(timer_armed(&objects[3].timer));
    cr_assert_null(expire(5011000));
    cr_assert_eq(wheel.armed, 0);
}

Test(wheel, past_deadline_expires_at_once)
{
    start(1000, 5000000);
    wheel_arm(&wheel, &objects[0].timer, 17);
    wheel_arm(&wheel, &objects[1].timer, 0);
    cr_assert_leq(wheel_next_us(&wheel), 5000000);
    cr_assert_not_null(expire(5000000));
    cr_assert_not_null(expire(5000000));
    cr_assert_null(expire(5000000));
}

Test(wheel, cancel_and_change_of_deadline)
{
    start(1000, 0);
    for (uint32_t i = 0; i < 5; i++) {
        wheel_arm(&wheel, &objects[i].timer, 70000);
    }
    wheel_cancel(&wheel, &objects[2].timer); /* in the middle */
    wheel_cancel(&wheel, &objects[4].timer); /* the slot's first */
    wheel_cancel(&wheel, &objects[0].timer); /* the last */
    wheel_cancel(&wheel, &objects[0].timer);
    wheel_arm(&wheel, &objects[1].timer, 200000000);
    cr_assert_eq(expire(70000), &objects[3]);
    cr_assert_null(expire(199999000));
    cr_assert_eq(expire(200000000), &objects[1]);
    cr_assert_eq(wheel_next_us(&wheel), UINT64_MAX);
}

Test(wheel, due_timers_can_be_cancelled_before_they_are_taken)
{
    start(1000, 0);
    wheel_arm(&wheel, &objects[0].timer, 5000);
    wheel_arm(&wheel, &objects[1].timer, 5000);
    wheel_arm(&wheel, &objects[2].timer, 5000);
    struct object *first = expire(9000);
    for (uint32_t i = 0; i < 3; i++) {
        if (&objects[i] != first) {
            wheel_cancel(&wheel, &objects[i].timer);
        }
    }
    cr_assert_null(expire(9000));
}

Test(wheel, next_never_lies_behind_the_earliest_deadline_and_comes_nearer)
{
    start(1000, 123456789);
    wheel_arm(&wheel, &objects[0].timer, 123456789 + 86400000000u);
    uint64_t now = 123456789;
    int wakes = 0;
    for (;;) {
        uint64_t next = wheel_next_us(&wheel);
        cr_assert_leq(next, objects[0].timer.deadline_us + 1000);
        cr_assert_gt(next, now);
        now = next;
        if (expire(now) != NULL) {
            break;
        }
        cr_assert_lt(++wakes, 12);
    }
    cr_assert_geq(now, 123456789 + 86400000000u);
}

Test(wheel, holds_the_farthest_times)
{
    start(1, 0);
    wheel_arm(&wheel, &objects[0].timer, UINT64_MAX);
    wheel_arm(&wheel, &objects[1].timer, UINT64_MAX - 5);
    wheel_arm(&wheel, &objects[2].timer, UINT64_C(1) << 60);
    cr_assert_eq(expire(UINT64_C(1) << 60), &objects[2]);
    cr_assert_null(expire(UINT64_MAX - 6));
    cr_assert_eq(expire(UINT64_MAX - 5), &objects[1]);
    cr_assert_null(expire(UINT64_MAX - 5));
}

Test(wheel, time_running_backwards_expires_nothing)
{
    const uint64_t base = UINT64_C(8796093022000);
    start(1000, base + 1000000);
    cr_assert_null(expire(base + 2000000));
    wheel_arm(&wheel, &objects[0].timer, base + 2500000);
    wheel_arm(&wheel, &objects[2].timer, base + 2003000);
    cr_assert_null(expire(10));
    cr_assert_null(expire(base + 2002999), "the wheel didn't follow");
    cr_assert_eq(expire(base + 2003000), &objects[2]);
    wheel_arm(&wheel, &objects[1].timer, base + 2100000);
    cr_assert_null(expire(base + 2099999));
    cr_assert_eq(expire(base + 2100000), &objects[1]);
    cr_assert_null(expire(base + 2499999));
    cr_assert_eq(expire(base + 2500000), &objects[0]);
}

Test(wheel, next_of_the_farthest_time_is_not_soon)
{
    start(1000, 0);
    wheel_arm(&wheel, &objects[0].timer, UINT64_MAX);
    wheel_arm(&wheel, &objects[1].timer, UINT64_MAX - 1);
    wheel_cancel(&wheel, &objects[1].timer);
    uint64_t now = 0, next;
    while ((next = wheel_next_us(&wheel)) < UINT64_MAX - 1000000) {
        cr_assert_gt(next, now);
        now = next;
        cr_assert_null(expire(now));
    }
    cr_assert(timer_armed(&objects[0].timer));
    cr_assert_null(expire(UINT64_MAX - 2000));
    cr_assert_geq(wheel_next_us(&wheel), UINT64_MAX - 1000);
}

Test(wheel, a_limit_bounds_the_moves_of_one_call)
{
    start(1000, 0);
    wheel_limit(&wheel, 10);
    for (uint32_t i = 0; i < N; i++) {
        wheel_arm(&wheel, &objects[i].timer, 5000000 + i);
    }
    uint32_t expired = 0, empty_calls = 0;
    while (expired < N) {
        if (expire(6000000) != NULL) {
            expired++;
        } else {
            cr_assert_leq(wheel_next_us(&wheel), 6000000, "it asks to be called again");
            empty_calls++;
        }
    }
    cr_assert(empty_calls >= N / 10 && empty_calls < 3 * N / 10, "%u calls", empty_calls);
}

/* Any sequence of operations expires exactly what is due, in order of granules. */
Test(wheel, agrees_with_a_model_under_random_operations)
{
    static const uint64_t reach_us[] = {900, 64000, 5000000, 300000000, 90000000000, 400000000000000};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rng rng;
        rng_init(&rng, seed);
        uint32_t granule_us = seed % 2 ? 1000 : 7;
        uint64_t now = rng_below(&rng, UINT64_C(1) << rng_between(&rng, 1, 50));
        memset(objects, 0, sizeof objects);
        start(granule_us, now);
        for (int step = 0; step < 1500; step++) {
            struct object *o = &objects[rng_below(&rng, N)];
            if (rng_chance(&rng, 700000)) {
                wheel_arm(&wheel, &o->timer, now + rng_below(&rng, reach_us[rng_below(&rng, 6)]));
            } else if (rng_chance(&rng, 500000)) {
                wheel_cancel(&wheel, &o->timer);
            } else {
                now += rng_below(&rng, reach_us[rng_below(&rng, rng_chance(&rng, 20000) ? 6 : 4)]);
                uint64_t last_tick = 0;
                for (struct object *e = expire(now); e != NULL; e = expire(now)) {
                    cr_assert_leq(e->timer.deadline_us, now, "early: seed %lu", (unsigned long)seed);
                    uint64_t tick = (e->timer.deadline_us + granule_us - 1) / granule_us;
                    cr_assert_geq(tick + 1, last_tick, "order: seed %lu", (unsigned long)seed);
                    last_tick = tick > last_tick ? tick : last_tick;
                }
                uint64_t earliest = UINT64_MAX;
                for (uint32_t i = 0; i < N; i++) {
                    if (timer_armed(&objects[i].timer)) {
                        cr_assert_gt(objects[i].timer.deadline_us, now / granule_us * granule_us,
                                     "late: seed %lu", (unsigned long)seed);
                        uint64_t d = objects[i].timer.deadline_us;
                        earliest = d < earliest ? d : earliest;
                    }
                }
                uint64_t next = wheel_next_us(&wheel);
                cr_assert(earliest == UINT64_MAX ? next == UINT64_MAX : next < earliest + granule_us);
            }
        }
        uint32_t armed = 0;
        for (uint32_t i = 0; i < N; i++) {
            armed += timer_armed(&objects[i].timer);
        }
        cr_assert_eq(wheel.armed, armed);
    }
}
