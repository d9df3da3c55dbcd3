/* SPDX-License-Identifier: BSD-3-Clause */
/* Group commit, segments and their ends. */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

#include "waxwire/wire.h"

/* One under way, one that fills; retirements that follow from receipts may add more. */
#define COMMITS_MAX        2u
#define COMMIT_RECORDS_MAX (KEYTREE_SLOTS / 2u)

void store_stop(struct mailboxes *m, enum wax_status status)
{
    if (m->stopped)
        return;
    m->stopped = true;
    m->port.failed(m->port.ctx, status);
}

/* ---- filling a commit ---- */

bool shard_full(const struct shard *shard, size_t bytes)
{
    return shard->commit_count >= COMMITS_MAX && shard->last->len + bytes > shard->m->config.commit_bytes;
}

void commit_free(struct commit *commit)
{
    if (commit == NULL)
        return;
    free(commit->bytes);
    free(commit->pending);
    free(commit);
}

/* Keep the memory of one: the next commit is likely to be as large. */
void commit_release(struct shard *shard, struct commit *commit)
{
    if (shard->spare != NULL || commit->room > 2u * shard->m->config.commit_bytes) {
        commit_free(commit);
        return;
    }
    *commit = (struct commit){.bytes = commit->bytes,
                              .room = commit->room,
                              .pending = commit->pending,
                              .pending_room = commit->pending_room};
    shard->spare = commit;
}

static struct commit *commit_new(struct shard *shard)
{
    struct commit *commit = shard->spare != NULL ? shard->spare : calloc(1, sizeof *commit);
    if (commit == NULL)
        abort();
    shard->spare = NULL;
    commit->shard = shard;
    commit->queued_ms = shard->m->now_ms;
    *(shard->last != NULL ? &shard->last->next : &shard->first) = commit;
    shard->last = commit;
    shard->commit_count++;
    return commit;
}

/* Room for a record in the commit that fills; what it means is the caller's to set at once. */
uint8_t *shard_put(struct shard *shard, size_t bytes, struct pending **pending, bool urgent)
{
    struct commit *commit = shard->last;
    assert(log_blocks(log_segment_size() + bytes) <= shard->m->config.segment_bytes);
    if (commit == NULL || (commit == shard->first && shard->in_flight) ||
        (commit->len != 0 && commit->len + bytes > shard->m->config.commit_bytes) ||
        commit->count == COMMIT_RECORDS_MAX)
        commit = commit_new(shard);
    if (commit->len + bytes > commit->room) {
        commit->room = (commit->len + bytes) * 2;
        commit->bytes = xrealloc(commit->bytes, commit->room);
    }
    if (commit->count == commit->pending_room) {
        commit->pending_room = commit->pending_room == 0 ? 8 : commit->pending_room * 2;
        commit->pending = xrealloc(commit->pending, commit->pending_room * sizeof *commit->pending);
    }
    commit->urgent |= urgent;
    *pending = &commit->pending[commit->count++];
    **pending = (struct pending){.at = (uint32_t)commit->len};
    uint8_t *at = commit->bytes + commit->len;
    commit->len += bytes;
    return at;
}

void shard_retire(struct mailboxes *m, struct mailbox *box, const uint64_t *positions, uint32_t count,
                  struct segment *pin)
{
    struct pending *pending;
    uint8_t *at = shard_put(&m->shard[box->shard], log_retire_size(count), &pending, pin != NULL);
    log_put_retire(at, &box->name, positions, count);
    pending->kind = PENDING_RETIRE;
    pending->box = box;
    pending->pin = pin;
    box->pending++;
}

/* ---- making it durable ---- */

static void commit_done(struct storage_op *op, enum wax_status status);

static void commit_submit(struct shard *shard)
{
    struct mailboxes *m = shard->m;
    struct commit *commit = shard->first;
    struct view bytes = view_of(commit->sealed, commit->sealed_len);
    uint64_t offset = shard->current->bytes;
    shard->retry_ms = 0;
    commit->op.done = commit_done;
    m->storage->calls->seg_write(m->storage, shard->index, shard->epoch, shard->current->id, offset, bytes,
                                 &commit->op);
}

static void rotation_sealed(struct storage_op *op, enum wax_status status)
{
    struct segment *segment = segment_of_op(op);
    segment->shard->seals--;
    segment->sealing = false;
    segment->shard->dead_segments = true;
    /* without the seal the next scan finds the end by itself */
    if (status == WAX_STORE_IO || status == WAX_STORE_FENCED)
        store_stop(segment->shard->m, status);
}

/* Leave the current segment for a new one, which the next commit begins. */
static void shard_rotate(struct shard *shard)
{
    struct segment *old = shard->current;
    struct storage *storage = shard->m->storage;
    if (old != NULL) {
        old->ended = true;
        old->sealing = true;
        old->op.done = rotation_sealed;
        shard->seals++;
        shard->current = NULL;
        storage->calls->seg_seal(storage, shard->index, shard->epoch, old->id, old->bytes, &old->op);
    }
    const struct keyring_entry *entry = &shard->reserve[0];
    assert(shard->reserve_count != 0 && entry->segment == shard->next_segment);
    shard->current = shard_segment_add(shard, shard->next_segment);
    segment_keys(shard, shard->current, entry);
    memmove(shard->reserve, shard->reserve + 1, (RESERVE - 1u) * sizeof shard->reserve[0]);
    sodium_memzero(&shard->reserve[RESERVE - 1u], sizeof shard->reserve[0]);
    shard->reserve_count--;
    sodium_memzero(&shard->walk, sizeof shard->walk);
    shard->rotate = false;
}

/* Room for what is sealed, aligned so that it can be written past the page cache. */
static uint8_t *sealed_room(struct shard *shard, size_t bytes)
{
    if (bytes > shard->sealed_room) {
        free(shard->sealed);
        shard->sealed_room = (bytes + bytes / 2 + 4095u) & ~(size_t)4095u;
        shard->sealed = aligned_alloc(4096, shard->sealed_room);
        if (shard->sealed == NULL)
            abort();
    }
    return shard->sealed;
}

/* Seal the records of the first commit, behind the segment's own when it begins one. */
static void commit_seal(struct shard *shard, struct commit *commit)
{
    struct segment *segment = shard->current;
    enum log_cipher cipher = shard->m->config.cipher;
    uint8_t key[LOG_KEY_BYTES], head[LOG_HEADER_BYTES + LOG_SEGMENT_BYTES];
    struct log_place place = {
        .sequence = shard->next_sequence,
        .commit = shard->next_sequence,
        .epoch = shard->epoch,
        .slot = segment->slots,
    };
    uint8_t *out = sealed_room(shard, log_blocks(log_segment_size() + commit->len));
    commit->sealed = out;
    if (commit->begins) {
        const struct log_segment record = {shard->index, segment->id};
        log_put_segment(head, &record);
        out += log_seal(out, head, cipher, key, segment->seed, &place);
        place.sequence++;
        place.slot++;
    }
    commit->first_slot = place.slot;
    for (size_t at = 0; at < commit->len;) {
        bool has = keywalk_key(&shard->walk, &segment->keys, place.slot, key);
        assert(has);
        size_t bytes = log_seal(out, commit->bytes + at, cipher, key, segment->seed, &place);
        at += bytes;
        out += bytes;
        place.sequence++;
        place.slot++;
    }
    sodium_memzero(key, sizeof key);
    commit->sealed_len = log_blocks((size_t)(out - commit->sealed));
    memset(out, 0, commit->sealed_len - (size_t)(out - commit->sealed));
    shard->next_sequence = place.sequence;
    segment->slots = place.slot;
}

/* Whether the first commit goes to a new segment. */
static bool commit_rotates(const struct shard *shard)
{
    const struct segment *current = shard->current;
    const struct commit *commit = shard->first;
    return current == NULL || shard->rotate ||
           current->bytes + log_blocks(log_segment_size() + commit->len) > shard->m->config.segment_bytes ||
           current->slots + commit->count + 1u > KEYTREE_SLOTS;
}

/* Give the first commit its place in the log, and write it. */
static void commit_begin(struct shard *shard)
{
    struct commit *commit = shard->first;
    if (commit_rotates(shard)) {
        if (shard->reserve_count == 0)
            return; /* the ring is being written */
        shard_rotate(shard);
    }
    commit->begins = shard->current->bytes == 0;
    commit_seal(shard, commit);
    shard->in_flight = true;
    commit_submit(shard);
}

void shard_flush(struct shard *shard)
{
    uint64_t now_ms = shard->m->now_ms;
    if (shard->first == NULL)
        return;
    if (shard->in_flight) {
        if (shard->retry_ms != 0 && now_ms >= shard->retry_ms) {
            if (shard->first->refused != WAX_OK)
                refusal_seal(shard);
            else
                commit_submit(shard);
        }
        return;
    }
    if (shard->first->urgent || shard->first->next != NULL ||
        now_ms >= shard->first->queued_ms + MAILBOX_RETIRE_DELAY_MS)
        commit_begin(shard);
}

void pending_answer(struct mailboxes *m, const struct pending *pending, uint8_t reason)
{
    if (pending->attachment == m->attachment)
        m->port.stored(m->port.ctx, pending->worker, pending->tag, reason);
}

/* A receipt is durable: what it is about goes, and the receipt's segment stays until that is durable, too. */
static void receipt_retires(struct mailboxes *m, const struct pending *pending, struct segment *segment)
{
    struct item *item = mailbox_item(pending->about, pending->retire);
    if (item != NULL && !item->gone) {
        mailbox_item_gone(m, pending->about, item);
        segment->pins++;
        shard_retire(m, pending->about, &pending->retire, 1, segment);
    }
}

static void item_is_durable(struct shard *shard, const struct commit *commit, const struct pending *pending,
                            uint64_t base)
{
    struct mailboxes *m = shard->m;
    struct segment *segment = shard->current;
    struct item *item = mailbox_item(pending->box, pending->position);
    item_place(item, segment, base + pending->at, commit->first_slot + (uint32_t)(pending - commit->pending));
    pending->box->stored_end = pending->position;
    if (!item->gone) {
        segment->live++;
        segment->live_bytes += item_bytes(item);
    }
    m->counts.stored++;
    pending_answer(m, pending, 0);
    if (pending->about != NULL)
        receipt_retires(m, pending, segment);
}

static void retirement_is_durable(struct shard *shard, const struct commit *commit,
                                  const struct pending *pending)
{
    struct log_record record;
    bool sound = log_read(commit->bytes + pending->at, &record);
    assert(sound && record.type == LOG_RETIRE);
    for (uint32_t i = 0; i < record.retire.count; i++) {
        struct item *item = mailbox_item(pending->box, log_retire_position(&record.retire, i));
        if (item == NULL)
            continue;
        struct segment *segment = shard_segment(shard, item->segment);
        if (segment != NULL) {
            segment_forget(segment, item->slot);
            if (segment != shard->current)
                segment_ref(shard->current, item->segment);
        }
        mailbox_remove(pending->box, item);
    }
    slots_push(&shard->current->spent, commit->first_slot + (uint32_t)(pending - commit->pending));
    if (pending->pin != NULL && --pending->pin->pins == 0)
        pending->pin->shard->dead_segments = true;
}

static void commit_end(struct shard *shard, struct commit *commit)
{
    shard->first = commit->next;
    if (shard->first == NULL)
        shard->last = NULL;
    shard->commit_count--;
    shard->in_flight = false;
    commit_release(shard, commit);
}

static void commit_is_durable(struct shard *shard, struct commit *commit)
{
    struct mailboxes *m = shard->m;
    uint64_t base = shard->current->bytes + (commit->begins ? log_segment_size() : 0);
    shard->current->bytes += commit->sealed_len;
    uint64_t waited_ms = m->now_ms > commit->queued_ms ? m->now_ms - commit->queued_ms : 0;
    uint32_t bucket = waited_ms == 0 ? 0 : 64u - (uint32_t)__builtin_clzll(waited_ms);
    m->counts.waited[bucket < MAILBOX_WAITS ? bucket : MAILBOX_WAITS - 1u] += commit->count;
    m->counts.commits++;
    m->counts.commit_bytes += commit->len;
    for (uint32_t i = 0; i < commit->count; i++) {
        if (commit->pending[i].kind == PENDING_RETIRE)
            retirement_is_durable(shard, commit, &commit->pending[i]);
        else if (commit->pending[i].kind == PENDING_MOVE)
            move_is_durable(shard, commit, &commit->pending[i], base);
        else
            item_is_durable(shard, commit, &commit->pending[i], base);
    }
    m->fresh = commit->bytes;
    m->fresh_len = commit->len;
    m->fresh_shard = shard->index;
    m->fresh_segment = shard->current->id;
    m->fresh_offset = base;
    for (uint32_t i = 0; i < commit->count; i++) {
        struct mailbox *box = commit->pending[i].box;
        struct mailbox *about = commit->pending[i].about;
        if (box->drain != NULL)
            drain_pump(m, box->drain);
        if (about != NULL) {
            about->pending--;
            mailbox_settle(m, about);
        }
        box->pending--;
        mailbox_settle(m, box);
    }
    m->fresh = NULL;
    commit_end(shard,
               commit); /* the next begins with the turn's end, and takes along what comes until then */
}

static void commit_done(struct storage_op *op, enum wax_status status)
{
    struct commit *commit = (struct commit *)(void *)((char *)op - offsetof(struct commit, op));
    struct shard *shard = commit->shard;
    if (shard->m->stopped)
        return; /* it may be durable, but nothing is answered any more */
    switch (status) {
    case WAX_OK:
        commit_is_durable(shard, commit);
        break;
    case WAX_STORE_UNKNOWN:
        shard->retry_ms = shard->m->now_ms + MAILBOX_RETRY_MS;
        break;
    case WAX_STORE_NO_SPACE:
        /* parts of it may lie there: nothing is refused before they are sealed off */
        commit->refused = status;
        refusal_seal(shard);
        break;
    default:
        store_stop(shard->m, status);
        break;
    }
}
