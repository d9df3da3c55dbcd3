/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace of single connections, switched on and off while they live. Events of a fixed size go into a ring
 * that the caller hands in and empties, from whatever thread. While nothing is watched it costs one test a
 * segment; a connection that is not watched then costs one test of a flag for each thing that could be told.
 */
#ifndef TCP_TRACE_H
#define TCP_TRACE_H

#include "base/ring.h"
#include "tcp/tcp.h"

enum tcp_trace_kind {
    TCP_TRACE_IN,         /* a segment from the peer, before anything was done with it: segment */
    TCP_TRACE_OUT,        /* a segment to the peer: segment */
    TCP_TRACE_STATE,      /* the state is about to change to `state`; status: why it was closed: change */
    TCP_TRACE_CONGESTION, /* windows and round-trip times after an acknowledgement or a time-out: congestion
                           */
    TCP_TRACE_TIMER,      /* a timer has expired: timer */
    TCP_TRACE_REASON,     /* status says why what came was refused or what was done; no more */
};

enum tcp_trace_timer {
    TCP_TRACE_TIMER_RETRANSMIT,
    TCP_TRACE_TIMER_PERSIST,
    TCP_TRACE_TIMER_DELAYED_ACK,
    TCP_TRACE_TIMER_LIFE, /* what it means depends on the state: half-open, keepalive, FIN-WAIT-2, TIME-WAIT
                           */
    TCP_TRACE_TIMER_OTHER,
};

/* An event: one cache line, valid wherever it is copied to. Sequence numbers are as on the wire. */
struct tcp_trace_event {
    uint64_t time_us;               /* the engine's clock */
    struct addr peer;               /* with the ports: which connection */
    uint16_t peer_port, local_port; /* host byte order */
    uint32_t id;                    /* TCP_NONE: no connection has it */
    uint8_t kind;                   /* enum tcp_trace_kind */
    uint8_t state;                  /* enum tcp_state; with TCP_TRACE_STATE the new one */
    uint8_t flags;                  /* of the segment: TCP_FIN ... TCP_CWR */
    uint8_t watch;                  /* index of the watch that it is told for */
    uint16_t status;                /* enum wax_status */
    uint16_t lost;                  /* events between the one before and this, for which there was no room */
    union {
        struct {
            uint32_t seq, ack;
            uint32_t len;    /* of the payload, bytes */
            uint32_t window; /* in bytes: scaled */
            uint32_t tsval, tsecr;
        } segment; /* with IN, OUT */
        struct {
            uint32_t from; /* enum tcp_state */
        } change;          /* with STATE */
        struct {
            uint32_t cwnd, ssthresh; /* bytes */
            uint32_t flight;         /* bytes sent and not acknowledged */
            uint32_t snd_wnd;        /* the peer's window, bytes */
            uint32_t srtt_us;        /* 0: not measured yet */
            uint32_t rto_ms;
        } congestion; /* with CONGESTION */
        struct {
            uint32_t which; /* enum tcp_trace_timer */
            uint32_t backoff;
            uint32_t rto_ms;
        } timer; /* with TIMER */
    };
};

_Static_assert(sizeof(struct tcp_trace_event) == 64, "a trace event is one cache line");

/*
 * Hands in the ring (of items of sizeof(struct tcp_trace_event)), of which the engine is the producer and
 * whose memory stays the caller's; NULL takes it back and ends all watches. When the ring is full the newest
 * events are dropped; the next one that finds room says how many (tcp_trace_event.lost; at most 65535 are
 * told). WAX_BAD_ARGUMENT: items of another size.
 */
enum wax_status tcp_trace_ring(struct tcp_engine *engine, struct ring *ring);

/*
 * Watches the connections between these ends, alive or yet to come: match->peer must be an address; peer_port
 * 0, local_port 0 and an unspecified match->local stand for any. A connection that lives already is watched
 * from now on when all four are given, else from its next incoming segment on. Segments that belong to no
 * connection are told too. `*watch` is the index that its events will carry. WAX_BAD_ARGUMENT (no ring, or no
 * peer), WAX_EXISTS (with *watch set), WAX_FULL (WAX_TRACES_MAX).
 */
enum wax_status tcp_trace_on(struct tcp_engine *engine, const struct tcp_tuple *match, uint32_t *watch);

/*
 * Ends a watch; events that are in the ring stay there. WAX_NOT_FOUND: there is no such watch.
 */
enum wax_status tcp_trace_off(struct tcp_engine *engine, uint32_t watch);

/*
 * The text of an event's kind, of a state, of a timer: lower case, static; "?" out of range.
 */
const char *tcp_trace_kind_text(uint32_t kind);
const char *tcp_trace_state_text(uint32_t state);
const char *tcp_trace_timer_text(uint32_t timer);

#endif
