/* SPDX-License-Identifier: BSD-3-Clause */
/* The model connections: frames to and from clients, and what the sessions ask of them. */
#include <stdlib.h>

#include "custody/world.h"

/* ---- frames ---- */

void frames_push(struct frames *frames, const uint8_t *data, size_t len, uint64_t at_us)
{
    if (frames->slot == NULL)
        frames->slot = calloc(FRAME_QUEUE, sizeof *frames->slot);
    CHECK(frames->tail - frames->head < FRAME_QUEUE, "a queue of frames overflows");
    struct frame *frame = &frames->slot[frames->tail++ % FRAME_QUEUE];
    frame->len = (uint32_t)len;
    frame->data = malloc(len == 0 ? 1 : len);
    memcpy(frame->data, data, len);
    frame->at_us = at_us;
}

bool frames_pop(struct frames *frames, struct frame *out)
{
    if (frames->head == frames->tail)
        return false;
    *out = frames->slot[frames->head++ % FRAME_QUEUE];
    return true;
}

void frames_clear(struct frames *frames)
{
    struct frame frame;
    while (frames_pop(frames, &frame))
        free(frame.data);
    free(frames->slot);
    *frames = (struct frames){0};
}

/* ---- what the sessions ask of their connections ---- */

struct conn *conn_of(uint32_t worker, uint32_t conn, uint32_t generation)
{
    if (conn >= CONNS)
        return NULL;
    struct conn *found = &world->worker[worker].conns[conn];
    return found->used && found->generation == generation ? found : NULL;
}

struct session *conn_session(void *ctx, uint32_t conn, uint32_t generation)
{
    struct worker *worker = ctx;
    struct conn *found = conn_of(worker->index, conn, generation);
    return found != NULL && found->has_session ? &found->session : NULL;
}

static bool env_frame(void *ctx, uint32_t index, const struct view *pieces, uint32_t count)
{
    struct worker *worker = ctx;
    struct conn *conn = &worker->conns[index];
    static uint8_t bytes[WAX_FRAME_BYTES_MAX];
    size_t len = 0;
    CHECK(conn->used, "a frame for a connection that is gone");
    if (!conn->open)
        return true; /* lost on the way */
    if (world->options.faults && chance(world->options.drop_frame_ppm))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(bytes + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    frames_push(&conn->out, bytes, len, world->now_us + 20 + below(300));
    conn->unflushed += len;
    return true;
}

static void conn_free(struct worker *worker, struct conn *conn)
{
    (void)worker;
    frames_clear(&conn->in);
    frames_clear(&conn->out);
    conn->used = false;
    conn->has_session = false;
}

void conn_gone(struct worker *worker, struct conn *conn)
{
    conn->open = false;
    if (!conn->has_session || session_end(&conn->session, &worker->env))
        conn_free(worker, conn);
}

static void env_close(void *ctx, uint32_t index, uint16_t code, enum wax_status why)
{
    struct worker *worker = ctx;
    struct conn *conn = &worker->conns[index];
    uint8_t end[3] = {0, (uint8_t)(code >> 8), (uint8_t)code};
    trace("w%u conn %u closed %u %s", worker->index, index, code, wax_status_name(why));
    if (conn->open)
        frames_push(&conn->out, end, sizeof end, world->now_us + 20 + below(300));
    conn->closing = true;
    if (conn->break_us == 0)
        conn->break_us = world->now_us + 1000 + below(20000);
}

static void env_resume(void *ctx, uint32_t index)
{
    struct conn *conn = &((struct worker *)ctx)->conns[index];
    conn->parked = false;
    conn->resumed = true;
}

static void env_released(void *ctx, struct session *session)
{
    struct worker *worker = ctx;
    conn_free(worker, list_entry(session, struct conn, session));
}

static void env_ping(void *ctx, uint32_t index)
{
    struct worker *worker = ctx;
    struct conn *conn = &worker->conns[index];
    if (conn->open && !conn->closing && conn->client != NOBODY)
        session_heard(&conn->session, world->now_us); /* the pong */
}

static bool env_binding(void *ctx, uint32_t index, uint8_t out[WAX_BINDING_BYTES])
{
    (void)ctx;
    (void)index;
    memset(out, 7, WAX_BINDING_BYTES);
    return true;
}

static bool env_verify(void *ctx, const struct verify_job *job)
{
    struct worker *worker = ctx;
    if (worker->job_tail - worker->job_head == 4)
        return false;
    worker->jobs[worker->job_tail++ % 64] = *job;
    return true;
}

static void env_random(void *ctx, struct span out)
{
    (void)ctx;
    rng_fill(&world->rng, out);
}

static uint64_t env_wall_ms(void *ctx)
{
    (void)ctx;
    return now_ms();
}

uint32_t conn_open(uint32_t index, uint32_t client)
{
    struct worker *worker = &world->worker[index];
    for (uint32_t i = 0; i < CONNS; i++) {
        struct conn *conn = &worker->conns[i];
        if (conn->used)
            continue;
        uint32_t generation = conn->generation + 1;
        memset(conn, 0, sizeof *conn);
        conn->generation = generation;
        conn->client = client;
        uint8_t peer[16] = {0};
        if (session_init(&conn->session, &worker->env, i, generation, peer, 1, true, world->now_us) != WAX_OK)
            return NOBODY;
        conn->used = conn->open = conn->has_session = true;
        return i;
    }
    return NOBODY;
}

void conn_abandon(uint32_t worker, uint32_t index, uint32_t generation, uint64_t delay_us)
{
    struct conn *conn = conn_of(worker, index, generation);
    if (conn == NULL)
        return;
    conn->client = NOBODY;
    if (conn->break_us == 0 || conn->break_us > world->now_us + delay_us)
        conn->break_us = world->now_us + delay_us + 1;
}

/* Whoever watches must know which messages a session has refused, though the sender may not hear of it. */
static void note_refused(const struct conn *conn, struct view frame)
{
    struct frame_send send;
    struct frame_multi multi;
    struct message *message;
    if (conn->client == NOBODY)
        return;
    if (frame_parse_send(frame, &send) == WAX_OK) {
        message = message_of(conn->client, send.id, client_of(&send.to));
        if (message != NULL)
            message->refused = true;
    } else if (frame_parse_multi(frame, &multi) == WAX_OK) {
        const uint8_t *at = multi.entries.data;
        for (uint32_t i = 0; i < multi.count; i++) {
            struct frame_multi_entry entry = frame_multi_entry(at);
            at += WIRE_MULTI_ENTRY_BYTES + entry.head_bytes;
            message = message_of(conn->client, multi.id, client_of(&entry.to));
            if (message != NULL)
                message->refused = true;
        }
    }
}

void conn_input(struct worker *worker, struct conn *conn)
{
    uint32_t budget = 1 + (uint32_t)below(20);
    bool passed = false; /* over a SEND that waits */
    for (uint32_t at = conn->in.head; at != conn->in.tail && budget > 0; at++, budget--) {
        struct frame *frame = &conn->in.slot[at % FRAME_QUEUE];
        if (frame->at_us > world->now_us || conn->closing)
            return;
        if (frame->data == NULL) { /* dealt with while a SEND before it waited */
            if (!passed)
                conn->in.head++;
            continue;
        }
        bool send = frame->data[0] == WIRE_SEND || frame->data[0] == WIRE_SEND_MULTI;
        if ((conn->parked || passed) && send) {
            passed = true;
            continue;
        }
        struct view bytes = view_of(frame->data, frame->len);
        if (send && conn->resumed &&
            !session_may_retry(&conn->session, &worker->env, bytes.data[0], bytes.len)) {
            conn->resumed = false;
            conn->parked = true;
            passed = true;
            continue;
        }
        conn->resumed = false;
        uint64_t rejected = worker->metrics.rejected;
        enum wax_status status = session_frame(&conn->session, &worker->env, bytes, world->now_us);
        if (worker->metrics.rejected != rejected)
            note_refused(conn, bytes);
        if (status == WAX_SESSION_WINDOW || status == WAX_FULL) {
            conn->parked = true;
            passed = true;
            if (status == WAX_SESSION_WINDOW)
                return;
            continue;
        }
        CHECK(status == WAX_OK, "a sound frame is refused: %s", wax_status_name(status));
        free(frame->data);
        frame->data = NULL;
        if (!passed)
            conn->in.head++;
    }
}

void conn_tcp(struct worker *worker, struct conn *conn)
{
    conn->written += conn->unflushed;
    conn->unflushed = 0;
    session_mark(&conn->session, conn->written);
    /* Frames that the client has read are acknowledged; the last of them perhaps later. */
    uint64_t unread = 0;
    for (uint32_t at = conn->out.head; at != conn->out.tail; at++)
        unread += conn->out.slot[at % FRAME_QUEUE].len;
    uint64_t acked = conn->written > unread ? conn->written - unread : 0;
    if (chance(500000) && acked > conn->acked) {
        conn->acked = acked;
        session_acked(&conn->session, &worker->env, acked);
    }
}

/* Nobody forges tokens here. */
static void env_mac(uint8_t mac[TOKEN_MAC_BYTES], const uint8_t *key, struct view text)
{
    uint64_t sum = key[0];
    for (size_t i = 0; i < text.len; i++)
        sum = (sum ^ text.data[i]) * 0x100000001b3u;
    for (size_t i = 0; i < TOKEN_MAC_BYTES; i += 8)
        store_be64(mac + i, sum += i);
}

/* Few clients share an address. */
static uint64_t env_charge(void *ctx, uint32_t conn, uint32_t count)
{
    struct worker *worker = ctx;
    return rates_spend(&worker->addresses, (uint64_t)(worker->conns[conn].client % 3 + 1) << 32, count,
                       world->now_us);
}

void conn_env(struct worker *worker)
{
    struct session_env *env = &worker->env;
    *env = (struct session_env){
        .ctx = worker,
        .rates = rates_of_sessions(),
        .charge = world->limits.address.per_s != 0 ? env_charge : NULL,
        .port = &worker->port,
        .route = &world->route,
        .messages = &worker->messages,
        .metrics = &worker->metrics,
        .openings = &worker->openings,
        .send_slots = worker->sends[0].size,
        .payload_bytes_max = 8192,
        .send_window = world->options.window,
        .ttl_s_default = 86400,
        .heartbeat_s = 20,
        .relay_id_known = world->control.up,
        .tokens = &world->tokens,
        .mac = env_mac,
        .find = conn_session,
        .frame = env_frame,
        .ping = env_ping,
        .close = env_close,
        .resume = env_resume,
        .released = env_released,
        .binding = env_binding,
        .verify = env_verify,
        .random = env_random,
        .wall_ms = env_wall_ms,
    };
    size_t bytes = session_env_bytes(3);
    worker->memory[3] = malloc(bytes);
    CHECK(session_env_init(env, span_of(worker->memory[3], bytes), 3) == WAX_OK, "env");
}
