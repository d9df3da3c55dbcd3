/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A storage backend in memory, for tests: completions late and in any order, torn and
 * reordered writes at a power cut, full disks and input/output errors, all by one seed.
 */
#ifndef TESTS_SIM_STORAGE_SIM_H
#define TESTS_SIM_STORAGE_SIM_H

#include "storage.h"

/* What lies in a segment from here on is not its log, and may be written when it is sealed. */
#define STORAGE_SIM_SEGMENT_BYTES 16384u

struct storage_sim_faults {
    uint32_t unknown;  /* of 1000 writes: the outcome is not told */
    uint32_t no_space; /* of 1000 writes: refused, and left there in part */
    uint32_t io;       /* of 1000 writes: error, and left there in part */
    uint32_t delay;    /* steps that an operation takes at most */
};

/* The disk outlives the processes that use it. */
struct storage_sim *storage_sim_new(uint64_t seed);
void storage_sim_free(struct storage_sim *sim);
struct storage *storage_sim_storage(struct storage_sim *sim);
void storage_sim_set(struct storage_sim *sim, struct storage_sim_faults faults);

/* Reads that touch what lies in a segment's log from `offset` on fail; UINT64_MAX: none do. */
void storage_sim_unreadable(struct storage_sim *sim, uint64_t offset);

/* Let time pass: what is due completes, in any order. Returns the number of operations still under way. */
uint32_t storage_sim_step(struct storage_sim *sim);

/* The process is gone: nothing completes any more. What was being written is there whole, in part, or not. */
void storage_sim_crash(struct storage_sim *sim);

/* The bytes of a segment as they lie on the disk, or NULL. */
uint8_t *storage_sim_segment(struct storage_sim *sim, uint32_t shard, uint64_t id, size_t *bytes);

/* The key ring of a shard as it lies on the disk, or NULL. */
const uint8_t *storage_sim_ring(const struct storage_sim *sim, uint32_t shard, size_t *bytes);

/* The number of segments of all shards. */
uint32_t storage_sim_segments(const struct storage_sim *sim);

/* A seeded generator (splitmix64), also for the test's own choices. */
uint64_t sim_random(uint64_t *state);

#endif
