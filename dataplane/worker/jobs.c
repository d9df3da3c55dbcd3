/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/jobs.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "waxwire/nap.h"

enum {
    JOBS_NICE = 5,
    SPINS_BEFORE_NAP = 64,
};

static size_t ring_room_bytes(uint32_t slots)
{
    size_t bytes = ring_bytes(slots, sizeof(struct job *));
    return (bytes + RING_APART - 1) / RING_APART * RING_APART;
}

enum wax_status jobs_init(struct jobs *jobs, uint32_t workers, uint32_t threads, uint32_t slots,
                          void (*run)(struct job *job, struct tls_context *context),
                          void (*discard)(struct tls_context *context))
{
    memset(jobs, 0, sizeof *jobs);
    if (workers == 0 || workers > WAX_WORKERS_MAX || threads == 0 || threads > WAX_HANDSHAKE_THREADS_MAX)
        return WAX_BAD_ARGUMENT;
    jobs->workers = workers;
    jobs->threads = threads;
    jobs->run = run;
    jobs->discard = discard;
    size_t each = ring_room_bytes(slots), count = (size_t)2 * workers * threads;
    jobs->memory = aligned_alloc(RING_APART, each * count);
    if (jobs->memory == NULL)
        return WAX_NO_MEMORY;
    uint8_t *at = jobs->memory;
    for (uint32_t t = 0; t < threads; t++) {
        struct jobs_thread *thread = &jobs->thread[t];
        thread->jobs = jobs;
        thread->index = t;
        thread->wake = eventfd(0, EFD_CLOEXEC);
        if (thread->wake < 0)
            return WAX_NO_MEMORY;
        for (uint32_t w = 0; w < workers; w++, at += 2 * each) {
            enum wax_status status =
                ring_init(&thread->in[w], span_of(at, each), slots, sizeof(struct job *));
            if (status == WAX_OK)
                status = ring_init(&thread->out[w], span_of(at + each, each), slots, sizeof(struct job *));
            if (status != WAX_OK)
                return status;
        }
    }
    return WAX_OK;
}

static void context_discard(struct jobs *jobs, struct tls_context *context)
{
    if (context != NULL && jobs->discard != NULL)
        jobs->discard(context);
}

static void context_take(struct jobs_thread *thread)
{
    if (atomic_load_explicit(&thread->fresh, memory_order_relaxed) == NULL)
        return;
    struct tls_context *old = thread->context;
    thread->context = atomic_exchange(&thread->fresh, NULL);
    context_discard(thread->jobs, old);
}

/* One job of each worker in turn, so that none waits behind another's storm. Returns how many were done. */
static uint32_t serve(struct jobs_thread *thread)
{
    uint32_t done = 0;
    context_take(thread);
    for (uint32_t w = 0; w < thread->jobs->workers; w++) {
        struct job **in = ring_front(thread->in[w], 0), **out = ring_peek_slot(thread->out[w], 0);
        if (in == NULL || out == NULL)
            continue;
        thread->jobs->run(*in, thread->context);
        *out = *in;
        ring_release(thread->in[w], 1);
        ring_commit(thread->out[w], 1);
        done++;
    }
    atomic_fetch_add_explicit(&thread->done, done, memory_order_relaxed);
    return done;
}

static bool anything(struct jobs_thread *thread)
{
    for (uint32_t w = 0; w < thread->jobs->workers; w++)
        if (ring_front(thread->in[w], 0) != NULL)
            return true;
    return atomic_load(&thread->jobs->stop) || atomic_load(&thread->fresh) != NULL;
}

static void rest(struct jobs_thread *thread)
{
    atomic_store(&thread->sleeping, 1);
    /* Our flag before their rings: they push, then look at the flag. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!anything(thread)) {
        uint64_t woken;
        ssize_t n = read(thread->wake, &woken, sizeof woken);
        (void)n;
    }
    atomic_store(&thread->sleeping, 0);
}

static void wait(struct jobs_thread *thread, uint32_t idle)
{
    if (idle <= SPINS_BEFORE_NAP)
        return;
    uint32_t us = nap_us(idle - SPINS_BEFORE_NAP - 1);
    if (us != 0)
        usleep(us);
    else
        rest(thread);
}

static void *work(void *arg)
{
    struct jobs_thread *thread = arg;
    char name[16];
    snprintf(name, sizeof name, "handshake%u", thread->index % 100u);
    pthread_setname_np(pthread_self(), name);
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), JOBS_NICE);
    prctl(PR_SET_TIMERSLACK, 1000ul); /* or a nap takes twice as long */
    uint32_t idle = 0;
    while (!atomic_load_explicit(&thread->jobs->stop, memory_order_relaxed)) {
        idle = serve(thread) != 0 ? 0 : idle + 1;
        wait(thread, idle);
    }
    return NULL;
}

enum wax_status jobs_start(struct jobs *jobs, const cpu_set_t *cores, struct tls_context *const *contexts)
{
    for (uint32_t t = 0; t < jobs->threads; t++) {
        struct jobs_thread *thread = &jobs->thread[t];
        thread->context = contexts != NULL ? contexts[t] : NULL;
        if (pthread_create(&thread->thread, NULL, work, thread) != 0)
            return WAX_NO_MEMORY;
        thread->started = true;
        pthread_setaffinity_np(thread->thread, sizeof *cores, cores);
    }
    return WAX_OK;
}

void jobs_kick(struct jobs *jobs, uint64_t threads)
{
    atomic_thread_fence(memory_order_seq_cst);
    for (; threads != 0; threads &= threads - 1) {
        struct jobs_thread *thread = &jobs->thread[__builtin_ctzll(threads)];
        if (atomic_load_explicit(&thread->sleeping, memory_order_relaxed) == 0 ||
            atomic_exchange(&thread->sleeping, 0) == 0)
            continue;
        uint64_t one = 1;
        ssize_t n = write(thread->wake, &one, sizeof one);
        (void)n;
    }
}

void jobs_switch(struct jobs *jobs, uint32_t thread, struct tls_context *fresh)
{
    context_discard(jobs, atomic_exchange(&jobs->thread[thread].fresh, fresh)); /* one that was never used */
    jobs_kick(jobs, UINT64_C(1) << thread);
}

void jobs_stop(struct jobs *jobs)
{
    atomic_store(&jobs->stop, true);
    for (uint32_t t = 0; t < jobs->threads; t++) {
        struct jobs_thread *thread = &jobs->thread[t];
        uint64_t one = 1;
        ssize_t n = write(thread->wake, &one, sizeof one);
        (void)n;
        if (thread->started)
            pthread_join(thread->thread, NULL);
        close(thread->wake);
        context_discard(jobs, thread->context);
        context_discard(jobs, atomic_exchange(&thread->fresh, NULL));
        thread->context = NULL;
    }
    free(jobs->memory);
    jobs->memory = NULL;
}
