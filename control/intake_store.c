/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages and receipts for mailboxes: whether they may be stored, by accounts, policies and quotas. */
#include "intake_internal.h"
#include "log.h"
#include "waxwire/wire.h"

static void rejected_add(struct rejected *rejected, const struct device_name *name)
{
    if (rejected->count < REJECTED_NAMES_MAX)
        rejected->name[rejected->count++] = *name;
    else
        rejected->more = true;
}

/*
 * Whether home may not have heard yet of a rejection in this mailbox. Nothing later is stored there until
 * it has: were control killed between the two, home would offer again what was rejected, at a position
 * that has been passed by, where it would be taken for stored.
 */
static bool rejected_unread(struct intake *intake, uint32_t worker, const struct device_name *name)
{
    struct rejected *rejected = &intake->rejected[worker];
    if (rejected->count == 0)
        return false;
    if (attachment_all_read(intake->attachment, worker)) {
        rejected->count = 0;
        rejected->more = false;
        return false;
    }
    for (uint32_t i = 0; i < rejected->count; i++) {
        if (rejected->name[i].device == name->device &&
            memcmp(rejected->name[i].user, name->user, sizeof name->user) == 0)
            return true;
    }
    return rejected->more;
}

static void reject(struct intake *intake, uint32_t worker, uint64_t tag, uint8_t reason)
{
    struct channel_stored stored = {
        .record = {.bytes = sizeof stored, .kind = CHANNEL_STORED},
        .tag = tag,
        .reason = reason,
    };
    attachment_answer(intake->attachment, worker, &stored, sizeof stored);
}

struct quota_usage intake_usage(const struct mailbox_usage *usage)
{
    return (struct quota_usage){
        .messages = usage->messages,
        .receipts = usage->receipts,
        .bytes = usage->bytes - (uint64_t)usage->receipts * log_receipt_size(),
    };
}

/* What waits for one device, and for all of its account. */
static void look_usage(struct intake *intake, const struct account *account, const struct device_name *name,
                       struct quota_usage *own, struct quota_usage *all)
{
    struct device_name other = *name;
    struct mailbox_usage usage;
    *own = *all = (struct quota_usage){0, 0, 0};
    for (uint32_t i = 0; i < account_devices(account); i++) {
        other.device = account_device(account, i);
        if (!mailbox_usage(intake->mailboxes, &other, &usage))
            continue;
        struct quota_usage one = intake_usage(&usage);
        if (other.device == name->device)
            *own = one;
        all->messages += one.messages;
        all->receipts += one.receipts;
        all->bytes += one.bytes;
    }
}

/* Why a message may not be stored, 0: it may. */
static uint8_t judge_message(struct intake *intake, const struct channel_store *request)
{
    struct account account;
    struct quota_usage own, all;
    uint8_t reason = directory_refuses(intake->directory, &request->name, request->sender.user, &account);
    if (reason != 0 || request->exempt != 0)
        return reason;
    look_usage(intake, &account, &request->name, &own, &all);
    if (!quota_forbids_message(&intake->quota, &own, &all, account_devices(&account),
                               log_message_size(request->payload_bytes)))
        return 0;
    intake->view.mailbox_full++;
    return WIRE_REASON_MAILBOX_FULL;
}

/*
 * Only who has an account has a mailbox, and only whom its policy lets may write to it, as much as its quota
 * has room for. What a connection was handed already can't be refused any more.
 */
enum wax_status intake_take_store(struct intake *intake, uint32_t worker, const struct channel_store *request)
{
    struct mailbox_usage box;
    uint8_t reason = 0;
    if (rejected_unread(intake, worker, &request->name))
        return WAX_FULL;
    if (mailbox_usage(intake->mailboxes, &request->name, &box) && request->position <= box.end)
        return mailbox_store(intake->mailboxes, worker, request); /* it may have been stored: that decides */
    if (request->exempt == 0 || box.messages == 0)
        reason = judge_message(intake, request);
    if (reason != WIRE_REASON_BUSY && request->exempt != 0) {
        if (reason == WIRE_REASON_UNKNOWN_USER || reason == WIRE_REASON_UNKNOWN_DEVICE)
            intake_evict(intake, request->name.user, request->name.device, reason);
        reason = 0; /* of a device that is no more it is rejected by and by */
    }
    if (reason == 0) {
        bool first = box.messages == 0;
        enum wax_status status = mailbox_store(intake->mailboxes, worker, request);
        if (status == WAX_OK)
            intake_wake_stored(intake, request, first);
        return status;
    }
    rejected_add(&intake->rejected[worker], &request->name);
    reject(intake, worker, request->tag, reason);
    return WAX_OK;
}

/*
 * Why a receipt may not be stored, 0: it may. One that tells what became of a message is kept whatever the
 * sender's quota and policy say; for READ they hold. For a device that is no more there is nothing to keep.
 */
static uint8_t judge_receipt(struct intake *intake, const struct channel_store_receipt *request)
{
    struct account account;
    struct quota_usage own, all;
    uint8_t reason = directory_refuses(intake->directory, &request->name, request->about.user, &account);
    if (request->status_kind != WIRE_READ_BY)
        return reason == WIRE_REASON_BLOCKED ? 0 : reason;
    if (reason != 0)
        return reason;
    look_usage(intake, &account, &request->name, &own, &all);
    return quota_forbids_read(&intake->quota, &own, &all, account_devices(&account))
               ? WIRE_REASON_MAILBOX_FULL
               : 0;
}

enum wax_status intake_take_receipt(struct intake *intake, uint32_t worker,
                                    const struct channel_store_receipt *request)
{
    struct mailbox_usage box;
    if (rejected_unread(intake, worker, &request->name))
        return WAX_FULL;
    bool offered = mailbox_usage(intake->mailboxes, &request->name, &box) && request->position <= box.end;
    uint8_t reason = offered ? 0 : judge_receipt(intake, request);
    if (reason == 0)
        return mailbox_store_receipt(intake->mailboxes, worker, request);
    if (reason != WIRE_REASON_BUSY) {
        intake->view.reads_refused += request->status_kind == WIRE_READ_BY;
        intake->view.receipts_refused += request->status_kind != WIRE_READ_BY;
    }
    /* one that is offered again and taken for stored is as lost as it is now; its message is not retired by
     * it */
    if (request->retire != 0)
        rejected_add(&intake->rejected[worker], &request->name);
    reject(intake, worker, request->tag, reason);
    return WAX_OK;
}
