/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Clients that come and go while the others relay: each connects, shakes hands, opens its session, says
 * goodbye and begins anew. They lie behind the others in gen.clients and have an address of their own, whose
 * ports they use in turn.
 */
#include "waxgen/gen.h"

#define STEP_US_MOST 5000u /* from one handshake's step to the next, however many frames wait */
#define BEGUN_A_TURN 1u    /* so that the clients that relay have their turn */

bool storm_has(const struct gen *gen, const struct client *client)
{
    return client->index >= gen->options.sessions;
}

bool storm_defers(const struct gen *gen, const struct client *client)
{
    return storm_has(gen, client) && gen->options.tls && !client->sealed && client->opening != NULL;
}

void storm_later(struct gen *gen, struct client *client)
{
    struct storm *storm = &gen->storm;
    if (client->waits)
        return;
    client->waits = true;
    storm->waiting[(storm->waiting_first + storm->waiting_count++) % gen->options.storm] = client->index;
}

/* The next one's handshake goes on. */
static void handshake(struct gen *gen)
{
    struct storm *storm = &gen->storm;
    if (storm->waiting_count == 0 || (gen->behind && gen->now_us - storm->step_us < STEP_US_MOST))
        return;
    storm->step_us = gen->now_us;
    struct client *client = &gen->clients[storm->waiting[storm->waiting_first]];
    storm->waiting_first = (storm->waiting_first + 1u) % gen->options.storm;
    storm->waiting_count--;
    client->waits = false;
    if (client->conn == TCP_NONE || !storm_defers(gen, client))
        return;
    if (client->opening->shake == NULL)
        opening_hello(gen, client);
    else
        client_go_on(gen, client);
}

void storm_turn(struct gen *gen)
{
    struct storm *storm = &gen->storm;
    uint32_t clients = gen->options.storm, begun = 0;
    if (clients == 0 || gen->phase != GEN_TRAFFIC || gen->failed)
        return;
    if (storm->began_us == 0)
        storm->began_us = gen->now_us;
    handshake(gen);
    for (uint32_t tries = 0; tries < clients && begun < BEGUN_A_TURN; tries++) {
        struct client *client = &gen->clients[gen->options.sessions + storm->next++ % clients];
        if (client->state != CLIENT_IDLE && client->state != CLIENT_GONE)
            continue;
        client_reset(client);
        opening_begin(gen, client);
        begun++;
    }
}

void storm_opened(struct gen *gen, struct client *client)
{
    gen->storm.opened++;
    client_close(gen, client);
}

void storm_end(struct gen *gen)
{
    gen->storm.ended_us = gen->now_us;
    for (uint32_t i = 0; i < gen->options.storm; i++) {
        struct client *client = &gen->clients[gen->options.sessions + i];
        if (client->conn == TCP_NONE)
            continue;
        client->state = CLIENT_CLOSING;
        tcp_abort(gen->tcp, client->conn);
    }
}
