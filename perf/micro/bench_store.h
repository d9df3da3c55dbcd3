/* SPDX-License-Identifier: BSD-3-Clause */
/* What the benchmark of the mailbox store and that of the databases beside it share. */
#ifndef PERF_MICRO_BENCH_STORE_H
#define PERF_MICRO_BENCH_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "waxwire/limits.h"

#define USERS       10000u
#define META_BYTES  80u
#define DISK_BYTES  (1u << 20) /* of a write of the disk alone */
#define SECOND      1000000000u
#define SENDERS_MAX 65536u

struct options {
    const char *engine, *directory;
    uint32_t senders, payload, seconds;
    uint32_t living_mb; /* of churn */
    bool again;         /* end without a word, start again, drain */
};

/* What was measured of one engine. */
struct outcome {
    uint64_t messages, ns, cpu_ns, commits;
    uint64_t heap_bytes;                            /* that the store has more than before */
    uint64_t recover_ns, recover_cpu_ns, log_bytes; /* of the start that follows */
    uint64_t drain_ns, drained;
    /* of churn: bytes that came, what was written for them, of that copies and keys */
    uint64_t churn_bytes, churn_written, churn_moved, churn_purge, churn_late_ms;
    double churn_disk;    /* the log over what lives in it */
    uint64_t *latency_ns; /* of each message */
    uint64_t room;
};

uint64_t now_ns(clockid_t clock);

/* End the program, with errno, unless it is good. */
void must(bool good, const char *what);

/* One more message took so long. */
void took(struct outcome *out, uint64_t ns);

/* A number from a seed that goes on (splitmix64); the user of a number. */
uint64_t draw(uint64_t *state);
void user_of(uint64_t number, uint8_t user[WAX_USER_BYTES]);

/* Run a database, or the disk alone; false when there is no such engine. */
bool run_database(const struct options *options, struct outcome *out);

#endif
