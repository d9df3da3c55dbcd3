/* SPDX-License-Identifier: BSD-3-Clause */
#include "link6.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "net/checksum.h"

struct net net;
struct net_rx rx;
uint8_t frame[4096], said[NET_SOLICIT_BYTES];
size_t frame_len, said_len;
const struct mac our_mac = {{2, 0, 0, 0, 0, 1}}, peer_mac = {{2, 0, 0, 0, 0, 2}},
                 router_mac = {{2, 0, 0, 0, 0, 0xfe}};
struct addr us, us_local, peer, peer_local, far, router, unspecified;

struct addr ip6(const char *text)
{
    struct addr a;
    cr_assert_eq(inet_pton(AF_INET6, text, a.b), 1);
    return a;
}

struct net_config link6_config(void)
{
    us = ip6("2001:2::1");
    us_local = ip6("fe80::ff:fe00:1");
    peer = ip6("2001:2::2");
    peer_local = ip6("fe80::2");
    far = ip6("2001:db8:9::9");
    router = ip6("fe80::fe");
    return (struct net_config){.mac = our_mac,
                               .mtu = 1500,
                               .address_count = 2,
                               .addresses = {{us, 48}, {addr_ip4(0xc6120001), 24}},
                               .key = {1, 2}};
}

void link6_make(const struct net_config *config)
{
    cr_assert_eq(net_init(&net, config, NOW), WAX_OK);
    memset(frame, 0, sizeof frame);
}

uint8_t *ext(void)
{
    return frame + ETH_HEADER_BYTES + IP6_HEADER_BYTES;
}

uint8_t *make(const struct addr *src, const struct addr *dst, uint8_t protocol, size_t chain_len, size_t len)
{
    struct mac to = addr_is_group(dst) ? mac_of_group(dst->b) : our_mac;
    memset(frame, 0, sizeof frame);
    eth_write(frame, &to, &peer_mac, ETH_TYPE_IP6);
    ip6_write(frame + ETH_HEADER_BYTES, src, dst, protocol, 2, 64, 0, chain_len + len);
    frame_len = ETH_HEADER_BYTES + IP6_HEADER_BYTES + chain_len + len;
    return ext() + chain_len;
}

void seal(void)
{
    uint8_t *ip = frame + ETH_HEADER_BYTES;
    struct addr src, dst;
    memcpy(src.b, ip + 8, 16);
    memcpy(dst.b, ip + 24, 16);
    icmp6_checksum_put(span_of(ip + IP6_HEADER_BYTES, load_be16(ip + 4)), &src, &dst);
}

uint8_t *make_icmp(const struct addr *src, const struct addr *dst, uint8_t type, size_t len)
{
    uint8_t *p = make(src, dst, IP6_PROTOCOL_ICMP, 0, len);
    p[0] = type;
    return p;
}

uint8_t *make_nd(const struct addr *src, const struct addr *dst, uint8_t type, size_t len)
{
    uint8_t *p = make_icmp(src, dst, type, len);
    frame[ETH_HEADER_BYTES + 7] = 255;
    return p;
}

void make_ask(const struct addr *src, const struct addr *target)
{
    struct addr group = addr_solicited_node(target);
    bool nameless = addr_is_any(src);
    uint8_t *p = make_nd(src, &group, ICMP6_ASK, nameless ? 24 : 32);
    memcpy(p + 8, target->b, 16);
    if (!nameless) {
        p[24] = 1;
        p[25] = 1;
        memcpy(p + 26, peer_mac.b, 6);
    }
    seal();
}

void make_advertise(const struct addr *target, const struct addr *dst, const struct mac *mac, uint8_t flags)
{
    uint8_t *p = make_nd(target, dst, ICMP6_ADVERTISE, mac == NULL ? 24 : 32);
    p[4] = flags;
    memcpy(p + 8, target->b, 16);
    if (mac != NULL) {
        p[24] = 2;
        p[25] = 1;
        memcpy(p + 26, mac->b, 6);
    }
    seal();
}

void make_router(const struct addr *src, const struct mac *mac, uint16_t lifetime_s,
                 const struct addr *prefix, uint8_t bits, uint32_t valid_s)
{
    uint8_t *p = make_nd(src, &ndp_all_nodes, ICMP6_ROUTER, 16 + 8 + (prefix == NULL ? 0 : 32));
    store_be16(p + 6, lifetime_s);
    p[16] = 1;
    p[17] = 1;
    memcpy(p + 18, mac->b, 6);
    if (prefix != NULL) {
        p[24] = 3;
        p[25] = 4;
        p[26] = bits;
        p[27] = 0x80;
        store_be32(p + 28, valid_s);
        memcpy(p + 40, prefix->b, 16);
    }
    memcpy(frame + 6, mac->b, 6);
    seal();
}

enum wax_status input_at(uint64_t now_us)
{
    return net_input_room(&net, span_of(frame, frame_len), sizeof frame, now_us, &rx);
}

enum wax_status output_at(const struct addr *dst, size_t len, uint64_t now_us, const uint8_t **sent,
                          size_t *header_len)
{
    static uint8_t packet[4096];
    const struct addr *src = addr_is_link_local(dst) ? &us_local : &us;
    uint8_t *l4 = packet + NET_HEADER_BYTES_MAX;
    store_be16(l4, 443);
    store_be16(l4 + 2, 50000);
    enum wax_status status =
        net_output(&net, src, dst, IP_PROTOCOL_TCP, 2, l4, len, NET_HEADER_BYTES_MAX, now_us, header_len);
    *sent = status == WAX_OK ? l4 - *header_len : NULL;
    return status;
}

uint32_t say_all(uint64_t now_us)
{
    uint32_t count = 0;
    while (net_solicit(&net, span_of(said, sizeof said), now_us, &said_len) == WAX_OK) {
        count++;
    }
    return count;
}

bool checksum_right(const uint8_t *f)
{
    const uint8_t *ip = f + ETH_HEADER_BYTES;
    struct addr src, dst;
    memcpy(src.b, ip + 8, 16);
    memcpy(dst.b, ip + 24, 16);
    size_t len = load_be16(ip + 4);
    uint64_t sum = checksum_pseudo(&src, &dst, IP6_PROTOCOL_ICMP, (uint32_t)len);
    return checksum_finish(checksum_add(sum, view_of(ip + IP6_HEADER_BYTES, len))) == 0;
}
