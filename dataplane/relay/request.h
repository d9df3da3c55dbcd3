/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of sessions that the control plane answers, on the worker of their connections: their layout is
 * checked here, they are counted, and each gets one answer, whatever becomes of the control plane.
 */
#ifndef RELAY_REQUEST_H
#define RELAY_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "waxwire/limits.h"

/* A request that has been handed to the control plane. */
struct request_slot {
    uint32_t conn;
    uint32_t conn_generation;
    uint32_t request; /* the client's number */
    uint32_t serial;  /* rises with each use */
};

#define REQUEST_WORDS (WAX_REQUESTS_PER_WORKER / 64u)

/* Those of a worker that are unanswered; all zeros: none. */
struct requests {
    uint64_t used[REQUEST_WORDS];
    struct request_slot slot[WAX_REQUESTS_PER_WORKER];
};

_Static_assert(WAX_REQUESTS_PER_WORKER % 64u == 0, "slots fill whole words");

#endif
