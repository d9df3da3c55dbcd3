/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the relay layer costs: nanoseconds of CPU time for a message's whole way on one worker (SEND parsed,
 * home, DELIVER written, ACK, answer, STATUS written), between sessions in pairs drawn at random, in bursts.
 * Frames are copied to a scratch buffer, as the connection's layer would. Compare ratios.
 *
 *     bench-relay [--sessions N] [--messages N] [--payload N] [--prefetch 0|1] [--rates 0|1]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "base/random.h"
#include "relay/envelope.h"
#include "relay/home.h"
#include "relay/session.h"

#define BURST      32u
#define SEND_SLOTS 1024u
#define GIVE_SLOTS 4096u

static uint32_t sessions = 10000, payload_bytes = 256;
static uint64_t messages = 2000000;
static bool prefetching = true, rates = false;
static struct session *session;
static struct session_env env;
static struct token_set tokens; /* without a key: nobody is given any */
static struct home *home;
static struct relay_port port;
static struct mesh_peer peer;
static struct item sends[SEND_SLOTS], gives[GIVE_SLOTS];
static uint32_t send_head, send_tail, give_head, give_tail;
static struct wax_metrics metrics;
static struct route route;
static struct msg_pool pool;
static struct pool blocks, openings;
static uint8_t scratch[1u << 16], drain_record[1024];
static uint64_t frames, now_us = 1;

static bool port_send(void *ctx, uint32_t worker, const struct item *item)
{
    (void)ctx;
    (void)worker;
    if (!mesh_has_credit(&peer, SEND_SLOTS))
        return false;
    peer.sent++;
    sends[send_tail++ % SEND_SLOTS] = *item;
    return true;
}

static bool port_give(void *ctx, uint32_t worker, const struct item *item)
{
    (void)ctx;
    (void)worker;
    if (give_tail - give_head == GIVE_SLOTS)
        return false;
    gives[give_tail++ % GIVE_SLOTS] = *item;
    return true;
}

static struct channel_record *port_reserve(void *ctx, uint32_t bytes)
{
    (void)ctx;
    return bytes <= sizeof drain_record ? (struct channel_record *)(void *)drain_record : NULL;
}

static void port_publish(void *ctx)
{
    (void)ctx;
}

static struct session *env_find(void *ctx, uint32_t conn, uint32_t generation)
{
    (void)ctx;
    (void)generation;
    return &session[conn];
}

static bool env_frame(void *ctx, uint32_t conn, const struct view *pieces, uint32_t count)
{
    (void)ctx;
    (void)conn;
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(scratch + at, pieces[i].data, pieces[i].len);
        at += pieces[i].len;
    }
    frames++;
    return true;
}

static void env_event(void *ctx, uint32_t conn)
{
    (void)ctx;
    (void)conn;
}

static void env_close(void *ctx, uint32_t conn, uint16_t code, enum wax_status why)
{
    (void)ctx;
    fprintf(stderr, "session %u failed: %u %s\n", conn, code, wax_status_text(why));
    exit(1);
}

static bool env_binding(void *ctx, uint32_t conn, uint8_t out[WAX_BINDING_BYTES])
{
    (void)ctx;
    (void)conn;
    (void)out;
    return false;
}

static uint64_t env_wall_ms(void *ctx)
{
    (void)ctx;
    return 1;
}

static void *memory_get(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void must(enum wax_status status)
{
    if (status != WAX_OK) {
        fprintf(stderr, "%s\n", wax_status_text(status));
        exit(1);
    }
}

static struct name name_of(uint32_t index)
{
    struct name name = {.device = 1};
    memcpy(name.user, &index, sizeof index);
    return name;
}

/* The other one of a pair. */
static uint32_t other(uint32_t index)
{
    return (index ^ 1u) < sessions ? index ^ 1u : index;
}

/* The items that wait in a ring, a burst of them. */
static void prefetch(const struct item *ring, uint32_t slots, uint32_t head, uint32_t tail)
{
    const struct item *items[WAX_BURST_MAX] = {NULL};
    uint32_t count = 0;
    for (; head != tail && count < WAX_BURST_MAX; head++)
        items[count++] = &ring[head % slots];
    home_prefetch(home, items, count);
    for (uint32_t i = 0; i < count; i++) {
        if (items[i]->kind == ITEM_DELIVER || items[i]->kind == ITEM_ANSWER) {
            uint32_t conn =
                items[i]->kind == ITEM_DELIVER ? items[i]->u.deliver.conn : items[i]->u.answer.conn;
            for (uint32_t line = 0; line < 3; line++)
                __builtin_prefetch((uint8_t *)&session[conn] + line * WAX_CACHE_LINE_BYTES);
        }
    }
}

static void turn(void)
{
    if (prefetching) {
        prefetch(gives, GIVE_SLOTS, give_head, give_tail);
        prefetch(sends, SEND_SLOTS, send_head, send_tail);
    }
    while (give_head != give_tail) {
        const struct item *item = &gives[give_head++ % GIVE_SLOTS];
        if (item_is_for_home(item->kind))
            home_return(home, item, now_us);
        else
            session_item(&env, item, now_us);
    }
    while (send_head != send_tail) {
        const struct item *item = &sends[send_head++ % SEND_SLOTS];
        if (item_is_for_home(item->kind))
            home_send(home, item, now_us);
        else
            session_item(&env, item, now_us);
    }
    mesh_note_consumed(&peer, send_head);
    home_poll(home, now_us);
    sessions_flush(&env, now_us);
}

/* A session that is open, without the way there. */
static void open_one(uint32_t index)
{
    struct session *s = &session[index];
    uint8_t address[16] = {0};
    must(session_init(s, &env, index, 1, address, 1, true, now_us));
    s->name = name_of(index);
    s->state = SESSION_LOGIN;
    struct channel_login_reply reply = {.error = 0};
    session_login_reply(s, &env, &reply, now_us);
    for (int i = 0; i < 4; i++)
        turn();
    /* The last record was DRAIN: the mailbox is empty. */
    const struct channel_drain *drain = (const struct channel_drain *)(const void *)drain_record;
    struct channel_drain_idle idle = {
        {sizeof idle, CHANNEL_DRAIN_IDLE, 0}, drain->name, drain->generation, 0};
    must(home_control(home, &idle.record, now_us));
    for (int i = 0; i < 2; i++)
        turn();
}

static void start(void)
{
    uint64_t key[2] = {1, 2};
    port = (struct relay_port){NULL, 0, 1, &peer, port_send, port_give, port_reserve, port_publish};
    must(route_init(&route, key, 1));
    must(pool_init(&blocks,
                   span_of(memory_get(pool_bytes(4096, WAX_BLOCK_BYTES)), pool_bytes(4096, WAX_BLOCK_BYTES)),
                   4096, WAX_BLOCK_BYTES));
    size_t bytes = pool_bytes(16, sizeof(struct session_opening));
    must(pool_init(&openings, span_of(memory_get(bytes), bytes), 16, sizeof(struct session_opening)));
    bytes = msg_pool_bytes(8192);
    must(msg_pool_init(&pool, span_of(memory_get(bytes), bytes), 8192, &blocks, 0, 0));
    struct home_config config = {.recipients = sessions + 16,
                                 .messages = 16384,
                                 .stores = 1024,
                                 .account_per_s = rates ? 1000000 : 0,
                                 .account_burst = 1000000,
                                 .hash_key = {3, 4}};
    bytes = home_bytes(&config);
    must(
        home_init(&home, span_of(memory_get(bytes), bytes), &config, &port, &route, &pool, &metrics, now_us));
    home_control_up(home, 1, now_us);
    env = (struct session_env){.tokens = &tokens,
                               .port = &port,
                               .route = &route,
                               .messages = &pool,
                               .metrics = &metrics,
                               .openings = &openings,
                               .send_slots = SEND_SLOTS,
                               .payload_bytes_max = 16384,
                               .send_window = 256,
                               .ttl_s_default = 60,
                               .heartbeat_s = 60,
                               .rates = {rates, rates, rates, rates ? UINT32_MAX : 0}, /* never reached */
                               .relay_id_known = true,
                               .find = env_find,
                               .frame = env_frame,
                               .ping = env_event,
                               .close = env_close,
                               .resume = env_event,
                               .binding = env_binding,
                               .wall_ms = env_wall_ms};
    bytes = session_env_bytes(256);
    must(session_env_init(&env, span_of(memory_get(bytes), bytes), 256));
    session = memory_get(sessions * sizeof *session);
    for (uint32_t i = 0; i < sessions; i++)
        open_one(i);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 0);
        if (strcmp(argv[i], "--sessions") == 0)
            sessions = (uint32_t)value;
        else if (strcmp(argv[i], "--messages") == 0)
            messages = value;
        else if (strcmp(argv[i], "--payload") == 0)
            payload_bytes = (uint32_t)value;
        else if (strcmp(argv[i], "--prefetch") == 0)
            prefetching = value != 0;
        else if (strcmp(argv[i], "--rates") == 0)
            rates = value != 0;
        else
            return fprintf(stderr, "usage: bench-relay [--sessions N] [--messages N] [--payload N] "
                                   "[--prefetch 0|1] [--rates 0|1]\n"),
                   2;
    }
    if (sessions < 2 || payload_bytes > 16384)
        return fprintf(stderr, "at least 2 sessions, at most 16384 bytes\n"), 2;
    start();
    struct rng rng;
    rng_init(&rng, 1);
    static uint8_t frame[WIRE_SEND_BYTES + 16384], payload[16384], ack[WIRE_ACK_BYTES];
    uint64_t id = 0;
    struct timespec a, b;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (uint64_t done = 0; done < messages; done += BURST) {
        uint32_t from[BURST];
        for (uint32_t i = 0; i < BURST; i++) {
            from[i] = (uint32_t)rng_below(&rng, sessions);
            struct frame_send send = {0, name_of(other(from[i])), 0, ++id, view_of(payload, payload_bytes)};
            size_t len = frame_write_send(span_of(frame, sizeof frame), &send);
            must(session_frame(&session[from[i]], &env, view_of(frame, len), now_us));
        }
        turn();
        turn();
        for (uint32_t i = 0; i < BURST; i++) {
            struct session *to = &session[other(from[i])];
            if (to->seq_acked == to->seq_delivered)
                continue;
            size_t len = frame_write_ack(span_of(ack, sizeof ack), to->seq_delivered);
            must(session_frame(to, &env, view_of(ack, len), now_us));
        }
        turn();
        turn();
        now_us += 20;
    }
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
    struct home_counts counts = home_counts(home);
    printf("%u sessions, %u-byte payloads: %.0f ns a message; delivered %llu, still held %u\n", sessions,
           payload_bytes, ns / (double)id, (unsigned long long)metrics.delivered, counts.entries);
    return 0;
}
