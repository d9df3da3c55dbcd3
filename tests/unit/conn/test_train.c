/* SPDX-License-Identifier: BSD-3-Clause */
/* Trains of segments: a port's knife, written here from what cards do, must give back the frames joined. */
#include <criterion/criterion.h>

#include "conn/train.h"
#include "net/checksum.h"
#include "net/ip4.h"
#include "net/ip6.h"
#include "tcp/segment.h"

#define FRAME_BYTES 1600u
#define L2_BYTES    14u
#define MSS         1400u

struct frame {
    uint8_t bytes[FRAME_BYTES];
    size_t len, l3_len;
};

static struct tcp_tuple ends[2];
static struct tcp_header header;

static void ends_make(void)
{
    for (int six = 0; six < 2; six++) {
        uint8_t a[16] = {0x20, 1, 0, 2, [15] = 1}, b[16] = {0x20, 1, 0, 2, [15] = 2};
        const uint8_t a4[16] = {[10] = 0xff, 0xff, 198, 18, 0, 1},
                      b4[16] = {[10] = 0xff, 0xff, 198, 18, 0, 2};
        memcpy(ends[six].local.b, six ? a : a4, 16);
        memcpy(ends[six].peer.b, six ? b : b4, 16);
    }
    header = (struct tcp_header){.source = 443,
                                 .destination = 50000,
                                 .seq = 0xfffff000u, /* it comes round */
                                 .ack = 77,
                                 .window = 4711,
                                 .flags = TCP_ACK,
                                 .wscale = 0xff,
                                 .has_timestamps = true,
                                 .tsval = 1234,
                                 .tsecr = 99};
}

TestSuite(train, .init = ends_make);

/* A frame with `len` bytes of payload from header.seq on; the port is to finish its checksum, or has. */
static struct frame frame_make(bool six, size_t len, bool finished)
{
    struct frame f = {.l3_len = six ? 40 : 20};
    const struct tcp_tuple *t = &ends[six];
    memset(f.bytes, 0xaa, 12);
    store_be16(f.bytes + 12, six ? 0x86dd : 0x0800);
    uint8_t *tcp = f.bytes + L2_BYTES + f.l3_len;
    size_t tcp_len = segment_write(tcp, &header);
    for (size_t i = 0; i < len; i++) {
        tcp[tcp_len + i] = (uint8_t)((header.seq + i) * 31u >> 3);
    }
    tcp_len += len;
    if (six) {
        ip6_write(f.bytes + L2_BYTES, &t->local, &t->peer, 6, 2, 64, 5, tcp_len);
    } else {
        ip4_write(f.bytes + L2_BYTES, &t->local, &t->peer, 6, 2, tcp_len);
    }
    segment_checksum(t, span_of(tcp, tcp_len), !finished);
    f.len = L2_BYTES + f.l3_len + tcp_len;
    return f;
}

/* Whether `next` joins a train that `first` began. */
static bool joins(struct frame *first, const struct frame *next)
{
    struct train t;
    train_begin(&t, span_of(first->bytes, first->len), L2_BYTES, (uint8_t)first->l3_len);
    return train_join(&t, view_of(next->bytes, next->len), L2_BYTES, (uint8_t)next->l3_len);
}

/* What a card does with car `i` of a train whose headers are `engine` and whose payload is `bytes`. */
static struct frame cut(const struct train *t, const struct frame *engine, const uint8_t *bytes, uint32_t i)
{
    struct frame f = {.l3_len = engine->l3_len};
    uint32_t at = i * t->mss, left = t->payload - at, len = left < t->mss ? left : t->mss;
    memcpy(f.bytes, engine->bytes, t->header_len);
    memcpy(f.bytes + t->header_len, bytes + at, len);
    f.len = t->header_len + len;
    uint8_t *ip = f.bytes + L2_BYTES, *tcp = ip + f.l3_len;
    size_t segment = f.len - L2_BYTES - f.l3_len;
    if (f.l3_len == 20) {
        cr_assert_eq(load_be16(ip + 2), t->header_len - L2_BYTES + t->payload);
        store_be16(ip + 2, (uint16_t)(f.l3_len + segment));
        cr_assert_eq(load_be16(ip + 10), 0, "the port's to compute");
        store_be16(ip + 10, checksum_finish(checksum_add(0, view_of(ip, 20))));
    } else {
        cr_assert_eq(load_be16(ip + 4), t->header_len - L2_BYTES - 40 + t->payload);
        store_be16(ip + 4, (uint16_t)segment);
    }
    store_be32(tcp + 4, load_be32(tcp + 4) + at);
    if (left > len) {
        tcp[13] &= (uint8_t) ~(TCP_PSH | TCP_FIN);
    }
    /* The field has the sum of the pseudo-header without a length: a card adds that and the segment. */
    uint8_t part[4];
    memcpy(part, tcp + 16, 2);
    store_be16(part + 2, (uint16_t)segment);
    uint64_t sum = checksum_add(0, view_of(part, sizeof part));
    store_be16(tcp + 16, 0);
    store_be16(tcp + 16, checksum_finish(checksum_add(sum, view_of(tcp, segment))));
    return f;
}

/* Joins segments of these lengths, has them cut, and compares. */
static void round_trip(bool six, const size_t *lens, uint32_t n, uint8_t last_flags)
{
    static struct frame engine, wanted[WAX_TRAIN_CARS];
    static uint8_t bytes[WAX_TRAIN_BYTES];
    struct train t;
    size_t all = 0;
    for (uint32_t i = 0; i < n; i++) {
        header.flags = (uint8_t)(TCP_ACK | (i + 1 == n ? last_flags : 0));
        struct frame f = frame_make(six, lens[i], false);
        wanted[i] = frame_make(six, lens[i], true);
        if (i == 0) {
            engine = f;
            train_begin(&t, span_of(engine.bytes, engine.len), L2_BYTES, (uint8_t)f.l3_len);
        } else {
            cr_assert(train_join(&t, view_of(f.bytes, f.len), L2_BYTES, (uint8_t)f.l3_len), "car %u", i);
        }
        memcpy(bytes + all, f.bytes + f.len - lens[i], lens[i]);
        all += lens[i];
        header.seq += (uint32_t)lens[i];
    }
    cr_assert_eq(t.cars, n);
    cr_assert_eq(t.payload, all);
    for (uint32_t i = 0; i < n; i++) {
        struct frame f = cut(&t, &engine, bytes, i);
        cr_assert_eq(f.len, wanted[i].len);
        for (size_t at = 0; at < f.len; at++) {
            cr_assert_eq(f.bytes[at], wanted[i].bytes[at], "byte %zu of car %u", at, i);
        }
    }
}

Test(train, what_is_cut_is_what_was_joined)
{
    const size_t lens[] = {MSS, MSS, MSS, 17};
    for (int six = 0; six < 2; six++) {
        round_trip(six, lens, 4, TCP_PSH);
        round_trip(six, lens, 3, 0);
        round_trip(six, lens, 4, TCP_PSH | TCP_FIN);
        round_trip(six, lens + 2, 2, TCP_FIN);
    }
}

Test(train, a_long_one)
{
    size_t lens[WAX_TRAIN_CARS];
    for (uint32_t i = 0; i < WAX_TRAIN_CARS; i++) {
        lens[i] = MSS;
    }
    round_trip(false, lens, WAX_TRAIN_CARS, 0);
    round_trip(true, lens, WAX_TRAIN_CARS, TCP_PSH);
}

Test(train, it_ends_behind_a_short_car)
{
    struct frame first = frame_make(false, MSS, false);
    struct train t;
    train_begin(&t, span_of(first.bytes, first.len), L2_BYTES, 20);
    header.seq += MSS;
    struct frame shorter = frame_make(false, 100, false);
    cr_assert(train_join(&t, view_of(shorter.bytes, shorter.len), L2_BYTES, 20));
    header.seq += 100;
    struct frame next = frame_make(false, 100, false);
    cr_assert_not(train_join(&t, view_of(next.bytes, next.len), L2_BYTES, 20));
}

Test(train, a_longer_car_does_not_follow_a_shorter_one)
{
    struct frame first = frame_make(false, 100, false);
    header.seq += 100;
    struct frame next = frame_make(false, MSS, false);
    cr_assert_not(joins(&first, &next));
}

Test(train, it_has_an_end)
{
    struct frame first = frame_make(false, 10, false);
    struct train t;
    train_begin(&t, span_of(first.bytes, first.len), L2_BYTES, 20);
    for (uint32_t i = 1; i < WAX_TRAIN_CARS; i++) {
        header.seq += 10;
        struct frame next = frame_make(false, 10, false);
        cr_assert(train_join(&t, view_of(next.bytes, next.len), L2_BYTES, 20));
    }
    header.seq += 10;
    struct frame next = frame_make(false, 10, false);
    cr_assert_not(train_join(&t, view_of(next.bytes, next.len), L2_BYTES, 20), "cars");

    t.cars = 2;
    t.mss = WAX_TRAIN_BYTES / 2;
    t.payload = WAX_TRAIN_BYTES;
    cr_assert_not(train_join(&t, view_of(next.bytes, next.len), L2_BYTES, 20), "bytes");
}

Test(train, only_data_begins_one)
{
    const struct {
        uint8_t flags;
        size_t len;
    } none[] = {{TCP_ACK, 0},
                {TCP_SYN | TCP_ACK, 10},
                {TCP_RST | TCP_ACK, 10},
                {TCP_FIN | TCP_ACK, 10},
                {TCP_URG | TCP_ACK, 10},
                {TCP_CWR | TCP_ACK, 10},
                {TCP_ECE | TCP_ACK, 10}};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        struct train t = {0};
        header.flags = none[i].flags;
        struct frame f = frame_make(false, none[i].len, false);
        train_begin(&t, span_of(f.bytes, f.len), L2_BYTES, 20);
        cr_assert_null(t.frame, "flags %02x", none[i].flags);
    }
}

/* A field of the headers, and what changes in it. */
Test(train, nothing_else_may_differ)
{
    for (int six = 0; six < 2; six++) {
        size_t header_len = L2_BYTES + (six ? 40u : 20u) + 20 + 12, l3 = L2_BYTES, l4 = header_len - 32;
        for (size_t at = 0; at < header_len; at++) {
            ends_make();
            struct frame first = frame_make(six, MSS, false);
            header.seq += MSS;
            struct frame next = frame_make(six, MSS, false);
            bool ip_len = six ? (at == l3 + 4 || at == l3 + 5) : (at == l3 + 2 || at == l3 + 3);
            bool ip_sum = !six && (at == l3 + 10 || at == l3 + 11);
            bool tcp_sum = at == l4 + 16 || at == l4 + 17;
            next.bytes[at] ^= at == l4 + 13 ? TCP_URG : 1;
            cr_assert_eq(joins(&first, &next), ip_len || ip_sum || tcp_sum, "byte %zu of family %d", at, six);
        }
    }
}

Test(train, a_pushed_segment_is_the_last)
{
    header.flags = TCP_ACK | TCP_PSH;
    struct frame first = frame_make(false, MSS, false);
    header.seq += MSS;
    struct frame next = frame_make(false, MSS, false);
    cr_assert_not(joins(&first, &next));
}

Test(train, a_forgotten_one_takes_nothing)
{
    struct frame first = frame_make(false, MSS, false);
    struct train t;
    train_begin(&t, span_of(first.bytes, first.len), L2_BYTES, 20);
    header.seq += MSS;
    struct frame next = frame_make(false, MSS, false);
    train_forget(&t);
    cr_assert_not(train_join(&t, view_of(next.bytes, next.len), L2_BYTES, 20));
}
