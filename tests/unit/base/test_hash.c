/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "base/hash.h"

/* The key 00 01 .. 0f of the reference implementation. */
static const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

/* Appendix A of "SipHash: a fast short-input PRF": 15 bytes 00 .. 0e. */
Test(hash, siphash24_gives_the_papers_example)
{
    uint8_t in[15];
    for (uint8_t i = 0; i < 15; i++) {
        in[i] = i;
    }
    cr_assert_eq(siphash24(key, view_of(in, 15)), 0xa129ca6149be45e5u);
}

/* The first outputs of the reference implementation's table: inputs of 0, 1, 2, ... bytes 00 01 02 ... */
Test(hash, siphash24_gives_the_reference_vectors)
{
    static const uint8_t expect[9][8] = {
        {0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72}, {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74},
        {0x5a, 0x4f, 0xa9, 0xd9, 0x09, 0x80, 0x6c, 0x0d}, {0x2d, 0x7e, 0xfb, 0xd7, 0x96, 0x66, 0x67, 0x85},
        {0xb7, 0x87, 0x71, 0x27, 0xe0, 0x94, 0x27, 0xcf}, {0x8d, 0xa6, 0x99, 0xcd, 0x64, 0x55, 0x76, 0x18},
        {0xce, 0xe3, 0xfe, 0x58, 0x6e, 0x46, 0xc9, 0xcb}, {0x37, 0xd1, 0x01, 0x8b, 0xf5, 0x00, 0x02, 0xab},
        {0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93},
    };
    uint8_t in[9];
    for (uint8_t i = 0; i < 9; i++) {
        uint64_t hash = siphash24(key, view_of(in, i));
        cr_assert_arr_eq((uint8_t *)&hash, expect[i], 8, "input of %d bytes", i);
        in[i] = i;
    }
}

Test(hash, siphash13_depends_on_key_length_and_every_byte)
{
    uint8_t in[40] = {0};
    uint64_t base = siphash13(key, view_of(in, 40));
    uint64_t other_key[2] = {key[0] ^ 1, key[1]};
    cr_assert_neq(siphash13(other_key, view_of(in, 40)), base);
    cr_assert_neq(siphash13(key, view_of(in, 39)), base);
    for (int i = 0; i < 40; i++) {
        in[i] ^= 0x80;
        cr_assert_neq(siphash13(key, view_of(in, 40)), base, "byte %d", i);
        in[i] ^= 0x80;
    }
}

/* Computed by CPython 3.11, whose hash of bytes is SipHash-1-3, with PYTHONHASHSEED=0 (a key of zeros). */
Test(hash, siphash13_agrees_with_another_implementation)
{
    static const uint64_t zeros[2] = {0, 0};
    cr_assert_eq(siphash13(zeros, view_of("a", 1)), 0x407448d2b89b1813u);
    cr_assert_eq(siphash13(zeros, view_of("abcdefgh", 8)), 0x3f7b849c0b8e35eau);
    cr_assert_eq(siphash13(zeros, view_of("waxwire carries it", 18)), 0x8710abf4f69aa34au);
}
