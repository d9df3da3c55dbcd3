/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network side of one port of one worker: Ethernet with VLAN tags, IPv4 with ARP and ICMP, IPv6 with
 * neighbour discovery and ICMPv6. Frames in, transport packets out, and the other way. Pure: what has to be
 * sent is returned to the caller, the time is handed in. One owner.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "net/addr.h"
#include "net/arp.h"
#include "net/eth.h"
#include "net/icmp.h"
#include "net/interface.h"
#include "net/ip4.h"
#include "net/ip6.h"
#include "net/mld.h"
#include "net/neigh.h"
#include "net/router.h"
#include "waxwire/bytes.h"
#include "waxwire/status.h"

#define NET_MTU_LEAST        576u /* IP6_MTU_LEAST with IPv6 */
#define NET_MTU_MOST         9216u
#define NET_HEADER_BYTES_MAX 58u /* room that net_output may need in front of a transport packet */
#define NET_SOLICIT_BYTES    (ETH_TAG_BYTES + MLD_FRAME_BYTES)
#define NET_ICMP_PER_S       1000u /* echo replies and errors */
#define NET_ICMP_BURST       100u
#define NET_ANNOUNCEMENTS    2u /* of each address at the start */
#define NET_ANNOUNCE_US      UINT64_C(2000000)
#define NET_DEFEND_US        UINT64_C(10000000)   /* RFC 5227 2.4 b */
#define NET_ROUTER_ASK_US    UINT64_C(4000000)    /* RFC 4861 10, doubled each time (RFC 7559 2) */
#define NET_ROUTER_REST_US   UINT64_C(3600000000) /* up to this */
#define NET_REPORTS          2u                   /* of our groups at the start (RFC 3810 9.1) */

_Static_assert(NET_HEADER_BYTES_MAX == ETH_HEADER_BYTES + ETH_TAG_BYTES + IP6_HEADER_BYTES,
               "the longest headers");
_Static_assert(NET_SOLICIT_BYTES >= ETH_TAG_BYTES + NDP_FRAME_BYTES, "the longest frame of our own");
_Static_assert(MLD_GROUPS_MAX >= INTERFACE_OWN_MAX, "all our groups fit one report");

struct net_config {
    struct mac mac;
    uint16_t mtu; /* of IP packets: NET_MTU_LEAST to NET_MTU_MOST */
    uint16_t
        vlan;     /* 1 to ETH_VLAN_MOST: frames carry this tag and no other. 0: none, or one without a VLAN */
    bool speaker; /* the one of a port's workers that speaks for its addresses at the start */
    bool
        detect; /* IPv6 addresses are used once nobody has claimed them (RFC 4862 5.4), 2 s after the start */
    bool discover; /* routers of IPv6 are asked for and followed, when gateway6 is unspecified */
    uint16_t address_count;
    struct net_address addresses[NET_ADDRESSES_MAX];
    struct addr gateway;  /* of IPv4; unspecified (zeros): none. Need not be on-link */
    struct addr gateway6; /* of IPv6; unspecified: none, or whoever advertises itself */
    uint64_t key[2];      /* random; the neighbour cache's, and of flow labels */
};

/* What is to be said of each of our addresses, and when. */
struct net_news {
    uint64_t due_us;
    uint8_t left;
};

/* What the port has to say by itself. */
struct net_speech {
    uint64_t next_us;   /* nothing is due before; UINT64_MAX: nothing at all */
    uint64_t claim_us;  /* questions whether somebody has our addresses: then */
    uint64_t settle_us; /* nobody has, if none was heard until then */
    uint64_t report_us; /* our groups */
    uint64_t router_us; /* the question for routers */
    uint64_t router_wait_us;
    uint64_t defended_us;
    uint32_t claims;      /* addresses to ask about, as bits */
    uint8_t reports_left; /* of joining */
    struct net_news news[INTERFACE_OWN_MAX];
};

struct net {
    struct net_config config;
    struct interface interface;
    struct router_list routers;
    struct net_speech speech;
    struct rate icmp;
    struct neigh neigh;
};

enum net_kind {
    NET_NONE,      /* nothing more to do */
    NET_TCP,       /* a TCP segment for one of our addresses: src, dst, l4, ecn */
    NET_REPLY,     /* the frame has become a reply: send its first reply_len bytes back on the same port */
    NET_TCP_ERROR, /* ICMP or ICMPv6 about a TCP segment of ours: error */
    NET_NEIGH, /* an ARP reply to us: neigh_addr is at neigh_mac. Other workers may want it: net_neigh() */
};

struct net_rx {
    enum net_kind kind;
    uint8_t ecn; /* the two bits of RFC 3168 */
    struct addr src, dst;
    struct view l4; /* lies in the frame; padding is cut off; its checksum has not been verified */
    size_t reply_len;
    struct icmp_error error;
    struct addr neigh_addr;
    struct mac neigh_mac;
};

/*
 * Sets up `net`, whose memory is the caller's. BAD_ARGUMENT: MAC of no station; MTU, VLAN or number of
 * addresses out of range; an address that no host can have, or a prefix longer than it; a gateway of the
 * other family.
 */
enum wax_status net_init(struct net *net, const struct net_config *config, uint64_t now_us);

/*
 * Takes a frame. WAX_OK: rx->kind says what it was. Any other status: the frame is dropped for that reason;
 * rx->kind is NET_NONE, or NET_REPLY when its sender is to be told (RFC 4443 3.4). The frame is changed only
 * for NET_REPLY, and where a tag is taken out of it. TCP packets tell the neighbour cache where their senders
 * are. With net_input_room, `room` bytes (at least frame.len) may be written from frame.data on, for replies
 * that are longer than what they reply to; without, those are left out.
 */
enum wax_status net_input_room(struct net *net, struct span frame, size_t room, uint64_t now_us,
                               struct net_rx *rx);

/*
 * As net_input_room, with no more room than the frame has.
 */
static inline enum wax_status net_input(struct net *net, struct span frame, uint64_t now_us,
                                        struct net_rx *rx)
{
    return net_input_room(net, frame, frame.len, now_us, rx);
}

/*
 * Writes IP and Ethernet headers in front of the transport packet `l4` of l4_len bytes, before which
 * `headroom` bytes may be used; `ecn` is the two bits of RFC 3168 (0: not ECN-capable, 2: ECT(0));
 * *header_len is how many were: the frame begins at l4 - *header_len. Errors: NEIGH_UNRESOLVED (send what
 * net_solicit makes; drop the packet, TCP sends it again), NEIGH_FULL, NET_NO_ROUTE, NET_TOO_BIG,
 * BAD_ARGUMENT (too little headroom, or src and dst of different families).
 */
enum wax_status net_output(struct net *net, const struct addr *src, const struct addr *dst, uint8_t protocol,
                           uint8_t ecn, uint8_t *l4, size_t l4_len, size_t headroom, uint64_t now_us,
                           size_t *header_len);

/*
 * The next frame that the port has to send by itself, of *len bytes (room for NET_SOLICIT_BYTES is needed):
 * requests to neighbours; and at the start, if it is the speaker, announcements of its addresses (RFC
 * 5227 2.3, RFC 4861 7.2.6), questions whether others have them (RFC 4862 5.4), reports of its groups (RFC
 * 3810) and questions for routers (RFC 4861 6.3.7). Call it at the end of every turn until it is not WAX_OK.
 * WAX_NOT_FOUND: none is due (rates are kept here). WAX_BAD_ARGUMENT: no room.
 */
enum wax_status net_solicit(struct net *net, struct span out, uint64_t now_us, size_t *len);

/*
 * Another worker of the same port has got an ARP reply (NET_NEIGH).
 */
void net_neigh(struct net *net, const struct addr *addr, const struct mac *mac, uint64_t now_us);

/*
 * True when `addr` is one of ours, and in use.
 */
bool net_is_ours(const struct net *net, const struct addr *addr);

/*
 * Our address to speak from to `dst` (RFC 6724 5), or NULL: there is none of its family and scope.
 */
const struct addr *net_source(const struct net *net, const struct addr *dst);

/*
 * The largest TCP payload of one packet to `dst` without options (RFC 6691): MTU less the fixed headers.
 */
static inline uint16_t net_mss(const struct net *net, const struct addr *dst)
{
    return (uint16_t)(net->config.mtu - (addr_is_ip4(dst) ? 40u : 60u));
}

#endif
