/* SPDX-License-Identifier: BSD-3-Clause */
/* KEYS_PUT, and what is common to keys. */
#include "directory_keys_internal.h"

#include <stdlib.h>

#include "waxwire/request.h"

struct view key_name(struct key_name *name, char kind, uint16_t device, uint64_t number)
{
    name->bytes[0] = (uint8_t)kind;
    store_be16(name->bytes + 1, device);
    store_be64(name->bytes + 3, number);
    return view_of(name->bytes, kind == 'k' ? 11 : 3);
}

enum wax_status key_range_read(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                               uint16_t device, struct key_range *range)
{
    struct key_name name;
    uint8_t bytes[KEY_RANGE_BYTES];
    size_t len = 0;
    *range = (struct key_range){0, 0};
    enum wax_status status =
        directory_read(directory, user, key_name(&name, 'n', device, 0), span_of(bytes, sizeof bytes), &len);
    if (status != WAX_OK)
        return status;
    if (len != sizeof bytes)
        return WAX_STORE_CORRUPT;
    *range = (struct key_range){load_be64(bytes), load_be64(bytes + 8)};
    return range->first <= range->next && range->next - range->first <= WAX_ONE_TIME_KEYS_MAX
               ? WAX_OK
               : WAX_STORE_CORRUPT;
}

/* Keys that had been taken when `first` was last written are skipped: a crash came between the two. */
void key_range_skip(const struct directory *directory, const uint8_t user[WAX_USER_BYTES], uint16_t device,
                    struct key_range *range)
{
    struct key_name name;
    uint8_t byte;
    size_t len;
    while (range->first < range->next &&
           directory_read(directory, user, key_name(&name, 'k', device, range->first), span_of(&byte, 1),
                          &len) == WAX_NOT_FOUND)
        range->first++;
}

uint32_t directory_keys_left(const struct directory *directory, const struct device_name *name)
{
    struct key_range range;
    if (key_range_read(directory, name->user, name->device, &range) != WAX_OK)
        return UINT32_MAX;
    key_range_skip(directory, name->user, name->device, &range);
    return (uint32_t)(range.next - range.first);
}

/* ---- KEYS_PUT ---- */

/*
 * First the keys, then the bundle, then the range that makes the keys count: a crash leaves at most keys that
 * nobody knows, at numbers that are written again.
 */
struct putting {
    struct change change;
    struct storage_op op; /* of bundle and range, one after the other */
    struct keys_put *put;
    struct key_range range;
    uint64_t dead_from; /* keys that are replaced, up to the range's first, to be removed at last */
    uint32_t waiting;   /* operations under way */
    enum wax_status status;
    uint8_t bundle[WAX_SIGNATURE_BYTES + WAX_BUNDLE_BYTES_MAX];
    uint8_t range_bytes[KEY_RANGE_BYTES];
    uint8_t ignored[4];
    size_t ignored_len;
    struct putting_op {
        struct storage_op op;
        struct putting *putting;
    } each[]; /* of each key, put or removed */
};

static void putting_drop(struct change *change)
{
    free(change);
}

static void putting_end(struct putting *p)
{
    p->put->done(p->put, p->status, (uint32_t)(p->range.next - p->range.first));
    change_done(&p->change);
    free(p);
}

static struct storage *storage_of(const struct putting *p)
{
    return p->change.directory->storage;
}

static void key_removed(struct storage_op *op, enum wax_status status)
{
    struct putting *p = ((struct putting_op *)(void *)op)->putting;
    (void)status; /* one that stays is of a number below the range: nobody is given it */
    if (--p->waiting == 0)
        putting_end(p);
}

static void remove_dead(struct putting *p)
{
    struct key_name name;
    uint32_t count = (uint32_t)(p->range.first - p->dead_from);
    if (count == 0 || p->status != WAX_OK) {
        putting_end(p);
        return;
    }
    p->waiting = count;
    for (uint32_t i = 0; i < count; i++) {
        p->each[i] = (struct putting_op){.op = {.done = key_removed}, .putting = p};
        storage_of(p)->calls->dir_take(
            storage_of(p), p->change.user, key_name(&name, 'k', p->put->device, p->dead_from + i),
            span_of(p->ignored, sizeof p->ignored), &p->ignored_len, &p->each[i].op);
    }
}

static void range_written(struct storage_op *op, enum wax_status status)
{
    struct putting *p = (struct putting *)(void *)((char *)op - offsetof(struct putting, op));
    p->status = status;
    remove_dead(p);
}

static void bundle_written(struct storage_op *op, enum wax_status status)
{
    struct putting *p = (struct putting *)(void *)((char *)op - offsetof(struct putting, op));
    struct key_name name;
    p->status = status;
    if (status != WAX_OK) {
        putting_end(p);
        return;
    }
    store_be64(p->range_bytes, p->range.first);
    store_be64(p->range_bytes + 8, p->range.next);
    p->op.done = range_written;
    storage_of(p)->calls->dir_put(storage_of(p), p->change.user, key_name(&name, 'n', p->put->device, 0),
                                  view_of(p->range_bytes, sizeof p->range_bytes), &p->op);
}

static void write_bundle(struct putting *p)
{
    struct key_name name;
    if (p->status != WAX_OK) {
        putting_end(p);
        return;
    }
    memcpy(p->bundle, p->put->signature, WAX_SIGNATURE_BYTES);
    memcpy(p->bundle + WAX_SIGNATURE_BYTES, p->put->bundle.data, p->put->bundle.len);
    p->op.done = bundle_written;
    storage_of(p)->calls->dir_put(storage_of(p), p->change.user, key_name(&name, 'b', p->put->device, 0),
                                  view_of(p->bundle, WAX_SIGNATURE_BYTES + p->put->bundle.len), &p->op);
}

static void key_written(struct storage_op *op, enum wax_status status)
{
    struct putting *p = ((struct putting_op *)(void *)op)->putting;
    if (status != WAX_OK)
        p->status = status;
    if (--p->waiting == 0)
        write_bundle(p);
}

static void write_keys(struct putting *p)
{
    struct view rest = p->put->keys, key;
    struct key_name name;
    if (p->put->count == 0) {
        write_bundle(p);
        return;
    }
    p->waiting = p->put->count;
    for (uint32_t i = 0; i < p->put->count && wire_key_next(&rest, &key); i++) {
        p->each[i] = (struct putting_op){.op = {.done = key_written}, .putting = p};
        storage_of(p)->calls->dir_put(storage_of(p), p->change.user,
                                      key_name(&name, 'k', p->put->device, p->range.next++), key,
                                      &p->each[i].op);
    }
}

static void putting_begin(struct change *change)
{
    struct putting *p = (struct putting *)(void *)change;
    struct account account;
    uint16_t device = p->put->device;
    p->status = directory_account(change->directory, change->user, &account);
    if (p->status == WAX_OK && !account_has(&account, device))
        p->status = WAX_NOT_FOUND;
    if (p->status == WAX_OK) {
        p->status = key_range_read(change->directory, change->user, device, &p->range);
        if (p->status == WAX_NOT_FOUND) /* its first keys */
            p->status = WAX_OK;
    }
    if (p->status != WAX_OK) {
        putting_end(p);
        return;
    }
    key_range_skip(change->directory, change->user, device, &p->range);
    p->dead_from = p->range.first;
    if (p->put->replace)
        p->range.first = p->range.next;
    if (p->range.next - p->range.first + p->put->count > WAX_ONE_TIME_KEYS_MAX) {
        p->status = WAX_FULL;
        putting_end(p);
        return;
    }
    write_keys(p);
}

void directory_keys_put(struct directory *directory, struct keys_put *put)
{
    struct putting *p = calloc(1, sizeof *p + WAX_ONE_TIME_KEYS_MAX * sizeof p->each[0]);
    if (p == NULL)
        abort();
    memcpy(p->change.user, put->user, WAX_USER_BYTES);
    p->change.begin = putting_begin;
    p->change.drop = putting_drop;
    p->put = put;
    change_ask(directory, &p->change);
}
