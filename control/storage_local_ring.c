/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file of a shard's key ring: two slots, written in place and in turn. A new ring goes to the slot that
 * is empty; when it is durable the other is overwritten with zeros, and when that is durable the old ring is
 * gone. So a crash leaves one sound ring at least. LMDB would not do: it never writes in place, and old pages
 * stay.
 *
 * Slot: a page with 0:8 generation · 8:4 bytes · 12:4 CRC-32C of the first 12 bytes and the ring; the ring.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "log.h"
#include "storage_local_internal.h"

#define PAGE_BYTES 4096u
#define SLOT_BYTES (PAGE_BYTES + STORAGE_RING_BYTES_MAX)
#define HEAD_BYTES 16u

static enum wax_status write_all(int fd, const uint8_t *bytes, size_t len, uint64_t offset)
{
    while (len != 0) {
        ssize_t written = pwrite(fd, bytes, len, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return status_of_errno(written == 0 ? EIO : errno);
        bytes += written;
        len -= (size_t)written;
        offset += (uint64_t)written;
    }
    return WAX_OK;
}

static uint32_t slot_crc(const uint8_t *slot, size_t len)
{
    return log_crc32c(log_crc32c(0, slot, 12), slot + PAGE_BYTES, len);
}

/* Make the file whole, so that a full disk never keeps a key from being destroyed. */
static enum wax_status ring_make(const struct local *local, struct ring_file *ring)
{
    uint8_t *zeros = calloc(1, SLOT_BYTES);
    if (zeros == NULL)
        return WAX_NO_MEMORY;
    enum wax_status status = write_all(ring->fd, zeros, SLOT_BYTES, 0);
    if (status == WAX_OK)
        status = write_all(ring->fd, zeros, SLOT_BYTES, SLOT_BYTES);
    free(zeros);
    if (status == WAX_OK && (fsync(ring->fd) != 0 || fsync(local->directory) != 0))
        status = status_of_errno(errno);
    return status;
}

static enum wax_status ring_open(struct local *local, uint32_t shard, bool make)
{
    char name[32];
    struct ring_file *ring = &local->ring[shard];
    if (ring->fd >= 0)
        return WAX_OK;
    snprintf(name, sizeof name, "keys-%02u", shard);
    ring->fd = openat(local->directory, name, O_RDWR | O_CLOEXEC | (make ? O_CREAT : 0), 0600);
    if (ring->fd < 0)
        return errno == ENOENT ? WAX_NOT_FOUND : status_of_errno(errno);
    ring->used[0] = ring->used[1] = SLOT_BYTES;
    if (lseek(ring->fd, 0, SEEK_END) >= 2 * (off_t)SLOT_BYTES)
        return WAX_OK;
    enum wax_status status = ring_make(local, ring);
    if (status != WAX_OK) {
        close(ring->fd);
        ring->fd = -1;
    }
    return status;
}

enum wax_status ring_file_put(struct local *local, uint32_t shard, struct view bytes)
{
    struct ring_file *ring = &local->ring[shard];
    if (bytes.len > STORAGE_RING_BYTES_MAX)
        return WAX_BAD_ARGUMENT;
    enum wax_status status = ring_open(local, shard, true);
    uint8_t *slot = calloc(1, SLOT_BYTES);
    if (slot == NULL)
        return WAX_NO_MEMORY;
    uint32_t which = (uint32_t)((ring->generation + 1u) & 1u), other = !which;
    size_t len = PAGE_BYTES + bytes.len;
    store_be64(slot, ring->generation + 1u);
    store_be32(slot + 8, (uint32_t)bytes.len);
    if (bytes.len != 0)
        memcpy(slot + PAGE_BYTES, bytes.data, bytes.len);
    store_be32(slot + 12, slot_crc(slot, bytes.len));
    if (status == WAX_OK) /* with zeros over what lay there before */
        status = write_all(ring->fd, slot, len > ring->used[which] ? len : ring->used[which],
                           (uint64_t)which * SLOT_BYTES);
    if (status == WAX_OK && fdatasync(ring->fd) != 0)
        status = WAX_STORE_IO;
    if (status == WAX_OK) {
        ring->generation++;
        ring->used[which] = len;
        memset(slot, 0, SLOT_BYTES);
        status = write_all(ring->fd, slot, ring->used[other], (uint64_t)other * SLOT_BYTES);
    }
    if (status == WAX_OK && fdatasync(ring->fd) != 0)
        status = WAX_STORE_IO;
    if (status == WAX_OK)
        ring->used[other] = 0;
    free(slot);
    return status;
}

static bool slot_sound(const uint8_t *slot)
{
    size_t len = load_be32(slot + 8);
    return load_be64(slot) != 0 && len <= STORAGE_RING_BYTES_MAX &&
           slot_crc(slot, len) == load_be32(slot + 12);
}

enum wax_status ring_file_get(struct local *local, uint32_t shard, struct span out, size_t *len)
{
    struct ring_file *ring = &local->ring[shard];
    enum wax_status status = ring_open(local, shard, false);
    if (status != WAX_OK)
        return status;
    uint8_t *slots = calloc(2, SLOT_BYTES), *newest = NULL;
    if (slots == NULL)
        return WAX_NO_MEMORY;
    ssize_t got = pread(ring->fd, slots, 2u * SLOT_BYTES, 0);
    for (uint32_t i = 0; i < 2 && got == 2 * (ssize_t)SLOT_BYTES; i++) {
        uint8_t *slot = slots + (size_t)i * SLOT_BYTES;
        if (slot_sound(slot) && (newest == NULL || load_be64(slot) > load_be64(newest)))
            newest = slot;
    }
    if (got != 2 * (ssize_t)SLOT_BYTES) {
        status = WAX_STORE_IO;
    } else if (newest == NULL) { /* never written whole; what it would open was never written then */
        status = WAX_NOT_FOUND;
    } else {
        ring->generation = load_be64(newest);
        *len = load_be32(newest + 8);
        memcpy(out.data, newest + PAGE_BYTES, *len < out.len ? *len : out.len);
    }
    free(slots);
    return status;
}

enum wax_status ring_file_copy(int directory, uint32_t shard, struct view bytes)
{
    char name[32];
    snprintf(name, sizeof name, "keys-%02u", shard);
    int fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    uint8_t *slots = calloc(2, SLOT_BYTES);
    if (slots == NULL)
        abort();
    enum wax_status status = fd >= 0 ? WAX_OK : status_of_errno(errno);
    store_be64(slots, 2); /* generations alternate: this one has the first slot */
    store_be32(slots + 8, (uint32_t)bytes.len);
    memcpy(slots + PAGE_BYTES, bytes.data, bytes.len);
    store_be32(slots + 12, slot_crc(slots, bytes.len));
    if (status == WAX_OK)
        status = write_all(fd, slots, 2u * SLOT_BYTES, 0);
    free(slots);
    if (fd >= 0)
        close(fd);
    return status;
}
