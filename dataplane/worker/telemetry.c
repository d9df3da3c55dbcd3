/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/telemetry.h"

#include <stdlib.h>

#include <rte_errno.h>
#include <rte_pdump.h>
#include <rte_telemetry.h>

#include "worker/worker.h"

/* DPDK's callbacks are given no context. Set before the commands are known, and never again. */
static struct plane *asked;

static struct worker *worker_find(uint32_t index)
{
    uint32_t thread = asked->place.thread_of[index];
    for (uint32_t i = 0; i < asked->thread[thread].count; i++)
        if (asked->thread[thread].worker[i]->index == index)
            return asked->thread[thread].worker[i];
    return NULL;
}

/* The worker that a command's parameter names, or NULL; none before all of them poll. */
static const struct wax_metrics *metrics_find(const char *params)
{
    char *end = NULL;
    unsigned long index = params == NULL || params[0] == '\0' ? ULONG_MAX : strtoul(params, &end, 10);
    if (!atomic_load(&asked->go) || index >= asked->config.workers || *end != '\0')
        return NULL;
    const struct worker *worker = worker_find((uint32_t)index);
    return worker == NULL ? NULL : &worker->metrics;
}

static uint64_t counter(const uint64_t *at)
{
    return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static int tell_workers(const char *command, const char *params, struct rte_tel_data *data)
{
    (void)command;
    (void)params;
    rte_tel_data_start_array(data, RTE_TEL_INT_VAL);
    for (uint32_t i = 0; i < asked->config.workers; i++)
        rte_tel_data_add_array_int(data, (int)i);
    return 0;
}

static int tell_worker(const char *command, const char *params, struct rte_tel_data *data)
{
    const struct wax_metrics *metrics = metrics_find(params);
    (void)command;
    if (metrics == NULL)
        return -EINVAL;
    rte_tel_data_start_dict(data);
#define TELL(name, unit, help) rte_tel_data_add_dict_u64(data, #name, counter(&metrics->name));
    WAX_METRIC_LIST(TELL)
#undef TELL
    return 0;
}

static int tell_statuses(const char *command, const char *params, struct rte_tel_data *data)
{
    const struct wax_metrics *metrics = metrics_find(params);
    (void)command;
    if (metrics == NULL)
        return -EINVAL;
    rte_tel_data_start_dict(data);
    for (uint32_t i = 0; i < WAX_STATUS_COUNT; i++) {
        uint64_t count = counter(&metrics->status[i]);
        if (count != 0)
            rte_tel_data_add_dict_u64(data, wax_status_name((enum wax_status)i), count);
    }
    return 0;
}

static bool commands_register(struct plane *plane)
{
    asked = plane;
    return rte_telemetry_register_cmd("/waxwire/workers", tell_workers,
                                      "The numbers of the workers. Takes no parameter") == 0 &&
           rte_telemetry_register_cmd("/waxwire/worker", tell_worker,
                                      "The metrics of a worker. Parameter: its number") == 0 &&
           rte_telemetry_register_cmd("/waxwire/statuses", tell_statuses,
                                      "What happened in a worker, how often. Parameter: its number") == 0;
}

bool telemetry_start(struct plane *plane)
{
    if (plane->config.telemetry && !commands_register(plane)) {
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "telemetry", "the commands cannot be registered");
        return false;
    }
    if (!plane->config.capture)
        return true;
    if (rte_pdump_init() != 0) {
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "telemetry", "packet capture cannot be offered",
                    J_T("reason", rte_strerror(rte_errno)));
        return false;
    }
    plane->capture = true;
    return true;
}

void telemetry_stop(struct plane *plane)
{
    if (plane->capture)
        rte_pdump_uninit();
    plane->capture = false;
}
