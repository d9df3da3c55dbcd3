/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who is to be woken (wake.h): a device without a session, when a message is stored for it that is urgent or
 * the first that waits; when one is called that is urgent and never stored; and when its session has ended
 * with something still waiting, for then nobody told it.
 */
#include <stdlib.h>

#include "intake_internal.h"

#define DEPARTED_MAX  16384u /* that are remembered; those beyond are not woken for what waits already */
#define DEPARTED_MS   2000u  /* in which what a device has acknowledged is retired, and it may come again */
#define DEPARTED_TURN 256u   /* looked at in a turn */

struct departures {
    uint32_t head, tail; /* rise for ever */
    struct departed {
        struct device_name name;
        uint64_t at_ms;
    } departed[DEPARTED_MAX];
};

/* It has no session to which messages are delivered. */
static bool offline(const struct intake *intake, const struct device_name *name)
{
    uint32_t home;
    const struct channel_session_open *session = session_table_find(intake->sessions, name, &home);
    return session == NULL || session->send_only;
}

void intake_wake_stored(struct intake *intake, const struct channel_store *store, bool first)
{
    bool urgent = (store->deliver_flags & WIRE_DELIVER_URGENT) != 0;
    if (intake->wake != NULL && (first || urgent) && offline(intake, &store->name))
        wake_device(intake->wake, &store->name, urgent);
}

void intake_wake_called(struct intake *intake, const struct channel_wake *call)
{
    struct account account;
    if (intake->wake != NULL && offline(intake, &call->name) &&
        directory_refuses(intake->directory, &call->name, call->sender, &account) == 0)
        wake_device(intake->wake, &call->name, true);
}

void intake_wake_came(struct intake *intake, const struct channel_session_open *open)
{
    if (!open->send_only)
        wake_calm(intake->wake, &open->name);
}

void intake_wake_gone(struct intake *intake, const struct device_name *name)
{
    if (intake->wake == NULL)
        return;
    if (intake->departures == NULL)
        intake->departures = calloc(1, sizeof *intake->departures);
    struct departures *departures = intake->departures;
    if (departures == NULL || departures->tail - departures->head == DEPARTED_MAX)
        return;
    departures->departed[departures->tail++ % DEPARTED_MAX] = (struct departed){*name, intake->now_ms};
}

void intake_wake_turn(struct intake *intake)
{
    struct departures *departures = intake->departures;
    for (uint32_t i = 0; departures != NULL && i < DEPARTED_TURN && departures->head != departures->tail;
         i++) {
        const struct departed *departed = &departures->departed[departures->head % DEPARTED_MAX];
        if (departed->at_ms <= intake->now_ms && intake->now_ms - departed->at_ms < DEPARTED_MS)
            return;
        departures->head++;
        if (offline(intake, &departed->name) && mailbox_waiting(intake->mailboxes, &departed->name) != 0)
            wake_device(intake->wake, &departed->name, false);
    }
}

void intake_wakes(struct intake *intake, struct wake *wake)
{
    intake->wake = wake;
}
