/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "net/checksum.h"
#include "net/icmp.h"
#include "net/ip4.h"

static uint8_t message[64];

static void seal(size_t len)
{
    store_be16(message + 2, 0);
    store_be16(message + 2, checksum_finish(checksum_add(0, view_of(message, len))));
}

static size_t make_error(uint8_t type, uint8_t code, uint8_t protocol)
{
    struct addr ours = addr_ip4(0xc6120001), theirs = addr_ip4(0xc6120002);
    memset(message, 0, sizeof message);
    message[0] = type;
    message[1] = code;
    store_be16(message + 6, 1400);
    ip4_write(message + 8, &ours, &theirs, protocol, 0, 1480);
    store_be16(message + 28, 443);
    store_be16(message + 30, 50000);
    store_be32(message + 32, 0x01020304);
    seal(36);
    return 36;
}

Test(icmp, rfc1122_3_2_2_6_echo_reply_returns_the_data)
{
    enum icmp_kind kind;
    struct icmp_error error;
    for (size_t len = 8; len < sizeof message; len++) {
        for (size_t i = 0; i < len; i++) {
            message[i] = (uint8_t)(i * 7);
        }
        message[0] = ICMP_ECHO;
        message[1] = 0;
        seal(len);
        cr_assert_eq(icmp_parse(view_of(message, len), &kind, &error), WAX_OK);
        cr_assert_eq(kind, ICMP_KIND_ECHO);
        uint8_t before[64];
        memcpy(before, message, len);
        icmp_echo_reply(span_of(message, len));
        cr_assert_eq(message[0], ICMP_ECHO_REPLY);
        cr_assert_eq(checksum_finish(checksum_add(0, view_of(message, len))), 0);
        cr_assert_arr_eq(message + 4, before + 4, len - 4);
    }
}

Test(icmp, error_tells_which_segment_it_is_about)
{
    enum icmp_kind kind;
    struct icmp_error error;
    size_t len = make_error(ICMP_UNREACHABLE, ICMP_NEEDS_FRAGMENTATION, IP_PROTOCOL_TCP);
    cr_assert_eq(icmp_parse(view_of(message, len), &kind, &error), WAX_OK);
    cr_assert_eq(kind, ICMP_KIND_ERROR);
    cr_assert_eq(error.mtu, 1400);
    cr_assert_eq(error.sport, 443);
    cr_assert_eq(error.dport, 50000);
    cr_assert_eq(error.seq, 0x01020304);
    cr_assert_eq(addr_to_ip4(&error.src), 0xc6120001);
    cr_assert_eq(addr_to_ip4(&error.dst), 0xc6120002);
    len = make_error(ICMP_UNREACHABLE, 1, IP_PROTOCOL_TCP);
    cr_assert_eq(icmp_parse(view_of(message, len), &kind, &error), WAX_OK);
    cr_assert_eq(error.mtu, 0, "only one code carries an MTU");
}

Test(icmp, short_messages_and_quotes_are_malformed)
{
    enum icmp_kind kind;
    struct icmp_error error;
    size_t len = make_error(ICMP_TIME, 0, IP_PROTOCOL_TCP);
    for (size_t n = 0; n < len; n++) {
        seal(n < 4 ? 4 : n);
        cr_assert_eq(icmp_parse(view_of(message, n), &kind, &error), WAX_ICMP_MALFORMED, "%zu bytes", n);
    }
    len = make_error(ICMP_TIME, 0, 17);
    cr_assert_eq(icmp_parse(view_of(message, len), &kind, &error), WAX_ICMP_MALFORMED, "not about TCP");
}

Test(icmp, wrong_checksum_and_other_types_are_told_apart)
{
    enum icmp_kind kind;
    struct icmp_error error;
    size_t len = make_error(ICMP_TIME, 0, IP_PROTOCOL_TCP);
    message[20] ^= 1;
    cr_assert_eq(icmp_parse(view_of(message, len), &kind, &error), WAX_ICMP_CHECKSUM);
    static const uint8_t types[] = {ICMP_ECHO_REPLY, 4 /* RFC 6633 */, 5, 9, 13, 17, 255};
    for (size_t i = 0; i < sizeof types; i++) {
        len = make_error(types[i], 0, IP_PROTOCOL_TCP);
        cr_assert_eq(icmp_parse(view_of(message, len), &kind, &error), WAX_ICMP_IGNORED);
    }
}
