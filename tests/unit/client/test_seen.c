/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "seen.h"

static const uint8_t hash_key[16] = {1, 2, 3};

static void name_sender(uint8_t user[WAX_USER_BYTES], uint32_t n)
{
    memset(user, 0, WAX_USER_BYTES);
    store_be32(user + 8, n);
}

Test(seen, an_id_not_above_the_last_is_a_duplicate)
{
    struct seen seen;
    uint8_t user[WAX_USER_BYTES] = {1};
    seen_init(&seen, hash_key);
    cr_assert_eq(seen_note(&seen, user, 1, 10), WAX_OK);
    cr_assert_eq(seen_note(&seen, user, 1, 10), WAX_EXISTS);
    cr_assert_eq(seen_note(&seen, user, 1, 9), WAX_EXISTS);
    cr_assert_eq(seen_note(&seen, user, 1, 11), WAX_OK);
    cr_assert_eq(seen_note(&seen, user, 1, UINT64_MAX), WAX_OK);
    cr_assert_eq(seen_note(&seen, user, 1, UINT64_MAX), WAX_EXISTS);
    seen_free(&seen);
}

Test(seen, devices_of_one_user_are_apart)
{
    struct seen seen;
    uint8_t user[WAX_USER_BYTES] = {1};
    seen_init(&seen, hash_key);
    cr_assert_eq(seen_note(&seen, user, 1, 10), WAX_OK);
    cr_assert_eq(seen_note(&seen, user, 2, 10), WAX_OK);
    cr_assert_eq(seen_note(&seen, user, 256, 10), WAX_OK);
    cr_assert_eq(seen_note(&seen, user, 1, 10), WAX_EXISTS);
    seen_free(&seen);
}

Test(seen, growing_forgets_nobody)
{
    struct seen seen;
    uint8_t user[WAX_USER_BYTES];
    seen_init(&seen, hash_key);
    for (uint32_t n = 0; n < 20000; n++) {
        name_sender(user, n);
        cr_assert_eq(seen_note(&seen, user, 1, n + 1), WAX_OK);
    }
    cr_assert_eq(seen.count, 20000);
    for (uint32_t n = 0; n < 20000; n++) {
        name_sender(user, n);
        cr_assert_eq(seen_note(&seen, user, 1, n + 1), WAX_EXISTS);
        cr_assert_eq(seen_note(&seen, user, 1, n + 2), WAX_OK);
    }
    seen_free(&seen);
}
