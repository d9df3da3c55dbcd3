/* SPDX-License-Identifier: BSD-3-Clause */
/* Limits of connections for addresses and networks: the table, and what the engine's rooms ask of it. */
#ifndef TCP_QUOTA_H
#define TCP_QUOTA_H

#include "tcp/tcp.h"

struct tcp_conn;

#define QUOTA_ENTRIES 5u /* of a bucket */
struct quota_entry {
    uint32_t tag; /* of the keyed hash; 0: never used */
    uint32_t count;
    uint32_t spent; /* the time up to which the rate's allowance is used up, ticks modulo 2^32 */
};

struct quota_bucket {
    struct quota_entry entries[QUOTA_ENTRIES];
    uint32_t pad;
};

struct quota_table {
    struct quota_bucket *buckets;
    uint32_t bucket_count; /* 0: there are no limits */
    uint32_t cost, most;   /* ticks of one opening, and that may be overdrawn; cost 0: no limit of the rate */
};

/*
 * Bytes of memory of the table, 0 without a limit; and its making in that memory, aligned to a cache line.
 */
size_t quota_bytes(const struct tcp_config *config);
void quota_init(struct tcp_engine *e, uint8_t *memory);

/*
 * WAX_OK, or which limit this peer has reached: WAX_TCP_ADDRESS_FULL, _PREFIX_FULL, _ADDRESS_RATE.
 * quota_take counts the connection unless one is, or its tag says that its peer is a terminator; quota_give,
 * once or more, ends that.
 */
enum wax_status quota_check(const struct tcp_engine *e, const struct addr *peer);
enum wax_status quota_take(struct tcp_engine *e, struct tcp_conn *c);
void quota_give(struct tcp_engine *e, struct tcp_conn *c);

#endif
