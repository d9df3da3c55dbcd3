/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A series of frames into one port: Ethernet, ARP, IPv4, ICMP, and the neighbour cache behind them. An input
 * is records of flags (1 byte: bit 0 mend the IP header's checksum, bit 1 mend ICMP's, bit 2 a minute
 * passes), length (2) and frame.
 */
#include <stdlib.h>

#include "net/checksum.h"
#include "net/net.h"

#define RECORD_BYTES 3u
#define MEND_IP      1u
#define MEND_ICMP    2u
#define MINUTE       4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct net net;

static void check(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* So that the fuzzer gets past the checksums. */
static void mend(uint8_t *frame, size_t len, uint8_t flags)
{
    if (len < ETH_HEADER_BYTES + IP4_HEADER_BYTES || eth_type(frame) != ETH_TYPE_IP4) {
        return;
    }
    uint8_t *ip = frame + ETH_HEADER_BYTES;
    size_t header = (size_t)(ip[0] & 15) * 4, total = load_be16(ip + 2), room = len - ETH_HEADER_BYTES;
    if ((flags & MEND_ICMP) != 0 && total <= room && total >= header + ICMP_HEADER_BYTES) {
        store_be16(ip + header + 2, 0);
        store_be16(ip + header + 2, checksum_finish(checksum_add(0, view_of(ip + header, total - header))));
    }
    if ((flags & MEND_IP) != 0 && header >= IP4_HEADER_BYTES && header <= room) {
        store_be16(ip + 10, 0);
        store_be16(ip + 10, checksum_finish(checksum_add(0, view_of(ip, header))));
    }
}

/* A handed-up segment lies in the frame, and its sender can be answered, or asked for. */
static void check_tcp(const uint8_t *frame, size_t len, const struct net_rx *rx, uint64_t now_us)
{
    static uint8_t packet[NET_HEADER_BYTES_MAX + 20];
    size_t header_len = 0;
    check(rx->l4.data >= frame && rx->l4.data + rx->l4.len <= frame + len);
    check(net_is_ours(&net, &rx->dst) && !net_is_ours(&net, &rx->src));
    enum wax_status status =
        net_output(&net, &rx->dst, &rx->src, IP_PROTOCOL_TCP, 0, packet + NET_HEADER_BYTES_MAX, 20,
                   NET_HEADER_BYTES_MAX, now_us, &header_len);
    if (status == WAX_OK) {
        struct ip4_packet ip;
        const uint8_t *sent = packet + NET_HEADER_BYTES_MAX - header_len;
        check(ip4_parse(view_of(sent + ETH_HEADER_BYTES, header_len - ETH_HEADER_BYTES + 20), &ip) == WAX_OK);
        check(addr_same(&ip.src, &rx->dst) && addr_same(&ip.dst, &rx->src));
    } else {
        check(status == WAX_NEIGH_UNRESOLVED || status == WAX_NEIGH_FULL || status == WAX_NET_NO_ROUTE);
    }
}

static void input(const uint8_t *bytes, size_t len, uint8_t flags, uint64_t now_us)
{
    uint8_t *frame = malloc(len > 0 ? len : 1);
    check(frame != NULL);
    memcpy(frame, bytes, len);
    mend(frame, len, flags);
    struct net_rx rx;
    enum wax_status status = net_input(&net, span_of(frame, len), now_us, &rx);
    check((unsigned)status < WAX_STATUS_COUNT);
    check(status == WAX_OK || rx.kind == NET_NONE);
    if (rx.kind == NET_TCP) {
        check_tcp(frame, len, &rx, now_us);
    } else if (rx.kind == NET_REPLY) {
        struct mac from = eth_source(frame);
        check(rx.reply_len <= len && mac_same(&from, &net.config.mac));
    } else if (rx.kind == NET_TCP_ERROR) {
        check(net_is_ours(&net, &rx.error.src));
    }
    uint8_t request[NET_SOLICIT_BYTES];
    size_t request_len;
    while (net_solicit(&net, span_of(request, sizeof request), now_us, &request_len) == WAX_OK) {
        check(request_len <= sizeof request);
    }
    check(net.neigh.learned <= NEIGH_LEARNED_MAX);
    free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct net_config config = {
        .mac = {{2, 0, 0, 0, 0, 1}},
        .mtu = 1500,
        .address_count = 2,
        .addresses = {{addr_ip4(0xc6120001), 24}, {addr_ip4(0xc6130001), 31}},
        .gateway = addr_ip4(0xc61200fe),
        .key = {1, 2},
    };
    uint64_t now_us = 1000000;
    check(net_init(&net, &config, now_us) == WAX_OK);
    while (size >= RECORD_BYTES) {
        size_t len = load_be16(data + 1);
        uint8_t flags = data[0];
        data += RECORD_BYTES;
        size -= RECORD_BYTES;
        len = len < size ? len : size;
        now_us += (flags & MINUTE) != 0 ? 61000000 : 1000;
        input(data, len, flags, now_us);
        data += len;
        size -= len;
    }
    return 0;
}
