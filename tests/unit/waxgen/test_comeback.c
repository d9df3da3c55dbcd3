/* SPDX-License-Identifier: BSD-3-Clause */
/* The relay is started anew: all sessions end, and all come back with what they kept. */
#include "rig.h"

enum { SESSIONS = 10 };

static struct gen *gen;

static void make(void)
{
    gen = rig_make((struct gen_options){
        .sessions = SESSIONS, .active = SESSIONS, .messages = SESSIONS, .resume = true, .comeback = true});
}

static void unmake(void)
{
    gen_free(gen);
}

TestSuite(comeback, .init = make, .fini = unmake);

/* All are open, and idle. */
static void open_all(void)
{
    for (uint32_t i = 0; i < SESSIONS; i++) {
        opening_begin(gen, &gen->clients[i]);
        opening_end(&gen->clients[i]);
        gen->clients[i].state = CLIENT_OPEN;
        gen->begun++;
        gen->open++;
    }
    gen->phase = GEN_SETTLING;
}

static void end_all(void)
{
    for (uint32_t i = 0; i < SESSIONS; i++)
        client_gone(gen, &gen->clients[i], WAX_OK);
}

Test(comeback, a_link_that_goes_ends_all_sessions_and_is_no_error)
{
    open_all();
    cr_assert(comeback_link(gen, true));
    cr_assert_eq(gen->phase, GEN_SETTLING);
    gen->now_us = 5000;
    cr_assert(comeback_link(gen, false), "that is what was asked for");
    cr_assert_eq(gen->phase, GEN_AWAY);
    end_all();
    cr_assert_eq(gen->closing, SESSIONS);
    cr_assert_eq(gen->counts.closed, 0);
    cr_assert_not(gen->failed);
}

Test(comeback, at_any_other_time_it_is_one)
{
    gen->phase = GEN_OPENING;
    cr_assert_not(comeback_link(gen, false));
    gen->phase = GEN_TRAFFIC;
    cr_assert_not(comeback_link(gen, false));
    gen->phase = GEN_SETTLING;
    gen->options.comeback = false;
    cr_assert_not(comeback_link(gen, false));
}

Test(comeback, begins_when_the_link_is_there_and_the_old_connections_are_gone)
{
    open_all();
    comeback_link(gen, false);
    comeback_turn(gen);
    cr_assert_eq(gen->phase, GEN_AWAY, "no relay yet");
    end_all();
    comeback_turn(gen);
    cr_assert_eq(gen->phase, GEN_AWAY);
    gen->now_us = 70000;
    comeback_link(gen, true);
    comeback_turn(gen);
    cr_assert_eq(gen->phase, GEN_TRAFFIC);
    cr_assert_eq(gen->comeback.up_us, 70000);
    cr_assert_eq(gen->begun + gen->open + gen->closing, 0, "all begin anew");
    cr_assert_eq(gen->clients[3].state, CLIENT_IDLE);
    cr_assert_eq(gen->clients[3].quota, 1);
    cr_assert_eq(gen->clients[3].index, 3);
}

Test(comeback, the_last_session_says_when_all_were_open)
{
    gen->phase = GEN_TRAFFIC;
    gen->now_us = 8000;
    gen->open = SESSIONS - 1;
    comeback_opened(gen, &gen->clients[0]);
    cr_assert_eq(gen->comeback.opened_us, 0);
    cr_assert(gen->clients[0].dirty, "it sends at once");
    gen->open = SESSIONS;
    comeback_opened(gen, &gen->clients[1]);
    cr_assert_eq(gen->comeback.opened_us, 8000);
}

Test(comeback, what_is_kept_outlives_the_session)
{
    struct client *client = &gen->clients[0];
    cr_assert_eq(keepsake_token(client).len, 0);
    cr_assert_eq(keepsake_session(client).len, 0);
    keepsake_take_token(gen, client, view_of("first", 5));
    keepsake_take_token(gen, client, view_of("second", 6));
    client_reset(client);
    cr_assert_eq(keepsake_token(client).len, 6);
    cr_assert_arr_eq(keepsake_token(client).data, "second", 6);
    cr_assert_eq(client->conn, TCP_NONE);
}
