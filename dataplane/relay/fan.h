/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames with a list, which lead to an item for each entry. A frame is kept whole, and handed out in
 * portions, a turn's worth at a time and each list in its turn, leaving credits and messages for others. A
 * session has one list of each kind under way: what comes behind it and could overtake it waits.
 */
#ifndef RELAY_FAN_H
#define RELAY_FAN_H

#include "relay/session_internal.h"

#define FANS        256u /* lists under way */
#define FAN_TURN    256u /* entries that a turn hands out */
#define FAN_PORTION 16u  /* of one list, before the next one has its turn */
#define FAN_RESERVE 4u   /* the part of credits and messages that is left to others: one in so many */

/* A list under way. */
struct fan {
    struct link link;
    struct msg *frame; /* MSG_FRAME; its from, conn and conn_generation are the session's */
    struct msg_place at;
    uint32_t left;       /* entries */
    uint32_t recipient;  /* home's handle of the session, of READ */
    uint64_t generation; /* likewise */
    bool multi;          /* of SEND_MULTI, else of READ */
};

/* How many sends to that home a list may enter. */
uint32_t fan_credits(const struct session_env *env, uint32_t home);

/* Whether a frame of so many bytes could ever be kept as a list, beside what is left to single messages. */
bool fan_fits(const struct session_env *env, size_t bytes);

/* Whether a list may take a message, beside those that are left to others. */
bool fan_may_take(const struct session_env *env);

/* Keep `frame` as the session's list; the caller sets at and left. NULL: no memory now. */
struct fan *fan_begin(struct session *session, struct session_env *env, struct view frame, bool multi);

/* All of it has been handed out, or the rest shall not be. */
void fan_end(struct session_env *env, struct fan *fan);

/* A first portion at once; it has perhaps ended then. */
void fan_start(struct session_env *env, struct fan *fan);

/* Hand out at most so many entries of a SEND_MULTI (multi.c), or of a READ. Returns how many items that were.
 */
uint32_t fan_multi(struct session_env *env, struct fan *fan, uint32_t most);
uint32_t fan_read(struct session_env *env, struct fan *fan, uint32_t most);

#endif
