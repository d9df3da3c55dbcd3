/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Traces of connections: switched on and off by records of the control plane, their events carried back in
 * records. Events never crowd out what the channel is for: they are limited in number, and what exceeds it
 * waits in the engine's ring until that is full, and is then counted as lost.
 */
#include "conn/trace.h"

#include "conn/state.h"

/* The channel's events are the engine's. */
#define SAME_FIELD(field)                                                                                    \
    _Static_assert(offsetof(struct trace_event, field) == offsetof(struct tcp_trace_event, field), #field)
SAME_FIELD(time_us);
SAME_FIELD(peer);
SAME_FIELD(peer_port);
SAME_FIELD(local_port);
SAME_FIELD(id);
SAME_FIELD(kind);
SAME_FIELD(state);
SAME_FIELD(flags);
SAME_FIELD(watch);
SAME_FIELD(status);
SAME_FIELD(lost);
SAME_FIELD(segment);
SAME_FIELD(segment.tsecr);
SAME_FIELD(change);
SAME_FIELD(congestion);
SAME_FIELD(congestion.snd_wnd);
SAME_FIELD(congestion.rto_ms);
SAME_FIELD(timer);
SAME_FIELD(timer.rto_ms);
_Static_assert(sizeof(struct trace_event) == sizeof(struct tcp_trace_event), "an event is copied whole");
#define SAME_KIND(name, text)                                                                                \
    _Static_assert((int)TRACE_##name == (int)TCP_TRACE_##name, "kinds have the same numbers");
#define SAME_STATE(name, text)                                                                               \
    _Static_assert((int)TRACE_STATE_##name == (int)TCP_STATE_##name, "states have the same numbers");
#define SAME_TIMER(name, text)                                                                               \
    _Static_assert((int)TRACE_TIMER_##name == (int)TCP_TRACE_TIMER_##name, "timers have the same numbers");
TRACE_KIND_LIST(SAME_KIND)
TRACE_STATE_LIST(SAME_STATE)
TRACE_TIMER_LIST(SAME_TIMER)

#define EVENT_COST_US (1000000u / WAX_TRACE_EVENTS_PER_S)

size_t trace_bytes(void)
{
    return ring_bytes(WAX_TRACE_RING_EVENTS, sizeof(struct tcp_trace_event));
}

enum wax_status trace_init(struct traces *traces, struct span memory, struct tcp_engine *tcp)
{
    enum wax_status status =
        ring_init(&traces->ring, memory, WAX_TRACE_RING_EVENTS, sizeof(struct tcp_trace_event));
    return status == WAX_OK ? tcp_trace_ring(tcp, traces->ring) : status;
}

/* What became of a request; lost when the channel is full: control then waits for no answer. */
static void answer(struct stack *stack, uint64_t tag, enum wax_status status)
{
    const struct relay_port *port = &stack->env.relay;
    struct channel_traced *record = (void *)port->control_reserve(port->ctx, sizeof *record);
    if (record == NULL)
        return;
    record->record.kind = CHANNEL_TRACED;
    record->tag = tag;
    record->wall_us = 0;
    record->status = (uint32_t)status;
    record->count = 0;
    port->control_publish(port->ctx);
}

static void trace_on(struct stack *stack, const struct channel_trace *request)
{
    struct traces *traces = &stack->traces;
    struct tcp_tuple match = {.peer_port = request->match.peer_port, .local_port = request->match.local_port};
    memcpy(match.peer.b, request->match.peer, sizeof match.peer.b);
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++) {
        if (traces->slot[i].tag != 0)
            continue;
        enum wax_status status = tcp_trace_on(stack->tcp, &match, &traces->slot[i].watch);
        if (status == WAX_OK || status == WAX_EXISTS) {
            traces->slot[i].tag = request->tag;
            if (traces->on++ == 0)
                traces->wall_us = stack->wall_ms * 1000u - stack->now_us;
            status = WAX_OK;
        }
        answer(stack, request->tag, status);
        return;
    }
    answer(stack, request->tag, WAX_FULL);
}

/* Two requests for the same connections share a watch of the engine's. */
static bool watch_shared(const struct traces *traces, uint32_t but)
{
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++)
        if (i != but && traces->slot[i].tag != 0 && traces->slot[i].watch == traces->slot[but].watch)
            return true;
    return false;
}

static void trace_off(struct stack *stack, uint32_t slot)
{
    struct traces *traces = &stack->traces;
    if (!watch_shared(traces, slot))
        (void)tcp_trace_off(stack->tcp, traces->slot[slot].watch);
    traces->slot[slot].tag = 0;
    if (--traces->on != 0)
        return;
    while (ring_front(traces->ring, 0) != NULL)
        ring_release(traces->ring, 1);
}

void trace_request(struct stack *stack, const struct channel_trace *request)
{
    if (request->on && request->tag != 0) {
        trace_on(stack, request);
        return;
    }
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++)
        if (request->tag != 0 && stack->traces.slot[i].tag == request->tag)
            trace_off(stack, i);
}

void trace_end(struct stack *stack)
{
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++)
        if (stack->traces.slot[i].tag != 0)
            trace_off(stack, i);
}

/* One record of events. False: nothing (more) can go now. */
static bool flush_some(struct stack *stack)
{
    struct traces *traces = &stack->traces;
    const struct relay_port *port = &stack->env.relay;
    uint32_t count = 0;
    while (count < CHANNEL_TRACED_MAX && ring_front(traces->ring, count) != NULL &&
           rate_take(&traces->rate, stack->now_us, EVENT_COST_US, WAX_TRACE_BURST))
        count++;
    if (count == 0)
        return false;
    uint32_t bytes = (uint32_t)(sizeof(struct channel_traced) + count * sizeof(struct trace_event));
    struct channel_traced *record = (void *)port->control_reserve(port->ctx, bytes);
    if (record == NULL)
        return false;
    record->record.kind = CHANNEL_TRACED;
    record->tag = 0;
    record->wall_us = traces->wall_us;
    record->status = WAX_OK;
    record->count = count;
    for (uint32_t i = 0; i < count; i++)
        memcpy(&record->event[i], ring_front(traces->ring, i), sizeof record->event[i]);
    ring_release(traces->ring, count);
    port->control_publish(port->ctx);
    return count == CHANNEL_TRACED_MAX;
}

void trace_flush(struct stack *stack)
{
    while (stack->traces.on != 0 && flush_some(stack)) {
    }
}
