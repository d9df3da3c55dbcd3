/* SPDX-License-Identifier: BSD-3-Clause */
/* What the model clients send: messages to one or to a group, again until they are answered. */
#include "custody/world.h"

#define PAYLOAD_LEAST 16u

struct message *message_of(uint32_t from, uint64_t id, uint32_t to)
{
    for (uint32_t index = (uint32_t)(id & 0xFFFFF); index < world->message_count; index++) {
        struct message *message = &world->message[index];
        if (message->id != id || message->from != from)
            return NULL;
        if (message->to == to)
            return message;
    }
    return NULL;
}

void client_name(uint32_t index, struct name *name)
{
    memset(name, 0, sizeof *name);
    memset(name->user, 0x5A, sizeof name->user);
    name->user[0] = (uint8_t)(index / 2 + 1);
    name->device = (uint16_t)(index % 2 + 1);
}

uint32_t client_index(const struct client *client)
{
    return (uint32_t)(client - world->client);
}

/* How many messages one frame of this one is: 1, or the recipients of a SEND_MULTI. */
static uint32_t members(const struct message *message)
{
    return message->group != 0 ? message->group : 1;
}

void message_give_up(struct message *message)
{
    for (uint32_t i = 0; i < members(message); i++) {
        if (message[i].fate == FATE_UNANSWERED)
            message[i].fate = FATE_GIVEN_UP;
    }
}

void client_put(struct client *client, const uint8_t *data, size_t len)
{
    struct conn *conn = conn_of(client->worker, client->conn, client->conn_generation);
    if (conn != NULL && conn->open)
        frames_push(&conn->in, data, len, world->now_us + 20 + below(300));
}

void message_fill(const struct message *message, uint8_t *out)
{
    store_be64(out, message->id);
    store_be32(out + 8, message->from);
    store_be32(out + 12, message->to);
    uint64_t mark = message->id * 31;
    for (uint32_t i = PAYLOAD_LEAST; i < message->bytes; i++)
        out[i] = (uint8_t)(mark + i * 7);
}

/* A message, or the same one to several others: they lie behind one another, and the outbox has the first. */
void client_makes(struct client *client)
{
    uint32_t clients = world->options.clients;
    uint32_t group = chance(world->options.group_ppm) ? 1 + (uint32_t)below(clients) : 0;
    uint32_t count = group == 0 ? 1 : group, index = world->message_count;
    if (index + count > world->options.messages)
        return;
    world->message_count += count;
    uint64_t draw = below(100);
    uint32_t to = (uint32_t)below(clients);
    uint32_t bytes = PAYLOAD_LEAST + (uint32_t)below(draw % 10 == 0 ? 6000 : draw % 3 == 0 ? 400 : 60);
    for (uint32_t i = 0; i < count; i++) {
        world->message[index + i] = (struct message){
            .id = (uint64_t)(client->next_id + 1) << 20 | index,
            .from = client_index(client),
            .to = (to + i) % clients,
            .group = i == 0 ? group : 0,
            .multi = group != 0,
            .flags = draw < 80   ? 0
                     : draw < 85 ? WIRE_SEND_URGENT
                     : draw < 93 ? WIRE_SEND_EPHEMERAL
                                 : WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT,
            .bytes = bytes,
        };
    }
    client->next_id++;
    client->outbox[client->outbox_count++] = index;
}

static void sent_again(struct client *client, struct message *message)
{
    coverage.resent += message->sent > 0;
    client->charged++;
    if (message->sent++ == 0)
        message->planes = (uint32_t)world->plane_kills;
    message->life = client->life;
    message->first_answers = 0;
    trace("client %u sends %llu to %u (%u)", client_index(client), (unsigned long long)message->id,
          message->to, message->sent);
}

/* Its head is its own, and says whom it is for; what is shared is as long for all. Some heads are large. */
uint32_t message_head_bytes(const struct message *message)
{
    return !message->multi ? 0 : message->id % 5 == 0 ? message->bytes : PAYLOAD_LEAST;
}

/* Those who have not answered; sometimes all again. */
static void send_group(struct client *client, struct message *first)
{
    static uint8_t payload[8192], out[GROUP * 8192 + 8192];
    struct frame_multi frame = {.flags = first->flags, .id = first->id};
    size_t len = frame_open_multi(span_of(out, sizeof out), &frame);
    bool all = chance(100000);
    for (uint32_t i = 0; i < first->group; i++) {
        struct message *message = &first[i];
        if (message->fate != FATE_UNANSWERED && !all)
            continue;
        struct name to;
        client_name(message->to, &to);
        message_fill(message, payload);
        len = frame_append_multi(span_of(out, sizeof out), len, &to,
                                 view_of(payload, message_head_bytes(message)));
        sent_again(client, message);
    }
    uint32_t head = message_head_bytes(first);
    len = frame_close_multi(span_of(out, sizeof out), len, view_of(payload + head, first->bytes - head));
    CHECK(len != 0, "a SEND_MULTI too large");
    client_put(client, out, len);
    coverage.groups++;
}

static void send_one(struct client *client, struct message *message)
{
    static uint8_t payload[8192], out[8192 + 64];
    struct name to;
    if (message->group != 0) {
        send_group(client, message);
        return;
    }
    client_name(message->to, &to);
    message_fill(message, payload);
    struct frame_send frame = {message->flags, to, chance(5000) ? 1 : 0, message->id,
                               view_of(payload, message->bytes)};
    client_put(client, out, frame_write_send(span_of(out, sizeof out), &frame));
    sent_again(client, message);
}

void client_sends(struct client *client)
{
    while (client->outbox_sent < client->outbox_count && client->outbox_sent < client->window + 3) {
        uint32_t index = client->outbox[client->outbox_sent];
        struct message *message = &world->message[index];
        if ((message->flags & WIRE_SEND_SILENT) != 0) {
            send_one(client, message);
            message_give_up(message);
            memmove(&client->outbox[client->outbox_sent], &client->outbox[client->outbox_sent + 1],
                    (client->outbox_count - client->outbox_sent - 1) * sizeof client->outbox[0]);
            client->outbox_count--;
            continue;
        }
        send_one(client, message);
        client->outbox_sent++;
        if (chance(300000))
            return;
    }
}

/* A frame is answered when all its recipients are. */
void client_answered(struct client *client, const struct message *message)
{
    while (message->multi && message->group == 0)
        message--;
    for (uint32_t i = 0; i < members(message); i++) {
        if (message[i].fate == FATE_UNANSWERED)
            return;
    }
    for (uint32_t i = 0; i < client->outbox_count; i++) {
        if (client->outbox[i] != message - world->message)
            continue;
        memmove(&client->outbox[i], &client->outbox[i + 1],
                (client->outbox_count - i - 1) * sizeof client->outbox[0]);
        client->outbox_count--;
        if (i < client->outbox_sent)
            client->outbox_sent--;
        return;
    }
}
