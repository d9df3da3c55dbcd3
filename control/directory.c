/* SPDX-License-Identifier: BSD-3-Clause */
#include "directory_internal.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

static const uint8_t nobody[WAX_USER_BYTES];

static struct directory *directory_of_op(struct storage_op *op)
{
    return (struct directory *)(void *)((char *)op - offsetof(struct directory, op));
}

/* ---- the relay's identity ---- */

static void relay_put(struct directory *directory)
{
    uint8_t *p = directory->value;
    store_be32(p, RELAY_VERSION);
    memcpy(p + 4, directory->relay.relay_id, 16);
    memcpy(p + 20, directory->relay.hash_key, 16);
    store_be32(p + 36, directory->relay.log_seed);
    store_be64(p + 40, directory->relay.epoch);
    directory->storage->calls->dir_put(directory->storage, nobody, view_of("relay", 5),
                                       view_of(directory->value, RELAY_BYTES), &directory->op);
}

static void relay_written(struct storage_op *op, enum wax_status status)
{
    struct directory *directory = directory_of_op(op);
    directory->ready(directory->ctx, status);
}

static void relay_read(struct storage_op *op, enum wax_status status)
{
    struct directory *directory = directory_of_op(op);
    const uint8_t *p = directory->value;
    directory->op.done = relay_written;
    if (status == WAX_NOT_FOUND) {
        randombytes_buf(directory->relay.relay_id, sizeof directory->relay.relay_id);
        randombytes_buf(directory->relay.hash_key, sizeof directory->relay.hash_key);
        directory->relay.log_seed = randombytes_random();
        relay_put(directory);
        return;
    }
    if (status == WAX_OK && (directory->value_len != RELAY_BYTES || load_be32(p) != RELAY_VERSION))
        status = WAX_STORE_VERSION;
    if (status == WAX_OK) {
        memcpy(directory->relay.relay_id, p + 4, 16);
        memcpy(directory->relay.hash_key, p + 20, 16);
        directory->relay.log_seed = load_be32(p + 36);
        directory->relay.epoch = load_be64(p + 40);
    }
    directory->ready(directory->ctx, status);
}

struct directory *directory_new(struct storage *storage, void *ctx,
                                void (*ready)(void *ctx, enum wax_status status))
{
    struct directory *directory = calloc(1, sizeof *directory);
    if (directory == NULL)
        abort();
    directory->storage = storage;
    directory->ctx = ctx;
    directory->ready = ready;
    randombytes_buf(&directory->salt, sizeof directory->salt);
    return directory;
}

void directory_open(struct directory *directory)
{
    directory->op.done = relay_read;
    directory->storage->calls->dir_get(directory->storage, nobody, view_of("relay", 5),
                                       span_of(directory->value, RELAY_BYTES), &directory->value_len,
                                       &directory->op);
}

void directory_free(struct directory *directory)
{
    for (uint32_t i = 0; i < DIRECTORY_SLOTS; i++) {
        while (directory->changes[i] != NULL) {
            struct change *change = directory->changes[i];
            directory->changes[i] = change->chain;
            while (change != NULL) {
                struct change *next = change->waiting;
                change->drop(change);
                change = next;
            }
        }
    }
    sodium_memzero(directory, sizeof *directory);
    free(directory);
}

const struct directory_relay *directory_relay(const struct directory *directory)
{
    return &directory->relay;
}

static void epoch_written(struct storage_op *op, enum wax_status status)
{
    struct directory *directory = directory_of_op(op);
    void (*done)(void *, enum wax_status, uint64_t) = directory->epoch_done;
    directory->epoch_done = NULL;
    if (status != WAX_OK) /* it may have been written: never give that one out */
        done(directory->epoch_ctx, status, 0);
    else
        done(directory->epoch_ctx, WAX_OK, directory->relay.epoch);
}

void directory_epoch(struct directory *directory, uint64_t held, void *ctx,
                     void (*done)(void *ctx, enum wax_status status, uint64_t epoch))
{
    assert(directory->epoch_done == NULL);
    if (held != 0 && held <= directory->relay.epoch) {
        done(ctx, WAX_OK, held);
        return;
    }
    directory->relay.epoch = held != 0 ? held : directory->relay.epoch + 1;
    if (directory->relay.epoch > UINT16_MAX) {
        directory->relay.epoch = UINT16_MAX;
        done(ctx, WAX_FULL, 0);
        return;
    }
    directory->epoch_ctx = ctx;
    directory->epoch_done = done;
    directory->op.done = epoch_written;
    relay_put(directory);
}

bool directory_busy_epoch(const struct directory *directory)
{
    return directory->epoch_done != NULL;
}

/* ---- one change of a user at a time ---- */

static struct change **slot_of(struct directory *directory, const uint8_t user[WAX_USER_BYTES])
{
    return &directory->changes[(load_be32(user) ^ load_be32(user + 4) ^ directory->salt) % DIRECTORY_SLOTS];
}

static struct change **change_find(struct directory *directory, const uint8_t user[WAX_USER_BYTES])
{
    struct change **at = slot_of(directory, user);
    while (*at != NULL && memcmp((*at)->user, user, WAX_USER_BYTES) != 0)
        at = &(*at)->chain;
    return at;
}

const struct change *change_of(const struct directory *directory, const uint8_t user[WAX_USER_BYTES])
{
    return *change_find((struct directory *)(uintptr_t)directory, user);
}

void change_ask(struct directory *directory, struct change *change)
{
    struct change **at = change_find(directory, change->user);
    change->directory = directory;
    change->chain = change->waiting = NULL;
    change->coming = NULL;
    directory->changes_now++;
    if (*at == NULL) {
        *at = change;
        change->begin(change);
        return;
    }
    struct change *last = *at;
    while (last->waiting != NULL)
        last = last->waiting;
    last->waiting = change;
}

void change_done(struct change *change)
{
    struct directory *directory = change->directory;
    struct change **at = change_find(directory, change->user), *next = change->waiting;
    assert(*at == change);
    directory->changes_now--;
    if (next == NULL) {
        *at = change->chain;
        return;
    }
    next->chain = change->chain;
    *at = next;
    next->begin(next);
}

/* ---- reading ---- */

static void value_read(struct storage_op *op, enum wax_status status)
{
    struct reading *reading = (struct reading *)(void *)op;
    reading->status = status;
    reading->done = true;
}

enum wax_status directory_read(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                               struct view name, struct span out, size_t *len)
{
    struct reading reading = {.op = {.done = value_read}};
    directory->storage->calls->dir_get(directory->storage, user, name, out, len, &reading.op);
    assert(reading.done); /* of a backend that reads at once */
    return reading.status;
}

enum wax_status directory_next(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                               struct view name, struct storage_name *next)
{
    struct reading reading = {.op = {.done = value_read}};
    directory->storage->calls->dir_next(directory->storage, user, name, next->user, next->bytes, &next->len,
                                        &reading.op);
    assert(reading.done);
    return reading.status;
}

enum wax_status directory_account(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                                  struct account *account)
{
    enum wax_status status = directory_read(directory, user, view_of("account", 7),
                                            span_of(account->bytes, sizeof account->bytes), &account->len);
    return status == WAX_OK && !account_sound(account) ? WAX_STORE_CORRUPT : status;
}

bool directory_busy(const struct directory *directory)
{
    return directory->changes_now != 0 || directory->epoch_done != NULL;
}

void directory_count(const struct directory *directory, struct directory_counts *counts)
{
    *counts = directory->counts;
}
