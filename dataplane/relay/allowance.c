/* SPDX-License-Identifier: BSD-3-Clause */
#include "relay/allowance.h"

#include "base/hash.h"

static uint64_t account_hash(const struct home *home, const struct recipient *recipient)
{
    return siphash13(home->config.hash_key, view_of(recipient->name.user, WAX_USER_BYTES));
}

uint64_t account_wait_us(const struct home *home, const struct recipient *recipient, uint64_t now_us)
{
    return home->accounts.cost_us == 0
               ? 0
               : rates_wait_us(&home->accounts, account_hash(home, recipient), now_us);
}

void account_charge(struct home *home, const struct item *item, uint64_t now_us)
{
    uint32_t index = item->u.report.recipient;
    uint64_t generation = item->u.report.generation;
    if (home->accounts.cost_us == 0 || item->u.report.seq == 0 || index >= home->config.recipients)
        return;
    const struct recipient *recipient = &home->recipients[index];
    bool here = recipient->generation == generation;
    /* One that was displaced is charged as well: else who comes again and again pays nothing. */
    if (!recipient->used || generation == 0 || (!here && recipient->closed_generation != generation))
        return;
    uint64_t wait_us =
        rates_spend(&home->accounts, account_hash(home, recipient), item->u.report.seq, now_us);
    if (wait_us == 0)
        return;
    metrics_count(home->metrics, WAX_RATE_ACCOUNT);
    if (!here || item->kind != ITEM_USED)
        return;
    struct item hold = {.kind = ITEM_HOLD};
    hold.u.hold.wait_us = wait_us;
    hold.u.hold.conn = recipient->conn;
    hold.u.hold.conn_generation = recipient->conn_generation;
    (void)home_notice(home, recipient->worker, &hold); /* else the next charge says so */
}
