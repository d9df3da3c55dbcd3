/* SPDX-License-Identifier: BSD-3-Clause */
#include <json-c/json.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin.h"
#include "admin_json.h"
#include "admin_operate.h"

#ifndef WAX_VERSION
#define WAX_VERSION "0"
#endif

void add_u(struct json_object *object, const char *key, uint64_t value)
{
    json_object_object_add(object, key, json_object_new_uint64(value));
}

void add_text(struct json_object *object, const char *key, const char *text)
{
    json_object_object_add(object, key, json_object_new_string(text));
}

void add_hex(struct json_object *object, const char *key, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * 64 + 1];
    assert(len <= 64);
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * len] = '\0';
    add_text(object, key, text);
}

static struct json_object *store_object(const struct admin_sources *sources)
{
    struct mailbox_counts counts;
    struct json_object *store = json_object_new_object();
    mailboxes_counts(sources->mailboxes, &counts);
    add_u(store, "mailboxes", counts.mailboxes_now);
    add_u(store, "items", counts.items_now);
    add_u(store, "segments", counts.segments_now);
    add_u(store, "drains", counts.drains_now);
    add_u(store, "stored", counts.stored);
    add_u(store, "retired", counts.retired);
    add_u(store, "refused", counts.refused);
    add_u(store, "repeated", counts.repeated);
    add_u(store, "drained", counts.drained);
    add_u(store, "expired", counts.expired);
    add_u(store, "commits", counts.commits);
    add_u(store, "commit_bytes", counts.commit_bytes);
    add_u(store, "damaged", counts.damaged);
    add_u(store, "torn", counts.torn);
    return store;
}

static uint64_t sum_metric(const struct admin_sources *sources, size_t offset)
{
    const struct wax_metrics *metrics;
    uint64_t sum = 0;
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
        sum += __atomic_load_n((const uint64_t *)(const void *)((const char *)metrics + offset),
                               __ATOMIC_RELAXED);
    return sum;
}

/* Percentiles of a histogram of nanoseconds. */
static struct json_object *latency_object(const uint64_t buckets[LATENCY_BUCKETS])
{
    struct json_object *object = json_object_new_object();
    uint64_t count = 0;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        count += buckets[i];
    add_u(object, "count", count);
    add_u(object, "p50_ns", latency_at(buckets, 500000));
    add_u(object, "p99_ns", latency_at(buckets, 990000));
    add_u(object, "p999_ns", latency_at(buckets, 999000));
    add_u(object, "max_ns", latency_at(buckets, 1000000));
    return object;
}

/* The histogram of all workers together. */
static struct json_object *latency_of_all(const struct admin_sources *sources)
{
    uint64_t buckets[LATENCY_BUCKETS];
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        buckets[i] = sum_metric(sources, offsetof(struct wax_metrics, latency) + i * sizeof(uint64_t));
    return latency_object(buckets);
}

static struct json_object *requests_object(const struct intake_view *view)
{
    struct json_object *requests = json_object_new_object();
    add_u(requests, "taken", view->requests);
    add_u(requests, "rate_limited", view->requests_refused);
    add_u(requests, "keys_asked", view->keys_asked);
    add_u(requests, "one_time_keys_given", view->keys_given);
    add_u(requests, "one_time_keys_withheld", view->keys_withheld);
    return requests;
}

static struct json_object *quotas_object(const struct intake_view *view)
{
    struct json_object *quotas = json_object_new_object();
    add_u(quotas, "mailbox_messages", view->quota.messages);
    add_u(quotas, "mailbox_bytes", view->quota.bytes);
    add_u(quotas, "mailbox_full", view->mailbox_full);
    add_u(quotas, "reads_refused", view->reads_refused);
    add_u(quotas, "receipts_refused", view->receipts_refused);
    return quotas;
}

static void reply_status(const struct admin_sources *sources, struct json_object *reply, uint64_t now_ms)
{
    struct intake_view view;
    struct directory_counts counts;
    intake_look(sources->intake, &view);
    directory_count(sources->directory, &counts);
    add_text(reply, "program", "waxwire-control");
    add_text(reply, "version", WAX_VERSION);
    add_u(reply, "pid", (uint64_t)getpid());
    add_u(reply, "uptime_ms", now_ms - sources->started_ms);
    add_hex(reply, "relay_id", directory_relay(sources->directory)->relay_id, WAX_RELAY_ID_BYTES);
    struct json_object *plane = json_object_new_object();
    json_object_object_add(plane, "attached", json_object_new_boolean(view.attached));
    if (view.attached) {
        add_u(plane, "pid", (uint64_t)view.pid);
        add_u(plane, "epoch", view.epoch);
        add_u(plane, "workers", view.workers);
        add_u(plane, "since_ms", view.since_ms);
        add_u(plane, "connections", sum_metric(sources, offsetof(struct wax_metrics, connections_now)));
        json_object_object_add(plane, "latency", latency_of_all(sources));
    }
    add_u(plane, "attachments", view.attachments);
    add_u(plane, "refused", view.refused);
    json_object_object_add(reply, "data_plane", plane);
    add_u(reply, "sessions", session_table_count(sources->sessions));
    add_u(reply, "logins", view.logins);
    add_u(reply, "accounts_made", counts.accounts);
    add_u(reply, "devices_made", counts.devices);
    add_u(reply, "not_invited", counts.not_invited);
    add_u(reply, "invited", counts.invited);
    json_object_object_add(reply, "store", store_object(sources));
    json_object_object_add(reply, "requests", requests_object(&view));
    json_object_object_add(reply, "quotas", quotas_object(&view));
}

static struct json_object *metrics_object(const struct wax_metrics *metrics)
{
    struct json_object *object = json_object_new_object();
#define ADD(name, unit, help) add_u(object, #name, __atomic_load_n(&metrics->name, __ATOMIC_RELAXED));
    WAX_METRIC_LIST(ADD)
#undef ADD
    /* The buckets that are not empty, as [number, count]: two answers can be told apart. */
    uint64_t buckets[LATENCY_BUCKETS];
    struct json_object *filled = json_object_new_array();
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++) {
        buckets[i] = __atomic_load_n(&metrics->latency[i], __ATOMIC_RELAXED);
        if (buckets[i] == 0)
            continue;
        struct json_object *pair = json_object_new_array_ext(2);
        json_object_array_add(pair, json_object_new_uint64(i));
        json_object_array_add(pair, json_object_new_uint64(buckets[i]));
        json_object_array_add(filled, pair);
    }
    json_object_object_add(object, "latency", latency_object(buckets));
    json_object_object_add(object, "latency_buckets", filled);
    return object;
}

static void reply_workers(const struct admin_sources *sources, struct json_object *reply)
{
    struct json_object *workers = json_object_new_array();
    const struct wax_metrics *metrics;
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
        json_object_array_add(workers, metrics_object(metrics));
    json_object_object_add(reply, "workers", workers);
}

static void reply_counters(const struct admin_sources *sources, struct json_object *reply)
{
    struct json_object *metrics = json_object_new_object(), *statuses = json_object_new_array();
#define ADD(name, unit, help) add_u(metrics, #name, sum_metric(sources, offsetof(struct wax_metrics, name)));
    WAX_METRIC_LIST(ADD)
#undef ADD
    for (uint32_t i = 0; i < WAX_STATUS_COUNT; i++) {
        uint64_t sum = sum_metric(sources, offsetof(struct wax_metrics, status) + i * sizeof(uint64_t));
        if (sum == 0)
            continue;
        struct json_object *status = json_object_new_object();
        add_text(status, "name", wax_status_name((enum wax_status)i));
        add_text(status, "text", wax_status_text((enum wax_status)i));
        add_u(status, "count", sum);
        json_object_array_add(statuses, status);
    }
    json_object_object_add(reply, "metrics", metrics);
    json_object_object_add(reply, "statuses", statuses);
}

static void reply_media(const struct admin_sources *sources, struct json_object *reply)
{
    struct media_counts c = {0};
    if (sources->media != NULL)
        media_count(sources->media, &c);
    json_object_object_add(reply, "on", json_object_new_boolean(c.on));
    json_object_object_add(reply, "ready", json_object_new_boolean(c.ready));
    add_u(reply, "blobs", c.blobs);
    add_u(reply, "bytes", c.bytes);
    add_u(reply, "accounts", c.accounts);
    add_u(reply, "quota_bytes", c.quota_bytes);
    add_u(reply, "uploads_now", c.uploads_now);
    add_u(reply, "downloads_now", c.downloads_now);
    add_u(reply, "buffers_now", c.buffers_now);
    add_u(reply, "uploads", c.uploads);
    add_u(reply, "downloads", c.downloads);
    add_u(reply, "deletions", c.deletions);
    add_u(reply, "expired", c.expired);
    add_u(reply, "broken", c.broken);
    add_u(reply, "damaged", c.damaged);
    add_u(reply, "bytes_in", c.bytes_in);
    add_u(reply, "bytes_out", c.bytes_out);
}

static struct json_object *answer(const struct admin_sources *sources, struct json_object *request,
                                  uint64_t now_ms)
{
    struct json_object *reply = json_object_new_object(), *value;
    const char *command = "";
    uint64_t limit = ADMIN_SESSIONS_LIMIT;
    if (json_object_is_type(request, json_type_object)) {
        if (json_object_object_get_ex(request, "command", &value) &&
            json_object_is_type(value, json_type_string))
            command = json_object_get_string(value);
        if (json_object_object_get_ex(request, "limit", &value) && json_object_is_type(value, json_type_int))
            limit = json_object_get_uint64(value);
    }
    add_u(reply, "now_ms", now_ms);
    if (strcmp(command, "status") == 0)
        reply_status(sources, reply, now_ms);
    else if (strcmp(command, "workers") == 0)
        reply_workers(sources, reply);
    else if (strcmp(command, "sessions") == 0)
        reply_sessions(sources, request, reply, limit);
    else if (strcmp(command, "counters") == 0)
        reply_counters(sources, reply);
    else if (strcmp(command, "store") == 0)
        reply_store(sources, reply);
    else if (strcmp(command, "store-backup") == 0)
        reply_backup(sources, request, reply);
    else if (strcmp(command, "mailbox") == 0)
        reply_mailboxes(sources, request, reply, limit);
    else if (strcmp(command, "media") == 0)
        reply_media(sources, reply);
    else if (strcmp(command, "users") == 0)
        reply_users(sources, request, reply, limit);
    else if (strcmp(command, "user") == 0)
        reply_user(sources, request, reply);
    else if (strcmp(command, "wake") == 0)
        reply_wake(sources, reply);
    else if (strcmp(command, "invites") == 0)
        reply_invites(sources, request, reply, limit);
    else if (strcmp(command, "sessions-close") == 0)
        reply_sessions_close(sources, request, reply);
    else if (strcmp(command, "drain") == 0)
        reply_drain(sources, request, reply);
    else if (strcmp(command, "drain-status") == 0)
        reply_drain_status(sources, reply);
    else if (strcmp(command, "limits") == 0)
        reply_limits(sources, reply);
    else if (strcmp(command, "config") == 0)
        reply_config(sources, reply);
    else
        add_text(reply, "error", "the control plane knows no such command");
    return reply;
}

static char *text_of(struct json_object *reply)
{
    size_t len;
    const char *text = json_object_to_json_string_length(reply, JSON_C_TO_STRING_PLAIN, &len);
    char *out = malloc(len + 2);
    if (out == NULL)
        abort();
    memcpy(out, text, len);
    memcpy(out + len, "\n", 2);
    json_object_put(reply);
    return out;
}

struct json_object *admin_parse(const char *request, size_t len)
{
    struct json_tokener *tokener = json_tokener_new_ex(8);
    struct json_object *parsed =
        len <= ADMIN_REQUEST_BYTES ? json_tokener_parse_ex(tokener, request, (int)len) : NULL;
    json_tokener_free(tokener);
    return parsed;
}

bool admin_is(const char *request, size_t len, const char *command)
{
    struct json_object *parsed = admin_parse(request, len), *value;
    bool is = json_object_is_type(parsed, json_type_object) &&
              json_object_object_get_ex(parsed, "command", &value) &&
              json_object_is_type(value, json_type_string) &&
              strcmp(json_object_get_string(value), command) == 0;
    json_object_put(parsed);
    return is;
}

bool admin_only_looks(const char *request, size_t len)
{
    static const char *const views[] = {"status", "workers", "counters", "limits",
                                        "store",  "media",   "config"};
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        if (admin_is(request, len, views[i]))
            return true;
    }
    return false;
}

char *admin_order_reply(enum wax_status status, const char *text, const char *code, uint64_t now_ms)
{
    struct json_object *reply = json_object_new_object();
    add_u(reply, "now_ms", now_ms);
    json_object_object_add(reply, "done", json_object_new_boolean(status == WAX_OK));
    add_text(reply, "status", wax_status_name(status));
    add_text(reply, "text", text);
    if (code != NULL)
        add_text(reply, "code", code);
    return text_of(reply);
}

char *admin_reply(const struct admin_sources *sources, const char *request, size_t len, uint64_t now_ms)
{
    struct json_object *parsed = admin_parse(request, len);
    struct json_object *reply = answer(sources, parsed, now_ms);
    json_object_put(parsed);
    return text_of(reply);
}
