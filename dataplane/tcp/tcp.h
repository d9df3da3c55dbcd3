/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The TCP engine: one per worker, pure. It never allocates, reads no clock, sends nothing: segments are
 * handed in (tcp_parse, tcp_lookup, tcp_input), and built one at a time into the caller's buffers (tcp_ready,
 * tcp_output). RFC 9293, 1122, 7323, 6298, 5681, 6582, 3042, 6928, 5961, 6528, 6191, 1337, 6691.
 *
 * Life of a connection, as its user sees it:
 *   - it begins with TCP_EV_OPENED (from a listener), or with tcp_connect (then OPENED follows);
 *   - it ends with TCP_EV_CLOSED, exactly once, after which no other event comes and the user calls
 *     tcp_release. The user may call tcp_release earlier as well: that aborts what is still open and no event
 * comes;
 *   - an id stays the same connection until tcp_release. Half-open connections and those in TIME-WAIT that
 *     were released live in the engine without their user's knowledge: their ids do turn up in tcp_result.id
 * and from tcp_ready, with no event. So a user keeps its own mark whether an id is its.
 *
 * The loop of a worker:
 *   1. for a burst of segments: tcp_parse; tcp_hash + tcp_prefetch_bucket; tcp_lookup + tcp_prefetch_conn;
 * tcp_input;
 *   2. tcp_advance(now);
 *   3. while ((id = tcp_ready(e)) != TCP_NONE): events = tcp_take_events(e, id), handle them; then
 *      while (tcp_output(e, id, now, out, &o)) transmit. Acknowledgements ride on data written until then.
 * Time is monotonic microseconds and must start above 0; sequence arithmetic is modulo 2^32.
 */
#ifndef TCP_TCP_H
#define TCP_TCP_H

#include <stdbool.h>

#include "base/fifo.h"
#include "base/pool.h"
#include "net/addr.h"
#include "net/icmp.h"
#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

#define TCP_NONE             UINT32_MAX
#define TCP_HEADER_BYTES     20u
#define TCP_HEADER_BYTES_MAX 60u

/* Flags of a segment (RFC 9293 3.1). */
#define TCP_FIN 0x01u
#define TCP_SYN 0x02u
#define TCP_RST 0x04u
#define TCP_PSH 0x08u
#define TCP_ACK 0x10u
#define TCP_URG 0x20u
#define TCP_ECE 0x40u
#define TCP_CWR 0x80u

/* Bits of the IP header (RFC 3168 5). */
#define TCP_ECN_ECT0 2u
#define TCP_ECN_CE   3u

/* Events, as bits. */
#define TCP_EV_OPENED 0x01u /* ESTABLISHED */
#define TCP_EV_DATA   0x02u /* bytes arrived: in tcp_result.data, else in tcp_received() */
#define TCP_EV_ACKED  0x04u /* the peer acknowledged tcp_result.acked_bytes more of what was written */
#define TCP_EV_FIN    0x08u /* the peer's half is closed: nothing comes after the bytes delivered */
#define TCP_EV_RESET  0x10u /* the peer reset the connection (comes together with CLOSED) */
#define TCP_EV_CLOSED 0x20u /* the last event: closed both ways, reset or timed out; see tcp_status() */

enum tcp_state {
    TCP_STATE_FREE, /* the slot is not in use */
    TCP_STATE_CLOSED,
    TCP_STATE_SYN_SENT,
    TCP_STATE_SYN_RECEIVED,
    TCP_STATE_ESTABLISHED,
    TCP_STATE_FIN_WAIT_1,
    TCP_STATE_FIN_WAIT_2,
    TCP_STATE_CLOSE_WAIT,
    TCP_STATE_CLOSING,
    TCP_STATE_LAST_ACK,
    TCP_STATE_TIME_WAIT,
};

/* Limits and clocks. A zero takes the default in brackets; times are at most 2^30 ms. */
struct tcp_config {
    uint32_t conns_max;          /* connections in all states [1024] */
    uint32_t half_open_max;      /* of them, in SYN-RECEIVED [conns_max / 4] */
    uint32_t receive_bytes_max;  /* receive window [64 KiB], at most WAX_CONN_RECEIVE_BYTES_MAX */
    uint32_t send_bytes_max;     /* send queue [WAX_CONN_SEND_BYTES_MAX] */
    uint32_t blocks_reserve;     /* fewer free: no reassembly, small windows [1/8 of the pool] */
    uint32_t rto_initial_ms;     /* RFC 6298 2.1 [1000] */
    uint32_t rto_min_ms;         /* [200] */
    uint32_t rto_max_ms;         /* [60000] */
    uint32_t delayed_ack_ms;     /* RFC 1122 4.2.3.2, below 500 [40] */
    uint32_t time_wait_ms;       /* 2 MSL [60000] */
    uint32_t fin_wait_2_ms;      /* silence in FIN-WAIT-2, then RST [60000]; UINT32_MAX: for ever */
    uint32_t user_timeout_ms;    /* without progress: R2 of RFC 1122 4.2.3.5 [100000] */
    uint32_t connect_timeout_ms; /* R2 for an active open [180000] */
    uint32_t half_open_ms;       /* life of a SYN-RECEIVED connection [30000] */
    uint32_t keepalive_ms;       /* silence before a probe, RFC 1122 4.2.3.6 [0: no probes] */
    uint32_t keepalive_probe_ms; /* between probes [10000] */
    uint32_t keepalive_probes;   /* unanswered, then the connection is given up [6] */
    uint32_t challenge_ms;       /* between challenge ACKs of a connection, RFC 5961 7 [100] */
    uint16_t mss;                /* MTU - 40 for IPv4, announced in SYN, RFC 6691 [1460] */
    bool no_timestamps;          /* neither offered nor accepted (RFC 7323) */
    bool no_window_scale;        /* neither offered nor accepted */
    bool newreno;                /* congestion control: NewReno (RFC 5681) instead of CUBIC */
    bool no_sack;                /* neither offered nor accepted (RFC 2018) */
    bool no_pacing;              /* a large transfer goes out a window at a time */
    bool no_ecn;                 /* neither offered nor accepted (RFC 3168) */
    uint32_t per_address_max;    /* established connections of an IPv4 address or IPv6 /64 [0: any number] */
    uint32_t per_prefix_max;     /* of an IPv4 /24 or IPv6 /48 [0: any number] */
    uint32_t opens_per_s; /* handshakes that an address finishes, at most WAX_OPENS_PER_S_MAX [0: no limit] */
    uint32_t opens_burst; /* of them after a rest [opens_per_s] */
    bool no_cookies;      /* beyond half_open_max a SYN is dropped instead of answered by a cookie */
    bool cookies_always;  /* every SYN is answered by a cookie: for tests */
    bool checksum_offload; /* leave the pseudo-header's sum in the checksum field */
};

/* What is handed in. Pointers must outlive the engine. */
struct tcp_env {
    struct pool *blocks;    /* of WAX_BLOCK_BYTES; shared with the layers above */
    uint64_t cookie_key[2]; /* first secret of SYN cookies; those of later periods follow from it */
    uint64_t isn_key[2];    /* secret of the initial sequence numbers and timestamps (RFC 6528) */
    uint64_t flow_key[2];   /* secret of the flow table's hash */
    uint64_t *counters;     /* WAX_STATUS_COUNT of them, indexed by enum wax_status; every drop is counted */
};

/* Both ends of a connection, seen from here. Ports in host byte order. */
struct tcp_tuple {
    struct addr peer, local;
    uint16_t peer_port, local_port;
};

/* A parsed segment. Views point into the packet. */
struct tcp_segment {
    struct tcp_tuple tuple; /* peer is its source, local its destination */
    uint32_t seq, ack;
    uint32_t tsval, tsecr; /* valid when has_timestamps */
    uint16_t window;       /* as on the wire, not scaled */
    uint16_t mss;          /* 0: no such option */
    uint8_t flags;         /* TCP_FIN ... TCP_CWR */
    uint8_t wscale;        /* 0xff: no such option */
    bool has_timestamps;
    bool sack_permitted;
    uint8_t ecn;      /* of the IP header, by the caller; tcp_parse sets 0 */
    struct view sack; /* blocks of the SACK option, 8 bytes each (RFC 2018) */
    struct view payload;
};

/* What tcp_input says. Nothing in it needs to be initialised by the caller. */
struct tcp_result {
    uint32_t id;            /* the connection (new, for a SYN), or TCP_NONE */
    uint32_t events;        /* TCP_EV_* for the user of `id` */
    uint32_t acked_bytes;   /* with TCP_EV_ACKED */
    struct view data;       /* with TCP_EV_DATA: in-order bytes in the packet, or empty: see tcp_received() */
    enum wax_status status; /* WAX_OK, or why the segment or a part of it was dropped (it has been counted) */
    uint8_t reply_len;      /* a segment without a connection to send to the source, or 0 */
    uint8_t reply[TCP_HEADER_BYTES_MAX];
};

/* What tcp_output built. */
struct tcp_out {
    size_t len; /* TCP header and payload */
    uint32_t payload_len;
    uint32_t seq;
    uint8_t flags;
    uint8_t ecn;                   /* for the IP header: 0 or TCP_ECN_ECT0 */
    const struct tcp_tuple *tuple; /* source is tuple->local; valid until the next call on the engine */
};

/* Sums since the engine was made, beside the counters of drops. */
struct tcp_stats {
    uint64_t segments_in, segments_out;
    uint64_t bytes_in, bytes_out; /* payload accepted in order; payload sent for the first time */
    uint64_t retransmits;         /* segments sent again */
    uint64_t timeouts;            /* retransmission timers that expired */
    uint64_t fast_recoveries;
    uint64_t probes;                     /* zero-window and keepalive probes sent */
    uint64_t out_of_order;               /* segments kept for later */
    uint64_t boards_taken, boards_short; /* scoreboards; and where blocks were too few for one */
    uint64_t sack_rounds;                /* ACKs that reported something new */
    uint64_t sacks_bad, sacks_forgotten; /* blocks that made no sense; that found no room */
    uint64_t sack_reneges;               /* time-outs at which a peer had let go of what it reported */
    uint64_t again_lost;                 /* reductions because a retransmission was lost (RFC 5681 4.3) */
    uint64_t rack_losses;                /* stretches that RACK found lost */
    uint64_t reorders;                   /* connections on which reordering was seen */
    uint64_t tlp_probes, tlp_losses;     /* tail loss probes; and that repaired a loss */
    uint64_t ecn_marks;                  /* segments that came marked */
    uint64_t ecn_reductions;             /* of the window, for an echo */
    uint64_t dsacks;                     /* duplicates reported by peers */
    uint64_t undone;                     /* reductions taken back */
    uint64_t sacks_sent;                 /* segments that carried SACK blocks */
    uint64_t dsacks_sent;                /* of them with a duplicate in the first block (RFC 2883) */
    uint64_t challenge_acks;
    uint64_t fast_path_in; /* segments taken by header prediction */
    uint64_t opened_passive, opened_active;
    uint64_t paced;                    /* turns in which a large transfer waited for its time */
    uint64_t mtu_lowered;              /* MSS lowered by ICMP (RFC 1191, 8201) */
    uint64_t black_holes;              /* MSS lowered after time-outs (RFC 4821) */
    uint64_t cookies_sent;             /* SYNs answered without keeping anything (RFC 4987) */
    uint64_t cookies_accepted;         /* connections that were opened by an ACK of one; of them all is in
                                          opened_passive */
    uint64_t trace_events, trace_lost; /* put into the trace's ring; found it full */
    uint32_t conns;                    /* slots in use now, of any state */
    uint32_t half_open;                /* of them in SYN-RECEIVED */
    uint32_t time_wait;                /* of them in TIME-WAIT */
};

struct tcp_engine;

/*
 * Bytes of memory that an engine with this configuration needs (alignment slack included).
 */
size_t tcp_engine_bytes(const struct tcp_config *config);

/*
 * Makes an engine in `memory`, which stays the caller's and must outlive it; zeroed memory is not needed.
 * `now_us` is where its clock begins. Returns WAX_OK, WAX_BAD_ARGUMENT (a value out of range, a pool of other
 * blocks) or WAX_NO_MEMORY.
 */
enum wax_status tcp_engine_init(struct tcp_engine **engine, struct span memory,
                                const struct tcp_config *config, const struct tcp_env *env, uint64_t now_us);

/*
 * Reads a segment from the bytes behind the IP header. `src` and `dst` are the IP header's addresses. With
 * `verify_checksum` false the port has done it already. Returns WAX_OK, WAX_TCP_HEADER, WAX_TCP_CHECKSUM or
 * WAX_TCP_OPTIONS (RFC 9293 3.1, 3.2); the caller counts it. Unknown options are skipped.
 */
enum wax_status tcp_parse(struct view l4, const struct addr *src, const struct addr *dst,
                          bool verify_checksum, struct tcp_segment *out);

/*
 * The stages of a look-up, so that a burst can be looked up with its misses overlapped: tcp_hash and
 * tcp_prefetch_bucket for all, tcp_guess and tcp_prefetch_conn for all, tcp_lookup for each. tcp_guess reads
 * the bucket alone and is nearly always right; tcp_lookup compares the ends and returns the connection's id
 * or TCP_NONE.
 */
uint64_t tcp_hash(const struct tcp_engine *engine, const struct tcp_segment *segment);
void tcp_prefetch_bucket(const struct tcp_engine *engine, uint64_t hash);
uint32_t tcp_guess(const struct tcp_engine *engine, uint64_t hash);
uint32_t tcp_lookup(const struct tcp_engine *engine, uint64_t hash, const struct tcp_segment *segment);
void tcp_prefetch_conn(const struct tcp_engine *engine, uint32_t id);

/*
 * Takes one segment (RFC 9293 3.10.7) for the connection `id` that tcp_lookup found; when that was TCP_NONE
 * the engine looks again (an earlier segment of the same burst may have made it). Puts the connection on the
 * ready list when something is to be sent. `result->data` must be used before the packet's memory is: what is
 * not used at once goes back by tcp_keep, before any other call for this connection.
 */
void tcp_input(struct tcp_engine *engine, uint32_t id, const struct tcp_segment *segment, uint64_t now_us,
               struct tcp_result *result);

/*
 * Takes an ICMP error about a segment of ours (RFC 1122 4.2.3.9, RFC 5927); events come by tcp_take_events.
 * Returns what was made of it, which has been counted: WAX_TCP_ICMP_STALE (it quotes nothing that is in
 * flight, or nothing too large), WAX_TCP_ICMP_SOFT (noted, no more: the connection goes on),
 * WAX_TCP_MTU_LOWERED (smaller segments from now on, what is in flight goes out again; RFC 1191, 8201),
 * WAX_TCP_UNREACHABLE (a connection that was not open yet is closed).
 */
enum wax_status tcp_icmp(struct tcp_engine *engine, const struct icmp_error *error, uint64_t now_us);

/*
 * Hands back the unused rest (a suffix) of result->data; it becomes the head of tcp_received() and shrinks
 * the window. WAX_NO_MEMORY: no block is free, the bytes are lost and the caller must abort the connection.
 */
enum wax_status tcp_keep(struct tcp_engine *engine, uint32_t id, struct view bytes);

/*
 * The receive queue: look at it with fifo_peek and the pool of blocks, take from it only with tcp_consume,
 * which opens the window and has it announced when that is worth a segment (RFC 1122 4.2.3.3). It may be read
 * until tcp_release.
 */
const struct fifo *tcp_received(const struct tcp_engine *engine, uint32_t id);
void tcp_consume(struct tcp_engine *engine, uint32_t id, size_t n, uint64_t now_us);

/*
 * Appends to the send queue: all (WAX_OK) or nothing: WAX_FULL (send_bytes_max reached: wait for
 * TCP_EV_ACKED), WAX_NO_MEMORY (no blocks), WAX_TCP_CLOSED (after tcp_close, or the connection has ended).
 * Allowed from tcp_connect or TCP_EV_OPENED on.
 */
enum wax_status tcp_write(struct tcp_engine *engine, uint32_t id, struct view bytes);

/*
 * The same without a copy: contiguous room of at least `want` bytes (1 to FIFO_BLOCK_DATA_BYTES) at the end
 * of the send queue, or an empty span. After a span was given tcp_commit(n) must follow, n <= its length,
 * with no other call on this connection between.
 */
struct span tcp_reserve(struct tcp_engine *engine, uint32_t id, size_t want);
void tcp_commit(struct tcp_engine *engine, uint32_t id, size_t n);

/* Bytes that tcp_write would take now (0 when closed), as far as blocks suffice. */
uint32_t tcp_send_room(const struct tcp_engine *engine, uint32_t id);

/* Bytes written and not yet acknowledged, sent or not. */
uint32_t tcp_unacked(const struct tcp_engine *engine, uint32_t id);

/* Bytes ever written to this connection's stream, and of them acknowledged by the peer's TCP. */
uint64_t tcp_written(const struct tcp_engine *engine, uint32_t id);
uint64_t tcp_acked(const struct tcp_engine *engine, uint32_t id);

/*
 * Closes our half: FIN goes behind what was written; reading goes on until TCP_EV_FIN. TCP_EV_CLOSED follows
 * when both halves are closed and acknowledged, or on a time-out. Harmless when called again.
 */
void tcp_close(struct tcp_engine *engine, uint32_t id, uint64_t now_us);

/*
 * Resets the connection: queues are dropped, RST is sent by the next tcp_output, TCP_EV_CLOSED comes by
 * tcp_take_events with tcp_status() WAX_TCP_CLOSED.
 */
void tcp_abort(struct tcp_engine *engine, uint32_t id);

/*
 * Ends the user's hold on `id` (aborting the connection unless it has closed); the engine uses the id again
 * when it has no more use for it (RST to send, TIME-WAIT).
 */
void tcp_release(struct tcp_engine *engine, uint32_t id);

/*
 * Next connection that has something to send or an event to tell, or TCP_NONE. Each is given once, and again
 * only after something new happened.
 */
uint32_t tcp_ready(struct tcp_engine *engine);

/*
 * Puts a connection back on the ready list: for a caller that stops before tcp_output returned false.
 */
void tcp_ready_again(struct tcp_engine *engine, uint32_t id);

/*
 * Builds the next segment of `id` into `out` (at least TCP_HEADER_BYTES_MAX + mss bytes) and returns true, or
 * returns false when nothing is to be sent now. A segment that was built counts as sent; if it can't be
 * transmitted it is simply lost.
 */
bool tcp_output(struct tcp_engine *engine, uint32_t id, uint64_t now_us, struct span out, struct tcp_out *o);

/*
 * Events that timers and calls raised and that tcp_input has not returned since; they are cleared.
 */
uint32_t tcp_take_events(struct tcp_engine *engine, uint32_t id);

/*
 * Why a connection closed: WAX_OK (both halves closed in order, or still open), WAX_TCP_RESET,
 * WAX_TCP_TIMEOUT, WAX_TCP_CLOSED (tcp_abort).
 */
enum wax_status tcp_status(const struct tcp_engine *engine, uint32_t id);

/*
 * Runs the timers up to `now_us`. Cost follows the number that expire. tcp_next_us says when it is worth
 * calling again at the latest (UINT64_MAX: no timer is armed).
 */
void tcp_advance(struct tcp_engine *engine, uint64_t now_us);
uint64_t tcp_next_us(const struct tcp_engine *engine);

/*
 * Listens on a port, at one of our addresses or any (NULL or an unspecified address). Connections carry
 * `tag`. WAX_EXISTS, WAX_FULL (WAX_LISTENERS_MAX), WAX_BAD_ARGUMENT (port 0). tcp_unlisten: WAX_NOT_FOUND;
 * connections stay.
 */
enum wax_status tcp_listen(struct tcp_engine *engine, const struct addr *local, uint16_t port, uint32_t tag);
enum wax_status tcp_unlisten(struct tcp_engine *engine, const struct addr *local, uint16_t port);

/*
 * Or-ed to the tag of a listener whose peers are terminators: they are not held to the limits of addresses.
 * Their user counts the clients behind them instead, whom it alone knows: tcp_client_take returns WAX_OK, or
 * the limit that the client's address has reached (WAX_TCP_ADDRESS_FULL, _PREFIX_FULL, _ADDRESS_RATE),
 * counted; with what it puts into `counted` tcp_client_give, once or more, ends that.
 */
#define TCP_TAG_BEHIND 0x80000000u
enum wax_status tcp_client_take(struct tcp_engine *engine, const struct addr *client, uint8_t *counted);
void tcp_client_give(struct tcp_engine *engine, const struct addr *client, uint8_t *counted);

/*
 * Opens a connection actively; the caller chose the ports. `*id` is the connection, whose SYN goes out by
 * tcp_output. WAX_EXISTS (a connection between these ends lives already), WAX_TCP_CONNS_FULL,
 * WAX_BAD_ARGUMENT (a port is 0).
 */
enum wax_status tcp_connect(struct tcp_engine *engine, const struct tcp_tuple *tuple, uint32_t tag,
                            uint64_t now_us, uint32_t *id);

/* Payload of a full segment now, options deducted. */
uint32_t tcp_mss(const struct tcp_engine *engine, uint32_t id);

/* Facts about a connection. The generation changes whenever an id is used again. */
uint32_t tcp_tag(const struct tcp_engine *engine, uint32_t id);
uint32_t tcp_generation(const struct tcp_engine *engine, uint32_t id);
enum tcp_state tcp_state(const struct tcp_engine *engine, uint32_t id);
const struct tcp_tuple *tcp_peer(const struct tcp_engine *engine, uint32_t id);
const struct tcp_stats *tcp_stats(const struct tcp_engine *engine);

#endif
