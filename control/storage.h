/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The storage interface: what mailboxes and the directory need of a disk, or of a fleet.
 *
 * Recipients are hashed into shards. A shard has an epoch, which grows whenever someone
 * opens it, and a head that lists its segments; every change carries shard and epoch, and
 * one with an older epoch is FENCED. Everything is asynchronous: it may complete late and
 * out of order, on the owning thread, by calling `done` once, and never before the call returns. Bytes handed
 * in stay the caller's and must not change until then. Nothing but these calls crosses the interface: no
 * path, descriptor, cursor or mapped memory.
 *
 * Completions: OK; STORE_FENCED another has opened the shard; STORE_UNKNOWN may or may not
 * have happened: retry with the same bytes, never acknowledge; STORE_NO_SPACE (bytes may
 * lie there in part: seal the segment at what was confirmed); STORE_IO fatal; NOT_FOUND.
 */
#ifndef CONTROL_STORAGE_H
#define CONTROL_STORAGE_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

#define STORAGE_SEGMENTS_MAX    4096u /* of one shard */
#define STORAGE_NAME_BYTES_MAX  32u
#define STORAGE_VALUE_BYTES_MAX 36864u
#define STORAGE_NOT_SEALED      UINT64_MAX
#define STORAGE_RING_BYTES_MAX  (272u << 10)

/* An operation under way. The caller owns it, and embeds it in what it waits with. */
struct storage_op {
    void (*done)(struct storage_op *op, enum wax_status status);
    uint64_t backend[4]; /* the backend's own, while it is under way */
    void *next;          /* likewise */
};

struct storage_segment {
    uint64_t id;
    uint64_t sealed_bytes; /* STORAGE_NOT_SEALED, or what is valid in it */
    uint64_t bytes;        /* what can be read: at least what was written */
};

/* Filled by shard_open. `segments` are in rising order of id, and the caller's to free. */
struct storage_head {
    uint64_t epoch;
    uint32_t segment_count;
    struct storage_segment *segments;
};

struct storage;

struct storage_calls {
    /* Take the shard: its new epoch and its segments. */
    void (*shard_open)(struct storage *, uint32_t shard, struct storage_head *head, struct storage_op *);
    /* Make bytes durable at an offset that the caller picks; a segment begins by its first write. */
    void (*seg_write)(struct storage *, uint32_t shard, uint64_t epoch, uint64_t segment, uint64_t offset,
                      struct view bytes, struct storage_op *);
    /* Read `out.len` bytes; those never written are zero. */
    void (*seg_read)(struct storage *, uint32_t shard, uint64_t segment, uint64_t offset, struct span out,
                     struct storage_op *);
    /*
     * Of the log in it nothing from `bytes` on is valid, and nothing more will be written; what lies behind
     * the log (tables of keys) may still be. Also of a segment that never began.
     */
    void (*seg_seal)(struct storage *, uint32_t shard, uint64_t epoch, uint64_t segment, uint64_t bytes,
                     struct storage_op *);
    /* Forget a segment. */
    void (*seg_delete)(struct storage *, uint32_t shard, uint64_t epoch, uint64_t segment,
                       struct storage_op *);

    /*
     * The shard's key ring: one value, replaced as a whole, never seen in part. When ring_put has completed,
     * nothing of what it was before can be read back from where it is kept. ring_get: NOT_FOUND before the
     * first ring_put; `*len` receives the length.
     */
    void (*ring_put)(struct storage *, uint32_t shard, uint64_t epoch, struct view bytes,
                     struct storage_op *);
    void (*ring_get)(struct storage *, uint32_t shard, struct span out, size_t *len, struct storage_op *);

    /*
     * The directory: small values by user and name, atomic within one user. `*len` receives
     * the value's length (it may exceed the room). dir_get may complete before it returns.
     * A take gives the value once and removes it; UNKNOWN burns it.
     */
    void (*dir_get)(struct storage *, const uint8_t user[WAX_USER_BYTES], struct view name, struct span out,
                    size_t *len, struct storage_op *);
    void (*dir_put)(struct storage *, const uint8_t user[WAX_USER_BYTES], struct view name, struct view value,
                    struct storage_op *);
    void (*dir_take)(struct storage *, const uint8_t user[WAX_USER_BYTES], struct view name, struct span out,
                     size_t *len, struct storage_op *);

    /*
     * The name behind this one: the next that the user has, in the order of bytes, else the first of some
     * other user, in an order of the backend's own. `next_user` and `next_name` (STORAGE_NAME_BYTES_MAX; may
     * be what was handed in) receive it with `*name_len`. NOT_FOUND: that was the last. It may complete
     * before it returns; what changes meanwhile may be met or not.
     */
    void (*dir_next)(struct storage *, const uint8_t user[WAX_USER_BYTES], struct view name,
                     uint8_t next_user[WAX_USER_BYTES], uint8_t *next_name, size_t *name_len,
                     struct storage_op *);

    /* Blobs: immutable, written in chunks, read by range. NULL in a backend that has none yet. */
    void (*blob_put)(struct storage *, const uint8_t id[32], uint64_t offset, struct view chunk, bool last,
                     struct storage_op *);
    void (*blob_get_range)(struct storage *, const uint8_t id[32], uint64_t offset, struct span out,
                           size_t *len, struct storage_op *);
    void (*blob_delete)(struct storage *, const uint8_t id[32], struct storage_op *);

    /* The end of a burst: what was asked for may be submitted now, together. */
    void (*flush)(struct storage *);
};

/* A backend embeds this as its first member. */
struct storage {
    const struct storage_calls *calls;
};

#endif
