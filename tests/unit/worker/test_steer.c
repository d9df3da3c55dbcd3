/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/random.h"
#include "worker/steer.h"

enum { WORKERS = 4, LEN = 14 + 20 + 20 };

static struct steer steer;

static void make(void)
{
    uint8_t key[RSS_KEY_BYTES];
    struct rng rng;
    rng_init(&rng, 7);
    rng_fill(&rng, span_of(key, sizeof key));
    steer_init(&steer, key, WORKERS);
}

/* A TCP segment from source:sport to 198.18.0.2:443. */
static struct view tcp4(uint8_t *frame, uint32_t source, uint16_t sport)
{
    memset(frame, 0, LEN);
    store_be16(frame + 12, 0x0800);
    frame[14] = 0x45;
    store_be16(frame + 16, LEN - 14);
    frame[14 + 9] = 6;
    store_be32(frame + 14 + 12, source);
    store_be32(frame + 14 + 16, 0xc6120002);
    store_be16(frame + 34, sport);
    store_be16(frame + 36, 443);
    return view_of(frame, LEN);
}

TestSuite(steer, .init = make);

Test(steer, flows_are_spread_evenly_and_each_stays_with_one_worker)
{
    uint32_t count[WORKERS] = {0};
    for (uint32_t i = 0; i < 4000; i++) {
        uint8_t frame[LEN];
        struct view view = tcp4(frame, 0xc6120100 + i % 50, (uint16_t)(1024 + i));
        uint32_t to = steer_frame(&steer, view);
        cr_assert_lt(to, WORKERS);
        frame[47] = 0x18; /* flags and window matter not */
        frame[48] = 0x55;
        cr_assert_eq(steer_frame(&steer, view), to);
        count[to]++;
    }
    for (uint32_t w = 0; w < WORKERS; w++)
        cr_assert(count[w] > 800 && count[w] < 1200, "worker %u has %u of 4000", w, count[w]);
}

Test(steer, an_icmp_error_follows_the_flow_it_is_about)
{
    for (uint16_t i = 0; i < 200; i++) {
        uint8_t segment[LEN], error[14 + 20 + 8 + 28] = {0};
        uint32_t to = steer_frame(&steer, tcp4(segment, 0xc6120101, (uint16_t)(5000 + i)));
        store_be16(error + 12, 0x0800);
        error[14] = 0x45;
        error[14 + 9] = 1;
        error[34] = 3; /* unreachable, fragmentation needed */
        error[35] = 4;
        uint8_t *quoted = error + 42; /* our segment to that peer: ends swapped */
        quoted[0] = 0x45;
        quoted[9] = 6;
        store_be32(quoted + 12, 0xc6120002);
        store_be32(quoted + 16, 0xc6120101);
        store_be16(quoted + 20, 443);
        store_be16(quoted + 22, (uint16_t)(5000 + i));
        cr_assert_eq(steer_frame(&steer, view_of(error, sizeof error)), to);
        error[34] = 8; /* an echo request is about no flow */
        cr_assert_eq(steer_frame(&steer, view_of(error, sizeof error)), STEER_HERE);
    }
}

Test(steer, arp_replies_go_to_everyone_and_requests_to_nobody_else)
{
    uint8_t frame[60] = {0};
    store_be16(frame + 12, 0x0806);
    store_be16(frame + 20, 2);
    cr_assert_eq(steer_frame(&steer, view_of(frame, sizeof frame)), STEER_ALL);
    store_be16(frame + 20, 1);
    cr_assert_eq(steer_frame(&steer, view_of(frame, sizeof frame)), STEER_HERE);
}

Test(steer, ipv6_flows_are_spread_too)
{
    uint32_t seen = 0;
    for (uint16_t i = 0; i < 64; i++) {
        uint8_t frame[14 + 40 + 20] = {0};
        store_be16(frame + 12, 0x86dd);
        frame[14] = 0x60;
        frame[14 + 6] = 6;
        frame[14 + 8] = 0x20;
        frame[14 + 24] = 0x20;
        store_be16(frame + 54, (uint16_t)(2000 + i));
        uint32_t to = steer_frame(&steer, view_of(frame, sizeof frame));
        cr_assert_lt(to, WORKERS);
        seen |= 1u << to;
    }
    cr_assert_eq(seen, (1u << WORKERS) - 1);
}

Test(steer, cut_frames_are_nobodys_and_never_read_beyond_their_end)
{
    uint8_t whole[LEN];
    tcp4(whole, 0xc6120101, 5000);
    for (size_t len = 0; len < LEN; len++) {
        uint8_t *cut = malloc(len == 0 ? 1 : len); /* of its exact size, for the sanitizer */
        memcpy(cut, whole, len);
        uint32_t to = steer_frame(&steer, view_of(cut, len));
        cr_assert(len >= 14 + 24 ? to < WORKERS : to == STEER_HERE, "length %zu", len);
        free(cut);
    }
    whole[14] = 0x4f; /* a header longer than the frame */
    cr_assert_eq(steer_frame(&steer, view_of(whole, LEN)), STEER_HERE);
    whole[14] = 0x41;
    cr_assert_eq(steer_frame(&steer, view_of(whole, LEN)), STEER_HERE);
}
