/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CUBIC (RFC 9438), and in the first slow start HyStart++ (RFC 9406), which ends it before the queue
 * overflows. They are never needed together, so they share the words that a connection has for its congestion
 * control. Lengths are bytes, times milliseconds; the root is taken in integers.
 *
 * The curve is W(t) = C (t - K)^3 + W_max with C = 0.4 segments/s^3. K follows from where the epoch began,
 * which is ssthresh: both are set by the same reduction (RFC 9438 4.2), so neither K nor the beginning is
 * stored. For the same reason the window before the reduction (cwnd_prior, 4.3) is ssthresh / beta.
 */
#include "tcp/engine.h"

#define CWND_MAX      (1u << 30)
#define BETA_NUM      7u /* RFC 9438 4.6: 0.7 */
#define BETA_DEN      10u
#define ALPHA_NUM     9u /* 4.3: 3 (1 - beta) / (1 + beta) = 9 / 17 */
#define ALPHA_DEN     17u
#define EPOCH_MAX_MS  (1u << 20) /* a curve is not followed farther */
#define MIN_RTT_UNITS 28u

/* HyStart++ (RFC 9406 4.3). */
#define RTT_THRESH_MIN_US 4000u
#define RTT_THRESH_MAX_US 16000u
#define RTT_DIVISOR       8u
#define RTT_SAMPLES       8u
#define CSS_GROWTH        4u
#define CSS_ROUNDS        5u
#define RTT_NONE          ((1u << MIN_RTT_UNITS) - 1)

struct hystart {
    uint32_t window_end;                  /* the round ends when this is acknowledged */
    uint32_t last_us : 28, samples : 4;   /* in CSS: the baseline */
    uint32_t current_us : 28, rounds : 4; /* rounds in CSS, counted from 1; 0: slow start */
};

struct cubic {
    uint32_t w_max;
    uint32_t epoch_ms; /* 0: none, the next ACK begins one */
    uint32_t w_est;    /* in sixteenths of a byte: acknowledgements are small beside a window */
};

_Static_assert(sizeof(struct hystart) <= sizeof((struct tcp_conn *)0)->cc &&
                   sizeof(struct cubic) <= sizeof((struct tcp_conn *)0)->cc,
               "either fits a connection");

static struct hystart hystart_of(const struct tcp_conn *c)
{
    struct hystart h;
    memcpy(&h, c->cc, sizeof h);
    return h;
}

static void hystart_put(struct tcp_conn *c, const struct hystart *h)
{
    memcpy(c->cc, h, sizeof *h);
}

static struct cubic cubic_of(const struct tcp_conn *c)
{
    struct cubic k;
    memcpy(&k, c->cc, sizeof k);
    return k;
}

static void cubic_put(struct tcp_conn *c, const struct cubic *k)
{
    memcpy(c->cc, k, sizeof *k);
}

/* The integer cube root. */
uint32_t cubic_root(uint64_t x)
{
    uint64_t root = 0;
    for (int bit = 20; bit >= 0; bit--) { /* so that no cube overflows */
        uint64_t next = root | 1ull << bit;
        if (next * next * next <= x) {
            root = next;
        }
    }
    return (uint32_t)root;
}

/* 4.2: K in ms, for a curve that rises `rise` bytes to its plateau: cbrt(rise / (0.4 segments/s^3)). */
static uint32_t plateau_ms(uint32_t rise, uint32_t mss)
{
    return cubic_root((uint64_t)rise * 2500000000u / mss);
}

/* What the curve adds to W_max at `t_ms` from its plateau, in bytes: 0.4 * mss * t^3. */
static uint64_t curve(uint32_t t_ms, uint32_t mss)
{
    uint64_t t = t_ms < EPOCH_MAX_MS ? t_ms : EPOCH_MAX_MS;
    uint64_t cube = t * t / 1000 * t / 1000; /* ms * s^2 */
    return cube < (1ull << 40) ? cube * mss / 2500 : CWND_MAX;
}

/* 4.2: the curve's value at `at_ms` of the epoch that began at `start` bytes. */
static uint32_t target(uint32_t w_max, uint32_t start, uint32_t at_ms, uint32_t mss)
{
    uint32_t k = w_max > start ? plateau_ms(w_max - start, mss) : 0;
    if (at_ms < k) {
        uint64_t below = curve(k - at_ms, mss);
        return below < w_max ? w_max - (uint32_t)below : 0;
    }
    uint64_t above = (uint64_t)(w_max > start ? w_max : start) + curve(at_ms - k, mss);
    return above < CWND_MAX ? (uint32_t)above : CWND_MAX;
}

static void cubic_start(struct tcp_conn *c, uint32_t initial_window)
{
    c->cwnd = initial_window;
    c->ssthresh = CWND_MAX;
    struct hystart h = {.window_end = c->snd_max, .last_us = RTT_NONE, .current_us = RTT_NONE};
    hystart_put(c, &h);
}

/* RFC 9406 4.2: a round ends, the next begins. */
static void hystart_round(struct tcp_conn *c, struct hystart *h)
{
    h->window_end = c->snd_max;
    if (h->rounds == 0) {
        h->last_us = h->current_us;
    } else if (++h->rounds > CSS_ROUNDS) {
        /* The way out of slow start: congestion avoidance from here. */
        c->ssthresh = c->cwnd;
        struct cubic k = {.w_max = c->cwnd};
        cubic_put(c, &k);
        return;
    }
    h->current_us = RTT_NONE;
    h->samples = 0;
    hystart_put(c, h);
}

/* RFC 9406 4.2: a sample. The path is filling when a round's shortest time has grown. */
static void cubic_rtt(struct tcp_conn *c, uint32_t rtt_us)
{
    if (c->ssthresh != CWND_MAX) {
        return;
    }
    struct hystart h = hystart_of(c);
    rtt_us = rtt_us < RTT_NONE ? rtt_us : RTT_NONE - 1;
    h.current_us = (rtt_us < h.current_us ? rtt_us : h.current_us) & RTT_NONE;
    h.samples = (h.samples < 15u ? h.samples + 1u : 15u) & 15u;
    if (h.samples >= RTT_SAMPLES && h.current_us != RTT_NONE && h.last_us != RTT_NONE) {
        if (h.rounds == 0) {
            uint32_t thresh = h.last_us / RTT_DIVISOR;
            thresh = thresh < RTT_THRESH_MIN_US ? RTT_THRESH_MIN_US : thresh;
            thresh = thresh < RTT_THRESH_MAX_US ? thresh : RTT_THRESH_MAX_US;
            if (h.current_us >= h.last_us + thresh) {
                h.rounds = 1;
                h.last_us = h.current_us;
            }
        } else if (h.current_us < h.last_us) {
            h.rounds = 0; /* it was a spike: on with slow start */
            h.last_us = RTT_NONE;
        }
    }
    hystart_put(c, &h);
}

static void slow_start(struct tcp_conn *c, uint32_t bytes)
{
    uint32_t most = 8u * c->mss; /* RFC 9406 4.2, L: an ACK of very many is no reason for a burst */
    uint32_t step = bytes < most ? bytes : most;
    if (c->ssthresh != CWND_MAX) {
        step = step < c->mss ? step : c->mss;
        c->cwnd += c->cwnd < CWND_MAX ? step : 0;
        return;
    }
    struct hystart h = hystart_of(c);
    c->cwnd += c->cwnd < CWND_MAX ? (h.rounds == 0 ? step : step / CSS_GROWTH) : 0;
    if (seq_le(h.window_end, c->snd_una)) {
        hystart_round(c, &h);
    }
}

/* The epoch begins where the curve has the height of cwnd: at its foot after a loss, farther on after a
 * pause. */
static void epoch_begin(const struct tcp_conn *c, struct cubic *k, uint32_t start, uint32_t now_ms)
{
    uint32_t mss = c->mss, at_ms;
    uint32_t plateau = k->w_max > start ? plateau_ms(k->w_max - start, mss) : 0;
    if (c->cwnd < k->w_max) {
        uint32_t ahead = plateau_ms(k->w_max - c->cwnd, mss);
        at_ms = plateau > ahead ? plateau - ahead : 0;
    } else {
        k->w_max = k->w_max > start ? k->w_max : c->cwnd;
        at_ms = plateau + plateau_ms(c->cwnd - k->w_max, mss);
    }
    k->epoch_ms = (now_ms - at_ms) | 1u;
    k->w_est = c->cwnd < CWND_MAX / 16 ? c->cwnd * 16 : CWND_MAX;
}

/* RFC 9438 4.2 to 4.5. */
static void avoidance(struct tcp_conn *c, uint32_t bytes, uint64_t now_us)
{
    struct cubic k = cubic_of(c);
    uint32_t now_ms = (uint32_t)(now_us / 1000), mss = c->mss;
    uint32_t start = c->ssthresh < c->cwnd ? c->ssthresh : c->cwnd;
    if (k.epoch_ms == 0) {
        epoch_begin(c, &k, start, now_ms);
    }
    uint32_t at_ms = now_ms - k.epoch_ms, rtt_ms = c->srtt_us / 1000;
    at_ms = (int32_t)at_ms > 0 ? at_ms : 0;
    /* 4.3: the window that Reno would have, which grows as fast once it is back where it was. */
    uint32_t prior = (uint32_t)((uint64_t)c->ssthresh * BETA_DEN / BETA_NUM);
    uint64_t gain = (uint64_t)bytes * 16 * mss / c->cwnd;
    k.w_est += (uint32_t)(k.w_est / 16 < prior ? gain * ALPHA_NUM / ALPHA_DEN : gain);
    k.w_est = k.w_est < CWND_MAX ? k.w_est : CWND_MAX;
    if (target(k.w_max, start, at_ms, mss) < k.w_est / 16) {
        c->cwnd = c->cwnd > k.w_est / 16 ? c->cwnd : k.w_est / 16;
    } else {
        uint32_t aim = target(k.w_max, start, at_ms + rtt_ms, mss); /* 4.4, 4.5 */
        uint32_t most = c->cwnd + c->cwnd / 2;
        aim = aim < most ? aim : most;
        if (aim > c->cwnd) {
            c->cwnd += (uint32_t)((uint64_t)(aim - c->cwnd) * bytes / c->cwnd);
        }
    }
    c->cwnd = c->cwnd < CWND_MAX ? c->cwnd : CWND_MAX;
    cubic_put(c, &k);
}

static void cubic_acked(struct tcp_conn *c, uint32_t bytes, uint64_t now_us)
{
    if (c->cwnd < c->ssthresh) {
        slow_start(c, bytes);
    } else {
        avoidance(c, bytes, now_us);
    }
}

/* RFC 9438 4.6, 4.7. */
static uint32_t cubic_ssthresh(struct tcp_conn *c, uint32_t flight)
{
    struct cubic k = {0};
    if (c->ssthresh != CWND_MAX) {
        k = cubic_of(c);
    }
    uint32_t cwnd = c->cwnd;
    bool faster = cwnd < k.w_max; /* fast convergence: others need room */
    k.w_max = faster ? (uint32_t)((uint64_t)cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN)) : cwnd;
    k.epoch_ms = 0;
    cubic_put(c, &k);
    uint32_t floor = 2u * c->mss, less = (uint32_t)((uint64_t)flight * BETA_NUM / BETA_DEN);
    return less > floor ? less : floor;
}

/* RFC 9438 4.2.1, 5.8: time in which nothing was sent is no time of the epoch. */
static void cubic_idle(struct tcp_conn *c)
{
    if (c->ssthresh != CWND_MAX) {
        struct cubic k = cubic_of(c);
        k.epoch_ms = 0;
        cubic_put(c, &k);
    }
}

const struct tcp_congestion tcp_cubic = {
    .name = "cubic",
    .start = cubic_start,
    .acked = cubic_acked,
    .ssthresh = cubic_ssthresh,
    .rtt = cubic_rtt,
    .idle = cubic_idle,
};
