/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The highest rate at which nothing is lost, as RFC 2544 26.1 has it for frames: TCP loses no message, so a
 * rate is too high when messages are not all through soon after the last was due. The first trial has no
 * rate, only windows: what comes through then bounds the rest.
 */
#include "waxgen/gen.h"

#define TRIALS_MOST 12u
#define LATE_US     10000u /* that a trial may take longer, and half a percent */

static void trial(struct gen *gen, uint32_t rate)
{
    gen->options.rate = rate;
    gen->search.trials++;
    steps_begin(gen);
}

void search_begin(struct gen *gen)
{
    gen->search = (struct search){.on = true};
    trial(gen, 0);
}

bool search_goes_on(struct gen *gen)
{
    struct search *s = &gen->search;
    uint64_t took_us = gen->end_us - gen->traffic_us + 1, due_us = (uint64_t)gen->options.seconds * 1000000u;
    uint32_t rate = gen->options.rate;
    if (rate == 0) {
        s->high = (uint32_t)((double)gen->counts.completed * 1e6 / (double)took_us) + 1u;
        trial(gen, s->high - s->high / 10u);
        return true;
    }
    if (took_us <= due_us + due_us / 200u + LATE_US)
        s->low = rate;
    else
        s->high = rate;
    fprintf(stderr, "waxgen: trial %u: %u a second %s\n", s->trials, rate,
            s->low == rate ? "good" : "too many");
    if (s->high - s->low <= s->high / 100u * gen->options.search || s->trials == TRIALS_MOST || s->high < 2) {
        s->on = false;
        return false;
    }
    trial(gen, s->low + (s->high - s->low) / 2u);
    return true;
}
