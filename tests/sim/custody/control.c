/* SPDX-License-Identifier: BSD-3-Clause */
/* The model control plane: mailboxes that commit late and in order, and can be killed. */
#include <stdlib.h>

#include "custody/world.h"

uint32_t client_of(const struct name *name)
{
    uint32_t index = (name->user[0] - 1u) * 2u + name->device - 1u;
    CHECK(name->user[0] > 0 && index < CLIENTS, "a name that nobody has");
    return index;
}

struct channel_record *channel_room(struct bytes_ring *ring, uint32_t bytes)
{
    uint32_t padded = (uint32_t)channel_padded(bytes);
    if (ring->tail - ring->head + padded > CHANNEL_BYTES)
        return NULL;
    if (ring->head == ring->tail || ring->tail + padded > CHANNEL_BYTES) {
        memmove(ring->data, ring->data + ring->head, ring->tail - ring->head);
        ring->tail -= ring->head;
        ring->head = 0;
    }
    struct channel_record *record = (struct channel_record *)(void *)(ring->data + ring->tail);
    ring->tail += padded;
    ring->put++;
    memset(record, 0, sizeof *record);
    record->bytes = bytes;
    return record;
}

struct channel_record *channel_next(struct bytes_ring *ring)
{
    if (ring->head == ring->tail)
        return NULL;
    struct channel_record *record = (struct channel_record *)(void *)(ring->data + ring->head);
    ring->head += (uint32_t)channel_padded(record->bytes);
    ring->taken++;
    return record;
}

static void on_login(uint32_t worker, const struct channel_login *login)
{
    struct channel_record *record =
        channel_room(&world->worker[worker].to_worker, sizeof(struct channel_login_reply));
    if (record == NULL) /* the client will have to try again */
        return;
    struct channel_login_reply *reply = (struct channel_login_reply *)(void *)record;
    record->kind = CHANNEL_LOGIN_REPLY;
    reply->tag = login->tag;
    reply->error = 0;
    reply->welcome = 0;
    reply->waiting = 0;
}

static void on_drain(uint32_t worker, const struct channel_drain *drain)
{
    struct mailbox *mailbox = mailbox_of(&drain->name);
    CHECK(drain->generation > mailbox->generation, "drain of an older generation");
    mailbox->generation = drain->generation;
    trace("control: drain %llu of %u after %llx", (unsigned long long)drain->generation,
          client_of(&mailbox->name), (unsigned long long)drain->after);
    mailbox->cursor = drain->after;
    mailbox->credit = drain->messages;
    mailbox->worker = worker;
    mailbox->streaming = true;
    mailbox->idle_due = true;
}

static void on_record(uint32_t worker, const struct channel_record *record)
{
    switch (record->kind) {
    case CHANNEL_LOGIN:
        on_login(worker, (const struct channel_login *)(const void *)record);
        break;
    case CHANNEL_STORE:
        mailbox_store(worker, (const struct channel_store *)(const void *)record);
        break;
    case CHANNEL_STORE_RECEIPT:
        mailbox_store_receipt(worker, (const struct channel_store_receipt *)(const void *)record);
        break;
    case CHANNEL_RETIRE: {
        const struct channel_retire *list = (const struct channel_retire *)(const void *)record;
        struct mailbox *mailbox = mailbox_of(&list->name);
        for (uint32_t i = 0; i < list->count; i++)
            mailbox_retire(mailbox, mailbox_item(mailbox, list->position[i]));
        break;
    }
    case CHANNEL_DRAIN:
        on_drain(worker, (const struct channel_drain *)(const void *)record);
        break;
    case CHANNEL_DRAIN_CREDIT: {
        const struct channel_drain_credit *credit = (const struct channel_drain_credit *)(const void *)record;
        struct mailbox *mailbox = mailbox_of(&credit->name);
        if (mailbox->generation == credit->generation)
            mailbox->credit += credit->messages;
        break;
    }
    case CHANNEL_DRAIN_STOP: {
        const struct channel_drain_stop *stop = (const struct channel_drain_stop *)(const void *)record;
        struct mailbox *mailbox = mailbox_of(&stop->name);
        if (mailbox->generation == stop->generation)
            mailbox->streaming = false;
        break;
    }
    default:
        break;
    }
}

static bool stream_item(struct mailbox *mailbox, struct stored_item *item)
{
    bool expired = item->item == CHANNEL_ITEM_MESSAGE && item->expires_ms <= now_ms();
    uint32_t payload = item->item == CHANNEL_ITEM_MESSAGE && !expired ? item->bytes : 0;
    struct channel_record *record = channel_room(&world->worker[mailbox->worker].to_worker,
                                                 (uint32_t)sizeof(struct channel_drained) + payload);
    if (record == NULL)
        return false;
    struct channel_drained *drained = (struct channel_drained *)(void *)record;
    record->kind = CHANNEL_DRAINED;
    drained->name = name_to_channel(&mailbox->name);
    drained->generation = mailbox->generation;
    drained->position = item->position;
    drained->peer = name_to_channel(&item->peer);
    drained->id = item->id;
    drained->taken_ms = item->taken_ms;
    drained->head_bytes = payload != 0 ? item->head_bytes : 0;
    drained->payload_bytes = payload;
    drained->item = expired ? CHANNEL_ITEM_EXPIRED : item->item;
    drained->deliver_flags = item->flags;
    drained->status_kind = item->kind;
    drained->reason = item->reason;
    trace("control: streams %llu to %u at %llx (drain %llu)", (unsigned long long)item->id,
          client_of(&mailbox->name), (unsigned long long)item->position,
          (unsigned long long)mailbox->generation);
    if (payload != 0)
        memcpy(drained->payload, item->payload, payload);
    if (expired)
        message_of(client_of(&item->peer), item->id, client_of(&mailbox->name))->expired = true;
    return true;
}

static void stream(struct mailbox *mailbox)
{
    if (!mailbox->streaming || !world->worker[mailbox->worker].up)
        return;
    uint32_t i = 0;
    for (uint32_t low = 0, high = mailbox->committed; low < high;) { /* first above the cursor */
        uint32_t middle = (low + high) / 2;
        if (mailbox->items[middle].position <= mailbox->cursor)
            low = middle + 1;
        else
            high = middle;
        i = low;
    }
    for (; i < mailbox->committed && mailbox->credit > 0 && chance(900000); i++) {
        struct stored_item *item = &mailbox->items[i];
        if (!item->retired) {
            if (!stream_item(mailbox, item))
                return;
            mailbox->credit--;
        }
        mailbox->cursor = item->position;
    }
    bool behind = false;
    for (; i < mailbox->committed && !behind; i++)
        behind = !mailbox->items[i].retired;
    if (behind || !mailbox->idle_due)
        return;
    struct channel_record *record =
        channel_room(&world->worker[mailbox->worker].to_worker, sizeof(struct channel_drain_idle));
    if (record == NULL)
        return;
    struct channel_drain_idle *idle = (struct channel_drain_idle *)(void *)record;
    record->kind = CHANNEL_DRAIN_IDLE;
    idle->name = name_to_channel(&mailbox->name);
    idle->generation = mailbox->generation;
    idle->upto = mailbox->end;
    trace("control: idle %u upto %llx (drain %llu)", client_of(&mailbox->name),
          (unsigned long long)idle->upto, (unsigned long long)idle->generation);
    mailbox->idle_due = false;
}

void control_start(void)
{
    struct control *control = &world->control;
    control->up = true;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (control->mailbox[i].items == NULL) {
            control->mailbox[i].items = calloc(ITEMS, sizeof(struct stored_item));
            control->mailbox[i].name = world->client[i].name;
        }
    }
}

/* The data plane has gone: streams end, what was received is still committed. */
void control_plane_gone(void)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct mailbox *mailbox = &world->control.mailbox[i];
        mailbox->streaming = false;
        mailbox->refusing = false;
        mailbox->rejected_unread = false;
        mailbox->generation = 0;
        if (world->control.up) {
            while (mailbox->committed < mailbox->count)
                mailbox_commit(mailbox);
        }
    }
    answers_forget();
}

void control_kill(void)
{
    trace("the control plane is killed");
    struct control *control = &world->control;
    control->up = false;
    world->control_kills++;
    answers_forget();
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct mailbox *mailbox = &control->mailbox[i];
        for (uint32_t at = mailbox->committed; at < mailbox->count; at++)
            free(mailbox->items[at].payload);
        mailbox->count = mailbox->committed;
        mailbox->refusing = false;
        mailbox->rejected_unread = false;
        mailbox->streaming = false;
        mailbox->generation = 0;
    }
    control->restart_us = world->now_us + below(3000000);
    plane_control_down();
}

void control_tick(void)
{
    struct control *control = &world->control;
    if (!control->up) {
        if (world->now_us < control->restart_us)
            return;
        trace("the control plane is back");
        control_start();
        if (world->plane_restart_us == 0) {
            if (world->plane_epoch == 0)
                world->plane_epoch = ++control->epochs_given;
            plane_control_up();
        }
        return;
    }
    if (world->plane_restart_us != 0)
        return;
    if (world->plane_epoch == 0) {
        world->plane_epoch = ++control->epochs_given;
        plane_control_up();
    }
    for (uint32_t i = 0; i < world->options.workers; i++) {
        for (uint32_t budget = (uint32_t)below(16); budget > 0; budget--) {
            struct channel_record *record = channel_next(&world->worker[i].to_control);
            if (record == NULL)
                break;
            on_record(i, record);
        }
    }
    for (uint32_t i = 0; i < world->options.clients; i++) {
        if (chance(400000))
            mailbox_commit(&control->mailbox[i]);
        if (chance(600000))
            stream(&control->mailbox[i]);
    }
    if (chance(700000))
        answers_send();
    mailboxes_settle_refusals();
}

uint32_t control_waiting(void)
{
    uint32_t waiting = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        for (uint32_t at = 0; at < world->control.mailbox[i].count; at++)
            waiting += !world->control.mailbox[i].items[at].retired;
    }
    return waiting;
}

void control_check_empty(void)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        for (uint32_t at = 0; at < world->control.mailbox[i].count; at++) {
            struct stored_item *item = &world->control.mailbox[i].items[at];
            CHECK(item->retired, "mailbox %u still holds %s %llu of %u at %llx", i,
                  item->item == CHANNEL_ITEM_MESSAGE ? "message" : "receipt", (unsigned long long)item->id,
                  client_of(&item->peer), (unsigned long long)item->position);
        }
    }
}
