/* SPDX-License-Identifier: BSD-3-Clause */
/* What the records of a segment mean for the index, in the order of the log. */
#include "mailbox_internal.h"

#include <sodium.h>

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
    struct recovered *all = &m->recovered;
    if (receipt->retire == 0)
        return;
    if (all->retire_count == all->retire_room) {
        all->retire_room = all->retire_room == 0 ? 64 : all->retire_room * 2;
        all->retires = xrealloc(all->retires, all->retire_room * sizeof *all->retires);
    }
    all->retires[all->retire_count++] =
        (struct recovered_retire){receipt->about, receipt->retire, segment->shard->index, segment->id};
}

/* A record that the scan has found sound. */
static void take_record(struct recovery *r, struct segment *segment, struct log_record *record, size_t offset)
{
    struct mailboxes *m = r->m;
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

bool recover_scan(struct recovery *r, struct segment *segment, enum log_tail tail)
{
    struct mailboxes *m = r->m;
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
            take_record(r, segment, &record, offset);
            continue;
        }
        damaged = true;
        m->counts.damaged++;
        m->port.damaged(m->port.ctx, r->shard, segment->id, scan.at, status);
    }
    sodium_memzero(&shard->walk, sizeof shard->walk);
    segment->bytes = scan.at;
    if (r->unread) { /* what was missed has numbers of its own, should it be found again */
        segment->unread = true;
        shard->next_sequence += KEYTREE_SLOTS;
        r->expect = 0;
    } else {
        r->expect = scan.expect; /* still unknown when nothing was there */
    }
    segment->ended =
        !damaged && !r->unread; /* what can't be read now may be read by other means later: its keys stay */
    if (status == WAX_STORE_TORN) {
        segment->trim = true;
    }
    if (status == WAX_STORE_TORN && scan.partial) {
        m->counts.torn++;
        m->port.damaged(m->port.ctx, r->shard, segment->id, scan.at, status);
    }
    return status == WAX_STORE_TORN;
}
