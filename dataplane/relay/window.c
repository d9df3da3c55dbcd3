/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/allowance.h"
#include "relay/envelope.h"
#include "relay/home_internal.h"

bool window_has_room(const struct home *home, const struct recipient *recipient, uint32_t bytes)
{
    uint32_t count =
        recipient->queues->window_count + recipient->queues->held_count + recipient->queues->ephemeral_count;
    uint32_t used = recipient->queues->window_bytes + recipient->queues->held_bytes;
    return count == 0 ||
           (count < home->config.window_messages && used + (uint64_t)bytes <= home->config.window_bytes);
}

void window_append(struct home *home, struct recipient *recipient, struct entry *entry, uint64_t now_us)
{
    entry->places |= PLACE_WINDOW;
    entry->time_us = now_us;
    entry->seq = 0;
    entries_append(&recipient->queues->window, entry);
    recipient->queues->window_count++;
    recipient->queues->window_bytes += entry->payload_bytes;
    if (recipient->queues->undelivered == NULL)
        recipient->queues->undelivered = entry;
    if (recipient->queues->unstored == NULL && !entry->stored && (entry->places & PLACE_STORE) == 0)
        recipient->queues->unstored = entry;
    if (recipient->queues->unstored != NULL)
        recipient_want_timer(home, recipient, now_us + WAX_ACK_STORE_MS * 1000ull);
    recipient_want_timer(home, recipient, now_us + WAX_ACK_TIMEOUT_MS * 1000ull);
    recipient_queue_deliver(home, recipient);
}

/* The recipient has it: custody ends here. */
static void entry_acked(struct home *home, struct recipient *recipient, struct entry *entry)
{
    entry->acked = true;
    home_unsaid(home, entry);
    if (entry->position > recipient->acked_position)
        recipient->acked_position = entry->position;
    if (entry->position != 0) {
        entry->owed = true;
        recipient->owed++;
    }
    if (entry->stored) {
        entry->receipt_due = true;
        entry->kind = WIRE_DELIVERED;
        entry->reason = WIRE_REASON_NONE;
    } else {
        entry->answer = WIRE_DELIVERED;
        if ((entry->places & PLACE_STORE) != 0 && entry->slot == NONE) {
            /* Not under way: it need not be stored any more; before a restart it may have been. */
            entry->retire_due = entry->offered;
            store_remove(home, entry);
        }
    }
    entry_settle(home, entry);
}

static bool acked_by(const struct entry *entry, uint32_t seq)
{
    return entry != NULL && entry->seq != 0 && !sequence_after(entry->seq, seq);
}

/*
 * An ACK covers many entries, in a list whose next link is known only when an entry is there; so is its
 * message, which is needed when the answers go out. What was sent together was made together, and lies where
 * was foreseen.
 */
static inline __attribute__((always_inline)) void fetch_ahead(const struct entry *entry)
{
    for (uint32_t line = 0; line < sizeof *entry / WAX_CACHE_LINE_BYTES; line++)
        __builtin_prefetch((const uint8_t *)entry->ahead + line * WAX_CACHE_LINE_BYTES);
    __builtin_prefetch(entry->msg);
    __builtin_prefetch((const uint8_t *)entry->msg + WAX_CACHE_LINE_BYTES);
}

void window_acked(struct home *home, struct recipient *recipient, uint32_t seq, uint64_t now_us)
{
    if (recipient->queues->window.head != NULL)
        recipient->queues->progress_us = now_us;
    while (acked_by(recipient->queues->window.head, seq)) {
        struct entry *entry = entries_pop(&recipient->queues->window);
        fetch_ahead(entry);
        if (recipient->queues->unstored == entry)
            recipient->queues->unstored = recipient->queues->window.head;
        recipient->queues->window_count--;
        recipient->queues->window_bytes -= entry->payload_bytes;
        recipient->queues->delivered_bytes -= entry->payload_bytes;
        entry->places &= (uint8_t)~PLACE_WINDOW;
        entry_acked(home, recipient, entry);
    }
    while (acked_by(recipient->queues->ephemeral.head, seq)) {
        struct entry *entry = entries_pop(&recipient->queues->ephemeral);
        recipient->queues->ephemeral_count--;
        entry->places &= (uint8_t)~PLACE_EPHEMERAL;
        entry->acked = true;
        entry->answer = WIRE_DELIVERED;
        home_unsaid(home, entry);
        entry_settle(home, entry);
    }
    window_refill(home, recipient, now_us);
    if (recipient->queues->undelivered != NULL)
        recipient_queue_deliver(home, recipient);
    if (recipient->state != RECIPIENT_ONLINE)
        recipient_queue_control(home, recipient);
}

void window_refill(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    if (!recipient->direct || recipient->state != RECIPIENT_DRAINING)
        return;
    for (struct link *at = recipient->queues->store.next; at != &recipient->queues->store;) {
        struct entry *entry = list_entry(at, struct entry, store);
        at = at->next;
        if ((entry->places & PLACE_WINDOW) != 0 || entry->acked)
            continue;
        if (!window_has_room(home, recipient, entry->payload_bytes))
            return;
        window_append(home, recipient, entry, now_us);
    }
    recipient->state = RECIPIENT_ONLINE;
    recipient->due &= (uint8_t)~DUE_DRAIN;
}

void window_spill(struct home *home, struct recipient *recipient)
{
    for (struct entry *entry = recipient->queues->unstored; entry != NULL; entry = entry->next)
        store_append(home, recipient, entry);
    recipient->queues->unstored = NULL;
}

void hold_append(struct recipient *recipient, struct entry *entry, uint64_t now_us)
{
    entry->places |= PLACE_HELD;
    entry->time_us = now_us;
    entries_append(&recipient->queues->held, entry);
    recipient->queues->held_count++;
    recipient->queues->held_bytes += entry->payload_bytes;
}

void hold_spill(struct home *home, struct recipient *recipient)
{
    while (recipient->queues->held.head != NULL) {
        struct entry *entry = entries_pop(&recipient->queues->held);
        entry->places &= (uint8_t)~PLACE_HELD;
        store_append(home, recipient, entry);
    }
    recipient->queues->held_count = 0;
    recipient->queues->held_bytes = 0;
    if (recipient->state == RECIPIENT_HOLD)
        recipient->state = RECIPIENT_DRAINING;
}

/* ---- ephemeral ---- */

static struct entry *entry_of(struct home *home, struct recipient *recipient, struct msg *msg)
{
    struct entry *entry = entry_make(home, recipient, false);
    if (entry == NULL)
        return NULL;
    entry->msg = msg;
    entry->id = msg->id;
    entry->conn = msg->conn;
    entry->conn_generation = msg->conn_generation;
    entry->from = msg->from;
    entry->to = msg->to;
    entry->sender_worker = msg->owner;
    entry->payload_bytes = msg->payload_bytes;
    entry->flags = msg_deliver_flags(msg) | WIRE_DELIVER_EPHEMERAL;
    return entry;
}

static bool can_take_ephemeral(const struct recipient *recipient)
{
    return recipient->generation != 0 && !recipient->send_only && recipient->state > RECIPIENT_UNKNOWN;
}

void ephemeral_take(struct home *home, struct recipient *recipient, struct msg *msg, uint64_t now_us)
{
    struct entry *entry = NULL;
    if (can_take_ephemeral(recipient) && window_has_room(home, recipient, msg->payload_bytes))
        entry = entry_of(home, recipient, msg);
    if (entry == NULL) {
        if (home->up && (msg->send_flags & WIRE_SEND_URGENT) != 0 &&
            (recipient->generation == 0 || recipient->send_only))
            calls_note(&home->calls, msg);
        metrics_count(home->metrics, WAX_REJECT_NOT_CONNECTED);
        home_refuse(home, msg, WIRE_REASON_NOT_CONNECTED);
        return;
    }
    entry->places |= PLACE_EPHEMERAL;
    entry->time_us = now_us;
    entries_append(&recipient->queues->ephemeral, entry);
    recipient->queues->ephemeral_count++;
    if (recipient->queues->ephemeral_unsent == NULL)
        recipient->queues->ephemeral_unsent = entry;
    recipient_want_timer(home, recipient, now_us + WAX_EPHEMERAL_TIMEOUT_MS * 1000ull);
    recipient_queue_deliver(home, recipient);
}

void ephemeral_expire(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    while (recipient->queues->ephemeral.head != NULL) {
        struct entry *entry = recipient->queues->ephemeral.head;
        if (now_us < entry->time_us + WAX_EPHEMERAL_TIMEOUT_MS * 1000ull)
            return;
        entries_pop(&recipient->queues->ephemeral);
        recipient->queues->ephemeral_count--;
        if (recipient->queues->ephemeral_unsent == entry)
            recipient->queues->ephemeral_unsent = recipient->queues->ephemeral.head;
        entry->places &= (uint8_t)~PLACE_EPHEMERAL;
        entry->acked = true;
        entry->answer = WIRE_REJECTED;
        entry->reason = WIRE_REASON_NOT_CONNECTED;
        metrics_count(home->metrics, WAX_REJECT_NOT_CONNECTED);
        entry_settle(home, entry);
    }
}

/* ---- to the session ---- */

static bool deliver(struct home *home, struct recipient *recipient, struct entry *entry, uint32_t seq)
{
    struct item item = {.kind = ITEM_DELIVER, .flags = entry->flags};
    item.u.deliver.generation = recipient->generation;
    item.u.deliver.conn = recipient->conn;
    item.u.deliver.conn_generation = recipient->conn_generation;
    item.u.deliver.msg = entry->msg;
    item.u.deliver.seq = seq;
    if (!home->port->send(home->port->ctx, recipient->worker, &item))
        return false;
    entry->ticket = home->port->peers[recipient->worker].sent;
    entry->ticket_worker = recipient->worker;
    entry->handed = true;
    if (seq != 0) {
        entry->seq = seq;
        recipient->seq_last = seq;
    }
    return true;
}

void silent_take(struct home *home, struct recipient *recipient, struct msg *msg)
{
    struct entry *entry = NULL;
    if (can_take_ephemeral(recipient) && !recipient->attached_due)
        entry = entry_of(home, recipient, msg);
    if (entry != NULL && deliver(home, recipient, entry, 0)) {
        entry->acked = true; /* nothing will be heard of it */
        entry->answered = true;
        entry_settle(home, entry);
        return;
    }
    metrics_count(home->metrics, WAX_SILENT_DROPPED);
    home_refuse(home, msg, WIRE_REASON_NONE);
    if (entry != NULL) {
        entry->msg = NULL;
        entry_settle(home, entry);
    }
}

static bool send_attached(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    struct item item = {.kind = ITEM_ATTACHED};
    item.u.attached.generation = recipient->generation;
    item.u.attached.conn = recipient->conn;
    item.u.attached.conn_generation = recipient->conn_generation;
    item.u.attached.recipient = (uint32_t)(recipient - home->recipients);
    item.u.attached.wait_us = account_wait_us(home, recipient, now_us);
    return home->port->send(home->port->ctx, recipient->worker, &item);
}

bool window_send(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    if (recipient->attached_due && !send_attached(home, recipient, now_us))
        return false;
    recipient->attached_due = false;
    if (!receipts_send(home, recipient))
        return false;
    while (recipient->queues->ephemeral_unsent != NULL) {
        struct entry *entry = recipient->queues->ephemeral_unsent;
        if (!deliver(home, recipient, entry, sequence_next(recipient->seq_last)))
            return false;
        recipient->queues->ephemeral_unsent = entry->next;
    }
    while (recipient->queues->undelivered != NULL) {
        struct entry *entry = recipient->queues->undelivered;
        /* The rest follows when this much has been acknowledged. */
        if (recipient->queues->delivered_bytes != 0 &&
            recipient->queues->delivered_bytes + (uint64_t)entry->payload_bytes > home->config.window_bytes)
            break;
        if (recipient->queues->delivered_bytes == 0)
            recipient->queues->progress_us = now_us;
        if (!deliver(home, recipient, entry, sequence_next(recipient->seq_last)))
            return false;
        if (entry->position > recipient->handed)
            recipient->handed = entry->position;
        recipient->queues->delivered_bytes += entry->payload_bytes;
        recipient->queues->undelivered = entry->next;
        if (entry->stored)
            entry_settle(home, entry);
    }
    return true;
}
