/* SPDX-License-Identifier: BSD-3-Clause */
/* Clients that come and go beside those that relay: whose address they have, and that nobody waits for them.
 */
#include "rig.h"

enum { SESSIONS = 10, STORM = 6 };

static struct gen *gen;

static void make(void)
{
    gen = rig_make((struct gen_options){.sessions = SESSIONS, .active = SESSIONS, .storm = STORM});
}

static void unmake(void)
{
    gen_free(gen);
}

TestSuite(storm, .init = make, .fini = unmake);

static uint32_t begun(void)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < STORM; i++)
        count += gen->clients[SESSIONS + i].conn != TCP_NONE;
    return count;
}

Test(storm, begins_with_the_messages_a_few_in_a_turn)
{
    storm_turn(gen);
    cr_assert_eq(begun(), 0, "not while the others are being opened");
    gen->phase = GEN_TRAFFIC;
    storm_turn(gen);
    cr_assert_eq(begun(), 1);
    for (uint32_t i = 1; i < STORM; i++)
        storm_turn(gen);
    cr_assert_eq(begun(), STORM);
    storm_turn(gen);
    cr_assert_eq(begun(), STORM);
    for (uint32_t i = 0; i < SESSIONS; i++)
        cr_assert_eq(gen->clients[i].conn, TCP_NONE, "the others are left alone");
}

Test(storm, has_an_address_of_its_own_and_never_a_port_twice)
{
    struct addr own = addr_ip4(0xc6120003);
    uint8_t used[GEN_PORT_FIRST + GEN_PORTS] = {0};
    gen->phase = GEN_TRAFFIC;
    for (uint32_t round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < STORM; i++)
            storm_turn(gen);
        for (uint32_t i = 0; i < STORM; i++) {
            struct client *client = &gen->clients[SESSIONS + i];
            const struct tcp_tuple *tuple = tcp_peer(gen->tcp, client->conn);
            cr_assert(addr_same(&tuple->local, &own));
            cr_assert_eq(used[tuple->local_port]++, 0, "port %u again", tuple->local_port);
            client->state = CLIENT_CLOSING;
            client_gone(gen, client, WAX_OK);
        }
    }
    cr_assert_eq(gen->closing, 0, "nobody counts those that come and go");
    cr_assert_not(gen->failed);
}

Test(storm, handshakes_wait_for_turns_of_their_own)
{
    gen->options.tls = true;
    gen->phase = GEN_TRAFFIC;
    for (uint32_t i = 0; i < STORM; i++)
        storm_turn(gen);
    for (uint32_t i = 0; i < STORM; i++)
        opening_connected(gen, &gen->clients[SESSIONS + i]);
    cr_assert_eq(gen->storm.waiting_count, STORM);
    for (uint32_t i = 0; i < STORM; i++)
        cr_assert_null(gen->clients[SESSIONS + i].opening->shake);
    gen->clients[SESSIONS].state = CLIENT_CLOSING;
    client_gone(gen, &gen->clients[SESSIONS], WAX_OK); /* nobody is left whose turn it would be */
    for (uint32_t i = 0; i < STORM; i++)
        client_receive(gen, &gen->clients[SESSIONS + 1 + i % (STORM - 1)], view_of(NULL, 0));
    cr_assert_eq(gen->storm.waiting_count, STORM, "each waits once");
}

Test(storm, ends_at_once_and_says_what_it_opened)
{
    gen->phase = GEN_TRAFFIC;
    storm_turn(gen);
    gen->clients[SESSIONS].state = CLIENT_OPEN;
    storm_opened(gen, &gen->clients[SESSIONS]);
    cr_assert_eq(gen->storm.opened, 1);
    cr_assert_eq(gen->clients[SESSIONS].state, CLIENT_CLOSING, "it says goodbye");
    gen->now_us = 9000;
    storm_end(gen);
    cr_assert_eq(gen->storm.ended_us, 9000);
    for (uint32_t i = 0; i < STORM; i++)
        cr_assert(gen->clients[SESSIONS + i].conn == TCP_NONE ||
                  gen->clients[SESSIONS + i].state == CLIENT_CLOSING);
}
