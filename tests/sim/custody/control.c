/* SPDX-License-Identifier: BSD-3-Clause */
/* The model control plane: mailboxes that commit late and in order, and can be killed. */
#include <stdlib.h>

#include "custody/world.h"

struct answer {
    uint64_t tag;
    uint32_t worker;
    uint8_t reason;
};

#define ANSWERS 8192u
static struct answer answers[ANSWERS];
static uint32_t answer_head, answer_tail;

uint32_t client_of(const struct name *name)
{
    uint32_t index = (name->user[0] - 1u) * 2u + name->device - 1u;
    CHECK(name->user[0] > 0 && index < CLIENTS, "a name that nobody has");
    return index;
}

static struct mailbox *mailbox_of(const struct device_name *name)
{
    struct name plain = name_from_channel(name);
    return &world->control.mailbox[client_of(&plain)];
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
    return record;
}

static void answer(uint32_t worker, uint64_t tag, uint8_t reason)
{
    CHECK(answer_tail - answer_head < ANSWERS, "answers overflow");
    answers[answer_tail++ % ANSWERS] = (struct answer){tag, worker, reason};
}

static void send_answers(void)
{
    while (answer_head != answer_tail && chance(900000)) {
        struct answer *next = &answers[answer_head % ANSWERS];
        struct channel_record *record =
            channel_room(&world->worker[next->worker].to_worker, sizeof(struct channel_stored));
        if (record == NULL)
            return;
        struct channel_stored *stored = (struct channel_stored *)(void *)record;
        record->kind = CHANNEL_STORED;
        stored->tag = next->tag;
        stored->reason = next->reason;
        answer_head++;
    }
}

static struct stored_item *item_at(struct mailbox *mailbox, uint64_t position)
{
    uint32_t low = 0, high = mailbox->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (mailbox->items[middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < mailbox->count && mailbox->items[low].position == position ? &mailbox->items[low] : NULL;
}

/* True when the offer is to be stored; else it is answered. */
static bool admit(struct mailbox *mailbox, uint32_t worker, uint64_t tag, uint64_t position, uint64_t id,
                  bool again)
{
    CHECK(position >> 48 == world->plane_epoch, "position of another epoch");
    uint64_t last = mailbox->count == 0 ? 0 : mailbox->items[mailbox->count - 1].position;
    if (position > last)
        return true;
    struct stored_item *item = item_at(mailbox, position);
    CHECK(again, "mailbox %u: position not above the last one", client_of(&mailbox->name));
    CHECK(item != NULL && item->id == id,
          "mailbox %u: position %llx was passed by, its message would be lost", client_of(&mailbox->name),
          (unsigned long long)position);
    CHECK(item->committed, "offered twice on one channel");
    answer(worker, tag, 0);
    return false;
}

static void on_store(uint32_t worker, const struct channel_store *store)
{
    struct mailbox *mailbox = mailbox_of(&store->name);
    CHECK(store->ttl_s > 0, "no time to live");
    if (!admit(mailbox, worker, store->tag, store->position, store->id, store->again != 0))
        return;
    if (store->exempt == 0 && store->again == 0 && chance(world->options.refuse_ppm)) {
        answer(worker, store->tag, chance(500000) ? WIRE_REASON_MAILBOX_FULL : WIRE_REASON_BUSY);
        return;
    }
    CHECK(mailbox->count < ITEMS, "the model mailbox is full");
    struct stored_item *item = &mailbox->items[mailbox->count++];
    *item = (struct stored_item){
        .position = store->position,
        .id = store->id,
        .peer = name_from_channel(&store->sender),
        .taken_ms = store->taken_ms,
        .expires_ms = store->taken_ms + store->ttl_s * 1000ull,
        .item = CHANNEL_ITEM_MESSAGE,
        .flags = store->deliver_flags,
        .bytes = store->payload_bytes,
        .tag = store->tag,
        .worker = worker,
    };
    item->payload = malloc(store->payload_bytes + 1);
    memcpy(item->payload, store->payload, store->payload_bytes);
}

static void on_store_receipt(uint32_t worker, const struct channel_store_receipt *store)
{
    struct mailbox *mailbox = mailbox_of(&store->name);
    if (!admit(mailbox, worker, store->tag, store->position, store->id, store->again != 0))
        return;
    CHECK(mailbox->count < ITEMS, "the model mailbox is full");
    mailbox->items[mailbox->count++] = (struct stored_item){
        .position = store->position,
        .id = store->id,
        .peer = name_from_channel(&store->about),
        .item = CHANNEL_ITEM_RECEIPT,
        .kind = store->status_kind,
        .reason = store->reason,
        .retire = store->retire,
        .tag = store->tag,
        .worker = worker,
    };
}

static bool other_copy(const struct mailbox *mailbox, const struct stored_item *item)
{
    for (uint32_t i = 0; i < mailbox->count; i++) {
        const struct stored_item *other = &mailbox->items[i];
        if (other != item && other->id == item->id && other->item == CHANNEL_ITEM_MESSAGE &&
            !other->retired && name_same(&other->peer, &item->peer))
            return true;
    }
    return false;
}

static bool receipt_kept(const struct stored_item *item, const struct mailbox *of)
{
    const struct mailbox *mailbox = &world->control.mailbox[client_of(&item->peer)];
    for (uint32_t i = 0; i < mailbox->committed; i++) {
        const struct stored_item *other = &mailbox->items[i];
        if (other->item == CHANNEL_ITEM_RECEIPT && other->id == item->id && !other->retired &&
            name_same(&other->peer, &of->name))
            return true;
    }
    return false;
}

static void retire(struct mailbox *mailbox, struct stored_item *item)
{
    if (item == NULL || item->retired)
        return;
    CHECK(item->committed, "retired before it was committed");
    bool receipt = item->item == CHANNEL_ITEM_RECEIPT;
    uint32_t owner = client_of(&mailbox->name), peer = client_of(&item->peer);
    struct message *message = message_by_id(receipt ? owner : peer, item->id);
    CHECK(message != NULL, "a message that nobody sent");
    if (receipt) {
        CHECK(message->receipt || message->expired || message->fate == FATE_GIVEN_UP,
              "receipt of %llu retired and not given", (unsigned long long)item->id);
    } else {
        CHECK(message->acked || message->expired, "message %llu of %u to %u retired and never acknowledged",
              (unsigned long long)item->id, peer, owner);
        CHECK(!message->accepted || message->receipt || message->expired || other_copy(mailbox, item) ||
                  receipt_kept(item, mailbox),
              "message %llu of %u retired before its receipt", (unsigned long long)item->id, peer);
    }
    item->retired = true;
    free(item->payload);
    item->payload = NULL;
}

static void commit(struct mailbox *mailbox)
{
    while (mailbox->committed < mailbox->count && chance(world->options.commit_ppm)) {
        struct stored_item *item = &mailbox->items[mailbox->committed++];
        item->committed = true;
        mailbox->end = item->position;
        mailbox->idle_due = true;
        if (item->item == CHANNEL_ITEM_RECEIPT && item->retire != 0) {
            struct mailbox *of = &world->control.mailbox[client_of(&item->peer)];
            retire(of, item_at(of, item->retire));
        }
        answer(item->worker, item->tag, 0);
    }
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
        on_store(worker, (const struct channel_store *)(const void *)record);
        break;
    case CHANNEL_STORE_RECEIPT:
        on_store_receipt(worker, (const struct channel_store_receipt *)(const void *)record);
        break;
    case CHANNEL_RETIRE: {
        const struct channel_retire *list = (const struct channel_retire *)(const void *)record;
        struct mailbox *mailbox = mailbox_of(&list->name);
        for (uint32_t i = 0; i < list->count; i++)
            retire(mailbox, item_at(mailbox, list->position[i]));
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
    drained->head_bytes = 0;
    drained->payload_bytes = payload;
    drained->item = expired ? CHANNEL_ITEM_EXPIRED : item->item;
    drained->deliver_flags = item->flags;
    drained->status_kind = item->kind;
    drained->reason = item->reason;
    if (payload != 0)
        memcpy(drained->payload, item->payload, payload);
    if (expired)
        message_by_id(client_of(&item->peer), item->id)->expired = true;
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
        mailbox->generation = 0;
        if (world->control.up) {
            while (mailbox->committed < mailbox->count)
                commit(mailbox);
        }
    }
    answer_head = answer_tail = 0;
}

void control_kill(void)
{
    trace("the control plane is killed");
    struct control *control = &world->control;
    control->up = false;
    world->control_kills++;
    answer_head = answer_tail = 0;
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct mailbox *mailbox = &control->mailbox[i];
        for (uint32_t at = mailbox->committed; at < mailbox->count; at++)
            free(mailbox->items[at].payload);
        mailbox->count = mailbox->committed;
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
            commit(&control->mailbox[i]);
        if (chance(600000))
            stream(&control->mailbox[i]);
    }
    if (chance(700000))
        send_answers();
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
