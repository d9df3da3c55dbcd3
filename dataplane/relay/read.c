/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * READ, at its reader's home. It goes to the sender's home as receipts of stored messages do (receipt.c), but
 * not before what the sender is told of messages that this home had seen acknowledged before it came: else it
 * could overtake the DELIVERED of its message.
 */
#include "relay/home_internal.h"

#define READ_RESERVE 4u /* the part of the entries that READs leave to messages: one in so many */

void home_unsaid(struct home *home, struct entry *entry)
{
    entry->unsaid = true;
    entry->phase = home->phase;
    home->unsaid[home->phase]++;
}

static void drop(struct home *home)
{
    metrics_count(home->metrics, WAX_READ_DROPPED);
}

void read_take(struct home *home, const struct item *item)
{
    struct recipient *reader = recipient_of_read(home, item);
    if (reader == NULL) {
        drop(home);
        return;
    }
    struct entry *entry = NULL;
    if (home->entries.free_count > home->reserved + home->entries.count / READ_RESERVE)
        entry = entry_make(home, reader, false);
    if (entry == NULL) {
        drop(home);
        recipient_rest(home, reader);
        return;
    }
    entry->from = item->u.read.sender;
    entry->to = reader->name;
    entry->id = item->u.read.id;
    entry->kind = WIRE_READ_BY;
    entry->acked = true;
    entry->answered = true;
    entry->receipt_due = true;
    entries_append(&home->reads[1], entry);
}

/*
 * What is unsaid belongs to one of two phases. READs that came in the present phase wait for it to end
 * (reads[1]); those that had come before it began wait for what is left of the one before (reads[0]).
 */
bool reads_go_on(struct home *home)
{
    bool any = false;
    while ((home->reads[0].head != NULL || home->reads[1].head != NULL) && home->unsaid[!home->phase] == 0) {
        while (home->reads[0].head != NULL) {
            any = true;
            entry_settle(home, entries_pop(&home->reads[0]));
        }
        home->reads[0] = home->reads[1];
        home->reads[1] = (struct entries){NULL, NULL};
        home->phase = !home->phase;
    }
    return any;
}

/* All receipts that are in its mailbox, or on their way there, have come out again: what is shown is behind
 * them. */
static bool mailbox_shown(const struct recipient *sender)
{
    if (sender->state == RECIPIENT_ONLINE)
        return true;
    return sender->drain != 0 && sender->idle_seen && sender->high_stored <= sender->idle_upto &&
           list_empty(&sender->queues->store);
}

/*
 * What READ must not overtake is in the mailbox, or has been shown and not been given (and will be in the
 * mailbox if the session ends before). So it is shown once all of the mailbox has been, or stored once all
 * that was shown has been given.
 */
void reads_settle(struct home *home, struct recipient *sender)
{
    while (sender->queues->later.head != NULL) {
        bool here = sender->generation != 0;
        if (here && !mailbox_shown(sender) && sender->queues->show.head != NULL)
            return;
        struct entry *entry = entries_pop(&sender->queues->later);
        sender->queues->later_count--;
        if (here && sender->policed && policy_refuses(home, sender, entry->to.user)) {
            metrics_count(home->metrics, WAX_REJECT_BLOCKED);
            receipt_done(home, entry, true);
            continue;
        }
        if (here && mailbox_shown(sender))
            receipt_show(home, sender, entry);
        else
            store_append(home, sender, entry);
    }
}

void read_adopt(struct home *home, struct recipient *sender, struct entry *entry)
{
    struct queues *queues = sender->queues;
    if (queues->show_count + queues->store_count + queues->later_count >= home->config.queue_messages) {
        drop(home);
        receipt_done(home, entry, true);
        return;
    }
    entries_append(&queues->later, entry);
    queues->later_count++;
    reads_settle(home, sender);
}
