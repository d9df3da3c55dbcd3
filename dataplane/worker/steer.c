/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/steer.h"

#include "net/arp.h"
#include "net/icmp6.h"
#include "net/ip4.h"

enum {
    IP4_BYTES = 20,
    IP6_BYTES = 40,
    PROTOCOL_ICMP = 1,
    PROTOCOL_TCP = 6,
    ICMP_BYTES = 8,
};

/* What lies behind a frame's Ethernet header, and behind its tag if it has one. */
struct content {
    uint16_t type;
    struct view bytes;
};

struct ends {
    struct addr from, to;
    uint16_t from_port, to_port;
};

static struct content content_of(struct view frame)
{
    size_t at = ETH_HEADER_BYTES;
    if (frame.len < at)
        return (struct content){0};
    uint16_t type = load_be16(frame.data + at - 2);
    if (type == ETH_TYPE_VLAN && frame.len >= at + ETH_TAG_BYTES) {
        at += ETH_TAG_BYTES;
        type = load_be16(frame.data + at - 2);
    }
    return (struct content){type, view_of(frame.data + at, frame.len - at)};
}

static bool is_news(struct content c)
{
    const uint8_t *p = c.bytes.data;
    if (c.type == ETH_TYPE_ARP)
        return c.bytes.len >= ARP_BYTES && load_be16(p + 6) == ARP_REPLY;
    if (c.type != ETH_TYPE_IP6 || c.bytes.len <= IP6_BYTES || p[6] != IP6_PROTOCOL_ICMP)
        return false;
    uint8_t type = p[IP6_BYTES];
    bool nameless = (load_be64(p + 8) | load_be64(p + 16)) == 0;
    return type == ICMP6_ROUTER || type == ICMP6_ADVERTISE || (type == ICMP6_ASK && nameless);
}

bool steer_is_news(struct view frame)
{
    return is_news(content_of(frame));
}

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

/* TCP behind extension headers too: its segments must not go to another worker than the flow's others. */
static bool ends_of_ip6(struct ends *ends, struct view ip)
{
    struct ip6_packet packet;
    if (ip6_parse(ip, &packet) != WAX_OK || packet.protocol != PROTOCOL_TCP || packet.payload.len < 4)
        return false;
    *ends = (struct ends){packet.src, packet.dst, load_be16(packet.payload.data),
                          load_be16(packet.payload.data + 2)};
    return true;
}

static bool ends_of_quoted6(struct ends *ends, struct view ip)
{
    struct ip6_packet packet, quoted;
    if (ip6_parse(ip, &packet) != WAX_OK || packet.protocol != IP6_PROTOCOL_ICMP ||
        packet.payload.len < ICMP6_HEADER_BYTES || packet.payload.data[0] >= ICMP6_INFORMS)
        return false;
    struct view rest =
        view_of(packet.payload.data + ICMP6_HEADER_BYTES, packet.payload.len - ICMP6_HEADER_BYTES);
    if (ip6_parse_quoted(rest, &quoted) != WAX_OK || quoted.protocol != PROTOCOL_TCP ||
        quoted.payload.len < 4)
        return false;
    *ends = (struct ends){quoted.dst, quoted.src, load_be16(quoted.payload.data + 2),
                          load_be16(quoted.payload.data)};
    return true;
}

uint32_t steer_frame(const struct steer *steer, struct view frame)
{
    struct ends ends;
    struct content c = content_of(frame);
    if (is_news(c))
        return STEER_ALL;
    bool known =
        (c.type == ETH_TYPE_IP4 && (ends_of_ip4(&ends, c.bytes) || ends_of_quoted(&ends, c.bytes))) ||
        (c.type == ETH_TYPE_IP6 && (ends_of_ip6(&ends, c.bytes) || ends_of_quoted6(&ends, c.bytes)));
    if (!known)
        return STEER_HERE;
    uint32_t hash = rss_hash(&steer->hasher, &ends.from, &ends.to, ends.from_port, ends.to_port);
    return rss_worker(&steer->table, hash);
}
