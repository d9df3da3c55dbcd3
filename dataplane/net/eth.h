/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet II frames: 6 bytes destination, 6 source, 2 type; and the tag of IEEE 802.1Q that may stand
 * between source and type: 2 bytes of type 0x8100, then priority (3 bits), DEI (1) and VLAN ID (12). No 802.3
 * lengths.
 */
#ifndef NET_ETH_H
#define NET_ETH_H

#include <stdbool.h>

#include "waxwire/bytes.h"

#define ETH_HEADER_BYTES 14u
#define ETH_MAC_BYTES    6u
#define ETH_TYPE_IP4     0x0800u
#define ETH_TYPE_ARP     0x0806u
#define ETH_TYPE_IP6     0x86ddu
#define ETH_TYPE_VLAN    0x8100u
#define ETH_TAG_BYTES    4u
#define ETH_VLAN_MASK    0x0fffu
#define ETH_VLAN_MOST    4094u /* 4095 is reserved, 0 is a mere priority (802.1Q table 9-2) */

struct mac {
    uint8_t b[ETH_MAC_BYTES];
};

static const struct mac mac_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/*
 * True when both are the same station or group.
 */
static inline bool mac_same(const struct mac *a, const struct mac *b)
{
    return memcmp(a->b, b->b, ETH_MAC_BYTES) == 0;
}

/*
 * True for an address that a single station can have: not a group, not all zeros.
 */
static inline bool mac_is_station(const struct mac *m)
{
    static const struct mac zero = {{0}};
    return (m->b[0] & 1u) == 0 && !mac_same(m, &zero);
}

/*
 * The destination of a frame of at least ETH_HEADER_BYTES.
 */
static inline struct mac eth_destination(const uint8_t *frame)
{
    struct mac m;
    memcpy(m.b, frame, ETH_MAC_BYTES);
    return m;
}

/*
 * Its source.
 */
static inline struct mac eth_source(const uint8_t *frame)
{
    struct mac m;
    memcpy(m.b, frame + ETH_MAC_BYTES, ETH_MAC_BYTES);
    return m;
}

/*
 * Its type: ETH_TYPE_*.
 */
static inline uint16_t eth_type(const uint8_t *frame)
{
    return load_be16(frame + 12);
}

/*
 * Writes a header of ETH_HEADER_BYTES.
 */
static inline void eth_write(uint8_t *frame, const struct mac *destination, const struct mac *source,
                             uint16_t type)
{
    memcpy(frame, destination->b, ETH_MAC_BYTES);
    memcpy(frame + ETH_MAC_BYTES, source->b, ETH_MAC_BYTES);
    store_be16(frame + 12, type);
}

/*
 * Takes the tag out of a frame of at least ETH_HEADER_BYTES + ETH_TAG_BYTES: what is left begins
 * ETH_TAG_BYTES later. Returns the VLAN ID.
 */
static inline uint16_t eth_tag_take(uint8_t *frame)
{
    uint16_t id = load_be16(frame + 14) & ETH_VLAN_MASK;
    memmove(frame + ETH_TAG_BYTES, frame, 2 * ETH_MAC_BYTES);
    return id;
}

/*
 * Puts a tag of VLAN `id` into a frame whose header begins ETH_TAG_BYTES after `frame`.
 */
static inline void eth_tag_put(uint8_t *frame, uint16_t id)
{
    memmove(frame, frame + ETH_TAG_BYTES, 2 * ETH_MAC_BYTES);
    store_be16(frame + 12, ETH_TYPE_VLAN);
    store_be16(frame + 14, id);
}

/*
 * The Ethernet group of an IPv6 group (RFC 2464 7).
 */
static inline struct mac mac_of_group(const uint8_t group[16])
{
    return (struct mac){{0x33, 0x33, group[12], group[13], group[14], group[15]}};
}

#endif
