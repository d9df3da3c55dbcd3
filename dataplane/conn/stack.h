/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Everything of one worker that lies below DPDK: its networks (one a port), its TCP engine,
 * connections, sessions, and the recipients at home here. Frames, items and records come in
 * through the calls below; what goes out leaves through `struct stack_env`. Single-threaded:
 * only the worker that owns a stack calls it.
 *
 * A turn of the poll loop is:
 *     stack_begin(now)            clock of the turn
 *     stack_return()  for each returns item of every other worker   (always, first)
 *     stack_send()    for each sends item, until it says FULL
 *     stack_record()  for each record of the channel
 *     stack_job()     for each job that came back
 *     stack_receive() for each burst of each port
 *     stack_end()     timers, home's work list, records sealed, segments built
 * or, where strangers are to wait: stack_receive_known() for each burst, stack_end(), stack_strangers().
 */
#ifndef WAX_CONN_STACK_H
#define WAX_CONN_STACK_H

#include "conn/job.h"
#include "conn/packet.h"
#include "net/net.h"
#include "relay/mesh.h"
#include "relay/token.h"
#include "waxwire/bytes.h"
#include "waxwire/channel.h"
#include "waxwire/config.h"
#include "waxwire/metrics.h"

struct stack;

/* What a stack needs of its worker. */
struct stack_env {
    void *ctx;
    /* A buffer for a frame of `port`: fills data, len (room) and owner. False: none now. */
    bool (*packet_alloc)(void *ctx, uint16_t port, struct packet *packet);
    /* Queue a frame of packet->len bytes on packet->port. Takes the buffer, always. */
    void (*packet_send)(void *ctx, const struct packet *packet);
    /* Hand a job to its thread; false when that thread's ring is full. */
    bool (*job_submit)(void *ctx, struct job *job);
    /* Rings to other workers (and this one) and to the control plane. */
    struct relay_port relay;
    /* Bytes that media may put into the ring to the control plane now: the rest of it is for messages. */
    uint64_t (*media_room)(void *ctx);
    /* Cryptographically random bytes. */
    void (*random)(void *ctx, struct span out);
};

struct stack_config {
    const struct wax_config *config;
    uint64_t now_us;  /* when its clock begins, above 0 */
    uint16_t worker;  /* index of this one */
    uint16_t workers; /* how many there are */
    uint16_t port_count;
    struct net_config net[WAX_PORTS_MAX]; /* addresses, MACs, MTU of each port */
    uint16_t handshake_threads;
    bool checksum_offload;       /* all ports finish TCP checksums */
    uint64_t route_key[2];       /* the same for all workers: recipients to homes */
    uint64_t flow_key[2];        /* connections to buckets, initial sequence numbers */
    struct wax_metrics *metrics; /* where to count */
};

/* Bytes that stack_init needs for this configuration. */
size_t stack_bytes(const struct stack_config *config);

/*
 * Where they go: together exactly stack_bytes. Connections and recipients each have a configured number; an
 * idle session needs one of each, and holds nothing else (no block, no job, no opening, no queues, no OpenSSL
 * object).
 */
struct stack_memory {
    /* of all connections */
    size_t tcp;     /* TCP's state */
    size_t tls;     /* keys, secrets, sequence numbers */
    size_t ws;      /* the decoder of frames */
    size_t session; /* the relay's session */
    size_t conn;    /* timer, send queue's handle, flags */
    /* of all recipients */
    size_t recipient;
    size_t tables; /* connections by address, recipients by name, lists of a turn */
    size_t shared; /* blocks, messages, handshakes and whatever else doesn't grow with sessions */

    uint32_t session_bytes; /* of one idle session over TLS, its share of all tables included, rounded up */
};

struct stack_memory stack_memory(const struct stack_config *config);

/*
 * Build a stack in `memory` (zeroed, aligned to a cache line, kept by the caller as long as
 * the stack lives). OK, NO_MEMORY when the span is too small, BAD_ARGUMENT.
 */
enum wax_status stack_init(struct stack **out, struct span memory, const struct stack_config *config,
                           const struct stack_env *env);

/* Begin a turn: monotonic microseconds, and wall-clock ms since 1970 for the wire. */
void stack_begin(struct stack *stack, uint64_t now_us, uint64_t wall_ms);

/*
 * Bring near what a burst of items, of either kind, will touch; optional, and worth it when sessions are
 * many. `count` at most WAX_BURST_MAX.
 */
void stack_prefetch(struct stack *stack, const struct item *const items[], uint32_t count);

/* A returns item from `from` (this worker too). Never refused. */
void stack_return(struct stack *stack, uint32_t from, const struct item *item);

/* A sends item. False: no memory for it now, leave it in its ring and go on without. */
bool stack_send(struct stack *stack, uint32_t from, const struct item *item);

/* A record from the control plane. */
void stack_record(struct stack *stack, const struct channel_record *record);

/* A job came back from its thread. */
void stack_job(struct stack *stack, struct job *job);

/*
 * A burst of at most WAX_BURST_MAX frames. Frames are read, and may be overwritten, only
 * during the call; those with `transmit` set afterwards are to be sent back with their len.
 */
void stack_receive(struct stack *stack, struct packet *packets, uint32_t count);

/*
 * The same in two parts, so that a flood waits until established connections have been served: segments of no
 * connection that lives are left for stack_strangers, their packets marked `held`. At most
 * STACK_STRANGERS_MAX may be left; stack_stranger_room says for how many there is room.
 */
#define STACK_STRANGERS_MAX 256u
void stack_receive_known(struct stack *stack, struct packet *packets, uint32_t count);
uint32_t stack_stranger_room(const struct stack *stack);
void stack_strangers(struct stack *stack);

/*
 * Give the frames received from now on a stamp, not 0, in whatever unit the caller has: when they were
 * polled. A SEND keeps it; stack_delivered is how many DELIVERs of stamped SENDs were written since
 * stack_delivered_done, and their stamps. Those of a turn have been handed to packet_send at its end, unless
 * a window holds them back.
 */
void stack_polled(struct stack *stack, uint64_t stamp);
uint32_t stack_delivered(const struct stack *stack, const uint64_t **stamps);
void stack_delivered_done(struct stack *stack);

/*
 * End a turn. Returns true when anything was done or is still to do (the turn was busy).
 */
bool stack_end(struct stack *stack);

/* When something is next due, monotonic microseconds (UINT64_MAX: nothing). */
uint64_t stack_next_us(const struct stack *stack);

/* The control plane has attached (again), or has gone. */
void stack_control_up(struct stack *stack, uint64_t epoch, const uint8_t relay_id[WAX_RELAY_ID_BYTES]);
void stack_control_down(struct stack *stack);

/* Take the keys of tokens that the control plane has given (copied). */
void stack_tokens(struct stack *stack, const struct token_set *tokens);

/* Stop taking connections and close every session with 1012; true once none is left. */
bool stack_drain(struct stack *stack);

#endif
