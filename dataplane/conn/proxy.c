/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/proxy.h"

#include <nmmintrin.h>

#define SIGNATURE_BYTES 12u
#define COMMAND_LOCAL   0x20u
#define COMMAND_PROXY   0x21u
#define UNSPEC          0x00u
#define TCP_OVER_IP4    0x11u
#define TCP_OVER_IP6    0x21u
#define IP4_BYTES       12u /* both addresses, both ports */
#define IP6_BYTES       36u
#define NOTE_BYTES      3u /* type, length */
#define NOTE_CRC32C     0x03u

static uint32_t crc32c(uint32_t crc, struct view bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        crc = _mm_crc32_u8(crc, bytes.data[i]);
    return crc;
}

/* The sum is over the whole header, with zeros where it stands itself. */
static bool checksum_good(struct view header, size_t at)
{
    static const uint8_t zero[4];
    uint32_t crc = crc32c(UINT32_MAX, view_of(header.data, at));
    crc = crc32c(crc, view_of(zero, sizeof zero));
    crc = crc32c(crc, view_of(header.data + at + 4, header.len - at - 4));
    return load_be32(header.data + at) == ~crc;
}

static enum wax_status notes_check(struct view header, size_t at)
{
    while (at < header.len) {
        if (header.len - at < NOTE_BYTES)
            return WAX_PROXY_HEADER;
        size_t len = load_be16(header.data + at + 1);
        if (len > header.len - at - NOTE_BYTES)
            return WAX_PROXY_HEADER;
        if (header.data[at] == NOTE_CRC32C) {
            if (len != 4)
                return WAX_PROXY_HEADER;
            if (!checksum_good(header, at + NOTE_BYTES))
                return WAX_PROXY_CHECKSUM;
        }
        at += NOTE_BYTES + len;
    }
    return WAX_OK;
}

/* What a client's address can't be would only serve to get around limits. */
static bool can_be_client(const struct addr *address)
{
    if (addr_is_any(address) || addr_is_group(address))
        return false;
    return !addr_is_ip4(address) || addr_to_ip4(address) < 0xe0000000u;
}

static enum wax_status addresses_take(struct view header, uint8_t family, struct proxy_header *out,
                                      size_t *notes)
{
    const uint8_t *at = header.data + PROXY_FIXED_BYTES;
    size_t room = header.len - PROXY_FIXED_BYTES, need = family == TCP_OVER_IP4 ? IP4_BYTES : IP6_BYTES;
    if (family != TCP_OVER_IP4 && family != TCP_OVER_IP6)
        return WAX_PROXY_HEADER;
    if (room < need)
        return WAX_PROXY_LENGTH;
    if (family == TCP_OVER_IP4) {
        out->client = addr_ip4(load_be32(at));
        out->port = load_be16(at + 8);
    } else {
        memcpy(out->client.b, at, sizeof out->client.b);
        out->port = load_be16(at + 32);
    }
    out->known = true;
    *notes = PROXY_FIXED_BYTES + need;
    return can_be_client(&out->client) ? WAX_OK : WAX_PROXY_HEADER;
}

enum wax_status proxy_parse(struct view in, struct proxy_header *out)
{
    static const uint8_t signature[SIGNATURE_BYTES] = "\r\n\r\n\0\r\nQUIT\n";
    *out = (struct proxy_header){0};
    size_t have = in.len < SIGNATURE_BYTES ? in.len : SIGNATURE_BYTES;
    if (have > 0 && memcmp(in.data, signature, have) != 0)
        return WAX_PROXY_SIGNATURE;
    if (in.len > SIGNATURE_BYTES && in.data[12] != COMMAND_LOCAL && in.data[12] != COMMAND_PROXY)
        return WAX_PROXY_HEADER;
    if (in.len < PROXY_FIXED_BYTES)
        return WAX_MORE;
    size_t len = PROXY_FIXED_BYTES + load_be16(in.data + 14);
    if (len > PROXY_BYTES_MAX)
        return WAX_PROXY_LENGTH;
    if (in.len < len)
        return WAX_MORE;
    out->bytes = len;
    /* The addresses of a LOCAL one mean nothing, and so nothing is known of where its notes begin. */
    if (in.data[12] == COMMAND_LOCAL)
        return WAX_OK;
    size_t notes = PROXY_FIXED_BYTES;
    struct view header = view_of(in.data, len);
    enum wax_status status =
        in.data[13] == UNSPEC ? WAX_OK : addresses_take(header, in.data[13], out, &notes);
    if (status == WAX_OK && in.data[13] != UNSPEC)
        status = notes_check(header, notes);
    return status;
}
