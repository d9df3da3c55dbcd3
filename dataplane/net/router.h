/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Routers of IPv6 and the prefixes that they say are on the link (RFC 4861 5.1, 6.3): lists of a fixed size.
 * Used where the configuration names no gateway. Each router has a place of its own in the neighbour cache.
 * Left out on purpose: preferences (RFC 4191), addresses made from prefixes (ours are configured), hop limit,
 * timers and MTU of advertisements (a forged one could cut us off with them).
 */
#ifndef NET_ROUTER_H
#define NET_ROUTER_H

#include "net/ndp.h"
#include "net/neigh.h"

#define ROUTERS_MAX         4u
#define ROUTER_PREFIXES_MAX 8u
#define ROUTER_PLACE        1u /* of the first one in the neighbour cache */

_Static_assert(ROUTER_PLACE + ROUTERS_MAX <= NEIGH_PLACES, "every router has a place");

struct router_entry {
    struct addr addr;
    uint64_t until_us; /* 0: free */
};

struct router_prefix {
    struct addr addr;
    uint64_t until_us; /* 0: free; UINT64_MAX: without end */
    uint8_t bits;
};

struct router_list {
    struct router_entry router[ROUTERS_MAX];
    struct router_prefix prefix[ROUTER_PREFIXES_MAX];
    uint32_t turn; /* which of those whose stations aren't known is asked next */
};

/*
 * Takes an advertisement of the router `src` (6.3.4). Returns ND_ROUTERS when the list is full of others,
 * else OK.
 */
enum wax_status router_advertised(struct router_list *list, struct neigh *neigh, const struct addr *src,
                                  const struct ndp_message *message, uint64_t now_us);

/*
 * The neighbour `addr` is a router no more (7.2.5).
 */
void router_remove(struct router_list *list, struct neigh *neigh, const struct addr *addr);

/*
 * The router to send through (6.3.6): one whose station is known before others, those in turn. NULL: none.
 * Routers whose time has passed are dropped.
 */
const struct addr *router_choose(struct router_list *list, struct neigh *neigh, uint64_t now_us);

/*
 * Whether `addr` lies in a prefix that is on the link.
 */
bool router_on_link(const struct router_list *list, const struct addr *addr, uint64_t now_us);

/*
 * Whether there is a router at all.
 */
bool router_any(const struct router_list *list, uint64_t now_us);

#endif
