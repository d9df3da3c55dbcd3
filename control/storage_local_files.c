/* SPDX-License-Identifier: BSD-3-Clause */
/* The open files of the segments. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "storage_local_internal.h"

static uint32_t file_place(const struct shard_files *shard, uint64_t id)
{
    uint32_t low = 0, high = shard->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shard->files[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct file *file_find(const struct shard_files *shard, uint64_t id)
{
    uint32_t place = file_place(shard, id);
    return place < shard->count && shard->files[place]->id == id ? shard->files[place] : NULL;
}

struct file *file_add(struct shard_files *shard, uint64_t id, int fd)
{
    uint32_t place = file_place(shard, id);
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL)
        abort();
    *file = (struct file){.id = id, .fd = fd, .direct = -1};
    if (shard->count == shard->room) {
        shard->room = shard->room == 0 ? 16 : shard->room * 2;
        shard->files = realloc(shard->files, shard->room * sizeof(struct file *));
        if (shard->files == NULL)
            abort();
    }
    memmove(shard->files + place + 1, shard->files + place, (shard->count - place) * sizeof(struct file *));
    shard->files[place] = file;
    shard->count++;
    return file;
}

void file_remove(struct shard_files *shard, uint64_t id)
{
    uint32_t place = file_place(shard, id);
    if (place == shard->count || shard->files[place]->id != id)
        return;
    if (shard->files[place]->fd >= 0)
        close(shard->files[place]->fd);
    if (shard->files[place]->direct >= 0)
        close(shard->files[place]->direct);
    free(shard->files[place]);
    memmove(shard->files + place, shard->files + place + 1,
            (shard->count - place - 1) * sizeof(struct file *));
    shard->count--;
}

int file_open_direct(int directory, uint32_t number)
{
    char name[64];
    struct statx info;
    segment_file_name(name, number);
    if (statx(directory, name, 0, STATX_DIOALIGN, &info) != 0 || (info.stx_mask & STATX_DIOALIGN) == 0 ||
        info.stx_dio_offset_align == 0 || info.stx_dio_offset_align > LOG_BLOCK_BYTES)
        return -1;
    return openat(directory, name, O_RDWR | O_DIRECT | O_CLOEXEC);
}
