/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/checksum.h"

#define PROTOCOL_TCP 6

/* Both halves of a 64-bit word. */
static inline uint64_t halves(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return (w & UINT32_MAX) + (w >> 32);
}

uint64_t checksum_add(uint64_t sum, struct view bytes)
{
    const uint8_t *p = bytes.data;
    size_t len = bytes.len;
    /* 32-bit words into 64-bit sums: no carry is lost below 2^32 words. Four sums stay in one register. */
    if (len >= 32) {
        uint64_t lane[4] = {sum};
        for (; len >= 32; len -= 32, p += 32)
            for (int i = 0; i < 4; i++)
                lane[i] += halves(p + 8 * i);
        sum = lane[0] + lane[1] + lane[2] + lane[3];
    }
    for (; len >= 8; len -= 8, p += 8)
        sum += halves(p);
    if (len > 0) {
        uint64_t w = 0;
        memcpy(&w, p, len);
        sum += (w & UINT32_MAX) + (w >> 32);
    }
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 32) + (sum & 0xffffffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    return (uint16_t)sum;
}

uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~__builtin_bswap16(fold(sum));
}

uint64_t checksum_pseudo(const struct addr *src, const struct addr *dst, uint8_t protocol, uint32_t len)
{
    return (uint64_t)__builtin_bswap32(len) + __builtin_bswap32(protocol) + halves(src->b) +
           halves(src->b + 8) + halves(dst->b) + halves(dst->b + 8);
}

uint16_t checksum_tcp(const struct addr *src, const struct addr *dst, struct view segment)
{
    return checksum_finish(
        checksum_add(checksum_pseudo(src, dst, PROTOCOL_TCP, (uint32_t)segment.len), segment));
}

uint16_t checksum_update16(uint16_t checksum, uint16_t before, uint16_t after)
{
    uint32_t sum = (uint32_t)(uint16_t)~checksum + (uint16_t)~before + after;
    sum = (sum >> 16) + (sum & 0xffffu);
    sum = (sum >> 16) + (sum & 0xffffu);
    return (uint16_t)~sum;
}

uint16_t checksum_update32(uint16_t checksum, uint32_t before, uint32_t after)
{
    checksum = checksum_update16(checksum, (uint16_t)(before >> 16), (uint16_t)(after >> 16));
    return checksum_update16(checksum, (uint16_t)before, (uint16_t)after);
}
