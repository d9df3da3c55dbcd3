/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/sha1.h"

static uint32_t rotate(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static void block_add(uint32_t h[5], const uint8_t *block)
{
    uint32_t w[80];
    for (size_t t = 0; t < 16; t++)
        w[t] = load_be32(block + 4 * t);
    for (size_t t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);

    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (size_t t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (t < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (t < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        uint32_t next = rotate(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

void sha1(struct view message, uint8_t digest[SHA1_BYTES])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    size_t done = 0;
    for (; message.len - done >= 64; done += 64)
        block_add(h, message.data + done);

    /* The rest, a one bit, zeros, and the length in bits. */
    uint8_t tail[128] = {0};
    size_t rest = message.len - done;
    if (rest != 0)
        memcpy(tail, message.data + done, rest);
    tail[rest] = 0x80;
    size_t tail_len = rest < 56 ? 64 : 128;
    store_be64(tail + tail_len - 8, (uint64_t)message.len * 8);
    for (size_t i = 0; i < tail_len; i += 64)
        block_add(h, tail + i);
    for (size_t i = 0; i < 5; i++)
        store_be32(digest + 4 * i, h[i]);
}
