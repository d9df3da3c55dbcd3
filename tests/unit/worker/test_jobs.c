/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <unistd.h>

#include "waxwire/nap.h"
#include "worker/jobs.h"

/* The pool never looks into a job, so a test may have jobs of its own. */
struct job {
    uint64_t number;
    struct tls_context *context;
};

static void run(struct job *job, struct tls_context *context)
{
    job->number *= 2;
    job->context = context;
}

static cpu_set_t every_core(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    for (size_t i = 0; i < 64; i++)
        CPU_SET(i, &set);
    return set;
}

enum { COUNT = 500 };

static struct jobs jobs;
static struct job job[2][COUNT];
static struct tls_context *contexts[2];
static uint32_t given[2], taken[2];

/* A worker's turn: give what finds room, take what is done; `thread` serves it. */
static void turn(uint32_t w, uint32_t thread)
{
    uint64_t kick = 0;
    while (given[w] < COUNT) {
        job[w][given[w]].number = given[w];
        if (!jobs_submit(&jobs, w, thread, &job[w][given[w]]))
            break;
        given[w]++;
        kick |= UINT64_C(1) << thread;
    }
    jobs_kick(&jobs, kick);
    struct job *back[8];
    uint32_t n = jobs_take(&jobs, w, thread, back, 8);
    for (uint32_t i = 0; i < n; i++, taken[w]++) {
        cr_assert_eq(back[i], &job[w][taken[w]]);
        cr_assert_eq(back[i]->number, 2 * taken[w]);
        cr_assert_eq(back[i]->context, contexts[thread], "each thread has a context of its own");
    }
    if (n == 0)
        usleep(20);
}

Test(jobs, jobs_come_back_in_order_to_the_worker_that_gave_them)
{
    static char place[2];
    contexts[0] = (struct tls_context *)(void *)&place[0];
    contexts[1] = (struct tls_context *)(void *)&place[1];
    cpu_set_t cores = every_core();
    cr_assert_eq(jobs_init(&jobs, 2, 2, 16, run, NULL), WAX_OK);
    cr_assert_eq(jobs_start(&jobs, &cores, contexts), WAX_OK);
    for (uint32_t turns = 0; taken[0] + taken[1] < 2 * COUNT && turns < 200000; turns++) {
        turn(0, 1);
        turn(1, 0);
    }
    cr_assert_eq(taken[0], COUNT);
    cr_assert_eq(taken[1], COUNT);
    struct job *none;
    cr_assert_eq(jobs_take(&jobs, 0, 0, &none, 1), 0);
    jobs_stop(&jobs);
}

static _Atomic uint32_t discarded;
static struct tls_context *discarded_last;

static void discard(struct tls_context *context)
{
    discarded_last = context;
    atomic_fetch_add(&discarded, 1);
}

static struct tls_context *context_used(void)
{
    struct job one = {.number = 1}, *back = NULL;
    cr_assert(jobs_submit(&jobs, 0, 0, &one));
    jobs_kick(&jobs, 1);
    for (uint32_t ms = 0; back == NULL && ms < 2000; ms++) {
        jobs_take(&jobs, 0, 0, &back, 1);
        usleep(1000);
    }
    cr_assert_eq(back, &one);
    return one.context;
}

Test(jobs, a_context_is_switched_between_jobs_and_the_old_one_given_back)
{
    static char place[3];
    struct tls_context *c[3];
    cpu_set_t cores = every_core();
    for (unsigned i = 0; i < 3; i++)
        c[i] = (struct tls_context *)(void *)&place[i];
    cr_assert_eq(jobs_init(&jobs, 1, 1, 4, run, discard), WAX_OK);
    cr_assert_eq(jobs_start(&jobs, &cores, c), WAX_OK);
    cr_assert_eq(context_used(), c[0]);
    jobs_switch(&jobs, 0, c[1]);
    cr_assert_eq(context_used(), c[1]);
    cr_assert_eq(atomic_load(&discarded), 1);
    cr_assert_eq(discarded_last, c[0]);
    /* a sleeping thread takes it too: the old keys do not wait for the next client */
    jobs_switch(&jobs, 0, c[2]);
    for (uint32_t ms = 0; atomic_load(&discarded) < 2 && ms < 2000; ms++)
        usleep(1000);
    cr_assert_eq(atomic_load(&discarded), 2);
    jobs_stop(&jobs);
    cr_assert_eq(atomic_load(&discarded), 3, "the last goes with the threads");
    cr_assert_eq(discarded_last, c[2]);
}

Test(jobs, a_full_ring_refuses)
{
    cr_assert_eq(jobs_init(&jobs, 1, 1, 2, run, NULL), WAX_OK);
    cr_assert(jobs_submit(&jobs, 0, 0, &job[0][0]));
    cr_assert(jobs_submit(&jobs, 0, 0, &job[0][1]));
    cr_assert_not(jobs_submit(&jobs, 0, 0, &job[0][2]));
    jobs_stop(&jobs);
}

Test(jobs, numbers_out_of_range_are_refused)
{
    cr_assert_eq(jobs_init(&jobs, 0, 1, 2, run, NULL), WAX_BAD_ARGUMENT);
    cr_assert_eq(jobs_init(&jobs, 1, 0, 2, run, NULL), WAX_BAD_ARGUMENT);
    cr_assert_eq(jobs_init(&jobs, 1, WAX_HANDSHAKE_THREADS_MAX + 1, 2, run, NULL), WAX_BAD_ARGUMENT);
}

Test(jobs, a_sleeping_thread_is_woken_by_the_kick)
{
    cpu_set_t cores = every_core();
    cr_assert_eq(jobs_init(&jobs, 1, 1, 4, run, NULL), WAX_OK);
    cr_assert_eq(jobs_start(&jobs, &cores, NULL), WAX_OK);
    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t ms = 0; atomic_load(&jobs.thread[0].sleeping) == 0 && ms < 2000; ms++)
            usleep(1000);
        cr_assert_eq(atomic_load(&jobs.thread[0].sleeping), 1);
        struct job one = {.number = 21}, *back = NULL;
        cr_assert(jobs_submit(&jobs, 0, 0, &one));
        jobs_kick(&jobs, 1);
        for (uint32_t ms = 0; back == NULL && ms < 2000; ms++) {
            jobs_take(&jobs, 0, 0, &back, 1);
            usleep(1000);
        }
        cr_assert_eq(back, &one);
        cr_assert_eq(one.number, 42);
    }
    jobs_stop(&jobs);
}

Test(jobs, naps_grow_and_end_in_sleep_after_some_20_ms)
{
    uint32_t naps = 0, slept_us = 0, longest_us = 0;
    for (uint32_t us; (us = nap_us(naps)) != 0; naps++) {
        cr_assert_geq(us, longest_us);
        longest_us = us;
        slept_us += us;
        cr_assert_leq(naps, 40);
    }
    cr_assert_eq(nap_us(0), 50);
    cr_assert_eq(longest_us, 800);
    cr_assert(slept_us >= 15000 && slept_us <= 25000, "%u", slept_us);
}
