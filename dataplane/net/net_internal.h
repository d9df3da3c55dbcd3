/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a port's network, shared by the files of dataplane/net. */
#ifndef NET_NET_INTERNAL_H
#define NET_NET_INTERNAL_H

#include "net/net.h"

/*
 * Take a frame of their type, without its tag; as net_input_room. `to_us`: by its Ethernet destination, else
 * it came by broadcast or to a group.
 */
enum wax_status net_input_arp(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx);
enum wax_status net_input_ip4(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx);
enum wax_status net_input_ip6(struct net *net, struct span frame, size_t room, bool to_us, uint64_t now_us,
                              struct net_rx *rx);

/* Whether another echo reply or error may leave now; counts it when it may. */
bool net_icmp_allowed(struct net *net, uint64_t now_us);

/* The on-link address to send to for `dst` (RFC 1122 3.3.1.1, RFC 4861 5.2), or NULL. */
const struct addr *net_next_hop(struct net *net, const struct addr *dst, uint64_t now_us);

/* A TCP packet of `src` came from `mac`: tell the neighbour cache. */
void net_learn(struct net *net, const struct addr *src, const struct mac *mac, uint64_t now_us);

/* Plan what is to be said at the start; `now_us` is that. */
void net_speech_init(struct net *net, uint64_t now_us);

/* Somebody else uses our IPv4 address `index`: say that it is ours (RFC 5227 2.4 b). */
void net_defend(struct net *net, uint32_t index, uint64_t now_us);

/* Report our groups within `delay_us`. */
void net_report(struct net *net, uint64_t delay_us, uint64_t now_us);

#endif
