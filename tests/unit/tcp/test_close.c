/* SPDX-License-Identifier: BSD-3-Clause */
/* Closing: RFC 9293 3.6, 3.10.4, 3.10.5, 3.10.7.4; RFC 1122 4.2.2.13; RFC 1337; RFC 6191; RFC 2525 2.17. */
#include "script.h"

static void close_ours(void)
{
    tcp_close(S.e, S.id, S.now_us);
    script_pump();
}

/* To TIME-WAIT with timestamps; the peer's FIN was 1. */
static void to_time_wait(void)
{
    script_open_ts(NULL);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 2, .ts = true);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .ts = true);
    OUT(TCP_ACK, 2, 2, 0);
    EVENTS(TCP_EV_FIN | TCP_EV_CLOSED);
    STATE(TCP_STATE_TIME_WAIT);
}

Test(close, rfc9293_3_6_figure_12_active_close_and_time_wait)
{
    script_open(NULL);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    STATE(TCP_STATE_FIN_WAIT_1);
    IN(TCP_ACK, .seq = 1, .ack = 2);
    STATE(TCP_STATE_FIN_WAIT_2);
    EVENTS(0);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
    OUT(TCP_ACK, 2, 2, 0);
    EVENTS(TCP_EV_FIN | TCP_EV_CLOSED);
    STATE(TCP_STATE_TIME_WAIT);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_OK);
    tcp_release(S.e, S.id);
    SLEEP(59000);
    STATE(TCP_STATE_TIME_WAIT);
    SLEEP(1100);
    STATE(TCP_STATE_FREE);
    script_end();
}

Test(close, rfc9293_3_6_passive_close)
{
    script_open(NULL);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
    OUT(TCP_ACK, 1, 2, 0);
    EVENTS(TCP_EV_FIN);
    STATE(TCP_STATE_CLOSE_WAIT);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 2, 0);
    STATE(TCP_STATE_LAST_ACK);
    IN(TCP_ACK, .seq = 2, .ack = 2);
    EVENTS(TCP_EV_CLOSED);
    STATE(TCP_STATE_CLOSED);
    tcp_release(S.e, S.id);
    STATE(TCP_STATE_FREE);
    script_end();
}

Test(close, rfc9293_3_6_figure_13_simultaneous_close)
{
    script_open(NULL);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
    OUT(TCP_ACK, 2, 2, 0);
    STATE(TCP_STATE_CLOSING);
    EVENTS(TCP_EV_FIN);
    IN(TCP_ACK, .seq = 2, .ack = 2);
    EVENTS(TCP_EV_CLOSED);
    STATE(TCP_STATE_TIME_WAIT);
    script_end();
}

Test(close, rfc9293_3_6_fin_that_acknowledges_ours)
{
    script_open(NULL);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 2);
    OUT(TCP_ACK, 2, 2, 0);
    EVENTS(TCP_EV_FIN | TCP_EV_CLOSED);
    STATE(TCP_STATE_TIME_WAIT);
    script_end();
}

Test(close, rfc9293_3_10_4_fin_follows_what_was_written)
{
    script_open(NULL);
    S.mute = true;
    WRITE(2000);
    close_ours();
    S.mute = false;
    script_pump();
    OUT(TCP_ACK, 1, 1, 1460);
    OUT(TCP_FIN | TCP_ACK, 1461, 1, 540);
    static const uint8_t byte;
    cr_assert_eq(tcp_write(S.e, S.id, view_of(&byte, 1)), WAX_TCP_CLOSED);
    cr_assert_eq(tcp_send_room(S.e, S.id), 0);
    IN(TCP_ACK, .seq = 1, .ack = 2002);
    EVENTS(TCP_EV_ACKED);
    cr_assert_eq(S.acked, 2000);
    STATE(TCP_STATE_FIN_WAIT_2);
    script_end();
}

Test(close, rfc1122_4_2_2_13_half_closed_connections_still_receive)
{
    script_open(NULL);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 2, .len = 100);
    EVENTS(TCP_EV_DATA);
    IN(TCP_ACK | TCP_FIN, .seq = 101, .ack = 2, .len = 50);
    EVENTS(TCP_EV_DATA | TCP_EV_FIN | TCP_EV_CLOSED);
    cr_assert_eq(S.received, 150);
    script_end();
}

Test(close, rfc9293_3_10_7_4_half_closed_peer_is_still_sent_to)
{
    script_open(NULL);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 1);
    OUT(TCP_ACK, 1, 2, 0);
    WRITE(100);
    OUT(TCP_ACK, 1, 2, 100);
    IN(TCP_ACK, .seq = 2, .ack = 101);
    EVENTS(TCP_EV_FIN | TCP_EV_ACKED);
    script_end();
}

Test(close, rfc9293_3_10_7_4_fin_waits_for_the_bytes_before_it)
{
    script_open(NULL);
    IN(TCP_FIN | TCP_ACK, .seq = 101, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 1, 0);
    EVENTS(0);
    STATE(TCP_STATE_ESTABLISHED);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 202, 0);
    EVENTS(TCP_EV_DATA | TCP_EV_FIN);
    cr_assert_eq(S.received, 200);
    script_end();
}

Test(close, a_bare_fin_out_of_order_is_remembered)
{
    script_open(NULL);
    IN(TCP_FIN | TCP_ACK, .seq = 101, .ack = 1);
    OUT(TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 102, 0);
    EVENTS(TCP_EV_DATA | TCP_EV_FIN);
    script_end();
}

Test(close, nothing_is_taken_behind_the_fin)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 151, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 1, 0);
    IN(TCP_FIN | TCP_ACK, .seq = 101, .ack = 1);
    OUT(TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 200);
    OUT(TCP_ACK, 1, 102, 0);
    cr_assert_eq(S.received, 100);
    EVENTS(TCP_EV_DATA | TCP_EV_FIN);
    script_end();
}

Test(close, rfc6298_5_4_fin_is_sent_again)
{
    script_open(NULL);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    SLEEP(210);
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 2);
    STATE(TCP_STATE_FIN_WAIT_2);
    SLEEP(10000);
    QUIET();
    script_end();
}

Test(close, rfc9293_3_10_5_abort_sends_reset_and_drops_the_queues)
{
    script_open(NULL);
    S.mute = true;
    WRITE(5000);
    tcp_abort(S.e, S.id);
    S.mute = false;
    script_pump();
    OUT(TCP_RST | TCP_ACK, 1, 1, 0);
    QUIET();
    EVENTS(TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_CLOSED);
    cr_assert_eq(S.blocks.free_count, S.blocks.count);
    script_end();
}

Test(close, release_without_close_aborts)
{
    script_open(NULL);
    tcp_release(S.e, S.id);
    script_pump();
    OUT(TCP_RST | TCP_ACK, 1, 1, 0);
    STATE(TCP_STATE_FREE);
    EVENTS(0);
    script_end();
}

Test(close, rfc1122_4_2_2_13_release_after_close_goes_on_in_the_background)
{
    script_open(NULL);
    WRITE(100);
    OUT(TCP_ACK, 1, 1, 100);
    tcp_close(S.e, S.id, S.now_us);
    tcp_release(S.e, S.id);
    script_pump();
    OUT(TCP_FIN | TCP_ACK, 101, 1, 0);
    SLEEP(210);
    OUT(TCP_FIN | TCP_ACK, 1, 1, 100);
    IN(TCP_ACK, .seq = 1, .ack = 102);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 102);
    OUT(TCP_ACK, 102, 2, 0);
    EVENTS(0);
    STATE(TCP_STATE_TIME_WAIT);
    script_end();
}

Test(close, rfc2525_2_17_bytes_that_nobody_will_read_are_reset)
{
    script_open(NULL);
    tcp_close(S.e, S.id, S.now_us);
    tcp_release(S.e, S.id);
    script_pump();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 2, .len = 100);
    OUT(TCP_RST | TCP_ACK, 2, 1, 0);
    EVENTS(0);
    STATE(TCP_STATE_FREE);
    script_end();
}

Test(close, rfc2525_2_17_release_with_unread_bytes_resets)
{
    script_open(NULL);
    S.hold = true;
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    tcp_close(S.e, S.id, S.now_us);
    tcp_release(S.e, S.id);
    script_pump();
    OUT(TCP_RST | TCP_ACK, 1, 101, 0);
    script_end();
}

Test(close, unread_bytes_outlive_the_connection_until_release)
{
    script_open(NULL);
    S.hold = true;
    IN(TCP_ACK | TCP_FIN, .seq = 1, .ack = 1, .len = 100);
    OUT(TCP_ACK, 1, 102, 0);
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 102, 0);
    IN(TCP_ACK, .seq = 102, .ack = 2);
    EVENTS(TCP_EV_DATA | TCP_EV_FIN | TCP_EV_CLOSED);
    script_read(200);
    cr_assert_eq(S.received, 100);
    script_end();
}

Test(close, fin_wait_2_is_left_after_silence)
{
    script_open(&(struct tcp_config){.conns_max = 2, .fin_wait_2_ms = 5000});
    close_ours();
    OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 2);
    SLEEP(4000);
    IN(TCP_ACK, .seq = 1, .ack = 2, .len = 10); /* that counts as life */
    SLEEP(4000);
    OUT(TCP_ACK, 2, 11, 0);
    STATE(TCP_STATE_FIN_WAIT_2);
    SLEEP(2000);
    OUT(TCP_RST | TCP_ACK, 2, 11, 0);
    EVENTS(TCP_EV_DATA | TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_TIMEOUT);
    script_end();
}

Test(close, rfc9293_3_10_7_4_time_wait_answers_a_repeated_fin_and_waits_anew)
{
    to_time_wait();
    SLEEP(50000);
    IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .ts = true);
    OUT(TCP_ACK, 2, 2, 0);
    SLEEP(50000);
    STATE(TCP_STATE_TIME_WAIT);
    script_end();
}

Test(close, rfc1337_time_wait_is_not_ended_by_reset)
{
    to_time_wait();
    IN(TCP_RST, .seq = 2);
    IN(TCP_RST, .seq = 2, .ts = true);
    STATE(TCP_STATE_TIME_WAIT);
    QUIET();
    script_end();
}

Test(close, rfc6191_2_syn_with_a_later_timestamp_takes_over_time_wait)
{
    to_time_wait();
    tcp_release(S.e, S.id);
    uint32_t old_end = S.irs + 2;
    S.iss -= 100000; /* an earlier sequence number: only the timestamp tells */
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true, .tsval = 1001);
    const struct tcp_segment *s = OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    cr_assert((int32_t)(s->seq - old_end) >= 0, "the new sequence numbers lie beyond the old ones");
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsval = 1002);
    EVENTS(TCP_EV_OPENED);
    cr_assert_eq(tcp_stats(S.e)->conns, 1);
    script_end();
}

Test(close, rfc6191_2_timestamps_that_the_old_connection_did_not_have_open_anew)
{
    script_open(NULL);
    tcp_close(S.e, S.id, S.now_us);
    script_pump();
    OUT(TCP_ACK | TCP_FIN, 1, 1, 0);
    IN(TCP_ACK | TCP_FIN, .seq = 1, .ack = 2);
    OUT(TCP_ACK, 2, 2, 0);
    tcp_release(S.e, S.id);
    IN(TCP_SYN, .seq = (uint32_t)-500, .mss = 1460, .ts = true);
    cr_assert_eq(tcp_stats(S.e)->half_open, 1);
    cr_assert_eq(tcp_stats(S.e)->time_wait, 0);
    script_end();
}

Test(close, rfc6191_2_syn_with_an_older_timestamp_is_answered_with_ack)
{
    to_time_wait();
    tcp_release(S.e, S.id);
    IN(TCP_SYN, .seq = 500000, .mss = 1460, .ts = true, .tsval = 900);
    OUT(TCP_ACK, 2, 2, 0);
    STATE(TCP_STATE_TIME_WAIT);
    script_end();
}

Test(close, rfc1122_4_2_2_13_syn_beyond_the_old_sequence_takes_over_even_when_not_released)
{
    to_time_wait();
    uint32_t old = S.id;
    IN(TCP_SYN, .seq = 100, .mss = 1460);
    S.iss += 100;
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    cr_assert_neq(S.id, old);
    cr_assert_eq(tcp_state(S.e, old), TCP_STATE_TIME_WAIT);
    tcp_release(S.e, old);
    script_end();
}

Test(close, time_wait_makes_room_for_new_connections_oldest_first)
{
    script_start(&(struct tcp_config){.conns_max = 2, .half_open_max = 2});
    script_listen();
    for (uint16_t port = 1; port <= 6; port++) {
        S.id = TCP_NONE;
        IN(TCP_SYN, .seq = 0, .port = port);
        OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
        IN(TCP_ACK, .seq = 1, .ack = 1, .port = port);
        close_ours();
        OUT(TCP_FIN | TCP_ACK, 1, 1, 0);
        IN(TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .port = port);
        OUT(TCP_ACK, 2, 2, 0);
        tcp_release(S.e, S.id);
        cr_assert_eq(tcp_stats(S.e)->time_wait, port < 2 ? port : 2u);
        SLEEP(10);
    }
    script_end();
}

Test(close, ids_are_used_again_with_a_new_generation)
{
    script_open(NULL);
    uint32_t id = S.id, generation = tcp_generation(S.e, id);
    IN(TCP_RST, .seq = 1);
    EVENTS(TCP_EV_RESET | TCP_EV_CLOSED);
    cr_assert_eq(tcp_generation(S.e, id), generation, "not before release");
    tcp_release(S.e, id);
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    cr_assert_eq(S.id, id);
    cr_assert_neq(tcp_generation(S.e, id), generation);
    script_end();
}

Test(close, a_stale_id_from_an_earlier_lookup_does_no_harm)
{
    script_open(NULL);
    uint32_t id = S.id;
    IN(TCP_RST, .seq = 1);
    tcp_release(S.e, id);
    struct tcp_segment s = {
        .tuple = S.tuple, .seq = S.iss + 1, .ack = S.irs + 1, .flags = TCP_ACK, .wscale = 0xff};
    tcp_input(S.e, id, &s, S.now_us, &S.r);
    cr_assert_eq(S.r.id, TCP_NONE);
    cr_assert_eq(S.r.reply_len, 20);
    script_end();
}
