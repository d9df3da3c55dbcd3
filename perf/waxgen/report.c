/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run has come to. */
#include <inttypes.h>
#include <unistd.h>

#include "waxgen/gen.h"

void report_latency(struct gen_counts *counts, uint32_t us)
{
    counts->latency[latency_bucket(us)]++;
}

uint64_t report_latency_at(const struct gen_counts *counts, uint64_t part)
{
    return latency_at(counts->latency, part);
}

static double seconds(uint64_t from_us, uint64_t to_us)
{
    return from_us == 0 || to_us <= from_us ? 0 : (double)(to_us - from_us) / 1e6;
}

/* On a terminal the line is written over, elsewhere there is one after the other. */
static bool is_live(void)
{
    return isatty(STDERR_FILENO) != 0;
}

static void line_begin(const struct gen *gen, uint64_t done, uint64_t all)
{
    enum { BAR = 24 };
    static const char full[] = "########################", empty[] = "........................";
    if (!is_live()) {
        fputs("waxgen: ", stderr);
        return;
    }
    int part = all == 0 ? 0 : (int)(done >= all ? BAR : done * BAR / all);
    fprintf(stderr, "\r\033[2K[%.*s%.*s] ", part, full, BAR - part, empty);
    if (gen->options.step_count != 0)
        fprintf(stderr, "step %u of %u: ", gen->step, gen->options.step_count);
}

static void line_end(void)
{
    if (!is_live())
        fputc('\n', stderr);
    fflush(stderr);
}

/* Where those are that are being opened. */
static void progress_opening(const struct gen *gen)
{
    uint32_t in[CLIENT_GONE + 1] = {0};
    for (uint32_t i = 0; i < gen->begun; i++)
        in[gen->clients[i].state]++;
    line_begin(gen, gen->open, gen->options.sessions);
    fprintf(stderr,
            "%u of %u sessions open; %u in TCP's handshake, %u in TLS's, %u in HTTP, %u in the relay's",
            gen->open, gen->options.sessions, in[CLIENT_CONNECT], in[CLIENT_SHAKE], in[CLIENT_UPGRADE],
            in[CLIENT_CHALLENGE] + in[CLIENT_WELCOME]);
    line_end();
}

static void progress_traffic(const struct gen *gen)
{
    const struct gen_counts *c = &gen->counts;
    line_begin(gen, c->completed, gen->options.messages);
    fprintf(stderr, "%" PRIu64 " of %" PRIu64 " messages complete, %.0f a second so far", c->completed,
            gen->options.messages, (double)c->completed / (seconds(gen->traffic_us, gen->now_us) + 1e-9));
    if (is_live())
        fprintf(stderr, "; p50 %" PRIu64 " us, p99 %" PRIu64 " us", report_latency_at(c, 500000),
                report_latency_at(c, 990000));
    line_end();
}

void report_progress(struct gen *gen)
{
    if (gen->phase == GEN_OPENING || (gen->phase == GEN_TRAFFIC && gen->open < gen->options.sessions)) {
        progress_opening(gen);
    } else if (gen->phase == GEN_TRAFFIC) {
        progress_traffic(gen);
    } else if (gen->phase == GEN_SETTLING || gen->phase == GEN_AWAY) {
        line_begin(gen, 0, 0);
        if (gen->phase == GEN_AWAY)
            fputs("the relay is away", stderr);
        else
            fprintf(stderr, "all %u sessions are open and idle", gen->open);
        line_end();
    }
}

static void flood_json(FILE *file, const struct gen *gen)
{
    const struct flood *f = &gen->flood;
    double lasted = seconds(f->began_us, f->ended_us != 0 ? f->ended_us : gen->now_us);
    if (f->options.kind == FLOOD_NONE)
        return;
    fprintf(file,
            "  \"flood\": {\"kind\": \"%s\", \"packets\": %" PRIu64
            ", \"seconds\": %.6f, \"packets_per_s\": %.1f},\n",
            flood_kind_text(f->options.kind), f->packets, lasted,
            lasted > 0 ? (double)f->packets / lasted : 0);
}

static void storm_json(FILE *file, const struct gen *gen)
{
    const struct storm *s = &gen->storm;
    double lasted = seconds(s->began_us, s->ended_us);
    if (gen->options.storm == 0)
        return;
    fprintf(file,
            "  \"storm\": {\"clients\": %u, \"opened\": %" PRIu64
            ", \"seconds\": %.6f, \"opened_per_s\": %.1f},\n",
            gen->options.storm, s->opened, lasted, lasted > 0 ? (double)s->opened / lasted : 0);
}

static void resume_json(FILE *file, const struct gen *gen)
{
    const struct comeback *c = &gen->comeback;
    if (gen->options.resume)
        fprintf(file, "  \"resumed\": {\"tickets\": %" PRIu64 ", \"tokens\": %" PRIu64 "},\n",
                gen->counts.tickets, gen->counts.tokens);
    if (gen->options.comeback)
        fprintf(file,
                "  \"comeback\": {\"away_seconds\": %.6f, \"opened_seconds\": %.6f, \"relaying_seconds\": "
                "%.6f},\n",
                seconds(c->lost_us, c->up_us), seconds(c->up_us, c->opened_us),
                seconds(c->up_us, gen->end_us));
}

void report_json(FILE *file, const struct gen *gen)
{
    const struct gen_counts *c = &gen->counts;
    const struct gen_options *o = &gen->options;
    double opening = seconds(gen->started_us, gen->opened_us),
           traffic = seconds(gen->traffic_us, gen->end_us);
    fprintf(file, "{\n  \"suite\": \"waxgen\", \"version\": \"%s\", \"ok\": %s,\n", WAX_VERSION,
            gen->failed ? "false" : "true");
    fprintf(
        file,
        "  \"sessions\": %u, \"active\": %u, \"window\": %u, \"payload\": %u, \"messages\": %" PRIu64
        ", \"matrix\": \"%s\", \"group\": %u, \"silent\": %s, \"rate\": %u, \"tls\": %s, \"seed\": %" PRIu64
        ",\n",
        o->sessions, o->active, o->window, o->payload, o->messages,
        o->matrix == MATRIX_UNIFORM ? "uniform" : "pairs", o->group, o->silent ? "true" : "false", o->rate,
        o->tls ? "true" : "false", o->seed);
    fprintf(
        file,
        "  \"seconds\": %.6f, \"messages_per_s\": %.1f, \"opening_seconds\": %.6f, \"opened_per_s\": %.1f,\n",
        traffic, traffic > 0 ? (double)c->completed / traffic : 0, opening,
        opening > 0 ? (double)o->sessions / opening : 0);
    flood_json(file, gen);
    storm_json(file, gen);
    resume_json(file, gen);
    if (o->search != 0)
        fprintf(file, "  \"no_loss_per_s\": %u, \"too_many_per_s\": %u, \"trials\": %u,\n", gen->search.low,
                gen->search.high, gen->search.trials);
    fprintf(file,
            "  \"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"deliveries\": %" PRIu64
            ", \"completed\": %" PRIu64 ", \"accepted\": %" PRIu64 ",\n  \"lost\": %" PRIu64
            ", \"duplicated\": %" PRIu64 ", \"again\": %" PRIu64 ", \"reordered\": %" PRIu64
            ", \"wrong\": %" PRIu64 ", \"rejected\": %" PRIu64 ", \"closed\": %" PRIu64
            ", \"stale\": %" PRIu64 ", \"errors\": %u,\n",
            c->sent, c->received, c->deliveries, c->completed, c->accepted, c->lost, c->duplicated, c->again,
            c->reordered, c->wrong, c->rejected, c->closed, c->stale, c->errors_told);
    fprintf(file,
            "  \"p50_us\": %" PRIu64 ", \"p90_us\": %" PRIu64 ", \"p99_us\": %" PRIu64
            ", \"p999_us\": %" PRIu64 ", \"max_us\": %" PRIu64 "\n}\n",
            report_latency_at(c, 500000), report_latency_at(c, 900000), report_latency_at(c, 990000),
            report_latency_at(c, 999000), report_latency_at(c, 1000000));
}

bool report_end(const struct gen *gen)
{
    const struct gen_counts *c = &gen->counts;
    double opening = seconds(gen->started_us, gen->opened_us),
           traffic = seconds(gen->traffic_us, gen->end_us);
    if (is_live())
        fputc('\n', stderr);
    printf("%s: %" PRIu64 " of %" PRIu64 " messages complete", gen->failed ? "failed" : "good", c->completed,
           gen->options.messages);
    if (traffic > 0)
        printf(" in %.2f s: %.0f a second; %u sessions opened in %.2f s\n"
               "send to delivered: p50 %" PRIu64 " us, p99 %" PRIu64 " us, p99.9 %" PRIu64
               " us, most %" PRIu64 " us",
               traffic, (double)c->completed / traffic, gen->options.sessions, opening,
               report_latency_at(c, 500000), report_latency_at(c, 990000), report_latency_at(c, 999000),
               report_latency_at(c, 1000000));
    printf("\nlost %" PRIu64 ", duplicated %" PRIu64 ", reordered %" PRIu64 ", wrong %" PRIu64
           ", rejected %" PRIu64 ", closed %" PRIu64 ", stored on the way %" PRIu64 "\n",
           c->lost, c->duplicated, c->reordered, c->wrong, c->rejected, c->closed, c->accepted);
    if (gen->options.search != 0)
        printf("highest rate without loss: %u a second; %u was too many (%u trials)\n", gen->search.low,
               gen->search.high, gen->search.trials);
    const struct flood *f = &gen->flood;
    if (f->options.kind != FLOOD_NONE)
        printf("flood (%s): %" PRIu64 " packets in %.2f s\n", flood_kind_text(f->options.kind), f->packets,
               seconds(f->began_us, f->ended_us != 0 ? f->ended_us : gen->now_us));
    if (gen->options.json == NULL)
        return true;
    FILE *file = fopen(gen->options.json, "we");
    if (file == NULL) {
        perror(gen->options.json);
        return false;
    }
    report_json(file, gen);
    return fclose(file) == 0;
}
