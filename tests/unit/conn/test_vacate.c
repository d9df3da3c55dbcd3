/* SPDX-License-Identifier: BSD-3-Clause */
/* An operator's drain: connections end one after the other, and nothing is lost or refused. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "rig.h"
#include "waxwire/channel_request.h"

#define PEOPLE 20u

static void vacate(struct rig *rig, uint32_t over_ms, bool off)
{
    struct channel_vacate *record = rig_answer(rig, sizeof *record, (enum channel_kind)CHANNEL_VACATE);
    record->over_ms = over_ms;
    record->off = off;
    channel_publish(rig->to_worker);
    rig_turn(rig, 1000);
}

static struct peer *client(struct rig *rig, uint16_t port, uint8_t person)
{
    struct peer *peer = peer_connect(rig, port);
    peer_open(peer, person, 1);
    for (unsigned i = 0; i < 2000 && peer->opens == 0; i++)
        rig_turn(rig, 1000);
    cr_assert_eq(peer->opens, 1, "person %u gets no WELCOME", person);
    return peer;
}

static void send_number(struct peer *peer, uint8_t person, uint32_t number)
{
    uint8_t payload[8] = {0};
    store_be32(payload, number);
    peer_send(peer, person, payload, sizeof payload);
}

static uint32_t ended(struct peer *const *peers)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < PEOPLE; i++)
        count += peers[i]->ended;
    return count;
}

Test(vacate, sessions_end_evenly_over_the_time_with_1012)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peers[PEOPLE];
    for (uint8_t i = 0; i < PEOPLE; i++)
        peers[i] = client(rig, i % 2 == 0 ? RIG_PORT_PLAIN : RIG_PORT_TLS, (uint8_t)(i + 1));
    vacate(rig, 2000, false);
    cr_assert_eq(rig->metrics.vacating_now, 1);
    cr_assert_eq(rig->metrics.vacate_connections, PEOPLE);
    for (uint32_t quarter = 1; quarter <= 4; quarter++) {
        rig_run(rig, 500);
        uint32_t least = PEOPLE * quarter / 4 - 2, most = PEOPLE * quarter / 4 + 2;
        cr_assert(ended(peers) >= least && ended(peers) <= most, "%u after %u quarters", ended(peers),
                  quarter);
    }
    rig_run(rig, 500);
    for (uint32_t i = 0; i < PEOPLE; i++)
        cr_assert_eq(peers[i]->end.close_code, WIRE_CLOSE_RESTART, "code %u", peers[i]->end.close_code);
    cr_assert_eq(rig->metrics.connections_now, 0);
    cr_assert_eq(rig->metrics.sessions_now, 0);
    cr_assert_eq(rig->metrics.custody_now, 0);
    cr_assert_eq(rig->metrics.vacated, PEOPLE);
    cr_assert_eq(rig->metrics.vacated_late, 0);
    cr_assert(rig->metrics.vacate_elapsed_ms >= 1800 && rig->metrics.vacate_elapsed_ms < 2600, "%lu ms",
              (unsigned long)rig->metrics.vacate_elapsed_ms);
    rig_free(rig);
}

Test(vacate, what_was_sent_is_answered_first_and_nothing_is_refused)
{
    struct rig *rig = rig_new(NULL);
    struct peer *peers[PEOPLE];
    uint32_t sent = 0, answered = 0, unanswered = 0;
    for (uint8_t i = 0; i < PEOPLE; i++)
        peers[i] = client(rig, RIG_PORT_TLS, (uint8_t)(i + 1));
    vacate(rig, 1000, false);
    for (uint32_t ms = 0; ms < 1500; ms++) {
        for (uint8_t i = 0; i < PEOPLE; i++) {
            if (peers[i]->ended || (ms + i) % 7 != 0)
                continue;
            send_number(peers[i], (uint8_t)((i + ms) % PEOPLE + 1), ms);
            sent++;
        }
        rig_turn(rig, 1000);
    }
    rig_run(rig, 2000);
    cr_assert_eq(ended(peers), PEOPLE);
    for (uint32_t i = 0; i < PEOPLE; i++) {
        answered += peers[i]->accepted + peers[i]->delivered;
        unanswered += wax_client_unanswered(peers[i]->client);
        cr_assert_eq(peers[i]->rejected, 0);
        cr_assert_eq(peers[i]->end.close_code, WIRE_CLOSE_RESTART);
    }
    cr_assert_gt(answered, sent / 2);
    cr_assert_leq(unanswered, PEOPLE * 16, "only what came behind the end");
    cr_assert_eq(rig->metrics.vacated_late, 0);
    cr_assert_eq(rig->metrics.custody_now + rig->metrics.messages_now, 0, "all of it is stored");
    rig_free(rig);
}

/* Somebody whose message finds no answer, for the control plane takes nothing. */
static struct peer *unanswered(struct rig *rig, uint8_t person)
{
    struct peer *peer = client(rig, RIG_PORT_PLAIN, person);
    rig->control_held = true;
    send_number(peer, 3, 1);
    rig_run(rig, 50);
    cr_assert_eq(wax_client_unanswered(peer->client), 1);
    return peer;
}

Test(vacate, no_connection_is_taken_and_when_it_is_called_off_all_goes_on)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = client(rig, RIG_PORT_PLAIN, 1), *b = unanswered(rig, 2);
    vacate(rig, 500, false);
    rig_run(rig, 2000);
    cr_assert(a->ended);
    cr_assert_not(b->ended, "something is unanswered");
    send_number(b, 3, 2); /* which is not taken now */
    struct peer *late = peer_connect_raw(rig, RIG_PORT_PLAIN);
    rig_run(rig, 200);
    cr_assert(late->reset && !late->opened);
    vacate(rig, 0, true);
    rig->control_held = false;
    rig_run(rig, 500);
    cr_assert_eq(rig->metrics.vacating_now, 0);
    cr_assert_not(b->ended);
    cr_assert_eq(b->accepted, 2);
    struct peer *c = client(rig, RIG_PORT_TLS, 3);
    rig_run(rig, 500);
    cr_assert_eq(c->messages, 2);
    rig_free(rig);
}

Test(vacate, whom_nobody_answers_is_ended_when_the_patience_is_over)
{
    struct rig *rig = rig_new(NULL);
    struct peer *a = unanswered(rig, 1);
    vacate(rig, 100, false);
    rig_run(rig, WAX_VACATE_PATIENCE_MS - 500);
    cr_assert_not(a->ended);
    rig_run(rig, 1500);
    cr_assert(a->ended);
    cr_assert_eq(a->end.close_code, WIRE_CLOSE_RESTART);
    cr_assert_eq(rig->metrics.vacated_late, 1);
    cr_assert_eq(rig->metrics.custody_now, 1, "its message is not lost");
    rig->control_held = false;
    rig_run(rig, 1000);
    cr_assert_eq(rig->metrics.custody_now, 0);
    cr_assert_eq(rig_stored_living(rig), 1);
    rig_free(rig);
}

Test(vacate, connections_without_a_session_end_too)
{
    struct rig *rig = rig_new(NULL);
    struct peer *idle = peer_connect(rig, RIG_PORT_PLAIN);
    struct peer *half = peer_connect(rig, RIG_PORT_PLAIN);
    peer_print(half, "GET /healthz HTTP/1.1\r\n");
    rig_run(rig, 20);
    vacate(rig, 0, false);
    rig_run(rig, 200);
    cr_assert(idle->fin || idle->closed);
    cr_assert(half->fin || half->closed);
    cr_assert_eq(rig->metrics.vacated, 0);
    rig_free(rig);
}
