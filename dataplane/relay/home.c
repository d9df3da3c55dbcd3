/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/allowance.h"
#include "relay/home_internal.h"

#define POSITION_EPOCH_SHIFT 48

struct layout {
    size_t recipients, buckets, stores, accounts, entries, queues, policies, total;
};

static uint32_t buckets_for(uint32_t recipients)
{
    uint32_t buckets = 16;
    while (buckets <
           recipients - recipients / 4) /* chains of 4/3 at most: a session's memory counts every byte */
        buckets *= 2;
    return buckets;
}

/* Whoever has a message under way has queues; sessions that are attaching, and receipts of others, come on
 * top. */
static uint32_t queues_for(const struct home_config *config)
{
    return config->messages + config->messages / 8 + 64;
}

/* Few have a policy; who finds no memory for it is served by way of the mailbox. */
static uint32_t policies_for(const struct home_config *config)
{
    return config->messages / 16 < 16384 - 64 ? config->messages / 16 + 64 : 16384;
}

static size_t rounded(size_t bytes)
{
    return (bytes + WAX_CACHE_LINE_BYTES - 1) & ~(size_t)(WAX_CACHE_LINE_BYTES - 1);
}

static struct layout layout_of(const struct home_config *config)
{
    struct layout layout;
    layout.recipients = rounded(sizeof(struct home));
    layout.buckets = layout.recipients + rounded(config->recipients * sizeof(struct recipient));
    layout.stores = layout.buckets + rounded(buckets_for(config->recipients) * sizeof(uint32_t));
    layout.accounts = layout.stores + rounded(config->stores * sizeof(struct store_slot));
    layout.entries = layout.accounts + rounded(config->account_per_s != 0 ? rates_bytes() : 0);
    layout.queues = layout.entries + rounded(pool_bytes(config->messages, sizeof(struct entry)));
    layout.policies = layout.queues + rounded(pool_bytes(queues_for(config), sizeof(struct queues)));
    layout.total = layout.policies + pool_bytes(policies_for(config), sizeof(struct policy_part));
    return layout;
}

size_t home_bytes(const struct home_config *config)
{
    return layout_of(config).total + WAX_CACHE_LINE_BYTES;
}

size_t home_recipients_bytes(const struct home_config *config)
{
    return config->recipients * sizeof(struct recipient);
}

size_t home_table_bytes(const struct home_config *config)
{
    return buckets_for(config->recipients) * sizeof(uint32_t);
}

enum wax_status home_init(struct home **out, struct span memory, const struct home_config *config,
                          const struct relay_port *port, const struct route *route, struct msg_pool *messages,
                          struct wax_metrics *metrics, uint64_t now_us)
{
    if (config->recipients == 0 || config->recipients > WHEEL_TIMERS_MAX || config->messages == 0 ||
        config->stores == 0 || port->workers == 0 || port->workers > WAX_WORKERS_MAX)
        return WAX_BAD_ARGUMENT;
    if (memory.len < home_bytes(config))
        return WAX_NO_MEMORY;
    struct layout layout = layout_of(config);
    uint8_t *base = memory.data + (rounded((size_t)(uintptr_t)memory.data) - (size_t)(uintptr_t)memory.data);
    struct home *home = (struct home *)(void *)base;
    memset(home, 0, sizeof *home);
    home->config = *config;
    if (config->window_messages == 0)
        home->config.window_messages = WAX_HOME_WINDOW_MESSAGES;
    if (config->window_bytes == 0)
        home->config.window_bytes = WAX_HOME_WINDOW_BYTES;
    if (config->queue_messages == 0)
        home->config.queue_messages = 4 * home->config.window_messages;
    home->port = port;
    home->route = route;
    home->messages = messages;
    home->metrics = metrics;
    home->self = port->self;
    home->recipients = (struct recipient *)(void *)(base + layout.recipients);
    home->buckets = (uint32_t *)(void *)(base + layout.buckets);
    home->bucket_mask = buckets_for(config->recipients) - 1;
    home->stores = (struct store_slot *)(void *)(base + layout.stores);
    home->reannounce = NONE;
    for (uint32_t i = 0; i < config->stores; i++)
        home->stores[i] = (struct store_slot){.next_free = i + 1 < config->stores ? i + 1 : NONE};
    if (config->account_per_s != 0)
        rates_init(&home->accounts, span_of(base + layout.accounts, rates_bytes()), config->account_per_s,
                   config->account_burst);
    link_init(&home->control);
    for (uint32_t worker = 0; worker < WAX_WORKERS_MAX; worker++)
        link_init(&home->deliver[worker]);
    recipients_init(home);
    wheel_init(&home->wheel, &home->recipients[0].timer, sizeof home->recipients[0], TIMER_GRANULE_US,
               now_us);
    *out = home;
    enum wax_status status =
        pool_init(&home->entries, span_of(base + layout.entries, layout.queues - layout.entries),
                  config->messages, sizeof(struct entry));
    if (status == WAX_OK)
        status = pool_init(&home->queues, span_of(base + layout.queues, layout.policies - layout.queues),
                           queues_for(config), sizeof(struct queues));
    if (status == WAX_OK)
        status = pool_init(&home->policies, span_of(base + layout.policies, layout.total - layout.policies),
                           policies_for(config), sizeof(struct policy_part));
    return status;
}

static struct entry *entry_of_send(struct home *home, struct recipient *recipient, struct msg *msg)
{
    if (recipient->queues->store_count + recipient->queues->held_count >= home->config.queue_messages)
        return NULL;
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
    entry->flags = msg_deliver_flags(msg);
    return entry;
}

static void take_message(struct home *home, struct recipient *recipient, struct msg *msg, uint64_t now_us)
{
    struct entry *entry = entry_of_send(home, recipient, msg);
    if (entry == NULL) {
        metrics_count(home->metrics, WAX_REJECT_BUSY);
        home_refuse(home, msg, WIRE_REASON_BUSY);
        return;
    }
    bool room = window_has_room(home, recipient, msg->payload_bytes);
    if (recipient->state == RECIPIENT_ONLINE && room) {
        window_append(home, recipient, entry, now_us);
        return;
    }
    if (recipient->state == RECIPIENT_HOLD && room) {
        hold_append(recipient, entry, now_us);
        recipient_want_timer(home, recipient, now_us + WAX_ACK_STORE_MS * 1000ull);
        return;
    }
    if (recipient->state == RECIPIENT_HOLD)
        hold_spill(home, recipient);
    if (recipient->state == RECIPIENT_ONLINE) {
        /* The window overflows: all of it goes to the mailbox, and this one behind it. */
        window_spill(home, recipient);
        recipient->state = RECIPIENT_DRAINING;
        recipient->direct = true;
        recipient->due |= DUE_DRAIN;
    }
    store_append(home, recipient, entry);
}

static void take_send(struct home *home, struct msg *msg, uint64_t now_us)
{
    struct recipient *recipient = recipient_make(home, &msg->to);
    if (recipient == NULL) {
        bool silent = (msg->send_flags & WIRE_SEND_SILENT) != 0;
        metrics_count(home->metrics, silent ? WAX_SILENT_DROPPED : WAX_REJECT_BUSY);
        home_refuse(home, msg, silent ? WIRE_REASON_NONE : WIRE_REASON_BUSY);
        return;
    }
    if (recipient->policed && policy_refuses(home, recipient, msg->from.user)) {
        bool silent = (msg->send_flags & WIRE_SEND_SILENT) != 0;
        metrics_count(home->metrics, silent ? WAX_SILENT_DROPPED : WAX_REJECT_BLOCKED);
        home_refuse(home, msg, silent ? WIRE_REASON_NONE : WIRE_REASON_BLOCKED);
    } else if ((msg->send_flags & WIRE_SEND_SILENT) != 0)
        silent_take(home, recipient, msg);
    else if ((msg->send_flags & WIRE_SEND_EPHEMERAL) != 0)
        ephemeral_take(home, recipient, msg, now_us);
    else
        take_message(home, recipient, msg, now_us);
    recipient_rest(home, recipient);
}

bool home_send(struct home *home, const struct item *item, uint64_t now_us)
{
    if (item->kind == ITEM_ATTACH)
        return session_attach(home, item, now_us);
    if (item->kind == ITEM_SEND)
        take_send(home, item->u.send.msg, now_us);
    else if (item->kind == ITEM_READ)
        read_take(home, item);
    return true;
}

void home_prefetch(struct home *home, const struct item *const items[], uint32_t count)
{
    assert(count <= WAX_BURST_MAX);
    recipients_prefetch(home, items, count);
}

void home_return(struct home *home, const struct item *item, uint64_t now_us)
{
    if (item->kind == ITEM_RECEIPT) {
        receipt_take(home, item->u.entry);
        return;
    }
    if (item->kind == ITEM_RECEIPT_DONE) {
        struct entry *entry = item->u.entry;
        entry->role = ROLE_MESSAGE;
        entry->places = 0;
        entry->retire_due = item->flags == 0 && entry->position != 0;
        entry_settle(home, entry);
        return;
    }
    if (item->kind == ITEM_USED || item->kind == ITEM_END)
        account_charge(home, item, now_us);
    if (item->kind == ITEM_USED)
        return;
    struct recipient *recipient = recipient_of_report(home, item);
    if (recipient == NULL)
        return;
    if (item->kind == ITEM_ACK)
        window_acked(home, recipient, item->u.report.seq, now_us);
    else if (item->kind == ITEM_GIVEN)
        receipts_given(home, recipient, item->u.report.seq);
    else if (item->kind == ITEM_END) {
        session_over(home, recipient);
        recipient->ended = true;
    }
    recipient_rest(home, recipient);
}

static const void *record_of(const struct channel_record *record, size_t least)
{
    return record->bytes >= least ? record : NULL;
}

enum wax_status home_control(struct home *home, const struct channel_record *record, uint64_t now_us)
{
    switch (record->kind) {
    case CHANNEL_STORED: {
        const struct channel_stored *stored = record_of(record, sizeof *stored);
        if (stored == NULL)
            return WAX_CHANNEL_CORRUPT;
        store_confirmed(home, stored, now_us);
        return WAX_OK;
    }
    case CHANNEL_DRAINED: {
        const struct channel_drained *item = record_of(record, sizeof *item);
        if (item == NULL || item->payload_bytes > WAX_FRAME_BYTES_MAX ||
            item->head_bytes > item->payload_bytes || item->head_bytes > UINT16_MAX ||
            record->bytes != sizeof *item + item->payload_bytes || item->position == 0)
            return WAX_CHANNEL_CORRUPT;
        drain_item(home, item, now_us);
        return WAX_OK;
    }
    case CHANNEL_DRAIN_IDLE: {
        const struct channel_drain_idle *idle = record_of(record, sizeof *idle);
        if (idle == NULL)
            return WAX_CHANNEL_CORRUPT;
        drain_idle(home, idle, now_us);
        return WAX_OK;
    }
    case CHANNEL_POLICY: {
        const struct channel_policy *policy = record_of(record, sizeof *policy);
        if (policy == NULL || policy->count > WAX_POLICY_USERS_MAX ||
            record->bytes != sizeof *policy + policy->count * (uint64_t)WAX_USER_BYTES)
            return WAX_CHANNEL_CORRUPT;
        policy_take(home, policy);
        return WAX_OK;
    }
    case CHANNEL_EVICT: {
        const struct channel_evict *evict = record_of(record, sizeof *evict);
        if (evict == NULL)
            return WAX_CHANNEL_CORRUPT;
        drain_evict(home, evict);
        return WAX_OK;
    }
    default:
        return WAX_NOT_FOUND;
    }
}

void home_control_up(struct home *home, uint64_t epoch, uint64_t now_us)
{
    (void)now_us;
    home_control_down(home);
    home->up = true;
    home->channel++;
    home->reserved = 0;
    home->own_from = epoch << POSITION_EPOCH_SHIFT;
    if (home->position < home->own_from)
        home->position = home->own_from;
    home->reannounce = 0;
}

void home_control_down(struct home *home)
{
    if (!home->up)
        return;
    home->up = false;
    home->policed_count = 0;
    home->calls.count = 0;
    stores_forget(home);
}

/* After an attachment every recipient is looked at once, a few in each turn. */
static bool reannounce(struct home *home)
{
    if (home->reannounce == NONE)
        return false;
    for (uint32_t i = 0; i < REANNOUNCE_A_POLL && home->reannounce < home->config.recipients; i++) {
        struct recipient *recipient = &home->recipients[home->reannounce++];
        if (recipient->used)
            recipient_sync(home, recipient);
    }
    if (home->reannounce < home->config.recipients)
        return true;
    home->reannounce = NONE;
    return false;
}

static bool deliver_all(struct home *home, uint64_t now_us)
{
    bool waiting = false;
    for (uint32_t worker = 0; worker < home->port->workers; worker++) {
        struct link *list = &home->deliver[worker];
        for (struct link *at = list_first(list); at != NULL; at = list_first(list)) {
            struct recipient *recipient = list_entry(at, struct queues, deliver)->recipient;
            if (!window_send(home, recipient, now_us)) {
                waiting = true;
                break;
            }
            list_remove(at);
            recipient_rest(home, recipient);
        }
    }
    return waiting;
}

bool home_poll(struct home *home, uint64_t now_us)
{
    struct timer *timer;
    for (uint32_t i = 0; i < TIMERS_A_POLL; i++) {
        timer = wheel_expire(&home->wheel, now_us);
        if (timer == NULL)
            break;
        recipient_expired(home, list_entry(timer, struct recipient, timer), now_us);
    }
    receipts_adopt(home);
    bool waiting = reannounce(home);
    waiting |= deliver_all(home, now_us);
    waiting |= control_send(home, now_us);
    waiting |= home_give(home);
    if (reads_go_on(home))
        waiting |= home_give(home);
    waiting |= home->reads[0].head != NULL || home->reads[1].head != NULL;
    assert(queues_empty(&home->nothing) && home->nothing.window_count + home->nothing.store_count == 0);
    return waiting;
}

uint64_t home_next_us(const struct home *home)
{
    return wheel_next_us(&home->wheel);
}

struct home_counts home_counts(const struct home *home)
{
    uint32_t entries = home->entries.count - home->entries.free_count;
    return (struct home_counts){.recipients = home->recipients_used,
                                .awake = home->queues.count - home->queues.free_count,
                                .sessions = home->sessions,
                                .entries = entries,
                                .reserved = home->reserved,
                                .stores = home->stores_used,
                                .notices = home->notice_tail - home->notice_head};
}
