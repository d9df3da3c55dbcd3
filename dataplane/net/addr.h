/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An internet address. Both families are 16 bytes everywhere above the wire: IPv4 as ::ffff:a.b.c.d
 * (RFC 4291 2.5.5.2), so that one key, one comparison and one checksum serve both.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <stdbool.h>

#include "waxwire/bytes.h"

struct addr {
    uint8_t b[16];
};

/* Whether two addresses are the same, family and all. */
static inline bool addr_same(const struct addr *a, const struct addr *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

/*
 * The address of IPv4 host `ip4`, given in host byte order (198.18.0.1 is 0xc6120001).
 */
static inline struct addr addr_ip4(uint32_t ip4)
{
    struct addr a = {{0}};
    a.b[10] = a.b[11] = 0xff;
    store_be32(a.b + 12, ip4);
    return a;
}

static inline bool addr_is_ip4(const struct addr *a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a->b, mapped, sizeof mapped) == 0;
}

/*
 * The IPv4 address in host byte order; meaningful only when addr_is_ip4().
 */
static inline uint32_t addr_to_ip4(const struct addr *a)
{
    return load_be32(a->b + 12);
}

/*
 * True for the unspecified address of either family (:: and 0.0.0.0), which stands for "any" in a listener.
 */
static inline bool addr_is_any(const struct addr *a)
{
    return load_be64(a->b) == 0 && load_be32(a->b + 12) == 0 &&
           (load_be32(a->b + 8) == 0 || load_be32(a->b + 8) == 0xffff);
}

/*
 * True for an IPv6 group, ff00::/8 (RFC 4291 2.7). IPv4's groups are told by ip4_is_host.
 */
static inline bool addr_is_group(const struct addr *a)
{
    return a->b[0] == 0xff;
}

/*
 * True for a link-local address of IPv6, fe80::/10 (RFC 4291 2.5.6).
 */
static inline bool addr_is_link_local(const struct addr *a)
{
    return a->b[0] == 0xfe && (a->b[1] & 0xc0u) == 0x80u;
}

/*
 * True for ::1.
 */
static inline bool addr_is_loopback(const struct addr *a)
{
    return load_be64(a->b) == 0 && load_be64(a->b + 8) == 1;
}

/*
 * Whether the first `bits` (0 to 128) of both are the same. IPv4 addresses have 96 bits before theirs.
 */
static inline bool addr_same_prefix(const struct addr *a, const struct addr *b, uint32_t bits)
{
    uint64_t high = load_be64(a->b) ^ load_be64(b->b), low = load_be64(a->b + 8) ^ load_be64(b->b + 8);
    if (bits <= 64) {
        return bits == 0 || high >> (64 - bits) == 0;
    }
    return high == 0 && low >> (128 - bits) == 0;
}

/*
 * The solicited-node group of an IPv6 address, ff02::1:ffxx:xxxx (RFC 4291 2.7.1).
 */
static inline struct addr addr_solicited_node(const struct addr *a)
{
    struct addr group = {{0xff, 2, [11] = 1, 0xff}};
    memcpy(group.b + 13, a->b + 13, 3);
    return group;
}

#endif
