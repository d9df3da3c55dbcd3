/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A series of frames into two ports, one of a VLAN: Ethernet, ARP, IPv4, ICMP, IPv6, ICMPv6, neighbour and
 * router discovery, and what lies behind them. An input is records of flags (1 byte: bit 0 mend IPv4's
 * checksum, bit 1 mend ICMP's or ICMPv6's, bit 2 a minute passes, bit 3 into the port of a VLAN, bit 4 no
 * room behind the frame), length (2) and frame.
 */
#include <stdlib.h>

#include "net/checksum.h"
#include "net/net.h"

#define RECORD_BYTES 3u
#define MEND_IP      1u
#define MEND_ICMP    2u
#define MINUTE       4u
#define VLAN         8u
#define TIGHT        16u
#define VLAN_ID      42u
#define ROOM         1300u /* behind a frame, for what is longer than its cause */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net nets[2];

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void mend4(uint8_t *ip, size_t room, uint8_t flags)
{
    if (room < IP4_HEADER_BYTES) {
        return;
    }
    size_t header = (size_t)(ip[0] & 15) * 4, total = load_be16(ip + 2);
    if ((flags & MEND_ICMP) != 0 && total <= room && total >= header + ICMP_HEADER_BYTES) {
        store_be16(ip + header + 2, 0);
        store_be16(ip + header + 2, checksum_finish(checksum_add(0, view_of(ip + header, total - header))));
    }
    if ((flags & MEND_IP) != 0 && header >= IP4_HEADER_BYTES && header <= room) {
        store_be16(ip + 10, 0);
        store_be16(ip + 10, checksum_finish(checksum_add(0, view_of(ip, header))));
    }
}

static void mend6(uint8_t *ip, size_t room, uint8_t flags)
{
    struct ip6_packet packet;
    if ((flags & MEND_ICMP) != 0 && ip6_parse(view_of(ip, room), &packet) == WAX_OK &&
        packet.protocol == IP6_PROTOCOL_ICMP && packet.payload.len >= 4) {
        icmp6_checksum_put(span_of(ip + packet.header_len, packet.payload.len), &packet.src, &packet.dst);
    }
}

/* So that the fuzzer gets past the checksums. */
static void mend(uint8_t *frame, size_t len, uint8_t flags)
{
    size_t at = ETH_HEADER_BYTES;
    if (len >= at + ETH_TAG_BYTES && eth_type(frame) == ETH_TYPE_VLAN) {
        at += ETH_TAG_BYTES;
    }
    if (len < at) {
        return;
    }
    uint16_t type = load_be16(frame + at - 2);
    if (type == ETH_TYPE_IP4) {
        mend4(frame + at, len - at, flags);
    } else if (type == ETH_TYPE_IP6) {
        mend6(frame + at, len - at, flags);
    }
}

/* What we sent can be read, and goes back to where it should. */
static void check_sent(const struct net *net, const uint8_t *sent, size_t len, const struct net_rx *rx)
{
    size_t at = ETH_HEADER_BYTES + (net->config.vlan != 0 ? ETH_TAG_BYTES : 0);
    if (net->config.vlan != 0) {
        check(load_be16(sent + 12) == ETH_TYPE_VLAN && load_be16(sent + 14) == VLAN_ID);
    }
    if (addr_is_ip4(&rx->src)) {
        struct ip4_packet ip;
        check(ip4_parse(view_of(sent + at, len - at), &ip) == WAX_OK);
        check(addr_same(&ip.src, &rx->dst) && addr_same(&ip.dst, &rx->src));
    } else {
        struct ip6_packet ip;
        check(ip6_parse(view_of(sent + at, len - at), &ip) == WAX_OK);
        check(addr_same(&ip.src, &rx->dst) && addr_same(&ip.dst, &rx->src));
    }
}

/* A handed-up segment lies in the frame, and its sender can be answered, or asked for. */
static void check_tcp(struct net *net, const uint8_t *frame, size_t len, const struct net_rx *rx,
                      uint64_t now_us)
{
    static uint8_t packet[NET_HEADER_BYTES_MAX + 20];
    size_t header_len = 0;
    check(rx->l4.data >= frame && rx->l4.data + rx->l4.len <= frame + len);
    check(net_is_ours(net, &rx->dst) && !net_is_ours(net, &rx->src));
    enum wax_status status =
        net_output(net, &rx->dst, &rx->src, IP_PROTOCOL_TCP, 0, packet + NET_HEADER_BYTES_MAX, 20,
                   NET_HEADER_BYTES_MAX, now_us, &header_len);
    if (status == WAX_OK) {
        check_sent(net, packet + NET_HEADER_BYTES_MAX - header_len, header_len + 20, rx);
    } else {
        check(status == WAX_NEIGH_UNRESOLVED || status == WAX_NEIGH_FULL || status == WAX_NET_NO_ROUTE);
    }
}

/* The lists keep their bounds, and gateways their places. */
static void check_state(const struct net *net)
{
    uint32_t learned = 0, routers = 0;
    for (uint32_t i = 0; i < NEIGH_ENTRIES; i++) {
        learned += net->neigh.entries[i].state == NEIGH_LEARNED;
    }
    check(net->neigh.learned == learned && learned <= NEIGH_LEARNED_MAX);
    for (uint32_t i = 0; i < ROUTERS_MAX; i++) {
        bool there = net->routers.router[i].until_us != 0;
        check(there == ((net->neigh.place_taken >> (ROUTER_PLACE + i) & 1u) != 0));
        routers += there;
    }
    check(routers <= ROUTERS_MAX);
}

static void input(struct net *net, const uint8_t *bytes, size_t len, uint8_t flags, uint64_t now_us)
{
    size_t room = len + ((flags & TIGHT) != 0 ? 0 : ROOM);
    uint8_t *frame = malloc(room > 0 ? room : 1);
    check(frame != NULL);
    memcpy(frame, bytes, len);
    mend(frame, len, flags);
    struct net_rx rx;
    enum wax_status status = net_input_room(net, span_of(frame, len), room, now_us, &rx);
    check((unsigned)status < WAX_STATUS_COUNT);
    check(status == WAX_OK || rx.kind == NET_NONE || rx.kind == NET_REPLY);
    if (rx.kind == NET_TCP) {
        check_tcp(net, frame, len, &rx, now_us);
    } else if (rx.kind == NET_REPLY) {
        struct mac from = eth_source(frame), to = eth_destination(frame);
        check(rx.reply_len <= room && mac_same(&from, &net->config.mac) && !mac_same(&to, &net->config.mac));
        check((eth_type(frame) == ETH_TYPE_VLAN) == (net->config.vlan != 0));
    } else if (rx.kind == NET_TCP_ERROR) {
        check(net_is_ours(net, &rx.error.src));
    }
    uint8_t request[NET_SOLICIT_BYTES];
    size_t request_len;
    while (net_solicit(net, span_of(request, sizeof request), now_us, &request_len) == WAX_OK) {
        check(request_len <= sizeof request && request_len >= ARP_FRAME_BYTES);
    }
    check_state(net);
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net_config config = {
        .mac = {{2, 0, 0, 0, 0, 1}},
        .mtu = 1500,
        .speaker = true,
        .discover = true,
        .address_count = 4,
        .addresses = {{addr_ip4(0xc6120001), 24},
                      {addr_ip4(0xc6130001), 31},
                      {{{0x20, 1, 0, 2, [15] = 1}}, 48},
                      {{{0x20, 1, 0, 2, [4] = 9, [15] = 1}}, 128}},
        .gateway = addr_ip4(0xc61200fe),
        .key = {1, 2},
    };
    uint64_t now_us = 1000000;
    check(net_init(&nets[0], &config, now_us) == WAX_OK);
    config.vlan = VLAN_ID;
    config.detect = true;
    config.addresses[2].prefix = 64;
    check(net_init(&nets[1], &config, now_us) == WAX_OK);
    while (size >= RECORD_BYTES) {
        size_t len = load_be16(data + 1);
        uint8_t flags = data[0];
        data += RECORD_BYTES;
        size -= RECORD_BYTES;
        len = len < size ? len : size;
        now_us += (flags & MINUTE) != 0 ? 61000000 : 1000;
        input(&nets[(flags & VLAN) != 0], data, len, flags, now_us);
        data += len;
        size -= len;
    }
    return 0;
}
