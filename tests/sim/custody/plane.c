/* SPDX-License-Identifier: BSD-3-Clause */
/* The model data plane: what the connection and worker layers do around the real relay. */
#include <stdlib.h>

#include "custody/world.h"

#define OPENINGS 32u

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
    if (copy.kind == ITEM_SEND)
        rates_sent(copy.u.send.msg);
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

/* ---- workers ---- */

static void make_pool(struct pool *pool, void **memory, uint32_t count, uint32_t item_bytes)
{
    size_t bytes = pool_bytes(count, item_bytes);
    *memory = malloc(bytes);
    CHECK(pool_init(pool, span_of(*memory, bytes), count, item_bytes) == WAX_OK, "pool");
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
    worker->message_slots = 30 + (uint32_t)below(300);
    worker->message_blocks = 20 + (uint32_t)below(400);
    make_pool(&worker->blocks, &worker->memory[0], worker->message_blocks, WAX_BLOCK_BYTES);
    make_pool(&worker->openings, &worker->memory[1], OPENINGS, sizeof(struct session_opening));
    size_t bytes = msg_pool_bytes(worker->message_slots);
    worker->memory[2] = malloc(bytes);
    CHECK(msg_pool_init(&worker->messages, span_of(worker->memory[2], bytes), worker->message_slots,
                        &worker->blocks, 10, (uint8_t)index) == WAX_OK,
          "messages");
    struct home_config config = {
        .recipients = 64,
        .messages = world->options.home_messages,
        .stores = 20,
        .window_messages = 8 + (uint32_t)below(20),
        .window_bytes = 20000,
        .queue_messages = 60,
        .account_per_s = world->limits.account.per_s,
        .account_burst = world->limits.account.burst,
        .hash_key = {1, 2},
    };
    size_t home_size = home_bytes(&config);
    worker->home_memory = malloc(home_size);
    CHECK(home_init(&worker->home, span_of(worker->home_memory, home_size), &config, &worker->port,
                    &world->route, &worker->messages, &worker->metrics, world->now_us) == WAX_OK,
          "home");
    rates_init(&worker->addresses, span_of(aligned_alloc(WAX_CACHE_LINE_BYTES, rates_bytes()), rates_bytes()),
               world->limits.address.per_s, world->limits.address.burst);
    conn_env(worker);
}

void plane_start(void)
{
    rates_reset();
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
        for (uint32_t status = 0; status < WAX_STATUS_COUNT; status++)
            coverage.status[status] += worker->metrics.status[status];
        coverage.stores += worker->metrics.stores;
        coverage.drained += worker->metrics.drained;
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
        free(worker->addresses.places);
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
        worker->to_control.taken = worker->to_control.put; /* what was in it is gone */
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
        struct worker *worker = &world->worker[i];
        if (!worker->up)
            continue;
        worker->to_control.head = worker->to_control.tail = 0;
        worker->to_control.taken = worker->to_control.put; /* what was in it is gone */
        worker->to_worker.head = worker->to_worker.tail = 0;
        worker->reserved_bytes = 0;
        home_control_down(worker->home);
    }
}

static void take_item(struct worker *worker, const struct item *item)
{
    if (item->kind == ITEM_ANSWER && item->u.answer.status_kind == WIRE_REJECTED) {
        /* Whoever watches must know of it though the sender may have gone. */
        uint32_t from = item->u.answer.msg != NULL ? client_of(&item->u.answer.msg->from) : NOBODY;
        struct message *message =
            from == NOBODY ? NULL : message_of(from, item->u.answer.id, client_of(&item->u.answer.about));
        if (message != NULL)
            message->refused = true;
    }
    if (item_is_for_home(item->kind))
        home_return(worker->home, item, world->now_us);
    else
        session_item(&worker->env, item, world->now_us);
}

/*
 * The other workers go on meanwhile. What they give and send after the note of the sends need not have been
 * taken together; what was given before a send that is noted must be.
 */
static void meanwhile(struct worker *worker)
{
    uint32_t other = (uint32_t)below(world->options.workers);
    if (other != worker->index && chance(300000))
        worker_turn(other);
}

static void note_sends(struct worker *worker)
{
    for (uint32_t peer = 0; peer < world->options.workers; peer++) {
        struct ring *ring = &world->worker[peer].sends[worker->index];
        ring->noted = ring->tail;
    }
}

static void take_returns(struct worker *worker)
{
    uint32_t first = (uint32_t)below(world->options.workers);
    for (uint32_t i = 0; i < world->options.workers; i++) {
        uint32_t peer = (first + i) % world->options.workers;
        struct ring *ring = &world->worker[peer].returns[worker->index];
        const struct item *ahead[WAX_BURST_MAX] = {NULL};
        uint32_t count = 0;
        for (uint32_t at = ring->head; at != ring->tail && count < WAX_BURST_MAX; at++)
            ahead[count++] = &ring->slot[at % ring->size];
        home_prefetch(worker->home, ahead, count);
        meanwhile(worker);
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
        for (uint32_t budget = (uint32_t)below(12); budget > 0 && ring->head != ring->noted; budget--) {
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
            struct session *session =
                conn_session(worker, (uint32_t)(reply->tag >> 32), (uint32_t)reply->tag);
            if (session != NULL)
                session_login_reply(session, &worker->env, reply, world->now_us);
            continue;
        }
        enum wax_status status = home_control(worker->home, record, world->now_us);
        CHECK(status == WAX_OK, "a sound record is refused: %s", wax_status_name(status));
    }
}

void worker_turn(uint32_t index)
{
    struct worker *worker = &world->worker[index];
    if (!worker->up || world->now_us < worker->stalled_us || worker->in_turn)
        return;
    worker->in_turn = true;
    if (world->options.faults && chance(world->options.stall_ppm))
        worker->stalled_us = world->now_us + below(chance(100000) ? 5000000 : 100000);
    note_sends(worker);
    take_returns(worker);
    meanwhile(worker);
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
        struct session *session = conn_session(worker, job.conn, job.conn_generation);
        if (session != NULL)
            session_verified(session, &worker->env, &job, world->now_us);
    }
    take_sends(worker);
    if (chance(900000)) {
        sessions_flush(&worker->env, world->now_us);
        for (uint32_t i = 0; i < CONNS; i++) {
            if (worker->conns[i].used && worker->conns[i].has_session)
                conn_tcp(worker, &worker->conns[i]);
        }
    }
    home_poll(worker->home, world->now_us);
    for (uint32_t peer = 0; peer < world->options.workers; peer++) {
        struct item item = {.kind = ITEM_CREDIT};
        if (mesh_must_tell(&worker->peers[peer]))
            port_give(worker, peer, &item);
    }
    port_control_publish(worker);
    worker->in_turn = false;
}

void plane_check_empty(void)
{
    for (uint32_t i = 0; i < world->options.workers; i++) {
        struct worker *worker = &world->worker[i];
        struct home_counts counts = home_counts(worker->home);
        CHECK(counts.entries == 0, "worker %u: home still holds %u entries", i, counts.entries);
        CHECK(counts.stores == 0, "worker %u: %u stores unconfirmed", i, counts.stores);
        CHECK(counts.awake == 0, "worker %u: %u recipients keep queues for nothing", i, counts.awake);
        CHECK(counts.notices == 0, "worker %u: %u notices", i, counts.notices);
        CHECK(worker->messages.slots.free_count == worker->message_slots,
              "worker %u: %u messages not given back", i,
              worker->message_slots - worker->messages.slots.free_count);
        CHECK(worker->blocks.free_count == worker->message_blocks, "worker %u: %u blocks not given back", i,
              worker->message_blocks - worker->blocks.free_count);
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

void plane_check_left(void)
{
    for (uint32_t i = 0; i < world->options.workers; i++) {
        struct worker *worker = &world->worker[i];
        struct home_counts counts = home_counts(worker->home);
        CHECK(counts.sessions == 0, "worker %u: home believes in %u sessions that have ended", i,
              counts.sessions);
        CHECK(counts.reserved == 0, "worker %u: %u entries are promised to nobody", i, counts.reserved);
        CHECK(worker->metrics.sessions_now == 0, "worker %u: sessions miscounted", i);
        for (uint32_t c = 0; c < CONNS; c++)
            CHECK(!worker->conns[c].used, "worker %u: connection %u is never given back", i, c);
    }
}
