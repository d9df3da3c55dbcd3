/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbours, routers and groups of IPv6: RFC 4861, 4862, 3810. */
#include <criterion/criterion.h>

#include "link6.h"

static const uint8_t *sent;
static size_t header_len;

static void set_up(void)
{
    struct net_config config = link6_config();
    link6_make(&config);
}

TestSuite(discovery, .init = set_up);

static void dropped(const char *why)
{
    cr_assert_eq(input_at(NOW), WAX_ND_MALFORMED, "%s", why);
    cr_assert_eq(rx.kind, NET_NONE);
}

/* The reply at hand is an advertisement of `target` to `dst`. */
static void advertised(const struct addr *target, const struct addr *dst, bool solicited)
{
    const uint8_t *p = ext();
    cr_assert_eq(rx.kind, NET_REPLY);
    cr_assert_eq(rx.reply_len, 86);
    cr_assert_eq(p[0], ICMP6_ADVERTISE);
    cr_assert_eq(p[4], solicited ? 0x60 : 0x20, "flags %x", p[4]);
    cr_assert_eq(memcmp(p + 8, target->b, 16), 0);
    cr_assert_eq(memcmp(frame + 22, target->b, 16), 0);
    cr_assert_eq(memcmp(frame + 38, dst->b, 16), 0);
    cr_assert_eq(frame[21], 255);
    cr_assert_eq(p[24], 2);
    cr_assert_eq(memcmp(p + 26, our_mac.b, 6), 0);
    cr_assert(checksum_right(frame));
}

Test(discovery, rfc4861_7_2_4_a_question_for_us_is_answered)
{
    make_ask(&peer, &us);
    cr_assert_eq(input_at(NOW), WAX_OK);
    advertised(&us, &peer, true);
    struct mac to = eth_destination(frame);
    cr_assert(mac_same(&to, &peer_mac));
    make_ask(&peer_local, &us_local);
    cr_assert_eq(input_at(NOW), WAX_OK);
    advertised(&us_local, &peer_local, true);
}

Test(discovery, rfc4861_7_2_4_a_question_without_a_source_is_answered_to_all_nodes)
{
    make_ask(&unspecified, &us);
    cr_assert_eq(input_at(NOW), WAX_OK);
    advertised(&us, &ndp_all_nodes, false);
    struct mac to = eth_destination(frame), all = {{0x33, 0x33, 0, 0, 0, 1}};
    cr_assert(mac_same(&to, &all));
}

Test(discovery, rfc4861_7_2_2_a_check_by_unicast_is_answered)
{
    uint8_t *p = make_nd(&peer, &us, ICMP6_ASK, 24);
    memcpy(p + 8, us.b, 16);
    seal();
    cr_assert_eq(input_at(NOW), WAX_OK);
    advertised(&us, &peer, true);
    make_nd(&peer, &us, ICMP6_ASK, 24);
    memcpy(p + 8, us.b, 16);
    seal();
    cr_assert_eq(net_input(&net, span_of(frame, frame_len), NOW, &rx), WAX_FULL, "no room for the answer");
}

Test(discovery, rfc4861_7_2_3_questions_for_others_are_not_answered)
{
    struct addr other = ip6("2001:2::1:1"); /* shares our solicited-node group */
    struct addr group = addr_solicited_node(&us), theirs = addr_solicited_node(&other);
    cr_assert(addr_same(&group, &theirs) == false);
    other = ip6("2001:2:0:0:5::1");
    make_ask(&peer, &other);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US);
    other = ip6("2001:2::77");
    make_ask(&peer, &other);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US);
}

Test(discovery, rfc4861_7_1_1_rules_of_a_question)
{
    make_ask(&peer, &us);
    frame[21] = 254;
    dropped("hop limit");
    make_ask(&peer, &us);
    ext()[1] = 1;
    seal();
    dropped("code");
    make_ask(&peer, &us);
    memcpy(ext() + 8, ndp_all_nodes.b, 16);
    seal();
    dropped("target a group");
    make_ask(&peer, &us);
    ext()[25] = 0;
    seal();
    dropped("an option of length 0");
    make_ask(&peer, &us);
    ext()[25] = 2;
    seal();
    dropped("an option beyond the end");
    uint8_t *p = make_nd(&peer, &us, ICMP6_ASK, 23);
    memcpy(p + 8, us.b, 15);
    seal();
    dropped("short");
    p = make_nd(&unspecified, &us, ICMP6_ASK, 24);
    memcpy(p + 8, us.b, 16);
    seal();
    dropped("no source, and not to the group");
    struct addr group = addr_solicited_node(&us);
    p = make_nd(&unspecified, &group, ICMP6_ASK, 32);
    memcpy(p + 8, us.b, 16);
    p[24] = 1;
    p[25] = 1;
    p[26] = 2;
    seal();
    dropped("no source, yet a station");
    make_ask(&peer, &us);
    ext()[31] ^= 1;
    cr_assert_eq(input_at(NOW), WAX_ICMP_CHECKSUM);
}

Test(discovery, a_neighbour_at_our_own_station_is_refused)
{
    make_ask(&peer, &us);
    memcpy(ext() + 26, our_mac.b, 6);
    seal();
    cr_assert_eq(input_at(NOW), WAX_NET_ETHER_SOURCE);
    cr_assert_eq(rx.kind, NET_NONE);
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    make_advertise(&peer, &us, &our_mac, 0x60);
    cr_assert_eq(input_at(NOW), WAX_NET_ETHER_SOURCE);
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
}

Test(discovery, rfc4861_7_1_2_rules_of_an_advertisement)
{
    make_advertise(&peer, &us, &peer_mac, 0x60);
    frame[21] = 64;
    dropped("hop limit");
    make_advertise(&peer, &us, &peer_mac, 0x60);
    ext()[1] = 1;
    seal();
    dropped("code");
    make_advertise(&peer, &ndp_all_nodes, &peer_mac, 0x60);
    dropped("solicited, to a group");
    make_advertise(&ndp_all_nodes, &us, &peer_mac, 0x60);
    cr_assert_eq(input_at(NOW), WAX_IP6_SOURCE);
    make_advertise(&peer, &us, &peer_mac, 0x60);
    memcpy(ext() + 8, ndp_all_nodes.b, 16);
    seal();
    dropped("target a group");
    make_advertise(&peer, &us, &peer_mac, 0x60);
    ext()[25] = 0;
    seal();
    dropped("an option of length 0");
    make_nd(&peer, &us, ICMP6_ADVERTISE, 20);
    seal();
    dropped("short");
}

Test(discovery, rfc6980_no_discovery_in_fragments)
{
    uint8_t *p = make(&peer, &us, 44, 8, 24);
    ext()[0] = 58;
    p[0] = ICMP6_ASK;
    memcpy(p + 8, us.b, 16);
    frame[21] = 255;
    icmp6_checksum_put(span_of(p, 24), &peer, &us);
    dropped("an atomic fragment");
}

Test(discovery, rfc4861_7_2_2_an_unknown_neighbour_is_asked_for_by_its_group)
{
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    cr_assert_eq(say_all(NOW), 1);
    const struct mac group = {{0x33, 0x33, 0xff, 0, 0, 2}};
    struct mac to = eth_destination(said);
    cr_assert(mac_same(&to, &group));
    struct ip6_packet ip;
    struct ndp_message m;
    cr_assert_eq(ip6_parse(view_of(said + 14, said_len - 14), &ip), WAX_OK);
    cr_assert_eq(ndp_parse(&ip, &m), WAX_OK);
    cr_assert_eq(m.type, ICMP6_ASK);
    cr_assert(addr_same(&m.target, &peer) && addr_same(&ip.src, &us));
    cr_assert(m.has_mac && mac_same(&m.mac, &our_mac));
    cr_assert(checksum_right(said));
    make_advertise(&peer, &us, &peer_mac, 0x60);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_OK);
    to = eth_destination(sent);
    cr_assert(mac_same(&to, &peer_mac));
}

/* A neighbour that has answered. */
static void befriend(const struct addr *addr, const struct mac *mac)
{
    cr_assert_eq(output_at(addr, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    make_advertise(addr, &us, mac, 0x60);
    cr_assert_eq(input_at(NOW), WAX_OK);
    (void)say_all(NOW);
}

static struct mac station_of(const struct addr *addr, uint64_t now_us)
{
    cr_assert_eq(output_at(addr, 20, now_us, &sent, &header_len), WAX_OK);
    return eth_destination(sent);
}

Test(discovery, rfc4861_7_2_5_who_was_not_asked_for_is_not_kept)
{
    make_advertise(&peer, &us, &peer_mac, 0x60);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    make_advertise(&peer, &us, NULL, 0x60);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&peer, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED, "without a station");
}

Test(discovery, rfc4861_7_2_5_without_override_another_station_only_raises_doubt)
{
    befriend(&peer, &peer_mac);
    make_advertise(&peer, &us, &router_mac, 0x40);
    cr_assert_eq(input_at(NOW), WAX_OK);
    struct mac to = station_of(&peer, NOW);
    cr_assert(mac_same(&to, &peer_mac));
    cr_assert_eq(say_all(NOW + S), 1, "it is asked about at once");
}

Test(discovery, rfc4861_7_2_5_with_override_the_station_changes)
{
    befriend(&peer, &peer_mac);
    make_advertise(&peer, &us, &router_mac, 0x60);
    cr_assert_eq(input_at(NOW), WAX_OK);
    struct mac to = station_of(&peer, NOW);
    cr_assert(mac_same(&to, &router_mac));
    cr_assert_eq(say_all(NOW + S), 0, "solicited: it is reachable");
    make_advertise(&peer, &ndp_all_nodes, &peer_mac, 0x20);
    cr_assert_eq(input_at(NOW + S), WAX_OK);
    to = station_of(&peer, NOW + S);
    cr_assert(mac_same(&to, &peer_mac));
    cr_assert_eq(say_all(NOW + 2 * S), 1, "unasked: it is stale, and checked");
}

Test(discovery, rfc4861_7_2_3_a_question_tells_where_its_source_is)
{
    befriend(&peer, &router_mac);
    make_ask(&peer, &us);
    cr_assert_eq(input_at(NOW), WAX_OK);
    struct mac to = station_of(&peer, NOW);
    cr_assert(mac_same(&to, &peer_mac));
    cr_assert_eq(say_all(NOW + S), 1, "stale, and checked");
    struct addr stranger = ip6("2001:2::99");
    make_ask(&stranger, &us);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&stranger, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED,
                 "questions make no entries: the cache can't be flooded with them");
}

Test(discovery, rfc4861_7_3_a_silent_neighbour_is_polled_and_given_up)
{
    befriend(&peer, &peer_mac);
    uint64_t now = NOW + NEIGH_FRESH_US + S;
    int unicast = 0, group = 0;
    for (; output_at(&peer, 20, now, &sent, &header_len) == WAX_OK; now += S / 2) {
        cr_assert_lt(now, NOW + NEIGH_FRESH_US + 10 * S);
        if (say_all(now) > 0) {
            struct mac to = eth_destination(said);
            unicast += mac_same(&to, &peer_mac);
            group += to.b[0] == 0x33;
            cr_assert_eq(said[21], 255);
        }
    }
    cr_assert_eq(unicast, 2);
    cr_assert_eq(group, 1);
}

Test(discovery, rfc4861_a_flood_of_questions_answers_and_sources_displaces_no_neighbour)
{
    befriend(&peer, &peer_mac);
    for (uint32_t i = 0; i < 20000; i++) {
        struct addr forged = ip6("2001:2::");
        uint64_t now = NOW + i * 100;
        store_be32(forged.b + 12, 0x10000 + i);
        make_ask(&forged, &us);
        cr_assert_eq(input_at(now), WAX_OK);
        make_advertise(&forged, &us, &router_mac, 0x60);
        cr_assert_eq(input_at(now), WAX_OK);
        make(&forged, &us, IP_PROTOCOL_TCP, 0, 20);
        store_be32(frame + 8, 0x1000 + i);
        cr_assert_eq(input_at(now), WAX_OK);
        cr_assert_leq(net.neigh.learned, NEIGH_LEARNED_MAX);
    }
    struct mac to = station_of(&peer, NOW + 3 * S);
    cr_assert(mac_same(&to, &peer_mac));
}

Test(discovery, rfc4861_5_2_without_a_router_what_is_off_link_goes_nowhere)
{
    cr_assert_eq(output_at(&far, 20, NOW, &sent, &header_len), WAX_NET_NO_ROUTE);
    struct addr loop = ip6("::1"), group = ip6("ff02::5");
    cr_assert_eq(output_at(&loop, 20, NOW, &sent, &header_len), WAX_NET_NO_ROUTE);
    cr_assert_eq(output_at(&group, 20, NOW, &sent, &header_len), WAX_NET_NO_ROUTE);
    cr_assert_eq(output_at(&us, 20, NOW, &sent, &header_len), WAX_NET_NO_ROUTE);
}

Test(discovery, a_gateway_of_the_configuration_is_used_and_no_other_followed)
{
    struct net_config config = link6_config();
    config.gateway6 = router;
    config.discover = true;
    link6_make(&config);
    cr_assert_eq(output_at(&far, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    make_advertise(&router, &us_local, &router_mac, 0xe0);
    cr_assert_eq(input_at(NOW), WAX_OK);
    struct mac to = station_of(&far, NOW);
    cr_assert(mac_same(&to, &router_mac));
    make_router(&peer_local, &peer_mac, 1800, NULL, 0, 0);
    cr_assert_eq(input_at(NOW), WAX_ICMP_IGNORED);
}

static void set_up_discovery(void)
{
    struct net_config config = link6_config();
    config.discover = true;
    link6_make(&config);
}

Test(discovery, rfc4861_6_3_4_a_router_is_followed_for_its_lifetime, .init = set_up_discovery)
{
    make_router(&router, &router_mac, 30, NULL, 0, 0);
    cr_assert_eq(input_at(NOW), WAX_OK);
    struct mac to = station_of(&far, NOW + 29 * S);
    cr_assert(mac_same(&to, &router_mac));
    cr_assert_eq(output_at(&far, 20, NOW + 30 * S, &sent, &header_len), WAX_NET_NO_ROUTE);
    make_router(&router, &router_mac, 30, NULL, 0, 0);
    cr_assert_eq(input_at(NOW + 31 * S), WAX_OK);
    (void)station_of(&far, NOW + 32 * S);
    make_router(&router, &router_mac, 0, NULL, 0, 0);
    cr_assert_eq(input_at(NOW + 33 * S), WAX_OK);
    cr_assert_eq(output_at(&far, 20, NOW + 33 * S, &sent, &header_len), WAX_NET_NO_ROUTE, "a lifetime of 0");
}

Test(discovery, rfc4861_6_1_2_rules_of_a_routers_advertisement, .init = set_up_discovery)
{
    make_router(&router, &router_mac, 30, NULL, 0, 0);
    frame[21] = 254;
    dropped("hop limit");
    make_router(&peer, &router_mac, 30, NULL, 0, 0);
    dropped("a source that is not link-local");
    make_router(&router, &router_mac, 30, NULL, 0, 0);
    ext()[1] = 1;
    seal();
    dropped("code");
    make_router(&router, &router_mac, 30, NULL, 0, 0);
    ext()[17] = 0;
    seal();
    dropped("an option of length 0");
    make_nd(&router, &ndp_all_nodes, ICMP6_ROUTER, 15);
    seal();
    dropped("short");
    cr_assert_eq(output_at(&far, 20, NOW, &sent, &header_len), WAX_NET_NO_ROUTE);
}

Test(discovery, rfc4861_6_3_4_prefixes_are_on_the_link_while_they_are_valid, .init = set_up_discovery)
{
    struct addr prefix = ip6("2001:db8:9::");
    make_router(&router, &router_mac, 1800, &prefix, 64, 60);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&far, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED, "asked for itself");
    struct mac to = station_of(&far, NOW + 60 * S);
    cr_assert(mac_same(&to, &router_mac), "later through the router");
    make_router(&router, &router_mac, 1800, &prefix, 64, 60);
    ext()[27] = 0;
    seal();
    cr_assert_eq(input_at(NOW + 61 * S), WAX_OK);
    to = station_of(&far, NOW + 62 * S);
    cr_assert(mac_same(&to, &router_mac), "without the on-link flag it says nothing");
    make_router(&router, &router_mac, 1800, &prefix, 64, NDP_FOREVER_S);
    cr_assert_eq(input_at(NOW + 63 * S), WAX_OK);
    cr_assert_eq(output_at(&far, 20, NOW + 1000 * S, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    make_router(&router, &router_mac, 1800, &prefix, 64, 0);
    cr_assert_eq(input_at(NOW + 1001 * S), WAX_OK);
    to = station_of(&far, NOW + 1001 * S);
    cr_assert(mac_same(&to, &router_mac), "a valid lifetime of 0 ends it");
}

Test(discovery, rfc4861_6_3_6_a_router_that_is_reachable_goes_before_one_that_is_not,
     .init = set_up_discovery)
{
    make_router(&peer_local, &peer_mac, 1800, NULL, 0, 0);
    cr_assert_eq(input_at(NOW), WAX_OK);
    make_router(&router, &router_mac, 1800, NULL, 0, 0);
    cr_assert_eq(input_at(NOW), WAX_OK);
    struct mac first = station_of(&far, NOW), now_one = first;
    struct addr first_addr = mac_same(&first, &peer_mac) ? peer_local : router;
    uint64_t now = NOW + S;
    /* The other one stays alive; the first never answers. */
    for (; mac_same(&now_one, &first); now += S) {
        cr_assert_lt(now, NOW + 200 * S, "the other one takes over");
        (void)say_all(now);
        const struct addr *other = addr_same(&first_addr, &router) ? &peer_local : &router;
        make_advertise(other, &us_local, other == &router ? &router_mac : &peer_mac, 0xe0);
        cr_assert_eq(input_at(now), WAX_OK);
        if (output_at(&far, 20, now, &sent, &header_len) == WAX_OK) { /* not when it has just been given up */
            now_one = eth_destination(sent);
        }
    }
    cr_assert_geq(now, NOW + NEIGH_FRESH_US);
}

Test(discovery, rfc4861_7_2_5_who_says_that_it_is_no_router_is_none, .init = set_up_discovery)
{
    make_router(&router, &router_mac, 1800, NULL, 0, 0);
    cr_assert_eq(input_at(NOW), WAX_OK);
    (void)station_of(&far, NOW);
    make_advertise(&router, &us_local, &router_mac, 0x60);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(output_at(&far, 20, NOW, &sent, &header_len), WAX_NET_NO_ROUTE);
}

Test(discovery, rfc3756_4_2_routers_and_prefixes_beyond_the_lists_are_refused, .init = set_up_discovery)
{
    for (uint32_t i = 0; i < 1000; i++) {
        struct addr forged = ip6("fe80::1:0"), prefix = ip6("2001:db8:8000::");
        store_be16(forged.b + 14, (uint16_t)i);
        store_be16(prefix.b + 6, (uint16_t)i);
        make_router(&forged, &router_mac, 1800, &prefix, 64, 600);
        cr_assert_eq(input_at(NOW), i < ROUTERS_MAX ? WAX_OK : WAX_ND_ROUTERS);
    }
    struct addr forged = ip6("fe80::1:2");
    make_router(&forged, &router_mac, 0, NULL, 0, 0);
    cr_assert_eq(input_at(NOW), WAX_OK);
    make_router(&router, &router_mac, 1800, NULL, 0, 0);
    cr_assert_eq(input_at(NOW), WAX_OK, "there is a place again");
}

Test(discovery, rfc7559_2_routers_are_asked_for_ever_more_rarely_until_one_answers)
{
    struct net_config config = link6_config();
    config.discover = config.speaker = true;
    link6_make(&config);
    uint64_t at[16], count = 0;
    for (uint64_t now = NOW; now < NOW + 600 * S; now += S / 10) {
        while (net_solicit(&net, span_of(said, sizeof said), now, &said_len) == WAX_OK) {
            if (said[12] == 0x86 && said[54] == ICMP6_ROUTER_ASK) {
                cr_assert_eq(said[21], 255);
                cr_assert_eq(memcmp(said + 38, ndp_all_routers.b, 16), 0);
                cr_assert(checksum_right(said));
                at[count++] = now;
            }
        }
    }
    cr_assert_eq(count, 8, "%lu", count);
    cr_assert_leq(at[0], NOW + S);
    for (uint32_t i = 1; i < count; i++) {
        cr_assert_eq(at[i] - at[i - 1], (4 * S) << (i - 1));
    }
    make_router(&router, &router_mac, 9000, NULL, 0, 0);
    cr_assert_eq(input_at(NOW + 600 * S), WAX_OK);
    for (uint64_t now = NOW + 600 * S; now < NOW + 5000 * S; now += S) {
        while (net_solicit(&net, span_of(said, sizeof said), now, &said_len) == WAX_OK) {
            cr_assert_neq(said[54], ICMP6_ROUTER_ASK);
        }
    }
}

static void set_up_detection(void)
{
    struct net_config config = link6_config();
    config.detect = config.speaker = true;
    link6_make(&config);
}

Test(discovery, rfc4862_5_4_addresses_are_claimed_and_used_when_nobody_objects, .init = set_up_detection)
{
    uint32_t claims = 0;
    uint64_t now = NOW, claimed = 0, used = 0;
    for (; now < NOW + 3 * S; now += S / 100) {
        while (net_solicit(&net, span_of(said, sizeof said), now, &said_len) == WAX_OK) {
            struct ip6_packet ip;
            struct ndp_message m;
            if (eth_type(said) != ETH_TYPE_IP6 || said[54] != ICMP6_ASK) {
                continue;
            }
            cr_assert_eq(ip6_parse(view_of(said + 14, said_len - 14), &ip), WAX_OK);
            cr_assert_eq(ndp_parse(&ip, &m), WAX_OK);
            cr_assert(addr_is_any(&ip.src) && !m.has_mac);
            cr_assert(addr_same(&m.target, &us) || addr_same(&m.target, &us_local));
            cr_assert(checksum_right(said));
            claims++;
            claimed = now;
        }
        if (used == 0 && net_is_ours(&net, &us)) {
            used = now;
        }
    }
    cr_assert_eq(claims, 2);
    cr_assert_leq(claimed, NOW + INTERFACE_DELAY_US);
    cr_assert_geq(used, claimed + INTERFACE_DAD_US - S / 100);
    cr_assert(net_is_ours(&net, &us_local));
}

Test(discovery, rfc4862_5_4_a_tentative_address_is_not_answered_for, .init = set_up_detection)
{
    make_ask(&peer, &us);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US);
    make(&peer, &us, IP_PROTOCOL_TCP, 0, 20);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US);
    make_icmp(&peer, &us, ICMP6_ECHO, 16);
    seal();
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US);
}

static void settle(void)
{
    for (uint64_t now = NOW; now < NOW + 3 * S; now += S / 10) {
        (void)say_all(now);
    }
}

Test(discovery, rfc4862_5_4_4_an_answer_to_our_claim_ends_it, .init = set_up_detection)
{
    make_advertise(&us, &ndp_all_nodes, &peer_mac, 0x20);
    cr_assert_eq(input_at(NOW), WAX_ND_DUPLICATE);
    settle();
    cr_assert_not(net_is_ours(&net, &us));
    cr_assert(net_is_ours(&net, &us_local));
    make_ask(&peer, &us);
    cr_assert_eq(input_at(NOW + 3 * S), WAX_NET_NOT_FOR_US);
}

Test(discovery, rfc4862_5_4_3_another_claim_of_the_same_ends_it, .init = set_up_detection)
{
    make_ask(&unspecified, &us);
    cr_assert_eq(input_at(NOW), WAX_ND_DUPLICATE);
    settle();
    cr_assert_not(net_is_ours(&net, &us));
}

Test(discovery, rfc4862_5_4_5_a_duplicate_of_the_macs_address_ends_ipv6_here, .init = set_up_detection)
{
    make_advertise(&us_local, &ndp_all_nodes, &peer_mac, 0x20);
    cr_assert_eq(input_at(NOW), WAX_ND_DUPLICATE);
    settle();
    cr_assert_not(net_is_ours(&net, &us));
    cr_assert_not(net_is_ours(&net, &us_local));
    struct addr four = addr_ip4(0xc6120001);
    cr_assert(net_is_ours(&net, &four));
}

Test(discovery, rfc4862_5_4_once_valid_a_claim_is_answered_and_a_conflict_counted, .init = set_up_detection)
{
    settle();
    make_ask(&unspecified, &us);
    cr_assert_eq(input_at(NOW + 3 * S), WAX_OK);
    advertised(&us, &ndp_all_nodes, false);
    make_advertise(&peer, &ndp_all_nodes, &peer_mac, 0x20);
    memcpy(ext() + 8, us.b, 16);
    seal();
    cr_assert_eq(input_at(NOW + 3 * S), WAX_ND_CONFLICT);
    cr_assert(net_is_ours(&net, &us));
}

Test(discovery, rfc4862_workers_that_do_not_speak_wait_as_long)
{
    struct net_config config = link6_config();
    config.detect = true;
    link6_make(&config);
    cr_assert_eq(say_all(NOW + INTERFACE_DELAY_US + INTERFACE_DAD_US - 1), 0);
    cr_assert_not(net_is_ours(&net, &us));
    cr_assert_eq(say_all(NOW + INTERFACE_DELAY_US + INTERFACE_DAD_US), 0);
    cr_assert(net_is_ours(&net, &us));
}

Test(discovery, rfc4861_7_2_6_addresses_are_announced_to_all_nodes_twice, .init = set_up_detection)
{
    uint32_t announced = 0;
    for (uint64_t now = NOW; now < NOW + 10 * S; now += S / 10) {
        while (net_solicit(&net, span_of(said, sizeof said), now, &said_len) == WAX_OK) {
            if (eth_type(said) == ETH_TYPE_IP6 && said[54] == ICMP6_ADVERTISE) {
                cr_assert_eq(memcmp(said + 38, ndp_all_nodes.b, 16), 0);
                cr_assert_eq(said[58], 0x20, "override, not solicited");
                cr_assert(checksum_right(said));
                announced++;
            }
        }
    }
    cr_assert_eq(announced, 2 * NET_ANNOUNCEMENTS);
}

/* Whether the frame at hand is a report of our two groups. */
static bool is_report(enum mld_record record, const struct addr *src)
{
    struct ip6_packet ip;
    if (eth_type(said) != ETH_TYPE_IP6 || said[62] != ICMP6_MLD_REPORT) {
        return false;
    }
    cr_assert_eq(ip6_parse(view_of(said + 14, said_len - 14), &ip), WAX_OK);
    cr_assert(ip.alert && ip.hop_limit == 1);
    cr_assert(addr_same(&ip.src, src));
    struct addr group = addr_solicited_node(&us), local = addr_solicited_node(&us_local);
    const uint8_t *p = ip.payload.data;
    bool same = addr_same(&group, &local);
    cr_assert_eq(load_be16(p + 6), same ? 1 : 2);
    cr_assert_eq(p[8], record);
    cr_assert_eq(memcmp(p + 12, group.b, 16), 0);
    return true;
}

Test(discovery, rfc3810_6_1_our_groups_are_reported_at_the_start, .init = set_up_detection)
{
    uint32_t reports = 0;
    for (uint64_t now = NOW; now < NOW + 10 * S; now += S / 10) {
        while (net_solicit(&net, span_of(said, sizeof said), now, &said_len) == WAX_OK) {
            reports += is_report(MLD_JOINED, reports == 0 ? &unspecified : &us_local);
        }
    }
    cr_assert_eq(reports, NET_REPORTS);
}

static void make_query(const struct addr *src, const struct addr *group, uint16_t code)
{
    uint8_t *p = make(src, &ndp_all_nodes, 0, 8, 28);
    ip6_write_alert(ext(), 58);
    frame[21] = 1;
    p[0] = ICMP6_MLD_QUERY;
    store_be16(p + 4, code);
    memcpy(p + 8, group->b, 16);
    icmp6_checksum_put(span_of(p, 28), src, &ndp_all_nodes);
}

Test(discovery, rfc3810_6_2_a_query_is_answered_within_its_delay)
{
    struct addr group = addr_solicited_node(&us), other = ip6("ff02::1:ff77:7777");
    make_query(&router, &unspecified, 1000);
    cr_assert_eq(input_at(NOW), WAX_OK);
    uint64_t now = NOW;
    while (say_all(now) == 0) {
        now += S / 100;
        cr_assert_leq(now, NOW + S);
    }
    cr_assert(is_report(MLD_LISTENING, &us_local));
    make_query(&router, &group, 0);
    cr_assert_eq(input_at(NOW), WAX_OK);
    cr_assert_eq(say_all(NOW), 1);
    make_query(&router, &other, 0);
    cr_assert_eq(input_at(NOW), WAX_NET_NOT_FOR_US);
    make_query(&peer, &unspecified, 0);
    cr_assert_eq(input_at(NOW), WAX_ND_MALFORMED, "a source that is not link-local");
    make_query(&router, &unspecified, 0);
    frame[21] = 2;
    cr_assert_eq(input_at(NOW), WAX_ND_MALFORMED, "hop limit");
    make_query(&router, &unspecified, 0);
    ext()[2] = 1;
    cr_assert_eq(input_at(NOW), WAX_ND_MALFORMED, "no router alert");
    cr_assert_eq(say_all(NOW), 0);
}

Test(discovery, rfc6724_link_local_is_spoken_to_from_link_local)
{
    cr_assert_eq(output_at(&peer_local, 20, NOW, &sent, &header_len), WAX_NEIGH_UNRESOLVED);
    cr_assert_eq(say_all(NOW), 1);
    cr_assert_eq(memcmp(said + 22, us_local.b, 16), 0);
}
