/* SPDX-License-Identifier: BSD-3-Clause */
#include <arpa/inet.h>
#include <criterion/criterion.h>

#include "base/random.h"
#include "net/rss.h"

static struct rss_hasher hasher;

static struct addr address(const char *text)
{
    struct addr a;
    uint8_t four[4];
    if (inet_pton(AF_INET, text, four) == 1) {
        return addr_ip4(load_be32(four));
    }
    cr_assert_eq(inet_pton(AF_INET6, text, a.b), 1);
    return a;
}

/* "Verifying the RSS Hash Calculation" of Microsoft's NDIS documentation. */
Test(rss, microsofts_verification_suite)
{
    static const struct {
        const char *dst;
        uint16_t dport;
        const char *src;
        uint16_t sport;
        uint32_t addresses, with_ports;
    } suite[] = {
        {"161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178},
        {"65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea},
        {"12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a},
        {"209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f},
        {"202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2},
        {"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d},
        {"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf},
        {"fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985,
         0x02d1feef},
    };
    rss_hasher_init(&hasher, rss_key_default);
    for (size_t i = 0; i < sizeof suite / sizeof suite[0]; i++) {
        struct addr src = address(suite[i].src), dst = address(suite[i].dst);
        cr_assert_eq(rss_hash_addresses(&hasher, &src, &dst), suite[i].addresses, "line %zu", i);
        cr_assert_eq(rss_hash(&hasher, &src, &dst, suite[i].sport, suite[i].dport), suite[i].with_ports,
                     "line %zu", i);
    }
}

Test(rss, symmetric_key_gives_both_directions_one_hash)
{
    struct rng rng;
    rng_init(&rng, 1);
    rss_hasher_init(&hasher, rss_key_symmetric);
    for (int i = 0; i < 1000; i++) {
        struct addr a = addr_ip4((uint32_t)rng_next(&rng)), b = addr_ip4((uint32_t)rng_next(&rng));
        if (i % 2) {
            rng_fill(&rng, span_of(a.b, 16));
            rng_fill(&rng, span_of(b.b, 16));
        }
        uint16_t p = (uint16_t)rng_next(&rng), q = (uint16_t)rng_next(&rng);
        cr_assert_eq(rss_hash(&hasher, &a, &b, p, q), rss_hash(&hasher, &b, &a, q, p));
    }
}

Test(rss, table_spreads_hashes_evenly)
{
    struct rss_table table;
    rss_table_init(&table, 3);
    int seen[3] = {0};
    for (uint32_t h = 0; h < RSS_TABLE_SLOTS; h++) {
        cr_assert_lt(rss_worker(&table, h), 3);
        cr_assert_eq(rss_worker(&table, h), rss_worker(&table, h + 5 * RSS_TABLE_SLOTS));
        seen[rss_worker(&table, h)]++;
    }
    cr_assert(seen[0] - seen[2] <= 1 && seen[2] >= 42);
}
