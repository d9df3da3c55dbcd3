/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of mailboxes, and the items of one. */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

void *xrealloc(void *p, size_t bytes)
{
    void *grown = realloc(p, bytes);
    if (grown == NULL)
        abort();
    return grown;
}

static uint64_t user_hash(const struct mailboxes *m, const uint8_t user[WAX_USER_BYTES])
{
    uint8_t out[crypto_shorthash_BYTES];
    crypto_shorthash(out, user, WAX_USER_BYTES, m->config.hash_key);
    return load_be64(out);
}

static uint32_t name_slot(const struct mailboxes *m, uint64_t hash, uint16_t device)
{
    return (uint32_t)((hash >> 8) + device * UINT64_C(0x9e3779b1)) & m->hash_mask;
}

static bool name_equal(const struct log_name *a, const struct log_name *b)
{
    return a->device == b->device && memcmp(a->user, b->user, sizeof a->user) == 0;
}

struct mailbox *mailbox_find(struct mailboxes *m, const struct log_name *name)
{
    struct mailbox *box = m->hash[name_slot(m, user_hash(m, name->user), name->device)];
    while (box != NULL && !name_equal(&box->name, name))
        box = box->hash_next;
    return box;
}

static void hash_grow(struct mailboxes *m)
{
    uint32_t old = m->hash_mask + 1;
    struct mailbox **before = m->hash;
    m->hash = calloc((size_t)old * 2u, sizeof *m->hash);
    if (m->hash == NULL)
        abort();
    m->hash_mask = old * 2u - 1u;
    for (uint32_t i = 0; i < old; i++) {
        while (before[i] != NULL) {
            struct mailbox *box = before[i];
            before[i] = box->hash_next;
            uint32_t slot = name_slot(m, user_hash(m, box->name.user), box->name.device);
            box->hash_next = m->hash[slot];
            m->hash[slot] = box;
        }
    }
    free(before);
}

static void empty_unlink(struct mailboxes *m, struct mailbox *box)
{
    if (!box->in_empty)
        return;
    *(box->empty_prev != NULL ? &box->empty_prev->empty_next : &m->empty_first) = box->empty_next;
    *(box->empty_next != NULL ? &box->empty_next->empty_prev : &m->empty_last) = box->empty_prev;
    box->in_empty = false;
    m->empty_count--;
}

struct mailbox *mailbox_get(struct mailboxes *m, const struct log_name *name)
{
    struct mailbox *box = mailbox_find(m, name);
    if (box != NULL) {
        empty_unlink(m, box);
        return box;
    }
    if (m->mailbox_count > m->hash_mask)
        hash_grow(m);
    uint64_t hash = user_hash(m, name->user);
    uint32_t slot = name_slot(m, hash, name->device);
    box = calloc(1, sizeof *box);
    if (box == NULL)
        abort();
    box->name = *name;
    box->shard = (uint32_t)(hash % WAX_STORE_SHARDS);
    box->hash_next = m->hash[slot];
    m->hash[slot] = box;
    m->mailbox_count++;
    return box;
}

static void mailbox_drop(struct mailboxes *m, struct mailbox *box)
{
    empty_unlink(m, box);
    struct mailbox **at = &m->hash[name_slot(m, user_hash(m, box->name.user), box->name.device)];
    while (*at != box)
        at = &(*at)->hash_next;
    *at = box->hash_next;
    m->mailbox_count--;
    free(box->items);
    free(box);
}

/* An empty mailbox is kept for a while: its end tells offers that were stored before. */
void mailbox_settle(struct mailboxes *m, struct mailbox *box)
{
    if (box->count != 0 || box->pending != 0 || box->drain != NULL || box->refusing || box->in_empty)
        return;
    if (box->end == 0) {
        mailbox_drop(m, box);
        return;
    }
    free(box->items);
    box->items = NULL;
    box->first = box->room = 0;
    box->in_empty = true;
    box->empty_next = NULL;
    box->empty_prev = m->empty_last;
    *(m->empty_last != NULL ? &m->empty_last->empty_next : &m->empty_first) = box;
    m->empty_last = box;
    if (++m->empty_count > MAILBOX_EMPTY_MAX)
        mailbox_drop(m, m->empty_first);
}

/* The place of the first item at or above the position, counted from box->first. */
uint32_t mailbox_place(const struct mailbox *box, uint64_t position)
{
    uint32_t low = 0, high = box->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (box->items[box->first + middle].position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct item *mailbox_item(struct mailbox *box, uint64_t position)
{
    uint32_t place = mailbox_place(box, position);
    struct item *item = &box->items[box->first + place];
    return place < box->count && item->position == position ? item : NULL;
}

/* Room for one more item; it is not counted yet. Slack is an eighth: the index is large when there are many.
 */
static void items_room(struct mailbox *box)
{
    if (box->first + box->count < box->room)
        return;
    if (box->first > box->room / 4) {
        memmove(box->items, box->items + box->first, box->count * sizeof *box->items);
        box->first = 0;
        return;
    }
    box->room = box->room < 4 ? 4 : box->room + (box->room + 7u) / 8u;
    box->items = xrealloc(box->items, box->room * sizeof *box->items);
}

struct item *mailbox_append(struct mailbox *box, uint64_t position)
{
    assert(position > box->end);
    items_room(box);
    struct item *item = &box->items[box->first + box->count++];
    *item = (struct item){.position = position};
    box->end = position;
    return item;
}

struct item *mailbox_insert(struct mailbox *box, uint64_t position)
{
    if (position > box->end)
        return mailbox_append(box, position);
    items_room(box);
    uint32_t place = mailbox_place(box, position);
    struct item *item = &box->items[box->first + place];
    memmove(item + 1, item, (box->count - place) * sizeof *item);
    box->count++;
    *item = (struct item){.position = position};
    return item;
}

void mailbox_remove(struct mailbox *box, struct item *item)
{
    uint32_t place = (uint32_t)(item - (box->items + box->first));
    if (place == 0) {
        box->first++;
    } else {
        memmove(item, item + 1, (box->count - place - 1) * sizeof *item);
    }
    box->count--;
}

void item_of_message(struct item *item, const struct log_message *message)
{
    uint64_t expires_s = (message->taken_ms + 999u) / 1000u + message->ttl_s;
    item->message = 1;
    item->stripped = message->stripped;
    item->expires_s = expires_s < ITEM_LIVES_ON ? (uint32_t)expires_s : ITEM_LIVES_ON;
    item->size = log_message_size(message->payload.len) / 8u & 0x3ffffu;
}

void item_of_receipt(struct item *item, const struct log_receipt *receipt)
{
    (void)receipt;
    item->expires_s = ITEM_LIVES_ON;
    item->size = log_receipt_size() / 8u & 0x3ffffu;
}

void item_place(struct item *item, struct segment *segment, uint64_t offset, uint32_t slot)
{
    item->stored = 1;
    item->segment = (uint32_t)segment->id;
    item->block = offset / 8u & 0xfffffu;
    item->slot = slot & 0x7fffu;
}

void mailbox_count_in(struct mailboxes *m, struct mailbox *box, const struct item *item)
{
    m->counts.items_now++;
    m->counts.bytes_now += item_bytes(item);
    box->messages += item->message;
    box->receipts += !item->message;
    box->bytes += item_bytes(item);
    if (box->since_ms == 0)
        box->since_ms = m->now_ms;
}

void mailbox_count_out(struct mailboxes *m, struct mailbox *box, const struct item *item)
{
    m->counts.items_now--;
    m->counts.bytes_now -= item_bytes(item);
    box->messages -= item->message;
    box->receipts -= !item->message;
    box->bytes -= item_bytes(item);
    if (box->bytes == 0)
        box->since_ms = 0;
}

/* Something in the segment does not live any more. */
void segment_dies(struct segment *segment, const struct item *item)
{
    segment->live_bytes -= item_bytes(item);
    if (--segment->live == 0)
        segment->shard->dead_segments = true;
}

void mailbox_item_gone(struct mailboxes *m, struct mailbox *box, struct item *item)
{
    struct shard *shard = &m->shard[box->shard];
    assert(!item->gone);
    item->gone = 1;
    mailbox_count_out(m, box, item);
    m->counts.retired++;
    if (item->stored)
        segment_dies(shard_segment(shard, item->segment), item);
}
