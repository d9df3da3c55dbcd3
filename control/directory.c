/* SPDX-License-Identifier: BSD-3-Clause */
#include "directory.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>

#define RELAY_VERSION     1u
#define RELAY_BYTES       48u /* version 4, relay id 16, hash key 16, seed 4, epoch 8 */
#define ACCOUNT_VERSION   1u
#define ACCOUNT_BYTES     48u /* version 1, flags 1, devices 2, reserved 4, key 32, created 8 */
#define DEVICE_BYTES      12u /* device 2, flags 2, created 8 */
#define ACCOUNT_SUSPENDED 0x01u

static const uint8_t nobody[WAX_USER_BYTES];

struct account {
    uint8_t bytes[ACCOUNT_BYTES + DEVICE_BYTES * WAX_DEVICES_PER_USER_MAX];
    size_t len;
};

/* An account that is being written, and those who wait for it. */
struct writing {
    struct storage_op op;
    struct directory *directory;
    uint8_t user[WAX_USER_BYTES];
    struct account account;
    struct directory_login *first;   /* whose coming is being made durable */
    struct directory_login *waiting; /* to be looked at afterwards */
    bool new_account;
    struct writing *next;
};

struct directory {
    struct storage *storage;
    void *ctx;
    void (*ready)(void *ctx, enum wax_status status);
    struct directory_relay relay;
    struct storage_op op;
    uint8_t value[RELAY_BYTES];
    size_t value_len;
    void *epoch_ctx;
    void (*epoch_done)(void *ctx, enum wax_status status, uint64_t epoch);
    struct writing *writings;
    bool closed; /* to accounts that there are not yet */
    struct directory_counts counts;
};

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
    while (directory->writings != NULL) {
        struct writing *w = directory->writings;
        directory->writings = w->next;
        free(w);
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

/* ---- accounts ---- */

static struct writing *writing_of(const struct directory *directory, const uint8_t user[WAX_USER_BYTES])
{
    struct writing *w = directory->writings;
    while (w != NULL && memcmp(w->user, user, WAX_USER_BYTES) != 0)
        w = w->next;
    return w;
}

static void account_written(struct storage_op *op, enum wax_status status)
{
    struct writing *w = (struct writing *)(void *)((char *)op - offsetof(struct writing, op));
    struct directory *directory = w->directory;
    struct writing **at = &directory->writings;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (status == WAX_OK) {
        directory->counts.accounts += w->new_account;
        directory->counts.devices++;
    }
    w->first->done(w->first, status, 0, w->new_account);
    struct directory_login *waiting = w->waiting;
    free(w);
    while (waiting != NULL) {
        struct directory_login *login = waiting;
        waiting = login->next;
        directory_login(directory, login);
    }
}

/* An account read from the storage, to be looked at within one call. */
struct reading {
    struct storage_op op;
    enum wax_status status;
    bool done;
};

static void account_read(struct storage_op *op, enum wax_status status)
{
    struct reading *reading = (struct reading *)(void *)op;
    reading->status = status;
    reading->done = true;
}

static bool account_sound(const struct account *account)
{
    return account->len >= ACCOUNT_BYTES && account->len <= sizeof account->bytes &&
           account->bytes[0] == ACCOUNT_VERSION &&
           account->len == ACCOUNT_BYTES + (size_t)load_be16(account->bytes + 2) * DEVICE_BYTES;
}

static bool account_has(const struct account *account, uint16_t device)
{
    for (size_t at = ACCOUNT_BYTES; at < account->len; at += DEVICE_BYTES) {
        if (load_be16(account->bytes + at) == device)
            return true;
    }
    return false;
}

static void account_add(struct account *account, uint16_t device, uint64_t now_ms)
{
    uint8_t *at = account->bytes + account->len;
    memset(at, 0, DEVICE_BYTES);
    store_be16(at, device);
    store_be64(at + 4, now_ms);
    account->len += DEVICE_BYTES;
    store_be16(account->bytes + 2, (uint16_t)(load_be16(account->bytes + 2) + 1));
}

static void account_make(struct account *account, const struct directory_login *login)
{
    memset(account->bytes, 0, ACCOUNT_BYTES);
    account->bytes[0] = ACCOUNT_VERSION;
    memcpy(account->bytes + 8, login->account_key, WAX_ACCOUNT_KEY_BYTES);
    store_be64(account->bytes + 40, login->now_ms);
    account->len = ACCOUNT_BYTES;
}

void directory_registration(struct directory *directory, bool open)
{
    directory->closed = !open;
}

void directory_login(struct directory *directory, struct directory_login *login)
{
    uint8_t digest[WAX_USER_BYTES];
    struct account account = {.len = 0};
    struct reading reading = {.op = {.done = account_read}};
    struct storage *storage = directory->storage;
    struct writing *w = writing_of(directory, login->user);
    if (w != NULL) {
        login->next = w->waiting;
        w->waiting = login;
        return;
    }
    crypto_generichash(digest, sizeof digest, login->account_key, WAX_ACCOUNT_KEY_BYTES, NULL, 0);
    if (memcmp(digest, login->user, sizeof digest) != 0 || login->device == 0) {
        login->done(login, WAX_OK, WIRE_ERROR_BAD_PROOF, false);
        return;
    }
    storage->calls->dir_get(storage, login->user, view_of("account", 7),
                            span_of(account.bytes, sizeof account.bytes), &account.len, &reading.op);
    assert(reading.done); /* of a backend that reads at once */
    bool fresh = reading.status == WAX_NOT_FOUND;
    if (reading.status != WAX_OK && !fresh) {
        login->done(login, reading.status, 0, false);
        return;
    }
    if (fresh && directory->closed) {
        directory->counts.not_invited++;
        login->done(login, WAX_OK, WIRE_ERROR_NOT_INVITED, false);
        return;
    }
    if (fresh)
        account_make(&account, login);
    uint8_t error = 0;
    if (!account_sound(&account) || memcmp(account.bytes + 8, login->account_key, WAX_ACCOUNT_KEY_BYTES) != 0)
        error = WIRE_ERROR_BAD_PROOF;
    else if ((account.bytes[1] & ACCOUNT_SUSPENDED) != 0)
        error = WIRE_ERROR_SUSPENDED;
    else if (!account_has(&account, login->device) &&
             load_be16(account.bytes + 2) >= WAX_DEVICES_PER_USER_MAX)
        error = WIRE_ERROR_DEVICES;
    if (error != 0 || account_has(&account, login->device)) {
        login->done(login, WAX_OK, error, false);
        return;
    }
    account_add(&account, login->device, login->now_ms);
    w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    w->directory = directory;
    memcpy(w->user, login->user, sizeof w->user);
    w->account = account;
    w->first = login;
    w->new_account = fresh;
    w->op.done = account_written;
    w->next = directory->writings;
    directory->writings = w;
    storage->calls->dir_put(storage, w->user, view_of("account", 7),
                            view_of(w->account.bytes, w->account.len), &w->op);
}

uint8_t directory_refuses(const struct directory *directory, const struct device_name *name)
{
    struct account account = {.len = 0};
    struct reading reading = {.op = {.done = account_read}};
    struct storage *storage = directory->storage;
    const struct writing *w = writing_of(directory, name->user);
    if (w != NULL)
        return account_has(&w->account, name->device) ? 0 : WIRE_REASON_UNKNOWN_DEVICE;
    storage->calls->dir_get(storage, name->user, view_of("account", 7),
                            span_of(account.bytes, sizeof account.bytes), &account.len, &reading.op);
    assert(reading.done); /* of a backend that reads at once */
    if (reading.status == WAX_NOT_FOUND)
        return WIRE_REASON_UNKNOWN_USER;
    if (reading.status != WAX_OK || !account_sound(&account))
        return WIRE_REASON_BUSY;
    return account_has(&account, name->device) ? 0 : WIRE_REASON_UNKNOWN_DEVICE;
}

bool directory_busy(const struct directory *directory)
{
    return directory->writings != NULL || directory->epoch_done != NULL;
}

void directory_count(const struct directory *directory, struct directory_counts *counts)
{
    *counts = directory->counts;
}
