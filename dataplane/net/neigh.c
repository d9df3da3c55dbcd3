/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/neigh.h"

#define ASK_COST_US    (1000000u / NEIGH_ASKS_PER_S)
#define ALIVE_GRAIN_US UINT64_C(1000000) /* a sign of life is written down once a second */

_Static_assert((NEIGH_ENTRIES & (NEIGH_ENTRIES - 1)) == 0, "places are found by a mask");

static bool is_place(const struct neigh *neigh, const struct neigh_entry *e)
{
    return e >= neigh->place && e < neigh->place + NEIGH_PLACES;
}

void neigh_pin(struct neigh *neigh, uint32_t place, const struct addr *addr, uint64_t now_us)
{
    neigh->place[place] = (struct neigh_entry){.addr = *addr, .alive_us = now_us, .state = NEIGH_INCOMPLETE};
    neigh->place_taken |= 1u << place;
    neigh->place_wanted |= 1u << place;
}

void neigh_unpin(struct neigh *neigh, uint32_t place)
{
    neigh->place[place].state = NEIGH_FREE;
    neigh->place_taken &= ~(1u << place);
    neigh->place_wanted &= ~(1u << place);
}

bool neigh_known(const struct neigh *neigh, uint32_t place)
{
    return neigh->place[place].state > NEIGH_INCOMPLETE;
}

void neigh_init(struct neigh *neigh, const struct addr *gateway, const uint64_t key[2], uint64_t now_us)
{
    memset(neigh, 0, sizeof *neigh);
    neigh->key[0] = key[0];
    neigh->key[1] = key[1];
    if (!addr_is_any(gateway)) {
        neigh_pin(neigh, 0, gateway, now_us);
    }
}

static uint32_t place_of(const struct neigh *neigh, const struct addr *addr)
{
    unsigned __int128 product = (unsigned __int128)(load_be64(addr->b) ^ neigh->key[0]) *
                                (load_be64(addr->b + 8) ^ neigh->key[1] ^ 0x9e3779b97f4a7c15u);
    uint64_t mixed = ((uint64_t)product ^ (uint64_t)(product >> 64)) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(mixed >> 40) & (NEIGH_ENTRIES - 1);
}

static struct neigh_entry *entry_find(struct neigh *neigh, const struct addr *addr)
{
    for (uint32_t left = neigh->place_taken; left != 0; left &= left - 1) {
        struct neigh_entry *e = &neigh->place[__builtin_ctz(left)];
        if (addr_same(&e->addr, addr)) {
            return e;
        }
    }
    uint32_t place = place_of(neigh, addr);
    for (uint32_t i = 0; i < NEIGH_WINDOW; i++) {
        struct neigh_entry *e = &neigh->entries[(place + i) & (NEIGH_ENTRIES - 1)];
        if (e->state != NEIGH_FREE && addr_same(&e->addr, addr)) {
            return e;
        }
    }
    return NULL;
}

static void state_set(struct neigh *neigh, struct neigh_entry *e, enum neigh_state state)
{
    if (!is_place(neigh, e)) {
        neigh->learned -= e->state == NEIGH_LEARNED;
        neigh->learned += state == NEIGH_LEARNED;
    }
    e->state = (uint8_t)state;
}

static void want(struct neigh *neigh, const struct neigh_entry *e)
{
    if (is_place(neigh, e)) {
        neigh->place_wanted |= 1u << (e - neigh->place);
    } else {
        size_t i = (size_t)(e - neigh->entries);
        neigh->wanted[i / 64] |= UINT64_C(1) << i % 64;
    }
}

static uint64_t age_of(const struct neigh_entry *e, uint64_t now_us)
{
    return now_us > e->alive_us ? now_us - e->alive_us : 0;
}

/* How readily an entry gives up its place; 0: not at all. */
static uint32_t worth_taking(const struct neigh_entry *e, uint64_t now_us, bool unsolicited)
{
    switch (e->state) {
    case NEIGH_FREE:
        return 4;
    case NEIGH_INCOMPLETE:
        return age_of(e, now_us) > NEIGH_TRIES * NEIGH_RETRY_US ? 3 : (unsolicited ? 0 : 1);
    default:
        return age_of(e, now_us) > NEIGH_IDLE_US ? 2 : 0;
    }
}

/* A place for a new entry, or NULL. Of equally good ones the oldest. */
static struct neigh_entry *entry_make(struct neigh *neigh, const struct addr *addr, uint64_t now_us,
                                      bool unsolicited)
{
    uint32_t place = place_of(neigh, addr), best = 0;
    struct neigh_entry *taken = NULL;
    for (uint32_t i = 0; i < NEIGH_WINDOW; i++) {
        struct neigh_entry *e = &neigh->entries[(place + i) & (NEIGH_ENTRIES - 1)];
        uint32_t worth = worth_taking(e, now_us, unsolicited);
        if (worth > best || (worth == best && worth > 0 && e->alive_us < taken->alive_us)) {
            best = worth;
            taken = e;
        }
    }
    if (taken != NULL) {
        state_set(neigh, taken, NEIGH_INCOMPLETE);
        *taken = (struct neigh_entry){.addr = *addr, .alive_us = now_us, .state = NEIGH_INCOMPLETE};
    }
    return taken;
}

enum wax_status neigh_use(struct neigh *neigh, const struct addr *addr, uint64_t now_us, struct mac *mac)
{
    struct neigh_entry *e = entry_find(neigh, addr);
    if (e == NULL) {
        e = entry_make(neigh, addr, now_us, false);
        if (e == NULL) {
            return WAX_NEIGH_FULL;
        }
    }
    if (e->state != NEIGH_INCOMPLETE && age_of(e, now_us) > NEIGH_FRESH_US) {
        if (e->tries >= NEIGH_TRIES && now_us >= e->asked_us + NEIGH_RETRY_US) {
            state_set(neigh, e, NEIGH_INCOMPLETE);
            e->alive_us = now_us;
            e->tries = 0;
        } else {
            want(neigh, e);
        }
    }
    if (e->state == NEIGH_INCOMPLETE) {
        want(neigh, e);
        return WAX_NEIGH_UNRESOLVED;
    }
    *mac = e->mac;
    return WAX_OK;
}

/* An address on the link that seems to lie behind a gateway is a forged source more likely than not. */
static bool behind_gateway(const struct neigh *neigh, const struct mac *mac)
{
    for (uint32_t left = neigh->place_taken; left != 0; left &= left - 1) {
        const struct neigh_entry *e = &neigh->place[__builtin_ctz(left)];
        if (e->state > NEIGH_INCOMPLETE && mac_same(&e->mac, mac)) {
            return true;
        }
    }
    return false;
}

void neigh_learn(struct neigh *neigh, const struct addr *addr, const struct mac *mac, uint64_t now_us)
{
    struct neigh_entry *e = entry_find(neigh, addr);
    if (e != NULL && e->state != NEIGH_INCOMPLETE) {
        if (age_of(e, now_us) >= ALIVE_GRAIN_US && mac_same(&e->mac, mac)) {
            e->alive_us = now_us;
            e->tries = 0;
        }
        return;
    }
    bool gateway = e != NULL && is_place(neigh, e);
    if (!gateway && (behind_gateway(neigh, mac) || neigh->learned >= NEIGH_LEARNED_MAX)) {
        return;
    }
    if (e == NULL) {
        e = entry_make(neigh, addr, now_us, true);
        if (e == NULL) {
            return;
        }
    }
    state_set(neigh, e, NEIGH_LEARNED);
    e->mac = *mac;
    e->alive_us = now_us;
    e->tries = 0;
    want(neigh, e);
}

enum wax_status neigh_confirm(struct neigh *neigh, const struct addr *addr, const struct mac *mac,
                              uint64_t now_us)
{
    struct neigh_entry *e = entry_find(neigh, addr);
    if (e == NULL) {
        return WAX_NOT_FOUND;
    }
    state_set(neigh, e, NEIGH_CONFIRMED);
    e->mac = *mac;
    e->alive_us = now_us;
    e->tries = 0;
    return WAX_OK;
}

/* What is known is to be used and asked about at once: RFC 4861's STALE, and PROBE without its delay. */
static void doubt(struct neigh *neigh, struct neigh_entry *e, const struct mac *mac, uint64_t now_us)
{
    if (!is_place(neigh, e) && e->state != NEIGH_LEARNED && neigh->learned >= NEIGH_LEARNED_MAX) {
        return;
    }
    state_set(neigh, e, NEIGH_LEARNED);
    e->mac = *mac;
    e->alive_us = now_us;
    e->tries = 0;
    want(neigh, e);
}

void neigh_hint(struct neigh *neigh, const struct addr *addr, const struct mac *mac, uint64_t now_us)
{
    struct neigh_entry *e = entry_find(neigh, addr);
    if (e != NULL && (e->state == NEIGH_INCOMPLETE || !mac_same(&e->mac, mac))) {
        doubt(neigh, e, mac, now_us);
    }
}

enum wax_status neigh_advertised(struct neigh *neigh, const struct addr *addr, const struct mac *mac,
                                 bool solicited, bool override, uint64_t now_us)
{
    struct neigh_entry *e = entry_find(neigh, addr);
    if (e == NULL || (e->state == NEIGH_INCOMPLETE && mac == NULL)) {
        return WAX_NOT_FOUND;
    }
    if (e->state == NEIGH_INCOMPLETE) {
        if (solicited) {
            return neigh_confirm(neigh, addr, mac, now_us);
        }
        doubt(neigh, e, mac, now_us);
        return WAX_OK;
    }
    struct mac known = e->mac;
    bool differs = mac != NULL && !mac_same(mac, &known);
    if (differs && !override) {
        if (e->state == NEIGH_CONFIRMED) {
            doubt(neigh, e, &known, now_us);
        }
        return WAX_OK;
    }
    if (solicited) {
        return neigh_confirm(neigh, addr, differs ? mac : &known, now_us);
    }
    if (differs) {
        doubt(neigh, e, mac, now_us);
    }
    return WAX_OK;
}

/* Whether a request for `e` is due; counts it when it is. */
static bool ask_due(struct neigh_entry *e, uint64_t now_us)
{
    if (e->state == NEIGH_FREE || (e->state == NEIGH_CONFIRMED && age_of(e, now_us) <= NEIGH_FRESH_US) ||
        (e->asked_us != 0 && now_us < e->asked_us + NEIGH_RETRY_US)) {
        return false;
    }
    if (e->state != NEIGH_INCOMPLETE && e->tries >= NEIGH_TRIES) {
        return false; /* asked often enough: its next use gives it up */
    }
    e->asked_us = now_us;
    if (e->tries < NEIGH_TRIES) {
        e->tries++;
    }
    return true;
}

static struct neigh_entry *wanted_next(struct neigh *neigh)
{
    if (neigh->place_wanted != 0) {
        uint32_t place = (uint32_t)__builtin_ctz(neigh->place_wanted);
        neigh->place_wanted &= neigh->place_wanted - 1;
        return &neigh->place[place];
    }
    for (size_t i = 0; i < NEIGH_ENTRIES / 64; i++) {
        if (neigh->wanted[i] != 0) {
            size_t bit = (size_t)__builtin_ctzll(neigh->wanted[i]);
            neigh->wanted[i] &= neigh->wanted[i] - 1;
            return &neigh->entries[i * 64 + bit];
        }
    }
    return NULL;
}

enum wax_status neigh_ask(struct neigh *neigh, uint64_t now_us, struct addr *addr, struct mac *mac)
{
    struct neigh_entry *e;
    while (rate_ready(&neigh->asks, now_us, ASK_COST_US, NEIGH_ASKS_BURST) &&
           (e = wanted_next(neigh)) != NULL) {
        if (!ask_due(e, now_us)) {
            continue;
        }
        (void)rate_take(&neigh->asks, now_us, ASK_COST_US, NEIGH_ASKS_BURST);
        *addr = e->addr;
        *mac = e->state == NEIGH_CONFIRMED && e->tries < NEIGH_TRIES ? e->mac : mac_broadcast;
        return WAX_OK;
    }
    return WAX_NOT_FOUND;
}
