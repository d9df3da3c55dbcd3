/* SPDX-License-Identifier: BSD-3-Clause */
/* Making a worker. */
#include "worker/worker.h"

#include <rte_cycles.h>
#include <sodium.h>

#include "worker/eal.h"

static void queues_take(struct worker *worker)
{
    struct plane *plane = worker->plane;
    uint32_t workers = plane->config.workers;
    for (uint16_t p = 0; p < plane->ports; p++) {
        const struct port *port = &plane->port[p];
        struct transmit_queue *out = &worker->transmit[p];
        for (uint32_t q = worker->index; q < port->queue_count; q += workers) {
            assert(worker->receive_count < sizeof worker->receive / sizeof worker->receive[0]);
            worker->receive[worker->receive_count++] =
                (struct receive_queue){.device = port->queue[q].device,
                                       .queue = port->queue[q].queue,
                                       .port = p,
                                       .vlan = port->tagged ? port->config->vlan : 0,
                                       .steer = port->steer && workers > 1};
        }
        uint16_t q = (uint16_t)(worker->index % port->queue_count);
        out->device = port->queue[q].device;
        out->queue = port->queue[q].queue;
        out->pool = port->queue[q].pool;
        out->owner = q;
        out->vlan = port->tagged ? port->config->vlan : 0;
        out->cuts4 = port->cuts4;
        out->cuts6 = port->cuts6;
    }
}

static bool stack_make(struct worker *worker, enum wax_status *status)
{
    struct plane *plane = worker->plane;
    struct stack_config config = {.config = &plane->config,
                                  .now_us = clock_us(&plane->clock, rte_rdtsc()),
                                  .worker = worker->index,
                                  .workers = (uint16_t)plane->config.workers,
                                  .port_count = (uint16_t)plane->ports,
                                  .handshake_threads = (uint16_t)plane->config.handshake_threads,
                                  .metrics = &worker->metrics};
    struct stack_env env;
    memcpy(config.route_key, plane->route_key, sizeof config.route_key);
    randombytes_buf(config.flow_key, sizeof config.flow_key);
    config.checksum_offload = true;
    for (uint32_t p = 0; p < plane->ports; p++) {
        config.checksum_offload &= plane->port[p].checksums;
        port_net_config(&plane->port[p], &config.net[p]);
        randombytes_buf(config.net[p].key, sizeof config.net[p].key);
    }
    worker_env(worker, &env);
    size_t bytes = stack_bytes(&config);
    void *memory = eal_memory(bytes, plane->hugepages, worker->node);
    *status =
        memory == NULL ? WAX_NO_MEMORY : stack_init(&worker->stack, span_of(memory, bytes), &config, &env);
    journal_say(&plane->journal, *status == WAX_OK ? CONFIG_LEVEL_DEBUG : CONFIG_LEVEL_ERROR, "worker",
                *status == WAX_OK ? "stack made" : "no stack for a worker", J_U("worker", worker->index),
                J_I("node", worker->node), J_U("mib", bytes >> 20),
                J_U("session_bytes", worker->metrics.session_bytes), J_T("status", wax_status_text(*status)));
    return *status == WAX_OK;
}

struct worker *worker_make(struct plane *plane, uint16_t index, int node)
{
    size_t rings = mesh_bytes(&plane->mesh);
    struct worker *worker = eal_memory(sizeof *worker, plane->hugepages, node);
    void *memory = eal_memory(rings, plane->hugepages, node);
    if (worker == NULL || memory == NULL || mesh_add(&plane->mesh, index, span_of(memory, rings)) != WAX_OK) {
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "worker", "no memory for a worker's rings",
                    J_U("worker", index), J_U("mib", rings >> 20));
        return NULL;
    }
    worker->plane = plane;
    worker->index = index;
    worker->thread = plane->place.thread_of[index];
    worker->node = node;
    worker->metrics.cycles_per_s = plane->clock.cycles_per_s;
    mesh_end_init(&worker->mesh, &plane->mesh, index);
    queues_take(worker);
    enum wax_status status;
    return stack_make(worker, &status) ? worker : NULL;
}
