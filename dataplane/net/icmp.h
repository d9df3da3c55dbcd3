/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMP (RFC 792, RFC 1122 3.2.2): answers echo requests, and reads errors about our TCP segments.
 */
#ifndef NET_ICMP_H
#define NET_ICMP_H

#include "net/addr.h"
#include "waxwire/status.h"

#define ICMP_HEADER_BYTES 8u
#define ICMP_ECHO_REPLY   0u
#define ICMP_UNREACHABLE  3u
#define ICMP_ECHO         8u
#define ICMP_TIME         11u
#define ICMP_PARAMETER    12u
#define ICMP_NO_PROTOCOL  2u
#define ICMP_NO_PORT      3u
#define ICMP_NEEDS_FRAGMENTATION                                                                             \
    4u /* code of ICMP_UNREACHABLE: the datagram was larger than an MTU on the way */

/*
 * What a router or host says about a TCP segment that we sent; by ICMPv6 when `src` is IPv6. Anybody can
 * forge one: TCP decides what it believes (RFC 5927).
 */
struct icmp_error {
    uint8_t type, code;    /* of ICMP or ICMPv6 */
    bool too_big;          /* it was larger than an MTU on the way */
    bool hard;             /* RFC 1122 4.2.3.9: nobody there for it; else it may pass */
    uint16_t mtu;          /* of the next hop when too_big; 0: not told (RFC 1191 4). Not checked */
    uint16_t sport, dport; /* quoted: sport is ours */
    uint32_t seq;          /* quoted */
    struct addr src, dst;  /* quoted: src is ours */
};

enum icmp_kind { ICMP_KIND_ECHO, ICMP_KIND_ERROR };

/*
 * Reads a message. On WAX_OK *kind tells whether it is an echo request (answer it with icmp_echo_reply) or an
 * error, which `error` then describes. ICMP_MALFORMED: short, or an error whose quote is short or not of a
 * TCP segment; ICMP_CHECKSUM; ICMP_IGNORED: any other type.
 */
enum wax_status icmp_parse(struct view in, enum icmp_kind *kind, struct icmp_error *error);

/*
 * Turns an echo request in place into its reply (RFC 1122 3.2.2.6): type and checksum change, the data stay.
 */
void icmp_echo_reply(struct span message);

#endif
