/* SPDX-License-Identifier: BSD-3-Clause */
#include "directory_device.h"

#include <stdlib.h>

#include "directory_invite_internal.h"
#include "directory_keys_internal.h"

#define VALUES_A_TURN 64u /* removed at a time */

/*
 * What is marked is on a list, one name of this user each: "gone" and the account. So it is found after a
 * restart.
 */
static const uint8_t unfinished_user[WAX_USER_BYTES];

struct unfinished_name {
    uint8_t bytes[4 + WAX_USER_BYTES];
};

static struct view unfinished_name(struct unfinished_name *name, const uint8_t user[WAX_USER_BYTES])
{
    memcpy(name->bytes, "gone", 4);
    memcpy(name->bytes + 4, user, WAX_USER_BYTES);
    return view_of(name->bytes, sizeof name->bytes);
}

struct removing {
    struct change change;
    struct storage_op op;
    struct removal *wanted;
    struct account account;
    struct key_range range; /* of one-time keys that are left to be removed */
    uint32_t waiting;
    enum wax_status status;
    uint8_t ignored[4];
    size_t ignored_len;
    struct unfinished_name name;
    struct invite_use use;
    struct removing_op {
        struct storage_op op;
        struct removing *removing;
    } each[VALUES_A_TURN];
};

static void removing_drop(struct change *change)
{
    free(change);
}

static void removing_end(struct removing *r, enum wax_status status)
{
    r->wanted->done(r->wanted, status);
    change_done(&r->change);
    free(r);
}

static struct removing *removing_of(struct storage_op *op)
{
    return (struct removing *)(void *)((char *)op - offsetof(struct removing, op));
}

static void account_marked(struct storage_op *op, enum wax_status status)
{
    removing_end(removing_of(op), status);
}

static void write_account(struct removing *r, void (*done)(struct storage_op *op, enum wax_status status))
{
    struct storage *storage = r->change.directory->storage;
    r->op.done = done;
    storage->calls->dir_put(storage, r->change.user, view_of("account", 7),
                            view_of(r->account.bytes, r->account.len), &r->op);
}

static struct removing *removing_new(struct removal *wanted, void (*begin)(struct change *change))
{
    struct removing *r = calloc(1, sizeof *r);
    if (r == NULL)
        abort();
    memcpy(r->change.user, wanted->user, WAX_USER_BYTES);
    r->change.begin = begin;
    r->change.drop = removing_drop;
    r->wanted = wanted;
    return r;
}

/* ---- marking ---- */

/* It is on the list of what is unfinished: now it may begin. */
static void listed(struct storage_op *op, enum wax_status status)
{
    struct removing *r = removing_of(op);
    if (status != WAX_OK)
        removing_end(r, status);
    else
        write_account(r, account_marked);
}

static void mark_begin(struct change *change)
{
    struct removing *r = (struct removing *)(void *)change;
    enum wax_status status = directory_account(change->directory, change->user, &r->account);
    uint32_t count = status == WAX_OK ? account_devices(&r->account) : 0, marked = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (account_removed(&r->account, i) ||
            (r->wanted->device != 0 && account_device(&r->account, i) != r->wanted->device))
            continue;
        account_mark_removed(&r->account, i);
        marked++;
    }
    if (status != WAX_OK || (marked == 0 && r->wanted->device != 0)) {
        removing_end(r, status == WAX_NOT_FOUND ? WAX_OK : status);
        return;
    }
    if (r->wanted->device == 0)
        account_set_flags(&r->account, account_flags(&r->account) | ACCOUNT_DELETED);
    r->op.done = listed;
    change->directory->storage->calls->dir_put(change->directory->storage, unfinished_user,
                                               unfinished_name(&r->name, change->user), view_of("", 0),
                                               &r->op);
}

void directory_remove(struct directory *directory, struct removal *removal)
{
    change_ask(directory, &removing_new(removal, mark_begin)->change);
}

/* ---- erasing ---- */

static void erase_keys(struct removing *r);

static void unlisted(struct storage_op *op, enum wax_status status)
{
    (void)status; /* one that stays on the list is looked at after the next start */
    removing_end(removing_of(op), WAX_OK);
}

/* The device is gone, or the account: with the last one that was marked nothing is unfinished. */
static void erased(struct storage_op *op, enum wax_status status)
{
    struct removing *r = removing_of(op);
    struct storage *storage = r->change.directory->storage;
    bool more = false;
    for (uint32_t i = 0; i < account_devices(&r->account); i++)
        more |= account_removed(&r->account, i);
    if (more || (status != WAX_OK && status != WAX_NOT_FOUND)) {
        removing_end(r, status == WAX_NOT_FOUND ? WAX_OK : status);
        return;
    }
    r->op.done = unlisted;
    storage->calls->dir_take(storage, unfinished_user, unfinished_name(&r->name, r->change.user),
                             span_of(r->ignored, sizeof r->ignored), &r->ignored_len, &r->op);
}

static void policy_gone(struct storage_op *op, enum wax_status status)
{
    struct removing *r = removing_of(op);
    struct storage *storage = r->change.directory->storage;
    if (status != WAX_OK && status != WAX_NOT_FOUND) {
        removing_end(r, status);
        return;
    }
    r->op.done = erased;
    storage->calls->dir_take(storage, r->change.user, view_of("account", 7),
                             span_of(r->ignored, sizeof r->ignored), &r->ignored_len, &r->op);
}

static void unnamed(struct invite_use *use, enum wax_status status, uint32_t id)
{
    struct removing *r = (struct removing *)(void *)((char *)use - offsetof(struct removing, use));
    struct storage *storage = r->change.directory->storage;
    (void)id;
    if (status != WAX_OK) {
        removing_end(r, status);
        return;
    }
    r->op.done = policy_gone;
    storage->calls->dir_take(storage, r->change.user, view_of("policy", 6),
                             span_of(r->ignored, sizeof r->ignored), &r->ignored_len, &r->op);
}

/* Nothing else is left of the account; its invite names it no longer. */
static void erase_account(struct removing *r)
{
    uint32_t invite = account_invite(&r->account);
    memcpy(r->use.user, r->change.user, WAX_USER_BYTES);
    r->use.done = unnamed;
    if (invite != 0)
        invite_unname(r->change.directory, invite, &r->use);
    else
        unnamed(&r->use, WAX_OK, 0);
}

/* The device's values are gone: so is the device, and perhaps its account. */
static void erase_device(struct removing *r)
{
    uint32_t place = account_place(&r->account, r->wanted->device);
    account_remove(&r->account, place);
    if ((account_flags(&r->account) & ACCOUNT_DELETED) == 0 || account_devices(&r->account) != 0)
        write_account(r, erased);
    else
        erase_account(r);
}

static void value_gone(struct storage_op *op, enum wax_status status)
{
    struct removing *r = ((struct removing_op *)(void *)op)->removing;
    if (status != WAX_OK && status != WAX_NOT_FOUND)
        r->status = status;
    if (--r->waiting != 0)
        return;
    if (r->status != WAX_OK)
        removing_end(r, r->status);
    else
        erase_keys(r);
}

static void erase_value(struct removing *r, char kind, uint64_t number)
{
    struct storage *storage = r->change.directory->storage;
    struct key_name name;
    struct removing_op *each = &r->each[r->waiting++];
    *each = (struct removing_op){.op = {.done = value_gone}, .removing = r};
    storage->calls->dir_take(storage, r->change.user, key_name(&name, kind, r->wanted->device, number),
                             span_of(r->ignored, sizeof r->ignored), &r->ignored_len, &each->op);
}

/* One-time keys a few at a time; the range and the bundle last, so that a crash loses no key's number. */
static void erase_keys(struct removing *r)
{
    if (r->range.first > r->range.next) {
        erase_device(r);
        return;
    }
    if (r->range.first == r->range.next) {
        r->range.first++;
        erase_value(r, 'b', 0);
        erase_value(r, 'n', 0);
        return;
    }
    uint64_t count = r->range.next - r->range.first;
    count = count < VALUES_A_TURN ? count : VALUES_A_TURN;
    for (uint64_t i = 0; i < count; i++)
        erase_value(r, 'k', r->range.first++);
}

static void erase_begin(struct change *change)
{
    struct removing *r = (struct removing *)(void *)change;
    enum wax_status status = directory_account(change->directory, change->user, &r->account);
    uint32_t place = status == WAX_OK ? account_place(&r->account, r->wanted->device) : 0;
    if (status == WAX_OK && account_devices(&r->account) == 0 &&
        (account_flags(&r->account) & ACCOUNT_DELETED) != 0) {
        erase_account(r);
        return;
    }
    if (status != WAX_OK || place == account_devices(&r->account) || !account_removed(&r->account, place)) {
        removing_end(r, status == WAX_NOT_FOUND ? WAX_OK : status);
        return;
    }
    status = key_range_read(change->directory, change->user, r->wanted->device, &r->range);
    if (status != WAX_OK && status != WAX_NOT_FOUND)
        removing_end(r, status);
    else
        erase_keys(r);
}

void directory_erase(struct directory *directory, struct removal *removal)
{
    change_ask(directory, &removing_new(removal, erase_begin)->change);
}

bool directory_unfinished(const struct directory *directory, uint8_t user[WAX_USER_BYTES])
{
    struct unfinished_name name;
    struct storage_name next;
    if (directory_next(directory, unfinished_user, unfinished_name(&name, user), &next) != WAX_OK ||
        memcmp(next.user, unfinished_user, WAX_USER_BYTES) != 0 || next.len != sizeof name.bytes ||
        memcmp(next.bytes, name.bytes, 4) != 0)
        return false;
    memcpy(user, next.bytes + 4, WAX_USER_BYTES);
    return true;
}

/* ---- when a device was seen ---- */

struct seeing {
    struct change change;
    struct storage_op op;
    struct account account;
    uint16_t device;
    uint64_t now_ms;
};

static void seeing_end(struct seeing *s)
{
    change_done(&s->change);
    free(s);
}

static void sight_written(struct storage_op *op, enum wax_status status)
{
    (void)status; /* the next session tries again */
    seeing_end((struct seeing *)(void *)((char *)op - offsetof(struct seeing, op)));
}

static bool sight_is_old(const struct account *account, uint16_t device, uint64_t now_ms, uint32_t *place)
{
    *place = account_place(account, device);
    return account_has(account, device) && now_ms >= account_seen_ms(account, *place) + DIRECTORY_SEEN_MS;
}

static void see_begin(struct change *change)
{
    struct seeing *s = (struct seeing *)(void *)change;
    struct storage *storage = change->directory->storage;
    uint32_t place;
    if (directory_account(change->directory, change->user, &s->account) != WAX_OK ||
        !sight_is_old(&s->account, s->device, s->now_ms, &place)) {
        seeing_end(s);
        return;
    }
    account_see(&s->account, place, s->now_ms);
    s->op.done = sight_written;
    storage->calls->dir_put(storage, change->user, view_of("account", 7),
                            view_of(s->account.bytes, s->account.len), &s->op);
}

void directory_see(struct directory *directory, const struct device_name *name, uint64_t now_ms)
{
    struct account account;
    uint32_t place;
    if (directory_account(directory, name->user, &account) != WAX_OK ||
        !sight_is_old(&account, name->device, now_ms, &place))
        return;
    struct seeing *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    memcpy(s->change.user, name->user, WAX_USER_BYTES);
    s->change.begin = see_begin;
    s->change.drop = removing_drop;
    s->device = name->device;
    s->now_ms = now_ms;
    change_ask(directory, &s->change);
}
