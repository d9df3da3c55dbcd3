/* SPDX-License-Identifier: BSD-3-Clause */
/* The poll loop: one turn of one worker. */
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "worker/worker.h"

/* Bring near what the items of a ring from the n-th on will touch, a burst of them. */
static void fetch_ahead(struct worker *worker, struct ring *ring, uint32_t n)
{
    const struct item *items[ITEMS_AHEAD];
    uint32_t count = 0;
    while (count < ITEMS_AHEAD && (items[count] = ring_front(ring, n + count)) != NULL)
        count++;
    if (count > 1)
        stack_prefetch(worker->stack, items, count);
}

/* Returns of all workers first: they free memory and credits, and are never refused. */
static bool receive_returns(struct worker *worker)
{
    bool any = false;
    for (uint64_t left = mesh_listen(&worker->mesh); left != 0; left &= left - 1) {
        uint32_t from = (uint32_t)__builtin_ctzll(left), n = 0;
        struct ring *ring = mesh_ring(&worker->mesh, from, MESH_RETURNS);
        const struct item *item;
        while (n < WAX_MESH_RETURN_SLOTS && (item = ring_front(ring, n)) != NULL) {
            if (n % ITEMS_AHEAD == 0)
                fetch_ahead(worker, ring, n);
            mesh_note_consumed(&worker->peers[from], item->consumed);
            if (item->kind != ITEM_CREDIT)
                stack_return(worker->stack, from, item);
            n++;
        }
        ring_release(ring, n);
        any |= n != 0;
    }
    return any;
}

/* Those that were noted before all returns were taken. */
static bool receive_sends(struct worker *worker)
{
    bool any = false;
    for (uint64_t left = worker->mesh.noted; left != 0; left &= left - 1) {
        uint32_t from = (uint32_t)__builtin_ctzll(left), n = 0;
        struct ring *ring = mesh_ring(&worker->mesh, from, MESH_SENDS);
        uint32_t most = worker->mesh.sends[from];
        most = most < SENDS_TURN ? most : SENDS_TURN;
        while (n < most) {
            const struct item *item = ring_front(ring, n);
            if (n % ITEMS_AHEAD == 0)
                fetch_ahead(worker, ring, n);
            if (!stack_send(worker->stack, from, item))
                break; /* it keeps its slot, and so its credit */
            worker->peers[from].taken++;
            n++;
        }
        ring_release(ring, n);
        if (n != 0)
            worker->owed |= UINT64_C(1) << from;
        any |= n != 0;
    }
    return any;
}

static bool receive_records(struct worker *worker)
{
    uint32_t n = 0, bytes = 0;
    if (worker->from_control == NULL)
        return false;
    for (; n < RECORDS_TURN && bytes < RECORD_BYTES_TURN; n++) {
        enum wax_status status;
        const struct channel_record *record = channel_peek(worker->from_control, &status);
        if (record == NULL) {
            if (status != WAX_OK) {
                metrics_count(&worker->metrics, status);
                channel_break(&worker->plane->link, worker->attachment);
                worker->from_control = NULL;
            }
            break;
        }
        bytes += record->bytes;
        stack_record(worker->stack, record);
        channel_release(worker->from_control, record);
    }
    return n != 0;
}

static bool receive_jobs(struct worker *worker)
{
    bool any = false;
    struct jobs *jobs = &worker->plane->jobs;
    for (uint32_t t = 0; worker->jobs_out != 0 && t < jobs->threads; t++) {
        struct job *job[32];
        uint32_t n = jobs_take(jobs, worker->index, t, job, 32);
        worker->jobs_out -= n;
        for (uint32_t i = 0; i < n; i++)
            stack_job(worker->stack, job[i]);
        any |= n != 0;
    }
    return any;
}

/* The segments of strangers, and their packets' memory back. True when there were any. */
static bool receive_strangers(struct worker *worker)
{
    worker->flooded = worker->held_count >= FLOOD_BURST / 2;
    if (worker->held_count == 0)
        return false;
    stack_strangers(worker->stack);
    rte_pktmbuf_free_bulk(worker->held, worker->held_count);
    worker->held_count = 0;
    return true;
}

/* Frames through the stack; what it turned into replies goes back where it came from. */
static void process(struct worker *worker, struct rte_mbuf **mbufs, uint32_t count, const uint16_t *port,
                    uint64_t polled)
{
    struct packet packets[WAX_BURST_MAX];
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool good = (mbufs[i]->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        packets[i] = (struct packet){.data = rte_pktmbuf_mtod(mbufs[i], uint8_t *),
                                     .len = mbufs[i]->data_len,
                                     .room = mbufs[i]->data_len + (uint32_t)rte_pktmbuf_tailroom(mbufs[i]),
                                     .port = port[i],
                                     .checksums_good = good,
                                     .owner = mbufs[i]};
        bytes += mbufs[i]->pkt_len;
    }
    worker->metrics.rx_packets += count;
    worker->metrics.rx_bytes += bytes;
    stack_polled(worker->stack, polled);
    if (stack_stranger_room(worker->stack) < count)
        receive_strangers(worker);
    stack_receive_known(worker->stack, packets, count);
    for (uint32_t i = 0; i < count; i++) {
        if (packets[i].held) {
            worker->held[worker->held_count++] = mbufs[i];
            continue;
        }
        if (!packets[i].transmit) {
            rte_pktmbuf_free(mbufs[i]);
            continue;
        }
        mbufs[i]->data_len = (uint16_t)packets[i].len;
        mbufs[i]->pkt_len = packets[i].len;
        worker_transmit(worker, packets[i].port, mbufs[i], true); /* ARP, echo: asked again */
    }
}

static void hand_over(struct worker *worker, uint32_t to, struct rte_mbuf *mbuf)
{
    *worker_note_of(worker, mbuf) = worker->polled;
    if (!mesh_push(&worker->mesh, to, MESH_PACKETS, &mbuf)) {
        rte_pktmbuf_free(mbuf); /* its flow sends it again */
        worker->metrics.rx_dropped++;
    }
}

static void copy_to_others(struct worker *worker, const struct rte_mbuf *mbuf)
{
    for (uint32_t to = 0; to < worker->plane->config.workers; to++) {
        struct rte_mbuf *copy = NULL;
        if (to != worker->index)
            copy = rte_pktmbuf_copy(mbuf, worker->transmit[mbuf->port].pool, 0, UINT32_MAX);
        if (copy == NULL)
            continue;
        copy->port = mbuf->port;
        hand_over(worker, to, copy);
    }
}

/* Is this packet ours? If not it has been handed over. mbuf->port is the port's index here. */
static bool keep(struct worker *worker, const struct receive_queue *queue, struct rte_mbuf *mbuf)
{
    uint32_t workers = worker->plane->config.workers;
    struct view frame = view_of(rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->data_len);
    uint32_t to = STEER_HERE;
    if (queue->steer)
        to = steer_frame(&worker->plane->steer, frame);
    else if (steer_is_news(frame))
        to = STEER_ALL;
    if (to == STEER_ALL)
        copy_to_others(worker, mbuf);
    if (to >= workers || to == worker->index)
        return true;
    hand_over(worker, to, mbuf);
    return false;
}

/* Where the port takes tags out of frames: whether this one had ours. */
static bool tag_ours(struct worker *worker, const struct rte_mbuf *mbuf, uint16_t vlan)
{
    if (vlan == 0 ||
        ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0 && (mbuf->vlan_tci & ETH_VLAN_MASK) == vlan))
        return true;
    metrics_count(&worker->metrics, WAX_NET_VLAN);
    return false;
}

/* One piece, of our VLAN. */
static bool take(struct worker *worker, const struct receive_queue *queue, struct rte_mbuf *mbuf)
{
    if (mbuf->nb_segs != 1 && rte_pktmbuf_linearize(mbuf) != 0) {
        worker->metrics.rx_dropped++;
        return false;
    }
    return tag_ours(worker, mbuf, queue->vlan);
}

/* In a flood bursts are small: who is established waits behind less that has to be looked at first. */
static uint32_t burst(const struct worker *worker)
{
    uint32_t most = worker->plane->config.burst;
    return worker->flooded && most > FLOOD_BURST ? FLOOD_BURST : most;
}

static bool receive_queue(struct worker *worker, const struct receive_queue *queue)
{
    struct rte_mbuf *mbufs[WAX_BURST_MAX];
    uint16_t port[WAX_BURST_MAX];
    uint32_t kept = 0;
    uint16_t n = rte_eth_rx_burst(queue->device, queue->queue, mbufs, (uint16_t)burst(worker));
    if (n != 0) {
        worker->polled = rte_rdtsc();
        worker->metrics.rx_bursts++;
    }
    for (uint16_t i = 0; i < n; i++)
        rte_prefetch0(rte_pktmbuf_mtod(mbufs[i], void *));
    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *mbuf = mbufs[i];
        if (!take(worker, queue, mbuf)) {
            rte_pktmbuf_free(mbuf);
            continue;
        }
        mbuf->port = queue->port;
        if (worker->plane->config.workers > 1 && !keep(worker, queue, mbuf))
            continue;
        port[kept] = queue->port;
        mbufs[kept++] = mbuf;
    }
    if (kept != 0)
        process(worker, mbufs, kept, port, worker->polled);
    return n != 0;
}

/* Packets that other workers polled, and frames for transmit queues of ours. */
static bool receive_handed(struct worker *worker)
{
    bool any = false;
    for (uint64_t left = worker->mesh.open; left != 0; left &= left - 1) {
        uint32_t from = (uint32_t)__builtin_ctzll(left);
        struct ring *packets = mesh_ring(&worker->mesh, from, MESH_PACKETS);
        struct ring *frames = mesh_ring(&worker->mesh, from, MESH_FRAMES);
        struct rte_mbuf *mbufs[WAX_BURST_MAX];
        uint16_t port[WAX_BURST_MAX];
        if (packets == NULL)
            return false;
        uint32_t n = ring_pop(packets, mbufs, WAX_BURST_MAX);
        for (uint32_t i = 0; i < n; i++)
            port[i] = mbufs[i]->port;
        if (n != 0)
            process(worker, mbufs, n, port, *worker_note_of(worker, mbufs[0]));
        any |= n != 0;
        n = ring_pop(frames, mbufs, WAX_BURST_MAX);
        for (uint32_t i = 0; i < n; i++)
            worker_transmit(worker, mbufs[i]->port, mbufs[i], *worker_note_of(worker, mbufs[i]) != 0);
        any |= n != 0;
    }
    return any;
}

/* Tell the workers whose sends were taken, unless a return has told them already. */
static void tell_credits(struct worker *worker)
{
    for (uint64_t left = worker->owed; left != 0; left &= left - 1) {
        uint32_t to = (uint32_t)__builtin_ctzll(left);
        struct mesh_peer *peer = &worker->peers[to];
        if (mesh_must_tell(peer)) {
            struct item item = {
                .kind = ITEM_CREDIT, .from = (uint8_t)worker->index, .consumed = (uint32_t)peer->taken};
            if (!mesh_push(&worker->mesh, to, MESH_RETURNS, &item))
                continue; /* full of returns that will tell it, or again next turn */
            mesh_tell(peer);
        }
        worker->owed &= ~(UINT64_C(1) << to);
    }
}

/* Let the others see what this turn made for them, and wake those that sleep. */
static void publish(struct worker *worker)
{
    tell_credits(worker);
    mesh_flush(&worker->mesh);
    mesh_settle(&worker->mesh);
    worker->metrics.mesh_sends = worker->mesh.pushed[MESH_SENDS];
    worker->metrics.mesh_returns = worker->mesh.pushed[MESH_RETURNS];
    if (worker->published && worker->attachment != NULL)
        channel_kick(worker->attachment);
    worker->published = false;
    if (worker->jobs_submitted != 0)
        jobs_kick(&worker->plane->jobs, worker->jobs_submitted);
    worker->jobs_submitted = 0;
}

/* Items of other workers: all returns, then the sends that there were before. */
static bool receive_items(struct worker *worker)
{
    mesh_note_sends(&worker->mesh);
    bool any = receive_returns(worker);
    any |= receive_sends(worker);
    return any;
}

/* Items from itself to itself; true when there were any. */
static bool hear_itself(struct worker *worker)
{
    if ((worker->mesh.dirty >> worker->index & 1) == 0)
        return false;
    mesh_flush(&worker->mesh);
    receive_items(worker);
    return true;
}

bool worker_turn(struct worker *worker)
{
    struct plane *plane = worker->plane;
    uint64_t began = rte_rdtsc();
    worker->now_us = clock_us(&plane->clock, began);
    stack_begin(worker->stack, worker->now_us, wall_ms(&worker->wall, worker->now_us));

    bool busy = worker_attend(worker);
    busy |= receive_items(worker);
    busy |= receive_records(worker);
    busy |= receive_jobs(worker);
    for (uint32_t i = 0; i < worker->receive_count; i++)
        busy |= receive_queue(worker, &worker->receive[i]);
    busy |= receive_handed(worker);
    /* What a turn says to itself is heard in the same turn, so that a message leaves in the turn it came. */
    for (uint32_t i = 0; i < SELF_TURNS; i++) {
        busy |= hear_itself(worker);
        busy |= stack_end(worker->stack);
        if ((worker->mesh.dirty >> worker->index & 1) == 0)
            break;
    }
    busy |= worker_flush(worker);
    if (receive_strangers(worker)) /* after all that is established has been served */
        worker_flush(worker);
    publish(worker);

    uint64_t took = rte_rdtsc() - began;
    worker->metrics.polls++;
    worker->metrics.turns_long += took >= plane->turn_long_cycles;
    if (busy)
        worker->metrics.busy_cycles += took;
    else
        worker->metrics.idle_cycles += took;
    return busy;
}
