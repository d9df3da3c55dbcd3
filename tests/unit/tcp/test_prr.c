/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Recovery with SACK: its pace (RFC 9937, PRR), its end, and reductions that are taken back (RFC 3522, 4015:
 * Eifel; RFC 5682: F-RTO; RFC 3708: D-SACK).
 */
#include "script.h"

#define MSS   1460u
#define AT(n) (1 + (n)*MSS) /* where segment n begins */

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

static const struct tcp_stats *stats(void)
{
    return tcp_stats(S.e);
}

/* A connection with SACK and a round trip of 20 ms whose window of `window` segments is full; more waits. */
static void full(uint32_t window)
{
    script_start(&(struct tcp_config){.conns_max = 2, .newreno = true, .no_pacing = true});
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .sackok = true);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    conn()->cwnd = window * MSS;
    conn()->sent_us = (uint32_t)S.now_us; /* not idle (RFC 5681 4.1) */
    WRITE(40 * MSS);
    for (uint32_t i = 0; i < window; i++) {
        OUT(TCP_ACK, AT(i), 1, MSS);
    }
    QUIET();
    SLEEP(20);
}

/* The peer reports segments 1 to n; how many segments that lets out. */
static uint32_t reports(uint32_t first, uint32_t last)
{
    uint32_t before = S.tail;
    for (uint32_t i = first; i <= last; i++) {
        IN(TCP_ACK, .seq = 1, .ack = AT(0), .sack = {AT(1), AT(1 + i)});
    }
    uint32_t n = S.tail - before;
    S.head = S.tail;
    return n;
}

#define SACK_IN(ackd, ...) IN(TCP_ACK, .seq = 1, .ack = (ackd), .sack = {__VA_ARGS__})

Test(prr, rfc9937_6_2_half_of_what_arrives_is_sent_while_the_pipe_is_too_full)
{
    full(20);
    cr_assert_eq(reports(1, 2), 2, "limited transmit: each report lets one out (RFC 3042)");
    SACK_IN(AT(0), AT(1), AT(4));
    OUT(TCP_ACK, AT(0), 1, MSS);
    QUIET();
    cr_assert_eq(conn()->ssthresh, 10 * MSS);
    uint32_t sent = reports(4, 15);
    cr_assert_geq(sent, 5, "%u", sent);
    cr_assert_leq(sent, 7, "%u: half of the twelve that left", sent);
    script_end();
}

Test(prr, rfc9937_6_2_the_window_comes_down_to_ssthresh_and_stays_there)
{
    full(20);
    reports(1, 19);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = AT(20));
    cr_assert_leq(conn_pipe(S.e, conn()), conn()->ssthresh);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = conn()->snd_max - S.irs);
    cr_assert_eq(conn()->flags & F_RECOVERY, 0);
    cr_assert_eq(conn()->cwnd, conn()->ssthresh);
    script_end();
}

Test(prr, rfc9937_6_2_below_ssthresh_what_left_is_replaced_and_a_safe_ack_adds_a_segment)
{
    full(20);
    /* 0 to 13 are lost: the pipe is far below ssthresh. */
    SACK_IN(AT(0), AT(14), AT(15));
    SACK_IN(AT(0), AT(14), AT(16));
    SACK_IN(AT(0), AT(14), AT(20));
    S.head = S.tail;
    uint32_t pipe = conn_pipe(S.e, conn());
    cr_assert_lt(pipe, conn()->ssthresh);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = AT(1), .sack = {AT(14), AT(20)});
    cr_assert_eq(S.tail - S.head, 2, "one for the one that left, one because the ACK moved on safely: %u",
                 S.tail - S.head);
    script_end();
}

Test(prr, rfc6675_5_holes_are_filled_in_order_before_new_data)
{
    full(12);
    SACK_IN(AT(0), AT(1), AT(2));
    SACK_IN(AT(0), AT(3), AT(4), AT(1), AT(2));
    S.head = S.tail;
    SACK_IN(AT(0), AT(5), AT(8), AT(3), AT(4), AT(1), AT(2));
    OUT(TCP_ACK, AT(0), 1, MSS);
    SACK_IN(AT(0), AT(5), AT(9), AT(3), AT(4), AT(1), AT(2));
    SACK_IN(AT(0), AT(5), AT(10), AT(3), AT(4), AT(1), AT(2));
    OUT(TCP_ACK, AT(2), 1, MSS);
    SACK_IN(AT(0), AT(5), AT(11), AT(3), AT(4), AT(1), AT(2));
    SACK_IN(AT(0), AT(5), AT(12), AT(3), AT(4), AT(1), AT(2));
    OUT(TCP_ACK, AT(4), 1, MSS);
    script_end();
}

Test(prr, losses_of_one_window_are_one_reduction)
{
    full(20);
    SACK_IN(AT(0), AT(1), AT(5));
    uint32_t ssthresh = conn()->ssthresh;
    SACK_IN(AT(0), AT(8), AT(12), AT(1), AT(5));
    SACK_IN(AT(0), AT(15), AT(20), AT(8), AT(12), AT(1), AT(5));
    cr_assert_eq(conn()->ssthresh, ssthresh);
    cr_assert_eq(stats()->fast_recoveries, 1);
    S.head = S.tail;
    script_end();
}

Test(prr, rfc5681_4_3_the_loss_of_a_retransmission_is_a_second_sign_of_congestion)
{
    full(20);
    reports(1, 19); /* segment 0 goes again, and with it new ones */
    uint32_t first = conn()->ssthresh;
    cr_assert_eq(first, 10 * MSS);
    SLEEP(25);
    uint32_t last = (conn()->snd_max - S.irs - 1) / MSS;
    cr_assert_gt(last, 22);
    S.head = S.tail;
    SACK_IN(AT(0), AT(1), AT(last)); /* what went after it has arrived */
    OUT(TCP_ACK, AT(0), 1, MSS);
    cr_assert_leq(conn()->ssthresh, first / 2 + MSS, "%u", conn()->ssthresh);
    cr_assert_leq(conn()->cwnd, conn()->ssthresh);
    cr_assert_eq(stats()->again_lost, 1);
    S.head = S.tail;
    script_end();
}

Test(prr, rfc5681_4_3_several_lost_retransmissions_of_a_round_trip_are_one_sign)
{
    full(30);
    SACK_IN(AT(0), AT(2), AT(30)); /* 0 and 1 go again */
    for (uint32_t ms = 0; ms < 3; ms++) {
        SLEEP(8);
        SACK_IN(AT(0), AT(2), AT(30));
    }
    uint32_t last = (conn()->snd_max - S.irs - 1) / MSS;
    S.head = S.tail;
    SACK_IN(AT(0), AT(2), AT(last - 1));
    uint32_t second = conn()->ssthresh;
    SACK_IN(AT(0), AT(2), AT(last));
    cr_assert_eq(conn()->ssthresh, second);
    cr_assert_eq(stats()->again_lost, 1);
    S.head = S.tail;
    script_end();
}

Test(prr, rfc3708_duplicates_of_all_that_was_sent_again_undo_the_reduction)
{
    full(20);
    reports(1, 5);
    cr_assert_eq(conn()->ssthresh, 10 * MSS);
    IN(TCP_ACK, .seq = 1, .ack = AT(6)); /* the original: only late */
    cr_assert_neq(conn()->flags & F_RECOVERY, 0);
    SLEEP(20);
    SACK_IN(AT(6), AT(0), AT(1)); /* and here comes the copy */
    cr_assert_eq(stats()->undone, 1);
    cr_assert_eq(conn()->flags & F_RECOVERY, 0);
    cr_assert_geq(conn()->cwnd, 20 * MSS);
    cr_assert_neq(conn()->ssthresh, 10 * MSS);
    S.head = S.tail;
    script_end();
}

/* With timestamps: opens, sends `n` segments at one time. Returns the timestamp they carried. */
static uint32_t stamped(uint32_t n)
{
    script_start(&(struct tcp_config){.conns_max = 2, .newreno = true, .no_pacing = true});
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true, .ws = 1, .sackok = true);
    uint32_t tsval = OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->tsval;
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = tsval);
    EVENTS(TCP_EV_OPENED);
    WRITE(n * 1448);
    for (uint32_t i = 0; i < n; i++) {
        tsval = OUT(TCP_ACK, 1 + i * 1448, 1, 1448)->tsval;
    }
    QUIET();
    return tsval;
}

Test(prr, rfc3522_3_2_an_older_echo_undoes_a_time_out)
{
    uint32_t tsval = stamped(5);
    SLEEP(45);
    S.head = S.tail; /* the probe */
    SLEEP(210);
    OUT(TCP_ACK, 1, 1, 1448);
    cr_assert_eq(stats()->timeouts, 1);
    cr_assert_eq(conn()->cwnd, 1448);
    IN(TCP_ACK, .seq = 1, .ack = 1 + 2 * 1448, .ts = true, .tsecr = tsval);
    QUIET();
    cr_assert_eq(stats()->undone, 1);
    cr_assert_geq(conn()->cwnd, 10 * 1448);
    IN(TCP_ACK, .seq = 1, .ack = 1 + 5 * 1448, .ts = true, .tsecr = tsval);
    cr_assert_eq(stats()->retransmits, 2, "the probe and the first segment, no more");
    script_end();
}

Test(prr, rfc3522_3_2_a_younger_echo_does_not)
{
    stamped(5);
    SLEEP(45);
    S.head = S.tail;
    SLEEP(210);
    uint32_t again = OUT(TCP_ACK, 1, 1, 1448)->tsval;
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = 1 + 1448, .ts = true, .tsecr = again);
    OUT(TCP_ACK, 1 + 1448, 1, 1448);
    OUT(TCP_ACK, 1 + 2 * 1448, 1, 1448);
    cr_assert_eq(stats()->undone, 0);
    cr_assert_leq(conn()->cwnd, 2 * 1448);
    script_end();
}

Test(prr, rfc5682_3_1_new_data_after_a_time_out_and_an_ack_of_old_data_undo_it)
{
    full(10);
    SLEEP(25);
    S.head = S.tail; /* a probe with new data */
    SLEEP(210);
    OUT(TCP_ACK, AT(0), 1, MSS);
    cr_assert_eq(conn()->cwnd, MSS);
    IN(TCP_ACK, .seq = 1, .ack = AT(1));
    OUT(TCP_ACK, AT(11), 1, MSS); /* step 2b: new data, nothing again */
    OUT(TCP_ACK, AT(12), 1, MSS);
    QUIET();
    IN(TCP_ACK, .seq = 1, .ack = AT(2)); /* step 3b: of what was sent once */
    cr_assert_eq(stats()->undone, 1);
    cr_assert_geq(conn()->cwnd, 10 * MSS);
    cr_assert_eq(stats()->retransmits, 1);
    S.head = S.tail;
    script_end();
}

Test(prr, rfc5682_3_1_a_second_ack_without_progress_means_that_the_loss_was_real)
{
    full(10);
    SLEEP(25);
    S.head = S.tail;
    SLEEP(210);
    OUT(TCP_ACK, AT(0), 1, MSS);
    IN(TCP_ACK, .seq = 1, .ack = AT(1));
    OUT(TCP_ACK, AT(11), 1, MSS);
    OUT(TCP_ACK, AT(12), 1, MSS);
    SLEEP(20);
    SACK_IN(AT(1), AT(11), AT(12));
    OUT(TCP_ACK, AT(1), 1, MSS);
    cr_assert_eq(stats()->undone, 0);
    S.head = S.tail;
    script_end();
}

Test(prr, rfc6298_5_5_the_timer_doubles_for_a_scoreboard_as_well)
{
    full(10);
    SLEEP(25);
    S.head = S.tail;
    SLEEP(210);
    OUT(TCP_ACK, AT(0), 1, MSS);
    SLEEP(380);
    QUIET();
    SLEEP(20);
    OUT(TCP_ACK, AT(0), 1, MSS);
    SLEEP(780);
    QUIET();
    SLEEP(30);
    OUT(TCP_ACK, AT(0), 1, 1240); /* it may be the path's MTU (RFC 4821 7.7) */
    script_end();
}
