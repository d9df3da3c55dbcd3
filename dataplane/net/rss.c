/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/rss.h"

#include <assert.h>

const uint8_t rss_key_default[RSS_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

const uint8_t rss_key_symmetric[RSS_KEY_BYTES] = {
    0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
    0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
    0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a,
};

_Static_assert(RSS_INPUT_BYTES + 4 <= RSS_KEY_BYTES,
               "every byte of the input meets 32 bits of key and 8 more");

/* The hash is linear: each set bit of the input adds the 32 bits of the key that begin at its place. */
void rss_hasher_init(struct rss_hasher *hasher, const uint8_t key[RSS_KEY_BYTES])
{
    for (uint32_t at = 0; at < RSS_INPUT_BYTES; at++) {
        uint64_t window = (uint64_t)load_be32(key + at) << 8 | key[at + 4];
        for (uint32_t byte = 0; byte < 256; byte++) {
            uint32_t hash = 0;
            for (uint32_t bit = 0; bit < 8; bit++) {
                if ((byte & 0x80u >> bit) != 0) {
                    hash ^= (uint32_t)(window >> (8 - bit));
                }
            }
            hasher->by_byte[at][byte] = hash;
        }
    }
}

static uint32_t hash_bytes(const struct rss_hasher *hasher, const uint8_t *p, uint32_t len)
{
    uint32_t hash = 0;
    for (uint32_t i = 0; i < len; i++) {
        hash ^= hasher->by_byte[i][p[i]];
    }
    return hash;
}

/* Lays the addresses as the wire has them; returns their length together. */
static uint32_t input_lay(uint8_t *p, const struct addr *src, const struct addr *dst)
{
    uint32_t from = addr_is_ip4(src) && addr_is_ip4(dst) ? 12 : 0;
    uint32_t len = (uint32_t)sizeof src->b - from;
    memcpy(p, src->b + from, len);
    memcpy(p + len, dst->b + from, len);
    return 2 * len;
}

uint32_t rss_hash(const struct rss_hasher *hasher, const struct addr *src, const struct addr *dst,
                  uint16_t sport, uint16_t dport)
{
    uint8_t input[RSS_INPUT_BYTES];
    uint32_t len = input_lay(input, src, dst);
    store_be16(input + len, sport);
    store_be16(input + len + 2, dport);
    return hash_bytes(hasher, input, len + 4);
}

uint32_t rss_hash_addresses(const struct rss_hasher *hasher, const struct addr *src, const struct addr *dst)
{
    uint8_t input[RSS_INPUT_BYTES];
    return hash_bytes(hasher, input, input_lay(input, src, dst));
}

void rss_table_init(struct rss_table *table, uint16_t workers)
{
    assert(workers > 0);
    for (uint32_t i = 0; i < RSS_TABLE_SLOTS; i++) {
        table->worker[i] = (uint16_t)(i % workers);
    }
}
