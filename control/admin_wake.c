/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_json.h"

void reply_wake(const struct admin_sources *sources, struct json_object *reply)
{
    struct json_object *gateways = json_object_new_array();
    uint32_t count = wake_gateways(sources->wake);
    for (uint32_t i = 0; i < count; i++) {
        struct wake_view view;
        struct json_object *gateway = json_object_new_object();
        wake_look(sources->wake, i, &view);
        add_text(gateway, "kind", view.kind);
        add_text(gateway, "target", view.target);
        add_u(gateway, "waiting_now", view.counts.waiting_now);
        add_u(gateway, "resting_now", view.counts.resting_now);
        add_u(gateway, "queued", view.counts.queued);
        add_u(gateway, "sent", view.counts.sent);
        add_u(gateway, "coalesced", view.counts.coalesced);
        add_u(gateway, "needless", view.counts.needless);
        add_u(gateway, "dropped", view.counts.dropped);
        add_u(gateway, "refused", view.counts.refused);
        add_u(gateway, "failures", view.counts.failures);
        add_u(gateway, "failing_ms", view.failing_ms);
        add_u(gateway, "retry_in_ms", view.retry_in_ms);
        add_text(gateway, "reason", view.reason);
        json_object_array_add(gateways, gateway);
    }
    json_object_object_add(reply, "gateways", gateways);
}
