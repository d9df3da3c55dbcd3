/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin_json.h"
#include "storage_local.h"

#define MAILBOXES_MOST 1000u

/* How the last backup has gone. */
static void add_backup(const struct admin_sources *sources, struct json_object *reply)
{
    static const char *const names[] = {"none", "running", "whole", "failed"};
    struct storage_backup backup;
    storage_local_backup_look(sources->storage, &backup);
    struct json_object *object = json_object_new_object();
    add_text(object, "state", names[backup.state]);
    add_u(object, "bytes", backup.bytes);
    add_u(object, "bytes_all", backup.bytes_all);
    if (backup.state == STORAGE_BACKUP_FAILED)
        add_text(object, "error", strerrordesc_np(backup.error));
    json_object_object_add(reply, "backup", object);
}

void reply_store(const struct admin_sources *sources, struct json_object *reply)
{
    struct mailbox_counts counts;
    struct json_object *answered = json_object_new_array();
    mailboxes_counts(sources->mailboxes, &counts);
    add_u(reply, "mailboxes", counts.mailboxes_now);
    add_u(reply, "items", counts.items_now);
    add_u(reply, "live_bytes", counts.bytes_now);
    add_u(reply, "segments", counts.segments_now);
    add_u(reply, "log_bytes", counts.log_bytes_now);
    add_u(reply, "key_nodes", counts.key_nodes_now);
    add_u(reply, "stored", counts.stored);
    add_u(reply, "retired", counts.retired);
    add_u(reply, "stripped", counts.stripped);
    add_u(reply, "commits", counts.commits);
    add_u(reply, "commit_bytes", counts.commit_bytes);
    add_u(reply, "moved", counts.moved);
    add_u(reply, "moved_bytes", counts.moved_bytes);
    add_u(reply, "purges", counts.purges);
    add_u(reply, "purge_bytes", counts.purge_bytes);
    add_u(reply, "purge_late_ms", counts.purge_late_ms);
    add_u(reply, "refused", counts.refused);
    add_u(reply, "damaged", counts.damaged);
    add_u(reply, "torn", counts.torn);
    for (uint32_t i = 0; i < MAILBOX_WAITS; i++)
        json_object_array_add(answered, json_object_new_uint64(counts.waited[i]));
    json_object_object_add(reply, "answered_within_ms", answered); /* at i: less than 2^i */
    if (sources->storage != NULL)
        add_backup(sources, reply);
}

void reply_backup(const struct admin_sources *sources, struct json_object *request, struct json_object *reply)
{
    char text[256];
    struct json_object *value;
    const char *directory =
        json_object_object_get_ex(request, "directory", &value) ? json_object_get_string(value) : "";
    uint64_t mb_per_s =
        json_object_object_get_ex(request, "mb_per_s", &value) ? json_object_get_uint64(value) : 0;
    enum wax_status status = WAX_BAD_ARGUMENT;
    const char *why = "the directory is named by its whole path";
    errno = 0;
    if (sources->storage != NULL && directory[0] == '/') {
        status = storage_local_backup(sources->storage, directory, mb_per_s * 1000000u);
        why = status == WAX_BAD_ARGUMENT ? "there is something in it already"
              : status == WAX_FULL       ? "another backup is under way"
              : errno != 0               ? strerrordesc_np(errno)
                                         : wax_status_text(status);
    }
    snprintf(text, sizeof text, "%.180s: %s", directory, status == WAX_OK ? "a backup has begun" : why);
    json_object_object_add(reply, "done", json_object_new_boolean(status == WAX_OK));
    add_text(reply, "text", text);
}

/* The largest mailboxes so far, the smallest of them first in line to go. */
struct largest {
    bool of_user;
    uint8_t user[WAX_USER_BYTES];
    uint64_t count, limit, all;
    struct quota_usage sum; /* of all */
    struct entry {
        struct device_name name;
        struct mailbox_usage usage;
    } entry[MAILBOXES_MOST];
};

static int by_bytes(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->usage.bytes, y = ((const struct entry *)b)->usage.bytes;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void take(void *ctx, const struct device_name *name, const struct mailbox_usage *usage)
{
    struct largest *largest = ctx;
    if (largest->of_user && memcmp(name->user, largest->user, sizeof largest->user) != 0)
        return;
    struct quota_usage one = intake_usage(usage);
    largest->all++;
    largest->sum.messages += one.messages;
    largest->sum.receipts += one.receipts;
    largest->sum.bytes += one.bytes;
    uint64_t at = largest->count < largest->limit ? largest->count++ : 0;
    if (at == 0 && largest->count == largest->limit && largest->all > largest->limit) {
        for (uint64_t i = 1; i < largest->count; i++) {
            if (largest->entry[i].usage.bytes < largest->entry[at].usage.bytes)
                at = i;
        }
        if (largest->entry[at].usage.bytes >= usage->bytes)
            return;
    }
    largest->entry[at] = (struct entry){*name, *usage};
}

bool read_user(const char *text, uint8_t user[WAX_USER_BYTES])
{
    for (size_t i = 0; i < 2 * WAX_USER_BYTES; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'                     ? c - '0'
                    : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                             : -1;
        if (digit < 0)
            return false;
        user[i / 2] = (uint8_t)(user[i / 2] << 4 | digit);
    }
    return text[2 * WAX_USER_BYTES] == '\0';
}

/* What counts for the quota, and what that is. */
static void add_quota(const struct admin_sources *sources, struct json_object *reply,
                      const struct largest *largest)
{
    struct intake_view view;
    struct json_object *quota = json_object_new_object();
    intake_look(sources->intake, &view);
    add_u(quota, "messages", view.quota.messages);
    add_u(quota, "bytes", view.quota.bytes);
    json_object_object_add(reply, "quota", quota); /* of one account */
    if (!largest->of_user)
        return;
    struct json_object *account = json_object_new_object();
    add_u(account, "messages", largest->sum.messages);
    add_u(account, "receipts", largest->sum.receipts);
    add_u(account, "bytes", largest->sum.bytes);
    json_object_object_add(reply, "account", account);
}

void reply_mailboxes(const struct admin_sources *sources, struct json_object *request,
                     struct json_object *reply, uint64_t limit)
{
    struct json_object *list = json_object_new_array(), *value;
    struct largest *largest = calloc(1, sizeof *largest);
    if (largest == NULL)
        abort();
    largest->limit = limit < MAILBOXES_MOST ? limit : MAILBOXES_MOST;
    if (json_object_object_get_ex(request, "user", &value)) {
        largest->of_user = true;
        if (!read_user(json_object_get_string(value), largest->user)) {
            add_text(reply, "error", "\"user\" is 32 hexadecimal digits");
            largest->limit = 0;
        }
    }
    if (largest->limit != 0)
        mailboxes_each(sources->mailboxes, largest, take);
    qsort(largest->entry, largest->count, sizeof largest->entry[0], by_bytes);
    for (uint64_t i = 0; i < largest->count; i++) {
        const struct entry *entry = &largest->entry[i];
        struct json_object *box = json_object_new_object();
        add_hex(box, "user", entry->name.user, sizeof entry->name.user);
        add_u(box, "device", entry->name.device);
        add_u(box, "messages", entry->usage.messages);
        add_u(box, "receipts", entry->usage.receipts);
        add_u(box, "bytes", entry->usage.bytes);
        add_u(box, "since_ms", entry->usage.since_ms);
        json_object_object_add(box, "draining", json_object_new_boolean(entry->usage.draining));
        json_object_array_add(list, box);
    }
    add_u(reply, "count", largest->all);
    json_object_object_add(reply, "mailboxes", list);
    add_quota(sources, reply, largest);
    free(largest);
}
