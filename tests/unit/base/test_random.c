/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "base/random.h"

/* xoshiro256**'s published first outputs for the state 1, 2, 3, 4. */
Test(random, gives_the_reference_sequence)
{
    struct rng rng = {{1, 2, 3, 4}};
    static const uint64_t expect[] = {11520u, 0u, 1509978240u, 1215971899390074240u};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(rng_next(&rng), expect[i]);
    }
}

Test(random, equal_seeds_give_equal_sequences)
{
    struct rng a, b, c;
    rng_init(&a, 5);
    rng_init(&b, 5);
    rng_init(&c, 6);
    cr_assert_eq(rng_next(&a), rng_next(&b));
    cr_assert_neq(rng_next(&a), rng_next(&c));
}

Test(random, below_and_between_stay_in_range_and_reach_all_of_it)
{
    struct rng rng;
    rng_init(&rng, 1);
    int seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        seen[rng_between(&rng, 3, 9) - 3]++;
    }
    for (int i = 0; i < 7; i++) {
        cr_assert(seen[i] > 800 && seen[i] < 1200, "%d came %d times of about 1000", i, seen[i]);
    }
    cr_assert_eq(rng_below(&rng, 0), 0);
    cr_assert_eq(rng_below(&rng, 1), 0);
    rng_between(&rng, 0, UINT64_MAX);
}

Test(random, chance_is_in_parts_of_a_million)
{
    struct rng rng;
    rng_init(&rng, 2);
    int hits = 0;
    for (int i = 0; i < 100000; i++) {
        hits += rng_chance(&rng, 250000);
        cr_assert_not(rng_chance(&rng, 0));
        cr_assert(rng_chance(&rng, 1000000));
    }
    cr_assert(hits > 24000 && hits < 26000);
}

Test(random, fill_writes_exactly_its_span)
{
    struct rng rng;
    rng_init(&rng, 3);
    for (size_t n = 0; n < 20; n++) {
        uint8_t out[32] = {0};
        rng_fill(&rng, span_of(out, n));
        for (size_t i = n; i < 32; i++) {
            cr_assert_eq(out[i], 0);
        }
    }
}
