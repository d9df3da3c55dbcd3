/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A lossy link between simulated hosts under virtual time: loss, duplication, reordering, corruption, delay
 * spikes and a bounded queue, all drawn from one seeded generator.
 */
#ifndef TESTS_SIM_LINK_H
#define TESTS_SIM_LINK_H

#include "base/random.h"

#define LINK_PACKETS_MAX 4096u
#define LINK_BYTES_MAX   1600u

/* Chances are parts per million. */
struct sim_faults {
    uint32_t loss, duplicate, reorder, corrupt, spike;
    uint32_t delay_us, jitter_us, spike_us;
    uint32_t packets_max; /* in flight; above that the tail is dropped */
};

struct sim_packet {
    uint64_t at_us;
    uint64_t order;
    uint32_t to; /* host */
    uint32_t len;
    bool corrupt; /* so that the receiver can be held to refusing it */
    uint8_t bytes[LINK_BYTES_MAX];
};

struct sim_link {
    struct sim_faults faults;
    struct rng rng;
    uint64_t order;
    uint32_t count;
    uint64_t sent, lost, duplicated, reordered, corrupted, delayed;
    struct sim_packet *heap[LINK_PACKETS_MAX]; /* by at_us, then order */
    struct sim_packet store[LINK_PACKETS_MAX];
};

void sim_link_init(struct sim_link *link, const struct sim_faults *faults, uint64_t seed);
void sim_link_send(struct sim_link *link, uint32_t to, const uint8_t *bytes, uint32_t len, uint64_t now_us);

/* When the next packet arrives; UINT64_MAX: none under way. */
uint64_t sim_link_next_us(const struct sim_link *link);

/* The next packet that has arrived by now_us, or NULL; valid until the next call of sim_link_send. */
const struct sim_packet *sim_link_receive(struct sim_link *link, uint64_t now_us);

#endif
