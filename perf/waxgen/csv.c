/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of numbers for each second of traffic. */
#include <inttypes.h>

#include "waxgen/gen.h"

bool csv_begin(struct gen *gen)
{
    const char *path = gen->options.csv;
    if (path == NULL)
        return true;
    gen->csv = fopen(path, "we");
    if (gen->csv == NULL) {
        perror(path);
        return false;
    }
    fputs("step,seconds,completed,messages_per_s,deliveries,p50_us,p99_us,p999_us,max_us,lost,wrong\n",
          gen->csv);
    return true;
}

void csv_line(struct gen *gen)
{
    struct gen_counts *c = &gen->counts;
    uint64_t passed[LATENCY_BUCKETS];
    if (gen->csv == NULL || gen->phase != GEN_TRAFFIC)
        return;
    if (gen->csv_us < gen->traffic_us) { /* a new step */
        gen->csv_us = gen->traffic_us;
        gen->csv_completed = 0;
        memset(gen->csv_latency, 0, sizeof gen->csv_latency);
    }
    for (uint32_t i = 0; i < LATENCY_BUCKETS; i++)
        passed[i] = c->latency[i] - gen->csv_latency[i];
    double took = (double)(gen->now_us - gen->csv_us + 1) / 1e6;
    fprintf(gen->csv,
            "%u,%.3f,%" PRIu64 ",%.0f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64
            ",%" PRIu64 "\n",
            gen->step, (double)(gen->now_us - gen->traffic_us) / 1e6, c->completed,
            (double)(c->completed - gen->csv_completed) / took, c->deliveries, latency_at(passed, 500000),
            latency_at(passed, 990000), latency_at(passed, 999000), latency_at(passed, 1000000), c->lost,
            c->wrong);
    fflush(gen->csv);
    gen->csv_us = gen->now_us;
    gen->csv_completed = c->completed;
    memcpy(gen->csv_latency, c->latency, sizeof gen->csv_latency);
}
