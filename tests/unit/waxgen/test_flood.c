/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "net/eth.h"
#include "waxgen/flood.h"

static struct flood flood;
static struct addr relay;

static void make(void)
{
    relay = addr_ip4(0xc6120001);
    flood = (struct flood){
        .options = {
            .sources = addr_ip4(0xc6130000), .prefix = 16, .packets = 1000, .seconds = 2, .kind = FLOOD_SYN}};
    rng_init(&flood.rng, 1);
}

TestSuite(flood, .init = make);

static size_t next(uint8_t out[FLOOD_FRAME_MAX], struct tcp_tuple *tuple)
{
    bool broken;
    return flood_segment(&flood, &relay, 443, span_of(out, FLOOD_FRAME_MAX), tuple, &broken);
}

Test(flood, kinds_have_names)
{
    static const char *const names[] = {"syn", "ack", "rst", "garbage", "mixed"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_expect_str_eq(flood_kind_text(flood_kind_of(names[i])), names[i]);
    cr_expect_eq(flood_kind_of("teardrop"), FLOOD_NONE);
    cr_expect_null(flood_kind_text(FLOOD_NONE));
}

Test(flood, it_ends_with_its_packets)
{
    uint8_t out[FLOOD_FRAME_MAX];
    struct tcp_tuple tuple;
    uint32_t sent = 0;
    for (uint32_t due; (due = flood_due(&flood, 1000)) != 0; sent += due) {
        cr_assert_leq(due, FLOOD_BURST);
        for (uint32_t i = 0; i < due; i++)
            next(out, &tuple);
    }
    cr_expect_eq(sent, 1000);
    cr_expect_eq(flood.ended_us, 1000);
}

Test(flood, it_ends_with_its_time)
{
    cr_expect_eq(flood_due(&flood, 500), FLOOD_BURST);
    cr_expect_eq(flood_due(&flood, 2000499), FLOOD_BURST);
    cr_expect_eq(flood_due(&flood, 2000500), 0);
    cr_expect_eq(flood_due(&flood, 2000501), 0);
    cr_expect_eq(flood.ended_us, 2000500);
}

Test(flood, a_rate_is_kept)
{
    uint8_t out[FLOOD_FRAME_MAX];
    struct tcp_tuple tuple;
    flood.options.rate = 100;
    for (uint64_t us = 1000; us <= 1001000; us += 500)
        for (uint32_t due = flood_due(&flood, us); due > 0; due--)
            next(out, &tuple);
    cr_expect_eq(flood.packets, 100);
}

Test(flood, connection_requests_are_sound_and_come_from_the_addresses_named)
{
    uint32_t first = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t out[FLOOD_FRAME_MAX];
        struct tcp_tuple tuple;
        struct tcp_segment segment;
        size_t len = next(out, &tuple);
        cr_assert_eq(tcp_parse(view_of(out, len), &tuple.local, &tuple.peer, true, &segment), WAX_OK);
        cr_assert_eq(segment.flags, TCP_SYN);
        cr_assert_eq(segment.tuple.local_port, 443);
        cr_assert_gt(segment.mss, 0);
        uint32_t from = load_be32(tuple.local.b + 12);
        cr_assert_eq(from >> 16, 0xc613);
        first = from < first ? from : first;
        last = from > last ? from : last;
    }
    cr_expect_gt(last - first, 60000, "they are spread over the prefix");
}

Test(flood, acknowledgements_and_resets_are_what_they_are_called)
{
    static const struct {
        enum flood_kind kind;
        uint8_t flags;
    } cases[] = {{FLOOD_ACK, TCP_ACK}, {FLOOD_RST, TCP_RST}};
    for (size_t i = 0; i < 2; i++) {
        uint8_t out[FLOOD_FRAME_MAX];
        struct tcp_tuple tuple;
        struct tcp_segment segment;
        flood.options.kind = cases[i].kind;
        size_t len = next(out, &tuple);
        cr_assert_eq(tcp_parse(view_of(out, len), &tuple.local, &tuple.peer, true, &segment), WAX_OK);
        cr_expect_eq(segment.flags, cases[i].flags);
    }
}

Test(flood, garbage_is_mostly_refused_and_never_overflows)
{
    uint32_t refused = 0;
    flood.options.kind = FLOOD_GARBAGE;
    for (uint32_t i = 0; i < 10000; i++) {
        uint8_t out[ETH_HEADER_BYTES + FLOOD_FRAME_MAX + 1];
        struct tcp_tuple tuple;
        struct tcp_segment segment;
        bool broken;
        out[sizeof out - 1] = 0x5a;
        size_t len = flood_segment(&flood, &relay, 443, span_of(out + ETH_HEADER_BYTES, FLOOD_FRAME_MAX),
                                   &tuple, &broken);
        cr_assert_leq(len, FLOOD_FRAME_MAX);
        flood_spoil(&flood, span_of(out, ETH_HEADER_BYTES + len));
        cr_assert_eq(out[sizeof out - 1], 0x5a);
        refused += tcp_parse(view_of(out + ETH_HEADER_BYTES, len), &tuple.local, &tuple.peer, true,
                             &segment) != WAX_OK;
    }
    cr_expect_gt(refused, 9000);
}
