/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/checksum.h"

#define PROTOCOL_TCP 6

uint64_t checksum_add(uint64_t sum, struct view bytes)
{
    const uint8_t *p = bytes.data;
    size_t len = bytes.len;
    /* 32-bit words into 64-bit sums: no carry is lost below 2^32 words, and the compiler vectorises it. */
    while (len >= 32) {
        uint32_t w[8];
        memcpy(w, p, sizeof w);
        sum += (uint64_t)w[0] + w[1] + w[2] + w[3] + w[4] + w[5] + w[6] + w[7];
        p += 32;
        len -= 32;
    }
    while (len >= 4) {
        uint32_t w;
        memcpy(&w, p, sizeof w);
        sum += w;
        p += 4;
        len -= 4;
    }
    if (len > 0) {
        uint32_t w = 0;
        memcpy(&w, p, len);
        sum += w;
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
    uint8_t tail[8];
    store_be32(tail, len);
    store_be32(tail + 4, protocol);
    uint64_t sum = checksum_add(0, view_of(src->b, sizeof src->b));
    sum = checksum_add(sum, view_of(dst->b, sizeof dst->b));
    return checksum_add(sum, view_of(tail, sizeof tail));
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
