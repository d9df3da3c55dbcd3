/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of IPv4 and ARP. */
#include "net/checksum.h"
#include "net/net_internal.h"

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
enum wax_status net_input_arp(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx)
{
    struct arp_packet arp;
    enum wax_status status =
        arp_parse(view_of(frame.data + ETH_HEADER_BYTES, frame.len - ETH_HEADER_BYTES), &arp);
    if (status != WAX_OK) {
        return status;
    }
    if (mac_same(&arp.sender_mac, &net->config.mac)) {
        return WAX_NET_ETHER_SOURCE; /* it would have us talk to ourselves */
    }
    struct addr sender = addr_ip4(arp.sender_ip4), target = addr_ip4(arp.target_ip4);
    uint32_t same = interface_find(&net->interface, &sender);
    if (same != INTERFACE_NONE) {
        net_defend(net, same, now_us);
        return WAX_ARP_CONFLICT;
    }
    bool for_us = net_is_ours(net, &target);
    enum wax_status merged = WAX_NOT_FOUND;
    if (arp.sender_ip4 != 0) {
        const struct interface_own *network = interface_network(&net->interface, &sender);
        bool near = network != NULL && !interface_is_broadcast(network, &sender);
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
    if (!net_icmp_allowed(net, now_us)) {
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

enum wax_status net_input_ip4(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx)
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
    const struct interface_own *network = interface_network(&net->interface, &ip.src);
    if (net_is_ours(net, &ip.src) || (network != NULL && interface_is_broadcast(network, &ip.src))) {
        return WAX_IP4_SOURCE;
    }
    if (ip.protocol == IP_PROTOCOL_ICMP) {
        return input_icmp(net, frame, &ip, now_us, rx);
    }
    if (ip.protocol != IP_PROTOCOL_TCP) {
        return WAX_IP_PROTOCOL;
    }
    struct mac mac = eth_source(frame.data);
    net_learn(net, &ip.src, &mac, now_us);
    rx->kind = NET_TCP;
    rx->ecn = ip.tos & IP_ECN_MASK;
    rx->src = ip.src;
    rx->dst = ip.dst;
    rx->l4 = ip.payload;
    return WAX_OK;
}
