/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Files for segments to come. Filling one with zeros takes some milliseconds and writes as much as the
 * segment will; so it is done ahead by a thread of its own, and a file whose segment is gone is used again as
 * it is.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage_local_internal.h"

#define FILL_BYTES (1u << 20)

static enum wax_status file_fill(int fd, uint64_t bytes)
{
    uint8_t *zeros = aligned_alloc(4096, FILL_BYTES);
    enum wax_status status = zeros != NULL ? WAX_OK : WAX_NO_MEMORY;
    if (zeros != NULL)
        memset(zeros, 0, FILL_BYTES);
    for (uint64_t at = 0; status == WAX_OK && at < bytes;) {
        size_t len = bytes - at < FILL_BYTES ? (size_t)(bytes - at) : FILL_BYTES;
        ssize_t written = pwrite(fd, zeros, len, (off_t)at);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            status = status_of_errno(written == 0 ? EIO : errno);
        at += written > 0 ? (uint64_t)written : 0;
    }
    free(zeros);
    if (status == WAX_OK && fdatasync(fd) != 0)
        status = status_of_errno(errno);
    return status;
}

/* Make a file whole and durable. */
static enum wax_status file_make(const struct local *local, uint32_t number)
{
    char name[64];
    segment_file_name(name, number);
    int fd = openat(local->directory, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return status_of_errno(errno);
    int direct = file_open_direct(local->directory, number); /* zeros need no copying, and no cache */
    enum wax_status status = file_fill(direct >= 0 ? direct : fd, local->segment_bytes);
    if (direct >= 0)
        close(direct);
    close(fd);
    if (status == WAX_OK && fsync(local->directory) != 0)
        status = status_of_errno(errno);
    if (status != WAX_OK)
        unlinkat(local->directory, name, 0);
    return status;
}

static void *spares_thread(void *arg)
{
    struct local *local = arg;
    struct spares *spares = &local->spares;
    pthread_mutex_lock(&spares->mutex);
    while (!spares->stop) {
        if (spares->count >= spares->wanted) {
            pthread_cond_wait(&spares->wake, &spares->mutex);
            continue;
        }
        uint32_t number = spares->next_number++;
        pthread_mutex_unlock(&spares->mutex);
        enum wax_status status = file_make(local, number);
        pthread_mutex_lock(&spares->mutex);
        if (status == WAX_OK && spares->count < SPARES_MOST)
            spares->number[spares->count++] = number;
        else
            spares->wanted = 0; /* the disk is full: until one is asked for */
    }
    pthread_mutex_unlock(&spares->mutex);
    return NULL;
}

enum wax_status spares_take(struct local *local, uint32_t *number)
{
    struct spares *spares = &local->spares;
    enum wax_status status = WAX_OK;
    pthread_mutex_lock(&spares->mutex);
    bool none = spares->count == 0;
    if (none) {
        *number = spares->next_number++;
        spares->wanted = spares->wanted * 2u < SPARES_LEAST  ? SPARES_LEAST
                         : spares->wanted * 2u > SPARES_MOST ? SPARES_MOST
                                                             : spares->wanted * 2u;
    } else {
        *number = spares->number[--spares->count];
    }
    pthread_cond_signal(&spares->wake);
    pthread_mutex_unlock(&spares->mutex);
    if (none)
        status = file_make(local, *number);
    return status;
}

void spares_give(struct local *local, uint32_t number)
{
    struct spares *spares = &local->spares;
    char name[64];
    segment_file_name(name, number);
    pthread_mutex_lock(&spares->mutex);
    if (spares->held) {
        if (spares->kept_count == spares->kept_room) {
            spares->kept_room = spares->kept_room == 0 ? 64 : spares->kept_room * 2;
            spares->kept = realloc(spares->kept, spares->kept_room * sizeof *spares->kept);
            if (spares->kept == NULL)
                abort();
        }
        spares->kept[spares->kept_count++] = number;
        pthread_mutex_unlock(&spares->mutex);
        return;
    }
    bool keep = spares->count < SPARES_MOST;
    if (keep)
        spares->number[spares->count++] = number;
    pthread_mutex_unlock(&spares->mutex);
    if (!keep)
        unlinkat(local->directory, name, 0);
}

void spares_hold(struct local *local)
{
    pthread_mutex_lock(&local->spares.mutex);
    local->spares.held = true;
    pthread_mutex_unlock(&local->spares.mutex);
}

void spares_let_go(struct local *local)
{
    struct spares *spares = &local->spares;
    pthread_mutex_lock(&spares->mutex);
    uint32_t *kept = spares->kept, count = spares->kept_count;
    spares->held = false;
    spares->kept = NULL;
    spares->kept_count = spares->kept_room = 0;
    pthread_mutex_unlock(&spares->mutex);
    for (uint32_t i = 0; i < count; i++)
        spares_give(local, kept[i]);
    free(kept);
}

/* ---- at the start ---- */

struct listed {
    uint32_t *number;
    size_t count, room;
};

static void listed_add(void *ctx, uint32_t shard, uint64_t id, uint64_t sealed, uint32_t number)
{
    (void)shard;
    (void)id;
    (void)sealed;
    struct listed *listed = ctx;
    if (listed->count == listed->room) {
        listed->room = listed->room == 0 ? 64 : listed->room * 2;
        listed->number = realloc(listed->number, listed->room * sizeof *listed->number);
        if (listed->number == NULL)
            abort();
    }
    listed->number[listed->count++] = number;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* A file that no segment lies in: a spare when it is whole. */
static void found(struct local *local, uint32_t number)
{
    struct spares *spares = &local->spares;
    char name[64];
    struct stat info;
    segment_file_name(name, number);
    if (spares->count < SPARES_MOST && fstatat(local->directory, name, &info, 0) == 0 &&
        info.st_size >= (off_t)local->segment_bytes)
        spares->number[spares->count++] = number;
    else
        unlinkat(local->directory, name, 0);
}

enum wax_status spares_open(struct local *local)
{
    struct spares *spares = &local->spares;
    struct listed listed = {.count = 0};
    enum wax_status status = listed_segments(local, &listed, listed_add);
    int fd = openat(local->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    if (directory == NULL)
        status = status_of_errno(errno);
    if (listed.count != 0)
        qsort(listed.number, listed.count, sizeof *listed.number, by_number);
    spares->next_number = listed.count != 0 ? listed.number[listed.count - 1] + 1u : 1u;
    spares->wanted = SPARES_LEAST;
    for (struct dirent *entry; status == WAX_OK && (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, "log-", 4) != 0)
            continue;
        uint32_t number = (uint32_t)strtoul(entry->d_name + 4, NULL, 10);
        if (number >= spares->next_number)
            spares->next_number = number + 1u;
        if (listed.count == 0 ||
            bsearch(&number, listed.number, listed.count, sizeof number, by_number) == NULL)
            found(local, number);
    }
    if (directory != NULL)
        closedir(directory);
    free(listed.number);
    if (status != WAX_OK)
        return status;
    pthread_mutex_init(&spares->mutex, NULL);
    pthread_cond_init(&spares->wake, NULL);
    spares->running = pthread_create(&spares->thread, NULL, spares_thread, local) == 0;
    return spares->running ? WAX_OK : WAX_STORE_IO;
}

void spares_close(struct local *local)
{
    struct spares *spares = &local->spares;
    if (!spares->running)
        return;
    pthread_mutex_lock(&spares->mutex);
    spares->stop = true;
    pthread_cond_signal(&spares->wake);
    pthread_mutex_unlock(&spares->mutex);
    pthread_join(spares->thread, NULL);
    spares->running = false;
    free(spares->kept);
}
