/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash.h"

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_rounds(struct sip *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 = rotl(s->v2, 32);
    }
}

static inline void sip_word(struct sip *s, uint64_t word, unsigned rounds)
{
    s->v3 ^= word;
    sip_rounds(s, rounds);
    s->v0 ^= word;
}

/* Inlined with constant rounds, so the loops unroll. */
static inline __attribute__((always_inline)) uint64_t siphash(const uint64_t key[2], struct view bytes,
                                                              unsigned c_rounds, unsigned d_rounds)
{
    struct sip s = {
        .v0 = key[0] ^ 0x736f6d6570736575u,
        .v1 = key[1] ^ 0x646f72616e646f6du,
        .v2 = key[0] ^ 0x6c7967656e657261u,
        .v3 = key[1] ^ 0x7465646279746573u,
    };
    size_t whole = bytes.len & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + i, sizeof word);
        sip_word(&s, word, c_rounds);
    }
    uint64_t last = (uint64_t)bytes.len << 56;
    for (size_t i = whole; i < bytes.len; i++) {
        last |= (uint64_t)bytes.data[i] << (8 * (i - whole));
    }
    sip_word(&s, last, c_rounds);
    s.v2 ^= 0xff;
    sip_rounds(&s, d_rounds);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t siphash13(const uint64_t key[2], struct view bytes)
{
    return siphash(key, bytes, 1, 3);
}

uint64_t siphash24(const uint64_t key[2], struct view bytes)
{
    return siphash(key, bytes, 2, 4);
}
