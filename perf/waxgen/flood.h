/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An attacker beside the clients: segments from many source addresses at the relay's listening port, as fast
 * as the port takes them, while sessions relay. Bounded in number and time. Only ever sent to the relay that
 * the generator was pointed at, from addresses that were named.
 */
#ifndef WAXGEN_FLOOD_H
#define WAXGEN_FLOOD_H

#include "base/random.h"
#include "tcp/segment.h"

#define FLOOD_BURST         32u
#define FLOOD_RUBBISH_BYTES 200u /* at most, behind a segment that lies */
#define FLOOD_FRAME_MAX     512u

enum flood_kind {
    FLOOD_NONE,
    FLOOD_SYN,     /* connection requests, each from another address and port */
    FLOOD_ACK,     /* acknowledgements of connections that do not exist */
    FLOOD_RST,     /* resets at any sequence number */
    FLOOD_GARBAGE, /* segments with flipped bits, lengths and options that lie */
    FLOOD_MIXED,   /* all of these */
};

struct flood_options {
    enum flood_kind kind;
    struct addr sources; /* first of the addresses that it comes from */
    uint8_t prefix;      /* so many of its bits (of 32) stay */
    uint64_t packets;    /* at most */
    uint32_t seconds;    /* at most */
    uint32_t rate;       /* packets a second, 0: as fast as it goes */
};

struct flood {
    struct flood_options options;
    struct rng rng;
    uint64_t began_us, ended_us; /* 0: not yet */
    uint64_t packets;
};

/* "syn", "ack", "rst", "garbage", "mixed" and back; FLOOD_NONE, NULL: none of them. */
enum flood_kind flood_kind_of(const char *text);
const char *flood_kind_text(enum flood_kind kind);

/* How many packets may be sent now, FLOOD_BURST at most; 0 once it is over, which is noted. */
uint32_t flood_due(struct flood *flood, uint64_t now_us);

/*
 * Write the next segment to `out` (FLOOD_FRAME_MAX bytes), to `to` and its port; *tuple says from where to
 * where. Returns its length; *broken: bits of its IP header are to be flipped as well (flood_spoil).
 */
size_t flood_segment(struct flood *flood, const struct addr *to, uint16_t port, struct span out,
                     struct tcp_tuple *tuple, bool *broken);

/* Flip some bits of a frame behind its Ethernet header. */
void flood_spoil(struct flood *flood, struct span frame);

#endif
