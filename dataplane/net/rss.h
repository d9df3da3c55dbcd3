/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Receive-side scaling in software, as network cards do it: the Toeplitz hash over addresses and ports, and a
 * table from hashes to workers. For ports of one queue, and to foretell where a card will put a connection.
 */
#ifndef NET_RSS_H
#define NET_RSS_H

#include "net/addr.h"

#define RSS_KEY_BYTES   40u
#define RSS_TABLE_SLOTS 128u
#define RSS_INPUT_BYTES 36u /* two IPv6 addresses and two ports */

/* 36 KiB made from a key once, then read by any number of threads. */
struct rss_hasher {
    uint32_t by_byte[RSS_INPUT_BYTES][256];
};

struct rss_table {
    uint16_t worker[RSS_TABLE_SLOTS];
};

/* The key of Microsoft's verification suite, the default of most cards. */
extern const uint8_t rss_key_default[RSS_KEY_BYTES];

/* A key with which both directions of a connection have the same hash (6d5a repeated: Woo and Park). */
extern const uint8_t rss_key_symmetric[RSS_KEY_BYTES];

/*
 * Makes the tables for `key`.
 */
void rss_hasher_init(struct rss_hasher *hasher, const uint8_t key[RSS_KEY_BYTES]);

/*
 * The hash of a packet from src:sport to dst:dport (host byte order): over the 4-byte addresses when both are
 * IPv4, else the 16-byte ones. rss_hash_addresses leaves out the ports (other transports than TCP and UDP;
 * fragments).
 */
uint32_t rss_hash(const struct rss_hasher *hasher, const struct addr *src, const struct addr *dst,
                  uint16_t sport, uint16_t dport);
uint32_t rss_hash_addresses(const struct rss_hasher *hasher, const struct addr *src, const struct addr *dst);

/*
 * Deals the slots of the table to `workers` (1 or more) in turn.
 */
void rss_table_init(struct rss_table *table, uint16_t workers);

/*
 * The worker for a hash.
 */
static inline uint16_t rss_worker(const struct rss_table *table, uint32_t hash)
{
    return table->worker[hash % RSS_TABLE_SLOTS];
}

#endif
