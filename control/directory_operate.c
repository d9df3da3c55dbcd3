/* SPDX-License-Identifier: BSD-3-Clause */
#include "directory_operate.h"

#include <stdlib.h>

#include "directory_internal.h"

struct suspending {
    struct change change;
    struct storage_op op;
    struct suspension *wanted;
    struct account account;
};

static void suspending_drop(struct change *change)
{
    free(change);
}

static void suspending_end(struct suspending *s, enum wax_status status)
{
    s->wanted->done(s->wanted, status);
    change_done(&s->change);
    free(s);
}

static void suspension_written(struct storage_op *op, enum wax_status status)
{
    suspending_end((struct suspending *)(void *)((char *)op - offsetof(struct suspending, op)), status);
}

static void suspending_begin(struct change *change)
{
    struct suspending *s = (struct suspending *)(void *)change;
    struct storage *storage = change->directory->storage;
    enum wax_status status = directory_account(change->directory, change->user, &s->account);
    uint8_t flags = status == WAX_OK ? account_flags(&s->account) : 0;
    if (status == WAX_OK && (flags & ACCOUNT_DELETED) != 0)
        status = WAX_NOT_FOUND;
    if (status != WAX_OK || s->wanted->suspended == ((flags & ACCOUNT_SUSPENDED) != 0)) {
        suspending_end(s, status);
        return;
    }
    account_set_flags(&s->account, flags ^ ACCOUNT_SUSPENDED);
    s->op.done = suspension_written;
    storage->calls->dir_put(storage, change->user, view_of("account", 7),
                            view_of(s->account.bytes, s->account.len), &s->op);
}

void directory_suspend(struct directory *directory, struct suspension *suspension)
{
    struct suspending *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    memcpy(s->change.user, suspension->user, WAX_USER_BYTES);
    s->change.begin = suspending_begin;
    s->change.drop = suspending_drop;
    s->wanted = suspension;
    change_ask(directory, &s->change);
}

enum wax_status directory_next_account(const struct directory *directory, uint8_t user[WAX_USER_BYTES],
                                       struct account *account)
{
    struct storage_name last, next;
    memcpy(last.user, user, WAX_USER_BYTES);
    memset(last.bytes, 0xff, sizeof last.bytes); /* behind all names of a user */
    last.len = sizeof last.bytes;
    for (;;) {
        enum wax_status status = directory_next(directory, last.user, view_of(last.bytes, last.len), &next);
        if (status != WAX_OK)
            return status;
        status = directory_account(directory, next.user, account);
        if (status != WAX_NOT_FOUND) {
            memcpy(user, next.user, WAX_USER_BYTES);
            return status;
        }
        memcpy(last.user, next.user, WAX_USER_BYTES);
    }
}
