/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of session tickets (RFC 8446 4.6.1), shared by every handshake thread. Tickets are sealed by the
 * current key; those of older keys are honoured for a day after their key was replaced. Keys come from the
 * outside, so that they can outlive the process; nothing here looks at a clock.
 *
 * Thread-safe: handshakes read while another thread changes the keys.
 */
#ifndef WAXWIRE_TLS_TICKETS_H
#define WAXWIRE_TLS_TICKETS_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"
#include "waxwire/ticket.h"

struct tls_tickets;

/* What there is to know of the keys. */
struct tls_tickets_view {
    uint32_t keys;       /* current and old */
    uint64_t current_ms; /* when the current one was made, ms since 1970 */
};

/*
 * An empty set of keys: no tickets are given or taken until tls_tickets_take. NULL without memory.
 */
struct tls_tickets *tls_tickets_new(void);

/* Wipes and frees them, after the last context that uses them; NULL is allowed. */
void tls_tickets_free(struct tls_tickets *tickets);

/*
 * Takes a set of keys, the current one first, the others in falling order of age. Keys that are here and not
 * in the set stay as old ones, until their day is over. At most WAX_TICKET_KEYS_MAX are kept, the oldest are
 * wiped first. WAX_OK; WAX_BAD_ARGUMENT for none, or too many.
 */
enum wax_status tls_tickets_take(struct tls_tickets *tickets, const struct wax_ticket_key *keys,
                                 uint32_t count, uint64_t now_ms);

/* Wipes the keys whose day is over. */
void tls_tickets_expire(struct tls_tickets *tickets, uint64_t now_ms);

/* Looks at the keys. */
struct tls_tickets_view tls_tickets_look(struct tls_tickets *tickets);

#endif
