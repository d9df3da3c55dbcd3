/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments on the wire: sequence arithmetic, and building headers with options (parsing is tcp_parse in
 * tcp.h).
 */
#ifndef TCP_SEGMENT_H
#define TCP_SEGMENT_H

#include "tcp/tcp.h"

#define TCP_MSS_DEFAULT_IP4  536u /* when the peer names none (RFC 9293 3.7.1) */
#define TCP_MSS_DEFAULT_IP6  1220u
#define TCP_MSS_MIN          88u             /* smaller offers only waste: taken as this */
#define TCP_WSCALE_MAX       14u             /* RFC 7323 2.3 */
#define TCP_TIMESTAMPS_BYTES 12u             /* with its two NOPs */
#define TCP_COOKIE_PERIOD_US 60000000ull     /* a SYN cookie is good until the end of the next period */
#define TCP_SACK_BLOCKS_MAX  4u              /* that fit a header; beside timestamps one less (RFC 2018 3) */
#define TCP_SACK_BYTES(n)    (4u + 8u * (n)) /* the option with its two NOPs */

/* Sequence numbers compare modulo 2^32 (RFC 9293 3.4): seq_lt, seq_le, and the later one, seq_max. */
static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? b : a;
}

/* A block of the SACK option: [start, end). */
struct sack_block {
    uint32_t start, end;
};

/* What a header says. */
struct tcp_header {
    uint16_t source, destination;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    uint8_t wscale; /* with SYN: 0xff leaves the option out */
    uint16_t mss;   /* with SYN: 0 leaves the option out */
    bool has_timestamps;
    bool sack_permitted; /* with SYN */
    uint8_t sack_count;  /* blocks at `sack`, at most what fits */
    uint32_t tsval, tsecr;
    const struct sack_block *sack;
};

/*
 * Writes the header with its options, checksum 0, to `p` (TCP_HEADER_BYTES_MAX bytes of room) and returns its
 * length, a multiple of 4.
 */
size_t segment_write(uint8_t *p, const struct tcp_header *header);

/*
 * Fills the checksum of a whole segment from tuple->local to tuple->peer; with `offload` only the
 * pseudo-header's sum.
 */
void segment_checksum(const struct tcp_tuple *tuple, struct span segment, bool offload);

/*
 * Writes the RST that answers `in` where no connection exists (RFC 9293 3.10.7.1) and returns its length: 0
 * when `in` is itself a RST.
 */
size_t segment_reset(const struct tcp_segment *in, bool offload, uint8_t *p);

/*
 * Sequence space that a segment occupies.
 */
static inline uint32_t segment_space(const struct tcp_segment *s)
{
    return (uint32_t)s->payload.len + ((s->flags & TCP_SYN) != 0) + ((s->flags & TCP_FIN) != 0);
}

#endif
