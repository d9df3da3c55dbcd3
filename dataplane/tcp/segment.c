/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/segment.h"

#include "net/checksum.h"

#define PROTOCOL_TCP 6u

/* Kinds of options. */
enum {
    OPT_END = 0,
    OPT_NOP = 1,
    OPT_MSS = 2,
    OPT_WSCALE = 3,
    OPT_SACK_OK = 4,
    OPT_SACK = 5,
    OPT_TIMESTAMPS = 8
};

static void option_timestamps(const uint8_t *value, struct tcp_segment *s)
{
    s->has_timestamps = true;
    s->tsval = load_be32(value);
    s->tsecr = load_be32(value + 4);
}

/* One option with its length; false when the length can't be that of its kind. */
static bool option_read(uint8_t kind, const uint8_t *value, size_t len, struct tcp_segment *s)
{
    bool syn = (s->flags & TCP_SYN) != 0;
    switch (kind) {
    case OPT_MSS:
        if (len != 2) {
            return false;
        }
        s->mss = syn ? load_be16(value) : 0;
        return true;
    case OPT_WSCALE:
        if (len != 1) {
            return false;
        }
        if (syn) {
            s->wscale = value[0] > TCP_WSCALE_MAX ? (uint8_t)TCP_WSCALE_MAX : value[0];
        }
        return true;
    case OPT_SACK_OK:
        s->sack_permitted = syn;
        return len == 0;
    case OPT_SACK:
        s->sack = view_of(value, len);
        return len % 8 == 0 && len > 0;
    case OPT_TIMESTAMPS:
        if (len != 8) {
            return false;
        }
        option_timestamps(value, s);
        return true;
    default:
        return true;
    }
}

static bool options_read(const uint8_t *p, size_t len, struct tcp_segment *s)
{
    static const uint8_t usual[4] = {OPT_NOP, OPT_NOP, OPT_TIMESTAMPS, 10};
    if (len == TCP_TIMESTAMPS_BYTES && memcmp(p, usual, sizeof usual) == 0) {
        option_timestamps(p + 4, s);
        return true;
    }
    while (len > 0) {
        if (p[0] == OPT_END) {
            return true;
        }
        if (p[0] == OPT_NOP) {
            p++;
            len--;
            continue;
        }
        /* An illegal length (0, 1, beyond the header) must not be walked on (RFC 9293 3.2, MUST-7). */
        if (len < 2 || p[1] < 2 || p[1] > len || !option_read(p[0], p + 2, p[1] - 2u, s)) {
            return false;
        }
        len -= p[1];
        p += p[1];
    }
    return true;
}

enum wax_status tcp_parse(struct view l4, const struct addr *src, const struct addr *dst,
                          bool verify_checksum, struct tcp_segment *out)
{
    if (l4.len < TCP_HEADER_BYTES) {
        return WAX_TCP_HEADER;
    }
    const uint8_t *p = l4.data;
    size_t header_len = (size_t)(p[12] >> 4) * 4;
    if (header_len < TCP_HEADER_BYTES || header_len > l4.len) {
        return WAX_TCP_HEADER;
    }
    if (verify_checksum && checksum_tcp(src, dst, l4) != 0) {
        return WAX_TCP_CHECKSUM;
    }
    out->tuple.peer = *src;
    out->tuple.local = *dst;
    out->tuple.peer_port = load_be16(p);
    out->tuple.local_port = load_be16(p + 2);
    out->seq = load_be32(p + 4);
    out->ack = load_be32(p + 8);
    out->flags = p[13];
    out->window = load_be16(p + 14);
    out->mss = 0;
    out->wscale = 0xff;
    out->has_timestamps = false;
    out->sack_permitted = false;
    out->ecn = 0;
    out->sack = view_of(NULL, 0);
    out->payload = view_of(p + header_len, l4.len - header_len);
    if (!options_read(p + TCP_HEADER_BYTES, header_len - TCP_HEADER_BYTES, out)) {
        return WAX_TCP_OPTIONS;
    }
    return WAX_OK;
}

static size_t sack_write(uint8_t *o, const struct sack_block *blocks, uint32_t count)
{
    store_be32(o, (uint32_t)(OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK << 8) | (2 + 8 * count));
    for (uint32_t i = 0; i < count; i++) {
        store_be32(o + 4 + (size_t)8 * i, blocks[i].start);
        store_be32(o + 8 + (size_t)8 * i, blocks[i].end);
    }
    return TCP_SACK_BYTES(count);
}

size_t segment_write(uint8_t *p, const struct tcp_header *h)
{
    store_be16(p, h->source);
    store_be16(p + 2, h->destination);
    store_be32(p + 4, h->seq);
    store_be32(p + 8, h->ack);
    p[13] = h->flags;
    store_be16(p + 14, h->window);
    store_be32(p + 16, 0);
    uint8_t *o = p + TCP_HEADER_BYTES;
    if ((h->flags & TCP_SYN) != 0) {
        if (h->mss != 0) {
            store_be16(o, OPT_MSS << 8 | 4);
            store_be16(o + 2, h->mss);
            o += 4;
        }
        if (h->wscale != 0xff) {
            store_be32(o, (uint32_t)(OPT_NOP << 24 | OPT_WSCALE << 16 | 3 << 8) | h->wscale);
            o += 4;
        }
    }
    if ((h->flags & TCP_SYN) != 0 && h->sack_permitted) {
        store_be32(o, OPT_NOP << 24 | OPT_NOP << 16 | OPT_SACK_OK << 8 | 2);
        o += 4;
    }
    if (h->has_timestamps) {
        store_be32(o, OPT_NOP << 24 | OPT_NOP << 16 | OPT_TIMESTAMPS << 8 | 10);
        store_be32(o + 4, h->tsval);
        store_be32(o + 8, h->tsecr);
        o += TCP_TIMESTAMPS_BYTES;
    }
    if (h->sack_count > 0) {
        o += sack_write(o, h->sack, h->sack_count);
    }
    size_t len = (size_t)(o - p);
    assert(len <= TCP_HEADER_BYTES_MAX);
    p[12] = (uint8_t)(len << 2); /* in words, in the upper half */
    return len;
}

void segment_checksum(const struct tcp_tuple *tuple, struct span segment, bool offload)
{
    uint64_t sum = checksum_pseudo(&tuple->local, &tuple->peer, PROTOCOL_TCP, (uint32_t)segment.len);
    if (offload) {
        store_be16(segment.data + 16, (uint16_t)~checksum_finish(sum));
        return;
    }
    sum = checksum_add(sum, view_of(segment.data, segment.len));
    store_be16(segment.data + 16, checksum_finish(sum));
}

size_t segment_reset(const struct tcp_segment *in, bool offload, uint8_t *p)
{
    if ((in->flags & TCP_RST) != 0) {
        return 0;
    }
    struct tcp_header h = {
        .source = in->tuple.local_port, .destination = in->tuple.peer_port, .flags = TCP_RST, .wscale = 0xff};
    if ((in->flags & TCP_ACK) != 0) {
        h.seq = in->ack;
    } else {
        h.flags = TCP_RST | TCP_ACK;
        h.ack = in->seq + segment_space(in);
    }
    size_t len = segment_write(p, &h);
    segment_checksum(&in->tuple, span_of(p, len), offload);
    return len;
}
