/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Scripts of packets: an engine under virtual time against a peer that the test plays by hand. Sequence
 * numbers are relative (the SYN is 0, the first byte 1), whatever the engine chose. Payload bytes follow a
 * pattern of their position and are checked in both directions.
 *
 *     script_open(&s, NULL);                      handshake with a listener, done
 *     IN(TCP_ACK, .seq = 1, .ack = 1, .len = 10)  the peer sends
 *     OUT(TCP_ACK, 1, 11, 0)                      the engine must have sent exactly this next (PSH is
 * ignored) QUIET()                                     and nothing more SLEEP(40) milliseconds
 */
#ifndef TESTS_TCP_SCRIPT_H
#define TESTS_TCP_SCRIPT_H

#include <criterion/criterion.h>

#include "tcp/engine.h"

#define SCRIPT_QUEUE  1024u
#define SCRIPT_BLOCKS 2048u
#define SCRIPT_PORT   443u

struct script_sent {
    struct tcp_segment segment;
    uint64_t at_us;
};

struct script {
    struct tcp_engine *e;
    struct pool blocks;
    uint64_t counters[WAX_STATUS_COUNT];
    uint64_t now_us;
    struct tcp_tuple tuple; /* as the engine sees it */
    uint32_t iss, irs;      /* the peer's and the engine's initial sequence numbers */
    uint32_t id;            /* the connection of the last segment or event */
    uint32_t events;        /* all that came */
    uint64_t acked;
    bool hold;           /* keep what arrives instead of reading it */
    bool mute;           /* leave segments unbuilt (a worker whose port is stuck) */
    uint64_t received;   /* bytes read or kept, in order and checked */
    struct tcp_result r; /* of the last segment */
    struct script_sent sent[SCRIPT_QUEUE];
    uint32_t head, tail;
    uint32_t ts_val; /* what the peer sends as its timestamp when .ts is set without a value */
    void *memory;
};

struct script_in {
    uint8_t flags;
    uint32_t seq, ack, len;
    uint16_t win; /* 0: 65535 */
    bool shut;    /* window 0 */
    uint16_t mss;
    uint8_t ws; /* shift + 1; 0: no option */
    bool ts;
    bool sackok;
    uint32_t sack[8]; /* pairs of start and end, relative to the engine's numbers; up to the first end 0 */
    uint32_t tsval, tsecr;
    uint16_t port; /* of the peer; 0: as ever */
    bool absolute; /* seq and ack as given */
};

extern struct script S;

void script_start(const struct tcp_config *config);
void script_listen(void);
void script_open(const struct tcp_config *config);      /* passive open, no options but MSS 1460 */
void script_open_sack(const struct tcp_config *config); /* with SACK, without timestamps */
void script_open_full(const struct tcp_config *config); /* with SACK and timestamps */
void script_open_ts(const struct tcp_config *config);   /* with timestamps (peer's at 1000) and scale 0 */
void script_connect(void);                              /* tcp_connect: the SYN is in the queue */
void script_in(struct script_in in);
const struct tcp_segment *script_out(int line, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len);
void script_quiet(int line);
void script_sacked(int line, const struct tcp_segment *segment, const uint32_t pairs[8]);
void script_events(int line, uint32_t bits);
void script_sleep(uint64_t us);
void script_pump(void);
void script_write(uint32_t len);
void script_read(uint32_t n); /* from the receive queue, after .hold */
uint8_t script_byte(uint64_t position);
void script_end(void); /* everything given back? */

#define IN(f, ...)           script_in((struct script_in){.flags = (f), __VA_ARGS__})
#define OUT(f, s, a, l)      script_out(__LINE__, (f), (s), (a), (l))
#define SACKED(segment, ...) script_sacked(__LINE__, (segment), (const uint32_t[8]){__VA_ARGS__})
#define QUIET()              script_quiet(__LINE__)
#define SLEEP(ms)            script_sleep((uint64_t)(ms)*1000)
#define WRITE(n)             script_write(n)
#define STATE(st)                                                                                            \
    cr_assert_eq(tcp_state(S.e, S.id), (st), "line %d: state %d", __LINE__, tcp_state(S.e, S.id))
#define EVENTS(bits) script_events(__LINE__, (bits))
#define COUNTED(status, n)                                                                                   \
    cr_assert_eq(S.counters[status], (n), "line %d: %s is %lu", __LINE__, #status, S.counters[status])

#endif
