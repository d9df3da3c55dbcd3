/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Calls of offline devices: urgent messages that are never stored, and find no session. The control plane is
 * told of them, so that the device may be woken. Part of the home.
 */
#ifndef RELAY_WAKE_H
#define RELAY_WAKE_H

#include "relay/mesh.h"

#define CALLS_MAX 64u

struct calls {
    uint32_t count;
    struct call {
        struct name to, from;
    } call[CALLS_MAX];
};

/* Note the call of a device without a session; one that finds no room is lost, which harms nobody. */
void calls_note(struct calls *calls, const struct msg *msg);

/* Tell the control plane of them; false when there is no room in the channel, and some are left. */
bool calls_tell(struct calls *calls, const struct relay_port *port);

#endif
