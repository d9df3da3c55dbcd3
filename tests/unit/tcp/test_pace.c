/* SPDX-License-Identifier: BSD-3-Clause */
/* Pacing: what a large transfer may send at once, and when the rest follows. */
#include "script.h"

#define MSS 1460u

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

/* How many segments have gone out since the last look. */
static uint32_t sent(void)
{
    uint32_t n = S.tail - S.head;
    S.head = S.tail;
    return n;
}

/* Writes so many segments, in pieces that the script can make. */
static void write_all(uint32_t segments)
{
    for (uint32_t n; segments > 0; segments -= n) {
        n = segments < 40 ? segments : 40;
        WRITE(n * MSS);
    }
}

/* An open connection with a round trip of `rtt_ms` and a window of so many segments, as yet unused. */
static void with_window(const struct tcp_config *config, uint32_t segments, uint32_t rtt_ms)
{
    script_start(config);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .sackok = true);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    SLEEP(rtt_ms);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    conn()->cwnd = segments * MSS;
    conn()->snd_wnd = conn()->wnd_max = 200 * MSS;
    conn()->sent_us = (uint32_t)S.now_us;
}

static const struct tcp_config plain = {.conns_max = 2, .newreno = true, .receive_bytes_max = 65535};

Test(pace, a_large_transfer_goes_out_in_portions_of_a_millisecond)
{
    with_window(&plain, 40, 20);
    write_all(80);
    cr_assert_eq(sent(), WAX_PACE_BURST_BYTES / MSS, "a burst, whatever the window");
    cr_assert_eq(S.e->stats.paced, 1);
    uint32_t all = WAX_PACE_BURST_BYTES / MSS;
    for (int ms = 0; ms < 4; ms++) {
        SLEEP(1);
        uint32_t n = sent();
        cr_assert_geq(n, 3, "%u in a millisecond: 4 are twice the window in a round trip", n);
        cr_assert_leq(n, 5, "%u in a millisecond", n);
        all += n;
    }
    SLEEP(6);
    all += sent();
    cr_assert_eq(all, 40, "%u: the window is full within the round trip", all);
    script_end();
}

Test(pace, beyond_slow_start_the_rate_is_a_fifth_above_the_window)
{
    with_window(&plain, 60, 20);
    conn()->ssthresh = 60 * MSS;
    write_all(80);
    uint32_t burst = sent();
    SLEEP(10);
    uint32_t n = sent();
    cr_assert_geq(n, 34, "%u", n);
    cr_assert_leq(n, 37, "%u: 36 in half a round trip", n);
    cr_assert_leq(burst + n, 60);
    script_end();
}

Test(pace, what_fits_a_burst_goes_at_once)
{
    with_window(&plain, 40, 20);
    WRITE(WAX_PACE_BURST_BYTES);
    cr_assert_eq(sent(), WAX_PACE_BURST_BYTES / MSS + 1);
    WRITE(WAX_PACE_BURST_BYTES);
    cr_assert_geq(sent(), WAX_PACE_BURST_BYTES / MSS, "so does the next one: only a queue is paced");
    cr_assert_eq(S.e->stats.paced, 0);
    script_end();
}

Test(pace, a_path_of_a_millisecond_is_not_paced)
{
    with_window(&plain, 40, 1);
    write_all(80);
    cr_assert_eq(sent(), 40);
    script_end();
}

Test(pace, it_can_be_switched_off)
{
    struct tcp_config config = plain;
    config.no_pacing = true;
    with_window(&config, 40, 20);
    write_all(80);
    cr_assert_eq(sent(), 40);
    script_end();
}

Test(pace, acknowledgements_between_do_not_hasten_it)
{
    with_window(&plain, 40, 20);
    write_all(80);
    uint32_t burst = sent();
    for (uint32_t i = 1; i <= burst; i++) {
        IN(TCP_ACK, .seq = 1, .ack = 1 + i * MSS, .win = 65535);
        if (i < burst) {
            cr_assert_eq(sent(), 0, "no time has passed");
        }
    }
    cr_assert_leq(sent(), WAX_PACE_BURST_BYTES / MSS, "nothing is in flight: a burst");
    script_end();
}

Test(pace, a_late_turn_is_made_up_for_within_bounds)
{
    with_window(&plain, 80, 20);
    write_all(100);
    sent();
    S.mute = true;
    SLEEP(9);
    S.mute = false;
    script_pump();
    uint32_t n = sent();
    cr_assert_geq(n, 31, "%u: four portions of eight segments", n);
    cr_assert_leq(n, 33, "%u", n);
    script_end();
}

Test(pace, the_window_grows_while_it_is_paced)
{
    with_window(&plain, 40, 20);
    write_all(150);
    sent();
    SLEEP(5);
    sent();
    uint32_t cwnd = conn()->cwnd;
    IN(TCP_ACK, .seq = 1, .ack = 1 + 10 * MSS);
    cr_assert_gt(conn()->cwnd, cwnd, "half of it is in flight, the rest only waits for its time");
    script_end();
}

Test(pace, a_transfer_whose_bucket_another_took_goes_on)
{
    with_window(&plain, 40, 20);
    write_all(80);
    uint32_t all = sent();
    for (int ms = 0; ms < 12; ms++) {
        S.e->paces[S.id % WAX_PACES].id = S.id + WAX_PACES;
        SLEEP(1);
        all += sent();
    }
    cr_assert_geq(all, 38, "%u of 40 in little more than half a round trip", all);
    script_end();
}
