/* SPDX-License-Identifier: BSD-3-Clause */
/* Windows: RFC 9293 3.8.6; RFC 1122 4.2.2.16, 4.2.2.17, 4.2.3.3, 4.2.3.4, 4.2.3.6. */
#include "script.h"

#define MSS 1460u

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

/* The peer's second byte comes with this window: only newer segments may shrink it. */
static void offer(uint16_t win)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 1);
    IN(TCP_ACK, .seq = 2, .ack = 1, .win = win, .shut = win == 0);
    cr_assert_eq(conn()->snd_wnd, win);
}

Test(window, rfc9293_3_8_6_never_more_than_the_peers_window)
{
    offer(3000);
    WRITE(10000);
    OUT(TCP_ACK, 1, 2, MSS);
    OUT(TCP_ACK, 1 + MSS, 2, MSS);
    QUIET(); /* 80 bytes of window left: not worth a segment (RFC 1122 4.2.3.4) */
    IN(TCP_ACK, .seq = 2, .ack = 1 + 2 * MSS, .win = 3000);
    OUT(TCP_ACK, 1 + 2 * MSS, 2, MSS);
    OUT(TCP_ACK, 1 + 3 * MSS, 2, MSS);
    QUIET();
    script_end();
}

Test(window, rfc1122_4_2_3_4_half_of_the_largest_window_is_worth_a_segment)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .win = 400);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .win = 400);
    WRITE(1000);
    OUT(TCP_ACK, 1, 1, 400);
    QUIET();
    IN(TCP_ACK, .seq = 1, .ack = 401, .win = 200);
    OUT(TCP_ACK, 401, 1, 200);
    IN(TCP_ACK, .seq = 1, .ack = 601, .win = 100);
    QUIET();
    script_end();
}

Test(window, rfc1122_4_2_3_4_a_small_window_is_used_after_the_override_time)
{
    offer(100);
    WRITE(1000);
    QUIET();
    SLEEP(45);
    OUT(TCP_ACK, 1, 2, 0);
    SLEEP(165);
    OUT(TCP_ACK, 1, 2, 100);
    script_end();
}

Test(window, rfc9293_3_8_6_1_shut_window_is_probed_with_one_byte_and_backoff)
{
    offer(0);
    WRITE(100);
    SLEEP(45);
    OUT(TCP_ACK, 1, 2, 0);
    SLEEP(160);
    OUT(TCP_ACK, 1, 2, 1);
    IN(TCP_ACK, .seq = 2, .ack = 1, .shut = true);
    SLEEP(390);
    QUIET();
    SLEEP(10);
    OUT(TCP_ACK, 1, 2, 1);
    IN(TCP_ACK, .seq = 2, .ack = 1, .shut = true);
    IN(TCP_ACK, .seq = 2, .ack = 1, .win = 5000);
    OUT(TCP_ACK, 1, 2, 100);
    SLEEP(100);
    IN(TCP_ACK, .seq = 2, .ack = 101, .win = 5000);
    SLEEP(5000);
    QUIET();
    script_end();
}

Test(window, rfc9293_3_8_6_1_the_probes_byte_may_be_taken)
{
    offer(0);
    WRITE(100);
    S.head = S.tail;
    SLEEP(210);
    S.head = S.tail;
    IN(TCP_ACK, .seq = 2, .ack = 2, .shut = true);
    cr_assert_eq(tcp_acked(S.e, S.id), 1);
    SLEEP(500);
    OUT(TCP_ACK, 2, 2, 1);
    IN(TCP_ACK, .seq = 2, .ack = 3, .win = 1000);
    OUT(TCP_ACK, 3, 2, 98);
    script_end();
}

Test(window, rfc1122_4_2_2_17_a_peer_that_answers_is_never_given_up)
{
    script_open(&(struct tcp_config){.conns_max = 2, .user_timeout_ms = 5000, .rto_max_ms = 2000});
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 1);
    IN(TCP_ACK, .seq = 2, .ack = 1, .shut = true);
    WRITE(100);
    for (int i = 0; i < 40; i++) {
        SLEEP(1000);
        IN(TCP_ACK, .seq = 2, .ack = 1, .shut = true);
    }
    STATE(TCP_STATE_ESTABLISHED);
    SLEEP(20000); /* silence is another matter */
    STATE(TCP_STATE_CLOSED);
    script_end();
}

Test(window, rfc1122_4_2_2_16_the_peer_may_shrink_its_window)
{
    script_open(NULL);
    WRITE(4 * MSS);
    for (uint32_t i = 0; i < 4; i++) {
        OUT(TCP_ACK, 1 + i * MSS, 1, MSS);
    }
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS, .win = 500);
    cr_assert_eq(conn()->snd_wnd, 500);
    QUIET();
    SLEEP(210);
    OUT(TCP_ACK, 1 + MSS, 1, 500); /* what fits, from the left edge */
    /* Segments without data stay inside what the peer takes. */
    IN(TCP_ACK, .seq = 1, .ack = 1 + MSS, .len = 10, .win = 500);
    SLEEP(45);
    OUT(TCP_ACK, 1 + MSS + 500, 11, 0);
    script_end();
}

Test(window, fin_is_probed_through_a_shut_window)
{
    offer(0);
    tcp_close(S.e, S.id, S.now_us);
    script_pump();
    S.head = S.tail;
    SLEEP(210);
    S.head = S.tail - 1;
    OUT(TCP_FIN | TCP_ACK, 1, 2, 0);
    IN(TCP_ACK, .seq = 2, .ack = 2, .shut = true);
    STATE(TCP_STATE_FIN_WAIT_2);
    script_end();
}

Test(window, ours_shrinks_with_unread_bytes_and_its_edge_never_moves_back)
{
    struct tcp_config config = {.conns_max = 2, .receive_bytes_max = 10000};
    script_open(&config);
    S.hold = true;
    uint32_t edge = 0;
    for (uint32_t i = 0; i < 6; i++) {
        IN(TCP_ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
        SLEEP(50);
        cr_assert(S.head != S.tail);
        while (S.head != S.tail) {
            const struct tcp_segment *s = &S.sent[S.head++ % SCRIPT_QUEUE].segment;
            cr_assert_eq(s->ack - S.iss, 1 + (i + 1) * MSS);
            uint32_t now = s->ack - S.iss + s->window;
            cr_assert_geq(now, edge);
            cr_assert_leq(now, 10001);
            edge = now;
        }
    }
    cr_assert_eq(edge, 10001);
    script_end();
}

Test(window, rfc9293_3_10_7_4_a_shut_window_takes_acks_but_no_bytes)
{
    script_open(&(struct tcp_config){.conns_max = 2, .receive_bytes_max = 2 * MSS});
    S.hold = true;
    WRITE(10);
    OUT(TCP_ACK, 1, 1, 10);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = MSS);
    IN(TCP_ACK, .seq = 1 + MSS, .ack = 1, .len = MSS);
    cr_assert_eq(S.sent[(S.tail - 1) % SCRIPT_QUEUE].segment.window, 0);
    S.head = S.tail;
    IN(TCP_ACK, .seq = 1 + 2 * MSS, .ack = 11, .len = 1); /* a probe, and an ACK with it */
    cr_assert_eq(OUT(TCP_ACK, 11, 1 + 2 * MSS, 0)->window, 0);
    cr_assert_eq(S.acked, 10);
    cr_assert_eq(tcp_received(S.e, S.id)->len, 2 * MSS);
    script_end();
}

Test(window, rfc1122_4_2_3_3_reopening_is_announced_once_it_is_worth_it)
{
    script_open(&(struct tcp_config){.conns_max = 2, .receive_bytes_max = 10 * MSS});
    S.hold = true;
    for (uint32_t i = 0; i < 10; i++) {
        IN(TCP_ACK, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
    }
    SLEEP(50);
    cr_assert_eq(S.sent[(S.tail - 1) % SCRIPT_QUEUE].segment.window, 0);
    S.head = S.tail;
    script_read(100);
    script_read(1000);
    QUIET();
    script_read(360);
    cr_assert_eq(OUT(TCP_ACK, 1, 1 + 10 * MSS, 0)->window, MSS);
    script_read(1000);
    QUIET();
    script_read(13 * MSS);
    cr_assert_eq(OUT(TCP_ACK, 1, 1 + 10 * MSS, 0)->window, 10 * MSS);
    script_end();
}

Test(window, bytes_beyond_the_window_are_cut_off)
{
    script_open(&(struct tcp_config){.conns_max = 2, .receive_bytes_max = 1000});
    S.hold = true;
    IN(TCP_ACK | TCP_FIN, .seq = 1, .ack = 1, .len = 1400);
    cr_assert_eq(tcp_received(S.e, S.id)->len, 1000);
    EVENTS(TCP_EV_DATA); /* and no FIN: it lies beyond */
    OUT(TCP_ACK, 1, 1001, 0);
    IN(TCP_ACK, .seq = 1101, .ack = 1, .len = 10);
    COUNTED(WAX_TCP_OUT_OF_WINDOW, 1);
    script_end();
}

Test(window, it_is_small_while_blocks_are_short)
{
    script_open(&(struct tcp_config){.conns_max = 2, .blocks_reserve = SCRIPT_BLOCKS});
    conn()->rcv_edge = conn()->rcv_nxt;
    IN(TCP_ACK, .seq = 1, .ack = 1);
    WRITE(1);
    cr_assert_eq(OUT(TCP_ACK, 1, 1, 1)->window, 4 * MSS);
    script_end();
}

Test(window, rfc9293_3_10_7_4_an_old_segment_doesnt_change_the_peers_window)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100, .win = 5000);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100, .win = 6000);
    IN(TCP_ACK, .seq = 51, .ack = 1, .len = 151, .win = 100); /* wl1 is 101 */
    cr_assert_eq(conn()->snd_wnd, 6000);
    IN(TCP_ACK, .seq = 202, .ack = 1, .win = 50);
    cr_assert_eq(conn()->snd_wnd, 50);
    script_end();
}

Test(window, rfc1122_4_2_3_6_keepalive_probes_an_idle_peer_and_gives_up)
{
    script_open(&(struct tcp_config){
        .conns_max = 2, .keepalive_ms = 60000, .keepalive_probe_ms = 5000, .keepalive_probes = 2});
    SLEEP(59000);
    QUIET();
    SLEEP(2000);
    OUT(TCP_ACK, 0, 1, 0); /* one below what the peer expects */
    IN(TCP_ACK, .seq = 1, .ack = 1);
    SLEEP(58000);
    QUIET();
    SLEEP(6000);
    OUT(TCP_ACK, 0, 1, 0);
    SLEEP(5000);
    OUT(TCP_ACK, 0, 1, 0);
    SLEEP(5000);
    OUT(TCP_RST | TCP_ACK, 1, 1, 0);
    EVENTS(TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_TIMEOUT);
    script_end();
}

Test(window, rfc1122_4_2_3_6_no_keepalive_before_the_interval_of_silence)
{
    script_open(&(struct tcp_config){.conns_max = 2, .keepalive_ms = 2000});
    SLEEP(900);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10);
    SLEEP(40);
    OUT(TCP_ACK, 1, 11, 0);
    SLEEP(1950);
    QUIET();
    SLEEP(1100);
    OUT(TCP_ACK, 0, 11, 0);
    script_end();
}

Test(window, rfc1122_4_2_3_6_keepalive_of_the_peer_is_answered)
{
    script_open(NULL);
    IN(TCP_ACK, .seq = 0, .ack = 1);
    OUT(TCP_ACK, 1, 1, 0);
    script_end();
}
