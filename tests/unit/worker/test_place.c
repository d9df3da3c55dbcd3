/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "worker/place.h"

static cpu_set_t cores_upto(size_t count)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < count; i++)
        CPU_SET(i, &set);
    return set;
}

Test(place, the_last_cores_are_taken_when_none_are_named)
{
    struct wax_config config = {.workers = 3};
    cpu_set_t all = cores_upto(8);
    struct place place;
    uint16_t bad;
    cr_assert_eq(place_workers(&place, &config, &all, &bad), WAX_OK);
    cr_assert_eq(place.threads, 3);
    for (uint16_t w = 0; w < 3; w++) {
        cr_assert_eq(place.thread_of[w], w);
        cr_assert_eq(place.core[w], 5 + w);
    }
    cr_assert_eq(CPU_COUNT(&place.others), 5, "handshake threads keep off the workers' cores");
}

Test(place, more_workers_than_cores_share_threads_in_turn)
{
    struct wax_config config = {.workers = 5};
    cpu_set_t all = cores_upto(2);
    struct place place;
    uint16_t bad;
    cr_assert_eq(place_workers(&place, &config, &all, &bad), WAX_OK);
    cr_assert_eq(place.threads, 2);
    for (uint16_t w = 0; w < 5; w++)
        cr_assert_eq(place.thread_of[w], w % 2);
    cr_assert_eq(CPU_COUNT(&place.others), 2, "all cores when the workers have left none");
}

Test(place, named_cores_are_used_in_their_order)
{
    struct wax_config config = {.workers = 3, .core_count = 2, .cores = {6, 1}};
    cpu_set_t all = cores_upto(8);
    struct place place;
    uint16_t bad;
    cr_assert_eq(place_workers(&place, &config, &all, &bad), WAX_OK);
    cr_assert_eq(place.threads, 2);
    cr_assert_eq(place.core[0], 6);
    cr_assert_eq(place.core[1], 1);
    cr_assert_eq(place.thread_of[2], 0);
    cr_assert_not(CPU_ISSET(6, &place.others));
    cr_assert_not(CPU_ISSET(1, &place.others));
}

Test(place, a_core_that_is_not_ours_is_refused)
{
    struct wax_config config = {.workers = 2, .core_count = 2, .cores = {0, 7}};
    cpu_set_t all = cores_upto(2);
    struct place place;
    uint16_t bad = 0;
    cr_assert_eq(place_workers(&place, &config, &all, &bad), WAX_BAD_ARGUMENT);
    cr_assert_eq(bad, 7);
}
