/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The addresses of one port, of both families: those of the configuration, and an IPv6 link-local one made of
 * the MAC where there is any IPv6 (RFC 4862 5.3, RFC 2464 4). IPv6 addresses are tentative until nobody else
 * has claimed them (RFC 4862 5.4).
 */
#ifndef NET_INTERFACE_H
#define NET_INTERFACE_H

#include "net/eth.h"
#include "net/ip6.h"

#define NET_ADDRESSES_MAX 8u
#define INTERFACE_OWN_MAX (NET_ADDRESSES_MAX + 1u)
#define INTERFACE_NONE    INTERFACE_OWN_MAX
#define INTERFACE_DAD_US  UINT64_C(1000000) /* RetransTimer of RFC 4861 10: a claim must come within it */
#define INTERFACE_DELAY_US                                                                                   \
    UINT64_C(1000000) /* MAX_RTR_SOLICITATION_DELAY: the first message waits up to it */

struct net_address {
    struct addr addr;
    uint8_t prefix; /* bits; of an IPv4 address within its 32 */
};

enum interface_state { INTERFACE_TENTATIVE, INTERFACE_VALID, INTERFACE_DUPLICATE };

struct interface_own {
    struct addr addr;
    uint8_t bits; /* of the prefix, in 128 */
    uint8_t state;
    bool ip4;
};

struct interface {
    uint32_t count;
    uint32_t link_local; /* which of them is, or INTERFACE_NONE: no IPv6 here */
    struct interface_own own[INTERFACE_OWN_MAX];
};

/*
 * Sets up `interface` with `count` addresses, IPv6 ones tentative when `detect`, else valid. False: an
 * address that no host can have, or a prefix out of range.
 */
bool interface_init(struct interface *interface, const struct net_address *addresses, uint32_t count,
                    const struct mac *mac, bool detect);

/*
 * Whether `addr` is one of ours, and valid.
 */
bool interface_has(const struct interface *interface, const struct addr *addr);

/*
 * The index of `addr` among ours, whatever its state, or INTERFACE_NONE.
 */
uint32_t interface_find(const struct interface *interface, const struct addr *addr);

/*
 * The first of our addresses whose prefix `addr` is in, or NULL.
 */
const struct interface_own *interface_network(const struct interface *interface, const struct addr *addr);

/*
 * True for the all-zeros and all-ones address of an IPv4 network that has such (RFC 1122 3.2.1.3, RFC 3021).
 */
bool interface_is_broadcast(const struct interface_own *network, const struct addr *addr);

/*
 * Whether we listen to the IPv6 group: all nodes, and the solicited-node groups of our addresses.
 */
bool interface_in_group(const struct interface *interface, const struct addr *group);

/*
 * The solicited-node groups of our addresses, each once: writes up to `room`, returns how many there are.
 */
uint32_t interface_groups(const struct interface *interface, struct addr *groups, uint32_t room);

/*
 * Our address to speak from to `dst`: valid, of its family and scope, with the longest common prefix (RFC
 * 6724 5, rules 2 and 8; the first of equals). NULL: there is none.
 */
const struct addr *interface_source(const struct interface *interface, const struct addr *dst);

/*
 * Somebody else claims our tentative address `index`: it is not used (RFC 4862 5.4.5). With the link-local
 * one all of IPv6 goes, for then there is another port with our MAC.
 */
void interface_duplicate(struct interface *interface, uint32_t index);

/*
 * Nobody has claimed those that are still tentative: they are valid.
 */
void interface_settle(struct interface *interface);

#endif
