/* SPDX-License-Identifier: BSD-3-Clause */
#include "conn/vacate.h"

#include "conn/conn.h"
#include "conn/state.h"

#define VACATE_LOOKS 256u /* at connections, in a turn, for each of what is looked for */

static void listen_again(struct stack *stack)
{
    const struct wax_config *config = stack->config.config;
    for (uint32_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listener[i];
        (void)tcp_listen(stack->tcp, NULL, listener->port,
                         i | (listener->proxy_protocol ? TCP_TAG_BEHIND : 0));
    }
}

void vacate_begin(struct stack *stack, uint32_t over_ms)
{
    const struct wax_config *config = stack->config.config;
    struct vacate *vacate = &stack->vacate;
    for (uint32_t i = 0; i < config->listener_count; i++)
        (void)tcp_unlisten(stack->tcp, NULL, config->listener[i].port);
    *vacate = (struct vacate){.state = VACATE_ON,
                              .began_us = stack->now_us,
                              .over_us = over_ms * 1000ull,
                              .first = (uint32_t)stack->metrics->connections_now};
    stack->metrics->vacating_now = 1;
    stack->metrics->vacate_over_ms = over_ms;
    stack->metrics->vacate_elapsed_ms = 0;
    stack->metrics->vacate_connections = vacate->first;
}

void vacate_end(struct stack *stack)
{
    if (stack->vacate.state != VACATE_ON)
        return;
    if (!stack->draining)
        listen_again(stack);
    stack->vacate.state = VACATE_UNDOING;
    stack->vacate.sweep = 0;
    stack->metrics->vacating_now = 0;
}

/* Whether those that something holds up have had their time. */
static bool patience_over(const struct stack *stack)
{
    const struct vacate *vacate = &stack->vacate;
    return stack->now_us - vacate->began_us >= vacate->over_us + WAX_VACATE_PATIENCE_MS * 1000ull;
}

static void vacate_session(struct stack *stack, struct session *session)
{
    bool quiet = session_leave(session, &stack->session_env);
    if (!quiet && !patience_over(stack))
        return;
    stack->metrics->vacated++;
    stack->metrics->vacated_late += !quiet;
    session_fail(session, &stack->session_env, WAX_SESSION_DRAINED);
}

/* Ask a connection to end, or see whether it can. */
static void vacate_conn(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    switch ((enum conn_state)conn->state) {
    case CONN_WS:
        if ((conn->flags & (CONN_SESSION | CONN_ENDED)) == CONN_SESSION)
            vacate_session(stack, &conn->session);
        return;
    case CONN_MEDIA: /* a transfer goes on while there is time */
        if (patience_over(stack))
            conn_shut(stack, id);
        return;
    case CONN_SHAKE:
    case CONN_PROXY:
    case CONN_HTTP:
        conn_shut(stack, id);
        return;
    case CONN_FREE:
    case CONN_GONE:
    case CONN_CLOSING:
        return;
    }
}

/*
 * How many must have been reached by now: each in the middle of its part of the time, so that a worker with
 * few connections doesn't end them at once. When the time is over all have been.
 */
static uint32_t due(const struct stack *stack)
{
    const struct vacate *vacate = &stack->vacate;
    uint64_t elapsed_us = stack->now_us - vacate->began_us;
    if (elapsed_us >= vacate->over_us)
        return UINT32_MAX;
    return (uint32_t)((vacate->first * elapsed_us + vacate->over_us / 2u) / vacate->over_us);
}

static void reach(struct stack *stack)
{
    struct vacate *vacate = &stack->vacate;
    uint32_t conns = stack->config.config->connections_max, most = due(stack);
    for (uint32_t i = 0; i < VACATE_LOOKS && vacate->next < conns && vacate->reached < most; i++) {
        uint32_t id = vacate->next++;
        uint8_t state = stack->conns[id].state;
        if (state == CONN_FREE || state == CONN_GONE)
            continue;
        vacate->reached++;
        vacate_conn(stack, id);
    }
}

/* Those that were reached and are still there. */
static void sweep(struct stack *stack)
{
    struct vacate *vacate = &stack->vacate;
    for (uint32_t i = 0; i < VACATE_LOOKS && vacate->next != 0; i++) {
        if (vacate->sweep >= vacate->next)
            vacate->sweep = 0;
        vacate_conn(stack, vacate->sweep++);
    }
}

/* It was called off: those that had been asked to end go on. */
static void undo(struct stack *stack)
{
    struct vacate *vacate = &stack->vacate;
    for (uint32_t i = 0; i < VACATE_LOOKS && vacate->sweep < vacate->next; i++) {
        struct conn *conn = &stack->conns[vacate->sweep++];
        if (conn->state == CONN_WS && (conn->flags & CONN_SESSION) != 0)
            session_stay(&conn->session, &stack->session_env);
    }
    if (vacate->sweep >= vacate->next)
        vacate->state = VACATE_OFF;
}

/* Nothing is left that would be lost with this process. */
static bool empty(const struct stack *stack)
{
    return stack->metrics->connections_now == 0 && stack->metrics->custody_now == 0;
}

void vacate_turn(struct stack *stack)
{
    if (stack->vacate.state == VACATE_OFF)
        return;
    if (stack->vacate.state == VACATE_UNDOING) {
        undo(stack);
        return;
    }
    if (stack->metrics->connections_now != 0) {
        reach(stack);
        sweep(stack);
    }
    if (!empty(stack))
        stack->metrics->vacate_elapsed_ms = (stack->now_us - stack->vacate.began_us) / 1000u;
}
