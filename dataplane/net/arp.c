/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/arp.h"

#define HARDWARE_ETHERNET 1u

enum wax_status arp_parse(struct view in, struct arp_packet *out)
{
    const uint8_t *p = in.data;
    if (in.len < ARP_BYTES || load_be16(p) != HARDWARE_ETHERNET || load_be16(p + 2) != ETH_TYPE_IP4 ||
        p[4] != ETH_MAC_BYTES || p[5] != 4) {
        return WAX_ARP_MALFORMED;
    }
    out->op = load_be16(p + 6);
    memcpy(out->sender_mac.b, p + 8, ETH_MAC_BYTES);
    out->sender_ip4 = load_be32(p + 14);
    memcpy(out->target_mac.b, p + 18, ETH_MAC_BYTES);
    out->target_ip4 = load_be32(p + 24);
    if ((out->op != ARP_REQUEST && out->op != ARP_REPLY) || !mac_is_station(&out->sender_mac)) {
        return WAX_ARP_MALFORMED;
    }
    return WAX_OK;
}

void arp_write(uint8_t *frame, const struct mac *destination, const struct arp_packet *packet)
{
    eth_write(frame, destination, &packet->sender_mac, ETH_TYPE_ARP);
    uint8_t *p = frame + ETH_HEADER_BYTES;
    store_be16(p, HARDWARE_ETHERNET);
    store_be16(p + 2, ETH_TYPE_IP4);
    p[4] = ETH_MAC_BYTES;
    p[5] = 4;
    store_be16(p + 6, packet->op);
    memcpy(p + 8, packet->sender_mac.b, ETH_MAC_BYTES);
    store_be32(p + 14, packet->sender_ip4);
    memcpy(p + 18, packet->target_mac.b, ETH_MAC_BYTES);
    store_be32(p + 24, packet->target_ip4);
}
