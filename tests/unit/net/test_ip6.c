/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 headers and what ICMPv6 says of them, frame by frame. */
#include <criterion/criterion.h>

#include "link6.h"

static void set_up(void)
{
    struct net_config config = link6_config();
    link6_make(&config);
}

TestSuite(ip6, .init = set_up);

/* The reply at hand is a parameter problem with this code, pointing there. */
static void told(uint8_t code, uint32_t pointer)
{
    const uint8_t *ip = frame + ETH_HEADER_BYTES, *icmp = ip + IP6_HEADER_BYTES;
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, ETH_HEADER_BYTES + IP6_HEADER_BYTES + load_be16(ip + 4));
    cr_assert_eq(ip[6], IP6_PROTOCOL_ICMP);
    cr_assert_eq(icmp[0], ICMP6_PARAMETER);
    cr_assert_eq(icmp[1], code, "code %u", icmp[1]);
    cr_assert_eq(load_be32(icmp + 4), pointer, "pointer %u", load_be32(icmp + 4));
    cr_assert_eq(memcmp(ip + 24, peer.b, 16), 0, "to the sender");
    cr_assert(checksum_right(frame));
    cr_assert_eq(icmp[8] >> 4, 6, "the packet is quoted");
}

static void silent(enum wax_status status)
{
    cr_assert_eq(input_at(NOW), status, "%s", wax_status_name(status));
    cr_assert_eq(rx.kind, NET_NONE);
}

Test(ip6, rfc8200_3_a_segment_is_handed_up_without_headers_and_padding)
{
    uint8_t *l4 = make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    frame_len += 6;
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP);
    cr_assert_eq(rx.l4.data, l4);
    cr_assert_eq(rx.l4.len, 20);
    cr_assert(addr_same(&rx.src, &peer) && addr_same(&rx.dst, &us));
    cr_assert_eq(rx.ecn, 2);
}

Test(ip6, rfc8200_3_version_and_payload_length_are_checked)
{
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    frame[14] = 0x50;
    silent(WAX_IP6_HEADER);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    store_be16(frame + 18, 21);
    silent(WAX_IP6_HEADER);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 0);
    frame_len = ETH_HEADER_BYTES + 39;
    silent(WAX_IP6_HEADER);
}

Test(ip6, rfc8200_3_a_hop_limit_of_zero_is_no_reason_to_drop_at_the_destination)
{
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    frame[14 + 7] = 0;
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP);
}

Test(ip6, rfc4291_2_sources_that_no_host_has_are_refused)
{
    struct addr group = ip6("ff02::2"), loop = ip6("::1"), mapped = ip6("::ffff:198.18.0.2");
    make(&group, &us, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_IP6_SOURCE);
    make(&loop, &us, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_IP6_SOURCE);
    make(&unspecified, &us, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_IP6_SOURCE);
    make(&us, &us, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_IP6_SOURCE);
    make(&us_local, &us, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_IP6_SOURCE);
    make(&mapped, &us, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_IP6_SOURCE);
}

Test(ip6, rfc4291_2_5_5_2_our_ipv4_address_is_not_reached_by_its_mapped_form_on_the_wire)
{
    struct addr mapped = addr_ip4(0xc6120001);
    cr_assert(net_is_ours(&net, &mapped));
    make(&peer, &mapped, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_IP6_SOURCE);
}

Test(ip6, rfc9293_3_9_2_3_no_segment_for_a_group_nor_by_an_ethernet_group)
{
    make(&peer, &ndp_all_nodes, IP_PROTOCOL_TCP, 0, 20);
    silent(WAX_NET_NOT_FOR_US);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    frame[0] = 0x33;
    frame[1] = 0x33;
    silent(WAX_NET_NOT_FOR_US);
}

Test(ip6, rfc8200_4_extension_headers_are_walked_in_any_order)
{
    static const uint8_t chain[] = {60, 0, 1, 4, 0, 0, 0, 0,  /* hop-by-hop, then destination options */
                                    43, 0, 1, 4, 0, 0, 0, 0,  /* routing */
                                    60, 0, 5, 0, 0, 0, 0, 0,  /* with no segments left */
                                    6,  0, 0, 0, 0, 0, 0, 0}; /* destination options, then TCP */
    uint8_t *l4 = make(&peer, &us, 0, sizeof chain, 20);
    memcpy(ext(), chain, sizeof chain);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP);
    cr_assert_eq(rx.l4.data, l4);
    cr_assert_eq(rx.l4.len, 20);
}

Test(ip6, rfc8200_4_1_hop_by_hop_options_stand_only_right_behind_the_header)
{
    static const uint8_t chain[] = {0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0};
    make(&peer, &us, 60, sizeof chain, 20);
    memcpy(ext(), chain, sizeof chain);
    cr_assert_eq(input_at(NOW), WAX_IP6_EXTENSION);
    told(IP6_PROBLEM_NEXT, 40);
}

Test(ip6, rfc8200_4_2_options_that_are_not_known_do_as_their_type_says)
{
    static const struct {
        uint8_t type;
        bool passes, tells;
    } options[] = {{0x1e, true, false}, {0x5e, false, false}, {0x9e, false, true}, {0xde, false, true}};
    for (size_t i = 0; i < 4; i++) {
        make(&peer, &us, 60, 8, 20);
        const uint8_t chain[8] = {6, 0, options[i].type, 4};
        memcpy(ext(), chain, 8);
        cr_assert_eq(input_at(NOW), options[i].passes ? WAX_OK : WAX_IP6_OPTION, "type %x", options[i].type);
        if (options[i].tells) {
            told(IP6_PROBLEM_OPTION, 42);
        } else {
            cr_assert_neq(rx.kind, NET_REPLY);
        }
    }
}

Test(ip6, rfc8200_4_2_to_a_group_only_action_10_is_told)
{
    for (uint8_t type = 0x9e; type != 0; type = type == 0x9e ? 0xde : 0) {
        make(&peer, &ndp_all_nodes, 60, 8, 8);
        const uint8_t chain[8] = {58, 0, type, 4};
        memcpy(ext(), chain, 8);
        cr_assert_eq(input_at(NOW), WAX_IP6_OPTION);
        if (type == 0x9e) {
            told(IP6_PROBLEM_OPTION, 42);
            cr_assert_eq(memcmp(frame + 22, us.b, 16), 0, "from an address of ours");
        } else {
            cr_assert_eq(rx.kind, NET_NONE);
        }
    }
}

Test(ip6, rfc8200_4_2_malformed_options_are_refused)
{
    static const uint8_t beyond[] = {6, 0, 1, 5, 0, 0, 0, 0}, alone[] = {6, 0, 1, 3, 0, 0, 0, 1};
    make(&peer, &us, 60, 8, 20);
    memcpy(ext(), beyond, 8);
    cr_assert_eq(input_at(NOW), WAX_IP6_EXTENSION);
    make(&peer, &us, 60, 8, 20);
    memcpy(ext(), alone, 8);
    cr_assert_eq(input_at(NOW), WAX_IP6_EXTENSION);
}

Test(ip6, rfc8504_5_3_the_number_of_headers_and_their_bytes_are_limited)
{
    make(&peer, &us, 60, 8 * (IP6_HEADERS_MAX + 1), 20);
    for (uint32_t i = 0; i <= IP6_HEADERS_MAX; i++) {
        ext()[8 * i] = i == IP6_HEADERS_MAX ? 6 : 60;
    }
    silent(WAX_IP6_EXTENSION);
    make(&peer, &us, 60, 8 * IP6_HEADERS_MAX, 20);
    for (uint32_t i = 0; i < IP6_HEADERS_MAX; i++) {
        ext()[8 * i] = i == IP6_HEADERS_MAX - 1 ? 6 : 60;
    }
    cr_assert_eq(input_at(NOW), WAX_OK);
    make(&peer, &us, 60, IP6_CHAIN_BYTES_MAX + 8, 20);
    ext()[0] = 6;
    ext()[1] = IP6_CHAIN_BYTES_MAX / 8;
    silent(WAX_IP6_EXTENSION);
    make(&peer, &us, 60, 8 * ((2 * (IP6_OPTIONS_MAX + 1) + 2 + 7) / 8), 20);
    ext()[0] = 6;
    ext()[1] = (2 * (IP6_OPTIONS_MAX + 1) + 2 + 7) / 8 - 1;
    for (uint32_t i = 0; i <= IP6_OPTIONS_MAX; i++) {
        ext()[2 + 2 * i] = 0x1e;
    }
    silent(WAX_IP6_EXTENSION);
}

Test(ip6, rfc5095_3_routing_headers_with_segments_left_are_refused)
{
    for (uint8_t type = 0; type < 5; type++) {
        make(&peer, &us, 43, 24, 20);
        const uint8_t chain[8] = {6, 2, type, 1};
        memcpy(ext(), chain, 8);
        cr_assert_eq(input_at(NOW), WAX_IP6_ROUTING);
        told(IP6_PROBLEM_FIELD, 42);
        make(&peer, &us, 43, 24, 20);
        const uint8_t done[8] = {6, 2, type, 0};
        memcpy(ext(), done, 8);
        cr_assert_eq(input_at(NOW), WAX_OK, "4.4: ignored when none is left");
    }
}

Test(ip6, rfc8200_4_5_fragments_are_dropped_and_rfc6946_atomic_ones_taken)
{
    static const uint16_t pieces[] = {0x0001, 0x0008, 0x0009};
    for (size_t i = 0; i < 3; i++) {
        make(&peer, &us, 44, 8, 20);
        ext()[0] = 6;
        store_be16(ext() + 2, pieces[i]);
        silent(WAX_IP6_FRAGMENT);
    }
    make(&peer, &us, 44, 8, 20);
    ext()[0] = 6;
    store_be16(ext() + 2, 0x0006); /* reserved bits are ignored */
    store_be32(ext() + 4, 0x12345678);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP);
    make(&peer, &us, 44, 16, 20);
    ext()[0] = 44;
    ext()[8] = 6;
    silent(WAX_IP6_FRAGMENT);
}

Test(ip6, rfc7112_4_a_chain_that_is_not_whole_is_refused)
{
    for (size_t cut = 1; cut < 8; cut++) {
        make(&peer, &us, 60, 8, 0);
        ext()[0] = 6;
        store_be16(frame + 18, (uint16_t)cut);
        frame_len = ETH_HEADER_BYTES + IP6_HEADER_BYTES + cut;
        silent(WAX_IP6_EXTENSION);
    }
    make(&peer, &us, 60, 8, 0);
    ext()[0] = 6;
    ext()[1] = 1;
    silent(WAX_IP6_EXTENSION);
}

Test(ip6, rfc8200_4_7_no_next_header_ends_it_without_a_word)
{
    make(&peer, &us, IP6_NO_NEXT, 0, 20);
    silent(WAX_IP_PROTOCOL);
}

Test(ip6, rfc8200_4_an_unknown_next_header_is_told)
{
    make(&peer, &us, 17, 0, 20);
    cr_assert_eq(input_at(NOW), WAX_IP_PROTOCOL);
    told(IP6_PROBLEM_NEXT, 6);
    make(&peer, &us, 60, 8, 20);
    ext()[0] = 51;
    cr_assert_eq(input_at(NOW), WAX_IP_PROTOCOL);
    told(IP6_PROBLEM_NEXT, 40);
}

Test(ip6, rfc4443_2_4_c_an_error_quotes_as_much_as_the_least_mtu_takes)
{
    make(&peer, &us, 17, 0, 1400);
    cr_assert_eq(input_at(NOW), WAX_IP_PROTOCOL);
    cr_assert_eq(rx.reply_len, ETH_HEADER_BYTES + IP6_MTU_LEAST);
    told(IP6_PROBLEM_NEXT, 6);
}

Test(ip6, rfc4443_2_4_e_errors_unclear_sources_and_others_packets_are_told_nothing)
{
    make(&peer, &us, 60, 8, 8); /* an option to be told of, before an ICMPv6 error */
    const uint8_t chain[8] = {58, 0, 0x9e, 4};
    memcpy(ext(), chain, 8);
    ext()[8] = ICMP6_UNREACHABLE;
    silent(WAX_IP6_OPTION);
    ext()[8] = ICMP6_ECHO;
    cr_assert_eq(input_at(NOW), WAX_IP6_OPTION);
    cr_assert_eq(rx.kind, NET_REPLY, "before an echo it is");
    make(&unspecified, &us, 17, 0, 20);
    silent(WAX_IP6_SOURCE);
    make(&peer, &far, 17, 0, 20);
    silent(WAX_NET_NOT_FOR_US);
    make(&peer, &ndp_all_nodes, 17, 0, 20);
    silent(WAX_NET_NOT_FOR_US);
    make(&peer, &us, 17, 0, 20);
    frame[0] = 0x33;
    silent(WAX_NET_NOT_FOR_US);
    make(&peer, &us, 17, 0, 20);
    cr_assert_eq(net_input(&net, span_of(frame, frame_len), NOW, &rx), WAX_IP_PROTOCOL);
    cr_assert_eq(rx.kind, NET_NONE, "no room for it");
}

Test(ip6, rfc4443_2_4_f_errors_and_echo_replies_are_limited_in_rate)
{
    uint32_t replies = 0;
    for (uint32_t i = 0; i < 20000; i++) {
        make(&peer, &us, 17, 0, 20);
        cr_assert_eq(input_at(NOW + i * 50), WAX_IP_PROTOCOL);
        replies += rx.kind == NET_REPLY;
    }
    cr_assert(replies >= NET_ICMP_PER_S && replies <= NET_ICMP_PER_S + NET_ICMP_BURST + 1, "%u", replies);
}

Test(ip6, rfc4443_4_2_echo_is_answered_from_the_address_asked)
{
    uint8_t *p = make_icmp(&peer, &us, ICMP6_ECHO, 60);
    memset(p + 8, 0x5a, 52);
    store_be32(p + 4, 0x12345678);
    seal();
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, 114);
    cr_assert_eq(p[0], ICMP6_ECHO_REPLY);
    cr_assert_eq(load_be32(p + 4), 0x12345678);
    cr_assert_eq(p[59], 0x5a);
    cr_assert_eq(memcmp(frame + 22, us.b, 16), 0);
    cr_assert_eq(memcmp(frame + 38, peer.b, 16), 0);
    cr_assert_eq(frame[21], IP6_HOP_LIMIT);
    cr_assert(checksum_right(frame));
    struct mac to = eth_destination(frame);
    cr_assert(mac_same(&to, &peer_mac));
}

Test(ip6, rfc4443_4_2_the_reply_has_no_extension_headers)
{
    uint8_t *p = make(&peer, &us, 60, 8, 16);
    ext()[0] = 58;
    p[0] = ICMP6_ECHO;
    p[15] = 7;
    icmp6_checksum_put(span_of(p, 16), &peer, &us);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, 70);
    cr_assert_eq(frame[20], IP6_PROTOCOL_ICMP);
    cr_assert_eq(ext()[15], 7);
    cr_assert(checksum_right(frame));
}

Test(ip6, rfc4443_4_2_echoes_to_groups_are_not_answered)
{
    make_icmp(&peer, &ndp_all_nodes, ICMP6_ECHO, 16);
    seal();
    silent(WAX_ICMP_IGNORED);
}

Test(ip6, rfc4443_2_3_a_wrong_checksum_is_refused)
{
    uint8_t *p = make_icmp(&peer, &us, ICMP6_ECHO, 16);
    seal();
    p[15] ^= 1;
    silent(WAX_ICMP_CHECKSUM);
}

/* An error about a segment of ours. */
static uint8_t *make_error(uint8_t type, uint8_t code, uint32_t word, const struct addr *from)
{
    uint8_t *p = make_icmp(&router, &us, type, 8 + 40 + 20);
    p[1] = code;
    store_be32(p + 4, word);
    ip6_write(p + 8, from, &far, IP_PROTOCOL_TCP, 0, 60, 5, 1440);
    store_be16(p + 48, 443);
    store_be16(p + 50, 50000);
    store_be32(p + 52, 0xabcdef01);
    seal();
    return p;
}

Test(ip6, rfc4443_3_errors_about_our_segments_are_handed_up)
{
    static const struct {
        uint8_t type, code;
        bool too_big, hard;
    } errors[] = {{1, 0, false, false}, {1, 1, false, true},  {1, 4, false, true}, {2, 0, true, false},
                  {3, 0, false, false}, {4, 0, false, false}, {4, 1, false, true}};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        make_error(errors[i].type, errors[i].code, 1280, &us);
        cr_assert_eq(input_at(NOW), WAX_OK);
        cr_assert_eq(rx.kind, NET_TCP_ERROR);
        cr_assert_eq(rx.error.too_big, errors[i].too_big);
        cr_assert_eq(rx.error.hard, errors[i].hard, "%u %u", errors[i].type, errors[i].code);
        cr_assert_eq(rx.error.mtu, errors[i].too_big ? 1280 : 0);
        cr_assert_eq(rx.error.sport, 443);
        cr_assert_eq(rx.error.dport, 50000);
        cr_assert_eq(rx.error.seq, 0xabcdef01);
        cr_assert(addr_same(&rx.error.src, &us) && addr_same(&rx.error.dst, &far));
    }
}

Test(ip6, rfc4443_3_2_a_huge_mtu_is_not_a_small_one)
{
    make_error(ICMP6_TOO_BIG, 0, 0x00010500, &us);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.error.mtu, 65535);
}

Test(ip6, rfc5927_errors_about_others_segments_and_other_protocols_are_refused)
{
    make_error(ICMP6_TOO_BIG, 0, 1280, &peer);
    silent(WAX_ICMP_MALFORMED);
    uint8_t *p = make_error(ICMP6_TOO_BIG, 0, 1280, &us);
    p[8 + 6] = 17;
    seal();
    silent(WAX_ICMP_MALFORMED);
    p = make_icmp(&router, &us, ICMP6_TOO_BIG, 8 + 40 + 7);
    ip6_write(p + 8, &us, &far, IP_PROTOCOL_TCP, 0, 60, 5, 1440);
    seal();
    silent(WAX_ICMP_MALFORMED);
}

Test(ip6, rfc4861_8_redirects_and_unknown_messages_are_ignored)
{
    static const uint8_t types[] = {133, 137, 140, 200, 5};
    for (size_t i = 0; i < sizeof types; i++) {
        make_nd(&router, &us, types[i], 40);
        seal();
        silent(WAX_ICMP_IGNORED);
    }
}

Test(ip6, rfc6437_3_flow_labels_are_stable_for_a_connection_and_differ_between)
{
    uint32_t seen[64], same = 0;
    const uint8_t ports[4] = {1, 187, 0, 80};
    for (uint32_t i = 0; i < 64; i++) {
        const uint64_t key[2] = {i, 9};
        seen[i] = ip6_flow_label(key, &us, &peer, ports);
        cr_assert(seen[i] > 0 && seen[i] < 1u << 20);
        cr_assert_eq(seen[i], ip6_flow_label(key, &us, &peer, ports));
        same += i > 0 && seen[i] == seen[i - 1];
    }
    cr_assert_eq(same, 0, "not to be foretold without the key");
}

Test(ip6, rfc8200_3_output_has_flow_label_payload_length_and_hop_limit)
{
    const uint8_t *sent;
    size_t header_len;
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&peer, 100, NOW, &sent, &header_len), WAX_OK);
    cr_assert_eq(header_len, 54);
    struct mac to = eth_destination(sent);
    cr_assert(mac_same(&to, &peer_mac));
    cr_assert_eq(eth_type(sent), ETH_TYPE_IP6);
    const uint8_t ports[4] = {1, 187, 0xc3, 0x50};
    cr_assert_eq(load_be32(sent + 14), 0x60200000u | ip6_flow_label(net.config.key, &us, &peer, ports));
    cr_assert_eq(load_be16(sent + 18), 100);
    cr_assert_eq(sent[20], IP_PROTOCOL_TCP);
    cr_assert_eq(sent[21], 64);
    struct ip6_packet ip;
    cr_assert_eq(ip6_parse(view_of(sent + 14, 140), &ip), WAX_OK);
    cr_assert(addr_same(&ip.src, &us) && addr_same(&ip.dst, &peer));
}

Test(ip6, rfc8200_5_a_packet_above_the_mtu_is_refused)
{
    const uint8_t *sent;
    size_t header_len;
    cr_assert_eq(output_at(&peer, 1461, NOW, &sent, &header_len), WAX_NET_TOO_BIG);
    cr_assert_eq(output_at(&peer, 1460, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    struct net_config config = link6_config();
    config.mtu = 1279;
    cr_assert_eq(net_init(&net, &config, NOW), WAX_BAD_ARGUMENT, "every link of IPv6 carries 1280");
}

Test(ip6, rfc6724_5_the_source_is_of_the_scope_and_prefix_of_its_destination)
{
    struct net_config config = link6_config();
    config.address_count = 4;
    config.addresses[2].addr = ip6("2001:db8:9::1");
    config.addresses[2].prefix = 64;
    config.addresses[3] = (struct net_address){addr_ip4(0xc6130001), 24};
    link6_make(&config);
    struct addr four = addr_ip4(0xc6130007);
    cr_assert(addr_same(net_source(&net, &peer), &us));
    cr_assert(addr_same(net_source(&net, &far), &config.addresses[2].addr));
    cr_assert(addr_same(net_source(&net, &peer_local), &us_local));
    cr_assert(addr_same(net_source(&net, &four), &config.addresses[3].addr));
    config.address_count = 1;
    link6_make(&config);
    cr_assert_null(net_source(&net, &four), "there is no IPv4");
}

Test(ip6, rfc4291_appendix_a_the_link_local_address_is_made_of_the_mac)
{
    cr_assert(net_is_ours(&net, &us_local));
    make(&peer_local, &us_local, IP_PROTOCOL_TCP, 0, 20);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(rx.kind, NET_TCP);
}
