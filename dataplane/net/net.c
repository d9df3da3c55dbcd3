/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/net.h"

#include "net/net_internal.h"

#define ICMP_COST_US (1000000u / NET_ICMP_PER_S)

/* Whether `gateway` can be one of the family. */
static bool gateway_sound(const struct addr *gateway, bool ip4)
{
    if (addr_is_any(gateway)) {
        return true;
    }
    if (ip4) {
        return addr_is_ip4(gateway) && ip4_is_host(addr_to_ip4(gateway));
    }
    return ip6_is_host(gateway);
}

enum wax_status net_init(struct net *net, const struct net_config *config, uint64_t now_us)
{
    if (!mac_is_station(&config->mac) || config->mtu < NET_MTU_LEAST || config->mtu > NET_MTU_MOST ||
        config->vlan > ETH_VLAN_MOST || config->address_count == 0 ||
        config->address_count > NET_ADDRESSES_MAX || !gateway_sound(&config->gateway, true) ||
        !gateway_sound(&config->gateway6, false) ||
        !interface_init(&net->interface, config->addresses, config->address_count, &config->mac,
                        config->detect)) {
        return WAX_BAD_ARGUMENT;
    }
    if (net->interface.link_local != INTERFACE_NONE && config->mtu < IP6_MTU_LEAST) {
        return WAX_BAD_ARGUMENT;
    }
    net->config = *config;
    net->icmp = (struct rate){0};
    net->routers = (struct router_list){0};
    neigh_init(&net->neigh, &config->gateway, config->key, now_us);
    if (!addr_is_any(&config->gateway6)) {
        neigh_pin(&net->neigh, ROUTER_PLACE, &config->gateway6, now_us);
    }
    net_speech_init(net, now_us);
    return WAX_OK;
}

bool net_is_ours(const struct net *net, const struct addr *addr)
{
    return interface_has(&net->interface, addr);
}

const struct addr *net_source(const struct net *net, const struct addr *dst)
{
    return interface_source(&net->interface, dst);
}

bool net_icmp_allowed(struct net *net, uint64_t now_us)
{
    return rate_take(&net->icmp, now_us, ICMP_COST_US, NET_ICMP_BURST);
}

/* Without its tag. */
static enum wax_status frame_input(struct net *net, struct span frame, size_t room, uint64_t now_us,
                                   struct net_rx *rx)
{
    struct mac destination = eth_destination(frame.data);
    bool to_us = mac_same(&destination, &net->config.mac);
    switch (eth_type(frame.data)) {
    case ETH_TYPE_IP4: /* never by broadcast: RFC 1122 3.3.6 */
        return to_us ? net_input_ip4(net, frame, now_us, rx) : WAX_NET_NOT_FOR_US;
    case ETH_TYPE_ARP:
        return to_us || mac_same(&destination, &mac_broadcast) ? net_input_arp(net, frame, now_us, rx)
                                                               : WAX_NET_NOT_FOR_US;
    case ETH_TYPE_IP6:
        if (net->interface.link_local == INTERFACE_NONE) {
            return WAX_NET_ETHERTYPE;
        }
        return to_us || (destination.b[0] & 1u) != 0 ? net_input_ip6(net, frame, room, to_us, now_us, rx)
                                                     : WAX_NET_NOT_FOR_US;
    default:
        return WAX_NET_ETHERTYPE;
    }
}

/* A frame with a tag of 802.1Q: without it, and what it has become with it. */
static enum wax_status tagged_input(struct net *net, struct span frame, size_t room, uint64_t now_us,
                                    struct net_rx *rx)
{
    if (frame.len < ETH_HEADER_BYTES + ETH_TAG_BYTES) {
        return WAX_NET_FRAME_SHORT;
    }
    if ((load_be16(frame.data + ETH_HEADER_BYTES) & ETH_VLAN_MASK) != net->config.vlan) {
        return WAX_NET_VLAN;
    }
    (void)eth_tag_take(frame.data);
    struct span inner = span_of(frame.data + ETH_TAG_BYTES, frame.len - ETH_TAG_BYTES);
    enum wax_status status = frame_input(net, inner, room - ETH_TAG_BYTES, now_us, rx);
    if (rx->kind == NET_REPLY && net->config.vlan != 0) {
        eth_tag_put(frame.data, net->config.vlan);
        rx->reply_len += ETH_TAG_BYTES;
    } else if (rx->kind == NET_REPLY) {
        memmove(frame.data, inner.data, rx->reply_len); /* the tag was of priority alone */
    }
    return status;
}

enum wax_status net_input_room(struct net *net, struct span frame, size_t room, uint64_t now_us,
                               struct net_rx *rx)
{
    rx->kind = NET_NONE;
    if (frame.len < ETH_HEADER_BYTES) {
        return WAX_NET_FRAME_SHORT;
    }
    struct mac source = eth_source(frame.data);
    if (!mac_is_station(&source) || mac_same(&source, &net->config.mac)) {
        return WAX_NET_ETHER_SOURCE;
    }
    if (eth_type(frame.data) == ETH_TYPE_VLAN) {
        return tagged_input(net, frame, room, now_us, rx);
    }
    return net->config.vlan == 0 ? frame_input(net, frame, room, now_us, rx) : WAX_NET_VLAN;
}

void net_neigh(struct net *net, const struct addr *addr, const struct mac *mac, uint64_t now_us)
{
    (void)neigh_confirm(&net->neigh, addr, mac, now_us);
}
