/* SPDX-License-Identifier: BSD-3-Clause */
/* Parsing and building segments: RFC 9293 3.1, 3.2; RFC 7323 2.2, 3.2; RFC 2018 2, 3. */
#include "net/checksum.h"
#include "script.h"

static const struct addr src = {{[10] = 0xff, 0xff, 198, 18, 0, 2}};
static const struct addr dst = {{[10] = 0xff, 0xff, 198, 18, 0, 1}};

/* A header with the given options, otherwise sound. */
static enum wax_status parse_options(const uint8_t *options, size_t len, uint8_t flags, struct tcp_segment *s)
{
    static uint8_t p[60]; /* the views in `s` point into it */
    static const uint8_t head[20] = {0x12, 0x34, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0x10, 0};
    size_t padded = (len + 3) & ~(size_t)3;
    memset(p, 0, sizeof p);
    memcpy(p, head, sizeof head);
    p[12] = (uint8_t)((20 + padded) << 2);
    p[13] = flags;
    memcpy(p + 20, options, len);
    return tcp_parse(view_of(p, 20 + padded), &src, &dst, false, s);
}

Test(segment, rfc9293_3_1_fields_in_their_places)
{
    uint8_t p[64];
    struct tcp_header h = {.source = 443,
                           .destination = 50000,
                           .seq = 0x01020304,
                           .ack = 0xa0b0c0d0,
                           .window = 0x1234,
                           .flags = TCP_SYN | TCP_ACK,
                           .wscale = 3,
                           .mss = 1460,
                           .has_timestamps = true,
                           .tsval = 77,
                           .tsecr = 88};
    size_t len = segment_write(p, &h);
    cr_assert_eq(len, 40);
    struct tcp_tuple t = {src, dst, 50000, 443};
    segment_checksum(&t, span_of(p, len), false);
    struct tcp_segment s;
    cr_assert_eq(tcp_parse(view_of(p, len), &dst, &src, true, &s), WAX_OK);
    cr_assert(s.tuple.peer_port == 443 && s.tuple.local_port == 50000 && s.seq == 0x01020304 &&
              s.ack == 0xa0b0c0d0 && s.window == 0x1234 && s.flags == (TCP_SYN | TCP_ACK) && s.wscale == 3 &&
              s.mss == 1460 && s.has_timestamps && s.tsval == 77 && s.tsecr == 88 && s.payload.len == 0);
}

Test(segment, rfc9293_3_1_short_or_overlong_headers_are_refused)
{
    uint8_t p[24] = {0};
    struct tcp_segment s;
    for (size_t len = 0; len < 20; len++) {
        cr_assert_eq(tcp_parse(view_of(p, len), &src, &dst, false, &s), WAX_TCP_HEADER);
    }
    for (uint8_t words = 0; words < 5; words++) {
        p[12] = (uint8_t)(words << 4);
        cr_assert_eq(tcp_parse(view_of(p, 24), &src, &dst, false, &s), WAX_TCP_HEADER);
    }
    p[12] = 7 << 4;
    cr_assert_eq(tcp_parse(view_of(p, 24), &src, &dst, false, &s), WAX_TCP_HEADER);
    p[12] = 6 << 4;
    cr_assert_eq(tcp_parse(view_of(p, 24), &src, &dst, false, &s), WAX_OK);
}

Test(segment, rfc9293_3_1_wrong_checksum_is_refused)
{
    uint8_t p[20] = {0x12, 0x34, 0x01, 0xbb, [12] = 5 << 4, [13] = TCP_ACK};
    struct tcp_segment s;
    cr_assert_eq(tcp_parse(view_of(p, 20), &src, &dst, true, &s), WAX_TCP_CHECKSUM);
    store_be16(p + 16, checksum_tcp(&src, &dst, view_of(p, 20)));
    cr_assert_eq(tcp_parse(view_of(p, 20), &src, &dst, true, &s), WAX_OK);
}

Test(segment, rfc9293_3_2_must_7_illegal_option_lengths_are_refused)
{
    struct tcp_segment s;
    static const uint8_t bad[][6] = {{2, 0},       {2, 1},       {2, 5, 1, 1}, {3, 4, 1, 1}, {8, 9, 0, 0},
                                     {4, 3, 0, 0}, {5, 4, 0, 0}, {5, 2, 0, 0}, {99, 0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(parse_options(bad[i], 4, TCP_SYN, &s), WAX_TCP_OPTIONS, "case %zu", i);
    }
    static const uint8_t cut[] = {1, 1, 1, 2};
    cr_assert_eq(parse_options(cut, 4, TCP_SYN, &s), WAX_TCP_OPTIONS, "kind without a length");
}

Test(segment, rfc9293_3_2_must_6_unknown_options_are_skipped_and_end_ends)
{
    struct tcp_segment s;
    static const uint8_t options[] = {99, 3, 7, 1, 2, 4, 5, 180, 0, 2, 0, 0};
    cr_assert_eq(parse_options(options, sizeof options, TCP_SYN, &s), WAX_OK);
    cr_assert_eq(s.mss, 1460);
}

Test(segment, rfc7323_2_2_scale_counts_only_in_syn_and_is_capped_at_14)
{
    struct tcp_segment s;
    static const uint8_t options[] = {3, 3, 15, 1};
    cr_assert_eq(parse_options(options, sizeof options, TCP_SYN, &s), WAX_OK);
    cr_assert_eq(s.wscale, 14);
    cr_assert_eq(parse_options(options, sizeof options, TCP_ACK, &s), WAX_OK);
    cr_assert_eq(s.wscale, 0xff);
}

Test(segment, rfc2018_sack_blocks_are_found)
{
    struct tcp_segment s;
    static const uint8_t options[] = {1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 9};
    cr_assert_eq(parse_options(options, sizeof options, TCP_ACK, &s), WAX_OK);
    cr_assert_eq(s.sack.len, 16);
    cr_assert_eq(load_be32(s.sack.data + 12), 9);
}

Test(segment, rfc9293_3_10_7_1_reset_for_nobody)
{
    uint8_t p[20], rst[60];
    struct tcp_segment s = {.tuple = {src, dst, 50000, 443},
                            .seq = 100,
                            .ack = 900,
                            .flags = TCP_ACK,
                            .payload = view_of(p, 5)},
                       back;
    size_t len = segment_reset(&s, false, rst);
    cr_assert_eq(tcp_parse(view_of(rst, len), &dst, &src, true, &back), WAX_OK);
    cr_assert(back.flags == TCP_RST && back.seq == 900);
    s.flags = TCP_SYN | TCP_FIN;
    len = segment_reset(&s, false, rst);
    cr_assert_eq(tcp_parse(view_of(rst, len), &dst, &src, true, &back), WAX_OK);
    cr_assert(back.flags == (TCP_RST | TCP_ACK) && back.seq == 0 && back.ack == 100 + 5 + 2);
    s.flags = TCP_RST;
    cr_assert_eq(segment_reset(&s, false, rst), 0);
}
