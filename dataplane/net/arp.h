/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ARP packets for IPv4 over Ethernet (RFC 826), and announcements (RFC 5227).
 */
#ifndef NET_ARP_H
#define NET_ARP_H

#include "net/addr.h"
#include "net/eth.h"
#include "waxwire/status.h"

#define ARP_BYTES       28u
#define ARP_FRAME_BYTES (ETH_HEADER_BYTES + ARP_BYTES)
#define ARP_REQUEST     1u
#define ARP_REPLY       2u

struct arp_packet {
    uint16_t op; /* ARP_REQUEST or ARP_REPLY */
    struct mac sender_mac, target_mac;
    uint32_t sender_ip4, target_ip4; /* host byte order; sender 0 in a probe (RFC 5227 1.1) */
};

/*
 * Parses what follows the Ethernet header. ARP_MALFORMED when it is short, of another hardware or protocol,
 * of another operation, or its sender is no station.
 */
enum wax_status arp_parse(struct view in, struct arp_packet *out);

/*
 * Writes a whole frame of ARP_FRAME_BYTES to `destination`; its source is the packet's sender_mac. `frame`
 * must have that room.
 */
void arp_write(uint8_t *frame, const struct mac *destination, const struct arp_packet *packet);

#endif
