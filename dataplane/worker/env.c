/* SPDX-License-Identifier: BSD-3-Clause */
/* What a stack gets from its worker: packet buffers, jobs, rings, the channel, randomness. */
#include <sodium.h>

#include "waxwire/channel_media.h"
#include "worker/worker.h"

static bool env_packet_alloc(void *ctx, uint16_t port, struct packet *packet)
{
    struct worker *worker = ctx;
    struct rte_mbuf *mbuf = rte_pktmbuf_alloc(worker->transmit[port].pool);
    if (mbuf == NULL)
        return false;
    *packet = (struct packet){.data = rte_pktmbuf_mtod(mbuf, uint8_t *),
                              .len = rte_pktmbuf_tailroom(mbuf),
                              .port = port,
                              .owner = mbuf};
    return true;
}

static void env_packet_send(void *ctx, const struct packet *packet)
{
    struct rte_mbuf *mbuf = packet->owner;
    mbuf->data_off = (uint16_t)(packet->data - (uint8_t *)mbuf->buf_addr);
    mbuf->data_len = (uint16_t)packet->len;
    mbuf->pkt_len = packet->len;
    if (packet->checksum) {
        mbuf->l2_len = packet->l2_len & 0x7fu; /* fields of 7 and 9 bits */
        mbuf->l3_len = packet->l3_len;
        mbuf->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM |
                          (packet->l3_len == IP4_HEADER_BYTES ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
    }
    worker_transmit(ctx, packet->port, mbuf, packet->expendable);
}

static bool env_job_submit(void *ctx, struct job *job)
{
    struct worker *worker = ctx;
    job->worker = worker->index;
    if (!jobs_submit(&worker->plane->jobs, worker->index, job->thread, job))
        return false;
    worker->jobs_submitted |= UINT64_C(1) << job->thread;
    worker->jobs_out++;
    return true;
}

/*
 * An item has just been written, field by field: reading it in larger pieces than that would wait until all
 * of it has reached the cache, some 20 ns, so it is copied in small ones, which the compiler must not join.
 */
static void item_put(struct item *slot, const struct item *item, uint8_t from, uint32_t consumed)
{
    enum { HEAD = offsetof(struct item, u), PIECE = sizeof(uint32_t) };
    const uint8_t *in = (const uint8_t *)item;
    uint8_t *out = (uint8_t *)slot;
    slot->kind = item->kind;
    slot->from = from;
    slot->flags = item->flags;
    slot->reserved = 0;
    slot->consumed = consumed;
    for (uint32_t at = HEAD; at < sizeof *item; at += PIECE) {
        uint32_t piece;
        memcpy(&piece, in + at, PIECE);
        __asm__("" : "+r"(piece));
        memcpy(out + at, &piece, PIECE);
    }
}

static bool env_send(void *ctx, uint32_t to, const struct item *item)
{
    struct worker *worker = ctx;
    struct mesh_peer *peer = &worker->peers[to];
    if (!mesh_has_credit(peer, WAX_MESH_SEND_SLOTS))
        return false;
    struct item *slot = mesh_slot(&worker->mesh, to, MESH_SENDS);
    if (slot == NULL)
        return false;
    item_put(slot, item, (uint8_t)worker->index, 0);
    peer->sent++;
    return true;
}

static bool env_give(void *ctx, uint32_t to, const struct item *item)
{
    struct worker *worker = ctx;
    struct item *slot = mesh_slot(&worker->mesh, to, MESH_RETURNS);
    if (slot == NULL)
        return false;
    item_put(slot, item, (uint8_t)worker->index, (uint32_t)worker->peers[to].taken);
    mesh_tell(&worker->peers[to]);
    return true;
}

static struct channel_record *env_control_reserve(void *ctx, uint32_t bytes)
{
    struct worker *worker = ctx;
    return worker->to_control == NULL ? NULL : channel_reserve(worker->to_control, bytes);
}

static uint64_t env_media_room(void *ctx)
{
    struct worker *worker = ctx;
    return worker->to_control == NULL ? 0 : channel_ring_room(worker->to_control, WAX_MEDIA_RING_BYTES);
}

static void env_control_publish(void *ctx)
{
    struct worker *worker = ctx;
    if (worker->to_control == NULL)
        return;
    channel_publish(worker->to_control);
    worker->published = true;
}

/* Out of a small store, so that a nonce does not cost a system call; what was given is wiped. */
static void env_random(void *ctx, struct span out)
{
    struct worker *worker = ctx;
    if (out.len > RANDOM_BYTES) {
        randombytes_buf(out.data, out.len);
        return;
    }
    if (out.len > worker->random_left) {
        randombytes_buf(worker->random, RANDOM_BYTES);
        worker->random_left = RANDOM_BYTES;
    }
    uint8_t *from = worker->random + RANDOM_BYTES - worker->random_left;
    memcpy(out.data, from, out.len);
    sodium_memzero(from, out.len);
    worker->random_left -= (uint32_t)out.len;
}

void worker_env(struct worker *worker, struct stack_env *env)
{
    *env = (struct stack_env){.ctx = worker,
                              .packet_alloc = env_packet_alloc,
                              .packet_send = env_packet_send,
                              .job_submit = env_job_submit,
                              .relay = {.ctx = worker,
                                        .self = worker->index,
                                        .workers = worker->plane->config.workers,
                                        .peers = worker->peers,
                                        .send = env_send,
                                        .give = env_give,
                                        .control_reserve = env_control_reserve,
                                        .control_publish = env_control_publish},
                              .media_room = env_media_room,
                              .random = env_random};
}
