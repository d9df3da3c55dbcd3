/* SPDX-License-Identifier: BSD-3-Clause */
#include "wake_table.h"

#include <sodium.h>
#include <stdlib.h>

#define NONE UINT32_MAX

enum state { FREE, WAITING, TAKEN, RESTING };

struct entry {
    struct wake_event event;
    uint64_t later_ms;   /* TAKEN, RESTING, with `again`: the event after this one */
    uint64_t rest_ms;    /* RESTING: until then */
    uint32_t chain;      /* the next of its bucket, or of the free ones */
    uint32_t prev, next; /* of its queue */
    uint8_t state;
    bool again; /* TAKEN, RESTING: something has come meanwhile */
    bool later_urgent;
    bool calmed; /* TAKEN: its device has come meanwhile */
};

struct queue {
    uint32_t head, tail, count;
};

struct wake_table {
    struct wake_counts counts;
    uint32_t interval_ms, retry_ms_most;
    uint32_t bucket_mask;
    uint32_t free;
    uint32_t retry_ms; /* of the next failure */
    struct queue waiting, taken, resting;
    uint8_t
        key[crypto_shorthash_KEYBYTES]; /* users are made by whoever likes: buckets must not be foreseen */
    uint32_t *buckets;
    struct entry *entries;
};

struct wake_table *wake_table_new(uint32_t devices, uint32_t interval_ms, uint32_t retry_ms_most)
{
    uint32_t buckets = 16;
    while (buckets < devices)
        buckets *= 2;
    struct wake_table *table = calloc(1, sizeof *table);
    uint32_t *heads = malloc(buckets * sizeof *heads);
    struct entry *entries = calloc(devices, sizeof *entries);
    if (table == NULL || heads == NULL || entries == NULL)
        abort();
    for (uint32_t i = 0; i < buckets; i++)
        heads[i] = NONE;
    for (uint32_t i = 0; i < devices; i++)
        entries[i].chain = i + 1 < devices ? i + 1 : NONE;
    table->interval_ms = interval_ms;
    table->retry_ms_most = retry_ms_most;
    table->bucket_mask = buckets - 1;
    table->retry_ms = WAKE_RETRY_MS_FIRST;
    table->waiting = table->taken = table->resting = (struct queue){NONE, NONE, 0};
    table->buckets = heads;
    table->entries = entries;
    randombytes_buf(table->key, sizeof table->key);
    return table;
}

void wake_table_free(struct wake_table *table)
{
    if (table == NULL)
        return;
    free(table->buckets);
    free(table->entries);
    free(table);
}

/* ---- queues and buckets ---- */

static void queue_remove(struct wake_table *table, struct queue *queue, uint32_t at)
{
    struct entry *entry = &table->entries[at];
    *(entry->prev == NONE ? &queue->head : &table->entries[entry->prev].next) = entry->next;
    *(entry->next == NONE ? &queue->tail : &table->entries[entry->next].prev) = entry->prev;
    queue->count--;
}

static void queue_append(struct wake_table *table, struct queue *queue, uint32_t at)
{
    struct entry *entry = &table->entries[at];
    entry->prev = queue->tail;
    entry->next = NONE;
    *(queue->tail == NONE ? &queue->head : &table->entries[queue->tail].next) = at;
    queue->tail = at;
    queue->count++;
}

static void queue_prepend(struct wake_table *table, struct queue *queue, uint32_t at)
{
    struct entry *entry = &table->entries[at];
    entry->prev = NONE;
    entry->next = queue->head;
    *(queue->head == NONE ? &queue->tail : &table->entries[queue->head].prev) = at;
    queue->head = at;
    queue->count++;
}

/* Where the number of a device's entry stands, or would be appended. */
static uint32_t *place_of(const struct wake_table *table, const struct device_name *name)
{
    uint8_t text[WAX_USER_BYTES + 2], hash[crypto_shorthash_BYTES];
    memcpy(text, name->user, WAX_USER_BYTES);
    store_be16(text + WAX_USER_BYTES, name->device);
    crypto_shorthash(hash, text, sizeof text, table->key);
    uint32_t *at = &table->buckets[load_be32(hash) & table->bucket_mask];
    while (*at != NONE) {
        struct entry *entry = &table->entries[*at];
        if (entry->event.name.device == name->device &&
            memcmp(entry->event.name.user, name->user, WAX_USER_BYTES) == 0)
            break;
        at = &entry->chain;
    }
    return at;
}

/* It is in no queue. */
static void entry_free(struct wake_table *table, uint32_t at)
{
    struct entry *entry = &table->entries[at];
    uint32_t *place = place_of(table, &entry->event.name);
    *place = entry->chain;
    entry->state = FREE;
    entry->chain = table->free;
    table->free = at;
}

/* A free entry for a device, of which there is none; one that rests without need makes room. NONE: no room.
 */
static uint32_t entry_make(struct wake_table *table, const struct device_name *name)
{
    if (table->free == NONE && table->resting.count != 0 && !table->entries[table->resting.head].again) {
        uint32_t oldest = table->resting.head;
        queue_remove(table, &table->resting, oldest);
        entry_free(table, oldest);
    }
    uint32_t at = table->free;
    if (at == NONE)
        return NONE;
    table->free = table->entries[at].chain;
    uint32_t *place = place_of(table, name);
    table->entries[at] = (struct entry){.event.name = *name, .chain = NONE};
    *place = at;
    return at;
}

/* ---- what happens ---- */

static void wait_now(struct wake_table *table, uint32_t at)
{
    table->entries[at].state = WAITING;
    queue_append(table, &table->waiting, at);
}

/* One more message for a device that is there already. */
static bool join(struct wake_table *table, struct entry *entry, bool urgent, uint64_t now_ms)
{
    bool first = entry->state != WAITING && !entry->again;
    if (first) {
        entry->later_ms = now_ms;
        entry->later_urgent = urgent;
        entry->again = true;
        table->counts.queued++;
        return entry->state == RESTING;
    }
    bool *flag = entry->state == WAITING ? &entry->event.urgent : &entry->later_urgent;
    *flag = *flag || urgent;
    table->counts.coalesced++;
    return false;
}

bool wake_table_note(struct wake_table *table, const struct device_name *name, bool urgent, uint64_t now_ms)
{
    uint32_t at = *place_of(table, name);
    if (at != NONE)
        return join(table, &table->entries[at], urgent, now_ms);
    at = entry_make(table, name);
    if (at == NONE) {
        table->counts.dropped++;
        return false;
    }
    table->entries[at].event.since_ms = now_ms;
    table->entries[at].event.urgent = urgent;
    table->counts.queued++;
    wait_now(table, at);
    return true;
}

void wake_table_calm(struct wake_table *table, const struct device_name *name)
{
    uint32_t at = *place_of(table, name);
    if (at == NONE)
        return;
    struct entry *entry = &table->entries[at];
    table->counts.needless += entry->state == WAITING || entry->again;
    entry->again = false;
    entry->calmed = entry->state == TAKEN;
    if (entry->state != WAITING)
        return;
    queue_remove(table, &table->waiting, at);
    entry_free(table, at);
}

static void later_now(struct entry *entry)
{
    entry->event.since_ms = entry->later_ms;
    entry->event.urgent = entry->later_urgent;
    entry->again = false;
}

/* Those whose rest is over wait again, or are forgotten. */
static void rest_over(struct wake_table *table, uint64_t now_ms)
{
    while (table->resting.head != NONE && table->entries[table->resting.head].rest_ms <= now_ms) {
        uint32_t at = table->resting.head;
        queue_remove(table, &table->resting, at);
        if (table->entries[at].again) {
            later_now(&table->entries[at]);
            wait_now(table, at);
        } else {
            entry_free(table, at);
        }
    }
}

uint32_t wake_table_take(struct wake_table *table, struct wake_event *events, uint32_t most, uint64_t now_ms)
{
    uint32_t count = 0;
    rest_over(table, now_ms);
    if (now_ms < table->counts.retry_at_ms)
        return 0;
    while (count < most && table->waiting.head != NONE) {
        uint32_t at = table->waiting.head;
        queue_remove(table, &table->waiting, at);
        queue_append(table, &table->taken, at);
        table->entries[at].state = TAKEN;
        events[count++] = table->entries[at].event;
    }
    return count;
}

static void batch_over(struct wake_table *table, uint64_t now_ms, uint64_t *counter)
{
    while (table->taken.head != NONE) {
        uint32_t at = table->taken.head;
        queue_remove(table, &table->taken, at);
        table->entries[at].state = RESTING;
        table->entries[at].calmed = false;
        table->entries[at].rest_ms = now_ms + table->interval_ms;
        queue_append(table, &table->resting, at);
        (*counter)++;
    }
    table->counts.failing_since_ms = 0;
    table->counts.retry_at_ms = 0;
    table->retry_ms = WAKE_RETRY_MS_FIRST;
}

void wake_table_sent(struct wake_table *table, uint64_t now_ms)
{
    batch_over(table, now_ms, &table->counts.sent);
}

void wake_table_refused(struct wake_table *table, uint64_t now_ms)
{
    batch_over(table, now_ms, &table->counts.refused);
}

/* It waits again, before all others; unless its device has come, and nothing for it since. */
static void try_again(struct wake_table *table, uint32_t at)
{
    struct entry *entry = &table->entries[at];
    if (entry->calmed && !entry->again) {
        entry_free(table, at);
        table->counts.needless++;
        return;
    }
    if (entry->calmed) {
        later_now(entry);
        table->counts.needless++;
    } else if (entry->again) { /* one event tells both */
        entry->event.urgent = entry->event.urgent || entry->later_urgent;
        table->counts.queued--;
        table->counts.coalesced++;
    }
    entry->again = entry->calmed = false;
    entry->state = WAITING;
    queue_prepend(table, &table->waiting, at);
}

void wake_table_failed(struct wake_table *table, uint64_t now_ms)
{
    while (table->taken.tail != NONE) {
        uint32_t at = table->taken.tail;
        queue_remove(table, &table->taken, at);
        try_again(table, at);
    }
    table->counts.failures++;
    if (table->counts.failing_since_ms == 0)
        table->counts.failing_since_ms = now_ms;
    table->counts.retry_at_ms = now_ms + table->retry_ms;
    table->retry_ms = table->retry_ms < table->retry_ms_most / 2 ? 2 * table->retry_ms : table->retry_ms_most;
}

uint64_t wake_table_due_ms(const struct wake_table *table)
{
    uint64_t due_ms = UINT64_MAX;
    if (table->waiting.count != 0)
        due_ms = table->counts.retry_at_ms;
    /* the first that rests may have nothing to tell: then those behind it are looked at when it is over */
    if (table->resting.count != 0 && table->entries[table->resting.head].rest_ms < due_ms)
        due_ms = table->entries[table->resting.head].rest_ms;
    return due_ms;
}

void wake_table_count(const struct wake_table *table, struct wake_counts *counts)
{
    *counts = table->counts;
    counts->waiting_now = table->waiting.count + table->taken.count;
    counts->resting_now = table->resting.count;
}
