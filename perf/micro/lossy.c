/* SPDX-License-Identifier: BSD-3-Clause */
#include "lossy.h"

#include <stdio.h>
#include <stdlib.h>

#define QUEUE_SLOTS     4096u
#define OVERHEAD_BYTES  58u /* Ethernet with its gaps, and IPv4 */
#define PATIENCE_US     UINT64_C(3600000000)
#define WRITE_BYTES     1448u
#define TURN_US_AT_MOST 1000u

struct way {
    struct frame *frame; /* a ring */
    uint64_t *due_us;
    uint32_t head, tail;
    uint64_t free_ns; /* when the link can take the next */
};

struct link {
    struct pair *pair;
    struct way there, back;
    struct rng rng;
    uint32_t rate, delay_us, loss;
    struct lossy_result result;
};

static void way_make(struct way *way)
{
    way->frame = memory_get(QUEUE_SLOTS * sizeof way->frame[0]);
    way->due_us = memory_get(QUEUE_SLOTS * sizeof way->due_us[0]);
}

/* What a side has to send enters its way; what the queue can't hold is lost too. */
static void enter(struct link *link, struct way *way, struct side *side)
{
    struct cost unused = {0};
    for (uint32_t n; (n = side_transmit(link->pair, side, &unused)) != 0;) {
        for (uint32_t i = 0; i < n; i++) {
            const struct frame *frame = &link->pair->frame[i];
            uint64_t now_ns = link->pair->now_us * 1000;
            link->result.sent++;
            if (rng_chance(&link->rng, link->loss) || way->tail - way->head == QUEUE_SLOTS) {
                link->result.lost++;
                continue;
            }
            if (way->free_ns < now_ns)
                way->free_ns = now_ns;
            way->free_ns += (uint64_t)(frame->len + OVERHEAD_BYTES) * 8000u / link->rate;
            way->frame[way->tail % QUEUE_SLOTS] = *frame;
            way->due_us[way->tail % QUEUE_SLOTS] = way->free_ns / 1000 + link->delay_us;
            way->tail++;
        }
    }
}

/* What has arrived by now, one by one, so that answers leave as they would. */
static void leave(struct link *link, struct way *way, struct side *side)
{
    struct cost unused = {0};
    while (way->head != way->tail && way->due_us[way->head % QUEUE_SLOTS] <= link->pair->now_us) {
        link->pair->frame[0] = way->frame[way->head++ % QUEUE_SLOTS];
        side_receive(link->pair, side, 1, &unused);
    }
}

/* When something happens next. */
static uint64_t next_us(const struct link *link)
{
    uint64_t next = link->pair->now_us + TURN_US_AT_MOST;
    const struct way *ways[] = {&link->there, &link->back};
    for (size_t i = 0; i < 2; i++) {
        uint64_t due = ways[i]->due_us[ways[i]->head % QUEUE_SLOTS];
        if (ways[i]->head != ways[i]->tail && due < next)
            next = due;
    }
    uint64_t client = tcp_next_us(link->pair->client.engine), server = tcp_next_us(link->pair->server.engine);
    next = client < next ? client : next;
    next = server < next ? server : next;
    return next > link->pair->now_us ? next : link->pair->now_us + 1;
}

struct lossy_result lossy_run(struct pair *pair, uint64_t bytes, uint32_t rate, uint32_t delay_us,
                              uint32_t loss)
{
    static const uint8_t payload[WRITE_BYTES];
    static struct link link;
    link = (struct link){.pair = pair, .rate = rate, .delay_us = delay_us, .loss = loss};
    rng_init(&link.rng, 1);
    way_make(&link.there);
    way_make(&link.back);
    uint64_t began_us = pair->now_us, written = 0;
    while (pair->server.bytes < bytes) {
        while (written < bytes && tcp_write(pair->client.engine, pair->client.conn[0],
                                            view_of(payload, sizeof payload)) == WAX_OK)
            written += sizeof payload;
        enter(&link, &link.there, &pair->client);
        enter(&link, &link.back, &pair->server);
        pair->now_us = next_us(&link);
        leave(&link, &link.there, &pair->server);
        leave(&link, &link.back, &pair->client);
        tcp_advance(pair->client.engine, pair->now_us);
        tcp_advance(pair->server.engine, pair->now_us);
        if (pair->now_us - began_us > PATIENCE_US) {
            fprintf(stderr, "bench-tcp: the transfer does not end\n");
            exit(1);
        }
    }
    link.result.bytes = pair->server.bytes;
    link.result.seconds = (double)(pair->now_us - began_us) / 1e6;
    return link.result;
}
