/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a recipient's home is. This file alone knows; today the answer is a worker of this
 * process. The hash is keyed, or users could be made to crowd onto one worker.
 */
#ifndef RELAY_ROUTE_H
#define RELAY_ROUTE_H

#include "base/hash.h"
#include "relay/name.h"
#include "waxwire/status.h"

#define ROUTE_SLOTS 1024u

struct route {
    uint64_t key[2];
    uint8_t owner[ROUTE_SLOTS]; /* slot → worker */
};

/*
 * Spread the slots evenly over workers 0 to workers-1 (1 to WAX_WORKERS_MAX, else
 * BAD_ARGUMENT). Every worker of a process needs the same key.
 */
enum wax_status route_init(struct route *route, const uint64_t key[2], uint32_t workers);

/* The worker that is home to all devices of `user`. */
static inline uint32_t route_home(const struct route *route, const uint8_t user[WAX_USER_BYTES])
{
    return route->owner[siphash13(route->key, view_of(user, WAX_USER_BYTES)) & (ROUTE_SLOTS - 1u)];
}

#endif
