/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "directory_device.h"
#include "intake_internal.h"
#include "waxwire/nap.h"

#define BURST 256u /* records of one worker in a turn */

struct login {
    struct directory_login login;
    struct intake *intake;
    uint32_t serial;
    uint32_t worker;
    uint64_t tag;
    struct device_name name;
    uint8_t invite[WAX_INVITE_BYTES_MAX];
    struct login *later; /* in intake.logins: for a name that is about to be free */
};

static void answer_login(struct intake *intake, uint32_t worker, uint64_t tag, uint8_t error, bool fresh,
                         uint32_t waiting)
{
    struct channel_login_reply reply = {
        .record = {.bytes = sizeof reply, .kind = CHANNEL_LOGIN_REPLY},
        .tag = tag,
        .error = error,
        .welcome = fresh ? WIRE_WELCOME_NEW_ACCOUNT : 0,
        .waiting = waiting,
    };
    attachment_answer(intake->attachment, worker, &reply, sizeof reply);
}

/* ---- the mailboxes' port ---- */

static void port_stored(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason)
{
    struct intake *intake = ctx;
    struct channel_stored stored = {
        .record = {.bytes = sizeof stored, .kind = CHANNEL_STORED},
        .tag = tag,
        .reason = reason,
    };
    if (intake->attachment != NULL)
        attachment_answer(intake->attachment, worker, &stored, sizeof stored);
}

static struct channel_record *port_reserve(void *ctx, uint32_t worker, uint32_t bytes)
{
    struct intake *intake = ctx;
    return attachment_reserve(intake->attachment, worker, bytes);
}

static void port_publish(void *ctx, uint32_t worker)
{
    struct intake *intake = ctx;
    attachment_publish(intake->attachment, worker);
}

static uint64_t port_settled(void *ctx, uint32_t worker)
{
    struct intake *intake = ctx;
    return intake->attachment != NULL ? attachment_settled(intake->attachment, worker) : 0;
}

static void port_damaged(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status)
{
    struct intake *intake = ctx;
    journal_say(intake->journal, status == WAX_STORE_TORN ? CONFIG_LEVEL_WARN : CONFIG_LEVEL_ERROR, "store",
                wax_status_text(status), J_U("shard", shard), J_U("segment", segment), J_U("offset", offset));
}

struct mailbox_port intake_port(struct intake *intake)
{
    return (struct mailbox_port){
        .ctx = intake,
        .stored = port_stored,
        .reserve = port_reserve,
        .publish = port_publish,
        .settled = port_settled,
        .damaged = port_damaged,
    };
}

/* ---- the port of media ---- */

static void media_answer(void *ctx, uint32_t worker, const void *record, uint32_t bytes)
{
    struct intake *intake = ctx;
    if (intake->attachment != NULL)
        attachment_answer(intake->attachment, worker, record, bytes);
}

/* A part of the ring only: behind pieces messages would wait. */
static uint64_t media_room(void *ctx, uint32_t worker)
{
    struct intake *intake = ctx;
    return intake->attachment != NULL ? attachment_room(intake->attachment, worker, WAX_MEDIA_RING_BYTES) : 0;
}

struct media_port intake_media_port(struct intake *intake)
{
    return (struct media_port){.ctx = intake,
                               .answer = media_answer,
                               .room = media_room,
                               .reserve = port_reserve,
                               .publish = port_publish};
}

void intake_media(struct intake *intake, struct media *media)
{
    intake->media = media;
}

/* ---- requests ---- */

static void login_done(struct directory_login *directory_login, enum wax_status status, uint8_t error,
                       bool fresh)
{
    struct login *login = (struct login *)(void *)directory_login;
    struct intake *intake = login->intake;
    if (status == WAX_EXISTS && intake->attachment != NULL && intake->serial == login->serial) {
        /* it was removed and is not erased yet, perhaps since before a restart */
        intake_evict(intake, login->name.user, login->name.device, WIRE_REASON_UNKNOWN_DEVICE);
        login->later = intake->logins;
        intake->logins = login;
        return;
    }
    if (status != WAX_OK && status != WAX_EXISTS)
        journal_say(intake->journal, CONFIG_LEVEL_ERROR, "directory", "a login could not be written",
                    J_T("status", wax_status_name(status)));
    if (status != WAX_OK) {
        error = WIRE_ERROR_TIMEOUT; /* the client comes again */
    }
    if (intake->attachment != NULL && intake->serial == login->serial)
        answer_login(intake, login->worker, login->tag, error, fresh,
                     mailbox_waiting(intake->mailboxes, &login->name));
    free(login);
}

static void take_login(struct intake *intake, uint32_t worker, const struct channel_login *request)
{
    struct login *login = calloc(1, sizeof *login);
    if (login == NULL)
        abort();
    intake->view.logins++;
    login->intake = intake;
    login->serial = intake->serial;
    login->worker = worker;
    login->tag = request->tag;
    login->name = request->name;
    login->login.device = request->name.device;
    login->login.now_ms = intake->now_ms;
    login->login.done = login_done;
    login->login.invite = view_of(login->invite, request->invite_bytes);
    memcpy(login->invite, request->invite, request->invite_bytes);
    memcpy(login->login.user, request->name.user, WAX_USER_BYTES);
    memcpy(login->login.account_key, request->account_key, WAX_ACCOUNT_KEY_BYTES);
    directory_login(intake->directory, &login->login);
}

/* Those that came for the name of a device that is being erased. */
static void logins_again(struct intake *intake)
{
    struct login *login = intake->logins;
    intake->logins = NULL;
    while (login != NULL) {
        struct login *next = login->later;
        directory_login(intake->directory, &login->login);
        login = next;
    }
}

/* FULL: the record stays, and is looked at again later. */
static enum wax_status take_record(struct intake *intake, uint32_t worker,
                                   const struct channel_record *record)
{
    const void *p = record;
    struct mailboxes *m = intake->mailboxes;
    switch (record->kind) {
    case CHANNEL_LOGIN:
        take_login(intake, worker, p);
        return WAX_OK;
    case CHANNEL_SESSION_OPEN:
        return intake_session_opened(intake, worker, p);
    case CHANNEL_SESSION_CLOSE: {
        const struct channel_session_close *request = p;
        if (session_table_close(intake->sessions, &request->name, request->generation))
            intake_wake_gone(intake, &request->name);
        directory_see(intake->directory, &request->name, intake->now_ms);
        return WAX_OK;
    }
    case CHANNEL_STORE:
        return intake_take_store(intake, worker, p);
    case CHANNEL_STORE_RECEIPT:
        return intake_take_receipt(intake, worker, p);
    case CHANNEL_RETIRE:
        return mailbox_retire(m, p);
    case CHANNEL_DRAIN:
        mailbox_drain(m, worker, p);
        return WAX_OK;
    case CHANNEL_DRAIN_CREDIT:
        mailbox_drain_credit(m, p);
        return WAX_OK;
    case CHANNEL_DRAIN_STOP:
        mailbox_drain_stop(m, p);
        return WAX_OK;
    case CHANNEL_TRACED:
        intake_take_traced(intake, worker, p);
        return WAX_OK;
    case CHANNEL_REQUEST:
        return intake_take_request(intake, worker, p);
    case CHANNEL_WAKE:
        intake_wake_called(intake, p);
        return WAX_OK;
    case CHANNEL_POLICED:
        intake_policed(intake, ((const struct channel_policed *)p)->tag);
        return WAX_OK;
    default: /* attachment_peek lets no other kind through */
        media_take(intake->media, worker, record);
        return WAX_OK;
    }
}

bool intake_turn(struct intake *intake, uint64_t now_ms)
{
    bool more = false;
    intake->now_ms = now_ms;
    if (intake_evict_turn(intake))
        logins_again(intake);
    intake_wake_turn(intake);
    if (intake->attachment == NULL)
        return false;
    uint32_t workers = attachment_workers(intake->attachment);
    for (uint32_t worker = 0; worker < workers; worker++) {
        enum wax_status status = WAX_OK;
        uint32_t taken = 0;
        attachment_turn(intake->attachment, worker);
        while (taken < BURST) {
            const struct channel_record *record = attachment_peek(intake->attachment, worker, &status);
            if (record == NULL)
                break;
            status = take_record(intake, worker, record);
            if (status != WAX_OK)
                break;
            attachment_release(intake->attachment, worker, record);
            taken++;
        }
        intake->view.records += taken;
        if (taken > 0)
            intake->naps = 0;
        intake->blocked &= ~(UINT64_C(1) << worker);
        if (status == WAX_FULL || status == WAX_STORE_IO)
            intake->blocked |= UINT64_C(1) << worker;
        more = more || taken == BURST;
        if (status == WAX_CHANNEL_CORRUPT) {
            intake_detach(intake, "a record is malformed");
            return false;
        }
    }
    return more;
}

uint32_t intake_nap_us(struct intake *intake)
{
    uint32_t us = nap_us(intake->naps);
    intake->naps += us != 0;
    return us;
}

bool intake_sleep(struct intake *intake, bool *short_sleep)
{
    *short_sleep = intake->evictions != NULL && intake->attachment != NULL;
    if (intake->attachment == NULL)
        return true;
    attachment_sleeping(intake->attachment, true);
    for (uint32_t worker = 0; worker < attachment_workers(intake->attachment); worker++) {
        enum wax_status status;
        if (attachment_turn(intake->attachment, worker))
            *short_sleep = true;
        if ((intake->blocked >> worker & 1) != 0) {
            *short_sleep = *short_sleep || intake->rejected[worker].count != 0;
            continue;
        }
        if (attachment_peek(intake->attachment, worker, &status) != NULL || status != WAX_OK)
            return false;
    }
    return true;
}

void intake_wake(struct intake *intake)
{
    if (intake->attachment != NULL)
        attachment_sleeping(intake->attachment, false);
}

/* ---- begin and end ---- */

struct intake *intake_new(const struct intake_config *config)
{
    struct intake *intake = calloc(1, sizeof *intake);
    if (intake == NULL)
        abort();
    intake->loop = config->loop;
    intake->journal = config->journal;
    intake->directory = config->directory;
    intake->sessions = config->sessions;
    intake->quota = intake->view.quota = config->quota;
    intake->listener = -1;
    intake->allowances = allowances_new(ALLOWANCES);
    intake->checker = checker_new(config->loop);
    if (intake->checker == NULL)
        abort(); /* no thread, no memory: nothing would work */
    assert(strlen(config->socket) < sizeof intake->path);
    strcpy(intake->path, config->socket);
    return intake;
}

void intake_free(struct intake *intake)
{
    intake_evictions_free(intake);
    while (intake->logins != NULL) {
        struct login *login = intake->logins;
        intake->logins = login->later;
        free(login);
    }
    free(intake->departures);
    checker_free(intake->checker);
    allowances_free(intake->allowances);
    free(intake);
}

void intake_look(const struct intake *intake, struct intake_view *view)
{
    *view = intake->view;
}

const struct wax_metrics *intake_metrics(const struct intake *intake, uint32_t worker)
{
    return intake->attachment != NULL && worker < attachment_workers(intake->attachment)
               ? attachment_metrics(intake->attachment, worker)
               : NULL;
}
