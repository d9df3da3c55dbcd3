/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "base/rate.h"

Test(rate, gives_a_burst_and_then_its_rate)
{
    struct rate rate = {0};
    uint64_t now = 0;
    for (int i = 0; i < 5; i++) {
        cr_assert(rate_take(&rate, now, 1000, 5));
    }
    cr_assert_not(rate_take(&rate, now, 1000, 5));
    cr_assert_not(rate_take(&rate, now + 999, 1000, 5));
    cr_assert(rate_take(&rate, now + 1000, 1000, 5));
    cr_assert_not(rate_take(&rate, now + 1000, 1000, 5));
    int taken = 0;
    for (now = 2000; now < 1002000; now += 100) {
        taken += rate_take(&rate, now, 1000, 5);
    }
    cr_assert_eq(taken, 1000);
}

Test(rate, rest_refills_no_more_than_the_burst)
{
    struct rate rate = {0};
    int taken = 0;
    for (int i = 0; i < 100; i++) {
        taken += rate_take(&rate, UINT64_C(1) << 40, 10, 7);
    }
    cr_assert_eq(taken, 7);
}
