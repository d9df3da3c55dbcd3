/* SPDX-License-Identifier: BSD-3-Clause */
/* The threads that run the workers' turns, and their idle policy. */
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_pause.h>

#include "waxwire/confine.h"
#include "worker/eal.h"
#include "worker/worker.h"

static bool workers_make(struct worker_thread *thread)
{
    struct plane *plane = thread->plane;
    int node = place_thread(plane->place.core[thread->index]);
    for (uint16_t w = 0; w < plane->config.workers; w++) {
        if (plane->place.thread_of[w] != thread->index)
            continue;
        struct worker *worker = worker_make(plane, w, node);
        if (worker == NULL)
            return false;
        thread->worker[thread->count++] = worker;
    }
    return true;
}

/* Nothing to do for a while: lend the core to others. The sleep counts as idle. */
static void rest(struct worker_thread *thread)
{
    uint64_t began = rte_rdtsc();
    usleep(SLEEP_US);
    uint64_t slept = rte_rdtsc() - began;
    for (uint32_t i = 0; i < thread->count; i++)
        thread->worker[i]->metrics.idle_cycles += slept;
}

static void drain(struct worker_thread *thread)
{
    for (uint32_t i = 0; i < thread->count; i++) {
        struct worker *worker = thread->worker[i];
        if (!worker->drained && stack_drain(worker->stack)) {
            worker->drained = true;
            atomic_fetch_add(&thread->plane->drained, 1);
        }
    }
}

static void poll_loop(struct worker_thread *thread)
{
    struct plane *plane = thread->plane;
    bool balanced = plane->config.idle == CONFIG_IDLE_BALANCED;
    uint32_t empty = 0;
    while (!atomic_load_explicit(&plane->end, memory_order_relaxed)) {
        bool busy = false;
        if (atomic_load_explicit(&plane->stop, memory_order_relaxed))
            drain(thread);
        for (uint32_t i = 0; i < thread->count; i++)
            busy |= worker_turn(thread->worker[i]);
        empty = busy ? 0 : empty + 1;
        if (!busy)
            rte_pause();
        if (balanced && empty > EMPTY_POLLS)
            rest(thread);
    }
}

static int thread_main(void *arg)
{
    struct worker_thread *thread = arg;
    struct plane *plane = thread->plane;
    char name[16];
    snprintf(name, sizeof name, "worker%u", thread->index % 100u);
    pthread_setname_np(pthread_self(), name);
    prctl(PR_SET_TIMERSLACK, 1000ul); /* or a sleep of 50 µs takes 100 */
    bool made = workers_make(thread);
    if (plane->config.confine)
        (void)confine_capabilities();
    atomic_store(&thread->state, made ? THREAD_READY : THREAD_FAILED);
    while (made && !atomic_load(&plane->go) && !atomic_load(&plane->end))
        usleep(1000);
    if (made)
        poll_loop(thread);
    return 0;
}

bool threads_start(struct plane *plane)
{
    bool good = true;
    for (uint32_t i = 0; i < plane->place.threads; i++) {
        struct worker_thread *thread = &plane->thread[i];
        thread->plane = plane;
        thread->index = i;
        if (rte_eal_remote_launch(thread_main, thread, eal_lcore(i)) != 0)
            return false;
        thread->started = true;
    }
    for (uint32_t i = 0; i < plane->place.threads; i++) {
        while (atomic_load(&plane->thread[i].state) == THREAD_STARTING)
            usleep(1000);
        good &= atomic_load(&plane->thread[i].state) == THREAD_READY;
    }
    atomic_store(&plane->go, good);
    return good;
}

void threads_stop(struct plane *plane)
{
    atomic_store(&plane->stop, true);
    for (uint32_t ms = 0; atomic_load(&plane->go) && ms < DRAIN_MS; ms += 10) {
        if (atomic_load(&plane->drained) == plane->config.workers)
            break;
        usleep(10000);
    }
    atomic_store(&plane->end, true);
    for (uint32_t i = 0; i < plane->place.threads; i++) {
        if (plane->thread[i].started)
            rte_eal_wait_lcore(eal_lcore(i));
        plane->thread[i].started = false;
    }
}
