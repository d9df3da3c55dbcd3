/* SPDX-License-Identifier: BSD-3-Clause */
/* Who may come in, and for whom messages are taken. */
#include <sodium.h>
#include <stdlib.h>

#include "directory_internal.h"
#include "directory_invite_internal.h"
#include "directory_policy.h"

/* A login that has to wait for its turn, or to be written. */
struct entering {
    struct change change;
    struct storage_op op;
    struct account account;
    struct directory_login *login;
    bool fresh;
    struct invite_use use;
};

void directory_registration(struct directory *directory, enum directory_registration registration)
{
    directory->registration = registration;
}

static void entering_drop(struct change *change)
{
    free(change);
}

static void entering_end(struct entering *e, enum wax_status status, uint8_t error)
{
    e->login->done(e->login, status, error, status == WAX_OK && error == 0 && e->fresh);
    change_done(&e->change);
    free(e);
}

static void account_written(struct storage_op *op, enum wax_status status)
{
    struct entering *e = (struct entering *)(void *)((char *)op - offsetof(struct entering, op));
    struct directory *directory = e->change.directory;
    if (status == WAX_OK) {
        directory->counts.accounts += e->fresh;
        directory->counts.invited += e->fresh && account_invite(&e->account) != 0;
        directory->counts.devices++;
    }
    e->change.coming = NULL;
    entering_end(e, status, 0);
}

/*
 * What becomes of a login, as things are: an error, or 0, and then whether the device has to be added to
 * `account`, which may be `fresh`.
 */
static enum wax_status judge(const struct directory *directory, const struct directory_login *login,
                             struct account *account, uint8_t *error, bool *add, bool *fresh)
{
    enum wax_status status = directory_account(directory, login->user, account);
    *error = 0;
    *add = false;
    *fresh = status == WAX_NOT_FOUND;
    if (status != WAX_OK && !*fresh)
        return status;
    if (*fresh && (directory->registration == DIRECTORY_CLOSED ||
                   (directory->registration == DIRECTORY_INVITE && !invite_code_sound(login->invite)))) {
        *error = WIRE_ERROR_NOT_INVITED;
        return WAX_OK;
    }
    /* what is going is gone in a moment: until then its name is taken */
    if (!*fresh && ((account_flags(account) & ACCOUNT_DELETED) != 0 ||
                    (account_place(account, login->device) < account_devices(account) &&
                     !account_has(account, login->device))))
        return WAX_EXISTS;
    if (*fresh)
        account_make(account, login->account_key, login->now_ms);
    *add = !account_has(account, login->device);
    if (memcmp(account_key(account), login->account_key, WAX_ACCOUNT_KEY_BYTES) != 0)
        *error = WIRE_ERROR_BAD_PROOF;
    else if ((account_flags(account) & ACCOUNT_SUSPENDED) != 0)
        *error = WIRE_ERROR_SUSPENDED;
    else if (*add && account_devices(account) >= WAX_DEVICES_PER_USER_MAX)
        *error = WIRE_ERROR_DEVICES;
    return WAX_OK;
}

static void write_account(struct entering *e)
{
    struct directory *directory = e->change.directory;
    account_add(&e->account, e->login->device, e->login->now_ms);
    e->change.coming = &e->account;
    e->op.done = account_written;
    directory->storage->calls->dir_put(directory->storage, e->change.user, view_of("account", 7),
                                       view_of(e->account.bytes, e->account.len), &e->op);
}

/* First the invite is used up for this user, then the account is made: a crash in between loses nothing. */
static void invite_used(struct invite_use *use, enum wax_status status, uint32_t id)
{
    struct entering *e = (struct entering *)(void *)((char *)use - offsetof(struct entering, use));
    if (status == WAX_OK) {
        account_set_invite(&e->account, id);
        write_account(e);
        return;
    }
    e->change.directory->counts.not_invited += status == WAX_NOT_FOUND;
    entering_end(e, status == WAX_NOT_FOUND ? WAX_OK : status,
                 status == WAX_NOT_FOUND ? WIRE_ERROR_NOT_INVITED : 0);
}

static void entering_begin(struct change *change)
{
    struct entering *e = (struct entering *)(void *)change;
    struct directory *directory = change->directory;
    uint8_t error;
    bool add;
    enum wax_status status = judge(directory, e->login, &e->account, &error, &add, &e->fresh);
    if (status != WAX_OK || error != 0 || !add) {
        directory->counts.not_invited += status == WAX_OK && error == WIRE_ERROR_NOT_INVITED;
        entering_end(e, status, error);
        return;
    }
    if (!e->fresh || directory->registration != DIRECTORY_INVITE) {
        write_account(e);
        return;
    }
    memcpy(e->use.user, change->user, WAX_USER_BYTES);
    e->use.code = e->login->invite;
    e->use.now_ms = e->login->now_ms;
    e->use.done = invite_used;
    invite_use(directory, &e->use);
}

void directory_login(struct directory *directory, struct directory_login *login)
{
    uint8_t digest[WAX_USER_BYTES], error = 0;
    bool add, fresh;
    struct account account;
    crypto_generichash(digest, sizeof digest, login->account_key, WAX_ACCOUNT_KEY_BYTES, NULL, 0);
    if (memcmp(digest, login->user, sizeof digest) != 0 || login->device == 0) {
        login->done(login, WAX_OK, WIRE_ERROR_BAD_PROOF, false);
        return;
    }
    if (change_of(directory, login->user) == NULL) {
        enum wax_status status = judge(directory, login, &account, &error, &add, &fresh);
        if (status != WAX_OK || error != 0 || !add) {
            directory->counts.not_invited += status == WAX_OK && error == WIRE_ERROR_NOT_INVITED;
            login->done(login, status, error, false);
            return;
        }
    }
    struct entering *e = calloc(1, sizeof *e);
    if (e == NULL)
        abort();
    memcpy(e->change.user, login->user, WAX_USER_BYTES);
    e->change.begin = entering_begin;
    e->change.drop = entering_drop;
    e->login = login;
    change_ask(directory, &e->change);
}

static uint8_t judged(const struct directory *directory, const struct account *account,
                      const struct device_name *name, const uint8_t sender[WAX_USER_BYTES])
{
    struct policy policy;
    if ((account_flags(account) & ACCOUNT_DELETED) != 0)
        return WIRE_REASON_UNKNOWN_USER;
    if (!account_has(account, name->device))
        return WIRE_REASON_UNKNOWN_DEVICE;
    if ((account_flags(account) & ACCOUNT_POLICY) == 0 || memcmp(name->user, sender, WAX_USER_BYTES) == 0)
        return 0;
    enum wax_status status = directory_policy(directory, name->user, &policy);
    if (status != WAX_OK)
        return status == WAX_NOT_FOUND ? 0 : WIRE_REASON_BUSY;
    return policy_forbids(&policy, sender) ? WIRE_REASON_BLOCKED : 0;
}

uint8_t directory_refuses(const struct directory *directory, const struct device_name *name,
                          const uint8_t sender[WAX_USER_BYTES], struct account *account)
{
    const struct change *change = change_of(directory, name->user);
    if (change != NULL && change->coming != NULL) {
        *account = *change->coming;
        return judged(directory, account, name, sender);
    }
    enum wax_status status = directory_account(directory, name->user, account);
    if (status == WAX_NOT_FOUND)
        return WIRE_REASON_UNKNOWN_USER;
    return status != WAX_OK ? WIRE_REASON_BUSY : judged(directory, account, name, sender);
}
