/* SPDX-License-Identifier: BSD-3-Clause */
/* The sender's scoreboard (RFC 2018 5, 8), RACK and the tail loss probe (RFC 8985). */
#include "script.h"

#define MSS   1460u
#define AT(n) (1 + (n)*MSS) /* where segment n begins */

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

static struct board *board(void)
{
    return board_of(S.e, conn());
}

static const struct tcp_stats *stats(void)
{
    return tcp_stats(S.e);
}

/* A connection with SACK and a round trip of 20 ms, that has sent `n` full segments. */
static void flight(uint32_t n)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .sackok = true);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    if (n > 0) {
        WRITE(n * MSS);
    }
    for (uint32_t i = 0; i < n; i++) {
        OUT(TCP_ACK, AT(i), 1, MSS);
    }
    QUIET();
}

#define SACK_IN(ackd, ...) IN(TCP_ACK, .seq = 1, .ack = (ackd), .sack = {__VA_ARGS__})

Test(rack, an_undisturbed_connection_has_no_scoreboard)
{
    flight(5);
    uint32_t used = S.blocks.count - S.blocks.free_count;
    IN(TCP_ACK, .seq = 1, .ack = AT(2));
    cr_assert_null(board());
    SLEEP(20);
    SACK_IN(AT(2), AT(3), AT(4));
    cr_assert_not_null(board());
    IN(TCP_ACK, .seq = 1, .ack = AT(5));
    cr_assert_null(board(), "it goes back when nothing is in flight");
    cr_assert_lt(S.blocks.count - S.blocks.free_count, used);
    script_end();
}

Test(rack, rfc2018_5_what_was_reported_is_not_sent_again)
{
    flight(8);
    SLEEP(20);
    SACK_IN(AT(0), AT(1), AT(2));
    SACK_IN(AT(0), AT(1), AT(3));
    SACK_IN(AT(0), AT(1), AT(4));
    OUT(TCP_ACK, AT(0), 1, MSS);
    QUIET();
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = AT(8));
    SLEEP(5000);
    QUIET();
    cr_assert_eq(stats()->retransmits, 1);
    script_end();
}

Test(rack, rfc8985_6_2_third_report_without_reordering_is_a_loss_at_once)
{
    flight(8);
    SLEEP(20);
    SACK_IN(AT(0), AT(1), AT(2));
    SACK_IN(AT(0), AT(1), AT(3));
    QUIET();
    SACK_IN(AT(0), AT(1), AT(4));
    OUT(TCP_ACK, AT(0), 1, MSS);
    cr_assert_eq(stats()->fast_recoveries, 1);
    script_end();
}

Test(rack, rfc8985_6_2_one_report_is_a_loss_after_the_reordering_window)
{
    flight(3);
    SLEEP(20);
    SACK_IN(AT(0), AT(1), AT(3));
    QUIET();
    SLEEP(4);
    QUIET();
    SLEEP(3); /* a quarter of 20 ms, and a granule of the clock */
    OUT(TCP_ACK, AT(0), 1, MSS);
    QUIET();
    cr_assert_eq(stats()->rack_losses, 1);
    cr_assert_eq(stats()->fast_recoveries, 1);
    script_end();
}

Test(rack, rfc8985_6_2_a_late_original_within_the_window_is_no_loss)
{
    flight(5);
    SLEEP(20);
    SACK_IN(AT(0), AT(1), AT(2));
    SLEEP(3);
    SACK_IN(AT(1), 0);
    IN(TCP_ACK, .seq = 1, .ack = AT(3));
    SLEEP(3);
    IN(TCP_ACK, .seq = 1, .ack = AT(5));
    cr_assert_eq(stats()->retransmits, 0);
    cr_assert_eq(stats()->fast_recoveries, 0);
    script_end();
}

Test(rack, rfc8985_6_2_once_reordering_was_seen_three_reports_are_not_enough)
{
    flight(5);
    SLEEP(20);
    SACK_IN(AT(0), AT(1), AT(2));
    IN(TCP_ACK, .seq = 1, .ack = AT(5)); /* segment 0 came late */
    cr_assert_neq(conn()->flags2 & F2_REORDER, 0);
    WRITE(8 * MSS);
    S.head = S.tail;
    SLEEP(20);
    SACK_IN(AT(5), AT(6), AT(7));
    SACK_IN(AT(5), AT(6), AT(8));
    SACK_IN(AT(5), AT(6), AT(9));
    QUIET();
    SLEEP(8);
    OUT(TCP_ACK, AT(5), 1, MSS);
    script_end();
}

Test(rack, rfc8985_6_2_dsacks_widen_the_window_once_a_round_trip)
{
    flight(10);
    SLEEP(20);
    for (uint32_t i = 0; i < 3; i++) {
        SACK_IN(AT(1), AT(0), AT(1), AT(3 + i), AT(4 + i));
    }
    cr_assert_eq(stats()->dsacks, 3);
    cr_assert_eq(conn()->reo_steps, 1);
    cr_assert_eq(conn()->reo_persist, 16);
    script_end();
}

Test(rack, rfc8985_6_2_a_lost_retransmission_is_found_by_what_was_sent_after_it)
{
    flight(8);
    WRITE(6 * MSS);
    S.head = S.tail;
    SLEEP(20);
    for (uint32_t i = 1; i <= 3; i++) {
        SACK_IN(AT(0), AT(1), AT(1 + i));
    }
    uint32_t again = 0;
    while (S.head != S.tail) {
        const struct tcp_segment *s = &S.sent[S.head++ % SCRIPT_QUEUE].segment;
        again += s->seq - S.irs == AT(0);
    }
    cr_assert_eq(again, 1);
    SLEEP(10);
    IN(TCP_ACK, .seq = 1, .ack = AT(0), .sack = {AT(1), AT(10)});
    OUT(TCP_ACK, AT(12), 1, MSS); /* new data goes out behind the retransmission */
    OUT(TCP_ACK, AT(13), 1, MSS);
    QUIET();
    SLEEP(20); /* and is reported: the retransmission, sent before, is lost as well */
    SACK_IN(AT(0), AT(1), AT(14));
    OUT(TCP_ACK, AT(0), 1, MSS);
    cr_assert_eq(stats()->timeouts, 0);
    script_end();
}

Test(rack, rfc8985_7_2_a_silent_tail_is_probed_after_two_round_trips)
{
    flight(5);
    SLEEP(38);
    QUIET();
    SLEEP(6);
    OUT(TCP_ACK, AT(4), 1, MSS); /* nothing new to send: the last segment */
    QUIET();
    cr_assert_eq(stats()->tlp_probes, 1);
    cr_assert_eq(conn()->cwnd, 10 * MSS, "a probe costs no window");
    SLEEP(150);
    QUIET();
    SLEEP(60); /* then the time-out */
    OUT(TCP_ACK, AT(0), 1, MSS);
    cr_assert_eq(stats()->timeouts, 1);
    script_end();
}

Test(rack, rfc8985_7_3_new_data_is_the_better_probe)
{
    flight(10);
    WRITE(2 * MSS); /* held by the congestion window */
    QUIET();
    SLEEP(45);
    OUT(TCP_ACK, AT(10), 1, MSS);
    QUIET();
    cr_assert_eq(stats()->retransmits, 0);
    script_end();
}

Test(rack, rfc8985_7_2_a_lone_segment_waits_for_a_delayed_ack)
{
    flight(1);
    SLEEP(190);
    QUIET();
    SLEEP(20);
    OUT(TCP_ACK, AT(0), 1, MSS);
    cr_assert_eq(stats()->tlp_probes, 1, "the probe comes instead of the time-out");
    cr_assert_eq(stats()->timeouts, 0);
    script_end();
}

Test(rack, rfc8985_7_2_what_is_sent_later_puts_the_probe_off)
{
    flight(2);
    SLEEP(30);
    WRITE(100);
    OUT(TCP_ACK, AT(2), 1, 100);
    SLEEP(35);
    QUIET();
    SLEEP(10);
    cr_assert_eq(stats()->tlp_probes, 1);
    script_end();
}

Test(rack, rfc8985_7_4_a_probe_that_repaired_a_loss_counts_as_one)
{
    flight(5);
    SLEEP(45);
    OUT(TCP_ACK, AT(4), 1, MSS);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = AT(5));
    cr_assert_eq(stats()->tlp_losses, 1);
    cr_assert_lt(conn()->cwnd, 10 * MSS);
    script_end();
}

Test(rack, rfc8985_7_4_a_probe_reported_as_a_duplicate_was_not_needed)
{
    flight(5);
    SLEEP(45);
    OUT(TCP_ACK, AT(4), 1, MSS);
    SLEEP(2);
    IN(TCP_ACK, .seq = 1, .ack = AT(5), .sack = {AT(4), AT(5)});
    cr_assert_eq(stats()->tlp_losses, 0);
    cr_assert_eq(conn()->cwnd, 10 * MSS);
    script_end();
}

Test(rack, a_probe_acknowledged_sooner_than_it_could_be_was_not_needed)
{
    flight(5);
    SLEEP(45);
    OUT(TCP_ACK, AT(4), 1, MSS);
    SLEEP(2);
    IN(TCP_ACK, .seq = 1, .ack = AT(5));
    cr_assert_eq(stats()->tlp_losses, 0);
    script_end();
}

Test(rack, rfc8985_7_3_a_tail_loss_is_repaired_by_fast_recovery)
{
    flight(5);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = AT(2)); /* 2, 3 and 4 are lost */
    SLEEP(45);
    OUT(TCP_ACK, AT(4), 1, MSS);
    SLEEP(20);
    SACK_IN(AT(2), AT(4), AT(5));
    SLEEP(8);
    OUT(TCP_ACK, AT(2), 1, MSS);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = AT(3), .sack = {AT(4), AT(5)});
    OUT(TCP_ACK, AT(3), 1, MSS);
    cr_assert_eq(stats()->timeouts, 0);
    script_end();
}

Test(rack, rfc2018_8_a_time_out_forgets_what_a_reneging_peer_reported)
{
    flight(4);
    SLEEP(20);
    SACK_IN(AT(0), AT(1), AT(4));
    SLEEP(8);
    OUT(TCP_ACK, AT(0), 1, MSS);
    SLEEP(20);
    IN(TCP_ACK, .seq = 1, .ack = AT(1)); /* and not AT(4): it has dropped the rest */
    QUIET();
    SLEEP(250);
    OUT(TCP_ACK, AT(1), 1, MSS);
    cr_assert_eq(stats()->sack_reneges, 1);
    cr_assert_eq(board()->sacked, 0);
    IN(TCP_ACK, .seq = 1, .ack = AT(2));
    OUT(TCP_ACK, AT(2), 1, MSS);
    OUT(TCP_ACK, AT(3), 1, MSS);
    IN(TCP_ACK, .seq = 1, .ack = AT(4));
    script_end();
}

Test(rack, blocks_that_make_no_sense_are_counted_and_change_nothing)
{
    flight(4);
    SLEEP(20);
    SACK_IN(AT(0), AT(3), AT(2));     /* backward */
    SACK_IN(AT(0), AT(2), AT(2));     /* empty */
    SACK_IN(AT(0), AT(3), AT(4) + 1); /* never sent */
    SACK_IN(AT(0), AT(9), AT(10));
    cr_assert_eq(stats()->sacks_bad, 4);
    cr_assert_eq(board()->sacked, 0);
    cr_assert_eq(stats()->retransmits, 0);
    script_end();
}

Test(rack, rfc6675_2_an_ack_without_news_is_no_duplicate)
{
    flight(6);
    for (uint32_t i = 0; i < 5; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 1);
    }
    QUIET();
    cr_assert_eq(stats()->fast_recoveries, 0);
    script_end();
}

/* Every second byte, from the top down and again: as many ranges as a peer can ask for. */
Test(rack, ranges_are_bounded_whatever_a_peer_reports)
{
    flight(10);
    SLEEP(20);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 600; i++) {
            uint32_t at = AT(10) - 20 * (i + 1) + round;
            IN(TCP_ACK, .seq = 1, .ack = 1, .sack = {at, at + 1});
            S.head = S.tail;
            cr_assert_leq(board()->count, RANGES_MAX);
        }
    }
    cr_assert_gt(stats()->sacks_forgotten, 0);
    IN(TCP_ACK, .seq = 1, .ack = AT(10));
    cr_assert_null(board());
    script_end();
}

Test(rack, without_blocks_for_a_scoreboard_newreno_repairs)
{
    flight(6);
    while (S.blocks.free_count > S.e->cfg.blocks_reserve) {
        pool_take_index(&S.blocks);
    }
    SLEEP(20);
    for (uint32_t i = 1; i <= 3; i++) {
        SACK_IN(AT(0), AT(1), AT(1 + i));
    }
    OUT(TCP_ACK, AT(0), 1, MSS);
    cr_assert_null(board());
    cr_assert_gt(stats()->boards_short, 0);
    IN(TCP_ACK, .seq = 1, .ack = AT(6));
    cr_assert_eq(conn()->flags & F_RECOVERY, 0);
}

Test(rack, rfc8985_6_3_a_time_out_marks_what_is_overdue)
{
    flight(3);
    SLEEP(45);
    OUT(TCP_ACK, AT(2), 1, MSS); /* the probe */
    SLEEP(210);
    OUT(TCP_ACK, AT(0), 1, MSS); /* the time-out */
    cr_assert_eq(board()->lost, 2 * MSS);
    cr_assert_eq(conn()->cwnd, MSS);
    QUIET();
    IN(TCP_ACK, .seq = 1, .ack = AT(1));
    OUT(TCP_ACK, AT(1), 1, MSS);
    OUT(TCP_ACK, AT(2), 1, MSS);
    script_end();
}
