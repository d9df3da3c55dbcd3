/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that keeps what is sent, given and said, for tests of home and session. */
#ifndef TOY_H
#define TOY_H

#include "relay/home.h"
#include "relay/session.h"

#include <criterion/criterion.h>

#define TOY_ITEMS 512u

struct toy_items {
    struct item item[TOY_ITEMS];
    uint32_t worker[TOY_ITEMS];
    uint32_t head, tail;
};

static struct {
    struct relay_port port;
    struct mesh_peer peers[2];
    struct toy_items sends, gives;
    uint32_t credits; /* sends that may be under way */
    bool gives_full, control_away;
    uint64_t full; /* workers whose rings of returns are */
    _Alignas(8) uint8_t records[1u << 20];
    uint32_t record_head, record_tail;
    struct wax_metrics metrics;
    struct route route;
    struct pool blocks;
    struct msg_pool messages;
    uint8_t block_memory[40 * WAX_BLOCK_BYTES], message_memory[200 * MSG_SLOT_BYTES];
    uint8_t home_memory[1u << 20];
    struct home *home;
    uint64_t now_us;
} toy;

static struct {
    uint32_t per_s, burst;
} toy_account; /* that an account may send; to be set before toy_start */

static inline bool toy_send(void *ctx, uint32_t worker, const struct item *item)
{
    (void)ctx;
    cr_assert(item_is_send(item->kind));
    if (!mesh_has_credit(&toy.peers[worker], toy.credits))
        return false;
    toy.peers[worker].sent++;
    toy.sends.worker[toy.sends.tail % TOY_ITEMS] = worker;
    toy.sends.item[toy.sends.tail++ % TOY_ITEMS] = *item;
    return true;
}

static inline bool toy_give(void *ctx, uint32_t worker, const struct item *item)
{
    (void)ctx;
    cr_assert(!item_is_send(item->kind));
    if (toy.gives_full || (toy.full >> worker & 1) != 0)
        return false;
    toy.gives.worker[toy.gives.tail % TOY_ITEMS] = worker;
    toy.gives.item[toy.gives.tail++ % TOY_ITEMS] = *item;
    return true;
}

static inline struct channel_record *toy_reserve(void *ctx, uint32_t bytes)
{
    (void)ctx;
    if (toy.control_away)
        return NULL;
    cr_assert_lt(toy.record_tail + bytes, sizeof toy.records);
    struct channel_record *record = (struct channel_record *)(void *)(toy.records + toy.record_tail);
    toy.record_tail += (uint32_t)channel_padded(bytes);
    record->bytes = bytes;
    return record;
}

static inline void toy_publish(void *ctx)
{
    (void)ctx;
}

/* The next item that was sent or given; NULL when there is none. */
static inline struct item *toy_next(struct toy_items *items)
{
    return items->head == items->tail ? NULL : &items->item[items->head++ % TOY_ITEMS];
}

/* The next of that kind, others before it are skipped. */
static inline struct item *toy_next_of(struct toy_items *items, enum item_kind kind)
{
    for (struct item *item = toy_next(items); item != NULL; item = toy_next(items)) {
        if (item->kind == kind)
            return item;
    }
    return NULL;
}

/* The next record of that kind, others before it are skipped. */
static inline void *toy_record(uint16_t kind)
{
    while (toy.record_head != toy.record_tail) {
        struct channel_record *record = (struct channel_record *)(void *)(toy.records + toy.record_head);
        toy.record_head += (uint32_t)channel_padded(record->bytes);
        if (record->kind == kind)
            return record;
    }
    return NULL;
}

/* Forget what was sent, given and said; every send is taken. */
static inline void toy_clear(void)
{
    toy.sends.head = toy.sends.tail;
    toy.gives.head = toy.gives.tail;
    toy.record_head = toy.record_tail = 0;
    for (uint32_t i = 0; i < 2; i++)
        toy.peers[i].consumed = toy.peers[i].sent;
}

static inline void toy_start(void)
{
    POOL_UNPOISON(&toy, sizeof toy); /* a test may start twice */
    memset(&toy, 0, sizeof toy);
    toy.credits = 256;
    toy.now_us = 1000000;
    toy.port = (struct relay_port){NULL, 0, 1, toy.peers, toy_send, toy_give, toy_reserve, toy_publish};
    uint64_t key[2] = {1, 2};
    route_init(&toy.route, key, 1);
    cr_assert_eq(
        pool_init(&toy.blocks, span_of(toy.block_memory, sizeof toy.block_memory), 38, WAX_BLOCK_BYTES),
        WAX_OK);
    cr_assert_eq(msg_pool_init(&toy.messages, span_of(toy.message_memory, sizeof toy.message_memory), 150,
                               &toy.blocks, 0, 0),
                 WAX_OK);
    struct home_config config = {.recipients = 16,
                                 .messages = 100,
                                 .stores = 50,
                                 .account_per_s = toy_account.per_s,
                                 .account_burst = toy_account.burst,
                                 .window_messages = 4,
                                 .window_bytes = 10000,
                                 .queue_messages = 20};
    cr_assert_eq(home_init(&toy.home, span_of(toy.home_memory, sizeof toy.home_memory), &config, &toy.port,
                           &toy.route, &toy.messages, &toy.metrics, toy.now_us),
                 WAX_OK);
    home_control_up(toy.home, 1, toy.now_us);
}

static inline void toy_poll(void)
{
    for (int i = 0; i < 4; i++)
        home_poll(toy.home, toy.now_us);
}

static inline struct name toy_name(uint8_t user)
{
    return (struct name){{user}, 1};
}

/* A message of `from` for `to` comes to home. */
static inline struct msg *toy_message(uint8_t from, uint8_t to, uint64_t id, uint8_t flags)
{
    struct msg *msg = msg_make(&toy.messages, view_of("payload", 7));
    cr_assert_not_null(msg);
    msg->id = id;
    msg->ttl_s = 60;
    msg->conn = 100u + from;
    msg->conn_generation = 1;
    msg->from = toy_name(from);
    msg->to = toy_name(to);
    msg->send_flags = flags;
    struct item item = {.kind = ITEM_SEND, .u.send.msg = msg};
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    return msg;
}

/* A session of `user` comes to home, which is told nothing by control yet. Returns its ATTACHED. */
static inline struct item toy_attach(uint8_t user, uint32_t conn, bool send_only)
{
    struct item item = {.kind = ITEM_ATTACH};
    item.u.attach.conn = conn;
    item.u.attach.conn_generation = 1;
    item.u.attach.name = toy_name(user);
    item.u.attach.send_only = send_only;
    cr_assert(home_send(toy.home, &item, toy.now_us));
    toy_poll();
    struct item *attached = toy_next_of(&toy.sends, ITEM_ATTACHED);
    cr_assert_not_null(attached);
    return *attached;
}

/* Control says that everything up to `upto` has been streamed, to the last drain that was asked for. */
static inline void toy_idle(uint8_t user, uint64_t generation, uint64_t upto)
{
    struct name name = toy_name(user);
    struct channel_drain_idle idle = {
        {sizeof idle, CHANNEL_DRAIN_IDLE, 0}, name_to_channel(&name), generation, upto};
    cr_assert_eq(home_control(toy.home, &idle.record, toy.now_us), WAX_OK);
    toy_poll();
}

/* A session that is online: its mailbox is empty. */
static inline struct item toy_online(uint8_t user, uint32_t conn)
{
    struct item attached = toy_attach(user, conn, false);
    struct channel_drain *drain = toy_record(CHANNEL_DRAIN);
    cr_assert_not_null(drain);
    toy_idle(user, drain->generation, 0);
    return attached;
}

/* A report of a session. */
static inline void toy_report(const struct item *attached, enum item_kind kind, uint32_t seq)
{
    struct item item = {.kind = (uint8_t)kind};
    item.u.report.generation = attached->u.attached.generation;
    item.u.report.recipient = attached->u.attached.recipient;
    item.u.report.seq = seq;
    for (uint32_t i = 0; i < 2; i++)
        toy.peers[i].consumed = toy.peers[i].sent;
    home_return(toy.home, &item, toy.now_us);
    toy_poll();
}

/* Control answers a STORE. */
static inline void toy_stored(uint64_t tag, uint8_t reason)
{
    struct channel_stored stored = {{sizeof stored, CHANNEL_STORED, 0}, tag, reason, {0}};
    cr_assert_eq(home_control(toy.home, &stored.record, toy.now_us), WAX_OK);
    toy_poll();
}

/* Control streams an item. */
static inline void toy_drained(uint8_t user, uint64_t generation, uint64_t position, uint8_t from,
                               uint64_t id, enum channel_item kind)
{
    _Alignas(8) uint8_t record[sizeof(struct channel_drained) + 8] = {0};
    struct channel_drained *item = (struct channel_drained *)(void *)record;
    struct name name = toy_name(user), peer = toy_name(from);
    item->record = (struct channel_record){sizeof *item, CHANNEL_DRAINED, 0};
    item->name = name_to_channel(&name);
    item->peer = name_to_channel(&peer);
    item->generation = generation;
    item->position = position;
    item->id = id;
    item->item = (uint8_t)kind;
    item->status_kind = WIRE_DELIVERED;
    if (kind == CHANNEL_ITEM_MESSAGE) {
        item->payload_bytes = 7;
        item->record.bytes += 7;
        memcpy(item->payload, "payload", 7);
    }
    cr_assert_eq(home_control(toy.home, &item->record, toy.now_us), WAX_OK);
    toy_poll();
}

/* Carry what was given to home itself (receipts) over the ring. */
static inline void toy_carry(void)
{
    for (struct item *item = toy_next(&toy.gives); item != NULL; item = toy_next(&toy.gives)) {
        if (item_is_for_home(item->kind)) {
            struct item copy = *item;
            home_return(toy.home, &copy, toy.now_us);
            toy_poll();
        } else if (item->kind == ITEM_FREE) {
            msg_free(&toy.messages, item->u.send.msg);
        } else if (item->kind == ITEM_ANSWER && item->u.answer.msg != NULL) {
            msg_free(&toy.messages, item->u.answer.msg);
        }
    }
}

static inline void toy_wait(uint64_t ms)
{
    toy.now_us += ms * 1000;
    toy_poll();
}

/* The next answer, which must be of that kind and reason. */
#define TOY_ANSWER(message, wanted_kind, wanted_reason)                                                      \
    do {                                                                                                     \
        struct item *answer_ = toy_next_of(&toy.gives, ITEM_ANSWER);                                         \
        cr_assert_not_null(answer_, "an answer");                                                            \
        cr_assert_eq(answer_->u.answer.id, (message));                                                       \
        cr_assert_eq(answer_->u.answer.status_kind, (wanted_kind));                                          \
        cr_assert_eq(answer_->u.answer.reason, (wanted_reason));                                             \
        cr_assert_eq(answer_->flags, 1);                                                                     \
    } while (0)

#endif
