/* SPDX-License-Identifier: BSD-3-Clause */
/* The last hour, a sample each ten seconds: what the dashboard draws. */
#ifndef CONTROL_HISTORY_H
#define CONTROL_HISTORY_H

#include "admin.h"

#define HISTORY_STEP_MS 10000u
#define HISTORY_SAMPLES 361u

/* X(name): per second of the step, or as they were at its end. */
/* clang-format off */
#define HISTORY_LIST(X)                             \
    X(sends) X(deliveries) X(accepted) X(delivered) \
    X(rejected) X(opened) X(handshakes) X(dropped)  \
    X(stored) X(commits) X(p50_us) X(p99_us)        \
    X(busy) X(sessions) X(connections) X(items)
/* clang-format on */

#define HISTORY_FIELD(name) float name;
struct history_sample {
    uint64_t at_ms; /* since 1970 */
    HISTORY_LIST(HISTORY_FIELD)
};
#undef HISTORY_FIELD

/* Counters as they were at the last sample. */
struct history_totals {
    uint64_t sends, deliveries, accepted, delivered, rejected, opened, handshakes, dropped, stored, commits,
        busy, idle;
    uint64_t latency[LATENCY_BUCKETS];
};

struct history {
    uint32_t next, count;
    uint64_t last_ms;
    struct history_totals before;
    struct history_sample sample[HISTORY_SAMPLES];
};

/* Take a sample when its time has come; call it at least once a second. `now_ms` is since 1970. */
void history_turn(struct history *history, const struct admin_sources *sources, uint64_t now_ms);

/* {"step_ms", "at_ms": [...], "sends": [...], ...}, oldest first; the caller frees it. */
char *history_json(const struct history *history);

/* What there is now, as an object for the page: planes, workers, reasons of the most frequent kind; the
 * caller frees it. */
char *history_now_json(const struct admin_sources *sources, uint64_t now_ms);

#endif
