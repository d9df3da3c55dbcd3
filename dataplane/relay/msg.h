/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages in memory. One is made by the worker whose connection received it (or, for what
 * comes back from a mailbox, by the recipient's home), out of that worker's own pool; other
 * workers of the process read it through its pointer while it is in their custody; only its
 * owner takes it back. A small payload lies inline, a larger one in a chain of blocks.
 *
 * What a SEND_MULTI brings is held once: its whole frame is a message in blocks, of which each recipient's
 * message is a part: a head of its own, then the bytes that all share. The frame goes when its last part has.
 *
 * Custody: the maker may write until it hands the pointer over (through a ring, which
 * orders memory); then home alone may write, and only the fields marked so.
 */
#ifndef RELAY_MSG_H
#define RELAY_MSG_H

#include "base/pool.h"
#include "relay/name.h"
#include "waxwire/wire.h"

#define MSG_SLOT_BYTES 256u

/* A piece of a large payload, in a block of WAX_BLOCK_BYTES. */
struct msg_block {
    struct msg_block *next;
    uint8_t data[WAX_BLOCK_BYTES - sizeof(void *)];
};

#define MSG_BLOCK_DATA_BYTES (WAX_BLOCK_BYTES - (uint32_t)sizeof(void *))

struct msg {
    struct msg_block *blocks; /* NULL: the payload is inline */
    struct msg *next;         /* home's: queue of refusals */
    uint64_t id;
    uint64_t taken_ms : 48;   /* since 1970 */
    uint64_t head_bytes : 16; /* of the payload: of a SEND_MULTI's, its recipient's own */
    uint64_t polled;          /* the stamp of its packet (session_env.polled), 0: none */
    uint32_t ttl_s;           /* never 0 */
    uint32_t payload_bytes;
    uint32_t conn; /* the sender's connection */
    uint32_t conn_generation;
    struct name from;
    struct name to;
    uint8_t owner;      /* worker whose pool this is from, and of the sender's connection */
    uint8_t send_flags; /* WIRE_SEND_... */
    uint8_t reason;     /* home's: why it is refused (enum wire_reason) */
    uint8_t kind;       /* enum msg_kind */
    uint8_t payload[];  /* of MSG_FRAME and MSG_PART: struct msg_frame, struct msg_part */
};

enum msg_kind { MSG_WHOLE, MSG_FRAME, MSG_PART };

#define MSG_INLINE_BYTES (MSG_SLOT_BYTES - (uint32_t)sizeof(struct msg))
/* The most pieces that a payload has, for an array of views: a part may begin and end within blocks, twice.
 */
#define MSG_PIECES_MAX ((WAX_FRAME_BYTES_MAX + MSG_BLOCK_DATA_BYTES - 1u) / MSG_BLOCK_DATA_BYTES + 2u)

_Static_assert(sizeof(struct msg) == 96, "the head of a message is small");
_Static_assert(sizeof(struct msg_block) == WAX_BLOCK_BYTES, "a piece fills a block");

/* Note when the relay took it. */
static inline void msg_set_taken(struct msg *msg, uint64_t taken_ms)
{
    msg->taken_ms = taken_ms & ((UINT64_C(1) << 48) - 1u);
}

/* A place in a payload. */
struct msg_place {
    struct msg_block *block; /* NULL: inline */
    uint32_t offset;         /* in that block, or in the inline payload */
};

struct msg_pool {
    struct pool slots;
    struct pool *blocks;  /* of WAX_BLOCK_BYTES, may be shared with the worker's connections */
    uint32_t blocks_kept; /* blocks that messages leave to others */
    uint32_t blocks_held; /* by messages now */
    uint8_t owner;
};

/* Bytes of memory for `count` messages (their blocks not included). */
size_t msg_pool_bytes(uint32_t count);

/*
 * Make a pool of `count` messages in `memory` for worker `owner`. `blocks` (items of
 * WAX_BLOCK_BYTES, may be shared) is never emptied by messages below `blocks_kept`.
 * Returns OK, BAD_ARGUMENT or NO_MEMORY (as pool_init).
 */
enum wax_status msg_pool_init(struct msg_pool *pool, struct span memory, uint32_t count, struct pool *blocks,
                              uint32_t blocks_kept, uint8_t owner);

/*
 * Take a message and copy `payload` (at most WAX_FRAME_BYTES_MAX) into it. The other fields
 * are zero but owner and payload_bytes. NULL when slots or blocks are short: nothing is taken.
 */
struct msg *msg_make(struct msg_pool *pool, struct view payload);

/* Give a message of this pool back with its blocks; a part lets go of its frame, a holder of a frame of it.
 */
void msg_free(struct msg_pool *pool, struct msg *msg);

/*
 * The payload as views, in order. Returns how many of `pieces` (room for MSG_PIECES_MAX)
 * were filled; 0 for an empty payload.
 */
uint32_t msg_pieces(const struct msg *msg, struct view *pieces);

/* Where the payload (of a frame: the frame) begins. */
struct msg_place msg_begin(const struct msg *msg);

/* Of a frame that is held once; the owner's alone but `shared` and `shared_bytes`. */
struct msg_frame {
    struct msg_place shared;
    uint32_t shared_bytes;
    uint32_t holders;    /* parts, and whoever makes them */
    uint32_t unanswered; /* recipients */
};

struct msg_part {
    struct msg *frame;
    struct msg_place head;
};

_Static_assert(sizeof(struct msg_frame) <= MSG_INLINE_BYTES && sizeof(struct msg_part) <= MSG_INLINE_BYTES,
               "they lie where a small payload would");

static inline struct msg_frame *msg_frame(const struct msg *msg)
{
    assert(msg->kind == MSG_FRAME);
    return (struct msg_frame *)(void *)msg->payload;
}

static inline struct msg_part *msg_part(const struct msg *msg)
{
    assert(msg->kind == MSG_PART);
    return (struct msg_part *)(void *)msg->payload;
}

/* The frame that a message (or NULL) is a part of; NULL when it is none. */
static inline struct msg *msg_frame_of(const struct msg *msg)
{
    return msg != NULL && msg->kind == MSG_PART ? msg_part(msg)->frame : NULL;
}

/*
 * Take a message of kind MSG_FRAME and copy `frame` into its blocks; it is held once, by the caller. NULL
 * when slots or blocks are short.
 */
struct msg *msg_make_frame(struct msg_pool *pool, struct view frame);

/* True when the pool could hold so many bytes and have `left` blocks, were it empty. */
bool msg_fits(const struct msg_pool *pool, size_t bytes, uint32_t left);

/* Whether there are blocks for so many bytes now, and `left` more. */
bool msg_has_blocks(const struct msg_pool *pool, size_t bytes, uint32_t left);

/*
 * Take a message that is a part of `frame`: the head of `head_bytes` that begins at `head`, then the shared
 * bytes. NULL when there is no slot.
 */
struct msg *msg_make_part(struct msg_pool *pool, struct msg *frame, struct msg_place head,
                          uint16_t head_bytes);

/* Copy the `len` bytes from there (NULL: only pass over them); the place is behind them then. */
void msg_read(const struct msg *msg, struct msg_place *place, uint8_t *out, size_t len);

/* Write `bytes` there, over what there is, before anyone else has the message; the place is behind them then.
 */
void msg_write(struct msg *msg, struct msg_place *place, struct view bytes);

/* Copy the payload (payload_bytes) to `out`. */
void msg_copy(const struct msg *msg, uint8_t *out);

/* What DELIVER says of a message that was sent. */
static inline uint8_t msg_deliver_flags(const struct msg *msg)
{
    return (uint8_t)(((msg->send_flags & WIRE_SEND_URGENT) != 0 ? WIRE_DELIVER_URGENT : 0) |
                     (msg->kind == MSG_PART ? WIRE_DELIVER_MULTI : 0));
}

#endif
