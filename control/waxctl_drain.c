/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl drain: the data plane's sessions end, spread over a time, and how far that is. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "waxctl.h"

#define OVER_S_DEFAULT 60u
#define LOOK_MS        200u
#define SAY_MS         1000u
#define PATIENCE_MS    60000u /* behind the time over which the sessions end */

static void say(const struct options *options, struct json_object *status)
{
    if (options->json) {
        print_json(status);
        return;
    }
    printf("%-9s %5.1f s of %" PRIu64 " s: %" PRIu64 " of %" PRIu64 " connections, %" PRIu64
           " sessions; %" PRIu64 " messages in custody; %" PRIu64 " sessions closed, %" PRIu64
           " of them late\n",
           get_text(status, "state"), (double)get_u(status, "elapsed_ms") / 1000.0,
           get_u(status, "over_ms") / 1000u, get_u(status, "connections_now"),
           get_u(status, "connections_before"), get_u(status, "sessions_now"), get_u(status, "custody_now"),
           get_u(status, "closed"), get_u(status, "closed_late"));
    fflush(stdout);
}

static bool is(struct json_object *status, const char *state)
{
    return strcmp(get_text(status, "state"), state) == 0;
}

/* Workers take what they are told at their next turn, and show it some 20 ms later. */
static void wait_until_taken(const struct options *options, bool cancel)
{
    bool taken = false;
    for (uint32_t ms = 0; ms < SAY_MS && !taken; ms += 10) {
        struct json_object *status = ask_object(options, "drain-status");
        taken = is(status, "off") == cancel;
        json_object_put(status);
        usleep(10000);
    }
}

/* Ask for a drain, or for its end. False: it can't be, and that has been said. */
static bool ask_drain(const struct options *options, uint32_t over_s, bool cancel)
{
    struct json_object *request = json_object_new_object();
    json_object_object_add(request, "command", json_object_new_string("drain"));
    if (cancel)
        json_object_object_add(request, "cancel", json_object_new_boolean(true));
    else
        json_object_object_add(request, "over_ms", json_object_new_int64((int64_t)over_s * 1000));
    struct json_object *reply = ask_request(options, request);
    bool failed = answer_failed(reply, !options->json);
    if (options->json && (failed || cancel))
        print_json(reply);
    else if (!failed && !options->json)
        printf("%s\n", get_text(reply, "text"));
    json_object_put(reply);
    if (!failed)
        wait_until_taken(options, cancel);
    return !failed;
}

/* Why there is no use in waiting, NULL: there is. */
static const char *hopeless(struct json_object *status, uint64_t epoch)
{
    if (is(status, "away") || get_u(status, "epoch") != epoch)
        return "the data plane has gone";
    return is(status, "off") ? "it was called off" : NULL;
}

/* Look until all sessions have ended; the exit code. */
static int follow(const struct options *options, uint32_t over_s)
{
    const char *why = NULL;
    uint64_t epoch = 0, most_ms = over_s * 1000ull + PATIENCE_MS;
    for (uint64_t ms = 0; ms < most_ms && why == NULL; ms += LOOK_MS) {
        struct json_object *status = ask_object(options, "drain-status");
        bool drained = is(status, "drained");
        epoch = ms == 0 ? get_u(status, "epoch") : epoch;
        if (drained || (ms != 0 && ms % SAY_MS == 0))
            say(options, status);
        why = hopeless(status, epoch);
        json_object_put(status);
        if (drained)
            return 0;
        usleep(LOOK_MS * 1000u);
    }
    fprintf(stderr, "waxctl: not drained: %s\n", why != NULL ? why : "it takes too long");
    return EXIT_NOT_DONE;
}

int drain_run(const struct options *options)
{
    uint32_t over_s = options->text[OPTION_OVER] != NULL ? options->number[OPTION_OVER] : OVER_S_DEFAULT;
    if (options->text[OPTION_CANCEL] != NULL)
        return ask_drain(options, 0, true) ? 0 : EXIT_NOT_DONE;
    if (options->text[OPTION_STATUS] != NULL) {
        struct json_object *status = ask_object(options, "drain-status");
        bool drained = is(status, "drained");
        say(options, status);
        json_object_put(status);
        return drained ? 0 : EXIT_NOT_DONE;
    }
    if (!ask_drain(options, over_s, false))
        return EXIT_NOT_DONE;
    return options->text[OPTION_DETACH] != NULL ? 0 : follow(options, over_s);
}
