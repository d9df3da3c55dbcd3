/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages between pairs of sessions. Every message is followed by its sender's number: from SENT through
 * ACCEPTED (when the relay had to store it) to DELIVERED; and at its receiver it must be the next one.
 */
#include <stdlib.h>

#include "waxgen/gen.h"

#define ROOM_LEAST (2u * WAX_TLS_RECORD_BYTES_MAX) /* of TCP's send queue, before more is written */

static uint64_t mixed(uint64_t value)
{
    value = (value ^ value >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 29;
}

/* Both numbers, then words that follow from them. */
void traffic_payload(uint8_t *payload, uint32_t len, uint32_t sender, uint32_t number)
{
    uint64_t word = mixed((uint64_t)sender << 32 | number);
    store_be64(payload, sender);
    store_be64(payload + 8, number);
    for (uint32_t at = 16; at < len; at += 8, word = mixed(word + at)) {
        uint32_t left = len - at < 8 ? len - at : 8;
        memcpy(payload + at, &word, left);
    }
}

static bool payload_good(struct view payload, uint32_t sender, uint32_t number)
{
    uint64_t word = mixed((uint64_t)sender << 32 | number);
    if (load_be64(payload.data) != sender || load_be64(payload.data + 8) != number)
        return false;
    for (size_t at = 16; at < payload.len; at += 8, word = mixed(word + at)) {
        size_t left = payload.len - at < 8 ? payload.len - at : 8;
        if (memcmp(payload.data + at, &word, left) != 0)
            return false;
    }
    return true;
}

static struct client *partner(struct gen *gen, const struct client *client)
{
    return &gen->clients[client->index ^ 1];
}

/* The place among those that exchange messages, GEN_NOBODY for one that idles: pairs lie evenly among all. */
static uint32_t active_place(const struct gen *gen, uint32_t index)
{
    uint32_t pairs = gen->options.active / 2u, apart = gen->options.sessions / 2u / pairs, pair = index / 2u;
    return pair % apart == 0 && pair / apart < pairs ? 2u * (pair / apart) + (index & 1u) : GEN_NOBODY;
}

/* The way back: the index of the one at a place. */
static uint32_t active_index(const struct gen *gen, uint32_t place)
{
    uint32_t pairs = gen->options.active / 2u, apart = gen->options.sessions / 2u / pairs;
    return 2u * (place / 2u * apart) + (place & 1u);
}

void traffic_begin(struct gen *gen)
{
    uint64_t each = gen->options.messages / gen->options.active;
    uint64_t more = gen->options.messages % gen->options.active;
    for (uint32_t i = 0; i < gen->options.sessions; i++) {
        struct client *client = &gen->clients[i];
        uint32_t place = active_place(gen, i);
        client->quota = place == GEN_NOBODY ? 0 : (uint32_t)(each + (place < more ? 1 : 0));
        if (client->quota == 0)
            continue;
        client->messages = calloc(client->quota, sizeof client->messages[0]);
        if (client->messages == NULL) {
            gen_error(gen, client, "no memory to follow its messages", "");
            return;
        }
        client_mark(gen, client);
    }
}

static void deliver(struct gen *gen, struct client *client, struct view frame)
{
    struct frame_deliver d;
    const struct client *from = partner(gen, client);
    if (frame_parse_deliver(frame, &d) != WAX_OK || d.seq != sequence_next(client->seq)) {
        gen->counts.wrong++;
        gen_error(gen, client, "a DELIVER is malformed or out of sequence", "");
        return;
    }
    client->seq = d.seq;
    client_mark(gen, client);
    if (!name_same(&d.from, &from->name) || d.id < gen->id_base) {
        gen->counts.stale++; /* left over from an earlier run of this seed */
        return;
    }
    uint64_t number = d.id - gen->id_base;
    if (number < client->expected) {
        gen->counts.again += (d.flags & WIRE_DELIVER_AGAIN) != 0;
        gen->counts.duplicated += (d.flags & WIRE_DELIVER_AGAIN) == 0;
        if ((d.flags & WIRE_DELIVER_AGAIN) == 0)
            gen_error(gen, client, "a message came twice, or late", "");
        return;
    }
    if (number > client->expected || number >= from->sent) {
        gen->counts.reordered++;
        gen->counts.lost += number - client->expected;
        gen_error(gen, client, "a message is missing before this one", "");
    } else if (d.payload.len != gen->options.payload ||
               !payload_good(d.payload, from->index, (uint32_t)number)) {
        gen->counts.wrong++;
        gen_error(gen, client, "a payload is not what was sent", "");
    }
    client->expected = (uint32_t)number + 1;
    gen->counts.received++;
}

static void answered(struct gen *gen, struct client *client, const struct frame_status_entry *entry)
{
    uint64_t number = entry->id - gen->id_base;
    if (entry->id < gen->id_base || !name_same(&entry->about, &partner(gen, client)->name)) {
        gen->counts.stale++;
        return;
    }
    if (number >= client->sent || entry->kind == WIRE_REJECTED) {
        char detail[32];
        snprintf(detail, sizeof detail, "kind %u reason %u", entry->kind, entry->reason);
        gen->counts.rejected += entry->kind == WIRE_REJECTED;
        gen->counts.wrong += entry->kind != WIRE_REJECTED;
        gen_error(gen, client, "an answer REJECTED, or to what was never sent", detail);
        return;
    }
    struct message *message = &client->messages[number];
    bool first = message->state == MESSAGE_SENT;
    if (entry->kind == WIRE_ACCEPTED && first) {
        message->state = MESSAGE_ACCEPTED;
        gen->counts.accepted++;
    } else if (entry->kind == WIRE_DELIVERED && message->state < MESSAGE_DELIVERED) {
        message->state = MESSAGE_DELIVERED;
        if (number >= partner(gen, client)->expected) {
            gen->counts.wrong++;
            gen_error(gen, client, "DELIVERED before it was", "");
        }
        client->delivered++;
        gen->counts.completed++;
        report_latency(&gen->counts, (uint32_t)gen->now_us - message->sent_us);
        gen->progress_us = gen->now_us;
    } else {
        gen->counts.wrong++;
        gen_error(gen, client, "an answer that makes no sense", "");
    }
    client->unanswered -= first && message->state != MESSAGE_SENT;
    client_mark(gen, client);
}

void traffic_frame(struct gen *gen, struct client *client, struct view frame)
{
    struct frame_status status;
    struct frame_error error;
    switch (frame_type(frame)) {
    case WIRE_DELIVER:
        deliver(gen, client, frame);
        return;
    case WIRE_STATUS:
        if (frame_parse_status(frame, &status) != WAX_OK) {
            gen->counts.wrong++;
            gen_error(gen, client, "a STATUS is malformed", "");
            return;
        }
        for (uint32_t i = 0; i < status.count; i++) {
            struct frame_status_entry entry = frame_status_entry(&status, i);
            answered(gen, client, &entry);
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

static bool send_one(struct gen *gen, struct client *client, size_t *at)
{
    uint8_t head[WIRE_SEND_BYTES];
    struct frame_send send = {.to = partner(gen, client)->name, .id = gen->id_base + client->sent};
    frame_write_send_head(span_of(head, sizeof head), &send);
    traffic_payload(gen->frame, gen->options.payload, client->index, client->sent);
    if (!client_message(gen, at, view_of(head, sizeof head), view_of(gen->frame, gen->options.payload)))
        return false;
    client->messages[client->sent] = (struct message){(uint32_t)gen->now_us, MESSAGE_SENT};
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
    uint64_t due = (gen->now_us - gen->traffic_us) * o->rate / 1000000u;
    due = due < o->messages ? due : o->messages;
    for (; gen->granted < due; gen->granted++) {
        struct client *client = &gen->clients[active_index(gen, gen->turn_of++ % o->active)];
        client->granted++;
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
    while (tcp_send_room(gen->tcp, client->conn) >= ROOM_LEAST) {
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
