/* SPDX-License-Identifier: BSD-3-Clause */
#include "master_key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 512u

static enum wax_status refuse(const char **reason, const char *text)
{
    *reason = text;
    return WAX_STORE_KEY;
}

/* Look at the file through its descriptor: what is checked is what is read. */
static enum wax_status read_key(int fd, uint8_t *key, const char **reason)
{
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))
        return refuse(reason, "the key file is not a regular file");
    if (info.st_uid != geteuid() && info.st_uid != 0)
        return refuse(reason, "the key file belongs to another user");
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return refuse(reason, "the key file is open to group or others (chmod 600)");
    if (info.st_size != MASTER_KEY_BYTES || read(fd, key, MASTER_KEY_BYTES) != MASTER_KEY_BYTES)
        return refuse(reason, "the key file does not have 32 bytes");
    return WAX_OK;
}

static enum wax_status load(const char *path, uint8_t *key, const char **reason)
{
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return refuse(reason, "the key file can't be opened");
    enum wax_status status = read_key(fd, key, reason);
    close(fd);
    return status;
}

/* Draw a key for a new store; it is durable before anything is sealed under it. */
static enum wax_status make(const char *directory, const char *path, uint8_t *key, const char **reason)
{
    char draft[PATH_BYTES + 8];
    snprintf(draft, sizeof draft, "%s.new", path);
    unlink(draft);
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    randombytes_buf(key, MASTER_KEY_BYTES);
    bool good = fd >= 0 && folder >= 0 && write(fd, key, MASTER_KEY_BYTES) == MASTER_KEY_BYTES &&
                fsync(fd) == 0 && rename(draft, path) == 0 && fsync(folder) == 0;
    if (fd >= 0)
        close(fd);
    if (folder >= 0)
        close(folder);
    return good ? WAX_OK : refuse(reason, "the key file can't be made");
}

enum wax_status master_key_load(const char *file, const char *directory, uint8_t key[MASTER_KEY_BYTES],
                                const char **reason)
{
    char path[PATH_BYTES];
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    if (file[0] != '\0')
        return load(file, key, reason);
    if (credentials != NULL) {
        snprintf(path, sizeof path, "%s/" MASTER_KEY_CREDENTIAL, credentials);
        if (access(path, F_OK) == 0)
            return load(path, key, reason);
    }
    snprintf(path, sizeof path, "%s/" MASTER_KEY_FILE, directory);
    if (access(path, F_OK) == 0)
        return load(path, key, reason);
    char ring[PATH_BYTES];
    snprintf(ring, sizeof ring, "%s/keys-00", directory);
    if (access(ring, F_OK) == 0)
        return refuse(reason, "the store has been sealed, and its key file is missing");
    return make(directory, path, key, reason);
}
