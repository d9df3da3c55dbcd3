/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv6 headers (RFC 8200). Extension headers are walked within limits (RFC 8504 5.3 allows them) and never
 * acted upon: options that must be understood refuse the packet, source routes are refused (RFC 5095), and so
 * is every fragment that is one; an atomic one (RFC 6946) is taken as the whole packet that it is. We send
 * neither fragments nor extension headers, but for the router alert that MLD demands.
 */
#ifndef NET_IP6_H
#define NET_IP6_H

#include "net/addr.h"
#include "waxwire/status.h"

#define IP6_HEADER_BYTES    40u
#define IP6_HOP_LIMIT       64u
#define IP6_MTU_LEAST       1280u /* of every link (RFC 8200 5) */
#define IP6_PROTOCOL_ICMP   58u
#define IP6_NO_NEXT         59u
#define IP6_HEADERS_MAX     6u   /* extension headers of a packet */
#define IP6_CHAIN_BYTES_MAX 256u /* all of them together */
#define IP6_OPTIONS_MAX     16u  /* of one header, padding not counted */
#define IP6_ALERT_BYTES     8u   /* a hop-by-hop header with a router alert (RFC 2711) */
#define IP6_NOTHING_TO_TELL 0xffu
#define IP6_PROBLEM_FIELD   0u /* codes of ICMPv6's parameter problem (RFC 4443 3.4) */
#define IP6_PROBLEM_NEXT    1u
#define IP6_PROBLEM_OPTION  2u

struct ip6_packet {
    struct addr src, dst;
    struct view payload; /* of the transport; link-layer padding cut off */
    uint32_t header_len; /* bytes before the payload, extension headers included */
    uint8_t protocol;    /* what the payload is; IP6_NO_NEXT: nothing */
    uint8_t traffic_class;
    uint8_t hop_limit;
    bool alert;    /* a router alert in a hop-by-hop header (RFC 2711) */
    bool fragment; /* an atomic fragment: no neighbour discovery in it (RFC 6980) */
    /* When ip6_parse refuses: the code of a parameter problem to be told, or IP6_NOTHING_TO_TELL; and where.
     */
    uint8_t problem;
    bool problem_to_groups; /* it may be told even if the packet was sent to a group */
    uint32_t pointer;
    uint32_t protocol_at; /* where the payload's protocol stands: the pointer when it isn't known to us */
};

/*
 * Parses and checks the packet at the start of `in`, which may be followed by padding. Errors: IP6_HEADER
 * (version, lengths), IP6_SOURCE (a group, ::1, or an IPv4-mapped address on either side: never on the wire),
 * IP6_EXTENSION (cut short, out of place, beyond our limits), IP6_OPTION (4.2: to be understood or dropped),
 * IP6_ROUTING (4.4, RFC 5095: segments left), IP6_FRAGMENT. With IP6_EXTENSION, _OPTION and _ROUTING the
 * addresses are set, and problem and pointer say what the sender is to be told. An unspecified source is the
 * caller's to judge.
 */
enum wax_status ip6_parse(struct view in, struct ip6_packet *out);

/*
 * Parses the header that an ICMPv6 error quotes: only lengths are checked, the payload may be cut short and
 * must follow the header at once, for we send no extension headers. IP6_HEADER when it cannot be read.
 */
enum wax_status ip6_parse_quoted(struct view in, struct ip6_packet *out);

/*
 * Writes a header of IP6_HEADER_BYTES for `payload_len` bytes behind it. `flow` has 20 bits.
 */
void ip6_write(uint8_t *header, const struct addr *src, const struct addr *dst, uint8_t protocol,
               uint8_t traffic_class, uint8_t hop_limit, uint32_t flow, size_t payload_len);

/*
 * Writes a hop-by-hop header of IP6_ALERT_BYTES before a packet of `protocol`.
 */
void ip6_write_alert(uint8_t *header, uint8_t protocol);

/*
 * The flow label of a transport packet (RFC 6437 3): the same for all packets of a connection, not to be
 * foretold without the key, never 0. `ports` are the first 4 bytes of the transport's header.
 */
uint32_t ip6_flow_label(const uint64_t key[2], const struct addr *src, const struct addr *dst,
                        const uint8_t ports[4]);

/*
 * True for an address that one host can have: not unspecified, ::1, a group or IPv4-mapped.
 */
bool ip6_is_host(const struct addr *addr);

#endif
