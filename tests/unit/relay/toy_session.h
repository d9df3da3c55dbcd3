/* SPDX-License-Identifier: BSD-3-Clause */
/* A session whose connection is the test, and what a client says to it. */
#ifndef TOY_SESSION_H
#define TOY_SESSION_H

#include "toy.h"

static struct session_env env;
static struct session session, *neighbour; /* another one of connection 5, which a test may make */
static uint8_t opening_memory[4096], chunk_memory[40000], out[4096];
static struct pool openings;
static uint8_t frames[64][1024];
static size_t frame_len[64];
static uint32_t frame_head, frame_tail, closes, resumes, pings, releases, jobs;
static uint16_t close_code;
static bool frames_full, no_binding, no_room, no_promise;
static struct verify_job job;
static struct token_set tokens;

static inline struct session *find(void *ctx, uint32_t conn, uint32_t generation)
{
    (void)ctx;
    if (conn == 5 && neighbour != NULL)
        return neighbour;
    return conn == 3 && generation == 4 && session.state != SESSION_NONE ? &session : NULL;
}

static inline bool frame(void *ctx, uint32_t conn, const struct view *pieces, uint32_t count)
{
    (void)ctx;
    (void)conn;
    if (frames_full)
        return false;
    size_t len = 0;
    for (uint32_t i = 0; i < count; i++) {
        cr_assert_leq(len + pieces[i].len, sizeof frames[0]);
        memcpy(frames[frame_tail % 64] + len, pieces[i].data, pieces[i].len);
        len += pieces[i].len;
    }
    frame_len[frame_tail++ % 64] = len;
    return true;
}

static inline bool room(void *ctx, uint32_t conn, size_t bytes)
{
    (void)ctx;
    (void)conn;
    return bytes == 0 ? !no_promise : !no_room;
}

static inline void closing(void *ctx, uint32_t conn, uint16_t code, enum wax_status why)
{
    (void)ctx;
    (void)conn;
    (void)why;
    closes++;
    close_code = code;
}

static inline void resume(void *ctx, uint32_t conn)
{
    (void)ctx;
    (void)conn;
    resumes++;
}

static inline void ping(void *ctx, uint32_t conn)
{
    (void)ctx;
    (void)conn;
    pings++;
}

static inline void released(void *ctx, struct session *which)
{
    (void)ctx;
    (void)which;
    releases++;
}

static inline bool binding(void *ctx, uint32_t conn, uint8_t bytes[WAX_BINDING_BYTES])
{
    (void)ctx;
    (void)conn;
    memset(bytes, 0xBB, WAX_BINDING_BYTES);
    return !no_binding;
}

static inline bool verify(void *ctx, const struct verify_job *wanted)
{
    (void)ctx;
    job = *wanted;
    jobs++;
    return true;
}

static inline void random_bytes(void *ctx, struct span bytes)
{
    (void)ctx;
    memset(bytes.data, 0x77, bytes.len);
}

static inline uint64_t wall_ms(void *ctx)
{
    (void)ctx;
    return 1700000000000;
}

/* No MAC that anybody should use. */
static inline void toy_mac(uint8_t mac[TOKEN_MAC_BYTES], const uint8_t *key, struct view text)
{
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t i = 0; i < 32 + text.len; i++)
        sum = (sum ^ (i < 32 ? key[i] : text.data[i - 32])) * 0x100000001b3u;
    for (size_t i = 0; i < TOKEN_MAC_BYTES; i += 8)
        store_be64(mac + i, sum = sum * 0x9e3779b97f4a7c15u + i);
}

static inline void begin(void)
{
    uint8_t peer[16] = {0};
    cr_assert_eq(session_init(&session, &env, 3, 4, peer, 99, true, toy.now_us), WAX_OK);
}

static inline void start(void)
{
    toy_start();
    frame_head = frame_tail = closes = resumes = pings = releases = jobs = 0;
    frames_full = no_binding = no_room = no_promise = false;
    tokens = (struct token_set){.life_ms = 3600000, .key_count = 1, .key[0] = {.id = 7, .key = {1, 2, 3}}};
    cr_assert_eq(pool_init(&openings, span_of(opening_memory, sizeof opening_memory), 4,
                           sizeof(struct session_opening)),
                 WAX_OK);
    env = (struct session_env){.port = &toy.port,
                               .route = &toy.route,
                               .messages = &toy.messages,
                               .metrics = &toy.metrics,
                               .openings = &openings,
                               .send_slots = 256,
                               .payload_bytes_max = 100,
                               .send_window = 4,
                               .ttl_s_default = 3600,
                               .heartbeat_s = 10,
                               .relay_id_known = true,
                               .tokens = &tokens,
                               .mac = toy_mac,
                               .find = find,
                               .frame = frame,
                               .room = room,
                               .ping = ping,
                               .close = closing,
                               .resume = resume,
                               .released = released,
                               .binding = binding,
                               .verify = verify,
                               .random = random_bytes,
                               .wall_ms = wall_ms};
    cr_assert_eq(session_env_init(&env, span_of(chunk_memory, sizeof chunk_memory), 4), WAX_OK);
    begin();
}

static inline struct view next_frame(void)
{
    cr_assert_neq(frame_head, frame_tail, "a frame");
    uint32_t at = frame_head++ % 64;
    return view_of(frames[at], frame_len[at]);
}

static inline enum wax_status feed(size_t len)
{
    return session_frame(&session, &env, view_of(out, len), toy.now_us);
}

static inline enum wax_status say_hello(void)
{
    static const uint8_t key[32] = {2}, nonce[16] = {3};
    struct frame_hello hello = {1, 0, key, nonce, {0}, {0}};
    return feed(frame_write_hello(span_of(out, sizeof out), &hello));
}

static inline enum wax_status say_proof(uint8_t flags)
{
    static const uint8_t signature[64] = {5};
    struct frame_proof proof = {flags, signature};
    return feed(frame_write_proof(span_of(out, sizeof out), &proof));
}

static inline enum wax_status say_send(uint64_t id, uint16_t device, uint8_t flags, size_t bytes)
{
    static uint8_t payload[200];
    struct frame_send send = {flags, {{9}, device}, 0, id, view_of(payload, bytes)};
    return feed(frame_write_send(span_of(out, sizeof out), &send));
}

static inline enum wax_status say_ack(uint32_t seq)
{
    return feed(frame_write_ack(span_of(out, sizeof out), seq));
}

static inline void flush(void)
{
    sessions_flush(&env, toy.now_us);
}

static inline void log_in(void)
{
    cr_assert_eq(say_hello(), WAX_OK);
    cr_assert_eq(frame_type(next_frame()), WIRE_CHALLENGE);
    cr_assert_eq(say_proof(0), WAX_OK);
    flush();
    job.ok = 1;
    memset(job.user, 0xCC, sizeof job.user);
    session_verified(&session, &env, &job, toy.now_us);
    flush();
    struct channel_login_reply reply = {.waiting = 12};
    session_login_reply(&session, &env, &reply, toy.now_us);
    flush();
}

static inline void open_session(void)
{
    log_in();
    struct item attached = {.kind = ITEM_ATTACHED};
    attached.u.attached.generation = 55;
    attached.u.attached.conn = 3;
    attached.u.attached.conn_generation = 4;
    attached.u.attached.recipient = 6;
    session_item(&env, &attached, toy.now_us);
    cr_assert_eq(frame_type(next_frame()), WIRE_WELCOME);
    toy_clear();
}

static inline void deliver(uint64_t generation, uint32_t seq)
{
    struct msg *msg = msg_make(&toy.messages, view_of("hi", 2));
    msg->id = 44;
    msg->from = toy_name(1);
    struct item item = {.kind = ITEM_DELIVER, .flags = WIRE_DELIVER_URGENT};
    item.u.deliver.generation = generation;
    item.u.deliver.conn = 3;
    item.u.deliver.conn_generation = 4;
    item.u.deliver.msg = msg;
    item.u.deliver.seq = seq;
    session_item(&env, &item, toy.now_us);
    msg_free(&toy.messages, msg);
}

static inline void answer(uint64_t id, uint8_t kind)
{
    struct item item = {.kind = ITEM_ANSWER, .flags = 1};
    item.u.answer.id = id;
    item.u.answer.conn = 3;
    item.u.answer.conn_generation = 4;
    item.u.answer.status_kind = kind;
    session_item(&env, &item, toy.now_us);
}

static inline void expect_error(uint8_t code)
{
    struct frame_error error;
    cr_assert_eq(frame_parse_error(next_frame(), &error), WAX_OK);
    cr_assert_eq(error.code, code);
    if (code <= WIRE_ERROR_FATAL_MAX) {
        cr_assert_eq(closes, 1);
        cr_assert_eq(close_code, 4000 + code);
    }
}

#endif
