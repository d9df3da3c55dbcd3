/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/session_internal.h"

static void status_frame(void *ctx, struct status_chunk **owner, struct view frame)
{
    struct session *session = list_entry(owner, struct session, statuses);
    if (session_write(session, ctx, frame))
        session->framed = session->shown;
}

size_t session_env_bytes(uint32_t status_chunks)
{
    return statuses_bytes(status_chunks) + fans_bytes();
}

enum wax_status session_env_init(struct session_env *env, struct span memory, uint32_t status_chunks)
{
    if (env->send_window == 0 || env->send_window > WAX_SEND_WINDOW_MAX || env->heartbeat_s == 0 ||
        env->payload_bytes_max > WAX_PAYLOAD_BYTES_MAX || env->ttl_s_default == 0)
        return WAX_BAD_ARGUMENT;
    link_init(&env->work);
    link_init(&env->parked);
    env->parked_count = 0;
    memset(&env->requests, 0, sizeof env->requests);
    if (memory.len < session_env_bytes(status_chunks))
        return WAX_NO_MEMORY;
    enum wax_status status = fans_init(env, span_of(memory.data, fans_bytes()));
    if (status != WAX_OK)
        return status;
    memory = span_of(memory.data + fans_bytes(), memory.len - fans_bytes());
    return statuses_init(&env->statuses, memory, status_chunks, env, status_frame);
}

enum wax_status session_init(struct session *session, struct session_env *env, uint32_t conn,
                             uint32_t conn_generation, const uint8_t peer[16], uint16_t peer_port, bool tls,
                             uint64_t now_us)
{
    struct session_opening *opening = pool_take(env->openings);
    if (opening == NULL) {
        memset(session, 0, sizeof *session);
        metrics_count(env->metrics, WAX_SESSION_NO_ROOM);
        return WAX_NO_MEMORY;
    }
    memset(opening, 0, sizeof *opening);
    opening->binding_known = env->binding(env->ctx, conn, opening->binding);
    memset(session, 0, sizeof *session);
    memcpy(opening->peer, peer, sizeof opening->peer);
    opening->peer_port = peer_port;
    opening->waiting = WIRE_WAITING_UNKNOWN;
    session->opening = opening;
    session->state = SESSION_WAIT_HELLO;
    session->conn = conn;
    session->conn_generation = conn_generation;
    session->tls = tls;
    session_heard(session, now_us);
    opening->deadline_us = now_us + WAX_HELLO_TIMEOUT_MS * 1000ull;
    link_init(&session->work);
    link_init(&session->park);
    return WAX_OK;
}

bool session_write(struct session *session, struct session_env *env, struct view frame)
{
    if (env->frame(env->ctx, session->conn, &frame, 1))
        return true;
    session_fail(session, env, WAX_SESSION_TOO_SLOW);
    return false;
}

void session_opened(struct session *session, struct session_env *env)
{
    memset(session->opening, 0, sizeof *session->opening);
    pool_give(env->openings, session->opening);
    session->spent = (struct session_spent){0};
}

static void unpark(struct session *session, struct session_env *env)
{
    if (!list_empty(&session->park)) {
        list_remove(&session->park);
        env->parked_count--;
    }
}

void session_park(struct session *session, struct session_env *env, uint32_t why, bool by_window)
{
    session->parked_for = (uint8_t)why;
    session->by_window = by_window;
    if (list_empty(&session->park)) {
        list_append(&env->parked, &session->park);
        env->parked_count++;
    }
}

void session_reject(struct session *session, struct session_env *env, const struct name *to, uint64_t id,
                    enum wire_reason reason)
{
    static const enum wax_status why[] = {
        [WIRE_REASON_RATE] = WAX_REJECT_RATE,
        [WIRE_REASON_TOO_LARGE] = WAX_REJECT_TOO_LARGE,
        [WIRE_REASON_BUSY] = WAX_REJECT_BUSY,
        [WIRE_REASON_MALFORMED] = WAX_REJECT_MALFORMED,
    };
    metrics_count(env->metrics, why[reason]);
    env->metrics->rejected++;
    struct frame_status_entry entry = {WIRE_REJECTED, (uint8_t)reason, *to, id};
    statuses_add(&env->statuses, &session->statuses, &entry);
}

static enum wax_status take_send(struct session *session, struct session_env *env,
                                 const struct frame_send *send, bool silent)
{
    uint32_t home = route_home(env->route, send->to.user);
    if (!mesh_has_credit(&env->port->peers[home], env->send_slots)) {
        if (!silent)
            session_park(session, env, home, false);
        return WAX_FULL;
    }
    struct msg *msg = msg_make(env->messages, send->payload);
    if (msg == NULL) {
        if (!silent)
            session_park(session, env, SESSION_PARKED_FOR_MEMORY, false);
        return WAX_FULL;
    }
    msg->id = send->id;
    msg_set_taken(msg, env->wall_ms(env->ctx));
    msg->polled = env->polled;
    msg->ttl_s = send->ttl_s == 0 ? env->ttl_s_default : send->ttl_s;
    msg->conn = session->conn;
    msg->conn_generation = session->conn_generation;
    msg->from = session->name;
    msg->to = send->to;
    msg->send_flags = (uint8_t)(send->flags & (WIRE_SEND_EPHEMERAL | WIRE_SEND_URGENT));
    if (silent)
        msg->send_flags |= WIRE_SEND_SILENT;
    struct item item = {.kind = ITEM_SEND, .u.send.msg = msg};
    if (!env->port->send(env->port->ctx, home, &item)) {
        msg_free(env->messages, msg);
        if (!silent)
            session_park(session, env, home, false);
        return WAX_FULL;
    }
    if (!silent)
        session->unanswered++;
    env->metrics->sends++;
    return WAX_OK;
}

enum wax_status session_admit(struct session *session, struct session_env *env, bool silent)
{
    if (session->fanning) { /* what it has begun comes first, or could be overtaken */
        session_park(session, env, SESSION_PARKED_FOR_FAN, false);
        return WAX_FULL;
    }
    if (!silent && session->unanswered >= env->send_window) {
        metrics_count(env->metrics, WAX_SESSION_WINDOW);
        session_park(session, env, env->port->self, true);
        return WAX_SESSION_WINDOW;
    }
    return WAX_OK;
}

static enum wax_status on_send(struct session *session, struct session_env *env, struct view frame)
{
    struct frame_send send;
    enum wax_status status = frame_parse_send(frame, &send);
    if (status != WAX_OK)
        return status;
    bool silent = send_is_silent(send.flags);
    status = session_admit(session, env, silent);
    if (status != WAX_OK)
        return status;
    if (send.id == 0 || send.to.device == 0) {
        if (!silent)
            session_reject(session, env, &send.to, send.id, WIRE_REASON_MALFORMED);
        return WAX_OK;
    }
    if (send.payload.len > env->payload_bytes_max) {
        if (!silent)
            session_reject(session, env, &send.to, send.id, WIRE_REASON_TOO_LARGE);
        return WAX_OK;
    }
    if (!session_may(session, env)) {
        if (silent)
            metrics_count(env->metrics, WAX_SILENT_DROPPED);
        else
            session_reject(session, env, &send.to, send.id, WIRE_REASON_RATE);
        return WAX_OK;
    }
    status = take_send(session, env, &send, silent);
    if (status == WAX_OK)
        session_charge(session, env, 1);
    if (status != WAX_FULL)
        return status;
    metrics_count(env->metrics, silent ? WAX_SILENT_DROPPED : WAX_RELAY_PARKED);
    return silent ? WAX_OK : WAX_FULL;
}

static enum wax_status on_ack(struct session *session, struct session_env *env, struct view frame)
{
    uint32_t seq;
    enum wax_status status = frame_parse_ack(frame, &seq);
    if (status != WAX_OK)
        return status;
    env->metrics->acks++;
    if (seq == 0)
        return WAX_OK;
    /* before the first wrap, what is above the last one is not an older one */
    if (sequence_after(seq, session->seq_delivered) ||
        (!session->seq_wrapped && seq > session->seq_delivered))
        return WAX_SESSION_BAD_ACK;
    if (sequence_after(seq, session->seq_acked)) {
        session->seq_acked = seq;
        session_pend(session, env, PENDING_ACK);
    }
    return WAX_OK;
}

static enum wax_status unknown(struct session *session, struct session_env *env)
{
    static const char text[] = "unknown request";
    uint8_t out[WIRE_ERROR_BYTES + sizeof text];
    struct frame_error error = {WIRE_ERROR_UNKNOWN_REQUEST, 0, view_of(text, sizeof text - 1)};
    metrics_count(env->metrics, WAX_FRAME_UNKNOWN);
    size_t len = frame_write_error(span_of(out, sizeof out), &error);
    session_write(session, env, view_of(out, len));
    return WAX_OK;
}

static enum wax_status open_frame(struct session *session, struct session_env *env, struct view frame)
{
    switch (frame_type(frame)) {
    case WIRE_SEND:
        return on_send(session, env, frame);
    case WIRE_SEND_MULTI:
        return session_multi(session, env, frame);
    case WIRE_ACK:
        return on_ack(session, env, frame);
    case WIRE_KEYS_PUT:
    case WIRE_KEYS_GET:
    case WIRE_DEVICE:
    case WIRE_BLOCK:
        return session_request(session, env, frame);
    case WIRE_READ:
        return session_read(session, env, frame);
    case -1:
    case WIRE_HELLO:
    case WIRE_PROOF:
        return WAX_FRAME_MALFORMED;
    default:
        return unknown(session, env);
    }
}

static enum wax_status early_frame(struct session *session, struct session_env *env, struct view frame,
                                   uint64_t now_us)
{
    int type = frame_type(frame);
    if (type == -1 || (type == WIRE_HELLO && session->state != SESSION_WAIT_HELLO))
        return WAX_FRAME_MALFORMED;
    if (type == WIRE_HELLO)
        return session_hello(session, env, frame, now_us);
    if (type == WIRE_PROOF && session->state == SESSION_WAIT_PROOF)
        return session_proof(session, env, frame, now_us);
    return WAX_FRAME_NOT_AUTHENTICATED;
}

enum wax_status session_frame(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us)
{
    if (session->state == SESSION_NONE || session->state == SESSION_CLOSED)
        return WAX_OK;
    session_heard(session, now_us);
    env->now_us = now_us;
    if (session->leaving && frame_type(frame) != WIRE_ACK)
        return WAX_FULL;
    enum wax_status status = session->state == SESSION_OPEN ? open_frame(session, env, frame)
                                                            : early_frame(session, env, frame, now_us);
    if (status != WAX_OK && status != WAX_FULL && status != WAX_SESSION_WINDOW)
        session_fail(session, env, status);
    return status;
}

uint64_t session_deadline_us(const struct session *session, const struct session_env *env)
{
    if (session->state == SESSION_NONE || session->state == SESSION_CLOSED)
        return UINT64_MAX;
    if (session->state != SESSION_OPEN)
        return session->opening->deadline_us;
    uint64_t heard_us = (uint64_t)session->heard * SESSION_HEARD_US;
    return heard_us + env->heartbeat_s * (session->pinged ? 2000000ull : 1000000ull);
}

void session_tick(struct session *session, struct session_env *env, uint64_t now_us)
{
    /* While we don't read we can't hear. */
    if (session->state == SESSION_OPEN && !list_empty(&session->park))
        session_heard(session, now_us);
    if (now_us < session_deadline_us(session, env))
        return;
    if (session->state == SESSION_OPEN && !session->pinged) {
        session->pinged = true;
        env->ping(env->ctx, session->conn);
        return;
    }
    session_fail(session, env, WAX_SESSION_TIMEOUT);
}

uint8_t session_error_code(enum wax_status why)
{
    switch (why) {
    case WAX_FRAME_MALFORMED:
    case WAX_SESSION_BAD_ACK:
        return WIRE_ERROR_MALFORMED;
    case WAX_FRAME_NOT_AUTHENTICATED:
        return WIRE_ERROR_NOT_AUTHENTICATED;
    case WAX_SESSION_BAD_PROOF:
        return WIRE_ERROR_BAD_PROOF;
    case WAX_SESSION_VERSION:
        return WIRE_ERROR_VERSION;
    case WAX_SESSION_NOT_INVITED:
        return WIRE_ERROR_NOT_INVITED;
    case WAX_SESSION_SUSPENDED:
        return WIRE_ERROR_SUSPENDED;
    case WAX_SESSION_TIMEOUT:
        return WIRE_ERROR_TIMEOUT;
    case WAX_SESSION_TOO_SLOW:
        return WIRE_ERROR_TOO_SLOW;
    case WAX_SESSION_DISPLACED:
        return WIRE_ERROR_DISPLACED;
    case WAX_SESSION_DEVICES:
        return WIRE_ERROR_DEVICES;
    default:
        return 0;
    }
}

void session_shut(struct session *session, struct session_env *env)
{
    if (session->state == SESSION_OPEN) {
        env->metrics->sessions_now--;
        session_spent_all(session, env);
    } else {
        session_opened(session, env);
    }
    session->state = SESSION_CLOSED;
    session->pending &= PENDING_ACK | PENDING_GIVEN;
    statuses_drop(&env->statuses, &session->statuses);
    unpark(session, env);
    if (session->attached)
        session_pend(session, env, PENDING_END);
}

void session_fail(struct session *session, struct session_env *env, enum wax_status why)
{
    if (session->state == SESSION_NONE || session->state == SESSION_CLOSED)
        return;
    metrics_count(env->metrics, why);
    session_shut(session, env);
    uint8_t code = session_error_code(why);
    uint16_t close_code = why == WAX_SESSION_DRAINED ? WIRE_CLOSE_RESTART : WIRE_CLOSE_TRY_LATER;
    if (code != 0) {
        const char *text = wax_status_text(why);
        uint8_t out[WIRE_ERROR_BYTES + WAX_ERROR_TEXT_BYTES_MAX];
        struct frame_error error = {code, 0, view_of(text, strlen(text))};
        struct view frame = view_of(out, frame_write_error(span_of(out, sizeof out), &error));
        env->frame(env->ctx, session->conn, &frame, 1);
        close_code = (uint16_t)(WIRE_CLOSE_ERROR_BASE + code);
    }
    env->close(env->ctx, session->conn, close_code, why);
}

bool session_leave(struct session *session, const struct session_env *env)
{
    session->leaving = true;
    return session->state != SESSION_OPEN ||
           (session->unanswered == 0 && !session->fanning && !session->reading && session->pending == 0 &&
            session->statuses == NULL && !session_asks(session, env));
}

void session_stay(struct session *session, struct session_env *env)
{
    if (session->leaving)
        env->resume(env->ctx, session->conn);
    session->leaving = false;
}

bool session_end(struct session *session, struct session_env *env)
{
    if (session->state == SESSION_NONE)
        return true;
    if (session->state != SESSION_CLOSED)
        session_shut(session, env);
    session_hand_over(session, env);
    if (session->attaching || session->attached) {
        session->ended = true;
        return false;
    }
    list_remove(&session->work);
    session->state = SESSION_NONE;
    return true;
}
