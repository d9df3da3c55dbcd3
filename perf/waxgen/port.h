/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator's port: its end of a memif (no privilege is needed), a virtual device, or a card.
 */
#ifndef WAXGEN_PORT_H
#define WAXGEN_PORT_H

#include "waxgen/gen.h"

struct rte_mbuf;
struct rte_mempool;

#define PORT_BURST  32u
#define PORT_FRAMES 512u
#define PORT_SPARE  32u /* of them, for answers to a burst */

struct port {
    uint16_t device;
    struct rte_mempool *pool;
    uint8_t mac[6];
    uint32_t count; /* frames that wait to be sent */
    struct rte_mbuf *frame[PORT_FRAMES];
    uint64_t dropped;
};

/*
 * Start DPDK and open the way to the relay that the options name, waiting for it for their patience at most.
 * Over memif the hardware address follows from the clients' address. False after saying why.
 */
bool port_open(struct port *port, const struct gen_options *options);
void port_close(struct port *port);

/* Is the other side there? */
bool port_up(const struct port *port);
/* Ask for the relay's end again, after it has gone. */
void port_again(struct port *port);

/* What the generator needs of a port. */
struct gen_port port_of(struct port *port);

/* A burst of frames to the generator; true when there were any. */
bool port_receive(struct port *port, struct gen *gen, uint64_t now_us);

/* Hand waiting frames to the memif, as many as it takes. */
void port_flush(struct port *port);

/* Monotonic microseconds. */
uint64_t port_now_us(void);

#endif
