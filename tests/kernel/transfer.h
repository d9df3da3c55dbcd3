/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What both ends of a test connection say to each other, whatever carries it. The client begins with a head
 * that names a seed and how much each side sends; then both send a pattern that follows from the seed,
 * check each byte of the other's, and hash both. The server closes when it has everything, so a client that
 * has seen the end knows that its bytes arrived.
 */
#ifndef TESTS_KERNEL_TRANSFER_H
#define TESTS_KERNEL_TRANSFER_H

#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>

#include "waxwire/bytes.h"

#define TRANSFER_HEAD_BYTES 32u
#define TRANSFER_HASH_BYTES 16u
#define TRANSFERS_MAX       256u

struct transfer {
    bool client, known; /* known: the server has read the head */
    bool ended;         /* the peer's half is closed */
    bool over;
    const char *error; /* NULL while all is well */
    uint64_t seed;
    uint64_t out_total, out, in_total, in; /* bytes, without the head */
    uint32_t head;                         /* bytes of the head that were written or read */
    uint8_t head_bytes[TRANSFER_HEAD_BYTES];
    crypto_generichash_state out_hash, in_hash;
};

/* A transfer from the client's side, and from the server's. */
void transfer_client(struct transfer *t, uint64_t seed, uint64_t send_bytes, uint64_t receive_bytes);
void transfer_server(struct transfer *t);

/* Writes what is to be sent next to `room`; returns how much, 0 when there is nothing more (now). It counts
 * as sent. */
size_t transfer_produce(struct transfer *t, struct span room);

/* Takes bytes of the peer's; false when they are wrong: `error` says how. */
bool transfer_consume(struct transfer *t, struct view bytes);

/* True when this side has nothing more to send and may close its half. */
bool transfer_may_close(const struct transfer *t);

/* The connection has ended, for the reason `error` unless everything was there. */
void transfer_end(struct transfer *t, const char *error);

/* Prints an object of JSON; finishes the hashes. */
void transfer_print(struct transfer *t, FILE *to);

/* True when every one of `count` has ended, and whether all went well. */
bool transfers_over(const struct transfer *t, uint32_t count);
bool transfers_good(const struct transfer *t, uint32_t count);

#endif
