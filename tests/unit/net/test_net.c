/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "net/checksum.h"
#include "net/net.h"

#define NOW     UINT64_C(50000000)
#define US      0xc6120001u /* 198.18.0.1/24 */
#define PEER    0xc6120002u
#define FAR     0xc6130009u
#define GATEWAY 0xc61200feu

static const struct mac our_mac = {{2, 0, 0, 0, 0, 1}}, peer_mac = {{2, 0, 0, 0, 0, 2}},
                        gateway_mac = {{2, 0, 0, 0, 0, 0xfe}};
static struct net net;
static struct net_rx rx;
static uint8_t frame[2048];
static size_t frame_len;

static void set_up(void)
{
    struct net_config config = {
        .mac = our_mac,
        .mtu = 1500,
        .address_count = 1,
        .addresses = {{addr_ip4(US), 24}},
        .gateway = addr_ip4(GATEWAY),
        .key = {1, 2},
    };
    cr_assert_eq(net_init(&net, &config, NOW), WAX_OK);
    memset(frame, 0, sizeof frame);
}

TestSuite(net, .init = set_up);

static void make_ip(uint32_t src, uint32_t dst, uint8_t protocol, size_t payload_len)
{
    struct addr s = addr_ip4(src), d = addr_ip4(dst);
    eth_write(frame, &our_mac, &peer_mac, ETH_TYPE_IP4);
    ip4_write(frame + 14, &s, &d, protocol, 2, payload_len);
    frame_len = 34 + payload_len;
}

static void make_echo(size_t data_len)
{
    make_ip(PEER, US, IP_PROTOCOL_ICMP, 8 + data_len);
    uint8_t *icmp = frame + 34;
    memset(icmp, 0, 8);
    icmp[0] = ICMP_ECHO;
    memset(icmp + 8, 0x5a, data_len);
    store_be16(icmp + 2, checksum_finish(checksum_add(0, view_of(icmp, 8 + data_len))));
}

static void make_arp(uint16_t op, uint32_t sender, uint32_t target)
{
    struct arp_packet arp = {
        .op = op, .sender_mac = peer_mac, .target_mac = our_mac, .sender_ip4 = sender, .target_ip4 = target};
    arp_write(frame, op == ARP_REQUEST ? &mac_broadcast : &our_mac, &arp);
    frame_len = 60;
}

static enum wax_status input_at(uint64_t now_us)
{
    return net_input(&net, span_of(frame, frame_len), now_us, &rx);
}

static enum wax_status output(uint32_t dst, size_t len, size_t *header_len)
{
    struct addr s = addr_ip4(US), d = addr_ip4(dst);
    return net_output(&net, &s, &d, IP_PROTOCOL_TCP, 0, frame + 64, len, 64, NOW, header_len);
}

Test(net, tcp_packet_is_handed_up_without_headers_and_padding)
{
    make_ip(PEER, US, IP_PROTOCOL_TCP, 20);
    frame_len = 60;
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP);
    cr_assert_eq(rx.l4.data, frame + 34);
    cr_assert_eq(rx.l4.len, 20);
    cr_assert_eq(addr_to_ip4(&rx.src), PEER);
    cr_assert_eq(addr_to_ip4(&rx.dst), US);
    cr_assert_eq(rx.ecn, 2);
}

Test(net, peer_that_spoke_tcp_can_be_answered_at_once)
{
    size_t header_len;
    make_ip(PEER, US, IP_PROTOCOL_TCP, 20);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output(PEER, 20, &header_len), WAX_OK);
    cr_assert_eq(header_len, 34);
    const uint8_t *f = frame + 64 - header_len;
    struct mac to = eth_destination(f), from = eth_source(f);
    cr_assert(mac_same(&to, &peer_mac));
    cr_assert(mac_same(&from, &our_mac));
    struct ip4_packet ip;
    cr_assert_eq(ip4_parse(view_of(f + 14, 40), &ip), WAX_OK);
    cr_assert_eq(addr_to_ip4(&ip.dst), PEER);
    cr_assert_eq(ip.payload.len, 20);
}

Test(net, off_link_peer_is_answered_through_the_gateway)
{
    size_t header_len;
    make_ip(FAR, US, IP_PROTOCOL_TCP, 20);
    eth_write(frame, &our_mac, &gateway_mac, ETH_TYPE_IP4);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output(FAR + 1, 20, &header_len), WAX_OK);
    struct mac to = eth_destination(frame + 64 - header_len);
    cr_assert(mac_same(&to, &gateway_mac));
}

Test(net, unresolved_neighbour_is_solicited_and_its_reply_used)
{
    size_t header_len, len;
    uint8_t out[NET_SOLICIT_BYTES];
    while (net_solicit(&net, span_of(out, sizeof out), NOW, &len) == WAX_OK) {
    }
    cr_assert_eq(output(PEER, 20, &header_len), WAX_NEIGH_UNRESOLVED);
    cr_assert_eq(net_solicit(&net, span_of(out, sizeof out - 1), NOW, &len), WAX_BAD_ARGUMENT);
    cr_assert_eq(net_solicit(&net, span_of(out, sizeof out), NOW, &len), WAX_OK);
    cr_assert_eq(len, 42);
    struct arp_packet arp;
    cr_assert_eq(arp_parse(view_of(out + 14, 28), &arp), WAX_OK);
    cr_assert_eq(arp.op, ARP_REQUEST);
    cr_assert_eq(arp.sender_ip4, US);
    cr_assert_eq(arp.target_ip4, PEER);
    cr_assert_eq(net_solicit(&net, span_of(out, sizeof out), NOW, &len), WAX_NOT_FOUND);
    make_arp(ARP_REPLY, PEER, US);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_NEIGH);
    cr_assert(mac_same(&rx.neigh_mac, &peer_mac));
    cr_assert_eq(output(PEER, 20, &header_len), WAX_OK);
}

Test(net, rfc826_request_for_us_is_answered_in_place)
{
    make_arp(ARP_REQUEST, PEER, US);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, 42);
    struct mac to = eth_destination(frame);
    cr_assert(mac_same(&to, &peer_mac));
    struct arp_packet arp;
    cr_assert_eq(arp_parse(view_of(frame + 14, 28), &arp), WAX_OK);
    cr_assert_eq(arp.op, ARP_REPLY);
    cr_assert(mac_same(&arp.sender_mac, &our_mac));
    cr_assert(mac_same(&arp.target_mac, &peer_mac));
    cr_assert_eq(arp.sender_ip4, US);
    cr_assert_eq(arp.target_ip4, PEER);
}

Test(net, rfc5227_probe_for_our_address_is_answered)
{
    make_arp(ARP_REQUEST, 0, US);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_REPLY);
}

Test(net, rfc5227_claim_of_our_address_is_counted_as_a_conflict)
{
    make_arp(ARP_REQUEST, US, US);
    cr_assert_eq(input_at(NOW), WAX_ARP_CONFLICT);
}

Test(net, arp_for_others_and_unasked_replies_change_nothing)
{
    size_t header_len;
    make_arp(ARP_REQUEST, PEER, US + 7);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US);
    make_arp(ARP_REPLY, PEER, US);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output(PEER, 20, &header_len), WAX_NEIGH_UNRESOLVED);
    make_arp(ARP_REPLY, FAR, US);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US, "senders are on the link");
}

Test(net, a_neighbour_at_our_own_station_is_refused)
{
    make_arp(ARP_REQUEST, PEER, US);
    memcpy(frame + 22, our_mac.b, 6);
    cr_assert_eq(input_at(NOW), WAX_NET_ETHER_SOURCE);
    cr_assert_eq(rx.kind, NET_NONE);
}

Test(net, arp_malformed)
{
    static const uint8_t at[] = {14, 16, 18, 19, 20, 21};
    for (size_t i = 0; i < sizeof at; i++) {
        make_arp(ARP_REQUEST, PEER, US);
        frame[at[i]] ^= 0x40;
        cr_assert_eq(input_at(NOW), WAX_ARP_MALFORMED, "byte %d", at[i]);
    }
    make_arp(ARP_REQUEST, PEER, US);
    frame[22] |= 1; /* the sender a group */
    cr_assert_eq(input_at(NOW), WAX_ARP_MALFORMED);
    make_arp(ARP_REQUEST, PEER, US);
    frame_len = 41;
    cr_assert_eq(input_at(NOW), WAX_ARP_MALFORMED);
}

Test(net, rfc1122_3_2_2_6_echo_is_answered_from_the_address_asked)
{
    make_echo(100);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, 142);
    struct mac to = eth_destination(frame);
    cr_assert(mac_same(&to, &peer_mac));
    struct ip4_packet ip;
    cr_assert_eq(ip4_parse(view_of(frame + 14, 128), &ip), WAX_OK);
    cr_assert_eq(addr_to_ip4(&ip.src), US);
    cr_assert_eq(addr_to_ip4(&ip.dst), PEER);
    cr_assert_eq(ip.ttl, 64);
    cr_assert_eq(checksum_finish(checksum_add(0, ip.payload)), 0);
    cr_assert_eq(ip.payload.data[0], ICMP_ECHO_REPLY);
    cr_assert_eq(ip.payload.data[107], 0x5a);
}

Test(net, echo_replies_are_limited_in_rate)
{
    uint32_t replies = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        make_echo(10);
        enum wax_status status = input_at(NOW + i * 50);
        cr_assert(status == WAX_OK || status == WAX_ICMP_RATE);
        replies += rx.kind == NET_REPLY;
    }
    cr_assert(replies >= NET_ICMP_PER_S && replies <= NET_ICMP_PER_S + NET_ICMP_BURST + 1, "%u", replies);
}

Test(net, icmp_error_about_our_segment_is_handed_up_and_about_others_not)
{
    struct addr ours = addr_ip4(US), far = addr_ip4(FAR);
    make_ip(PEER, US, IP_PROTOCOL_ICMP, 36);
    uint8_t *icmp = frame + 34;
    memset(icmp, 0, 36);
    icmp[0] = ICMP_UNREACHABLE;
    icmp[1] = ICMP_NEEDS_FRAGMENTATION;
    store_be16(icmp + 6, 1280);
    ip4_write(icmp + 8, &ours, &far, IP_PROTOCOL_TCP, 0, 1400);
    store_be16(icmp + 28, 443);
    store_be16(icmp + 2, checksum_finish(checksum_add(0, view_of(icmp, 36))));
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP_ERROR);
    cr_assert_eq(rx.error.mtu, 1280);
    cr_assert_eq(rx.error.sport, 443);
    store_be32(icmp + 20, PEER);
    store_be16(icmp + 2, 0);
    store_be16(icmp + 2, checksum_finish(checksum_add(0, view_of(icmp, 36))));
    cr_assert_eq(input_at(NOW), WAX_ICMP_MALFORMED);
    cr_assert_eq(rx.kind, NET_NONE);
}

Test(net, frames_for_others_are_dropped)
{
    make_ip(PEER, US, IP_PROTOCOL_TCP, 20);
    frame[5] ^= 8;
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US, "another station's");
    make_ip(PEER, US + 1, IP_PROTOCOL_TCP, 20);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US, "another host's");
    make_ip(PEER, 0xc61200ff, IP_PROTOCOL_ICMP, 20);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US, "the network's broadcast");
    make_ip(PEER, US, IP_PROTOCOL_TCP, 20);
    memset(frame, 0xff, 6);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US, "RFC 1122 3.3.6: unicast in a link broadcast");
}

Test(net, forged_sources_are_dropped)
{
    make_ip(US, US, IP_PROTOCOL_TCP, 20);
    cr_assert_eq(input_at(NOW), WAX_IP4_SOURCE, "ourselves");
    make_ip(0xc61200ff, US, IP_PROTOCOL_TCP, 20);
    cr_assert_eq(input_at(NOW), WAX_IP4_SOURCE, "our network's broadcast");
    make_ip(0xc6120000, US, IP_PROTOCOL_ICMP, 20);
    cr_assert_eq(input_at(NOW), WAX_IP4_SOURCE, "our network itself");
    make_ip(PEER, US, IP_PROTOCOL_TCP, 20);
    memcpy(frame + 6, our_mac.b, 6);
    cr_assert_eq(input_at(NOW), WAX_NET_ETHER_SOURCE, "our own station");
    frame[6] = 3;
    cr_assert_eq(input_at(NOW), WAX_NET_ETHER_SOURCE, "a group");
}

Test(net, other_protocols_and_types_are_counted_apart)
{
    make_ip(PEER, US, 17, 20);
    cr_assert_eq(input_at(NOW), WAX_IP_PROTOCOL);
    store_be16(frame + 12, 0x88cc);
    cr_assert_eq(input_at(NOW), WAX_NET_ETHERTYPE);
    store_be16(frame + 12, ETH_TYPE_IP6);
    cr_assert_eq(input_at(NOW), WAX_NET_ETHERTYPE, "no IPv6 address: no IPv6");
    frame_len = 13;
    cr_assert_eq(input_at(NOW), WAX_NET_FRAME_SHORT);
}

Test(net, output_refuses_what_cannot_be_sent)
{
    size_t header_len;
    struct addr s = addr_ip4(US), d = addr_ip4(PEER), six = {{0x20, 1}};
    cr_assert_eq(output(0xc61200ff, 20, &header_len), WAX_NET_NO_ROUTE, "a broadcast");
    cr_assert_eq(output(0xe0000001, 20, &header_len), WAX_NET_NO_ROUTE, "a group");
    cr_assert_eq(output(US, 20, &header_len), WAX_NET_NO_ROUTE, "ourselves");
    cr_assert_eq(output(PEER, 1481, &header_len), WAX_NET_TOO_BIG);
    cr_assert_eq(output(PEER, 1480, &header_len), WAX_NEIGH_UNRESOLVED);
    cr_assert_eq(net_output(&net, &s, &d, 6, 0, frame + 64, 20, 33, NOW, &header_len), WAX_BAD_ARGUMENT);
    cr_assert_eq(net_output(&net, &s, &six, 6, 0, frame + 64, 20, 64, NOW, &header_len), WAX_BAD_ARGUMENT);
    net.config.gateway = (struct addr){{0}};
    cr_assert_eq(output(FAR, 20, &header_len), WAX_NET_NO_ROUTE);
}

Test(net, rfc5227_2_3_the_speaker_announces_its_address_twice_two_seconds_apart)
{
    uint8_t out[NET_SOLICIT_BYTES];
    size_t len;
    uint32_t announced = 0;
    struct net_config config = net.config;
    config.speaker = true;
    config.gateway = (struct addr){{0}};
    cr_assert_eq(net_init(&net, &config, NOW), WAX_OK);
    for (uint64_t now = NOW; now < NOW + 10000000; now += 500000) {
        while (net_solicit(&net, span_of(out, sizeof out), now, &len) == WAX_OK) {
            struct arp_packet arp;
            cr_assert_eq(arp_parse(view_of(out + 14, len - 14), &arp), WAX_OK);
            cr_assert_eq(arp.op, ARP_REQUEST);
            cr_assert_eq(arp.sender_ip4, US);
            cr_assert_eq(arp.target_ip4, US);
            struct mac to = eth_destination(out);
            cr_assert(mac_same(&to, &mac_broadcast));
            cr_assert_eq(now, NOW + announced * NET_ANNOUNCE_US);
            announced++;
        }
    }
    cr_assert_eq(announced, 2);
}

Test(net, rfc5227_2_4_an_address_is_defended_once_in_ten_seconds)
{
    uint8_t out[NET_SOLICIT_BYTES];
    size_t len;
    uint32_t defended = 0;
    struct net_config config = net.config;
    config.gateway = (struct addr){{0}};
    cr_assert_eq(net_init(&net, &config, NOW), WAX_OK);
    for (uint64_t now = NOW; now < NOW + 2 * NET_DEFEND_US; now += 1000000) {
        make_arp(ARP_REQUEST, US, US);
        cr_assert_eq(input_at(now), WAX_ARP_CONFLICT);
        while (net_solicit(&net, span_of(out, sizeof out), now, &len) == WAX_OK) {
            cr_assert_eq(load_be32(out + 14 + 14), US);
            cr_assert_eq(load_be32(out + 14 + 24), US);
            defended++;
        }
    }
    cr_assert_eq(defended, 2);
}

Test(net, news_from_another_worker_resolves_what_we_asked_for)
{
    size_t header_len;
    struct addr peer = addr_ip4(PEER);
    net_neigh(&net, &peer, &peer_mac, NOW);
    cr_assert_eq(output(PEER, 20, &header_len), WAX_NEIGH_UNRESOLVED, "not asked: not kept");
    net_neigh(&net, &peer, &peer_mac, NOW);
    cr_assert_eq(output(PEER, 20, &header_len), WAX_OK);
}

Test(net, rfc6691_mss_is_the_mtu_less_the_fixed_headers)
{
    struct addr four = addr_ip4(PEER), six = {{0x20, 1}};
    cr_assert_eq(net_mss(&net, &four), 1460);
    cr_assert_eq(net_mss(&net, &six), 1440);
}

Test(net, init_refuses_what_cannot_work)
{
    struct net_config good = net.config, config = good;
    config.mac.b[0] |= 1;
    cr_assert_eq(net_init(&net, &config, NOW), WAX_BAD_ARGUMENT);
    config = good;
    config.mtu = 500;
    cr_assert_eq(net_init(&net, &config, NOW), WAX_BAD_ARGUMENT);
    config = good;
    config.address_count = 0;
    cr_assert_eq(net_init(&net, &config, NOW), WAX_BAD_ARGUMENT);
    config = good;
    config.addresses[0].prefix = 33;
    cr_assert_eq(net_init(&net, &config, NOW), WAX_BAD_ARGUMENT);
    config = good;
    config.addresses[0].addr = addr_ip4(0x7f000001);
    cr_assert_eq(net_init(&net, &config, NOW), WAX_BAD_ARGUMENT);
}

Test(net, rfc3021_both_addresses_of_a_31_are_hosts)
{
    size_t header_len;
    struct net_config config = net.config;
    config.addresses[0].prefix = 31;
    cr_assert_eq(net_init(&net, &config, NOW), WAX_OK);
    make_ip(US - 1, US, IP_PROTOCOL_TCP, 20);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output(US - 1, 20, &header_len), WAX_OK);
}

Test(net, rfc3168_5_output_carries_the_ecn_bits_that_it_is_given_and_no_others)
{
    size_t header_len;
    struct addr s = addr_ip4(US), d = addr_ip4(PEER);
    make_ip(PEER, US, IP_PROTOCOL_TCP, 20);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(net_output(&net, &s, &d, 6, 2, frame + 64, 20, 64, NOW, &header_len), WAX_OK);
    cr_assert_eq(frame[64 - IP4_HEADER_BYTES + 1], 2);
    cr_assert_eq(net_output(&net, &s, &d, 6, 0xff, frame + 64, 20, 64, NOW, &header_len), WAX_OK);
    cr_assert_eq(frame[64 - IP4_HEADER_BYTES + 1], 3);
}
