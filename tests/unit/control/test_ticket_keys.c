/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <sodium.h>

#include "ticket_keys.h"

#define HOUR_MS 3600000ull

static struct ticket_keys keys;

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    cr_assert(ticket_keys_init(&keys, 3600));
}

static void teardown(void)
{
    ticket_keys_end(&keys);
}

TestSuite(ticket_keys, .init = setup, .fini = teardown);

Test(ticket_keys, the_first_key_is_there_at_once)
{
    cr_assert(ticket_keys_turn(&keys, 1000));
    cr_assert_eq(keys.count, 1);
    cr_assert_eq(keys.key[0].made_ms, 1000);
    cr_assert_eq(keys.key[0].replaced_ms, 0);
    cr_assert_not(ticket_keys_turn(&keys, 1000 + HOUR_MS - 1), "nothing changes within the interval");
}

Test(ticket_keys, a_key_is_replaced_after_the_interval_and_kept)
{
    ticket_keys_turn(&keys, 1000);
    struct wax_ticket_key first = keys.key[0];
    cr_assert(ticket_keys_turn(&keys, 1000 + HOUR_MS));
    cr_assert_eq(keys.count, 2);
    cr_assert_arr_eq(keys.key[1].cipher_key, first.cipher_key, sizeof first.cipher_key);
    cr_assert_eq(keys.key[1].replaced_ms, 1000 + HOUR_MS);
    cr_assert_arr_neq(keys.key[0].name, first.name, sizeof first.name);
    cr_assert_arr_neq(keys.key[0].cipher_key, first.cipher_key, sizeof first.cipher_key);
    cr_assert_arr_neq(keys.key[0].mac_key, first.mac_key, sizeof first.mac_key);
}

Test(ticket_keys, a_key_is_wiped_a_day_after_it_was_replaced)
{
    uint64_t now = 1000;
    ticket_keys_turn(&keys, now);
    uint8_t first[16];
    memcpy(first, keys.key[0].name, sizeof first);
    const size_t all = WAX_TICKET_KEYS_MAX * sizeof keys.key[0];
    for (unsigned hour = 1; hour <= 24; hour++)
        ticket_keys_turn(&keys, now + hour * HOUR_MS);
    cr_assert_eq(keys.count, 25);
    cr_assert_arr_eq(keys.key[24].name, first, sizeof first, "not quite a day since it was replaced");
    cr_assert(ticket_keys_turn(&keys, now + 25 * HOUR_MS));
    cr_assert_eq(keys.count, 25, "one came, one went");
    cr_assert_arr_neq(keys.key[24].name, first, sizeof first);
    cr_assert_null(memmem(keys.key, all, first, sizeof first));
}

Test(ticket_keys, a_clock_that_jumps_back_and_forth_never_overruns)
{
    for (unsigned i = 0; i < 500; i++) {
        ticket_keys_turn(&keys, (i * 7919u % 50u) * HOUR_MS);
        cr_assert(keys.count >= 1 && keys.count <= WAX_TICKET_KEYS_MAX);
        cr_assert_eq(keys.key[0].replaced_ms, 0);
    }
}
