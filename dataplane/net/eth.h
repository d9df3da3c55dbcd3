/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Ethernet II frames: 6 bytes destination, 6 source, 2 type. No VLAN tags, no 802.3 lengths.
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

#endif
