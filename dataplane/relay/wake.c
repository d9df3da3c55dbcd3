/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/wake.h"

#include "waxwire/channel_request.h"

void calls_note(struct calls *calls, const struct msg *msg)
{
    if (calls->count < CALLS_MAX)
        calls->call[calls->count++] = (struct call){msg->to, msg->from};
}

static bool tell(const struct call *call, const struct relay_port *port)
{
    struct channel_record *record = port->control_reserve(port->ctx, sizeof(struct channel_wake));
    if (record == NULL)
        return false;
    struct channel_wake *wake = (struct channel_wake *)(void *)record;
    record->kind = CHANNEL_WAKE;
    wake->name = name_to_channel(&call->to);
    memcpy(wake->sender, call->from.user, WAX_USER_BYTES);
    return true;
}

bool calls_tell(struct calls *calls, const struct relay_port *port)
{
    uint32_t told = 0;
    while (told < calls->count && tell(&calls->call[told], port))
        told++;
    if (told != 0)
        port->control_publish(port->ctx);
    calls->count -= told;
    memmove(calls->call, calls->call + told, calls->count * sizeof calls->call[0]);
    return calls->count == 0;
}
