/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>

#include "base/random.h"
#include "net/checksum.h"

/* RFC 1071 as written: 16-bit words, one by one. */
static uint16_t slow(const uint8_t *p, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i += 2) {
        sum += (uint32_t)(p[i] << 8 | (i + 1 < len ? p[i + 1] : 0));
        sum = (sum >> 16) + (sum & 0xffff);
    }
    return (uint16_t)~sum;
}

Test(checksum, rfc1071_section_3_example)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    cr_assert_eq(checksum_finish(checksum_add(0, view_of(bytes, sizeof bytes))), (uint16_t)~0xddf2);
}

Test(checksum, every_length_and_alignment_agrees_with_the_definition)
{
    uint8_t bytes[600];
    struct rng rng;
    rng_init(&rng, 1);
    rng_fill(&rng, span_of(bytes, sizeof bytes));
    memset(bytes + 100, 0xff, 120); /* many carries */
    for (size_t at = 0; at < 8; at++) {
        for (size_t len = 0; len < sizeof bytes - 8; len++) {
            cr_assert_eq(checksum_finish(checksum_add(0, view_of(bytes + at, len))), slow(bytes + at, len));
        }
    }
}

Test(checksum, mapped_ip4_pseudo_header_equals_the_ip4_one)
{
    uint8_t ip4[12 + 7] = {198, 18, 0, 1, 198, 19, 255, 254, 0, 6, 0, 7, 1, 2, 3, 4, 5, 6, 7};
    struct addr src = addr_ip4(0xc6120001), dst = addr_ip4(0xc613fffe);
    cr_assert_eq(checksum_tcp(&src, &dst, view_of(ip4 + 12, 7)), slow(ip4, sizeof ip4));
}

Test(checksum, a_filled_field_gives_zero_and_one_changed_bit_does_not)
{
    uint8_t segment[33];
    struct rng rng;
    rng_init(&rng, 2);
    struct addr src = addr_ip4(0xc6120001), dst = addr_ip4(0xc6120002);
    for (int i = 0; i < 1000; i++) {
        rng_fill(&rng, span_of(segment, sizeof segment));
        store_be16(segment + 16, 0);
        store_be16(segment + 16, checksum_tcp(&src, &dst, view_of(segment, sizeof segment)));
        cr_assert_eq(checksum_tcp(&src, &dst, view_of(segment, sizeof segment)), 0);
        size_t bit = (size_t)rng_below(&rng, sizeof segment * 8);
        segment[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_assert_neq(checksum_tcp(&src, &dst, view_of(segment, sizeof segment)), 0);
    }
}

Test(checksum, rfc1624_update_equals_a_new_sum)
{
    uint8_t bytes[20];
    struct rng rng;
    rng_init(&rng, 3);
    for (int i = 0; i < 1000; i++) {
        rng_fill(&rng, span_of(bytes, sizeof bytes));
        uint16_t before = slow(bytes, sizeof bytes);
        uint32_t old32 = load_be32(bytes + 8), new32 = (uint32_t)rng_next(&rng);
        store_be32(bytes + 8, new32);
        cr_assert_eq(checksum_update32(before, old32, new32), slow(bytes, sizeof bytes));
    }
}
