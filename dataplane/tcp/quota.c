/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many connections one address (IPv4 /32, IPv6 /64) and one network (/24, /48) may have, and how fast an
 * address may open them. A connection counts from the end of its handshake, which proves the address: nobody
 * can use up the share of another by sending SYNs in its name. A SYN of an address that has its share already
 * is dropped, which costs the least and looks like loss; where the handshake's last ACK comes too late for a
 * share it is answered by RST, since that peer believes itself connected. TIME-WAIT doesn't count.
 *
 * The table is of fixed size and keeps 32 bits of a keyed hash instead of addresses. An entry lies in one of
 * two buckets, one cache line each, the emptier one when it was made; nothing is ever walked or moved.
 * Entries without connections are used again, the one whose rate is most at rest first. When both buckets are
 * full of entries with connections the newcomer is let in uncounted (and that is counted): which buckets
 * those are depends on the key, so it can't be aimed at, and the other limits still hold.
 */
#include "tcp/engine.h"

#include "base/hash.h"

#define PER_CONN      3u /* entries for each connection: two at most are needed */
#define TICK_SHIFT    6u /* ticks of 64 us */
#define TICKS_IN_S    (1000000u >> TICK_SHIFT)
#define PREFIX_BITS_4 24u
#define PREFIX_BITS_6 48u

_Static_assert(sizeof(struct quota_bucket) == WAX_CACHE_LINE_BYTES, "a bucket is one cache line");
_Static_assert(TICKS_IN_S >= WAX_OPENS_PER_S_MAX, "an opening costs a tick or more");

static uint32_t bucket_count(const struct tcp_config *config)
{
    bool any = (config->per_address_max | config->per_prefix_max | config->opens_per_s) != 0;
    return any ? (config->conns_max * PER_CONN + QUOTA_ENTRIES - 1) / QUOTA_ENTRIES : 0;
}

size_t quota_bytes(const struct tcp_config *config)
{
    return (size_t)bucket_count(config) * sizeof(struct quota_bucket);
}

void quota_init(struct tcp_engine *e, uint8_t *memory)
{
    struct quota_table *q = &e->quota;
    q->buckets = (struct quota_bucket *)(void *)memory;
    q->bucket_count = bucket_count(&e->cfg);
    q->cost = e->cfg.opens_per_s != 0 ? TICKS_IN_S / e->cfg.opens_per_s : 0;
    q->most = q->cost * e->cfg.opens_burst;
    memset(memory, 0, quota_bytes(&e->cfg));
}

enum part { PART_ADDRESS, PART_PREFIX };

static uint64_t part_hash(const struct tcp_engine *e, const struct addr *peer, enum part part)
{
    uint64_t input[2] = {0, part};
    if (addr_is_ip4(peer)) {
        input[0] = addr_to_ip4(peer) >> (part == PART_PREFIX ? 32 - PREFIX_BITS_4 : 0);
        input[1] |= 4u << 8;
    } else {
        input[0] = load_be64(peer->b) >> (part == PART_PREFIX ? 64 - PREFIX_BITS_6 : 0);
        input[1] |= 6u << 8;
    }
    return siphash13(e->env.flow_key, view_of(input, sizeof input));
}

static uint32_t hash_tag(uint64_t hash)
{
    uint32_t tag = (uint32_t)hash;
    return tag != 0 ? tag : 1;
}

static struct quota_bucket *hash_bucket(const struct quota_table *q, uint64_t hash, uint32_t which)
{
    uint32_t mixed =
        which == 0 ? (uint32_t)(hash >> 32) : ((uint32_t)(hash >> 32) ^ (uint32_t)hash) * 0x9e3779b1u;
    return &q->buckets[(uint64_t)mixed * q->bucket_count >> 32];
}

static struct quota_entry *quota_find(const struct quota_table *q, uint64_t hash)
{
    uint32_t tag = hash_tag(hash);
    for (uint32_t which = 0; which < 2; which++) {
        struct quota_bucket *b = hash_bucket(q, hash, which);
        for (uint32_t i = 0; i < QUOTA_ENTRIES; i++) {
            if (b->entries[i].tag == tag) {
                return &b->entries[i];
            }
        }
    }
    return NULL;
}

static uint32_t tick_now(const struct tcp_engine *e)
{
    return (uint32_t)(e->now_us >> TICK_SHIFT);
}

/* Ticks by which the entry's allowance is overdrawn. More than can be is what has grown old. */
static uint32_t rate_ahead(const struct tcp_engine *e, const struct quota_entry *entry)
{
    uint32_t ahead = entry->spent - tick_now(e);
    return ahead <= e->quota.most ? ahead : 0;
}

/* The best entry of a bucket to begin anew in, or NULL; `free` is how many it has. */
static struct quota_entry *bucket_place(const struct tcp_engine *e, struct quota_bucket *b, uint32_t *free)
{
    struct quota_entry *best = NULL;
    *free = 0;
    for (uint32_t i = 0; i < QUOTA_ENTRIES; i++) {
        struct quota_entry *entry = &b->entries[i];
        if (entry->count != 0) {
            continue;
        }
        (*free)++;
        if (best == NULL || rate_ahead(e, entry) < rate_ahead(e, best)) {
            best = entry;
        }
    }
    return best;
}

static struct quota_entry *quota_make(const struct tcp_engine *e, uint64_t hash)
{
    const struct quota_table *q = &e->quota;
    uint32_t free[2];
    struct quota_entry *places[2];
    for (uint32_t which = 0; which < 2; which++) {
        places[which] = bucket_place(e, hash_bucket(q, hash, which), &free[which]);
    }
    struct quota_entry *entry = places[free[1] > free[0]];
    if (entry != NULL) {
        *entry = (struct quota_entry){.tag = hash_tag(hash), .spent = tick_now(e)};
    }
    return entry;
}

enum wax_status quota_check(const struct tcp_engine *e, const struct addr *peer)
{
    const struct quota_table *q = &e->quota;
    if (q->bucket_count == 0) {
        return WAX_OK;
    }
    const struct quota_entry *address = quota_find(q, part_hash(e, peer, PART_ADDRESS));
    if (address != NULL) {
        if (e->cfg.per_address_max != 0 && address->count >= e->cfg.per_address_max) {
            return WAX_TCP_ADDRESS_FULL;
        }
        if (q->cost != 0 && rate_ahead(e, address) + q->cost > q->most) {
            return WAX_TCP_ADDRESS_RATE;
        }
    }
    if (e->cfg.per_prefix_max != 0) {
        const struct quota_entry *prefix = quota_find(q, part_hash(e, peer, PART_PREFIX));
        if (prefix != NULL && prefix->count >= e->cfg.per_prefix_max) {
            return WAX_TCP_PREFIX_FULL;
        }
    }
    return WAX_OK;
}

static void part_take(struct tcp_engine *e, const struct addr *peer, enum part part, uint8_t *flags,
                      uint8_t flag)
{
    uint64_t hash = part_hash(e, peer, part);
    struct quota_entry *entry = quota_find(&e->quota, hash);
    entry = entry != NULL ? entry : quota_make(e, hash);
    if (entry == NULL) {
        engine_count(e, WAX_TCP_QUOTA_CROWDED);
        return;
    }
    entry->count++;
    if (part == PART_ADDRESS) {
        entry->spent = tick_now(e) + rate_ahead(e, entry) + e->quota.cost;
    }
    *flags |= flag;
}

static enum wax_status peer_take(struct tcp_engine *e, const struct addr *peer, uint8_t *flags)
{
    enum wax_status status = quota_check(e, peer);
    if (status == WAX_OK && e->quota.bucket_count != 0) {
        part_take(e, peer, PART_ADDRESS, flags, F2_COUNTED);
        if (e->cfg.per_prefix_max != 0) {
            part_take(e, peer, PART_PREFIX, flags, F2_COUNTED_PREFIX);
        }
    }
    return status;
}

static void part_give(struct tcp_engine *e, const struct addr *peer, enum part part, uint8_t *flags,
                      uint8_t flag)
{
    if ((*flags & flag) != 0) {
        struct quota_entry *entry = quota_find(&e->quota, part_hash(e, peer, part));
        if (entry != NULL &&
            entry->count > 0) { /* else two shared a tag, which the key makes a matter of luck */
            entry->count--;
        }
        *flags &= (uint8_t)~flag;
    }
}

static void peer_give(struct tcp_engine *e, const struct addr *peer, uint8_t *flags)
{
    part_give(e, peer, PART_ADDRESS, flags, F2_COUNTED);
    part_give(e, peer, PART_PREFIX, flags, F2_COUNTED_PREFIX);
}

enum wax_status quota_take(struct tcp_engine *e, struct tcp_conn *c)
{
    if ((c->tag & TCP_TAG_BEHIND) != 0) {
        return WAX_OK;
    }
    return peer_take(e, &c->tuple.peer, &c->flags2);
}

void quota_give(struct tcp_engine *e, struct tcp_conn *c)
{
    peer_give(e, &c->tuple.peer, &c->flags2);
}

enum wax_status tcp_client_take(struct tcp_engine *e, const struct addr *client, uint8_t *counted)
{
    *counted = 0;
    enum wax_status status = peer_take(e, client, counted);
    return status == WAX_OK ? status : engine_count(e, status);
}

void tcp_client_give(struct tcp_engine *e, const struct addr *client, uint8_t *counted)
{
    peer_give(e, client, counted);
}
