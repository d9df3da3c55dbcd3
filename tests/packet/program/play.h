/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Plays scripts of packets (docs/packet-scripts.md): an engine under virtual time, against peers that the
 * script plays segment by segment. One struct play is one scenario.
 */
#ifndef TESTS_PACKET_PLAY_H
#define TESTS_PACKET_PLAY_H

#include "tcp/engine.h"

#define PLAY_FLOWS_MAX    16u
#define PLAY_NAME_BYTES   128u
#define PLAY_PACKET_BYTES 16384u
#define PLAY_LOCAL_PORT   443u
#define PLAY_PEER_PORT    50000u
#define PLAY_END_S        600u /* after so long nothing may be left of a released connection */

/* ECN bits of the IP header (RFC 3168 5). */
enum { ECN_NOT = 0, ECN_ECT1 = 1, ECN_ECT0 = 2, ECN_CE = 3 };

/* A segment that the engine built, until the script claims it. */
struct sent {
    struct sent *next;
    uint64_t at_us;
    uint8_t ecn;
    struct tcp_segment segment;
    size_t len;
    uint8_t bytes[];
};

/* One pair of ends, as the script sees it. */
struct flow {
    char name[PLAY_NAME_BYTES];
    struct tcp_tuple tuple; /* as the engine sees it */
    uint32_t id;            /* the connection of the last segment or event, or TCP_NONE */
    uint32_t generation;
    uint32_t iss, irs;    /* initial sequence numbers of the peer and of the engine */
    bool irs_known;       /* until the engine's SYN was seen, its numbers are absolute */
    bool ts_known;        /* ts_base is set */
    bool ts_on;           /* the peer puts timestamps on what it sends */
    bool hold;            /* keep what arrives instead of reading it */
    bool other;           /* what arrives is of the other pattern */
    uint32_t ts_base;     /* the engine's timestamp at the scenario's begin */
    uint32_t ts_seen;     /* the last one that it sent */
    uint32_t peer_next;   /* default of seq */
    uint32_t engine_next; /* default of ack */
    uint32_t peer_window; /* default of win */
    uint32_t events;      /* since the script last looked */
    uint64_t received;    /* bytes that the user has read */
    struct sent *head, *tail;
    /* What the two have agreed on, for the checks of every segment. */
    bool syn_sent, syn_seen; /* the peer's SYN, the engine's */
    bool ts_peer, ts_engine, sack_peer, sack_engine, scale_peer, scale_engine;
    bool edge_known;
    uint8_t shift_peer, shift_engine;
    uint16_t mss_peer, syn_window;
    uint32_t edge_peer;   /* right edge of the largest window that the peer offered */
    uint32_t edge_engine; /* right edge that the engine offered last */
};

struct play {
    const char *file, *scenario;
    unsigned line;
    bool failed, started, stuck, verbose, echo_off;
    char message[4096];
    unsigned expectations;
    struct tcp_config config;
    uint32_t pool_blocks;
    bool ip6;
    bool isn_set; /* the first connection of flow a begins at isn */
    uint32_t isn;
    uint64_t start_us, now_us;
    struct tcp_engine *engine;
    struct pool blocks;
    void *memory;
    void *taken; /* chain of blocks that the script holds back */
    uint32_t taken_count;
    uint64_t counters[WAX_STATUS_COUNT];
    uint64_t injected, built; /* segments given to the engine, and taken from it */
    struct flow flows[PLAY_FLOWS_MAX];
    unsigned flow_count;
    struct flow *flow; /* the current one */
};

/* play.c: the life of a scenario. All functions that return bool say false after play_fail. */
void play_begin(struct play *p, const char *file, const char *scenario);
bool play_start(struct play *p); /* makes the engine, at the first event */
bool play_end(struct play *p);   /* the checks at the end; frees everything */
struct flow *play_flow(struct play *p, const char *name);
__attribute__((format(printf, 2, 3))) bool play_fail(struct play *p, const char *format, ...);

/* clock.c: time, and what the engine sends in it. */
bool play_pump(struct play *p);
bool play_silent(struct play *p); /* nothing unclaimed? */
bool play_sleep(struct play *p, uint64_t us);
bool play_await(struct play *p, uint64_t until_us);   /* until the current flow has sent something */
bool play_discard(struct play *p, uint64_t us);       /* sleeps, and forgets what is sent */
void play_clear(struct play *p, struct flow *f);      /* forgets what is unclaimed */
bool play_take(struct play *p, struct sent *sent);    /* a segment that the engine built */
double play_ms(const struct play *p, uint64_t at_us); /* since the begin, for messages */

/* line.c: one line of a script. */
bool play_line(struct play *p, const char *line);

/* inject.c, expect.c: `< ...` and `> ...`. */
struct text;
bool play_inject(struct play *p, struct text *t);
bool play_deliver(struct play *p, struct flow *f, const uint8_t *bytes, size_t len, uint8_t ecn);
bool play_expect(struct play *p, struct text *t, uint64_t after_us, uint64_t slack_us, bool any_time);
uint8_t pattern_byte(uint64_t position, bool other);

/* call.c: what the user does; fact.c: what can be asked. NULL word: not one of these. */
bool call_known(const char *word);
bool call_run(struct play *p, const char *word, struct text *t);
bool call_config(struct play *p, struct text *t);
bool call_established(struct play *p, struct text *t);
bool call_data(struct play *p, struct flow *f, struct view data); /* bytes that arrived */
bool fact_known(const char *word);
bool fact_check(struct play *p, const char *word, struct text *t);

/* sound.c: what holds for every segment that is built. audit.c: what holds for the engine's state. */
bool sound_check(struct play *p, struct flow *f, const struct sent *s);
void sound_learn(struct flow *f, const struct tcp_segment *in); /* from the peer's segments */
void sound_fresh(struct flow *f);
bool audit_check(struct play *p);
bool audit_end(struct play *p);

/* hooks.c: seams that later parts of the engine connect. */
bool hook_ecn_in(struct tcp_segment *s, uint8_t ecn);
bool hook_ecn_out(const struct tcp_out *o, uint8_t *ecn);
struct icmp_event {
    char kind[32]; /* too-big, unreachable, ... */
    uint32_t code;
    uint32_t mtu;
    uint32_t seq; /* absolute, of the segment quoted */
};
bool hook_icmp(struct play *p, struct flow *f, const struct icmp_event *event);

#endif
