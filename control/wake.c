/* SPDX-License-Identifier: BSD-3-Clause */
#include "wake.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct gateway {
    const struct wake_kind *kind;
    const char *target;
    struct wake_config config;
    pthread_t thread;
    pthread_mutex_t mutex; /* of the table and the reason; held for moments */
    struct wake_table *table;
    char reason[WAKE_REASON_BYTES];
    int event; /* something to do, or to end: `stop` tells */
    int stop;  /* readable once it is to end */
};

struct wake {
    uint32_t count;
    struct gateway gateway[WAKE_GATEWAYS_MAX];
};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

size_t wake_text(const struct wake_event *event, uint64_t at_ms, char text[WAKE_LINE_BYTES])
{
    char user[2 * WAX_USER_BYTES + 1];
    sodium_bin2hex(user, sizeof user, event->name.user, WAX_USER_BYTES);
    return (size_t)snprintf(text, WAKE_LINE_BYTES,
                            "{\"user\":\"%s\",\"device\":%u,\"urgent\":%s,\"at_ms\":%" PRIu64 "}", user,
                            event->name.device, event->urgent ? "true" : "false", at_ms);
}

/* ---- a gateway's thread ---- */

/* A batch as the gateway reads it; its length. */
static size_t batch_text(const struct gateway *gateway, const struct wake_event *events, uint32_t count,
                         char text[WAKE_BODY_BYTES])
{
    uint64_t wall_ms = clock_ms(CLOCK_REALTIME), now_ms = clock_ms(CLOCK_BOOTTIME);
    size_t len = (size_t)sprintf(text, "%s", gateway->kind->first);
    for (uint32_t i = 0; i < count; i++) {
        if (i != 0)
            len += (size_t)sprintf(text + len, "%s", gateway->kind->between);
        len += wake_text(&events[i], wall_ms - (now_ms - events[i].since_ms), text + len);
    }
    len += (size_t)sprintf(text + len, "%s", gateway->kind->last);
    return len;
}

/* A failing gateway is told of once, and once when it is well again. */
static void say_change(const struct gateway *gateway, uint64_t since_ms, const struct wake_counts *now)
{
    if ((since_ms == 0) == (now->failing_since_ms == 0))
        return;
    bool failing = now->failing_since_ms != 0;
    journal_say(gateway->config.journal, failing ? CONFIG_LEVEL_WARN : CONFIG_LEVEL_INFO, "wake",
                failing ? "a push gateway can't be told" : "the push gateway takes wake-ups again",
                J_T("kind", gateway->kind->name), J_T("target", gateway->target),
                J_T("reason", failing ? gateway->reason : ""), J_U("waiting", now->waiting_now));
}

static void batch_over(struct gateway *gateway, enum wake_told told, const char *reason)
{
    struct wake_counts before, after;
    uint64_t now_ms = clock_ms(CLOCK_BOOTTIME);
    pthread_mutex_lock(&gateway->mutex);
    wake_table_count(gateway->table, &before);
    if (told == WAKE_TOLD)
        wake_table_sent(gateway->table, now_ms);
    else if (told == WAKE_REFUSED)
        wake_table_refused(gateway->table, now_ms);
    else
        wake_table_failed(gateway->table, now_ms);
    if (told == WAKE_REFUSED || told == WAKE_FAILED)
        snprintf(gateway->reason, sizeof gateway->reason, "%s", reason);
    wake_table_count(gateway->table, &after);
    pthread_mutex_unlock(&gateway->mutex);
    if (told != WAKE_STOPPED)
        say_change(gateway, before.failing_since_ms, &after);
}

static bool stopping(const struct gateway *gateway)
{
    struct pollfd fd = {.fd = gateway->stop, .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

/* How long to rest: until something is due, or is noted. */
static int rest_ms(uint64_t due_ms, uint64_t now_ms)
{
    if (due_ms == UINT64_MAX)
        return -1;
    return due_ms <= now_ms ? 0 : due_ms - now_ms < 60000 ? (int)(due_ms - now_ms) : 60000;
}

static void *gateway_thread(void *arg)
{
    struct gateway *gateway = arg;
    struct wake_event events[WAKE_BATCH_MAX];
    char text[WAKE_BODY_BYTES], reason[WAKE_REASON_BYTES] = "";
    void *peer = gateway->kind->open(&gateway->config);
    while (!stopping(gateway)) {
        uint64_t now_ms = clock_ms(CLOCK_BOOTTIME);
        pthread_mutex_lock(&gateway->mutex);
        uint32_t count = wake_table_take(gateway->table, events, WAKE_BATCH_MAX, now_ms);
        uint64_t due_ms = wake_table_due_ms(gateway->table);
        pthread_mutex_unlock(&gateway->mutex);
        if (count == 0) {
            eventfd_t noted;
            gateway->kind->rest(peer, gateway->event, rest_ms(due_ms, now_ms));
            (void)eventfd_read(gateway->event, &noted);
            continue;
        }
        size_t len = batch_text(gateway, events, count, text);
        enum wake_told told = gateway->kind->tell(peer, text, len, gateway->stop, reason);
        batch_over(gateway, told, reason);
    }
    gateway->kind->close(peer);
    return NULL;
}

/* ---- for the control plane's thread ---- */

static void gateway_add(struct wake *wake, const struct wake_kind *kind, const char *target,
                        const struct wake_config *config)
{
    struct gateway *gateway = &wake->gateway[wake->count++];
    gateway->kind = kind;
    gateway->target = target;
    gateway->config = *config;
    gateway->table = wake_table_new(WAX_WAKES_MAX, config->interval_ms, kind->retry_ms_most);
    gateway->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&gateway->mutex, NULL);
    if (gateway->event < 0 || gateway->stop < 0 ||
        pthread_create(&gateway->thread, NULL, gateway_thread, gateway) != 0)
        abort(); /* no thread, no descriptor: nothing would work */
}

struct wake *wake_new(const struct wake_config *config)
{
    if (config->socket[0] == '\0' && config->webhook[0] == '\0')
        return NULL;
    struct wake *wake = calloc(1, sizeof *wake);
    if (wake == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    if (config->socket[0] != '\0')
        gateway_add(wake, &wake_socket, config->socket, config);
    if (config->webhook[0] != '\0')
        gateway_add(wake, &wake_webhook, config->webhook, config);
    return wake;
}

void wake_free(struct wake *wake)
{
    if (wake == NULL)
        return;
    for (uint32_t i = 0; i < wake->count; i++) {
        struct gateway *gateway = &wake->gateway[i];
        eventfd_write(gateway->stop, 1);
        eventfd_write(gateway->event, 1);
        pthread_join(gateway->thread, NULL);
        wake_table_free(gateway->table);
        pthread_mutex_destroy(&gateway->mutex);
        close(gateway->event);
        close(gateway->stop);
    }
    curl_global_cleanup();
    free(wake);
}

void wake_device(struct wake *wake, const struct device_name *name, bool urgent)
{
    uint64_t now_ms = wake != NULL ? clock_ms(CLOCK_BOOTTIME) : 0;
    for (uint32_t i = 0; wake != NULL && i < wake->count; i++) {
        struct gateway *gateway = &wake->gateway[i];
        pthread_mutex_lock(&gateway->mutex);
        bool fresh = wake_table_note(gateway->table, name, urgent, now_ms);
        pthread_mutex_unlock(&gateway->mutex);
        if (fresh)
            eventfd_write(gateway->event, 1);
    }
}

void wake_calm(struct wake *wake, const struct device_name *name)
{
    for (uint32_t i = 0; wake != NULL && i < wake->count; i++) {
        struct gateway *gateway = &wake->gateway[i];
        pthread_mutex_lock(&gateway->mutex);
        wake_table_calm(gateway->table, name);
        pthread_mutex_unlock(&gateway->mutex);
    }
}

uint32_t wake_gateways(const struct wake *wake)
{
    return wake != NULL ? wake->count : 0;
}

void wake_look(struct wake *wake, uint32_t number, struct wake_view *view)
{
    struct gateway *gateway = &wake->gateway[number];
    uint64_t now_ms = clock_ms(CLOCK_BOOTTIME);
    memset(view, 0, sizeof *view);
    view->kind = gateway->kind->name;
    view->target = gateway->target;
    pthread_mutex_lock(&gateway->mutex);
    wake_table_count(gateway->table, &view->counts);
    memcpy(view->reason, gateway->reason, sizeof view->reason);
    pthread_mutex_unlock(&gateway->mutex);
    const struct wake_counts *counts = &view->counts;
    if (counts->failing_since_ms != 0)
        view->failing_ms = now_ms > counts->failing_since_ms ? now_ms - counts->failing_since_ms : 1;
    if (counts->retry_at_ms > now_ms)
        view->retry_in_ms = counts->retry_at_ms - now_ms;
}
