/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl sessions, and sessions close. */
#include <inttypes.h>
#include <stdio.h>

#include "waxctl.h"

void request_sessions(const struct options *options, struct json_object *request)
{
    const char *user = options->text[OPTION_USER], *address = options->text[OPTION_ADDRESS];
    json_object_object_add(request, "limit", json_object_new_int64(options->limit));
    if (user != NULL)
        json_object_object_add(request, "user", json_object_new_string(user));
    if (options->text[OPTION_DEVICE] != NULL)
        json_object_object_add(request, "device", json_object_new_int64(options->number[OPTION_DEVICE]));
    if (address != NULL)
        json_object_object_add(request, "address", json_object_new_string(address));
}

void show_sessions(const struct options *options, struct json_object *reply)
{
    (void)options;
    struct json_object *sessions = get_object(reply, "sessions");
    size_t count = json_object_array_length(sessions);
    if (count != 0)
        printf("%-32s %6s %-28s %6s %-5s %s\n", "user", "device", "peer", "worker", "tls", "open for");
    for (size_t i = 0; i < count; i++) {
        struct json_object *s = json_object_array_get_idx(sessions, i);
        char peer[80];
        snprintf(peer, sizeof peer, "%s port %" PRIu64, get_text(s, "peer"), get_u(s, "port"));
        printf("%-32s %6" PRIu64 " %-28s %6" PRIu64 " %-5s ", get_text(s, "user"), get_u(s, "device"), peer,
               get_u(s, "worker"), get_bool(s, "tls") ? "yes" : "no");
        print_duration(get_u(reply, "now_ms") - get_u(s, "since_ms"));
        printf("%s\n", get_bool(s, "send_only") ? ", send-only" : "");
    }
    printf("%zu of %" PRIu64 " sessions\n", count, get_u(reply, "count"));
}
