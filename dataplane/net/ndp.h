/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of neighbour discovery (RFC 4861): read with all the rules of validity of 6.1.2, 7.1.1 and 7.1.2,
 * and written as whole frames.
 */
#ifndef NET_NDP_H
#define NET_NDP_H

#include "net/eth.h"
#include "net/icmp6.h"

#define NDP_PREFIXES_MAX 8u  /* that are read of one advertisement */
#define NDP_OPTIONS_MAX  32u /* of a message */
#define NDP_FRAME_BYTES  (ETH_HEADER_BYTES + IP6_HEADER_BYTES + 24u + 8u) /* the longest that we write */
#define NDP_FOREVER_S    UINT32_MAX

struct ndp_prefix {
    struct addr addr;
    uint32_t valid_s; /* NDP_FOREVER_S: without end */
    uint8_t bits;     /* at most 128 */
    bool on_link;
};

struct ndp_message {
    uint8_t type; /* ICMP6_ROUTER, ICMP6_ASK or ICMP6_ADVERTISE */
    struct addr target;
    bool is_router, solicited, override; /* flags of ICMP6_ADVERTISE */
    bool has_mac;                        /* the option with the sender's, or the target's, station */
    struct mac mac;
    uint16_t lifetime_s; /* of ICMP6_ROUTER as a default router; 0: it is none */
    uint32_t prefix_count;
    struct ndp_prefix prefix[NDP_PREFIXES_MAX];
};

/*
 * Reads the message that is `ip`'s payload and whose checksum has been verified. ND_MALFORMED when one of the
 * rules doesn't hold: then it is dropped in silence.
 */
enum wax_status ndp_parse(const struct ip6_packet *ip, struct ndp_message *out);

/*
 * Writes the question who has `target` (7.2.2, RFC 4862 5.4.2 when `src` is unspecified): to the station
 * `to`, or to the solicited-node group when that is the broadcast address. Returns the frame's length.
 */
size_t ndp_write_ask(uint8_t *frame, const struct mac *own, const struct mac *to, const struct addr *src,
                     const struct addr *target);

/*
 * Writes an answer (7.2.4) that `target` is at `own`, to `dst` at the station `to`; `solicited` as the flag.
 * Returns the frame's length, NDP_FRAME_BYTES.
 */
size_t ndp_write_advertise(uint8_t *frame, const struct mac *own, const struct mac *to,
                           const struct addr *target, const struct addr *dst, bool solicited);

/*
 * Writes the question for routers (6.3.7). `src` may be unspecified. Returns the frame's length.
 */
size_t ndp_write_router_ask(uint8_t *frame, const struct mac *own, const struct addr *src);

/* All nodes and all routers on the link. */
extern const struct addr ndp_all_nodes, ndp_all_routers;

#endif
