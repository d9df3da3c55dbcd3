/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/session_internal.h"

static void attach(struct session *session, struct session_env *env)
{
    session->state = SESSION_ATTACHING;
    session->home = (uint8_t)route_home(env->route, session->name.user);
    session_pend(session, env, PENDING_ATTACH);
}

static void challenge(struct session *session, struct session_env *env, uint64_t now_us)
{
    struct session_opening *opening = session->opening;
    uint8_t out[WIRE_CHALLENGE_BYTES];
    env->random(env->ctx, span_of(opening->relay_nonce, sizeof opening->relay_nonce));
    struct frame_challenge frame = {opening->relay_nonce, env->relay_id, env->wall_ms(env->ctx)};
    size_t len = frame_write_challenge(span_of(out, sizeof out), &frame);
    session->state = SESSION_WAIT_PROOF;
    opening->deadline_us = now_us + WAX_PROOF_TIMEOUT_MS * 1000ull;
    session_write(session, env, view_of(out, len));
}

/* A good token opens the session; any other falls back to CHALLENGE. */
static bool resume(struct session *session, struct session_env *env, struct view token, uint64_t now_us)
{
    struct session_opening *opening = session->opening;
    struct name name;
    enum wax_status status = token_check(env->tokens, env->mac, TOKEN_RESUME, token, opening->account_key,
                                         env->wall_ms(env->ctx), &name);
    if (status == WAX_OK && name.device != session->name.device)
        status = WAX_TOKEN_FORGED;
    if (status != WAX_OK) {
        metrics_count(env->metrics, status);
        return false;
    }
    session->name = name;
    opening->welcome_flags = WIRE_WELCOME_RESUMED;
    opening->waiting = WIRE_WAITING_UNKNOWN;
    opening->deadline_us = now_us + WAX_LOGIN_TIMEOUT_MS * 1000ull;
    attach(session, env);
    return true;
}

enum wax_status session_hello(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us)
{
    struct frame_hello hello;
    enum wax_status status = frame_parse_hello(frame, &hello);
    if (status != WAX_OK)
        return status;
    struct session_opening *opening = session->opening;
    memcpy(opening->account_key, hello.account_key, sizeof opening->account_key);
    memcpy(opening->client_nonce, hello.client_nonce, sizeof opening->client_nonce);
    opening->hello_flags = hello.flags;
    opening->invite_bytes = (uint16_t)hello.invite.len;
    if (hello.invite.len != 0)
        memcpy(opening->invite, hello.invite.data, hello.invite.len);
    session->name.device = hello.device;
    session->send_only = (hello.flags & WIRE_HELLO_SEND_ONLY) != 0;
    if ((hello.flags & WIRE_HELLO_RESUME) != 0 && resume(session, env, hello.token, now_us))
        return WAX_OK;
    if (env->relay_id_known) {
        challenge(session, env, now_us);
    } else {
        session->state = SESSION_WAIT_RELAY_ID;
        opening->deadline_us = now_us + WAX_LOGIN_TIMEOUT_MS * 1000ull;
    }
    return WAX_OK;
}

enum wax_status session_proof(struct session *session, struct session_env *env, struct view frame,
                              uint64_t now_us)
{
    struct frame_proof proof;
    enum wax_status status = frame_parse_proof(frame, &proof);
    if (status != WAX_OK)
        return status;
    struct session_opening *opening = session->opening;
    opening->binding_used = (proof.flags & WIRE_PROOF_BINDING) != 0;
    if (opening->binding_used && !opening->binding_known)
        return WAX_SESSION_BAD_PROOF;
    memcpy(opening->signature, proof.signature, sizeof opening->signature);
    session->state = SESSION_VERIFYING;
    opening->deadline_us = now_us + WAX_LOGIN_TIMEOUT_MS * 1000ull;
    session_pend(session, env, PENDING_VERIFY);
    return WAX_OK;
}

bool session_submit_verify(struct session *session, struct session_env *env)
{
    const struct session_opening *opening = session->opening;
    struct verify_job job = {.conn = session->conn, .conn_generation = session->conn_generation};
    memcpy(job.account_key, opening->account_key, sizeof job.account_key);
    memcpy(job.signature, opening->signature, sizeof job.signature);
    frame_write_proof_signed(job.message, env->relay_id, opening->relay_nonce, opening->client_nonce,
                             session->name.device, opening->binding_used ? opening->binding : NULL);
    return env->verify(env->ctx, &job);
}

void session_verified(struct session *session, struct session_env *env, const struct verify_job *job,
                      uint64_t now_us)
{
    (void)now_us;
    if (session->state != SESSION_VERIFYING)
        return;
    if (job->ok == 0) {
        session_fail(session, env, WAX_SESSION_BAD_PROOF);
        return;
    }
    memcpy(session->name.user, job->user, WAX_USER_BYTES);
    session->state = SESSION_LOGIN;
    session_pend(session, env, PENDING_LOGIN);
}

bool session_submit_login(struct session *session, struct session_env *env)
{
    const struct session_opening *opening = session->opening;
    uint32_t bytes = (uint32_t)sizeof(struct channel_login) + opening->invite_bytes;
    struct channel_record *record = env->port->control_reserve(env->port->ctx, bytes);
    if (record == NULL)
        return false;
    struct channel_login *login = (struct channel_login *)(void *)record;
    record->kind = CHANNEL_LOGIN;
    login->tag = (uint64_t)session->conn << 32 | session->conn_generation;
    login->name = name_to_channel(&session->name);
    memcpy(login->account_key, opening->account_key, WAX_ACCOUNT_KEY_BYTES);
    login->hello_flags = opening->hello_flags;
    login->invite_bytes = opening->invite_bytes;
    login->reserved = 0;
    memcpy(login->invite, opening->invite, opening->invite_bytes);
    env->port->control_publish(env->port->ctx);
    return true;
}

void session_login_reply(struct session *session, struct session_env *env,
                         const struct channel_login_reply *reply, uint64_t now_us)
{
    static const enum wax_status refusals[] = {
        [WIRE_ERROR_NOT_AUTHENTICATED] = WAX_FRAME_NOT_AUTHENTICATED,
        [WIRE_ERROR_BAD_PROOF] = WAX_SESSION_BAD_PROOF,
        [WIRE_ERROR_NOT_INVITED] = WAX_SESSION_NOT_INVITED,
        [WIRE_ERROR_SUSPENDED] = WAX_SESSION_SUSPENDED,
        [WIRE_ERROR_DEVICES] = WAX_SESSION_DEVICES,
    };
    (void)now_us;
    if (session->state != SESSION_LOGIN)
        return;
    if (reply->error != 0) {
        enum wax_status why =
            reply->error < sizeof refusals / sizeof refusals[0] ? refusals[reply->error] : WAX_OK;
        session_fail(session, env, why == WAX_OK ? WAX_SESSION_NO_ROOM : why);
        return;
    }
    session->opening->welcome_flags = reply->welcome & WIRE_WELCOME_NEW_ACCOUNT;
    session->opening->waiting = reply->waiting;
    session->pending &= (uint8_t)~PENDING_LOGIN;
    attach(session, env);
}

bool session_submit_attach(struct session *session, struct session_env *env)
{
    const struct session_opening *opening = session->opening;
    struct item item = {.kind = ITEM_ATTACH};
    item.u.attach.since_ms = env->wall_ms(env->ctx);
    item.u.attach.conn = session->conn;
    item.u.attach.conn_generation = session->conn_generation;
    item.u.attach.name = session->name;
    memcpy(item.u.attach.peer, opening->peer, sizeof item.u.attach.peer);
    item.u.attach.peer_port = opening->peer_port;
    item.u.attach.tls = session->tls;
    item.u.attach.send_only = session->send_only;
    if (!env->port->send(env->port->ctx, session->home, &item))
        return false;
    session->attaching = true;
    return true;
}

void session_welcome(struct session *session, struct session_env *env, uint64_t now_us)
{
    uint8_t out[WIRE_WELCOME_BYTES + 2 + 2 * TOKEN_BYTES], token[TOKEN_BYTES], media[TOKEN_BYTES];
    const uint8_t *account_key = session->opening->account_key;
    uint64_t now_ms = env->wall_ms(env->ctx);
    size_t token_bytes =
        token_make(env->tokens, env->mac, TOKEN_RESUME, &session->name, account_key, now_ms, token);
    size_t media_bytes = token_make(env->tokens, env->mac, TOKEN_MEDIA, &session->name, NULL, now_ms, media);
    struct frame_welcome welcome = {
        .flags = session->opening->welcome_flags,
        .device = session->name.device,
        .payload_bytes_max = env->payload_bytes_max,
        .time_ms = now_ms,
        .user = session->name.user,
        .window = env->send_window,
        .waiting = session->opening->waiting,
        .heartbeat_s = env->heartbeat_s,
        .token = view_of(token, token_bytes),
        .media_token = view_of(media, media_bytes),
    };
    env->metrics->sessions_resumed += (welcome.flags & WIRE_WELCOME_RESUMED) != 0;
    bool keys_low = session->opening->keys_low;
    uint32_t keys_left = session->opening->keys_left;
    session_opened(session, env);
    session->state = SESSION_OPEN;
    env->metrics->sessions_opened++;
    env->metrics->sessions_now++;
    session_heard(session, now_us);
    session_write(session, env, view_of(out, frame_write_welcome(span_of(out, sizeof out), &welcome)));
    if (keys_low && session->state == SESSION_OPEN)
        session_keys_low(session, env, keys_left);
}

void session_control_up(struct session *session, struct session_env *env, uint64_t now_us)
{
    if (session->state == SESSION_WAIT_RELAY_ID && env->relay_id_known)
        challenge(session, env, now_us);
    else if (session->state == SESSION_LOGIN)
        session_pend(session, env, PENDING_LOGIN);
}
