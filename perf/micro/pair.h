/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two TCP engines back to back, for benchmarks: what one transmits in a burst the other receives, as a worker
 * would do it (stages over the burst, timers each turn), under virtual time. The client opens, the server
 * listens. Each side counts the cycles that it spends on its own, so that one core can play both.
 */
#ifndef MICRO_PAIR_H
#define MICRO_PAIR_H

#include "base/random.h"
#include "tcp/tcp.h"

#define PAIR_BURST       32u
#define PAIR_FRAME_BYTES 1600u
#define PAIR_PORT        443u
#define PAIR_INDEX_MAX   (1u << 21) /* connections that addresses and ports can tell apart */

/* Cycles and segments of one kind of work. */
struct cost {
    uint64_t cycles, segments;
};

struct frame {
    struct addr source, destination; /* the network layer is not measured here */
    uint32_t len;
    uint8_t bytes[PAIR_FRAME_BYTES];
};

struct side {
    struct tcp_engine *engine;
    struct pool blocks;
    uint64_t counters[WAX_STATUS_COUNT];
    uint32_t *conn;          /* id of connection `index`, TCP_NONE: not open */
    uint32_t open, closed;   /* connections ever */
    uint64_t bytes, checked; /* payload received, and a sum over it */
    struct cost timers;
};

struct pair {
    struct side client, server;
    uint32_t connections;
    uint64_t now_us;
    bool close_on_fin; /* the server closes when the client has */
    struct frame frame[PAIR_BURST];
};

/* Cycles of the processor now, and how many make a nanosecond (measured once, 20 ms). */
uint64_t cycles_now(void);
double cycles_per_ns(void);

/* Memory for good, zeroed, in huge pages where the kernel has them. Ends the program when there is none. */
void *memory_get(size_t bytes);

/* Two engines with slots for `connections` and `blocks` each; `time_wait_ms` 0: the default. */
void pair_make(struct pair *pair, uint32_t connections, uint32_t blocks, uint32_t time_wait_ms);

/* Begin connection `index` at the client. */
void pair_connect(struct pair *pair, uint32_t index);

/* Open all connections, so that each side has ACKed everything. Ends the program when some do not open. */
void pair_open_all(struct pair *pair);

/* Timers of a side up to now. */
void side_timers(struct pair *pair, struct side *side);

/* Segments that a side has to send, PAIR_BURST at most, into pair->frame; counted in `cost`. */
uint32_t side_transmit(struct pair *pair, struct side *side, struct cost *cost);

/* A side takes the burst in pair->frame; counted in `cost`. */
void side_receive(struct pair *pair, struct side *side, uint32_t count, struct cost *cost);

/* Everything both have to say to one another now, until they are still. */
void pair_settle(struct pair *pair);

/* Payload that `length` bytes received add to side.checked. */
uint64_t payload_sum(struct view payload);

#endif
