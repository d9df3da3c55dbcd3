/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "media_files.h"

static char root[64];

static void setup(void)
{
    strcpy(root, "/tmp/wax-media-XXXXXX");
    cr_assert(mkdtemp(root) != NULL);
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    cr_assert_eq(system(command), 0);
}

TestSuite(media_files, .init = setup, .fini = teardown);

Test(media_files, a_name_says_all_of_a_blob)
{
    struct media_found blob = {.expires_s = 1700000600, .bytes = 123456789}, read;
    char name[MEDIA_NAME_BYTES_MAX];
    for (uint32_t i = 0; i < WAX_MEDIA_ID_BYTES; i++)
        blob.id[i] = (uint8_t)(250 + i);
    for (uint32_t i = 0; i < WAX_USER_BYTES; i++)
        blob.user[i] = (uint8_t)(i * 17);
    media_name_write(&blob, name);
    cr_expect_str_eq(
        name, "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk.ABEiM0RVZneImaq7zN3u_w.1700000600.123456789");
    cr_assert(media_name_read(name, &read));
    cr_expect_eq(memcmp(&read, &blob, sizeof blob), 0);
    blob.expires_s = blob.bytes = UINT64_MAX;
    media_name_write(&blob, name);
    cr_assert(media_name_read(name, &read));
    cr_expect_eq(read.bytes, UINT64_MAX);
}

Test(media_files, every_other_name_is_none)
{
    static const char *const wrong[] = {
        "",
        "1",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk.ABEiM0RVZneImaq7zN3u_w.1.",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk.ABEiM0RVZneImaq7zN3u_w.1.2.3",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk.ABEiM0RVZneImaq7zN3u_w.01.2",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk.ABEiM0RVZneImaq7zN3u_w.1.-2",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBl.ABEiM0RVZneImaq7zN3u_w.1.2",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk.ABEiM0RVZneImaq7zN3u.1.2",
        "-vv8_f7_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk.ABEiM0RVZneImaq7zN3u_w.99999999999999999999.2",
    };
    struct media_found blob;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        cr_expect(!media_name_read(wrong[i], &blob), "%s", wrong[i]);
}

Test(media_files, a_folder_is_made_for_its_owner_alone_and_locked)
{
    char path[128];
    struct media_files files, other;
    struct stat info;
    snprintf(path, sizeof path, "%s/media", root);
    cr_assert_eq(media_files_open(&files, path), WAX_OK);
    cr_expect_eq(media_files_open(&other, path), WAX_STORE_LOCKED);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/media/f0", root);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0700);
    cr_expect(media_files_fit(&files, 1));
    cr_expect(!media_files_fit(&files, UINT64_MAX));
    media_files_close(&files);
    snprintf(path, sizeof path, "%s/media", root);
    cr_assert_eq(media_files_open(&files, path), WAX_OK, "and free again");
    media_files_close(&files);
    snprintf(path, sizeof path, "%s/no/such", root);
    cr_expect_eq(media_files_open(&files, path), WAX_MEDIA_IO);
    cr_expect_eq(errno, ENOENT);
}

static bool listed;

static void on_listed(struct loop_op *op, int32_t result, bool more)
{
    (void)op;
    (void)more;
    listed = listed || result > 0;
}

static void touch(int folder, const char *name)
{
    int fd = openat(folder, name, O_CREAT | O_WRONLY, 0600);
    cr_assert_geq(fd, 0);
    close(fd);
}

Test(media_files, a_listing_finds_what_is_whole_and_empties_the_folder_of_new_ones)
{
    struct media_files files;
    struct loop *loop = loop_new();
    struct loop_op op = {on_listed};
    struct media_found blob = {.bytes = 7, .expires_s = 9};
    const struct media_found *blobs;
    char name[MEDIA_NAME_BYTES_MAX];
    uint64_t damaged;
    bool failed;
    cr_assert_eq(media_files_open(&files, root), WAX_OK);
    for (uint32_t i = 0; i < 600; i++) {
        blob.id[0] = (uint8_t)i;
        blob.id[1] = (uint8_t)(i >> 8);
        media_name_write(&blob, name);
        touch(files.folder[i & 255u], name);
    }
    touch(files.folder[3], "stray");
    touch(files.folder[4], name); /* that belongs into another folder */
    touch(files.fresh, "1");
    touch(files.fresh, "77");
    struct media_listing *listing = media_list(&files, loop, &op);
    for (uint32_t i = 0; i < 1000 && !listed; i++)
        loop_turn(loop, 10);
    cr_assert(listed);
    cr_expect_eq(media_listed(listing, &blobs, &damaged, &failed), 600);
    cr_expect_eq(blobs[0].bytes, 7);
    cr_expect_eq(damaged, 2);
    cr_expect(!failed);
    cr_expect_neq(faccessat(files.fresh, "1", F_OK, 0), 0);
    cr_expect_neq(faccessat(files.fresh, "77", F_OK, 0), 0);
    media_listing_free(listing);
    media_files_close(&files);
    loop_free(loop);
}
