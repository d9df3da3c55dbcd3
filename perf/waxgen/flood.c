/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxgen/flood.h"

#include "net/eth.h"

static const char *const names[] = {[FLOOD_SYN] = "syn",
                                    [FLOOD_ACK] = "ack",
                                    [FLOOD_RST] = "rst",
                                    [FLOOD_GARBAGE] = "garbage",
                                    [FLOOD_MIXED] = "mixed"};

enum flood_kind flood_kind_of(const char *text)
{
    for (enum flood_kind kind = FLOOD_SYN; kind <= FLOOD_MIXED; kind++)
        if (strcmp(text, names[kind]) == 0)
            return kind;
    return FLOOD_NONE;
}

const char *flood_kind_text(enum flood_kind kind)
{
    return kind > FLOOD_NONE && kind <= FLOOD_MIXED ? names[kind] : NULL;
}

uint32_t flood_due(struct flood *flood, uint64_t now_us)
{
    const struct flood_options *o = &flood->options;
    if (o->kind == FLOOD_NONE || flood->ended_us != 0)
        return 0;
    if (flood->began_us == 0)
        flood->began_us = now_us;
    uint64_t passed_us = now_us - flood->began_us, left = o->packets - flood->packets;
    if (left == 0 || passed_us >= (uint64_t)o->seconds * 1000000u) {
        flood->ended_us = now_us;
        return 0;
    }
    if (o->rate != 0) {
        uint64_t allowed = passed_us * o->rate / 1000000u;
        left = allowed <= flood->packets         ? 0
               : allowed - flood->packets < left ? allowed - flood->packets
                                                 : left;
    }
    return left < FLOOD_BURST ? (uint32_t)left : FLOOD_BURST;
}

/* An address out of those that it may come from. */
static struct addr source(struct flood *flood)
{
    uint32_t mask = flood->options.prefix >= 32 ? 0 : UINT32_MAX >> flood->options.prefix;
    uint32_t first = load_be32(flood->options.sources.b + 12) & ~mask;
    return addr_ip4(first | ((uint32_t)rng_next(&flood->rng) & mask));
}

static void header_fill(struct flood *flood, enum flood_kind kind, struct tcp_header *header)
{
    uint64_t drawn = rng_next(&flood->rng);
    header->seq = (uint32_t)drawn;
    header->ack = (uint32_t)(drawn >> 32);
    header->window = 65535;
    header->wscale = 0xff;
    switch (kind) {
    case FLOOD_SYN:
        header->flags = TCP_SYN;
        header->ack = 0;
        header->mss = 1460;
        header->wscale = 7;
        header->has_timestamps = true;
        header->tsval = (uint32_t)rng_next(&flood->rng);
        return;
    case FLOOD_ACK:
        header->flags = TCP_ACK;
        return;
    case FLOOD_RST:
        header->flags = TCP_RST;
        return;
    default:
        header->flags = (uint8_t)rng_next(&flood->rng);
        return;
    }
}

size_t flood_segment(struct flood *flood, const struct addr *to, uint16_t port, struct span out,
                     struct tcp_tuple *tuple, bool *broken)
{
    enum flood_kind kind = flood->options.kind;
    if (kind == FLOOD_MIXED)
        kind = (enum flood_kind)rng_between(&flood->rng, FLOOD_SYN, FLOOD_GARBAGE);
    *tuple = (struct tcp_tuple){.peer = *to,
                                .local = source(flood),
                                .peer_port = port,
                                .local_port = (uint16_t)rng_between(&flood->rng, 1024, 65535)};
    struct tcp_header header = {.source = tuple->local_port, .destination = port};
    header_fill(flood, kind, &header);
    size_t len = segment_write(out.data, &header);
    *broken = kind == FLOOD_GARBAGE && rng_chance(&flood->rng, 250000);
    if (kind == FLOOD_GARBAGE) {
        size_t more = (size_t)rng_below(&flood->rng, FLOOD_RUBBISH_BYTES);
        rng_fill(&flood->rng, span_of(out.data + len, more));
        len += more;
        out.data[12] = (uint8_t)rng_next(&flood->rng); /* where the data begins */
    }
    segment_checksum(tuple, span_of(out.data, len), false);
    if (kind == FLOOD_GARBAGE && rng_chance(&flood->rng, 500000))
        out.data[rng_below(&flood->rng, len)] ^= (uint8_t)(1u << rng_below(&flood->rng, 8));
    flood->packets++;
    return len;
}

void flood_spoil(struct flood *flood, struct span frame)
{
    for (uint64_t flips = 1 + rng_below(&flood->rng, 8); flips > 0; flips--) {
        size_t at = ETH_HEADER_BYTES + (size_t)rng_below(&flood->rng, frame.len - ETH_HEADER_BYTES);
        frame.data[at] ^= (uint8_t)(1u << rng_below(&flood->rng, 8));
    }
}
