/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A port of the configuration on DPDK devices: one device with some queues, or, for AF_XDP, one device for
 * each queue of the interface. A queue is polled by one worker and transmitted on by one worker. Where there
 * are fewer queues than workers, packets and frames are handed over (steer.h); where there are more, a worker
 * polls several.
 */
#ifndef WORKER_PORT_H
#define WORKER_PORT_H

#include "net/net.h"
#include "waxwire/journal.h"

#define PORT_RSS_KEY_BYTES 64u /* as long as any card's */

struct rte_mempool;

struct port_queue {
    uint16_t device; /* of DPDK */
    uint16_t queue;
    struct rte_mempool *pool; /* received packets, and frames to be sent on this queue */
};

struct port {
    const struct config_port *config;
    uint16_t index;
    uint16_t queue_count;
    uint16_t device_count;
    uint16_t device[WAX_WORKERS_MAX];
    struct port_queue queue[WAX_WORKERS_MAX];
    uint8_t mac[6];
    uint8_t rss_key[PORT_RSS_KEY_BYTES];
    uint16_t mtu;
    bool tagged;       /* the port takes VLAN tags out of frames and puts them in */
    bool checksums;    /* the port finishes TCP checksums */
    bool cuts4, cuts6; /* it cuts trains of segments apart (conn/train.h), of IPv4, of IPv6 */
    bool steer;        /* queues don't match workers: received packets are handed over */
};

/* Why a port could not be opened. */
struct port_error {
    char text[320];
};

/*
 * Open, configure and start the port `config` for `workers`, whose memory lies on the nodes node[worker].
 * True; false with `error`.
 */
bool port_open(struct port *port, uint16_t index, const struct config_port *config, uint32_t workers,
               const int *node, struct port_error *error);

/* What a worker's stack must know of it; the random key is the caller's to fill. */
void port_net_config(const struct port *port, struct net_config *net);

/* Stop and close its devices. */
void port_close(struct port *port);

/* Is the link up (of all its devices)? */
bool port_link(const struct port *port);

/* The kind's name in the configuration. */
const char *port_kind_text(enum config_port_kind kind);

#endif
