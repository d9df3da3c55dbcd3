/* SPDX-License-Identifier: BSD-3-Clause */
/* The TLS handshake: received bytes go to a handshake thread in jobs, its answers into TCP. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"

static const uint8_t *shake_address(const struct stack *stack, uint32_t id)
{
    return tcp_peer(stack->tcp, id)->peer.b;
}

/* A place under way is a job. Handshakes are dealt out to the threads in turn; one stays with its thread. */
static void shake_begin(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    struct job *job = pool_take(&stack->jobs);
    assert(job != NULL);
    memcpy(job->address, shake_address(stack, id), sizeof job->address);
    job->conn = id;
    job->conn_generation = tcp_generation(stack->tcp, id);
    job->worker = stack->config.worker;
    job->thread = (uint16_t)(stack->next_thread++ % stack->config.handshake_threads);
    job->shake = NULL;
    conn->shake.job = job;
    stack->metrics->handshakes_now++;
    conn_arm(stack, conn, WAX_TLS_PRESSED_MS);
}

/* Its turn comes, or too many wait already: then it is reset, which costs nobody anything. */
static void shake_wait(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->flags & CONN_WAITING)
        return;
    if (fair_wait(&stack->fair, shake_address(stack, id), id, &conn->shake.place) != WAX_OK) {
        conn_abort(stack, id, WAX_TLS_WAITING_FULL);
        return;
    }
    metrics_count(stack->metrics, WAX_TLS_HANDSHAKES_FULL);
    conn->flags |= CONN_WAITING;
    stack->metrics->handshakes_waiting_now = stack->fair.waiting;
}

/* Those that wait get the places that have become free, one address after the other. */
static void shake_wake(struct stack *stack)
{
    uint32_t id;
    while ((id = fair_next(&stack->fair)) != FAIR_NONE) {
        stack->conns[id].flags &= (uint16_t)~CONN_WAITING;
        shake_begin(stack, id);
        conn_shake(stack, id);
    }
    stack->metrics->handshakes_waiting_now = stack->fair.waiting;
}

static void shake_job_give(struct stack *stack, struct job *job)
{
    fair_end(&stack->fair, job->address);
    explicit_bzero(&job->result, sizeof job->result);
    pool_give(&stack->jobs, job);
    stack->metrics->handshakes_now--;
}

void conn_shake(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    assert(conn->state == CONN_SHAKE);
    const struct fifo *received = tcp_received(stack->tcp, id);
    if (received->len == 0 || conn->flags & CONN_BUSY)
        return;
    if (conn->shake.job == NULL) {
        if (conn->flags & CONN_WAITING || !fair_begin(&stack->fair, shake_address(stack, id))) {
            shake_wait(stack, id);
            return;
        }
        shake_begin(stack, id);
    }
    struct job *job = conn->shake.job;
    job->kind = JOB_SHAKE;
    job->in_len = (uint32_t)fifo_copy(&stack->blocks, received, 0, span_of(job->in, sizeof job->in));
    if (stack->env.job_submit(stack->env.ctx, job))
        conn->flags |= CONN_BUSY;
    else
        conn_abort(stack, id, WAX_TLS_HANDSHAKES_FULL); /* rings hold all jobs: only a bug comes here */
}

/* Nobody waits for it any more: its thread frees the OpenSSL object, then it is free. */
static void shake_drop(struct stack *stack, struct job *job)
{
    if (job->shake == NULL) {
        shake_job_give(stack, job);
        return;
    }
    job->kind = JOB_CANCEL;
    bool taken = stack->env.job_submit(stack->env.ctx, job);
    assert(taken);
}

void conn_shake_cancel(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->state != CONN_SHAKE)
        return;
    if (conn->flags & CONN_WAITING)
        fair_leave(&stack->fair, conn->shake.place);
    conn->flags &= (uint16_t)~CONN_WAITING;
    struct job *job = conn->shake.job;
    conn->shake.job = NULL;
    if (job != NULL && !(conn->flags & CONN_BUSY))
        shake_drop(stack, job); /* one that is out is dropped when it comes back */
}

/* The handshake is finished: from here records are ours, and the job is free. */
static void shake_finish(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    struct job *job = conn->shake.job;
    enum wax_status status = tls_state_init(&conn->tls, &job->result);
    memcpy(conn->shake.binding, job->result.binding, sizeof conn->shake.binding);
    conn->shake.job = NULL;
    shake_job_give(stack, job);
    if (status != WAX_OK) {
        conn_abort(stack, id, status);
        return;
    }
    stack->metrics->handshakes++;
    conn->flags |= CONN_SEALED;
    conn_begin_http(stack, id);
    conn_resume(stack, id);
}

/* What the thread made of the bytes it got: its answer goes out, and on it goes or not. */
static void shake_step(struct stack *stack, uint32_t id, struct job *job)
{
    struct conn *conn = &stack->conns[id];
    uint32_t left = tcp_received(stack->tcp, id)->len;
    tcp_consume(stack->tcp, id, job->in_consumed < left ? job->in_consumed : left, stack->now_us);
    if (job->out_len > 0 && tcp_write(stack->tcp, id, view_of(job->out, job->out_len)) != WAX_OK) {
        conn_abort(stack, id, WAX_NO_MEMORY);
    } else if (job->status == WAX_OK) {
        shake_finish(stack, id);
    } else if (job->status == WAX_MORE || job->status == WAX_FULL) {
        bool news = job->status == WAX_FULL || job->in_consumed > 0 || left > job->in_len;
        if (news)
            conn_shake(stack, id);
        else if (conn->flags & CONN_PEER_FIN)
            conn_shut(stack, id);
    } else {
        metrics_count(stack->metrics, job->status);
        conn_shut(stack, id);
    }
}

/*
 * It has had a moment. When others wait, who keeps us waiting has had enough of it (that is how slow clients
 * would hold all places); else the rest of the time.
 */
void conn_shake_tick(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    bool pressed = conn->shake.job != NULL && !(conn->flags & CONN_PATIENT);
    bool ours = (conn->flags & CONN_BUSY) != 0; /* the one who is slow is us */
    if (!pressed || (stack->fair.waiting > 0 && !ours)) {
        conn_abort(stack, id, WAX_TLS_HANDSHAKE_TIMEOUT);
        return;
    }
    conn->flags |= CONN_PATIENT;
    conn_arm(stack, conn, WAX_TLS_TIMEOUT_MS - WAX_TLS_PRESSED_MS);
}

void conn_shaken(struct stack *stack, struct job *job)
{
    uint32_t id = job->conn;
    struct conn *conn = &stack->conns[id];
    if (job->kind == JOB_CANCEL || conn->state != CONN_SHAKE || conn->shake.job != job) {
        shake_drop(stack, job);
    } else {
        conn->flags &= (uint16_t)~CONN_BUSY;
        shake_step(stack, id, job);
    }
    shake_wake(stack);
}
