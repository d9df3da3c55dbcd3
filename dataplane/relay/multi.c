/* SPDX-License-Identifier: BSD-3-Clause */
/* SEND_MULTI: one frame for many recipients, held once, of which each gets a part. */
#include "relay/fan.h"

#define ROLL_SLOTS (2u * WAX_MULTI_RECIPIENTS_MAX)

_Static_assert((ROLL_SLOTS & (ROLL_SLOTS - 1u)) == 0, "slots are masked");

/* Why recipients are refused (enum wire_reason, 0: they aren't), and who has been named. */
struct roll {
    uint32_t good;
    uint32_t mask;
    uint8_t reason[WAX_MULTI_RECIPIENTS_MAX];
    const uint8_t *named[ROLL_SLOTS]; /* the first mask + 1, at most half of them taken */
};

/* User and device, as the frame has them. */
#define NAME_BYTES (WAX_USER_BYTES + 2u)

/* True when that name has been there before. */
static bool named_twice(struct roll *roll, const struct route *route, const uint8_t *name)
{
    uint64_t slot = siphash13(route->key, view_of(name, NAME_BYTES)) & roll->mask;
    while (roll->named[slot] != NULL) {
        if (memcmp(roll->named[slot], name, NAME_BYTES) == 0)
            return true;
        slot = (slot + 1) & roll->mask;
    }
    roll->named[slot] = name;
    return false;
}

static void roll_make(struct roll *roll, const struct session_env *env, const struct frame_multi *multi)
{
    uint32_t slots = 16;
    while (slots < 2u * multi->count)
        slots *= 2;
    roll->good = 0;
    roll->mask = slots - 1;
    memset(roll->reason, 0, multi->count);
    memset(roll->named, 0, slots * sizeof roll->named[0]);
    const uint8_t *at = multi->entries.data;
    for (uint32_t i = 0; i < multi->count; i++) {
        struct frame_multi_entry entry = frame_multi_entry(at);
        if (multi->id == 0 || entry.to.device == 0 || named_twice(roll, env->route, at))
            roll->reason[i] = WIRE_REASON_MALFORMED;
        else if (entry.head_bytes + multi->shared.len > env->payload_bytes_max)
            roll->reason[i] = WIRE_REASON_TOO_LARGE;
        else
            roll->good++;
        at += WIRE_MULTI_ENTRY_BYTES + entry.head_bytes;
    }
}

/* Answer those who are refused, and with `others`, if that is a reason, those who are not. */
static void roll_answer(const struct roll *roll, struct session *session, struct session_env *env,
                        const struct frame_multi *multi, enum wire_reason others)
{
    const uint8_t *at = multi->entries.data;
    for (uint32_t i = 0; i < multi->count; i++) {
        struct frame_multi_entry entry = frame_multi_entry(at);
        enum wire_reason reason = roll->reason[i];
        if (reason == WIRE_REASON_NONE)
            reason = others;
        if (reason != WIRE_REASON_NONE)
            session_reject(session, env, &entry.to, multi->id, reason);
        at += WIRE_MULTI_ENTRY_BYTES + entry.head_bytes;
    }
}

/* Take those who are refused out of the frame (their device becomes 0), and note where the shared bytes lie.
 */
static void frame_prepare(struct fan *fan, const struct roll *roll, const struct frame_multi *multi)
{
    static const uint8_t nobody[2] = {0};
    struct msg_place at = msg_begin(fan->frame);
    const uint8_t *entries = multi->entries.data;
    msg_read(fan->frame, &at, NULL, WIRE_SEND_MULTI_BYTES);
    fan->at = at;
    for (uint32_t i = 0; i < multi->count; i++) {
        size_t bytes = WIRE_MULTI_ENTRY_BYTES + (size_t)frame_multi_entry(entries).head_bytes;
        struct msg_place entry = at;
        msg_read(fan->frame, &at, NULL, bytes);
        entries += bytes;
        if (roll->reason[i] == WIRE_REASON_NONE)
            continue;
        msg_read(fan->frame, &entry, NULL, WAX_USER_BYTES);
        msg_write(fan->frame, &entry, view_of(nobody, sizeof nobody));
    }
    struct msg_frame *frame = msg_frame(fan->frame);
    frame->shared = at;
    frame->shared_bytes = (uint32_t)multi->shared.len;
}

/* The list begins; false: no memory now. */
static bool begin(struct session *session, struct session_env *env, struct view bytes,
                  const struct frame_multi *multi, const struct roll *roll)
{
    bool silent = send_is_silent(multi->flags);
    struct fan *fan = fan_begin(session, env, bytes, true);
    if (fan == NULL)
        return false;
    frame_prepare(fan, roll, multi);
    fan->left = multi->count;
    struct msg *msg = fan->frame;
    msg->id = multi->id;
    msg_set_taken(msg, env->wall_ms(env->ctx));
    msg->polled = env->polled;
    msg->ttl_s = multi->ttl_s == 0 ? env->ttl_s_default : multi->ttl_s;
    msg->send_flags = (uint8_t)(multi->flags & (WIRE_SEND_EPHEMERAL | WIRE_SEND_URGENT));
    if (silent)
        msg->send_flags |= WIRE_SEND_SILENT;
    else
        roll_answer(roll, session, env, multi, WIRE_REASON_NONE);
    msg_frame(msg)->unanswered = silent ? 0 : roll->good;
    if (!silent)
        session->unanswered++;
    env->metrics->multis++;
    session_charge(session, env, roll->good);
    fan_start(env, fan);
    return true;
}

enum wax_status session_multi(struct session *session, struct session_env *env, struct view frame)
{
    struct frame_multi multi;
    struct roll roll;
    enum wax_status status = frame_parse_multi(frame, &multi);
    if (status != WAX_OK)
        return status;
    bool silent = send_is_silent(multi.flags);
    status = session_admit(session, env, silent);
    if (status != WAX_OK)
        return status;
    roll_make(&roll, env, &multi);
    enum wire_reason never = !session_may(session, env)  ? WIRE_REASON_RATE
                             : !fan_fits(env, frame.len) ? WIRE_REASON_BUSY
                                                         : WIRE_REASON_NONE;
    if (roll.good == 0 || never != WIRE_REASON_NONE) {
        if (!silent)
            roll_answer(&roll, session, env, &multi, never);
        else
            env->metrics->status[WAX_SILENT_DROPPED] += roll.good;
        return WAX_OK;
    }
    if (begin(session, env, frame, &multi, &roll))
        return WAX_OK;
    metrics_count(env->metrics, silent ? WAX_SILENT_DROPPED : WAX_RELAY_PARKED);
    if (silent)
        return WAX_OK;
    session_park(session, env, SESSION_PARKED_FOR_LIST, false);
    return WAX_FULL;
}

/* One recipient's part; false: there is no room for it now. */
static bool send_part(struct session_env *env, struct fan *fan, const struct frame_multi_entry *entry,
                      struct msg_place head)
{
    const struct msg *frame = fan->frame;
    uint32_t home = route_home(env->route, entry->to.user);
    if (fan_credits(env, home) == 0 || !fan_may_take(env))
        return false;
    struct msg *msg = msg_make_part(env->messages, fan->frame, head, entry->head_bytes);
    assert(msg != NULL);
    msg->id = frame->id;
    msg->taken_ms = frame->taken_ms;
    msg->polled = frame->polled;
    msg->ttl_s = frame->ttl_s;
    msg->conn = frame->conn;
    msg->conn_generation = frame->conn_generation;
    msg->from = frame->from;
    msg->to = entry->to;
    msg->send_flags = frame->send_flags;
    struct item item = {.kind = ITEM_SEND, .u.send.msg = msg};
    bool sent = env->port->send(env->port->ctx, home, &item);
    assert(sent); /* there was a credit */
    (void)sent;
    env->metrics->sends++;
    return true;
}

uint32_t fan_multi(struct session_env *env, struct fan *fan, uint32_t most)
{
    uint32_t count = 0;
    const struct session *session = env->find(env->ctx, fan->frame->conn, fan->frame->conn_generation);
    if (session == NULL || session->state != SESSION_OPEN) {
        fan->left = 0; /* nobody waits for the answers: its client sends it again */
        return 0;
    }
    while (fan->left > 0 && count < most) {
        uint8_t bytes[WIRE_MULTI_ENTRY_BYTES];
        struct msg_place at = fan->at;
        msg_read(fan->frame, &at, bytes, sizeof bytes);
        struct frame_multi_entry entry = frame_multi_entry(bytes);
        if (entry.to.device != 0) {
            if (!send_part(env, fan, &entry, at))
                break;
            count++;
        }
        msg_read(fan->frame, &at, NULL, entry.head_bytes);
        fan->at = at;
        fan->left--;
    }
    return count;
}
