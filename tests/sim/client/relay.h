/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A relay as the protocol's page describes it, small and in memory, for sim_client: mailboxes that lose
 * nothing, answers that come late and out of order, sessions that end at any byte.
 */
#ifndef SIM_CLIENT_RELAY_H
#define SIM_CLIENT_RELAY_H

#include "base/random.h"
#include "buffer.h"
#include "relay/envelope.h"
#include "ws/frame.h"

#define MODEL_DEVICES     3u
#define MODEL_ITEMS_MAX   20000u
#define MODEL_WINDOW_MAX  64u /* deliveries that may be unacknowledged */
#define MODEL_SENDS_MAX   8u  /* the largest window for SENDs */
#define MODEL_ANSWERS_MAX 4096u

struct model_item {
    uint64_t id;
    uint32_t number; /* the sender's count, out of the payload */
    uint8_t sender;
    bool ephemeral, sent, sent_before, acknowledged;
    uint32_t sequence;
};

struct model_answer {
    uint64_t due_us;
    uint64_t id;
    uint8_t kind, reason, recipient;
};

/* One device: its mailbox, and the session it has. */
struct model_device {
    uint8_t user[WAX_USER_BYTES];
    uint8_t key[WAX_ACCOUNT_KEY_BYTES]; /* its account key */
    struct model_item items[MODEL_ITEMS_MAX];
    uint32_t item_count, first_open; /* all before first_open are acknowledged */

    bool upgraded, open, closing;
    struct ws_decoder decoder;
    uint8_t control[WAX_WS_CONTROL_BYTES_MAX];
    struct buffer head, out, gathered;
    uint32_t sequence, unacknowledged;
    uint64_t outstanding[MODEL_ANSWERS_MAX]; /* ids of SENDs not answered in this session */
    uint32_t outstanding_count, window;
    uint32_t crossed; /* receipts said about what was not outstanding: the same id may be on its way again */
    struct model_answer answers[MODEL_ANSWERS_MAX];
    uint32_t answer_count;
    uint32_t token;
    uint32_t refused; /* recipients (bits) to whom this session's SENDs are refused from now on */
};

struct model_relay {
    struct rng *rng;
    uint64_t now_us;
    bool calm; /* no more refusals */
    struct model_device devices[MODEL_DEVICES];
};

/* Whatever breaks the protocol's promises ends here: prints and aborts. */
void model_fail(const char *what, uint64_t a, uint64_t b) __attribute__((noreturn));

/* The device's transport is a fresh one. */
void model_connect(struct model_relay *relay, uint32_t device);

/* The transport is gone: what was delivered and not acknowledged will be delivered again. */
void model_cut(struct model_relay *relay, uint32_t device);

/* Bytes of the device's client. */
void model_take(struct model_relay *relay, uint32_t device, struct span bytes);

/* Says what is due: answers and deliveries. What it says lies in device->out. */
void model_turn(struct model_relay *relay, uint32_t device);

/* Ends the device's session as a relay does that is being drained: close 1012. */
void model_drain(struct model_relay *relay, uint32_t device);

/* True when nothing is left to deliver or to answer. */
bool model_is_done(const struct model_relay *relay);

#endif
