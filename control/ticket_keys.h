/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The keys of TLS session tickets. They live here, in locked memory that no core dump has, and in the data
 * plane's; never on a disk. A data plane that starts anew gets them all, so that its clients can resume.
 */
#ifndef CONTROL_TICKET_KEYS_H
#define CONTROL_TICKET_KEYS_H

#include <stdbool.h>

#include "waxwire/ticket.h"

struct ticket_keys {
    uint64_t interval_ms;
    uint32_t count;
    struct wax_ticket_key *key; /* WAX_TICKET_KEYS_MAX, the current one first */
};

/*
 * Begin without keys, for rotation each `interval_s` (WAX_TICKET_KEY_S_MIN or more). False without memory.
 */
bool ticket_keys_init(struct ticket_keys *keys, uint32_t interval_s);

/* Wipe and free. */
void ticket_keys_end(struct ticket_keys *keys);

/*
 * Make a new current key when there is none or it is old enough, and wipe those that were replaced a day ago.
 * Returns whether anything changed: then data planes must learn of it.
 */
bool ticket_keys_turn(struct ticket_keys *keys, uint64_t now_ms);

#endif
