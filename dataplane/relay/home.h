/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Home: the recipients that a worker owns. Every message for one of them passes through
 * here, so that home alone decides whether it goes to a connection or into the mailbox,
 * keeps order, and holds what is not yet acknowledged. See docs/relay.md for the states.
 *
 * Use, in each turn of the worker's poll loop:
 *   returns: home_return for every item_is_for_home() return, always;
 *   channel: home_control for every record but LOGIN_REPLY;
 *   sends:   home_send for ITEM_SEND, ITEM_ATTACH and ITEM_READ, until it returns false;
 *   last:    home_poll, which emits: nothing is sent, given or offered elsewhere.
 */
#ifndef RELAY_HOME_H
#define RELAY_HOME_H

#include "relay/mesh.h"
#include "relay/route.h"
#include "waxwire/metrics.h"

struct home;

struct home_config {
    uint32_t recipients;      /* known at a time: at least the sessions that may be open, and some */
    uint32_t messages;        /* held or awaited at a time */
    uint32_t stores;          /* offered to the control plane and not confirmed, at a time */
    uint32_t window_messages; /* unacknowledged by one session; 0: WAX_HOME_WINDOW_MESSAGES */
    uint32_t window_bytes;    /* likewise; 0: WAX_HOME_WINDOW_BYTES */
    uint32_t queue_messages;  /* waiting for the store, of one recipient; 0: 4 windows */
    uint32_t account_per_s;   /* messages that an account may send; 0: any number */
    uint32_t account_burst;   /* of them after a rest, from 1 */
    uint64_t hash_key[2];     /* secret */
};

/* How much home holds now. All zero (but recipients) when nothing is under way. */
struct home_counts {
    uint32_t recipients; /* known */
    uint32_t awake;      /* of them, with anything under way */
    uint32_t sessions;
    uint32_t entries;  /* messages and receipts in its custody */
    uint32_t reserved; /* entries promised to drains */
    uint32_t stores;   /* offered and not confirmed */
    uint32_t notices;  /* items that wait for a ring */
};

/* Bytes of memory that home needs. */
size_t home_bytes(const struct home_config *config);

/* Of these, what its recipients take, and the table that finds them by name. */
size_t home_recipients_bytes(const struct home_config *config);
size_t home_table_bytes(const struct home_config *config);

/*
 * Make a home in `memory` (any alignment; stays the caller's). `port`, `route`, `messages`
 * (this worker's) and `metrics` must outlive it. Returns OK, BAD_ARGUMENT or NO_MEMORY.
 */
enum wax_status home_init(struct home **out, struct span memory, const struct home_config *config,
                          const struct relay_port *port, const struct route *route, struct msg_pool *messages,
                          struct wax_metrics *metrics, uint64_t now_us);

/*
 * Take a send (ITEM_SEND, ITEM_ATTACH, ITEM_READ). False: not now; leave it in its ring, it and
 * what is behind it, and try in the next turn.
 */
bool home_send(struct home *home, const struct item *item, uint64_t now_us);

/*
 * Bring near what a burst of items for home (sends and returns, others are passed over) will touch; optional,
 * and worth it when recipients are many. `count` at most WAX_BURST_MAX.
 */
void home_prefetch(struct home *home, const struct item *const items[], uint32_t count);

/* Take a return (ITEM_ACK, END, GIVEN, USED, RECEIPT, RECEIPT_DONE). */
void home_return(struct home *home, const struct item *item, uint64_t now_us);

/*
 * Take a record of the control plane. Returns OK; NOT_FOUND for one that answers nothing (ignored, counted);
 * CHANNEL_CORRUPT for one that is malformed (the channel must be given up).
 */
enum wax_status home_control(struct home *home, const struct channel_record *record, uint64_t now_us);

/*
 * The control plane is attached: a new channel, with the data plane's epoch (1 to 65535).
 * What was not confirmed will be offered again. / It is gone: nothing of the old channel may
 * be handed to home_control any more.
 */
void home_control_up(struct home *home, uint64_t epoch, uint64_t now_us);
void home_control_down(struct home *home);

/*
 * Timers, and emission of what is due, while rings have room. Returns true when something
 * still waits (for a ring, a credit, the channel): call again in the next turn.
 */
bool home_poll(struct home *home, uint64_t now_us);

/* When the next timer is due, µs; UINT64_MAX: none. */
uint64_t home_next_us(const struct home *home);

struct home_counts home_counts(const struct home *home);

#endif
