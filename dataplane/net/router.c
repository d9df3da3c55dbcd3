/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/router.h"

#define S_US UINT64_C(1000000)

static void drop(struct router_list *list, struct neigh *neigh, uint32_t i)
{
    list->router[i].until_us = 0;
    neigh_unpin(neigh, ROUTER_PLACE + i);
}

/* The place of `addr`, else one that is free or whose time has passed, else ROUTERS_MAX. */
static uint32_t router_find(const struct router_list *list, const struct addr *addr, uint64_t now_us)
{
    uint32_t at = ROUTERS_MAX;
    for (uint32_t i = 0; i < ROUTERS_MAX; i++) {
        const struct router_entry *r = &list->router[i];
        if (r->until_us != 0 && addr_same(&r->addr, addr)) {
            return i;
        }
        if (r->until_us <= now_us) {
            at = i;
        }
    }
    return at;
}

static enum wax_status router_take(struct router_list *list, struct neigh *neigh, const struct addr *src,
                                   const struct ndp_message *m, uint64_t now_us)
{
    if (m->lifetime_s == 0) {
        router_remove(list, neigh, src);
        return WAX_OK;
    }
    uint32_t i = router_find(list, src, now_us);
    if (i == ROUTERS_MAX) {
        return WAX_ND_ROUTERS;
    }
    struct router_entry *r = &list->router[i];
    if (r->until_us == 0 || !addr_same(&r->addr, src)) {
        r->addr = *src;
        neigh_pin(neigh, ROUTER_PLACE + i, src, now_us);
    }
    r->until_us = now_us + m->lifetime_s * S_US;
    return WAX_OK;
}

/* 6.3.4: a lifetime of 0 ends a prefix; the link-local one is ours to know; a full list takes no more. */
static void prefix_take(struct router_list *list, const struct ndp_prefix *p, uint64_t now_us)
{
    struct router_prefix *at = NULL;
    if (!p->on_link || p->bits == 0 || !ip6_is_host(&p->addr) || addr_is_link_local(&p->addr)) {
        return;
    }
    for (uint32_t i = 0; i < ROUTER_PREFIXES_MAX; i++) {
        struct router_prefix *known = &list->prefix[i];
        if (known->until_us > now_us && known->bits == p->bits &&
            addr_same_prefix(&known->addr, &p->addr, p->bits)) {
            at = known;
            break;
        }
        if (known->until_us <= now_us) {
            at = known;
        }
    }
    if (at != NULL) {
        at->addr = p->addr;
        at->bits = p->bits;
        at->until_us = p->valid_s == NDP_FOREVER_S ? UINT64_MAX
                       : p->valid_s == 0           ? 0
                                                   : now_us + p->valid_s * S_US;
    }
}

enum wax_status router_advertised(struct router_list *list, struct neigh *neigh, const struct addr *src,
                                  const struct ndp_message *message, uint64_t now_us)
{
    enum wax_status status = router_take(list, neigh, src, message, now_us);
    if (status != WAX_OK) {
        return status;
    }
    if (message->has_mac) {
        neigh_hint(neigh, src, &message->mac, now_us);
    }
    for (uint32_t i = 0; i < message->prefix_count; i++) {
        prefix_take(list, &message->prefix[i], now_us);
    }
    return WAX_OK;
}

void router_remove(struct router_list *list, struct neigh *neigh, const struct addr *addr)
{
    for (uint32_t i = 0; i < ROUTERS_MAX; i++) {
        if (list->router[i].until_us != 0 && addr_same(&list->router[i].addr, addr)) {
            drop(list, neigh, i);
        }
    }
}

const struct addr *router_choose(struct router_list *list, struct neigh *neigh, uint64_t now_us)
{
    uint32_t there[ROUTERS_MAX], count = 0;
    for (uint32_t i = 0; i < ROUTERS_MAX; i++) {
        if (list->router[i].until_us == 0) {
            continue;
        }
        if (list->router[i].until_us <= now_us) {
            drop(list, neigh, i);
            continue;
        }
        if (neigh_known(neigh, ROUTER_PLACE + i)) {
            return &list->router[i].addr;
        }
        there[count++] = i;
    }
    return count == 0 ? NULL : &list->router[there[list->turn++ % count]].addr;
}

bool router_on_link(const struct router_list *list, const struct addr *addr, uint64_t now_us)
{
    for (uint32_t i = 0; i < ROUTER_PREFIXES_MAX; i++) {
        const struct router_prefix *p = &list->prefix[i];
        if (p->until_us > now_us && addr_same_prefix(&p->addr, addr, p->bits)) {
            return true;
        }
    }
    return false;
}

bool router_any(const struct router_list *list, uint64_t now_us)
{
    for (uint32_t i = 0; i < ROUTERS_MAX; i++) {
        if (list->router[i].until_us > now_us) {
            return true;
        }
    }
    return false;
}
