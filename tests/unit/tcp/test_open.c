/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening: RFC 9293 3.5, 3.10.7.1-3; RFC 6691; RFC 7323 2, 3; RFC 6528; RFC 6928; RFC 4987. */
#include "script.h"

Test(open, rfc9293_3_5_passive_three_way_handshake)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    EVENTS(0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    STATE(TCP_STATE_ESTABLISHED);
    cr_assert_eq(tcp_tag(S.e, S.id), 7);
    QUIET();
    script_end();
}

Test(open, rfc9293_3_5_active_three_way_handshake)
{
    script_start(NULL);
    script_connect();
    const struct tcp_segment *syn = OUT(TCP_SYN, 0, 0, 0);
    cr_assert(syn->mss == 1460 && syn->wscale != 0xff && syn->has_timestamps && syn->tsecr == 0);
    IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
    OUT(TCP_ACK, 1, 1, 0);
    EVENTS(TCP_EV_OPENED);
    STATE(TCP_STATE_ESTABLISHED);
    script_end();
}

Test(open, rfc9293_3_5_figure_7_simultaneous_open)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    STATE(TCP_STATE_SYN_RECEIVED);
    IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
    OUT(TCP_ACK, 1, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    STATE(TCP_STATE_ESTABLISHED);
    script_end();
}

Test(open, rfc9293_3_10_7_1_closed_port_answers_reset)
{
    script_start(NULL);
    IN(TCP_SYN, .seq = 5);
    cr_assert_eq(S.r.reply_len, 20);
    const struct tcp_segment *s = &S.sent[0].segment;
    cr_assert(s->flags == (TCP_RST | TCP_ACK) && s->seq == 0 && s->ack == S.iss + 6);
    COUNTED(WAX_TCP_NO_LISTENER, 1);
    script_end();
}

Test(open, rfc9293_3_10_7_1_stray_ack_is_reset_and_stray_reset_ignored)
{
    script_start(NULL);
    script_listen();
    IN(TCP_ACK, .seq = 5, .ack = 77);
    OUT(TCP_RST, 77, 0, 0);
    IN(TCP_RST, .seq = 5);
    IN(TCP_RST | TCP_ACK, .seq = 5, .ack = 3);
    QUIET();
    COUNTED(WAX_TCP_NO_CONNECTION, 3);
    script_end();
}

Test(open, rfc9293_3_10_7_3_reset_refuses_an_active_open)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    IN(TCP_RST, .seq = 0); /* without ACK: not acceptable */
    STATE(TCP_STATE_SYN_SENT);
    IN(TCP_RST | TCP_ACK, .seq = 0, .ack = 1);
    EVENTS(TCP_EV_RESET | TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_RESET);
    script_end();
}

Test(open, rfc9293_3_10_7_3_bad_ack_of_syn_is_reset)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 2);
    OUT(TCP_RST, 2, 0, 0);
    STATE(TCP_STATE_SYN_SENT);
    IN(TCP_RST | TCP_ACK, .seq = 0, .ack = 2);
    STATE(TCP_STATE_SYN_SENT);
    script_end();
}

Test(open, rfc9293_3_10_7_4_bad_ack_in_syn_received_is_reset)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 9);
    OUT(TCP_RST, 9, 0, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    script_end();
}

Test(open, rfc9293_3_8_1_syn_ack_is_sent_again_with_backoff_then_forgotten)
{
    script_start(&(struct tcp_config){.conns_max = 4, .half_open_ms = 10000});
    script_listen();
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    SLEEP(999);
    QUIET();
    SLEEP(2);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    SLEEP(1990);
    QUIET();
    SLEEP(20);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    SLEEP(4100);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    SLEEP(8100);
    QUIET();
    cr_assert_eq(tcp_stats(S.e)->conns, 0);
    EVENTS(0);
    script_end();
}

Test(open, rfc9293_3_10_7_4_repeated_syn_gets_the_syn_ack_again)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    cr_assert_eq(tcp_stats(S.e)->conns, 1);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    script_end();
}

Test(open, rfc1122_4_2_3_5_active_open_gives_up)
{
    script_start(&(struct tcp_config){.conns_max = 4, .connect_timeout_ms = 5000});
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    SLEEP(1010);
    OUT(TCP_SYN, 0, 0, 0);
    SLEEP(2010);
    OUT(TCP_SYN, 0, 0, 0);
    SLEEP(4010);
    EVENTS(TCP_EV_CLOSED);
    cr_assert_eq(tcp_status(S.e, S.id), WAX_TCP_TIMEOUT);
    QUIET();
    script_end();
}

Test(open, rfc9293_3_10_7_4_reset_in_syn_received_returns_to_listen_silently)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_RST, .seq = 1);
    EVENTS(0);
    cr_assert_eq(tcp_stats(S.e)->conns, 0);
    QUIET();
    script_end();
}

Test(open, rfc9293_3_10_7_4_data_on_the_last_ack_of_the_handshake)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    EVENTS(TCP_EV_OPENED | TCP_EV_DATA);
    cr_assert_eq(S.received, 100);
    script_end();
}

Test(open, rfc9293_3_7_1_default_mss_is_536_and_data_is_cut_to_the_peers)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    WRITE(1000);
    OUT(TCP_ACK, 1, 1, 536);
    OUT(TCP_ACK, 537, 1, 464);
    script_end();
}

Test(open, rfc6691_2_mss_is_reduced_by_the_options_sent)
{
    script_open_ts(NULL);
    WRITE(3000);
    OUT(TCP_ACK, 1, 1, 1448);
    OUT(TCP_ACK, 1449, 1, 1448);
    OUT(TCP_ACK, 2897, 1, 104);
    script_end();
}

Test(open, rfc9293_3_7_1_a_larger_mss_than_ours_is_not_used_and_a_silly_one_is_raised)
{
    script_start(&(struct tcp_config){.conns_max = 4, .mss = 1000});
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 9000);
    cr_assert_eq(OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->mss, 1000);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    WRITE(1001);
    OUT(TCP_ACK, 1, 1, 1000);
    OUT(TCP_ACK, 1001, 1, 1);
    S.id = TCP_NONE;
    IN(TCP_SYN, .seq = 0, .mss = 1, .port = 6);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 6);
    WRITE(89);
    OUT(TCP_ACK, 1, 1, 88);
    script_end();
}

Test(open, rfc7323_2_2_scaling_only_when_both_offer_it)
{
    struct tcp_config config = {.conns_max = 4, .receive_bytes_max = 256 << 10};
    script_start(&config);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ws = 8);
    const struct tcp_segment *s = OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    cr_assert_eq(s->wscale, 3);
    cr_assert_eq(s->window, 65535, "the window of a SYN is not scaled");
    IN(TCP_ACK, .seq = 1, .ack = 1, .win = 10);
    cr_assert_eq(S.e->conns[S.id].snd_wnd, 10u << 7);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 1, .win = 10);
    SLEEP(50);
    cr_assert_eq(OUT(TCP_ACK, 1, 2, 0)->window, (256 << 10) >> 3);
    IN(TCP_SYN, .seq = 0, .mss = 1460, .port = 5);
    cr_assert_eq(OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->wscale, 0xff);
    script_end();
}

Test(open, rfc7323_3_2_timestamps_only_when_both_offer_them)
{
    script_start(NULL);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true, .tsval = 555);
    const struct tcp_segment *s = OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    cr_assert(s->has_timestamps && s->tsecr == 555);
    IN(TCP_SYN, .seq = 0, .mss = 1460, .port = 5);
    cr_assert(!OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->has_timestamps);
    script_end();
}

Test(open, rfc6528_3_isn_follows_the_clock_and_differs_between_ends)
{
    script_start(NULL);
    struct tcp_tuple other = S.tuple;
    other.peer_port++;
    uint32_t a = conn_isn(S.e, &S.tuple), b = conn_isn(S.e, &other);
    cr_assert_neq(a, b);
    SLEEP(1000);
    cr_assert_eq(conn_isn(S.e, &S.tuple) - a, 250000u);
    S.e->env.isn_key[0]++;
    cr_assert_neq(conn_isn(S.e, &S.tuple) - a, 250000u, "the key matters");
    script_end();
}

Test(open, rfc6928_2_initial_window_is_ten_segments)
{
    script_open(NULL);
    WRITE(20000);
    for (uint32_t i = 0; i < 10; i++) {
        OUT(TCP_ACK, 1 + i * 1460, 1, 1460);
    }
    QUIET();
    script_end();
}

Test(open, rfc5681_3_1_initial_window_is_one_segment_after_a_lost_syn)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    SLEEP(1010);
    OUT(TCP_SYN, 0, 0, 0);
    IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
    OUT(TCP_ACK, 1, 1, 0);
    WRITE(5000);
    OUT(TCP_ACK, 1, 1, 1460);
    QUIET();
    script_end();
}

Test(open, rfc4987_half_open_connections_are_limited)
{
    script_start(&(struct tcp_config){.conns_max = 8, .half_open_max = 2, .no_cookies = true});
    script_listen();
    for (uint16_t i = 0; i < 3; i++) {
        IN(TCP_SYN, .seq = 0, .port = (uint16_t)(100 + i));
    }
    COUNTED(WAX_TCP_HALF_OPEN_FULL, 1);
    cr_assert_eq(tcp_stats(S.e)->half_open, 2);
    OUT(TCP_SYN | TCP_ACK, S.sent[0].segment.seq - S.irs, 1, 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    QUIET();
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 101);
    EVENTS(TCP_EV_OPENED);
    IN(TCP_SYN, .seq = 0, .port = 102);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    script_end();
}

Test(open, limit_of_connections_is_counted)
{
    script_start(&(struct tcp_config){.conns_max = 2, .half_open_max = 2});
    script_listen();
    for (uint16_t i = 0; i < 2; i++) {
        IN(TCP_SYN, .seq = 0, .port = (uint16_t)(100 + i));
        OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
        IN(TCP_ACK, .seq = 1, .ack = 1, .port = (uint16_t)(100 + i));
    }
    IN(TCP_SYN, .seq = 0, .port = 102);
    COUNTED(WAX_TCP_CONNS_FULL, 1);
    QUIET();
    script_end();
}

Test(open, segments_from_ourselves_or_port_0_are_dropped)
{
    script_start(NULL);
    script_listen();
    S.tuple.peer = S.tuple.local;
    IN(TCP_SYN, .seq = 0, .port = SCRIPT_PORT);
    COUNTED(WAX_TCP_SPOOFED, 1);
    QUIET();
    cr_assert_eq(tcp_stats(S.e)->conns, 0);
    script_end();
}

Test(open, rfc9293_3_10_4_close_in_syn_sent_ends_at_once)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    tcp_close(S.e, S.id, S.now_us);
    script_pump();
    EVENTS(TCP_EV_CLOSED);
    QUIET();
    script_end();
}

Test(open, rfc9293_3_10_2_data_written_before_establishment_follows_it)
{
    script_start(NULL);
    script_connect();
    OUT(TCP_SYN, 0, 0, 0);
    WRITE(10);
    QUIET();
    IN(TCP_SYN | TCP_ACK, .seq = 0, .ack = 1, .mss = 1460);
    OUT(TCP_ACK, 1, 1, 10);
    QUIET();
    script_end();
}

Test(open, connecting_twice_between_the_same_ends_is_refused)
{
    uint32_t id;
    script_start(NULL);
    script_connect();
    cr_assert_eq(tcp_connect(S.e, &S.tuple, 0, S.now_us, &id), WAX_EXISTS);
    S.tuple.local_port = 0;
    cr_assert_eq(tcp_connect(S.e, &S.tuple, 0, S.now_us, &id), WAX_BAD_ARGUMENT);
    script_end();
}

Test(open, listeners_by_address_any_and_limits)
{
    script_start(NULL);
    struct addr any = addr_ip4(0), ours = addr_ip4(0xc6120001), other = addr_ip4(0xc6120009);
    cr_assert_eq(tcp_listen(S.e, &other, SCRIPT_PORT, 1), WAX_OK);
    IN(TCP_SYN, .seq = 0);
    COUNTED(WAX_TCP_NO_LISTENER, 1);
    cr_assert_eq(tcp_listen(S.e, &any, SCRIPT_PORT, 2), WAX_OK);
    cr_assert_eq(tcp_listen(S.e, NULL, SCRIPT_PORT, 2), WAX_EXISTS);
    cr_assert_eq(tcp_listen(S.e, &ours, SCRIPT_PORT, 3), WAX_OK);
    IN(TCP_SYN, .seq = 0, .port = 7);
    cr_assert_eq(tcp_tag(S.e, S.r.id), 3, "the listener for the address goes before any");
    cr_assert_eq(tcp_listen(S.e, NULL, 0, 2), WAX_BAD_ARGUMENT);
    for (uint16_t p = 1; p <= WAX_LISTENERS_MAX - 3; p++) {
        cr_assert_eq(tcp_listen(S.e, NULL, p, 0), WAX_OK);
    }
    cr_assert_eq(tcp_listen(S.e, NULL, 999, 0), WAX_FULL);
    cr_assert_eq(tcp_unlisten(S.e, NULL, 1), WAX_OK);
    cr_assert_eq(tcp_unlisten(S.e, NULL, 1), WAX_NOT_FOUND);
    script_end();
}

Test(open, rfc9293_3_7_1_ip6_connections_and_their_default_mss_of_1220)
{
    script_start(NULL);
    script_listen();
    S.tuple.peer = (struct addr){{0x20, 0x01, 0, 2, [15] = 2}};
    S.tuple.local = (struct addr){{0x20, 0x01, 0, 2, [15] = 1}};
    IN(TCP_SYN, .seq = 0);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10);
    EVENTS(TCP_EV_OPENED | TCP_EV_DATA);
    WRITE(1221);
    OUT(TCP_ACK, 1, 11, 1220);
    OUT(TCP_ACK, 1221, 11, 1);
    script_end();
}
