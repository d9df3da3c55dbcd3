/* SPDX-License-Identifier: BSD-3-Clause */
/* BLOCK: kept durably, then in force at the homes of the account's sessions, then answered. */
#include <stdlib.h>

#include "directory_policy.h"
#include "intake_internal.h"

#define POLICIES_MAX 200u /* not confirmed by homes: fewer than one of them remembers */

struct policing {
    struct policy_change change;
    struct request *request;
    uint64_t first, next; /* tags of its policies */
    uint32_t waiting;     /* of them not confirmed */
    struct policing *later;
};

void intake_send_policy(struct intake *intake, const struct channel_session_open *session, uint32_t home,
                        uint64_t tag)
{
    static struct policy policy;
    uint32_t most = (uint32_t)sizeof(struct channel_policy) + WAX_POLICY_USERS_MAX * WAX_USER_BYTES;
    struct channel_policy *record = calloc(1, most);
    bool only = false;
    if (record == NULL)
        abort();
    enum wax_status status = directory_policy(intake->directory, session->name.user, &policy);
    record->count = status == WAX_OK ? policy_deciding(&policy, record->user, &only) : 0;
    /* one that can't be read lets nobody in but the person's own devices */
    record->only = only || (status != WAX_OK && status != WAX_NOT_FOUND);
    record->record.kind = CHANNEL_POLICY;
    record->record.bytes = (uint32_t)sizeof *record + record->count * WAX_USER_BYTES;
    record->tag = tag;
    record->name = session->name;
    record->generation = session->generation;
    attachment_answer(intake->attachment, home, record, record->record.bytes);
    free(record);
}

static void policing_end(struct intake *intake, struct policing *policing)
{
    struct policing **at = &intake->policings;
    while (*at != policing)
        at = &(*at)->later;
    *at = policing->later;
    request_ok(policing->request);
    free(policing);
}

/* Homes have as many to confirm as they remember: they are told, and the client has to ask again. */
static void tell_later(struct intake *intake, struct policing *policing, const struct account *account)
{
    struct device_name name = policing->request->name;
    uint32_t home;
    for (uint32_t i = 0; i < account_devices(account); i++) {
        name.device = account_device(account, i);
        const struct channel_session_open *session = session_table_find(intake->sessions, &name, &home);
        if (session != NULL)
            intake_send_policy(intake, session, home, 0);
    }
    request_error(policing->request, WIRE_ERROR_RATE, "rate limited");
    free(policing);
}

/* Tell the homes of all sessions of the account. */
static void tell_homes(struct intake *intake, struct policing *policing)
{
    struct account account;
    struct device_name name = policing->request->name;
    uint32_t home;
    uint32_t devices =
        intake->attachment != NULL && directory_account(intake->directory, name.user, &account) == WAX_OK
            ? account_devices(&account)
            : 0;
    if (devices != 0 && intake->policies_now + devices > POLICIES_MAX) {
        tell_later(intake, policing, &account);
        return;
    }
    policing->first = policing->next = intake->policy_tag + 1;
    policing->later = intake->policings;
    intake->policings = policing;
    for (uint32_t i = 0; i < devices; i++) {
        name.device = account_device(&account, i);
        const struct channel_session_open *session = session_table_find(intake->sessions, &name, &home);
        if (session == NULL)
            continue;
        intake_send_policy(intake, session, home, ++intake->policy_tag);
        policing->next++;
        policing->waiting++;
        intake->policies_now++;
    }
    if (policing->waiting == 0)
        policing_end(intake, policing);
}

void intake_policed(struct intake *intake, uint64_t tag)
{
    struct policing *policing = intake->policings;
    while (policing != NULL && (tag < policing->first || tag >= policing->next))
        policing = policing->later;
    if (policing == NULL)
        return;
    intake->policies_now--;
    if (--policing->waiting == 0)
        policing_end(intake, policing);
}

void intake_policies_lost(struct intake *intake)
{
    intake->policies_now = 0;
    while (intake->policings != NULL)
        policing_end(intake, intake->policings); /* its answer is for nobody */
}

static void policy_changed(struct policy_change *change, enum wax_status status)
{
    struct policing *policing = (struct policing *)(void *)change;
    struct request *request = policing->request;
    if (status == WAX_OK) {
        tell_homes(request->intake, policing);
        return;
    }
    free(policing);
    request_error(request, WIRE_ERROR_RATE,
                  status == WAX_FULL ? "as many users as a list holds"
                                     : "the directory can't be written now");
}

void intake_take_block(struct request *request, const struct wire_block *block)
{
    struct intake *intake = request->intake;
    if (block->what < WIRE_BLOCK_USER || block->what > WIRE_BLOCK_EVERYONE) {
        request_error(request, WIRE_ERROR_UNKNOWN_REQUEST, "unknown request");
        return;
    }
    struct policing *policing = calloc(1, sizeof *policing);
    if (policing == NULL)
        abort();
    memcpy(policing->change.user, request->name.user, WAX_USER_BYTES);
    memcpy(policing->change.about, block->user, WAX_USER_BYTES);
    policing->change.what = block->what;
    policing->change.done = policy_changed;
    policing->request = request;
    directory_police(intake->directory, &policing->change);
}
