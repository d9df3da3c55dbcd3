/* SPDX-License-Identifier: BSD-3-Clause */
/* Attacks and accidents: RFC 5961 (blind RST, SYN, data), RFC 7323 5 (PAWS), RFC 6528. */
#include "script.h"

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

Test(secure, rfc5961_3_2_reset_at_exactly_the_next_byte)
{
    script_open(NULL);
    IN(TCP_RST, .seq = 1);
    EVENTS(TCP_EV_RESET | TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_RESET);
    QUIET();
    script_end();
}

Test(secure, rfc5961_3_2_reset_elsewhere_in_the_window_is_challenged)
{
    script_open(NULL);
    IN(TCP_RST, .seq = 2);
    OUT(TCP_ACK, 1, 1, 0);
    COUNTED(WAX_TCP_BAD_RST, 1);
    STATE(TCP_STATE_ESTABLISHED);
    IN(TCP_RST, .seq = 0);
    IN(TCP_RST, .seq = 70000);
    QUIET();
    COUNTED(WAX_TCP_OUT_OF_WINDOW, 2);
    script_end();
}

Test(secure, rfc5961_4_2_syn_is_challenged)
{
    script_open(NULL);
    IN(TCP_SYN, .seq = 1);
    OUT(TCP_ACK, 1, 1, 0);
    COUNTED(WAX_TCP_BAD_SYN, 1);
    SLEEP(200);
    IN(TCP_SYN, .seq = 900000);
    OUT(TCP_ACK, 1, 1, 0);
    STATE(TCP_STATE_ESTABLISHED);
    script_end();
}

Test(secure, rfc5961_4_2_a_restarted_peer_finds_out)
{
    script_open(NULL);
    /* It has lost its state and sends SYN with another number; our ACK makes it send RST at what we expect.
     */
    IN(TCP_SYN, .seq = 123456, .mss = 1460);
    const struct tcp_segment *s = OUT(TCP_ACK, 1, 1, 0);
    IN(TCP_RST, .seq = s->ack - S.iss);
    EVENTS(TCP_EV_RESET | TCP_EV_CLOSED);
    tcp_release(S.e, S.id);
    IN(TCP_SYN, .seq = 123456, .mss = 1460);
    OUT(TCP_SYN | TCP_ACK, 0, 123457, 0);
    script_end();
}

Test(secure, rfc5961_5_2_ack_of_what_was_never_sent)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 2, .len = 10);
    OUT(TCP_ACK, 1, 1, 0);
    COUNTED(WAX_TCP_BAD_ACK, 1);
    EVENTS(0);
    script_end();
}

Test(secure, rfc5961_5_2_ack_older_than_the_largest_window)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1u - 65536u, .len = 10);
    OUT(TCP_ACK, 1, 1, 0);
    COUNTED(WAX_TCP_BAD_ACK, 1);
    IN(TCP_ACK, .seq = 1, .ack = 1u - 65535u, .len = 10);
    EVENTS(TCP_EV_DATA);
    script_end();
}

Test(secure, rfc5961_7_challenges_are_throttled_for_each_connection)
{
    script_open(NULL);
    for (uint32_t i = 0; i < 50; i++) {
        IN(TCP_RST, .seq = 2 + i);
    }
    OUT(TCP_ACK, 1, 1, 0);
    QUIET();
    SLEEP(101);
    IN(TCP_SYN, .seq = 5);
    OUT(TCP_ACK, 1, 1, 0);
    QUIET();
    script_end();
}

Test(secure, rfc5961_7_syn_with_data_is_no_way_around_the_throttle)
{
    script_open(NULL);
    for (uint32_t i = 0; i < 50; i++) {
        IN(TCP_SYN, .seq = 900000 + i, .len = 10);
    }
    OUT(TCP_ACK, 1, 1, 0);
    QUIET();
    script_end();
}

Test(secure, two_confused_ends_dont_storm_each_other_with_acks)
{
    script_open(NULL);
    for (int i = 0; i < 100; i++) {
        IN(TCP_ACK, .seq = 900000, .ack = 1); /* what a peer at the wrong place would say */
    }
    OUT(TCP_ACK, 1, 1, 0);
    QUIET();
    script_end();
}

Test(secure, rfc7323_5_3_r1_old_timestamp_is_dropped_and_acknowledged)
{
    script_open_ts(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = 2000);
    SLEEP(50);
    OUT(TCP_ACK, 1, 11, 0);
    IN(TCP_ACK, .seq = 11, .ack = 1, .len = 10, .ts = true, .tsval = 1999);
    OUT(TCP_ACK, 1, 11, 0);
    COUNTED(WAX_TCP_PAWS, 1);
    cr_assert_eq(S.received, 10);
    script_end();
}

Test(secure, rfc7323_5_2_reset_isnt_subject_to_paws)
{
    script_open_ts(NULL);
    IN(TCP_RST, .seq = 1, .ts = true, .tsval = 1);
    EVENTS(TCP_EV_RESET | TCP_EV_CLOSED);
    script_end();
}

Test(secure, rfc7323_3_2_segment_without_the_agreed_timestamp_is_dropped)
{
    script_open_ts(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10);
    COUNTED(WAX_TCP_NO_TIMESTAMP, 1);
    EVENTS(0);
    QUIET();
    script_end();
}

Test(secure, rfc7323_4_3_ts_recent_comes_from_the_segment_at_the_last_ack)
{
    script_open_ts(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = 2000);
    IN(TCP_ACK, .seq = 11, .ack = 1, .len = 10, .ts = true, .tsval = 2010);
    SLEEP(50);
    cr_assert_eq(OUT(TCP_ACK, 1, 21, 0)->tsecr, 2000, "the earliest that is still unacknowledged");
    IN(TCP_ACK, .seq = 31, .ack = 1, .len = 10, .ts = true, .tsval = 2050);
    cr_assert_eq(OUT(TCP_ACK, 1, 21, 0)->tsecr, 2000, "not from beyond a hole");
    IN(TCP_ACK, .seq = 21, .ack = 1, .len = 10, .ts = true, .tsval = 2060);
    cr_assert_eq(OUT(TCP_ACK, 1, 41, 0)->tsecr, 2060);
    script_end();
}

Test(secure, rfc7323_5_5_timestamps_of_an_idle_peer_expire_after_24_days)
{
    script_open_ts(NULL);
    S.now_us += 25ull * 86400 * 1000000;
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10, .ts = true, .tsval = 1000u - 5u);
    EVENTS(TCP_EV_DATA);
    COUNTED(WAX_TCP_PAWS, 0);
    script_end();
}

Test(secure, rfc7323_5_4_our_timestamps_tick_in_milliseconds_and_hide_the_uptime)
{
    script_open_ts(NULL);
    WRITE(1);
    uint32_t first = OUT(TCP_ACK, 1, 1, 1)->tsval;
    cr_assert_gt(first - (uint32_t)(S.now_us / 1000), 1000u);
    IN(TCP_ACK, .seq = 1, .ack = 2, .ts = true, .tsecr = first);
    SLEEP(100);
    WRITE(1);
    cr_assert_eq(OUT(TCP_ACK, 2, 1, 1)->tsval - first, 100);
    script_end();
}

Test(secure, rfc9293_3_4_sequence_numbers_wrap_in_both_directions)
{
    script_open(NULL);
    struct tcp_conn *c = conn();
    c->snd_una = c->snd_nxt = c->snd_max = 0xfffffc00u; /* as if it had run so far */
    S.irs = c->snd_una - 1;
    WRITE(5000);
    OUT(TCP_ACK, 1, 1, 1460);
    OUT(TCP_ACK, 1461, 1, 1460);
    OUT(TCP_ACK, 2921, 1, 1460);
    OUT(TCP_ACK, 4381, 1, 620);
    IN(TCP_ACK, .seq = 1, .ack = 2921);
    IN(TCP_ACK, .seq = 1, .ack = 5001, .len = 1000); /* the peer's wrap at 16 */
    cr_assert_eq(tcp_acked(S.e, S.id), 5000);
    cr_assert_eq(S.received, 1000);
    script_end();
}
