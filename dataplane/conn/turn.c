/* SPDX-License-Identifier: BSD-3-Clause */
/* One turn of the poll loop, as the stack sees it. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"
#include "waxwire/channel_media.h"

#define WALK_CONNS 256u /* connections looked at in a turn, where all have to be */

void stack_begin(struct stack *stack, uint64_t now_us, uint64_t wall_ms)
{
    assert(now_us >= stack->now_us);
    stack->now_us = now_us;
    stack->wall_ms = wall_ms;
    stack->busy = false;
}

/* The connection that an item is for, CONN_NONE: it is for home, or brings only memory back. */
static uint32_t item_conn(const struct item *item)
{
    switch (item->kind) {
    case ITEM_DELIVER:
        return item->u.deliver.conn;
    case ITEM_SHOW:
        return item->u.show.conn;
    case ITEM_ANSWER:
        return item->u.answer.conn;
    default:
        return CONN_NONE;
    }
}

void stack_prefetch(struct stack *stack, const struct item *const items[], uint32_t count)
{
    home_prefetch(stack->home, items, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = item_conn(items[i]);
        if (id == CONN_NONE)
            continue;
        const struct conn *conn = &stack->conns[id];
        __builtin_prefetch(&conn->session);
        __builtin_prefetch((const uint8_t *)&conn->session + WAX_CACHE_LINE_BYTES);
        __builtin_prefetch(&conn->out);
        if (items[i]->kind == ITEM_DELIVER)
            __builtin_prefetch(items[i]->u.deliver.msg);
        __builtin_prefetch(&conn->tls.tx); /* sealed at the turn's end */
    }
}

void stack_return(struct stack *stack, uint32_t from, const struct item *item)
{
    (void)from;
    if (item_is_for_home(item->kind))
        home_return(stack->home, item, stack->now_us);
    else
        session_item(&stack->session_env, item, stack->now_us);
}

bool stack_send(struct stack *stack, uint32_t from, const struct item *item)
{
    (void)from;
    if (item_is_for_home(item->kind))
        return home_send(stack->home, item, stack->now_us);
    session_item(&stack->session_env, item, stack->now_us);
    return true;
}

void stack_polled(struct stack *stack, uint64_t stamp)
{
    stack->session_env.polled = stamp;
}

uint32_t stack_delivered(const struct stack *stack, const uint64_t **stamps)
{
    *stamps = stack->delivered;
    return stack->session_env.delivered_count;
}

void stack_delivered_done(struct stack *stack)
{
    stack->session_env.delivered_count = 0;
}

/* The session that a record's tag names, or NULL. */
static struct session *tagged(struct stack *stack, uint64_t tag)
{
    uint32_t id = (uint32_t)(tag >> 32);
    if (id >= stack->config.config->connections_max)
        return NULL;
    return stack->session_env.find(stack, id, (uint32_t)tag);
}

static void record_login_reply(struct stack *stack, const struct channel_login_reply *reply)
{
    struct session *session = tagged(stack, reply->tag);
    if (session != NULL)
        session_login_reply(session, &stack->session_env, reply, stack->now_us);
}

static bool record_answer(struct stack *stack, const struct channel_answer *answer)
{
    if (answer->frame_bytes > WAX_FRAME_BYTES_MAX ||
        answer->record.bytes != sizeof *answer + answer->frame_bytes ||
        (uint32_t)(answer->tag >> 32) >= stack->config.config->connections_max)
        return false;
    session_answer(&stack->session_env, answer);
    return true;
}

static void record_close(struct stack *stack, const struct channel_close *close)
{
    struct session *session = tagged(stack, close->tag);
    if (session != NULL)
        session_fail(session, &stack->session_env,
                     close->status < WAX_STATUS_COUNT ? (enum wax_status)close->status : WAX_SESSION_DRAINED);
}

/* A record for a connection: true when it is one. */
static bool record_for_conn(struct stack *stack, const struct channel_record *record)
{
    const void *p = record;
    switch (record->kind) {
    case CHANNEL_LOGIN_REPLY:
        if (record->bytes < sizeof(struct channel_login_reply))
            return false;
        record_login_reply(stack, p);
        return true;
    case CHANNEL_ANSWER:
        return record->bytes >= sizeof(struct channel_answer) && record_answer(stack, p);
    case CHANNEL_CLOSE:
        if (record->bytes < sizeof(struct channel_close))
            return false;
        record_close(stack, p);
        return true;
    case CHANNEL_LEAVING:
        session_requests_wait(&stack->session_env, stack->now_us);
        return true;
    case CHANNEL_VACATE: {
        const struct channel_vacate *vacate = p;
        if (record->bytes < sizeof *vacate)
            return false;
        if (vacate->off)
            vacate_end(stack);
        else
            vacate_begin(stack, vacate->over_ms);
        return true;
    }
    case CHANNEL_TRACE:
        if (record->bytes < sizeof(struct channel_trace))
            return false;
        trace_request(stack, p);
        return true;
    default:
        return false;
    }
}

void stack_record(struct stack *stack, const struct channel_record *record)
{
    if (record_for_conn(stack, record))
        return;
    if (channel_is_media(record->kind)) {
        media_record(stack, record);
        return;
    }
    enum wax_status status = home_control(stack->home, record, stack->now_us);
    if (status != WAX_OK)
        metrics_count(stack->metrics, status);
}

void stack_job(struct stack *stack, struct job *job)
{
    if (job->kind != JOB_VERIFY) {
        conn_shaken(stack, job);
        return;
    }
    struct session *session = stack->session_env.find(stack, job->conn, job->conn_generation);
    if (session != NULL)
        session_verified(session, &stack->session_env, &job->verify, stack->now_us);
    pool_give(&stack->checks, job);
}

void stack_flush(struct stack *stack)
{
    for (uint32_t i = 0; i < stack->dirty_count; i++)
        conn_flush(stack, stack->dirty[i]);
    stack->dirty_count = 0;
}

static void end_resumes(struct stack *stack)
{
    for (uint32_t i = 0; i < stack->resume_count; i++) {
        uint32_t id = stack->resume[i];
        stack->conns[id].flags &= (uint16_t)~CONN_RESUME;
        if (stack->conns[id].state == CONN_WS || stack->conns[id].state == CONN_HTTP ||
            stack->conns[id].state == CONN_MEDIA)
            conn_resume(stack, id);
    }
    stack->resume_count = 0;
}

/* After an attachment, sessions that are opening ask the control plane again. */
static void end_walk(struct stack *stack)
{
    uint32_t conns = stack->config.config->connections_max;
    for (uint32_t i = 0; stack->walking && i < WALK_CONNS; i++) {
        if (stack->walk_next == conns) {
            stack->walking = false;
            break;
        }
        struct conn *conn = &stack->conns[stack->walk_next++];
        if (conn->flags & CONN_SESSION && !(conn->flags & CONN_ENDED))
            session_control_up(&conn->session, &stack->session_env, stack->now_us);
    }
}

bool stack_end(struct stack *stack)
{
    for (struct timer *timer; (timer = wheel_expire(&stack->wheel, stack->now_us)) != NULL;) {
        conn_tick(stack, wheel_index(&stack->wheel, timer));
        stack->busy = true;
    }
    end_walk(stack);
    vacate_turn(stack);
    bool left = home_poll(stack->home, stack->now_us);
    left |= sessions_flush(&stack->session_env, stack->now_us);
    media_turn(stack);
    end_resumes(stack);
    stack->busy |= left || stack->walking || stack->dirty_count > 0;
    stack_flush(stack);
    stack_output(stack);
    stack_neighbours(stack);
    trace_flush(stack);
    stack_gauges(stack);
    return stack->busy;
}

uint64_t stack_next_us(const struct stack *stack)
{
    uint64_t next = tcp_next_us(stack->tcp);
    uint64_t conns = wheel_next_us(&stack->wheel);
    uint64_t home = home_next_us(stack->home);
    next = conns < next ? conns : next;
    return home < next ? home : next;
}
