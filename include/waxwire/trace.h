/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace of TCP connections, as it goes from a worker to the control plane and on to an operator. The
 * events are those of the TCP engine (tcp/trace.h), which asserts that both are the same bytes.
 */
#ifndef WAXWIRE_TRACE_H
#define WAXWIRE_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "waxwire/limits.h"

/* X(NAME, text) in the order of the engine's numbers. */
#define TRACE_KIND_LIST(X)                                                                                   \
    X(IN, "in")                                                                                              \
    X(OUT, "out") X(STATE, "state") X(CONGESTION, "congestion") X(TIMER, "timer") X(REASON, "reason")
#define TRACE_STATE_LIST(X)                                                                                  \
    X(FREE, "free")                                                                                          \
    X(CLOSED, "closed")                                                                                      \
    X(SYN_SENT, "syn-sent")                                                                                  \
    X(SYN_RECEIVED, "syn-received")                                                                          \
    X(ESTABLISHED, "established")                                                                            \
    X(FIN_WAIT_1, "fin-wait-1")                                                                              \
    X(FIN_WAIT_2, "fin-wait-2")                                                                              \
    X(CLOSE_WAIT, "close-wait") X(CLOSING, "closing") X(LAST_ACK, "last-ack") X(TIME_WAIT, "time-wait")
#define TRACE_TIMER_LIST(X)                                                                                  \
    X(RETRANSMIT, "retransmit")                                                                              \
    X(PERSIST, "persist") X(DELAYED_ACK, "delayed-ack") X(LIFE, "life") X(OTHER, "other")

#define TRACE_KIND_ENUM(name, text)  TRACE_##name,
#define TRACE_STATE_ENUM(name, text) TRACE_STATE_##name,
#define TRACE_TIMER_ENUM(name, text) TRACE_TIMER_##name,
enum trace_kind { TRACE_KIND_LIST(TRACE_KIND_ENUM) TRACE_KINDS };
enum trace_state { TRACE_STATE_LIST(TRACE_STATE_ENUM) TRACE_STATES };
enum trace_timer { TRACE_TIMER_LIST(TRACE_TIMER_ENUM) TRACE_TIMERS };

/* One event; native byte order. Sequence numbers are as on the wire. */
struct trace_event {
    uint64_t time_us; /* monotonic */
    uint8_t peer[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint16_t peer_port, local_port;
    uint32_t id;     /* of the connection in its worker, UINT32_MAX: none has it */
    uint8_t kind;    /* enum trace_kind */
    uint8_t state;   /* enum trace_state; with STATE the new one */
    uint8_t flags;   /* of the segment */
    uint8_t watch;   /* the engine's */
    uint16_t status; /* enum wax_status */
    uint16_t lost;   /* events before this one for which there was no room */
    union {
        struct {
            uint32_t seq, ack, len, window, tsval, tsecr;
        } segment; /* IN, OUT */
        struct {
            uint32_t from; /* enum trace_state */
        } change;          /* STATE */
        struct {
            uint32_t cwnd, ssthresh, flight, snd_wnd, srtt_us, rto_ms;
        } congestion; /* CONGESTION */
        struct {
            uint32_t which, backoff, rto_ms;
        } timer; /* TIMER */
    };
};

_Static_assert(sizeof(struct trace_event) == 64, "an event is one cache line");

/* Which connections are to be traced; 0 stands for any port. */
struct trace_match {
    uint8_t peer[16];
    uint16_t peer_port, local_port;
    uint8_t reserved[4];
};

/* Whether an event is of the connections that were asked for. */
static inline bool trace_matches(const struct trace_match *match, const struct trace_event *event)
{
    return memcmp(match->peer, event->peer, sizeof match->peer) == 0 &&
           (match->peer_port == 0 || match->peer_port == event->peer_port) &&
           (match->local_port == 0 || match->local_port == event->local_port);
}

#define TRACE_TEXT(name, text) text,

/* The text of an event's kind; "?" out of range, as of the two below. */
static inline const char *trace_kind_text(uint32_t kind)
{
    static const char *const texts[] = {TRACE_KIND_LIST(TRACE_TEXT)};
    return kind < TRACE_KINDS ? texts[kind] : "?";
}

/* The text of a state. */
static inline const char *trace_state_text(uint32_t state)
{
    static const char *const texts[] = {TRACE_STATE_LIST(TRACE_TEXT)};
    return state < TRACE_STATES ? texts[state] : "?";
}

/* The text of a timer. */
static inline const char *trace_timer_text(uint32_t timer)
{
    static const char *const texts[] = {TRACE_TIMER_LIST(TRACE_TEXT)};
    return timer < TRACE_TIMERS ? texts[timer] : "?";
}

#endif
