/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "net/checksum.h"
#include "net/ip4.h"

static uint8_t packet[100];

/* A packet with `options` bytes of options and 10 of payload; the caller changes it and signs it again. */
static void make(size_t options)
{
    struct addr src = addr_ip4(0xc6120002), dst = addr_ip4(0xc6120001);
    memset(packet, 0, sizeof packet);
    ip4_write(packet, &src, &dst, IP_PROTOCOL_TCP, 0xb9, options + 10);
    packet[0] = (uint8_t)(0x40 + 5 + options / 4);
}

static enum wax_status parse(struct ip4_packet *ip)
{
    size_t header = (size_t)(packet[0] & 15) * 4;
    store_be16(packet + 10, 0);
    store_be16(packet + 10, checksum_finish(checksum_add(0, view_of(packet, header))));
    return ip4_parse(view_of(packet, sizeof packet), ip);
}

Test(ip4, reads_what_it_wrote_and_cuts_padding)
{
    struct ip4_packet ip;
    make(0);
    cr_assert_eq(ip4_parse(view_of(packet, 60), &ip), WAX_OK);
    cr_assert_eq(ip.payload.data, packet + 20);
    cr_assert_eq(ip.payload.len, 10, "link-layer padding is no payload");
    cr_assert_eq(addr_to_ip4(&ip.src), 0xc6120002);
    cr_assert_eq(addr_to_ip4(&ip.dst), 0xc6120001);
    cr_assert_eq(ip.protocol, IP_PROTOCOL_TCP);
    cr_assert_eq(ip.tos, 0xb9);
    cr_assert_eq(ip.ttl, IP4_TTL);
}

Test(ip4, rfc6864_4_1_atomic_datagrams_carry_df_and_no_identification)
{
    make(0);
    cr_assert_eq(load_be16(packet + 6), 0x4000);
    cr_assert_eq(load_be16(packet + 4), 0);
}

Test(ip4, rfc1122_3_2_1_1_other_versions_are_discarded)
{
    struct ip4_packet ip;
    make(0);
    packet[0] = 0x65;
    cr_assert_eq(parse(&ip), WAX_IP4_HEADER);
}

Test(ip4, rfc1122_3_2_1_2_bad_header_checksum_is_discarded)
{
    struct ip4_packet ip;
    for (size_t bit = 0; bit < 160; bit++) {
        make(0);
        packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_neq(ip4_parse(view_of(packet, sizeof packet), &ip), WAX_OK, "bit %zu", bit);
    }
    make(0);
    packet[8]--;
    cr_assert_eq(ip4_parse(view_of(packet, sizeof packet), &ip), WAX_IP4_CHECKSUM);
}

Test(ip4, lengths_that_do_not_add_up_are_discarded)
{
    struct ip4_packet ip;
    make(0);
    packet[0] = 0x44;
    cr_assert_eq(parse(&ip), WAX_IP4_HEADER, "header below 20");
    make(0);
    packet[0] = 0x48;
    cr_assert_eq(parse(&ip), WAX_IP4_HEADER, "header beyond the total");
    make(0);
    store_be16(packet + 2, 101);
    cr_assert_eq(parse(&ip), WAX_IP4_HEADER, "total beyond the frame");
    make(0);
    for (size_t n = 0; n < 30; n++) {
        cr_assert_eq(ip4_parse(view_of(packet, n), &ip), WAX_IP4_HEADER);
    }
    cr_assert_eq(ip4_parse(view_of(packet, 30), &ip), WAX_OK);
}

Test(ip4, fragments_are_discarded_and_df_is_not_one)
{
    struct ip4_packet ip;
    make(0);
    store_be16(packet + 6, 0x2000);
    cr_assert_eq(parse(&ip), WAX_IP4_FRAGMENT);
    store_be16(packet + 6, 0x0001);
    cr_assert_eq(parse(&ip), WAX_IP4_FRAGMENT);
    store_be16(packet + 6, 0x0000);
    cr_assert_eq(parse(&ip), WAX_OK);
    store_be16(packet + 6, 0x4000);
    cr_assert_eq(parse(&ip), WAX_OK);
}

Test(ip4, rfc1122_3_2_1_8_unknown_options_are_passed_over)
{
    struct ip4_packet ip;
    make(8);
    memcpy(packet + 20, (uint8_t[]){1, 148, 4, 0, 0, 0, 1, 1}, 8);
    cr_assert_eq(parse(&ip), WAX_OK);
    cr_assert_eq(ip.payload.data, packet + 28);
    cr_assert_eq(ip.payload.len, 10);
}

Test(ip4, source_routes_and_malformed_options_are_refused)
{
    static const uint8_t bad[][4] = {
        {131, 4, 4, 0},               /* loose source route */
        {137, 4, 4, 0},               /* strict */
        {7, 0, 0, 0},                 /* length below 2 */
        {7, 1, 0, 0},   {7, 5, 0, 0}, /* beyond the header */
        {1, 1, 1, 7},                 /* no length byte */
    };
    struct ip4_packet ip;
    for (size_t i = 0; i < sizeof bad / 4; i++) {
        make(4);
        memcpy(packet + 20, bad[i], 4);
        cr_assert_eq(parse(&ip), WAX_IP4_OPTIONS, "case %zu", i);
    }
    make(4);
    memcpy(packet + 20, (uint8_t[]){0, 131, 0, 0}, 4);
    cr_assert_eq(parse(&ip), WAX_OK, "what stands behind the end of the list is padding");
}

Test(ip4, rfc1122_3_2_1_3_source_must_be_a_host)
{
    static const uint32_t bad[] = {0, 0x00112233, 0x7f000001, 0xe0000001, 0xf0000000, 0xffffffff};
    struct ip4_packet ip;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        make(0);
        store_be32(packet + 12, bad[i]);
        cr_assert_eq(parse(&ip), WAX_IP4_SOURCE, "%08x", bad[i]);
    }
}
