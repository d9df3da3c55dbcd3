/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port says by itself: requests, and at the start who it is. */
#include "base/hash.h"
#include "net/net_internal.h"

#define NEVER UINT64_MAX

static const struct addr unspecified;

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When something is next due. */
static uint64_t next_of(const struct net_speech *s)
{
    uint64_t next = earlier(s->settle_us, earlier(s->report_us, s->router_us));
    if (s->claims != 0) {
        next = earlier(next, s->claim_us);
    }
    for (uint32_t i = 0; i < INTERFACE_OWN_MAX; i++) {
        next = s->news[i].left > 0 ? earlier(next, s->news[i].due_us) : next;
    }
    return next;
}

/*
 * The first message waits up to a second, so that machines which start together don't speak together (RFC
 * 4862 5.4.2). Workers that don't speak wait until the one that does must be done.
 */
void net_speech_init(struct net *net, uint64_t now_us)
{
    struct net_speech *s = &net->speech;
    const struct interface *interface = &net->interface;
    bool ip6 = interface->link_local != INTERFACE_NONE, detect = ip6 && net->config.detect;
    uint64_t wait =
        siphash13(net->config.key, view_of(net->config.mac.b, ETH_MAC_BYTES)) % INTERFACE_DELAY_US;
    *s = (struct net_speech){.settle_us = NEVER, .report_us = NEVER, .router_us = NEVER};
    s->defended_us = 0;
    if (!net->config.speaker) {
        s->settle_us = detect ? now_us + INTERFACE_DELAY_US + INTERFACE_DAD_US : NEVER;
        s->next_us = next_of(s);
        return;
    }
    uint64_t valid_us = detect ? now_us + wait + INTERFACE_DAD_US : now_us;
    s->settle_us = detect ? valid_us : NEVER;
    s->claim_us = now_us + wait;
    for (uint32_t i = 0; i < interface->count; i++) {
        bool ip4 = interface->own[i].ip4;
        s->claims |= detect && !ip4 ? 1u << i : 0;
        s->news[i] = (struct net_news){ip4 ? now_us : valid_us, NET_ANNOUNCEMENTS};
    }
    if (ip6) {
        s->report_us = now_us + wait;
        s->reports_left = NET_REPORTS;
        s->router_wait_us = NET_ROUTER_ASK_US;
        s->router_us = net->config.discover && addr_is_any(&net->config.gateway6) ? valid_us + wait : NEVER;
    }
    s->next_us = next_of(s);
}

void net_defend(struct net *net, uint32_t index, uint64_t now_us)
{
    struct net_speech *s = &net->speech;
    if (s->defended_us != 0 && now_us < s->defended_us + NET_DEFEND_US) {
        return;
    }
    s->defended_us = now_us;
    if (s->news[index].left == 0) {
        s->news[index].left = 1;
    }
    s->news[index].due_us = now_us;
    s->next_us = now_us;
}

void net_report(struct net *net, uint64_t delay_us, uint64_t now_us)
{
    struct net_speech *s = &net->speech;
    uint64_t wait =
        delay_us == 0 ? 0 : siphash13(net->config.key, view_of(&now_us, sizeof now_us)) % delay_us;
    s->report_us = earlier(s->report_us, now_us + wait);
    s->next_us = earlier(s->next_us, s->report_us);
}

static const struct addr *link_local(const struct net *net)
{
    const struct interface_own *own = &net->interface.own[net->interface.link_local];
    return own->state == INTERFACE_VALID ? &own->addr : &unspecified;
}

static size_t say_report(struct net *net, uint8_t *frame, uint64_t now_us)
{
    struct net_speech *s = &net->speech;
    struct addr groups[MLD_GROUPS_MAX];
    bool joined = s->reports_left > 0;
    uint32_t count = interface_groups(&net->interface, groups, MLD_GROUPS_MAX);
    s->reports_left = joined ? (uint8_t)(s->reports_left - 1) : 0;
    s->report_us = s->reports_left > 0 ? now_us + NET_ANNOUNCE_US : NEVER;
    return mld_write_report(frame, &net->config.mac, link_local(net), joined ? MLD_JOINED : MLD_LISTENING,
                            groups, count);
}

static size_t say_claim(struct net *net, uint8_t *frame)
{
    struct net_speech *s = &net->speech;
    uint32_t i = (uint32_t)__builtin_ctz(s->claims);
    s->claims &= s->claims - 1;
    return ndp_write_ask(frame, &net->config.mac, &mac_broadcast, &unspecified, &net->interface.own[i].addr);
}

static size_t say_news(struct net *net, uint8_t *frame, uint32_t i, uint64_t now_us)
{
    struct net_news *news = &net->speech.news[i];
    const struct interface_own *own = &net->interface.own[i];
    news->left--;
    news->due_us = now_us + NET_ANNOUNCE_US;
    if (own->state != INTERFACE_VALID) {
        news->left = 0;
        return 0;
    }
    if (!own->ip4) {
        struct mac group = mac_of_group(ndp_all_nodes.b);
        return ndp_write_advertise(frame, &net->config.mac, &group, &own->addr, &ndp_all_nodes, false);
    }
    uint32_t ip4 = addr_to_ip4(&own->addr);
    struct arp_packet announcement = {
        .op = ARP_REQUEST, .sender_mac = net->config.mac, .sender_ip4 = ip4, .target_ip4 = ip4};
    arp_write(frame, &mac_broadcast, &announcement);
    return ARP_FRAME_BYTES;
}

/* Ever more rarely while nobody answers (RFC 7559 2). */
static size_t say_router_ask(struct net *net, uint8_t *frame, uint64_t now_us)
{
    struct net_speech *s = &net->speech;
    if (router_any(&net->routers, now_us)) {
        s->router_wait_us = NET_ROUTER_ASK_US;
        s->router_us = now_us + NET_ROUTER_ASK_US;
        return 0;
    }
    s->router_us = now_us + s->router_wait_us;
    s->router_wait_us = earlier(2 * s->router_wait_us, NET_ROUTER_REST_US);
    return ndp_write_router_ask(frame, &net->config.mac, link_local(net));
}

/* One thing that is due; returns the frame's length, 0 when that was nothing to be said. */
static size_t say_one(struct net *net, uint8_t *frame, uint64_t now_us)
{
    struct net_speech *s = &net->speech;
    if (s->report_us <= now_us) {
        return say_report(net, frame, now_us);
    }
    if (s->claims != 0 && s->claim_us <= now_us) {
        return say_claim(net, frame);
    }
    if (s->settle_us <= now_us) {
        s->settle_us = NEVER;
        interface_settle(&net->interface);
        return 0;
    }
    for (uint32_t i = 0; i < net->interface.count; i++) {
        if (s->news[i].left > 0 && s->news[i].due_us <= now_us) {
            return say_news(net, frame, i, now_us);
        }
    }
    return s->router_us <= now_us ? say_router_ask(net, frame, now_us) : 0;
}

/* A request to the neighbour that is to be asked about next, or 0. */
static size_t say_ask(struct net *net, uint8_t *frame, uint64_t now_us)
{
    struct addr addr;
    struct mac to;
    if (neigh_ask(&net->neigh, now_us, &addr, &to) != WAX_OK) {
        return 0;
    }
    const struct addr *own = interface_source(&net->interface, &addr);
    if (!addr_is_ip4(&addr)) {
        own = own != NULL ? own : link_local(net);
        return addr_is_any(own) ? 0 : ndp_write_ask(frame, &net->config.mac, &to, own, &addr);
    }
    struct arp_packet request = {
        .op = ARP_REQUEST,
        .sender_mac = net->config.mac,
        .sender_ip4 = own == NULL ? 0 : addr_to_ip4(own),
        .target_ip4 = addr_to_ip4(&addr),
    };
    arp_write(frame, &to, &request);
    return ARP_FRAME_BYTES;
}

enum wax_status net_solicit(struct net *net, struct span out, uint64_t now_us, size_t *len)
{
    size_t tag = net->config.vlan != 0 ? ETH_TAG_BYTES : 0, said = 0;
    if (out.len < NET_SOLICIT_BYTES) {
        return WAX_BAD_ARGUMENT;
    }
    while (said == 0 && net->speech.next_us <= now_us) {
        said = say_one(net, out.data + tag, now_us);
        net->speech.next_us = next_of(&net->speech);
    }
    if (said == 0) {
        said = say_ask(net, out.data + tag, now_us);
    }
    if (said == 0) {
        return WAX_NOT_FOUND;
    }
    if (tag != 0) {
        eth_tag_put(out.data, net->config.vlan);
    }
    *len = said + tag;
    return WAX_OK;
}
