/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/fan.h"

size_t fans_bytes(void)
{
    return pool_bytes(FANS, sizeof(struct fan));
}

enum wax_status fans_init(struct session_env *env, struct span memory)
{
    link_init(&env->fanning);
    return pool_init(&env->fans, memory, FANS, sizeof(struct fan));
}

uint32_t fan_credits(const struct session_env *env, uint32_t home)
{
    uint32_t free = mesh_credits(&env->port->peers[home], env->send_slots);
    uint32_t kept = env->send_slots / FAN_RESERVE;
    return free > kept ? free - kept : 0;
}

bool fan_may_take(const struct session_env *env)
{
    const struct pool *slots = &env->messages->slots;
    return slots->free_count > slots->count / FAN_RESERVE;
}

/* Blocks that lists leave to single messages. */
static uint32_t blocks_left(const struct session_env *env)
{
    const struct msg_pool *messages = env->messages;
    return (messages->blocks->count - messages->blocks_kept) / FAN_RESERVE;
}

bool fan_fits(const struct session_env *env, size_t bytes)
{
    return msg_fits(env->messages, bytes, blocks_left(env));
}

bool fans_have_room(const struct session_env *env, size_t bytes)
{
    return env->fans.free_count != 0 && fan_may_take(env) &&
           msg_has_blocks(env->messages, bytes, blocks_left(env));
}

bool session_may_retry(struct session *session, struct session_env *env, uint8_t type, size_t bytes)
{
    if (type == WIRE_SEND) {
        size_t payload_bytes = bytes > WIRE_SEND_BYTES ? bytes - WIRE_SEND_BYTES : 0;
        if (payload_bytes <= MSG_INLINE_BYTES || payload_bytes > env->payload_bytes_max ||
            msg_has_blocks(env->messages, payload_bytes, 0))
            return true;
        session_park(session, env, SESSION_PARKED_FOR_MEMORY, false);
        return false;
    }
    if (!fan_fits(env, bytes) || fans_have_room(env, bytes))
        return true;
    session_park(session, env, SESSION_PARKED_FOR_LIST, false);
    return false;
}

struct fan *fan_begin(struct session *session, struct session_env *env, struct view frame, bool multi)
{
    if (!fans_have_room(env, frame.len))
        return NULL;
    struct msg *msg = msg_make_frame(env->messages, frame);
    if (msg == NULL)
        return NULL;
    msg->from = session->name;
    msg->conn = session->conn;
    msg->conn_generation = session->conn_generation;
    struct fan *fan = pool_take(&env->fans);
    *fan = (struct fan){.frame = msg, .multi = multi};
    link_init(&fan->link);
    list_append(&env->fanning, &fan->link);
    session->fanning |= multi;
    session->reading |= !multi;
    return fan;
}

void fan_end(struct session_env *env, struct fan *fan)
{
    struct session *session = env->find(env->ctx, fan->frame->conn, fan->frame->conn_generation);
    if (session != NULL && fan->multi)
        session->fanning = false;
    else if (session != NULL)
        session->reading = false;
    list_remove(&fan->link);
    msg_free(env->messages, fan->frame);
    pool_give(&env->fans, fan);
}

/* How many items that were; an ended list is no more. */
static uint32_t advance(struct session_env *env, struct fan *fan, uint32_t most, bool *ended)
{
    uint32_t count = fan->multi ? fan_multi(env, fan, most) : fan_read(env, fan, most);
    *ended = fan->left == 0;
    if (*ended)
        fan_end(env, fan);
    return count;
}

void fan_start(struct session_env *env, struct fan *fan)
{
    bool ended;
    advance(env, fan, FAN_PORTION, &ended);
}

bool fans_advance(struct session_env *env)
{
    struct link later;
    link_init(&later);
    uint32_t budget = FAN_TURN;
    for (struct link *at = list_first(&env->fanning); at != NULL && budget > 0;
         at = list_first(&env->fanning)) {
        uint32_t most = budget < FAN_PORTION ? budget : FAN_PORTION;
        bool ended;
        uint32_t count = advance(env, list_entry(at, struct fan, link), most, &ended);
        budget -= count;
        if (ended)
            continue;
        /* The others have their turn; one that finds no room has had its own. */
        list_remove(at);
        list_append(count == most ? &env->fanning : &later, at);
    }
    for (struct link *at = list_first(&later); at != NULL; at = list_first(&later)) {
        list_remove(at);
        list_append(&env->fanning, at);
    }
    return !list_empty(&env->fanning);
}

/* ---- READ ---- */

static void read_one(struct session_env *env, uint64_t generation, uint32_t recipient, uint32_t home,
                     const uint8_t *bytes)
{
    struct frame_read_entry entry = frame_read_entry(bytes);
    if (entry.id == 0 || entry.sender.device == 0) {
        metrics_count(env->metrics, WAX_READ_DROPPED);
        return;
    }
    struct item item = {.kind = ITEM_READ, .u.read = {generation, entry.id, recipient, entry.sender}};
    bool sent = env->port->send(env->port->ctx, home, &item);
    assert(sent); /* credits were counted */
    (void)sent;
    env->metrics->reads++;
}

uint32_t fan_read(struct session_env *env, struct fan *fan, uint32_t most)
{
    uint32_t home = route_home(env->route, fan->frame->from.user);
    uint32_t count = fan_credits(env, home);
    count = count < most ? count : most;
    count = count < fan->left ? count : fan->left;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t entry[WIRE_READ_ENTRY_BYTES];
        msg_read(fan->frame, &fan->at, entry, sizeof entry);
        read_one(env, fan->generation, fan->recipient, home, entry);
    }
    fan->left -= count;
    return count;
}

enum wax_status session_read(struct session *session, struct session_env *env, struct view frame)
{
    struct frame_read read;
    enum wax_status status = frame_parse_read(frame, &read);
    if (status != WAX_OK)
        return status;
    if (session->reading) {
        session_park(session, env, SESSION_PARKED_FOR_READ, false);
        return WAX_FULL;
    }
    /* An ACK that came before it must reach home before it. */
    if (session->pending != 0 && !session_hand_over(session, env)) {
        session_park(session, env, SESSION_PARKED_FOR_RETURNS, false);
        return WAX_FULL;
    }
    if (!session_may(session, env)) {
        env->metrics->status[WAX_READ_DROPPED] += read.count;
        return WAX_OK;
    }
    if (fan_credits(env, session->home) < read.count) {
        if (!fan_fits(env, frame.len)) { /* there will never be memory to keep it */
            env->metrics->status[WAX_READ_DROPPED] += read.count;
            return WAX_OK;
        }
        struct fan *fan = fan_begin(session, env, frame, false);
        if (fan == NULL) {
            session_park(session, env, SESSION_PARKED_FOR_LIST, false);
            return WAX_FULL;
        }
        fan->left = read.count;
        fan->generation = session->generation;
        fan->recipient = session->recipient;
        fan->at = msg_begin(fan->frame);
        msg_read(fan->frame, &fan->at, NULL, WIRE_READ_BYTES);
        session_charge_reads(session, env, read.count);
        return WAX_OK;
    }
    for (uint32_t i = 0; i < read.count; i++)
        read_one(env, session->generation, session->recipient, session->home,
                 read.entries + (size_t)i * WIRE_READ_ENTRY_BYTES);
    session_charge_reads(session, env, read.count);
    return WAX_OK;
}
