/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/home_internal.h"

#define SHOW_MAX 256u /* receipts under way to a session, beyond which the drain waits */

void drain_end(struct home *home, struct recipient *recipient)
{
    recipient_sync(home, recipient);
    assert(home->reserved >= recipient->credit);
    home->reserved -= recipient->credit;
    recipient->credit = 0;
    recipient->idle_seen = false;
    if (!home->up)
        recipient->drain = 0; /* it has ended with the channel */
    if (recipient->drain == 0)
        return;
    recipient->stop = recipient->drain;
    recipient->drain = 0;
    recipient->due |= DUE_STOP;
    recipient_queue_control(home, recipient);
}

/* How many items the drain may be promised now, beside what it has. */
static uint32_t grant(const struct home *home, const struct recipient *recipient, bool *want)
{
    uint32_t used =
        recipient->queues->window_count + recipient->queues->held_count + recipient->queues->ephemeral_count;
    uint32_t room = home->config.window_messages > used ? home->config.window_messages - used : 0;
    if (recipient->queues->window_bytes + recipient->queues->held_bytes >= home->config.window_bytes &&
        used != 0)
        room = 0;
    if (recipient->queues->show_count >= SHOW_MAX)
        room = 0;
    if (room > DRAIN_CREDIT)
        room = DRAIN_CREDIT;
    room = room > recipient->credit ? room - recipient->credit : 0;
    *want = room != 0;
    uint32_t unpromised = home->entries.free_count - home->reserved;
    return room < unpromised ? room : unpromised;
}

static bool say_drain(struct home *home, struct recipient *recipient, uint32_t messages)
{
    struct channel_record *record =
        home->port->control_reserve(home->port->ctx, sizeof(struct channel_drain));
    if (record == NULL)
        return false;
    struct channel_drain *drain = (struct channel_drain *)(void *)record;
    record->kind = CHANNEL_DRAIN;
    drain->name = name_to_channel(&recipient->name);
    drain->generation = ++home->generation;
    drain->after = recipient->streamed;
    drain->messages = messages;
    drain->reserved = 0;
    recipient->drain = drain->generation;
    recipient->due &= (uint8_t)~DUE_DRAIN;
    recipient->idle_seen = false;
    recipient->high_stored = 0;
    return true;
}

static bool say_credit(struct home *home, struct recipient *recipient, uint32_t messages)
{
    struct channel_record *record =
        home->port->control_reserve(home->port->ctx, sizeof(struct channel_drain_credit));
    if (record == NULL)
        return false;
    struct channel_drain_credit *credit = (struct channel_drain_credit *)(void *)record;
    record->kind = CHANNEL_DRAIN_CREDIT;
    credit->name = name_to_channel(&recipient->name);
    credit->generation = recipient->drain;
    credit->messages = messages;
    credit->reserved = 0;
    return true;
}

bool drain_send(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    bool begins = (recipient->due & DUE_DRAIN) != 0;
    if (!begins && (recipient->drain == 0 || recipient->credit > DRAIN_CREDIT / 2))
        return true;
    /* It begins behind the window: so the whole window must have its positions. */
    if (begins && recipient->queues->window.tail != NULL && recipient->queues->window.tail->position == 0)
        return true;
    if (begins && recipient->redrain_us > now_us)
        return true;
    bool want;
    uint32_t messages = grant(home, recipient, &want);
    if (messages == 0) {
        if (want && recipient->credit == 0)
            recipient_want_timer(home, recipient, now_us + RETRY_US);
        return true; /* asked again when the window moves */
    }
    if (!(begins ? say_drain(home, recipient, messages) : say_credit(home, recipient, messages)))
        return false;
    recipient->credit += messages;
    home->reserved += messages;
    return true;
}

/* There was no memory for an item: the stream is begun anew behind the last one taken. */
static void drain_again(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    drain_end(home, recipient);
    recipient->due |= DUE_DRAIN;
    recipient->redrain_us = now_us + RETRY_US;
    recipient_want_timer(home, recipient, recipient->redrain_us);
}

static struct entry *stored_entry(struct home *home, struct recipient *recipient,
                                  const struct channel_drained *item)
{
    struct entry *entry = entry_make(home, recipient, true);
    assert(entry != NULL);
    entry->from = name_from_channel(&item->peer);
    entry->to = recipient->name;
    entry->id = item->id;
    entry->position = item->position;
    entry->stored = true;
    entry->answered = true;
    return entry;
}

/* An acknowledged message is still there: perhaps because its RETIRE was lost with a control plane. */
static void retire_again(struct home *home, struct recipient *recipient, const struct channel_drained *item)
{
    if (recipient->owed != 0) {
        /* Or because its receipt has not been given: the next session's drain shall see. */
        if (recipient->unsure_from == 0 || item->position < recipient->unsure_from)
            recipient->unsure_from = item->position;
        return;
    }
    struct entry *entry = stored_entry(home, recipient, item);
    entry->acked = true;
    entry->retire_due = true;
    entry_settle(home, entry);
}

static bool take_message(struct home *home, struct recipient *recipient, const struct channel_drained *item,
                         uint64_t now_us)
{
    if (recipient->send_only)
        return true;
    if (item->position <= recipient->acked_position) {
        retire_again(home, recipient, item);
        return true;
    }
    struct msg *msg = msg_make(home->messages, view_of(item->payload, item->payload_bytes));
    if (msg == NULL)
        return false;
    struct entry *entry = stored_entry(home, recipient, item);
    msg->id = item->id;
    msg->from = entry->from;
    msg->to = entry->to;
    msg_set_taken(msg, item->taken_ms);
    msg->head_bytes = (uint16_t)item->head_bytes;
    entry->msg = msg;
    entry->payload_bytes = item->payload_bytes;
    entry->handed = true;
    entry->flags = WIRE_DELIVER_STORED | (item->deliver_flags & (WIRE_DELIVER_URGENT | WIRE_DELIVER_MULTI));
    /* A recipient that resumed may be older than what we know of the epoch. */
    if (item->position <= recipient->handed || item->position < home->own_from)
        entry->flags |= WIRE_DELIVER_AGAIN;
    home->metrics->drained++;
    window_append(home, recipient, entry, now_us);
    return true;
}

static void take_receipt(struct home *home, struct recipient *recipient, const struct channel_drained *item)
{
    struct entry *entry = stored_entry(home, recipient, item);
    entry->role = ROLE_RECEIPT;
    entry->from = recipient->name;
    entry->to = name_from_channel(&item->peer);
    entry->kind = item->status_kind;
    entry->reason = item->reason;
    receipt_show(home, recipient, entry);
}

/* A message that will never be delivered: its sender hears why. */
static void take_rejected(struct home *home, struct recipient *recipient, const struct channel_drained *item,
                          enum wire_reason reason)
{
    struct entry *entry = stored_entry(home, recipient, item);
    entry->owed = true;
    recipient->owed++;
    entry->kind = WIRE_REJECTED;
    entry->reason = (uint8_t)reason;
    entry->acked = true;
    entry->receipt_due = true;
    entry_settle(home, entry);
}

/* Of a device that is no more: nothing is delivered, and what was acknowledged has its receipt already. */
static void take_evicted(struct home *home, struct recipient *recipient, const struct channel_drained *item)
{
    if (item->item == CHANNEL_ITEM_RECEIPT) {
        struct entry *entry = stored_entry(home, recipient, item);
        entry->acked = true;
        entry->retire_due = true;
        entry_settle(home, entry);
    } else if (item->position <= recipient->acked_position) {
        retire_again(home, recipient, item);
    } else {
        metrics_count(home->metrics, WAX_REJECT_UNKNOWN_DEVICE);
        take_rejected(home, recipient, item, (enum wire_reason)recipient->evict_reason);
    }
}

void drain_evict(struct home *home, const struct channel_evict *evict)
{
    struct name name = name_from_channel(&evict->name);
    if (route_home(home->route, name.user) != home->self)
        return;
    struct recipient *recipient = recipient_make(home, &name);
    if (recipient == NULL)
        return; /* asked again */
    if (recipient->generation == 0 && !recipient->evicting) {
        if (recipient->unsure_from != 0 && recipient->streamed >= recipient->unsure_from)
            recipient->streamed = recipient->unsure_from - 1;
        recipient->unsure_from = 0;
        recipient->evicting = true;
        recipient->evict_reason = evict->reason;
        recipient->due |= DUE_DRAIN;
        recipient_queue_control(home, recipient);
    }
    recipient_rest(home, recipient);
}

/* Nothing is left, and nothing on its way. */
static void evict_check(struct home *home, struct recipient *recipient)
{
    if (!recipient->idle_seen || recipient->high_stored > recipient->idle_upto ||
        !list_empty(&recipient->queues->store))
        return;
    recipient->evicting = false;
    drain_end(home, recipient);
    recipient_rest(home, recipient);
}

static struct recipient *of_drain(struct home *home, const struct device_name *channel_name,
                                  uint64_t generation)
{
    struct name name = name_from_channel(channel_name);
    struct recipient *recipient = recipient_find(home, &name);
    if (recipient != NULL && recipient->drain != 0 && recipient->drain == generation)
        return recipient;
    metrics_count(home->metrics, WAX_SESSION_STALE);
    return NULL;
}

void drain_item(struct home *home, const struct channel_drained *item, uint64_t now_us)
{
    struct recipient *recipient = of_drain(home, &item->name, item->generation);
    if (recipient == NULL)
        return;
    if (recipient->credit == 0) {
        metrics_count(home->metrics, WAX_CHANNEL_CORRUPT); /* more than it was promised */
        drain_again(home, recipient, now_us);
        return;
    }
    if (recipient->state == RECIPIENT_UNKNOWN)
        recipient->state = RECIPIENT_DRAINING;
    recipient->credit--;
    home->reserved--;
    if (!recipient_wake(home, recipient)) {
        drain_again(home, recipient, now_us);
        return;
    }
    if (item->position > recipient->streamed) {
        if (item->item == CHANNEL_ITEM_MESSAGE && !recipient->evicting &&
            !take_message(home, recipient, item, now_us)) {
            drain_again(home, recipient, now_us);
            recipient_rest(home, recipient);
            return;
        }
        recipient->streamed = item->position;
        if (recipient->evicting)
            take_evicted(home, recipient, item);
        else if (item->item == CHANNEL_ITEM_RECEIPT)
            take_receipt(home, recipient, item);
        else if (item->item == CHANNEL_ITEM_EXPIRED) {
            metrics_count(home->metrics, WAX_REJECT_EXPIRED);
            take_rejected(home, recipient, item, WIRE_REASON_EXPIRED);
        }
    }
    if (recipient->credit <= DRAIN_CREDIT / 2)
        recipient_queue_control(home, recipient);
    recipient_rest(home, recipient);
}

void drain_idle(struct home *home, const struct channel_drain_idle *idle, uint64_t now_us)
{
    struct recipient *recipient = of_drain(home, &idle->name, idle->generation);
    if (recipient == NULL)
        return;
    if (recipient->state == RECIPIENT_UNKNOWN)
        recipient->state = RECIPIENT_DRAINING;
    recipient->idle_seen = true;
    recipient->idle_upto = idle->upto;
    drain_check(home, recipient, now_us);
    reads_settle(home, recipient);
}

void drain_check(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    if (recipient->evicting) {
        evict_check(home, recipient);
        return;
    }
    if ((recipient->state != RECIPIENT_DRAINING && recipient->state != RECIPIENT_HOLD) ||
        recipient->send_only || recipient->unpoliced || !recipient->idle_seen ||
        recipient->high_stored > recipient->idle_upto)
        return;
    if (!list_empty(&recipient->queues->store)) {
        recipient->state = RECIPIENT_HOLD;
        return;
    }
    drain_end(home, recipient);
    recipient->state = RECIPIENT_ONLINE;
    while (recipient->queues->held.head != NULL) {
        struct entry *entry = entries_pop(&recipient->queues->held);
        entry->places &= (uint8_t)~PLACE_HELD;
        window_append(home, recipient, entry, now_us);
    }
    recipient->queues->held_count = 0;
    recipient->queues->held_bytes = 0;
}
