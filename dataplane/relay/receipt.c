/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/envelope.h"
#include "relay/home_internal.h"

void receipt_show(struct home *home, struct recipient *recipient, struct entry *entry)
{
    entry->places |= PLACE_SHOW;
    entry->seq = 0;
    entries_append(&recipient->queues->show, entry);
    recipient->queues->show_count++;
    if (recipient->queues->unshown == NULL)
        recipient->queues->unshown = entry;
    recipient_queue_deliver(home, recipient);
}

/* A receipt has come from the recipient's home: show it, or put it into its owner's mailbox. */
static bool adopt(struct home *home, struct entry *entry)
{
    struct recipient *recipient = recipient_make(home, &entry->from);
    if (recipient == NULL)
        return false;
    if (entry->kind == WIRE_READ_BY)
        read_adopt(home, recipient, entry);
    else if (recipient->generation != 0)
        receipt_show(home, recipient, entry);
    else
        store_append(home, recipient, entry);
    return true;
}

void receipt_take(struct home *home, struct entry *entry)
{
    entry->role = ROLE_LENT;
    entry->places = 0;
    entry->offered = false;
    entry->receipt_position = 0;
    if (home->orphans.head != NULL || !adopt(home, entry))
        entries_append(&home->orphans, entry);
}

void receipts_adopt(struct home *home)
{
    while (home->orphans.head != NULL) {
        struct entry *entry = entries_pop(&home->orphans);
        if (adopt(home, entry))
            continue;
        /* Back to the front: receipts keep their order. */
        entry->next = home->orphans.head;
        home->orphans.head = entry;
        if (home->orphans.tail == NULL)
            home->orphans.tail = entry;
        return;
    }
}

bool receipts_send(struct home *home, struct recipient *recipient)
{
    while (recipient->queues->unshown != NULL) {
        struct entry *entry = recipient->queues->unshown;
        struct item item = {.kind = ITEM_SHOW};
        item.u.show.id = entry->id;
        item.u.show.conn = recipient->conn;
        item.u.show.conn_generation = recipient->conn_generation;
        item.u.show.number = sequence_next(recipient->shown);
        item.u.show.status_kind = entry->kind;
        item.u.show.reason = entry->reason;
        item.u.show.about = entry->to;
        if (!home->port->send(home->port->ctx, recipient->worker, &item))
            return false;
        recipient->shown = item.u.show.number;
        entry->seq = recipient->shown;
        recipient->queues->unshown = entry->next;
    }
    return true;
}

void receipts_given(struct home *home, struct recipient *recipient, uint32_t number)
{
    while (recipient->queues->show.head != NULL) {
        struct entry *entry = recipient->queues->show.head;
        if (entry->seq == 0 || sequence_after(entry->seq, number))
            break;
        entries_pop(&recipient->queues->show);
        recipient->queues->show_count--;
        entry->places &= (uint8_t)~PLACE_SHOW;
        receipt_done(home, entry, false);
    }
    reads_settle(home, recipient);
    if (recipient->state != RECIPIENT_ONLINE)
        recipient_queue_control(home, recipient);
}

void receipts_session_over(struct home *home, struct recipient *recipient)
{
    while (recipient->queues->show.head != NULL) {
        struct entry *entry = entries_pop(&recipient->queues->show);
        entry->places &= (uint8_t)~PLACE_SHOW;
        if (entry->role == ROLE_LENT) {
            store_append(home, recipient, entry);
            continue;
        }
        /* It is in the mailbox still: the next drain must bring it again. */
        if (recipient->streamed >= entry->position)
            recipient->streamed = entry->position - 1;
        entry_settle(home, entry);
    }
    recipient->queues->unshown = NULL;
    recipient->queues->show_count = 0;
    reads_settle(home, recipient);
}
