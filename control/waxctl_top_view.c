/* SPDX-License-Identifier: BSD-3-Clause */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "waxctl.h"
#include "waxctl_top.h"
#include "waxwire/status.h"

#define LINE_BYTES  512u
#define REASONS_MAX 256u

/* A screen under way. */
struct sheet {
    const struct top_screen *screen;
    char *out;
    size_t room, len;
    uint32_t rows;
};

/* One line, cut at the screen's edge; `style` is an SGR code, or "". */
static void put(struct sheet *sheet, const char *style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void put(struct sheet *sheet, const char *style, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    if (sheet->rows >= sheet->screen->rows)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (sheet->screen->columns < sizeof line)
        line[sheet->screen->columns] = '\0';
    bool color = sheet->screen->color && style[0] != '\0';
    size_t left = sheet->room - sheet->len;
    int n = snprintf(sheet->out + sheet->len, left, "%s%s%s%s%s\n", color ? "\033[" : "", color ? style : "",
                     line, color ? "\033[0m" : "", sheet->screen->more ? "\033[K" : "");
    if (n > 0 && (size_t)n < left)
        sheet->len += (size_t)n;
    sheet->rows++;
}

/* 1234567 as 1.23M. */
static const char *short_number(char text[16], double value)
{
    const char *unit = "";
    if (value >= 1e9)
        value /= 1e9, unit = "G";
    else if (value >= 1e6)
        value /= 1e6, unit = "M";
    else if (value >= 1e4)
        value /= 1e3, unit = "k";
    snprintf(text, 16, unit[0] == '\0' ? "%.0f%s" : value < 100 ? "%.1f%s" : "%.0f%s", value, unit);
    return text;
}

static double seconds_between(const struct top_look *before, const struct top_look *now)
{
    uint64_t a = get_u(before->counters, "now_ms"), b = get_u(now->counters, "now_ms");
    return before->counters != NULL && b > a ? (double)(b - a) / 1000.0 : 0;
}

/* Of a counter, a second; 0 when the counter went back (a new data plane). */
static double rate(struct json_object *before, struct json_object *now, const char *key, double seconds)
{
    uint64_t a = get_u(before, key), b = get_u(now, key);
    return seconds > 0 && b >= a ? (double)(b - a) / seconds : 0;
}

static struct json_object *worker_at(const struct top_look *look, size_t index)
{
    struct json_object *list = get_object(look->workers, "workers");
    return list != NULL && index < json_object_array_length(list) ? json_object_array_get_idx(list, index)
                                                                  : NULL;
}

static double busy_share(struct json_object *a, struct json_object *b)
{
    double busy = rate(a, b, "busy_cycles", 1), idle = rate(a, b, "idle_cycles", 1);
    return busy + idle > 0 ? busy / (busy + idle) : 0;
}

static void put_head(struct sheet *sheet, const struct top_look *now)
{
    struct json_object *plane = get_object(now->status, "data_plane");
    if (now->status == NULL) {
        put(sheet, "1;31", "waxwire: the control plane does not answer; asking again");
        return;
    }
    put(sheet, "1",
        "waxwire %s   up %" PRIu64 " s   data plane %s   epoch %" PRIu64 "   %" PRIu64 " workers   %" PRIu64
        " sessions",
        get_text(now->status, "version"), get_u(now->status, "uptime_ms") / 1000,
        get_bool(plane, "attached") ? "attached" : "NOT ATTACHED", get_u(plane, "epoch"),
        get_u(plane, "workers"), get_u(now->status, "sessions"));
}

static void put_rates(struct sheet *sheet, const struct top_look *before, const struct top_look *now)
{
    struct json_object *a = get_object(before->counters, "metrics"),
                       *b = get_object(now->counters, "metrics");
    double s = seconds_between(before, now);
    char t[8][16];
#define R(i, key) short_number(t[i], rate(a, b, key, s))
    put(sheet, "",
        "messages/s  sends %s  delivers %s  accepted %s  delivered %s  rejected %s  stored %s  drained %s  "
        "reads %s",
        R(0, "sends"), R(1, "deliveries"), R(2, "accepted"), R(3, "delivered"), R(4, "rejected"),
        R(5, "stores"), R(6, "drained"), R(7, "reads"));
    put(sheet, "", "network/s   packets in %s out %s  bytes in %s out %s  again %s  dropped in %s out %s",
        R(0, "rx_packets"), R(1, "tx_packets"), R(2, "rx_bytes"), R(3, "tx_bytes"), R(4, "retransmits"),
        R(5, "rx_dropped"), R(6, "tx_dropped"));
    put(sheet, "",
        "sessions    now %" PRIu64 "  connections %" PRIu64 " (half open %" PRIu64
        ")  opened/s %s  handshakes/s %s (now %" PRIu64 ")  welcomed/s %s",
        get_u(b, "sessions_now"), get_u(b, "connections_now"), get_u(b, "half_open_now"),
        R(0, "connections_opened"), R(1, "handshakes"), get_u(b, "handshakes_now"), R(2, "sessions_opened"));
    put(sheet, "", "rings/s     sends %s  returns %s   core taken away/s %s", R(0, "mesh_sends"),
        R(1, "mesh_returns"), R(2, "preemptions"));
#undef R
}

static void put_latency(struct sheet *sheet, const struct top_look *before, const struct top_look *now)
{
    static uint64_t buckets[LATENCY_BUCKETS];
    char p50[16], p99[16], p999[16], most[16];
    uint64_t count = 0;
    memset(buckets, 0, sizeof buckets);
    for (size_t i = 0; worker_at(now, i) != NULL; i++) {
        get_buckets(buckets, worker_at(now, i), false);
        get_buckets(buckets, worker_at(before, i), true);
    }
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        count += buckets[i];
    text_ns(p50, latency_at(buckets, 500000));
    text_ns(p99, latency_at(buckets, 990000));
    text_ns(p999, latency_at(buckets, 999000));
    text_ns(most, latency_at(buckets, 1000000));
    if (count == 0)
        put(sheet, "", "relaying    nothing was relayed");
    else
        put(sheet, "", "relaying    p50 %s  p99 %s  p99.9 %s  most %s", p50, p99, p999, most);
}

/* The fullest of the limits that are metered. */
static void put_pools(struct sheet *sheet, const struct top_look *now)
{
    struct json_object *list = get_object(now->limits, "limits");
    char line[LINE_BYTES] = "";
    bool full = false;
    for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
        struct json_object *l = json_object_array_get_idx(list, i);
        size_t len = strlen(line);
        const char *name = strrchr(get_text(l, "name"), '.');
        if (get_object(l, "now") == NULL || name == NULL || get_u(l, "value") == 0)
            continue;
        double share = 100.0 * (double)get_u(l, "now") / (double)get_u(l, "value");
        full |= share >= 90;
        snprintf(line + len, sizeof line - len, "  %s %.0f%%", name + 1, share);
    }
    put(sheet, full ? "31" : "", "pools     %s", line[0] != '\0' ? line : "  -");
}

static void put_store(struct sheet *sheet, const struct top_look *before, const struct top_look *now)
{
    double s = seconds_between(before, now);
    char t[4][16];
    if (now->store == NULL)
        return;
    put(sheet, get_u(now->store, "damaged") + get_u(now->store, "refused") != 0 ? "31" : "",
        "store       %" PRIu64 " items in %" PRIu64 " mailboxes, %" PRIu64
        " segments  stored/s %s  commits/s %s  bytes/s %s  retired/s %s  refused %" PRIu64,
        get_u(now->store, "items"), get_u(now->store, "mailboxes"), get_u(now->store, "segments"),
        short_number(t[0], rate(before->store, now->store, "stored", s)),
        short_number(t[1], rate(before->store, now->store, "commits", s)),
        short_number(t[2], rate(before->store, now->store, "commit_bytes", s)),
        short_number(t[3], rate(before->store, now->store, "retired", s)), get_u(now->store, "refused"));
}

static void put_workers(struct sheet *sheet, const struct top_look *before, const struct top_look *now)
{
    double s = seconds_between(before, now);
    char t[6][16], p50[16], p99[16];
    static uint64_t buckets[LATENCY_BUCKETS];
    put(sheet, "", "%s", "");
    put(sheet, "7", "%6s %5s %-20s %8s %8s %8s %8s %8s %8s %10s %10s", "worker", "busy", "", "rx/s", "tx/s",
        "conns", "sessions", "sends/s", "deliv/s", "p50", "p99");
    for (size_t i = 0; worker_at(now, i) != NULL; i++) {
        struct json_object *a = worker_at(before, i), *b = worker_at(now, i);
        double busy = busy_share(a, b);
        char bar[21] = "";
        for (uint32_t n = 0; n < 20; n++)
            bar[n] = (double)n < busy * 20 ? '#' : '.';
        memset(buckets, 0, sizeof buckets);
        get_buckets(buckets, b, false);
        get_buckets(buckets, a, true);
        text_ns(p50, latency_at(buckets, 500000));
        text_ns(p99, latency_at(buckets, 990000));
        put(sheet, busy > 0.9 ? "33" : "", "%6zu %4.0f%% %s %8s %8s %8s %8s %8s %8s %10s %10s", i, 100 * busy,
            bar, short_number(t[0], rate(a, b, "rx_packets", s)),
            short_number(t[1], rate(a, b, "tx_packets", s)),
            short_number(t[2], (double)get_u(b, "connections_now")),
            short_number(t[3], (double)get_u(b, "sessions_now")), short_number(t[4], rate(a, b, "sends", s)),
            short_number(t[5], rate(a, b, "deliveries", s)), p50, p99);
    }
}

/* A reason why something was dropped or refused. */
struct reason {
    const char *name, *text;
    uint64_t count;
    double rate;
};

static int by_rate(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    if (x->rate < y->rate || x->rate > y->rate)
        return x->rate < y->rate ? 1 : -1;
    return (x->count < y->count) - (x->count > y->count);
}

static uint64_t count_before(struct json_object *list, const char *name)
{
    for (size_t i = 0; list != NULL && i < json_object_array_length(list); i++) {
        struct json_object *s = json_object_array_get_idx(list, i);
        if (strcmp(get_text(s, "name"), name) == 0)
            return get_u(s, "count");
    }
    return 0;
}

/* The reasons, the most frequent now first. */
static size_t reasons(const struct top_look *before, const struct top_look *now,
                      struct reason out[REASONS_MAX])
{
    struct json_object *list = get_object(now->counters, "statuses"),
                       *old = get_object(before->counters, "statuses");
    double s = seconds_between(before, now);
    size_t count = 0;
    for (size_t i = 0; list != NULL && i < json_object_array_length(list) && count < REASONS_MAX; i++) {
        struct json_object *entry = json_object_array_get_idx(list, i);
        struct reason *r = &out[count];
        *r = (struct reason){get_text(entry, "name"), get_text(entry, "text"), get_u(entry, "count"), 0};
        if (strcmp(r->name, "OK") == 0 || strcmp(r->name, "MORE") == 0)
            continue;
        uint64_t was = count_before(old, r->name);
        r->rate = s > 0 && r->count >= was ? (double)(r->count - was) / s : 0;
        count++;
    }
    qsort(out, count, sizeof *out, by_rate);
    return count;
}

static void put_reasons(struct sheet *sheet, const struct top_look *before, const struct top_look *now)
{
    static struct reason all[REASONS_MAX];
    size_t count = reasons(before, now, all);
    char t[16];
    put(sheet, "", "%s", "");
    put(sheet, "7", "%10s %14s  %-24s %s", "a second", "since start", "reason",
        "dropped, refused or gone wrong");
    for (size_t i = 0; i < count; i++)
        put(sheet, all[i].rate > 0 ? "33" : "", "%10s %14" PRIu64 "  %-24s %s", short_number(t, all[i].rate),
            all[i].count, all[i].name, all[i].text);
    if (count == 0)
        put(sheet, "", "nothing");
}

size_t top_write(const struct top_look *before, const struct top_look *now, const struct top_screen *screen,
                 char *out, size_t room)
{
    struct sheet sheet = {.screen = screen, .out = out, .room = room};
    out[0] = '\0';
    put_head(&sheet, now);
    if (now->counters == NULL)
        return sheet.len;
    put_rates(&sheet, before, now);
    put_latency(&sheet, before, now);
    put_pools(&sheet, now);
    put_store(&sheet, before, now);
    put_workers(&sheet, before, now);
    put_reasons(&sheet, before, now);
    return sheet.len;
}

struct json_object *top_object(const struct top_look *before, const struct top_look *now)
{
    static struct reason all[REASONS_MAX];
    static const char *const keys[] = {"sends",      "deliveries",      "accepted",   "delivered",
                                       "rejected",   "stores",          "drained",    "rx_packets",
                                       "tx_packets", "rx_bytes",        "tx_bytes",   "connections_opened",
                                       "handshakes", "sessions_opened", "mesh_sends", "mesh_returns"};
    struct json_object *object = json_object_new_object(), *rates = json_object_new_object(),
                       *busy = json_object_new_array(), *dropped = json_object_new_object();
    struct json_object *a = get_object(before->counters, "metrics"),
                       *b = get_object(now->counters, "metrics");
    double s = seconds_between(before, now);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        json_object_object_add(rates, keys[i], json_object_new_double(rate(a, b, keys[i], s)));
    for (size_t i = 0; worker_at(now, i) != NULL; i++)
        json_object_array_add(busy,
                              json_object_new_double(busy_share(worker_at(before, i), worker_at(now, i))));
    size_t count = reasons(before, now, all);
    for (size_t i = 0; i < count; i++)
        json_object_object_add(dropped, all[i].name, json_object_new_double(all[i].rate));
    json_object_object_add(object, "now_ms", json_object_new_uint64(get_u(now->counters, "now_ms")));
    json_object_object_add(object, "answers", json_object_new_boolean(now->counters != NULL));
    json_object_object_add(object, "per_s", rates);
    json_object_object_add(object, "busy", busy);
    json_object_object_add(object, "reasons_per_s", dropped);
    return object;
}
