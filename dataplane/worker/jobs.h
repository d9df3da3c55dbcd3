/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The handshake threads: a small pool that does what is too slow for a worker (conn/job.h). Each has a ring
 * from and a ring to every worker, and a TLS context of its own. An idle thread sleeps; a worker wakes it
 * once after a burst of submissions, and only if it sleeps. The threads run at the lowest priority that
 * still gives them time, so that a storm of handshakes does not take the workers' cores.
 */
#ifndef WORKER_JOBS_H
#define WORKER_JOBS_H

#include <pthread.h>
#include <sched.h>

#include "base/ring.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

struct job;
struct tls_context;

struct jobs_thread {
    _Alignas(RING_APART) _Atomic uint32_t sleeping;
    _Alignas(RING_APART) struct ring *in[WAX_WORKERS_MAX]; /* of struct job *, from each worker */
    struct ring *out[WAX_WORKERS_MAX];                     /* back to it */
    struct jobs *jobs;
    struct tls_context *context;         /* NULL: no listener uses TLS */
    _Atomic(struct tls_context *) fresh; /* takes its place before the next job */
    uint32_t index;
    int wake; /* eventfd */
    pthread_t thread;
    bool started;
    _Atomic uint64_t done; /* jobs */
};

struct jobs {
    uint32_t workers, threads;
    _Atomic bool stop;
    void (*run)(struct job *job, struct tls_context *context);
    void (*discard)(struct tls_context *context); /* one that no thread uses any more */
    void *memory;
    struct jobs_thread thread[WAX_HANDSHAKE_THREADS_MAX];
};

/*
 * Make the rings for `threads` threads that serve `workers`, each with room for `slots` jobs (a power of
 * two). `run` does one (job_run), `discard` gives a context back that is not used any more (tls_context_free;
 * NULL: contexts are the caller's). WAX_OK, WAX_BAD_ARGUMENT, WAX_NO_MEMORY.
 */
enum wax_status jobs_init(struct jobs *jobs, uint32_t workers, uint32_t threads, uint32_t slots,
                          void (*run)(struct job *job, struct tls_context *context),
                          void (*discard)(struct tls_context *context));

/*
 * Start the threads on `cores`, with contexts[i] for thread i, which it owns from here on (contexts NULL:
 * none has any).
 */
enum wax_status jobs_start(struct jobs *jobs, const cpu_set_t *cores, struct tls_context *const *contexts);

/*
 * Give a thread another context. Handshakes that begin after its next job use it; those under way go on with
 * the old one. From any one thread at a time.
 */
void jobs_switch(struct jobs *jobs, uint32_t thread, struct tls_context *fresh);

/* A worker hands a job over; false when that thread's ring is full. Seen at once; wakes nobody. */
static inline bool jobs_submit(struct jobs *jobs, uint32_t worker, uint32_t thread, struct job *job)
{
    struct ring *ring = jobs->thread[thread].in[worker];
    struct job **slot = (struct job **)ring_peek_slot(ring, 0);
    if (slot == NULL)
        return false;
    *slot = job;
    ring_commit(ring, 1);
    return true;
}

/* Wake the threads in the bit set `threads` that sleep: once after a burst of jobs_submit. */
void jobs_kick(struct jobs *jobs, uint64_t threads);

/* A worker takes back up to `n` finished jobs of `thread`; returns how many. */
static inline uint32_t jobs_take(struct jobs *jobs, uint32_t worker, uint32_t thread, struct job **out,
                                 uint32_t n)
{
    return ring_pop(jobs->thread[thread].out[worker], out, n);
}

/*
 * End the threads (jobs not yet begun are left) and free the rings.
 */
void jobs_stop(struct jobs *jobs);

#endif
