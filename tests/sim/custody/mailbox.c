/* SPDX-License-Identifier: BSD-3-Clause */
/* The model mailboxes: what is offered is committed late and in order, refused now and then, retired. */
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

struct mailbox *mailbox_of(const struct device_name *name)
{
    struct name plain = name_from_channel(name);
    return &world->control.mailbox[client_of(&plain)];
}

static uint32_t client_of_channel(const struct device_name *name)
{
    struct name plain = name_from_channel(name);
    return client_of(&plain);
}

static void answer(uint32_t worker, uint64_t tag, uint8_t reason)
{
    CHECK(answer_tail - answer_head < ANSWERS, "answers overflow");
    answers[answer_tail++ % ANSWERS] = (struct answer){tag, worker, reason};
}

void answers_send(void)
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

struct stored_item *mailbox_item(struct mailbox *mailbox, uint64_t position)
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
    trace("control: is offered %llu for %u at %llx%s", (unsigned long long)id, client_of(&mailbox->name),
          (unsigned long long)position, again ? " again" : "");
    uint64_t last = mailbox->count == 0 ? 0 : mailbox->items[mailbox->count - 1].position;
    if (position > last)
        return true;
    struct stored_item *item = mailbox_item(mailbox, position);
    CHECK(again, "mailbox %u: position not above the last one", client_of(&mailbox->name));
    CHECK(item != NULL && item->id == id,
          "mailbox %u: position %llx was passed by, its message would be lost", client_of(&mailbox->name),
          (unsigned long long)position);
    CHECK(item->committed, "offered twice on one channel");
    answer(worker, tag, 0);
    return false;
}

/*
 * The disk is full now and then. Whatever of a mailbox is behind a refusal is refused as well
 * until the worker has read all its answers, and what it had sent before has been taken.
 */
static bool refuses(struct mailbox *mailbox, uint32_t worker)
{
    struct worker *from = &world->worker[worker];
    if (mailbox->refusing && mailbox->refusal_read && from->to_control.taken > mailbox->settled_at)
        mailbox->refusing = false;
    if (world->now_us < world->control.disk_full_us)
        mailbox->refusing = true;
    if (mailbox->refusing) { /* this refusal has to be read, too: what follows it must not overtake it */
        mailbox->worker_refused = worker;
        mailbox->refusal_read = false;
    }
    return mailbox->refusing;
}

void mailboxes_settle_refusals(void)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct mailbox *mailbox = &world->control.mailbox[i];
        struct worker *from = &world->worker[mailbox->worker_refused];
        if (mailbox->refusing && !mailbox->refusal_read && answer_head == answer_tail && from->up &&
            from->to_worker.head == from->to_worker.tail) {
            mailbox->refusal_read = true;
            mailbox->settled_at = from->to_control.put;
        }
    }
    if (world->options.faults && chance(world->options.disk_full_ppm))
        world->control.disk_full_us = world->now_us + below(3000000);
}

/* A rejection that dies with the plane is one all the same: its client sends the id again, behind later ones.
 */
static void message_refused(const struct channel_store *store)
{
    struct name from = name_from_channel(&store->sender);
    struct message *message = message_of(client_of(&from), store->id, client_of_channel(&store->name));
    if (message != NULL && store->exempt == 0)
        message->refused = true;
}

void mailbox_store(uint32_t worker, const struct channel_store *store)
{
    struct mailbox *mailbox = mailbox_of(&store->name);
    CHECK(store->ttl_s > 0, "no time to live");
    if (!admit(mailbox, worker, store->tag, store->position, store->id, store->again != 0))
        return;
    if (refuses(mailbox, worker)) {
        trace("control: refuses %llu for %u at %llx", (unsigned long long)store->id,
              client_of(&mailbox->name), (unsigned long long)store->position);
        message_refused(store);
        answer(worker, store->tag, WIRE_REASON_BUSY);
        return;
    }
    if (store->exempt == 0 && store->again == 0 && chance(world->options.refuse_ppm)) {
        mailbox->rejected_unread = true;
        mailbox->worker_rejected = worker;
        message_refused(store);
        answer(worker, store->tag, WIRE_REASON_MAILBOX_FULL);
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
        .head_bytes = store->head_bytes,
        .tag = store->tag,
        .worker = worker,
    };
    item->payload = malloc(store->payload_bytes + 1);
    memcpy(item->payload, store->payload, store->payload_bytes);
}

void mailbox_store_receipt(uint32_t worker, const struct channel_store_receipt *store)
{
    struct mailbox *mailbox = mailbox_of(&store->name);
    if (!admit(mailbox, worker, store->tag, store->position, store->id, store->again != 0))
        return;
    if (refuses(mailbox, worker)) {
        trace("control: refuses %llu for %u at %llx", (unsigned long long)store->id,
              client_of(&mailbox->name), (unsigned long long)store->position);
        answer(worker, store->tag, WIRE_REASON_BUSY);
        return;
    }
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
        if (other->item == CHANNEL_ITEM_RECEIPT && other->kind != WIRE_READ_BY && other->id == item->id &&
            !other->retired && name_same(&other->peer, &of->name))
            return true;
    }
    return false;
}

void mailbox_retire(struct mailbox *mailbox, struct stored_item *item)
{
    if (item == NULL || item->retired)
        return;
    CHECK(item->committed, "retired before it was committed");
    bool receipt = item->item == CHANNEL_ITEM_RECEIPT;
    uint32_t owner = client_of(&mailbox->name), peer = client_of(&item->peer);
    struct message *message = receipt ? message_of(owner, item->id, peer) : message_of(peer, item->id, owner);
    CHECK(message != NULL, "a message that nobody sent");
    if (receipt && item->kind == WIRE_READ_BY) {
        CHECK(message->read_told, "READ of %llu retired and not given", (unsigned long long)item->id);
    } else if (receipt) {
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
    trace("control: retired %llu for %u at %llx", (unsigned long long)item->id, owner,
          (unsigned long long)item->position);
    free(item->payload);
    item->payload = NULL;
}

/* True when a rejection may not have been read yet: were it lost, its position must not be passed by. */
static bool rejected_unread(struct mailbox *mailbox)
{
    const struct worker *from = &world->worker[mailbox->worker_rejected];
    if (mailbox->rejected_unread && answer_head == answer_tail &&
        from->to_worker.head == from->to_worker.tail)
        mailbox->rejected_unread = false;
    return mailbox->rejected_unread;
}

void mailbox_commit(struct mailbox *mailbox)
{
    if (rejected_unread(mailbox))
        return;
    while (mailbox->committed < mailbox->count && chance(world->options.commit_ppm)) {
        struct stored_item *item = &mailbox->items[mailbox->committed++];
        item->committed = true;
        trace("control: committed %llu of %u for %u at %llx (%s)", (unsigned long long)item->id,
              client_of(&item->peer), client_of(&mailbox->name), (unsigned long long)item->position,
              item->item == CHANNEL_ITEM_MESSAGE ? "message" : "receipt");
        mailbox->end = item->position;
        mailbox->idle_due = true;
        if (item->item == CHANNEL_ITEM_RECEIPT && item->retire != 0) {
            struct mailbox *of = &world->control.mailbox[client_of(&item->peer)];
            mailbox_retire(of, mailbox_item(of, item->retire));
        }
        answer(item->worker, item->tag, 0);
    }
}

void answers_forget(void)
{
    answer_head = answer_tail = 0;
}
