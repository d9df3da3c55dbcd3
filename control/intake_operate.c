/* SPDX-License-Identifier: BSD-3-Clause */
/* What operators order of accounts. */
#include <stdlib.h>

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
