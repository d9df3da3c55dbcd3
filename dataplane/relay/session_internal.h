/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the session share. */
#ifndef RELAY_SESSION_INTERNAL_H
#define RELAY_SESSION_INTERNAL_H

#include "relay/session.h"

/* struct session.pending: what waits for room, in the order in which it is handed over. */
enum session_pending {
    PENDING_VERIFY = 1,
    PENDING_LOGIN = 2,
    PENDING_ATTACH = 4,
    PENDING_ACK = 8,
    PENDING_GIVEN = 16,
    PENDING_END = 32,
    PENDING_USED = 64, /* never with END, which says the same */
};

/* struct session.parked_for, when it isn't a worker's credit that is waited for. */
#define SESSION_PARKED_FOR_MEMORY  255u /* a message of our own pool */
#define SESSION_PARKED_FOR_LIST    252u /* a message for a list */
#define SESSION_PARKED_FOR_FAN     254u /* the end of the SEND_MULTI that it is handing out */
#define SESSION_PARKED_FOR_READ    251u /* likewise of the READ */
#define SESSION_PARKED_FOR_CONTROL 250u /* a control plane that is being replaced */
#define SESSION_PARKED_FOR_RETURNS 253u /* the hand-over of what is pending */

/* Note that something is to be handed over; session_hand_over tries. */
void session_pend(struct session *session, struct session_env *env, enum session_pending what);
/* Hand over what is pending while there is room. True when nothing is left. */
bool session_hand_over(struct session *session, struct session_env *env);
/* Give the opening's memory back. */
void session_opened(struct session *session, struct session_env *env);
/* Write one frame out of one piece; a connection that can't take it fails. */
bool session_write(struct session *session, struct session_env *env, struct view frame);
/* Let the session take nothing more; home is told when it has to be. */
void session_shut(struct session *session, struct session_env *env);

/*
 * Let its caller offer the frame again later. `why`: the worker whose credit is waited for, or
 * SESSION_PARKED_FOR_...; `by_window`: room in its window is waited for.
 */
void session_park(struct session *session, struct session_env *env, uint32_t why, bool by_window);

/*
 * Whether one more SEND or SEND_MULTI may be taken now: OK; or the session is parked, FULL while an earlier
 * SEND_MULTI is being handed out, SESSION_WINDOW (counted) when too much is unanswered, which silent ones
 * don't mind.
 */
enum wax_status session_admit(struct session *session, struct session_env *env, bool silent);

/* Whether a SEND with these flags is not answered. */
static inline bool send_is_silent(uint8_t flags)
{
    return (flags & WIRE_SEND_SILENT) != 0 && (flags & WIRE_SEND_EPHEMERAL) != 0;
}

/* Answer REJECTED, before anything has gone anywhere (RATE, TOO_LARGE, BUSY or MALFORMED). */
void session_reject(struct session *session, struct session_env *env, const struct name *to, uint64_t id,
                    enum wire_reason reason);

/* rate.c */

#define RATE_TOLD_EACH 32u /* messages after which account and address are charged: seldom, for it costs */
#define RATE_READS     8u  /* READs cost what one message does */

/* Whether its device may send now. */
static inline bool session_may(const struct session *session, const struct session_env *env)
{
    return session->spent.upto_us <= env->now_us + env->rates.room_us;
}

/* Charge an open session `count` messages (its device at once, the others soon). */
void session_spend(struct session *session, struct session_env *env, uint32_t count);
static inline void session_charge(struct session *session, struct session_env *env, uint32_t count)
{
    if (env->rates.on)
        session_spend(session, env, count);
}

/* Charge it for READs, never more than is left. */
void session_charge_reads(struct session *session, struct session_env *env, uint32_t count);
/* Charge its account, and then its address, what they have not been; false: there is no room. */
bool session_tell(struct session *session, struct session_env *env);
/* It takes nothing more: charge the address what it has not been (the END charges the account). */
void session_spent_all(struct session *session, struct session_env *env);
/* Its account has to wait. */
void session_hold(struct session *session, struct session_env *env, uint64_t wait_us);

/* fan.c */
size_t fans_bytes(void);
enum wax_status fans_init(struct session_env *env, struct span memory);
/* Whether there is memory for another list, of so many bytes. */
bool fans_have_room(const struct session_env *env, size_t bytes);
/* SEND_MULTI: likewise, or SESSION_WINDOW (parked). */
enum wax_status session_multi(struct session *session, struct session_env *env, struct view frame);
/* READ: hand it out at once, or begin to, or FULL (parked). */
enum wax_status session_read(struct session *session, struct session_env *env, struct view frame);
/* A turn's portion of the lists under way. True when something is left. */
bool fans_advance(struct session_env *env);

/* HELLO, in SESSION_WAIT_HELLO. */
enum wax_status session_hello(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us);
/* PROOF, in SESSION_WAIT_PROOF. */
enum wax_status session_proof(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us);
/* KEYS_PUT, KEYS_GET, DEVICE or BLOCK of an open session. */
enum wax_status session_request(struct session *session, struct session_env *env, struct view frame);
/* Whether a request of the session is unanswered. */
bool session_asks(const struct session *session, const struct session_env *env);
/* Write KEYS_LOW. */
void session_keys_low(struct session *session, struct session_env *env, uint32_t left);
/* Queue the check of the signature; false when there is no room. */
bool session_submit_verify(struct session *session, struct session_env *env);
/* Ask the control plane; false when it is away or its ring is full. */
bool session_submit_login(struct session *session, struct session_env *env);
/* Ask home; false when there is no credit. */
bool session_submit_attach(struct session *session, struct session_env *env);
/* Home has answered ATTACH: WELCOME. */
void session_welcome(struct session *session, struct session_env *env, uint64_t now_us);

#endif
