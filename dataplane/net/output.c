/* SPDX-License-Identifier: BSD-3-Clause */
/* Transport packets out: where to, and headers. */
#include "net/net_internal.h"

static const struct addr *next_hop4(const struct net *net, const struct addr *dst)
{
    if (!ip4_is_host(addr_to_ip4(dst))) {
        return NULL;
    }
    const struct interface_own *network = interface_network(&net->interface, dst);
    if (network != NULL) {
        return interface_is_broadcast(network, dst) ? NULL : dst;
    }
    return addr_is_any(&net->config.gateway) ? NULL : &net->config.gateway;
}

/* What isn't known to be on the link goes to a router; without one it goes nowhere (RFC 4861 5.2, RFC 5942).
 */
static const struct addr *next_hop6(struct net *net, const struct addr *dst, uint64_t now_us)
{
    if (!ip6_is_host(dst) || net->interface.link_local == INTERFACE_NONE) {
        return NULL;
    }
    if (addr_is_link_local(dst) || interface_network(&net->interface, dst) != NULL) {
        return dst;
    }
    if (!addr_is_any(&net->config.gateway6)) {
        return &net->config.gateway6;
    }
    return router_on_link(&net->routers, dst, now_us) ? dst
                                                      : router_choose(&net->routers, &net->neigh, now_us);
}

const struct addr *net_next_hop(struct net *net, const struct addr *dst, uint64_t now_us)
{
    if (net_is_ours(net, dst)) {
        return NULL;
    }
    return addr_is_ip4(dst) ? next_hop4(net, dst) : next_hop6(net, dst, now_us);
}

void net_learn(struct net *net, const struct addr *src, const struct mac *mac, uint64_t now_us)
{
    const struct addr *hop = net_next_hop(net, src, now_us);
    if (hop != NULL) {
        neigh_learn(&net->neigh, hop, mac, now_us);
    }
}

/* The same label for all packets of a connection (RFC 6437); others have none. */
static uint32_t flow_of(const struct net *net, const struct addr *src, const struct addr *dst,
                        uint8_t protocol, const uint8_t *l4, size_t l4_len)
{
    return protocol == IP_PROTOCOL_TCP && l4_len >= 4 ? ip6_flow_label(net->config.key, src, dst, l4) : 0;
}

enum wax_status net_output(struct net *net, const struct addr *src, const struct addr *dst, uint8_t protocol,
                           uint8_t ecn, uint8_t *l4, size_t l4_len, size_t headroom, uint64_t now_us,
                           size_t *header_len)
{
    bool ip4 = addr_is_ip4(dst);
    size_t tag = net->config.vlan != 0 ? ETH_TAG_BYTES : 0, ip = ip4 ? IP4_HEADER_BYTES : IP6_HEADER_BYTES;
    size_t needed = ETH_HEADER_BYTES + tag + ip;
    if (headroom < needed || addr_is_ip4(src) != ip4) {
        return WAX_BAD_ARGUMENT;
    }
    if (l4_len + ip > net->config.mtu) {
        return WAX_NET_TOO_BIG;
    }
    const struct addr *hop = net_next_hop(net, dst, now_us);
    if (hop == NULL) {
        return WAX_NET_NO_ROUTE;
    }
    struct mac mac;
    enum wax_status status = neigh_use(&net->neigh, hop, now_us, &mac);
    if (status != WAX_OK) {
        return status;
    }
    if (ip4) {
        ip4_write(l4 - ip, src, dst, protocol, ecn & IP_ECN_MASK, l4_len);
    } else {
        ip6_write(l4 - ip, src, dst, protocol, ecn & IP_ECN_MASK, IP6_HOP_LIMIT,
                  flow_of(net, src, dst, protocol, l4, l4_len), l4_len);
    }
    eth_write(l4 - ip - ETH_HEADER_BYTES, &mac, &net->config.mac, ip4 ? ETH_TYPE_IP4 : ETH_TYPE_IP6);
    if (tag != 0) {
        eth_tag_put(l4 - needed, net->config.vlan);
    }
    *header_len = needed;
    return WAX_OK;
}
