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
};

/* struct session.parked_for: not a worker's credit but a message of our own pool is waited for. */
#define SESSION_PARKED_FOR_MEMORY UINT8_MAX

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

/* HELLO, in SESSION_WAIT_HELLO. */
enum wax_status session_hello(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us);
/* PROOF, in SESSION_WAIT_PROOF. */
enum wax_status session_proof(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us);
/* KEYS_PUT, KEYS_GET, DEVICE or BLOCK of an open session. */
enum wax_status session_request(struct session *session, struct session_env *env, struct view frame);
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
