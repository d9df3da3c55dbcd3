/* SPDX-License-Identifier: BSD-3-Clause */
/* Resume and media tokens: whose they are, how long they are good, and that nobody can make or bend one. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <sodium.h>

#include "relay/token.h"

#define NOW_MS  1700000000000u
#define LIFE_MS 3600000u

static struct token_set set;
static const struct name alice = {.user = {0xA1, [15] = 9}, .device = 7};
static const uint8_t key_a[WAX_ACCOUNT_KEY_BYTES] = {1}, key_b[WAX_ACCOUNT_KEY_BYTES] = {2};

static void mac(uint8_t out[TOKEN_MAC_BYTES], const uint8_t *key, struct view text)
{
    crypto_generichash(out, TOKEN_MAC_BYTES, text.data, text.len, key, 32);
}

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    set = (struct token_set){.life_ms = LIFE_MS, .key_count = 2};
    set.key[0] = (struct wax_token_key){.id = 22, .key = {2}};
    set.key[1] = (struct wax_token_key){.id = 11, .key = {1}};
}

TestSuite(token, .init = setup);

static struct view made(enum token_kind kind, uint64_t at_ms)
{
    static uint8_t token[TOKEN_BYTES];
    return view_of(token,
                   token_make(&set, mac, kind, &alice, kind == TOKEN_RESUME ? key_a : NULL, at_ms, token));
}

static enum wax_status check(struct view token, uint64_t now_ms)
{
    struct name name;
    return token_check(&set, mac, TOKEN_RESUME, token, key_a, now_ms, &name);
}

Test(token, it_names_whom_it_was_given_to)
{
    struct name name = {0};
    struct view token = made(TOKEN_RESUME, NOW_MS);
    cr_assert_eq(token.len, TOKEN_BYTES);
    cr_assert_eq(token_check(&set, mac, TOKEN_RESUME, token, key_a, NOW_MS, &name), WAX_OK);
    cr_assert_arr_eq(name.user, alice.user, WAX_USER_BYTES);
    cr_assert_eq(name.device, alice.device);
    token = made(TOKEN_MEDIA, NOW_MS);
    cr_assert_eq(token_check(&set, mac, TOKEN_MEDIA, token, NULL, NOW_MS, &name), WAX_OK);
}

Test(token, it_is_of_base64url_characters)
{
    struct view token = made(TOKEN_MEDIA, NOW_MS);
    for (size_t i = 0; i < token.len; i++)
        cr_assert(isalnum(token.data[i]) || token.data[i] == '-' || token.data[i] == '_');
}

Test(token, it_is_good_for_its_time_and_not_before)
{
    struct view token = made(TOKEN_RESUME, NOW_MS);
    cr_assert_eq(check(token, NOW_MS + LIFE_MS - 1), WAX_OK);
    cr_assert_eq(check(token, NOW_MS + LIFE_MS), WAX_TOKEN_STALE);
    cr_assert_eq(check(token, NOW_MS - 1), WAX_TOKEN_STALE);
}

Test(token, any_other_character_anywhere_is_noticed)
{
    struct view token = made(TOKEN_RESUME, NOW_MS);
    uint8_t bent[TOKEN_BYTES];
    for (size_t i = 0; i < TOKEN_BYTES; i++) {
        for (const char *c = "AQgw_-9z=+/ \n"; *c != 0; c++) {
            memcpy(bent, token.data, sizeof bent);
            if (bent[i] == (uint8_t)*c)
                continue;
            bent[i] = (uint8_t)*c;
            enum wax_status status = check(view_of(bent, sizeof bent), NOW_MS);
            cr_assert(status == WAX_TOKEN_FORGED || status == WAX_TOKEN_STALE, "character %zu", i);
        }
    }
}

Test(token, it_has_one_length)
{
    uint8_t longer[TOKEN_BYTES + 1];
    struct view token = made(TOKEN_RESUME, NOW_MS);
    memcpy(longer, token.data, token.len);
    longer[TOKEN_BYTES] = 'A';
    for (size_t len = 0; len <= sizeof longer; len++)
        cr_assert_eq(check(view_of(longer, len), NOW_MS) == WAX_OK, len == TOKEN_BYTES);
}

Test(token, it_is_for_one_account_key_and_one_use)
{
    struct name name;
    struct view token = made(TOKEN_RESUME, NOW_MS);
    cr_assert_eq(token_check(&set, mac, TOKEN_RESUME, token, key_b, NOW_MS, &name), WAX_TOKEN_FORGED);
    cr_assert_eq(token_check(&set, mac, TOKEN_MEDIA, token, NULL, NOW_MS, &name), WAX_TOKEN_FORGED);
    token = made(TOKEN_MEDIA, NOW_MS);
    cr_assert_eq(check(token, NOW_MS), WAX_TOKEN_FORGED);
}

Test(token, older_keys_are_honoured_and_forgotten_ones_are_not)
{
    struct view token = made(TOKEN_RESUME, NOW_MS);
    struct wax_token_key current = set.key[0];
    set.key[0] = (struct wax_token_key){.id = 33, .key = {3}};
    cr_assert_eq(check(token, NOW_MS), WAX_TOKEN_STALE);
    set.key[1] = current;
    cr_assert_eq(check(token, NOW_MS), WAX_OK);
    set.key[1].key[5] ^= 1;
    cr_assert_eq(check(token, NOW_MS), WAX_TOKEN_FORGED, "another key of that name");
}

Test(token, what_is_revoked_is_dead_and_what_is_given_later_is_not)
{
    struct view token = made(TOKEN_RESUME, NOW_MS);
    set.revoked_count = 1;
    set.revoked[0] = (struct wax_token_revoked){.device = 8, .at_ms = NOW_MS};
    memcpy(set.revoked[0].user, alice.user, WAX_USER_BYTES);
    cr_assert_eq(check(token, NOW_MS + 5), WAX_OK, "another device");
    set.revoked[0].device = 7;
    cr_assert_eq(check(token, NOW_MS + 5), WAX_TOKEN_STALE);
    set.revoked[0].device = 0;
    cr_assert_eq(check(token, NOW_MS + 5), WAX_TOKEN_STALE, "all of the user's");
    set.revoked[0].user[3] ^= 1;
    cr_assert_eq(check(token, NOW_MS + 5), WAX_OK, "another user");
    set.revoked[0].user[3] ^= 1;
    cr_assert_eq(check(made(TOKEN_RESUME, NOW_MS + 1), NOW_MS + 5), WAX_OK);
}

Test(token, without_a_key_there_is_none)
{
    struct view token = made(TOKEN_RESUME, NOW_MS);
    uint8_t out[TOKEN_BYTES];
    set.key_count = 0;
    cr_assert_eq(token_make(&set, mac, TOKEN_RESUME, &alice, key_a, NOW_MS, out), 0);
    cr_assert_eq(check(token, NOW_MS), WAX_TOKEN_STALE);
}
