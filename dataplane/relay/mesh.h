/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What workers say to one another. Between each ordered pair of workers X → Y (also X → X)
 * there are two rings: *sends*, entered only with a credit, and *returns*. The worker layer
 * makes the rings; this header says what goes through them and keeps the count of credits.
 *
 * Rules that the relay's soundness rests on:
 * - Each ring keeps its order. Of the two rings of a pair returns come first: whatever was given anywhere
 *   before a send was entered, by its sender or by someone whose return or send led to it, is taken before
 *   that send. For that a worker notes how far its sends rings reach, then takes all returns, then sends up
 *   to where it noted; and it shows others its returns before its sends. A send may so be overtaken by any
 *   return, a return by no later send.
 * - Returns are always taken at once by whoever polls; taking one needs neither memory nor a
 *   credit. A full returns ring is waited for (`give` is tried again in the next turn).
 * - Every return from Y to X carries how many sends of X's Y has taken, ever (`consumed`):
 *   that gives the credits back, and says that Y won't read again the message of a DELIVER
 *   among them. A worker that took sends and has no other return to give tells it with
 *   ITEM_CREDIT at the end of its turn.
 * - A send is counted as taken only after it has been processed (a DELIVER: its bytes are
 *   copied or dropped).
 */
#ifndef RELAY_MESH_H
#define RELAY_MESH_H

#include "relay/msg.h"
#include "waxwire/channel.h"
#include "waxwire/channel_request.h"

enum item_kind {
    ITEM_NONE = 0,
    /* sends to a home */
    ITEM_SEND,   /* a message, from the sender's worker */
    ITEM_ATTACH, /* a session opens */
    ITEM_READ,   /* a message has been read, to its reader's home */
    /* sends to a connection's worker */
    ITEM_ATTACHED, /* home has taken the session; before any DELIVER and SHOW of it */
    ITEM_DELIVER,  /* a message for a session */
    ITEM_SHOW,     /* a receipt for a session */
    /* returns to a home */
    ITEM_ACK,          /* the client has received everything up to a sequence */
    ITEM_END,          /* the session has ended */
    ITEM_GIVEN,        /* TCP has acknowledged the bytes of receipts up to a number */
    ITEM_USED,         /* the session has sent so many messages: its account is charged */
    ITEM_RECEIPT,      /* recipient's home to sender's home: memory lent until RECEIPT_DONE */
    ITEM_RECEIPT_DONE, /* sender's home to recipient's home */
    /* returns to a connection's worker */
    ITEM_ANSWER,   /* of a SEND; perhaps with its memory */
    ITEM_FREE,     /* memory of a message */
    ITEM_DISPLACE, /* a newer session of the same device has come */
    ITEM_CLOSE,    /* the session must end (status says why) */
    ITEM_REFUSED,  /* answers ATTACH: home has no room */
    ITEM_HOLD,     /* the session's account has sent more than it may, and has to wait */
    /* returns to nobody */
    ITEM_CREDIT, /* only `consumed` */
    ITEM_KINDS
};

struct entry; /* a message or receipt in home's custody */

struct item {
    uint8_t kind;  /* enum item_kind */
    uint8_t from;  /* worker, set by the port */
    uint8_t flags; /* DELIVER: WIRE_DELIVER_...; ANSWER: 1 = the first; RECEIPT_DONE: 1 = retired */
    uint8_t reserved;
    uint32_t consumed; /* returns: set by the port, modulo 2^32 */
    union {
        struct {
            struct msg *msg;
        } send; /* SEND, FREE */
        struct {
            uint64_t since_ms; /* since 1970 */
            uint32_t conn;
            uint32_t conn_generation;
            struct name name;
            uint16_t peer_port;
            uint8_t peer[16];
            uint8_t tls;
            uint8_t send_only;
        } attach;
        struct {
            uint64_t generation; /* of the reader's session, given by home */
            uint64_t id;
            uint32_t recipient; /* home's handle of the reader */
            struct name sender; /* of the message */
        } read;
        struct {
            uint64_t generation; /* of the session, given by home */
            uint32_t conn;
            uint32_t conn_generation;
            uint32_t recipient; /* home's handle */
            uint32_t status;    /* CLOSE: enum wax_status */
            uint64_t wait_us;   /* ATTACHED: until its account may send */
        } attached;             /* ATTACHED, REFUSED, DISPLACE, CLOSE: to a connection */
        struct {
            uint64_t generation;
            uint32_t conn;
            uint32_t conn_generation;
            const struct msg *msg;
            uint32_t seq; /* 0: silent */
        } deliver;
        struct {
            uint64_t id;
            uint32_t conn;
            uint32_t conn_generation;
            uint32_t number; /* 1, 2, 3 … in each session, modulo 2^32 */
            uint8_t status_kind;
            uint8_t reason;
            struct name about;
        } show;
        struct {
            uint64_t generation;
            uint32_t recipient; /* home's handle */
            uint32_t seq; /* ACK: delivery sequence; GIVEN: number of a receipt; USED, END: messages sent */
        } report;         /* ACK, END, GIVEN, USED */
        struct {
            uint64_t wait_us;
            uint32_t conn;
            uint32_t conn_generation;
        } hold;
        struct {
            struct msg *msg;   /* to be freed, or NULL */
            struct msg *frame; /* that the message is a part of, or NULL; its owner's to look at */
            uint64_t id;
            uint32_t conn;
            uint32_t conn_generation;
            uint8_t status_kind;
            uint8_t reason;
            struct name about; /* the recipient */
        } answer;
        struct entry *entry; /* RECEIPT, RECEIPT_DONE */
    } u;
};

_Static_assert(sizeof(struct item) == 64, "an item is one cache line");

/* True for what home_send or home_return takes; else it is session_item's (or ITEM_CREDIT). */
static inline bool item_is_for_home(uint8_t kind)
{
    return (kind >= ITEM_SEND && kind <= ITEM_READ) || (kind >= ITEM_ACK && kind <= ITEM_RECEIPT_DONE);
}

/* True for what goes through the sends ring. */
static inline bool item_is_send(uint8_t kind)
{
    return kind >= ITEM_SEND && kind <= ITEM_SHOW;
}

/* What a worker keeps about each other worker. */
struct mesh_peer {
    uint64_t sent;     /* sends entered into the ring to it */
    uint64_t consumed; /* of those, how many it has said to have taken */
    uint64_t taken;    /* sends taken out of the ring from it */
    uint32_t told;     /* of those, how many it has been told (low 32 bits) */
};

/* How many sends may be entered (`slots`: of the sends ring). */
static inline uint32_t mesh_credits(const struct mesh_peer *peer, uint32_t slots)
{
    uint64_t under_way = peer->sent - peer->consumed;
    return under_way < slots ? slots - (uint32_t)under_way : 0;
}

/* True when a send may be entered. */
static inline bool mesh_has_credit(const struct mesh_peer *peer, uint32_t slots)
{
    return peer->sent - peer->consumed < slots;
}

/* A return has come from `peer`: note what it has taken. Call before the item is handled. */
static inline void mesh_note_consumed(struct mesh_peer *peer, uint32_t consumed)
{
    peer->consumed += (uint32_t)(consumed - (uint32_t)peer->consumed);
}

/* The `consumed` of a return that goes to `peer` now. */
static inline uint32_t mesh_tell(struct mesh_peer *peer)
{
    peer->told = (uint32_t)peer->taken;
    return peer->told;
}

/* True when ITEM_CREDIT is due to `peer` at the end of a turn. */
static inline bool mesh_must_tell(const struct mesh_peer *peer)
{
    return peer->told != (uint32_t)peer->taken;
}

/*
 * A worker's end of the mesh and of the channel, handed to its home and its sessions. The
 * functions set `from` and `consumed` in their copy of the item.
 */
struct relay_port {
    void *ctx;
    uint32_t self;                 /* this worker */
    uint32_t workers;              /* how many there are; items to oneself go the same way */
    const struct mesh_peer *peers; /* [workers] */
    /* Enter a send: takes a credit. False when there is none now. peers[worker].sent is then its ticket. */
    bool (*send)(void *ctx, uint32_t worker, const struct item *item);
    /* Enter a return. False when that ring is full now. */
    bool (*give)(void *ctx, uint32_t worker, const struct item *item);
    /*
     * Reserve a record (`bytes` with its header) towards the control plane; kind and body are
     * the caller's to fill at once, then control_publish. NULL: the ring is full or control is away.
     */
    struct channel_record *(*control_reserve)(void *ctx, uint32_t bytes);
    void (*control_publish)(void *ctx);
};

#endif
