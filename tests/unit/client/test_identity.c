/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "waxwire/client.h"

static char folder[64], path[96];

static void begin(void)
{
    snprintf(folder, sizeof folder, "/tmp/waxwire-identity-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
}

static void end(void)
{
    unlink(path);
    rmdir(folder);
}

static void write_file(const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    fchmod(fd, mode);
    close(fd);
}

TestSuite(identity, .init = begin, .fini = end);

/* RFC 8032 7.1, test 1, and BLAKE2b-16 of its key as Python's hashlib gives it. */
Test(identity, the_user_id_is_blake2b_16_of_the_account_key)
{
    static const uint8_t seed[32] = {0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
                                     0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
                                     0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60};
    struct wax_identity identity;
    char text[WAX_USER_TEXT_BYTES];
    wax_identity_from_seed(&identity, seed);
    cr_assert_eq(identity.account_key[0], 0xd7);
    cr_assert_eq(identity.account_key[31], 0x1a);
    wax_user_text(text, identity.user);
    cr_assert_str_eq(text, "d7108b422f25cc5edb865cc4ae184f55");
}

Test(identity, a_user_id_is_exactly_32_hexadecimal_digits)
{
    uint8_t user[WAX_USER_BYTES];
    cr_assert(wax_user_parse(user, "000102030405060708090a0b0c0d0eFF"));
    cr_assert_eq(user[1], 1);
    cr_assert_eq(user[15], 0xff);
    cr_assert_not(wax_user_parse(user, "000102030405060708090a0b0c0d0ef"));
    cr_assert_not(wax_user_parse(user, "000102030405060708090a0b0c0d0e0f0"));
    cr_assert_not(wax_user_parse(user, "000102030405060708090a0b0c0d0e0g"));
    cr_assert_not(wax_user_parse(user, ""));
}

Test(identity, a_made_key_is_private_and_comes_back_the_same)
{
    struct wax_identity first, second;
    struct stat st;
    cr_assert_eq(wax_identity_load(&first, path, false), WAX_NOT_FOUND);
    cr_assert_eq(wax_identity_load(&first, path, true), WAX_OK);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(wax_identity_load(&second, path, true), WAX_OK);
    cr_assert_eq(memcmp(&first, &second, sizeof first), 0);
}

Test(identity, a_key_that_others_may_read_is_refused)
{
    struct wax_identity identity;
    cr_assert_eq(wax_identity_load(&identity, path, true), WAX_OK);
    chmod(path, 0640);
    cr_assert_eq(wax_identity_load(&identity, path, true), WAX_CLIENT_KEY_MODE);
    chmod(path, 0604);
    cr_assert_eq(wax_identity_load(&identity, path, true), WAX_CLIENT_KEY_MODE);
}

Test(identity, what_is_no_key_file_is_refused_and_left_alone)
{
    static const char *const texts[] = {
        "",
        "waxwire account key 1\n",
        "waxwire account key 1\n9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f6\n",
        "waxwire account key 1\n9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f6z\n",
        "waxwire account key 2\n9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\n",
        "waxwire account key 1\n9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60\nmore",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct wax_identity identity;
        struct stat st;
        write_file(texts[i], 0600);
        cr_assert_eq(wax_identity_load(&identity, path, true), WAX_CLIENT_KEY_FILE, "case %zu", i);
        cr_assert_eq(stat(path, &st), 0);
        cr_assert_eq((size_t)st.st_size, strlen(texts[i]));
    }
}

Test(identity, a_folder_that_is_not_there_is_an_error)
{
    struct wax_identity identity;
    cr_assert_eq(wax_identity_load(&identity, "/nonexistent/key", true), WAX_CLIENT_KEY_FILE);
}
