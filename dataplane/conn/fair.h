/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may shake hands. At most so many handshakes are under way, at most so many of one address (IPv6: of one
 * /64); the others wait, in a queue for each address, and the addresses take turns. So who opens thousands of
 * connections waits for himself, and beyond a bound is refused. All steps take the same time however many
 * wait.
 */
#ifndef WAX_CONN_FAIR_H
#define WAX_CONN_FAIR_H

#include "base/flow.h"
#include "waxwire/bytes.h"
#include "waxwire/status.h"

#define FAIR_NONE UINT32_MAX
/* One address may hold this part of all places for those that wait. */
#define FAIR_WAITING_PART 2u

struct fair_config {
    uint32_t under_way_max;
    uint32_t per_address_max; /* under way */
    uint32_t waiting_max;
    uint64_t key[2]; /* of the table's hash */
};

/* An address with a handshake under way, or someone waiting. */
struct fair_address {
    uint8_t address[16];
    uint32_t under_way, waiting;
    uint32_t first, last; /* of those that wait */
    uint32_t next;        /* in the ring of turns, or in the list of free ones */
    bool turn;            /* in the ring: somebody waits and may begin */
};

/* Somebody who waits. */
struct fair_waiter {
    uint32_t conn;
    uint32_t address;
    uint32_t before, next; /* in the queue of the address; `next` also in the list of free ones */
};

struct fair {
    struct fair_config config;
    struct flow_table table;
    struct fair_address *addresses;
    struct fair_waiter *waiters;
    uint32_t addresses_free, waiters_free; /* lists */
    uint32_t turn_first, turn_last;        /* the ring of turns */
    uint32_t under_way, waiting;
};

/* What counts as one address: an IPv6 host has a whole /64 to itself. */
void fair_key(const uint8_t *address, uint8_t key[16]);

/* Bytes of memory that fair_init needs. */
size_t fair_bytes(const struct fair_config *config);

/*
 * Begins with nobody, in `memory` (aligned to 8 bytes; stays the caller's). WAX_OK, WAX_BAD_ARGUMENT for a
 * limit of 0, WAX_NO_MEMORY.
 */
enum wax_status fair_init(struct fair *fair, struct span memory, const struct fair_config *config);

/*
 * Begins a handshake of `address` (16 bytes), unless someone must be waited for. fair_end ends it.
 */
bool fair_begin(struct fair *fair, const uint8_t *address);

/* A handshake of `address` that had begun is over. */
void fair_end(struct fair *fair, const uint8_t *address);

/*
 * Lets `conn` wait: *place is its place, for fair_leave. WAX_OK, or WAX_FULL when too many wait, at all or of
 * this address.
 */
enum wax_status fair_wait(struct fair *fair, const uint8_t *address, uint32_t conn, uint32_t *place);

/* Who waits at `place` does not any more. */
void fair_leave(struct fair *fair, uint32_t place);

/*
 * The next whose turn it is, who has left the queue and begun with this; FAIR_NONE when nobody may.
 */
uint32_t fair_next(struct fair *fair);

#endif
