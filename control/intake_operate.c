/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators order of accounts. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "directory_invite.h"
#include "directory_operate.h"
#include "intake_internal.h"

void intake_hold(struct intake_order **holder, struct intake_order *order)
{
    *holder = order;
    order->held = holder;
}

void intake_operated(struct intake_order *order, enum wax_status status, const char *text)
{
    if (order == NULL)
        return;
    order->held = NULL;
    order->done(order, status, text);
}

void intake_forget(struct intake_order *order)
{
    if (order->held != NULL)
        *order->held = NULL;
    order->held = NULL;
}

void intake_revoke(struct intake *intake, const uint8_t user[WAX_USER_BYTES], uint16_t device)
{
    token_keys_revoke(intake->token_keys, user, device, intake->now_ms);
    intake_tokens(intake, intake->token_keys);
}

struct suspending {
    struct suspension suspension;
    struct intake *intake;
    struct intake_order *order;
};

static void suspended(struct suspension *suspension, enum wax_status status)
{
    struct suspending *s = (struct suspending *)(void *)suspension;
    struct intake *intake = s->intake;
    const char *text = "the directory can't be written now";
    if (status == WAX_OK && suspension->suspended) {
        intake_revoke(intake, suspension->user, 0);
        intake_close_sessions(intake, suspension->user, 0, WAX_SESSION_SUSPENDED);
    }
    if (status == WAX_OK)
        text = suspension->suspended ? "the account is suspended" : "the account may come in";
    else if (status == WAX_NOT_FOUND)
        text = "there is no such account";
    intake_operated(s->order, status, text);
    free(s);
}

void intake_suspend(struct intake *intake, const uint8_t user[WAX_USER_BYTES], bool suspend,
                    struct intake_order *order)
{
    struct suspending *s = calloc(1, sizeof *s);
    if (s == NULL)
        abort();
    memcpy(s->suspension.user, user, WAX_USER_BYTES);
    s->suspension.suspended = suspend;
    s->suspension.done = suspended;
    s->intake = intake;
    intake_hold(&s->order, order);
    directory_suspend(intake->directory, &s->suspension);
}

/* ---- invites ---- */

struct inviting {
    struct invite_order invite;
    struct intake_order *order;
};

static void invited(struct invite_order *invite, enum wax_status status)
{
    struct inviting *i = (struct inviting *)(void *)invite;
    bool making = invite->uses != 0;
    char text[64] = "the directory can't be written now";
    if (status == WAX_OK)
        snprintf(text, sizeof text, "the invite %08x is %s", invite->id, making ? "made" : "revoked");
    else if (status == WAX_NOT_FOUND)
        snprintf(text, sizeof text, "there is no such invite");
    if (i->order != NULL)
        i->order->code = making && status == WAX_OK ? invite->code : NULL;
    intake_operated(i->order, status, text);
    sodium_memzero(i, sizeof *i);
    free(i);
}

static struct inviting *inviting_new(struct intake_order *order)
{
    struct inviting *i = calloc(1, sizeof *i);
    if (i == NULL)
        abort();
    i->invite.done = invited;
    intake_hold(&i->order, order);
    return i;
}

void intake_invite(struct intake *intake, uint32_t uses, uint32_t life_s, struct intake_order *order)
{
    struct inviting *i = inviting_new(order);
    i->invite.uses = uses;
    i->invite.now_ms = intake->now_ms;
    i->invite.expires_ms = life_s != 0 ? intake->now_ms + (uint64_t)life_s * 1000u : 0;
    directory_invite(intake->directory, &i->invite);
}

void intake_revoke_invite(struct intake *intake, uint32_t id, struct intake_order *order)
{
    struct inviting *i = inviting_new(order);
    i->invite.id = id;
    directory_revoke_invite(intake->directory, &i->invite);
}
