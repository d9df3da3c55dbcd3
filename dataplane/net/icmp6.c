/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/icmp6.h"

#include "net/checksum.h"
#include "net/ip4.h"

#define QUOTED_TCP_BYTES  8u
#define UNREACHABLE_ADMIN 1u
#define UNREACHABLE_PORT  4u

static enum wax_status error_parse(struct view in, struct icmp_error *error)
{
    struct ip6_packet quoted;
    if (ip6_parse_quoted(view_of(in.data + ICMP6_HEADER_BYTES, in.len - ICMP6_HEADER_BYTES), &quoted) !=
            WAX_OK ||
        quoted.protocol != IP_PROTOCOL_TCP || quoted.payload.len < QUOTED_TCP_BYTES) {
        return WAX_ICMP_MALFORMED;
    }
    *error = (struct icmp_error){
        .type = in.data[0],
        .code = in.data[1],
        .too_big = in.data[0] == ICMP6_TOO_BIG,
        .sport = load_be16(quoted.payload.data),
        .dport = load_be16(quoted.payload.data + 2),
        .seq = load_be32(quoted.payload.data + 4),
        .src = quoted.src,
        .dst = quoted.dst,
    };
    if (error->too_big) {
        uint32_t mtu = load_be32(in.data + 4);
        error->mtu = (uint16_t)(mtu < UINT16_MAX ? mtu : UINT16_MAX);
    }
    error->hard = (error->type == ICMP6_UNREACHABLE &&
                   (error->code == UNREACHABLE_ADMIN || error->code == UNREACHABLE_PORT)) ||
                  (error->type == ICMP6_PARAMETER && error->code == IP6_PROBLEM_NEXT);
    return WAX_OK;
}

enum wax_status icmp6_parse(const struct ip6_packet *ip, enum icmp6_kind *kind, struct icmp_error *error)
{
    struct view in = ip->payload;
    if (in.len < ICMP6_HEADER_BYTES) {
        return WAX_ICMP_MALFORMED;
    }
    uint64_t sum = checksum_pseudo(&ip->src, &ip->dst, IP6_PROTOCOL_ICMP, (uint32_t)in.len);
    if (checksum_finish(checksum_add(sum, in)) != 0) {
        return WAX_ICMP_CHECKSUM;
    }
    switch (in.data[0]) {
    case ICMP6_UNREACHABLE:
    case ICMP6_TOO_BIG:
    case ICMP6_TIME:
    case ICMP6_PARAMETER:
        *kind = ICMP6_KIND_ERROR;
        return error_parse(in, error);
    case ICMP6_ECHO:
        *kind = ICMP6_KIND_ECHO;
        return in.data[1] == 0 ? WAX_OK : WAX_ICMP_MALFORMED;
    case ICMP6_ROUTER:
    case ICMP6_ASK:
    case ICMP6_ADVERTISE:
        *kind = ICMP6_KIND_DISCOVERY;
        return WAX_OK;
    case ICMP6_MLD_QUERY:
        *kind = ICMP6_KIND_QUERY;
        return WAX_OK;
    default:
        return WAX_ICMP_IGNORED;
    }
}

void icmp6_checksum_put(struct span message, const struct addr *src, const struct addr *dst)
{
    store_be16(message.data + 2, 0);
    uint64_t sum = checksum_pseudo(src, dst, IP6_PROTOCOL_ICMP, (uint32_t)message.len);
    store_be16(message.data + 2, checksum_finish(checksum_add(sum, view_of(message.data, message.len))));
}

void icmp6_echo_reply(struct span message, const struct addr *src, const struct addr *dst)
{
    message.data[0] = ICMP6_ECHO_REPLY;
    icmp6_checksum_put(message, src, dst);
}

bool icmp6_is_error(struct view rest, uint8_t protocol)
{
    for (uint32_t i = 0; i < IP6_HEADERS_MAX; i++) {
        size_t len = 8;
        switch (protocol) {
        case IP6_PROTOCOL_ICMP:
            return rest.len < 1 || rest.data[0] < ICMP6_INFORMS;
        case 0:
        case 43:
        case 60:
            len = rest.len < 2 ? SIZE_MAX : (rest.data[1] + 1u) * 8u;
            break;
        case 44:
            break;
        default:
            return false;
        }
        if (len > rest.len) {
            return true;
        }
        protocol = rest.data[0];
        rest = view_of(rest.data + len, rest.len - len);
    }
    return true;
}

void icmp6_write_problem(uint8_t *message, uint8_t code, uint32_t pointer)
{
    message[0] = ICMP6_PARAMETER;
    message[1] = code;
    store_be16(message + 2, 0);
    store_be32(message + 4, pointer);
}
