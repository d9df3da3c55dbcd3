/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces of a worker's connections, between the TCP engine and the channel to the control plane. */
#ifndef WAX_CONN_TRACE_H
#define WAX_CONN_TRACE_H

#include "base/rate.h"
#include "tcp/trace.h"
#include "waxwire/channel.h"
#include "waxwire/trace.h"

struct stack;

struct traces {
    struct ring *ring; /* of the engine's events */
    uint32_t on;       /* slots in use */
    struct rate rate;  /* of events to control */
    uint64_t wall_us;  /* since 1970 when the engine's clock was 0; fixed while a trace is on */
    struct {
        uint64_t tag; /* control's, 0: free */
        uint32_t watch;
    } slot[WAX_TRACES_MAX];
};

/* Memory of the ring, and handing it to the engine. OK, or as ring_init. */
size_t trace_bytes(void);
enum wax_status trace_init(struct traces *traces, struct span memory, struct tcp_engine *tcp);

/* Control switches a trace on or off. */
void trace_request(struct stack *stack, const struct channel_trace *request);

/* Control has gone: all traces are off. */
void trace_end(struct stack *stack);

/* The end of a turn: events go to control, as many as are allowed. Cheap while no trace is on. */
void trace_flush(struct stack *stack);

#endif
