/* SPDX-License-Identifier: BSD-3-Clause */
/* A mailbox store over a disk in memory, and what it says in order; for the tests of it. */
#ifndef WAXWIRE_TESTS_CONTROL_MAILBOX_HELP_H
#define WAXWIRE_TESTS_CONTROL_MAILBOX_HELP_H

#include "mailbox.h"
#include "storage_sim.h"

#define LOG_LINES 512u

/* What the store said, in order. */
struct said {
    uint16_t kind;
    uint64_t tag;      /* of an answer */
    uint64_t position; /* of an item; upto of an idle */
    uint64_t generation;
    uint8_t item;
    uint8_t reason;
    uint32_t payload_bytes;
    uint8_t first;
};

struct fixture {
    struct storage_sim *disk;
    struct mailboxes *m;
    bool ready;
    bool failed;
    uint32_t said_before; /* it failed */
    bool room;
    uint64_t settled;
    uint32_t damaged, torn;
    uint64_t now_ms;
    struct said said[LOG_LINES];
    uint32_t count, read;
    _Alignas(16) uint8_t record[sizeof(struct channel_drained) + WAX_FRAME_BYTES_MAX];
    bool used;
};

extern struct mailbox_config config;

/* A store over an empty disk; its end. */
struct fixture *begin(void);

/* It is killed and started again. */
void reopen(struct fixture *f);
void end(struct fixture *f);

/* A turn of the loop, a millisecond. */
void turn(struct fixture *f);

/* Until nothing is under way. */
void settle(struct fixture *f);

/* The device of a user. */
struct device_name name_of(uint8_t user);

/* Offer a message; put: one that lives long. */
enum wax_status put_ttl(struct fixture *f, uint8_t user, uint64_t position, uint32_t bytes, uint32_t ttl_s);
enum wax_status put(struct fixture *f, uint8_t user, uint64_t position, uint32_t bytes);

/* Ask for what lies in a mailbox. */
void drain(struct fixture *f, uint8_t user, uint64_t generation, uint64_t after, uint32_t messages);

/* Acknowledge one. */
void retire(struct fixture *f, uint8_t user, uint64_t position);

/* The next thing that the store says. */
const struct said *next(struct fixture *f);

/* What it must say. */
void expect_stored(struct fixture *f, uint64_t tag, uint8_t reason);
void expect_item(struct fixture *f, uint64_t position, uint8_t item);
void expect_idle(struct fixture *f, uint64_t upto);

/* And that it says nothing. */
void expect_silence(struct fixture *f);

#endif
