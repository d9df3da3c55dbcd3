/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How much may be sent. A session keeps the allowance of its device: the time up to which it is spent. Its
 * account and its address are charged afterwards, for many messages at once, where they are kept: the account
 * at its home, the address at this worker. Where one of them is overdrawn, the session is told how long it
 * has to wait, and holds its device back until then. So a message costs no look elsewhere.
 */
#include "relay/session_internal.h"

#define UNTOLD_MAX 65535u

_Static_assert(RATE_TOLD_EACH + WAX_MULTI_RECIPIENTS_MAX +
                       WAX_FRAME_BYTES_MAX / WIRE_READ_ENTRY_BYTES / RATE_READS <
                   UNTOLD_MAX,
               "what one frame adds is counted");

static void set_upto(struct session_spent *spent, uint64_t upto_us)
{
    spent->upto_us = upto_us & ((UINT64_C(1) << 48) - 1u);
}

void session_spend(struct session *session, struct session_env *env, uint32_t count)
{
    struct session_spent *spent = &session->spent;
    uint64_t upto_us = spent->upto_us > env->now_us ? spent->upto_us : env->now_us;
    set_upto(spent, upto_us + (uint64_t)env->rates.cost_us * count);
    uint32_t untold = spent->untold + count;
    spent->untold = (uint16_t)(untold < UNTOLD_MAX ? untold : UNTOLD_MAX);
    if (untold >= RATE_TOLD_EACH)
        session_pend(session, env, PENDING_USED);
}

void session_charge_reads(struct session *session, struct session_env *env, uint32_t count)
{
    if (!env->rates.on)
        return;
    session_spend(session, env, (count + RATE_READS - 1) / RATE_READS);
    uint64_t most_us = env->now_us + env->rates.room_us + env->rates.cost_us;
    if (session->spent.upto_us > most_us)
        set_upto(&session->spent, most_us);
}

void session_hold(struct session *session, struct session_env *env, uint64_t wait_us)
{
    uint64_t upto_us = env->now_us + env->rates.room_us + wait_us;
    if (session->spent.upto_us < upto_us)
        set_upto(&session->spent, upto_us);
}

static void charge_address(struct session *session, struct session_env *env)
{
    uint64_t wait_us =
        env->charge == NULL ? 0 : env->charge(env->ctx, session->conn, (uint32_t)session->spent.untold);
    if (wait_us == 0)
        return;
    metrics_count(env->metrics, WAX_RATE_ADDRESS);
    session_hold(session, env, wait_us);
}

bool session_tell(struct session *session, struct session_env *env)
{
    struct item item = {.kind = ITEM_USED};
    item.u.report.generation = session->generation;
    item.u.report.recipient = session->recipient;
    item.u.report.seq = (uint32_t)session->spent.untold;
    if (env->rates.account && !env->port->give(env->port->ctx, session->home, &item))
        return false;
    charge_address(session, env);
    session->spent.untold = 0;
    return true;
}

void session_spent_all(struct session *session, struct session_env *env)
{
    if (session->spent.untold != 0)
        charge_address(session, env);
}
