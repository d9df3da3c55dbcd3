/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/ndp.h"

#define HOP_LIMIT        255u /* whoever sent it is on the link */
#define ASK_BYTES        24u
#define ROUTER_BYTES     16u
#define ROUTER_ASK_BYTES 8u
#define OPTION_SOURCE    1u
#define OPTION_TARGET    2u
#define OPTION_PREFIX    3u
#define OPTION_UNIT      8u
#define PREFIX_BYTES     32u
#define FLAG_ROUTER      0x80u
#define FLAG_SOLICITED   0x40u
#define FLAG_OVERRIDE    0x20u
#define FLAG_ON_LINK     0x80u

const struct addr ndp_all_nodes = {{0xff, 2, [15] = 1}};
const struct addr ndp_all_routers = {{0xff, 2, [15] = 2}};

static void prefix_read(const uint8_t *p, struct ndp_message *out)
{
    if (p[2] > 128 || out->prefix_count == NDP_PREFIXES_MAX) {
        return; /* as if it weren't there */
    }
    struct ndp_prefix *prefix = &out->prefix[out->prefix_count++];
    prefix->bits = p[2];
    prefix->on_link = (p[3] & FLAG_ON_LINK) != 0;
    prefix->valid_s = load_be32(p + 4);
    memcpy(prefix->addr.b, p + 16, sizeof prefix->addr.b);
}

static void option_read(const uint8_t *p, size_t len, uint8_t wanted, struct ndp_message *out)
{
    if (p[0] == wanted && len == OPTION_UNIT) {
        memcpy(out->mac.b, p + 2, ETH_MAC_BYTES);
        out->has_mac = mac_is_station(&out->mac);
    } else if (p[0] == OPTION_PREFIX && len == PREFIX_BYTES) {
        prefix_read(p, out);
    }
}

/* All options must have a length (7.1.1, 7.1.2, 6.1.2); those that aren't known are passed over. */
static bool options_read(struct view in, uint8_t wanted, struct ndp_message *out)
{
    for (uint32_t i = 0; in.len > 0; i++) {
        size_t len = in.len < 2 ? 0 : in.data[1] * OPTION_UNIT;
        if (len == 0 || len > in.len || i == NDP_OPTIONS_MAX) {
            return false;
        }
        option_read(in.data, len, wanted, out);
        in = view_of(in.data + len, in.len - len);
    }
    return true;
}

/* 7.1.1: a source that has no address asks only whether one is taken, and says nothing of itself. */
static bool ask_sound(const struct ip6_packet *ip, const struct ndp_message *m)
{
    if (!addr_is_any(&ip->src)) {
        return true;
    }
    struct addr group = addr_solicited_node(&m->target);
    return !m->has_mac && addr_same(&ip->dst, &group);
}

static bool router_sound(const struct ip6_packet *ip, struct ndp_message *m)
{
    const uint8_t *p = ip->payload.data;
    m->lifetime_s = load_be16(p + 6);
    return addr_is_link_local(&ip->src);
}

enum wax_status ndp_parse(const struct ip6_packet *ip, struct ndp_message *out)
{
    const uint8_t *p = ip->payload.data;
    memset(out, 0, sizeof *out);
    out->type = p[0];
    size_t fixed = out->type == ICMP6_ROUTER ? ROUTER_BYTES : ASK_BYTES;
    if (ip->hop_limit != HOP_LIMIT || ip->fragment || p[1] != 0 || ip->payload.len < fixed) {
        return WAX_ND_MALFORMED;
    }
    uint8_t wanted = out->type == ICMP6_ADVERTISE ? OPTION_TARGET : OPTION_SOURCE;
    if (!options_read(view_of(p + fixed, ip->payload.len - fixed), wanted, out)) {
        return WAX_ND_MALFORMED;
    }
    if (out->type == ICMP6_ROUTER) {
        return router_sound(ip, out) ? WAX_OK : WAX_ND_MALFORMED;
    }
    memcpy(out->target.b, p + 8, sizeof out->target.b);
    if (!ip6_is_host(&out->target)) {
        return WAX_ND_MALFORMED;
    }
    if (out->type == ICMP6_ASK) {
        return ask_sound(ip, out) ? WAX_OK : WAX_ND_MALFORMED;
    }
    out->is_router = (p[4] & FLAG_ROUTER) != 0;
    out->solicited = (p[4] & FLAG_SOLICITED) != 0;
    out->override = (p[4] & FLAG_OVERRIDE) != 0;
    return addr_is_any(&ip->src) || (addr_is_group(&ip->dst) && out->solicited) ? WAX_ND_MALFORMED : WAX_OK;
}

/* The headers of a message of `len` bytes, and its checksum. */
static size_t frame_finish(uint8_t *frame, const struct mac *own, const struct mac *to,
                           const struct addr *src, const struct addr *dst, size_t len)
{
    uint8_t *message = frame + ETH_HEADER_BYTES + IP6_HEADER_BYTES;
    icmp6_checksum_put(span_of(message, len), src, dst);
    ip6_write(frame + ETH_HEADER_BYTES, src, dst, IP6_PROTOCOL_ICMP, 0, HOP_LIMIT, 0, len);
    eth_write(frame, to, own, ETH_TYPE_IP6);
    return ETH_HEADER_BYTES + IP6_HEADER_BYTES + len;
}

static void option_put(uint8_t *p, uint8_t type, const struct mac *own)
{
    p[0] = type;
    p[1] = 1;
    memcpy(p + 2, own->b, ETH_MAC_BYTES);
}

size_t ndp_write_ask(uint8_t *frame, const struct mac *own, const struct mac *to, const struct addr *src,
                     const struct addr *target)
{
    uint8_t *p = frame + ETH_HEADER_BYTES + IP6_HEADER_BYTES;
    bool group = mac_same(to, &mac_broadcast), nameless = addr_is_any(src);
    struct addr dst = group ? addr_solicited_node(target) : *target;
    struct mac mac = group ? mac_of_group(dst.b) : *to;
    memset(p, 0, ASK_BYTES);
    p[0] = ICMP6_ASK;
    memcpy(p + 8, target->b, sizeof target->b);
    if (!nameless) {
        option_put(p + ASK_BYTES, OPTION_SOURCE, own);
    }
    return frame_finish(frame, own, &mac, src, &dst, ASK_BYTES + (nameless ? 0 : OPTION_UNIT));
}

size_t ndp_write_advertise(uint8_t *frame, const struct mac *own, const struct mac *to,
                           const struct addr *target, const struct addr *dst, bool solicited)
{
    struct addr from = *target, peer = *dst; /* they may lie in the frame */
    struct mac mac = *to;
    uint8_t *p = frame + ETH_HEADER_BYTES + IP6_HEADER_BYTES;
    memset(p, 0, ASK_BYTES);
    p[0] = ICMP6_ADVERTISE;
    p[4] = FLAG_OVERRIDE | (solicited ? FLAG_SOLICITED : 0);
    memcpy(p + 8, from.b, sizeof from.b);
    option_put(p + ASK_BYTES, OPTION_TARGET, own);
    return frame_finish(frame, own, &mac, &from, &peer, ASK_BYTES + OPTION_UNIT);
}

size_t ndp_write_router_ask(uint8_t *frame, const struct mac *own, const struct addr *src)
{
    uint8_t *p = frame + ETH_HEADER_BYTES + IP6_HEADER_BYTES;
    bool nameless = addr_is_any(src);
    struct mac mac = mac_of_group(ndp_all_routers.b);
    memset(p, 0, ROUTER_ASK_BYTES);
    p[0] = ICMP6_ROUTER_ASK;
    if (!nameless) {
        option_put(p + ROUTER_ASK_BYTES, OPTION_SOURCE, own);
    }
    return frame_finish(frame, own, &mac, src, &ndp_all_routers,
                        ROUTER_ASK_BYTES + (nameless ? 0 : OPTION_UNIT));
}
