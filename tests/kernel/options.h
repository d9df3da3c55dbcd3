/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line and the report that both peers have in common:
 *
 *     PEER --server|--client --local ADDRESS --peer ADDRESS [--interface NAME] [--connections N] [--port N]
 *          [--send BYTES] [--receive BYTES] [--seed N] [--window BYTES] [--seconds N]
 *          [--congestion NAME]
 */
#ifndef TESTS_KERNEL_OPTIONS_H
#define TESTS_KERNEL_OPTIONS_H

#include "net/addr.h"
#include "transfer.h"

struct options {
    bool client;
    const char *interface;
    struct addr local, peer;
    uint16_t port;
    uint32_t connections;
    uint64_t send_bytes, receive_bytes; /* of each connection, as the client sees it */
    uint64_t seed;
    uint32_t window_bytes;  /* receive window of each connection */
    uint32_t buffer_bytes;  /* send queue of each */
    uint32_t seconds;       /* ends without success after so long */
    const char *congestion; /* of the kernel */
    bool cookies;           /* of waxwire: every SYN is answered by a cookie */
    bool ecn;
};

/* Reads the command line; ends the program when it is wrong. */
void options_read(struct options *o, int argc, char **argv);

/* Fills `t` with the client's transfers, or with as many that wait for their heads. */
void options_transfers(const struct options *o, struct transfer *t);

/*
 * Prints the report, one object of JSON, and returns the exit code: 0 when all went well. `more` is printed
 * as a further member "stack" when it is not NULL: an object of JSON.
 */
int report(const struct options *o, struct transfer *t, uint64_t us, const char *more);

#endif
