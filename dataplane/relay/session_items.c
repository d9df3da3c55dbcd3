/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/session_internal.h"

void session_pend(struct session *session, struct session_env *env, enum session_pending what)
{
    session->pending |= (uint8_t)what;
    if (list_empty(&session->work))
        list_append(&env->work, &session->work);
}

static bool report(struct session *session, struct session_env *env, enum item_kind kind, uint32_t seq)
{
    struct item item = {.kind = (uint8_t)kind};
    item.u.report.generation = session->generation;
    item.u.report.recipient = session->recipient;
    item.u.report.seq = seq;
    return env->port->give(env->port->ctx, session->home, &item);
}

static bool hand_over_one(struct session *session, struct session_env *env, enum session_pending what)
{
    switch (what) {
    case PENDING_VERIFY:
        return session_submit_verify(session, env);
    case PENDING_LOGIN:
        return session_submit_login(session, env);
    case PENDING_ATTACH:
        return session_submit_attach(session, env);
    case PENDING_ACK:
        return report(session, env, ITEM_ACK, session->seq_acked);
    case PENDING_GIVEN:
        return report(session, env, ITEM_GIVEN, session->given);
    case PENDING_END:
        if (!report(session, env, ITEM_END, (uint32_t)session->spent.untold))
            return false;
        session->attached = false;
        return true;
    case PENDING_USED:
        return session_tell(session, env);
    }
    return true;
}

bool session_hand_over(struct session *session, struct session_env *env)
{
    /* In the order of the bits: the last ACK must be ahead of the END. */
    while (session->pending != 0) {
        uint32_t what = session->pending & -(uint32_t)session->pending;
        if (!hand_over_one(session, env, (enum session_pending)what))
            return false;
        session->pending &= (uint8_t)~what;
    }
    list_remove(&session->work);
    return true;
}

/* Frees the memory of a session that its connection has given up, once home knows. */
static void release(struct session *session, struct session_env *env)
{
    if (!session->ended || session->attaching || session->attached)
        return;
    list_remove(&session->work);
    session->state = SESSION_NONE;
    session->ended = false;
    env->released(env->ctx, session);
}

static bool may_resume(const struct session *session, const struct session_env *env)
{
    if (session->by_window)
        return session->unanswered < env->send_window;
    if (session->parked_for == SESSION_PARKED_FOR_FAN)
        return !session->fanning;
    if (session->parked_for == SESSION_PARKED_FOR_READ)
        return !session->reading;
    if (session->parked_for == SESSION_PARKED_FOR_CONTROL)
        return env->patience_us <= env->now_us;
    if (session->parked_for == SESSION_PARKED_FOR_RETURNS)
        return session->pending == 0;
    if (session->parked_for == SESSION_PARKED_FOR_LIST)
        return fans_have_room(env, 1);
    if (session->parked_for == SESSION_PARKED_FOR_MEMORY)
        return env->messages->slots.free_count != 0 &&
               env->messages->blocks->free_count > env->messages->blocks_kept;
    return mesh_has_credit(&env->port->peers[session->parked_for], env->send_slots);
}

static bool resume_parked(struct session_env *env)
{
    for (uint32_t count = env->parked_count; count > 0; count--) {
        struct session *session = list_entry(list_first(&env->parked), struct session, park);
        list_remove(&session->park);
        if (!may_resume(session, env)) {
            list_append(&env->parked, &session->park);
            continue;
        }
        env->parked_count--;
        env->resume(env->ctx, session->conn);
    }
    return env->parked_count != 0;
}

bool sessions_flush(struct session_env *env, uint64_t now_us)
{
    env->now_us = now_us;
    bool waiting = fans_advance(env);
    waiting |= resume_parked(env);
    statuses_flush(&env->statuses);
    struct link later;
    link_init(&later);
    for (struct link *at = list_first(&env->work); at != NULL; at = list_first(&env->work)) {
        struct session *session = list_entry(at, struct session, work);
        if (session_hand_over(session, env)) {
            release(session, env);
            continue;
        }
        list_remove(&session->work);
        list_append(&later, &session->work);
        waiting = true;
    }
    for (struct link *at = list_first(&later); at != NULL; at = list_first(&later)) {
        list_remove(at);
        list_append(&env->work, at);
    }
    return waiting;
}

static void on_answer(struct session_env *env, const struct item *item)
{
    struct session *session = env->find(env->ctx, item->u.answer.conn, item->u.answer.conn_generation);
    bool last = (item->flags & 1) != 0;
    /* A SEND_MULTI is one until its last recipient is answered; it is held as long as one of them isn't. */
    if (last && item->u.answer.frame != NULL)
        last = --msg_frame(item->u.answer.frame)->unanswered == 0;
    if (item->u.answer.msg != NULL)
        msg_free(env->messages, item->u.answer.msg);
    if (session == NULL || session->state != SESSION_OPEN)
        return;
    if (last) {
        assert(session->unanswered > 0);
        session->unanswered--;
    }
    struct frame_status_entry entry = {item->u.answer.status_kind, item->u.answer.reason,
                                       item->u.answer.about, item->u.answer.id};
    if (entry.kind == WIRE_ACCEPTED)
        env->metrics->accepted++;
    else if (entry.kind == WIRE_DELIVERED)
        env->metrics->delivered++;
    else
        env->metrics->rejected++;
    statuses_add(&env->statuses, &session->statuses, &entry);
}

/* Keep the stamp of a message that came from a packet (not of one from a mailbox). */
static void note_delivered(struct session_env *env, uint64_t polled)
{
    env->metrics->deliveries++;
    if (polled == 0)
        return;
    if (env->delivered_count < env->delivered_room)
        env->delivered[env->delivered_count++] = polled;
    else
        env->metrics->untimed++;
}

static void on_deliver(struct session *session, struct session_env *env, const struct item *item)
{
    /* The message may be read only while home holds it for this session. */
    if (session->state != SESSION_OPEN || session->generation != item->u.deliver.generation)
        return;
    const struct msg *msg = item->u.deliver.msg;
    uint8_t head[WIRE_DELIVER_BYTES];
    struct frame_deliver deliver = {
        .flags = item->flags,
        .from = msg->from,
        .seq = item->u.deliver.seq,
        .id = msg->id,
        .taken_ms = msg->taken_ms,
        .head_bytes = msg->head_bytes,
    };
    struct view pieces[1 + MSG_PIECES_MAX];
    pieces[0] = view_of(head, frame_write_deliver_head(span_of(head, sizeof head), &deliver));
    uint32_t count = 1 + msg_pieces(msg, pieces + 1);
    if (!env->frame(env->ctx, session->conn, pieces, count)) {
        session_fail(session, env, WAX_SESSION_TOO_SLOW);
        return;
    }
    if (deliver.seq != 0) {
        session->seq_wrapped |= deliver.seq < session->seq_delivered;
        session->seq_delivered = deliver.seq;
    }
    note_delivered(env, msg->polled);
}

static void on_show(struct session *session, struct session_env *env, const struct item *item)
{
    if (session->state != SESSION_OPEN)
        return;
    struct frame_status_entry entry = {item->u.show.status_kind, item->u.show.reason, item->u.show.about,
                                       item->u.show.id};
    session->shown = item->u.show.number;
    statuses_add(&env->statuses, &session->statuses, &entry);
}

static void on_attached(struct session *session, struct session_env *env, const struct item *item,
                        uint64_t now_us)
{
    session->attaching = false;
    session->attached = true;
    session->generation = item->u.attached.generation;
    session->recipient = item->u.attached.recipient;
    if (session->state == SESSION_ATTACHING) {
        session_welcome(session, env, now_us);
        if (session->state == SESSION_OPEN && item->u.attached.wait_us != 0) {
            env->now_us = now_us;
            session_hold(session, env, item->u.attached.wait_us);
        }
    } else
        session_pend(session, env, PENDING_END);
}

static void on_refused(struct session *session, struct session_env *env, enum wax_status why)
{
    session->attaching = false;
    session_fail(session, env, why);
    release(session, env);
}

void session_item(struct session_env *env, const struct item *item, uint64_t now_us)
{
    struct session *session;
    switch (item->kind) {
    case ITEM_ANSWER:
        on_answer(env, item);
        return;
    case ITEM_FREE:
        msg_free(env->messages, item->u.send.msg);
        return;
    case ITEM_DELIVER:
        session = env->find(env->ctx, item->u.deliver.conn, item->u.deliver.conn_generation);
        if (session != NULL)
            on_deliver(session, env, item);
        return;
    case ITEM_SHOW:
        session = env->find(env->ctx, item->u.show.conn, item->u.show.conn_generation);
        if (session != NULL)
            on_show(session, env, item);
        return;
    case ITEM_HOLD:
        session = env->find(env->ctx, item->u.hold.conn, item->u.hold.conn_generation);
        if (session != NULL && session->state == SESSION_OPEN) {
            env->now_us = now_us;
            session_hold(session, env, item->u.hold.wait_us);
        }
        return;
    case ITEM_ATTACHED:
    case ITEM_REFUSED:
    case ITEM_DISPLACE:
    case ITEM_CLOSE:
        session = env->find(env->ctx, item->u.attached.conn, item->u.attached.conn_generation);
        if (session == NULL)
            return;
        if (item->kind == ITEM_ATTACHED)
            on_attached(session, env, item, now_us);
        else if (item->kind == ITEM_REFUSED)
            on_refused(session, env, (enum wax_status)item->u.attached.status);
        else
            session_fail(session, env, (enum wax_status)item->u.attached.status);
        return;
    default:
        return;
    }
}

void session_mark(struct session *session, uint64_t offset)
{
    if (!session_wants_mark(session))
        return;
    struct session_mark *mark =
        session->marks[0].upto != session->given ? &session->marks[1] : &session->marks[0];
    *mark = (struct session_mark){(uint32_t)offset, session->framed};
}

void session_acked(struct session *session, struct session_env *env, uint64_t offset)
{
    struct session_mark *marks = session->marks;
    while (marks[0].upto != session->given && (int32_t)((uint32_t)offset - marks[0].offset) >= 0) {
        bool more = marks[1].upto != session->given;
        session->given = marks[0].upto;
        if (more)
            marks[0] = marks[1];
        marks[1].upto = session->given;
        if (session->state == SESSION_OPEN)
            session_pend(session, env, PENDING_GIVEN);
    }
}
