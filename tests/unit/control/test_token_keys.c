/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <sodium.h>

#include "token_keys.h"

#define LIFE_S     86400u
#define LIFE_MS    (LIFE_S * 1000ull)
#define QUARTER_MS (LIFE_MS / WAX_TOKEN_KEYS_A_LIFE)

static struct token_keys keys;

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    cr_assert(token_keys_init(&keys, LIFE_S));
}

static void teardown(void)
{
    token_keys_end(&keys);
}

TestSuite(token_keys, .init = setup, .fini = teardown);

static void user_of(uint8_t user[WAX_USER_BYTES], uint32_t n)
{
    memset(user, 0, WAX_USER_BYTES);
    memcpy(user, &n, sizeof n);
}

Test(token_keys, the_first_key_is_there_at_once_and_stays_for_a_quarter_of_a_life)
{
    cr_assert(token_keys_turn(&keys, 1000));
    cr_assert_eq(keys.count, 1);
    cr_assert_neq(keys.key[0].id, 0);
    cr_assert_not(token_keys_turn(&keys, 1000 + QUARTER_MS - 1));
    struct wax_token_key first = keys.key[0];
    cr_assert(token_keys_turn(&keys, 1000 + QUARTER_MS));
    cr_assert_eq(keys.count, 2);
    cr_assert_arr_neq(keys.key[0].key, first.key, sizeof first.key);
    cr_assert_arr_eq(keys.key[1].key, first.key, sizeof first.key);
    cr_assert_eq(keys.key[1].replaced_ms, 1000 + QUARTER_MS);
}

Test(token_keys, a_key_is_honoured_as_long_as_its_last_token_lives_then_wiped)
{
    token_keys_turn(&keys, 0);
    uint8_t first[32];
    memcpy(first, keys.key[0].key, sizeof first);
    const size_t all = WAX_TOKEN_KEYS_MAX * sizeof keys.key[0];
    uint64_t replaced = QUARTER_MS;
    for (uint64_t now = QUARTER_MS; now < replaced + LIFE_MS; now += QUARTER_MS) {
        token_keys_turn(&keys, now);
        cr_assert_leq(keys.count, WAX_TOKEN_KEYS_MAX);
        cr_assert_not_null(memmem(keys.key, all, first, sizeof first));
    }
    token_keys_turn(&keys, replaced + LIFE_MS);
    cr_assert_null(memmem(keys.key, all, first, sizeof first));
    for (uint64_t now = replaced + LIFE_MS; now < 40 * LIFE_MS; now += QUARTER_MS / 3) {
        token_keys_turn(&keys, now);
        cr_assert(keys.count >= 5 && keys.count <= 6, "%u", keys.count);
    }
}

Test(token_keys, a_revocation_is_told_until_such_tokens_are_over)
{
    uint8_t user[WAX_USER_BYTES];
    user_of(user, 5);
    token_keys_turn(&keys, 0);
    token_keys_revoke(&keys, user, 3, 1000);
    token_keys_revoke(&keys, user, 3, 2000);
    token_keys_revoke(&keys, user, 4, 2000);
    cr_assert_eq(keys.revoked_count, 2, "the same one later is one");
    cr_assert_eq(keys.revoked[0].at_ms, 2000);
    for (uint64_t now = QUARTER_MS; now < LIFE_MS; now += QUARTER_MS)
        token_keys_turn(&keys, now);
    cr_assert_eq(keys.revoked_count, 2);
    cr_assert(token_keys_turn(&keys, LIFE_MS + 2000));
    cr_assert_eq(keys.revoked_count, 0);
}

Test(token_keys, when_too_many_are_revoked_all_are)
{
    uint8_t user[WAX_USER_BYTES], key[32];
    token_keys_turn(&keys, 0);
    memcpy(key, keys.key[0].key, sizeof key);
    for (uint32_t i = 0; i < WAX_TOKENS_REVOKED_MAX; i++) {
        user_of(user, i);
        token_keys_revoke(&keys, user, 0, 1000);
    }
    cr_assert_eq(keys.revoked_count, WAX_TOKENS_REVOKED_MAX);
    cr_assert_arr_eq(keys.key[0].key, key, sizeof key);
    user_of(user, WAX_TOKENS_REVOKED_MAX);
    token_keys_revoke(&keys, user, 0, 1001);
    cr_assert_eq(keys.count, 1);
    cr_assert_eq(keys.revoked_count, 0);
    cr_assert_arr_neq(keys.key[0].key, key, sizeof key);
    cr_assert_null(memmem(keys.key, WAX_TOKEN_KEYS_MAX * sizeof keys.key[0], key, sizeof key));
}
