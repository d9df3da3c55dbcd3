/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom a recipient's account blocks, or allows, kept for as long as it has a session. */
#include "relay/home_internal.h"

static struct policy_part *part_at(const struct home *home, uint32_t index)
{
    return pool_at(&home->policies, index);
}

static void give_parts(struct home *home, uint32_t index)
{
    while (index != NONE) {
        uint32_t next = part_at(home, index)->next;
        pool_give_index(&home->policies, index);
        index = next;
    }
}

void policy_forget(struct home *home, struct recipient *recipient)
{
    if (recipient->policed)
        give_parts(home, recipient->policy);
    recipient->policed = recipient->only = recipient->unpoliced = false;
}

/* The users in parts; false, and nothing taken, when there is no memory. */
static bool take_parts(struct home *home, const struct channel_policy *policy, uint32_t *first)
{
    uint32_t parts = (policy->count + POLICY_PART_USERS - 1) / POLICY_PART_USERS;
    *first = NONE;
    if (parts > home->policies.free_count)
        return false;
    for (uint32_t part = parts; part > 0; part--) {
        uint32_t from = (part - 1) * POLICY_PART_USERS, index = pool_take_index(&home->policies);
        struct policy_part *at = part_at(home, index);
        at->next = *first;
        at->count = policy->count - from < POLICY_PART_USERS ? policy->count - from : POLICY_PART_USERS;
        memcpy(at->user, policy->user[from], at->count * (size_t)WAX_USER_BYTES);
        *first = index;
    }
    return true;
}

/*
 * Without memory for the policy nothing may be delivered directly: what is in the window has been taken
 * already, everything else goes to the mailbox, before which the control plane stands.
 */
static void divert(struct home *home, struct recipient *recipient)
{
    recipient->unpoliced = true;
    metrics_count(home->metrics, WAX_NO_MEMORY);
    if (recipient->state != RECIPIENT_ONLINE && recipient->state != RECIPIENT_HOLD)
        return;
    bool awake = recipient_wake(home, recipient);
    hold_spill(home, recipient);
    window_spill(home, recipient);
    recipient->state = RECIPIENT_DRAINING;
    if (recipient->drain == 0)
        recipient->due |= DUE_DRAIN;
    recipient_queue_control(home, recipient);
    (void)awake; /* with nothing in its queues there is nothing to spill */
}

static void apply(struct home *home, struct recipient *recipient, const struct channel_policy *policy)
{
    policy_forget(home, recipient);
    if (policy->count == 0 && policy->only == 0)
        return;
    if (!take_parts(home, policy, &recipient->policy)) {
        divert(home, recipient);
        return;
    }
    recipient->policed = true;
    recipient->only = policy->only != 0;
}

void policy_take(struct home *home, const struct channel_policy *policy)
{
    struct name name = name_from_channel(&policy->name);
    struct recipient *recipient = recipient_find(home, &name);
    if (recipient != NULL && recipient->generation != 0 && recipient->generation == policy->generation)
        apply(home, recipient, policy);
    else
        metrics_count(home->metrics, WAX_SESSION_STALE);
    if (policy->tag == 0)
        return;
    if (home->policed_count < POLICED_MAX)
        home->policed[home->policed_count++] = policy->tag;
    else
        metrics_count(home->metrics, WAX_FULL); /* more than control has under way */
}

static bool part_has(const struct policy_part *part, const uint8_t user[WAX_USER_BYTES])
{
    uint32_t low = 0, high = part->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = memcmp(part->user[middle], user, WAX_USER_BYTES);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool names(const struct home *home, uint32_t index, const uint8_t user[WAX_USER_BYTES])
{
    for (; index != NONE; index = part_at(home, index)->next) {
        const struct policy_part *part = part_at(home, index);
        if (memcmp(part->user[part->count - 1], user, WAX_USER_BYTES) >= 0)
            return part_has(part, user);
    }
    return false;
}

bool policy_refuses(const struct home *home, const struct recipient *recipient,
                    const uint8_t user[WAX_USER_BYTES])
{
    if (!recipient->policed || memcmp(recipient->name.user, user, WAX_USER_BYTES) == 0)
        return false;
    return names(home, recipient->policy, user) != recipient->only;
}

bool policies_tell(struct home *home)
{
    while (home->policed_count != 0) {
        struct channel_record *record =
            home->port->control_reserve(home->port->ctx, sizeof(struct channel_policed));
        if (record == NULL)
            return false;
        record->kind = CHANNEL_POLICED;
        ((struct channel_policed *)(void *)record)->tag = home->policed[--home->policed_count];
        home->port->control_publish(home->port->ctx);
    }
    return true;
}
