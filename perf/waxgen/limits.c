/* SPDX-License-Identifier: BSD-3-Clause */
/* What was asked for, and whether it was reached. */
#include <inttypes.h>

#include "waxgen/gen.h"

static void rate_judge(struct gen *gen)
{
    const struct gen_options *o = &gen->options;
    uint64_t took_us = gen->end_us - gen->traffic_us + 1;
    double rate = o->search != 0 ? gen->search.low : (double)gen->counts.completed * 1e6 / (double)took_us;
    if (o->least_rate == 0 || rate >= o->least_rate)
        return;
    gen->short_of = true;
    fprintf(stderr, "waxgen: %.0f messages a second, %u were asked for\n", rate, o->least_rate);
}

void limits_judge(struct gen *gen)
{
    static const struct {
        const char *name;
        uint64_t part;
    } times[] = {{"p50", 500000}, {"p99", 990000}, {"p99.9", 999000}};
    rate_judge(gen);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint64_t us = report_latency_at(&gen->counts, times[i].part), most = gen->options.most_us[i];
        if (most == 0 || us <= most)
            continue;
        gen->short_of = true;
        fprintf(stderr, "waxgen: %s is %" PRIu64 " us, at most %" PRIu64 " were asked for\n", times[i].name,
                us, most);
    }
}
