/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * STATUS entries gathered for each connection during a turn of the poll loop, so that they
 * go out in few frames. A connection holds a chunk only while entries wait in it. There is
 * always room: a full chunk goes out as a frame, and when all chunks are taken the oldest
 * goes out early.
 */
#ifndef RELAY_STATUSES_H
#define RELAY_STATUSES_H

#include "base/list.h"
#include "base/pool.h"
#include "relay/envelope.h"

#define STATUS_CHUNK_ENTRIES 31u
#define STATUS_CHUNK_BYTES   (WIRE_STATUS_BYTES + STATUS_CHUNK_ENTRIES * WIRE_STATUS_ENTRY_BYTES)

struct status_chunk {
    struct link link;            /* among those that wait, oldest first */
    struct status_chunk **owner; /* where the connection keeps this pointer */
    uint32_t bytes;              /* of the frame so far */
    uint8_t frame[STATUS_CHUNK_BYTES];
};

struct statuses {
    struct pool chunks;
    struct link waiting;
    void *ctx;
    /* A finished frame of the connection that keeps its chunk at `owner` (already NULL). */
    void (*out)(void *ctx, struct status_chunk **owner, struct view frame);
};

/* Bytes of memory for `chunks` chunks; more of them make longer frames, any number works. */
size_t statuses_bytes(uint32_t chunks);

/* Make it in `memory`. Returns OK, or BAD_ARGUMENT or NO_MEMORY (as pool_init). */
enum wax_status statuses_init(struct statuses *statuses, struct span memory, uint32_t chunks, void *ctx,
                              void (*out)(void *ctx, struct status_chunk **owner, struct view frame));

/* Add an entry for the connection that keeps its chunk at `owner` (NULL there when it has none). */
void statuses_add(struct statuses *statuses, struct status_chunk **owner,
                  const struct frame_status_entry *entry);

/* Send what waits for one connection, or for all. */
void statuses_flush_one(struct statuses *statuses, struct status_chunk **owner);
void statuses_flush(struct statuses *statuses);

/* Forget what waits for a connection that has ended. */
void statuses_drop(struct statuses *statuses, struct status_chunk **owner);

#endif
