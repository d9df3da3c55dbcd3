/* SPDX-License-Identifier: BSD-3-Clause */
/* What waxcat prints: one line an event, for people or as JSON. */
#ifndef WAXWIRE_CLIENT_WAXCAT_PRINT_H
#define WAXWIRE_CLIENT_WAXCAT_PRINT_H

#include <stdio.h>

#include "waxcat_args.h"

struct waxcat_counts {
    uint64_t sent, accepted, delivered, rejected, received;
};

struct waxcat_printer {
    FILE *out;
    bool json;
    uint64_t (*clock_ms)(void);
};

/*
 * One line each for: a session that has opened (as `user`/`device`), a message that came, a message handed to
 * the relay (only as JSON), the relay's word on one (`after_us` since it was sent; UINT64_MAX where that
 * isn't known), an ERROR, the session's end, and the end of it all (`reason` also to stderr when it is not
 * WAXCAT_DONE).
 */
void print_opened(const struct waxcat_printer *p, const struct wax_client_opened *opened, const char *user,
                  uint16_t device);
void print_message(const struct waxcat_printer *p, const struct wax_client_incoming *message);
void print_sent(const struct waxcat_printer *p, const struct wax_client_message *message, uint64_t id);
void print_status(const struct waxcat_printer *p, const struct wax_client_answer *status, uint64_t after_us);
void print_reply(const struct waxcat_printer *p, const struct wax_client_reply *reply);
void print_error(const struct waxcat_printer *p, const struct wax_client_error *error);
void print_closed(const struct waxcat_printer *p, const struct wax_client_closed *closed);
void print_done(const struct waxcat_printer *p, const struct waxcat_counts *counts, int exit_status,
                const char *reason);

#endif
