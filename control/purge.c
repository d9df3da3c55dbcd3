/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Destroying the keys of what was retired (keytree.h, keyring.h). A shard does so in rounds: for
 * each segment of which something is gone it makes the table of the keys that are left, sealed under a
 * new key; when all tables are durable it replaces the ring. Only then are the old keys forgotten. A
 * retirement's own key goes a round later than those of what it retires.
 */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

#define ROUND_PART_OF                                                                                        \
    4u /* a round begins at the latest 3/4 of purge_ms after the last, and has the rest to end */

static void purge_step(struct shard *shard);

static struct shard *shard_of_op(struct storage_op *op)
{
    return (struct shard *)(void *)((char *)op - offsetof(struct shard, purge.op));
}

static void bytes_release(struct purge *purge)
{
    free(purge->bytes); /* sealed: nothing to wipe */
    purge->bytes = NULL;
}

void purge_free(struct purge *purge)
{
    for (uint32_t i = 0; i < purge->count; i++)
        keytree_free(&purge->parts[i].keys);
    if (purge->count != 0)
        sodium_memzero(purge->parts, purge->count * sizeof purge->parts[0]);
    free(purge->parts);
    bytes_release(purge);
    *purge = (struct purge){.active = false};
}

/* ---- a round's end ---- */

/* The slots of the first `count` are done with. */
static void slots_drop(struct slots *slots, uint32_t count)
{
    slots->count -= count;
    memmove(slots->slot, slots->slot + count, slots->count * sizeof *slots->slot);
}

/* The new keys are the only ones now. */
static void part_done(struct shard *shard, struct purge_part *part)
{
    struct mailboxes *m = shard->m;
    struct segment *segment = part->segment;
    struct keytree old = segment->keys;
    segment->keys = part->keys;
    part->keys = old;
    memcpy(segment->secret, part->secret, sizeof segment->secret);
    segment->nodes = part->nodes;
    segment->area = part->area;
    segment->purging = false;
    if (part->taken != 0) {
        uint64_t late_ms = m->now_ms > segment->gone_ms ? m->now_ms - segment->gone_ms : 0;
        if (late_ms > m->counts.purge_late_ms)
            m->counts.purge_late_ms = late_ms;
        slots_drop(&segment->gone, part->taken);
        segment->gone_ms = m->now_ms;
    }
    if (segment == shard->current)
        sodium_memzero(&shard->walk, sizeof shard->walk);
    if (segment->gone.count != 0)
        shard->purge_due = true;
}

/* Retirements of what has no key any more are to lose theirs. */
static void spent_done(struct shard *shard)
{
    for (uint32_t i = 0; i < shard->segment_count; i++) {
        struct segment *segment = shard->segments[i];
        for (uint32_t j = 0; j < segment->spent_covered; j++)
            segment_forget(segment, segment->spent.slot[j]);
        if (segment->spent_covered != 0)
            slots_drop(&segment->spent, segment->spent_covered);
        segment->spent_covered = 0;
    }
}

static void ring_done(struct shard *shard)
{
    struct purge *purge = &shard->purge;
    struct mailboxes *m = shard->m;
    uint32_t left = 0;
    for (uint32_t i = 0; i < purge->count; i++) {
        struct purge_part *part = &purge->parts[i];
        if (!part->made) {
            purge->parts[left++] = *part;
            continue;
        }
        part_done(shard, part);
        keytree_free(&part->keys);
        sodium_memzero(part->secret, sizeof part->secret);
    }
    purge->count = left;
    purge->ring = false;
    shard->reserve_count += purge->reserve_new;
    if (left != 0) {
        purge_step(shard);
        return;
    }
    if (purge->round) {
        shard->rounds_done = shard->rounds_begun;
        spent_done(shard);
        shard->dead_segments = true;
        m->counts.purges++;
    }
    purge_free(purge);
}

/* ---- writing ---- */

/* Whether a write went well; if not it is tried again later, or the store has stopped. */
static bool written(struct shard *shard, enum wax_status status)
{
    struct mailboxes *m = shard->m;
    if (status == WAX_OK) {
        m->counts.purge_bytes += shard->purge.len;
        bytes_release(&shard->purge);
        return true;
    }
    if (status == WAX_STORE_UNKNOWN || status == WAX_STORE_NO_SPACE) {
        shard->purge.waits = true;
        shard->purge.retry_ms = m->now_ms + MAILBOX_RETRY_MS;
    } else {
        store_stop(m, status);
    }
    return false;
}

static void table_written(struct storage_op *op, enum wax_status status)
{
    struct shard *shard = shard_of_op(op);
    if (written(shard, status)) {
        shard->purge.part->made = true;
        purge_step(shard);
    }
}

static void ring_written(struct storage_op *op, enum wax_status status)
{
    struct shard *shard = shard_of_op(op);
    if (written(shard, status))
        ring_done(shard);
}

/* Write purge->bytes, for the first time or again. */
static void submit(struct shard *shard)
{
    struct purge *purge = &shard->purge;
    struct storage *storage = shard->m->storage;
    struct view bytes = view_of(purge->bytes, purge->len);
    purge->waits = false;
    purge->retry_ms = 0;
    if (purge->ring) {
        purge->op.done = ring_written;
        storage->calls->ring_put(storage, shard->index, shard->epoch, bytes, &purge->op);
        return;
    }
    const struct purge_part *part = purge->part;
    uint64_t offset = shard->m->config.segment_bytes + (uint64_t)part->area * KEYTABLE_BYTES_MAX;
    purge->op.done = table_written;
    storage->calls->seg_write(storage, shard->index, shard->epoch, part->segment->id, offset, bytes,
                              &purge->op);
}

static int slot_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

/* Take the keys of what is gone by now out of a segment's tree. */
static void part_make(struct purge_part *part)
{
    struct segment *segment = part->segment;
    part->taken = segment->gone.count;
    if (part->taken != 0)
        qsort(segment->gone.slot, part->taken, sizeof *segment->gone.slot, slot_order);
    keytree_puncture(&segment->keys, segment->gone.slot, part->taken,
                     segment->ended ? segment->slots : KEYTREE_SLOTS, &part->keys);
    segment->trim = false;
    part->nodes = part->keys.count;
    part->area = segment->nodes != 0 ? !segment->area : 0;
    randombytes_buf(part->secret, sizeof part->secret);
}

static void ring_add(struct keyring_entry *entries, uint32_t *count, const struct segment *segment,
                     const struct purge_part *part)
{
    const struct keytree *keys = part != NULL ? &part->keys : &segment->keys;
    if (keys->count == 0 || segment->deleting)
        return; /* nothing in it is to be opened any more */
    struct keyring_entry *entry = &entries[(*count)++];
    entry->segment = segment->id;
    entry->nodes = part != NULL ? part->nodes : segment->nodes;
    entry->area = part != NULL ? part->area : segment->area;
    memcpy(entry->secret, part != NULL ? part->secret : segment->secret, sizeof entry->secret);
    memcpy(entry->salt, keys->salt, sizeof entry->salt);
}

/* The ring as it will be: tables that were made are in it, segments that are gone are not. */
static void ring_make(struct shard *shard)
{
    struct purge *purge = &shard->purge;
    uint32_t count = 0, room = shard->segment_count + RESERVE, at = 0;
    struct keyring_entry *entries = calloc(room, sizeof *entries);
    if (entries == NULL)
        abort();
    for (uint32_t i = 0; i < shard->segment_count; i++) {
        const struct segment *segment = shard->segments[i];
        const struct purge_part *part = at < purge->count ? &purge->parts[at] : NULL;
        bool has = part != NULL && part->segment == segment;
        ring_add(entries, &count, segment, has && part->made ? part : NULL);
        at += has;
    }
    assert(at == purge->count);
    for (uint32_t i = shard->reserve_count; i < RESERVE; i++) {
        shard->reserve[i] = (struct keyring_entry){.segment = shard->next_segment + i};
        randombytes_buf(shard->reserve[i].secret, sizeof shard->reserve[i].secret);
        randombytes_buf(shard->reserve[i].salt, sizeof shard->reserve[i].salt);
    }
    purge->reserve_new = RESERVE - shard->reserve_count;
    memcpy(entries + count, shard->reserve, sizeof shard->reserve);
    count += RESERVE;
    purge->len = keyring_bytes(count);
    purge->bytes = xrealloc(NULL, purge->len);
    keyring_seal(purge->bytes, entries, count, shard->index, shard->m->config.master);
    sodium_memzero(entries, room * sizeof *entries);
    free(entries);
    purge->ring = true;
}

/* The next segment that can be done now, or NULL. `*made` and `*pinned` tell of the others. */
static struct purge_part *part_next(struct shard *shard, bool *made, bool *pinned)
{
    struct purge *purge = &shard->purge;
    for (uint32_t i = 0; i < purge->count; i++) {
        struct purge_part *part = &purge->parts[i];
        if (part->made) {
            *made = true;
        } else if (part->segment->pins != 0) {
            /* a receipt must be readable until what it retires is retired */
            *pinned = true;
            shard->rotate |= part->segment == shard->current;
        } else {
            return part;
        }
    }
    return NULL;
}

static void purge_step(struct shard *shard)
{
    struct purge *purge = &shard->purge;
    bool made = false, pinned = false;
    while ((purge->part = part_next(shard, &made, &pinned)) != NULL) {
        part_make(purge->part);
        if (purge->part->nodes == 0) {
            purge->part->made = true;
            continue;
        }
        purge->len = keytable_bytes(purge->part->nodes);
        purge->bytes = xrealloc(NULL, purge->len);
        keytable_seal(purge->bytes, &purge->part->keys, purge->part->secret);
        submit(shard);
        return;
    }
    if (pinned && !made && shard->reserve_count > RESERVE_LOW) {
        purge->waits = true;
        return;
    }
    ring_make(shard);
    submit(shard);
}

/* ---- a round's beginning ---- */

static void round_begin(struct shard *shard)
{
    struct purge *purge = &shard->purge;
    uint64_t interval_ms = shard->m->config.purge_ms - shard->m->config.purge_ms / ROUND_PART_OF;
    purge->round = true;
    purge->parts = calloc(shard->segment_count + 1u, sizeof *purge->parts);
    if (purge->parts == NULL)
        abort();
    for (uint32_t i = 0; i < shard->segment_count; i++) {
        struct segment *segment = shard->segments[i];
        segment->spent_covered = segment->spent.count;
        if ((segment->gone.count == 0 && !segment->trim) || segment->deleting || segment->keys.count == 0)
            continue;
        segment->purging = true;
        purge->parts[purge->count++].segment = segment;
    }
    shard->rounds_begun++;
    shard->purge_due = false;
    shard->next_purge_ms = shard->m->now_ms + interval_ms;
}

void purge_turn(struct shard *shard)
{
    struct purge *purge = &shard->purge;
    uint64_t now_ms = shard->m->now_ms;
    if (purge->active) {
        if (!purge->waits || now_ms < purge->retry_ms)
            return;
        purge->waits = false;
        if (purge->bytes != NULL)
            submit(shard);
        else
            purge_step(shard);
        return;
    }
    bool due = shard->purge_due && now_ms >= shard->next_purge_ms;
    if (!due && shard->reserve_count > RESERVE_LOW)
        return;
    purge->active = true;
    if (due)
        round_begin(shard);
    purge_step(shard);
}
