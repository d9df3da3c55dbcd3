/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/steer.h"

enum {
    ETH_BYTES = 14,
    ETHERTYPE_IP4 = 0x0800,
    ETHERTYPE_IP6 = 0x86dd,
    IP4_BYTES = 20,
    IP6_BYTES = 40,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    ICMP_BYTES = 8,
};

struct ends {
    struct addr from, to;
    uint16_t from_port, to_port;
};

void steer_init(struct steer *steer, const uint8_t key[RSS_KEY_BYTES], uint16_t workers)
{
    rss_hasher_init(&steer->hasher, key);
    rss_table_init(&steer->table, workers);
}

static struct ends swapped(struct ends ends)
{
    return (struct ends){ends.to, ends.from, ends.to_port, ends.from_port};
}

/* The ends of an IPv4 packet that is TCP and has its ports: at least 4 bytes behind the header. */
static bool ends_of_ip4(struct ends *ends, struct view ip)
{
    if (ip.len < IP4_BYTES)
        return false;
    size_t header = (size_t)(ip.data[0] & 0x0f) * 4;
    bool later_fragment = (load_be16(ip.data + 6) & 0x1fff) != 0;
    if (header < IP4_BYTES || ip.len < header + 4 || later_fragment || ip.data[9] != PROTOCOL_TCP)
        return false;
    *ends = (struct ends){addr_ip4(load_be32(ip.data + 12)), addr_ip4(load_be32(ip.data + 16)),
                          load_be16(ip.data + header), load_be16(ip.data + header + 2)};
    return true;
}

/* The packet of ours that an ICMP error quotes: its ends the other way round are those of its flow's frames.
 */
static bool ends_of_quoted(struct ends *ends, struct view ip)
{
    if (ip.len < IP4_BYTES || ip.data[9] != PROTOCOL_ICMP)
        return false;
    size_t skip = (size_t)(ip.data[0] & 0x0f) * 4 + ICMP_BYTES;
    if (skip < IP4_BYTES + ICMP_BYTES || ip.len < skip)
        return false;
    uint8_t type = ip.data[skip - ICMP_BYTES];
    bool error = type == 3 || type == 4 || type == 11 || type == 12;
    if (!error || !ends_of_ip4(ends, view_of(ip.data + skip, ip.len - skip)))
        return false;
    *ends = swapped(*ends);
    return true;
}

static bool ends_of_ip6(struct ends *ends, struct view ip)
{
    if (ip.len < IP6_BYTES + 4 || ip.data[6] != PROTOCOL_TCP)
        return false;
    memcpy(ends->from.b, ip.data + 8, 16);
    memcpy(ends->to.b, ip.data + 24, 16);
    ends->from_port = load_be16(ip.data + IP6_BYTES);
    ends->to_port = load_be16(ip.data + IP6_BYTES + 2);
    return true;
}

uint32_t steer_frame(const struct steer *steer, struct view frame)
{
    struct ends ends;
    if (steer_is_arp_reply(frame))
        return STEER_ALL;
    if (frame.len < ETH_BYTES)
        return STEER_HERE;
    uint16_t type = load_be16(frame.data + 12);
    struct view ip = view_of(frame.data + ETH_BYTES, frame.len - ETH_BYTES);
    bool known = (type == ETHERTYPE_IP4 && (ends_of_ip4(&ends, ip) || ends_of_quoted(&ends, ip))) ||
                 (type == ETHERTYPE_IP6 && ends_of_ip6(&ends, ip));
    if (!known)
        return STEER_HERE;
    uint32_t hash = rss_hash(&steer->hasher, &ends.from, &ends.to, ends.from_port, ends.to_port);
    return rss_worker(&steer->table, hash);
}
