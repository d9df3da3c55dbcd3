/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A whole worker's stack on a toy wire: frames cross between it and a host with a TCP engine of its own, in
 * virtual time, with no EAL. Handshake jobs are done between turns, rings are arrays, and a control plane of
 * a page keeps mailboxes in memory.
 */
#ifndef TEST_CONN_RIG_H
#define TEST_CONN_RIG_H

#include "conn/stack.h"
#include "tcp/tcp.h"
#include "tls/record.h"
#include "waxwire/client.h"

#define RIG_FRAMES     4096u
#define RIG_FRAME      2048u
#define RIG_STORED     4096u
#define RIG_JOBS       256u
#define RIG_BUFFERS    4u
#define RIG_RECORDS    256u /* whose lengths a peer notes */
#define RIG_ITEMS      (WAX_MESH_SEND_SLOTS + WAX_MESH_RETURN_SLOTS)
#define RIG_PORT_TLS   443u
#define RIG_PORT_PLAIN 80u
#define RIG_PORT_PROXY 8081u
#define RIG_BYTES      (4u << 20) /* of what a peer received and nobody has taken */

struct rig_frame {
    uint32_t len;
    uint8_t data[RIG_FRAME];
};

/* Frames on their way. */
struct rig_wire {
    struct rig_frame *frame;
    uint32_t head, count;
};

struct rig_items {
    struct item *item;
    uint32_t count, room;
};

/* A mailbox entry of the control plane's. */
struct rig_stored {
    struct device_name name, sender;
    uint64_t position, id, taken_ms;
    uint8_t deliver_flags, item, status_kind, reason;
    bool gone;
    uint32_t payload_bytes;
    uint8_t *payload;
};

/* Somebody who drains a mailbox. */
struct rig_drain {
    struct device_name name;
    uint64_t generation, after;
    uint32_t credit;
    bool told_idle;
};

struct rig_options {
    bool no_control;          /* the control plane comes only when rig_control_up is called */
    uint32_t send_window;     /* 0: 16 */
    uint32_t handshakes_max;  /* 0: 8 */
    uint32_t waiting_max;     /* for a handshake, 0: 64 */
    uint32_t address_max;     /* handshakes of one address, 0: handshakes_max */
    uint32_t heartbeat_s;     /* 0: 240 */
    uint32_t connections_max; /* 0: 64 */
    bool strangers_wait;      /* as in a worker: segments of no connection come last in a turn */
    uint32_t per_address_max; /* 0: any number */
    uint32_t lose_each;       /* of frames, every n-th is lost, both ways; 0: none */
};

struct rig {
    struct rig_options options;
    struct wax_config config;
    struct stack_config stack_config;
    struct wax_metrics metrics;
    struct stack *stack;
    void *stack_memory;
    uint64_t now_us, wall_ms;
    uint64_t random;

    struct mesh_peer peers[1];
    struct rig_items sends, returns;
    struct job *job[RIG_JOBS];
    uint32_t jobs;
    bool jobs_held; /* handshake threads do nothing */
    struct tls_context *server, *client;

    struct rig_wire to_stack, to_host;
    uint8_t buffer[RIG_BUFFERS][RIG_FRAME]; /* for frames of the stack's */
    bool buffer_used[RIG_BUFFERS];
    uint32_t lost;
    uint32_t sent, expendable; /* frames of the stack's */
    uint32_t held;             /* frames of strangers that waited */
    uint32_t sent_before;      /* frames sent in turns with strangers before their time came */

    bool control_up, control_held;                                       /* held: it takes nothing */
    void (*media)(struct rig *rig, const struct channel_record *record); /* takes records of media */
    void *media_ctx;
    struct channel_ring *to_control, *to_worker;
    struct rig_stored *stored;
    uint32_t stored_count;
    struct rig_drain drain[64];
    uint32_t drains;
    uint32_t logins;
    struct trace_event traced[512]; /* what was traced */
    uint32_t traced_count, traced_answers;
    enum wax_status traced_status; /* of the last answer */
    uint64_t traced_tag;
    uint64_t traced_wall_us;

    struct pool host_blocks;
    void *host_blocks_memory, *host_memory;
    struct tcp_engine *host;
    struct net host_net;
    uint64_t host_counters[WAX_STATUS_COUNT];
    struct peer *peer[64];
    uint32_t peer_count;
};

/* A connection from the host. */
struct peer {
    struct rig *rig;
    uint32_t id;
    uint16_t port;
    bool tls, opened, sealed, fin, reset, closed;
    bool stalled; /* reads nothing */
    bool mute;    /* writes nothing */
    struct tls_shake *shake;
    struct tls_state state;
    enum wax_status tls_status;
    uint8_t binding[WAX_BINDING_BYTES];
    uint32_t records;             /* that brought application data */
    uint32_t record[RIG_RECORDS]; /* their lengths, the first of them */
    uint8_t *bytes;               /* plaintext received */
    size_t len;
    struct wax_client *client; /* takes the plaintext when there is one */
    uint32_t messages, accepted, delivered, rejected, opens;
    uint8_t last_reason, last_flags;
    uint8_t last_payload[256];
    size_t last_payload_len;
    bool in_order; /* payloads that are numbers came rising by one */
    uint32_t next_number;
    struct wax_client_closed end;
    bool ended;
};

/* Make a rig with these options (NULL: the defaults); fails the test when it can't. */
struct rig *rig_new(const struct rig_options *options);

/* Take it down; asserts that every pool is full again once all connections have ended. */
void rig_free(struct rig *rig);

/* One turn of everything, `us` later. */
void rig_turn(struct rig *rig, uint64_t us);

/* Turns of 1 ms for so long. */
void rig_run(struct rig *rig, uint64_t ms);

/* The control plane attaches, or dies (what it has stored stays). */
void rig_control_up(struct rig *rig);
void rig_control_down(struct rig *rig);

/* Serve what the worker has asked of the control plane (rig_control.c). */
void rig_control_turn(struct rig *rig);

/* A record of control's for the worker, zero behind its header. */
void *rig_answer(struct rig *rig, uint32_t bytes, enum channel_kind kind);

/* Stored messages that are not gone. */
uint32_t rig_stored_living(const struct rig *rig);

/* Connect and wait until TCP (and TLS) is open. */
struct peer *peer_connect(struct rig *rig, uint16_t port);

/* The same without waiting for TLS. */
struct peer *peer_connect_raw(struct rig *rig, uint16_t port);

/* Send plaintext bytes. */
void peer_write(struct peer *peer, const void *bytes, size_t len);
void peer_print(struct peer *peer, const char *text);

/* Make this connection a client's: upgrade and open a session; `person` is the seed of its key. */
void peer_open(struct peer *peer, uint8_t person, uint16_t device);

/* Put a client that was on another connection onto this one. */
void peer_adopt(struct peer *peer, struct peer *from);

/* Send a message to a person's device 1. */
uint64_t peer_send(struct peer *peer, uint8_t person, const void *payload, size_t len);

/* Move bytes between TCP and what is above it; called by rig_turn. */
void peer_turn(struct peer *peer, uint32_t events, struct view data);
void peer_free(struct peer *peer);

#endif
