/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ICMPv6 (RFC 4443): answers echo requests, reads errors about our TCP segments, makes parameter problems.
 * Neighbour discovery is in ndp.h, reports of groups in mld.h.
 */
#ifndef NET_ICMP6_H
#define NET_ICMP6_H

#include "net/addr.h"
#include "net/icmp.h"
#include "net/ip6.h"

#define ICMP6_HEADER_BYTES 8u
#define ICMP6_UNREACHABLE  1u
#define ICMP6_TOO_BIG      2u
#define ICMP6_TIME         3u
#define ICMP6_PARAMETER    4u
#define ICMP6_INFORMS      128u /* types below are errors */
#define ICMP6_ECHO         128u
#define ICMP6_ECHO_REPLY   129u
#define ICMP6_MLD_QUERY    130u
#define ICMP6_ROUTER_ASK   133u
#define ICMP6_ROUTER       134u
#define ICMP6_ASK          135u
#define ICMP6_ADVERTISE    136u
#define ICMP6_MLD_REPORT   143u

enum icmp6_kind {
    ICMP6_KIND_ECHO,
    ICMP6_KIND_ERROR,
    ICMP6_KIND_DISCOVERY, /* ICMP6_ROUTER, ICMP6_ASK or ICMP6_ADVERTISE: see ndp_parse */
    ICMP6_KIND_QUERY,     /* of MLD */
};

/*
 * Reads the message that is `ip`'s payload. On WAX_OK *kind tells what it is; `error` is set when it is an
 * error. ICMP_MALFORMED: short, or an error whose quote is not of a TCP segment or too short for its ports;
 * ICMP_CHECKSUM; ICMP_IGNORED: any other type (redirects too: we follow our configuration).
 */
enum wax_status icmp6_parse(const struct ip6_packet *ip, enum icmp6_kind *kind, struct icmp_error *error);

/*
 * Turns an echo request in place into its reply (RFC 4443 4.2); the addresses are those of the reply.
 */
void icmp6_echo_reply(struct span message, const struct addr *src, const struct addr *dst);

/*
 * Fills the checksum of a message (RFC 4443 2.3).
 */
void icmp6_checksum_put(struct span message, const struct addr *src, const struct addr *dst);

/*
 * Whether a packet is an ICMPv6 error itself, which is never answered with another (RFC 4443 2.4 e.1). `rest`
 * is what an extension header or the payload begins at, `protocol` what it is. A chain that can't be read is
 * taken for one.
 */
bool icmp6_is_error(struct view rest, uint8_t protocol);

/*
 * Writes the header of a parameter problem before its quote, checksum left 0.
 */
void icmp6_write_problem(uint8_t *message, uint8_t code, uint32_t pointer);

#endif
