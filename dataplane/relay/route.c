/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/route.h"

_Static_assert((ROUTE_SLOTS & (ROUTE_SLOTS - 1u)) == 0, "slots are masked");
_Static_assert(ROUTE_SLOTS % WAX_STORE_SHARDS == 0, "a slot lies in one shard of the store");

enum wax_status route_init(struct route *route, const uint64_t key[2], uint32_t workers)
{
    if (workers == 0 || workers > WAX_WORKERS_MAX)
        return WAX_BAD_ARGUMENT;
    route->key[0] = key[0];
    route->key[1] = key[1];
    for (uint32_t slot = 0; slot < ROUTE_SLOTS; slot++)
        route->owner[slot] = (uint8_t)(slot % workers);
    return WAX_OK;
}
