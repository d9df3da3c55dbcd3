/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Devices that go: marked in the directory, their tokens dead, their sessions closed; then home rejects what
 * waits in their mailboxes, and they are erased.
 */
#include <stdlib.h>

#include "directory_device.h"
#include "intake_internal.h"

#define EVICT_MS 100u /* between two looks, and two requests to homes */

struct eviction {
    struct removal removal; /* of its erasure */
    struct intake *intake;
    struct device_name name;
    uint8_t reason;
    bool erasing;
    bool asked; /* homes, on this attachment */
    uint32_t attachment;
    struct eviction *next;
};

/* ---- emptying mailboxes ---- */

static void eviction_end(struct eviction *eviction)
{
    struct eviction **at = &eviction->intake->evictions;
    while (*at != eviction)
        at = &(*at)->next;
    *at = eviction->next;
    free(eviction);
}

static void erased(struct removal *removal, enum wax_status status)
{
    struct eviction *eviction = (struct eviction *)(void *)removal;
    eviction->erasing = false;
    if (status == WAX_OK)
        eviction_end(eviction);
}

void intake_evict(struct intake *intake, const uint8_t user[WAX_USER_BYTES], uint16_t device, uint8_t reason)
{
    for (const struct eviction *e = intake->evictions; e != NULL; e = e->next) {
        if (e->name.device == device && memcmp(e->name.user, user, WAX_USER_BYTES) == 0)
            return;
    }
    struct eviction *eviction = calloc(1, sizeof *eviction);
    if (eviction == NULL)
        abort();
    memcpy(eviction->removal.user, user, WAX_USER_BYTES);
    memcpy(eviction->name.user, user, WAX_USER_BYTES);
    eviction->removal.device = eviction->name.device = device;
    eviction->removal.done = erased;
    eviction->intake = intake;
    eviction->reason = reason;
    eviction->next = intake->evictions;
    intake->evictions = eviction;
}

static void ask_homes(struct intake *intake, struct eviction *eviction)
{
    struct channel_evict evict = {
        .record = {.bytes = sizeof evict, .kind = CHANNEL_EVICT},
        .name = eviction->name,
        .reason = eviction->reason,
    };
    for (uint32_t worker = 0; worker < attachment_workers(intake->attachment); worker++)
        attachment_answer(intake->attachment, worker, &evict, sizeof evict);
    eviction->asked = true;
    eviction->attachment = intake->serial;
}

/* Its session has ended, home has had the time to store what that had not acknowledged, and all is rejected.
 */
static bool emptied(struct intake *intake, const struct eviction *eviction)
{
    uint32_t home;
    return eviction->asked && eviction->attachment == intake->serial &&
           session_table_find(intake->sessions, &eviction->name, &home) == NULL &&
           mailbox_waiting(intake->mailboxes, &eviction->name) == 0;
}

bool intake_evict_turn(struct intake *intake)
{
    struct eviction *next;
    if (intake->attachment == NULL || intake->now_ms < intake->evict_ms ||
        (intake->evictions == NULL && intake->logins == NULL))
        return false;
    intake->evict_ms = intake->now_ms + EVICT_MS;
    for (struct eviction *e = intake->evictions; e != NULL; e = next) {
        next = e->next;
        if (e->erasing)
            continue;
        if (!emptied(intake, e)) {
            ask_homes(intake, e);
            continue;
        }
        e->erasing = true;
        directory_erase(intake->directory, &e->removal); /* it may end within the call */
    }
    return true;
}

void intake_evictions_free(struct intake *intake)
{
    while (intake->evictions != NULL)
        eviction_end(intake->evictions);
}

/* ---- removing ---- */

struct removing {
    struct removal removal;
    struct intake *intake;
    struct request *request;    /* of a session, or */
    struct intake_order *order; /* of an operator; NULL: nobody waits any more */
    struct account before;
};

static void close_and_evict(const struct removing *removing)
{
    const uint8_t *user = removing->removal.user;
    uint16_t device = removing->removal.device;
    for (uint32_t i = 0; i < account_devices(&removing->before); i++) {
        uint16_t number = account_device(&removing->before, i);
        if (device != 0 && number != device)
            continue;
        intake_close_sessions(removing->intake, user, number, WAX_SESSION_SUSPENDED);
        intake_evict(removing->intake, user, number,
                     device == 0 ? WIRE_REASON_UNKNOWN_USER : WIRE_REASON_UNKNOWN_DEVICE);
    }
    if (device == 0 && account_devices(&removing->before) == 0)
        intake_evict(removing->intake, user, 0, WIRE_REASON_UNKNOWN_USER); /* which erases the account */
}

static void removed(struct removal *removal, enum wax_status status)
{
    struct removing *removing = (struct removing *)(void *)removal;
    struct request *request = removing->request;
    struct intake *intake = removing->intake;
    if (status == WAX_OK)
        intake_revoke(intake, removal->user, removal->device);
    if (status == WAX_OK && removal->device == 0)
        media_forget(intake->media, removal->user);
    if (request != NULL && status == WAX_OK)
        request_ok(request);
    else if (request != NULL)
        request_error(request, WIRE_ERROR_RATE, "the directory can't be written now");
    else
        intake_operated(removing->order, status,
                        status == WAX_OK ? "the account is deleted" : "the directory can't be written now");
    if (status == WAX_OK)
        close_and_evict(removing);
    free(removing);
}

static void remove_from(struct removing *removing)
{
    struct intake *intake = removing->intake;
    removing->removal.done = removed;
    if (directory_account(intake->directory, removing->removal.user, &removing->before) != WAX_OK)
        account_make(&removing->before, (const uint8_t[WAX_ACCOUNT_KEY_BYTES]){0}, 0);
    directory_remove(intake->directory, &removing->removal);
}

static struct removing *removing_new(struct intake *intake, const uint8_t user[WAX_USER_BYTES],
                                     uint16_t device)
{
    struct removing *removing = calloc(1, sizeof *removing);
    if (removing == NULL)
        abort();
    removing->intake = intake;
    removing->removal.device = device;
    memcpy(removing->removal.user, user, WAX_USER_BYTES);
    return removing;
}

void intake_take_removal(struct request *request, uint16_t device)
{
    struct removing *removing = removing_new(request->intake, request->name.user, device);
    removing->request = request;
    remove_from(removing);
}

void intake_delete(struct intake *intake, const uint8_t user[WAX_USER_BYTES], struct intake_order *order)
{
    struct account account;
    enum wax_status status = directory_account(intake->directory, user, &account);
    if (status != WAX_OK) {
        intake_operated(order, status,
                        status == WAX_NOT_FOUND ? "there is no such account" : "the directory can't be read");
        return;
    }
    struct removing *removing = removing_new(intake, user, 0);
    intake_hold(&removing->order, order);
    remove_from(removing);
}

void intake_evict_unfinished(struct intake *intake)
{
    uint8_t user[WAX_USER_BYTES] = {0};
    struct account account;
    while (directory_unfinished(intake->directory, user)) {
        if (directory_account(intake->directory, user, &account) != WAX_OK)
            continue;
        bool deleted = (account_flags(&account) & ACCOUNT_DELETED) != 0;
        if (deleted)
            media_forget(intake->media, user);
        if (deleted && account_devices(&account) == 0)
            intake_evict(intake, user, 0, WIRE_REASON_UNKNOWN_USER);
        for (uint32_t i = 0; i < account_devices(&account); i++) {
            if (account_removed(&account, i))
                intake_evict(intake, user, account_device(&account, i),
                             deleted ? WIRE_REASON_UNKNOWN_USER : WIRE_REASON_UNKNOWN_DEVICE);
        }
    }
}
