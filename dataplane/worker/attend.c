/* SPDX-License-Identifier: BSD-3-Clause */
/* A worker notices that the channel to the control plane has come or gone. */
#include "worker/worker.h"

/* Count on another page; what was counted goes along. */
static void metrics_move(struct worker *worker, struct wax_metrics *page)
{
    if (page == worker->metrics)
        return;
    *page = *worker->metrics;
    worker->metrics = page;
    stack_set_metrics(worker->stack, page);
}

bool worker_attend(struct worker *worker)
{
    struct channel_link *link = &worker->plane->link;
    struct attachment *now = NULL;
    if (!channel_changed(link, &worker->change, &now))
        return false;
    if (worker->attachment != NULL && now != worker->attachment) {
        metrics_move(worker, &worker->own_metrics);
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
        metrics_move(worker, &mine->metrics);
        stack_control_up(worker->stack, now->epoch, now->relay_id);
    }
    channel_settled(link, worker->index, worker->change);
    return true;
}
