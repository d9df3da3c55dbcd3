/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The storage interface over local files: a directory with a lock, LMDB for the directory
 * and the shards' heads, one file for each segment, filled with zeros before its first use and used
 * again for others, and one for each shard's key ring.
 * Writes and reads go through the loop's ring; LMDB and the making of files have a thread.
 */
#ifndef CONTROL_STORAGE_LOCAL_H
#define CONTROL_STORAGE_LOCAL_H

#include "loop.h"
#include "storage.h"

struct storage_local_config {
    const char *directory; /* made when it is missing */
    uint32_t segment_bytes;
    uint64_t map_bytes; /* the most that LMDB may grow to */
};

/*
 * Open the store, and take its lock. OK, STORE_LOCKED, STORE_VERSION, STORE_NO_SPACE or
 * STORE_IO (errno tells why).
 */
enum wax_status storage_local_open(struct loop *loop, const struct storage_local_config *config,
                                   struct storage **storage);

/*
 * A copy of the store while it is served (storage_local_backup.c), in a directory that is made, or empty:
 * everything that was confirmed before this call and not retired by the time its shard is looked at, some
 * milliseconds later. It opens as a store does, with the same master key, which is not copied. A thread
 * copies so many bytes a second (0: as fast as it goes); the directory has a `directory.mdb` when the copy is
 * whole and on stable storage. OK: it has begun. FULL: one is under way. BAD_ARGUMENT: there is something in
 * the directory. STORE_IO or STORE_NO_SPACE: errno tells why.
 */
enum wax_status storage_local_backup(struct storage *storage, const char *directory, uint64_t bytes_per_s);

enum storage_backup_state {
    STORAGE_BACKUP_NONE,
    STORAGE_BACKUP_RUNS,
    STORAGE_BACKUP_WHOLE,
    STORAGE_BACKUP_FAILED
};

struct storage_backup {
    enum storage_backup_state state; /* of the last one */
    uint64_t bytes, bytes_all;       /* copied so far; of all, once that is known */
    int error;                       /* of one that failed: an errno */
};

/* How it is getting on. */
void storage_local_backup_look(struct storage *storage, struct storage_backup *backup);

/* Only when nothing is under way; a backup ends unfinished. */
void storage_local_close(struct storage *storage);

#endif
