/* SPDX-License-Identifier: BSD-3-Clause */
/* The segments of a shard: what lives in them, and when they can go. */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

static uint32_t segment_place(const struct shard *shard, uint64_t id)
{
    uint32_t low = 0, high = shard->segment_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (shard->segments[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct segment *shard_segment(struct shard *shard, uint64_t id)
{
    uint32_t place = segment_place(shard, id);
    return place < shard->segment_count && shard->segments[place]->id == id ? shard->segments[place] : NULL;
}

struct segment *shard_segment_add(struct shard *shard, uint64_t id)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        abort();
    segment->id = id;
    segment->shard = shard;
    if (shard->segment_count == shard->segment_room) {
        shard->segment_room = shard->segment_room == 0 ? 8 : shard->segment_room * 2;
        shard->segments = xrealloc(shard->segments, shard->segment_room * sizeof(struct segment *));
    }
    assert(shard->segment_count == 0 || shard->segments[shard->segment_count - 1]->id < id);
    shard->segments[shard->segment_count++] = segment;
    if (id >= shard->next_segment)
        shard->next_segment = id + 1;
    return segment;
}

void segment_ref(struct segment *segment, uint64_t id)
{
    uint64_t round = segment->shard->rounds_begun;
    for (uint32_t i = segment->ref_count; i-- != 0;) {
        if (segment->refs[i].id == id) {
            segment->refs[i].round = round;
            return;
        }
    }
    if (segment->ref_count == segment->ref_room) {
        segment->ref_room = segment->ref_room == 0 ? 4 : segment->ref_room * 2;
        segment->refs = xrealloc(segment->refs, segment->ref_room * sizeof *segment->refs);
    }
    segment->refs[segment->ref_count++] = (struct segment_ref){id, round};
}

void segment_free(struct segment *segment)
{
    keytree_free(&segment->keys);
    sodium_memzero(segment->secret, sizeof segment->secret);
    free(segment->gone.slot);
    free(segment->spent.slot);
    free(segment->refs);
    free(segment);
}

/* ---- the keys of its records ---- */

void slots_push(struct slots *slots, uint32_t slot)
{
    if (slots->count == slots->room) {
        slots->room = slots->room == 0 ? 16 : slots->room * 2;
        slots->slot = xrealloc(slots->slot, slots->room * sizeof *slots->slot);
    }
    slots->slot[slots->count++] = slot;
}

void segment_forget(struct segment *segment, uint32_t slot)
{
    if (segment->gone.count == 0)
        segment->gone_ms = segment->shard->m->now_ms;
    slots_push(&segment->gone, slot);
    segment->shard->purge_due = segment->shard->compact_due = true;
}

void segment_end(struct segment *segment, uint32_t slots)
{
    segment->slots = slots;
    segment->ended = segment->trim = true;
    segment->shard->purge_due = true;
}

void segment_keys(struct shard *shard, struct segment *segment, const struct keyring_entry *entry)
{
    segment->seed = log_seed(shard->m->config.seed, entry->salt);
    segment->nodes = entry->nodes;
    segment->area = entry->area;
    memcpy(segment->secret, entry->secret, sizeof segment->secret);
    if (entry->nodes == 0)
        keytree_init(&segment->keys, entry->secret, entry->salt);
    else
        memcpy(segment->keys.salt, entry->salt, sizeof segment->keys.salt);
}

static bool segment_is_dead(struct shard *shard, struct segment *segment)
{
    if (segment == shard->current || segment->sealing || segment->deleting || segment->purging ||
        segment->compacting || segment->unread || segment->live != 0 || segment->pins != 0)
        return false;
    /* what is retired here must be gone for good, or have no key any more, before the retirement may go */
    for (uint32_t i = 0; i < segment->ref_count;) {
        const struct segment_ref *ref = &segment->refs[i];
        if (ref->round >= shard->rounds_done && shard_segment(shard, ref->id) != NULL)
            return false;
        segment->refs[i] = segment->refs[--segment->ref_count];
    }
    return true;
}

struct segment *segment_of_op(struct storage_op *op)
{
    return (struct segment *)(void *)((char *)op - offsetof(struct segment, op));
}

static void segment_deleted(struct storage_op *op, enum wax_status status)
{
    struct segment *segment = segment_of_op(op);
    struct shard *shard = segment->shard;
    shard->seals--;
    if (status == WAX_STORE_IO || status == WAX_STORE_FENCED) {
        store_stop(shard->m, status);
        return;
    }
    shard->dead_segments = true;
    if (status != WAX_OK && status != WAX_NOT_FOUND) {
        segment->delete_again = true; /* at the next sweep; it may be gone, so nothing is written to it */
        return;
    }
    uint32_t place = segment_place(shard, segment->id);
    memmove(shard->segments + place, shard->segments + place + 1,
            (shard->segment_count - place - 1) * sizeof(struct segment *));
    shard->segment_count--;
    shard->purge_due = true; /* its keys are in the ring still */
    segment_free(segment);
}

void shard_sweep(struct shard *shard)
{
    struct storage *storage = shard->m->storage;
    shard->dead_segments = false;
    for (uint32_t i = 0; i < shard->segment_count; i++) {
        struct segment *segment = shard->segments[i];
        if (!segment->delete_again && !segment_is_dead(shard, segment))
            continue;
        segment->delete_again = false;
        segment->deleting = true;
        segment->op.done = segment_deleted;
        shard->seals++;
        storage->calls->seg_delete(storage, shard->index, shard->epoch, segment->id, &segment->op);
    }
}
