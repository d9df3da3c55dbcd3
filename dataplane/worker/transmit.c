/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on their way to the ports, and what the messages in them took. */
#include <assert.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "worker/worker.h"

#define STUCK_US 200000u /* a port that takes nothing for so long is down */

/*
 * The port is down, until it takes a frame again: what waits for it is as lost as on a cut cable. Which
 * DELIVERs were among it nobody knows, nor when the others left.
 */
static void frames_give_up(struct worker *worker, struct frames *frames)
{
    rte_pktmbuf_free_bulk(frames->frame + frames->first, frames->count);
    worker->metrics.tx_dropped += frames->count;
    frames->first = frames->count = 0;
    train_forget(&frames->train);
    const uint64_t *polled;
    worker->metrics.untimed += stack_delivered(worker->stack, &polled);
    stack_delivered_done(worker->stack);
}

static void frames_stuck(struct worker *worker, struct frames *frames)
{
    if (frames->stuck_us == 0)
        frames->stuck_us = worker->now_us;
    else if (worker->now_us - frames->stuck_us > STUCK_US)
        frames_give_up(worker, frames);
}

/* Hand frames to the port. What its full ring doesn't take stays, in order, for the next time. */
static bool frames_transmit(struct worker *worker, const struct transmit_queue *queue, struct frames *frames)
{
    uint32_t done = 0;
    uint64_t bytes = 0;
    while (done < frames->count) {
        uint32_t want = frames->count - done < WAX_BURST_MAX ? frames->count - done : WAX_BURST_MAX;
        uint32_t at = frames->first + done;
        uint16_t n = rte_eth_tx_burst(queue->device, queue->queue, frames->frame + at, (uint16_t)want);
        for (uint16_t i = 0; i < n; i++)
            bytes += frames->len[at + i];
        done += n;
        if (n < want)
            break;
    }
    if (done == 0) {
        if (frames->count != 0)
            frames_stuck(worker, frames);
        return false;
    }
    frames->stuck_us = 0;
    frames->count -= done;
    frames->first = frames->count == 0 ? 0 : frames->first + done;
    if (frames->count == 0)
        train_forget(&frames->train);
    worker->metrics.tx_packets += done;
    worker->metrics.tx_bytes += bytes;
    return true;
}

/* Answers to strangers go when nothing else waits. */
static bool queue_transmit(struct worker *worker, struct transmit_queue *queue)
{
    bool any = frames_transmit(worker, queue, &queue->frames);
    if (queue->frames.count == 0)
        any |= frames_transmit(worker, queue, &queue->strangers);
    return any;
}

/* The DELIVERs that have left by now: how long their messages took here. */
static void latency_note(struct worker *worker)
{
    const uint64_t *polled;
    uint32_t count = stack_delivered(worker->stack, &polled);
    if (count == 0)
        return;
    uint64_t now = rte_rdtsc();
    for (uint32_t i = 0; i < count; i++) {
        uint32_t ns = clock_ns(&worker->plane->clock, now - polled[i]);
        worker->metrics.latency[latency_bucket(ns)]++;
    }
    stack_delivered_done(worker->stack);
}

bool worker_flush(struct worker *worker)
{
    bool any = false;
    uint32_t left = 0;
    for (uint32_t p = 0; p < worker->plane->ports; p++) {
        any |= queue_transmit(worker, &worker->transmit[p]);
        left += worker->transmit[p].frames.count;
    }
    if (left == 0)
        latency_note(worker);
    return any;
}

/* Put a frame behind those that wait. */
static void frame_wait(struct frames *frames, struct rte_mbuf *frame)
{
    if (frames->first + frames->count == FRAMES_MAX) {
        memmove(frames->frame, frames->frame + frames->first, frames->count * sizeof frames->frame[0]);
        memmove(frames->len, frames->len + frames->first, frames->count * sizeof frames->len[0]);
        frames->first = 0;
    }
    frames->frame[frames->first + frames->count] = frame;
    frames->len[frames->first + frames->count] = frame->data_len;
    frames->count++;
}

/*
 * A segment that goes on where the last frame that waits ends rides along with it, if the port will cut them
 * apart. True: it does.
 */
static bool frame_join(struct worker *worker, struct frames *frames, struct rte_mbuf *frame)
{
    struct train *train = &frames->train;
    if (!train_join(train, view_of(rte_pktmbuf_mtod(frame, uint8_t *), frame->data_len), frame->l2_len,
                    (uint8_t)frame->l3_len))
        return false;
    uint32_t at = frames->first + frames->count - 1;
    struct rte_mbuf *first = frames->frame[at];
    first->l4_len = (uint8_t)(train->header_len - train->l2_len - train->l3_len);
    first->tso_segsz = train->mss;
    first->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    if ((first->ol_flags & RTE_MBUF_F_TX_IPV4) != 0)
        first->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    rte_pktmbuf_adj(frame, train->header_len);
    int rc = rte_pktmbuf_chain(first, frame);
    assert(rc == 0);
    (void)rc;
    frames->len[at] = (uint16_t)first->pkt_len;
    worker->metrics.tx_packets++;
    worker->metrics.tx_joined++;
    return true;
}

/* Put a frame behind those that wait, or onto the last of them. */
static void frame_add(struct worker *worker, const struct transmit_queue *queue, struct frames *frames,
                      struct rte_mbuf *frame)
{
    bool segment = (frame->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0 &&
                   ((frame->ol_flags & RTE_MBUF_F_TX_IPV4) != 0 ? queue->cuts4 : queue->cuts6);
    if (segment && frame_join(worker, frames, frame))
        return;
    frame_wait(frames, frame);
    train_forget(&frames->train);
    if (segment)
        train_begin(&frames->train, span_of(rte_pktmbuf_mtod(frame, uint8_t *), frame->data_len),
                    frame->l2_len, (uint8_t)frame->l3_len);
}

void worker_transmit(struct worker *worker, uint16_t port, struct rte_mbuf *frame, bool expendable)
{
    struct transmit_queue *queue = &worker->transmit[port];
    struct frames *frames = expendable ? &queue->strangers : &queue->frames;
    bool taken;
    if (queue->owner != worker->index) {
        frame->port = port;
        *worker_note_of(worker, frame) = expendable;
        taken = mesh_push(&worker->mesh, queue->owner, MESH_FRAMES, &frame);
    } else {
        if (queue->vlan != 0) {
            frame->vlan_tci = queue->vlan;
            frame->ol_flags |= RTE_MBUF_F_TX_VLAN;
        }
        taken = frames->count < (expendable ? STRANGERS_WAIT : FRAMES_MAX);
        if (taken)
            frame_add(worker, queue, frames, frame);
        if (frames->count % WAX_BURST_MAX == 0)
            queue_transmit(worker, queue);
    }
    if (!taken) {
        rte_pktmbuf_free(frame);
        worker->metrics.tx_dropped++;
    }
}
