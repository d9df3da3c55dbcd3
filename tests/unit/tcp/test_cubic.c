/* SPDX-License-Identifier: BSD-3-Clause */
/* CUBIC (RFC 9438), HyStart++ (RFC 9406), idle windows (RFC 5681 4.1, RFC 2861). */
#include "script.h"

#define MSS 1460u

static struct tcp_conn *conn(void)
{
    return &S.e->conns[S.id];
}

/* The table of functions by itself, on a connection that is only a window. */
static struct tcp_conn alone(uint32_t cwnd)
{
    struct tcp_conn c = {.mss = 1460, .srtt_us = 100000};
    tcp_cubic.start(&c, cwnd);
    return c;
}

/* Acknowledges whole windows, one each round trip of 100 ms, from `now` on. */
static void rounds(struct tcp_conn *c, uint64_t *now_us, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t window = c->cwnd;
        for (uint32_t acked = 0; acked < window; acked += 2 * c->mss) {
            tcp_cubic.acked(c, 2u * c->mss, *now_us);
        }
        *now_us += 100000;
    }
}

static void lose(struct tcp_conn *c)
{
    c->ssthresh = tcp_cubic.ssthresh(c, c->cwnd);
    c->cwnd = c->ssthresh;
}

Test(cubic, the_integer_cube_root)
{
    cr_assert_eq(cubic_root(0), 0);
    cr_assert_eq(cubic_root(7), 1);
    cr_assert_eq(cubic_root(8), 2);
    cr_assert_eq(cubic_root(999999999), 999);
    cr_assert_eq(cubic_root(1000000000), 1000);
    cr_assert_eq(cubic_root(UINT64_MAX / 2), 2097151);
}

Test(cubic, rfc9438_4_6_a_loss_leaves_seven_tenths)
{
    struct tcp_conn c = alone(1000 * MSS);
    lose(&c);
    cr_assert_eq(c.cwnd, 700 * MSS);
    struct tcp_conn small = alone(2 * MSS);
    lose(&small);
    cr_assert_eq(small.ssthresh, 2 * MSS, "but no less than two segments");
}

/* K = cbrt(300 / 0.4) = 9.085 s: back at W_max after that, flat there, and convex behind it. */
Test(cubic, rfc9438_4_2_the_window_is_back_after_k_and_its_curve_is_flat_there)
{
    struct tcp_conn c = alone(1000 * MSS);
    uint64_t now = 10000000;
    lose(&c);
    rounds(&c, &now, 45);
    cr_assert_gt(c.cwnd, 950 * MSS, "concave: at half of K seven eighths are regained, %u", c.cwnd / MSS);
    cr_assert_lt(c.cwnd, 975 * MSS, "%u", c.cwnd / MSS);
    rounds(&c, &now, 46);
    cr_assert_gt(c.cwnd, 997 * MSS, "%u", c.cwnd / MSS);
    cr_assert_lt(c.cwnd, 1004 * MSS, "%u", c.cwnd / MSS);
    uint32_t plateau = c.cwnd;
    rounds(&c, &now, 20);
    cr_assert_lt(c.cwnd - plateau, 8 * MSS, "flat: %u", (c.cwnd - plateau) / MSS);
    rounds(&c, &now, 70);
    cr_assert_gt(c.cwnd - plateau, 250 * MSS, "convex: %u", (c.cwnd - plateau) / MSS);
}

Test(cubic, rfc9438_4_3_with_small_windows_it_is_as_fast_as_reno)
{
    struct tcp_conn c = alone(10 * MSS);
    uint64_t now = 10000000;
    lose(&c);
    rounds(&c, &now, 6); /* the curve needs cbrt(3 / 0.4) = 1.96 s for what Reno does in 3 / 0.53 rounds */
    cr_assert_geq(c.cwnd, 9 * MSS + MSS / 2, "%u", c.cwnd);
    cr_assert_leq(c.cwnd, 11 * MSS, "%u", c.cwnd);
}

Test(cubic, rfc9438_4_7_fast_convergence)
{
    struct tcp_conn c = alone(1000 * MSS);
    lose(&c); /* at 700 */
    lose(&c); /* below W_max: W_max becomes 0.85 * 700 = 595 */
    uint64_t now = 10000000;
    rounds(&c, &now, 65); /* K = cbrt((595 - 490) / 0.4) = 6.4 s */
    cr_assert_gt(c.cwnd, 590 * MSS, "%u", c.cwnd / MSS);
    cr_assert_lt(c.cwnd, 602 * MSS, "%u", c.cwnd / MSS);
}

Test(cubic, rfc9438_4_4_no_more_than_half_again_in_a_round_trip)
{
    struct tcp_conn c = alone(10 * MSS);
    uint64_t now = 10000000;
    lose(&c);
    rounds(&c, &now, 1);
    now += 100000000; /* the curve has run away */
    uint32_t before = c.cwnd;
    rounds(&c, &now, 1);
    cr_assert_leq(c.cwnd, before + before / 2 + 2 * MSS);
}

Test(cubic, rfc9406_4_2_a_growing_round_trip_ends_slow_start)
{
    struct tcp_conn c = alone(10 * MSS);
    uint32_t rounds_taken = 0;
    for (uint32_t round = 0; round < 20 && c.ssthresh == 1u << 30; round++, rounds_taken++) {
        uint32_t rtt = round < 3 ? 50000 : 50000 + 8000 * (round - 2), before = c.cwnd;
        c.snd_max = c.snd_una + c.cwnd;
        uint32_t end = c.snd_max;
        while (seq_lt(c.snd_una, end)) {
            tcp_cubic.rtt(&c, rtt);
            c.snd_una += 2 * MSS;
            c.snd_max += 2 * MSS;
            tcp_cubic.acked(&c, 2 * MSS, 1000000 + round * 50000);
        }
        if (round < 3) {
            cr_assert_geq(c.cwnd, 2 * before - 4 * MSS, "slow start doubles");
        }
    }
    cr_assert_geq(rounds_taken, 8, "five rounds of conservative slow start: %u", rounds_taken);
    cr_assert_leq(rounds_taken, 11);
    cr_assert_lt(c.cwnd, 400 * MSS, "which grow by a quarter each: %u", c.cwnd / MSS);
}

Test(cubic, rfc9406_4_2_a_spike_that_passes_goes_on_with_slow_start)
{
    struct tcp_conn c = alone(10 * MSS);
    for (uint32_t round = 0; round < 6; round++) {
        uint32_t rtt = round == 3 ? 70000 : 50000;
        c.snd_max = c.snd_una + c.cwnd;
        uint32_t end = c.snd_max;
        while (seq_lt(c.snd_una, end)) {
            tcp_cubic.rtt(&c, rtt);
            c.snd_una += 2 * MSS;
            tcp_cubic.acked(&c, 2 * MSS, 1000000 + round * 50000);
        }
    }
    cr_assert_eq(c.ssthresh, 1u << 30);
    cr_assert_gt(c.cwnd, 250 * MSS, "%u", c.cwnd / MSS);
}

Test(cubic, is_the_default_and_newreno_can_be_chosen)
{
    script_open(&(struct tcp_config){.conns_max = 2});
    cr_assert_str_eq(S.e->congestion->name, "cubic");
    script_end();
    script_open(&(struct tcp_config){.conns_max = 2, .newreno = true});
    cr_assert_str_eq(S.e->congestion->name, "newreno");
    script_end();
}

Test(cubic, rfc5681_4_1_an_idle_window_restarts_and_rfc2861_3_1_its_threshold_remembers)
{
    script_open(&(struct tcp_config){.conns_max = 2});
    conn()->ssthresh = 12 * MSS;
    conn()->cwnd = 40 * MSS;
    SLEEP(1000);
    WRITE(100);
    cr_assert_eq(conn()->cwnd, 10 * MSS);
    cr_assert_eq(conn()->ssthresh, 30 * MSS);
    script_end();
}

Test(cubic, a_spurious_reduction_restores_the_curve)
{
    struct tcp_conn c = alone(100 * MSS);
    lose(&c);
    uint32_t before[3];
    memcpy(before, c.cc, sizeof before);
    lose(&c);
    cr_assert_neq(memcmp(before, c.cc, sizeof before), 0, "all of it is in the words that undo keeps");
    cr_assert_eq(sizeof before, sizeof((struct board *)0)->undo_cc);
}
