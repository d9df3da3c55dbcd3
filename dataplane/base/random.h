/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small seeded generator (xoshiro256**, Blackman and Vigna): for simulations, jitter and choices that no
 * attacker profits from. Never for keys, tokens or nonces.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdbool.h>

#include "waxwire/bytes.h"

struct rng {
    uint64_t s[4];
};

/*
 * Seeds the generator; any seed will do, equal seeds give equal sequences on every machine.
 */
void rng_init(struct rng *rng, uint64_t seed);

/*
 * 64 random bits.
 */
uint64_t rng_next(struct rng *rng);

/*
 * A number from 0 to bound-1, each equally likely; 0 when bound is 0 or 1.
 */
uint64_t rng_below(struct rng *rng, uint64_t bound);

/*
 * A number from low to high, both included; low <= high.
 */
uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high);

/*
 * True with a probability of `ppm` in a million (1000000 and above: always).
 */
bool rng_chance(struct rng *rng, uint32_t ppm);

/*
 * Fills `out`.
 */
void rng_fill(struct rng *rng, struct span out);

#endif
