/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The name of a device of a user: what a message is sent to, and who sent it.
 */
#ifndef RELAY_NAME_H
#define RELAY_NAME_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/channel.h"
#include "waxwire/limits.h"

struct name {
    uint8_t user[WAX_USER_BYTES];
    uint16_t device; /* 1 to 65535; 0 names nobody */
};

_Static_assert(sizeof(struct name) == 18, "names are copied whole");

/* True when both name the same device. */
static inline bool name_same(const struct name *a, const struct name *b)
{
    return a->device == b->device && memcmp(a->user, b->user, WAX_USER_BYTES) == 0;
}

/* The name as the channel writes it. */
static inline struct device_name name_to_channel(const struct name *name)
{
    struct device_name out = {.device = name->device};
    memcpy(out.user, name->user, WAX_USER_BYTES);
    return out;
}

/* The name that a channel record holds. */
static inline struct name name_from_channel(const struct device_name *in)
{
    struct name name = {.device = in->device};
    memcpy(name.user, in->user, WAX_USER_BYTES);
    return name;
}

#endif
