/* SPDX-License-Identifier: BSD-3-Clause */
/* What sessions ask of their connections. */
#include <assert.h>
#include <sodium.h>

#include "base/hash.h"
#include "conn/conn.h"
#include "conn/state.h"

static struct session *glue_find(void *ctx, uint32_t id, uint32_t generation)
{
    struct stack *stack = ctx;
    struct conn *conn = &stack->conns[id];
    if (conn->state == CONN_FREE || !(conn->flags & CONN_SESSION) ||
        conn->session.conn_generation != generation)
        return NULL;
    return &conn->session;
}

static uint64_t glue_charge(void *ctx, uint32_t id, uint32_t count)
{
    struct stack *stack = ctx;
    uint8_t key[16];
    struct addr client = conn_client(stack, id);
    fair_key(client.b, key);
    return rates_spend(&stack->addresses, siphash13(stack->config.flow_key, view_of(key, sizeof key)), count,
                       stack->now_us);
}

static bool glue_frame(void *ctx, uint32_t id, const struct view *pieces, uint32_t count)
{
    return conn_frame(ctx, id, pieces, count);
}

/* Blocks that are left to everyone else when a large answer is sent. */
static bool glue_room(void *ctx, uint32_t id, size_t bytes)
{
    const struct stack *stack = ctx;
    const struct conn *conn = &stack->conns[id];
    size_t blocks = bytes / FIFO_BLOCK_DATA_BYTES + 2u;
    if (bytes == 0)
        return conn->out.len <= WAX_REQUEST_QUEUED_MAX;
    return bytes < FIFO_BLOCK_DATA_BYTES ||
           (conn->out.len + bytes <= WAX_CONN_SEND_BYTES_MAX &&
            stack->blocks.free_count >= blocks + stack->config.config->blocks / 4u);
}

static void glue_ping(void *ctx, uint32_t id)
{
    uint8_t frame[WAX_WS_HEADER_BYTES_MAX];
    size_t len = ws_encode_control(span_of(frame, sizeof frame), WS_PING, view_of(NULL, 0), NULL);
    (void)conn_queue(ctx, id, view_of(frame, len)); /* without it the peer is asked again later */
}

static void glue_close(void *ctx, uint32_t id, uint16_t code, enum wax_status why)
{
    (void)why; /* the session counts it */
    conn_close_ws(ctx, id, code);
}

void conn_resume_soon(struct stack *stack, uint32_t id)
{
    struct conn *conn = &stack->conns[id];
    if (conn->flags & CONN_RESUME)
        return;
    conn->flags |= CONN_RESUME;
    stack->resume[stack->resume_count++] = id;
}

/* Not at once: the session is in the middle of something. */
static void glue_resume(void *ctx, uint32_t id)
{
    const struct stack *stack = ctx;
    if (stack->conns[id].state == CONN_WS)
        conn_resume_soon(ctx, id);
}

static void glue_released(void *ctx, struct session *session)
{
    conn_released(ctx, session);
}

/* The session has not begun yet: what the handshake left lies where it will be. */
static bool glue_binding(void *ctx, uint32_t id, uint8_t out[WAX_BINDING_BYTES])
{
    const struct stack *stack = ctx;
    const struct conn *conn = &stack->conns[id];
    if (!(conn->flags & CONN_SEALED))
        return false;
    memcpy(out, conn->shake.binding, WAX_BINDING_BYTES);
    return true;
}

static bool glue_verify(void *ctx, const struct verify_job *verify)
{
    struct stack *stack = ctx;
    struct job *job = pool_take(&stack->checks);
    if (job == NULL)
        return false;
    job->kind = JOB_VERIFY;
    job->conn = verify->conn;
    job->conn_generation = verify->conn_generation;
    job->worker = stack->config.worker;
    job->thread = (uint16_t)(stack->next_thread++ % stack->config.handshake_threads);
    job->shake = NULL;
    job->verify = *verify;
    if (stack->env.job_submit(stack->env.ctx, job))
        return true;
    pool_give(&stack->checks, job);
    return false;
}

static void glue_random(void *ctx, struct span out)
{
    struct stack *stack = ctx;
    stack->env.random(stack->env.ctx, out);
}

static uint64_t glue_wall_ms(void *ctx)
{
    const struct stack *stack = ctx;
    return stack->wall_ms;
}

static void glue_mac(uint8_t out[TOKEN_MAC_BYTES], const uint8_t *key, struct view text)
{
    (void)crypto_generichash(out, TOKEN_MAC_BYTES, text.data, text.len, key, crypto_generichash_KEYBYTES);
}

static struct session_rates session_rates(const struct config_rates *rates)
{
    uint32_t cost_us = rates_cost_us(rates->device.per_s);
    return (struct session_rates){.on = (rates->device.per_s | rates->account.per_s | rates->address.per_s) !=
                                        0,
                                  .account = rates->account.per_s != 0,
                                  .cost_us = cost_us,
                                  .room_us = (rates->device.burst - 1ull) * cost_us};
}

void stack_session_env(struct stack *stack)
{
    const struct wax_config *config = stack->config.config;
    stack->session_env = (struct session_env){
        .ctx = stack,
        .port = &stack->env.relay,
        .route = &stack->route,
        .messages = &stack->messages,
        .metrics = stack->metrics,
        .openings = &stack->openings,
        .send_slots = WAX_MESH_SEND_SLOTS,
        .payload_bytes_max = config->payload_bytes_max,
        .send_window = config->send_window,
        .ttl_s_default = config->ttl_s_default,
        .heartbeat_s = (uint16_t)config->heartbeat_s,
        .rates = session_rates(&config->rates),
        .tokens = &stack->tokens,
        .mac = glue_mac,
        .delivered = stack->delivered,
        .delivered_room = STACK_STAMPS_MAX,
        .find = glue_find,
        .charge = config->rates.address.per_s != 0 ? glue_charge : NULL,
        .frame = glue_frame,
        .room = glue_room,
        .ping = glue_ping,
        .close = glue_close,
        .resume = glue_resume,
        .released = glue_released,
        .binding = glue_binding,
        .verify = glue_verify,
        .random = glue_random,
        .wall_ms = glue_wall_ms,
    };
}
