/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP errors about our segments, and the path's MTU: RFC 1122 4.2.3.9, 1191, 8201, 4821, 5461, 5927. */
#include "script.h"

#define WIDE 1460u

static struct icmp_error about(uint32_t seq)
{
    return (struct icmp_error){.src = S.tuple.local,
                               .dst = S.tuple.peer,
                               .sport = S.tuple.local_port,
                               .dport = S.tuple.peer_port,
                               .seq = seq + S.irs};
}

static enum wax_status too_big(uint32_t seq, uint16_t mtu)
{
    struct icmp_error error = about(seq);
    error.too_big = true;
    error.mtu = mtu;
    enum wax_status status = tcp_icmp(S.e, &error, S.now_us);
    script_pump();
    return status;
}

static enum wax_status unreachable(uint32_t seq, bool hard)
{
    struct icmp_error error = about(seq);
    error.hard = hard;
    enum wax_status status = tcp_icmp(S.e, &error, S.now_us);
    script_pump();
    return status;
}

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

Test(icmp, rfc1191_6_4_a_smaller_mtu_is_used_at_once_and_without_a_reduction)
{
    script_open(NULL);
    WRITE(4 * WIDE);
    for (uint32_t i = 0; i < 4; i++) {
        OUT(TCP_ACK, 1 + i * WIDE, 1, WIDE);
    }
    uint32_t cwnd = conn()->cwnd;
    cr_assert_eq(too_big(1, 1400), WAX_TCP_MTU_LOWERED);
    COUNTED(WAX_TCP_MTU_LOWERED, 1);
    cr_assert_eq(conn()->mss, 1360);
    for (uint32_t at = 1; at < 4 * WIDE + 1;) {
        uint32_t len = 4 * WIDE + 1 - at < 1360 ? 4 * WIDE + 1 - at : 1360;
        OUT(TCP_ACK, at, 1, len);
        at += len;
    }
    QUIET();
    cr_assert_eq(conn()->cwnd, cwnd, "nothing was congested");
    IN(TCP_ACK, .seq = 1, .ack = 4 * WIDE + 1);
    cr_assert_eq(tcp_acked(S.e, S.id), 4 * WIDE);
    cr_assert_geq(conn()->cwnd, cwnd);
    script_end();
}

Test(icmp, rfc1191_the_options_are_deducted)
{
    script_open_ts(NULL);
    WRITE(3000);
    cr_assert_eq(too_big(1, 1400), WAX_TCP_MTU_LOWERED);
    cr_assert_eq(conn()->mss, 1400 - 40 - 12);
    script_end();
}

Test(icmp, rfc8201_4_ip6_has_larger_headers_and_a_floor_of_1280)
{
    script_start(NULL);
    script_listen();
    S.tuple.peer = (struct addr){{0x20, 0x01, 0, 2, [15] = 2}};
    S.tuple.local = (struct addr){{0x20, 0x01, 0, 2, [15] = 1}};
    IN(TCP_SYN, .seq = 0, .mss = 1440);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    WRITE(3000);
    cr_assert_eq(too_big(1, 1400), WAX_TCP_MTU_LOWERED);
    cr_assert_eq(conn()->mss, 1340);
    cr_assert_eq(too_big(1, 600), WAX_TCP_MTU_LOWERED);
    cr_assert_eq(conn()->mss, 1220);
    cr_assert_eq(too_big(1, 600), WAX_TCP_ICMP_STALE);
    script_end();
}

Test(icmp, rfc1191_3_an_mtu_is_never_raised_by_icmp)
{
    script_open(NULL);
    WRITE(10 * WIDE);
    cr_assert_eq(too_big(1, 1500), WAX_TCP_ICMP_STALE);
    cr_assert_eq(too_big(1, 9000), WAX_TCP_ICMP_STALE);
    cr_assert_eq(conn()->mss, WIDE);
    COUNTED(WAX_TCP_ICMP_STALE, 2);
    script_end();
}

Test(icmp, rfc5927_7_a_forged_mtu_goes_no_lower_than_the_floor)
{
    script_open(NULL);
    WRITE(WIDE);
    cr_assert_eq(too_big(1, 68), WAX_TCP_MTU_LOWERED);
    cr_assert_eq(conn()->mss, 512);
    script_end();
}

Test(icmp, rfc5927_4_1_what_is_quoted_must_be_in_flight)
{
    script_open(NULL);
    cr_assert_eq(too_big(1, 1400), WAX_TCP_ICMP_STALE, "nothing is in flight");
    WRITE(2 * WIDE);
    cr_assert_eq(too_big(0, 1400), WAX_TCP_ICMP_STALE);
    cr_assert_eq(too_big(2 * WIDE + 1, 1400), WAX_TCP_ICMP_STALE);
    IN(TCP_ACK, .seq = 1, .ack = WIDE + 1);
    cr_assert_eq(too_big(WIDE, 1400), WAX_TCP_ICMP_STALE, "acknowledged already");
    cr_assert_eq(conn()->mss, WIDE);
    cr_assert_eq(too_big(WIDE + 1, 1400), WAX_TCP_MTU_LOWERED);
    script_end();
}

Test(icmp, rfc5927_7_nothing_so_large_was_in_flight)
{
    script_open(NULL);
    WRITE(500);
    cr_assert_eq(too_big(1, 1000), WAX_TCP_ICMP_STALE);
    cr_assert_eq(conn()->mss, WIDE);
    script_end();
}

Test(icmp, rfc1191_5_an_old_router_that_tells_no_mtu)
{
    script_open(NULL);
    WRITE(WIDE);
    cr_assert_eq(too_big(1, 0), WAX_TCP_MTU_LOWERED);
    cr_assert_eq(conn()->mss, 1492 - 40);
    cr_assert_eq(too_big(1, 0), WAX_TCP_MTU_LOWERED);
    cr_assert_eq(conn()->mss, 1280 - 40);
    script_end();
}

Test(icmp, rfc1122_4_2_3_9_soft_and_hard_errors_dont_end_a_synchronized_connection)
{
    script_open(NULL);
    WRITE(100);
    cr_assert_eq(unreachable(1, false), WAX_TCP_ICMP_SOFT);
    cr_assert_eq(unreachable(1, true), WAX_TCP_ICMP_SOFT, "RFC 5927 5");
    STATE(TCP_STATE_ESTABLISHED);
    EVENTS(0);
    IN(TCP_ACK, .seq = 1, .ack = 101);
    EVENTS(TCP_EV_ACKED);
    script_end();
}

Test(icmp, rfc5461_3_a_hard_error_ends_an_active_open_and_a_soft_one_does_not)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    cr_assert_eq(unreachable(0, false), WAX_TCP_ICMP_SOFT);
    STATE(TCP_STATE_SYN_SENT);
    cr_assert_eq(unreachable(1, true), WAX_TCP_ICMP_STALE, "not what was sent");
    cr_assert_eq(unreachable(0, true), WAX_TCP_UNREACHABLE);
    EVENTS(TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_UNREACHABLE);
    QUIET();
    script_end();
}

Test(icmp, rfc5461_3_a_hard_error_ends_a_half_open_connection_silently)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    cr_assert_eq(unreachable(0, true), WAX_TCP_UNREACHABLE);
    EVENTS(0);
    cr_assert_eq(tcp_stats(S.e)->conns, 0);
    script_end();
}

Test(icmp, rfc1122_4_2_3_9_about_no_connection)
{
    script_start(NULL);
    cr_assert_eq(unreachable(0, true), WAX_TCP_ICMP_STALE);
    COUNTED(WAX_TCP_ICMP_STALE, 1);
    script_end();
}

Test(icmp, rfc4821_7_7_a_black_hole_lowers_the_mss_after_time_outs_of_full_segments)
{
    script_open(NULL);
    WRITE(2 * WIDE);
    S.head = S.tail;
    SLEEP(210);
    SLEEP(410);
    cr_assert_eq(conn()->mss, WIDE);
    SLEEP(810);
    cr_assert_eq(conn()->mss, 1240);
    cr_assert_eq(tcp_stats(S.e)->black_holes, 1);
    SLEEP(1610);
    cr_assert_eq(conn()->mss, 1240);
    SLEEP(3210);
    cr_assert_eq(conn()->mss, 512);
    SLEEP(6410);
    cr_assert_eq(conn()->mss, 512);
    cr_assert_eq(tcp_stats(S.e)->black_holes, 2);
    cr_assert_eq(S.sent[(S.tail - 1) % SCRIPT_QUEUE].segment.payload.len, 512);
    script_end();
}

Test(icmp, rfc4821_7_7_time_outs_of_small_segments_say_nothing_of_the_mtu)
{
    script_open(NULL);
    WRITE(500);
    SLEEP(20000);
    cr_assert_eq(conn()->mss, WIDE);
    cr_assert_eq(tcp_stats(S.e)->black_holes, 0);
    script_end();
}

Test(icmp, rfc1191_6_3_the_old_mss_is_tried_again_after_ten_silent_minutes)
{
    script_open(NULL);
    WRITE(WIDE);
    cr_assert_eq(too_big(1, 1000), WAX_TCP_MTU_LOWERED);
    IN(TCP_ACK, .seq = 1, .ack = WIDE + 1);
    S.head = S.tail;
    SLEEP(599000);
    WRITE(960);
    OUT(TCP_ACK, WIDE + 1, 1, 960);
    cr_assert_eq(conn()->mss, 960);
    IN(TCP_ACK, .seq = 1, .ack = WIDE + 961);
    SLEEP(601000);
    WRITE(2000);
    OUT(TCP_ACK, WIDE + 961, 1, 1408); /* to the multiple of 64 below */
    script_end();
}

Test(icmp, segments_lost_to_the_mtu_and_by_chance_are_all_sent_again)
{
    script_open_sack(NULL);
    WRITE(6 * WIDE);
    S.head = S.tail;
    IN(TCP_ACK, .seq = 1, .ack = 1, .sack = {1 + 2 * WIDE, 1 + 3 * WIDE});
    S.head = S.tail;
    cr_assert_eq(too_big(1, 1280), WAX_TCP_MTU_LOWERED);
    uint64_t got[8] = {0};
    uint32_t bytes = 0;
    while (S.head != S.tail) {
        const struct tcp_segment *s = &S.sent[S.head++ % SCRIPT_QUEUE].segment;
        uint32_t at = s->seq - S.irs - 1;
        cr_assert_leq(s->payload.len, 1240);
        cr_assert(at + s->payload.len <= 2 * WIDE || at >= 3 * WIDE, "what was reported isn't sent again");
        bytes += (uint32_t)s->payload.len;
        got[0] |= 1;
    }
    cr_assert_eq(bytes, 5 * WIDE);
    script_end();
}
