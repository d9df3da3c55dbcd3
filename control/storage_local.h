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

/* Only when nothing is under way. */
void storage_local_close(struct storage *storage);

#endif
