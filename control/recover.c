/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rebuilding the index by scanning the segments of one shard after the other. What has no key any more was
 * retired; of the rest the first part of each record is opened.
 */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

#define READ_BYTES (1u << 20)

static void shard_opened(struct storage_op *op, enum wax_status status);
static void ring_read(struct storage_op *op, enum wax_status status);
static void segment_next(struct mailboxes *m);

static struct mailboxes *mailboxes_of_op(struct storage_op *op)
{
    return (struct mailboxes *)(void *)((char *)op - offsetof(struct mailboxes, recovery.op));
}

static void recover_fail(struct mailboxes *m, enum wax_status status)
{
    m->stopped = true;
    m->recovering = false;
    m->port.ready(m->port.ctx, status);
}

static void open_next(struct mailboxes *m)
{
    struct recovery *r = &m->recovery;
    r->op.done = shard_opened;
    r->index = 0;
    r->expect = 0;
    m->storage->calls->shard_open(m->storage, r->shard, &r->head, &r->op);
}

void mailboxes_recover(struct mailboxes *m)
{
    m->recovering = true;
    m->recovery.shard = 0;
    open_next(m);
}

/* Receipts are durable whose retirements may not be: retire again, and keep the receipts until that is done.
 */
static void finish(struct mailboxes *m)
{
    struct recovery *r = &m->recovery;
    m->recovering = false;
    for (size_t i = 0; i < r->retire_count; i++) {
        struct recovered_retire *retire = &r->retires[i];
        struct mailbox *box = mailbox_find(m, &retire->about);
        struct item *item = box != NULL ? mailbox_item(box, retire->position) : NULL;
        if (item == NULL || item->gone)
            continue;
        struct segment *pin = shard_segment(&m->shard[retire->shard], retire->segment);
        mailbox_item_gone(m, box, item);
        pin->pins++;
        shard_retire(m, box, &retire->position, 1, pin);
    }
    free(r->retires);
    r->retires = NULL;
    r->retire_count = r->retire_room = 0;
    free(r->ring);
    r->ring = NULL;
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        m->shard[i].dead_segments = m->shard[i].purge_due = true;
    m->port.ready(m->port.ctx, WAX_OK);
}

static void shard_recovered(struct mailboxes *m)
{
    struct recovery *r = &m->recovery;
    if (r->entries != NULL)
        sodium_memzero(r->entries, r->entry_count * sizeof *r->entries);
    free(r->entries);
    r->entries = NULL;
    free(r->head.segments);
    r->head.segments = NULL;
    if (++r->shard < WAX_STORE_SHARDS)
        open_next(m);
    else
        finish(m);
}

static void shard_opened(struct storage_op *op, enum wax_status status)
{
    struct mailboxes *m = mailboxes_of_op(op);
    if (status != WAX_OK) {
        recover_fail(m, status);
        return;
    }
    struct recovery *r = &m->recovery;
    m->shard[r->shard].epoch = r->head.epoch;
    if (r->ring == NULL)
        r->ring = xrealloc(NULL, STORAGE_RING_BYTES_MAX);
    r->op.done = ring_read;
    m->storage->calls->ring_get(m->storage, r->shard, span_of(r->ring, STORAGE_RING_BYTES_MAX), &r->ring_len,
                                &r->op);
}

static void ring_read(struct storage_op *op, enum wax_status status)
{
    struct mailboxes *m = mailboxes_of_op(op);
    struct recovery *r = &m->recovery;
    r->entry_count = 0;
    if (status == WAX_OK) {
        struct view ring = view_of(r->ring, r->ring_len);
        r->entry_count = keyring_count(ring);
        if (r->entry_count > KEYRING_ENTRIES_MAX) {
            recover_fail(m, WAX_STORE_CORRUPT);
            return;
        }
        r->entries = calloc(r->entry_count + 1u, sizeof *r->entries);
        if (r->entries == NULL)
            abort();
        status = keyring_open(ring, r->shard, m->config.master, r->entries);
    } else if (status == WAX_NOT_FOUND) {
        /* a segment is never written before its key */
        status = r->head.segment_count == 0 ? WAX_OK : WAX_STORE_KEY;
    }
    if (status != WAX_OK)
        recover_fail(m, status);
    else
        segment_next(m);
}

/* What was valid of this position until now is so no more. */
static void item_supersede(struct mailboxes *m, struct mailbox *box, struct item *item)
{
    struct segment *old = shard_segment(&m->shard[box->shard], item->segment);
    old->live--;
    old->live_bytes -= item_bytes(item);
    segment_forget(old, item->slot);
    mailbox_count_out(m, box, item);
}

static void take_item(struct mailboxes *m, struct segment *segment, const struct log_record *record,
                      size_t offset)
{
    bool message = record->type == LOG_MESSAGE;
    struct mailbox *box = mailbox_get(m, message ? &record->message.name : &record->receipt.name);
    uint64_t position = message ? record->message.position : record->receipt.position;
    bool moved = message ? record->message.moved : record->receipt.moved;
    struct item *item = position <= box->end ? mailbox_item(box, position) : NULL;
    if (position <= box->end && !moved) { /* can't be: but for copies positions rise within a log */
        segment_forget(segment, record->place.slot);
        mailbox_settle(m, box);
        return;
    }
    if (item != NULL) {
        if (item->segment != segment->id)
            segment_ref(segment, item->segment);
        item_supersede(m, box, item);
        *item = (struct item){.position = position};
    } else {
        item = mailbox_insert(box, position);
    }
    if (message)
        item_of_message(item, &record->message);
    else
        item_of_receipt(item, &record->receipt);
    item_place(item, segment, offset, record->place.slot);
    if (position > box->stored_end)
        box->stored_end = position;
    segment->live++;
    segment->live_bytes += item_bytes(item);
    mailbox_count_in(m, box, item);
    uint64_t taken_ms = message ? record->message.taken_ms : record->receipt.taken_ms;
    if (taken_ms < box->since_ms)
        box->since_ms = taken_ms;
}

static void take_retire(struct mailboxes *m, struct segment *segment, const struct log_retire *retire)
{
    struct mailbox *box = mailbox_find(m, &retire->name);
    if (box == NULL)
        return;
    for (uint32_t i = 0; i < retire->count; i++) {
        struct item *item = mailbox_item(box, log_retire_position(retire, i));
        if (item == NULL)
            continue;
        struct segment *target = shard_segment(segment->shard, item->segment);
        segment_forget(target, item->slot);
        if (target != segment)
            segment_ref(segment, item->segment);
        mailbox_item_gone(m, box, item);
        m->counts.retired--; /* it was counted in an earlier life */
        mailbox_remove(box, item);
    }
    mailbox_settle(m, box);
}

static void take_receipt(struct mailboxes *m, struct segment *segment, const struct log_receipt *receipt)
{
    struct recovery *r = &m->recovery;
    if (receipt->retire == 0)
        return;
    if (r->retire_count == r->retire_room) {
        r->retire_room = r->retire_room == 0 ? 64 : r->retire_room * 2;
        r->retires = xrealloc(r->retires, r->retire_room * sizeof *r->retires);
    }
    r->retires[r->retire_count++] =
        (struct recovered_retire){receipt->about, receipt->retire, r->shard, segment->id};
}

/* A record that the scan has found sound. */
static void take_record(struct mailboxes *m, struct segment *segment, struct log_record *record,
                        size_t offset)
{
    struct recovery *r = &m->recovery;
    struct shard *shard = segment->shard;
    uint8_t key[LOG_KEY_BYTES], plain[LOG_OPEN_BYTES_MAX];
    uint32_t slot = record->place.slot;
    shard->next_sequence = record->place.sequence + 1;
    segment->slots = slot + 1;
    if (record->type == LOG_SEGMENT || !keywalk_key(&shard->walk, &segment->keys, slot, key))
        return;
    bool opened = log_open(r->bytes + offset, key, false, plain, record);
    sodium_memzero(key, sizeof key);
    if (!opened) { /* sound by its checksum, but not by its seal: somebody's work */
        m->counts.damaged++;
        m->port.damaged(m->port.ctx, r->shard, segment->id, offset, WAX_STORE_CORRUPT);
        return;
    }
    if (record->type == LOG_MESSAGE || record->type == LOG_RECEIPT)
        take_item(m, segment, record, offset);
    if (record->type == LOG_RECEIPT)
        take_receipt(m, segment, &record->receipt);
    if (record->type == LOG_RETIRE) {
        take_retire(m, segment, &record->retire);
        slots_push(&segment->spent, slot);
    }
}

/* Scan what was read of a segment. Returns whether its tail was torn off. */
static bool segment_scan(struct mailboxes *m, struct segment *segment, enum log_tail tail)
{
    struct recovery *r = &m->recovery;
    struct shard *shard = &m->shard[r->shard];
    struct log_scan scan;
    struct log_record record;
    enum wax_status status;
    size_t offset;
    bool damaged = false;
    sodium_memzero(&shard->walk, sizeof shard->walk);
    log_scan_init(&scan, view_of(r->bytes, r->want), segment->seed, r->expect, tail);
    while ((status = log_scan_next(&scan, &record, &offset)) == WAX_OK || status == WAX_STORE_CORRUPT) {
        if (status == WAX_OK) {
            take_record(m, segment, &record, offset);
            continue;
        }
        damaged = true;
        m->counts.damaged++;
        m->port.damaged(m->port.ctx, r->shard, segment->id, scan.at, status);
    }
    sodium_memzero(&shard->walk, sizeof shard->walk);
    segment->bytes = scan.at;
    segment->ended = !damaged; /* what can't be read now may be read by other means later: its keys stay */
    r->expect = scan.expect;   /* still unknown when nothing was there */
    if (status == WAX_STORE_TORN) {
        segment->trim = true;
    }
    if (status == WAX_STORE_TORN && scan.partial) {
        m->counts.torn++;
        m->port.damaged(m->port.ctx, r->shard, segment->id, scan.at, status);
    }
    return status == WAX_STORE_TORN;
}

static void tail_sealed(struct storage_op *op, enum wax_status status)
{
    struct mailboxes *m = mailboxes_of_op(op);
    struct recovery *r = &m->recovery;
    if (status != WAX_OK) {
        /* nothing may follow a torn tail that is still there: the next scan would take it for damage */
        recover_fail(m, status);
        return;
    }
    r->index++;
    segment_next(m);
}

static void segment_whole(struct mailboxes *m)
{
    struct recovery *r = &m->recovery;
    struct shard *shard = &m->shard[r->shard];
    struct storage_segment *found = &r->head.segments[r->index];
    bool last = r->index + 1 == r->head.segment_count;
    enum log_tail tail = found->sealed_bytes != STORAGE_NOT_SEALED ? LOG_TAIL_SEALED
                         : last                                    ? LOG_TAIL_OPEN
                                                                   : LOG_TAIL_FOLLOWED;
    if (r->index != 0 && found[-1].id + 1 != found->id)
        r->expect = 0; /* what lay between has been deleted */
    struct segment *segment = shard_segment(shard, found->id);
    bool torn = segment_scan(m, segment, tail);
    free(r->bytes);
    r->bytes = NULL;
    if (torn) {
        r->op.done = tail_sealed;
        m->storage->calls->seg_seal(m->storage, r->shard, shard->epoch, segment->id, segment->bytes, &r->op);
        return;
    }
    r->index++;
    segment_next(m);
}

static void piece_read(struct storage_op *op, enum wax_status status);

static void piece_next(struct mailboxes *m)
{
    struct recovery *r = &m->recovery;
    uint64_t left = r->want - r->got;
    if (left == 0) {
        segment_whole(m);
        return;
    }
    size_t len = left < READ_BYTES ? (size_t)left : READ_BYTES;
    r->op.done = piece_read;
    m->storage->calls->seg_read(m->storage, r->shard, r->head.segments[r->index].id, r->got,
                                span_of(r->bytes + r->got, len), &r->op);
}

static void piece_read(struct storage_op *op, enum wax_status status)
{
    struct mailboxes *m = mailboxes_of_op(op);
    struct recovery *r = &m->recovery;
    uint64_t left = r->want - r->got;
    size_t len = left < READ_BYTES ? (size_t)left : READ_BYTES;
    if (status != WAX_OK) /* a bad sector: the records in this piece are lost, and the scan will say so */
        memset(r->bytes + r->got, 0xff, len);
    r->got += len;
    piece_next(m);
}

/* Read the log of a segment whose keys are known. */
static void data_read(struct mailboxes *m)
{
    struct recovery *r = &m->recovery;
    const struct storage_segment *found = &r->head.segments[r->index];
    r->want = found->sealed_bytes != STORAGE_NOT_SEALED ? found->sealed_bytes : found->bytes;
    if (r->want > m->config.segment_bytes)
        r->want = m->config.segment_bytes; /* behind it lie tables */
    r->got = 0;
    r->bytes = xrealloc(NULL, r->want + 1);
    piece_next(m);
}

static void table_read(struct storage_op *op, enum wax_status status)
{
    struct mailboxes *m = mailboxes_of_op(op);
    struct recovery *r = &m->recovery;
    struct segment *segment = shard_segment(&m->shard[r->shard], r->head.segments[r->index].id);
    struct view table = view_of(r->bytes, status == WAX_OK ? r->want : 0);
    uint32_t damaged = keytable_open(table, segment->nodes, segment->secret, &segment->keys);
    free(r->bytes);
    r->bytes = NULL;
    for (uint32_t i = 0; i < damaged; i++) {
        m->counts.damaged++;
        m->port.damaged(m->port.ctx, r->shard, segment->id, m->config.segment_bytes, WAX_STORE_CORRUPT);
    }
    data_read(m);
}

/* Read the next segment of the shard, or be done with it. */
static void segment_next(struct mailboxes *m)
{
    struct recovery *r = &m->recovery;
    struct shard *shard = &m->shard[r->shard];
    const struct keyring_entry *entry = NULL;
    for (; r->index < r->head.segment_count; r->index++) {
        uint64_t id = r->head.segments[r->index].id;
        struct segment *segment = shard_segment_add(shard, id);
        for (uint32_t i = 0; i < r->entry_count && entry == NULL; i++)
            entry = r->entries[i].segment == id ? &r->entries[i] : NULL;
        if (entry == NULL) {
            r->expect = 0; /* nothing in it can be opened, and what follows is not known to follow */
            continue;
        }
        segment_keys(shard, segment, entry);
        if (entry->nodes == 0) {
            data_read(m);
            return;
        }
        r->want = keytable_bytes(entry->nodes);
        r->bytes = xrealloc(NULL, r->want);
        r->op.done = table_read;
        m->storage->calls->seg_read(m->storage, r->shard, id,
                                    m->config.segment_bytes + (uint64_t)entry->area * KEYTABLE_BYTES_MAX,
                                    span_of(r->bytes, r->want), &r->op);
        return;
    }
    shard_recovered(m);
}
