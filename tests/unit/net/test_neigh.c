/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "net/neigh.h"

#define S UINT64_C(1000000)

static struct neigh neigh;
static const struct mac mac_a = {{2, 0, 0, 0, 0, 0xa}}, mac_b = {{2, 0, 0, 0, 0, 0xb}};
static const uint64_t key[2] = {0x1234567, 0x89abcdef};
static struct addr none, host, gateway;
static struct mac mac;
static struct addr asked;

static void set_up(void)
{
    host = addr_ip4(0xc6120005);
    gateway = addr_ip4(0xc61200fe);
    neigh_init(&neigh, &none, key, 0);
}

TestSuite(neigh, .init = set_up);

Test(neigh, unknown_address_is_asked_for_and_used_once_arp_answers)
{
    cr_assert_eq(neigh_ask(&neigh, 5 * S, &asked, &mac), WAX_NOT_FOUND);
    cr_assert_eq(neigh_use(&neigh, &host, 5 * S, &mac), WAX_NEIGH_UNRESOLVED);
    cr_assert_eq(neigh_ask(&neigh, 5 * S, &asked, &mac), WAX_OK);
    cr_assert(addr_same(&asked, &host));
    cr_assert(mac_same(&mac, &mac_broadcast));
    cr_assert_eq(neigh_confirm(&neigh, &host, &mac_a, 5 * S), WAX_OK);
    cr_assert_eq(neigh_use(&neigh, &host, 6 * S, &mac), WAX_OK);
    cr_assert(mac_same(&mac, &mac_a));
    cr_assert_eq(neigh_ask(&neigh, 6 * S, &asked, &mac), WAX_NOT_FOUND);
}

Test(neigh, rfc1122_2_3_2_1_one_request_a_second_for_an_address)
{
    uint32_t requests = 0;
    for (uint64_t now = 10 * S; now < 20 * S; now += S / 100) {
        cr_assert_eq(neigh_use(&neigh, &host, now, &mac), WAX_NEIGH_UNRESOLVED);
        while (neigh_ask(&neigh, now, &asked, &mac) == WAX_OK) {
            requests++;
        }
    }
    cr_assert_eq(requests, 10);
}

Test(neigh, requests_for_all_addresses_together_are_limited)
{
    uint32_t requests = 0;
    for (uint64_t now = 10 * S; now < 11 * S; now += S / 1000) {
        struct addr a = addr_ip4(0xc6120000 + (uint32_t)(now / 1000 % 60000));
        (void)neigh_use(&neigh, &a, now, &mac);
        while (neigh_ask(&neigh, now, &asked, &mac) == WAX_OK) {
            requests++;
        }
    }
    cr_assert_leq(requests, NEIGH_ASKS_PER_S + NEIGH_ASKS_BURST + 1);
    cr_assert_geq(requests, NEIGH_ASKS_PER_S);
}

Test(neigh, rfc826_merge_only_changes_entries_that_exist)
{
    cr_assert_eq(neigh_confirm(&neigh, &host, &mac_a, S), WAX_NOT_FOUND);
    cr_assert_eq(neigh_use(&neigh, &host, S, &mac), WAX_NEIGH_UNRESOLVED);
    cr_assert_eq(neigh_confirm(&neigh, &host, &mac_a, S), WAX_OK);
    cr_assert_eq(neigh_confirm(&neigh, &host, &mac_b, 2 * S), WAX_OK, "a station that took the address over");
    cr_assert_eq(neigh_use(&neigh, &host, 2 * S, &mac), WAX_OK);
    cr_assert(mac_same(&mac, &mac_b));
}

Test(neigh, source_of_traffic_is_used_at_once_and_still_asked_about)
{
    neigh_learn(&neigh, &host, &mac_a, S);
    cr_assert_eq(neigh_use(&neigh, &host, S, &mac), WAX_OK);
    cr_assert(mac_same(&mac, &mac_a));
    cr_assert_eq(neigh_ask(&neigh, S, &asked, &mac), WAX_OK);
    cr_assert_eq(neigh_confirm(&neigh, &host, &mac_b, S + 100), WAX_OK, "ARP knows better");
    cr_assert_eq(neigh_use(&neigh, &host, S + 200, &mac), WAX_OK);
    cr_assert(mac_same(&mac, &mac_b));
    neigh_learn(&neigh, &host, &mac_a, S + 300);
    neigh_learn(&neigh, &host, &mac_a, 100 * S);
    cr_assert_eq(neigh_use(&neigh, &host, 100 * S, &mac), WAX_OK);
    cr_assert(mac_same(&mac, &mac_b), "traffic never overrides ARP");
}

Test(neigh, traffic_keeps_an_entry_alive)
{
    neigh_learn(&neigh, &host, &mac_a, S);
    (void)neigh_confirm(&neigh, &host, &mac_a, S);
    while (neigh_ask(&neigh, S, &asked, &mac) == WAX_OK) {
    }
    for (uint64_t now = S; now < 1000 * S; now += 20 * S) {
        neigh_learn(&neigh, &host, &mac_a, now);
        cr_assert_eq(neigh_use(&neigh, &host, now + 19 * S, &mac), WAX_OK);
        cr_assert_eq(neigh_ask(&neigh, now + 19 * S, &asked, &mac), WAX_NOT_FOUND);
    }
}

Test(neigh, rfc1122_2_3_2_1_silent_entry_is_polled_and_then_given_up)
{
    neigh_learn(&neigh, &host, &mac_a, S);
    (void)neigh_confirm(&neigh, &host, &mac_a, S);
    while (neigh_ask(&neigh, S, &asked, &mac) == WAX_OK) {
    }
    int unicast = 0, broadcast = 0;
    uint64_t now = S + NEIGH_FRESH_US;
    cr_assert_eq(neigh_use(&neigh, &host, now, &mac), WAX_OK);
    cr_assert_eq(neigh_ask(&neigh, now, &asked, &mac), WAX_NOT_FOUND, "still fresh");
    for (now += S; neigh_use(&neigh, &host, now, &mac) == WAX_OK; now += S / 4) {
        cr_assert(mac_same(&mac, &mac_a), "used while it is asked about");
        while (neigh_ask(&neigh, now, &asked, &mac) == WAX_OK) {
            unicast += mac_same(&mac, &mac_a);
            broadcast += mac_same(&mac, &mac_broadcast);
        }
        cr_assert_lt(now, 70 * S);
    }
    cr_assert_eq(unicast, 2);
    cr_assert_eq(broadcast, 1);
    cr_assert_geq(now, S + NEIGH_FRESH_US + 3 * S);
}

Test(neigh, flood_of_forged_sources_displaces_nothing_in_use)
{
    neigh_init(&neigh, &gateway, key, 0);
    struct addr friends[32];
    for (uint32_t i = 0; i < 32; i++) {
        friends[i] = addr_ip4(0xc6130000 + i);
        (void)neigh_use(&neigh, &friends[i], S, &mac);
        cr_assert_eq(neigh_confirm(&neigh, &friends[i], &mac_a, S), WAX_OK);
    }
    cr_assert_eq(neigh_confirm(&neigh, &gateway, &mac_b, S), WAX_OK);
    for (uint32_t i = 0; i < 100000; i++) {
        struct addr forged = addr_ip4(0xc6120000 + i % 65536);
        uint64_t now = S + i * 100;
        neigh_learn(&neigh, &forged,
                    &(struct mac){{2, 1, 1, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}}, now);
        (void)neigh_use(&neigh, &forged, now, &mac);
        cr_assert_leq(neigh.learned, NEIGH_LEARNED_MAX);
    }
    for (uint32_t i = 0; i < 32; i++) {
        cr_assert_eq(neigh_use(&neigh, &friends[i], 12 * S, &mac), WAX_OK);
        cr_assert(mac_same(&mac, &mac_a));
    }
    cr_assert_eq(neigh_use(&neigh, &gateway, 12 * S, &mac), WAX_OK);
    cr_assert(mac_same(&mac, &mac_b));
    struct addr late = addr_ip4(0xc613ffff);
    cr_assert_neq(neigh_use(&neigh, &late, 100 * S, &mac), WAX_NEIGH_FULL, "questions still find a place");
}

Test(neigh, forged_on_link_source_behind_the_gateway_is_not_learned)
{
    neigh_init(&neigh, &gateway, key, 0);
    cr_assert_eq(neigh_confirm(&neigh, &gateway, &mac_b, S), WAX_OK);
    neigh_learn(&neigh, &host, &mac_b, S);
    cr_assert_eq(neigh_use(&neigh, &host, S, &mac), WAX_NEIGH_UNRESOLVED);
}

Test(neigh, gateway_is_asked_for_at_the_start)
{
    neigh_init(&neigh, &gateway, key, 7 * S);
    cr_assert_eq(neigh_ask(&neigh, 7 * S, &asked, &mac), WAX_OK);
    cr_assert(addr_same(&asked, &gateway));
    neigh_learn(&neigh, &gateway, &mac_a, 8 * S);
    cr_assert_eq(neigh_use(&neigh, &gateway, 8 * S, &mac), WAX_OK);
    cr_assert(mac_same(&mac, &mac_a));
}

Test(neigh, traffic_from_another_station_is_no_sign_of_life)
{
    neigh_learn(&neigh, &host, &mac_a, S);
    (void)neigh_confirm(&neigh, &host, &mac_a, S);
    while (neigh_ask(&neigh, S, &asked, &mac) == WAX_OK) {
    }
    neigh_learn(&neigh, &host, &mac_b, 50 * S);
    cr_assert_eq(neigh_use(&neigh, &host, 62 * S, &mac), WAX_OK);
    cr_assert_eq(neigh_ask(&neigh, 62 * S, &asked, &mac), WAX_OK,
                 "it is asked about a minute after its own last");
}

Test(neigh, confirmed_and_given_up_entries_no_longer_count_as_learned)
{
    neigh_learn(&neigh, &host, &mac_a, S);
    cr_assert_eq(neigh.learned, 1);
    cr_assert_eq(neigh_confirm(&neigh, &host, &mac_a, S), WAX_OK);
    cr_assert_eq(neigh.learned, 0);
}

Test(neigh, questions_without_an_answer_make_room_for_others)
{
    for (uint32_t i = 0; i < 20 * NEIGH_ENTRIES; i++) {
        struct addr a = addr_ip4(0xc6120000 + i);
        cr_assert_eq(neigh_use(&neigh, &a, S, &mac), WAX_NEIGH_UNRESOLVED);
    }
}

Test(neigh, rfc1122_2_3_2_1_silent_entry_is_given_up_though_it_is_asked_before_each_use)
{
    (void)neigh_use(&neigh, &host, S, &mac);
    cr_assert_eq(neigh_confirm(&neigh, &host, &mac_a, S), WAX_OK);
    uint64_t now = 2 * S + NEIGH_FRESH_US;
    for (uint32_t uses = 0; neigh_use(&neigh, &host, now, &mac) == WAX_OK; uses++) {
        cr_assert_lt(uses, 10);
        now += NEIGH_RETRY_US;
        while (neigh_ask(&neigh, now, &asked, &mac) == WAX_OK) { /* just before its next use */
        }
    }
}
