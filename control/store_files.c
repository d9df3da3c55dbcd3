/* SPDX-License-Identifier: BSD-3-Clause */
#include "store_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage_local_internal.h"

#define MAP_BYTES (UINT64_C(64) << 30)

struct reading {
    struct local *local;
    const struct store_files_port *port;
    uint64_t log_bytes;
    uint32_t seed;
    uint32_t shard;                /* of the segment that is being scanned */
    struct keyring_entry *entries; /* of the shard */
    uint32_t count;
    enum wax_status status;
};

static void take(void *ctx, const struct log_record *record)
{
    struct reading *r = ctx;
    if (r->port->record != NULL)
        r->port->record(r->port->ctx, r->shard, record);
}

/* Read a whole file; NULL when it is not to be read. */
static uint8_t *file_read(const struct local *local, uint32_t number, size_t *len)
{
    char name[64];
    struct stat info;
    segment_file_name(name, number);
    int fd = openat(local->directory, name, O_RDONLY | O_CLOEXEC);
    uint8_t *bytes = NULL;
    if (fd >= 0 && fstat(fd, &info) == 0)
        bytes = calloc(1, (size_t)info.st_size + 1u);
    *len = 0;
    while (bytes != NULL && *len < (size_t)info.st_size) {
        ssize_t got = pread(fd, bytes + *len, (size_t)info.st_size - *len, (off_t)*len);
        if (got <= 0)
            break;
        *len += (size_t)got;
    }
    if (fd >= 0)
        close(fd);
    return bytes;
}

static void segment_read(struct reading *r, uint64_t id, uint64_t sealed, uint32_t number)
{
    struct image_counts counts = {0};
    const struct keyring_entry *entry = NULL;
    size_t len;
    for (uint32_t i = 0; i < r->count && entry == NULL; i++)
        entry = r->entries[i].segment == id ? &r->entries[i] : NULL;
    uint8_t *bytes = entry != NULL ? file_read(r->local, number, &len) : NULL;
    if (bytes != NULL) {
        struct image_segment image = {.bytes = view_of(bytes, len),
                                      .log_bytes = r->log_bytes,
                                      .valid = sealed,
                                      .seed = r->seed,
                                      .entry = entry};
        image_scan(&image, &counts, r, take);
    } else if (entry != NULL) {
        counts.damaged++;
    }
    free(bytes);
    if (r->port->segment != NULL)
        r->port->segment(r->port->ctx, r->shard, id, &counts, entry != NULL);
}

static enum wax_status ring_load(struct reading *r, const uint8_t master[32])
{
    size_t len;
    uint8_t *bytes = malloc(STORAGE_RING_BYTES_MAX);
    if (bytes == NULL)
        abort();
    r->count = 0;
    enum wax_status status = ring_file_get(r->local, r->shard, span_of(bytes, STORAGE_RING_BYTES_MAX), &len);
    if (status == WAX_OK) {
        r->count = keyring_count(view_of(bytes, len));
        status = r->count <= KEYRING_ENTRIES_MAX
                     ? keyring_open(view_of(bytes, len), r->shard, master, r->entries)
                     : WAX_STORE_CORRUPT;
    }
    free(bytes);
    return status == WAX_NOT_FOUND ? WAX_OK : status;
}

static void listed(void *ctx, uint32_t shard, uint64_t id, uint64_t sealed, uint32_t number)
{
    struct reading *r = ctx;
    if (shard == r->shard)
        segment_read(r, id, sealed, number);
}

static enum wax_status read_all(struct reading *r, const uint8_t master[32])
{
    enum wax_status status = stored_seed(r->local, &r->seed);
    for (r->shard = 0; status == WAX_OK && r->shard < WAX_STORE_SHARDS; r->shard++) {
        status = ring_load(r, master);
        if (status == WAX_OK)
            status = listed_segments(r->local, r, listed);
    }
    return status;
}

enum wax_status store_files_read(const char *directory, uint64_t log_bytes, const uint8_t master[32],
                                 const struct store_files_port *port)
{
    struct local local = {.lock = -1};
    struct reading r = {.local = &local, .port = port, .log_bytes = log_bytes};
    const struct storage_local_config config = {directory, (uint32_t)log_bytes, MAP_BYTES};
    enum wax_status status = WAX_OK;
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        local.ring[i].fd = -1;
    local.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (local.directory < 0 || faccessat(local.directory, "directory.mdb", F_OK, 0) != 0)
        status = WAX_NOT_FOUND;
    if (status == WAX_OK)
        local.lock = openat(local.directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (status == WAX_OK && local.lock >= 0 && flock(local.lock, LOCK_EX | LOCK_NB) != 0)
        status = WAX_STORE_LOCKED;
    if (status == WAX_OK)
        status = local_env_open(&local, &config);
    r.entries = calloc(KEYRING_ENTRIES_MAX, sizeof *r.entries);
    if (r.entries == NULL)
        abort();
    if (status == WAX_OK)
        status = read_all(&r, master);
    sodium_memzero(r.entries, KEYRING_ENTRIES_MAX * sizeof *r.entries);
    free(r.entries);
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++) {
        if (local.ring[i].fd >= 0)
            close(local.ring[i].fd);
    }
    if (local.env != NULL)
        mdb_env_close(local.env);
    if (local.lock >= 0)
        close(local.lock);
    if (local.directory >= 0)
        close(local.directory);
    return status;
}
