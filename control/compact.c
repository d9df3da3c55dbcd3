/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Compaction: what lives in a segment that is mostly dead is copied to the end of the log, and the segment
 * goes.
 *
 * A shard compacts when its segments hold more than twice what lives, and then the segment with the least
 * that lives, of half at most. So no more is ever copied than is gained, and the log stays within twice the
 * living and a few segments. Copies ride along in commits that would be made anyway, a few records a turn.
 */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

#define RECORDS_A_TURN  64u
#define READ_BYTES      (1u << 20)
#define LIVE_SHARE_MOST 2u /* a half */

static struct shard *shard_of_op(struct storage_op *op)
{
    return (struct shard *)(void *)((char *)op - offsetof(struct shard, compaction.op));
}

void compact_free(struct compaction *compaction)
{
    free(compaction->bytes);
    *compaction = (struct compaction){.segment = NULL};
}

static void compact_end(struct shard *shard)
{
    shard->compaction.segment->compacting = false;
    shard->dead_segments = true;
    compact_free(&shard->compaction);
}

/* The segment to compact next, or NULL. */
static struct segment *choose(const struct shard *shard)
{
    uint64_t used = 0, live = 0;
    struct segment *best = NULL;
    for (uint32_t i = 0; i < shard->segment_count; i++) {
        struct segment *segment = shard->segments[i];
        used += segment->bytes;
        live += segment->live_bytes;
        if (segment == shard->current || segment->sealing || segment->deleting || segment->spoilt ||
            segment->live == 0 || segment->live_bytes * LIVE_SHARE_MOST > segment->bytes)
            continue;
        if (best == NULL || segment->live_bytes < best->live_bytes)
            best = segment;
    }
    return used > 2u * live + shard->m->config.slack_bytes ? best : NULL;
}

static void piece_next(struct shard *shard);

static void piece_read(struct storage_op *op, enum wax_status status)
{
    struct shard *shard = shard_of_op(op);
    struct compaction *c = &shard->compaction;
    size_t left = c->len - c->got;
    c->got += left < READ_BYTES ? left : READ_BYTES;
    c->failed |= status != WAX_OK;
    if (c->got < c->len && !c->failed) {
        piece_next(shard);
        return;
    }
    c->reading = false;
    log_scan_init(&c->scan, view_of(c->bytes, c->len), c->segment->seed, 0, LOG_TAIL_SEALED);
}

static void piece_next(struct shard *shard)
{
    struct compaction *c = &shard->compaction;
    struct storage *storage = shard->m->storage;
    size_t left = c->len - c->got;
    c->op.done = piece_read;
    storage->calls->seg_read(storage, shard->index, c->segment->id, c->got,
                             span_of(c->bytes + c->got, left < READ_BYTES ? left : READ_BYTES), &c->op);
}

static void compact_begin(struct shard *shard, struct segment *segment)
{
    struct compaction *c = &shard->compaction;
    *c = (struct compaction){.segment = segment, .reading = true, .len = segment->bytes};
    c->bytes = xrealloc(NULL, c->len);
    segment->compacting = true;
    piece_next(shard);
}

/* The item of a record, when the record is what is valid of it. */
static struct item *item_of_record(struct mailboxes *m, const struct segment *segment,
                                   const struct log_record *record, struct mailbox **box)
{
    bool message = record->type == LOG_MESSAGE;
    if (!message && record->type != LOG_RECEIPT)
        return NULL;
    *box = mailbox_find(m, message ? &record->message.name : &record->receipt.name);
    if (*box == NULL)
        return NULL;
    struct item *item = mailbox_item(*box, message ? record->message.position : record->receipt.position);
    bool valid = item != NULL && item->stored && !item->gone && !item->moving &&
                 item->segment == segment->id && item->slot == record->place.slot;
    return valid ? item : NULL;
}

/* Copy the record at `offset` when it lives. */
static void record_move(struct shard *shard, const struct log_record *found, size_t offset)
{
    struct compaction *c = &shard->compaction;
    struct mailboxes *m = shard->m;
    struct log_record record = *found;
    struct mailbox *box = NULL;
    struct pending *pending;
    uint8_t key[LOG_KEY_BYTES], first[LOG_OPEN_BYTES_MAX];
    if (record.type == LOG_SEGMENT || !keytree_key(&c->segment->keys, record.place.slot, key))
        return;
    uint8_t *sealed = c->bytes + offset;
    struct item *item = NULL;
    if (log_open(sealed, key, false, first, &record))
        item = item_of_record(m, c->segment, &record, &box);
    else
        c->damaged = true;
    if (item != NULL && !log_open(sealed, key, true, sealed, &record)) {
        c->damaged = true;
    } else if (item != NULL) {
        uint8_t *plain = shard_put(shard, log_padded(record.bytes), &pending, false);
        memcpy(plain, sealed, log_padded(record.bytes));
        log_mark_moved(plain);
        pending->kind = PENDING_MOVE;
        pending->box = box;
        pending->position = item->position;
        item->moving = 1;
        box->pending++;
        m->counts.moved++;
        m->counts.moved_bytes += item_bytes(item);
    }
    sodium_memzero(key, sizeof key);
    sodium_memzero(first, sizeof first);
}

/* Go on with the segment that was read. Damage in it is left as it is: it keeps the segment. */
static void compact_step(struct shard *shard)
{
    struct compaction *c = &shard->compaction;
    struct log_record record;
    enum wax_status status = c->failed ? WAX_NOT_FOUND : WAX_OK;
    size_t offset;
    for (uint32_t i = 0; i < RECORDS_A_TURN && (status == WAX_OK || status == WAX_STORE_CORRUPT); i++) {
        if (shard->commit_count != 0 && shard->last->len > shard->m->config.commit_bytes / 2u)
            return; /* what comes from outside goes first */
        status = log_scan_next(&c->scan, &record, &offset);
        c->damaged |= status == WAX_STORE_CORRUPT;
        if (status == WAX_OK)
            record_move(shard, &record, offset);
    }
    if (status == WAX_OK || status == WAX_STORE_CORRUPT)
        return;
    c->segment->spoilt = c->failed || c->damaged; /* what is left in it can't be read: never again */
    compact_end(shard);
}

void compact_turn(struct shard *shard)
{
    struct compaction *c = &shard->compaction;
    if (c->segment == NULL) {
        if (!shard->compact_due)
            return;
        shard->compact_due = false;
        struct segment *segment = choose(shard);
        if (segment != NULL)
            compact_begin(shard, segment);
    } else if (!c->reading) {
        compact_step(shard);
    }
}

void move_is_durable(struct shard *shard, const struct commit *commit, const struct pending *pending,
                     uint64_t base)
{
    struct segment *segment = shard->current;
    struct item *item = mailbox_item(pending->box, pending->position);
    uint32_t slot = commit->first_slot + (uint32_t)(pending - commit->pending);
    if (item == NULL) { /* it was retired meanwhile */
        segment_forget(segment, slot);
        return;
    }
    struct segment *old = shard_segment(shard, item->segment);
    if (old != NULL) { /* else it went meanwhile, for the item is retired */
        segment_forget(old, item->slot);
        if (old != segment)
            segment_ref(segment, old->id); /* the copy must outlive what it is a copy of */
        if (!item->gone)
            segment_dies(old, item);
    }
    if (pending->strips) {
        if (!item->gone)
            mailbox_count_out(shard->m, pending->box, item);
        item->stripped = 1;
        item->size = log_message_size(0) / 8u & 0x3ffffu;
        if (!item->gone)
            mailbox_count_in(shard->m, pending->box, item);
    }
    item_place(item, segment, base + pending->at, slot);
    item->moving = 0;
    if (!item->gone) {
        segment->live++;
        segment->live_bytes += item_bytes(item);
    }
    shard->compact_due = true;
}
