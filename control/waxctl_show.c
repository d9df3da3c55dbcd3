/* SPDX-License-Identifier: BSD-3-Clause */
/* What the answers of the admin socket hold, for people. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "waxctl.h"
#include "waxwire/metrics.h"

void print_duration(uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s >= 86400)
        printf("%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        printf("%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        printf("%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else
        printf("%" PRIu64 " s", s);
}

void text_ns(char text[16], uint64_t ns)
{
    if (ns < 10000000)
        snprintf(text, 16, "%.1f us", (double)ns / 1e3);
    else
        snprintf(text, 16, "%.1f ms", (double)ns / 1e6);
}

static void show_latency(struct json_object *latency)
{
    char p50[16], p99[16], p999[16], most[16];
    if (get_u(latency, "count") == 0)
        return;
    text_ns(p50, get_u(latency, "p50_ns"));
    text_ns(p99, get_u(latency, "p99_ns"));
    text_ns(p999, get_u(latency, "p999_ns"));
    text_ns(most, get_u(latency, "max_ns"));
    printf("relaying    SEND polled to DELIVER at the port: p50 %s, p99 %s, p99.9 %s, most %s\n", p50, p99,
           p999, most);
}

void show_status(const struct options *options, struct json_object *reply)
{
    (void)options;
    struct json_object *plane = get_object(reply, "data_plane"), *store = get_object(reply, "store");
    printf("control     pid %" PRIu64 ", version %s, up ", get_u(reply, "pid"), get_text(reply, "version"));
    print_duration(get_u(reply, "uptime_ms"));
    printf("\nrelay       %s\n", get_text(reply, "relay_id"));
    if (get_bool(plane, "attached")) {
        printf("data plane  pid %" PRIu64 ", epoch %" PRIu64 ", %" PRIu64 " workers, %" PRIu64
               " connections, attached ",
               get_u(plane, "pid"), get_u(plane, "epoch"), get_u(plane, "workers"),
               get_u(plane, "connections"));
        print_duration(get_u(reply, "now_ms") - get_u(plane, "since_ms"));
        printf("\n");
        show_latency(get_object(plane, "latency"));
    } else {
        printf("data plane  not attached\n");
    }
    printf("sessions    %" PRIu64 " open, %" PRIu64 " logins, %" PRIu64 " new accounts since the start\n",
           get_u(reply, "sessions"), get_u(reply, "logins"), get_u(reply, "accounts_made"));
    if (get_u(reply, "not_invited") != 0)
        printf("            %" PRIu64 " logins refused, for registration is closed\n",
               get_u(reply, "not_invited"));
    printf("store       %" PRIu64 " items waiting in %" PRIu64 " mailboxes, %" PRIu64 " segments\n",
           get_u(store, "items"), get_u(store, "mailboxes"), get_u(store, "segments"));
    printf("            %" PRIu64 " stored, %" PRIu64 " drained, %" PRIu64 " retired, %" PRIu64
           " refused, %" PRIu64 " commits since the start\n",
           get_u(store, "stored"), get_u(store, "drained"), get_u(store, "retired"), get_u(store, "refused"),
           get_u(store, "commits"));
    struct json_object *requests = get_object(reply, "requests");
    printf("requests    %" PRIu64 " of sessions, %" PRIu64 " rate limited; %" PRIu64 " for keys, %" PRIu64
           " one-time keys given, %" PRIu64 " times withheld\n",
           get_u(requests, "taken"), get_u(requests, "rate_limited"), get_u(requests, "keys_asked"),
           get_u(requests, "one_time_keys_given"), get_u(requests, "one_time_keys_withheld"));
    struct json_object *quotas = get_object(reply, "quotas");
    if (get_u(quotas, "mailbox_full") + get_u(quotas, "reads_refused") != 0)
        printf("quotas      %" PRIu64 " messages REJECTED, for a mailbox was full; %" PRIu64
               " READs not kept for who was away\n",
               get_u(quotas, "mailbox_full"), get_u(quotas, "reads_refused"));
    if (get_u(store, "damaged") != 0)
        printf("            %" PRIu64 " places of DAMAGE were met at recovery\n", get_u(store, "damaged"));
}

static bool mentions(const char *name, const char *text, const char *wanted)
{
    return wanted == NULL || strcasestr(name, wanted) != NULL || strcasestr(text, wanted) != NULL;
}

void show_counters(const struct options *options, struct json_object *reply)
{
    struct json_object *metrics = get_object(reply, "metrics"), *statuses = get_object(reply, "statuses");
    const char *wanted = options->operand[0];
    bool all = options->text[OPTION_ALL] != NULL;
#define SHOW(name, unit, help)                                                                               \
    if (mentions(#name, help, wanted))                                                                       \
        printf("%-24s %16" PRIu64 " %-12s %s\n", #name, get_u(metrics, #name), unit, help);
    WAX_METRIC_LIST(SHOW)
#undef SHOW
    uint64_t count[WAX_STATUS_COUNT] = {0};
    for (size_t i = 0; statuses != NULL && i < json_object_array_length(statuses); i++) {
        struct json_object *s = json_object_array_get_idx(statuses, i);
        for (uint32_t n = 0; n < WAX_STATUS_COUNT; n++) {
            if (strcmp(wax_status_name((enum wax_status)n), get_text(s, "name")) == 0)
                count[n] = get_u(s, "count");
        }
    }
    for (uint32_t n = WAX_OK + 1; n < WAX_STATUS_COUNT; n++) {
        const char *name = wax_status_name((enum wax_status)n), *text = wax_status_text((enum wax_status)n);
        if ((all || count[n] != 0) && mentions(name, text, wanted))
            printf("%-24s %16" PRIu64 " %-12s %s\n", name, count[n], "times", text);
    }
}

void print_bytes(uint64_t bytes)
{
    if (bytes >= UINT64_C(10) << 30)
        printf("%.1f GiB", (double)bytes / (double)(1u << 30));
    else
        printf("%.1f MiB", (double)bytes / (double)(1u << 20));
}

void show_media(const struct options *options, struct json_object *reply)
{
    (void)options;
    if (!get_bool(reply, "on")) {
        printf("media are off\n");
    } else if (!get_bool(reply, "ready")) {
        printf("media are being listed\n");
    } else {
        printf("blobs       %" PRIu64 " of %" PRIu64 " accounts, ", get_u(reply, "blobs"),
               get_u(reply, "accounts"));
        print_bytes(get_u(reply, "bytes"));
        printf("\nquota       ");
        if (get_u(reply, "quota_bytes") == 0)
            printf("none");
        else
            print_bytes(get_u(reply, "quota_bytes"));
        printf(" for an account\nnow         %" PRIu64 " uploads, %" PRIu64 " downloads, %" PRIu64
               " buffers\n",
               get_u(reply, "uploads_now"), get_u(reply, "downloads_now"), get_u(reply, "buffers_now"));
        printf("since start %" PRIu64 " uploads (", get_u(reply, "uploads"));
        print_bytes(get_u(reply, "bytes_in"));
        printf("; %" PRIu64 " broke off), %" PRIu64 " downloads (", get_u(reply, "broken"),
               get_u(reply, "downloads"));
        print_bytes(get_u(reply, "bytes_out"));
        printf("), %" PRIu64 " deleted, %" PRIu64 " expired\n", get_u(reply, "deletions"),
               get_u(reply, "expired"));
        if (get_u(reply, "damaged") != 0)
            printf("            %" PRIu64 " files that are NOT what their names say\n",
                   get_u(reply, "damaged"));
    }
}

void show_text(const struct options *options, struct json_object *reply)
{
    (void)options;
    puts(get_text(reply, "text"));
}

void show_limits(const struct options *options, struct json_object *reply)
{
    struct json_object *list = get_object(reply, "limits");
    (void)options;
    printf("%-32s %-10s %14s %14s %12s  %s\n", "limit", "per", "value", "in use", "refused", "change");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *l = json_object_array_get_idx(list, i);
        char now[40] = "-", refused[24] = "-";
        uint64_t value = get_u(l, "value");
        if (get_object(l, "now") != NULL)
            snprintf(now, sizeof now, "%" PRIu64 " (%.0f%%)", get_u(l, "now"),
                     value != 0 ? 100.0 * (double)get_u(l, "now") / (double)value : 0.0);
        if (get_object(l, "refused") != NULL)
            snprintf(refused, sizeof refused, "%" PRIu64, get_u(l, "refused"));
        printf("%-32s %-10s %14" PRIu64 " %14s %12s  %s\n", get_text(l, "name"), get_text(l, "per"), value,
               now, refused, get_text(l, "change"));
    }
}
