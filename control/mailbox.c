/* SPDX-License-Identifier: BSD-3-Clause */
#include "mailbox_internal.h"

#include <sodium.h>
#include <stdlib.h>

#include "waxwire/wire.h"

static struct log_name name_of(const struct device_name *name)
{
    struct log_name out = {.device = name->device};
    memcpy(out.user, name->user, sizeof out.user);
    return out;
}

void mailbox_refuse(struct mailboxes *m, struct mailbox *box, uint64_t position, uint32_t worker)
{
    m->counts.refused++;
    if (box->gap_low == 0 || position < box->gap_low)
        box->gap_low = position;
    if (position > box->gap_high)
        box->gap_high = position;
    box->refusing = true;
    box->refused_attachment = m->attachment;
    box->refused_at = m->port.settled(m->port.ctx, worker);
}

/* Whom to answer now that an offer has come a second time. */
static void retarget(struct shard *shard, struct mailbox *box, uint64_t position, uint32_t worker,
                     uint64_t tag)
{
    for (struct commit *c = shard->first; c != NULL; c = c->next) {
        for (uint32_t i = 0; i < c->count; i++) {
            struct pending *p = &c->pending[i];
            if (p->box != box || p->position != position ||
                (p->kind != PENDING_STORE && p->kind != PENDING_RECEIPT))
                continue;
            p->attachment = shard->m->attachment;
            p->worker = worker;
            p->tag = tag;
            return;
        }
    }
    abort(); /* an item that is being written is in a commit */
}

/*
 * Is the offer new? If not, it is answered here, or with the write that is under way. While
 * a refusal is not settled everything later is refused as well, so that order holds, and so
 * that an offer at or below the end that is not there was indeed stored before.
 */
static bool offer_is_new(struct mailboxes *m, struct mailbox *box, uint64_t position, uint32_t worker,
                         uint64_t tag)
{
    if (position <= box->end) {
        struct item *item = mailbox_item(box, position);
        m->counts.repeated++;
        if (item != NULL && !item->stored) {
            retarget(&m->shard[box->shard], box, position, worker, tag);
        } else {
            bool refused = item == NULL && position >= box->gap_low && position <= box->gap_high;
            m->port.stored(m->port.ctx, worker, tag, refused ? WIRE_REASON_BUSY : 0);
        }
        return false;
    }
    if (box->refusing && box->refused_attachment == m->attachment &&
        m->port.settled(m->port.ctx, worker) < box->refused_at + 2) {
        mailbox_refuse(m, box, position, worker);
        m->port.stored(m->port.ctx, worker, tag, WIRE_REASON_BUSY);
        return false;
    }
    box->refusing = false;
    return true;
}

enum wax_status mailbox_store(struct mailboxes *m, uint32_t worker, const struct channel_store *request)
{
    if (m->stopped)
        return WAX_STORE_IO;
    struct log_name name = name_of(&request->name);
    struct mailbox *box = mailbox_get(m, &name);
    struct shard *shard = &m->shard[box->shard];
    size_t size = log_message_size(request->payload_bytes);
    if (request->position > box->end && shard_full(shard, size)) {
        mailbox_settle(m, box);
        return WAX_FULL;
    }
    if (!offer_is_new(m, box, request->position, worker, request->tag)) {
        mailbox_settle(m, box);
        return WAX_OK;
    }
    struct log_message message = {
        .name = name,
        .sender = name_of(&request->sender),
        .position = request->position,
        .id = request->id,
        .taken_ms = request->taken_ms,
        .ttl_s = request->ttl_s,
        .head_bytes = request->head_bytes,
        .deliver_flags = request->deliver_flags,
        .payload = view_of(request->payload, request->payload_bytes),
    };
    struct pending *pending;
    log_put_message(shard_put(shard, size, &pending, true), &message);
    pending->kind = PENDING_STORE;
    pending->box = box;
    pending->position = request->position;
    pending->attachment = m->attachment;
    pending->worker = worker;
    pending->tag = request->tag;
    struct item *item = mailbox_append(box, request->position);
    item_of_message(item, &message);
    mailbox_count_in(m, box, item);
    box->pending++;
    return WAX_OK;
}

enum wax_status mailbox_store_receipt(struct mailboxes *m, uint32_t worker,
                                      const struct channel_store_receipt *request)
{
    if (m->stopped)
        return WAX_STORE_IO;
    struct log_name name = name_of(&request->name);
    struct mailbox *box = mailbox_get(m, &name);
    struct shard *shard = &m->shard[box->shard];
    if (request->position > box->end && shard_full(shard, log_receipt_size())) {
        mailbox_settle(m, box);
        return WAX_FULL;
    }
    if (!offer_is_new(m, box, request->position, worker, request->tag)) {
        mailbox_settle(m, box);
        return WAX_OK;
    }
    struct log_receipt receipt = {
        .name = name,
        .about = name_of(&request->about),
        .position = request->position,
        .id = request->id,
        .retire = request->retire,
        .taken_ms = m->now_ms,
        .kind = request->status_kind,
        .reason = request->reason,
    };
    struct pending *pending;
    log_put_receipt(shard_put(shard, log_receipt_size(), &pending, true), &receipt);
    pending->kind = PENDING_RECEIPT;
    pending->box = box;
    pending->position = request->position;
    pending->attachment = m->attachment;
    pending->worker = worker;
    pending->tag = request->tag;
    if (request->retire != 0) {
        pending->about = mailbox_get(m, &receipt.about);
        pending->about->pending++;
        pending->retire = request->retire;
    }
    struct item *item = mailbox_append(box, request->position);
    item_of_receipt(item, &receipt);
    mailbox_count_in(m, box, item);
    box->pending++;
    return WAX_OK;
}

enum wax_status mailbox_retire(struct mailboxes *m, const struct channel_retire *request)
{
    if (m->stopped)
        return WAX_STORE_IO;
    struct log_name name = name_of(&request->name);
    struct mailbox *box = mailbox_find(m, &name);
    if (box == NULL)
        return WAX_OK;
    if (shard_full(
            &m->shard[box->shard],
            log_retire_size(request->count < LOG_RETIRE_COUNT_MAX ? request->count : LOG_RETIRE_COUNT_MAX)))
        return WAX_FULL;
    uint64_t positions[LOG_RETIRE_COUNT_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < request->count; i++) {
        struct item *item = mailbox_item(box, request->position[i]);
        if (item == NULL || item->gone)
            continue;
        mailbox_item_gone(m, box, item);
        positions[count++] = request->position[i];
        if (count == LOG_RETIRE_COUNT_MAX) {
            shard_retire(m, box, positions, count, NULL);
            count = 0;
        }
    }
    if (count != 0)
        shard_retire(m, box, positions, count, NULL);
    return WAX_OK;
}

uint32_t mailbox_waiting(struct mailboxes *m, const struct device_name *name)
{
    struct log_name key = name_of(name);
    const struct mailbox *box = mailbox_find(m, &key);
    return box != NULL ? box->messages : 0;
}

static struct mailbox_usage usage_of(const struct mailbox *box)
{
    return (struct mailbox_usage){
        .messages = box->messages,
        .receipts = box->receipts,
        .bytes = box->bytes,
        .since_ms = box->since_ms,
        .end = box->end,
        .draining = box->drain != NULL,
    };
}

bool mailbox_usage(struct mailboxes *m, const struct device_name *name, struct mailbox_usage *usage)
{
    struct log_name key = name_of(name);
    const struct mailbox *box = mailbox_find(m, &key);
    *usage = box != NULL ? usage_of(box) : (struct mailbox_usage){.messages = 0};
    return box != NULL;
}

void mailboxes_each(const struct mailboxes *m, void *ctx,
                    void (*each)(void *ctx, const struct device_name *name,
                                 const struct mailbox_usage *usage))
{
    for (uint32_t i = 0; i <= m->hash_mask; i++) {
        for (const struct mailbox *box = m->hash[i]; box != NULL; box = box->hash_next) {
            struct device_name name = {.device = box->name.device};
            struct mailbox_usage usage = usage_of(box);
            memcpy(name.user, box->name.user, sizeof name.user);
            if (box->bytes != 0)
                each(ctx, &name, &usage);
        }
    }
}

struct mailboxes *mailboxes_new(struct storage *storage, const struct mailbox_port *port,
                                const struct mailbox_config *config)
{
    struct mailboxes *m = calloc(1, sizeof *m);
    if (m == NULL)
        abort();
    m->storage = storage;
    m->port = *port;
    m->config = *config;
    assert(config->segment_bytes <= MAILBOX_SEGMENT_BYTES_MAX); /* an item's place is so large at most */
    m->hash_mask = 1023;
    m->hash = calloc(m->hash_mask + 1u, sizeof *m->hash);
    if (m->hash == NULL)
        abort();
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        m->shard[i] = (struct shard){.m = m, .index = i, .next_sequence = 1, .next_segment = 1};
    return m;
}

static void shard_free(struct shard *shard)
{
    while (shard->first != NULL) {
        struct commit *commit = shard->first;
        shard->first = commit->next;
        commit_free(commit);
    }
    commit_free(shard->spare);
    free(shard->sealed);
    for (uint32_t i = 0; i < shard->segment_count; i++)
        segment_free(shard->segments[i]);
    free(shard->segments);
    purge_free(&shard->purge);
    compact_free(&shard->compaction);
}

void mailboxes_free(struct mailboxes *m)
{
    while (m->drains != NULL)
        drain_end(m, m->drains);
    while (m->all_reads != NULL)
        read_free(m->all_reads);
    while (m->strips != NULL)
        strip_free(m->strips);
    for (uint32_t i = 0; i <= m->hash_mask; i++) {
        while (m->hash[i] != NULL) {
            struct mailbox *box = m->hash[i];
            m->hash[i] = box->hash_next;
            free(box->items);
            free(box);
        }
    }
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        shard_free(&m->shard[i]);
    recover_free(m);
    free(m->hash);
    sodium_memzero(m, sizeof *m);
    free(m);
}

void mailboxes_detach(struct mailboxes *m)
{
    while (m->drains != NULL)
        drain_end(m, m->drains);
    m->attachment++;
}

void mailboxes_clock(struct mailboxes *m, uint64_t now_ms)
{
    m->now_ms = now_ms;
}

void mailboxes_flush(struct mailboxes *m)
{
    if (m->stopped || m->recovering)
        return;
    expire_turn(m);
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++) {
        struct shard *shard = &m->shard[i];
        purge_turn(shard);
        compact_turn(shard);
        shard_flush(shard);
        if (shard->dead_segments)
            shard_sweep(shard);
    }
    m->storage->calls->flush(m->storage);
}

bool mailboxes_busy(const struct mailboxes *m)
{
    if (m->recovering || m->reads != 0 || m->strip_count != 0)
        return true;
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++) {
        const struct shard *shard = &m->shard[i];
        if (shard->first != NULL || shard->seals != 0 || shard->dead_segments || shard->purge.active ||
            shard->compaction.segment != NULL)
            return true;
    }
    return false;
}

void mailboxes_purge(struct mailboxes *m)
{
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        m->shard[i].next_purge_ms = 0;
}

static void shard_counts(const struct shard *shard, struct mailbox_counts *counts)
{
    counts->segments_now += shard->segment_count;
    for (uint32_t i = 0; i < shard->segment_count; i++) {
        counts->log_bytes_now += shard->segments[i]->bytes;
        counts->key_nodes_now += shard->segments[i]->keys.count;
    }
}

void mailboxes_counts(const struct mailboxes *m, struct mailbox_counts *counts)
{
    *counts = m->counts;
    counts->mailboxes_now = m->mailbox_count - m->empty_count;
    for (uint32_t i = 0; i < WAX_STORE_SHARDS; i++)
        shard_counts(&m->shard[i], counts);
}
