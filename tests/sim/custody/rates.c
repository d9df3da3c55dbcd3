/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What accounts and devices have sent, as whoever watches counts it: never more than they may, but for what
 * is under way until an account that has sent too much is told so; and nobody is refused who has not sent
 * that much.
 */
#include "custody/world.h"

/* Of an account, beyond what it may: each of its devices 31 that are not told, and what it sends meanwhile.
 */
#define UNTOLD 31u
#define SLACK  (2u * (UNTOLD + 16u))

void rates_draw(void)
{
    struct limits *limits = &world->limits;
    if (chance(500000))
        return;
    if (chance(600000))
        limits->device = (struct limit){1 + (uint32_t)below(200), 1 + (uint32_t)below(60)};
    if (chance(600000))
        limits->account = (struct limit){1 + (uint32_t)below(100), 1 + (uint32_t)below(100)};
    if (chance(200000))
        limits->address = (struct limit){1 + (uint32_t)below(200), 1 + (uint32_t)below(100)};
}

void rates_reset(void)
{
    memset(world->spent, 0, sizeof world->spent);
}

struct session_rates rates_of_sessions(void)
{
    const struct limits *limits = &world->limits;
    uint32_t cost_us = rates_cost_us(limits->device.per_s);
    return (struct session_rates){
        .on = (limits->device.per_s | limits->account.per_s | limits->address.per_s) != 0,
        .account = limits->account.per_s != 0,
        .cost_us = cost_us,
        .room_us = cost_us == 0 ? 0 : (limits->device.burst - 1ull) * cost_us};
}

void rates_sent(const struct msg *msg)
{
    const struct limit *account = &world->limits.account;
    struct spent *spent = &world->spent[msg->from.user[0]];
    spent->sent++;
    if (account->per_s == 0)
        return;
    uint64_t cost_us = rates_cost_us(account->per_s);
    if (spent->upto_us < world->now_us)
        spent->upto_us = world->now_us;
    spent->upto_us += cost_us;
    uint64_t ahead = (spent->upto_us - world->now_us) / cost_us;
    if (ahead > account->burst && ahead - account->burst > coverage.overdrawn)
        coverage.overdrawn = ahead - account->burst;
    CHECK(ahead <= account->burst + SLACK, "account %u has sent %llu more than it may", msg->from.user[0],
          (unsigned long long)(ahead - account->burst));
}

void rates_refused(const struct client *client)
{
    const struct limits *limits = &world->limits;
    bool device = limits->device.per_s != 0 && client->charged >= limits->device.burst;
    /* Before a data plane that was killed others may have been counted. */
    bool account = limits->account.per_s != 0 &&
                   world->spent[client->name.user[0]].sent + world->reads > limits->account.burst;
    CHECK(device || account || limits->address.per_s != 0, "client %u is refused after %u messages",
          client_index(client), client->charged);
}
