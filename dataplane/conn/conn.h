/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection: what it keeps beside its TCP state, and the ways through it.
 *
 *   upward    tcp bytes -> tls records -> http request -> ws messages -> session frames
 *   downward  session frames -> ws header -> `out` -> one tls record a turn -> tcp
 *
 * Internal to dataplane/conn. Connections lie in an array parallel to the TCP engine's: the
 * index is the engine's id.
 */
#ifndef WAX_CONN_CONN_H
#define WAX_CONN_CONN_H

#include "base/fifo.h"
#include "base/wheel.h"
#include "conn/job.h"
#include "net/addr.h"
#include "relay/session.h"
#include "tls/record.h"
#include "ws/frame.h"

struct stack;
struct http_asked;

#define CONN_NONE UINT32_MAX

enum conn_state {
    CONN_FREE,    /* no connection of ours has this id */
    CONN_SHAKE,   /* TLS handshake under way, or waiting for its turn */
    CONN_PROXY,   /* reading the PROXY protocol's header */
    CONN_HTTP,    /* reading a request */
    CONN_WS,      /* frames of a session */
    CONN_MEDIA,   /* a request of /v1/media is being served (media.h) */
    CONN_CLOSING, /* everything has been said, or nothing more can be; what still comes is thrown away */
    CONN_GONE,    /* TCP is through with it; the session's end has not reached home yet */
};

enum conn_flag {
    CONN_TLS = 1u << 0,       /* the listener has TLS */
    CONN_SEALED = 1u << 1,    /* the handshake is done, records are ours */
    CONN_DIRTY = 1u << 2,     /* on the stack's list of connections to flush at the turn's end */
    CONN_RESUME = 1u << 3,    /* on the stack's list of connections to resume at the turn's end */
    CONN_PAUSED = 1u << 4,    /* not reading: a SEND beyond the window, too much is parked, or media wait */
    CONN_WAITING = 1u << 5,   /* in the queue for a handshake */
    CONN_BUSY = 1u << 6,      /* its handshake job is with the thread */
    CONN_SHUT_DUE = 1u << 7,  /* close our half when `out` is empty */
    CONN_SHUT = 1u << 8,      /* our half is closed */
    CONN_SESSION = 1u << 9,   /* its session has begun and has not been released */
    CONN_ENDED = 1u << 10,    /* the session has been told that it ends */
    CONN_PEER_FIN = 1u << 11, /* the peer will send nothing more */
    CONN_PROXIED = 1u << 13,  /* a terminator has said who the client is */
    CONN_FRAMES = 1u << 12,   /* decoder and session lie where the handshake's part was */
    CONN_PATIENT = 1u << 14,  /* its handshake has had the time that it has while others wait */
};

/*
 * What a connection was sent and can't be worked off yet. Only while there is any: each holds a block at
 * least, so that there are as many of these as blocks and they never run short.
 */
struct backlog {
    struct fifo plain;   /* opened and not yet decoded: reading is paused, or a request is not whole */
    struct fifo message; /* pieces of a WebSocket message that is not whole */
    struct fifo parked;  /* SENDs that wait: 4 bytes length, frame */
};

/* Before a connection is a WebSocket. */
struct conn_shake {
    struct job *job;   /* of the handshake under way, or NULL */
    uint32_t place;    /* in the queue for a handshake (fair.h), while CONN_WAITING */
    uint32_t transfer; /* of media: index + 1 in the stack's pool, while CONN_MEDIA */
    uint8_t binding[WAX_BINDING_BYTES];
};

/* Who the client behind a terminator is. */
struct conn_client {
    struct addr address;
    uint16_t port;
    uint8_t counted; /* in the limits of addresses */
};

struct conn {
    union {
        struct tls_state tls;
        struct conn_client client; /* with CONN_PROXIED, and so without TLS */
    };
    union {
        struct {
            struct ws_decoder ws;
            struct session session;
        };
        struct conn_shake shake; /* until the session begins, also of one that ends before */
    };
    struct timer timer;
    struct fifo out;  /* plaintext to be sealed and written */
    uint32_t backlog; /* index + 1 in the stack's pool, 0: none */
    uint16_t flags;
    uint8_t state;
} __attribute__((aligned(WAX_CACHE_LINE_BYTES)));

_Static_assert(sizeof(struct conn) == 7u * WAX_CACHE_LINE_BYTES, "an idle connection is seven cache lines");
_Static_assert(sizeof(struct backlog) <= WAX_BLOCK_BYTES / 32u, "and what it seldom has costs little");

/* ---- life.c: the beginning and the end ---- */

/* Set the connection's timer. */
void conn_arm(struct stack *stack, struct conn *conn, uint32_t after_ms);

/* A connection was established on a listener with this tag. */
void conn_open(struct stack *stack, uint32_t id, uint32_t tag);

/* TCP has nothing more to say of it: everything it holds goes back. */
void conn_gone(struct stack *stack, uint32_t id);

/* The peer has closed its half: say what is left to say, and close ours. */
void conn_peer_fin(struct stack *stack, uint32_t id);

/* The session has nothing more to say: `out`, and then FIN. */
void conn_shut(struct stack *stack, uint32_t id);

/* Send a WebSocket Close with a code (0: none) behind what is queued, and shut. */
void conn_close_ws(struct stack *stack, uint32_t id, uint16_t code);

/* Reset at once, without a word. The status is counted. */
void conn_abort(struct stack *stack, uint32_t id, enum wax_status status);

/* Begin to read a request, or a session. */
void conn_begin_http(struct stack *stack, uint32_t id);
void conn_begin_session(struct stack *stack, uint32_t id);

/* The address of the client, whom a PROXY protocol header may have named. */
struct addr conn_client(const struct stack *stack, uint32_t id);

/* Tell the session, once, that its connection ends; never from within a call of the session's own. */
void conn_end_session(struct stack *stack, uint32_t id);

/* The backlog to add to, made when there is none; or to look at, perhaps an empty one that is nobody's. */
struct backlog *conn_backlog(struct stack *stack, struct conn *conn);
const struct backlog *conn_backlog_look(const struct stack *stack, const struct conn *conn);

/* Give the backlog back when nothing is in it. */
void conn_backlog_rest(struct stack *stack, struct conn *conn);

/* The session's memory is its connection's again. */
void conn_released(struct stack *stack, struct session *session);

/* The connection's timer has expired. */
void conn_tick(struct stack *stack, uint32_t id);

/* Look at what has been kept at the turn's end: it may be worked off now. */
void conn_resume_soon(struct stack *stack, uint32_t id);

/* ---- upward.c: what was received ---- */

/* Answer a request with the refusal that belongs to a status, which is counted, and close. */
void conn_refuse(struct stack *stack, uint32_t id, enum wax_status status, const struct http_asked *asked);

/* In-order bytes; `bytes` may be overwritten. Returns how many are done with; the rest must be kept. */
size_t conn_receive(struct stack *stack, uint32_t id, struct span bytes);

/* Go on with what was kept, as far as the session lets. */
void conn_resume(struct stack *stack, uint32_t id);

/* ---- message.c: WebSocket messages to the session ---- */

/* Decode until the bytes are used up or the session wants no more. Returns how many were used. */
size_t conn_messages(struct stack *stack, uint32_t id, struct span bytes);

/* Offer the parked SENDs again, in order. */
void conn_retry_parked(struct stack *stack, uint32_t id);

/* ---- shake.c: the TLS handshake by jobs ---- */

/* There may be bytes for the handshake in the receive queue. */
void conn_shake(struct stack *stack, uint32_t id);

/* A handshake job has come back. */
void conn_shaken(struct stack *stack, struct job *job);

/* The timer of a connection that shakes hands, or waits for that, has expired. */
void conn_shake_tick(struct stack *stack, uint32_t id);

/* Give the handshake up; its OpenSSL object is freed by its thread. */
void conn_shake_cancel(struct stack *stack, uint32_t id);

/* ---- downward.c: what is to be sent ---- */

/* Write one binary message of these pieces. False: no memory or the queue's limit. */
bool conn_frame(struct stack *stack, uint32_t id, const struct view *pieces, uint32_t count);

/* Queue plaintext bytes. False when there are no blocks. */
bool conn_queue(struct stack *stack, uint32_t id, struct view bytes);

/* Seal and write what is queued, at the turn's end. */
void conn_flush(struct stack *stack, uint32_t id);

/* Put it on the list of connections to flush. */
void conn_mark(struct stack *stack, uint32_t id);

#endif
