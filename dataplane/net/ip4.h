/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPv4 headers (RFC 791, RFC 1122 3.2). We never fragment (every packet carries DF, with identification 0:
 * RFC 6864 4.1) and drop fragments.
 */
#ifndef NET_IP4_H
#define NET_IP4_H

#include "net/addr.h"
#include "waxwire/status.h"

#define IP4_HEADER_BYTES 20u
#define IP_PROTOCOL_ICMP 1u
#define IP_PROTOCOL_TCP  6u
#define IP4_TTL          64u
#define IP_ECN_MASK      3u

struct ip4_packet {
    struct addr src, dst;
    struct view payload; /* link-layer padding cut off */
    uint8_t header_len;  /* bytes, 20 to 60 */
    uint8_t protocol;
    uint8_t ttl;
    uint8_t tos; /* DSCP and ECN */
};

/*
 * Parses and checks the packet at the start of `in`, which may be followed by padding. Errors: IP4_HEADER
 * (version, lengths: RFC 1122 3.2.1.1, 3.2.1.8), IP4_CHECKSUM (3.2.1.2), IP4_OPTIONS (source routes,
 * malformed), IP4_FRAGMENT, IP4_SOURCE (3.2.1.3: not a host's address).
 */
enum wax_status ip4_parse(struct view in, struct ip4_packet *out);

/*
 * Parses the header that an ICMP error quotes: only lengths are checked, the payload may be cut short and the
 * checksum may be what a router made of it. IP4_HEADER when it cannot be read.
 */
enum wax_status ip4_parse_quoted(struct view in, struct ip4_packet *out);

/*
 * Writes a header of IP4_HEADER_BYTES for `payload_len` bytes behind it, checksum included.
 */
void ip4_write(uint8_t *header, const struct addr *src, const struct addr *dst, uint8_t protocol, uint8_t tos,
               size_t payload_len);

/*
 * Makes the header of a packet that goes back from one that came, options kept: addresses, TTL, TOS, DF,
 * checksum.
 */
void ip4_rewrite(uint8_t *header, size_t header_len, const struct addr *src, const struct addr *dst,
                 uint8_t tos);

/*
 * True for an address that one host can have and send from: not 0/8, 127/8, multicast, reserved or broadcast.
 * `ip4` is in host byte order.
 */
bool ip4_is_host(uint32_t ip4);

#endif
