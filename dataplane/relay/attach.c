/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/home_internal.h"

/* To a connection's worker: its session is not, or no longer, the one of its device. */
static bool turn_away(struct home *home, uint32_t worker, uint32_t conn, uint32_t conn_generation,
                      enum item_kind kind, enum wax_status why)
{
    struct item item = {.kind = (uint8_t)kind};
    item.u.attached.conn = conn;
    item.u.attached.conn_generation = conn_generation;
    item.u.attached.status = why;
    return home_notice(home, worker, &item);
}

bool session_attach(struct home *home, const struct item *item, uint64_t now_us)
{
    if (home->notice_tail - home->notice_head == NOTICES)
        return false;
    uint32_t conn = item->u.attach.conn;
    uint32_t conn_generation = item->u.attach.conn_generation;
    struct recipient *recipient = recipient_make(home, &item->u.attach.name);
    if (recipient == NULL) {
        turn_away(home, item->from, conn, conn_generation, ITEM_REFUSED, WAX_SESSION_NO_ROOM);
        return true;
    }
    if (recipient->generation != 0) {
        /* One that has not heard of its attachment is refused: it waits for an answer. */
        turn_away(home, recipient->worker, recipient->conn, recipient->conn_generation,
                  recipient->attached_due ? ITEM_REFUSED : ITEM_DISPLACE, WAX_SESSION_DISPLACED);
        session_over(home, recipient);
        bool awake = recipient_wake(home, recipient); /* what may just have gone back is there */
        assert(awake);
    }
    if (recipient->evicting)
        drain_end(home, recipient);
    recipient->evicting = false;
    recipient->generation = ++home->generation;
    recipient->worker = item->from;
    recipient->conn = conn;
    recipient->conn_generation = conn_generation;
    recipient->since_ms = item->u.attach.since_ms;
    recipient->peer_port = item->u.attach.peer_port;
    memcpy(recipient->peer, item->u.attach.peer, sizeof recipient->peer);
    recipient->tls = item->u.attach.tls != 0;
    recipient->send_only = item->u.attach.send_only != 0;
    recipient->state = RECIPIENT_UNKNOWN;
    /* What may not have been retired is streamed again, and then retired again. */
    if (recipient->unsure_from != 0 && recipient->streamed >= recipient->unsure_from)
        recipient->streamed = recipient->unsure_from - 1;
    recipient->unsure_from = 0;
    recipient->attached_due = true;
    recipient->closing = false;
    recipient->seq_last = 0;
    recipient->shown = 0;
    recipient->queues->progress_us = now_us;
    recipient->due &= (uint8_t)~DUE_CLOSE;
    recipient->due |= DUE_OPEN | DUE_DRAIN;
    home->sessions++;
    recipient_queue_control(home, recipient);
    recipient_queue_deliver(home, recipient);
    return true;
}

static void window_over(struct home *home, struct recipient *recipient)
{
    while (recipient->queues->window.head != NULL) {
        struct entry *entry = entries_pop(&recipient->queues->window);
        entry->places &= (uint8_t)~PLACE_WINDOW;
        /* Those that are stored come again by a drain; those on their way there already are in order. */
        if (!entry->stored && (entry->places & PLACE_STORE) == 0)
            store_append(home, recipient, entry);
        entry_settle(home, entry);
    }
    recipient->queues->undelivered = NULL;
    recipient->queues->unstored = NULL;
    recipient->queues->window_count = 0;
    recipient->queues->window_bytes = 0;
    recipient->queues->delivered_bytes = 0;
}

void session_over(struct home *home, struct recipient *recipient)
{
    /* The next drain begins here: what it has streamed is in the mailbox or acknowledged. */
    if (recipient->streamed > recipient->acked_position)
        recipient->streamed = recipient->acked_position;
    recipient->closed_generation = recipient->generation;
    recipient->ended = false;
    recipient->generation = 0;
    recipient->state = RECIPIENT_AWAY;
    recipient->direct = false;
    recipient->attached_due = false;
    window_over(home, recipient);
    hold_spill(home, recipient);
    ephemeral_expire(home, recipient, UINT64_MAX);
    receipts_session_over(home, recipient);
    policy_forget(home, recipient);
    list_remove(&recipient->queues->deliver);
    drain_end(home, recipient);
    recipient->due &= (uint8_t) ~(DUE_OPEN | DUE_DRAIN);
    home->sessions--;
    if (home->up) { /* a new attachment begins without sessions */
        recipient->due |= DUE_CLOSE;
        recipient_queue_control(home, recipient);
    }
}

static bool slow(const struct recipient *recipient, uint64_t *due_us)
{
    const struct entry *oldest = recipient->queues->window.head;
    if (recipient->generation == 0 || oldest == NULL || oldest->seq == 0)
        return false;
    uint64_t since =
        oldest->time_us > recipient->queues->progress_us ? oldest->time_us : recipient->queues->progress_us;
    *due_us = since + WAX_ACK_TIMEOUT_MS * 1000ull;
    return true;
}

static void rearm(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    uint64_t due;
    if (recipient->queues->ephemeral.head != NULL)
        recipient_want_timer(home, recipient,
                             recipient->queues->ephemeral.head->time_us + WAX_EPHEMERAL_TIMEOUT_MS * 1000ull);
    if (recipient->queues->unstored != NULL)
        recipient_want_timer(home, recipient,
                             recipient->queues->unstored->time_us + WAX_ACK_STORE_MS * 1000ull);
    if (recipient->queues->held.head != NULL)
        recipient_want_timer(home, recipient,
                             recipient->queues->held.head->time_us + WAX_ACK_STORE_MS * 1000ull);
    if (slow(recipient, &due))
        recipient_want_timer(home, recipient, due > now_us ? due : now_us + WAX_ACK_TIMEOUT_MS * 1000ull);
    else if (recipient->queues->window.head != NULL)
        recipient_want_timer(home, recipient, now_us + WAX_ACK_TIMEOUT_MS * 1000ull);
    if (recipient->queues->pause_us > now_us)
        recipient_want_timer(home, recipient, recipient->queues->pause_us);
    if (recipient->redrain_us > now_us)
        recipient_want_timer(home, recipient, recipient->redrain_us);
}

void recipient_expired(struct home *home, struct recipient *recipient, uint64_t now_us)
{
    uint64_t due;
    recipient_sync(home, recipient);
    ephemeral_expire(home, recipient, now_us);
    if (recipient->queues->unstored != NULL &&
        now_us >= recipient->queues->unstored->time_us + WAX_ACK_STORE_MS * 1000ull)
        window_spill(home, recipient);
    if (recipient->queues->held.head != NULL &&
        now_us >= recipient->queues->held.head->time_us + WAX_ACK_STORE_MS * 1000ull)
        hold_spill(home, recipient);
    if (slow(recipient, &due) && now_us >= due && !recipient->closing) {
        recipient->closing = turn_away(home, recipient->worker, recipient->conn, recipient->conn_generation,
                                       ITEM_CLOSE, WAX_SESSION_TOO_SLOW);
        if (!recipient->closing)
            recipient_want_timer(home, recipient, now_us + RETRY_US);
    }
    if (recipient->queues->pause_us <= now_us)
        recipient->queues->pause_us = 0;
    if (recipient->redrain_us <= now_us)
        recipient->redrain_us = 0;
    if (recipient->queues->unoffered != NULL || recipient->due != 0 || recipient->drain != 0)
        recipient_queue_control(home, recipient);
    rearm(home, recipient, now_us);
    recipient_rest(home, recipient);
}
