/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/ip6.h"

#include "base/hash.h"

#define VERSION         6u
#define HOP_BY_HOP      0u
#define ROUTING         43u
#define FRAGMENT        44u
#define DESTINATION     60u
#define EXTENSION_LEAST 8u
#define FRAGMENT_WHOLE  0xfff9u /* the offset, and the flag that more follow */
#define OPTION_PAD1     0u
#define OPTION_PADN     1u
#define OPTION_ALERT    5u
#define OPTION_SKIP     0u /* the two upper bits of an option that isn't known: 4.2 */
#define OPTION_DROP     1u
#define OPTION_TELL     2u /* and 3, which doesn't tell about groups */
#define FLOW_MASK       0xfffffu

/* A walk over the headers: `next` is what stands at `at`, and is named by the byte at `next_at`. */
struct walk {
    const uint8_t *packet;
    size_t len;
    size_t at, next_at;
    uint32_t headers;
    uint8_t next;
};

bool ip6_is_host(const struct addr *addr)
{
    return !addr_is_any(addr) && !addr_is_loopback(addr) && !addr_is_group(addr) && !addr_is_ip4(addr);
}

static enum wax_status tell(struct ip6_packet *out, enum wax_status status, uint8_t problem, size_t pointer)
{
    out->problem = problem;
    out->problem_to_groups = false;
    out->pointer = (uint32_t)pointer;
    return status;
}

/* An option that we don't know (4.2); the first two bits of its type say what to do. */
static enum wax_status option_unknown(const struct walk *w, size_t at, struct ip6_packet *out)
{
    uint8_t action = w->packet[at] >> 6;
    if (action == OPTION_SKIP) {
        return WAX_OK;
    }
    if (action == OPTION_DROP) {
        return WAX_IP6_OPTION;
    }
    (void)tell(out, WAX_IP6_OPTION, IP6_PROBLEM_OPTION, at);
    out->problem_to_groups = action == OPTION_TELL;
    return WAX_IP6_OPTION;
}

static enum wax_status options_walk(const struct walk *w, size_t len, struct ip6_packet *out)
{
    size_t at = w->at + 2, end = w->at + len;
    uint32_t options = 0;
    while (at < end) {
        uint8_t type = w->packet[at];
        if (type == OPTION_PAD1) {
            at++;
            continue;
        }
        if (end - at < 2 || end - at - 2 < w->packet[at + 1]) {
            return tell(out, WAX_IP6_EXTENSION, IP6_PROBLEM_FIELD, at + (end - at < 2 ? 0 : 1));
        }
        if (type != OPTION_PADN) {
            if (++options > IP6_OPTIONS_MAX) {
                return WAX_IP6_EXTENSION;
            }
            out->alert |= type == OPTION_ALERT && w->next == HOP_BY_HOP;
            enum wax_status status = type == OPTION_ALERT ? WAX_OK : option_unknown(w, at, out);
            if (status != WAX_OK) {
                return status;
            }
        }
        at += 2u + w->packet[at + 1];
    }
    return WAX_OK;
}

/* One extension header of `len` bytes. */
static enum wax_status header_check(const struct walk *w, size_t len, struct ip6_packet *out)
{
    const uint8_t *p = w->packet + w->at;
    switch (w->next) {
    case HOP_BY_HOP: /* only right behind the header (4.1) */
        if (w->at != IP6_HEADER_BYTES) {
            return tell(out, WAX_IP6_EXTENSION, IP6_PROBLEM_NEXT, w->next_at);
        }
        return options_walk(w, len, out);
    case DESTINATION:
        return options_walk(w, len, out);
    case ROUTING: /* of no type do we know the way on, type 0 least of all (4.4, RFC 5095 3) */
        return p[3] == 0 ? WAX_OK : tell(out, WAX_IP6_ROUTING, IP6_PROBLEM_FIELD, w->at + 2);
    default: /* FRAGMENT: overlaps (RFC 5722) and cut chains (RFC 7112) go with all that are in pieces */
        if ((load_be16(p + 2) & FRAGMENT_WHOLE) != 0 || out->fragment) {
            return WAX_IP6_FRAGMENT;
        }
        out->fragment = true;
        return WAX_OK;
    }
}

static bool is_extension(uint8_t next)
{
    return next == HOP_BY_HOP || next == ROUTING || next == FRAGMENT || next == DESTINATION;
}

static enum wax_status headers_walk(struct walk *w, struct ip6_packet *out)
{
    while (is_extension(w->next)) {
        if (w->len - w->at < EXTENSION_LEAST) {
            return WAX_IP6_EXTENSION; /* RFC 7112: the chain must be whole */
        }
        const uint8_t *p = w->packet + w->at;
        size_t len = w->next == FRAGMENT ? EXTENSION_LEAST : (p[1] + 1u) * 8u;
        if (len > w->len - w->at || ++w->headers > IP6_HEADERS_MAX ||
            w->at + len > IP6_HEADER_BYTES + IP6_CHAIN_BYTES_MAX) {
            return WAX_IP6_EXTENSION;
        }
        enum wax_status status = header_check(w, len, out);
        if (status != WAX_OK) {
            return status;
        }
        w->next = p[0];
        w->next_at = w->at;
        w->at += len;
    }
    return WAX_OK;
}

static void fields_read(const uint8_t *p, struct ip6_packet *out)
{
    out->traffic_class = (uint8_t)(load_be16(p) >> 4);
    out->hop_limit = p[7];
    memcpy(out->src.b, p + 8, sizeof out->src.b);
    memcpy(out->dst.b, p + 24, sizeof out->dst.b);
    out->fragment = out->alert = false;
    out->problem = IP6_NOTHING_TO_TELL;
}

enum wax_status ip6_parse(struct view in, struct ip6_packet *out)
{
    const uint8_t *p = in.data;
    out->problem = IP6_NOTHING_TO_TELL;
    if (in.len < IP6_HEADER_BYTES || p[0] >> 4 != VERSION || load_be16(p + 4) > in.len - IP6_HEADER_BYTES) {
        return WAX_IP6_HEADER;
    }
    fields_read(p, out);
    if (addr_is_group(&out->src) || addr_is_loopback(&out->src) || addr_is_ip4(&out->src) ||
        addr_is_ip4(&out->dst)) {
        return WAX_IP6_SOURCE;
    }
    struct walk w = {.packet = p,
                     .len = IP6_HEADER_BYTES + (size_t)load_be16(p + 4),
                     .at = IP6_HEADER_BYTES,
                     .next_at = 6,
                     .next = p[6]};
    enum wax_status status = headers_walk(&w, out);
    if (status != WAX_OK) {
        return status;
    }
    out->header_len = (uint32_t)w.at;
    out->protocol = w.next;
    out->protocol_at = (uint32_t)w.next_at;
    out->payload = view_of(p + w.at, w.len - w.at);
    return WAX_OK;
}

enum wax_status ip6_parse_quoted(struct view in, struct ip6_packet *out)
{
    if (in.len < IP6_HEADER_BYTES || in.data[0] >> 4 != VERSION) {
        return WAX_IP6_HEADER;
    }
    fields_read(in.data, out);
    out->header_len = IP6_HEADER_BYTES;
    out->protocol = in.data[6];
    out->protocol_at = 6;
    out->payload = view_of(in.data + IP6_HEADER_BYTES, in.len - IP6_HEADER_BYTES);
    return WAX_OK;
}

void ip6_write(uint8_t *header, const struct addr *src, const struct addr *dst, uint8_t protocol,
               uint8_t traffic_class, uint8_t hop_limit, uint32_t flow, size_t payload_len)
{
    store_be32(header, VERSION << 28 | (uint32_t)traffic_class << 20 | (flow & FLOW_MASK));
    store_be16(header + 4, (uint16_t)payload_len);
    header[6] = protocol;
    header[7] = hop_limit;
    memcpy(header + 8, src->b, sizeof src->b);
    memcpy(header + 24, dst->b, sizeof dst->b);
}

void ip6_write_alert(uint8_t *header, uint8_t protocol)
{
    static const uint8_t alert[IP6_ALERT_BYTES] = {0, 0, OPTION_ALERT, 2, 0, 0, OPTION_PADN, 0};
    memcpy(header, alert, sizeof alert);
    header[0] = protocol;
}

uint32_t ip6_flow_label(const uint64_t key[2], const struct addr *src, const struct addr *dst,
                        const uint8_t ports[4])
{
    uint8_t input[36];
    memcpy(input, src->b, 16);
    memcpy(input + 16, dst->b, 16);
    memcpy(input + 32, ports, 4);
    uint32_t flow = (uint32_t)siphash13(key, view_of(input, sizeof input)) & FLOW_MASK;
    return flow != 0 ? flow : 1;
}
