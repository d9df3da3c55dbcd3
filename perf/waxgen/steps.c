/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One traffic after the other with the same sessions: what takes long, to open them, is done once. A line on
 * standard input is the next step, what it has come to is an object on standard output.
 */
#include <stdlib.h>

#include "waxgen/gen.h"

static void counts_clear(struct gen *gen)
{
    struct gen_counts *counts = &gen->counts;
    struct gen_counts kept = *counts;
    *counts = (struct gen_counts){.errors_told = kept.errors_told,
                                  .closed = kept.closed,
                                  .tickets = kept.tickets,
                                  .tokens = kept.tokens};
    memcpy(counts->wire, kept.wire, sizeof counts->wire);
}

void steps_begin(struct gen *gen)
{
    struct gen_options *o = &gen->options;
    if (o->rate != 0 && o->seconds != 0)
        o->messages = (uint64_t)o->rate * o->seconds;
    gen->id_base += gen->quota_most; /* ids rise */
    counts_clear(gen);
    for (uint32_t i = 0; i < o->sessions; i++) {
        struct client *client = &gen->clients[i];
        free(client->messages);
        client->messages = NULL;
        client->quota = client->sent = client->unanswered = client->granted = client->base = 0;
    }
    gen->turn_of = 0;
    gen->granted = 0;
    traffic_begin(gen);
    gen->phase = GEN_TRAFFIC;
    gen->traffic_us = gen->progress_us = gen->now_us;
}

void steps_end(struct gen *gen)
{
    gen->end_us = gen->now_us;
    if (gen->search.on && search_goes_on(gen))
        return;
    limits_judge(gen);
    gen->phase = gen->options.commands ? GEN_WAITING : GEN_CLOSING;
    if (!gen->options.commands)
        return;
    report_json(stdout, gen);
    fflush(stdout);
}

void steps_command(struct gen *gen, char *line)
{
    if (strcmp(line, "end") == 0) {
        gen->end_us = gen->now_us;
        gen->phase = GEN_CLOSING;
        return;
    }
    if (!options_step(line, &gen->options)) {
        gen_error(gen, NULL, "a command means nothing", line);
        return;
    }
    if (gen->options.search != 0)
        search_begin(gen);
    else
        steps_begin(gen);
}

void steps_next(struct gen *gen)
{
    const struct gen_options *o = &gen->options;
    char line[GEN_LINE_BYTES] = "end";
    if (o->step_count == 0)
        return;
    if (gen->step < o->step_count)
        snprintf(line, sizeof line, "%s", o->steps[gen->step++]);
    steps_command(gen, line);
}
