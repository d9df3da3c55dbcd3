/* SPDX-License-Identifier: BSD-3-Clause */
#include "net/ip4.h"

#include "net/checksum.h"

#define VERSION          4u
#define FLAG_DF          0x4000u
#define FRAGMENT_MASK    0x3fffu /* MF and the offset */
#define OPTION_END       0u
#define OPTION_NOP       1u
#define OPTION_LSRR      131u
#define OPTION_SSRR      137u
#define OPTION_LEN_LEAST 2u

bool ip4_is_host(uint32_t ip4)
{
    uint32_t net = ip4 >> 24;
    return net != 0 && net != 127 && net < 224;
}

/* RFC 791 3.1: options are one byte (0, 1) or type, length, data. A source route is refused. */
static bool options_sound(struct view options)
{
    while (options.len > 0 && options.data[0] != OPTION_END) {
        uint8_t type = options.data[0];
        size_t len = 1;
        if (type != OPTION_NOP) {
            if (options.len < OPTION_LEN_LEAST || options.data[1] < OPTION_LEN_LEAST ||
                options.data[1] > options.len || type == OPTION_LSRR || type == OPTION_SSRR) {
                return false;
            }
            len = options.data[1];
        }
        options = view_of(options.data + len, options.len - len);
    }
    return true;
}

static void fields_read(const uint8_t *p, struct ip4_packet *out)
{
    out->tos = p[1];
    out->ttl = p[8];
    out->protocol = p[9];
    out->src = addr_ip4(load_be32(p + 12));
    out->dst = addr_ip4(load_be32(p + 16));
}

enum wax_status ip4_parse(struct view in, struct ip4_packet *out)
{
    const uint8_t *p = in.data;
    if (in.len < IP4_HEADER_BYTES || p[0] >> 4 != VERSION) {
        return WAX_IP4_HEADER;
    }
    size_t header_len = (size_t)(p[0] & 15u) * 4, total = load_be16(p + 2);
    if (header_len < IP4_HEADER_BYTES || header_len > total || total > in.len) {
        return WAX_IP4_HEADER;
    }
    if (checksum_finish(checksum_add(0, view_of(p, header_len))) != 0) {
        return WAX_IP4_CHECKSUM;
    }
    if ((load_be16(p + 6) & FRAGMENT_MASK) != 0) {
        return WAX_IP4_FRAGMENT;
    }
    if (!options_sound(view_of(p + IP4_HEADER_BYTES, header_len - IP4_HEADER_BYTES))) {
        return WAX_IP4_OPTIONS;
    }
    if (!ip4_is_host(load_be32(p + 12))) {
        return WAX_IP4_SOURCE;
    }
    fields_read(p, out);
    out->header_len = (uint8_t)header_len;
    out->payload = view_of(p + header_len, total - header_len);
    return WAX_OK;
}

enum wax_status ip4_parse_quoted(struct view in, struct ip4_packet *out)
{
    const uint8_t *p = in.data;
    if (in.len < IP4_HEADER_BYTES || p[0] >> 4 != VERSION) {
        return WAX_IP4_HEADER;
    }
    size_t header_len = (size_t)(p[0] & 15u) * 4;
    if (header_len < IP4_HEADER_BYTES || header_len > in.len) {
        return WAX_IP4_HEADER;
    }
    fields_read(p, out);
    out->header_len = (uint8_t)header_len;
    out->payload = view_of(p + header_len, in.len - header_len);
    return WAX_OK;
}

void ip4_rewrite(uint8_t *header, size_t header_len, const struct addr *src, const struct addr *dst,
                 uint8_t tos)
{
    header[1] = tos;
    store_be16(header + 4, 0);
    store_be16(header + 6, FLAG_DF);
    header[8] = IP4_TTL;
    store_be16(header + 10, 0);
    memcpy(header + 12, src->b + 12, 4);
    memcpy(header + 16, dst->b + 12, 4);
    store_be16(header + 10, checksum_finish(checksum_add(0, view_of(header, header_len))));
}

void ip4_write(uint8_t *header, const struct addr *src, const struct addr *dst, uint8_t protocol, uint8_t tos,
               size_t payload_len)
{
    header[0] = VERSION << 4 | IP4_HEADER_BYTES / 4;
    store_be16(header + 2, (uint16_t)(IP4_HEADER_BYTES + payload_len));
    header[9] = protocol;
    ip4_rewrite(header, IP4_HEADER_BYTES, src, dst, tos);
}
