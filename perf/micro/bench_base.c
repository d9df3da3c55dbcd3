/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the parts of the base layer cost, in nanoseconds of CPU time an operation: the median of several
 * rounds on one thread. Pin it (`taskset -c 1 bench-base`) and compare ratios; absolute figures belong to the
 * machine.
 *
 *     bench-base [--entries N] [--rounds N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/fifo.h"
#include "base/flow.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/ring.h"
#include "base/wheel.h"

#define BURST      32u
#define ROUNDS_MAX 64u
#define OPERATIONS (1u << 20)

/* Stands for a connection: the key that a lookup compares, and a timer. */
struct state {
    uint64_t key[5];
    struct timer timer;
    uint64_t rest[25];
};

_Static_assert(sizeof(struct state) == 256, "the size of an idle connection");

static uint32_t entries = 1000000, rounds = 7;
static struct state *states;
static struct flow_table flow;
static struct wheel wheel;
static uint64_t *hashes; /* of the entries, then of as many that are absent */
static uint32_t *order;  /* entries in random order */
static volatile uint64_t sink;

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *memory_get(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    memset(p, 0, bytes);
    return p;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Runs `round` (which returns the number of operations it did) several times. */
static void measure(const char *name, uint64_t (*round)(void))
{
    double ns[ROUNDS_MAX];
    for (uint32_t i = 0; i < rounds; i++) {
        uint64_t begin = now_ns();
        uint64_t operations = round();
        ns[i] = (double)(now_ns() - begin) / (double)operations;
    }
    qsort(ns, rounds, sizeof ns[0], compare);
    printf("%-46s %8.2f ns  (%.2f to %.2f)\n", name, ns[rounds / 2], ns[0], ns[rounds - 1]);
}

static bool same_key(const void *ctx, uint32_t value)
{
    return states[value].key[0] == *(const uint64_t *)ctx;
}

static uint64_t flow_one_by_one(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < entries; i++) {
        const uint64_t *hash = &hashes[order[i]];
        sum += flow_find(&flow, *hash, same_key, hash);
    }
    sink = sum;
    return entries;
}

static uint64_t flow_in_bursts(void)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at + BURST <= entries; at += BURST) {
        for (uint32_t i = 0; i < BURST; i++) {
            flow_prefetch(&flow, hashes[order[at + i]]);
        }
        for (uint32_t i = 0; i < BURST; i++) {
            uint32_t guess = flow_guess(&flow, hashes[order[at + i]]);
            if (guess != FLOW_NONE) {
                __builtin_prefetch(&states[guess]);
            }
        }
        for (uint32_t i = 0; i < BURST; i++) {
            const uint64_t *hash = &hashes[order[at + i]];
            sum += flow_find(&flow, *hash, same_key, hash);
        }
    }
    sink = sum;
    return entries / BURST * BURST;
}

static uint64_t flow_guess_in_bursts(void)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at + BURST <= entries; at += BURST) {
        for (uint32_t i = 0; i < BURST; i++) {
            flow_prefetch(&flow, hashes[order[at + i]]);
        }
        for (uint32_t i = 0; i < BURST; i++) {
            sum += flow_guess(&flow, hashes[order[at + i]]);
        }
    }
    sink = sum;
    return entries / BURST * BURST;
}

static uint64_t flow_absent_in_bursts(void)
{
    uint64_t sum = 0;
    for (uint32_t at = 0; at + BURST <= entries; at += BURST) {
        for (uint32_t i = 0; i < BURST; i++) {
            flow_prefetch(&flow, hashes[entries + order[at + i]]);
        }
        for (uint32_t i = 0; i < BURST; i++) {
            const uint64_t *hash = &hashes[entries + order[at + i]];
            sum += flow_find(&flow, *hash, same_key, hash);
        }
    }
    sink = sum;
    return entries / BURST * BURST;
}

static uint64_t flow_churn(void)
{
    for (uint32_t i = 0; i < entries; i++) {
        (void)flow_remove(&flow, hashes[order[i]], order[i]);
        (void)flow_insert(&flow, hashes[order[i]], order[i]);
    }
    return entries;
}

/* Timers as TCP uses them: armed for some 200 ms and re-armed before they expire. */
static uint64_t wheel_rearm(void)
{
    static uint64_t now_us;
    for (uint32_t i = 0; i < entries; i++) {
        wheel_arm(&wheel, &states[order[i]].timer, now_us + 200000 + (order[i] & 0xffff));
    }
    now_us += 1;
    return entries;
}

static uint64_t wheel_rearm_warm(void)
{
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        wheel_arm(&wheel, &states[i % 64].timer, 200000 + (i & 0xffff));
    }
    return OPERATIONS;
}

/* A turn of a poll loop each 10 us with all timers armed and far away. */
static uint64_t wheel_idle_turns(void)
{
    static uint64_t now_us;
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        if (wheel_expire(&wheel, now_us) != NULL) {
            abort();
        }
        now_us += 10;
    }
    return OPERATIONS;
}

/* Every timer set for four minutes, as heartbeats are, and time run through until all have expired. */
static uint64_t wheel_whole_life(void)
{
    struct wheel hearts;
    wheel_init(&hearts, &states[0].timer, sizeof states[0], 1000, 0);
    for (uint32_t i = 0; i < entries; i++) {
        wheel_arm(&hearts, &states[order[i]].timer, 1 + (uint64_t)i * 240000000u / entries);
    }
    for (uint64_t now_us = 0; hearts.armed > 0; now_us += 1000) {
        while (wheel_expire(&hearts, now_us) != NULL) {
        }
    }
    return entries;
}

static struct pool blocks;

static uint64_t pool_take_give(void)
{
    void *held[BURST];
    for (uint32_t n = 0; n < OPERATIONS; n += BURST) {
        for (uint32_t i = 0; i < BURST; i++) {
            held[i] = pool_take(&blocks);
        }
        for (uint32_t i = 0; i < BURST; i++) {
            pool_give(&blocks, held[i]);
        }
    }
    return OPERATIONS;
}

static uint64_t fifo_in_out(void)
{
    static uint8_t bytes[256];
    struct fifo fifo = {0};
    for (uint32_t n = 0; n < OPERATIONS; n++) {
        (void)fifo_append(&blocks, &fifo, view_of(bytes, sizeof bytes));
        if (fifo.len > 8192) {
            fifo_consume(&blocks, &fifo, 4096);
        }
    }
    fifo_clear(&blocks, &fifo);
    return OPERATIONS;
}

static struct ring *ring;
static uint32_t ring_burst;

static uint64_t ring_through(void)
{
    uint64_t items[64 * 8] = {0};
    uint64_t done = 0;
    while (done < OPERATIONS) {
        (void)ring_push(ring, items, ring_burst);
        done += ring_pop(ring, items, ring_burst);
    }
    return done;
}

static void measure_ring(uint32_t item_bytes)
{
    size_t bytes = ring_bytes(1024, item_bytes);
    uint8_t *memory = malloc(bytes);
    if (memory == NULL || ring_init(&ring, span_of(memory, bytes), 1024, item_bytes) != WAX_OK) {
        exit(1);
    }
    static const uint32_t bursts[] = {1, 8, 32};
    for (size_t i = 0; i < sizeof bursts / sizeof bursts[0]; i++) {
        char name[64];
        ring_burst = bursts[i];
        snprintf(name, sizeof name, "ring push + pop, %u B, burst %u, one thread", item_bytes, ring_burst);
        measure(name, ring_through);
    }
    free(memory);
}

static uint64_t hash_of_tuple_13(void)
{
    static const uint64_t key[2] = {1, 2};
    uint8_t tuple[36] = {0};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        store_be32(tuple, i);
        sum += siphash13(key, view_of(tuple, sizeof tuple));
    }
    sink = sum;
    return OPERATIONS;
}

static uint64_t hash_of_tuple_24(void)
{
    static const uint64_t key[2] = {1, 2};
    uint8_t tuple[36] = {0};
    uint64_t sum = 0;
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        store_be32(tuple, i);
        sum += siphash24(key, view_of(tuple, sizeof tuple));
    }
    sink = sum;
    return OPERATIONS;
}

static void set_up(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    states = memory_get((size_t)entries * sizeof *states);
    hashes = memory_get(2 * (size_t)entries * sizeof *hashes);
    order = memory_get((size_t)entries * sizeof *order);
    size_t bytes = flow_bytes(entries);
    if (flow_init(&flow, span_of(memory_get(bytes), bytes), entries) != WAX_OK) {
        exit(1);
    }
    for (uint32_t i = 0; i < entries; i++) {
        hashes[i] = rng_next(&rng);
        hashes[entries + i] = rng_next(&rng);
        states[i].key[0] = hashes[i];
        if (flow_insert(&flow, hashes[i], i) != WAX_OK) {
            exit(1);
        }
        uint32_t other = (uint32_t)rng_below(&rng, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    bytes = pool_bytes(64, WAX_BLOCK_BYTES);
    if (pool_init(&blocks, span_of(memory_get(bytes), bytes), 64, WAX_BLOCK_BYTES) != WAX_OK) {
        exit(1);
    }
    printf("%u entries, flow table %.1f bytes an entry\n", entries, (double)flow_bytes(entries) / entries);
}

static void measure_wheel(void)
{
    wheel_init(&wheel, &states[0].timer, sizeof states[0], 1000, 0);
    for (uint32_t i = 0; i < entries; i++) {
        wheel_arm(&wheel, &states[i].timer, UINT64_C(3600000000000));
    }
    measure("wheel turn, nothing due, all armed", wheel_idle_turns);
    for (uint32_t i = 0; i < entries; i++) {
        wheel_cancel(&wheel, &states[i].timer);
    }
    wheel_init(&wheel, &states[0].timer, sizeof states[0], 1000, 0);
    measure("wheel re-arm, timers in random order", wheel_rearm);
    for (uint32_t i = 0; i < entries; i++) {
        wheel_cancel(&wheel, &states[i].timer);
    }
    measure("wheel re-arm, 64 warm timers", wheel_rearm_warm);
    for (uint32_t i = 0; i < entries; i++) {
        wheel_cancel(&wheel, &states[i].timer);
    }
    measure("wheel timer's whole life of up to 240 s", wheel_whole_life);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint32_t n = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--entries") == 0 && n >= 64) {
            entries = n;
        } else if (strcmp(argv[i], "--rounds") == 0 && n >= 1 && n <= ROUNDS_MAX) {
            rounds = n;
        } else {
            fprintf(stderr, "usage: %s [--entries N] [--rounds N]\n", argv[0]);
            return 2;
        }
    }
    set_up();
    measure("flow find, one by one, state cold", flow_one_by_one);
    measure("flow find, bursts of 32, state prefetched", flow_in_bursts);
    measure("flow tag match alone, bursts of 32", flow_guess_in_bursts);
    measure("flow find of what is absent, bursts of 32", flow_absent_in_bursts);
    measure("flow remove + insert, one by one", flow_churn);
    measure_wheel();
    measure("pool take + give", pool_take_give);
    measure("fifo append of 256 B (and consume)", fifo_in_out);
    measure_ring(8);
    measure_ring(64);
    measure("siphash13 of 36 B", hash_of_tuple_13);
    measure("siphash24 of 36 B", hash_of_tuple_24);
    return 0;
}
