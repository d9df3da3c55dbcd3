/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The data plane's side of the channel to the control plane (waxwire/channel.h). A thread of its own makes
 * the shared memory, connects, waits for the grant and watches the socket, so that no worker ever waits. When
 * an attachment comes or goes it only changes a pointer and a number; each worker notices at its next turn
 * and says so, and the memory of the old one is unmapped when all have.
 *
 * A new attachment is always new memory. The epoch that was granted first is offered again, for as long as
 * this process lives.
 */
#ifndef WORKER_CHANNEL_H
#define WORKER_CHANNEL_H

#include <pthread.h>

#include "waxwire/channel.h"

#define CHANNEL_RETRY_MS 200u   /* between two attempts to connect */
#define CHANNEL_GRANT_MS 10000u /* for the answer to an offer */

/* One life of the channel. Read-only for workers, but for the rings. */
struct attachment {
    struct channel_memory *memory;
    size_t bytes;
    int socket;
    int eventfd;
    uint64_t epoch;
    uint8_t relay_id[WAX_RELAY_ID_BYTES];
    uint64_t retired_at; /* change number at which it went */
    struct attachment *next;
};

struct channel_seen {
    _Alignas(WAX_CACHE_LINE_BYTES) _Atomic uint64_t change; /* last one that the worker has acted on */
};

enum channel_event { CHANNEL_EVENT_UP, CHANNEL_EVENT_DOWN, CHANNEL_EVENT_REFUSED };

struct channel_link {
    _Alignas(WAX_CACHE_LINE_BYTES) _Atomic uint64_t change; /* rises whenever `current` changes */
    _Atomic(struct attachment *) current;                   /* NULL: no control plane */
    struct channel_seen seen[WAX_WORKERS_MAX];
    _Atomic(struct attachment *) broken; /* set by a worker that read nonsense in it */
    _Atomic uint32_t refused;            /* enum wax_status: control will never take us */
    _Atomic bool stop;
    uint32_t workers;
    uint64_t epoch; /* granted, 0: none yet */
    char path[256];
    int wake; /* eventfd: something for the thread to see */
    pthread_t thread;
    bool started;
    struct attachment *retired; /* waiting for workers to let go */
    /* Told of changes, on the thread of the link; may be NULL. */
    void (*event)(void *ctx, enum channel_event event, uint64_t epoch, enum wax_status status);
    /* An order of the control plane, sound and of a known kind; fills status and text of the report. */
    void (*order)(void *ctx, const struct channel_order *order, struct channel_report *report);
    void *ctx; /* of both */
};

/*
 * Prepare a link for `workers` to the socket at `path`, and start its thread. The first attempt to attach is
 * made before this returns, so that a refusal can be seen at once in channel_refused. WAX_OK, or
 * WAX_NO_MEMORY (no descriptor or thread to be had), WAX_BAD_ARGUMENT (path too long).
 */
enum wax_status
channel_start(struct channel_link *link, const char *path, uint32_t workers,
              void (*event)(void *ctx, enum channel_event event, uint64_t epoch, enum wax_status status),
              void (*order)(void *ctx, const struct channel_order *order, struct channel_report *report),
              void *ctx);

/* WAX_OK, or why the control plane has refused this data plane for good (the thread has ended). */
enum wax_status channel_refused(struct channel_link *link);

/*
 * A worker's look at the link, every turn: true when the attachment has changed since it looked last. Then
 * `*current` is the one to use from now on (NULL: none); the former must not be touched after
 * channel_settled.
 */
static inline bool channel_changed(struct channel_link *link, uint64_t *change, struct attachment **current)
{
    uint64_t now = atomic_load_explicit(&link->change, memory_order_acquire);
    if (now == *change)
        return false;
    *change = now;
    *current = atomic_load_explicit(&link->current, memory_order_acquire);
    return true;
}

/* The worker holds nothing of what was current before `change`. */
static inline void channel_settled(struct channel_link *link, uint32_t worker, uint64_t change)
{
    atomic_store_explicit(&link->seen[worker].change, change, memory_order_release);
}

/*
 * Wake the control plane if it sleeps; to be called once after a burst of channel_publish.
 */
void channel_kick(struct attachment *attachment);

/* A worker has read nonsense in `attachment`: give it up and make a new one. */
void channel_break(struct channel_link *link, struct attachment *attachment);

/*
 * End the thread, close and unmap everything. No worker may run any more.
 */
void channel_stop(struct channel_link *link);

#endif
