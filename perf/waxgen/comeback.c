/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The relay's data plane is started anew: all sessions are lost at once, and all come back as soon as it is
 * there, with what they kept (keepsake.c). Each sends its messages as soon as it is open, whether its partner
 * is or not.
 */
#include "waxgen/gen.h"

/* Nobody is there for a FIN: the connections end here. */
static void lost(struct gen *gen)
{
    gen->comeback.lost_us = gen->now_us;
    gen->phase = GEN_AWAY;
    for (uint32_t i = 0; i < gen->options.sessions; i++) {
        struct client *client = &gen->clients[i];
        client->state = CLIENT_CLOSING;
        if (client->conn != TCP_NONE)
            tcp_abort(gen->tcp, client->conn);
    }
}

bool comeback_link(struct gen *gen, bool up)
{
    struct comeback *comeback = &gen->comeback;
    if (!gen->options.comeback)
        return up;
    if (gen->phase == GEN_SETTLING && !up)
        lost(gen);
    else if (gen->phase == GEN_AWAY && up && comeback->up_us == 0)
        comeback->up_us = gen->now_us;
    return up || gen->phase == GEN_AWAY;
}

void comeback_turn(struct gen *gen)
{
    if (gen->phase != GEN_AWAY || gen->comeback.up_us == 0 || gen->closing != gen->options.sessions)
        return;
    for (uint32_t i = 0; i < gen->options.sessions; i++)
        client_reset(&gen->clients[i]);
    gen->begun = gen->open = gen->closing = 0;
    gen->phase = GEN_TRAFFIC;
    gen->traffic_us = gen->progress_us = gen->now_us;
    traffic_begin(gen);
}

void comeback_opened(struct gen *gen, struct client *client)
{
    if (gen->phase != GEN_TRAFFIC)
        return;
    client_mark(gen, client);
    if (gen->open == gen->options.sessions)
        gen->comeback.opened_us = gen->now_us;
}
