/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP segmentation offload: consecutive segments of one connection as one long frame, a train, which the port
 * cuts apart again where they were joined. TCP has decided for each segment as ever; only the port has
 * fewer frames to look at. The bytes that arrive are the same, so nothing above or beyond the port can tell.
 *
 * A train is an engine, whose headers stand for all, and cars, of which the payload alone is kept. The caller
 * owns the frames and links the payloads.
 */
#ifndef WAX_CONN_TRAIN_H
#define WAX_CONN_TRAIN_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"

struct train {
    uint8_t *frame;      /* the engine: first byte of its Ethernet header; NULL: there is no train */
    uint32_t next_seq;   /* of the car that may follow */
    uint32_t payload;    /* of all together, bytes */
    uint16_t cars;       /* the engine counted */
    uint16_t mss;        /* payload of each but the last */
    uint16_t header_len; /* Ethernet, IP and TCP */
    uint16_t first_len; /* of the engine's segment, while the checksum field has it (0: it hasn't any more) */
    uint8_t l2_len, l3_len;
};

/*
 * `frame` becomes the engine of a train if others could follow: data with no flag but ACK (and PSH: then
 * nothing follows). Its checksum field must have the sum of the pseudo-header alone. It must stay where it is
 * until the train is forgotten. l3_len is 20 (IPv4 without options) or 40 (IPv6).
 */
void train_begin(struct train *train, struct span frame, uint8_t l2_len, uint8_t l3_len);

/*
 * Whether `frame` goes on where the train ends: the same headers but for sequence number, lengths and
 * checksums, full segments before it, room in the train (WAX_TRAIN_BYTES, WAX_TRAIN_CARS). If so it is
 * joined: the engine's headers now stand for it as well, and the caller cuts `header_len` bytes off `frame`
 * and links the rest to the train. FIN and PSH of the last car are the train's.
 */
bool train_join(struct train *train, struct view frame, uint8_t l2_len, uint8_t l3_len);

/* No frame follows any more: it has been handed to the port. */
static inline void train_forget(struct train *train)
{
    train->frame = NULL;
}

#endif
