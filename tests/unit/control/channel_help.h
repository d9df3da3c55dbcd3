/* SPDX-License-Identifier: BSD-3-Clause */
/* A control plane in a process of its own, and a data plane made by hand, for the tests of what they say. */
#ifndef WAXWIRE_TESTS_CONTROL_CHANNEL_HELP_H
#define WAXWIRE_TESTS_CONTROL_CHANNEL_HELP_H

#include <sys/types.h>

#include "waxwire/channel.h"

#define WORKERS 2u

struct plane {
    int socket;
    int event;
    struct channel_memory *memory;
    struct channel_grant grant;
    struct channel_order_tokens tokens; /* that came after the grant; the ticket keys before them: */
    uint32_t tickets;
    struct wax_ticket_key ticket[WAX_TICKET_KEYS_MAX];
    union {
        struct channel_order order; /* the last, of the socket */
        uint8_t bytes[CHANNEL_ORDER_BYTES_MAX];
    } said;
};

extern char directory[64]; /* of the test: the store lies in it */
extern char admin_path[100];

/* Milliseconds since 1970. */
uint64_t wall_ms(void);

/* A millisecond. */
void nap(void);

/* Start waxwire-control. */
void start_control(void);

/* End it with a signal, and see that it ends well. */
void stop_control(int signal);

/* A socket connected to a path, waiting for it to come. */
int connect_to(const char *path, int type);

/* A directory with a configuration and a control plane; and their end. */
void setup(void);
/* The same with more lines of configuration. */
void setup_with(const char *more);
void teardown(void);

/* Offer memory with these seals; the answer (CHANNEL_DOWN: none). */
struct channel_grant offer_as(struct plane *plane, const struct channel_offer *offer, int seals);

/* An offer that fits. */
struct channel_offer sound_offer(uint64_t epoch);

/* Let the channel go. */
void detach(struct plane *plane);

/* The next order on the socket, which must be of that kind. */
void next_order(struct plane *plane, enum channel_order_kind kind);

/* Attach, with an epoch granted before or 0, and take the ticket keys. */
void attach(struct plane *plane, uint64_t epoch);

/* Wake the control plane if it sleeps. */
void kick(struct plane *plane);

/* Room for a record. */
void *reserve(struct plane *plane, uint32_t worker, uint16_t kind, size_t bytes);

/* Show what was reserved. */
void publish(struct plane *plane, uint32_t worker);

/* The next record for a worker, or NULL when none comes in time. */
const struct channel_record *next(struct plane *plane, uint32_t worker, int patience_ms);

/* Give it back. */
void release(struct plane *plane, uint32_t worker, const struct channel_record *record);

/* Ask the admin socket a line; its answer. */
void ask_admin(const char *request, char *reply, size_t room);

#endif
