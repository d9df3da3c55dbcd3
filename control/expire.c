/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages whose time is over: the payload is destroyed, whether the recipient comes or not. What stays,
 * copied to the end of the log, is who must be told: the sender, when the recipient's home next drains the
 * mailbox.
 */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

#define SWEEP_MS   5000u /* in which all mailboxes are looked at */
#define STRIPS_MAX 64u   /* under way */

void strip_free(struct strip *strip)
{
    struct mailboxes *m = strip->m;
    *(strip->prev != NULL ? &strip->prev->next : &m->strips) = strip->next;
    if (strip->next != NULL)
        strip->next->prev = strip->prev;
    m->strip_count--;
    sodium_memzero(strip->record, strip->bytes);
    free(strip);
}

/* The record without its payload, as it is put again; false when it can't be read. */
static bool strip_open(struct strip *strip, const struct segment *segment, struct log_record *record)
{
    uint8_t key[LOG_KEY_BYTES];
    if (segment == NULL || !keytree_key(&segment->keys, strip->slot, key) ||
        load_be32(strip->record + 8) < LOG_HEADER_BYTES ||
        !log_shaped(strip->record, log_padded(load_be32(strip->record + 8))))
        return false;
    bool opened = log_open(strip->record, key, false, strip->record, record);
    sodium_memzero(key, sizeof key);
    return opened && record->type == LOG_MESSAGE && record->message.position == strip->position;
}

static void strip_put(struct strip *strip, struct item *item, const struct log_record *record)
{
    struct mailboxes *m = strip->m;
    struct log_message message = record->message;
    struct pending *pending;
    message.payload = (struct view){0};
    message.head_bytes = 0;
    message.moved = message.stripped = true;
    log_put_message(shard_put(&m->shard[strip->box->shard], log_message_size(0), &pending, false), &message);
    pending->kind = PENDING_MOVE;
    pending->strips = true;
    pending->box = strip->box;
    pending->position = item->position;
    strip->box->pending++;
    m->counts.stripped++;
}

static void strip_read(struct storage_op *op, enum wax_status status)
{
    struct strip *strip = (struct strip *)(void *)op;
    struct mailboxes *m = strip->m;
    struct mailbox *box = strip->box;
    struct log_record record;
    struct segment *segment = shard_segment(&m->shard[box->shard], strip->segment);
    struct item *item = mailbox_item(box, strip->position);
    if (item != NULL && !item->gone) {
        if (status == WAX_OK && strip_open(strip, segment, &record)) {
            strip_put(strip, item, &record);
        } else { /* nobody can be told any more: nor is there anything to deliver */
            mailbox_item_gone(m, box, item);
            shard_retire(m, box, &strip->position, 1, NULL);
        }
    }
    strip_free(strip);
    box->pending--;
    mailbox_settle(m, box);
}

static void strip_begin(struct mailboxes *m, struct mailbox *box, struct item *item)
{
    size_t bytes = log_message_size(0); /* the first part lies in it, and that is all that is read */
    struct strip *strip = malloc(sizeof *strip + bytes);
    if (strip == NULL)
        abort();
    *strip = (struct strip){.m = m,
                            .box = box,
                            .position = item->position,
                            .segment = item->segment,
                            .slot = (uint32_t)item->slot,
                            .bytes = bytes,
                            .next = m->strips};
    strip->op.done = strip_read;
    if (m->strips != NULL)
        m->strips->prev = strip;
    m->strips = strip;
    m->strip_count++;
    item->moving = 1;
    box->pending++;
    m->storage->calls->seg_read(m->storage, box->shard, item->segment, item_offset(item),
                                span_of(strip->record, bytes), &strip->op);
}

/* Returns false when as many are under way as may be. */
static bool expire_box(struct mailboxes *m, struct mailbox *box)
{
    uint64_t now_s = m->now_ms / 1000u;
    for (uint32_t i = 0; i < box->count; i++) {
        struct item *item = &box->items[box->first + i];
        if (now_s < item->expires_s || item->expires_s == ITEM_LIVES_ON || !item->stored || item->gone ||
            item->moving || item->stripped)
            continue;
        if (m->strip_count == STRIPS_MAX)
            return false;
        strip_begin(m, box, item);
    }
    return true;
}

void expire_turn(struct mailboxes *m)
{
    uint64_t slots = m->hash_mask + 1u;
    uint64_t passed_ms = m->now_ms > m->sweep_ms ? m->now_ms - m->sweep_ms : 0;
    if (m->sweep_ms == 0)
        passed_ms = 0;
    uint64_t due = passed_ms >= SWEEP_MS ? slots : slots * passed_ms / SWEEP_MS;
    if (due == 0 && m->sweep_ms != 0)
        return;
    m->sweep_ms = m->now_ms;
    for (uint64_t i = 0; i < due; i++) {
        struct mailbox *box = m->hash[m->sweep & m->hash_mask];
        for (; box != NULL; box = box->hash_next) {
            if (!expire_box(m, box))
                return; /* goes on here */
        }
        m->sweep++;
    }
}
