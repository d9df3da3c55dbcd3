/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <sodium.h>

#include "allowance.h"

static const struct allowance ten = {.burst = 10, .cost_ms = 100};

static void user_bytes(uint8_t user[WAX_USER_BYTES], uint32_t number)
{
    memset(user, 0, WAX_USER_BYTES);
    store_be32(user, number);
}

Test(allowance, a_burst_is_allowed_and_then_what_time_gives)
{
    struct allowances *a = allowances_new(64);
    uint8_t user[WAX_USER_BYTES], other[WAX_USER_BYTES];
    uint64_t now_ms = 1000000;
    user_bytes(user, 1);
    user_bytes(other, 2);
    for (int i = 0; i < 10; i++)
        cr_assert(allowance_take(a, &ten, user, 0, 1, now_ms));
    cr_assert_not(allowance_take(a, &ten, user, 0, 1, now_ms));
    cr_assert(allowance_take(a, &ten, user, 1, 1, now_ms), "another purpose");
    cr_assert(allowance_take(a, &ten, other, 0, 1, now_ms), "another user");
    cr_assert_not(allowance_take(a, &ten, user, 0, 1, now_ms + 99));
    cr_assert(allowance_take(a, &ten, user, 0, 1, now_ms + 100));
    cr_assert_not(allowance_take(a, &ten, user, 0, 11, now_ms + 100000), "more than a burst, ever");
    cr_assert(allowance_take(a, &ten, user, 0, 10, now_ms + 100000));
    allowances_free(a);
}

Test(allowance, the_names_of_many_do_not_free_one_that_is_used_up)
{
    struct allowances *a = allowances_new(64);
    uint8_t user[WAX_USER_BYTES], other[WAX_USER_BYTES];
    uint64_t now_ms = 1000000;
    user_bytes(user, 1);
    cr_assert(allowance_take(a, &ten, user, 0, 10, now_ms));
    for (uint32_t i = 0; i < 100000; i++) {
        user_bytes(other, 100 + i);
        cr_assert(allowance_take(a, &ten, other, 0, 1, now_ms));
        if (i % 1000 == 0)
            cr_assert_not(allowance_take(a, &ten, user, 0, 1, now_ms));
    }
    allowances_free(a);
}
