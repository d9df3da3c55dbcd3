/* SPDX-License-Identifier: BSD-3-Clause */
/* Streaming a mailbox to the worker whose recipient has come. */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

#define READS_MAX      256u /* of all drains */
#define READ_BYTES_MAX (1u << 20)

/* What came of trying to stream one item. */
enum streamed { STREAMED, PASSED_BY, WAIT_READ, WAIT_ROOM };

static struct device_name device_of(const struct log_name *name)
{
    struct device_name out = {.device = name->device};
    memcpy(out.user, name->user, sizeof out.user);
    return out;
}

void read_free(struct drain_read *read)
{
    *(read->all_prev != NULL ? &read->all_prev->all_next : &read->m->all_reads) = read->all_next;
    if (read->all_next != NULL)
        read->all_next->all_prev = read->all_prev;
    free(read);
}

static void read_done(struct storage_op *op, enum wax_status status)
{
    struct drain_read *read = (struct drain_read *)(void *)((char *)op - offsetof(struct drain_read, op));
    struct mailboxes *m = read->m;
    m->reads--;
    read->done = true;
    read->status = status;
    if (read->drain == NULL) {
        read_free(read);
        return;
    }
    if (read->drain->reads == read)
        drain_pump(m, read->drain);
}

static void read_drop(struct drain_read *read)
{
    if (read->done)
        read_free(read);
    else
        read->drain = NULL;
}

/* The first item above the cursor that is not retired, or NULL. */
static struct item *next_item(struct mailbox *box, uint64_t cursor)
{
    for (uint32_t place = mailbox_place(box, cursor + 1); place < box->count; place++) {
        struct item *item = &box->items[box->first + place];
        if (!item->gone)
            return item;
    }
    return NULL;
}

static bool item_is_fresh(const struct mailboxes *m, const struct mailbox *box, const struct item *item)
{
    return m->fresh != NULL && m->fresh_shard == box->shard && m->fresh_segment == item->segment &&
           item_offset(item) >= m->fresh_offset &&
           item_offset(item) + item_bytes(item) <= m->fresh_offset + m->fresh_len;
}

/* Begin to read this item and those behind it, as far as credit and limits allow. */
static bool read_ahead(struct mailboxes *m, struct drain *drain)
{
    struct mailbox *box = drain->box;
    struct drain_read **tail = &drain->reads;
    uint64_t last = drain->cursor, bytes = 0, credit = drain->credit;
    while (*tail != NULL) {
        last = (*tail)->position;
        bytes += (*tail)->bytes;
        tail = &(*tail)->next;
    }
    for (struct item *item; (item = next_item(box, last)) != NULL && credit != 0; credit--) {
        if (!item->stored || drain->read_count >= MAILBOX_DRAIN_READS)
            break;
        last = item->position;
        if ((drain->read_count != 0 && bytes + item_bytes(item) > READ_BYTES_MAX) || m->reads >= READS_MAX)
            break;
        struct drain_read *read = malloc(sizeof *read + item_bytes(item));
        if (read == NULL)
            abort();
        *read = (struct drain_read){.m = m,
                                    .drain = drain,
                                    .position = item->position,
                                    .segment = item->segment,
                                    .slot = (uint32_t)item->slot};
        read->op.done = read_done;
        read->bytes = item_bytes(item);
        read->all_next = m->all_reads;
        if (m->all_reads != NULL)
            m->all_reads->all_prev = read;
        m->all_reads = read;
        *tail = read;
        tail = &read->next;
        drain->read_count++;
        m->reads++;
        bytes += read->bytes;
        m->storage->calls->seg_read(m->storage, box->shard, item->segment, item_offset(item),
                                    span_of(read->record, read->bytes), &read->op);
    }
    return drain->reads != NULL;
}

/* The front read when it is this item's and done. Reads of items retired since are dropped. */
static struct drain_read *read_of(struct drain *drain, const struct item *item)
{
    struct drain_read *read;
    while ((read = drain->reads) != NULL && read->position < item->position) {
        drain->reads = read->next;
        drain->read_count--;
        read_drop(read);
    }
    return read != NULL && read->position == item->position ? read : NULL;
}

static void reads_drop(struct drain *drain)
{
    while (drain->reads != NULL) {
        struct drain_read *read = drain->reads;
        drain->reads = read->next;
        read_drop(read);
    }
    drain->read_count = 0;
}

static void read_consume(struct drain *drain)
{
    struct drain_read *read = drain->reads;
    drain->reads = read->next;
    drain->read_count--;
    read_free(read);
}

/* Open a record that was read, in place: all of it, or when the payload is damaged its first part. */
static void read_open(struct mailboxes *m, const struct mailbox *box, const struct item *item,
                      struct drain_read *read)
{
    uint8_t key[LOG_KEY_BYTES];
    const struct segment *segment = shard_segment(&m->shard[box->shard], item->segment);
    struct log_record *record = &read->content;
    read->opened = true;
    record->type = 0;
    if (read->status != WAX_OK || !keytree_key(&segment->keys, item->slot, key))
        return;
    read->whole = log_parse(view_of(read->record, read->bytes), segment->seed, record) == WAX_OK &&
                  log_open(read->record, key, true, read->record, record);
    bool opened = read->whole || (log_shaped(read->record, read->bytes) &&
                                  log_open(read->record, key, false, read->record, record));
    sodium_memzero(key, sizeof key);
    if (!opened ||
        (record->type == LOG_MESSAGE ? record->message.position : record->receipt.position) != item->position)
        record->type = 0;
}

/* The record of an item as it is streamed. */
static struct channel_drained drained_of(const struct mailboxes *m, const struct drain *drain,
                                         const struct log_record *record, bool whole)
{
    struct channel_drained out = {
        .record = {.kind = CHANNEL_DRAINED},
        .name = device_of(&drain->box->name),
        .generation = drain->generation,
    };
    if (record->type == LOG_RECEIPT) {
        out.position = record->receipt.position;
        out.peer = device_of(&record->receipt.about);
        out.id = record->receipt.id;
        out.taken_ms = record->receipt.taken_ms;
        out.item = CHANNEL_ITEM_RECEIPT;
        out.status_kind = record->receipt.kind;
        out.reason = record->receipt.reason;
        return out;
    }
    const struct log_message *message = &record->message;
    bool expired =
        !whole || message->stripped || m->now_ms >= message->taken_ms + (uint64_t)message->ttl_s * 1000u;
    out.position = message->position;
    out.peer = device_of(&message->sender);
    out.id = message->id;
    out.taken_ms = message->taken_ms;
    out.head_bytes = expired ? 0 : message->head_bytes;
    out.payload_bytes = expired ? 0 : (uint32_t)message->payload.len;
    out.item = expired ? CHANNEL_ITEM_EXPIRED : CHANNEL_ITEM_MESSAGE;
    out.deliver_flags = message->deliver_flags;
    return out;
}

/* A message whose payload is damaged is told as expired: it can't be delivered any more. */
static bool emit(struct mailboxes *m, struct drain *drain, const struct log_record *record, bool whole)
{
    struct channel_drained drained = drained_of(m, drain, record, whole);
    uint32_t bytes = (uint32_t)sizeof drained + drained.payload_bytes;
    struct channel_record *room = m->port.reserve(m->port.ctx, drain->worker, bytes);
    if (room == NULL)
        return false;
    drained.record.bytes = bytes;
    memcpy(room, &drained, sizeof drained);
    if (drained.payload_bytes != 0)
        memcpy((uint8_t *)room + offsetof(struct channel_drained, payload), record->message.payload.data,
               drained.payload_bytes);
    m->counts.drained++;
    m->counts.expired += drained.item == CHANNEL_ITEM_EXPIRED;
    return true;
}

static enum streamed stream_item(struct mailboxes *m, struct drain *drain, const struct item *item)
{
    if (item_is_fresh(m, drain->box, item) && read_of(drain, item) == NULL) {
        struct log_record record;
        bool sound = log_read(m->fresh + (item_offset(item) - m->fresh_offset), &record);
        assert(sound);
        return emit(m, drain, &record, true) ? STREAMED : WAIT_ROOM;
    }
    struct drain_read *read = read_of(drain, item);
    if (read == NULL || !read->done)
        return read_ahead(m, drain) ? WAIT_READ : WAIT_ROOM;
    if (!read->opened && (read->segment != item->segment || read->slot != item->slot)) {
        reads_drop(drain); /* it was copied elsewhere meanwhile, and its key may be gone */
        return read_ahead(m, drain) ? WAIT_READ : WAIT_ROOM;
    }
    if (!read->opened) {
        read_open(m, drain->box, item, read);
        if (!read->whole)
            m->port.damaged(m->port.ctx, drain->box->shard, item->segment, item_offset(item),
                            WAX_STORE_CORRUPT);
    }
    /* what can't be read at all is passed by: it stays until its time is over */
    if (read->content.type != 0 && !emit(m, drain, &read->content, read->whole))
        return WAIT_ROOM;
    enum streamed streamed = read->content.type != 0 ? STREAMED : PASSED_BY;
    read_consume(drain);
    return streamed;
}

static void wait_for_room(struct mailboxes *m, struct drain *drain)
{
    if (drain->waiting)
        return;
    drain->waiting = true;
    drain->next_waiting = m->waiting;
    m->waiting = drain;
}

/* Everything durable has been streamed: say so, once for each end. */
static bool tell_idle(struct mailboxes *m, struct drain *drain)
{
    uint64_t upto = drain->box->stored_end > drain->after ? drain->box->stored_end : drain->after;
    if (drain->idle_told && drain->idle_upto == upto)
        return true;
    struct channel_record *record =
        m->port.reserve(m->port.ctx, drain->worker, sizeof(struct channel_drain_idle));
    if (record == NULL)
        return false;
    *(struct channel_drain_idle *)(void *)record = (struct channel_drain_idle){
        .record = {.bytes = sizeof(struct channel_drain_idle), .kind = CHANNEL_DRAIN_IDLE},
        .name = device_of(&drain->box->name),
        .generation = drain->generation,
        .upto = upto,
    };
    drain->idle_told = true;
    drain->idle_upto = upto;
    return true;
}

void drain_pump(struct mailboxes *m, struct drain *drain)
{
    enum streamed streamed = STREAMED;
    struct item *item;
    while ((item = next_item(drain->box, drain->cursor)) != NULL && item->stored) {
        if (drain->credit == 0) {
            m->port.publish(m->port.ctx, drain->worker);
            return;
        }
        streamed = stream_item(m, drain, item);
        if (streamed == WAIT_READ || streamed == WAIT_ROOM)
            break;
        drain->cursor = item->position;
        drain->credit -= streamed == STREAMED;
        streamed = STREAMED;
    }
    if (streamed == WAIT_ROOM || (streamed == STREAMED && !tell_idle(m, drain)))
        wait_for_room(m, drain);
    m->port.publish(m->port.ctx, drain->worker);
}

void drain_end(struct mailboxes *m, struct drain *drain)
{
    reads_drop(drain);
    if (drain->waiting) {
        struct drain **at = &m->waiting;
        while (*at != drain)
            at = &(*at)->next_waiting;
        *at = drain->next_waiting;
    }
    *(drain->prev != NULL ? &drain->prev->next : &m->drains) = drain->next;
    if (drain->next != NULL)
        drain->next->prev = drain->prev;
    m->counts.drains_now--;
    struct mailbox *box = drain->box;
    box->drain = NULL;
    free(drain);
    mailbox_settle(m, box);
}

/* The drain of the mailbox when it has this generation, or NULL. */
static struct drain *drain_of(struct mailboxes *m, const struct device_name *name, uint64_t generation)
{
    struct log_name key = {.device = name->device};
    memcpy(key.user, name->user, sizeof key.user);
    struct mailbox *box = mailbox_find(m, &key);
    return box != NULL && box->drain != NULL && box->drain->generation == generation ? box->drain : NULL;
}

void mailbox_drain(struct mailboxes *m, uint32_t worker, const struct channel_drain *request)
{
    struct log_name key = {.device = request->name.device};
    memcpy(key.user, request->name.user, sizeof key.user);
    struct mailbox *box = mailbox_find(m, &key);
    if (m->stopped)
        return;
    if (box != NULL && box->drain != NULL) {
        if (box->drain->generation > request->generation)
            return;
        drain_end(m, box->drain);
    }
    box = mailbox_get(m, &key);
    struct drain *drain = calloc(1, sizeof *drain);
    if (drain == NULL)
        abort();
    drain->box = box;
    drain->worker = worker;
    drain->generation = request->generation;
    drain->after = drain->cursor = request->after;
    drain->credit = request->messages;
    drain->next = m->drains;
    if (m->drains != NULL)
        m->drains->prev = drain;
    m->drains = drain;
    m->counts.drains_now++;
    box->drain = drain;
    drain_pump(m, drain);
}

void mailbox_drain_credit(struct mailboxes *m, const struct channel_drain_credit *request)
{
    struct drain *drain = drain_of(m, &request->name, request->generation);
    if (drain == NULL || m->stopped)
        return;
    drain->credit += request->messages;
    drain_pump(m, drain);
}

void mailbox_drain_stop(struct mailboxes *m, const struct channel_drain_stop *request)
{
    struct drain *drain = drain_of(m, &request->name, request->generation);
    if (drain != NULL)
        drain_end(m, drain);
}

bool mailboxes_pump(struct mailboxes *m)
{
    struct drain *waiting = m->waiting;
    m->waiting = NULL;
    while (waiting != NULL) {
        struct drain *drain = waiting;
        waiting = drain->next_waiting;
        drain->waiting = false;
        drain_pump(m, drain); /* ends no drain: the list stays sound */
    }
    return m->waiting != NULL;
}
