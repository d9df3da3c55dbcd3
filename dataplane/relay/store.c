/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/home_internal.h"

void store_append(struct home *home, struct recipient *mailbox, struct entry *entry)
{
    entry->places |= PLACE_STORE;
    entry->mailbox = mailbox;
    /* A READ must come by the drain, so nothing behind it may be taken from memory. */
    if (entry->role != ROLE_MESSAGE)
        mailbox->direct = false;
    list_append(&mailbox->queues->store, &entry->store);
    mailbox->queues->store_count++;
    if (mailbox->queues->unoffered == NULL)
        mailbox->queues->unoffered = &entry->store;
    recipient_queue_control(home, mailbox);
}

void store_remove(struct home *home, struct entry *entry)
{
    struct recipient *mailbox = entry->mailbox;
    assert(entry->slot == NONE && mailbox->queues->store_count > 0);
    (void)home;
    if (mailbox->queues->unoffered == &entry->store)
        mailbox->queues->unoffered = entry->store.next == &mailbox->queues->store ? NULL : entry->store.next;
    list_remove(&entry->store);
    mailbox->queues->store_count--;
    entry->places &= (uint8_t)~PLACE_STORE;
}

static uint64_t slot_take(struct home *home, struct entry *entry)
{
    uint32_t index = home->stores_free;
    struct store_slot *slot = &home->stores[index];
    home->stores_free = slot->next_free;
    home->stores_used++;
    slot->entry = entry;
    slot->serial++;
    entry->slot = index;
    entry->mailbox->queues->under_way++;
    return (uint64_t)slot->serial << 32 | index;
}

static void slot_give(struct home *home, struct entry *entry)
{
    struct store_slot *slot = &home->stores[entry->slot];
    slot->entry = NULL;
    slot->next_free = home->stores_free;
    home->stores_free = entry->slot;
    home->stores_used--;
    entry->slot = NONE;
    entry->mailbox->queues->under_way--;
}

static uint64_t position_of(struct home *home, uint64_t *position)
{
    if (*position == 0)
        *position = ++home->position;
    return *position;
}

static void fill_message(struct home *home, struct recipient *mailbox, struct entry *entry,
                         struct channel_record *record)
{
    struct channel_store *store = (struct channel_store *)(void *)record;
    record->kind = CHANNEL_STORE;
    store->tag = slot_take(home, entry);
    store->name = name_to_channel(&entry->to);
    store->sender = name_to_channel(&entry->from);
    store->position = position_of(home, &entry->position);
    store->id = entry->id;
    store->taken_ms = entry->msg->taken_ms;
    store->ttl_s = entry->msg->ttl_s;
    store->head_bytes = entry->msg->head_bytes;
    store->payload_bytes = entry->payload_bytes;
    store->deliver_flags = entry->flags & (WIRE_DELIVER_URGENT | WIRE_DELIVER_MULTI);
    store->again = entry->offered;
    store->exempt = entry->handed || (entry->places & PLACE_WINDOW) != 0;
    store->reserved = 0;
    msg_copy(entry->msg, store->payload);
    if ((entry->places & PLACE_WINDOW) == 0)
        mailbox->direct = false;
    /* A drain need not bring what this session has; and it may have been seen. */
    if ((entry->places & PLACE_WINDOW) != 0 && entry->position > mailbox->streamed)
        mailbox->streamed = entry->position;
    if (entry->handed && entry->position > mailbox->handed)
        mailbox->handed = entry->position;
    home->metrics->stores++;
}

static void fill_receipt(struct home *home, struct entry *entry, struct channel_record *record)
{
    struct channel_store_receipt *store = (struct channel_store_receipt *)(void *)record;
    record->kind = CHANNEL_STORE_RECEIPT;
    store->tag = slot_take(home, entry);
    store->name = name_to_channel(&entry->from);
    store->position = position_of(home, &entry->receipt_position);
    store->about = name_to_channel(&entry->to);
    store->id = entry->id;
    store->retire = entry->position;
    store->status_kind = entry->kind;
    store->reason = entry->reason;
    store->again = entry->offered;
    memset(store->reserved, 0, sizeof store->reserved);
}

static bool offer(struct home *home, struct recipient *mailbox, struct entry *entry)
{
    if (home->stores_free == NONE)
        return false;
    bool message = entry->role == ROLE_MESSAGE;
    uint32_t bytes = message ? (uint32_t)sizeof(struct channel_store) + entry->payload_bytes
                             : (uint32_t)sizeof(struct channel_store_receipt);
    struct channel_record *record = home->port->control_reserve(home->port->ctx, bytes);
    if (record == NULL)
        return false;
    if (message)
        fill_message(home, mailbox, entry, record);
    else
        fill_receipt(home, entry, record);
    entry->offered = true;
    return true;
}

static bool offer_all(struct home *home, struct recipient *mailbox, uint64_t now_us)
{
    if (mailbox->queues->pause_us > now_us || (mailbox->refused && mailbox->queues->under_way != 0))
        return true;
    mailbox->refused = false;
    while (mailbox->queues->unoffered != NULL) {
        struct entry *entry = list_entry(mailbox->queues->unoffered, struct entry, store);
        if (entry->slot == NONE && !offer(home, mailbox, entry))
            return false;
        struct link *next = entry->store.next;
        mailbox->queues->unoffered = next == &mailbox->queues->store ? NULL : next;
    }
    return true;
}

/* True for what can't be given up when the store refuses it. */
static bool must_be_stored(const struct entry *entry, uint8_t reason)
{
    if (entry->role != ROLE_MESSAGE)
        return reason == WIRE_REASON_BUSY;
    return !entry->acked && (entry->handed || (entry->places & PLACE_WINDOW) != 0);
}

/*
 * It keeps its place and its position. The store refuses what is behind it as well, so when
 * all of that has been answered everything is offered again in order.
 */
static void offer_again(struct home *home, struct recipient *mailbox, uint64_t now_us)
{
    mailbox->refused = true;
    mailbox->queues->pause_us = now_us + STORE_PAUSE_US;
    recipient_want_timer(home, mailbox, mailbox->queues->pause_us);
}

static void message_confirmed(struct home *home, struct recipient *mailbox, struct entry *entry,
                              uint8_t reason)
{
    if (reason == WIRE_REASON_NONE && entry->position > mailbox->high_stored)
        mailbox->high_stored = entry->position;
    if (entry->acked) {
        /* The sender has been told DELIVERED: nothing is owed but its removal. */
        entry->retire_due = reason == WIRE_REASON_NONE;
    } else if (reason == WIRE_REASON_NONE) {
        entry->stored = true;
        entry->answer = WIRE_ACCEPTED;
    } else {
        entry->acked = true;
        entry->answer = WIRE_REJECTED;
        entry->reason = reason;
    }
    entry_settle(home, entry);
}

static void receipt_confirmed(struct home *home, struct recipient *mailbox, struct entry *entry,
                              uint8_t reason)
{
    if (reason == WIRE_REASON_NONE && entry->receipt_position > mailbox->high_stored)
        mailbox->high_stored = entry->receipt_position;
    receipt_done(home, entry, reason == WIRE_REASON_NONE);
}

void store_confirmed(struct home *home, const struct channel_stored *stored, uint64_t now_us)
{
    uint32_t index = (uint32_t)stored->tag;
    struct entry *entry = index < home->config.stores ? home->stores[index].entry : NULL;
    if (entry == NULL || home->stores[index].serial != (uint32_t)(stored->tag >> 32)) {
        metrics_count(home->metrics, WAX_NOT_FOUND);
        return;
    }
    struct recipient *mailbox = entry->mailbox;
    recipient_sync(home, mailbox);
    slot_give(home, entry);
    if (stored->reason != WIRE_REASON_NONE && must_be_stored(entry, stored->reason)) {
        offer_again(home, mailbox, now_us);
    } else {
        store_remove(home, entry);
        if (entry->role == ROLE_MESSAGE)
            message_confirmed(home, mailbox, entry, stored->reason);
        else
            receipt_confirmed(home, mailbox, entry, stored->reason);
    }
    if (mailbox->refused && mailbox->queues->under_way == 0) {
        mailbox->queues->unoffered = list_first(&mailbox->queues->store);
        recipient_queue_control(home, mailbox);
    }
    drain_check(home, mailbox, now_us);
    reads_settle(home, mailbox);
    recipient_rest(home, mailbox);
}

void stores_forget(struct home *home)
{
    for (uint32_t i = 0; i < home->config.stores; i++) {
        struct entry *entry = home->stores[i].entry;
        if (entry == NULL)
            continue;
        slot_give(home, entry);
        if (entry->role == ROLE_MESSAGE && entry->acked) {
            /* Whether it was stored we shall not hear; it must not be. */
            store_remove(home, entry);
            entry->retire_due = true;
            entry_settle(home, entry);
        }
    }
}

/* ---- everything else that is said to the control plane ---- */

static bool say_open(struct home *home, struct recipient *recipient)
{
    struct channel_record *record =
        home->port->control_reserve(home->port->ctx, sizeof(struct channel_session_open));
    if (record == NULL)
        return false;
    struct channel_session_open *open = (struct channel_session_open *)(void *)record;
    record->kind = CHANNEL_SESSION_OPEN;
    open->name = name_to_channel(&recipient->name);
    open->generation = recipient->generation;
    open->since_ms = recipient->since_ms;
    memcpy(open->peer, recipient->peer, sizeof open->peer);
    open->peer_port = recipient->peer_port;
    open->worker = recipient->worker;
    open->tls = recipient->tls;
    open->send_only = recipient->send_only;
    memset(open->reserved, 0, sizeof open->reserved);
    open->conn = recipient->conn;
    open->conn_generation = recipient->conn_generation;
    return true;
}

/* SESSION_CLOSE and DRAIN_STOP have one layout. */
static bool say_end(struct home *home, struct recipient *recipient, enum channel_kind kind,
                    uint64_t generation)
{
    _Static_assert(sizeof(struct channel_session_close) == sizeof(struct channel_drain_stop), "one layout");
    struct channel_record *record =
        home->port->control_reserve(home->port->ctx, sizeof(struct channel_session_close));
    if (record == NULL)
        return false;
    struct channel_session_close *close = (struct channel_session_close *)(void *)record;
    record->kind = (uint16_t)kind;
    close->name = name_to_channel(&recipient->name);
    close->generation = generation;
    return true;
}

static bool say_retired(struct home *home, struct recipient *recipient)
{
    while (recipient->queues->retire.head != NULL) {
        uint32_t count = 0;
        for (struct entry *at = recipient->queues->retire.head; at != NULL && count < RETIRE_BATCH;
             at = at->next)
            count++;
        uint32_t bytes = (uint32_t)(sizeof(struct channel_retire) + count * sizeof(uint64_t));
        struct channel_record *record = home->port->control_reserve(home->port->ctx, bytes);
        if (record == NULL)
            return false;
        struct channel_retire *retire = (struct channel_retire *)(void *)record;
        record->kind = CHANNEL_RETIRE;
        retire->name = name_to_channel(&recipient->name);
        retire->count = count;
        retire->reserved = 0;
        for (uint32_t i = 0; i < count; i++) {
            struct entry *entry = entries_pop(&recipient->queues->retire);
            retire->position[i] = entry->position;
            if (recipient->retired_from == 0 || entry->position < recipient->retired_from)
                recipient->retired_from = entry->position;
            entry->places &= (uint8_t)~PLACE_RETIRE;
            entry_settle(home, entry);
        }
    }
    return true;
}

static bool say_due(struct home *home, struct recipient *recipient, enum due due)
{
    if ((recipient->due & due) == 0)
        return true;
    bool said = due == DUE_OPEN ? say_open(home, recipient)
                : due == DUE_CLOSE
                    ? say_end(home, recipient, CHANNEL_SESSION_CLOSE, recipient->closed_generation)
                    : say_end(home, recipient, CHANNEL_DRAIN_STOP, recipient->stop);
    if (said)
        recipient->due &= (uint8_t)~due;
    return said;
}

static bool say_all(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    recipient_sync(home, recipient);
    return say_due(home, recipient, DUE_CLOSE) && say_due(home, recipient, DUE_OPEN) &&
           say_due(home, recipient, DUE_STOP) && say_retired(home, recipient) &&
           offer_all(home, recipient, now_us) && drain_send(home, recipient, now_us);
}

bool control_send(struct home *home, uint64_t now_us)
{
    if (!home->up)
        return false;
    if (!policies_tell(home) || !calls_tell(&home->calls, home->port))
        return true;
    if (list_empty(&home->control))
        return false;
    struct link later;
    link_init(&later);
    bool said = true;
    for (struct link *at = list_first(&home->control); at != NULL && said; at = list_first(&home->control)) {
        struct recipient *recipient = list_entry(at, struct recipient, place);
        list_remove(at);
        said = say_all(home, recipient, now_us);
        if (said) {
            recipient_rest(home, recipient);
        } else {
            list_remove(at);
            recipient->resting = false;
            list_append(&later, at);
        }
    }
    /* The channel is full: the next turn begins with the others. */
    for (struct link *at = list_first(&later); at != NULL; at = list_first(&later)) {
        list_remove(at);
        list_append(&home->control, at);
    }
    home->port->control_publish(home->port->ctx);
    return !list_empty(&home->control);
}
