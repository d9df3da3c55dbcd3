/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An AF_PACKET socket on one network interface: frames in and out in bursts, without waiting. What is sent
 * passes no queueing discipline, and what the interface sends itself is not received.
 */
#ifndef TESTS_KERNEL_PORT_H
#define TESTS_KERNEL_PORT_H

#include "waxwire/bytes.h"

#define PORT_BURST       64u
#define PORT_FRAME_BYTES 2048u

struct port {
    int fd;
    uint32_t waiting; /* frames to be sent by port_flush */
    uint64_t refused; /* frames that the kernel did not take */
    size_t lengths[PORT_BURST], lengths_out[PORT_BURST];
    uint8_t frames[PORT_BURST][PORT_FRAME_BYTES]; /* received */
    uint8_t out[PORT_BURST][PORT_FRAME_BYTES];
};

/* Opens the interface `name`; ends the program when that fails. */
void port_open(struct port *port, const char *name);

/* The interface's own address. */
void port_mac(const struct port *port, const char *name, uint8_t mac[6]);

/* Receives up to PORT_BURST frames into `frames` and `lengths`; returns how many. */
uint32_t port_receive(struct port *port);

/* Queues a frame; flushes when the burst is full. Frames too long are refused. */
void port_send(struct port *port, struct view frame);

/* Sends what is queued. */
void port_flush(struct port *port);

/* Microseconds of the kernel's monotonic clock. */
uint64_t clock_us(void);

/* Waits until one of `count` ports can be read, or `until_us`, or a signal. */
void ports_wait(struct port *const *ports, uint32_t count, uint64_t until_us);

#endif
