/* SPDX-License-Identifier: BSD-3-Clause */
#include "directory_policy.h"

#include <stdlib.h>

#include "directory_internal.h"

#define POLICY_VERSION 1u
#define POLICY_HEAD    8u /* version 1, only 1, blocked 2, allowed 2, reserved 2; then the users */
#define POLICY_BYTES   (POLICY_HEAD + 2u * WAX_POLICY_USERS_MAX * WAX_USER_BYTES)

_Static_assert(POLICY_BYTES <= STORAGE_VALUE_BYTES_MAX, "a policy is one value");

static struct view policy_name(void)
{
    return view_of("policy", 6);
}

/* ---- lists of users ---- */

/* Where a user is in a list, or would be; whether it is there. */
static bool place_of(const struct policy_users *users, const uint8_t user[WAX_USER_BYTES], uint32_t *place)
{
    uint32_t low = 0, high = users->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(users->user[middle], user, WAX_USER_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    return low < users->count && memcmp(users->user[low], user, WAX_USER_BYTES) == 0;
}

static enum wax_status users_add(struct policy_users *users, const uint8_t user[WAX_USER_BYTES])
{
    uint32_t place;
    if (place_of(users, user, &place))
        return WAX_OK;
    if (users->count == WAX_POLICY_USERS_MAX)
        return WAX_FULL;
    memmove(users->user[place + 1], users->user[place], (users->count - place) * (size_t)WAX_USER_BYTES);
    memcpy(users->user[place], user, WAX_USER_BYTES);
    users->count++;
    return WAX_OK;
}

static void users_remove(struct policy_users *users, const uint8_t user[WAX_USER_BYTES])
{
    uint32_t place;
    if (!place_of(users, user, &place))
        return;
    users->count--;
    memmove(users->user[place], users->user[place + 1], (users->count - place) * (size_t)WAX_USER_BYTES);
}

/* ---- as it is kept ---- */

static size_t policy_write(const struct policy *policy, uint8_t out[POLICY_BYTES])
{
    size_t blocked = policy->blocked.count * (size_t)WAX_USER_BYTES;
    size_t allowed = policy->allowed.count * (size_t)WAX_USER_BYTES;
    memset(out, 0, POLICY_HEAD);
    out[0] = POLICY_VERSION;
    out[1] = policy->only;
    store_be16(out + 2, (uint16_t)policy->blocked.count);
    store_be16(out + 4, (uint16_t)policy->allowed.count);
    memcpy(out + POLICY_HEAD, policy->blocked.user, blocked);
    memcpy(out + POLICY_HEAD + blocked, policy->allowed.user, allowed);
    return POLICY_HEAD + blocked + allowed;
}

enum wax_status directory_policy(const struct directory *directory, const uint8_t user[WAX_USER_BYTES],
                                 struct policy *policy)
{
    uint8_t bytes[POLICY_BYTES];
    size_t len = 0;
    policy->only = false;
    policy->blocked.count = policy->allowed.count = 0;
    enum wax_status status =
        directory_read(directory, user, policy_name(), span_of(bytes, sizeof bytes), &len);
    if (status != WAX_OK)
        return status;
    if (len < POLICY_HEAD || bytes[0] != POLICY_VERSION)
        return WAX_STORE_CORRUPT;
    uint32_t blocked = load_be16(bytes + 2), allowed = load_be16(bytes + 4);
    if (blocked > WAX_POLICY_USERS_MAX || allowed > WAX_POLICY_USERS_MAX ||
        len != POLICY_HEAD + (blocked + allowed) * (size_t)WAX_USER_BYTES)
        return WAX_STORE_CORRUPT;
    policy->only = bytes[1] != 0;
    policy->blocked.count = blocked;
    policy->allowed.count = allowed;
    memcpy(policy->blocked.user, bytes + POLICY_HEAD, blocked * (size_t)WAX_USER_BYTES);
    memcpy(policy->allowed.user, bytes + POLICY_HEAD + blocked * (size_t)WAX_USER_BYTES,
           allowed * (size_t)WAX_USER_BYTES);
    return WAX_OK;
}

bool policy_forbids(const struct policy *policy, const uint8_t user[WAX_USER_BYTES])
{
    uint32_t place;
    return place_of(&policy->blocked, user, &place) ||
           (policy->only && !place_of(&policy->allowed, user, &place));
}

uint32_t policy_deciding(const struct policy *policy, uint8_t user[WAX_POLICY_USERS_MAX][WAX_USER_BYTES],
                         bool *only)
{
    const struct policy_users *users = policy->only ? &policy->allowed : &policy->blocked;
    uint32_t count = 0, place;
    *only = policy->only;
    for (uint32_t i = 0; i < users->count; i++) {
        if (!policy->only || !place_of(&policy->blocked, users->user[i], &place))
            memcpy(user[count++], users->user[i], WAX_USER_BYTES);
    }
    return count;
}

/* ---- a change ---- */

struct policing {
    struct change change;
    struct storage_op op; /* of the policy, then of the account */
    struct policy_change *wanted;
    struct account account;
    struct policy policy;
    uint8_t bytes[POLICY_BYTES];
};

static void policing_drop(struct change *change)
{
    free(change);
}

static void policing_end(struct policing *p, enum wax_status status)
{
    p->wanted->done(p->wanted, status);
    change_done(&p->change);
    free(p);
}

static struct policing *policing_of(struct storage_op *op)
{
    return (struct policing *)(void *)((char *)op - offsetof(struct policing, op));
}

static void account_marked(struct storage_op *op, enum wax_status status)
{
    policing_end(policing_of(op), status);
}

/* That an account has a policy at all is marked in it, so that others need no look. */
static void policy_written(struct storage_op *op, enum wax_status status)
{
    struct policing *p = policing_of(op);
    struct storage *storage = p->change.directory->storage;
    if (status != WAX_OK || (account_flags(&p->account) & ACCOUNT_POLICY) != 0) {
        policing_end(p, status);
        return;
    }
    account_set_flags(&p->account, account_flags(&p->account) | ACCOUNT_POLICY);
    p->op.done = account_marked;
    storage->calls->dir_put(storage, p->change.user, view_of("account", 7),
                            view_of(p->account.bytes, p->account.len), &p->op);
}

static enum wax_status apply(struct policy *policy, const struct policy_change *wanted)
{
    switch (wanted->what) {
    case WIRE_BLOCK_USER:
        return users_add(&policy->blocked, wanted->about);
    case WIRE_BLOCK_UNBLOCK:
        users_remove(&policy->blocked, wanted->about);
        return WAX_OK;
    case WIRE_BLOCK_ALLOW:
        return users_add(&policy->allowed, wanted->about);
    default:
        policy->only = wanted->what == WIRE_BLOCK_ONLY_ALLOWED;
        return WAX_OK;
    }
}

static void policing_begin(struct change *change)
{
    struct policing *p = (struct policing *)(void *)change;
    struct storage *storage = change->directory->storage;
    enum wax_status status = directory_account(change->directory, change->user, &p->account);
    if (status == WAX_OK) {
        status = directory_policy(change->directory, change->user, &p->policy);
        status = status == WAX_NOT_FOUND ? WAX_OK : status;
    }
    if (status == WAX_OK)
        status = apply(&p->policy, p->wanted);
    if (status != WAX_OK) {
        policing_end(p, status);
        return;
    }
    p->op.done = policy_written;
    storage->calls->dir_put(storage, change->user, policy_name(),
                            view_of(p->bytes, policy_write(&p->policy, p->bytes)), &p->op);
}

void directory_police(struct directory *directory, struct policy_change *wanted)
{
    struct policing *p = calloc(1, sizeof *p);
    if (p == NULL)
        abort();
    memcpy(p->change.user, wanted->user, WAX_USER_BYTES);
    p->change.begin = policing_begin;
    p->change.drop = policing_drop;
    p->wanted = wanted;
    change_ask(directory, &p->change);
}
