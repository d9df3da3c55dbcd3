/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose a received frame is, where the port itself doesn't spread flows over all workers: the hash of
 * addresses and ports under a random key, as a network card would do it, so that a flow stays with one
 * worker. What neighbours and routers say of themselves concerns every worker, since each has its own cache.
 */
#ifndef WORKER_STEER_H
#define WORKER_STEER_H

#include <stdbool.h>

#include "net/rss.h"
#include "waxwire/bytes.h"

#define STEER_ALL  UINT32_MAX        /* a copy to every worker */
#define STEER_HERE (UINT32_MAX - 1u) /* whoever has it */

/* Made once, then read by all workers. */
struct steer {
    struct rss_hasher hasher;
    struct rss_table table;
};

/* Spread over `workers` (1 or more) by a hash under `key`, which should be random. */
void steer_init(struct steer *steer, const uint8_t key[RSS_KEY_BYTES], uint16_t workers);

/*
 * The worker to which `frame` (from its Ethernet header on) belongs, or STEER_ALL or STEER_HERE. An ICMP
 * error goes to the flow that it is about.
 */
uint32_t steer_frame(const struct steer *steer, struct view frame);

/*
 * Is it news of neighbours or routers: an ARP reply, a neighbour's or router's advertisement, or a claim of
 * an address? All that must be looked at where the port spreads flows itself.
 */
bool steer_is_news(struct view frame);

#endif
