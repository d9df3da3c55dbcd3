/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages to groups: each active client sends to those that follow it, all in one SEND_MULTI, with a head of
 * its own for each. A message is complete when all of them have it and its sender knows; until then none is
 * sent that is a window behind it. They get the messages of one sender in order: a number for each is enough.
 */
#include <stdlib.h>

#include "waxgen/gen.h"

/* What one of a group has had of its sender's messages. */
struct member {
    uint32_t received; /* number of the next one to come */
    uint32_t answered; /* all before this number have been answered DELIVERED */
    uint64_t ahead;    /* so have these behind it: what was stored is answered when its storage is free */
};

static uint32_t hash(const struct gen *gen, const struct name *name)
{
    uint64_t first;
    memcpy(&first, name->user, sizeof first);
    return (uint32_t)first & gen->names_mask;
}

static bool names_make(struct gen *gen)
{
    uint32_t size = 4;
    while (size < 2 * gen->options.active)
        size *= 2;
    free(gen->names);
    gen->names_mask = size - 1;
    gen->names = malloc(size * sizeof *gen->names);
    if (gen->names == NULL)
        return false;
    memset(gen->names, 0xff, size * sizeof *gen->names);
    for (uint32_t place = 0; place < gen->options.active; place++) {
        uint32_t index = ledger_index(gen, place), at = hash(gen, &gen->clients[index].name);
        while (gen->names[at] != GEN_NOBODY)
            at = (at + 1) & gen->names_mask;
        gen->names[at] = index;
    }
    return true;
}

static uint32_t index_of(const struct gen *gen, const struct name *name)
{
    uint32_t at = hash(gen, name);
    while (gen->names[at] != GEN_NOBODY && !name_same(&gen->clients[gen->names[at]].name, name))
        at = (at + 1) & gen->names_mask;
    return gen->names[at];
}

bool group_begin(struct gen *gen)
{
    for (uint32_t i = 0; i < gen->options.sessions; i++) {
        struct client *client = &gen->clients[i];
        free(client->members);
        client->members = NULL;
        if (gen->options.group != 0 && client->quota != 0)
            client->members = calloc(gen->options.group, sizeof *client->members);
        if (gen->options.group != 0 && client->quota != 0 && client->members == NULL)
            return false;
    }
    return gen->options.group == 0 || names_make(gen);
}

/* Who is at a place in a sender's group. */
static uint32_t member_index(const struct gen *gen, uint32_t sender_place, uint32_t slot)
{
    return ledger_index(gen, (sender_place + 1u + slot) % gen->options.active);
}

/* At which place somebody is; group or more: not in it. */
static uint32_t slot_of(const struct gen *gen, const struct client *from, uint32_t index)
{
    uint32_t place = index == GEN_NOBODY ? GEN_NOBODY : ledger_place(gen, index);
    if (place == GEN_NOBODY)
        return GEN_NOBODY;
    uint32_t active = gen->options.active;
    return (place + active - ledger_place(gen, from->index) - 1u) % active;
}

static void head_write(uint8_t head[GEN_HEAD_BYTES], uint32_t sender, uint32_t number, uint32_t recipient)
{
    payload_write(head, GEN_HEAD_BYTES, sender, number);
    store_be32(head + GEN_PAYLOAD_LEAST, recipient);
}

size_t group_frame(struct gen *gen, const struct client *client, struct span out)
{
    uint8_t head[GEN_HEAD_BYTES];
    struct frame_multi multi = {.id = gen->id_base + client->sent};
    uint32_t place = ledger_place(gen, client->index);
    size_t len = frame_open_multi(out, &multi);
    for (uint32_t slot = 0; slot < gen->options.group; slot++) {
        uint32_t to = member_index(gen, place, slot);
        head_write(head, client->index, client->sent, to);
        len = frame_append_multi(out, len, &gen->clients[to].name, view_of(head, sizeof head));
    }
    payload_write(gen->shared, gen->options.payload, client->index, client->sent);
    return frame_close_multi(out, len, view_of(gen->shared, gen->options.payload));
}

static bool content_good(const struct gen *gen, const struct client *client, const struct frame_deliver *d,
                         uint32_t sender, uint32_t number)
{
    uint8_t head[GEN_HEAD_BYTES];
    head_write(head, sender, number, client->index);
    return (d->flags & WIRE_DELIVER_MULTI) != 0 && d->head_bytes == sizeof head &&
           d->payload.len == sizeof head + gen->options.payload &&
           memcmp(d->payload.data, head, sizeof head) == 0 &&
           payload_good(view_of(d->payload.data + sizeof head, gen->options.payload), sender, number);
}

void group_deliver(struct gen *gen, struct client *client, struct client *from, uint32_t number,
                   const struct frame_deliver *d)
{
    uint32_t slot = slot_of(gen, from, client->index);
    if (slot >= gen->options.group) {
        gen->counts.wrong++;
        gen_error(gen, client, "a message was for another group", "");
        return;
    }
    struct member *member = &from->members[slot];
    if (number < member->received) {
        ledger_again(gen, client, d);
        return;
    }
    if (number > member->received) {
        gen->counts.reordered++;
        gen->counts.lost += number - member->received;
        gen_error(gen, client, "a message is missing before this one", "");
    }
    if (!content_good(gen, client, d, from->index, number)) {
        gen->counts.wrong++;
        gen_error(gen, client, "a head or the shared bytes are not what was sent", "");
    }
    member->received = number + 1;
    gen->counts.received++;
}

bool group_answer(struct gen *gen, struct client *client, const struct frame_status_entry *entry,
                  uint32_t number)
{
    uint32_t slot = slot_of(gen, client, index_of(gen, &entry->about));
    if (slot >= gen->options.group)
        return false;
    struct member *member = &client->members[slot];
    if (entry->kind == WIRE_ACCEPTED) {
        gen->counts.accepted++;
        return true;
    }
    uint32_t behind = number - member->answered;
    if (entry->kind != WIRE_DELIVERED || number < member->answered || number >= member->received ||
        behind >= GEN_GROUP_WINDOW || (member->ahead >> behind & 1) != 0)
        return false;
    member->ahead |= UINT64_C(1) << behind;
    for (; (member->ahead & 1) != 0; member->ahead >>= 1)
        member->answered++;
    gen->counts.deliveries++;
    gen->progress_us = gen->now_us;
    struct message *message = &client->messages[number];
    message->to--;
    if (message->to == 0) {
        while (client->base < client->sent && client->messages[client->base].to == 0)
            client->base++;
        client->unanswered = client->sent - client->base;
        ledger_complete(gen, message);
        client_mark(gen, client);
    }
    return true;
}
