/* SPDX-License-Identifier: BSD-3-Clause */
/* SYN cookies: RFC 4987 3.6, with the options in the timestamp. */
#include "script.h"

#define PERIOD_MS (TCP_COOKIE_PERIOD_US / 1000)

static void start(void)
{
    script_start(
        &(struct tcp_config){.conns_max = 8, .cookies_always = true, .receive_bytes_max = 256 << 10});
    script_listen();
}

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

/* The SYN-ACK of a cookie: where it stands is what the script takes for the engine's first number. */
static struct tcp_segment cookie(int line)
{
    cr_assert_neq(S.head, S.tail, "line %d: no answer", line);
    const struct tcp_segment *s = &S.sent[S.head++ % SCRIPT_QUEUE].segment;
    cr_assert_eq(s->flags, TCP_SYN | TCP_ACK, "line %d: flags %02x", line, s->flags);
    cr_assert_eq(s->ack, S.iss + 1);
    cr_assert_eq(tcp_stats(S.e)->conns, 0, "nothing is kept of a SYN");
    S.irs = s->seq;
    return *s;
}

#define COOKIE() cookie(__LINE__)

Test(cookie, rfc4987_3_6_a_syn_leaves_no_state_and_its_ack_opens_the_connection)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    COOKIE();
    cr_assert_eq(S.r.id, TCP_NONE);
    cr_assert_eq(S.e->wheel.armed, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    STATE(TCP_STATE_ESTABLISHED);
    cr_assert_eq(tcp_tag(S.e, S.id), 7, "the listener's");
    cr_assert_eq(tcp_stats(S.e)->cookies_sent, 1);
    cr_assert_eq(tcp_stats(S.e)->cookies_accepted, 1);
    cr_assert_eq(tcp_stats(S.e)->half_open, 0);
    WRITE(2000);
    OUT(TCP_ACK, 1, 1, 1460);
    OUT(TCP_ACK, 1461, 1, 540);
    script_end();
}

Test(cookie, rfc4987_3_6_only_when_half_open_connections_are_at_their_limit)
{
    script_start(&(struct tcp_config){.conns_max = 8, .half_open_max = 1});
    script_listen();
    IN(TCP_SYN, .seq = 0, .port = 100);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    cr_assert_eq(tcp_stats(S.e)->cookies_sent, 0);
    for (uint16_t i = 0; i < 50; i++) {
        IN(TCP_SYN, .seq = 0, .port = (uint16_t)(101 + i));
        cr_assert_gt(S.r.reply_len, 0);
    }
    COUNTED(WAX_TCP_HALF_OPEN_FULL, 50);
    cr_assert_eq(tcp_stats(S.e)->cookies_sent, 50);
    cr_assert_eq(tcp_stats(S.e)->conns, 1);
    S.irs = S.sent[(S.tail - 1) % SCRIPT_QUEUE].segment.seq;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 150, .len = 10);
    EVENTS(TCP_EV_OPENED | TCP_EV_DATA);
    script_end();
}

Test(cookie, rfc4987_3_6_data_and_fin_on_the_ack_are_taken)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    COOKIE();
    IN(TCP_ACK | TCP_FIN, .seq = 1, .ack = 1, .len = 100);
    EVENTS(TCP_EV_OPENED | TCP_EV_DATA | TCP_EV_FIN);
    cr_assert_eq(S.received, 100);
    OUT(TCP_ACK, 1, 102, 0);
    script_end();
}

Test(cookie, the_timestamp_keeps_scale_sack_and_the_mss)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1400, .ts = true, .tsval = 777, .ws = 8, .sackok = true);
    struct tcp_segment s = COOKIE();
    cr_assert(s.has_timestamps && s.tsecr == 777 && s.sack_permitted && s.wscale == 3 && s.mss == 1460);
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsval = 800, .tsecr = s.tsval, .win = 100);
    EVENTS(TCP_EV_OPENED);
    cr_assert_eq(conn()->flags & (F_TS | F_WSCALE | F_SACK_OK), F_TS | F_WSCALE | F_SACK_OK);
    cr_assert_eq(conn()->snd_scale, 7);
    cr_assert_eq(conn()->rcv_scale, 3);
    cr_assert_eq(conn()->snd_wnd, 100u << 7);
    cr_assert_eq(conn()->mss, 1380 - 12, "the class below 1400");
    cr_assert_eq(conn()->ts_recent, 800);
    cr_assert_eq(conn()->srtt_us, 0, "a timestamp with options in it measures nothing");
    script_end();
}

Test(cookie, options_that_were_not_offered_are_not_used)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true);
    struct tcp_segment s = COOKIE();
    cr_assert(s.has_timestamps && !s.sack_permitted && s.wscale == 0xff);
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s.tsval);
    EVENTS(TCP_EV_OPENED);
    cr_assert_eq(conn()->flags & (F_TS | F_WSCALE | F_SACK_OK), F_TS);
    script_end();
}

Test(cookie, without_timestamps_only_the_mss_is_kept)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 536, .ws = 8, .sackok = true);
    struct tcp_segment s = COOKIE();
    cr_assert(!s.has_timestamps && !s.sack_permitted && s.wscale == 0xff);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    cr_assert_eq(conn()->flags & (F_TS | F_WSCALE | F_SACK_OK), 0);
    cr_assert_eq(conn()->mss, 536);
    script_end();
}

Test(cookie, rfc3168_6_1_1_ecn_is_agreed_to_only_where_the_cookie_said_so)
{
    for (uint32_t i = 0; i < 2; i++) {
        start();
        IN(TCP_SYN | TCP_ECE | TCP_CWR, .seq = 0, .mss = 1460, .ts = i == 0);
        const struct tcp_segment s = S.sent[S.head++ % SCRIPT_QUEUE].segment;
        cr_assert_eq(s.flags, TCP_SYN | TCP_ACK | (i == 0 ? TCP_ECE : 0));
        S.irs = s.seq;
        IN(TCP_ACK, .seq = 1, .ack = 1, .ts = i == 0, .tsecr = s.tsval);
        EVENTS(TCP_EV_OPENED);
        cr_assert_eq(conn()->flags2 & F2_ECN, i == 0 ? F2_ECN : 0);
        script_end();
    }
}

Test(cookie, the_mss_is_never_more_than_the_peers)
{
    static const uint16_t offers[][2] = {{0, 536},     {1, 88},      {88, 88},     {255, 88},    {256, 256},
                                         {536, 536},   {1219, 536},  {1220, 1220}, {1379, 1220}, {1380, 1380},
                                         {1440, 1440}, {1452, 1440}, {1460, 1460}, {9000, 1460}};
    for (size_t i = 0; i < sizeof offers / sizeof offers[0]; i++) {
        start();
        IN(TCP_SYN, .seq = 0, .mss = offers[i][0]);
        COOKIE();
        IN(TCP_ACK, .seq = 1, .ack = 1);
        EVENTS(TCP_EV_OPENED);
        cr_assert_eq(conn()->mss, offers[i][1], "offered %u: %u", offers[i][0], conn()->mss);
        script_end();
    }
}

Test(cookie, ip6_has_its_own_mss)
{
    start();
    S.tuple.peer = (struct addr){{0x20, 0x01, 0, 2, [15] = 2}};
    S.tuple.local = (struct addr){{0x20, 0x01, 0, 2, [15] = 1}};
    IN(TCP_SYN, .seq = 0, .mss = 1440);
    cr_assert_eq(COOKIE().mss, 1440);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    cr_assert_eq(conn()->mss, 1440);
    script_end();
}

Test(cookie, a_cookie_is_good_until_the_end_of_the_next_period)
{
    for (uint32_t i = 0; i < 2; i++) {
        start();
        SLEEP(PERIOD_MS - S.now_us / 1000 % PERIOD_MS); /* to the beginning of a period */
        IN(TCP_SYN, .seq = 0, .mss = 1460);
        COOKIE();
        SLEEP(2 * PERIOD_MS - 1 + i);
        IN(TCP_SYN, .seq = 0, .mss = 1460, .port = 9); /* others keep cookies in use */
        S.head = S.tail;
        IN(TCP_ACK, .seq = 1, .ack = 1);
        EVENTS(i == 0 ? TCP_EV_OPENED : 0);
        COUNTED(WAX_TCP_COOKIE_BAD, i);
        script_end();
    }
}

Test(cookie, keys_change_with_every_period_whatever_was_skipped)
{
    start();
    uint32_t seen[8];
    for (uint32_t i = 0; i < 8; i++) {
        IN(TCP_SYN, .seq = 0, .mss = 1460);
        seen[i] = COOKIE().seq & ~1u;
        for (uint32_t j = 0; j < i; j++) {
            cr_assert_neq(seen[i], seen[j]);
        }
        IN(TCP_ACK, .seq = 1, .ack = 1);
        EVENTS(TCP_EV_OPENED);
        IN(TCP_RST, .seq = 1);
        EVENTS(TCP_EV_RESET | TCP_EV_CLOSED);
        tcp_release(S.e, S.id);
        S.now_us += (uint64_t)(i * i + 1) * TCP_COOKIE_PERIOD_US;
        tcp_advance(S.e, S.now_us);
        S.id = TCP_NONE;
    }
    script_end();
}

Test(cookie, the_key_of_a_period_is_forgotten_after_the_next)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    COOKIE();
    uint64_t first[2] = {S.e->cookies.keys[S.e->cookies.period & 1][0],
                         S.e->cookies.keys[S.e->cookies.period & 1][1]};
    S.now_us += 2 * TCP_COOKIE_PERIOD_US;
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    COOKIE();
    for (uint32_t i = 0; i < 2; i++) {
        for (uint32_t j = 0; j < 2; j++) {
            cr_assert_neq(S.e->cookies.keys[i][j], first[0]);
            cr_assert_neq(S.e->cookies.keys[i][j], first[1]);
        }
    }
    script_end();
}

Test(cookie, each_part_of_a_cookie_is_bound)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true, .ws = 3, .sackok = true);
    struct tcp_segment s = COOKIE();
    uint32_t irs = S.irs;
    for (uint32_t bit = 0; bit < 32; bit++) {
        S.irs = irs ^ 1u << bit;
        IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s.tsval);
        cr_assert_eq(tcp_stats(S.e)->conns, 0, "bit %u of the cookie", bit);
    }
    S.irs = irs;
    for (uint32_t bit = 0; bit < 6; bit++) {
        IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s.tsval ^ 1u << bit);
        cr_assert_eq(tcp_stats(S.e)->conns, 0, "bit %u of the options", bit);
    }
    IN(TCP_ACK, .seq = 1, .ack = 1);
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s.tsval, .port = 50001);
    IN(TCP_ACK, .seq = 3, .ack = 1, .ts = true, .tsecr = s.tsval);
    cr_assert_eq(tcp_stats(S.e)->conns, 0);
    COUNTED(WAX_TCP_COOKIE_BAD, 41);
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s.tsval);
    EVENTS(TCP_EV_OPENED);
    script_end();
}

Test(cookie, a_stray_ack_is_reset_but_a_later_segment_of_a_cookies_peer_is_not)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    COOKIE();
    IN(TCP_ACK, .seq = 1, .ack = 7);
    OUT(TCP_RST, 7, 0, 0);
    IN(TCP_ACK, .seq = 101, .ack = 1, .len = 100); /* overtook the first 100 bytes */
    QUIET();
    IN(TCP_ACK | TCP_FIN, .seq = 201, .ack = 1);
    QUIET();
    COUNTED(WAX_TCP_COOKIE_BAD, 3);
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 100);
    EVENTS(TCP_EV_OPENED | TCP_EV_DATA);
    script_end();
}

/* Where it is taken for the first one, bytes are missing and nobody knows. */
Test(cookie, a_segment_that_overtakes_is_not_taken_for_the_first_wherever_it_stands)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    COOKIE();
    for (uint32_t ahead = 1; ahead < 1u << 17; ahead++) {
        IN(TCP_ACK, .seq = 1 + ahead, .ack = 1, .len = 1);
        cr_assert_eq(S.r.id, TCP_NONE, "%u bytes ahead", ahead);
    }
    script_end();
}

Test(cookie, a_keepalive_probe_opens_when_the_ack_was_lost)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    COOKIE();
    IN(TCP_ACK, .seq = 0, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    OUT(TCP_ACK, 1, 1, 0);
    script_end();
}

Test(cookie, one_syn_answered_by_a_cookie_and_another_by_a_half_open_connection)
{
    start();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ws = 3, .sackok = true);
    uint32_t irs = COOKIE().seq;
    S.e->cfg.cookies_always = false;
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ws = 3, .sackok = true); /* sent again before that SYN-ACK had come */
    cr_assert(OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->sack_permitted);
    S.irs = irs;
    IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10, .win = 500);
    EVENTS(TCP_EV_OPENED | TCP_EV_DATA);
    cr_assert_eq(conn()->flags & (F_WSCALE | F_SACK_OK), 0, "the cookie did not offer them");
    cr_assert_eq(conn()->snd_wnd, 500);
    cr_assert_eq(tcp_stats(S.e)->conns, 1);
    WRITE(5);
    OUT(TCP_ACK, 1, 11, 5);
    script_end();
}

Test(cookie, a_full_table_sends_none_for_they_could_not_be_redeemed)
{
    script_start(&(struct tcp_config){.conns_max = 1, .cookies_always = true});
    script_listen();
    IN(TCP_SYN, .seq = 0, .port = 1);
    S.irs = S.sent[S.head++ % SCRIPT_QUEUE].segment.seq;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 1);
    EVENTS(TCP_EV_OPENED);
    IN(TCP_SYN, .seq = 0, .port = 2);
    QUIET();
    COUNTED(WAX_TCP_CONNS_FULL, 1);
    script_end();
}

Test(cookie, an_ack_that_finds_the_table_full_is_dropped_and_may_come_again)
{
    script_start(&(struct tcp_config){.conns_max = 1, .cookies_always = true});
    script_listen();
    IN(TCP_SYN, .seq = 0, .port = 2);
    uint32_t second = S.sent[S.head++ % SCRIPT_QUEUE].segment.seq;
    IN(TCP_SYN, .seq = 0, .port = 1);
    S.irs = S.sent[S.head++ % SCRIPT_QUEUE].segment.seq;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 1);
    EVENTS(TCP_EV_OPENED);
    uint32_t first = S.id;
    S.irs = second;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 2, .len = 10);
    COUNTED(WAX_TCP_CONNS_FULL, 1);
    QUIET();
    tcp_release(S.e, first);
    script_pump();
    S.head = S.tail;
    S.events = 0;
    IN(TCP_ACK, .seq = 1, .ack = 1, .port = 2, .len = 10);
    EVENTS(TCP_EV_OPENED | TCP_EV_DATA);
    script_end();
}

Test(cookie, without_a_cookie_sent_lately_an_ack_costs_no_hash)
{
    script_start(NULL);
    script_listen();
    IN(TCP_ACK, .seq = 1, .ack = 1);
    COUNTED(WAX_TCP_COOKIE_BAD, 0);
    COUNTED(WAX_TCP_NO_CONNECTION, 1);
    script_end();
}

Test(cookie, later_timestamps_never_run_behind_the_cookies)
{
    for (uint32_t ms = 0; ms < 130; ms++) {
        start();
        S.now_us += (uint64_t)ms * 1000;
        IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true, .ws = 15, .sackok = true);
        struct tcp_segment s = COOKIE();
        IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s.tsval);
        WRITE(1);
        uint32_t next = OUT(TCP_ACK, 1, 1, 1)->tsval;
        cr_assert(seq_le(s.tsval, next) && next - s.tsval < 64, "%u behind", next - s.tsval);
        script_end();
    }
}

static void time_wait(bool timestamps)
{
    if (timestamps) {
        script_open_ts(&(struct tcp_config){.conns_max = 4});
    } else {
        script_open(&(struct tcp_config){.conns_max = 4});
    }
    tcp_close(S.e, S.id, S.now_us);
    script_pump();
    uint32_t tsval = OUT(TCP_ACK | TCP_FIN, 1, 1, 0)->tsval;
    IN(TCP_ACK | TCP_FIN, .seq = 1, .ack = 2, .ts = timestamps, .tsecr = tsval);
    OUT(TCP_ACK, 2, 2, 0);
    STATE(TCP_STATE_TIME_WAIT);
    tcp_release(S.e, S.id);
    S.e->cfg.cookies_always = true;
    S.events = 0;
}

Test(cookie, rfc6191_2_a_cookie_leaves_time_wait_alone_until_its_ack_takes_over)
{
    time_wait(true);
    IN(TCP_SYN, .seq = 1000, .mss = 1460, .ts = true, .tsval = 2000);
    struct tcp_segment s = S.sent[S.head++ % SCRIPT_QUEUE].segment;
    cr_assert_eq(s.flags, TCP_SYN | TCP_ACK);
    cr_assert_eq(tcp_stats(S.e)->time_wait, 1);
    S.irs = s.seq;
    IN(TCP_ACK, .seq = 1001, .ack = 1, .ts = true, .tsval = 2001, .tsecr = s.tsval);
    EVENTS(TCP_EV_OPENED);
    cr_assert_eq(tcp_stats(S.e)->time_wait, 0);
    cr_assert_eq(tcp_stats(S.e)->conns, 1);
    script_end();
}

Test(cookie, rfc1122_4_2_2_13_no_cookie_for_time_wait_without_timestamps)
{
    time_wait(false);
    IN(TCP_SYN, .seq = 1000, .mss = 1460);
    QUIET();
    cr_assert_eq(tcp_stats(S.e)->cookies_sent, 0);
    cr_assert_eq(tcp_stats(S.e)->time_wait, 1);
    S.e->cfg.cookies_always = false;
    IN(TCP_SYN, .seq = 1000, .mss = 1460);
    cr_assert_eq(tcp_stats(S.e)->half_open, 1);
    cr_assert_eq(tcp_stats(S.e)->time_wait, 0);
    script_end();
}
