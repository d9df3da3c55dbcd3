/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A relay in memory that says what a test tells it to say and keeps what the client said. It holds no state
 * of the protocol beyond the WebSocket.
 */
#ifndef TEST_SCRIPTED_RELAY_H
#define TEST_SCRIPTED_RELAY_H

#include "buffer.h"
#include "relay/envelope.h"
#include "waxwire/client.h"
#include "ws/frame.h"

#define RELAY_FRAMES_MAX 4096u

struct relay_frame {
    uint8_t opcode; /* WS_BINARY, WS_PING, WS_PONG, WS_CLOSE */
    uint16_t close_code;
    uint8_t *data;
    size_t len;
};

struct scripted_relay {
    bool upgraded;
    struct ws_decoder decoder;
    uint8_t control[WAX_WS_CONTROL_BYTES_MAX];
    struct buffer in;  /* HTTP, until the upgrade */
    struct buffer out; /* for the client */
    struct relay_frame frames[RELAY_FRAMES_MAX];
    uint32_t count; /* received since the upgrade */
    uint32_t read;  /* taken by relay_next */
    uint8_t nonce[WAX_NONCE_BYTES];
    uint8_t id[WAX_RELAY_ID_BYTES];
    size_t step; /* the client is fed this many bytes at a time; 0: all at once */
};

void relay_reset(struct scripted_relay *relay);

/* Takes bytes of the client: answers the upgrade, files frames. */
void relay_take(struct scripted_relay *relay, struct view bytes);

/* The next frame that the client sent, NULL when there is none. */
const struct relay_frame *relay_next(struct scripted_relay *relay);

void relay_say_raw(struct scripted_relay *relay, uint8_t first_byte, struct view payload);
void relay_say(struct scripted_relay *relay, struct view frame);
void relay_say_challenge(struct scripted_relay *relay);
void relay_say_welcome(struct scripted_relay *relay, const struct wax_identity *who, uint16_t device,
                       uint8_t flags, uint32_t window, struct view token);
void relay_say_deliver(struct scripted_relay *relay, uint32_t seq, uint64_t id, uint8_t flags, uint8_t sender,
                       struct view payload);
void relay_say_status(struct scripted_relay *relay, uint8_t kind, uint8_t reason, uint64_t id,
                      const struct wax_client_message *message);
void relay_say_error(struct scripted_relay *relay, uint8_t code);
void relay_say_close(struct scripted_relay *relay, uint16_t code);

/* True when the frame is a PROOF by `who` over this relay's challenge. */
bool relay_proof_is_good(const struct scripted_relay *relay, const struct relay_frame *hello,
                         const struct relay_frame *proof, const uint8_t *binding);

#endif
