/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/home_internal.h"

#define ENTRIES_AHEAD 4u /* how far behind the one that is acknowledged the window is fetched */

_Static_assert(sizeof(struct entry) == 3 * WAX_CACHE_LINE_BYTES, "an entry has its cache lines to itself");

struct entry *entry_make(struct home *home, struct recipient *recipient, bool promised)
{
    if (!promised && home->entries.free_count <= home->reserved)
        return NULL;
    struct entry *entry = pool_take(&home->entries);
    if (entry == NULL)
        return NULL;
    memset(entry, 0, sizeof *entry);
    entry->ahead = pool_foresee(&home->entries, ENTRIES_AHEAD - 1);
    link_init(&entry->store);
    entry->recipient = recipient;
    entry->slot = NONE;
    entry->owner = (uint8_t)home->self;
    recipient->entries++;
    home->metrics->messages_now++;
    return entry;
}

static void entry_free(struct home *home, struct entry *entry)
{
    struct recipient *recipient = entry->recipient;
    assert(!entry->unsaid && entry->msg == NULL && entry->slot == NONE && list_empty(&entry->store));
    recipient->entries--;
    recipient->owed -= entry->owed;
    home->metrics->messages_now--;
    pool_give(&home->entries, entry);
    recipient_rest(home, recipient);
}

static void out_append(struct entries *list, struct entry *entry)
{
    entry->out_next = NULL;
    if (list->tail == NULL)
        list->head = entry;
    else
        list->tail->out_next = entry;
    list->tail = entry;
}

static void out_pop(struct entries *list)
{
    list->head = list->head->out_next;
    if (list->head == NULL)
        list->tail = NULL;
}

static void out_push(struct home *home, struct entry *entry, enum out out, uint32_t worker)
{
    entry->out = (uint8_t)out;
    out_append(out == OUT_WAIT ? &home->waiting[worker] : &home->outbox[worker], entry);
}

/* True when nobody will need the message again, as far as home knows. */
static bool msg_idle(const struct entry *entry)
{
    if ((entry->places & PLACE_HELD) != 0)
        return false;
    if ((entry->places & (PLACE_WINDOW | PLACE_EPHEMERAL)) != 0 && entry->seq == 0)
        return false;
    return entry->stored || entry->acked;
}

/* True when the worker that was sent its last DELIVER has taken it, and won't read it again. */
static bool ticket_taken(const struct home *home, const struct entry *entry)
{
    return entry->ticket <= home->port->peers[entry->ticket_worker].consumed;
}

void entry_settle(struct home *home, struct entry *entry)
{
    if (entry->out != OUT_NOTHING)
        return; /* settled again when that is given */
    if (entry->answer != 0 && !entry->answered) {
        out_push(home, entry, OUT_ANSWER, entry->sender_worker);
        return;
    }
    if (entry->msg != NULL && msg_idle(entry)) {
        if (!ticket_taken(home, entry)) {
            out_push(home, entry, OUT_WAIT, entry->ticket_worker);
            return;
        }
        if (entry->msg->owner != home->self) {
            out_push(home, entry, OUT_FREE, entry->msg->owner);
            return;
        }
        msg_free(home->messages, entry->msg);
        entry->msg = NULL;
    }
    if (entry->places != 0)
        return;
    if (entry->receipt_due) {
        entry->receipt_due = false;
        out_push(home, entry, OUT_RECEIPT, route_home(home->route, entry->from.user));
    } else if (entry->retire_due) {
        entry->retire_due = false;
        entry->places |= PLACE_RETIRE;
        entries_append(&entry->recipient->queues->retire, entry);
        recipient_queue_control(home, entry->recipient);
    } else {
        entry_free(home, entry);
    }
}

void receipt_done(struct home *home, struct entry *entry, bool retired)
{
    if (entry->role == ROLE_RECEIPT) {
        entry->retire_due = !retired;
        entry_settle(home, entry);
        return;
    }
    entry->retired = retired;
    out_push(home, entry, OUT_DONE, entry->owner);
}

/* Gives what is due for the first entry of an outbox; it may be another worker's afterwards. */
static bool give_first(struct home *home, uint32_t worker)
{
    struct entry *entry = home->outbox[worker].head;
    enum out out = entry->out;
    struct item item = {.kind = ITEM_FREE};
    bool lends = out == OUT_RECEIPT || out == OUT_DONE;
    if (out == OUT_ANSWER) {
        item.kind = ITEM_ANSWER;
        item.flags = 1;
        item.u.answer.msg =
            entry->msg != NULL && msg_idle(entry) && ticket_taken(home, entry) ? entry->msg : NULL;
        item.u.answer.frame = msg_frame_of(entry->msg);
        item.u.answer.id = entry->id;
        item.u.answer.conn = entry->conn;
        item.u.answer.conn_generation = entry->conn_generation;
        item.u.answer.status_kind = entry->answer;
        item.u.answer.reason = entry->reason;
        item.u.answer.about = entry->to;
    } else if (out == OUT_FREE) {
        item.u.send.msg = entry->msg;
    } else {
        item.kind = out == OUT_RECEIPT ? ITEM_RECEIPT : ITEM_RECEIPT_DONE;
        item.flags = entry->retired;
        item.u.entry = entry;
    }
    struct entry *next = entry->out_next;
    uint8_t places = entry->places;
    if (lends) {
        entry->out = OUT_NOTHING;
        entry->places = out == OUT_RECEIPT ? PLACE_LENT : 0;
    }
    bool says = entry->unsaid && (out == OUT_RECEIPT || (out == OUT_ANSWER && !entry->receipt_due));
    bool phase = entry->phase;
    if (says)
        entry->unsaid = false;
    if (!home->port->give(home->port->ctx, worker, &item)) {
        entry->out = (uint8_t)out;
        entry->places = places;
        entry->unsaid |= says;
        return false;
    }
    if (says)
        home->unsaid[phase]--;
    home->outbox[worker].head = next;
    if (next == NULL)
        home->outbox[worker].tail = NULL;
    if (lends)
        return true;
    entry->out = OUT_NOTHING;
    if (out == OUT_ANSWER)
        entry->answered = true;
    if (out == OUT_FREE || item.u.answer.msg != NULL)
        entry->msg = NULL;
    entry_settle(home, entry);
    return true;
}

void home_refuse(struct home *home, struct msg *msg, enum wire_reason reason)
{
    msg->reason = (uint8_t)reason;
    msg->next = NULL;
    if (home->refused_tail == NULL)
        home->refused_head = msg;
    else
        home->refused_tail->next = msg;
    home->refused_tail = msg;
}

static bool give_refused(struct home *home)
{
    struct msg *msg = home->refused_head;
    struct item item = {.kind = ITEM_FREE};
    if (msg->reason == WIRE_REASON_NONE) {
        item.u.send.msg = msg;
    } else {
        item.kind = ITEM_ANSWER;
        item.flags = 1;
        item.u.answer.msg = msg;
        item.u.answer.frame = msg_frame_of(msg);
        item.u.answer.id = msg->id;
        item.u.answer.conn = msg->conn;
        item.u.answer.conn_generation = msg->conn_generation;
        item.u.answer.status_kind = WIRE_REJECTED;
        item.u.answer.reason = msg->reason;
        item.u.answer.about = msg->to;
    }
    struct msg *next = msg->next;
    if (!home->port->give(home->port->ctx, msg->owner, &item))
        return false;
    home->refused_head = next;
    if (next == NULL)
        home->refused_tail = NULL;
    return true;
}

bool home_notice(struct home *home, uint32_t worker, const struct item *item)
{
    if (home->notice_tail - home->notice_head == NOTICES)
        return false;
    struct notice *notice = &home->notices[home->notice_tail++ % NOTICES];
    notice->worker = worker;
    notice->item = *item;
    return true;
}

static bool give_notice(struct home *home)
{
    const struct notice *notice = &home->notices[home->notice_head % NOTICES];
    if (!home->port->give(home->port->ctx, notice->worker, &notice->item))
        return false;
    home->notice_head++;
    return true;
}

bool home_give(struct home *home)
{
    while (home->notice_head != home->notice_tail && give_notice(home)) {
    }
    while (home->refused_head != NULL && give_refused(home)) {
    }
    for (uint32_t worker = 0; worker < home->port->workers; worker++) {
        struct entries *list = &home->waiting[worker];
        while (list->head != NULL && ticket_taken(home, list->head)) {
            struct entry *entry = list->head;
            out_pop(list);
            entry->out = OUT_NOTHING;
            entry_settle(home, entry);
        }
    }
    bool progress, waiting;
    do {
        progress = waiting = false;
        for (uint32_t worker = 0; worker < home->port->workers; worker++) {
            while (home->outbox[worker].head != NULL && give_first(home, worker))
                progress = true;
            waiting = waiting || home->outbox[worker].head != NULL;
        }
    } while (progress && waiting);
    return waiting || home->notice_head != home->notice_tail || home->refused_head != NULL;
}
