/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The channel between the data plane and the control plane: a memfd that the data plane
 * makes, with a pair of byte rings and a metrics page for each worker, handed over a UNIX
 * socket (SOCK_SEQPACKET, the control plane listens) together with one eventfd.
 *
 * The memfd is sealed against shrinking, so that it may be mapped without fear.
 *
 * Life: the data plane connects and sends `struct channel_offer` with the two descriptors;
 * the control plane maps the memory, checks it, and answers `struct channel_grant`. The
 * socket stays open for orders of the control plane; its end is the other side's death. A new attachment is
 * always a new memfd, so that no stale record can be read; what was not confirmed is offered again.
 *
 * Records are in native byte order: both processes run on one machine and the version is
 * checked at attachment. Each ring has one producer and one consumer.
 */
#ifndef WAXWIRE_CHANNEL_H
#define WAXWIRE_CHANNEL_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/metrics.h"
#include "waxwire/status.h"
#include "waxwire/ticket.h"
#include "waxwire/token.h"
#include "waxwire/trace.h"

#define CHANNEL_MAGIC   0x77617863u /* "waxc" */
#define CHANNEL_VERSION 6u

/* ---- attachment, over the socket ---- */

struct channel_offer {
    uint32_t magic;
    uint32_t version;
    uint32_t workers;
    uint32_t ring_bytes;
    uint64_t memory_bytes; /* of the memfd, which comes with this; the eventfd is second */
    uint64_t epoch;        /* granted to this data plane before, 0 when it is new */
    int32_t pid;
    uint32_t reserved;
};

struct channel_grant {
    uint32_t magic;
    uint32_t version;
    uint32_t status; /* enum wax_status: OK, CHANNEL_VERSION, STORE_LOCKED (another data plane is attached) */
    uint32_t reserved;
    uint64_t epoch; /* of the data plane: high 16 bits of every position; kept over control restarts */
    uint8_t relay_id[WAX_RELAY_ID_BYTES];
};

/* ---- orders, over the socket, from the control plane once it has granted ---- */

enum channel_order_kind {
    CHANNEL_ORDER_TICKET_KEYS =
        1, /* take these keys of session tickets, the current one first; not answered */
    CHANNEL_ORDER_TLS_RELOAD = 2, /* read the certificates anew; answered by a report with the same tag */
    CHANNEL_ORDER_TOKENS = 3, /* forget keys of tokens and take these, the current one first; not answered */
};

struct channel_order {
    uint32_t magic;
    uint32_t kind;
    uint64_t tag;
    uint32_t keys; /* of TICKET_KEYS */
    uint32_t reserved;
    struct wax_ticket_key key[];
};

/* TOKENS; always whole. */
struct channel_order_tokens {
    uint32_t magic;
    uint32_t kind;
    uint64_t tag;
    uint32_t keys; /* 1 to WAX_TOKEN_KEYS_MAX */
    uint32_t revoked_count;
    struct wax_token_key key[WAX_TOKEN_KEYS_MAX];
    struct wax_token_revoked revoked[WAX_TOKENS_REVOKED_MAX];
};

_Static_assert(offsetof(struct channel_order_tokens, keys) == offsetof(struct channel_order, keys),
               "orders begin alike");

#define CHANNEL_ORDER_KEYS_BYTES_MAX                                                                         \
    (sizeof(struct channel_order) + WAX_TICKET_KEYS_MAX * sizeof(struct wax_ticket_key))
#define CHANNEL_ORDER_BYTES_MAX                                                                              \
    (sizeof(struct channel_order_tokens) > CHANNEL_ORDER_KEYS_BYTES_MAX                                      \
         ? sizeof(struct channel_order_tokens)                                                               \
         : CHANNEL_ORDER_KEYS_BYTES_MAX)

#define CHANNEL_REPORT_TEXT_BYTES 480u

/* What has become of an order. */
struct channel_report {
    uint32_t magic;
    uint32_t status; /* enum wax_status */
    uint64_t tag;
    char text[CHANNEL_REPORT_TEXT_BYTES]; /* for the operator, terminated */
};

/* ---- memory ---- */

struct channel_ring {
    _Alignas(WAX_CACHE_LINE_BYTES) _Atomic uint64_t tail; /* bytes ever produced */
    uint64_t producer_tail;                               /* reserved by the producer, not yet published */
    uint64_t cached_head;
    _Alignas(WAX_CACHE_LINE_BYTES) _Atomic uint64_t head; /* bytes ever consumed */
    uint64_t cached_tail;
    _Alignas(WAX_CACHE_LINE_BYTES) uint8_t data[WAX_CHANNEL_RING_BYTES];
};

struct channel_worker {
    struct wax_metrics metrics;
    struct channel_ring to_control;
    struct channel_ring to_worker;
};

struct channel_memory {
    uint32_t magic;
    uint32_t version;
    uint32_t workers;
    uint32_t ring_bytes;
    _Alignas(WAX_CACHE_LINE_BYTES) _Atomic uint32_t
        control_sleeping; /* set by control before it waits on the eventfd */
    _Alignas(WAX_CACHE_LINE_BYTES) struct channel_worker worker[];
};

/* Bytes of the memfd for so many workers. */
static inline size_t channel_memory_bytes(uint32_t workers)
{
    return sizeof(struct channel_memory) + (size_t)workers * sizeof(struct channel_worker);
}

/* ---- records ---- */

enum channel_kind {
    CHANNEL_PAD = 0, /* fills the end of the ring's memory; never seen by a reader */
    /* worker to control */
    CHANNEL_LOGIN = 1,
    CHANNEL_SESSION_OPEN = 2,
    CHANNEL_SESSION_CLOSE = 3,
    CHANNEL_STORE = 4,
    CHANNEL_STORE_RECEIPT = 5,
    CHANNEL_RETIRE = 6,
    CHANNEL_DRAIN = 7,
    CHANNEL_DRAIN_CREDIT = 8,
    CHANNEL_DRAIN_STOP = 9,
    CHANNEL_TRACED = 10,
    /* control to worker */
    CHANNEL_LOGIN_REPLY = 64,
    CHANNEL_STORED = 65,
    CHANNEL_DRAINED = 66,
    CHANNEL_DRAIN_IDLE = 67,
    CHANNEL_TRACE = 68,
};

/* A device of a user: the name of a mailbox and of a session. */
struct device_name {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device;
    uint8_t reserved[6];
};

/* Every record begins with this; `bytes` counts it and the body, without the padding to 8. */
struct channel_record {
    uint32_t bytes;
    uint16_t kind;
    uint16_t reserved;
};

/* A proof was good: may this device come in? Answered by LOGIN_REPLY with the same tag. */
struct channel_login {
    struct channel_record record;
    uint64_t tag; /* the worker's own, returned as it is */
    struct device_name name;
    uint8_t account_key[WAX_ACCOUNT_KEY_BYTES];
    uint32_t hello_flags; /* WIRE_HELLO_... */
    uint16_t invite_bytes;
    uint16_t reserved;
    uint8_t invite[];
};

struct channel_login_reply {
    struct channel_record record;
    uint64_t tag;
    uint8_t error;   /* enum wire_error, 0 = come in */
    uint8_t welcome; /* WIRE_WELCOME_NEW_ACCOUNT */
    uint8_t reserved[2];
    uint32_t waiting; /* stored messages waiting */
};

/* Home announces its sessions; all again after a new attachment. */
struct channel_session_open {
    struct channel_record record;
    struct device_name name;
    uint64_t generation;
    uint64_t since_ms;
    uint8_t peer[16]; /* address, IPv4 as ::ffff:a.b.c.d */
    uint16_t peer_port;
    uint8_t worker; /* that holds the connection */
    uint8_t tls;
    uint8_t send_only;
    uint8_t reserved[3];
    uint32_t conn; /* with its generation: the tag of what is for the connection */
    uint32_t conn_generation;
};

struct channel_session_close {
    struct channel_record record;
    struct device_name name;
    uint64_t generation;
};

/*
 * Put a message into a mailbox. Answered by STORED with the same tag once it is on stable
 * storage, or refused. Positions of one mailbox rise; one at or below the mailbox's end is
 * an offer that was stored before, and is answered as stored without being stored again. A
 * position that was refused is dead: what must be kept is offered again at a new one.
 */
struct channel_store {
    struct channel_record record;
    uint64_t tag;
    struct device_name name; /* whose mailbox */
    struct device_name sender;
    uint64_t position;
    uint64_t id;
    uint64_t taken_ms; /* when the relay took it, ms since 1970 */
    uint32_t ttl_s;    /* never 0 here */
    uint32_t head_bytes;
    uint32_t payload_bytes;
    uint8_t deliver_flags; /* WIRE_DELIVER_URGENT, _MULTI */
    uint8_t again;         /* offered before on this or another channel */
    uint8_t exempt;        /* of quota and policy: it has been handed to a connection */
    uint8_t reserved;
    uint8_t payload[];
};

/*
 * Put a receipt into the mailbox of the one who sent a stored message, and retire that
 * message, in one commit. Answered by STORED.
 */
struct channel_store_receipt {
    struct channel_record record;
    uint64_t tag;
    struct device_name name;  /* whose mailbox: the sender of the message */
    uint64_t position;        /* in that mailbox */
    struct device_name about; /* the recipient, who acknowledged */
    uint64_t id;              /* of the message */
    uint64_t retire;          /* its position in the mailbox of `about`, 0 = none */
    uint8_t status_kind;      /* enum wire_status_kind */
    uint8_t reason;
    uint8_t again;
    uint8_t reserved[5];
};

struct channel_stored {
    struct channel_record record;
    uint64_t tag;
    uint8_t reason; /* enum wire_reason: 0 stored, else refused and not stored */
    uint8_t reserved[7];
};

/* What was at these positions is gone. Never answered; a lost one only means "again". */
struct channel_retire {
    struct channel_record record;
    struct device_name name;
    uint32_t count;
    uint32_t reserved;
    uint64_t position[];
};

/*
 * Stream a mailbox from above `after`: what is there, and what is stored from now on, until
 * DRAIN_STOP, a newer generation or the channel's end. At most `messages` unless credited.
 */
struct channel_drain {
    struct channel_record record;
    struct device_name name;
    uint64_t generation;
    uint64_t after;
    uint32_t messages;
    uint32_t reserved;
};

struct channel_drain_credit {
    struct channel_record record;
    struct device_name name;
    uint64_t generation;
    uint32_t messages;
    uint32_t reserved;
};

struct channel_drain_stop {
    struct channel_record record;
    struct device_name name;
    uint64_t generation;
};

enum channel_item {
    CHANNEL_ITEM_MESSAGE = 1,
    CHANNEL_ITEM_RECEIPT = 2,
    CHANNEL_ITEM_EXPIRED = 3, /* a message whose time is over: only its names and id */
};

struct channel_drained {
    struct channel_record record;
    struct device_name name; /* whose mailbox */
    uint64_t generation;
    uint64_t position;
    struct device_name peer; /* the sender; of a receipt, whom it is about */
    uint64_t id;
    uint64_t taken_ms;
    uint32_t head_bytes;
    uint32_t payload_bytes;
    uint8_t item;          /* enum channel_item */
    uint8_t deliver_flags; /* of a message */
    uint8_t status_kind;   /* of a receipt */
    uint8_t reason;
    uint8_t reserved[4];
    uint8_t payload[];
};

/* Everything stored up to `upto` has been streamed (0: the mailbox has always been empty). */
struct channel_drain_idle {
    struct channel_record record;
    struct device_name name;
    uint64_t generation;
    uint64_t upto;
};

/*
 * Switch a trace of connections on, or off again. Answered by TRACED with the same tag and a status. A worker
 * ends all its traces when the channel does.
 */
struct channel_trace {
    struct channel_record record;
    uint64_t tag; /* control's, not 0 */
    struct trace_match match;
    uint8_t on;
    uint8_t reserved[7];
};

#define CHANNEL_TRACED_MAX 32u /* events of a record */

/* Events of the traces that are on (tag 0), or what became of a request (no events). */
struct channel_traced {
    struct channel_record record;
    uint64_t tag;
    uint64_t wall_us; /* microseconds since 1970 when the events' clock was 0 */
    uint32_t status;  /* enum wax_status */
    uint32_t count;
    struct trace_event event[];
};

/* ---- the byte ring ---- */

/* What a record of `bytes` takes in a ring. */
static inline uint64_t channel_padded(uint64_t bytes)
{
    return (bytes + 7u) & ~UINT64_C(7);
}

/*
 * Reserve a contiguous record of `bytes` (header and body, at most
 * WAX_CHANNEL_RECORD_BYTES_MAX) at the producer's end. Returns its header with `bytes` set,
 * or NULL when the ring is full. It is seen by the reader after channel_publish; several
 * records may be reserved before one publish.
 */
static inline struct channel_record *channel_reserve(struct channel_ring *ring, uint32_t bytes)
{
    assert(bytes >= sizeof(struct channel_record) && bytes <= WAX_CHANNEL_RECORD_BYTES_MAX);
    uint64_t need = channel_padded(bytes);
    uint64_t offset = ring->producer_tail & (WAX_CHANNEL_RING_BYTES - 1u);
    uint64_t to_end = WAX_CHANNEL_RING_BYTES - offset;
    uint64_t pad = need > to_end ? to_end : 0;
    uint64_t used = ring->producer_tail - ring->cached_head;
    if (used + pad + need > WAX_CHANNEL_RING_BYTES) {
        ring->cached_head = atomic_load_explicit(&ring->head, memory_order_acquire);
        used = ring->producer_tail - ring->cached_head;
        if (used + pad + need > WAX_CHANNEL_RING_BYTES)
            return NULL;
    }
    if (pad != 0) {
        struct channel_record *filler = (struct channel_record *)(void *)(ring->data + offset);
        *filler = (struct channel_record){(uint32_t)pad, CHANNEL_PAD, 0};
        offset = 0;
    }
    ring->producer_tail += pad + need;
    struct channel_record *record = (struct channel_record *)(void *)(ring->data + offset);
    record->bytes = bytes;
    record->reserved = 0;
    return record;
}

/* Let the reader see everything reserved so far. */
static inline void channel_publish(struct channel_ring *ring)
{
    atomic_store_explicit(&ring->tail, ring->producer_tail, memory_order_release);
}

/*
 * The oldest record, or NULL when there is none. It stays valid until channel_release.
 * `*status` is OK, or CHANNEL_CORRUPT when the ring's bytes make no sense (NULL is returned;
 * the reader must give the channel up).
 */
static inline const struct channel_record *channel_peek(struct channel_ring *ring, enum wax_status *status)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    *status = WAX_OK;
    for (;;) {
        if (head == ring->cached_tail) {
            ring->cached_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
            if (head == ring->cached_tail)
                return NULL;
        }
        uint64_t offset = head & (WAX_CHANNEL_RING_BYTES - 1u);
        const struct channel_record *record =
            (const struct channel_record *)(const void *)(ring->data + offset);
        uint64_t padded = channel_padded(record->bytes);
        if (record->bytes < sizeof *record || padded > WAX_CHANNEL_RING_BYTES - offset ||
            padded > ring->cached_tail - head) {
            *status = WAX_CHANNEL_CORRUPT;
            return NULL;
        }
        if (record->kind != CHANNEL_PAD)
            return record;
        head += padded;
        atomic_store_explicit(&ring->head, head, memory_order_release);
    }
}

/* Give the record that channel_peek returned back to the producer. */
static inline void channel_release(struct channel_ring *ring, const struct channel_record *record)
{
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    atomic_store_explicit(&ring->head, head + channel_padded(record->bytes), memory_order_release);
}

_Static_assert(sizeof(struct device_name) == 24, "names are copied whole");
_Static_assert(sizeof(struct channel_store) + WAX_FRAME_BYTES_MAX <= WAX_CHANNEL_RECORD_BYTES_MAX,
               "the largest message fits a record");

#endif
