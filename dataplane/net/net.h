/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network side of one port of one worker: Ethernet, IPv4, ARP and ICMP. Frames in, transport packets out,
 * and the other way. Pure: what has to be sent is returned to the caller, the time is handed in. One owner.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "net/addr.h"
#include "net/arp.h"
#include "net/eth.h"
#include "net/icmp.h"
#include "net/ip4.h"
#include "net/neigh.h"
#include "waxwire/bytes.h"
#include "waxwire/status.h"

#define NET_ADDRESSES_MAX    8u
#define NET_MTU_LEAST        576u
#define NET_MTU_MOST         9216u
#define NET_HEADER_BYTES_MAX 54u /* room that net_output may need in front of a transport packet */
#define NET_SOLICIT_BYTES    ARP_FRAME_BYTES
#define NET_ICMP_PER_S       1000u /* echo replies */
#define NET_ICMP_BURST       100u

struct net_address {
    struct addr addr;
    uint8_t prefix; /* bits; of an IPv4 address within its 32 */
};

struct net_config {
    struct mac mac;
    uint16_t mtu; /* of IP packets: NET_MTU_LEAST to NET_MTU_MOST */
    uint16_t address_count;
    struct net_address addresses[NET_ADDRESSES_MAX];
    struct addr gateway; /* unspecified (zeros): none. Need not be on-link */
    uint64_t key[2];     /* random; the neighbour cache's */
};

struct net {
    struct net_config config;
    struct rate icmp;
    struct neigh neigh;
};

enum net_kind {
    NET_NONE,      /* nothing more to do */
    NET_TCP,       /* a TCP segment for one of our addresses: src, dst, l4, ecn */
    NET_REPLY,     /* the frame has become a reply: send its first reply_len bytes back on the same port */
    NET_TCP_ERROR, /* ICMP about a TCP segment of ours: error */
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
 * Sets up `net`, whose memory is the caller's. BAD_ARGUMENT: MAC of no station, MTU or number of addresses
 * out of range, an IPv4 prefix above 32. IPv6 addresses are accepted and not served yet.
 */
enum wax_status net_init(struct net *net, const struct net_config *config, uint64_t now_us);

/*
 * Takes a frame. WAX_OK: rx->kind says what it was. Any other status: the frame is dropped for that reason
 * (and rx->kind is NET_NONE). The frame is changed only for NET_REPLY. TCP packets tell the neighbour cache
 * where their senders are.
 */
enum wax_status net_input(struct net *net, struct span frame, uint64_t now_us, struct net_rx *rx);

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
 * The next request to neighbours, a frame of *len bytes (room for NET_SOLICIT_BYTES is needed). Call it at
 * the end of every turn until it is not WAX_OK. WAX_NOT_FOUND: none is due (rates are kept here).
 * WAX_BAD_ARGUMENT: no room.
 */
enum wax_status net_solicit(struct net *net, struct span out, uint64_t now_us, size_t *len);

/*
 * The announcement (gratuitous ARP, RFC 5227 2.3) of address `index`: to be sent at the start, twice, 2 s
 * apart. WAX_NOT_FOUND when there is no such IPv4 address; WAX_BAD_ARGUMENT when `out` has less than
 * NET_SOLICIT_BYTES.
 */
enum wax_status net_announce(const struct net *net, uint32_t index, struct span out, size_t *len);

/*
 * Another worker of the same port has got an ARP reply (NET_NEIGH).
 */
void net_neigh(struct net *net, const struct addr *addr, const struct mac *mac, uint64_t now_us);

/*
 * True when `addr` is one of ours.
 */
bool net_is_ours(const struct net *net, const struct addr *addr);

/*
 * The largest TCP payload of one packet to `dst` without options (RFC 6691): MTU less the fixed headers.
 */
static inline uint16_t net_mss(const struct net *net, const struct addr *dst)
{
    return (uint16_t)(net->config.mtu - (addr_is_ip4(dst) ? 40u : 60u));
}

#endif
