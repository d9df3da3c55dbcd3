/* SPDX-License-Identifier: BSD-3-Clause */
/* The inside of a client, shared by core.c (streams, timers) and frames.c (the protocol). */
#ifndef WAXWIRE_CLIENT_CORE_H
#define WAXWIRE_CLIENT_CORE_H

#include "buffer.h"
#include "http/upgrade.h"
#include "outbox.h"
#include "seen.h"
#include "waxwire/client.h"
#include "ws/frame.h"

#define CORE_HOST_BYTES_MAX     512u
#define CORE_UPGRADE_BYTES_MAX  1024u /* room for the request */
#define CORE_KEPT_BYTES_DEFAULT (64u << 20)
#define CORE_OPEN_TIMEOUT_MS    15000u
#define CORE_CLOSE_TIMEOUT_MS   3000u
#define CORE_ACK_DELAY_MS_MAX   900u
#define CORE_ACK_EVERY          16u
#define CORE_OUTPUT_BYTES       (256u << 10) /* SENDs are written while less than this waits for the transport */
#define CORE_HEARTBEAT_GRACE_MS 5000u

enum core_state {
    CORE_IDLE,      /* no transport */
    CORE_UPGRADING, /* waiting for 101 */
    CORE_HELLO,     /* waiting for CHALLENGE, or WELCOME after a resume token */
    CORE_PROOF,     /* waiting for WELCOME */
    CORE_OPEN,
    CORE_CLOSING, /* our close frame is out */
    CORE_CLOSED,
};

struct wax_client {
    struct wax_client_config config;
    char host[CORE_HOST_BYTES_MAX + 1];
    enum core_state state;
    struct wax_client_closed closed; /* how the last transport ended */
    struct ws_decoder decoder;
    uint8_t control[WAX_WS_CONTROL_BYTES_MAX]; /* lent to the decoder */
    struct buffer in;                          /* the upgrade's reply while it is not whole */
    struct buffer out;
    struct buffer gathered; /* a message that came in pieces */
    struct outbox outbox;
    struct seen seen;
    uint64_t random_count;
    uint64_t last_id;
    uint64_t heard_us;
    uint64_t deadline_us; /* to be open, or closed */
    uint64_t ack_us;      /* when an ACK is due; UINT64_MAX: none */
    uint64_t now_us;      /* of the call under way */
    uint32_t requests;    /* number of the last one */
    uint32_t last_sequence;
    uint32_t unacknowledged;
    uint32_t window;
    uint32_t payload_max;
    uint32_t heartbeat_ms;
    uint16_t token_bytes;
    bool pinged;
    bool has_binding;
    uint8_t error; /* code of the fatal ERROR that came */
    uint8_t binding[WAX_BINDING_BYTES];
    uint8_t nonce[WAX_CLIENT_NONCE_BYTES];
    char upgrade_key[HTTP_WS_KEY_BYTES];
    uint8_t token[WAX_TOKEN_BYTES_MAX];
};

/*
 * Random bytes out of the seed: never the same twice in a client's life.
 */
void core_random(struct wax_client *client, void *out, size_t len);

/* Hands an event to the client's handler. */
void core_raise(struct wax_client *client, const struct wax_client_event *event);

/*
 * Ends the session from our side: a close frame with `close_code` where one may still be sent, then
 * WAX_CLIENT_CLOSED with `status`, which it returns.
 */
enum wax_status core_end(struct wax_client *client, enum wax_status status, uint16_t close_code);

/*
 * Room in the output for a binary message of `len` bytes: write them there, then core_message_commit. NULL:
 * no memory.
 */
uint8_t *core_message_reserve(struct wax_client *client, size_t len);
void core_message_commit(struct wax_client *client, size_t len);

/* frames.c */

/*
 * Takes one frame of the relay. Returns WAX_OK, or why the session must end (core_end is the caller's).
 */
enum wax_status frames_take(struct wax_client *client, struct view frame);

/*
 * Queue a frame of the client. WAX_OK, or why it could not be.
 */
enum wax_status frames_hello(struct wax_client *client);
enum wax_status frames_ack(struct wax_client *client);
enum wax_status frames_send(struct wax_client *client, const struct wax_client_message *m, uint64_t id);

/*
 * Writes kept messages while window and output allow.
 */
enum wax_status frames_pump(struct wax_client *client);

/*
 * requests.c: a frame that answers a request, or KEYS_LOW.
 */
enum wax_status requests_take(struct wax_client *client, struct view frame);

/*
 * The status that stands for a fatal ERROR's code.
 */
enum wax_status frames_error_status(uint8_t code);

/*
 * How the last transport ended; sound once wax_client_is_closed.
 */
static inline const struct wax_client_closed *core_closed(const struct wax_client *client)
{
    return &client->closed;
}

#endif
