/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker notices that the channel to the control plane has come or gone, and shows its counters there. */
#include <sys/resource.h>

#include "worker/worker.h"

/* How often the kernel has taken the core: what no counter of ours can see, and every latency feels. */
static void preemptions_read(struct worker *worker)
{
    struct rusage used;
    if (getrusage(RUSAGE_THREAD, &used) == 0)
        worker->metrics.preemptions = (uint64_t)used.ru_nivcsw;
}

/* Show the counters to the control plane: a copy, so that layers keep pointers to the original. */
static void metrics_show(struct worker *worker)
{
    if (worker->now_us - worker->preemptions_us >= PREEMPTIONS_US) {
        worker->preemptions_us = worker->now_us;
        preemptions_read(worker);
    }
    worker->metrics_us = worker->now_us;
    worker->attachment->memory->worker[worker->index].metrics = worker->metrics;
}

static void tokens_attend(struct worker *worker)
{
    struct token_set set;
    if (!tokens_look(&worker->plane->tokens, &worker->tokens, &set))
        return;
    stack_tokens(worker->stack, &set);
    explicit_bzero(&set, sizeof set);
}

bool worker_attend(struct worker *worker)
{
    tokens_attend(worker);
    struct channel_link *link = &worker->plane->link;
    struct attachment *now = NULL;
    if (!channel_changed(link, &worker->change, &now)) {
        if (worker->attachment != NULL && worker->now_us - worker->metrics_us >= METRICS_US)
            metrics_show(worker);
        return false;
    }
    if (worker->attachment != NULL && now != worker->attachment) {
        worker->attachment = NULL;
        worker->to_control = NULL;
        worker->from_control = NULL;
        stack_control_down(worker->stack);
    }
    if (now != NULL && now != worker->attachment) {
        struct channel_worker *mine = &now->memory->worker[worker->index];
        worker->attachment = now;
        worker->to_control = &mine->to_control;
        worker->from_control = &mine->to_worker;
        metrics_show(worker);
        stack_control_up(worker->stack, now->epoch, now->relay_id);
    }
    channel_settled(link, worker->index, worker->change);
    return true;
}
