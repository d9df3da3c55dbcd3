/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of IPv6: what is for us, neighbour discovery, and what ICMPv6 answers. */
#include "net/net_internal.h"

#define PROBLEM_BYTES (ETH_HEADER_BYTES + IP6_HEADER_BYTES + ICMP6_HEADER_BYTES)

/* RFC 4443 4.2. Echoes to groups go unanswered: they would make us a part of somebody's flood. */
static enum wax_status reply_echo(struct net *net, struct span frame, const struct ip6_packet *ip,
                                  uint64_t now_us, struct net_rx *rx)
{
    if (addr_is_group(&ip->dst)) {
        return WAX_ICMP_IGNORED;
    }
    if (!net_icmp_allowed(net, now_us)) {
        return WAX_ICMP_RATE;
    }
    struct mac peer = eth_source(frame.data);
    uint8_t *header = frame.data + ETH_HEADER_BYTES, *message = header + IP6_HEADER_BYTES;
    size_t len = ip->payload.len;
    memmove(message, ip->payload.data, len); /* over extension headers, if there are any */
    icmp6_echo_reply(span_of(message, len), &ip->dst, &ip->src);
    ip6_write(header, &ip->dst, &ip->src, IP6_PROTOCOL_ICMP, ip->traffic_class & (uint8_t)~IP_ECN_MASK,
              IP6_HOP_LIMIT, 0, len);
    eth_write(frame.data, &peer, &net->config.mac, ETH_TYPE_IP6);
    rx->kind = NET_REPLY;
    rx->reply_len = ETH_HEADER_BYTES + IP6_HEADER_BYTES + len;
    return WAX_OK;
}

/* Whether the sender of this packet may be told about it at all (RFC 4443 2.4 e). */
static bool may_tell(const struct net *net, struct span frame, const struct ip6_packet *ip, bool to_us)
{
    const uint8_t *header = frame.data + ETH_HEADER_BYTES;
    if (ip->problem == IP6_NOTHING_TO_TELL || !ip6_is_host(&ip->src) || net_is_ours(net, &ip->src)) {
        return false;
    }
    if (!net_is_ours(net, &ip->dst)) {
        return ip->problem_to_groups && interface_in_group(&net->interface, &ip->dst) &&
               net_source(net, &ip->src) != NULL;
    }
    return to_us && !icmp6_is_error(
                        view_of(header + IP6_HEADER_BYTES, frame.len - ETH_HEADER_BYTES - IP6_HEADER_BYTES),
                        header[6]);
}

/*
 * Makes the frame a parameter problem about itself, with as much of it as fits the least MTU (RFC 4443 3.4).
 * The status stays the reason why it was dropped.
 */
static void tell_problem(struct net *net, struct span frame, size_t room, const struct ip6_packet *ip,
                         bool to_us, uint64_t now_us, struct net_rx *rx)
{
    if (!may_tell(net, frame, ip, to_us) || !net_icmp_allowed(net, now_us)) {
        return;
    }
    uint8_t *header = frame.data + ETH_HEADER_BYTES, *message = header + IP6_HEADER_BYTES;
    size_t quote = IP6_HEADER_BYTES + load_be16(header + 4), most = IP6_MTU_LEAST - IP6_HEADER_BYTES;
    quote = quote < most - ICMP6_HEADER_BYTES ? quote : most - ICMP6_HEADER_BYTES;
    if (room < PROBLEM_BYTES + quote) {
        return;
    }
    struct mac peer = eth_source(frame.data);
    struct addr to = ip->src;
    struct addr from = net_is_ours(net, &ip->dst) ? ip->dst : *net_source(net, &to);
    memmove(message + ICMP6_HEADER_BYTES, header, quote);
    icmp6_write_problem(message, ip->problem, ip->pointer);
    icmp6_checksum_put(span_of(message, ICMP6_HEADER_BYTES + quote), &from, &to);
    ip6_write(header, &from, &to, IP6_PROTOCOL_ICMP, 0, IP6_HOP_LIMIT, 0, ICMP6_HEADER_BYTES + quote);
    eth_write(frame.data, &peer, &net->config.mac, ETH_TYPE_IP6);
    rx->kind = NET_REPLY;
    rx->reply_len = PROBLEM_BYTES + quote;
}

/* RFC 4861 7.2.3, 7.2.4; RFC 4862 5.4.3 where the address is not ours yet. */
static enum wax_status input_ask(struct net *net, struct span frame, size_t room, const struct ip6_packet *ip,
                                 const struct ndp_message *m, uint64_t now_us, struct net_rx *rx)
{
    bool probe = addr_is_any(&ip->src);
    uint32_t own = interface_find(&net->interface, &m->target);
    if (own == INTERFACE_NONE) {
        return WAX_NET_NOT_FOR_US;
    }
    if (net->interface.own[own].state == INTERFACE_TENTATIVE && probe) {
        interface_duplicate(&net->interface, own);
        return WAX_ND_DUPLICATE;
    }
    if (net->interface.own[own].state != INTERFACE_VALID) {
        return WAX_NET_NOT_FOR_US;
    }
    struct mac peer = eth_source(frame.data);
    if (!probe && m->has_mac) {
        neigh_hint(&net->neigh, &ip->src, &m->mac, now_us);
    }
    if (room < NDP_FRAME_BYTES) {
        return WAX_FULL;
    }
    struct mac group = mac_of_group(ndp_all_nodes.b);
    rx->kind = NET_REPLY;
    rx->reply_len = ndp_write_advertise(frame.data, &net->config.mac,
                                        probe        ? &group
                                        : m->has_mac ? &m->mac
                                                     : &peer,
                                        &m->target, probe ? &ndp_all_nodes : &ip->src, !probe);
    return WAX_OK;
}

/* RFC 4861 7.2.5; RFC 4862 5.4.4. */
static enum wax_status input_advertise(struct net *net, const struct ndp_message *m, uint64_t now_us)
{
    uint32_t own = interface_find(&net->interface, &m->target);
    if (own != INTERFACE_NONE) {
        if (net->interface.own[own].state == INTERFACE_VALID) {
            return WAX_ND_CONFLICT;
        }
        interface_duplicate(&net->interface, own);
        return WAX_ND_DUPLICATE;
    }
    if (!m->is_router) {
        router_remove(&net->routers, &net->neigh, &m->target);
    }
    (void)neigh_advertised(&net->neigh, &m->target, m->has_mac ? &m->mac : NULL, m->solicited, m->override,
                           now_us); /* who isn't asked for isn't kept (7.2.5) */
    return WAX_OK;
}

static enum wax_status input_discovery(struct net *net, struct span frame, size_t room,
                                       const struct ip6_packet *ip, uint64_t now_us, struct net_rx *rx)
{
    struct ndp_message m;
    enum wax_status status = ndp_parse(ip, &m);
    if (status != WAX_OK) {
        return status;
    }
    if (m.has_mac && mac_same(&m.mac, &net->config.mac)) {
        return WAX_NET_ETHER_SOURCE; /* it would have us talk to ourselves */
    }
    switch (m.type) {
    case ICMP6_ASK:
        return input_ask(net, frame, room, ip, &m, now_us, rx);
    case ICMP6_ADVERTISE:
        return input_advertise(net, &m, now_us);
    default: /* ICMP6_ROUTER */
        if (!net->config.discover || !addr_is_any(&net->config.gateway6)) {
            return WAX_ICMP_IGNORED;
        }
        return router_advertised(&net->routers, &net->neigh, &ip->src, &m, now_us);
    }
}

static enum wax_status input_query(struct net *net, const struct ip6_packet *ip, uint64_t now_us)
{
    struct addr group;
    uint64_t delay_us;
    enum wax_status status = mld_parse_query(ip, &group, &delay_us);
    if (status != WAX_OK) {
        return status;
    }
    if (!addr_is_any(&group) &&
        (!interface_in_group(&net->interface, &group) || addr_same(&group, &ndp_all_nodes))) {
        return WAX_NET_NOT_FOR_US;
    }
    net_report(net, delay_us, now_us);
    return WAX_OK;
}

static enum wax_status input_icmp(struct net *net, struct span frame, size_t room,
                                  const struct ip6_packet *ip, uint64_t now_us, struct net_rx *rx)
{
    enum icmp6_kind kind;
    enum wax_status status = icmp6_parse(ip, &kind, &rx->error);
    if (status != WAX_OK) {
        return status;
    }
    if (kind == ICMP6_KIND_DISCOVERY) {
        return input_discovery(net, frame, room, ip, now_us, rx);
    }
    if (addr_is_any(&ip->src)) {
        return WAX_IP6_SOURCE; /* nobody could be answered */
    }
    switch (kind) {
    case ICMP6_KIND_QUERY:
        return input_query(net, ip, now_us);
    case ICMP6_KIND_ECHO:
        return reply_echo(net, frame, ip, now_us, rx);
    default:
        if (!net_is_ours(net, &rx->error.src)) {
            return WAX_ICMP_MALFORMED;
        }
        rx->kind = NET_TCP_ERROR;
        return WAX_OK;
    }
}

static enum wax_status input_tcp(struct net *net, struct span frame, const struct ip6_packet *ip,
                                 uint64_t now_us, struct net_rx *rx)
{
    struct mac mac = eth_source(frame.data);
    net_learn(net, &ip->src, &mac, now_us);
    rx->kind = NET_TCP;
    rx->ecn = ip->traffic_class & IP_ECN_MASK;
    rx->src = ip->src;
    rx->dst = ip->dst;
    rx->l4 = ip->payload;
    return WAX_OK;
}

enum wax_status net_input_ip6(struct net *net, struct span frame, size_t room, bool to_us, uint64_t now_us,
                              struct net_rx *rx)
{
    struct ip6_packet ip;
    enum wax_status status =
        ip6_parse(view_of(frame.data + ETH_HEADER_BYTES, frame.len - ETH_HEADER_BYTES), &ip);
    if (status != WAX_OK) {
        tell_problem(net, frame, room, &ip, to_us, now_us, rx);
        return status;
    }
    bool ours = net_is_ours(net, &ip.dst);
    if (!ours && !interface_in_group(&net->interface, &ip.dst)) {
        return WAX_NET_NOT_FOR_US;
    }
    if (ours && !to_us) {
        return WAX_NET_NOT_FOR_US; /* one station's packet by broadcast: as RFC 1122 3.3.6 */
    }
    if (net_is_ours(net, &ip.src)) {
        return WAX_IP6_SOURCE;
    }
    if (ip.protocol == IP6_PROTOCOL_ICMP) {
        return input_icmp(net, frame, room, &ip, now_us, rx);
    }
    if (!ours || addr_is_any(&ip.src)) {
        return ours ? WAX_IP6_SOURCE : WAX_NET_NOT_FOR_US; /* TCP is never for groups (RFC 9293 3.9.2.3) */
    }
    if (ip.protocol == IP_PROTOCOL_TCP) {
        return input_tcp(net, frame, &ip, now_us, rx);
    }
    if (ip.protocol != IP6_NO_NEXT) {
        ip.problem = IP6_PROBLEM_NEXT;
        ip.pointer = ip.protocol_at;
        tell_problem(net, frame, room, &ip, to_us, now_us, rx);
    }
    return WAX_IP_PROTOCOL;
}
