/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The records of media in the channel (channel.h). A transfer begins with PUT, GET or DELETE and has a tag of
 * its worker's: its place, below WAX_MEDIA_TRANSFERS_MAX, in the low half, and a number that is another each
 * time above it. It ends with DONE, with CLOSE, or with the channel. What comes for a transfer that has ended
 * is ignored.
 *
 *   upload    PUT, OPENED (with credit), PIECE … against CREDIT, END, DONE: the blob is on stable storage
 *   download  GET, OPENED, READ, PIECE … against CREDIT, DONE: that was all
 *   deletion  DELETE, DONE
 *
 * A refusal is an OPENED or DONE whose status is not OK; the transfer has ended with it. CLOSE of an upload
 * leaves nothing of it.
 */
#ifndef WAXWIRE_CHANNEL_MEDIA_H
#define WAXWIRE_CHANNEL_MEDIA_H

#include "waxwire/channel.h"

enum channel_media_kind {
    /* worker to control */
    CHANNEL_MEDIA_PUT = 32,
    CHANNEL_MEDIA_GET = 33,
    CHANNEL_MEDIA_DELETE = 34,
    CHANNEL_MEDIA_READ = 35,
    CHANNEL_MEDIA_END = 36,
    CHANNEL_MEDIA_CLOSE = 37,
    /* both ways */
    CHANNEL_MEDIA_PIECE = 38,
    CHANNEL_MEDIA_CREDIT = 39,
    /* control to worker */
    CHANNEL_MEDIA_OPENED = 96,
    CHANNEL_MEDIA_DONE = 97,
};

#define CHANNEL_MEDIA_UNKNOWN UINT64_MAX /* bytes: nobody knows how many there will be */

/* Whether a record is one of these. */
static inline bool channel_is_media(uint16_t kind)
{
    return (kind >= CHANNEL_MEDIA_PUT && kind <= CHANNEL_MEDIA_CREDIT) ||
           (kind >= CHANNEL_MEDIA_OPENED && kind <= CHANNEL_MEDIA_DONE);
}

struct channel_media_put {
    struct channel_record record;
    uint64_t tag;
    struct device_name name; /* whose it is */
    uint8_t id[WAX_MEDIA_ID_BYTES];
    uint64_t bytes; /* announced, or CHANNEL_MEDIA_UNKNOWN */
    uint32_t ttl_s; /* 0: the default */
    uint32_t reserved;
};

struct channel_media_get {
    struct channel_record record;
    uint64_t tag;
    uint8_t id[WAX_MEDIA_ID_BYTES];
    uint8_t head; /* only what OPENED says is wanted: the transfer ends with it */
    uint8_t reserved[7];
};

struct channel_media_delete {
    struct channel_record record;
    uint64_t tag;
    struct device_name name; /* who asks */
    uint8_t id[WAX_MEDIA_ID_BYTES];
};

/* Send the blob from `offset` on, so many bytes (CHANNEL_MEDIA_UNKNOWN: to its end); credit comes apart. */
struct channel_media_read {
    struct channel_record record;
    uint64_t tag;
    uint64_t offset;
    uint64_t bytes;
};

/* So many bytes more may be sent. */
struct channel_media_credit {
    struct channel_record record;
    uint64_t tag;
    uint32_t bytes;
    uint32_t reserved;
};

/* END: the body was whole. CLOSE: the transfer is given up. */
struct channel_media_mark {
    struct channel_record record;
    uint64_t tag;
};

struct channel_media_piece {
    struct channel_record record;
    uint64_t tag;
    uint8_t bytes[]; /* 1 to WAX_MEDIA_PIECE_BYTES */
};

/* OPENED and DONE. */
struct channel_media_answer {
    struct channel_record record;
    uint64_t tag;
    uint64_t bytes;     /* of the blob; OPENED of a running upload: announced, or CHANNEL_MEDIA_UNKNOWN */
    uint64_t expires_s; /* since 1970 */
    uint32_t status;    /* enum wax_status */
    uint32_t credit;    /* OPENED of an upload: bytes that may be sent at once */
};

/*
 * How many more bytes the producer may put in so that at most `most` are unread, padding counted; 0: none.
 */
static inline uint64_t channel_ring_room(struct channel_ring *ring, uint64_t most)
{
    ring->cached_head = atomic_load_explicit(&ring->head, memory_order_acquire);
    uint64_t used = ring->producer_tail - ring->cached_head;
    return used < most ? most - used : 0;
}

#endif
