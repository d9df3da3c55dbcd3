/* SPDX-License-Identifier: BSD-3-Clause */
/* A mesh and one thread for each of its workers. */
#ifndef RACE_CREW_H
#define RACE_CREW_H

#include <pthread.h>
#include <stdlib.h>

#include "worker/mesh.h"

/*
 * Makes `mesh` of `workers` (at most WAX_WORKERS_MAX) with rings of those shapes, runs `work` in a thread for
 * each with a pointer to its number (uint32_t), and waits for all. Returns false when there was no memory or
 * no thread: the process ends then, for some of them may be running.
 */
static inline bool crew_run(struct mesh *mesh, uint32_t workers,
                            const struct mesh_lane_shape shape[MESH_LANES], void *(*work)(void *))
{
    void *memory[WAX_WORKERS_MAX];
    pthread_t thread[WAX_WORKERS_MAX];
    static uint32_t self[WAX_WORKERS_MAX];
    mesh_init(mesh, workers, shape);
    for (uint32_t to = 0; to < workers; to++) {
        memory[to] = calloc(1, mesh_bytes(mesh));
        if (memory[to] == NULL || mesh_add(mesh, to, span_of(memory[to], mesh_bytes(mesh))) != WAX_OK)
            return false;
    }
    for (uint32_t i = 0; i < workers; i++) {
        self[i] = i;
        if (pthread_create(&thread[i], NULL, work, &self[i]) != 0)
            return false;
    }
    for (uint32_t i = 0; i < workers; i++)
        pthread_join(thread[i], NULL);
    for (uint32_t i = 0; i < workers; i++)
        free(memory[i]);
    return true;
}

#endif
