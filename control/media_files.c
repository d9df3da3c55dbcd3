/* SPDX-License-Identifier: BSD-3-Clause */
#include "media_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define BASE64        sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define ID_TEXT       sodium_base64_ENCODED_LEN(WAX_MEDIA_ID_BYTES, BASE64)
#define USER_TEXT     sodium_base64_ENCODED_LEN(WAX_USER_BYTES, BASE64)
#define NUMBER_DIGITS 20u

_Static_assert(MEDIA_NAME_BYTES_MAX >= 44 + 23 + 2 * (NUMBER_DIGITS + 1u), "the longest name fits");

/* ---- names ---- */

void media_name_write(const struct media_found *blob, char name[MEDIA_NAME_BYTES_MAX])
{
    char id[ID_TEXT], user[USER_TEXT];
    sodium_bin2base64(id, sizeof id, blob->id, sizeof blob->id, BASE64);
    sodium_bin2base64(user, sizeof user, blob->user, sizeof blob->user, BASE64);
    snprintf(name, MEDIA_NAME_BYTES_MAX, "%s.%s.%llu.%llu", id, user, (unsigned long long)blob->expires_s,
             (unsigned long long)blob->bytes);
}

/* Bytes of base64url up to a dot; what follows it, or NULL. */
static const char *part_read(const char *text, size_t characters, uint8_t *out, size_t bytes)
{
    size_t len = 0;
    if (strnlen(text, characters + 1u) != characters + 1u || text[characters] != '.' ||
        sodium_base642bin(out, bytes, text, characters, NULL, &len, NULL, BASE64) != 0 || len != bytes)
        return NULL;
    return text + characters + 1;
}

bool media_name_read(const char *name, struct media_found *blob)
{
    char again[MEDIA_NAME_BYTES_MAX], *end;
    const char *at = part_read(name, ID_TEXT - 1u, blob->id, sizeof blob->id);
    if (at != NULL)
        at = part_read(at, USER_TEXT - 1u, blob->user, sizeof blob->user);
    if (at == NULL || strlen(name) >= sizeof again)
        return false;
    blob->expires_s = strtoull(at, &end, 10);
    if (*end != '.')
        return false;
    blob->bytes = strtoull(end + 1, NULL, 10);
    media_name_write(blob, again); /* one name for each: what was read loosely shows here */
    return strcmp(name, again) == 0;
}

/* ---- the folder ---- */

static enum wax_status status_of(int error)
{
    return error == ENOSPC || error == EDQUOT ? WAX_MEDIA_NO_SPACE : WAX_MEDIA_IO;
}

static int folder_open(int at, const char *name)
{
    if (mkdirat(at, name, 0700) != 0 && errno != EEXIST)
        return -1;
    return openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void files_empty(struct media_files *files)
{
    files->root = files->lock = files->fresh = -1;
    for (uint32_t i = 0; i < MEDIA_FOLDERS; i++)
        files->folder[i] = -1;
}

static enum wax_status folders_open(struct media_files *files, const char *path)
{
    char name[8];
    files->root = folder_open(AT_FDCWD, path);
    if (files->root < 0)
        return status_of(errno);
    files->lock = openat(files->root, "LOCK", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (files->lock < 0)
        return status_of(errno);
    if (flock(files->lock, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? WAX_STORE_LOCKED : WAX_MEDIA_IO;
    files->fresh = folder_open(files->root, "new");
    for (uint32_t i = 0; i < MEDIA_FOLDERS && files->fresh >= 0; i++) {
        snprintf(name, sizeof name, "%02x", i & 0xffu);
        files->folder[i] = folder_open(files->root, name);
        if (files->folder[i] < 0)
            return status_of(errno);
    }
    return files->fresh >= 0 && fsync(files->root) == 0 ? WAX_OK : status_of(errno);
}

enum wax_status media_files_open(struct media_files *files, const char *path)
{
    files_empty(files);
    enum wax_status status = folders_open(files, path);
    if (status != WAX_OK) {
        int error = errno;
        media_files_close(files);
        errno = error;
    }
    return status;
}

static void close_one(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void media_files_close(struct media_files *files)
{
    for (uint32_t i = 0; i < MEDIA_FOLDERS; i++)
        close_one(&files->folder[i]);
    close_one(&files->fresh);
    close_one(&files->lock);
    close_one(&files->root);
}

bool media_files_fit(const struct media_files *files, uint64_t bytes)
{
    struct statvfs disk;
    if (fstatvfs(files->root, &disk) != 0)
        return true; /* the write will tell */
    uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
    return left >= WAX_MEDIA_FREE_BYTES_MIN && left - WAX_MEDIA_FREE_BYTES_MIN >= bytes;
}

/* ---- the listing ---- */

struct media_listing {
    const struct media_files *files;
    struct loop *loop;
    struct loop_op *op;
    pthread_t thread;
    int done; /* eventfd */
    atomic_bool stop;
    struct media_found *blobs;
    size_t count, room;
    uint64_t damaged;
    bool failed;
};

static void list_add(struct media_listing *listing, const struct media_found *blob)
{
    if (listing->count == listing->room) {
        listing->room = listing->room == 0 ? 1024 : listing->room * 2;
        listing->blobs = realloc(listing->blobs, listing->room * sizeof listing->blobs[0]);
        if (listing->blobs == NULL)
            abort();
    }
    listing->blobs[listing->count++] = *blob;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* A folder's entries; `number` is MEDIA_FOLDERS for what was being uploaded when the process before ended. */
static void list_folder(struct media_listing *listing, uint32_t number)
{
    int folder = number == MEDIA_FOLDERS ? listing->files->fresh : listing->files->folder[number];
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    struct media_found blob;
    listing->failed = listing->failed || directory == NULL;
    if (directory == NULL) {
        close_one(&fd);
        return;
    }
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL && !listing->stop;) {
        if (is_dots(entry->d_name))
            continue;
        if (number == MEDIA_FOLDERS)
            unlinkat(folder, entry->d_name, 0);
        else if (media_name_read(entry->d_name, &blob) && blob.id[0] == number)
            list_add(listing, &blob);
        else
            listing->damaged++;
    }
    closedir(directory);
}

static void *list_all(void *arg)
{
    struct media_listing *listing = arg;
    uint64_t one = 1;
    for (uint32_t i = 0; i <= MEDIA_FOLDERS && !listing->stop; i++)
        list_folder(listing, i);
    ssize_t written = write(listing->done, &one, sizeof one);
    (void)written; /* a counter of 0 takes it */
    return NULL;
}

struct media_listing *media_list(struct media_files *files, struct loop *loop, struct loop_op *op)
{
    struct media_listing *listing = calloc(1, sizeof *listing);
    if (listing == NULL)
        abort();
    listing->files = files;
    listing->loop = loop;
    listing->op = op;
    listing->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (listing->done < 0 || pthread_create(&listing->thread, NULL, list_all, listing) != 0) {
        close_one(&listing->done);
        free(listing);
        return NULL;
    }
    loop_poll(loop, listing->done, POLLIN, op);
    return listing;
}

size_t media_listed(const struct media_listing *listing, const struct media_found **blobs, uint64_t *damaged,
                    bool *failed)
{
    *blobs = listing->blobs;
    *damaged = listing->damaged;
    *failed = listing->failed;
    return listing->count;
}

void media_listing_stop(struct media_listing *listing)
{
    listing->stop = true;
}

void media_listing_free(struct media_listing *listing)
{
    listing->stop = true;
    pthread_join(listing->thread, NULL);
    close_one(&listing->done);
    free(listing->blobs);
    free(listing);
}
