/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master_key.h"

static char directory[64], path[128];

static void setup(void)
{
    cr_assert_geq(sodium_init(), 0);
    unsetenv("CREDENTIALS_DIRECTORY");
    strcpy(directory, "/tmp/wax-key-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/a.key", directory);
}

static void teardown(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", directory);
    cr_assert_eq(system(command), 0);
}

TestSuite(master_key, .init = setup, .fini = teardown);

static void write_file(const char *where, size_t bytes, mode_t mode)
{
    FILE *file = fopen(where, "w");
    for (size_t i = 0; i < bytes; i++)
        fputc('k', file);
    fclose(file);
    cr_assert_eq(chmod(where, mode), 0);
}

static void refused(const char *file, const char *expect)
{
    uint8_t key[MASTER_KEY_BYTES];
    const char *reason = "";
    cr_assert_eq(master_key_load(file, directory, key, &reason), WAX_STORE_KEY);
    cr_assert_str_eq(reason, expect);
}

Test(master_key, a_new_store_makes_its_key_once_for_its_owner_alone)
{
    uint8_t key[MASTER_KEY_BYTES], again[MASTER_KEY_BYTES];
    const char *reason = "";
    struct stat info;
    cr_assert_eq(master_key_load("", directory, key, &reason), WAX_OK);
    cr_assert_eq(master_key_load("", directory, again, &reason), WAX_OK);
    cr_assert_arr_eq(key, again, sizeof key);
    snprintf(path, sizeof path, "%s/" MASTER_KEY_FILE, directory);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0600);
}

Test(master_key, a_store_that_has_been_sealed_gets_no_new_key)
{
    snprintf(path, sizeof path, "%s/keys-00", directory);
    write_file(path, 10, 0600);
    refused("", "the store has been sealed, and its key file is missing");
}

Test(master_key, a_file_that_others_could_read_or_that_is_none_is_refused)
{
    uint8_t key[MASTER_KEY_BYTES];
    const char *reason = "";
    char link[160];
    refused(path, "the key file can't be opened");
    write_file(path, 32, 0640);
    refused(path, "the key file is open to group or others (chmod 600)");
    write_file(path, 32, 0604);
    refused(path, "the key file is open to group or others (chmod 600)");
    write_file(path, 31, 0600);
    refused(path, "the key file does not have 32 bytes");
    write_file(path, 33, 0600);
    refused(path, "the key file does not have 32 bytes");
    refused(directory, "the key file is not a regular file");
    write_file(path, 32, 0600);
    snprintf(link, sizeof link, "%s/link", directory);
    cr_assert_eq(symlink(path, link), 0);
    refused(link, "the key file can't be opened");
    cr_assert_eq(master_key_load(path, directory, key, &reason), WAX_OK);
    cr_assert_eq(key[31], 'k');
    if (geteuid() == 0) {
        cr_assert_eq(chown(path, 12345, 12345), 0);
        refused(path, "the key file belongs to another user");
    }
}

Test(master_key, a_credential_of_systemd_is_taken_before_the_store_s_own)
{
    uint8_t key[MASTER_KEY_BYTES];
    const char *reason = "";
    setenv("CREDENTIALS_DIRECTORY", directory, 1);
    snprintf(path, sizeof path, "%s/" MASTER_KEY_CREDENTIAL, directory);
    write_file(path, 32, 0400);
    cr_assert_eq(master_key_load("", "/nowhere", key, &reason), WAX_OK);
    cr_assert_eq(key[0], 'k');
}
