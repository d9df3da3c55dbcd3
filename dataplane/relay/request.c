/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/request.h"
#include "relay/session_internal.h"
#include "waxwire/request.h"

/* The session goes on; the client may ask again later. */
static void refuse(struct session *session, struct session_env *env, uint32_t request)
{
    static const char text[] = "rate limited";
    uint8_t out[WIRE_ERROR_BYTES + sizeof text];
    struct frame_error error = {WIRE_ERROR_RATE, request, view_of(text, sizeof text - 1)};
    metrics_count(env->metrics, WAX_SESSION_RATE);
    session_write(session, env, view_of(out, frame_write_error(span_of(out, sizeof out), &error)));
}

static bool slot_used(const struct requests *requests, uint32_t index)
{
    return (requests->used[index / 64] >> index % 64 & 1) != 0;
}

/* A free slot for this session, or WAX_REQUESTS_PER_WORKER when it, or the worker, has enough under way. */
static uint32_t slot_find(const struct requests *requests, const struct session *session)
{
    uint32_t found = WAX_REQUESTS_PER_WORKER, mine = 0;
    for (uint32_t i = 0; i < WAX_REQUESTS_PER_WORKER; i++) {
        if (!slot_used(requests, i)) {
            found = found == WAX_REQUESTS_PER_WORKER ? i : found;
            continue;
        }
        mine += requests->slot[i].conn == session->conn &&
                requests->slot[i].conn_generation == session->conn_generation;
    }
    return mine < WAX_REQUESTS_PER_SESSION ? found : WAX_REQUESTS_PER_WORKER;
}

static void slot_give(struct requests *requests, uint32_t index)
{
    requests->used[index / 64] &= ~(UINT64_C(1) << index % 64);
}

enum wax_status session_request(struct session *session, struct session_env *env, struct view frame)
{
    bool sound = false;
    if (!wire_request_is(frame, &sound) || !sound)
        return WAX_FRAME_MALFORMED;
    if (env->patience_us > env->now_us) {
        if (list_empty(&session->park)) /* else what is in front of it is waited for first */
            session_park(session, env, SESSION_PARKED_FOR_CONTROL, false);
        return WAX_FULL;
    }
    struct requests *requests = &env->requests;
    uint32_t index = session_may(session, env) ? slot_find(requests, session) : WAX_REQUESTS_PER_WORKER;
    struct channel_record *record = NULL;
    if (index < WAX_REQUESTS_PER_WORKER && env->room(env->ctx, session->conn, 0))
        record = env->port->control_reserve(env->port->ctx,
                                            (uint32_t)(sizeof(struct channel_request) + frame.len));
    if (record == NULL) {
        refuse(session, env, wire_request_number(frame));
        return WAX_OK;
    }
    struct request_slot *slot = &requests->slot[index];
    requests->used[index / 64] |= UINT64_C(1) << index % 64;
    slot->conn = session->conn;
    slot->conn_generation = session->conn_generation;
    slot->request = wire_request_number(frame);
    slot->serial++;
    struct channel_request *request = (struct channel_request *)(void *)record;
    record->kind = CHANNEL_REQUEST;
    request->tag = channel_conn_tag(session->conn, session->conn_generation);
    request->slot = index;
    request->serial = slot->serial;
    request->name = name_to_channel(&session->name);
    request->frame_bytes = (uint32_t)frame.len;
    request->reserved = 0;
    memcpy(request->frame, frame.data, frame.len);
    env->port->control_publish(env->port->ctx);
    env->metrics->requests++;
    session_charge(session, env, 1);
    return WAX_OK;
}

bool session_asks(const struct session *session, const struct session_env *env)
{
    for (uint32_t word = 0; word < REQUEST_WORDS; word++) {
        for (uint64_t left = env->requests.used[word]; left != 0; left &= left - 1) {
            const struct request_slot *slot =
                &env->requests.slot[64 * word + (uint32_t)__builtin_ctzll(left)];
            if (slot->conn == session->conn && slot->conn_generation == session->conn_generation)
                return true;
        }
    }
    return false;
}

/* Keys run low before the client has been welcomed: it hears of it right afterwards. */
static void keep_low(struct session *session, struct view frame)
{
    if (session->state >= SESSION_OPEN || frame.len != WIRE_KEYS_LOW_BYTES || frame.data[0] != WIRE_KEYS_LOW)
        return;
    session->opening->keys_low = true;
    session->opening->keys_left = load_be32(frame.data + 4);
}

void session_keys_low(struct session *session, struct session_env *env, uint32_t left)
{
    uint8_t out[WIRE_KEYS_LOW_BYTES];
    session_write(session, env,
                  view_of(out, wire_keys_low_write(span_of(out, sizeof out), session->name.device, left)));
}

void session_answer(struct session_env *env, const struct channel_answer *answer)
{
    struct requests *requests = &env->requests;
    bool asked = answer->slot < WAX_REQUESTS_PER_WORKER && slot_used(requests, answer->slot) &&
                 requests->slot[answer->slot].serial == answer->serial;
    if (asked)
        slot_give(requests, answer->slot);
    else if (answer->slot != CHANNEL_SLOT_NONE)
        return; /* of before the control plane's end: it has been answered */
    struct session *session = env->find(env->ctx, (uint32_t)(answer->tag >> 32), (uint32_t)answer->tag);
    if (session == NULL)
        return;
    struct view frame = view_of(answer->frame, answer->frame_bytes);
    if (session->state != SESSION_OPEN) {
        keep_low(session, frame);
        return;
    }
    if (!env->room(env->ctx, session->conn, answer->frame_bytes))
        refuse(session, env, asked ? requests->slot[answer->slot].request : 0);
    else
        session_write(session, env, frame);
}

void session_requests_wait(struct session_env *env, uint64_t now_us)
{
    if (env->patience_us == 0)
        env->patience_us = now_us + WAX_CONTROL_PATIENCE_MS * 1000ull;
}

void session_requests_go_on(struct session_env *env)
{
    env->patience_us = 0;
}

void session_requests_lost(struct session_env *env)
{
    struct requests *requests = &env->requests;
    for (uint32_t i = 0; i < WAX_REQUESTS_PER_WORKER; i++) {
        if (!slot_used(requests, i))
            continue;
        slot_give(requests, i);
        const struct request_slot *slot = &requests->slot[i];
        struct session *session = env->find(env->ctx, slot->conn, slot->conn_generation);
        if (session != NULL && session->state == SESSION_OPEN)
            refuse(session, env, slot->request);
    }
}
