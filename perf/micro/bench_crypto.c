/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What records cost, in nanoseconds of CPU time: seal and open by each backend and size (the key is expanded
 * each time, as a connection does it), whole records through tls_seal and tls_input, and records of
 * connections drawn at random, cold or prefetched in bursts. Medians of several rounds on one thread. Pin it
 * and compare ratios.
 *
 *     bench-crypto [--states N] [--rounds N]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "tls/record.h"

#define BURST      32u
#define ROUNDS_MAX 31u
#define SLOT_BYTES 320u

static const size_t sizes[] = {32, 64, 128, 192, 256, 512, 1024, 4096, 16384};
#define SIZES (sizeof sizes / sizeof sizes[0])

static uint32_t states = 200000, rounds = 7;
static uint8_t plain[16384], sealed[16384 + 64], opened[16384 + 64];

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench-crypto: %s failed\n", what);
        exit(1);
    }
}

static int double_order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What reading the clock twice costs: it is a system call, so it is taken off. */
static uint64_t clock_ns;

static void clock_measure(void)
{
    clock_ns = UINT64_MAX;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t start = now_ns(), ns = now_ns() - start;
        clock_ns = ns < clock_ns ? ns : clock_ns;
    }
}

static uint64_t lasted(uint64_t start)
{
    uint64_t ns = now_ns() - start;
    return ns > clock_ns ? ns - clock_ns : 0;
}

static double median(double *samples)
{
    qsort(samples, rounds, sizeof *samples, double_order);
    return samples[rounds / 2];
}

static unsigned repeats(size_t size)
{
    return (unsigned)(4000000 / (size + 400));
}

/* One backend at one size: seal, and open of what was sealed. */
static void backend_measure(const struct aead *aead, size_t size, double *seal, double *open)
{
    double s[ROUNDS_MAX], o[ROUNDS_MAX];
    const uint8_t key[TLS_KEY_BYTES_MAX] = {1}, aad[5] = {23, 3, 3, 0, 0};
    uint8_t iv[TLS_IV_BYTES] = {0};
    unsigned n = repeats(size);
    for (uint32_t r = 0; r < rounds; r++) {
        uint64_t start = now_ns();
        for (unsigned i = 0; i < n; i++)
            aead->seal(key, iv, view_of(aad, 5), view_of(plain, size), span_of(sealed, sizeof sealed));
        uint64_t middle = now_ns();
        for (unsigned i = 0; i < n; i++)
            must(aead->open(key, iv, view_of(aad, 5), view_of(sealed, size + 16),
                            span_of(opened, sizeof opened)),
                 "open");
        s[r] = (double)(middle - start) / n;
        o[r] = (double)(now_ns() - middle) / n;
    }
    *seal = median(s);
    *open = median(o);
}

static void backends_measure(void)
{
    const struct aead *aead;
    printf("%-44s", "ns, seal/open of bytes");
    for (size_t k = 0; k < SIZES; k++)
        printf(" %11zu", sizes[k]);
    printf("\n");
    for (size_t i = 0; (aead = aead_at(i)) != NULL; i++) {
        if (!aead->available())
            continue;
        printf("%-44s", aead->name);
        for (size_t k = 0; k < SIZES; k++) {
            double seal, open;
            backend_measure(aead, sizes[k], &seal, &open);
            printf(" %5.0f/%-5.0f", seal, open);
        }
        printf("\n");
    }
}

static void pair_make(struct tls_state *one, struct tls_state *two, unsigned seed)
{
    struct tls_shake_result a = {.suite = TLS_AES_128_GCM_SHA256},
                            b = {.suite = TLS_AES_128_GCM_SHA256, .client = 1};
    memcpy(a.rx_secret, &seed, sizeof seed);
    memcpy(a.tx_secret + 4, &seed, sizeof seed);
    memcpy(b.tx_secret, a.rx_secret, sizeof a.rx_secret);
    memcpy(b.rx_secret, a.tx_secret, sizeof a.tx_secret);
    must(tls_state_init(one, &a) == WAX_OK && tls_state_init(two, &b) == WAX_OK, "tls_state_init");
}

/* Whole records of one connection that stays in the cache. */
static void records_measure(void)
{
    struct tls_state us, peer;
    pair_make(&us, &peer, 1);
    printf("%-44s", "tls_seal/tls_input");
    for (size_t k = 0; k < SIZES; k++) {
        double s[ROUNDS_MAX], o[ROUNDS_MAX];
        unsigned n = repeats(sizes[k]) / 32 * 32;
        for (uint32_t r = 0; r < rounds; r++) {
            uint64_t seal_ns = 0, open_ns = 0;
            for (unsigned i = 0; i < n; i += 32) {
                static uint8_t records[32][sizeof sealed];
                struct tls_event ev;
                uint8_t out[TLS_OUT_BYTES];
                size_t len = 0;
                uint64_t start = now_ns();
                for (unsigned j = 0; j < 32; j++)
                    (void)tls_seal(&peer.tx, TLS_APPLICATION_DATA, view_of(plain, sizes[k]),
                                   span_of(records[j], sizeof records[j]), &len);
                seal_ns += lasted(start);
                start = now_ns();
                for (unsigned j = 0; j < 32; j++)
                    must(tls_input(&us, span_of(records[j], len), span_of(out, sizeof out), 0, &ev) == WAX_OK,
                         "tls_input");
                open_ns += lasted(start);
            }
            s[r] = (double)seal_ns / n;
            o[r] = (double)open_ns / n;
        }
        printf(" %5.0f/%-5.0f", median(s), median(o));
    }
    printf("\n");
}

static uint32_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* Small records of connections drawn at random, as a worker receives them. */
static void cold_measure(struct tls_state *all, struct tls_state *peers, bool prefetch)
{
    double o[ROUNDS_MAX];
    static uint8_t slots[BURST][SLOT_BYTES];
    uint64_t seed = 7;
    for (uint32_t r = 0; r < rounds; r++) {
        uint64_t ns = 0;
        unsigned count = 0;
        for (unsigned b = 0; b < 500; b++) {
            uint32_t who[BURST];
            size_t len = 0;
            for (unsigned j = 0; j < BURST; j++) {
                who[j] = random_next(&seed) % states;
                peers[who[j]].tx.seq = all[who[j]].rx.seq;
                for (unsigned k = 0; k < j; k++) /* once only in a burst */
                    if (who[k] == who[j])
                        peers[who[j]].tx.seq++;
                (void)tls_seal(&peers[who[j]].tx, TLS_APPLICATION_DATA, view_of(plain, 200),
                               span_of(slots[j], SLOT_BYTES), &len);
            }
            for (unsigned j = 0; j < BURST; j++) /* as cold as after a million others */
                for (size_t line = 0; line < sizeof *all; line += 64)
                    __builtin_ia32_clflush((const uint8_t *)&all[who[j]] + line);
            __builtin_ia32_mfence();
            uint64_t start = now_ns();
            if (prefetch)
                for (unsigned j = 0; j < BURST; j++)
                    tls_prefetch(&all[who[j]]);
            for (unsigned j = 0; j < BURST; j++) {
                struct tls_event ev;
                uint8_t out[TLS_OUT_BYTES];
                must(tls_input(&all[who[j]], span_of(slots[j], len), span_of(out, sizeof out), 0, &ev) ==
                         WAX_OK,
                     "tls_input of a cold state");
            }
            ns += lasted(start);
            count += BURST;
        }
        o[r] = (double)ns / count;
    }
    printf("tls_input, 200 bytes, cold state%s: %.0f ns\n", prefetch ? ", prefetched in a burst" : "",
           median(o));
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint32_t value = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--states") == 0)
            states = value;
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = value < ROUNDS_MAX ? value : ROUNDS_MAX;
    }
    must(crypto_init() == WAX_OK && states > 0 && rounds > 0, "start");
    clock_measure();
    backends_measure();
    records_measure();
    struct tls_state *all = aligned_alloc(64, states * sizeof *all);
    struct tls_state *peers = aligned_alloc(64, states * sizeof *peers);
    must(all != NULL && peers != NULL, "memory");
    (void)madvise(all, states * sizeof *all, MADV_HUGEPAGE);
    for (uint32_t i = 0; i < states; i++)
        pair_make(&all[i], &peers[i], i);
    cold_measure(all, peers, false);
    cold_measure(all, peers, true);
    free(all);
    free(peers);
    return 0;
}
