/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl workers: what each worker did between two looks. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "waxctl.h"

int workers_run(const struct options *options)
{
    struct timespec wait = {options->interval_ms / 1000, (long)(options->interval_ms % 1000) * 1000000};
    struct json_object *before = ask_object(options, "workers");
    if (answer_failed(before, !options->json) || options->json) {
        bool failed = answer_failed(before, false);
        if (options->json)
            print_json(before);
        json_object_put(before);
        return failed ? EXIT_NOT_DONE : 0;
    }
    nanosleep(&wait, NULL);
    struct json_object *after = ask_object(options, "workers");
    struct json_object *old = get_object(before, "workers"), *new = get_object(after, "workers");
    double seconds = (double)(get_u(after, "now_ms") - get_u(before, "now_ms")) / 1000.0;
    size_t count = json_object_array_length(new);
    if (count == 0 || seconds <= 0 || json_object_array_length(old) != count) {
        printf("no data plane is attached\n");
        count = 0;
    } else {
        printf("%6s %6s %10s %10s %10s %8s %8s %8s %8s %9s %8s %10s %10s %10s\n", "worker", "busy", "rx/s",
               "tx/s", "conns", "sessions", "sends/s", "deliv/s", "accept/s", "deliv'd/s", "blocks", "p50",
               "p99", "p99.9");
    }
    for (size_t i = 0; i < count; i++) {
        struct json_object *a = json_object_array_get_idx(old, i), *b = json_object_array_get_idx(new, i);
#define RATE(key) ((double)(get_u(b, key) - get_u(a, key)) / seconds)
        double busy = RATE("busy_cycles"), idle = RATE("idle_cycles");
        uint64_t buckets[LATENCY_BUCKETS] = {0};
        char p50[16], p99[16], p999[16];
        get_buckets(buckets, b, false);
        get_buckets(buckets, a, true);
        text_ns(p50, latency_at(buckets, 500000));
        text_ns(p99, latency_at(buckets, 990000));
        text_ns(p999, latency_at(buckets, 999000));
        printf("%6zu %5.1f%% %10.0f %10.0f %10" PRIu64 " %8" PRIu64 " %8.0f %8.0f %8.0f %9.0f %8" PRIu64
               " %10s %10s %10s\n",
               i, busy + idle > 0 ? 100.0 * busy / (busy + idle) : 0.0, RATE("rx_packets"),
               RATE("tx_packets"), get_u(b, "connections_now"), get_u(b, "sessions_now"), RATE("sends"),
               RATE("deliveries"), RATE("accepted"), RATE("delivered"), get_u(b, "blocks_free_now"), p50, p99,
               p999);
#undef RATE
    }
    json_object_put(before);
    json_object_put(after);
    return 0;
}
