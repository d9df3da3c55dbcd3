/* SPDX-License-Identifier: BSD-3-Clause */
#include "history.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "admin_json.h"

#ifndef WAX_VERSION
#define WAX_VERSION "0"
#endif

static uint64_t sum(const struct admin_sources *sources, size_t offset)
{
    const struct wax_metrics *metrics;
    uint64_t total = 0;
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
        total += __atomic_load_n((const uint64_t *)(const void *)((const char *)metrics + offset),
                                 __ATOMIC_RELAXED);
    return total;
}

#define SUM(name) sum(sources, offsetof(struct wax_metrics, name))

static void take_totals(const struct admin_sources *sources, struct history_totals *t)
{
    struct mailbox_counts store;
    mailboxes_counts(sources->mailboxes, &store);
    t->sends = SUM(sends);
    t->deliveries = SUM(deliveries);
    t->accepted = SUM(accepted);
    t->delivered = SUM(delivered);
    t->rejected = SUM(rejected);
    t->opened = SUM(connections_opened);
    t->handshakes = SUM(handshakes);
    t->dropped = SUM(rx_dropped) + SUM(tx_dropped);
    t->busy = SUM(busy_cycles);
    t->idle = SUM(idle_cycles);
    t->stored = store.stored;
    t->commits = store.commits;
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        t->latency[i] = sum(sources, offsetof(struct wax_metrics, latency) + i * sizeof(uint64_t));
}

static float rate(uint64_t before, uint64_t now, uint64_t ms)
{
    return now >= before && ms != 0 ? (float)(now - before) * 1000.0f / (float)ms : 0.0f;
}

void history_turn(struct history *history, const struct admin_sources *sources, uint64_t now_ms)
{
    struct history_totals now, *before = &history->before;
    struct mailbox_counts store;
    uint64_t ms = now_ms - history->last_ms;
    if (history->last_ms != 0 && now_ms >= history->last_ms && ms < HISTORY_STEP_MS)
        return;
    take_totals(sources, &now);
    mailboxes_counts(sources->mailboxes, &store);
    bool first = history->last_ms == 0 || now_ms < history->last_ms;
    history->last_ms = now_ms;
    if (!first) {
        struct history_sample *s = &history->sample[history->next];
        uint64_t buckets[LATENCY_BUCKETS];
        for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
            buckets[i] = now.latency[i] >= before->latency[i] ? now.latency[i] - before->latency[i] : 0;
        uint64_t busy = now.busy >= before->busy ? now.busy - before->busy : 0;
        uint64_t idle = now.idle >= before->idle ? now.idle - before->idle : 0;
        *s = (struct history_sample){
            .at_ms = now_ms,
            .sends = rate(before->sends, now.sends, ms),
            .deliveries = rate(before->deliveries, now.deliveries, ms),
            .accepted = rate(before->accepted, now.accepted, ms),
            .delivered = rate(before->delivered, now.delivered, ms),
            .rejected = rate(before->rejected, now.rejected, ms),
            .opened = rate(before->opened, now.opened, ms),
            .handshakes = rate(before->handshakes, now.handshakes, ms),
            .dropped = rate(before->dropped, now.dropped, ms),
            .stored = rate(before->stored, now.stored, ms),
            .commits = rate(before->commits, now.commits, ms),
            .p50_us = (float)latency_at(buckets, 500000) / 1000.0f,
            .p99_us = (float)latency_at(buckets, 990000) / 1000.0f,
            .busy = busy + idle != 0 ? (float)busy / (float)(busy + idle) : 0.0f,
            .sessions = (float)session_table_count(sources->sessions),
            .connections = (float)SUM(connections_now),
            .items = (float)store.items_now,
        };
        history->next = (history->next + 1u) % HISTORY_SAMPLES;
        history->count += history->count < HISTORY_SAMPLES;
    }
    *before = now;
}

static char *text_of(struct json_object *object)
{
    char *text = strdup(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    if (text == NULL)
        abort();
    json_object_put(object);
    return text;
}

char *history_json(const struct history *history)
{
    struct json_object *object = json_object_new_object(), *at = json_object_new_array();
    uint32_t first = (history->next + HISTORY_SAMPLES - history->count) % HISTORY_SAMPLES;
    add_u(object, "step_ms", HISTORY_STEP_MS);
    for (uint32_t i = 0; i < history->count; i++)
        json_object_array_add(at,
                              json_object_new_uint64(history->sample[(first + i) % HISTORY_SAMPLES].at_ms));
    json_object_object_add(object, "at_ms", at);
#define ADD(name)                                                                                            \
    {                                                                                                        \
        struct json_object *list = json_object_new_array();                                                  \
        for (uint32_t i = 0; i < history->count; i++) {                                                      \
            char text[32];                                                                                   \
            double value = (double)history->sample[(first + i) % HISTORY_SAMPLES].name;                      \
            snprintf(text, sizeof text, "%.6g", value);                                                      \
            json_object_array_add(list, json_object_new_double_s(value, text));                              \
        }                                                                                                    \
        json_object_object_add(object, #name, list);                                                         \
    }
    HISTORY_LIST(ADD)
#undef ADD
    return text_of(object);
}

static struct json_object *worker_object(const struct wax_metrics *m)
{
    struct json_object *object = json_object_new_object();
#define TELL(name) add_u(object, #name, __atomic_load_n(&m->name, __ATOMIC_RELAXED))
    TELL(busy_cycles);
    TELL(idle_cycles);
    TELL(rx_packets);
    TELL(tx_packets);
    TELL(connections_now);
    TELL(sessions_now);
    TELL(sends);
    TELL(deliveries);
    TELL(blocks_free_now);
    TELL(messages_now);
#undef TELL
    return object;
}

char *history_now_json(const struct admin_sources *sources, uint64_t now_ms)
{
    struct json_object *object = json_object_new_object(), *workers = json_object_new_array(),
                       *reasons = json_object_new_array();
    const struct wax_metrics *metrics;
    struct intake_view view;
    struct mailbox_counts store;
    struct statvfs fs;
    intake_look(sources->intake, &view);
    mailboxes_counts(sources->mailboxes, &store);
    add_text(object, "version", WAX_VERSION);
    add_u(object, "now_ms", now_ms);
    add_u(object, "uptime_ms", now_ms - sources->started_ms);
    json_object_object_add(object, "attached", json_object_new_boolean(view.attached));
    add_u(object, "sessions", session_table_count(sources->sessions));
    add_u(object, "items", store.items_now);
    add_u(object, "mailboxes", store.mailboxes_now);
    add_u(object, "segments", store.segments_now);
    add_u(object, "refused", store.refused);
    add_u(object, "damaged", store.damaged);
    if (sources->config != NULL && statvfs(sources->config->store_directory, &fs) == 0) {
        add_u(object, "disk_free_bytes", (uint64_t)fs.f_bavail * fs.f_frsize);
        add_u(object, "disk_size_bytes", (uint64_t)fs.f_blocks * fs.f_frsize);
    }
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
        json_object_array_add(workers, worker_object(metrics));
    for (uint32_t n = WAX_OK + 2; n < WAX_STATUS_COUNT; n++) {
        uint64_t count = sum(sources, offsetof(struct wax_metrics, status) + n * sizeof(uint64_t));
        if (count == 0)
            continue;
        struct json_object *reason = json_object_new_object();
        add_text(reason, "name", wax_status_name((enum wax_status)n));
        add_text(reason, "text", wax_status_text((enum wax_status)n));
        add_u(reason, "count", count);
        json_object_array_add(reasons, reason);
    }
    json_object_object_add(object, "workers", workers);
    json_object_object_add(object, "reasons", reasons);
    return text_of(object);
}
