/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Private to the TCP layer: a connection's state, the engine, and the calls between its rooms.
 */
#ifndef TCP_ENGINE_H
#define TCP_ENGINE_H

#include "base/fifo.h"
#include "base/flow.h"
#include "base/wheel.h"
#include "tcp/quota.h"
#include "tcp/recovery.h"
#include "tcp/segment.h"
#include "tcp/trace.h"

/* Flags of a connection. */
#define F_READY       0x00000001u /* on the ready list */
#define F_DEAD        0x00000002u /* free as soon as it leaves the ready list */
#define F_USER        0x00000004u /* the user holds the id */
#define F_ACTIVE      0x00000008u /* opened by tcp_connect */
#define F_SYN_NOW     0x00000010u /* (re)send SYN, or SYN-ACK in SYN-RECEIVED */
#define F_SYN_AGAIN   0x00000020u /* the SYN was sent more than once (RFC 6298 5.7) */
#define F_RST_NOW     0x00000040u /* send RST */
#define F_ACK_NOW     0x00000080u /* send an ACK, on data if there is some */
#define F_ACK_DELAYED 0x00000100u /* ack_at is set */
#define F_RESEND      0x00000200u /* send the segment at snd_una again */
#define F_PROBE       0x00000400u /* send at least one byte although the window is shut */
#define F_KEEPALIVE   0x00000800u /* send a keepalive probe */
#define F_RTX         0x00001000u /* rtx_at is set: retransmission, or persist with F_PERSIST */
#define F_PERSIST     0x00002000u /* the timer probes the peer's window */
#define F_LIFE        0x00004000u /* life_at is set: what it means depends on the state */
#define F_RTT         0x00008000u /* the segment at rtt_seq is being timed */
#define F_RECOVERY    0x00010000u /* NewReno fast recovery (RFC 6582) */
#define F_PARTIAL     0x00020000u /* a partial ACK came in this recovery */
#define F_TIMEOUT     0x00040000u /* the timer expired and nothing has been acknowledged since */
#define F_LIMITED     0x00080000u /* the congestion window held data back since the last ACK */
#define F_TS          0x00100000u /* timestamps are in use */
#define F_SACK_OK     0x00200000u /* the peer understands SACK (for the successor) */
#define F_FIN_QUEUED  0x00400000u /* our FIN follows the send queue */
#define F_FIN_SEEN    0x00800000u /* the peer's FIN is at rcv_fin */
#define F_FIN_TAKEN   0x01000000u /* and rcv_nxt is behind it */
#define F_TW_LISTED   0x02000000u /* in the queue of TIME-WAIT connections */
#define F_FLOW        0x04000000u /* in the flow table */
#define F_HALF_OPEN   0x08000000u /* counted as half-open */
#define F_WSCALE      0x10000000u /* both sides scale their windows */
#define F_FIN_ACKED   0x20000000u /* our FIN has been acknowledged (F_FIN_QUEUED is cleared then) */
#define F_TRACE       0x40000000u /* somebody may want to know what happens to it (trace.c) */
#define F_BOARD       0x80000000u /* there is a scoreboard (scoreboard.h) */

/* More of them (flags2), none of which header prediction has to know. */
#define F2_DSACK          0x01u /* a duplicate to report lies in the engine's table (RFC 2883) */
#define F2_PTO            0x02u /* rtx_at is that of a tail loss probe (RFC 8985 7.2) */
#define F2_TLP_NOW        0x04u /* with F_PROBE: send that probe */
#define F2_REORDER        0x08u /* the path has been seen to reorder (RFC 8985 6.2) */
#define F2_ECN            0x10u /* both sides use ECN (RFC 3168) */
#define F2_ECE            0x20u /* a mark came: ACKs echo it until CWR comes */
#define F2_COUNTED        0x40u /* in the quota of its address */
#define F2_COUNTED_PREFIX 0x80u /* and of its network */

/*
 * A connection. Lines 0 and 1 are all that header prediction needs, together with the send queue's handle.
 * Sequence numbers are named as in RFC 9293; times are milliseconds modulo 2^32 and count only
 * while their flag is set.
 */
struct tcp_conn {
    /* line 0 */
    struct tcp_tuple tuple;
    uint8_t state;
    uint8_t snd_scale : 4, rcv_scale : 4;
    uint8_t dupacks;
    uint8_t flags2;
    uint32_t flags;
    uint32_t rcv_nxt;
    uint32_t rcv_edge; /* right edge of the window offered; never moves back */
    uint32_t snd_una;
    uint32_t snd_nxt; /* next to send; behind snd_max after a time-out without a board */
    uint32_t snd_wnd;
    /* line 1 */
    uint32_t snd_max; /* the highest sent, plus one */
    uint32_t snd_wl1;
    uint32_t ack_sent; /* Last.ACK.sent of RFC 7323 */
    uint32_t ts_recent;
    uint32_t cwnd;
    uint16_t mss;     /* payload of a segment, options deducted */
    uint16_t rcv_mss; /* largest payload received, for delayed ACKs */
    uint32_t rtx_at, ack_at;
    uint32_t heard_s;  /* when the last acceptable segment came, seconds */
    uint32_t ooo_head; /* reassembly: block index + 1 */
    uint32_t ready_next;
    uint32_t rtt_seq;
    struct fifo send; /* from snd_una (SYN not counted) */
    /* line 2 */
    struct fifo receive;
    struct timer timer; /* armed at or before the earliest of rtx_at, ack_at, life_at */
    union {
        struct fifo_cursor cursor; /* where in `send` the last copy ended */
        struct {
            uint32_t next, prev;
        } tw; /* queue of TIME-WAIT connections, index + 1 */
    };
    uint64_t acked; /* bytes of the stream acknowledged */
    uint32_t srtt_us, rttvar_us;
    uint32_t rtt_start_us; /* as undo_pipe: the timestamp when the timer expired */
    uint32_t ssthresh;
    /* line 3 */
    uint32_t wnd_max; /* largest window the peer offered */
    uint32_t recover; /* RFC 6582 */
    uint32_t rcv_fin; /* with F_FIN_SEEN: sequence of the peer's FIN */
    uint32_t ts_offset;
    uint32_t stall_ms; /* since when the peer has not made progress */
    uint32_t sent_us;  /* when data was last sent, modulo 2^32 */
    uint32_t life_at;
    uint32_t challenge_ms; /* when the last throttled ACK was sent */
    uint32_t tag;
    uint32_t generation;
    uint8_t backoff : 5;     /* RTO is doubled so many times */
    uint8_t ecn_cwr : 1;     /* the next new data says that the window was reduced (RFC 3168 6.1.2) */
    uint8_t ecn_reduced : 1; /* `recover` is the end of a window reduced for an echo alone */
    uint8_t paced : 1;       /* data waits for its time: the timer makes it ready (pace.c) */
    uint8_t events;
    uint8_t dupacks_owed; /* duplicate ACKs to send for out-of-order segments */
    union {
        uint8_t probes; /* keepalive probes unanswered */
        uint8_t status; /* once CLOSED */
    };
    uint8_t reo_steps : 3, reo_persist : 5; /* RFC 8985 6.2: the reordering window, and for how long */
    uint8_t mss_top;  /* with the MSS lowered for the path: what it was, in units of 64 (pmtu.c) */
    uint16_t min_rtt; /* the shortest round trip, in units of 64 us; 0: none yet */
    union {
        uint32_t board;     /* with F_BOARD: the scoreboard's block */
        uint32_t undo_pipe; /* with F_TIMEOUT and no board: the threshold of RFC 4015, or 0 */
    };
    uint32_t cc[3]; /* the congestion control's own state */
};

_Static_assert(sizeof(struct tcp_conn) == 256, "an idle connection is four cache lines");
_Static_assert(offsetof(struct tcp_conn, snd_max) == 64 && offsetof(struct tcp_conn, receive) == 128 &&
                   offsetof(struct tcp_conn, wnd_max) == 192,
               "the hot fields are in the first two cache lines");
_Static_assert(WAX_CONN_SEND_BYTES_MAX < 1u << 30 && WAX_CONN_RECEIVE_BYTES_MAX < 1u << 30,
               "windows are far smaller than sequence space (RFC 7323 2.2)");

/* Congestion control; windows in bytes. */
struct tcp_congestion {
    const char *name;
    void (*start)(struct tcp_conn *c, uint32_t initial_window);
    void (*acked)(struct tcp_conn *c, uint32_t bytes, uint64_t now_us); /* new data, outside recovery */
    uint32_t (*ssthresh)(struct tcp_conn *c, uint32_t flight); /* after a loss; cwnd is as before it */
    void (*rtt)(struct tcp_conn *c, uint32_t rtt_us);          /* a sample; or NULL */
    void (*idle)(struct tcp_conn *c);                          /* nothing was sent for a while; or NULL */
};

/* A duplicate that the next ACK of connection `id` reports. Direct-mapped by id: what is pushed out goes
 * unreported, which only costs the peer a hint. */
#define DSACKS_MAX 32u
struct dsack {
    uint32_t id;
    struct sack_block block;
};

/* What a transfer may send before it waits (pace.c). Direct-mapped by id, as duplicates are. */
struct pace {
    uint32_t id;
    uint32_t at_us;  /* when the credit was right, modulo 2^32 */
    uint32_t credit; /* bytes */
};

struct tcp_listener {
    struct addr local;
    uint16_t port; /* 0: free */
    bool any;
    uint32_t tag;
};

/* SYN cookies (cookie.c). */
struct tcp_cookies {
    uint64_t keys[2][2]; /* of the present period and of the one before, by parity */
    uint64_t period;     /* since the clock's zero */
    uint64_t until_us;   /* those that were sent are good until then */
};

/* Who is watched (trace.c). */
struct tcp_traces {
    struct ring *ring;
    uint32_t on;   /* bit i: watches[i] is in use */
    uint16_t lost; /* events that found no room since the last that did */
    struct tcp_tuple watches[WAX_TRACES_MAX];
};

struct tcp_engine {
    struct tcp_conn *conns;
    uint64_t now_us;
    uint32_t now_ms;
    uint32_t now_s;
    uint32_t free_head; /* chain of free slots through ready_next */
    uint32_t ready_head, ready_tail;
    uint32_t tw_head, tw_tail; /* TIME-WAIT connections without a user, oldest first, index + 1 */
    uint32_t ooo_max;          /* blocks of a connection in reassembly */
    uint8_t rcv_scale;
    const struct tcp_congestion *congestion;
    struct tcp_env env;
    struct tcp_config cfg;
    struct tcp_stats stats;
    struct tcp_traces trace;
    struct tcp_cookies cookies;
    struct quota_table quota;
    struct tcp_listener listeners[WAX_LISTENERS_MAX];
    struct dsack dsacks[DSACKS_MAX];
    struct pace paces[WAX_PACES];
    struct flow_table flows;
    struct wheel wheel;
};

extern const struct tcp_congestion tcp_newreno, tcp_cubic;

/* The connection of an id, and back (conn_id); it must be of this engine. */
static inline struct tcp_conn *conn_at(const struct tcp_engine *e, uint32_t id)
{
    return &e->conns[id];
}

static inline uint32_t conn_id(const struct tcp_engine *e, const struct tcp_conn *c)
{
    return (uint32_t)(c - e->conns);
}

/* Take over the caller's clock, which never runs back. */
static inline void engine_clock(struct tcp_engine *e, uint64_t now_us)
{
    if (now_us > e->now_us) {
        e->now_us = now_us;
        e->now_ms = (uint32_t)(now_us / 1000);
        e->now_s = (uint32_t)(now_us / 1000000);
    }
}

/* Count a status, and hand it on. */
static inline enum wax_status engine_count(struct tcp_engine *e, enum wax_status status)
{
    e->env.counters[status]++;
    return status;
}

/* trace.c: for connections with F_TRACE alone, and for what has none. */
void trace_adopt(struct tcp_engine *e, struct tcp_conn *c); /* is it watched? */
void trace_input(struct tcp_engine *e, uint32_t id, const struct tcp_segment *s, struct tcp_result *r);
void trace_reason(struct tcp_engine *e, uint32_t id, const struct tcp_tuple *t, enum wax_status status);
void trace_out(struct tcp_engine *e, struct tcp_conn *c, struct view segment);
void trace_state(struct tcp_engine *e, struct tcp_conn *c, enum tcp_state to);
void trace_congestion(struct tcp_engine *e, struct tcp_conn *c);
void trace_timer(struct tcp_engine *e, struct tcp_conn *c, enum tcp_trace_timer which);

/* Whether the trace wants to hear of a connection. */
static inline bool conn_traced(const struct tcp_conn *c)
{
    return __builtin_expect((c->flags & F_TRACE) != 0, 0);
}

/* Go over to another state. */
static inline void conn_state(struct tcp_engine *e, struct tcp_conn *c, enum tcp_state to)
{
    if (conn_traced(c)) {
        trace_state(e, c, to);
    }
    c->state = (uint8_t)to;
}

/* Whether both sides know each other's sequence numbers (RFC 9293 3.5.2). */
static inline bool conn_synchronized(const struct tcp_conn *c)
{
    return c->state >= TCP_STATE_ESTABLISHED;
}

/* The clock of timestamps: milliseconds, from an offset that only this pair of hosts has (RFC 7323 5.4). */
static inline uint32_t conn_ts_now(const struct tcp_engine *e, const struct tcp_conn *c)
{
    return e->now_ms + c->ts_offset;
}

/* Window that we have offered and still keep open. */
static inline uint32_t conn_rcv_wnd(const struct tcp_conn *c)
{
    return c->rcv_edge - c->rcv_nxt;
}

/* Put a connection onto the ready list, where it isn't yet. */
static inline void conn_ready(struct tcp_engine *e, struct tcp_conn *c)
{
    if ((c->flags & F_READY) == 0) {
        c->flags |= F_READY;
        c->ready_next = TCP_NONE;
        if (e->ready_head == TCP_NONE) {
            e->ready_head = conn_id(e, c);
        } else {
            e->conns[e->ready_tail].ready_next = conn_id(e, c);
        }
        e->ready_tail = conn_id(e, c);
    }
}

/* Have an ACK sent with this turn's output. */
static inline void ack_soon(struct tcp_engine *e, struct tcp_conn *c)
{
    c->flags |= F_ACK_NOW;
    conn_ready(e, c);
}

/* True when tcp_output might build a data segment or FIN. */
static inline bool conn_unsent(const struct tcp_conn *c)
{
    uint32_t end = c->snd_una + c->send.len + ((c->flags & F_FIN_QUEUED) != 0);
    return (c->flags & F_RESEND) != 0 || seq_lt(c->snd_nxt, end);
}

/* conn.c: slots, the flow table, birth and death. */
uint64_t engine_hash(const struct tcp_engine *e, const struct tcp_tuple *tuple);
uint32_t engine_find(const struct tcp_engine *e, uint64_t hash, const struct tcp_tuple *tuple);
uint32_t conn_ts_offset(const struct tcp_engine *e, const struct tcp_tuple *tuple);
uint32_t conn_isn(const struct tcp_engine *e, const struct tcp_tuple *tuple);
struct tcp_conn *conn_new(struct tcp_engine *e, const struct tcp_tuple *tuple);    /* NULL: counted */
void conn_close(struct tcp_engine *e, struct tcp_conn *c, enum wax_status status); /* to CLOSED; may free */
void conn_collect(struct tcp_engine *e, struct tcp_conn *c); /* frees it when nobody needs it */
void conn_detach(struct tcp_engine *e, struct tcp_conn *c);  /* out of the flow table */
void conn_half_open(struct tcp_engine *e, struct tcp_conn *c, bool on);
void conn_established(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s);
void conn_options(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *syn);

/* The payload without options that a SYN lets us send, and that we announce (RFC 6691). */
uint16_t conn_mss_offered(const struct tcp_engine *e, const struct tcp_segment *syn);
uint16_t conn_mss_ours(const struct tcp_engine *e, const struct tcp_tuple *tuple);

/* cookie.c (RFC 4987) */
void cookie_init(struct tcp_engine *e);
bool cookie_wanted(const struct tcp_engine *e); /* no place for another half-open connection */
void cookie_answer(struct tcp_engine *e, const struct tcp_segment *syn, struct tcp_result *r);
bool cookie_recent(const struct tcp_engine *e); /* one that is still good has been sent */
enum cookie_verdict {
    COOKIE_NONE,  /* it acknowledges no cookie of ours */
    COOKIE_LATER, /* it does, but does not follow the SYN: the segment that does may still come */
    COOKIE_GOOD,  /* `syn` is the SYN that the cookie answered, as far as we know it */
};
enum cookie_verdict cookie_check(struct tcp_engine *e, const struct tcp_segment *s, uint32_t irs,
                                 struct tcp_segment *syn);
void cookie_take(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                 const struct tcp_segment *syn);

/* pmtu.c: after a time-out of data; before data that follows on silence, with mss_top (RFC 4821, 1191 6.3) */
void pmtu_timeout(struct tcp_engine *e, struct tcp_conn *c);
void pmtu_idle(struct tcp_engine *e, struct tcp_conn *c);
/* listen.c: a segment without a connection. True: a cookie has made the connection r->id of it, whose turn
 * the segment is. */
bool input_unknown(struct tcp_engine *e, const struct tcp_segment *s, struct tcp_result *r);
bool input_handshake(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                     struct tcp_result *r); /* an ACK in SYN-RECEIVED */
bool listen_open(const struct tcp_engine *e, const struct tcp_tuple *t);
void input_syn(struct tcp_engine *e, const struct tcp_segment *s, struct tcp_result *r);
void input_overflow(struct tcp_engine *e, const struct tcp_segment *s, bool cookie,
                    struct tcp_result *r); /* a SYN with no half-open place left */

/* input.c */
void input_dispatch(struct tcp_engine *e, uint32_t id, const struct tcp_segment *s,
                    struct tcp_result *r);                      /* to the state's steps */
void input_challenge(struct tcp_engine *e, struct tcp_conn *c); /* an ACK, throttled (RFC 5961 7) */
void input_dubious(struct tcp_engine *e, struct tcp_conn *c,
                   const struct tcp_segment *s); /* answer what is old or strange */
bool input_paws(const struct tcp_engine *e, const struct tcp_conn *c,
                const struct tcp_segment *s); /* rejected (RFC 7323 5.3 R1) */

/* time_wait.c */
void conn_time_wait(struct tcp_engine *e, struct tcp_conn *c);
void time_wait_list(struct tcp_engine *e,
                    struct tcp_conn *c); /* its user has left: may make room for others */
void time_wait_unlist(struct tcp_engine *e, struct tcp_conn *c);
bool input_time_wait(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                     struct tcp_result *r);

/* ack.c */
void ack_take(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, struct tcp_result *r);
void ack_advance(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, struct tcp_result *r);
void ack_window(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s, uint32_t wnd);
void ack_rtt(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s);

/* reassembly.c */
enum wax_status reassembly_insert(struct tcp_engine *e, struct tcp_conn *c, uint32_t seq, struct view bytes);
uint32_t reassembly_count(const struct tcp_engine *e, const struct tcp_conn *c); /* blocks held */
const struct sack_block *reassembly_recent(const struct tcp_engine *e, const struct tcp_conn *c);
void reassembly_pull(struct tcp_engine *e, struct tcp_conn *c);
void reassembly_clear(struct tcp_engine *e, struct tcp_conn *c);

/* sack.c: the receiver's part (RFC 2018 3 and 4, RFC 2883) */
void sack_duplicate(struct tcp_engine *e, struct tcp_conn *c, uint32_t start, uint32_t end);
uint32_t sack_blocks(struct tcp_engine *e, struct tcp_conn *c, uint32_t room, struct sack_block *out);

/* timers.c */
uint32_t conn_rto_ms(const struct tcp_engine *e, const struct tcp_conn *c); /* backed off */
void timer_rtt(struct tcp_engine *e, struct tcp_conn *c, uint32_t rtt_us);
void timer_rtx(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms);
void timer_ack(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms);
void timer_life(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms);
void timer_pace(struct tcp_engine *e, struct tcp_conn *c, uint32_t after_ms); /* ready at the latest then */

/* pace.c: whether `len` bytes of a transfer that has more than a burst to send may go now; else the timer
 * makes the connection ready when they may */
bool pace_take(struct tcp_engine *e, struct tcp_conn *c, uint32_t len);

/* output.c */
uint32_t conn_receive_cap(const struct tcp_engine *e, const struct tcp_conn *c);
uint32_t output_window_edge(const struct tcp_engine *e, const struct tcp_conn *c);

/* cubic.c: the cube root of x, rounded down; x is below 2^63 (RFC 9438 4.2) */
uint32_t cubic_root(uint64_t x);

/* congestion.c (RFC 5681, 6582, 6928) */
uint32_t congestion_initial_window(const struct tcp_conn *c);
void congestion_start(struct tcp_engine *e, struct tcp_conn *c);
void congestion_lost(struct tcp_engine *e, struct tcp_conn *c, uint32_t flight); /* ssthresh after a loss */
void congestion_idle(const struct tcp_engine *e, struct tcp_conn *c); /* before data after a pause */
void congestion_duplicate(struct tcp_engine *e, struct tcp_conn *c);  /* a duplicate ACK */
void congestion_timeout(struct tcp_engine *e, struct tcp_conn *c);    /* the timer expired */
void congestion_undo(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                     uint32_t acked); /* the first ACK after it, before snd_una moves */
void congestion_acked(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                      uint32_t acked); /* before snd_una moves */
void congestion_grow(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                     uint32_t acked); /* the window was full and more of it was delivered */

#endif
