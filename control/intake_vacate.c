/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes to an end: the data plane's connections, as an operator asks, or this control plane. */
#include "intake_internal.h"

#define QUIET_MS 20u /* in which what was asked before the data plane heard of the end has come */

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

void intake_leave(struct intake *intake)
{
    struct channel_leaving leaving = {.record = {.bytes = sizeof leaving, .kind = CHANNEL_LEAVING}};
    if (intake->attachment == NULL)
        return;
    for (uint32_t worker = 0; worker < attachment_workers(intake->attachment); worker++)
        attachment_answer(intake->attachment, worker, &leaving, sizeof leaving);
}

/* Whether all answers have been read, and none is owed. */
static bool quiet(const struct intake *intake)
{
    for (uint32_t worker = 0; worker < attachment_workers(intake->attachment); worker++) {
        if (!attachment_all_read(intake->attachment, worker))
            return false;
    }
    return intake->requests_now == 0;
}

bool intake_left(struct intake *intake)
{
    if (intake->attachment == NULL)
        return true;
    if (!quiet(intake))
        intake->quiet_ms = 0;
    else if (intake->quiet_ms == 0)
        intake->quiet_ms = intake->now_ms;
    return intake->quiet_ms != 0 && intake->now_ms - intake->quiet_ms >= QUIET_MS;
}
