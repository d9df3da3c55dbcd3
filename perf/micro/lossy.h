/* SPDX-License-Identifier: BSD-3-Clause */
/* A link between the two engines of a pair, in virtual time: a rate, a delay, a loss at random. */
#ifndef MICRO_LOSSY_H
#define MICRO_LOSSY_H

#include "pair.h"

struct lossy_result {
    uint64_t bytes, sent, lost;
    double seconds; /* of virtual time */
};

/*
 * Send `bytes` from the client to the server of a pair with one open connection through a link of `rate`
 * Mbit/s and `delay_us` each way, which loses `loss` in a million segments each way.
 */
struct lossy_result lossy_run(struct pair *pair, uint64_t bytes, uint32_t rate, uint32_t delay_us,
                              uint32_t loss);

#endif
