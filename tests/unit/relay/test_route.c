/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/route.h"

#include <criterion/criterion.h>

static const uint64_t key[2] = {1, 2}, other[2] = {1, 3};

Test(route, every_worker_is_home_to_a_fair_share)
{
    struct route route;
    for (uint32_t workers = 1; workers <= 7; workers++) {
        uint32_t count[8] = {0};
        cr_assert_eq(route_init(&route, key, workers), WAX_OK);
        for (uint32_t i = 0; i < 7000; i++) {
            uint8_t user[WAX_USER_BYTES] = {0};
            memcpy(user, &i, sizeof i);
            uint32_t home = route_home(&route, user);
            cr_assert_lt(home, workers);
            count[home]++;
        }
        for (uint32_t w = 0; w < workers; w++)
            cr_assert(count[w] > 7000 / workers * 8 / 10 && count[w] < 7000 / workers * 12 / 10,
                      "worker %u of %u: %u", w, workers, count[w]);
    }
}

Test(route, the_key_decides)
{
    struct route a, b, c;
    uint32_t moved = 0;
    route_init(&a, key, 4);
    route_init(&b, other, 4);
    route_init(&c, key, 4);
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t user[WAX_USER_BYTES] = {0};
        memcpy(user, &i, sizeof i);
        moved += route_home(&a, user) != route_home(&b, user);
        cr_assert_eq(route_home(&a, user), route_home(&c, user));
    }
    cr_assert_gt(moved, 600);
}

Test(route, refuses_numbers_of_workers_that_are_out_of_range)
{
    struct route route;
    cr_assert_eq(route_init(&route, key, 0), WAX_BAD_ARGUMENT);
    cr_assert_eq(route_init(&route, key, WAX_WORKERS_MAX + 1), WAX_BAD_ARGUMENT);
    cr_assert_eq(route_init(&route, key, WAX_WORKERS_MAX), WAX_OK);
}
