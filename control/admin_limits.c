/* SPDX-License-Identifier: BSD-3-Clause */
/* Answers "limits" and "config": what bounds the appliance, and how near it is. */
#include <json-c/json.h>
#include <stdlib.h>

#include "admin_json.h"

/* The most that a worker has of a gauge, or the sum over all. */
static uint64_t gauge(const struct admin_sources *sources, size_t offset)
{
    const struct wax_metrics *metrics;
    uint64_t most = 0;
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++) {
        uint64_t value = __atomic_load_n((const uint64_t *)(const void *)((const char *)metrics + offset),
                                         __ATOMIC_RELAXED);
        most = value > most ? value : most;
    }
    return most;
}

static uint64_t refusals(const struct admin_sources *sources, enum wax_status status)
{
    const struct wax_metrics *metrics;
    uint64_t sum = 0;
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
        sum += __atomic_load_n(&metrics->status[status], __ATOMIC_RELAXED);
    return sum;
}

static struct json_object *limit_object(const char *name, const char *per, uint64_t value, const char *change)
{
    struct json_object *object = json_object_new_object();
    add_text(object, "name", name);
    add_text(object, "per", per);
    add_u(object, "value", value);
    add_text(object, "change", change);
    return object;
}

#define NOW(name)   offsetof(struct wax_metrics, name)
#define NOT_METERED SIZE_MAX

/* Limits of the configuration that workers keep, with the gauge and the counter that belong to each. */
static void add_worker_limits(const struct admin_sources *sources, struct json_object *list)
{
    const struct wax_config *c = sources->config;
    static const char change[] = "restart waxwire-dataplane";
    const struct {
        const char *name, *per;
        uint64_t value;
        size_t now;
        enum wax_status refused; /* OK: not counted by itself */
    } rows[] = {
        {"limits.connections", "worker", c->connections_max, NOW(connections_now), WAX_TCP_CONNS_FULL},
        {"limits.half_open", "worker", c->half_open_max, NOW(half_open_now), WAX_TCP_HALF_OPEN_FULL},
        {"limits.per_address", "address", c->per_address_max, NOT_METERED, WAX_TCP_ADDRESS_FULL},
        {"limits.per_prefix", "network", c->per_prefix_max, NOT_METERED, WAX_TCP_PREFIX_FULL},
        {"limits.opens_per_s", "address", c->opens_per_s, NOT_METERED, WAX_TCP_ADDRESS_RATE},
        {"limits.opens_burst", "address", c->opens_burst, NOT_METERED, WAX_OK},
        {"limits.device_sends_per_s", "device", c->rates.device.per_s, NOT_METERED, WAX_REJECT_RATE},
        {"limits.device_sends_burst", "device", c->rates.device.burst, NOT_METERED, WAX_OK},
        {"limits.account_sends_per_s", "account", c->rates.account.per_s, NOT_METERED, WAX_RATE_ACCOUNT},
        {"limits.account_sends_burst", "account", c->rates.account.burst, NOT_METERED, WAX_OK},
        {"limits.address_sends_per_s", "address", c->rates.address.per_s, NOT_METERED, WAX_RATE_ADDRESS},
        {"limits.address_sends_burst", "address", c->rates.address.burst, NOT_METERED, WAX_OK},
        {"limits.handshakes", "worker", c->handshakes_max, NOW(handshakes_now), WAX_TLS_HANDSHAKES_FULL},
        {"limits.handshakes_waiting", "worker", c->handshakes_waiting_max, NOW(handshakes_waiting_now),
         WAX_TLS_WAITING_FULL},
        {"limits.handshakes_per_address", "address", c->handshakes_per_address_max, NOT_METERED, WAX_OK},
        {"limits.blocks", "worker", c->blocks, NOW(blocks_free_now), WAX_TCP_BLOCKS_EMPTY},
        {"limits.messages", "worker", c->messages, NOW(messages_now), WAX_OK},
        {"limits.recipients", "worker", c->recipients, NOW(recipients_now), WAX_OK},
        {"protocol.payload_bytes_max", "message", c->payload_bytes_max, NOT_METERED, WAX_REJECT_TOO_LARGE},
        {"protocol.send_window", "session", c->send_window, NOT_METERED, WAX_SESSION_WINDOW},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_object *object = limit_object(rows[i].name, rows[i].per, rows[i].value, change);
        bool attached = intake_metrics(sources->intake, 0) != NULL;
        if (rows[i].now == NOW(blocks_free_now) && attached) { /* the worker with the fewest free ones */
            uint64_t least = rows[i].value;
            const struct wax_metrics *m;
            for (uint32_t w = 0; (m = intake_metrics(sources->intake, w)) != NULL; w++) {
                uint64_t now = __atomic_load_n(&m->blocks_free_now, __ATOMIC_RELAXED);
                least = now < least ? now : least;
            }
            add_u(object, "now", rows[i].value - least);
        } else if (rows[i].now != NOT_METERED && attached) {
            add_u(object, "now", gauge(sources, rows[i].now));
        }
        if (rows[i].refused != WAX_OK) {
            add_u(object, "refused", refusals(sources, rows[i].refused));
            add_text(object, "counter", wax_status_name(rows[i].refused));
        }
        json_object_array_add(list, object);
    }
}

/* Limits that the program fixes or control keeps. */
static void add_other_limits(const struct admin_sources *sources, struct json_object *list)
{
    const struct wax_config *c = sources->config;
    static const char control[] = "restart waxwire-control", fixed[] = "fixed";
    const struct {
        const char *name, *per;
        uint64_t value;
        const char *change;
        enum wax_status refused;
    } rows[] = {
        {"media.max_bytes", "blob", c->media_bytes_max, control, WAX_HTTP_TOO_LARGE},
        {"media.quota_mib", "account", c->media_quota_mib, control, WAX_MEDIA_QUOTA},
        {"accounts.mailbox_messages", "account", c->mailbox_messages, control, WAX_REJECT_MAILBOX_FULL},
        {"accounts.mailbox_mib", "account", c->mailbox_mib, control, WAX_REJECT_MAILBOX_FULL},
        {"frame bytes", "frame", WAX_FRAME_BYTES_MAX, fixed, WAX_WS_TOO_BIG},
        {"recipients of a SEND_MULTI", "frame", WAX_MULTI_RECIPIENTS_MAX, fixed, WAX_OK},
        {"devices", "account", WAX_DEVICES_PER_USER_MAX, fixed, WAX_SESSION_DEVICES},
        {"one-time keys held", "device", WAX_ONE_TIME_KEYS_MAX, fixed, WAX_OK},
        {"blocked, and allowed, accounts", "account", WAX_POLICY_USERS_MAX, fixed, WAX_OK},
        {"requests unanswered", "session", WAX_REQUESTS_PER_SESSION, fixed, WAX_SESSION_RATE},
        {"media transfers", "worker", WAX_MEDIA_TRANSFERS_MAX, fixed, WAX_MEDIA_BUSY},
        {"uploads", "account", WAX_MEDIA_USER_UPLOADS_MAX, fixed, WAX_OK},
        {"admin connections", "appliance", ADMIN_CLIENTS_MAX, fixed, WAX_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_object *object = limit_object(rows[i].name, rows[i].per, rows[i].value, rows[i].change);
        if (rows[i].refused != WAX_OK) {
            add_u(object, "refused", refusals(sources, rows[i].refused));
            add_text(object, "counter", wax_status_name(rows[i].refused));
        }
        json_object_array_add(list, object);
    }
}

void reply_limits(const struct admin_sources *sources, struct json_object *reply)
{
    struct json_object *list = json_object_new_array();
    add_worker_limits(sources, list);
    add_other_limits(sources, list);
    json_object_object_add(reply, "limits", list);
}

void reply_config(const struct admin_sources *sources, struct json_object *reply)
{
    size_t len = config_dump(sources->config, NULL, 0);
    char *text = malloc(len + 1);
    if (text == NULL)
        abort();
    config_dump(sources->config, text, len + 1);
    add_text(reply, "text", text);
    free(text);
}
