/* SPDX-License-Identifier: BSD-3-Clause */
/* Bringing the data plane up, in order, and down again. */
#include <sodium.h>
#include <stdio.h>
#include <sys/resource.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>

#include "worker/certificates.h"
#include "worker/eal.h"
#include "worker/telemetry.h"
#include "worker/worker.h"

static void link_event(void *ctx, enum channel_event event, uint64_t epoch, enum wax_status status)
{
    struct journal *journal = &((struct plane *)ctx)->journal;
    switch (event) {
    case CHANNEL_EVENT_UP:
        journal_say(journal, CONFIG_LEVEL_INFO, "channel", "attached to the control plane",
                    J_U("epoch", epoch));
        return;
    case CHANNEL_EVENT_DOWN:
        journal_say(journal, CONFIG_LEVEL_WARN, "channel",
                    "the control plane is away; what needs it waits until it is back", J_U("epoch", epoch));
        return;
    case CHANNEL_EVENT_REFUSED:
        journal_say(journal, CONFIG_LEVEL_ERROR, "channel",
                    status == WAX_STORE_LOCKED ? "another data plane is attached to this control plane"
                                               : "the control plane is of another version",
                    J_T("status", wax_status_name(status)));
        return;
    }
}

static bool place(struct plane *plane)
{
    cpu_set_t all;
    uint16_t bad = 0;
    if (pthread_getaffinity_np(pthread_self(), sizeof all, &all) != 0)
        return false;
    if (place_workers(&plane->place, &plane->config, &all, &bad) != WAX_OK) {
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "worker",
                    "a core of the configuration is not ours to use", J_U("core", bad));
        return false;
    }
    for (uint32_t w = 0; w < plane->config.workers; w++)
        plane->node[w] = place_thread(plane->place.core[plane->place.thread_of[w]]);
    pthread_setaffinity_np(pthread_self(), sizeof all, &all);
    return true;
}

static bool link_start(struct plane *plane)
{
    enum wax_status status = channel_start(&plane->link, plane->config.control_socket, plane->config.workers,
                                           link_event, certificates_order, plane);
    plane->linked = status == WAX_OK;
    if (status != WAX_OK)
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "channel", "the channel cannot be made",
                    J_T("socket", plane->config.control_socket), J_T("status", wax_status_text(status)));
    else if (atomic_load(&plane->link.current) == NULL && channel_refused(&plane->link) == WAX_OK)
        journal_say(&plane->journal, CONFIG_LEVEL_WARN, "channel", "no control plane yet, trying on",
                    J_T("socket", plane->config.control_socket));
    return status == WAX_OK && channel_refused(&plane->link) == WAX_OK;
}

static bool ports_open(struct plane *plane)
{
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &unlimited); /* for AF_XDP on older kernels; as far as we may */
    for (uint16_t i = 0; i < plane->config.port_count; i++) {
        struct port *port = &plane->port[i];
        struct port_error error;
        plane->ports = i + 1u; /* a half-open one is closed too */
        if (!port_open(port, i, &plane->config.port[i], plane->config.workers, plane->node, &error)) {
            journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "port", "a port cannot be opened",
                        J_T("reason", error.text));
            return false;
        }
        char mac[18];
        snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", port->mac[0], port->mac[1], port->mac[2],
                 port->mac[3], port->mac[4], port->mac[5]);
        journal_say(&plane->journal, CONFIG_LEVEL_INFO, "port", "port open", J_U("port", i),
                    J_T("kind", port_kind_text(port->config->kind)), J_T("device", port->config->device),
                    J_T("mac", mac), J_U("mtu", port->mtu), J_U("queues", port->queue_count),
                    J_U("vlan", port->config->vlan), J_T("tags", port->tagged ? "port" : "own"),
                    J_T("checksums", port->checksums ? "port" : "own"),
                    J_T("segmentation", port->cuts6   ? "port"
                                        : port->cuts4 ? "port, of IPv4"
                                                      : "own"),
                    J_T("link", port_link(port) ? "up" : "down"));
    }
    return true;
}

/* A packet that is handed from worker to worker takes along when it was polled. */
static bool stamps_make(struct plane *plane)
{
    const struct rte_mbuf_dynfield field = {
        .name = "waxwire_polled", .size = sizeof(uint64_t), .align = _Alignof(uint64_t)};
    int at = rte_mbuf_dynfield_register(&field);
    if (at < 0)
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "port", "packets have no room for a stamp");
    plane->note_at = (size_t)at;
    return at >= 0;
}

static bool mesh_make(struct plane *plane)
{
    bool steer = false;
    for (uint32_t i = 0; i < plane->ports; i++)
        steer |= plane->config.workers > 1;
    uint32_t packets = steer ? PACKETS_SLOTS : 0;
    const struct mesh_lane_shape shape[MESH_LANES] = {
        [MESH_RETURNS] = {WAX_MESH_RETURN_SLOTS, sizeof(struct item)},
        [MESH_SENDS] = {WAX_MESH_SEND_SLOTS, sizeof(struct item)},
        [MESH_PACKETS] = {packets, sizeof(struct rte_mbuf *)},
        [MESH_FRAMES] = {packets, sizeof(struct rte_mbuf *)},
    };
    mesh_init(&plane->mesh, plane->config.workers, shape);
    return true;
}

/* A ring takes every job that a worker has: of all handshakes, and as many signature checks. */
static uint32_t job_slots(const struct wax_config *config)
{
    uint32_t slots = 64;
    while (slots < 2 * config->handshakes_max && slots < (1u << 17))
        slots *= 2;
    return slots;
}

static bool jobs_make(struct plane *plane)
{
    struct tls_context *contexts[WAX_HANDSHAKE_THREADS_MAX] = {NULL};
    if (!certificates_start(plane, contexts))
        return false;
    enum wax_status status = jobs_init(&plane->jobs, plane->config.workers, plane->config.handshake_threads,
                                       job_slots(&plane->config), job_run, tls_context_free);
    plane->jobs_made = true;
    if (status == WAX_OK)
        status = jobs_start(&plane->jobs, &plane->place.others, contexts);
    atomic_store(&plane->jobs_running, status == WAX_OK);
    if (status != WAX_OK)
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "jobs", "the handshake threads cannot be started",
                    J_T("status", wax_status_text(status)));
    return status == WAX_OK;
}

bool plane_start(struct plane *plane)
{
    uint8_t steer_key[RSS_KEY_BYTES];
    randombytes_buf(plane->route_key, sizeof plane->route_key);
    randombytes_buf(steer_key, sizeof steer_key);
    steer_init(&plane->steer, steer_key, (uint16_t)plane->config.workers);
    if (!place(plane) || !eal_start(&plane->config, &plane->place, &plane->journal, &plane->hugepages))
        return false;
    plane->eal = true;
    tokens_init(&plane->tokens, (uint64_t)plane->config.token_s * 1000u);
    if (!tickets_start(plane))
        return false;
    clock_init(&plane->clock, rte_rdtsc(), rte_get_tsc_hz());
    plane->turn_long_cycles = plane->clock.cycles_per_s / 1000000u * TURN_LONG_US;
    /* The channel before the ports: where another data plane is attached, its ports must be left alone. */
    return link_start(plane) && stamps_make(plane) && ports_open(plane) && mesh_make(plane) &&
           jobs_make(plane) && telemetry_start(plane) && threads_start(plane);
}

void plane_stop(struct plane *plane)
{
    threads_stop(plane);
    if (plane->linked)
        channel_stop(&plane->link);
    if (plane->jobs_made)
        jobs_stop(&plane->jobs);
    tls_tickets_free(plane->tickets);
    tokens_end(&plane->tokens);
    telemetry_stop(plane);
    for (uint32_t i = 0; i < plane->ports; i++)
        port_close(&plane->port[i]);
    if (plane->eal)
        eal_stop();
}
