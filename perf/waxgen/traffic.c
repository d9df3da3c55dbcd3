/* SPDX-License-Identifier: BSD-3-Clause */
/* What a client sends in a turn: as its window and the rate allow, with the acknowledgement of what came. */
#include <stdlib.h>

#include "waxgen/gen.h"

/* Of TCP's send queue, before more is written: two records, or a frame to a group. */
#define ROOM_LEAST (2u * WAX_TLS_RECORD_BYTES_MAX)
#define ROOM_GROUP (GEN_GATHER_BYTES + WAX_TLS_RECORD_BYTES_MAX)

static uint32_t senders_of(const struct gen_options *o)
{
    return o->senders == 0 || o->senders > o->active ? o->active : o->senders;
}

static uint32_t burst_of(const struct gen_options *o)
{
    return o->rate == 0 || o->burst == 0 ? 1 : o->burst;
}

void traffic_begin(struct gen *gen)
{
    uint32_t senders = senders_of(&gen->options);
    uint32_t burst = burst_of(&gen->options);
    uint64_t turns = gen->options.messages / burst, each = turns / senders, more = turns % senders;
    gen->options.messages = turns * burst;
    gen->apart = gen->options.sessions / 2u / (gen->options.active / 2u);
    gen->quota_most = (uint32_t)(each + (more != 0)) * burst;
    for (uint32_t i = 0; i < gen->options.sessions; i++) {
        struct client *client = &gen->clients[i];
        uint32_t place = ledger_place(gen, i);
        client->quota = place >= senders ? 0 : (uint32_t)(each + (place < more ? 1 : 0)) * burst;
        if (client->quota == 0)
            continue;
        client->messages = calloc(client->quota, sizeof client->messages[0]);
        if (client->messages == NULL) {
            gen_error(gen, client, "no memory to follow its messages", "");
            return;
        }
        client_mark(gen, client);
    }
    if (!group_begin(gen))
        gen_error(gen, NULL, "no memory for groups", "");
}

void traffic_frame(struct gen *gen, struct client *client, struct view frame)
{
    struct frame_status status;
    struct frame_error error;
    switch (frame_type(frame)) {
    case WIRE_DELIVER:
        ledger_deliver(gen, client, frame);
        return;
    case WIRE_STATUS:
        if (frame_parse_status(frame, &status) != WAX_OK) {
            gen->counts.wrong++;
            gen_error(gen, client, "a STATUS is malformed", "");
            return;
        }
        for (uint32_t i = 0; i < status.count; i++) {
            struct frame_status_entry entry = frame_status_entry(&status, i);
            ledger_answer(gen, client, &entry);
        }
        return;
    case WIRE_ERROR:
        if (frame_parse_error(frame, &error) == WAX_OK) {
            char detail[64];
            int len = (int)(error.text.len < 40 ? error.text.len : 40);
            snprintf(detail, sizeof detail, "ERROR %u: %.*s", error.code, len, (const char *)error.text.data);
            gen_error(gen, client, "the relay reports", detail);
        }
        return;
    default: /* types that we don't know are ignored */
        return;
    }
}

/* With a rate a message is as old as its turn was due, whatever held it up: nothing is left out. */
static uint32_t begins_us(const struct gen *gen, const struct client *client)
{
    const struct gen_options *o = &gen->options;
    if (o->rate == 0)
        return (uint32_t)gen->now_us;
    uint32_t burst = burst_of(o);
    uint64_t turn = (uint64_t)(client->sent / burst) * senders_of(o) + ledger_place(gen, client->index);
    return (uint32_t)(gen->traffic_us + turn * burst * 1000000u / o->rate);
}

static bool send_to_group(struct gen *gen, struct client *client, size_t *at)
{
    size_t len = group_frame(gen, client, span_of(gen->frame, sizeof gen->frame));
    if (len == 0 || !client_message(gen, at, view_of(gen->frame, len), view_of(NULL, 0)))
        return false;
    client->messages[client->sent] = (struct message){
        .sent_us = begins_us(gen, client), .to = gen->options.group & GEN_INDEX_BITS, .state = MESSAGE_SENT};
    client->sent++;
    client->unanswered = client->sent - client->base;
    gen->counts.sent++;
    return true;
}

static bool send_one(struct gen *gen, struct client *client, size_t *at)
{
    if (gen->options.group != 0)
        return send_to_group(gen, client, at);
    uint8_t head[WIRE_SEND_BYTES];
    uint32_t to = ledger_recipient(gen, client, client->sent);
    struct frame_send send = {.flags = gen->options.silent ? WIRE_SEND_EPHEMERAL | WIRE_SEND_SILENT : 0,
                              .to = gen->clients[to].name,
                              .id = gen->id_base + client->sent};
    frame_write_send_head(span_of(head, sizeof head), &send);
    payload_write(gen->frame, gen->options.payload, client->index, client->sent);
    if (!client_message(gen, at, view_of(head, sizeof head), view_of(gen->frame, gen->options.payload)))
        return false;
    client->messages[client->sent] =
        (struct message){.sent_us = begins_us(gen, client), .to = to & GEN_INDEX_BITS, .state = MESSAGE_SENT};
    client->sent++;
    client->unanswered++;
    gen->counts.sent++;
    return true;
}

/* Who is behind, because its window was full, catches up: a late answer does not slow the rest. */
void traffic_pace(struct gen *gen)
{
    const struct gen_options *o = &gen->options;
    if (o->rate == 0 || gen->phase != GEN_TRAFFIC)
        return;
    uint32_t burst = burst_of(o);
    uint64_t due = (gen->now_us - gen->traffic_us) * o->rate / 1000000u + burst;
    due = due < o->messages ? due : o->messages;
    for (; gen->granted + burst <= due; gen->granted += burst) {
        struct client *client = &gen->clients[ledger_index(gen, gen->turn_of++ % senders_of(o))];
        client->granted += burst;
        client_mark(gen, client);
    }
}

static bool may_send(const struct gen *gen, const struct client *client)
{
    return client->sent < client->quota && client->unanswered < gen->options.window &&
           (gen->options.rate == 0 || client->granted > client->sent);
}

void traffic_flush(struct gen *gen, struct client *client)
{
    if (client->conn == TCP_NONE || client->state != CLIENT_OPEN)
        return;
    uint32_t room = gen->options.group != 0 ? ROOM_GROUP : ROOM_LEAST;
    while (tcp_send_room(gen->tcp, client->conn) >= room) {
        size_t at = 0;
        if (client->pong_due) {
            uint8_t mask[4] = {9, 8, 7, 6};
            at = ws_encode_control(span_of(gen->gather, sizeof gen->gather), WS_PONG,
                                   view_of(client->pong, client->pong_len), mask);
            free(client->pong);
            client->pong = NULL;
            client->pong_len = 0;
            client->pong_due = false;
        }
        if (client->acked != client->seq) {
            uint8_t ack[WIRE_ACK_BYTES];
            frame_write_ack(span_of(ack, sizeof ack), client->seq);
            client_message(gen, &at, view_of(ack, sizeof ack), view_of(NULL, 0));
            client->acked = client->seq;
        }
        bool more = gen->phase == GEN_TRAFFIC;
        while (more && may_send(gen, client))
            more = send_one(gen, client, &at);
        if (at == 0 || !client_write(gen, client, at))
            return;
    }
}

bool traffic_done(const struct gen *gen)
{
    return gen->counts.completed == gen->options.messages;
}
