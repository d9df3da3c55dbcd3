/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a stack, shared by the files of dataplane/conn. */
#ifndef WAX_CONN_STATE_H
#define WAX_CONN_STATE_H

#include "base/pool.h"
#include "base/rates.h"
#include "base/wheel.h"
#include "conn/conn.h"
#include "conn/fair.h"
#include "conn/media.h"
#include "conn/stack.h"
#include "conn/trace.h"
#include "conn/vacate.h"
#include "relay/home.h"
#include "relay/route.h"
#include "tcp/tcp.h"

#define STACK_STAMPS_MAX 2048u

struct stack {
    struct stack_config config;
    struct stack_env env;
    struct wax_metrics *metrics;
    uint64_t now_us;
    uint64_t wall_ms;

    struct tcp_engine *tcp;
    struct conn *conns;                                     /* by the engine's ids */
    struct pool blocks;                                     /* of all byte queues, and of large messages */
    struct pool backlogs;                                   /* of connections that have something left over */
    struct pool jobs;                                       /* of handshakes */
    struct fair fair;                                       /* who may have one */
    struct rates addresses;                                 /* messages that they have sent */
    struct pool checks;                                     /* of signatures: jobs without room for bytes */
    struct pool openings;                                   /* of sessions */
    struct pool transfers;                                  /* of media */
    struct link transfers_wait;                             /* those that wait for room in the channel */
    uint32_t transfer_serial;                               /* of the last one */
    uint32_t downloads;                                     /* under way */
    uint64_t downloads_held;                                /* bytes that they have under way together */
    uint64_t transfers_live[WAX_MEDIA_TRANSFERS_MAX / 64u]; /* which of the pool are taken */
    struct wheel wheel;                                     /* the connections' timers */
    struct msg_pool messages;
    struct route route;
    struct home *home;
    struct net net[WAX_PORTS_MAX];
    struct session_env session_env;
    struct token_set tokens;

    uint32_t *dirty; /* connections to flush at the turn's end */
    uint32_t dirty_count;
    uint32_t *resume; /* connections to resume at the turn's end */
    uint32_t resume_count;
    uint32_t walk_next; /* where the walk over sessions after an attachment, or the drain, has come to */
    uint32_t next_thread;
    struct packet spare[WAX_PORTS_MAX]; /* a buffer that was not needed, data NULL: none */
    bool control_up;
    bool walking;
    bool draining;
    struct vacate vacate;
    bool busy; /* something was done in this turn, or is left to do */

    struct traces traces;
    uint32_t stranger_count; /* segments that wait, of no connection */
    uint16_t stranger_port[STACK_STRANGERS_MAX];
    struct tcp_segment stranger[STACK_STRANGERS_MAX];
    uint64_t delivered[STACK_STAMPS_MAX]; /* stamps of DELIVERs since the worker looked */

    uint8_t record[WAX_TLS_RECORD_BYTES_MAX];       /* a record that is not in one piece */
    uint8_t gather[WAX_TLS_PLAINTEXT_BYTES_MAX];    /* plaintext to be sealed */
    uint8_t request[WAX_HTTP_HEAD_BYTES_MAX + 512]; /* a request's head that came in pieces */
    uint8_t frame_in[WAX_FRAME_BYTES_MAX];          /* a message that came in pieces */
};

/* How its TCP engine and its home are configured. */
struct tcp_config stack_tcp_config(const struct stack_config *config);
struct home_config stack_home_config(const struct stack_config *config);

/* The port that has a local address; 0 when none has. */
uint8_t stack_port_of(const struct stack *stack, const struct addr *local);

/* Fill session_env's functions (glue.c). */
void stack_session_env(struct stack *stack);

/* Flush all connections that have something to send. */
void stack_flush(struct stack *stack);

/* Note how much is in use. */
void stack_gauges(struct stack *stack);

/* Build and send what TCP has to say; handle what its timers found (output.c). */
void stack_output(struct stack *stack);

/* Send a segment of TCP's without a connection (RST). */
void stack_reply(struct stack *stack, uint16_t port, const struct tcp_segment *to, struct view segment);

/* Requests and announcements of the ports' networks. */
void stack_neighbours(struct stack *stack);

/* Tell a connection what TCP says of it. */
void stack_events(struct stack *stack, uint32_t id, uint32_t events);

#endif
