/* SPDX-License-Identifier: BSD-3-Clause */
/* KEYS_GET: bundles, and one-time keys that are taken for good before they are given. */
#include <stdlib.h>

#include "directory_keys_internal.h"

struct taking {
    struct storage_op op;      /* the take */
    struct storage_op head_op; /* the range's new beginning, for which nobody waits but us */
    struct getting *getting;
    struct keys_of_device *device;
    struct key_range range;
    size_t len;
    uint8_t range_bytes[KEY_RANGE_BYTES];
};

struct getting {
    struct change change;
    struct keys_get *get;
    struct account account;
    uint32_t count;
    uint32_t waiting; /* operations under way */
    struct keys_of_device *device;
    struct taking *taking;
};

static void getting_free(struct getting *g)
{
    free(g->device);
    free(g->taking);
    free(g);
}

static void getting_drop(struct change *change)
{
    getting_free((struct getting *)(void *)change);
}

static void getting_end(struct getting *g, enum wax_status status)
{
    g->get->done(g->get, status, account_key(&g->account), g->device, g->count);
    change_done(&g->change);
    getting_free(g);
}

static void one_less(struct getting *g)
{
    if (--g->waiting == 0)
        getting_end(g, WAX_OK);
}

static void head_written(struct storage_op *op, enum wax_status status)
{
    struct taking *t = (struct taking *)(void *)((char *)op - offsetof(struct taking, head_op));
    (void)status; /* an older one is found out of date */
    one_less(t->getting);
}

/* Only what has been removed durably is given; what may have been removed is nobody's. */
static void key_taken(struct storage_op *op, enum wax_status status)
{
    struct taking *t = (struct taking *)(void *)op;
    bool good = status == WAX_OK && t->len != 0 && t->len <= WAX_ONE_TIME_KEY_BYTES_MAX;
    t->device->key_bytes = good ? (uint32_t)t->len : 0;
    one_less(t->getting);
}

static void take(struct getting *g, struct keys_of_device *device)
{
    struct directory *directory = g->change.directory;
    struct storage *storage = directory->storage;
    struct taking *t = &g->taking[device - g->device];
    struct key_name name;
    *t = (struct taking){.op = {.done = key_taken}, .head_op = {.done = head_written}, .getting = g};
    t->device = device;
    if (key_range_read(directory, g->change.user, device->device, &t->range) != WAX_OK)
        return;
    key_range_skip(directory, g->change.user, device->device, &t->range);
    device->left = (uint32_t)(t->range.next - t->range.first);
    device->low = device->left == WAX_ONE_TIME_KEYS_LOW; /* it falls below that now */
    if (device->left == 0)
        return;
    device->left--;
    g->waiting += 2;
    storage->calls->dir_take(storage, g->change.user, key_name(&name, 'k', device->device, t->range.first),
                             span_of(device->key, sizeof device->key), &t->len, &t->op);
    store_be64(t->range_bytes, t->range.first + 1);
    store_be64(t->range_bytes + 8, t->range.next);
    storage->calls->dir_put(storage, g->change.user, key_name(&name, 'n', device->device, 0),
                            view_of(t->range_bytes, sizeof t->range_bytes), &t->head_op);
}

/* The bundle of a device; false when it has none. */
static bool read_bundle(const struct getting *g, uint16_t number, struct keys_of_device *device)
{
    struct key_name name;
    uint8_t value[WAX_SIGNATURE_BYTES + WAX_BUNDLE_BYTES_MAX];
    size_t len = 0;
    if (directory_read(g->change.directory, g->change.user, key_name(&name, 'b', number, 0),
                       span_of(value, sizeof value), &len) != WAX_OK ||
        len <= WAX_SIGNATURE_BYTES || len > sizeof value)
        return false;
    device->device = number;
    device->low = false;
    device->left = device->key_bytes = 0;
    device->bundle_bytes = (uint32_t)(len - WAX_SIGNATURE_BYTES);
    memcpy(device->signature, value, WAX_SIGNATURE_BYTES);
    memcpy(device->bundle, value + WAX_SIGNATURE_BYTES, device->bundle_bytes);
    return true;
}

static void getting_begin(struct change *change)
{
    struct getting *g = (struct getting *)(void *)change;
    enum wax_status status = directory_account(change->directory, change->user, &g->account);
    if (status == WAX_OK && (account_flags(&g->account) & ACCOUNT_DELETED) != 0)
        status = WAX_NOT_FOUND;
    uint32_t devices = status == WAX_OK ? account_devices(&g->account) : 0;
    g->device = calloc(devices + 1, sizeof *g->device);
    g->taking = calloc(devices + 1, sizeof *g->taking);
    if (g->device == NULL || g->taking == NULL)
        abort();
    for (uint32_t i = 0; i < devices; i++) {
        uint16_t number = account_device(&g->account, i);
        if (!account_removed(&g->account, i) && (g->get->device == 0 || g->get->device == number))
            g->count += read_bundle(g, number, &g->device[g->count]);
    }
    g->waiting = 1;
    for (uint32_t i = 0; g->get->take && i < g->count; i++)
        take(g, &g->device[i]);
    if (--g->waiting == 0)
        getting_end(g, status);
}

void directory_keys_get(struct directory *directory, struct keys_get *get)
{
    struct getting *g = calloc(1, sizeof *g);
    if (g == NULL)
        abort();
    memcpy(g->change.user, get->user, WAX_USER_BYTES);
    g->change.begin = getting_begin;
    g->change.drop = getting_drop;
    g->get = get;
    change_ask(directory, &g->change);
}
