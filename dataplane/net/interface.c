/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/interface.h"

#include "net/ip4.h"

#define IP4_BITS        32u
#define IP4_BEFORE_BITS 96u
#define IP6_BITS        128u
#define LINK_LOCAL_BITS 64u

/* RFC 2464 4: fe80:: and the MAC with ff:fe in its middle and its universal bit turned. */
static struct addr link_local_of(const struct mac *mac)
{
    const uint8_t *m = mac->b;
    return (struct addr){{0xfe, 0x80, 0, 0, 0, 0, 0, 0, m[0] ^ 2u, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]}};
}

static bool address_sound(const struct net_address *a)
{
    if (addr_is_ip4(&a->addr)) {
        return a->prefix <= IP4_BITS && ip4_is_host(addr_to_ip4(&a->addr));
    }
    return a->prefix <= IP6_BITS && ip6_is_host(&a->addr);
}

static void add(struct interface *interface, const struct addr *addr, uint8_t bits, bool detect)
{
    bool ip4 = addr_is_ip4(addr);
    interface->own[interface->count++] =
        (struct interface_own){.addr = *addr,
                               .bits = (uint8_t)(bits + (ip4 ? IP4_BEFORE_BITS : 0)),
                               .state = ip4 || !detect ? INTERFACE_VALID : INTERFACE_TENTATIVE,
                               .ip4 = ip4};
}

bool interface_init(struct interface *interface, const struct net_address *addresses, uint32_t count,
                    const struct mac *mac, bool detect)
{
    bool ip6 = false;
    memset(interface, 0, sizeof *interface);
    for (uint32_t i = 0; i < count; i++) {
        if (!address_sound(&addresses[i])) {
            return false;
        }
        ip6 |= !addr_is_ip4(&addresses[i].addr);
        add(interface, &addresses[i].addr, addresses[i].prefix, detect);
    }
    interface->link_local = INTERFACE_NONE;
    for (uint32_t i = 0; ip6 && i < count && interface->link_local == INTERFACE_NONE; i++) {
        if (addr_is_link_local(&interface->own[i].addr)) {
            interface->link_local = i;
        }
    }
    if (ip6 && interface->link_local == INTERFACE_NONE) {
        struct addr own = link_local_of(mac);
        interface->link_local = interface->count;
        add(interface, &own, LINK_LOCAL_BITS, detect);
    }
    return true;
}

uint32_t interface_find(const struct interface *interface, const struct addr *addr)
{
    for (uint32_t i = 0; i < interface->count; i++) {
        if (addr_same(&interface->own[i].addr, addr)) {
            return i;
        }
    }
    return INTERFACE_NONE;
}

bool interface_has(const struct interface *interface, const struct addr *addr)
{
    uint32_t i = interface_find(interface, addr);
    return i != INTERFACE_NONE && interface->own[i].state == INTERFACE_VALID;
}

const struct interface_own *interface_network(const struct interface *interface, const struct addr *addr)
{
    bool ip4 = addr_is_ip4(addr);
    for (uint32_t i = 0; i < interface->count; i++) {
        const struct interface_own *own = &interface->own[i];
        if (own->ip4 == ip4 && own->state == INTERFACE_VALID &&
            addr_same_prefix(&own->addr, addr, own->bits)) {
            return own;
        }
    }
    return NULL;
}

bool interface_is_broadcast(const struct interface_own *network, const struct addr *addr)
{
    uint32_t host_bits = IP6_BITS - network->bits;
    if (!network->ip4 || host_bits < 2) {
        return false;
    }
    uint32_t mask = (uint32_t)((UINT64_C(1) << host_bits) - 1), host = addr_to_ip4(addr) & mask;
    return host == 0 || host == mask;
}

bool interface_in_group(const struct interface *interface, const struct addr *group)
{
    static const struct addr all_nodes = {{0xff, 2, [15] = 1}};
    if (interface->link_local == INTERFACE_NONE || !addr_is_group(group)) {
        return false;
    }
    if (addr_same(group, &all_nodes)) {
        return true;
    }
    for (uint32_t i = 0; i < interface->count; i++) {
        struct addr ours = addr_solicited_node(&interface->own[i].addr);
        if (!interface->own[i].ip4 && addr_same(group, &ours)) {
            return true;
        }
    }
    return false;
}

uint32_t interface_groups(const struct interface *interface, struct addr *groups, uint32_t room)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < interface->count && count < room; i++) {
        struct addr group = addr_solicited_node(&interface->own[i].addr);
        uint32_t same = 0;
        while (same < count && !addr_same(&groups[same], &group)) {
            same++;
        }
        if (!interface->own[i].ip4 && same == count) {
            groups[count++] = group;
        }
    }
    return count;
}

/* How many bits two addresses have in common from the left. */
static uint32_t common_bits(const struct addr *a, const struct addr *b)
{
    uint64_t high = load_be64(a->b) ^ load_be64(b->b), low = load_be64(a->b + 8) ^ load_be64(b->b + 8);
    if (high != 0) {
        return (uint32_t)__builtin_clzll(high);
    }
    return low != 0 ? 64u + (uint32_t)__builtin_clzll(low) : IP6_BITS;
}

const struct addr *interface_source(const struct interface *interface, const struct addr *dst)
{
    const struct addr *best = NULL;
    uint32_t best_bits = 0;
    bool ip4 = addr_is_ip4(dst), link_local = addr_is_link_local(dst) || addr_is_group(dst);
    for (uint32_t i = 0; i < interface->count; i++) {
        const struct interface_own *own = &interface->own[i];
        if (own->state != INTERFACE_VALID || own->ip4 != ip4 ||
            (!ip4 && addr_is_link_local(&own->addr) != link_local)) {
            continue;
        }
        uint32_t bits = common_bits(&own->addr, dst);
        if (best == NULL || bits > best_bits) {
            best = &own->addr;
            best_bits = bits;
        }
    }
    return best;
}

void interface_duplicate(struct interface *interface, uint32_t index)
{
    bool all = index == interface->link_local;
    for (uint32_t i = 0; i < interface->count; i++) {
        if (i == index || (all && !interface->own[i].ip4)) {
            interface->own[i].state = INTERFACE_DUPLICATE;
        }
    }
}

void interface_settle(struct interface *interface)
{
    for (uint32_t i = 0; i < interface->count; i++) {
        if (interface->own[i].state == INTERFACE_TENTATIVE) {
            interface->own[i].state = INTERFACE_VALID;
        }
    }
}
