/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl wake: the push gateways. */
#include <inttypes.h>
#include <stdio.h>

#include "waxctl.h"

static void show_gateway(struct json_object *gateway)
{
    printf("%-11s %s\n", get_text(gateway, "kind"), get_text(gateway, "target"));
    printf("  now       %" PRIu64 " events wait, %" PRIu64 " devices were told just now\n",
           get_u(gateway, "waiting_now"), get_u(gateway, "resting_now"));
    printf("  so far    %" PRIu64 " queued, %" PRIu64 " sent, %" PRIu64 " coalesced, %" PRIu64
           " needless, for the device came by itself\n",
           get_u(gateway, "queued"), get_u(gateway, "sent"), get_u(gateway, "coalesced"),
           get_u(gateway, "needless"));
    if (get_u(gateway, "dropped") + get_u(gateway, "refused") + get_u(gateway, "failures") != 0)
        printf("            %" PRIu64 " DROPPED for want of room, %" PRIu64 " REFUSED, %" PRIu64
               " attempts failed\n",
               get_u(gateway, "dropped"), get_u(gateway, "refused"), get_u(gateway, "failures"));
    if (get_u(gateway, "failing_ms") != 0)
        printf("  FAILING   for %" PRIu64 " s, again in %" PRIu64 " ms: %s\n",
               get_u(gateway, "failing_ms") / 1000u, get_u(gateway, "retry_in_ms"),
               get_text(gateway, "reason"));
}

void show_wake(const struct options *options, struct json_object *reply)
{
    struct json_object *gateways = get_object(reply, "gateways");
    (void)options;
    size_t count = json_object_array_length(gateways);
    if (count == 0)
        printf("no push gateway is configured (wake.socket, wake.webhook)\n");
    for (size_t i = 0; i < count; i++)
        show_gateway(json_object_array_get_idx(gateways, i));
}
