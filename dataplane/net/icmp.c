/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/icmp.h"

#include "net/checksum.h"
#include "net/ip4.h"

#define QUOTED_TCP_BYTES 8u /* RFC 792: the header and 64 bits of the datagram's data */

static enum wax_status error_parse(struct view in, struct icmp_error *error)
{
    struct ip4_packet quoted;
    struct view rest = view_of(in.data + ICMP_HEADER_BYTES, in.len - ICMP_HEADER_BYTES);
    if (ip4_parse_quoted(rest, &quoted) != WAX_OK || quoted.payload.len < QUOTED_TCP_BYTES ||
        quoted.protocol != IP_PROTOCOL_TCP) {
        return WAX_ICMP_MALFORMED;
    }
    *error = (struct icmp_error){
        .type = in.data[0],
        .code = in.data[1],
        .sport = load_be16(quoted.payload.data),
        .dport = load_be16(quoted.payload.data + 2),
        .seq = load_be32(quoted.payload.data + 4),
        .src = quoted.src,
        .dst = quoted.dst,
    };
    if (error->type == ICMP_UNREACHABLE) {
        error->too_big = error->code == ICMP_NEEDS_FRAGMENTATION;
        error->hard = error->code == ICMP_NO_PROTOCOL || error->code == ICMP_NO_PORT;
        error->mtu = error->too_big ? load_be16(in.data + 6) : 0;
    }
    return WAX_OK;
}

enum wax_status icmp_parse(struct view in, enum icmp_kind *kind, struct icmp_error *error)
{
    if (in.len < ICMP_HEADER_BYTES) {
        return WAX_ICMP_MALFORMED;
    }
    if (checksum_finish(checksum_add(0, in)) != 0) {
        return WAX_ICMP_CHECKSUM;
    }
    switch (in.data[0]) {
    case ICMP_ECHO:
        *kind = ICMP_KIND_ECHO;
        return in.data[1] == 0 ? WAX_OK : WAX_ICMP_MALFORMED;
    case ICMP_UNREACHABLE:
    case ICMP_TIME:
    case ICMP_PARAMETER:
        *kind = ICMP_KIND_ERROR;
        return error_parse(in, error);
    default:
        return WAX_ICMP_IGNORED;
    }
}

void icmp_echo_reply(struct span message)
{
    uint16_t before = load_be16(message.data);
    message.data[0] = ICMP_ECHO_REPLY;
    uint16_t checksum = load_be16(message.data + 2);
    store_be16(message.data + 2, checksum_update16(checksum, before, load_be16(message.data)));
}
