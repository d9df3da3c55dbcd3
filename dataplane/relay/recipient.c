/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/home_internal.h"

void recipients_init(struct home *home)
{
    uint32_t count = home->config.recipients;
    for (uint32_t i = 0; i < count; i++) {
        struct recipient *recipient = &home->recipients[i];
        memset(recipient, 0, sizeof *recipient);
        link_init(&recipient->place);
        recipient->queues = &home->nothing;
        recipient->hash_next = i + 1 < count ? i + 1 : NONE;
    }
    home->recipients_free = 0;
    for (uint32_t i = 0; i <= home->bucket_mask; i++)
        home->buckets[i] = NONE;
    link_init(&home->idle);
    link_init(&home->nothing.store);
    link_init(&home->nothing.deliver);
    wheel_init(&home->wheel, &home->recipients[0].timer, sizeof home->recipients[0], TIMER_GRANULE_US, 0);
}

static uint32_t *bucket_of(struct home *home, const struct name *name)
{
    uint64_t hash = siphash13(home->config.hash_key, view_of(name, sizeof *name));
    return &home->buckets[hash & home->bucket_mask];
}

static inline __attribute__((always_inline)) void fetch(const void *at)
{
    __builtin_prefetch(at);
    __builtin_prefetch((const uint8_t *)at + WAX_CACHE_LINE_BYTES);
}

static inline __attribute__((always_inline)) void fetch_recipient(const struct recipient *recipient)
{
    fetch(recipient);
}

static inline __attribute__((always_inline)) void fetch_entry(const struct entry *entry)
{
    fetch(entry);
    __builtin_prefetch((const uint8_t *)entry + 2 * WAX_CACHE_LINE_BYTES);
}

/* In stages over the burst: messages, then buckets, then recipients, so that the waits overlap. */
void recipients_prefetch(struct home *home, const struct item *const items[], uint32_t count)
{
    uint32_t *bucket[WAX_BURST_MAX];
    for (uint32_t i = 0; i < count; i++) {
        if (items[i]->kind == ITEM_SEND)
            fetch(items[i]->u.send.msg);
        else if (items[i]->kind >= ITEM_ACK && items[i]->kind <= ITEM_GIVEN &&
                 items[i]->u.report.recipient < home->config.recipients)
            fetch_recipient(&home->recipients[items[i]->u.report.recipient]);
    }
    for (uint32_t i = 0; i < count; i++) {
        bucket[i] = items[i]->kind == ITEM_SEND ? bucket_of(home, &items[i]->u.send.msg->to) : NULL;
        if (bucket[i] != NULL)
            __builtin_prefetch(bucket[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (bucket[i] != NULL && *bucket[i] != NONE)
            fetch_recipient(&home->recipients[*bucket[i]]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (items[i]->kind == ITEM_ACK && items[i]->u.report.recipient < home->config.recipients)
            fetch(home->recipients[items[i]->u.report.recipient].queues);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (items[i]->kind == ITEM_ACK && items[i]->u.report.recipient < home->config.recipients &&
            home->recipients[items[i]->u.report.recipient].queues->window.head != NULL)
            fetch_entry(home->recipients[items[i]->u.report.recipient].queues->window.head);
    }
}

static uint32_t index_of(const struct home *home, const struct recipient *recipient)
{
    return (uint32_t)(recipient - home->recipients);
}

struct recipient *recipient_find(struct home *home, const struct name *name)
{
    for (uint32_t i = *bucket_of(home, name); i != NONE; i = home->recipients[i].hash_next) {
        if (name_same(&home->recipients[i].name, name)) {
            recipient_sync(home, &home->recipients[i]);
            return &home->recipients[i];
        }
    }
    return NULL;
}

static void leave_place(struct recipient *recipient)
{
    list_remove(&recipient->place);
    recipient->resting = false;
}

bool recipient_wake(struct home *home, struct recipient *recipient)
{
    if (recipient->queues != &home->nothing)
        return true;
    struct queues *queues = pool_take(&home->queues);
    if (queues == NULL)
        return false;
    *queues = (struct queues){.recipient = recipient};
    link_init(&queues->store);
    link_init(&queues->deliver);
    recipient->queues = queues;
    return true;
}

bool queues_empty(const struct queues *queues)
{
    return queues->window.head == NULL && queues->ephemeral.head == NULL && queues->show.head == NULL &&
           queues->held.head == NULL && queues->retire.head == NULL && queues->later.head == NULL &&
           list_empty(&queues->store) && list_empty(&queues->deliver);
}

static void sleep_if_idle(struct home *home, struct recipient *recipient)
{
    if (recipient->queues == &home->nothing || recipient->entries != 0 || !queues_empty(recipient->queues))
        return;
    pool_give(&home->queues, recipient->queues);
    recipient->queues = &home->nothing;
}

static void forget(struct home *home, struct recipient *recipient)
{
    uint32_t *link = bucket_of(home, &recipient->name);
    while (*link != index_of(home, recipient))
        link = &home->recipients[*link].hash_next;
    *link = recipient->hash_next;
    leave_place(recipient);
    wheel_cancel(&home->wheel, &recipient->timer);
    recipient->used = false;
    recipient->generation = 0;
    recipient->hash_next = home->recipients_free;
    home->recipients_free = index_of(home, recipient);
    home->recipients_used--;
}

struct recipient *recipient_make(struct home *home, const struct name *name)
{
    struct recipient *recipient = recipient_find(home, name);
    if (recipient != NULL) {
        if (!recipient_wake(home, recipient))
            return NULL;
        if (recipient->resting)
            leave_place(recipient);
        return recipient;
    }
    if (home->queues.free_count == 0)
        return NULL;
    if (home->recipients_free == NONE) {
        struct link *oldest = list_first(&home->idle);
        if (oldest == NULL)
            return NULL;
        forget(home, list_entry(oldest, struct recipient, place));
    }
    recipient = &home->recipients[home->recipients_free];
    home->recipients_free = recipient->hash_next;
    home->recipients_used++;
    home->metrics->recipients_now = home->recipients_used;
    memset(recipient, 0, sizeof *recipient);
    link_init(&recipient->place);
    recipient->queues = &home->nothing;
    bool awake = recipient_wake(home, recipient);
    assert(awake);
    recipient->used = true;
    recipient->name = *name;
    recipient->channel = home->channel;
    /* What the mailbox may hold of it from before was perhaps delivered once: we don't know. */
    recipient->handed = home->position;
    uint32_t *bucket = bucket_of(home, name);
    recipient->hash_next = *bucket;
    *bucket = index_of(home, recipient);
    return recipient;
}

struct recipient *recipient_of_report(struct home *home, const struct item *item)
{
    uint32_t index = item->u.report.recipient;
    struct recipient *recipient = index < home->config.recipients ? &home->recipients[index] : NULL;
    if (recipient == NULL || !recipient->used || recipient->generation == 0 ||
        recipient->generation != item->u.report.generation) {
        metrics_count(home->metrics, WAX_SESSION_STALE);
        return NULL;
    }
    recipient_sync(home, recipient);
    return recipient;
}

struct recipient *recipient_of_read(struct home *home, const struct item *item)
{
    uint32_t index = item->u.read.recipient;
    uint64_t generation = item->u.read.generation;
    struct recipient *recipient = index < home->config.recipients ? &home->recipients[index] : NULL;
    if (recipient == NULL || !recipient->used || generation == 0 ||
        (recipient->generation != generation &&
         (recipient->closed_generation != generation || !recipient->ended))) {
        metrics_count(home->metrics, WAX_SESSION_STALE);
        return NULL;
    }
    recipient_sync(home, recipient);
    if (!recipient_wake(home, recipient))
        return NULL;
    if (recipient->resting)
        leave_place(recipient);
    return recipient;
}

void recipient_rest(struct home *home, struct recipient *recipient)
{
    /* While control is away, nothing that only it cares about keeps anyone from being forgotten. */
    if (!home->up && recipient->generation == 0 && !recipient->resting &&
        recipient->queues->unoffered == NULL && recipient->queues->retire.head == NULL)
        list_remove(&recipient->place);
    sleep_if_idle(home, recipient);
    if (recipient->generation != 0 || recipient->evicting || recipient->queues != &home->nothing ||
        !list_empty(&recipient->place))
        return;
    recipient->resting = true;
    list_append(&home->idle, &recipient->place);
}

void recipient_sync(struct home *home, struct recipient *recipient)
{
    if (recipient->channel == home->channel)
        return;
    recipient->channel = home->channel;
    recipient->credit = 0; /* home.reserved began anew with the channel */
    recipient->drain = 0;
    recipient->idle_seen = false;
    recipient->due &= (uint8_t) ~(DUE_STOP | DUE_CLOSE);
    if (recipient->evicting)
        recipient->due |= DUE_DRAIN;
    recipient->queues->unoffered = list_first(&recipient->queues->store);
    if (recipient->retired_from != 0 &&
        (recipient->unsure_from == 0 || recipient->retired_from < recipient->unsure_from))
        recipient->unsure_from = recipient->retired_from;
    recipient->retired_from = 0;
    if (recipient->generation != 0) {
        recipient->due |= DUE_OPEN;
        if (recipient->state != RECIPIENT_ONLINE)
            recipient->due |= DUE_DRAIN;
    }
    if (recipient->generation != 0 || recipient->evicting || recipient->queues->unoffered != NULL ||
        recipient->queues->retire.head != NULL)
        recipient_queue_control(home, recipient);
}

void recipient_queue_control(struct home *home, struct recipient *recipient)
{
    if (recipient->resting)
        leave_place(recipient);
    if (list_empty(&recipient->place))
        list_append(&home->control, &recipient->place);
}

void recipient_queue_deliver(struct home *home, struct recipient *recipient)
{
    if (list_empty(&recipient->queues->deliver))
        list_append(&home->deliver[recipient->worker], &recipient->queues->deliver);
}

void recipient_want_timer(struct home *home, struct recipient *recipient, uint64_t at_us)
{
    if (!timer_armed(&recipient->timer) || at_us < recipient->timer.deadline_us)
        wheel_arm(&home->wheel, &recipient->timer, at_us);
}
