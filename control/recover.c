/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rebuilding the index by scanning the logs of the shards. What has no key any more was retired; of the rest
 * the first part of each record is opened.
 *
 * Some shards are read at a time, each by a lane of its own, and a segment by reads that are all under way
 * together. So while one segment is scanned the disk brings others. Within a shard segments are scanned in
 * their order; a shard knows nothing of the others.
 */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

static void shard_opened(struct storage_op *op, enum wax_status status);
static void ring_read(struct storage_op *op, enum wax_status status);
static void segment_next(struct recovery *r);

static struct recovery *recovery_of_op(struct storage_op *op)
{
    return (struct recovery *)(void *)((char *)op - offsetof(struct recovery, op));
}

void recover_free(struct mailboxes *m)
{
    for (uint32_t i = 0; m->recovery != NULL && i < RECOVER_LANES; i++) {
        struct recovery *r = &m->recovery[i];
        if (r->entries != NULL)
            sodium_memzero(r->entries, r->entry_count * sizeof *r->entries);
        free(r->entries);
        free(r->head.segments);
        free(r->ring);
        free(r->bytes);
    }
    free(m->recovery);
    m->recovery = NULL;
    free(m->recovered.retires);
    m->recovered = (struct recovered){.retires = NULL};
}

/* Room for what is read, kept from segment to segment, aligned so that it can be read past the page cache. */
static void bytes_room(struct recovery *r, size_t bytes)
{
    if (bytes <= r->room)
        return;
    free(r->bytes);
    r->room = (bytes + 4095u) & ~(size_t)4095u;
    r->bytes = aligned_alloc(4096, r->room);
    if (r->bytes == NULL)
        abort();
}

/* Receipts are durable whose retirements may not be: retire again, and keep the receipts until that is done.
 */
static void retire_again(struct mailboxes *m)
{
    for (size_t i = 0; i < m->recovered.retire_count; i++) {
        struct recovered_retire *retire = &m->recovered.retires[i];
        struct mailbox *box = mailbox_find(m, &retire->about);
        struct item *item = box != NULL ? mailbox_item(box, retire->position) : NULL;
        if (item == NULL || item->gone)
            continue;
        struct segment *pin = shard_segment(&m->shard[retire->shard], retire->segment);
        mailbox_item_gone(m, box, item);
        pin->pins++;
        shard_retire(m, box, &retire->position, 1, pin);
    }
}

/* All lanes have come to rest. */
static void finish(struct mailboxes *m)
{
    enum wax_status status = m->recovered.status;
    m->recovering = false;
    if (status == WAX_OK)
        retire_again(m);
    m->stopped = status != WAX_OK;
    recover_free(m);
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        m->shard[i].dead_segments = m->shard[i].purge_due = true;
    m->port.ready(m->port.ctx, status);
}

/* Take on the next shard, or rest when there is none or something has failed. */
static void lane_next(struct recovery *r)
{
    struct mailboxes *m = r->m;
    if (r->entries != NULL)
        sodium_memzero(r->entries, r->entry_count * sizeof *r->entries);
    free(r->entries);
    r->entries = NULL;
    free(r->head.segments);
    r->head.segments = NULL;
    if (m->recovered.next_shard == WAX_STORE_SHARDS || m->recovered.status != WAX_OK) {
        if (--m->recovered.lanes == 0)
            finish(m);
        return;
    }
    r->shard = m->recovered.next_shard++;
    r->op.done = shard_opened;
    r->index = 0;
    r->expect = 0;
    m->storage->calls->shard_open(m->storage, r->shard, &r->head, &r->op);
}

static void recover_fail(struct recovery *r, enum wax_status status)
{
    if (r->m->recovered.status == WAX_OK)
        r->m->recovered.status = status;
    lane_next(r);
}

void mailboxes_recover(struct mailboxes *m)
{
    m->recovering = true;
    m->recovery = calloc(RECOVER_LANES, sizeof *m->recovery);
    if (m->recovery == NULL)
        abort();
    m->recovered.lanes = RECOVER_LANES;
    for (uint32_t i = 0; i < RECOVER_LANES; i++) {
        m->recovery[i].m = m;
        m->recovery[i].ring = xrealloc(NULL, STORAGE_RING_BYTES_MAX);
        lane_next(&m->recovery[i]);
    }
}

static void shard_opened(struct storage_op *op, enum wax_status status)
{
    struct recovery *r = recovery_of_op(op);
    struct mailboxes *m = r->m;
    if (status != WAX_OK) {
        recover_fail(r, status);
        return;
    }
    m->shard[r->shard].epoch = r->head.epoch;
    r->op.done = ring_read;
    m->storage->calls->ring_get(m->storage, r->shard, span_of(r->ring, STORAGE_RING_BYTES_MAX), &r->ring_len,
                                &r->op);
}

static void ring_read(struct storage_op *op, enum wax_status status)
{
    struct recovery *r = recovery_of_op(op);
    r->entry_count = 0;
    if (status == WAX_OK) {
        struct view ring = view_of(r->ring, r->ring_len);
        r->entry_count = keyring_count(ring);
        if (r->entry_count > KEYRING_ENTRIES_MAX) {
            recover_fail(r, WAX_STORE_CORRUPT);
            return;
        }
        r->entries = calloc(r->entry_count + 1u, sizeof *r->entries);
        if (r->entries == NULL)
            abort();
        status = keyring_open(ring, r->shard, r->m->config.master, r->entries);
    } else if (status == WAX_NOT_FOUND) {
        /* a segment is never written before its key */
        status = r->head.segment_count == 0 ? WAX_OK : WAX_STORE_KEY;
    }
    if (status != WAX_OK)
        recover_fail(r, status);
    else
        segment_next(r);
}

static void tail_sealed(struct storage_op *op, enum wax_status status)
{
    struct recovery *r = recovery_of_op(op);
    if (status != WAX_OK) {
        /* nothing may follow a torn tail that is still there: the next scan would take it for damage */
        recover_fail(r, status);
        return;
    }
    r->index++;
    segment_next(r);
}

static void segment_whole(struct recovery *r)
{
    struct mailboxes *m = r->m;
    struct shard *shard = &m->shard[r->shard];
    struct storage_segment *found = &r->head.segments[r->index];
    bool last = r->index + 1 == r->head.segment_count;
    /* nothing is cut off for not having been read */
    enum log_tail tail = found->sealed_bytes != STORAGE_NOT_SEALED || r->unread ? LOG_TAIL_SEALED
                         : last                                                 ? LOG_TAIL_OPEN
                                                                                : LOG_TAIL_FOLLOWED;
    if (r->index != 0 && found[-1].id + 1 != found->id)
        r->expect = 0; /* what lay between has been deleted */
    struct segment *segment = shard_segment(shard, found->id);
    if (recover_scan(r, segment, tail)) {
        r->op.done = tail_sealed;
        m->storage->calls->seg_seal(m->storage, r->shard, shard->epoch, segment->id, segment->bytes, &r->op);
        return;
    }
    r->index++;
    segment_next(r);
}

static void piece_read(struct storage_op *op, enum wax_status status)
{
    struct recover_piece *piece =
        (struct recover_piece *)(void *)((char *)op - offsetof(struct recover_piece, op));
    if (status != WAX_OK) { /* a bad sector: the records in this piece are missed, and the scan will say so */
        memset(piece->out.data, 0xff, piece->out.len);
        piece->r->unread = true;
    }
    if (--piece->r->pieces_left == 0)
        segment_whole(piece->r);
}

/* Read the log of a segment whose keys are known. */
static void data_read(struct recovery *r)
{
    struct mailboxes *m = r->m;
    const struct storage_segment *found = &r->head.segments[r->index];
    r->want = found->sealed_bytes != STORAGE_NOT_SEALED ? found->sealed_bytes : found->bytes;
    if (r->want > m->config.segment_bytes)
        r->want = m->config.segment_bytes; /* behind it lie tables */
    size_t most = m->config.segment_bytes / RECOVER_PIECES;
    uint32_t count = (uint32_t)((r->want + most - 1u) / most);
    r->pieces_left = count;
    r->unread = false;
    bytes_room(r, r->want);
    if (count == 0)
        segment_whole(r);
    for (uint32_t i = 0; i < count; i++) {
        struct recover_piece *piece = &r->piece[i];
        size_t at = i * most, left = r->want - at;
        *piece = (struct recover_piece){.op = {.done = piece_read}, .r = r};
        piece->out = span_of(r->bytes + at, left < most ? left : most);
        m->storage->calls->seg_read(m->storage, r->shard, found->id, at, piece->out, &piece->op);
    }
}

static void table_read(struct storage_op *op, enum wax_status status)
{
    struct recovery *r = recovery_of_op(op);
    struct mailboxes *m = r->m;
    struct segment *segment = shard_segment(&m->shard[r->shard], r->head.segments[r->index].id);
    struct view table = view_of(r->bytes, status == WAX_OK ? r->want : 0);
    uint32_t damaged = keytable_open(table, segment->nodes, segment->secret, &segment->keys);
    for (uint32_t i = 0; i < damaged; i++) {
        m->counts.damaged++;
        m->port.damaged(m->port.ctx, r->shard, segment->id, m->config.segment_bytes, WAX_STORE_CORRUPT);
    }
    data_read(r);
}

/* Read the next segment of the shard, or be done with it. */
static void segment_next(struct recovery *r)
{
    struct mailboxes *m = r->m;
    struct shard *shard = &m->shard[r->shard];
    const struct keyring_entry *entry = NULL;
    for (; r->index < r->head.segment_count && m->recovered.status == WAX_OK; r->index++) {
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
            data_read(r);
            return;
        }
        r->want = keytable_bytes(entry->nodes);
        bytes_room(r, r->want);
        r->op.done = table_read;
        m->storage->calls->seg_read(m->storage, r->shard, id,
                                    m->config.segment_bytes + (uint64_t)entry->area * KEYTABLE_BYTES_MAX,
                                    span_of(r->bytes, r->want), &r->op);
        return;
    }
    lane_next(r);
}
