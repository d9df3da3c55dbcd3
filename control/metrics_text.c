/* SPDX-License-Identifier: BSD-3-Clause */
#include "metrics_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#ifndef WAX_VERSION
#define WAX_VERSION "0"
#endif

static uint64_t value_of(const struct wax_metrics *metrics, size_t offset)
{
    return __atomic_load_n((const uint64_t *)(const void *)((const char *)metrics + offset),
                           __ATOMIC_RELAXED);
}

static void put_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* "sessions_now" is the gauge waxwire_worker_sessions, "sends" the counter waxwire_worker_sends_total. */
static void put_metric(FILE *out, const struct admin_sources *sources, const char *name, const char *help,
                       size_t offset)
{
    const struct wax_metrics *metrics;
    char full[96];
    size_t len = strlen(name);
    bool gauge = (len > 4 && strcmp(name + len - 4, "_now") == 0) || strcmp(name, "session_bytes") == 0;
    bool now = gauge && strcmp(name, "session_bytes") != 0;
    snprintf(full, sizeof full, "waxwire_worker_%.*s%s", (int)(now ? len - 4 : len), name,
             gauge ? "" : "_total");
    put_head(out, full, gauge ? "gauge" : "counter", help);
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
        fprintf(out, "%s{worker=\"%u\"} %" PRIu64 "\n", full, i, value_of(metrics, offset));
}

/* Cycles become seconds: nobody can compare those of two machines. */
static void put_cycles(FILE *out, const struct admin_sources *sources, const char *name, const char *help,
                       size_t offset)
{
    const struct wax_metrics *metrics;
    put_head(out, name, "counter", help);
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++) {
        uint64_t per_s = value_of(metrics, offsetof(struct wax_metrics, cycles_per_s));
        fprintf(out, "%s{worker=\"%u\"} %.6f\n", name, i,
                per_s != 0 ? (double)value_of(metrics, offset) / (double)per_s : 0.0);
    }
}

static void put_workers(FILE *out, const struct admin_sources *sources)
{
#define PUT(metric, unit, help)                                                                              \
    if (strcmp(#metric, "busy_cycles") != 0 && strcmp(#metric, "idle_cycles") != 0 &&                        \
        strcmp(#metric, "cycles_per_s") != 0)                                                                \
        put_metric(out, sources, #metric, help, offsetof(struct wax_metrics, metric));
    WAX_METRIC_LIST(PUT)
#undef PUT
    put_cycles(out, sources, "waxwire_worker_busy_seconds_total", "seconds of polls that found work",
               offsetof(struct wax_metrics, busy_cycles));
    put_cycles(out, sources, "waxwire_worker_idle_seconds_total",
               "seconds of polls that found nothing, sleep included",
               offsetof(struct wax_metrics, idle_cycles));
}

/* Every reason, also those that never happened: a first time must be seen as a rise. */
static void put_events(FILE *out, const struct admin_sources *sources)
{
    put_head(out, "waxwire_events_total", "counter",
             "what was dropped, refused or went wrong, by reason (waxctl counters explains each)");
    for (uint32_t n = WAX_OK + 2; n < WAX_STATUS_COUNT; n++) {
        const struct wax_metrics *metrics;
        uint64_t sum = 0;
        for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
            sum += value_of(metrics, offsetof(struct wax_metrics, status) + n * sizeof(uint64_t));
        fprintf(out, "waxwire_events_total{reason=\"%s\"} %" PRIu64 "\n", wax_status_name((enum wax_status)n),
                sum);
    }
}

static void put_latency(FILE *out, const struct admin_sources *sources)
{
    static const uint32_t edges_us[] = {5,    10,   20,   50,    100,   200,    500,
                                        1000, 2000, 5000, 10000, 50000, 100000, 1000000};
    static const char name[] = "waxwire_relay_latency_seconds";
    const struct wax_metrics *metrics;
    uint64_t count = 0;
    double sum = 0;
    uint32_t edge = 0;
    put_head(out, name, "histogram",
             "from the poll of a SEND to the hand-over of its DELIVER to the port; the sum is of bucket "
             "edges, 1.6 % exact");
    for (uint32_t b = 0; b < LATENCY_BUCKETS; b++) {
        for (; edge < sizeof edges_us / sizeof edges_us[0] && latency_top(b) > 1000ull * edges_us[edge];
             edge++)
            fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, edges_us[edge] / 1e6, count);
        for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++) {
            uint64_t n = value_of(metrics, offsetof(struct wax_metrics, latency) + b * sizeof(uint64_t));
            count += n;
            sum += (double)n * (double)latency_top(b) / 1e9;
        }
    }
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.9f\n%s_count %" PRIu64 "\n", name, count, name,
            sum, name, count);
}

static void put_one(FILE *out, const char *name, const char *type, const char *help, double value)
{
    put_head(out, name, type, help);
    fprintf(out, "%s %.17g\n", name, value);
}

/* Times to commits: bucket i holds less than 2^i ms, the last one also more. */
static void put_commits(FILE *out, const struct mailbox_counts *c)
{
    static const char name[] = "waxwire_store_commit_seconds";
    uint64_t count = 0;
    double sum = 0;
    put_head(out, name, "histogram",
             "from an item's arrival at the store to its durable commit; the sum is of bucket edges, within "
             "a factor of 2");
    for (uint32_t i = 0; i + 1 < MAILBOX_WAITS; i++) {
        count += c->waited[i];
        sum += (double)c->waited[i] * (double)(1u << i) / 1e3;
        fprintf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (1u << i) / 1e3, count);
    }
    count += c->waited[MAILBOX_WAITS - 1];
    sum += (double)c->waited[MAILBOX_WAITS - 1] * (double)(1u << (MAILBOX_WAITS - 1)) / 1e3;
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum %.3f\n%s_count %" PRIu64 "\n", name, count, name,
            sum, name, count);
}

static void put_store(FILE *out, const struct admin_sources *sources)
{
    struct mailbox_counts c;
    struct statvfs fs;
    mailboxes_counts(sources->mailboxes, &c);
    put_one(out, "waxwire_store_items", "gauge", "messages and receipts that wait", (double)c.items_now);
    put_one(out, "waxwire_store_mailboxes", "gauge", "mailboxes with something in them",
            (double)c.mailboxes_now);
    put_one(out, "waxwire_store_live_bytes", "gauge", "bytes of what waits", (double)c.bytes_now);
    put_one(out, "waxwire_store_log_bytes", "gauge", "bytes of the log's segments", (double)c.log_bytes_now);
    put_one(out, "waxwire_store_segments", "gauge", "segments of the log", (double)c.segments_now);
    put_one(out, "waxwire_store_stored_total", "counter", "items made durable", (double)c.stored);
    put_one(out, "waxwire_store_retired_total", "counter", "items retired", (double)c.retired);
    put_one(out, "waxwire_store_drained_total", "counter", "items streamed to their recipients",
            (double)c.drained);
    put_one(out, "waxwire_store_expired_total", "counter", "items that expired", (double)c.expired);
    put_one(out, "waxwire_store_refused_total", "counter", "items refused as busy, for the disk was full",
            (double)c.refused);
    put_one(out, "waxwire_store_commits_total", "counter", "commits", (double)c.commits);
    put_one(out, "waxwire_store_commit_bytes_total", "counter", "bytes of commits", (double)c.commit_bytes);
    put_one(out, "waxwire_store_damaged", "gauge", "places of damage met at the start", (double)c.damaged);
    put_one(out, "waxwire_store_purge_late_seconds", "gauge",
            "the longest time from a retirement to the end of its key", (double)c.purge_late_ms / 1e3);
    put_commits(out, &c);
    if (sources->config != NULL && statvfs(sources->config->store_directory, &fs) == 0) {
        put_one(out, "waxwire_store_disk_free_bytes", "gauge", "free bytes of the store's disk",
                (double)fs.f_bavail * (double)fs.f_frsize);
        put_one(out, "waxwire_store_disk_size_bytes", "gauge", "size of the store's disk",
                (double)fs.f_blocks * (double)fs.f_frsize);
    }
}

static void put_media(FILE *out, const struct admin_sources *sources)
{
    struct media_counts c = {0};
    if (sources->media != NULL)
        media_count(sources->media, &c);
    put_one(out, "waxwire_media_blobs", "gauge", "blobs that are kept", (double)c.blobs);
    put_one(out, "waxwire_media_bytes", "gauge", "bytes of blobs that are kept", (double)c.bytes);
    put_one(out, "waxwire_media_uploads_total", "counter", "uploads that ended well", (double)c.uploads);
    put_one(out, "waxwire_media_downloads_total", "counter", "downloads", (double)c.downloads);
    put_one(out, "waxwire_media_broken_total", "counter", "uploads that broke off", (double)c.broken);
    put_one(out, "waxwire_media_damaged", "gauge", "files that are not what their names say",
            (double)c.damaged);
}

static void put_planes(FILE *out, const struct admin_sources *sources, uint64_t now_ms)
{
    struct intake_view view;
    struct directory_counts counts;
    intake_look(sources->intake, &view);
    directory_count(sources->directory, &counts);
    put_head(out, "waxwire_build_info", "gauge", "the version that runs; always 1");
    fprintf(out, "waxwire_build_info{version=\"%s\"} 1\n", WAX_VERSION);
    put_one(out, "waxwire_control_uptime_seconds", "gauge", "since the control plane's start",
            (double)(now_ms - sources->started_ms) / 1e3);
    put_one(out, "waxwire_dataplane_attached", "gauge", "1 while a data plane is attached",
            view.attached ? 1 : 0);
    put_one(out, "waxwire_dataplane_attachments_total", "counter", "times that a data plane was attached",
            (double)view.attachments);
    put_one(out, "waxwire_dataplane_refused_total", "counter", "data planes that were refused",
            (double)view.refused);
    put_one(out, "waxwire_sessions", "gauge", "sessions that are open",
            (double)session_table_count(sources->sessions));
    put_one(out, "waxwire_logins_total", "counter", "logins by signature", (double)view.logins);
    put_one(out, "waxwire_accounts_made_total", "counter", "accounts made", (double)counts.accounts);
    put_one(out, "waxwire_logins_not_invited_total", "counter", "logins refused, for registration is closed",
            (double)counts.not_invited);
    put_one(out, "waxwire_requests_total", "counter", "requests of sessions", (double)view.requests);
    put_one(out, "waxwire_requests_limited_total", "counter", "of them, rate limited",
            (double)view.requests_refused);
}

static void put_limits(FILE *out, const struct admin_sources *sources)
{
    const struct wax_config *c = sources->config;
    if (c == NULL)
        return;
    put_head(out, "waxwire_worker_limit", "gauge", "limits of a worker, by the gauge that they bound");
    fprintf(out,
            "waxwire_worker_limit{of=\"connections\"} %u\nwaxwire_worker_limit{of=\"half_open\"} %u\n"
            "waxwire_worker_limit{of=\"handshakes\"} %u\nwaxwire_worker_limit{of=\"blocks\"} %u\n"
            "waxwire_worker_limit{of=\"messages\"} %u\nwaxwire_worker_limit{of=\"recipients\"} %u\n",
            c->connections_max, c->half_open_max, c->handshakes_max, c->blocks, c->messages, c->recipients);
}

char *metrics_text(const struct admin_sources *sources, uint64_t now_ms)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        abort();
    put_planes(out, sources, now_ms);
    put_store(out, sources);
    put_media(out, sources);
    put_workers(out, sources);
    put_latency(out, sources);
    put_events(out, sources);
    put_limits(out, sources);
    if (fclose(out) != 0)
        abort();
    return text;
}
