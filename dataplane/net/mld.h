/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reports of the groups that we listen to (MLDv2, RFC 3810), so that switches which snoop let the questions
 * of neighbour discovery through: at the start, and when a router asks.
 */
#ifndef NET_MLD_H
#define NET_MLD_H

#include "net/eth.h"
#include "net/icmp6.h"

#define MLD_GROUPS_MAX  16u
#define MLD_FRAME_BYTES (ETH_HEADER_BYTES + IP6_HEADER_BYTES + IP6_ALERT_BYTES + 8u + 20u * MLD_GROUPS_MAX)

enum mld_record {
    MLD_LISTENING = 2, /* as asked for: exclude no source */
    MLD_JOINED = 4,    /* from now on */
};

/*
 * Reads a query, whose checksum has been verified (RFC 3810 5.1, 6.2): *group is the group asked about, or
 * unspecified for all, *delay_us within which to answer. ND_MALFORMED when it is none that counts (hop limit
 * 1, router alert, link-local source, lengths).
 */
enum wax_status mld_parse_query(const struct ip6_packet *ip, struct addr *group, uint64_t *delay_us);

/*
 * Writes a report of `count` groups (1 to MLD_GROUPS_MAX); `src` is a link-local address or unspecified
 * (5.2.13). Returns the frame's length.
 */
size_t mld_write_report(uint8_t *frame, const struct mac *own, const struct addr *src, enum mld_record record,
                        const struct addr *groups, uint32_t count);

#endif
