/* SPDX-License-Identifier: BSD-3-Clause */
/* What a session costs while nothing happens: exactly its memory, and nothing out of any pool. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "conn/conn.h"
#include "conn/state.h"
#include "rig.h"

#define IDLE_BYTES_MAX 1024u /* of an authenticated session over TLS, everything counted */

static size_t bytes_for(struct rig *rig, uint32_t sessions, struct stack_memory *memory)
{
    rig->config.connections_max = sessions;
    rig->config.recipients = sessions < 16 ? 16 : sessions;
    rig->config.half_open_max = 1;
    *memory = stack_memory(&rig->stack_config);
    return stack_bytes(&rig->stack_config);
}

Test(conn_memory, an_idle_session_takes_at_most_1024_bytes_everything_counted)
{
    static const uint32_t counts[] = {16, 1000, 16384, 65537, 1000000, 1048577, 4194304};
    struct rig *rig = rig_new(NULL);
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct stack_memory m;
        size_t all = bytes_for(rig, counts[i], &m);
        cr_expect_eq(m.tcp + m.tls + m.ws + m.session + m.conn + m.recipient + m.tables + m.shared, all);
        if (counts[i] >= 1000)
            cr_expect_leq(m.session_bytes, IDLE_BYTES_MAX, "%u at %u sessions", m.session_bytes, counts[i]);
    }
    rig_free(rig);
}

Test(conn_memory, what_is_said_of_a_session_is_what_the_stack_grows_by)
{
    struct rig *rig = rig_new(NULL);
    for (uint32_t n = 1024; n <= 1u << 20; n *= 32) {
        struct stack_memory few, many;
        size_t before = bytes_for(rig, n, &few), after = bytes_for(rig, 2 * n, &many);
        cr_expect_leq(after - before, (size_t)n * many.session_bytes);
        cr_expect_geq(after - before, (size_t)n * (many.session_bytes - 2u));
        /* Rounding to cache lines is all that differs. */
        cr_expect_leq(many.shared, few.shared + 1024u, "%zu bytes grow without a name",
                      many.shared - few.shared);
        cr_expect_leq(few.shared, many.shared + 1024u);
    }
    rig_free(rig);
}

static uint32_t used(const struct pool *pool)
{
    return pool->count - pool->free_count;
}

static void expect_nothing_held(const struct rig *rig)
{
    const struct stack *stack = rig->stack;
    cr_expect_eq(used(&stack->blocks), 0, "%u blocks", used(&stack->blocks));
    cr_expect_eq(used(&stack->backlogs), 0, "%u backlogs", used(&stack->backlogs));
    cr_expect_eq(used(&stack->jobs), 0, "%u handshakes", used(&stack->jobs));
    cr_expect_eq(used(&stack->checks), 0, "%u checks", used(&stack->checks));
    cr_expect_eq(used(&stack->openings), 0, "%u openings", used(&stack->openings));
    cr_expect_eq(used(&stack->messages.slots), 0, "%u messages", used(&stack->messages.slots));
    struct home_counts counts = home_counts(stack->home);
    cr_expect_eq(counts.awake, 0, "%u recipients with queues", counts.awake);
    cr_expect_eq(counts.entries, 0, "%u entries", counts.entries);
    cr_expect_eq(counts.stores + counts.notices + counts.reserved, 0);
}

/* Sessions over TLS and without, send-only ones too, that have had traffic of every kind. */
Test(conn_memory, an_idle_session_holds_no_block_no_job_no_opening_and_no_queue)
{
    enum { SESSIONS = 24 };
    struct rig *rig = rig_new(&(struct rig_options){.handshakes_max = 16});
    struct peer *peer[SESSIONS];
    uint8_t *large = calloc(1, 60000);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        peer[i] = peer_connect(rig, i % 3 == 2 ? RIG_PORT_PLAIN : RIG_PORT_TLS);
        peer_open(peer[i], (uint8_t)i, 1);
    }
    rig_run(rig, 500);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        cr_assert_eq(peer[i]->opens, 1, "session %u is not open", i);
        peer_send(peer[i], (uint8_t)((i + 1) % SESSIONS), "small", 5);
        peer_send(peer[i], (uint8_t)((i + 2) % SESSIONS), large, 60000);
        peer_send(peer[i], 200, "to nobody yet", 13);
    }
    uint32_t most = 0;
    for (uint32_t i = 0; i < 4000; i++) {
        rig_turn(rig, 1000);
        most = used(&rig->stack->blocks) > most ? used(&rig->stack->blocks) : most;
    }
    cr_expect_gt(most, 100, "only %u blocks were ever in use", most);
    for (uint32_t i = 0; i < SESSIONS; i++) {
        cr_expect_eq(peer[i]->messages, 2, "session %u got %u", i, peer[i]->messages);
        cr_expect_eq(peer[i]->delivered, 2);
        cr_expect_eq(peer[i]->accepted, 1);
    }
    cr_expect_eq(home_counts(rig->stack->home).sessions, SESSIONS);
    expect_nothing_held(rig);
    free(large);
    rig_free(rig);
}

/* Through several heartbeats, and with the control plane gone and back. */
Test(conn_memory, pings_and_a_new_control_plane_leave_nothing_behind)
{
    struct rig *rig = rig_new(&(struct rig_options){.heartbeat_s = 5});
    struct peer *a = peer_connect(rig, RIG_PORT_TLS), *b = peer_connect(rig, RIG_PORT_TLS);
    peer_open(a, 1, 1);
    peer_open(b, 2, 1);
    rig_run(rig, 300);
    cr_assert_eq(a->opens + b->opens, 2);
    for (unsigned i = 0; i < 250; i++)
        rig_turn(rig, 100000);
    rig_control_down(rig);
    rig_run(rig, 200);
    rig_control_up(rig);
    rig_run(rig, 500);
    cr_expect_eq(home_counts(rig->stack->home).sessions, 2);
    expect_nothing_held(rig);
    rig_free(rig);
}
