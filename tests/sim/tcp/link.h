/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lossy link between simulated hosts under virtual time, each direction with faults of its own: loss, by
 * the packet, in bursts, and of everything while it is down; duplication, reordering, corruption, delay
 * spikes, a rate, and a bounded queue; all drawn from one seeded generator.
 */
#ifndef TESTS_SIM_LINK_H
#define TESTS_SIM_LINK_H

#include "base/random.h"

#define LINK_PACKETS_MAX 4096u
#define LINK_BYTES_MAX   1600u

/* Chances are parts per million and of each packet. */
struct sim_faults {
    uint32_t loss, duplicate, reorder, corrupt, spike;
    uint32_t mark;            /* CE on packets that are ECN-capable (RFC 3168 5) */
    uint32_t burst, burst_us; /* begins a time in which all is lost, at most so long */
    uint32_t down, down_us;   /* the same, with a mean of seconds: somebody pulled a plug */
    uint32_t delay_us, jitter_us, spike_us;
    uint32_t rate_kbit;   /* 0: none */
    uint32_t bytes_max;   /* larger packets are lost; 0: none is too large */
    uint32_t packets_max; /* in flight, both directions together; above that the tail is dropped */
};

/* What the link did. */
struct sim_link_counts {
    uint64_t sent, lost, burst_lost, down_lost, downs, full_lost, too_big, duplicated, reordered, corrupted,
        delayed, marked;
};

struct sim_packet {
    uint64_t at_us;
    uint64_t order;
    uint32_t to; /* host */
    uint32_t len;
    uint8_t ecn;
    bool corrupt; /* so that the receiver can be held to refusing it */
    uint8_t bytes[LINK_BYTES_MAX];
};

struct sim_link {
    struct sim_faults faults[2]; /* by the host that receives */
    bool cut;                    /* nothing gets through any more */
    struct rng rng;
    uint64_t order;
    uint32_t count;
    struct sim_link_counts counts;
    uint64_t silent_us[2];                     /* everything is lost until then */
    uint64_t free_us[2];                       /* when the rate lets the next packet go */
    struct sim_packet *heap[LINK_PACKETS_MAX]; /* by at_us, then order */
    struct sim_packet store[LINK_PACKETS_MAX];
};

/* An empty link; the faults are to be filled in. */
void sim_link_init(struct sim_link *link, uint64_t seed);

/* Sends a packet to host `to`. */
void sim_link_send(struct sim_link *link, uint32_t to, const uint8_t *bytes, uint32_t len, uint8_t ecn,
                   uint64_t now_us);

/* Ends all faults; what is under way arrives. */
void sim_link_calm(struct sim_link *link);

/* When the next packet arrives; UINT64_MAX: none under way. */
uint64_t sim_link_next_us(const struct sim_link *link);

/* The next packet that has arrived by now_us, or NULL; valid until the next call of sim_link_send. */
const struct sim_packet *sim_link_receive(struct sim_link *link, uint64_t now_us);

#endif
