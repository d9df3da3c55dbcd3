/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/net.h"

#include "net/checksum.h"

#define ICMP_COST_US (1000000u / NET_ICMP_PER_S)
#define IP4_BITS     32u

enum wax_status net_init(struct net *net, const struct net_config *config, uint64_t now_us)
{
    if (!mac_is_station(&config->mac) || config->mtu < NET_MTU_LEAST || config->mtu > NET_MTU_MOST ||
        config->address_count == 0 || config->address_count > NET_ADDRESSES_MAX) {
        return WAX_BAD_ARGUMENT;
    }
    for (uint32_t i = 0; i < config->address_count; i++) {
        const struct net_address *a = &config->addresses[i];
        if (addr_is_ip4(&a->addr) && (a->prefix > IP4_BITS || !ip4_is_host(addr_to_ip4(&a->addr)))) {
            return WAX_BAD_ARGUMENT;
        }
    }
    net->config = *config;
    net->icmp = (struct rate){0};
    neigh_init(&net->neigh, &config->gateway, config->key, now_us);
    return WAX_OK;
}

bool net_is_ours(const struct net *net, const struct addr *addr)
{
    for (uint32_t i = 0; i < net->config.address_count; i++) {
        if (addr_same(&net->config.addresses[i].addr, addr)) {
            return true;
        }
    }
    return false;
}

static uint32_t host_mask(uint8_t prefix)
{
    return prefix == 0 ? UINT32_MAX : (uint32_t)((UINT64_C(1) << (IP4_BITS - prefix)) - 1);
}

/* The first of our IPv4 addresses whose network `ip4` is in, else NULL. */
static const struct net_address *network_of(const struct net *net, uint32_t ip4)
{
    for (uint32_t i = 0; i < net->config.address_count; i++) {
        const struct net_address *a = &net->config.addresses[i];
        if (addr_is_ip4(&a->addr) && ((addr_to_ip4(&a->addr) ^ ip4) & ~host_mask(a->prefix)) == 0) {
            return a;
        }
    }
    return NULL;
}

/* The all-zeros or all-ones address of a network that has such (RFC 1122 3.2.1.3, RFC 3021). */
static bool is_broadcast_in(const struct net_address *network, uint32_t ip4)
{
    uint32_t mask = host_mask(network->prefix);
    return mask > 1 && ((ip4 & mask) == 0 || (ip4 & mask) == mask);
}

static enum wax_status reply_arp(struct net *net, struct span frame, const struct arp_packet *request,
                                 struct net_rx *rx)
{
    struct arp_packet reply = {
        .op = ARP_REPLY,
        .sender_mac = net->config.mac,
        .target_mac = request->sender_mac,
        .sender_ip4 = request->target_ip4,
        .target_ip4 = request->sender_ip4,
    };
    arp_write(frame.data, &request->sender_mac, &reply);
    rx->kind = NET_REPLY;
    rx->reply_len = ARP_FRAME_BYTES;
    return WAX_OK;
}

/* RFC 826, with RFC 5227's probes (sender 0). Entries are merged only where we asked or talk. */
static enum wax_status input_arp(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx)
{
    struct arp_packet arp;
    enum wax_status status =
        arp_parse(view_of(frame.data + ETH_HEADER_BYTES, frame.len - ETH_HEADER_BYTES), &arp);
    if (status != WAX_OK) {
        return status;
    }
    struct addr sender = addr_ip4(arp.sender_ip4), target = addr_ip4(arp.target_ip4);
    if (net_is_ours(net, &sender)) {
        return mac_same(&arp.sender_mac, &net->config.mac) ? WAX_NET_NOT_FOR_US : WAX_ARP_CONFLICT;
    }
    bool for_us = net_is_ours(net, &target);
    enum wax_status merged = WAX_NOT_FOUND;
    if (arp.sender_ip4 != 0) {
        const struct net_address *network = network_of(net, arp.sender_ip4);
        bool near = network != NULL && !is_broadcast_in(network, arp.sender_ip4);
        if (!ip4_is_host(arp.sender_ip4) || (!near && !addr_same(&sender, &net->config.gateway))) {
            return WAX_NET_NOT_FOR_US;
        }
        merged = neigh_confirm(&net->neigh, &sender, &arp.sender_mac, now_us);
    }
    if (arp.op == ARP_REQUEST && for_us) {
        return reply_arp(net, frame, &arp, rx);
    }
    if (arp.op == ARP_REPLY && for_us && arp.sender_ip4 != 0) {
        rx->kind = NET_NEIGH;
        rx->neigh_addr = sender;
        rx->neigh_mac = arp.sender_mac;
        return WAX_OK;
    }
    return merged == WAX_OK ? WAX_OK : WAX_NET_NOT_FOR_US;
}

/* RFC 1122 3.2.2.6: the reply carries the request's data, from the address that was asked. */
static enum wax_status reply_echo(struct net *net, struct span frame, const struct ip4_packet *ip,
                                  uint64_t now_us, struct net_rx *rx)
{
    if (!rate_take(&net->icmp, now_us, ICMP_COST_US, NET_ICMP_BURST)) {
        return WAX_ICMP_RATE;
    }
    struct mac peer = eth_source(frame.data);
    uint8_t *header = frame.data + ETH_HEADER_BYTES;
    icmp_echo_reply(span_of(header + ip->header_len, ip->payload.len));
    ip4_rewrite(header, ip->header_len, &ip->dst, &ip->src, ip->tos & (uint8_t)~IP_ECN_MASK);
    eth_write(frame.data, &peer, &net->config.mac, ETH_TYPE_IP4);
    rx->kind = NET_REPLY;
    rx->reply_len = ETH_HEADER_BYTES + (size_t)ip->header_len + ip->payload.len;
    return WAX_OK;
}

static enum wax_status input_icmp(struct net *net, struct span frame, const struct ip4_packet *ip,
                                  uint64_t now_us, struct net_rx *rx)
{
    enum icmp_kind kind;
    enum wax_status status = icmp_parse(ip->payload, &kind, &rx->error);
    if (status != WAX_OK) {
        return status;
    }
    if (kind == ICMP_KIND_ECHO) {
        return reply_echo(net, frame, ip, now_us, rx);
    }
    if (!net_is_ours(net, &rx->error.src)) {
        return WAX_ICMP_MALFORMED;
    }
    rx->kind = NET_TCP_ERROR;
    return WAX_OK;
}

static enum wax_status input_ip4(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx)
{
    struct ip4_packet ip;
    enum wax_status status =
        ip4_parse(view_of(frame.data + ETH_HEADER_BYTES, frame.len - ETH_HEADER_BYTES), &ip);
    if (status != WAX_OK) {
        return status;
    }
    if (!net_is_ours(net, &ip.dst)) {
        return WAX_NET_NOT_FOR_US;
    }
    const struct net_address *network = network_of(net, addr_to_ip4(&ip.src));
    if (net_is_ours(net, &ip.src) || (network != NULL && is_broadcast_in(network, addr_to_ip4(&ip.src)))) {
        return WAX_IP4_SOURCE;
    }
    if (ip.protocol == IP_PROTOCOL_ICMP) {
        return input_icmp(net, frame, &ip, now_us, rx);
    }
    if (ip.protocol != IP_PROTOCOL_TCP) {
        return WAX_IP_PROTOCOL;
    }
    struct mac mac = eth_source(frame.data);
    const struct addr *hop = network != NULL ? &ip.src : &net->config.gateway;
    if (network != NULL || !addr_is_any(hop)) {
        neigh_learn(&net->neigh, hop, &mac, now_us);
    }
    rx->kind = NET_TCP;
    rx->ecn = ip.tos & IP_ECN_MASK;
    rx->src = ip.src;
    rx->dst = ip.dst;
    rx->l4 = ip.payload;
    return WAX_OK;
}

enum wax_status net_input(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx)
{
    rx->kind = NET_NONE;
    if (frame.len < ETH_HEADER_BYTES) {
        return WAX_NET_FRAME_SHORT;
    }
    struct mac source = eth_source(frame.data), destination = eth_destination(frame.data);
    if (!mac_is_station(&source) || mac_same(&source, &net->config.mac)) {
        return WAX_NET_ETHER_SOURCE;
    }
    bool to_us = mac_same(&destination, &net->config.mac);
    switch (eth_type(frame.data)) {
    case ETH_TYPE_IP4: /* never by broadcast: RFC 1122 3.3.6 */
        return to_us ? input_ip4(net, frame, now_us, rx) : WAX_NET_NOT_FOR_US;
    case ETH_TYPE_ARP:
        return to_us || mac_same(&destination, &mac_broadcast) ? input_arp(net, frame, now_us, rx)
                                                               : WAX_NET_NOT_FOR_US;
    default:
        return WAX_NET_ETHERTYPE;
    }
}

/* The on-link address to send to for `dst` (RFC 1122 3.3.1.1), or NULL. */
static const struct addr *next_hop(const struct net *net, const struct addr *dst)
{
    if (!addr_is_ip4(dst) || !ip4_is_host(addr_to_ip4(dst)) || net_is_ours(net, dst)) {
        return NULL;
    }
    const struct net_address *network = network_of(net, addr_to_ip4(dst));
    if (network != NULL) {
        return is_broadcast_in(network, addr_to_ip4(dst)) ? NULL : dst;
    }
    return addr_is_ip4(&net->config.gateway) && !addr_is_any(&net->config.gateway) ? &net->config.gateway
                                                                                   : NULL;
}

enum wax_status net_output(struct net *net, const struct addr *src, const struct addr *dst, uint8_t protocol,
                           uint8_t ecn, uint8_t *l4, size_t l4_len, size_t headroom, uint64_t now_us,
                           size_t *header_len)
{
    const size_t needed = ETH_HEADER_BYTES + IP4_HEADER_BYTES;
    if (headroom < needed || addr_is_ip4(src) != addr_is_ip4(dst)) {
        return WAX_BAD_ARGUMENT;
    }
    if (l4_len + IP4_HEADER_BYTES > net->config.mtu) {
        return WAX_NET_TOO_BIG;
    }
    const struct addr *hop = next_hop(net, dst);
    if (hop == NULL) {
        return WAX_NET_NO_ROUTE;
    }
    struct mac mac;
    enum wax_status status = neigh_use(&net->neigh, hop, now_us, &mac);
    if (status != WAX_OK) {
        return status;
    }
    ip4_write(l4 - IP4_HEADER_BYTES, src, dst, protocol, ecn & IP_ECN_MASK, l4_len);
    eth_write(l4 - needed, &mac, &net->config.mac, ETH_TYPE_IP4);
    *header_len = needed;
    return WAX_OK;
}

/* Our address to ask from: the one in the target's network, else the first of IPv4. 0: there is none. */
static uint32_t own_ip4_for(const struct net *net, uint32_t target)
{
    const struct net_address *network = network_of(net, target);
    if (network != NULL) {
        return addr_to_ip4(&network->addr);
    }
    for (uint32_t i = 0; i < net->config.address_count; i++) {
        if (addr_is_ip4(&net->config.addresses[i].addr)) {
            return addr_to_ip4(&net->config.addresses[i].addr);
        }
    }
    return 0;
}

enum wax_status net_solicit(struct net *net, struct span out, uint64_t now_us, size_t *len)
{
    struct addr addr;
    struct mac mac;
    if (out.len < NET_SOLICIT_BYTES) {
        return WAX_BAD_ARGUMENT;
    }
    enum wax_status status = neigh_ask(&net->neigh, now_us, &addr, &mac);
    if (status != WAX_OK) {
        return status;
    }
    struct arp_packet request = {
        .op = ARP_REQUEST,
        .sender_mac = net->config.mac,
        .sender_ip4 = own_ip4_for(net, addr_to_ip4(&addr)),
        .target_ip4 = addr_to_ip4(&addr),
    };
    arp_write(out.data, &mac, &request);
    *len = ARP_FRAME_BYTES;
    return WAX_OK;
}

enum wax_status net_announce(const struct net *net, uint32_t index, struct span out, size_t *len)
{
    if (out.len < NET_SOLICIT_BYTES) {
        return WAX_BAD_ARGUMENT;
    }
    if (index >= net->config.address_count || !addr_is_ip4(&net->config.addresses[index].addr)) {
        return WAX_NOT_FOUND;
    }
    uint32_t own = addr_to_ip4(&net->config.addresses[index].addr);
    struct arp_packet announcement = {
        .op = ARP_REQUEST,
        .sender_mac = net->config.mac,
        .sender_ip4 = own,
        .target_ip4 = own,
    };
    arp_write(out.data, &mac_broadcast, &announcement);
    *len = ARP_FRAME_BYTES;
    return WAX_OK;
}

void net_neigh(struct net *net, const struct addr *addr, const struct mac *mac, uint64_t now_us)
{
    (void)neigh_confirm(&net->neigh, addr, mac, now_us);
}
