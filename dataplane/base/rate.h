/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A rate limit in eight bytes (a leaky bucket, kept as the time up to which it has been spent). All zeros is
 * a full bucket.
 */
#ifndef BASE_RATE_H
#define BASE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t spent_us;
};

/*
 * Whether one event is allowed now, where one costs `cost_us` (1000000 / events a second) and `burst` may
 * come at once after a rest.
 */
static inline bool rate_ready(const struct rate *rate, uint64_t now_us, uint32_t cost_us, uint32_t burst)
{
    return rate->spent_us <= now_us || rate->spent_us + cost_us <= now_us + (uint64_t)burst * cost_us;
}

/*
 * Takes one event from the allowance; false (and nothing taken) when it is used up.
 */
static inline bool rate_take(struct rate *rate, uint64_t now_us, uint32_t cost_us, uint32_t burst)
{
    if (!rate_ready(rate, now_us, cost_us, burst)) {
        return false;
    }
    rate->spent_us = (rate->spent_us > now_us ? rate->spent_us : now_us) + cost_us;
    return true;
}

#endif
