/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "waxgen/gen.h"

Test(report, percentiles_are_never_below_the_truth_and_within_2_percent_above)
{
    static struct gen_counts counts;
    cr_assert_eq(report_latency_at(&counts, 500000), 0);
    for (uint32_t us = 1; us <= 100000; us++)
        report_latency(&counts, us);
    static const uint32_t parts[] = {10, 1000, 10000, 500000, 900000, 990000, 999000, 1000000};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        uint64_t truth = (uint64_t)parts[i] / 10, told = report_latency_at(&counts, parts[i]);
        cr_assert(told >= truth && told * 100 <= truth * 102, "%u: told %lu of %lu", parts[i],
                  (unsigned long)told, (unsigned long)truth);
    }
}

Test(report, every_value_has_a_bucket)
{
    for (uint32_t bit = 0; bit < 32; bit++) {
        for (int32_t off = -1; off <= 1; off++) {
            static struct gen_counts counts;
            memset(&counts, 0, sizeof counts);
            uint32_t us = (1u << bit) + (uint32_t)off;
            report_latency(&counts, us);
            uint64_t told = report_latency_at(&counts, 1000000);
            cr_assert(told >= us && told <= (uint64_t)us + us / 60 + 1, "%u: told %lu", us,
                      (unsigned long)told);
        }
    }
}
