/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AES-GCM (NIST SP 800-38D) by AES-NI and PCLMULQDQ, made for small records: the key is expanded while the
 * first eight blocks are encrypted under it, and no more powers of the hash key are made than the record
 * needs. A library that expands a key for large data first spends more time on that than a small record takes
 * here. Both planes have such records: TLS, and the mailbox log.
 *
 * The hash is computed as POLYVAL, its mirror image (RFC 8452 A): blocks are byte-reversed, the hash key is
 * multiplied by x once, and products need no bit shifts. Nothing here branches on, or indexes by, a secret.
 *
 * For gcm_seal and gcm_open to be compiled, their caller must have the attribute GCM_TARGET.
 */
#ifndef WAXWIRE_AES_GCM_H
#define WAXWIRE_AES_GCM_H

#include <assert.h>
#include <immintrin.h>
#include <stdbool.h>

#include "waxwire/bytes.h"

#define GCM_TARGET __attribute__((target("aes,pclmul,sse4.1")))
#define GCM_INLINE GCM_TARGET __attribute__((always_inline)) static inline

#define GCM_TAG_BYTES  16u
#define GCM_IV_BYTES   12u
#define GCM_LANES      8u /* blocks encrypted, and hashed, together */
#define AES_ROUNDS_128 10u
#define AES_ROUNDS_256 14u

/* 16 ones, then 16 zeros: loaded from 16 - n on, a mask of the first n bytes. */
static const uint8_t gcm_ones[32] = {255, 255, 255, 255, 255, 255, 255, 255,
                                     255, 255, 255, 255, 255, 255, 255, 255};
/* Loaded from 16 - n on, moves the last n bytes of a block to its front and zeros the rest. */
static const uint8_t gcm_to_front[32] = {0,    1,    2,    3,    4,    5,    6,    7,    8,    9,    10,
                                         11,   12,   13,   14,   15,   0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                         0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80};

struct gcm {
    __m128i key[AES_ROUNDS_256 + 1];
    __m128i stream[GCM_LANES]; /* encrypted counters not used yet, from `next` on */
    __m128i power[GCM_LANES];  /* H, H^2, … as far as needed */
    __m128i counter;           /* the IV, its last word to be filled in */
    __m128i tag_mask;          /* the encrypted first counter */
    __m128i hash, low, middle, high;
    uint32_t number; /* of the next counter */
    unsigned next;
    unsigned group;  /* blocks still to come before the next reduction */
    size_t expected; /* blocks still to be hashed */
};

/* Unaligned loads and stores of a block. */
GCM_INLINE __m128i gcm_load(const uint8_t *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
GCM_INLINE void gcm_store(uint8_t *p, __m128i v)
{
    _mm_storeu_si128((__m128i *)(void *)p, v);
}

/* A block with its bytes in the other order. */
GCM_INLINE __m128i gcm_reversed(__m128i v)
{
    return _mm_shuffle_epi8(v, _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}

/*
 * FIPS 197 5.2: the next four words from the four at `old` and the last word of `from`. AESENCLAST makes
 * SubWord: four equal columns make its ShiftRows do nothing.
 */
GCM_INLINE __m128i gcm_key_next(__m128i old, __m128i from, bool rotated, uint8_t constant)
{
    __m128i word = _mm_shuffle_epi8(from, _mm_set1_epi32(rotated ? 0x0c0f0e0d : 0x0f0e0d0c));
    word = _mm_aesenclast_si128(word, _mm_set1_epi32(constant));
    old = _mm_xor_si128(old, _mm_slli_si128(old, 4));
    old = _mm_xor_si128(old, _mm_slli_si128(old, 8));
    return _mm_xor_si128(old, word);
}

/* Makes round key `r` of a 128-bit (10 rounds) or 256-bit key from those before it. */
GCM_INLINE __m128i gcm_round_key(const __m128i *key, unsigned r, unsigned rounds)
{
    static const uint8_t constants[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36};
    if (rounds == AES_ROUNDS_128)
        return gcm_key_next(key[r - 1], key[r - 1], true, constants[r - 1]);
    if (r == 1)
        return key[1];
    return gcm_key_next(key[r - 2], key[r - 1], r % 2 == 0, r % 2 == 0 ? constants[r / 2 - 1] : 0);
}

/* Encrypts the eight blocks of g->stream; `expand`: and makes the round keys on the way. */
GCM_INLINE void gcm_encrypt(struct gcm *g, unsigned rounds, bool expand)
{
    __m128i b[GCM_LANES];
#pragma GCC unroll 8
    for (unsigned i = 0; i < GCM_LANES; i++)
        b[i] = _mm_xor_si128(g->stream[i], g->key[0]);
#pragma GCC unroll 14
    for (unsigned r = 1; r < rounds; r++) {
        if (expand)
            g->key[r] = gcm_round_key(g->key, r, rounds);
#pragma GCC unroll 8
        for (unsigned i = 0; i < GCM_LANES; i++)
            b[i] = _mm_aesenc_si128(b[i], g->key[r]);
    }
    if (expand)
        g->key[rounds] = gcm_round_key(g->key, rounds, rounds);
#pragma GCC unroll 8
    for (unsigned i = 0; i < GCM_LANES; i++)
        g->stream[i] = _mm_aesenclast_si128(b[i], g->key[rounds]);
}

/* The next counter to be encrypted. */
GCM_INLINE __m128i gcm_counter_block(struct gcm *g)
{
    return _mm_insert_epi32(g->counter, (int)__builtin_bswap32(g->number++), 3);
}

/* Adds a product to the sums of the present group, not reduced yet. */
GCM_INLINE void gcm_product_add(struct gcm *g, __m128i a, __m128i b)
{
    g->low = _mm_xor_si128(g->low, _mm_clmulepi64_si128(a, b, 0x00));
    g->high = _mm_xor_si128(g->high, _mm_clmulepi64_si128(a, b, 0x11));
    g->middle = _mm_xor_si128(g->middle, _mm_clmulepi64_si128(a, b, 0x01));
    g->middle = _mm_xor_si128(g->middle, _mm_clmulepi64_si128(a, b, 0x10));
}

/* Reduces the sums modulo x^128 + x^127 + x^126 + x^121 + 1, times x^-128, 64 bits at a time. */
GCM_INLINE __m128i gcm_reduce(struct gcm *g)
{
    const __m128i polynomial = _mm_set_epi64x((long long)0xc200000000000000u, 1);
    __m128i low = _mm_xor_si128(g->low, _mm_slli_si128(g->middle, 8));
    __m128i high = _mm_xor_si128(g->high, _mm_srli_si128(g->middle, 8));
    for (unsigned i = 0; i < 2; i++)
        low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, polynomial, 0x10));
    g->low = g->middle = g->high = _mm_setzero_si128();
    return _mm_xor_si128(low, high);
}

/* A product, reduced; no group is open. */
GCM_INLINE __m128i gcm_multiplied(struct gcm *g, __m128i a, __m128i b)
{
    gcm_product_add(g, a, b);
    return gcm_reduce(g);
}

/* Multiplies by x: RFC 8452's mulX_POLYVAL. */
GCM_INLINE __m128i gcm_times_x(__m128i v)
{
    const __m128i polynomial = _mm_set_epi64x((long long)0xc200000000000000u, 1);
    __m128i carries = _mm_srli_epi64(v, 63);
    __m128i top = _mm_shuffle_epi32(_mm_srai_epi32(v, 31), 0xff);
    v = _mm_or_si128(_mm_slli_epi64(v, 1), _mm_slli_si128(carries, 8));
    return _mm_xor_si128(v, _mm_and_si128(top, polynomial));
}

/* The powers of the hash key that so many blocks need. */
GCM_INLINE void gcm_powers_make(struct gcm *g, __m128i hash_key)
{
    g->power[0] = gcm_times_x(gcm_reversed(hash_key));
    g->power[1] = gcm_multiplied(g, g->power[0], g->power[0]);
    if (g->expected > 2) {
        g->power[2] = gcm_multiplied(g, g->power[1], g->power[0]);
        g->power[3] = gcm_multiplied(g, g->power[1], g->power[1]);
    }
    if (g->expected > 4)
        for (unsigned i = 4; i < GCM_LANES; i++)
            g->power[i] = gcm_multiplied(g, g->power[3], g->power[i - 4]);
}

/* Hashes one block: a group of up to eight shares one reduction. */
GCM_INLINE void gcm_hash_add(struct gcm *g, __m128i block)
{
    if (g->group == 0) {
        g->group = g->expected < GCM_LANES ? (unsigned)g->expected : GCM_LANES;
        block = _mm_xor_si128(block, g->hash);
    }
    gcm_product_add(g, block, g->power[--g->group]);
    g->expected--;
    if (g->group == 0)
        g->hash = gcm_reduce(g);
}

/* The first `n` (1 to 16) bytes at `p`, the rest zero. Reads no byte beyond them. */
GCM_INLINE __m128i gcm_load_part(const uint8_t *p, size_t n)
{
    uint8_t block[16] = {0};
    if (n == sizeof block)
        return gcm_load(p);
    memcpy(block, p, n);
    return gcm_load(block);
}

/* Expand the key, and hash what is only authenticated. */
GCM_INLINE void gcm_begin(struct gcm *g, const uint8_t *key, const uint8_t *iv, struct view aad, size_t len,
                          unsigned rounds)
{
    uint8_t counter[16] = {0};
    memcpy(counter, iv, GCM_IV_BYTES);
    g->counter = gcm_load(counter);
    g->number = 1;
    g->key[0] = gcm_load(key);
    if (rounds == AES_ROUNDS_256)
        g->key[1] = gcm_load(key + 16);
    g->hash = g->low = g->middle = g->high = _mm_setzero_si128();
    g->group = 0;
    g->expected = (aad.len + 15) / 16 + (len + 15) / 16 + 1;

    /* The hash key, the tag's mask and six blocks of key stream in one go. */
    g->stream[0] = _mm_setzero_si128();
    for (unsigned i = 1; i < GCM_LANES; i++)
        g->stream[i] = gcm_counter_block(g);
    gcm_encrypt(g, rounds, true);
    gcm_powers_make(g, g->stream[0]);
    g->tag_mask = g->stream[1];
    g->next = 2;
    for (size_t at = 0; at < aad.len; at += 16)
        gcm_hash_add(g, gcm_reversed(gcm_load_part(aad.data + at, aad.len - at < 16 ? aad.len - at : 16)));
}

/* The next block of key stream. */
GCM_INLINE __m128i gcm_key_stream(struct gcm *g, unsigned rounds)
{
    if (g->next == GCM_LANES) {
        for (unsigned i = 0; i < GCM_LANES; i++)
            g->stream[i] = gcm_counter_block(g);
        gcm_encrypt(g, rounds, false);
        g->next = 0;
    }
    return g->stream[g->next++];
}

/* The tag, when all is hashed. */
GCM_INLINE __m128i gcm_tag_make(struct gcm *g, size_t aad_len, size_t len)
{
    gcm_hash_add(g, _mm_set_epi64x((long long)aad_len * 8, (long long)len * 8));
    return _mm_xor_si128(gcm_reversed(g->hash), g->tag_mask);
}

/*
 * Seal `plain` under a key of 16 bytes (AES_ROUNDS_128) or 32 (AES_ROUNDS_256) and an IV of GCM_IV_BYTES: the
 * ciphertext and its tag, in `out`, which has room for both and may be where `plain` lies.
 */
GCM_INLINE void gcm_seal(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain,
                         struct span out, unsigned rounds)
{
    struct gcm g;
    size_t len = plain.len, whole = len & ~(size_t)15, rest = len & 15;
    assert(out.len >= len + GCM_TAG_BYTES);
    gcm_begin(&g, key, iv, aad, len, rounds);
    for (size_t at = 0; at < whole; at += 16) {
        __m128i c = _mm_xor_si128(gcm_load(plain.data + at), gcm_key_stream(&g, rounds));
        gcm_store(out.data + at, c);
        gcm_hash_add(&g, gcm_reversed(c));
    }
    if (rest != 0) {
        __m128i p =
            len < 16 ? gcm_load_part(plain.data, rest)
                     : _mm_shuffle_epi8(gcm_load(plain.data + len - 16), gcm_load(gcm_to_front + 16 - rest));
        __m128i c = _mm_xor_si128(p, gcm_key_stream(&g, rounds));
        c = _mm_and_si128(c, gcm_load(gcm_ones + 16 - rest));
        gcm_store(out.data + whole, c); /* the tag overwrites what is too much */
        gcm_hash_add(&g, gcm_reversed(c));
    }
    gcm_store(out.data + len, gcm_tag_make(&g, aad.len, len));
}

/*
 * The inverse: `sealed` ends with its tag, `out` has room for the rest and may be the same place. False when
 * the tag is not that of these bytes; what is in `out` then is not to be used.
 */
GCM_INLINE bool gcm_open(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed,
                         struct span out, unsigned rounds)
{
    struct gcm g;
    assert(sealed.len >= GCM_TAG_BYTES && out.len >= sealed.len - GCM_TAG_BYTES);
    size_t len = sealed.len - GCM_TAG_BYTES, whole = len & ~(size_t)15, rest = len & 15;
    uint8_t tag[GCM_TAG_BYTES], made[GCM_TAG_BYTES];
    memcpy(tag, sealed.data + len, sizeof tag);
    gcm_begin(&g, key, iv, aad, len, rounds);
    for (size_t at = 0; at < whole; at += 16) {
        __m128i c = gcm_load(sealed.data + at);
        gcm_hash_add(&g, gcm_reversed(c));
        gcm_store(out.data + at, _mm_xor_si128(c, gcm_key_stream(&g, rounds)));
    }
    if (rest != 0) {
        uint8_t block[16];
        __m128i c = gcm_load(sealed.data + whole); /* the tag lies behind: 16 bytes are there */
        gcm_hash_add(&g, gcm_reversed(_mm_and_si128(c, gcm_load(gcm_ones + 16 - rest))));
        gcm_store(block, _mm_xor_si128(c, gcm_key_stream(&g, rounds)));
        memcpy(out.data + whole, block, rest);
    }
    gcm_store(made, gcm_tag_make(&g, aad.len, len));
    uint64_t x[2], y[2];
    memcpy(x, tag, sizeof x);
    memcpy(y, made, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0; /* in constant time, in two words */
}

/* Whether this processor can. */
static inline bool gcm_available(void)
{
    return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") &&
           __builtin_cpu_supports("sse4.1");
}

#endif
