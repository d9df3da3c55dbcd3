/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "waxwire/client.h"

/* The file is one line of text and one of the seed in hexadecimal, so that a person can tell what it is. */
#define KEY_FILE_TITLE "waxwire account key 1\n"
#define KEY_SEED_BYTES 32u
#define KEY_FILE_BYTES (sizeof KEY_FILE_TITLE - 1 + 2 * KEY_SEED_BYTES + 1)

_Static_assert(WAX_SECRET_KEY_BYTES == crypto_sign_SECRETKEYBYTES, "secret keys are libsodium's");
_Static_assert(KEY_SEED_BYTES == crypto_sign_SEEDBYTES, "seeds are libsodium's");

void wax_user_of_key(uint8_t user[WAX_USER_BYTES], const uint8_t account_key[WAX_ACCOUNT_KEY_BYTES])
{
    crypto_generichash(user, WAX_USER_BYTES, account_key, WAX_ACCOUNT_KEY_BYTES, NULL, 0);
}

void wax_user_text(char text[WAX_USER_TEXT_BYTES], const uint8_t user[WAX_USER_BYTES])
{
    sodium_bin2hex(text, WAX_USER_TEXT_BYTES, user, WAX_USER_BYTES);
}

bool wax_user_parse(uint8_t user[WAX_USER_BYTES], const char *text)
{
    size_t len;
    const char *end;

    if (strlen(text) != 2 * WAX_USER_BYTES)
        return false;
    return sodium_hex2bin(user, WAX_USER_BYTES, text, 2 * WAX_USER_BYTES, NULL, &len, &end) == 0 &&
           len == WAX_USER_BYTES && *end == 0;
}

void wax_identity_from_seed(struct wax_identity *out, const uint8_t seed[32])
{
    crypto_sign_seed_keypair(out->account_key, out->secret_key, seed);
    wax_user_of_key(out->user, out->account_key);
}

void wax_identity_wipe(struct wax_identity *identity)
{
    sodium_memzero(identity, sizeof *identity);
}

static bool key_file_write(int fd, const uint8_t seed[KEY_SEED_BYTES])
{
    char text[KEY_FILE_BYTES + 1] = KEY_FILE_TITLE;

    sodium_bin2hex(text + sizeof KEY_FILE_TITLE - 1, 2 * KEY_SEED_BYTES + 1, seed, KEY_SEED_BYTES);
    text[KEY_FILE_BYTES - 1] = '\n';
    bool written = write(fd, text, KEY_FILE_BYTES) == (ssize_t)KEY_FILE_BYTES && fsync(fd) == 0;
    sodium_memzero(text, sizeof text);
    return written;
}

/* Made under another name and linked into place, so that nobody ever reads half a key. */
static enum wax_status key_file_create(struct wax_identity *out, const char *path)
{
    uint8_t seed[KEY_SEED_BYTES];
    char fresh[4096];
    int n = snprintf(fresh, sizeof fresh, "%s.%ld.new", path, (long)getpid());

    if (n < 0 || (size_t)n >= sizeof fresh)
        return WAX_CLIENT_KEY_FILE;
    int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return WAX_CLIENT_KEY_FILE;
    randombytes_buf(seed, sizeof seed);
    bool made = key_file_write(fd, seed);
    made = close(fd) == 0 && made && link(fresh, path) == 0;
    enum wax_status status = made ? WAX_OK : errno == EEXIST ? WAX_EXISTS : WAX_CLIENT_KEY_FILE;
    unlink(fresh);
    if (made)
        wax_identity_from_seed(out, seed);
    sodium_memzero(seed, sizeof seed);
    return status;
}

static enum wax_status key_file_read(struct wax_identity *out, int fd)
{
    char text[KEY_FILE_BYTES + 2];
    uint8_t seed[KEY_SEED_BYTES];
    struct stat st;
    size_t title = sizeof KEY_FILE_TITLE - 1, len = 0;
    const char *end;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return WAX_CLIENT_KEY_FILE;
    if (st.st_mode & 077)
        return WAX_CLIENT_KEY_MODE;
    ssize_t n = read(fd, text, sizeof text - 1);
    bool sound = n == (ssize_t)KEY_FILE_BYTES && memcmp(text, KEY_FILE_TITLE, title) == 0 &&
                 text[KEY_FILE_BYTES - 1] == '\n' &&
                 sodium_hex2bin(seed, sizeof seed, text + title, 2 * KEY_SEED_BYTES, NULL, &len, &end) == 0 &&
                 len == KEY_SEED_BYTES;
    if (sound)
        wax_identity_from_seed(out, seed);
    sodium_memzero(text, sizeof text);
    sodium_memzero(seed, sizeof seed);
    return sound ? WAX_OK : WAX_CLIENT_KEY_FILE;
}

enum wax_status wax_identity_load(struct wax_identity *out, const char *path, bool create)
{
    /* Two of us may create at once: the one that finds the other's file reads it. */
    for (int attempt = 0; attempt < 2; attempt++) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            enum wax_status status = key_file_read(out, fd);
            close(fd);
            return status;
        }
        if (errno != ENOENT)
            return WAX_CLIENT_KEY_FILE;
        if (!create)
            return WAX_NOT_FOUND;
        enum wax_status status = key_file_create(out, path);
        if (status != WAX_EXISTS)
            return status;
    }
    return WAX_CLIENT_KEY_FILE;
}
