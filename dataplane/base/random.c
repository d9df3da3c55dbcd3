/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/random.h"

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

void rng_init(struct rng *rng, uint64_t seed)
{
    /* splitmix64 spreads the seed, so that the state is never all zeros */
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        rng->s[i] = z ^ z >> 31;
    }
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    if (bound <= 1) {
        return 0;
    }
    /* the low product marks the few values that would make some results likelier (Lemire) */
    uint64_t threshold = (0 - bound) % bound;
    for (;;) {
        unsigned __int128 product = (unsigned __int128)rng_next(rng) * bound;
        if ((uint64_t)product >= threshold) {
            return (uint64_t)(product >> 64);
        }
    }
}

uint64_t rng_between(struct rng *rng, uint64_t low, uint64_t high)
{
    uint64_t width = high - low + 1;
    return width == 0 ? rng_next(rng) : low + rng_below(rng, width);
}

bool rng_chance(struct rng *rng, uint32_t ppm)
{
    return rng_below(rng, 1000000) < ppm;
}

void rng_fill(struct rng *rng, struct span out)
{
    while (out.len > 0) {
        uint64_t word = rng_next(rng);
        size_t n = out.len < sizeof word ? out.len : sizeof word;
        memcpy(out.data, &word, n);
        out = span_of(out.data + n, out.len - n);
    }
}
