/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet as the stack sees it: bytes that somebody else owns. The worker maps these to
 * mbufs, tests and simulations to plain memory.
 */
#ifndef WAX_CONN_PACKET_H
#define WAX_CONN_PACKET_H

#include <stdbool.h>
#include <stdint.h>

struct packet {
    uint8_t *data; /* first byte of the Ethernet frame */
    uint32_t len;  /* bytes of the frame; when allocated for output: the room from `data` on */
    uint32_t room; /* of a frame that came: bytes from `data` on that a reply may take; 0: no more than len */
    uint16_t port; /* index of the port it came from or goes to */
    bool transmit; /* after stack_receive: the frame was turned into a reply, send it back */
    bool expendable; /* of output: an answer to somebody unknown, not worth a place behind a port that is slow
                      */
    bool held;       /* after stack_receive_known: its memory is needed until stack_strangers */
    bool checksums_good; /* the port has verified the TCP/UDP checksum */
    bool checksum; /* sent: the port is to finish the TCP checksum, whose headers before it are so long: */
    uint8_t l2_len, l3_len;
    void *owner; /* the worker's own (mbuf) */
};

#endif
