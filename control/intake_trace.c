/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces of TCP connections: asked of every worker, their events handed to whoever asked for them. */
#include "intake_internal.h"

static void tell(struct intake *intake, const struct intake_trace *trace, bool on)
{
    struct channel_trace request = {
        .record = {.bytes = sizeof request, .kind = CHANNEL_TRACE},
        .tag = trace->tag,
        .match = trace->match,
        .on = on,
    };
    if (intake->attachment == NULL)
        return;
    for (uint32_t i = 0; i < attachment_workers(intake->attachment); i++)
        attachment_answer(intake->attachment, i, &request, sizeof request);
}

bool intake_trace_begin(struct intake *intake, struct intake_trace *trace)
{
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++) {
        if (intake->traces[i] != NULL)
            continue;
        trace->tag = ++intake->trace_tag;
        intake->traces[i] = trace;
        tell(intake, trace, true);
        return true;
    }
    return false;
}

void intake_trace_end(struct intake *intake, struct intake_trace *trace)
{
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++) {
        if (intake->traces[i] != trace)
            continue;
        intake->traces[i] = NULL;
        tell(intake, trace, false);
    }
}

void intake_traces_again(struct intake *intake)
{
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++) {
        if (intake->traces[i] != NULL)
            tell(intake, intake->traces[i], true);
    }
}

/* Events go to all whose connections they are of; an answer to the one who asked. */
void intake_take_traced(struct intake *intake, uint32_t worker, const struct channel_traced *traced)
{
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++) {
        struct intake_trace *trace = intake->traces[i];
        if (trace == NULL)
            continue;
        if (traced->tag == trace->tag)
            trace->answered(trace, worker, (enum wax_status)traced->status);
        for (uint32_t e = 0; traced->tag == 0 && e < traced->count && intake->traces[i] == trace; e++) {
            if (trace_matches(&trace->match, &traced->event[e]))
                trace->event(trace, worker, &traced->event[e], traced->wall_us);
        }
    }
}
