/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl users and invite. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "waxctl.h"

void request_users(const struct options *options, struct json_object *request)
{
    request_limit(options, request);
    if (options->text[OPTION_AFTER] != NULL)
        json_object_object_add(request, "after", json_object_new_string(options->text[OPTION_AFTER]));
}

void request_user(const struct options *options, struct json_object *request)
{
    json_object_object_add(request, "user", json_object_new_string(options->operand[0]));
}

static void print_ago(uint64_t now_ms, uint64_t then_ms)
{
    print_duration(now_ms > then_ms ? now_ms - then_ms : 0);
    printf(" ago");
}

void show_users(const struct options *options, struct json_object *reply)
{
    (void)options;
    struct json_object *list = get_object(reply, "users");
    size_t count = json_object_array_length(list);
    if (count != 0)
        printf("%-32s %-13s %7s  %s\n", "user", "state", "devices", "last seen");
    for (size_t i = 0; i < count; i++) {
        struct json_object *user = json_object_array_get_idx(list, i);
        printf("%-32s %-13s %7" PRIu64 "  ", get_text(user, "user"), get_text(user, "state"),
               get_u(user, "devices"));
        print_ago(get_u(reply, "now_ms"), get_u(user, "seen_ms"));
        printf("\n");
    }
    if (get_object(reply, "next") != NULL)
        printf("%zu accounts; there may be more: --after %s\n", count, get_text(reply, "next"));
    else
        printf("%zu accounts\n", count);
}

void show_user(const struct options *options, struct json_object *reply)
{
    (void)options;
    struct json_object *list = get_object(reply, "devices");
    time_t made = (time_t)(get_u(reply, "created_ms") / 1000u);
    struct tm tm;
    char when[40] = "?";
    if (gmtime_r(&made, &tm) != NULL)
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S UTC", &tm);
    printf("user        %s, %s\naccount key %s\nmade        %s\n", get_text(reply, "user"),
           get_text(reply, "state"), get_text(reply, "account_key"), when);
    printf("takes       messages of %s; %" PRIu64 " blocked, %" PRIu64 " allowed\n",
           get_text(reply, "accepts"), get_u(reply, "blocked"), get_u(reply, "allowed"));
    printf("media       %" PRIu64 " blobs, ", get_u(reply, "blobs"));
    print_bytes(get_u(reply, "blob_bytes"));
    printf("\n%6s %-9s %8s %9s %9s %12s  %s\n", "device", "", "one-time", "messages", "receipts", "bytes",
           "last seen");
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *device = json_object_array_get_idx(list, i);
        bool here = get_bool(device, "connected");
        printf("%6" PRIu64 " %-9s %8" PRIu64 " %9" PRIu64 " %9" PRIu64 " %12" PRIu64 "  ",
               get_u(device, "device"),
               get_bool(device, "removed") ? "removed"
               : here                      ? "connected"
                                           : "",
               get_u(device, "one_time_keys"), get_u(device, "messages"), get_u(device, "receipts"),
               get_u(device, "bytes"));
        if (here)
            printf("now\n");
        else {
            print_ago(get_u(reply, "now_ms"), get_u(device, "seen_ms"));
            printf("\n");
        }
    }
}

/* ---- invites ---- */

void request_invite(const struct options *options, struct json_object *request)
{
    if (options->text[OPTION_USES] != NULL)
        json_object_object_add(request, "uses", json_object_new_uint64(options->number[OPTION_USES]));
    if (options->text[OPTION_EXPIRES] != NULL)
        json_object_object_add(request, "life_s", json_object_new_uint64(options->number[OPTION_EXPIRES]));
}

void request_revoke(const struct options *options, struct json_object *request)
{
    json_object_object_add(request, "invite", json_object_new_string(options->operand[0]));
}

void show_invite(const struct options *options, struct json_object *reply)
{
    (void)options;
    printf("%s: %s\n", get_text(reply, "text"), get_text(reply, "code"));
}

void show_invites(const struct options *options, struct json_object *reply)
{
    (void)options;
    struct json_object *list = get_object(reply, "invites");
    size_t count = json_object_array_length(list);
    uint64_t now_ms = get_u(reply, "now_ms");
    if (count != 0)
        printf("%-8s %5s %5s  %s\n", "invite", "used", "of", "good for");
    for (size_t i = 0; i < count; i++) {
        struct json_object *invite = json_object_array_get_idx(list, i);
        uint64_t expires_ms = get_u(invite, "expires_ms");
        printf("%-8s %5" PRIu64 " %5" PRIu64 "  ", get_text(invite, "invite"), get_u(invite, "used"),
               get_u(invite, "uses"));
        if (get_u(invite, "used") == get_u(invite, "uses"))
            printf("nothing more\n");
        else if (expires_ms == 0)
            printf("ever\n");
        else if (expires_ms <= now_ms)
            printf("nothing, it has expired\n");
        else {
            print_duration(expires_ms - now_ms);
            printf("\n");
        }
    }
    printf("%zu invites%s%s\n", count,
           get_object(reply, "next") != NULL ? "; there may be more: --after " : "", get_text(reply, "next"));
}
