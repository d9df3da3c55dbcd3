/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waxwire's network and TCP layers as a host on one interface: what a worker does with a port of DPDK, done
 * with a packet socket. Memory is of fixed size and taken at the start.
 */
#ifndef TESTS_KERNEL_HOST_H
#define TESTS_KERNEL_HOST_H

#include "net/net.h"
#include "port.h"
#include "tcp/tcp.h"

struct host {
    struct port port;
    struct net net;
    struct tcp_engine *tcp;
    struct pool blocks;
    uint64_t now_us;
    uint64_t counters[WAX_STATUS_COUNT];
    /* What the user does with an event of connection `id`; `data` are bytes in order, to be used at once. */
    void (*user)(void *ctx, uint32_t id, uint32_t events, struct view data);
    void *ctx;
};

struct host_config {
    const char *interface;
    struct addr local;
    uint32_t conns;
    uint32_t receive_bytes, send_bytes; /* of each connection */
    uint64_t key;
    bool cookies; /* every SYN is answered by one */
    bool ecn;
};

/* Makes the host; ends the program when something fails. Its interface must have no addresses of its own. */
void host_open(struct host *host, const struct host_config *config);

/* Asks for the station of `peer` until it is known, so that no SYN is lost for want of it. */
void host_resolve(struct host *host, const struct addr *peer);

/* One turn: frames in, timers, events, segments out. False when there was nothing to do. */
bool host_turn(struct host *host);

/* Waits until there may be something to do, at most until `until_us`. */
void host_wait(struct host *host, uint64_t until_us);

/* The stack's statistics and counters that are not 0, an object of JSON, into `text`. */
void host_report(const struct host *host, char *text, size_t room);

#endif
