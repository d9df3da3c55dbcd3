/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments as scripts write them: SYN ACK seq 0 ack 1 len 10 win 65535 <mss 1460, TS 1 0> [ect0] x3 */
#ifndef TESTS_PACKET_SEGMENT_TEXT_H
#define TESTS_PACKET_SEGMENT_TEXT_H

#include "play.h"
#include "text.h"

#define OPTIONS_MAX     24u
#define SACK_BLOCKS_MAX 5u
#define RAW_BYTES_MAX   40u

enum option_kind { OPT_MSS, OPT_WSCALE, OPT_SACK_OK, OPT_TS, OPT_SACK, OPT_NOP, OPT_EOL, OPT_RAW };

struct option_text {
    enum option_kind kind;
    bool absent;       /* `no mss`: must not be there */
    struct match a, b; /* MSS, shift, or timestamp and echo */
    uint32_t blocks;   /* of SACK */
    int64_t left[SACK_BLOCKS_MAX], right[SACK_BLOCKS_MAX];
    bool any_blocks; /* sack * */
    uint32_t raw_len;
    uint8_t raw[RAW_BYTES_MAX];
};

struct segment_text {
    uint8_t flags;  /* those named */
    uint8_t absent; /* !PSH !ECE !CWR */
    bool has_seq, has_ack, has_len, has_win, has_urg;
    struct match seq, ack, len, win, urg;
    bool has_options, only;
    uint32_t option_count;
    struct option_text options[OPTIONS_MAX];
    bool has_ecn;
    uint8_t ecn;
    uint32_t times;
    bool other; /* payload of the other pattern */
    /* What only an injected segment may have. */
    bool bad_checksum;
    int32_t header_words; /* -1: right */
    int32_t cut;          /* -1: whole */
    uint8_t reserved;     /* the four reserved bits */
};

/* Reads the rest of the line; fails the scenario when it can't be understood. */
bool segment_text_read(struct play *p, struct text *t, struct segment_text *out);

/* Writes a segment as scripts do. `engine`: built by the engine, else by the peer. */
void segment_text_write(const struct play *p, const struct flow *f, const struct tcp_segment *s, bool engine,
                        char *out, size_t size);

/* The TCP options of a header, as bytes. */
struct view options_of(const uint8_t *header, size_t len);

#endif
