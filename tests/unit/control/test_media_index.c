/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

#include "media_index.h"

static const uint8_t alice[WAX_USER_BYTES] = {1}, bob[WAX_USER_BYTES] = {2};

static uint8_t *id_of(uint32_t n)
{
    static uint8_t id[WAX_MEDIA_ID_BYTES];
    memset(id, 0, sizeof id);
    store_be32(id + 5, n);
    return id;
}

static uint64_t bytes_of(const struct media_index *index, const uint8_t *user)
{
    const struct media_account *account = media_index_account(index, user);
    return account == NULL ? 0 : account->bytes;
}

Test(media_index, an_upload_counts_from_its_beginning_and_is_a_blob_at_its_end)
{
    struct media_index *index = media_index_new();
    struct upload *upload = (struct upload *)(void *)index; /* anything that is not NULL */
    struct blob *blob;
    cr_assert_eq(media_index_begin(index, id_of(1), alice, 100, 0, upload, &blob), WAX_OK);
    cr_expect_eq(media_index_find(index, id_of(1)), blob);
    cr_expect_eq(blob->upload, upload);
    cr_expect_eq(bytes_of(index, alice), 100);
    cr_expect_eq(media_index_count(index).uploads, 1);
    cr_expect_eq(media_index_due(index, UINT64_MAX), NULL, "what is not whole doesn't expire");
    cr_expect_eq(media_index_begin(index, id_of(1), bob, 1, 0, upload, &blob), WAX_MEDIA_EXISTS);
    cr_expect_eq(media_index_account(index, bob), NULL);
    blob = media_index_find(index, id_of(1));
    media_index_commit(index, blob, 5000);
    cr_expect_eq(blob->upload, NULL);
    cr_expect_eq(media_index_count(index).uploads, 0);
    cr_expect_eq(media_index_due(index, 4999), NULL);
    cr_expect_eq(media_index_due(index, 5000), blob);
    media_index_remove(index, blob);
    cr_expect_eq(media_index_find(index, id_of(1)), NULL);
    cr_expect_eq(media_index_account(index, alice), NULL, "and nothing is kept of the account");
    cr_expect_eq(media_index_count(index).bytes, 0);
    media_index_free(index);
}

Test(media_index, a_quota_is_of_one_account_and_exact)
{
    struct media_index *index = media_index_new();
    struct blob *blob, *more;
    cr_assert_eq(media_index_begin(index, id_of(1), alice, 60, 100, NULL, &blob), WAX_OK);
    cr_expect_eq(media_index_begin(index, id_of(2), alice, 41, 100, NULL, &more), WAX_MEDIA_QUOTA);
    cr_expect_eq(media_index_begin(index, id_of(2), alice, UINT64_MAX, 100, NULL, &more), WAX_MEDIA_QUOTA);
    cr_expect_eq(media_index_begin(index, id_of(2), alice, 40, 100, NULL, &more), WAX_OK);
    cr_expect_eq(media_index_begin(index, id_of(3), bob, 100, 100, NULL, &more), WAX_OK);
    cr_expect_eq(media_index_grow(index, blob, 1, 100), WAX_MEDIA_QUOTA);
    media_index_remove(index, media_index_find(index, id_of(2)));
    cr_expect_eq(media_index_grow(index, blob, 40, 100), WAX_OK);
    cr_expect_eq(media_index_grow(index, blob, 1, 100), WAX_MEDIA_QUOTA);
    cr_expect_eq(media_index_grow(index, blob, 1, 0), WAX_OK, "0: any number");
    cr_expect_eq(media_index_begin(index, id_of(4), alice, 0, 50, NULL, &more), WAX_MEDIA_QUOTA,
                 "a quota that was lowered");
    media_index_free(index);
}

Test(media_index, an_account_may_have_so_many_uploads_at_a_time)
{
    struct media_index *index = media_index_new();
    struct upload *upload = (struct upload *)(void *)index;
    struct blob *blob;
    for (uint32_t i = 0; i < WAX_MEDIA_USER_UPLOADS_MAX; i++)
        cr_expect_eq(media_index_begin(index, id_of(i), alice, 1, 0, upload, &blob), WAX_OK);
    cr_expect_eq(media_index_begin(index, id_of(99), alice, 1, 0, upload, &blob), WAX_MEDIA_BUSY);
    cr_expect_eq(media_index_begin(index, id_of(99), bob, 1, 0, upload, &blob), WAX_OK);
    media_index_commit(index, media_index_find(index, id_of(3)), 1);
    cr_expect_eq(media_index_begin(index, id_of(100), alice, 1, 0, upload, &blob), WAX_OK);
    media_index_free(index);
}

/* Against the plainest of models: thousands of blobs of some accounts, added, removed and expired at random.
 */
Test(media_index, agrees_with_a_list)
{
    enum { IDS = 3000, STEPS = 40000, USERS = 300 };
    static struct {
        bool there;
        uint8_t user[WAX_USER_BYTES];
        uint64_t bytes, expires_s;
    } list[IDS];
    uint8_t seed[randombytes_SEEDBYTES] = {3};
    static uint32_t random[STEPS];
    struct media_index *index = media_index_new();
    uint64_t now_s = 0, there = 0, total = 0;
    randombytes_buf_deterministic(random, sizeof random, seed);
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t r = random[step], n = (r >> 8) % IDS;
        struct blob *blob = media_index_find(index, id_of(n));
        cr_assert_eq(blob != NULL, list[n].there);
        if (blob != NULL && r % 3 == 0) {
            media_index_remove(index, blob);
            list[n].there = false;
            there--;
            total -= list[n].bytes;
        } else if (blob == NULL) {
            store_be32(list[n].user, r % USERS);
            list[n].bytes = r % 1000;
            list[n].expires_s = now_s + r % 5000;
            list[n].there = true;
            cr_assert_eq(media_index_add(index, id_of(n), list[n].user, list[n].bytes, list[n].expires_s),
                         WAX_OK);
            there++;
            total += list[n].bytes;
        }
        now_s += r % 2;
        for (uint64_t last = 0; (blob = media_index_due(index, now_s)) != NULL;) {
            n = load_be32(blob->id + 5);
            cr_assert(list[n].there && list[n].expires_s == blob->expires_s && blob->expires_s <= now_s);
            cr_assert_geq(blob->expires_s, last, "the earliest first");
            last = blob->expires_s;
            media_index_remove(index, blob);
            list[n].there = false;
            there--;
            total -= list[n].bytes;
        }
        cr_assert_eq(media_index_count(index).blobs, there);
        cr_assert_eq(media_index_count(index).bytes, total);
    }
    cr_expect_gt(there, 100);
    for (uint32_t user = 0; user < USERS; user++) {
        uint8_t name[WAX_USER_BYTES] = {0};
        uint64_t bytes = 0;
        store_be32(name, user);
        for (uint32_t n = 0; n < IDS; n++)
            bytes += list[n].there && memcmp(list[n].user, name, sizeof name) == 0 ? list[n].bytes : 0;
        cr_expect_eq(bytes_of(index, name), bytes);
    }
    media_index_free(index);
}
