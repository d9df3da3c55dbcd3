/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames as the peers of the fuzz target `path` send them, written here by hand so that the code under test
 * doesn't judge itself. Both families; the second half of the peers speaks IPv6.
 */
#ifndef TESTS_FUZZ_PATH_FRAME_H
#define TESTS_FUZZ_PATH_FRAME_H

#include "net/addr.h"
#include "net/eth.h"

#define PEERS          8u
#define FRAME_BYTES    2048u
#define IP6_BYTES      40u
#define IP4_BYTES      20u
#define PROTOCOL_TCP   6u
#define PROTOCOL_ICMP  1u
#define PROTOCOL_ICMP6 58u

/* A frame that is being built. */
struct frame {
    uint8_t bytes[FRAME_BYTES];
    size_t len;
    size_t l4; /* where the transport header begins */
    bool ip6;
};

static const struct mac frame_our_mac = {{2, 0, 0, 0, 0, 1}};

static inline bool frame_peer_is_ip6(uint32_t peer)
{
    return peer >= PEERS / 2;
}

/* Peers 0 to 3 and 4 to 7: two hosts of each family with two ports each. */
static inline struct addr frame_peer_addr(uint32_t peer)
{
    uint8_t host = (uint8_t)(2 + peer % 2);
    return frame_peer_is_ip6(peer) ? (struct addr){{0x20, 1, 0, 2, [15] = host}}
                                   : addr_ip4(0xc6120000u + host);
}

static inline struct addr frame_our_addr(uint32_t peer)
{
    return frame_peer_is_ip6(peer) ? (struct addr){{0x20, 1, 0, 2, [15] = 1}} : addr_ip4(0xc6120001);
}

static inline struct mac frame_peer_mac(uint32_t peer)
{
    return (struct mac){{2, 0, 0, 0, 1, (uint8_t)(2 + peer % 2)}};
}

static inline uint32_t frame_sum(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
    }
    return (sum & 0xffff) + (sum >> 16);
}

static inline uint16_t frame_fold(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t) ~((sum & 0xffff) + (sum >> 16));
}

/* Whether the bytes at l4 are whole enough to have a checksum at offset `field` of their header. */
static inline bool frame_has(const struct frame *f, size_t field)
{
    return f->l4 + field + 2 <= f->len;
}

/* Puts in the right checksums: of the IPv4 header, and of what it carries. */
static inline void frame_mend(struct frame *f)
{
    uint8_t *ip = f->bytes + ETH_HEADER_BYTES, *l4 = f->bytes + f->l4;
    uint8_t protocol = f->ip6 ? ip[6] : ip[9];
    size_t field = protocol == PROTOCOL_TCP ? 16 : 2;
    if (!f->ip6 && f->len >= ETH_HEADER_BYTES + IP4_BYTES) {
        size_t header = (size_t)(ip[0] & 15) * 4;
        header = header < f->len - ETH_HEADER_BYTES ? header : f->len - ETH_HEADER_BYTES;
        store_be16(ip + 10, 0);
        store_be16(ip + 10, frame_fold(frame_sum(0, ip, header)));
    }
    if (!frame_has(f, field)) {
        return;
    }
    size_t len = f->len - f->l4;
    uint32_t sum = 0;
    if (protocol != PROTOCOL_ICMP) {
        sum = frame_sum(sum, f->ip6 ? ip + 8 : ip + 12, f->ip6 ? 32 : 8) + protocol + (uint32_t)len;
    }
    store_be16(l4 + field, 0);
    store_be16(l4 + field, frame_fold(frame_sum(sum, l4, len)));
}

/* Ethernet and IP headers from `peer` to us, for `len` bytes behind them; those are to be filled in. */
static inline uint8_t *frame_start(struct frame *f, uint32_t peer, uint8_t protocol, size_t len)
{
    struct mac from = frame_peer_mac(peer);
    struct addr src = frame_peer_addr(peer), dst = frame_our_addr(peer);
    uint8_t *ip = f->bytes + ETH_HEADER_BYTES;
    f->ip6 = frame_peer_is_ip6(peer);
    f->l4 = ETH_HEADER_BYTES + (f->ip6 ? IP6_BYTES : IP4_BYTES);
    f->len = f->l4 + len;
    memset(f->bytes, 0, f->len);
    eth_write(f->bytes, &frame_our_mac, &from, f->ip6 ? ETH_TYPE_IP6 : ETH_TYPE_IP4);
    if (f->ip6) {
        ip[0] = 0x60;
        store_be16(ip + 4, (uint16_t)len);
        ip[6] = protocol;
        ip[7] = 255; /* neighbour discovery wants it so; nobody else minds */
        memcpy(ip + 8, src.b, 16);
        memcpy(ip + 24, dst.b, 16);
    } else {
        ip[0] = 0x45;
        store_be16(ip + 2, (uint16_t)(IP4_BYTES + len));
        ip[6] = 0x40;
        ip[8] = 64;
        ip[9] = protocol;
        memcpy(ip + 12, src.b + 12, 4);
        memcpy(ip + 16, dst.b + 12, 4);
    }
    return f->bytes + f->l4;
}

/* The two bits of RFC 3168. */
static inline void frame_ecn(struct frame *f, uint8_t ecn)
{
    uint8_t *ip = f->bytes + ETH_HEADER_BYTES;
    if (f->ip6) {
        ip[1] = (uint8_t)(ip[1] | ecn << 4);
    } else {
        ip[1] = ecn;
    }
}

#endif
