/* SPDX-License-Identifier: BSD-3-Clause */
/* A full disk: what could not be written is refused, once it is sealed off for good. */
#include "mailbox_internal.h"

#include <stdlib.h>

#include "waxwire/wire.h"

static void pending_refuse(struct mailboxes *m, const struct pending *pending)
{
    struct mailbox *box = pending->box;
    struct item *item = mailbox_item(box, pending->position);
    if (!item->gone)
        mailbox_count_out(m, box, item);
    mailbox_remove(box, item);
    mailbox_refuse(m, box, pending->position, pending->worker);
    pending_answer(m, pending, WIRE_REASON_BUSY);
    if (pending->about != NULL) {
        pending->about->pending--;
        mailbox_settle(m, pending->about);
    }
    box->pending--;
    mailbox_settle(m, box);
}

static void move_refuse(struct mailboxes *m, const struct pending *pending)
{
    struct item *item = mailbox_item(pending->box, pending->position);
    if (item != NULL)
        item->moving = 0;
    pending->box->pending--;
    mailbox_settle(m, pending->box);
}

/* Refuse the stores of a commit; its retirements stay, to be tried again a second later. */
static void commit_refuse(struct shard *shard, struct commit *commit)
{
    uint8_t *records = commit->bytes;
    size_t len = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < commit->count; i++) {
        struct pending pending = commit->pending[i];
        if (pending.kind == PENDING_MOVE) { /* it stays where it is */
            move_refuse(shard->m, &pending);
            continue;
        }
        if (pending.kind != PENDING_RETIRE) {
            pending_refuse(shard->m, &pending);
            continue;
        }
        size_t bytes = log_padded(load_be32(records + pending.at + 8));
        memmove(records + len, records + pending.at, bytes);
        pending.at = (uint32_t)len;
        commit->pending[count++] = pending;
        len += bytes;
    }
    commit->len = len;
    commit->count = count;
    commit->urgent = false;
    commit->refused = WAX_OK;
    commit->queued_ms = shard->m->now_ms + 1000;
}

/*
 * The first commit went nowhere, and that is durable. What is queued behind it is refused
 * as well: it would otherwise overtake what was refused.
 */
static void shard_refuse(struct shard *shard)
{
    struct commit *commit = shard->first;
    shard->next_sequence = load_be64(commit->sealed + 16);
    shard->in_flight = false;
    shard->first = shard->last = NULL;
    shard->commit_count = 0;
    while (commit != NULL) {
        struct commit *next = commit->next;
        commit_refuse(shard, commit);
        commit->next = NULL;
        if (commit->count == 0) {
            commit_release(shard, commit);
        } else {
            *(shard->last != NULL ? &shard->last->next : &shard->first) = commit;
            shard->last = commit;
            shard->commit_count++;
        }
        commit = next;
    }
}

static void refusal_sealed(struct storage_op *op, enum wax_status status);

void refusal_seal(struct shard *shard)
{
    struct commit *commit = shard->first;
    struct storage *storage = shard->m->storage;
    commit->op.done = refusal_sealed;
    shard->retry_ms = 0;
    storage->calls->seg_seal(storage, shard->index, shard->epoch, shard->current->id, shard->current->bytes,
                             &commit->op);
}

static void refusal_sealed(struct storage_op *op, enum wax_status status)
{
    struct commit *commit = (struct commit *)(void *)((char *)op - offsetof(struct commit, op));
    struct shard *shard = commit->shard;
    if (status == WAX_STORE_IO || status == WAX_STORE_FENCED) {
        store_stop(shard->m, status);
        return;
    }
    if (status != WAX_OK) {
        shard->retry_ms = shard->m->now_ms + MAILBOX_RETRY_MS;
        return;
    }
    /* and what was written of it in part loses its keys */
    segment_end(shard->current, commit->begins ? 0 : commit->first_slot);
    shard->current = NULL;
    shard->dead_segments = true;
    shard_refuse(shard);
}
