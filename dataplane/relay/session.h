/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One session of the relay protocol, on the worker that holds its connection. It opens
 * (HELLO, CHALLENGE, PROOF, a login at the control plane, a place at its home), takes SENDs
 * and ACKs, and writes DELIVERs and STATUSes. It keeps no messages: those are home's.
 *
 * How the connection's layer uses it:
 * - session_init when the WebSocket is open; session_frame for each binary message; pings
 *   and pongs and any other bytes: session_heard. A turn of the poll loop ends with
 *   sessions_flush, then the connection hands its bytes to TCP and calls session_mark, and
 *   session_acked when TCP has had bytes acknowledged.
 * - Items of the mesh that are not home's go to session_item, whatever connection they name.
 * - A session fails by itself (malformed frame, time-out, displaced …): it writes its ERROR
 *   frame, calls env->close once with the WebSocket close code, and takes nothing more. When
 *   a connection ends for any other reason the layer calls session_end.
 * - The session's memory is busy until session_end has returned true or env->released has
 *   been called: its end must reach home first, which can need a later turn.
 */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include "relay/mesh.h"
#include "relay/request.h"
#include "relay/route.h"
#include "relay/statuses.h"
#include "relay/token.h"
#include "waxwire/metrics.h"

enum session_state {
    SESSION_NONE = 0, /* memory not in use */
    SESSION_WAIT_HELLO,
    SESSION_WAIT_RELAY_ID, /* HELLO is here; the control plane has never been attached */
    SESSION_WAIT_PROOF,
    SESSION_VERIFYING,
    SESSION_LOGIN,
    SESSION_ATTACHING,
    SESSION_OPEN,
    SESSION_CLOSED, /* failed or ended; home may still have to be told */
};

/* What only a session that is being opened needs; pooled (struct session_env.openings). */
struct session_opening {
    uint8_t account_key[WAX_ACCOUNT_KEY_BYTES];
    uint8_t client_nonce[WAX_CLIENT_NONCE_BYTES];
    uint8_t relay_nonce[WAX_NONCE_BYTES];
    uint8_t signature[WAX_SIGNATURE_BYTES];
    uint8_t binding[WAX_BINDING_BYTES];
    uint8_t peer[16];
    uint16_t peer_port;
    uint8_t welcome_flags;
    bool binding_known; /* the connection has one */
    bool binding_used;  /* the PROOF is over it */
    uint64_t deadline_us;
    uint32_t hello_flags;
    uint32_t waiting;   /* stored messages */
    uint32_t keys_left; /* one-time keys, with keys_low: the client is to be told once it is welcomed */
    bool keys_low;
    uint16_t invite_bytes;
    uint8_t invite[WAX_INVITE_BYTES_MAX];
};

/*
 * Receipts up to number `upto` end at byte `offset` (modulo 2^32: what is not acknowledged is far less) of
 * the connection's TCP stream. Nothing is marked where `upto` has been given.
 */
struct session_mark {
    uint32_t offset;
    uint32_t upto;
};

/* What an open session has spent of its allowance of messages (rate.c). */
struct session_spent {
    uint64_t upto_us : 48;
    uint64_t untold : 16; /* messages that its account and its address have not been charged */
};

/* How much sessions may send; all zeros: any number of messages. */
struct session_rates {
    bool on;          /* any of these limits is there */
    bool account;     /* home keeps that of accounts */
    uint32_t cost_us; /* of a message, to its device; 0: any number */
    uint64_t room_us; /* that a device may be ahead of the clock, and send another one */
};

struct session {
    uint64_t generation; /* given by home */
    union {
        struct session_opening *opening; /* until it is open */
        struct session_spent spent;      /* afterwards */
    };
    struct status_chunk *statuses;
    struct link work; /* among those with something pending */
    struct link park; /* among those that wait for resume */
    uint32_t conn;
    uint32_t conn_generation;
    uint32_t recipient; /* home's handle */
    uint32_t unanswered;
    uint32_t seq_delivered;       /* last delivery sequence written */
    uint32_t seq_acked;           /* by the client */
    uint32_t shown;               /* number of the last receipt taken from home */
    uint32_t framed;              /* of the last receipt that is in a frame */
    uint32_t given;               /* of the last one whose bytes TCP has acknowledged */
    struct session_mark marks[2]; /* of earlier, later bytes */
    uint32_t heard;               /* when something was heard last, in units of SESSION_HEARD_US */
    struct name name;
    uint8_t state;      /* enum session_state */
    uint8_t pending;    /* what is to be handed over when there is room; private */
    uint8_t home;       /* worker */
    uint8_t parked_for; /* worker whose credit is waited for, or SESSION_PARKED_FOR_... */
    bool send_only : 1;
    bool tls : 1;
    bool pinged : 1;
    bool attaching : 1;   /* home has been asked and has not answered */
    bool attached : 1;    /* home has taken it and has not been told of its end */
    bool ended : 1;       /* session_end has been called */
    bool seq_wrapped : 1; /* delivery sequences have begun anew at 1 */
    bool by_window : 1;   /* what it is parked for is room in its window, not a credit */
    bool fanning : 1;     /* a SEND_MULTI of its is still being handed out (fan.h) */
    bool reading : 1;     /* likewise a READ */
    bool leaving : 1;     /* it is to end, and asks for nothing more */
};

#define SESSION_HEARD_US 65536u /* the last moment of a silence is known so exactly */

_Static_assert(sizeof(struct session) <= 136, "a million idle sessions are affordable");

/*
 * A check of a PROOF, to be made off the worker: `ok` = the signature over `message` under
 * `account_key` is good; `user` = BLAKE2b with a 16-byte digest over `account_key`.
 */
struct verify_job {
    uint32_t conn;
    uint32_t conn_generation;
    uint8_t account_key[WAX_ACCOUNT_KEY_BYTES];
    uint8_t signature[WAX_SIGNATURE_BYTES];
    uint8_t message[WIRE_PROOF_SIGNED_BYTES];
    uint8_t ok;
    uint8_t user[WAX_USER_BYTES];
};

/* Everything that the sessions of a worker share. The first part is the caller's to fill. */
struct session_env {
    void *ctx; /* handed to the functions below */
    const struct relay_port *port;
    const struct route *route;
    struct msg_pool *messages;
    struct wax_metrics *metrics;
    struct pool *openings;    /* of sizeof(struct session_opening) */
    struct statuses statuses; /* initialised by session_env_init */
    struct requests requests; /* likewise */
    uint32_t send_slots;      /* of the mesh's sends rings */
    uint32_t payload_bytes_max;
    uint32_t send_window; /* SENDs that may be unanswered, 1 to WAX_SEND_WINDOW_MAX */
    uint32_t ttl_s_default;
    uint16_t heartbeat_s;
    struct session_rates rates;
    const struct token_set *tokens; /* that the caller keeps up to date */
    token_mac *mac;
    bool relay_id_known; /* after the first attachment of the control plane */
    uint8_t relay_id[WAX_RELAY_ID_BYTES];
    /*
     * Stamps, in whatever unit the caller has: that of the packets which are being received, kept with each
     * SEND, and those of the DELIVERs written since the caller last set delivered_count to 0.
     */
    uint64_t polled;
    uint64_t *delivered;
    uint32_t delivered_room, delivered_count;

    /* The session of a live connection, or NULL when that generation of it is gone. */
    struct session *(*find)(void *ctx, uint32_t conn, uint32_t conn_generation);
    /*
     * The connection's address has spent so many messages. Returns the microseconds that it has to wait
     * until it may send again, 0: none. NULL: addresses have no limit.
     */
    uint64_t (*charge)(void *ctx, uint32_t conn, uint32_t count);
    /*
     * Write one binary message, the pieces one after the other (copied before this returns). False
     * when it can't (no memory, send queue at its limit): the session then fails (SESSION_TOO_SLOW).
     */
    bool (*frame)(void *ctx, uint32_t conn, const struct view *pieces, uint32_t count);
    /*
     * Whether a connection may be sent a frame of so many bytes (0: may be promised one) that it has asked
     * for, and nobody else goes short of memory for it.
     */
    bool (*room)(void *ctx, uint32_t conn, size_t bytes);
    /* Send a WebSocket ping. */
    void (*ping)(void *ctx, uint32_t conn);
    /*
     * The session has failed: send a Close with `close_code` behind what was written, and end the
     * connection. May be called from within any function here; the session must not be freed in it.
     */
    void (*close)(void *ctx, uint32_t conn, uint16_t close_code, enum wax_status why);
    /* The frame for which session_frame said FULL or SESSION_WINDOW may be offered again. */
    void (*resume)(void *ctx, uint32_t conn);
    /* The session's memory is free (only after session_end returned false). */
    void (*released)(void *ctx, struct session *session);
    /*
     * The channel binding (TLS exporter) of a connection; false when it has none. Asked by session_init
     * alone, before it writes to the session's memory.
     */
    bool (*binding)(void *ctx, uint32_t conn, uint8_t out[WAX_BINDING_BYTES]);
    /* Queue a check (copied); session_verified brings the result. False when the queue is full. */
    bool (*verify)(void *ctx, const struct verify_job *job);
    /* Unpredictable bytes. */
    void (*random)(void *ctx, struct span out);
    /* Milliseconds since 1970. */
    uint64_t (*wall_ms)(void *ctx);

    /* private */
    uint64_t now_us;      /* of the call */
    uint64_t patience_us; /* until then requests wait for the control plane that comes; 0: they don't */
    struct link work;
    struct link parked;
    uint32_t parked_count;
    struct pool fans;
    struct link fanning;
};

/*
 * Make what the sessions of a worker share; `memory` of session_env_bytes(chunks) is for the
 * STATUS chunks. The caller's part of `env` is filled before. Returns OK or NO_MEMORY, BAD_ARGUMENT.
 */
size_t session_env_bytes(uint32_t status_chunks);
enum wax_status session_env_init(struct session_env *env, struct span memory, uint32_t status_chunks);

/*
 * Begin a session on an open WebSocket. `peer` is an address (IPv4 as ::ffff:a.b.c.d).
 * Returns OK, or NO_MEMORY when too many sessions are being opened: then nothing has begun (close 1013).
 */
enum wax_status session_init(struct session *session, struct session_env *env, uint32_t conn,
                             uint32_t conn_generation, const uint8_t peer[16], uint16_t peer_port, bool tls,
                             uint64_t now_us);

/*
 * A binary message has come. Returns
 *  - OK: dealt with (or ignored: the session has failed or ended);
 *  - FULL: a SEND or READ that finds no credit or memory now. The caller keeps this one frame, may feed
 *    frames other than SEND that come behind it, and offers it again when env->resume is called;
 *  - SESSION_WINDOW: a SEND beyond the window. The caller keeps it and stops reading until
 *    env->resume;
 *  - any other: the session has failed with that status (env->close has been called).
 */
enum wax_status session_frame(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us);

/*
 * A frame for which session_frame said FULL, of that type and so many bytes, is to be offered again: false
 * when it would be in vain, for want of memory. The session waits on; nothing has to be copied to learn that.
 */
bool session_may_retry(struct session *session, struct session_env *env, uint8_t type, size_t bytes);

/* Something was heard from the client, or we have not been reading: the heartbeat starts anew. */
static inline void session_heard(struct session *session, uint64_t now_us)
{
    session->heard = (uint32_t)((now_us + SESSION_HEARD_US - 1u) / SESSION_HEARD_US);
    session->pinged = false;
}

/* When session_tick is due, µs; UINT64_MAX: never. It only moves later by itself: arm lazily. */
uint64_t session_deadline_us(const struct session *session, const struct session_env *env);

/* Time has passed: sends a ping, or fails with SESSION_TIMEOUT. */
void session_tick(struct session *session, struct session_env *env, uint64_t now_us);

/* The result of a check. A stale one (other state) is ignored. */
void session_verified(struct session *session, struct session_env *env, const struct verify_job *job,
                      uint64_t now_us);

/* A LOGIN_REPLY; its tag is conn << 32 | conn_generation: find the session by that. */
void session_login_reply(struct session *session, struct session_env *env,
                         const struct channel_login_reply *reply, uint64_t now_us);

/* An ANSWER; its tag names the session as that of a LOGIN_REPLY does, and may name one that has gone. */
void session_answer(struct session_env *env, const struct channel_answer *answer);

/*
 * The control plane is about to go, or has gone: requests that come from now on wait for the next one, for at
 * most WAX_CONTROL_PATIENCE_MS after the first of such calls. / It is back.
 */
void session_requests_wait(struct session_env *env, uint64_t now_us);
void session_requests_go_on(struct session_env *env);

/* The control plane has gone: its answers will not come. Requests are answered "rate limited". */
void session_requests_lost(struct session_env *env);

/* A new attachment of the control plane: call for every session that is not open (or for all). */
void session_control_up(struct session *session, struct session_env *env, uint64_t now_us);

/*
 * An item for a connection's worker (not item_is_for_home). Handles those of connections
 * that are gone as well. Never fails, needs no credit.
 */
void session_item(struct session_env *env, const struct item *item, uint64_t now_us);

/*
 * The end of a turn: STATUS frames go out, reports go to the homes, waiting sessions are
 * resumed. Cheap when there is nothing. Returns true when something still waits for room.
 */
bool sessions_flush(struct session_env *env, uint64_t now_us);

/* True when session_mark has something to note. */
static inline bool session_wants_mark(const struct session *session)
{
    return session->state == SESSION_OPEN && session->framed != session->given &&
           session->framed != session->marks[1].upto && session->framed != session->marks[0].upto;
}

/* All frames written so far lie before byte `offset` of the connection's TCP stream (of bytes ever written).
 */
void session_mark(struct session *session, uint64_t offset);

/* TCP has had everything before byte `offset` acknowledged. Cheap when no mark is set. */
void session_acked(struct session *session, struct session_env *env, uint64_t offset);

/*
 * Fail the session from outside: writes ERROR where the status has one, calls env->close.
 * For what the connection's layer finds (WS_TEXT … have no ERROR, only a close code given by it: then use
 * session_end instead).
 */
void session_fail(struct session *session, struct session_env *env, enum wax_status why);

/*
 * The session is to end soon, for no fault of its own: it takes nothing more that would be answered (SEND,
 * READ, requests are left to the caller, as with FULL), while ACKs and answers go on. Returns whether all
 * that it has asked is answered, so that it can be failed (SESSION_DRAINED); call again until it is. Or it
 * may stay after all.
 */
bool session_leave(struct session *session, const struct session_env *env);
void session_stay(struct session *session, struct session_env *env);

/*
 * The connection is ending or has ended. True: the session's memory is free now; false: it is busy until
 * env->released. `conn` with that generation is not found by anyone meanwhile but through env->find,
 * which must go on finding it.
 */
bool session_end(struct session *session, struct session_env *env);

/* The ERROR code (enum wire_error) of a status that ends a session, 0 when it has none. */
uint8_t session_error_code(enum wax_status why);

#endif
