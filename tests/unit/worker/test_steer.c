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
        store_be16(frame + 18, 20);
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

static uint8_t frame6[256];

/* A frame of IPv6 with `next` behind the header, from 2001:2::5 to 2001:2::1, its payload of `len` bytes. */
static uint8_t *make6(uint8_t next, size_t len)
{
    memset(frame6, 0, sizeof frame6);
    store_be16(frame6 + 12, 0x86dd);
    uint8_t *ip = frame6 + 14;
    ip[0] = 0x60;
    store_be16(ip + 4, (uint16_t)len);
    ip[6] = next;
    memcpy(ip + 8, (uint8_t[16]){0x20, 1, 0, 2, [15] = 5}, 16);
    memcpy(ip + 24, (uint8_t[16]){0x20, 1, 0, 2, [15] = 1}, 16);
    return ip + 40;
}

static uint32_t steer6(size_t len)
{
    return steer_frame(&steer, view_of(frame6, 14 + 40 + len));
}

static void ports6(uint8_t *tcp, uint16_t from, uint16_t to)
{
    store_be16(tcp, from);
    store_be16(tcp + 2, to);
}

Test(steer, an_ipv6_flow_stays_with_its_worker_behind_extension_headers_and_in_errors)
{
    for (uint16_t i = 0; i < 100; i++) {
        ports6(make6(6, 20), (uint16_t)(3000 + i), 443);
        uint32_t to = steer6(20);
        cr_assert_lt(to, WORKERS);
        uint8_t *chain = make6(44, 28); /* an atomic fragment */
        chain[0] = 6;
        ports6(chain + 8, (uint16_t)(3000 + i), 443);
        cr_assert_eq(steer6(28), to);
        uint8_t *icmp = make6(58, 68); /* too big, about our segment to that peer */
        icmp[0] = 2;
        uint8_t *quoted = icmp + 8;
        quoted[0] = 0x60;
        quoted[6] = 6;
        memcpy(quoted + 8, frame6 + 14 + 24, 16);
        memcpy(quoted + 24, frame6 + 14 + 8, 16);
        ports6(quoted + 40, 443, (uint16_t)(3000 + i));
        cr_assert_eq(steer6(68), to);
        icmp[0] = 128;
        cr_assert_eq(steer6(68), STEER_HERE, "an echo is about no flow");
    }
}

Test(steer, news_of_neighbours_and_routers_go_to_everyone_and_questions_do_not)
{
    uint8_t *icmp = make6(58, 32);
    static const struct {
        uint8_t type;
        uint32_t to;
    } messages[] = {
        {134, STEER_ALL}, {136, STEER_ALL}, {135, STEER_HERE}, {133, STEER_HERE}, {137, STEER_HERE}};
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        icmp[0] = messages[i].type;
        cr_assert_eq(steer6(32), messages[i].to, "type %u", messages[i].type);
    }
    icmp[0] = 135;
    memset(frame6 + 14 + 8, 0, 16); /* a claim of an address */
    cr_assert_eq(steer6(32), STEER_ALL);
}

Test(steer, a_tag_changes_nothing)
{
    uint8_t frame[LEN], tagged[LEN + 4];
    for (uint16_t i = 0; i < 50; i++) {
        uint32_t to = steer_frame(&steer, tcp4(frame, 0xc6120101, (uint16_t)(5000 + i)));
        memcpy(tagged, frame, 12);
        store_be16(tagged + 12, 0x8100);
        store_be16(tagged + 14, 42);
        memcpy(tagged + 16, frame + 12, LEN - 12);
        cr_assert_eq(steer_frame(&steer, view_of(tagged, sizeof tagged)), to);
    }
    cr_assert_eq(steer_frame(&steer, view_of(tagged, 16)), STEER_HERE, "cut within the tag");
}
