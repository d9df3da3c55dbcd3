/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_operate.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin_json.h"
#include "directory_invite.h"
#include "directory_keys.h"
#include "directory_operate.h"
#include "directory_policy.h"

#define USERS_MOST        1000u              /* in one answer */
#define INVITE_LIFE_S     (7u * 24u * 3600u) /* of one that is made without saying */
#define INVITE_LIFE_S_MAX (10u * 365u * 24u * 3600u)

/* ---- looking ---- */

/* Where the sessions, keys and mailboxes of an account are to be looked for. */
static void add_devices(const struct admin_sources *sources, struct json_object *reply,
                        const uint8_t user[WAX_USER_BYTES], const struct account *account)
{
    struct json_object *list = json_object_new_array();
    struct device_name name = {.device = 0};
    struct mailbox_usage usage;
    uint32_t home;
    memcpy(name.user, user, sizeof name.user);
    for (uint32_t i = 0; i < account_devices(account); i++) {
        struct json_object *device = json_object_new_object();
        name.device = account_device(account, i);
        uint32_t left = directory_keys_left(sources->directory, &name);
        (void)mailbox_usage((struct mailboxes *)(uintptr_t)sources->mailboxes, &name, &usage);
        add_u(device, "device", name.device);
        json_object_object_add(
            device, "connected",
            json_object_new_boolean(session_table_find(sources->sessions, &name, &home) != NULL));
        json_object_object_add(device, "removed", json_object_new_boolean(account_removed(account, i)));
        add_u(device, "seen_ms", account_seen_ms(account, i));
        json_object_object_add(device, "bundle", json_object_new_boolean(left != UINT32_MAX));
        add_u(device, "one_time_keys", left != UINT32_MAX ? left : 0);
        add_u(device, "messages", usage.messages);
        add_u(device, "receipts", usage.receipts);
        add_u(device, "bytes", usage.bytes);
        json_object_array_add(list, device);
    }
    json_object_object_add(reply, "devices", list);
}

static void add_account(struct json_object *object, const uint8_t user[WAX_USER_BYTES],
                        const struct account *account)
{
    uint8_t flags = account_flags(account);
    add_hex(object, "user", user, WAX_USER_BYTES);
    add_text(object, "state",
             (flags & ACCOUNT_DELETED) != 0     ? "being deleted"
             : (flags & ACCOUNT_SUSPENDED) != 0 ? "suspended"
                                                : "active");
    add_u(object, "created_ms", account_created_ms(account));
}

void reply_users(const struct admin_sources *sources, struct json_object *request, struct json_object *reply,
                 uint64_t limit)
{
    struct json_object *list = json_object_new_array(), *value;
    uint8_t user[WAX_USER_BYTES] = {0};
    struct account account;
    enum wax_status status = WAX_OK;
    if (json_object_object_get_ex(request, "after", &value) &&
        !read_user(json_object_get_string(value), user)) {
        add_text(reply, "error", "\"after\" is 32 hexadecimal digits");
        limit = 0;
    }
    limit = limit < USERS_MOST ? limit : USERS_MOST;
    for (uint64_t i = 0; i < limit; i++) {
        status = directory_next_account(sources->directory, user, &account);
        if (status != WAX_OK && status != WAX_STORE_CORRUPT)
            break;
        struct json_object *object = json_object_new_object();
        if (status == WAX_OK) {
            uint64_t seen_ms = 0;
            add_account(object, user, &account);
            for (uint32_t d = 0; d < account_devices(&account); d++)
                seen_ms = account_seen_ms(&account, d) > seen_ms ? account_seen_ms(&account, d) : seen_ms;
            add_u(object, "devices", account_devices(&account));
            add_u(object, "seen_ms", seen_ms);
        } else {
            add_hex(object, "user", user, sizeof user);
            add_text(object, "state", "damaged");
        }
        json_object_array_add(list, object);
    }
    if (status != WAX_OK && status != WAX_NOT_FOUND && status != WAX_STORE_CORRUPT)
        add_text(reply, "error", wax_status_text(status));
    json_object_object_add(reply, "users", list);
    if (status != WAX_NOT_FOUND && json_object_array_length(list) != 0)
        add_hex(reply, "next", user, sizeof user); /* to be asked for as "after" */
}

static bool named(struct json_object *request, uint8_t user[WAX_USER_BYTES])
{
    struct json_object *value;
    return json_object_object_get_ex(request, "user", &value) &&
           json_object_is_type(value, json_type_string) && read_user(json_object_get_string(value), user);
}

void reply_user(const struct admin_sources *sources, struct json_object *request, struct json_object *reply)
{
    static struct policy policy;
    uint8_t user[WAX_USER_BYTES];
    struct account account;
    uint64_t blobs = 0, bytes = 0;
    if (!named(request, user)) {
        add_text(reply, "error", "\"user\" is 32 hexadecimal digits");
        return;
    }
    enum wax_status status = directory_account(sources->directory, user, &account);
    if (status != WAX_OK) {
        add_text(reply, "error",
                 status == WAX_NOT_FOUND ? "there is no such account" : wax_status_text(status));
        return;
    }
    add_account(reply, user, &account);
    add_hex(reply, "account_key", account_key(&account), WAX_ACCOUNT_KEY_BYTES);
    add_devices(sources, reply, user, &account);
    status = directory_policy(sources->directory, user, &policy); /* all zero when there is none */
    add_text(reply, "accepts",
             status != WAX_OK && status != WAX_NOT_FOUND ? "unreadable"
             : policy.only                               ? "only those allowed"
                                                         : "everyone but the blocked");
    add_u(reply, "blocked", policy.blocked.count);
    add_u(reply, "allowed", policy.allowed.count);
    if (sources->media != NULL)
        (void)media_of_account(sources->media, user, &blobs, &bytes);
    add_u(reply, "blobs", blobs);
    add_u(reply, "blob_bytes", bytes);
}

/* ---- invites ---- */

static bool read_id(struct json_object *request, const char *key, uint32_t *id)
{
    struct json_object *value;
    if (!json_object_object_get_ex(request, key, &value) || !json_object_is_type(value, json_type_string))
        return false;
    const char *text = json_object_get_string(value);
    if (strlen(text) != 8 || strspn(text, "0123456789abcdefABCDEF") != 8)
        return false;
    *id = (uint32_t)strtoul(text, NULL, 16);
    return true;
}

static void add_id(struct json_object *object, const char *key, uint32_t id)
{
    char text[9];
    snprintf(text, sizeof text, "%08x", id);
    add_text(object, key, text);
}

void reply_invites(const struct admin_sources *sources, struct json_object *request,
                   struct json_object *reply, uint64_t limit)
{
    static struct invite invite;
    struct json_object *list = json_object_new_array(), *value;
    enum wax_status status = WAX_OK;
    uint32_t id = 0;
    if (json_object_object_get_ex(request, "after", &value) && !read_id(request, "after", &id)) {
        add_text(reply, "error", "\"after\" is 8 hexadecimal digits");
        limit = 0;
    }
    limit = limit < USERS_MOST ? limit : USERS_MOST;
    for (uint64_t i = 0; i < limit; i++) {
        status = directory_next_invite(sources->directory, &id, &invite);
        if (status != WAX_OK && status != WAX_STORE_CORRUPT)
            break;
        struct json_object *object = json_object_new_object();
        add_id(object, "invite", id);
        add_u(object, "uses", status == WAX_OK ? invite.uses : 0);
        add_u(object, "used", status == WAX_OK ? invite.used : 0);
        add_u(object, "made_ms", status == WAX_OK ? invite.made_ms : 0);
        add_u(object, "expires_ms", status == WAX_OK ? invite.expires_ms : 0); /* 0: never */
        json_object_array_add(list, object);
    }
    if (status != WAX_OK && status != WAX_NOT_FOUND && status != WAX_STORE_CORRUPT)
        add_text(reply, "error", wax_status_text(status));
    json_object_object_add(reply, "invites", list);
    if (status != WAX_NOT_FOUND && json_object_array_length(list) != 0)
        add_id(reply, "next", id);
}

/* ---- changing ---- */

static const char *const changes[] = {"user-suspend", "user-restore", "user-delete", "invite-create",
                                      "invite-revoke"};
#define ACCOUNT_CHANGES 3u

bool admin_operates(const char *request, size_t len)
{
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (admin_is(request, len, changes[i]))
            return true;
    return false;
}

static void operate_account(const struct admin_sources *sources, struct json_object *request, size_t what,
                            struct intake_order *order)
{
    uint8_t user[WAX_USER_BYTES];
    if (!named(request, user))
        order->done(order, WAX_BAD_ARGUMENT, "\"user\" is 32 hexadecimal digits");
    else if (what == 2)
        intake_delete(sources->intake, user, order);
    else
        intake_suspend(sources->intake, user, what == 0, order);
}

/* A number within a range, or what it is when there is none; false when it is something else. */
static bool read_number(struct json_object *request, const char *key, uint32_t least, uint32_t most,
                        uint32_t otherwise, uint32_t *out)
{
    struct json_object *value;
    *out = otherwise;
    if (!json_object_object_get_ex(request, key, &value))
        return true;
    int64_t number = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    *out = (uint32_t)number;
    return number >= least && number <= most;
}

static void operate_invite(const struct admin_sources *sources, struct json_object *request, bool create,
                           struct intake_order *order)
{
    uint32_t uses, life_s, id;
    if (!create && !read_id(request, "invite", &id))
        order->done(order, WAX_BAD_ARGUMENT, "an invite is named by 8 hexadecimal digits");
    else if (!create)
        intake_revoke_invite(sources->intake, id, order);
    else if (!read_number(request, "uses", 1, WAX_INVITE_USES_MAX, 1, &uses))
        order->done(order, WAX_BAD_ARGUMENT, "an invite is good for 1 to 1000 accounts");
    else if (!read_number(request, "life_s", 0, INVITE_LIFE_S_MAX, INVITE_LIFE_S, &life_s))
        order->done(order, WAX_BAD_ARGUMENT, "an invite lives for 0 (for ever) to 315360000 seconds");
    else
        intake_invite(sources->intake, uses, life_s, order);
}

void admin_operate(const struct admin_sources *sources, const char *request, size_t len,
                   struct intake_order *order)
{
    struct json_object *parsed = admin_parse(request, len);
    size_t what = 0;
    while (!admin_is(request, len, changes[what]))
        what++;
    order->code = NULL;
    if (what < ACCOUNT_CHANGES)
        operate_account(sources, parsed, what, order);
    else
        operate_invite(sources, parsed, what == ACCOUNT_CHANGES, order);
    json_object_put(parsed);
}
