/* SPDX-License-Identifier: BSD-3-Clause */
/* The data plane is to end its connections, or to stop doing so. */
#include "intake_internal.h"

static bool say(struct intake *intake, uint32_t over_ms, bool off)
{
    struct channel_vacate vacate = {
        .record = {.bytes = sizeof vacate, .kind = CHANNEL_VACATE},
        .over_ms = over_ms,
        .off = off,
    };
    if (intake->attachment == NULL)
        return false;
    for (uint32_t worker = 0; worker < attachment_workers(intake->attachment); worker++)
        attachment_answer(intake->attachment, worker, &vacate, sizeof vacate);
    journal_say(intake->journal, CONFIG_LEVEL_INFO, "intake",
                off ? "the data plane takes connections again" : "the data plane is drained",
                J_U("over_ms", over_ms), J_U("sessions", session_table_count(intake->sessions)));
    return true;
}

bool intake_vacate(struct intake *intake, uint32_t over_ms)
{
    return say(intake, over_ms, false);
}

bool intake_vacate_cancel(struct intake *intake)
{
    return say(intake, 0, true);
}
