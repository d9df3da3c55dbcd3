/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of sessions and accounts in the channel (channel.h): what sessions ask the control plane and
 * hear from it, how it ends them, who may write to them, and who is to be woken.
 */
#ifndef WAXWIRE_CHANNEL_REQUEST_H
#define WAXWIRE_CHANNEL_REQUEST_H

#include "waxwire/channel.h"

enum channel_request_kind {
    /* worker to control */
    CHANNEL_REQUEST = 40,
    CHANNEL_POLICED = 41,
    CHANNEL_WAKE = 42,
    /* control to worker */
    CHANNEL_ANSWER = 104,
    CHANNEL_CLOSE = 105,
    CHANNEL_POLICY = 106,
    CHANNEL_EVICT = 107,
    CHANNEL_VACATE = 108,
    CHANNEL_LEAVING = 109,
};

/* What names a connection's session to its worker. */
static inline uint64_t channel_conn_tag(uint32_t conn, uint32_t conn_generation)
{
    return (uint64_t)conn << 32 | conn_generation;
}

/*
 * A frame of a session that the control plane answers (KEYS_PUT, KEYS_GET, DEVICE, BLOCK); its layout is
 * sound. Answered by one ANSWER with the same tag and slot.
 */
struct channel_request {
    struct channel_record record;
    uint64_t tag; /* channel_conn_tag */
    uint32_t slot;
    uint32_t serial; /* of the slot */
    struct device_name name;
    uint32_t frame_bytes;
    uint32_t reserved;
    uint8_t frame[];
};

#define CHANNEL_SLOT_NONE UINT32_MAX

/*
 * One whole frame for a session; dropped when that session is gone. With CHANNEL_SLOT_NONE it answers no
 * request (KEYS_LOW).
 */
struct channel_answer {
    struct channel_record record;
    uint64_t tag;
    uint32_t slot, serial; /* of the request */
    uint32_t frame_bytes;
    uint32_t reserved;
    uint8_t frame[];
};

/* A session must end: to the worker of its connection, in whatever state it is. Not answered. */
struct channel_close {
    struct channel_record record;
    uint64_t tag;
    uint32_t status; /* enum wax_status, of the session: tells ERROR and close code */
    uint32_t reserved;
};

/* End all connections over a time, and take no new ones; or call that off (conn/vacate.h). Not answered. */
struct channel_vacate {
    struct channel_record record;
    uint32_t over_ms;
    uint8_t off;
    uint8_t reserved[3];
};

/*
 * The control plane is about to end: ask nothing more of it. What was asked before is answered first, so that
 * none of it is lost. Only its header.
 */
struct channel_leaving {
    struct channel_record record;
};

/*
 * Who may write to the device of this session: to its home, which obeys from then on for as long as the
 * session lives. It comes before the answer to a DRAIN that follows the SESSION_OPEN; without one everybody
 * may. Answered by POLICED with the same tag when that is not 0. Users rise in the order of their bytes.
 */
struct channel_policy {
    struct channel_record record;
    uint64_t tag;
    struct device_name name;
    uint64_t generation;
    uint32_t count; /* at most WAX_POLICY_USERS_MAX */
    uint8_t only;   /* 1: these users and nobody else; 0: all but these */
    uint8_t reserved[3];
    uint8_t user[][WAX_USER_BYTES];
};

/*
 * A device that is no more: to all workers, of which its home drains the mailbox, gives every sender REJECTED
 * for what was in it, and retires all. Said again until nothing is left; ignored while there is a session.
 */
struct channel_evict {
    struct channel_record record;
    struct device_name name;
    uint8_t reason; /* enum wire_reason */
    uint8_t reserved[7];
};

/* No message that a policy forbids will be taken any more. */
struct channel_policed {
    struct channel_record record;
    uint64_t tag;
};

/* An urgent message that is never stored has found no session of its device. Not answered, and may be lost.
 */
struct channel_wake {
    struct channel_record record;
    struct device_name name;
    uint8_t sender[WAX_USER_BYTES];
};

_Static_assert(sizeof(struct channel_request) + WAX_FRAME_BYTES_MAX <= WAX_CHANNEL_RECORD_BYTES_MAX,
               "the largest request fits a record");

#endif
