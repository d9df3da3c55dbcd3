/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages in memory. One is made by the worker whose connection received it (or, for what
 * comes back from a mailbox, by the recipient's home), out of that worker's own pool; other
 * workers of the process read it through its pointer while it is in their custody; only its
 * owner takes it back. A small payload lies inline, a larger one in a chain of blocks.
 *
 * Custody: the maker may write until it hands the pointer over (through a ring, which
 * orders memory); then home alone may write, and only the fields marked so.
 */
#ifndef RELAY_MSG_H
#define RELAY_MSG_H

#include "base/pool.h"
#include "relay/name.h"

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
    uint64_t taken_ms; /* since 1970 */
    uint64_t polled;   /* the stamp of its packet (session_env.polled), 0: none */
    uint32_t ttl_s;    /* never 0 */
    uint32_t payload_bytes;
    uint32_t conn; /* the sender's connection */
    uint32_t conn_generation;
    struct name from;
    struct name to;
    uint8_t owner;      /* worker whose pool this is from, and of the sender's connection */
    uint8_t send_flags; /* WIRE_SEND_... */
    uint8_t reason;     /* home's: why it is refused (enum wire_reason) */
    uint8_t reserved;
    uint8_t payload[];
};

#define MSG_INLINE_BYTES (MSG_SLOT_BYTES - (uint32_t)sizeof(struct msg))
/* The most pieces that a payload has, for an array of views. */
#define MSG_PIECES_MAX ((WAX_FRAME_BYTES_MAX + MSG_BLOCK_DATA_BYTES - 1u) / MSG_BLOCK_DATA_BYTES)

_Static_assert(sizeof(struct msg) == 96, "the head of a message is small");
_Static_assert(sizeof(struct msg_block) == WAX_BLOCK_BYTES, "a piece fills a block");

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

/* Give a message of this pool back with its blocks. */
void msg_free(struct msg_pool *pool, struct msg *msg);

/*
 * The payload as views, in order. Returns how many of `pieces` (room for MSG_PIECES_MAX)
 * were filled; 0 for an empty payload.
 */
uint32_t msg_pieces(const struct msg *msg, struct view *pieces);

/* Copy the payload (payload_bytes) to `out`. */
void msg_copy(const struct msg *msg, uint8_t *out);

#endif
