/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The codec of the relay protocol's frames (docs/protocol.md), both directions: relay and
 * clients use it. One frame is the whole payload of one WebSocket binary message.
 *
 * Parsers check exact lengths and limits and return FRAME_MALFORMED for a layout that is
 * broken; the views and pointers they fill point into the frame. They do not judge values
 * (id 0, recipient device 0): that is the session's. Writers return the bytes written, or 0
 * when `out` has too little room.
 */
#ifndef RELAY_ENVELOPE_H
#define RELAY_ENVELOPE_H

#include "relay/name.h"
#include "waxwire/status.h"
#include "waxwire/wire.h"

/* The type of a frame (enum wire_type or unknown), or -1 of an empty one. */
static inline int frame_type(struct view frame)
{
    return frame.len == 0 ? -1 : frame.data[0];
}

/* ---- client to relay ---- */

struct frame_hello {
    uint16_t device;
    uint32_t flags;              /* WIRE_HELLO_... */
    const uint8_t *account_key;  /* WAX_ACCOUNT_KEY_BYTES */
    const uint8_t *client_nonce; /* WAX_CLIENT_NONCE_BYTES */
    struct view token;           /* resume token, at most WAX_TOKEN_BYTES_MAX */
    struct view invite;          /* at most WAX_INVITE_BYTES_MAX */
};

struct frame_proof {
    uint8_t flags;            /* WIRE_PROOF_... */
    const uint8_t *signature; /* WAX_SIGNATURE_BYTES */
};

struct frame_send {
    uint8_t flags;  /* WIRE_SEND_... */
    struct name to; /* recipient */
    uint32_t ttl_s; /* 0: the relay's default */
    uint64_t id;    /* message id */
    struct view payload;
};

struct frame_multi {
    uint8_t flags;       /* WIRE_SEND_... */
    uint16_t count;      /* 1 to WAX_MULTI_RECIPIENTS_MAX */
    uint32_t ttl_s;      /* 0: the relay's default */
    uint64_t id;         /* message id, for all recipients */
    struct view entries; /* frame_multi_entry() reads them, each followed by its head */
    struct view shared;
};

/* A recipient of a SEND_MULTI; head_bytes of its own follow. */
struct frame_multi_entry {
    struct name to;
    uint16_t head_bytes;
};

struct frame_read {
    uint16_t count;
    const uint8_t *entries; /* count × WIRE_READ_ENTRY_BYTES: frame_read_entry() reads them */
};

/* What has been read: a message by its sender's device and id. */
struct frame_read_entry {
    struct name sender;
    uint64_t id;
};

/*
 * HELLO. SESSION_VERSION when the version byte is another (whatever follows), else
 * FRAME_MALFORMED for wrong lengths, a token or invite above the limit, or device 0.
 */
enum wax_status frame_parse_hello(struct view frame, struct frame_hello *out);
enum wax_status frame_parse_proof(struct view frame, struct frame_proof *out);
enum wax_status frame_parse_send(struct view frame, struct frame_send *out);
/* ACK: `*seq` is the delivery sequence up to which everything has been received. */
enum wax_status frame_parse_ack(struct view frame, uint32_t *seq);
/* SEND_MULTI; its entries are walked, and add up. */
enum wax_status frame_parse_multi(struct view frame, struct frame_multi *out);

/* A recipient of SEND_MULTI, from its WIRE_MULTI_ENTRY_BYTES. */
struct frame_multi_entry frame_multi_entry(const uint8_t *entry);

/* READ; one of no entries is sound. */
enum wax_status frame_parse_read(struct view frame, struct frame_read *out);

/* An entry of READ, from its WIRE_READ_ENTRY_BYTES. */
struct frame_read_entry frame_read_entry(const uint8_t *entry);

/* HELLO, and the frames that follow: whole. */
size_t frame_write_hello(struct span out, const struct frame_hello *hello);
/* PROOF; its signature is over frame_write_proof_signed(). */
size_t frame_write_proof(struct span out, const struct frame_proof *proof);
/* The fixed part of SEND (WIRE_SEND_BYTES); the payload follows it. */
size_t frame_write_send_head(struct span out, const struct frame_send *send);
/* SEND with its payload. */
size_t frame_write_send(struct span out, const struct frame_send *send);
size_t frame_write_ack(struct span out, uint32_t seq);

/*
 * SEND_MULTI, recipient by recipient: open a frame in `out` (flags, ttl_s and id of `multi` count), append
 * recipients with their heads (at most 65535 bytes), then the shared bytes. All return the length of the
 * whole frame so far (`len`: what the one before returned), or 0 when there is no room, or too many
 * recipients.
 */
size_t frame_open_multi(struct span out, const struct frame_multi *multi);
size_t frame_append_multi(struct span out, size_t len, const struct name *to, struct view head);
size_t frame_close_multi(struct span out, size_t len, struct view shared);

/*
 * READ, entry by entry: open an empty frame in `out`, then append. Both return the length of the whole frame
 * so far, or 0 when there is no room (the frame stays as it was).
 */
size_t frame_open_read(struct span out);
size_t frame_append_read(struct span out, const struct frame_read_entry *entry);

/* ---- relay to client ---- */

struct frame_challenge {
    const uint8_t *relay_nonce; /* WAX_NONCE_BYTES */
    const uint8_t *relay_id;    /* WAX_RELAY_ID_BYTES */
    uint64_t time_ms;           /* since 1970 */
};

struct frame_welcome {
    uint8_t flags; /* WIRE_WELCOME_... */
    uint16_t device;
    uint32_t payload_bytes_max;
    uint64_t time_ms;
    const uint8_t *user; /* WAX_USER_BYTES */
    uint32_t window;     /* SENDs that may be unanswered */
    uint32_t waiting;    /* stored messages, WIRE_WAITING_UNKNOWN */
    uint16_t heartbeat_s;
    struct view token;       /* at most WAX_TOKEN_BYTES_MAX */
    struct view media_token; /* likewise */
};

struct frame_deliver {
    uint8_t flags; /* WIRE_DELIVER_... */
    struct name from;
    uint32_t seq; /* 0: silent, not to be acknowledged */
    uint64_t id;
    uint64_t taken_ms;
    uint32_t head_bytes; /* how much of the payload is the head of a SEND_MULTI */
    struct view payload;
};

struct frame_status_entry {
    uint8_t kind;      /* enum wire_status_kind */
    uint8_t reason;    /* enum wire_reason */
    struct name about; /* the recipient */
    uint64_t id;
};

struct frame_status {
    uint16_t count;
    const uint8_t *entries; /* count × WIRE_STATUS_ENTRY_BYTES: frame_status_entry() reads them */
};

struct frame_error {
    uint8_t code; /* enum wire_error */
    uint32_t request;
    struct view text; /* UTF-8, not checked */
};

/*
 * Take a frame of the relay apart (clients and generators). WAX_OK, or what is wrong with it.
 */
enum wax_status frame_parse_challenge(struct view frame, struct frame_challenge *out);
enum wax_status frame_parse_welcome(struct view frame, struct frame_welcome *out);
enum wax_status frame_parse_deliver(struct view frame, struct frame_deliver *out);
enum wax_status frame_parse_status(struct view frame, struct frame_status *out);
enum wax_status frame_parse_error(struct view frame, struct frame_error *out);

/* The entry `index` (0 to count-1) of a parsed STATUS. */
struct frame_status_entry frame_status_entry(const struct frame_status *status, uint32_t index);

/* CHALLENGE, whole. */
size_t frame_write_challenge(struct span out, const struct frame_challenge *challenge);
/* WELCOME, whole. */
size_t frame_write_welcome(struct span out, const struct frame_welcome *welcome);
/* The fixed part of DELIVER (WIRE_DELIVER_BYTES); the payload follows it. */
size_t frame_write_deliver_head(struct span out, const struct frame_deliver *deliver);
size_t frame_write_error(struct span out, const struct frame_error *error);

/*
 * STATUS, entry by entry: open an empty frame in `out`, then append. Both return the length
 * of the whole frame so far, or 0 when there is no room (the frame stays as it was), or
 * when it has WAX_STATUS_ENTRIES_MAX entries.
 */
size_t frame_open_status(struct span out);
size_t frame_append_status(struct span out, const struct frame_status_entry *entry);

/* ---- opening a session ---- */

/*
 * Write what a PROOF's signature is over: context, relay id, relay nonce, client nonce,
 * device, channel binding (all zero when unused: pass NULL).
 */
void frame_write_proof_signed(uint8_t out[WIRE_PROOF_SIGNED_BYTES], const uint8_t *relay_id,
                              const uint8_t *relay_nonce, const uint8_t *client_nonce, uint16_t device,
                              const uint8_t *binding);

/* True when sequence `a` comes after `b`, as serial numbers modulo 2^32. */
static inline bool sequence_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

/* The delivery sequence that follows `seq`: 0 is skipped. */
static inline uint32_t sequence_next(uint32_t seq)
{
    return seq + 1u == 0 ? 1u : seq + 1u;
}

#endif
