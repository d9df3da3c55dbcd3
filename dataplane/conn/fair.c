/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/fair.h"

#include <assert.h>

#include "base/hash.h"

void fair_key(const uint8_t *address, uint8_t key[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool ip4 = memcmp(address, mapped, sizeof mapped) == 0;
    memset(key, 0, 16);
    memcpy(key, address, ip4 ? 16 : 8);
}

static uint64_t key_hash(const struct fair *fair, const uint8_t key[16])
{
    return siphash13(fair->config.key, view_of(key, 16));
}

static uint32_t addresses_max(const struct fair_config *config)
{
    return config->under_way_max + config->waiting_max;
}

static size_t table_bytes(const struct fair_config *config)
{
    return (flow_bytes(addresses_max(config)) + 63u) & ~(size_t)63u;
}

size_t fair_bytes(const struct fair_config *config)
{
    return table_bytes(config) + addresses_max(config) * sizeof(struct fair_address) +
           config->waiting_max * sizeof(struct fair_waiter);
}

enum wax_status fair_init(struct fair *fair, struct span memory, const struct fair_config *config)
{
    if (config->under_way_max == 0 || config->per_address_max == 0 || config->waiting_max == 0)
        return WAX_BAD_ARGUMENT;
    if (memory.len < fair_bytes(config))
        return WAX_NO_MEMORY;
    memset(fair, 0, sizeof *fair);
    fair->config = *config;
    uint32_t addresses = addresses_max(config);
    fair->addresses = (struct fair_address *)(void *)(memory.data + table_bytes(config));
    fair->waiters = (struct fair_waiter *)(void *)(fair->addresses + addresses);
    for (uint32_t i = 0; i < addresses; i++)
        fair->addresses[i].next = i + 1 < addresses ? i + 1 : FAIR_NONE;
    for (uint32_t i = 0; i < config->waiting_max; i++)
        fair->waiters[i].next = i + 1 < config->waiting_max ? i + 1 : FAIR_NONE;
    fair->turn_first = fair->turn_last = FAIR_NONE;
    return flow_init(&fair->table, span_of(memory.data, table_bytes(config)), addresses);
}

struct sought {
    const struct fair *fair;
    const uint8_t *key;
};

static bool same(const void *ctx, uint32_t value)
{
    const struct sought *sought = ctx;
    return memcmp(sought->fair->addresses[value].address, sought->key, 16) == 0;
}

static uint32_t address_find(const struct fair *fair, const uint8_t key[16])
{
    struct sought sought = {fair, key};
    return flow_find(&fair->table, key_hash(fair, key), same, &sought);
}

/* FAIR_NONE only when the table has no room near its buckets, which a keyed hash makes unheard of. */
static uint32_t address_take(struct fair *fair, const uint8_t key[16])
{
    uint32_t at = address_find(fair, key);
    if (at != FLOW_NONE)
        return at;
    at = fair->addresses_free;
    if (at == FAIR_NONE || flow_insert(&fair->table, key_hash(fair, key), at) != WAX_OK)
        return FAIR_NONE;
    struct fair_address *a = &fair->addresses[at];
    fair->addresses_free = a->next;
    *a = (struct fair_address){.first = FAIR_NONE, .last = FAIR_NONE, .next = FAIR_NONE};
    memcpy(a->address, key, 16);
    return at;
}

/* Nobody of it is there any more: one in the ring is forgotten when its turn comes. */
static void address_give(struct fair *fair, uint32_t at)
{
    struct fair_address *a = &fair->addresses[at];
    if (a->under_way != 0 || a->waiting != 0 || a->turn)
        return;
    (void)flow_remove(&fair->table, key_hash(fair, a->address), at);
    a->next = fair->addresses_free;
    fair->addresses_free = at;
}

/* Into the ring of turns, when somebody waits and may begin. */
static void turn_add(struct fair *fair, uint32_t at)
{
    struct fair_address *a = &fair->addresses[at];
    if (a->turn || a->waiting == 0 || a->under_way >= fair->config.per_address_max)
        return;
    a->turn = true;
    a->next = FAIR_NONE;
    if (fair->turn_last == FAIR_NONE)
        fair->turn_first = at;
    else
        fair->addresses[fair->turn_last].next = at;
    fair->turn_last = at;
}

bool fair_begin(struct fair *fair, const uint8_t *address)
{
    uint8_t key[16];
    if (fair->under_way >= fair->config.under_way_max || fair->turn_first != FAIR_NONE)
        return false;
    fair_key(address, key);
    uint32_t at = address_take(fair, key);
    if (at == FAIR_NONE || fair->addresses[at].under_way >= fair->config.per_address_max)
        return false;
    fair->addresses[at].under_way++;
    fair->under_way++;
    return true;
}

void fair_end(struct fair *fair, const uint8_t *address)
{
    uint8_t key[16];
    fair_key(address, key);
    uint32_t at = address_find(fair, key);
    assert(at != FLOW_NONE && fair->addresses[at].under_way > 0 && fair->under_way > 0);
    fair->addresses[at].under_way--;
    fair->under_way--;
    turn_add(fair, at);
    address_give(fair, at);
}

enum wax_status fair_wait(struct fair *fair, const uint8_t *address, uint32_t conn, uint32_t *place)
{
    uint8_t key[16];
    uint32_t part = fair->config.waiting_max / FAIR_WAITING_PART, at = fair->waiters_free;
    fair_key(address, key);
    uint32_t owner = at != FAIR_NONE ? address_take(fair, key) : FAIR_NONE;
    if (owner == FAIR_NONE)
        return WAX_FULL;
    struct fair_address *a = &fair->addresses[owner];
    if (a->waiting > 0 && a->waiting >= part)
        return WAX_FULL;
    struct fair_waiter *w = &fair->waiters[at];
    fair->waiters_free = w->next;
    *w = (struct fair_waiter){.conn = conn, .address = owner, .before = a->last, .next = FAIR_NONE};
    if (a->last == FAIR_NONE)
        a->first = at;
    else
        fair->waiters[a->last].next = at;
    a->last = at;
    a->waiting++;
    fair->waiting++;
    turn_add(fair, owner);
    *place = at;
    return WAX_OK;
}

/* Out of its address's queue, which stays where it is in the ring. */
static void waiter_remove(struct fair *fair, uint32_t at)
{
    struct fair_waiter *w = &fair->waiters[at];
    struct fair_address *a = &fair->addresses[w->address];
    if (w->before == FAIR_NONE)
        a->first = w->next;
    else
        fair->waiters[w->before].next = w->next;
    if (w->next == FAIR_NONE)
        a->last = w->before;
    else
        fair->waiters[w->next].before = w->before;
    a->waiting--;
    fair->waiting--;
    w->next = fair->waiters_free;
    fair->waiters_free = at;
}

/* The first address of the ring, taken off it. */
static uint32_t turn_take(struct fair *fair)
{
    uint32_t at = fair->turn_first;
    struct fair_address *a = &fair->addresses[at];
    fair->turn_first = a->next;
    if (fair->turn_first == FAIR_NONE)
        fair->turn_last = FAIR_NONE;
    a->turn = false;
    return at;
}

void fair_leave(struct fair *fair, uint32_t place)
{
    uint32_t owner = fair->waiters[place].address;
    waiter_remove(fair, place);
    address_give(fair, owner);
}

uint32_t fair_next(struct fair *fair)
{
    while (fair->turn_first != FAIR_NONE && fair->under_way < fair->config.under_way_max) {
        uint32_t at = turn_take(fair);
        struct fair_address *a = &fair->addresses[at];
        if (a->waiting == 0) { /* all of it have left */
            address_give(fair, at);
            continue;
        }
        uint32_t conn = fair->waiters[a->first].conn;
        waiter_remove(fair, a->first);
        a->under_way++;
        fair->under_way++;
        turn_add(fair, at);
        return conn;
    }
    return FAIR_NONE;
}
