/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/place.h"

#include <pthread.h>
#include <string.h>

/* The cores to use, in order, into `cores`; returns how many. */
static uint32_t cores_choose(const struct wax_config *config, const cpu_set_t *all, uint16_t *cores)
{
    uint32_t count = 0;
    if (config->core_count != 0) {
        for (; count < config->core_count && count < WAX_WORKERS_MAX; count++)
            cores[count] = config->cores[count];
        return count;
    }
    uint16_t descending[WAX_WORKERS_MAX];
    for (size_t core = CPU_SETSIZE; core-- > 0 && count < config->workers;)
        if (CPU_ISSET(core, all))
            descending[count++] = (uint16_t)core;
    for (uint32_t i = 0; i < count; i++)
        cores[i] = descending[count - 1 - i];
    return count;
}

enum wax_status place_workers(struct place *place, const struct wax_config *config, const cpu_set_t *all,
                              uint16_t *bad_core)
{
    uint16_t cores[WAX_WORKERS_MAX];
    memset(place, 0, sizeof *place);
    place->all = *all;
    place->others = *all;
    uint32_t count = cores_choose(config, all, cores);
    if (count == 0)
        return WAX_BAD_ARGUMENT;
    for (uint32_t w = 0; w < config->workers; w++) {
        uint16_t core = cores[w % count];
        if (core >= CPU_SETSIZE || !CPU_ISSET(core, all)) {
            *bad_core = core;
            return WAX_BAD_ARGUMENT;
        }
        uint32_t thread = 0;
        while (thread < place->threads && place->core[thread] != core)
            thread++;
        if (thread == place->threads)
            place->core[place->threads++] = core;
        place->thread_of[w] = (uint16_t)thread;
        CPU_CLR(core, &place->others);
    }
    if (CPU_COUNT(&place->others) == 0)
        place->others = *all;
    return WAX_OK;
}

int place_thread(uint16_t core)
{
    cpu_set_t set;
    unsigned cpu, node;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    return getcpu(&cpu, &node) == 0 ? (int)node : 0;
}
