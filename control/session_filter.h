/* SPDX-License-Identifier: BSD-3-Clause */
/* Which sessions an operator means: those of a user, of one of its devices, or of addresses. */
#ifndef CONTROL_SESSION_FILTER_H
#define CONTROL_SESSION_FILTER_H

#include "waxwire/channel.h"

struct session_filter {
    bool by_user, by_address;
    uint8_t user[WAX_USER_BYTES];
    uint16_t device; /* 0: any; with by_user */
    uint8_t address[16];
    uint8_t prefix; /* bits of it that count, IPv4 as ::ffff:a.b.c.d */
};

/* Take "a.b.c.d", "x::y", or either with "/prefix"; false when it is none. */
bool session_filter_address(struct session_filter *filter, const char *text);

/* Take a user as 32 hexadecimal digits; false when it is none. */
bool session_filter_user(struct session_filter *filter, const char *text);

/* Whether it means this session; one that names nothing means all. */
bool session_filter_means(const struct session_filter *filter, const struct channel_session_open *session);

#endif
