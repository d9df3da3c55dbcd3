/* SPDX-License-Identifier: BSD-3-Clause */
/* The model data plane: what the connection and worker layers do around the real relay. */
#include <stdlib.h>

#include "custody/world.h"

#define MSG_COUNT   400u
#define BLOCK_COUNT 600u
#define OPENINGS    32u

/* ---- rings ---- */

static bool ring_push(struct ring *ring, const struct item *item)
{
    if (ring->tail - ring->head == ring->size)
        return false;
    ring->slot[ring->tail++ % ring->size] = *item;
    return true;
}

static bool port_send(void *ctx, uint32_t to, const struct item *item)
{
    struct worker *worker = ctx;
    if (!mesh_has_credit(&worker->peers[to], worker->sends[to].size))
        return false;
    struct item copy = *item;
    copy.from = (uint8_t)worker->index;
    CHECK(item_is_send(copy.kind), "item %u sent through the wrong ring", copy.kind);
    CHECK(ring_push(&worker->sends[to], &copy), "a credit without room");
    worker->peers[to].sent++;
    return true;
}

static bool port_give(void *ctx, uint32_t to, const struct item *item)
{
    struct worker *worker = ctx;
    CHECK(!item_is_send(item->kind), "item %u given through the wrong ring", item->kind);
    if (worker->returns[to].tail - worker->returns[to].head == worker->returns[to].size)
        return false;
    struct item copy = *item;
    copy.from = (uint8_t)worker->index;
    copy.consumed = mesh_tell(&worker->peers[to]);
    ring_push(&worker->returns[to], &copy);
    return true;
}

static void publish_last(struct worker *worker)
{
    if (worker->reserved_bytes == 0)
        return;
    struct channel_record *record = channel_room(&worker->to_control, worker->reserved_bytes);
    CHECK(record != NULL, "a reserved record lost its room");
    memcpy(record, worker->reserved, worker->reserved_bytes);
    record->bytes = worker->reserved_bytes;
    worker->reserved_bytes = 0;
}

static struct channel_record *port_control_reserve(void *ctx, uint32_t bytes)
{
    struct worker *worker = ctx;
    publish_last(worker);
    if (!world->control.up)
        return NULL;
    struct bytes_ring *ring = &worker->to_control;
    if (ring->tail - ring->head + channel_padded(bytes) > CHANNEL_BYTES / 2)
        return NULL;
    worker->reserved_bytes = bytes;
    return (struct channel_record *)(void *)worker->reserved;
}

static void port_control_publish(void *ctx)
{
    publish_last(ctx);
}

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

static struct session *env_find(void *ctx, uint32_t conn, uint32_t generation)
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

static void conn_gone(struct worker *worker, struct conn *conn)
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
    ((struct worker *)ctx)->conns[index].parked = false;
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

/* ---- workers ---- */

static void make_pool(struct pool *pool, void **memory, uint32_t count, uint32_t item_bytes)
{
    size_t bytes = pool_bytes(count, item_bytes);
    *memory = malloc(bytes);
    CHECK(pool_init(pool, span_of(*memory, bytes), count, item_bytes) == WAX_OK, "pool");
}

static void make_env(struct worker *worker)
{
    struct session_env *env = &worker->env;
    *env = (struct session_env){
        .ctx = worker,
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
        .find = env_find,
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

static void worker_start(uint32_t index)
{
    struct worker *worker = &world->worker[index];
    uint32_t generations[CONNS];
    for (uint32_t i = 0; i < CONNS; i++)
        generations[i] = worker->conns[i].generation;
    memset(worker, 0, sizeof *worker);
    for (uint32_t i = 0; i < CONNS; i++)
        worker->conns[i].generation = generations[i];
    worker->index = index;
    worker->up = true;
    for (uint32_t peer = 0; peer < world->options.workers; peer++) {
        worker->sends[peer].size = SEND_SLOTS;
        worker->sends[peer].slot = calloc(SEND_SLOTS, sizeof(struct item));
        worker->returns[peer].size = RETURN_SLOTS;
        worker->returns[peer].slot = calloc(RETURN_SLOTS, sizeof(struct item));
    }
    worker->to_control.data = malloc(CHANNEL_BYTES + WAX_CHANNEL_RECORD_BYTES_MAX);
    worker->to_worker.data = malloc(CHANNEL_BYTES + WAX_CHANNEL_RECORD_BYTES_MAX);
    worker->port = (struct relay_port){
        .ctx = worker,
        .self = index,
        .workers = world->options.workers,
        .peers = worker->peers,
        .send = port_send,
        .give = port_give,
        .control_reserve = port_control_reserve,
        .control_publish = port_control_publish,
    };
    make_pool(&worker->blocks, &worker->memory[0], BLOCK_COUNT, WAX_BLOCK_BYTES);
    make_pool(&worker->openings, &worker->memory[1], OPENINGS, sizeof(struct session_opening));
    size_t bytes = msg_pool_bytes(MSG_COUNT);
    worker->memory[2] = malloc(bytes);
    CHECK(msg_pool_init(&worker->messages, span_of(worker->memory[2], bytes), MSG_COUNT, &worker->blocks, 10,
                        (uint8_t)index) == WAX_OK,
          "messages");
    struct home_config config = {
        .recipients = 64,
        .messages = world->options.home_messages,
        .stores = 20,
        .window_messages = 8 + (uint32_t)below(20),
        .window_bytes = 20000,
        .queue_messages = 60,
        .hash_key = {1, 2},
    };
    size_t home_size = home_bytes(&config);
    worker->home_memory = malloc(home_size);
    CHECK(home_init(&worker->home, span_of(worker->home_memory, home_size), &config, &worker->port,
                    &world->route, &worker->messages, &worker->metrics, world->now_us) == WAX_OK,
          "home");
    make_env(worker);
}

void plane_start(void)
{
    for (uint32_t i = 0; i < world->options.workers; i++)
        worker_start(i);
    world->plane_restart_us = 0;
    if (world->control.up)
        plane_control_up();
}

void plane_kill(void)
{
    trace("the data plane is killed");
    world->plane_kills++;
    for (uint32_t i = 0; i < world->options.workers; i++) {
        struct worker *worker = &world->worker[i];
        for (uint32_t c = 0; c < CONNS; c++) {
            struct conn *conn = &worker->conns[c];
            frames_clear(&conn->in);
            frames_clear(&conn->out);
            conn->used = false;
        }
        for (uint32_t peer = 0; peer < world->options.workers; peer++) {
            free(worker->sends[peer].slot);
            free(worker->returns[peer].slot);
        }
        free(worker->to_control.data);
        free(worker->to_worker.data);
        free(worker->home_memory);
        for (uint32_t m = 0; m < 4; m++)
            free(worker->memory[m]);
        worker->up = false;
    }
    world->plane_epoch = 0;
    control_plane_gone();
}

void plane_control_up(void)
{
    for (uint32_t i = 0; i < world->options.workers; i++) {
        struct worker *worker = &world->worker[i];
        if (!worker->up)
            continue;
        worker->to_control.head = worker->to_control.tail = 0;
        worker->to_worker.head = worker->to_worker.tail = 0;
        worker->reserved_bytes = 0;
        worker->env.relay_id_known = true;
        home_control_up(worker->home, world->plane_epoch, world->now_us);
        for (uint32_t c = 0; c < CONNS; c++) {
            if (worker->conns[c].used && worker->conns[c].has_session)
                session_control_up(&worker->conns[c].session, &worker->env, world->now_us);
        }
    }
}

void plane_control_down(void)
{
    for (uint32_t i = 0; i < world->options.workers; i++) {
        if (world->worker[i].up)
            home_control_down(world->worker[i].home);
    }
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

static void conn_input(struct worker *worker, struct conn *conn)
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
        bool send = frame->data[0] == WIRE_SEND;
        if ((conn->parked || passed) && send) {
            passed = true;
            continue;
        }
        enum wax_status status =
            session_frame(&conn->session, &worker->env, view_of(frame->data, frame->len), world->now_us);
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

static void take_item(struct worker *worker, const struct item *item)
{
    if (item->kind == ITEM_ANSWER && item->u.answer.status_kind == WIRE_REJECTED) {
        /* Whoever watches must know of it though the sender may have gone. */
        uint32_t from = item->u.answer.msg != NULL ? client_of(&item->u.answer.msg->from) : NOBODY;
        struct message *message = from == NOBODY ? NULL : message_by_id(from, item->u.answer.id);
        if (message != NULL)
            message->refused = true;
    }
    if (item_is_for_home(item->kind))
        home_return(worker->home, item, world->now_us);
    else
        session_item(&worker->env, item, world->now_us);
}

static void take_returns(struct worker *worker)
{
    uint32_t first = (uint32_t)below(world->options.workers);
    for (uint32_t i = 0; i < world->options.workers; i++) {
        uint32_t peer = (first + i) % world->options.workers;
        struct ring *ring = &world->worker[peer].returns[worker->index];
        while (ring->head != ring->tail) {
            struct item item = ring->slot[ring->head++ % ring->size];
            mesh_note_consumed(&worker->peers[peer], item.consumed);
            take_item(worker, &item);
        }
    }
}

static void take_sends(struct worker *worker)
{
    uint32_t first = (uint32_t)below(world->options.workers);
    for (uint32_t i = 0; i < world->options.workers; i++) {
        uint32_t peer = (first + i) % world->options.workers;
        struct ring *ring = &world->worker[peer].sends[worker->index];
        for (uint32_t budget = (uint32_t)below(12); budget > 0 && ring->head != ring->tail; budget--) {
            struct item item = ring->slot[ring->head % ring->size];
            if (item_is_for_home(item.kind)) {
                if (!home_send(worker->home, &item, world->now_us))
                    break;
            } else {
                session_item(&worker->env, &item, world->now_us);
            }
            ring->head++;
            worker->peers[peer].taken++;
        }
    }
}

static void take_records(struct worker *worker)
{
    for (uint32_t budget = (uint32_t)below(12); budget > 0; budget--) {
        struct channel_record *record = channel_next(&worker->to_worker);
        if (record == NULL)
            return;
        if (record->kind == CHANNEL_LOGIN_REPLY) {
            const struct channel_login_reply *reply = (const struct channel_login_reply *)(void *)record;
            struct session *session = env_find(worker, (uint32_t)(reply->tag >> 32), (uint32_t)reply->tag);
            if (session != NULL)
                session_login_reply(session, &worker->env, reply, world->now_us);
            continue;
        }
        enum wax_status status = home_control(worker->home, record, world->now_us);
        CHECK(status == WAX_OK, "a sound record is refused: %s", wax_status_name(status));
    }
}

static void tcp(struct worker *worker, struct conn *conn)
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

void worker_turn(uint32_t index)
{
    struct worker *worker = &world->worker[index];
    if (!worker->up)
        return;
    take_returns(worker);
    take_records(worker);
    for (uint32_t i = 0; i < CONNS; i++) {
        struct conn *conn = &worker->conns[i];
        if (!conn->used || !conn->open)
            continue;
        if (conn->break_us != 0 && world->now_us >= conn->break_us) {
            conn_gone(worker, conn);
            continue;
        }
        if (chance(700000))
            conn_input(worker, conn);
        if (world->now_us >= session_deadline_us(&conn->session, &worker->env))
            session_tick(&conn->session, &worker->env, world->now_us);
    }
    while (worker->job_head != worker->job_tail && chance(600000)) {
        struct verify_job job = worker->jobs[worker->job_head++ % 64];
        job.ok = 1;
        memcpy(job.user, job.account_key, WAX_USER_BYTES);
        struct session *session = env_find(worker, job.conn, job.conn_generation);
        if (session != NULL)
            session_verified(session, &worker->env, &job, world->now_us);
    }
    take_sends(worker);
    if (chance(900000)) {
        sessions_flush(&worker->env, world->now_us);
        for (uint32_t i = 0; i < CONNS; i++) {
            if (worker->conns[i].used && worker->conns[i].has_session)
                tcp(worker, &worker->conns[i]);
        }
    }
    home_poll(worker->home, world->now_us);
    for (uint32_t peer = 0; peer < world->options.workers; peer++) {
        struct item item = {.kind = ITEM_CREDIT};
        if (mesh_must_tell(&worker->peers[peer]))
            port_give(worker, peer, &item);
    }
    port_control_publish(worker);
}

void plane_check_empty(void)
{
    for (uint32_t i = 0; i < world->options.workers; i++) {
        struct worker *worker = &world->worker[i];
        struct home_counts counts = home_counts(worker->home);
        CHECK(counts.entries == 0, "worker %u: home still holds %u entries", i, counts.entries);
        CHECK(counts.stores == 0, "worker %u: %u stores unconfirmed", i, counts.stores);
        CHECK(counts.notices == 0, "worker %u: %u notices", i, counts.notices);
        CHECK(worker->messages.slots.free_count == MSG_COUNT, "worker %u: %u messages not given back", i,
              MSG_COUNT - worker->messages.slots.free_count);
        CHECK(worker->blocks.free_count == BLOCK_COUNT, "worker %u: %u blocks not given back", i,
              BLOCK_COUNT - worker->blocks.free_count);
        CHECK(worker->openings.free_count == OPENINGS, "worker %u: openings not given back", i);
        for (uint32_t peer = 0; peer < world->options.workers; peer++)
            CHECK(worker->peers[peer].sent == worker->peers[peer].consumed,
                  "worker %u: credits of %u not back", i, peer);
        uint32_t sessions = 0;
        for (uint32_t c = 0; c < CONNS; c++) {
            struct conn *conn = &worker->conns[c];
            if (!conn->used)
                continue;
            sessions++;
            CHECK(conn->session.state == SESSION_OPEN, "worker %u conn %u: state %u", i, c,
                  conn->session.state);
            CHECK(conn->session.unanswered == 0, "worker %u conn %u: %u unanswered", i, c,
                  conn->session.unanswered);
        }
        CHECK(worker->metrics.sessions_now == sessions, "worker %u: sessions miscounted", i);
    }
}
