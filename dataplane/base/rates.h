/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rates of many, in memory of a fixed size: each may spend so much at once after a rest, and then so much a
 * second. What is spent is told afterwards, so an account may be overdrawn; what is overdrawn has to be
 * waited for. Nobody's place is lost while it is spent: where there are more than places, the one that has
 * rested longest is forgotten, which as good as always has its whole allowance.
 */
#ifndef BASE_RATES_H
#define BASE_RATES_H

#include "waxwire/bytes.h"
#include "waxwire/limits.h"

#define RATES_PLACES 16384u

struct rates_place {
    uint64_t name; /* a keyed hash, 0: free */
    uint64_t spent_us;
};

struct rates {
    uint32_t cost_us; /* of one event; 0: any number is allowed */
    uint64_t burst_us;
    struct rates_place *places; /* [RATES_PLACES] */
};

/* What one event costs of a second, where `per_s` (1 to 1000000, 0: any number) are allowed; rounded down. */
static inline uint32_t rates_cost_us(uint32_t per_s)
{
    return per_s == 0 ? 0 : 1000000u / per_s;
}

/* Bytes of memory that rates_init needs. */
size_t rates_bytes(void);

/*
 * Begins with everyone rested, in `memory` (aligned to a cache line, of rates_bytes(); stays the caller's).
 * `per_s` as above, `burst` from 1.
 */
void rates_init(struct rates *rates, struct span memory, uint32_t per_s, uint32_t burst);

/*
 * Somebody, by a keyed hash of the name, has spent `count`. Returns the microseconds until what was overdrawn
 * has come back, 0 when nothing was.
 */
uint64_t rates_spend(struct rates *rates, uint64_t name, uint32_t count, uint64_t now_us);

/* How long somebody has to wait now, likewise. */
uint64_t rates_wait_us(const struct rates *rates, uint64_t name, uint64_t now_us);

#endif
