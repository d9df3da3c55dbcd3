/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the directory's files share. What changes a user's values is a change; a user has one at a time, and
 * those that come meanwhile wait for it.
 */
#ifndef CONTROL_DIRECTORY_INTERNAL_H
#define CONTROL_DIRECTORY_INTERNAL_H

#include "account.h"
#include "directory.h"

#define RELAY_VERSION   1u
#define RELAY_BYTES     48u /* version 4, relay id 16, hash key 16, seed 4, epoch 8 */
#define DIRECTORY_SLOTS 1024u

struct change {
    uint8_t user[WAX_USER_BYTES];
    void (*begin)(struct change *change); /* its turn has come; change_done ends it */
    void (*drop)(struct change *change);  /* it will not be ended: free it */
    const struct account *coming;         /* the account as it is being written, or NULL */
    struct directory *directory;
    struct change *chain, *waiting;
};

/* A value read within one call. */
struct reading {
    struct storage_op op;
    enum wax_status status;
    bool done;
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
    uint32_t salt; /* of the slots */
    uint32_t changes_now;
    struct change *changes[DIRECTORY_SLOTS]; /* chains of those whose turn it is */
    enum directory_registration registration;
    struct directory_counts counts;
};

/* Ask for a turn: change->begin is called, perhaps at once. The caller has filled user, begin and drop. */
void change_ask(struct directory *directory, struct change *change);
/* The turn is over; the next one begins within the call. The memory is the caller's again. */
void change_done(struct change *change);
/* The change of a user whose turn it is, or NULL. */
const struct change *change_of(const struct directory *directory, const uint8_t user[WAX_USER_BYTES]);

/* Read a value now: OK, NOT_FOUND, or an error of the storage. */
enum wax_status directory_read(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                               struct view name, struct span out, size_t *len);

struct storage_name {
    uint8_t user[WAX_USER_BYTES];
    size_t len;
    uint8_t bytes[STORAGE_NAME_BYTES_MAX];
};

/* The name behind this one, now, as the storage's dir_next. */
enum wax_status directory_next(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                               struct view name, struct storage_name *next);

#endif
