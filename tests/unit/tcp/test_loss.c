/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss: RFC 6298 (timer), RFC 5681 and 6582 (fast retransmit, NewReno), RFC 3042 (limited transmit), RFC
 * 1122 4.2.3.5. */
#include "script.h"

#define MSS 1460u

/* Opens, sends `n` full segments and takes them off the queue. */
static void flight(uint32_t n)
{
    script_open(NULL);
    WRITE(n * MSS);
    for (uint32_t i = 0; i < n; i++) {
        OUT(TCP_ACK, 1 + i * MSS, 1, MSS);
    }
    QUIET();
}

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

static uint32_t rto(void)
{
    return conn_rto_ms(S.e, conn());
}

Test(loss, rfc6298_2_first_and_further_samples)
{
    script_start(&(struct tcp_config){.conns_max = 2, .rto_min_ms = 1});
    script_connect();
    cr_assert_eq(rto(), 1000);
    SLEEP(100);
    IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
    cr_assert_eq(conn()->srtt_us, 100000);
    cr_assert_eq(conn()->rttvar_us, 50000);
    cr_assert_eq(rto(), 300);
    WRITE(10);
    SLEEP(180);
    IN(TCP_ACK, .seq = 1, .ack = 11);
    cr_assert_eq(conn()->rttvar_us, 50000 * 3 / 4 + 80000 / 4);
    cr_assert_eq(conn()->srtt_us, 100000 * 7 / 8 + 180000 / 8);
    script_end();
}

Test(loss, rfc6298_2_4_timer_has_a_floor_and_2_5_a_ceiling)
{
    script_open(&(struct tcp_config){.conns_max = 2, .rto_max_ms = 1000, .user_timeout_ms = 10000});
    cr_assert_eq(rto(), 200);
    WRITE(10);
    SLEEP(9000);
    uint64_t last = S.sent[(S.tail - 1) % SCRIPT_QUEUE].at_us,
             before = S.sent[(S.tail - 2) % SCRIPT_QUEUE].at_us;
    cr_assert_leq(last - before, 1001000);
    cr_assert_geq(last - before, 1000000);
    script_end();
}

Test(loss, rfc6298_5_1_5_5_timer_starts_with_data_and_doubles)
{
    flight(1);
    uint32_t at[4] = {200, 400, 800, 1600};
    for (int i = 0; i < 4; i++) {
        SLEEP(at[i] - 10);
        QUIET();
        SLEEP(11);
        OUT(TCP_ACK, 1, 1,
            i < 2 ? MSS : 1240u); /* from the third on it may be the path's MTU (RFC 4821 7.7) */
    }
    script_end();
}

Test(loss, rfc6298_5_2_timer_stops_when_all_is_acknowledged)
{
    flight(2);
    IN(TCP_ACK, .seq = 1, .ack = 1 + 2 * MSS);
    SLEEP(10000);
    QUIET();
    script_end();
}

Test(loss, rfc6298_5_3_timer_restarts_with_each_new_ack)
{
    flight(3);
    SLEEP(150);
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS);
    uint32_t wait = rto();
    SLEEP(wait - 5);
    QUIET();
    SLEEP(10);
    OUT(TCP_ACK, 1 + MSS, 1, MSS);
    script_end();
}

Test(loss, rfc6298_3_karn_no_sample_from_what_was_sent_twice)
{
    flight(1);
    uint32_t srtt = conn()->srtt_us;
    SLEEP(210);
    OUT(TCP_ACK, 1, 1, MSS);
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS);
    cr_assert_eq(conn()->srtt_us, srtt);
    cr_assert_eq(rto(), 400, "the doubled timer is kept until there is a sample (RFC 6298 5.7)");
    WRITE(10);
    OUT(TCP_ACK, 1 + MSS, 1, 10);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = 11 + MSS);
    cr_assert_neq(conn()->srtt_us, srtt);
    cr_assert_eq(rto(), 200);
    script_end();
}

Test(loss, rfc7323_4_1_timestamps_give_a_sample_even_then)
{
    script_open_ts(NULL);
    WRITE(100);
    OUT(TCP_ACK, 1, 1, 100);
    SLEEP(210);
    uint32_t tsval = OUT(TCP_ACK, 1, 1, 100)->tsval;
    SLEEP(50);
    IN(TCP_ACK, .seq = 1, .ack = 101, .ts = true, .tsecr = tsval);
    cr_assert_gt(conn()->srtt_us, 3000);
    cr_assert_eq(conn()->backoff, 0);
    script_end();
}

Test(loss, rfc6298_5_7_three_seconds_after_a_syn_sent_twice)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    SLEEP(1010);
    OUT(TCP_SYN, 0, 0, 0);
    IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
    OUT(TCP_ACK, 1, 1, 0);
    cr_assert_eq(rto(), 3000);
    script_end();
}

Test(loss, rfc5681_3_1_timeout_leaves_a_window_of_one_segment_and_half_the_flight)
{
    flight(10);
    SLEEP(210);
    OUT(TCP_ACK, 1, 1, MSS);
    QUIET();
    cr_assert_eq(conn()->cwnd, MSS);
    cr_assert_eq(conn()->ssthresh, 5 * MSS);
    SLEEP(400);
    OUT(TCP_ACK, 1, 1, MSS);
    cr_assert_eq(conn()->ssthresh, 5 * MSS, "once for a loss");
    script_end();
}

Test(loss, rfc5681_3_1_slow_start_sends_everything_again_after_a_timeout)
{
    flight(4);
    SLEEP(210);
    OUT(TCP_ACK, 1, 1, MSS);
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS);
    OUT(TCP_ACK, 1 + MSS, 1, MSS);
    OUT(TCP_ACK, 1 + 2 * MSS, 1, MSS);
    QUIET();
    /* An ACK that jumps: the rest had arrived. */
    IN(TCP_ACK, .seq = 1, .ack = 1 + 4 * MSS);
    SLEEP(5000);
    QUIET();
    script_end();
}

Test(loss, rfc5681_3_1_slow_start_then_congestion_avoidance)
{
    script_open(NULL);
    conn()->ssthresh = 12 * MSS;
    WRITE(40 * MSS);
    for (uint32_t i = 0; i < 10; i++) {
        OUT(TCP_ACK, 1 + i * MSS, 1, MSS);
    }
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS);
    cr_assert_eq(conn()->cwnd, 11 * MSS);
    IN(TCP_ACK, .seq = 1, .ack = 1 + 3 * MSS);
    cr_assert_eq(conn()->cwnd, 12 * MSS, "one segment for an ACK of two");
    IN(TCP_ACK, .seq = 1, .ack = 1 + 4 * MSS);
    cr_assert_eq(conn()->cwnd, 12 * MSS + MSS / 12);
    S.head = S.tail;
    script_end();
}

Test(loss, the_window_doesnt_grow_when_it_isnt_used)
{
    script_open(NULL);
    uint32_t cwnd = conn()->cwnd;
    for (uint32_t i = 0; i < 50; i++) {
        WRITE(10);
        OUT(TCP_ACK, 1 + i * 10, 1, 10);
        IN(TCP_ACK, .seq = 1, .ack = 11 + i * 10);
    }
    cr_assert_eq(conn()->cwnd, cwnd);
    script_end();
}

Test(loss, rfc5681_3_2_third_duplicate_ack_sends_the_segment_again)
{
    flight(5);
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS);
    for (int i = 0; i < 2; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 1 + MSS);
        QUIET();
    }
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS);
    OUT(TCP_ACK, 1 + MSS, 1, MSS);
    QUIET();
    cr_assert_eq(conn()->ssthresh, 2 * MSS);
    cr_assert_eq(conn()->cwnd, 5 * MSS);
    cr_assert_eq(tcp_stats(S.e)->fast_recoveries, 1);
    /* Full acknowledgement ends it. */
    IN(TCP_ACK, .seq = 1, .ack = 1 + 5 * MSS);
    cr_assert_eq(conn()->flags & F_RECOVERY, 0);
    cr_assert_leq(conn()->cwnd, 2 * MSS);
    script_end();
}

Test(loss, rfc5681_2_what_is_no_duplicate_ack)
{
    flight(5);
    for (int i = 0; i < 4; i++) {
        IN(TCP_ACK, .seq = 1 + (uint32_t)i * 10, .ack = 1, .len = 10); /* with data */
    }
    for (uint16_t i = 0; i < 4; i++) {
        IN(TCP_ACK, .seq = 41, .ack = 1, .win = (uint16_t)(60000 + i)); /* the window changes */
    }
    cr_assert_leq(conn()->dupacks, 2);
    cr_assert_eq(tcp_stats(S.e)->fast_recoveries, 0);
    script_end();
}

Test(loss, rfc6582_3_2_partial_ack_sends_the_next_hole)
{
    flight(8);
    for (int i = 0; i < 3; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 1);
    }
    OUT(TCP_ACK, 1, 1, MSS);
    IN(TCP_ACK, .seq = 1, .ack = 1 + 3 * MSS); /* segments 0, and then 3, were lost */
    OUT(TCP_ACK, 1 + 3 * MSS, 1, MSS);
    QUIET();
    cr_assert_neq(conn()->flags & F_RECOVERY, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1 + 8 * MSS);
    cr_assert_eq(conn()->flags & F_RECOVERY, 0);
    SLEEP(5000);
    QUIET();
    script_end();
}

Test(loss, rfc6582_3_2_duplicates_in_recovery_let_new_segments_out)
{
    script_open(NULL);
    WRITE(20 * MSS);
    for (uint32_t i = 0; i < 10; i++) {
        OUT(TCP_ACK, 1 + i * MSS, 1, MSS);
    }
    for (int i = 0; i < 3; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 1);
    }
    OUT(TCP_ACK, 1 + 10 * MSS, 1, MSS); /* limited transmit */
    OUT(TCP_ACK, 1 + 11 * MSS, 1, MSS);
    OUT(TCP_ACK, 1, 1, MSS);
    QUIET();
    cr_assert_eq(conn()->cwnd,
                 (5 + 3) * MSS); /* of what was in flight before limited transmit (RFC 5681 3.2) */
    for (int i = 0; i < 5; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 1);
    }
    OUT(TCP_ACK, 1 + 12 * MSS, 1, MSS);
    QUIET();
    script_end();
}

Test(loss, rfc6582_3_2_step_2_no_second_recovery_from_a_timeouts_duplicates)
{
    flight(6);
    SLEEP(210);
    OUT(TCP_ACK, 1, 1, MSS);
    for (int i = 0; i < 5; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 1);
    }
    cr_assert_eq(tcp_stats(S.e)->fast_recoveries, 0);
    script_end();
}

Test(loss, rfc3042_2_limited_transmit)
{
    script_open(NULL);
    WRITE(13 * MSS);
    for (uint32_t i = 0; i < 10; i++) {
        OUT(TCP_ACK, 1 + i * MSS, 1, MSS);
    }
    IN(TCP_ACK, .seq = 1, .ack = 1);
    OUT(TCP_ACK, 1 + 10 * MSS, 1, MSS);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    OUT(TCP_ACK, 1 + 11 * MSS, 1, MSS);
    QUIET();
    cr_assert_eq(conn()->cwnd, 10 * MSS, "the window itself stays");
    script_end();
}

Test(loss, rfc5681_4_1_the_window_restarts_after_idleness)
{
    script_open(NULL);
    WRITE(100);
    OUT(TCP_ACK, 1, 1, 100);
    IN(TCP_ACK, .seq = 1, .ack = 101);
    conn()->cwnd = 30 * MSS;
    SLEEP(1000);
    WRITE(20 * MSS);
    for (uint32_t i = 0; i < 10; i++) {
        OUT(TCP_ACK, 101 + i * MSS, 1, MSS);
    }
    QUIET();
    script_end();
}

Test(loss, rfc1122_4_2_3_5_r2_ends_the_connection)
{
    script_open(&(struct tcp_config){.conns_max = 2, .user_timeout_ms = 3000});
    WRITE(10);
    SLEEP(10000);
    EVENTS(TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_TIMEOUT);
    cr_assert_eq(S.sent[(S.tail - 1) % SCRIPT_QUEUE].segment.flags, TCP_RST | TCP_ACK);
    COUNTED(WAX_TCP_TIMEOUT, 1);
    script_end();
}

Test(loss, moving_the_deadline_back_leaves_the_wheel_alone)
{
    script_open(NULL);
    for (uint32_t i = 0; i < 20; i++) {
        WRITE(10);
        OUT(TCP_ACK, 1 + i * 10, 1, 10);
        SLEEP(20);
        IN(TCP_ACK, .seq = 1, .ack = 11 + i * 10);
    }
    QUIET();
    cr_assert(timer_armed(&conn()->timer));
    SLEEP(1000);
    cr_assert(!timer_armed(&conn()->timer), "an idle connection has no timer");
    QUIET();
    script_end();
}
