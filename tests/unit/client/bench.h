/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TEST_CLIENT_BENCH_H
#define TEST_CLIENT_BENCH_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "scripted_relay.h"

#define NOW_MS 1700000000000ull

/* A client, the relay it talks to, and everything it has told us. */
struct bench {
    struct wax_client *client;
    struct wax_client_config config;
    struct scripted_relay relay;
    uint64_t now_us;
    unsigned opened, messages, statuses, replies, errors, closes;
    struct wax_client_opened last_opened;
    struct wax_client_incoming last_message;
    uint8_t payload[256];
    struct wax_client_answer last_status;
    struct wax_client_reply last_reply;
    struct wax_client_error last_error;
    struct wax_client_closed last_closed;
    uint64_t ids[256]; /* of messages, in order */
    bool close_on_message;
};

extern struct bench bench;
extern struct wax_client_message to_bob; /* what send_one sends */

/* Everything that the client has for the relay. */
void client_to_relay(void);

/* Everything that either has for the other, in steps of relay.step. Returns the last status of the client's
 * input. */
enum wax_status exchange(void);

/* What every suite begins and ends with: a client that has no session yet. */
void bench_begin(void);

void bench_end(void);

/* A new transport, up to WELCOME with a window of `window`. */
void open_session(uint32_t window);

/* Sends to_bob; returns its id. */
uint64_t send_one(void);

/* The next frame that the client sent, which must be a SEND. */
struct frame_send next_send(void);

/* The same for an ACK: its sequence. */
uint32_t next_ack(void);

#endif
