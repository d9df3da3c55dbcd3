/* SPDX-License-Identifier: BSD-3-Clause */
/* The trace: watches, and the events that the engine's rooms have told. Nothing here runs while none is on.
 */
#include "tcp/trace.h"

#include "tcp/engine.h"

/* Whether a watch matches; what it leaves open it doesn't ask for. */
static bool watch_matches(const struct tcp_tuple *watch, const struct tcp_tuple *t)
{
    return addr_same(&watch->peer, &t->peer) && (watch->peer_port == 0 || watch->peer_port == t->peer_port) &&
           (watch->local_port == 0 || watch->local_port == t->local_port) &&
           (addr_is_any(&watch->local) || addr_same(&watch->local, &t->local));
}

/* The watch that asked for these ends, or TCP_NONE. */
static uint32_t watch_find(const struct tcp_engine *e, const struct tcp_tuple *t)
{
    for (uint32_t i = 0; i < WAX_TRACES_MAX; i++) {
        if ((e->trace.on & 1u << i) != 0 && watch_matches(&e->trace.watches[i], t)) {
            return i;
        }
    }
    return TCP_NONE;
}

enum wax_status tcp_trace_ring(struct tcp_engine *e, struct ring *ring)
{
    if (ring != NULL && ring->item_bytes != sizeof(struct tcp_trace_event)) {
        return WAX_BAD_ARGUMENT;
    }
    e->trace.ring = ring;
    e->trace.on = ring != NULL ? e->trace.on : 0;
    e->trace.lost = 0;
    return WAX_OK;
}

enum wax_status tcp_trace_on(struct tcp_engine *e, const struct tcp_tuple *match, uint32_t *watch)
{
    if (e->trace.ring == NULL || addr_is_any(&match->peer)) {
        return WAX_BAD_ARGUMENT;
    }
    uint32_t free = TCP_NONE;
    for (uint32_t i = WAX_TRACES_MAX; i-- > 0;) {
        if ((e->trace.on & 1u << i) == 0) {
            free = i;
        } else if (memcmp(&e->trace.watches[i], match, sizeof *match) == 0) {
            *watch = i;
            return WAX_EXISTS;
        }
    }
    if (free == TCP_NONE) {
        return WAX_FULL;
    }
    e->trace.watches[free] = *match;
    e->trace.on |= 1u << free;
    *watch = free;
    uint32_t id = engine_find(e, engine_hash(e, match), match);
    if (id != TCP_NONE) {
        conn_at(e, id)->flags |= F_TRACE;
    }
    return WAX_OK;
}

enum wax_status tcp_trace_off(struct tcp_engine *e, uint32_t watch)
{
    if (watch >= WAX_TRACES_MAX || (e->trace.on & 1u << watch) == 0) {
        return WAX_NOT_FOUND;
    }
    e->trace.on &= ~(1u << watch); /* connections that carry F_TRACE find out at their next event */
    return WAX_OK;
}

/* A slot for an event of these ends, with what all kinds have; NULL: nobody asks, or there is no room. */
static struct tcp_trace_event *event_begin(struct tcp_engine *e, const struct tcp_tuple *t,
                                           enum tcp_trace_kind kind)
{
    uint32_t watch = watch_find(e, t);
    if (watch == TCP_NONE) {
        return NULL;
    }
    struct tcp_trace_event *event = (struct tcp_trace_event *)ring_peek_slot(e->trace.ring, 0);
    if (event == NULL) {
        e->trace.lost = (uint16_t)(e->trace.lost < UINT16_MAX ? e->trace.lost + 1 : UINT16_MAX);
        e->stats.trace_lost++;
        return NULL;
    }
    *event = (struct tcp_trace_event){
        .time_us = e->now_us,
        .peer = t->peer,
        .peer_port = t->peer_port,
        .local_port = t->local_port,
        .id = TCP_NONE,
        .kind = (uint8_t)kind,
        .watch = (uint8_t)watch,
        .lost = e->trace.lost,
    };
    e->trace.lost = 0;
    return event;
}

static void event_end(struct tcp_engine *e)
{
    ring_commit(e->trace.ring, 1);
    e->stats.trace_events++;
}

/* The same for a connection, whose flag goes when nobody asks for it any more. */
static struct tcp_trace_event *conn_event(struct tcp_engine *e, struct tcp_conn *c, enum tcp_trace_kind kind)
{
    if (e->trace.on == 0 || watch_find(e, &c->tuple) == TCP_NONE) {
        c->flags &= ~F_TRACE;
        return NULL;
    }
    struct tcp_trace_event *event = event_begin(e, &c->tuple, kind);
    if (event != NULL) {
        event->id = conn_id(e, c);
        event->state = c->state;
    }
    return event;
}

void trace_adopt(struct tcp_engine *e, struct tcp_conn *c)
{
    if (watch_find(e, &c->tuple) != TCP_NONE) {
        c->flags |= F_TRACE;
    }
}

static void segment_fill(struct tcp_trace_event *event, const struct tcp_segment *s, uint8_t scale)
{
    event->flags = s->flags;
    event->segment.seq = s->seq;
    event->segment.ack = s->ack;
    event->segment.len = (uint32_t)s->payload.len;
    event->segment.window = (uint32_t)s->window << ((s->flags & TCP_SYN) != 0 ? 0 : scale);
    event->segment.tsval = s->has_timestamps ? s->tsval : 0;
    event->segment.tsecr = s->has_timestamps ? s->tsecr : 0;
}

static void trace_in(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s)
{
    struct tcp_trace_event *event = conn_event(e, c, TCP_TRACE_IN);
    if (event != NULL) {
        segment_fill(event, s, c->snd_scale);
        event_end(e);
    }
}

static void trace_in_unknown(struct tcp_engine *e, const struct tcp_segment *s)
{
    struct tcp_trace_event *event = event_begin(e, &s->tuple, TCP_TRACE_IN);
    if (event != NULL) {
        segment_fill(event, s, 0);
        event_end(e);
    }
}

void trace_reason(struct tcp_engine *e, uint32_t id, const struct tcp_tuple *t, enum wax_status status)
{
    struct tcp_trace_event *event = event_begin(e, t, TCP_TRACE_REASON);
    if (event != NULL) {
        event->id = id;
        event->state = id != TCP_NONE ? conn_at(e, id)->state : TCP_STATE_FREE;
        event->status = (uint16_t)status;
        event_end(e);
    }
}

void trace_out(struct tcp_engine *e, struct tcp_conn *c, struct view segment)
{
    struct tcp_segment s;
    struct tcp_trace_event *event = conn_event(e, c, TCP_TRACE_OUT);
    if (event == NULL) {
        return;
    }
    if (tcp_parse(segment, &c->tuple.local, &c->tuple.peer, false, &s) == WAX_OK) {
        segment_fill(event, &s, c->rcv_scale);
    }
    event_end(e);
}

void trace_state(struct tcp_engine *e, struct tcp_conn *c, enum tcp_state to)
{
    struct tcp_trace_event *event = conn_event(e, c, TCP_TRACE_STATE);
    if (event != NULL) {
        event->change.from = c->state;
        event->state = (uint8_t)to;
        event->status = to == TCP_STATE_CLOSED ? c->status : (uint16_t)WAX_OK;
        event_end(e);
    }
}

void trace_congestion(struct tcp_engine *e, struct tcp_conn *c)
{
    struct tcp_trace_event *event = conn_event(e, c, TCP_TRACE_CONGESTION);
    if (event != NULL) {
        event->congestion.cwnd = c->cwnd;
        event->congestion.ssthresh = c->ssthresh;
        event->congestion.flight = c->snd_max - c->snd_una;
        event->congestion.snd_wnd = c->snd_wnd;
        event->congestion.srtt_us = c->srtt_us;
        event->congestion.rto_ms = conn_rto_ms(e, c);
        event_end(e);
    }
}

/* input_dispatch while somebody is watched. */
void trace_input(struct tcp_engine *e, uint32_t id, const struct tcp_segment *s, struct tcp_result *r)
{
    struct tcp_conn *c = id != TCP_NONE ? conn_at(e, id) : NULL;
    uint32_t una = c != NULL ? c->snd_una : 0;
    if (c != NULL) {
        trace_adopt(e, c);
        if (conn_traced(c)) {
            trace_in(e, c, s);
        }
    } else {
        trace_in_unknown(e, s);
    }
    input_dispatch(e, id, s, r);
    if (r->status != WAX_OK) {
        trace_reason(e, id, &s->tuple, r->status);
    }
    if (c != NULL && conn_traced(c) && c->snd_una != una && conn_synchronized(c)) {
        trace_congestion(e, c);
    }
}

void trace_timer(struct tcp_engine *e, struct tcp_conn *c, enum tcp_trace_timer which)
{
    struct tcp_trace_event *event = conn_event(e, c, TCP_TRACE_TIMER);
    if (event != NULL) {
        event->timer.which = which;
        event->timer.backoff = c->backoff;
        event->timer.rto_ms = conn_rto_ms(e, c);
        event_end(e);
    }
}

static const char *text_at(const char *const *texts, size_t count, uint32_t index)
{
    return index < count ? texts[index] : "?";
}

const char *tcp_trace_kind_text(uint32_t kind)
{
    static const char *const texts[] = {"in", "out", "state", "congestion", "timer", "reason"};
    return text_at(texts, sizeof texts / sizeof texts[0], kind);
}

const char *tcp_trace_state_text(uint32_t state)
{
    static const char *const texts[] = {"free",        "closed",     "syn-sent",   "syn-received",
                                        "established", "fin-wait-1", "fin-wait-2", "close-wait",
                                        "closing",     "last-ack",   "time-wait"};
    return text_at(texts, sizeof texts / sizeof texts[0], state);
}

const char *tcp_trace_timer_text(uint32_t timer)
{
    static const char *const texts[] = {"retransmit", "persist", "delayed-ack", "life", "other"};
    return text_at(texts, sizeof texts / sizeof texts[0], timer);
}
