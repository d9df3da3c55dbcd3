/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions that are found, and ended; and all of them, by a drain of the data plane. */
#include <arpa/inet.h>
#include <stdio.h>

#include "admin_json.h"
#include "session_filter.h"

#define CLOSES_MAX 10000u /* of one request */

/* What a request names; NULL, or what is wrong with it. */
static const char *filter_read(struct json_object *request, struct session_filter *filter)
{
    struct json_object *value;
    memset(filter, 0, sizeof *filter);
    if (json_object_object_get_ex(request, "user", &value) &&
        !session_filter_user(filter, json_object_get_string(value)))
        return "a user is 32 hexadecimal digits";
    if (json_object_object_get_ex(request, "device", &value)) {
        int64_t device = json_object_get_int64(value);
        if (device < 1 || device > UINT16_MAX || !filter->by_user)
            return "a device is 1 to 65535, of a user";
        filter->device = (uint16_t)device;
    }
    if (json_object_object_get_ex(request, "address", &value) &&
        !session_filter_address(filter, json_object_get_string(value)))
        return "an address is a.b.c.d or x::y, with /prefix where many are meant";
    return NULL;
}

/* Sessions that a filter means, as far as there is room. */
struct listing {
    const struct admin_sources *sources;
    const struct session_filter *filter;
    struct json_object *array; /* NULL: they are ended instead */
    uint64_t room, met, done;
};

static void list(struct listing *listing, const struct channel_session_open *session)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char text[INET6_ADDRSTRLEN];
    struct json_object *object = json_object_new_object();
    add_hex(object, "user", session->name.user, WAX_USER_BYTES);
    add_u(object, "device", session->name.device);
    if (memcmp(session->peer, mapped, sizeof mapped) == 0)
        inet_ntop(AF_INET, session->peer + 12, text, sizeof text);
    else
        inet_ntop(AF_INET6, session->peer, text, sizeof text);
    add_text(object, "peer", text);
    add_u(object, "port", session->peer_port);
    add_u(object, "worker", session->worker);
    json_object_object_add(object, "tls", json_object_new_boolean(session->tls));
    json_object_object_add(object, "send_only", json_object_new_boolean(session->send_only));
    add_u(object, "since_ms", session->since_ms);
    add_u(object, "generation", session->generation);
    json_object_array_add(listing->array, object);
}

static bool meet(void *ctx, const struct channel_session_open *session)
{
    struct listing *listing = ctx;
    bool filtered = listing->filter->by_user || listing->filter->by_address;
    if (!session_filter_means(listing->filter, session))
        return true;
    listing->met++;
    if (listing->done == listing->room)
        return filtered; /* count the rest of them */
    listing->done++;
    if (listing->array != NULL)
        list(listing, session);
    else
        intake_close_session(listing->sources->intake, session, WAX_SESSION_DRAINED);
    return true;
}

void reply_sessions(const struct admin_sources *sources, struct json_object *request,
                    struct json_object *reply, uint64_t limit)
{
    struct session_filter filter;
    const char *wrong = filter_read(request, &filter);
    if (wrong != NULL) {
        add_text(reply, "error", wrong);
        return;
    }
    struct listing listing = {sources, &filter, json_object_new_array(), limit, 0, 0};
    session_table_each(sources->sessions, &listing, meet);
    bool filtered = filter.by_user || filter.by_address;
    add_u(reply, "count", filtered ? listing.met : session_table_count(sources->sessions));
    json_object_object_add(reply, "sessions", listing.array);
}

void reply_sessions_close(const struct admin_sources *sources, struct json_object *request,
                          struct json_object *reply)
{
    struct session_filter filter;
    char text[96];
    const char *wrong = filter_read(request, &filter);
    if (wrong == NULL && !filter.by_user && !filter.by_address)
        wrong = "name a user or an address; a drain ends all sessions";
    if (wrong != NULL) {
        add_text(reply, "error", wrong);
        return;
    }
    struct listing listing = {sources, &filter, NULL, CLOSES_MAX, 0, 0};
    session_table_each(sources->sessions, &listing, meet);
    add_u(reply, "closed", listing.done);
    add_u(reply, "left", listing.met - listing.done);
    json_object_object_add(reply, "done", json_object_new_boolean(listing.done != 0));
    snprintf(text, sizeof text, "%llu sessions closed", (unsigned long long)listing.done);
    if (listing.met != listing.done)
        snprintf(text, sizeof text, "%llu sessions closed, %llu are left: ask again",
                 (unsigned long long)listing.done, (unsigned long long)(listing.met - listing.done));
    add_text(reply, "text", listing.done != 0 ? text : "there is no such session");
}

/* ---- all of them ---- */

static uint64_t sum(const struct admin_sources *sources, size_t offset)
{
    const struct wax_metrics *metrics;
    uint64_t all = 0;
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++)
        all += __atomic_load_n((const uint64_t *)(const void *)((const char *)metrics + offset),
                               __ATOMIC_RELAXED);
    return all;
}

static uint64_t most(const struct admin_sources *sources, size_t offset)
{
    const struct wax_metrics *metrics;
    uint64_t value = 0;
    for (uint32_t i = 0; (metrics = intake_metrics(sources->intake, i)) != NULL; i++) {
        uint64_t one = __atomic_load_n((const uint64_t *)(const void *)((const char *)metrics + offset),
                                       __ATOMIC_RELAXED);
        value = one > value ? one : value;
    }
    return value;
}

#define SUM(name)  sum(sources, offsetof(struct wax_metrics, name))
#define MOST(name) most(sources, offsetof(struct wax_metrics, name))

/* Drained: no connection is left, and nothing that homes answer for, nor a message on its way between
 * workers. */
static const char *drain_state(const struct admin_sources *sources, const struct intake_view *view)
{
    if (!view->attached)
        return "away";
    if (SUM(vacating_now) != view->workers)
        return SUM(vacating_now) == 0 ? "off" : "draining";
    return SUM(connections_now) + SUM(custody_now) + SUM(messages_now) == 0 ? "drained" : "draining";
}

void reply_drain_status(const struct admin_sources *sources, struct json_object *reply)
{
    struct intake_view view;
    intake_look(sources->intake, &view);
    add_text(reply, "state", drain_state(sources, &view));
    add_u(reply, "epoch", view.epoch);
    add_u(reply, "over_ms", MOST(vacate_over_ms));
    add_u(reply, "elapsed_ms", MOST(vacate_elapsed_ms));
    add_u(reply, "connections_before", SUM(vacate_connections));
    add_u(reply, "connections_now", SUM(connections_now));
    add_u(reply, "sessions_now", SUM(sessions_now));
    add_u(reply, "custody_now", SUM(custody_now));
    add_u(reply, "messages_now", SUM(messages_now));
    add_u(reply, "closed", SUM(vacated));
    add_u(reply, "closed_late", SUM(vacated_late));
}

void reply_drain(const struct admin_sources *sources, struct json_object *request, struct json_object *reply)
{
    struct json_object *value;
    bool cancel = json_object_object_get_ex(request, "cancel", &value) && json_object_get_boolean(value);
    int64_t over_ms =
        json_object_object_get_ex(request, "over_ms", &value) ? json_object_get_int64(value) : 0;
    if (over_ms < 0 || over_ms > (int64_t)WAX_VACATE_S_MAX * 1000) {
        add_text(reply, "error", "a drain takes 0 to 86400 seconds");
        return;
    }
    bool said =
        cancel ? intake_vacate_cancel(sources->intake) : intake_vacate(sources->intake, (uint32_t)over_ms);
    json_object_object_add(reply, "done", json_object_new_boolean(said));
    add_text(reply, "text",
             !said    ? "no data plane is attached"
             : cancel ? "connections are taken again"
                      : "no connection is taken any more");
}
