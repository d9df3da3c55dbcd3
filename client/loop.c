/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core.h"
#include "stream.h"

#define LOOP_CONNECT_TIMEOUT_MS 10000u
#define LOOP_RETRY_MS_MIN       100u
#define LOOP_RETRY_MS_MAX       10000u
#define LOOP_LINGER_MS          1000u
#define LOOP_READ_BYTES         (64u << 10)
#define LOOP_READS_PER_TURN     8u

enum loop_state {
    LOOP_PAUSED, /* until deadline_us, then connect */
    LOOP_CONNECTING,
    LOOP_RUNNING,
    LOOP_LINGERING, /* the client is closed: its last bytes go out */
    LOOP_ENDED,
};

struct wax_loop {
    struct wax_loop_config config;
    char *host;
    struct wax_client *client;
    struct stream_settings settings;
    struct stream stream;
    enum loop_state state;
    enum wax_status ended;
    uint64_t deadline_us;
    uint32_t retry_ms;
    bool had_session;
    struct addrinfo *addresses, *next_address;
    char reason[STREAM_REASON_BYTES];
    uint8_t buffer[LOOP_READ_BYTES];
};

uint64_t wax_clock_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t wax_clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

static void say_reason(struct wax_loop *loop, const char *text)
{
    snprintf(loop->reason, sizeof loop->reason, "%s", text);
}

/* The Host header: the default port is left out, an IPv6 address goes in brackets. */
static bool host_header(char *out, size_t room, const char *name, const struct wax_loop_config *config)
{
    const char *open = strchr(name, ':') != NULL ? "[" : "", *shut = *open ? "]" : "";
    int n = config->port == (config->plain ? 80 : 443)
                ? snprintf(out, room, "%s%s%s", open, name, shut)
                : snprintf(out, room, "%s%s%s:%u", open, name, shut, (unsigned)config->port);

    return n > 0 && (size_t)n < room;
}

static enum wax_status loop_client_create(struct wax_loop *loop, const struct wax_client_config *wanted)
{
    char host[CORE_HOST_BYTES_MAX + 1];
    struct wax_client_config config = *wanted;

    if (config.host == NULL) {
        if (!host_header(host, sizeof host, loop->settings.name, &loop->config))
            return WAX_BAD_ARGUMENT;
        config.host = host;
    }
    if (sodium_is_zero(config.seed, sizeof config.seed))
        randombytes_buf(config.seed, sizeof config.seed);
    enum wax_status status = wax_client_create(&loop->client, &config);
    wax_identity_wipe(&config.identity);
    return status;
}

enum wax_status wax_loop_create(struct wax_loop **out, const struct wax_loop_config *config,
                                const struct wax_client_config *client_config)
{
    *out = NULL;
    if (config->host == NULL || config->port == 0 || sodium_init() < 0)
        return WAX_BAD_ARGUMENT;
    struct wax_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return WAX_NO_MEMORY;
    loop->config = *config;
    loop->host = strdup(config->host);
    loop->stream.fd = -1;
    loop->retry_ms = LOOP_RETRY_MS_MIN;
    if (loop->config.connect_timeout_ms == 0)
        loop->config.connect_timeout_ms = LOOP_CONNECT_TIMEOUT_MS;
    enum wax_status status = loop->host == NULL ? WAX_NO_MEMORY : WAX_OK;
    if (status == WAX_OK)
        status = stream_settings_init(&loop->settings, config->name != NULL ? config->name : config->host,
                                      config->ca_file, config->plain);
    if (status == WAX_OK)
        status = loop_client_create(loop, client_config);
    if (status != WAX_OK) {
        wax_loop_destroy(loop);
        return status;
    }
    *out = loop;
    return WAX_OK;
}

void wax_loop_destroy(struct wax_loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->stream.fd >= 0)
        stream_close(&loop->stream, loop->state == LOOP_RUNNING);
    if (loop->addresses != NULL)
        freeaddrinfo(loop->addresses);
    wax_client_destroy(loop->client);
    stream_settings_free(&loop->settings);
    free(loop->host);
    free(loop);
}

struct wax_client *wax_loop_client(struct wax_loop *loop)
{
    return loop->client;
}

const char *wax_loop_reason(const struct wax_loop *loop)
{
    return loop->reason;
}

/* ---- connecting ---- */

/* The attempt or the session is over: pause before the next, or end for good. */
static void loop_over(struct wax_loop *loop, enum wax_status status, bool again)
{
    stream_close(&loop->stream, false);
    if (!again || !(loop->had_session ? loop->config.reconnect : loop->config.retry)) {
        loop->state = LOOP_ENDED;
        loop->ended = status;
        return;
    }
    /* Jittered, or a relay that comes back would meet all its clients in the same moment. */
    uint32_t pause_ms = loop->retry_ms / 2 + randombytes_uniform(loop->retry_ms);
    loop->retry_ms = loop->retry_ms * 2 > LOOP_RETRY_MS_MAX ? LOOP_RETRY_MS_MAX : loop->retry_ms * 2;
    loop->deadline_us = wax_clock_us() + pause_ms * 1000u;
    loop->state = LOOP_PAUSED;
}

/* Tries the next address that can be tried; when none is left, the attempt is over. */
static void connect_next(struct wax_loop *loop, enum wax_status status)
{
    stream_close(&loop->stream, false);
    while (loop->next_address != NULL) {
        struct addrinfo *a = loop->next_address;
        loop->next_address = a->ai_next;
        status = stream_connect(&loop->stream, a->ai_addr, a->ai_addrlen);
        if (status == WAX_OK) {
            loop->state = LOOP_CONNECTING;
            loop->deadline_us = wax_clock_us() + loop->config.connect_timeout_ms * 1000u;
            return;
        }
        say_reason(loop, loop->stream.reason);
    }
    loop_over(loop, status, status != WAX_TLS_CERTIFICATE);
}

static void connect_begin(struct wax_loop *loop)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    char port[8];

    snprintf(port, sizeof port, "%u", (unsigned)loop->config.port);
    if (loop->addresses != NULL)
        freeaddrinfo(loop->addresses);
    loop->addresses = NULL;
    int error = getaddrinfo(loop->host, port, &hints, &loop->addresses);
    loop->next_address = error == 0 ? loop->addresses : NULL;
    if (error != 0)
        say_reason(loop, gai_strerror(error));
    connect_next(loop, WAX_CLIENT_RESOLVE);
}

static void connect_go_on(struct wax_loop *loop, uint64_t now_us)
{
    uint8_t binding[WAX_BINDING_BYTES];
    enum wax_status status = stream_shake(&loop->stream, &loop->settings);

    if (status == WAX_MORE) {
        if (now_us < loop->deadline_us)
            return;
        say_reason(loop, "connecting took too long");
        connect_next(loop, WAX_CLIENT_TIMEOUT);
        return;
    }
    if (status == WAX_OK)
        status = wax_client_connected(loop->client, stream_binding(&loop->stream, binding) ? binding : NULL,
                                      now_us);
    if (status != WAX_OK) {
        say_reason(loop, loop->stream.reason);
        connect_next(loop, status);
        return;
    }
    loop->state = LOOP_RUNNING;
}

/* ---- running ---- */

/* Whether a new session could fare better than the one that ended so. */
static bool worth_again(const struct wax_client_closed *closed)
{
    if (closed->error != 0)
        return closed->error == WIRE_ERROR_TIMEOUT || closed->error == WIRE_ERROR_TOO_SLOW;
    if (closed->http_status >= 400 && closed->http_status < 500)
        return false;
    return closed->status != WAX_OK;
}

static void describe_end(struct wax_loop *loop, const struct wax_client_closed *closed)
{
    if (closed->http_status != 0)
        snprintf(loop->reason, sizeof loop->reason, "the relay answered HTTP %u",
                 (unsigned)closed->http_status);
    else if (closed->close_code != 0)
        snprintf(loop->reason, sizeof loop->reason, "closed by the relay with code %u",
                 (unsigned)closed->close_code);
    else if (loop->stream.reason[0] != 0)
        say_reason(loop, loop->stream.reason);
    else
        say_reason(loop, wax_status_text(closed->status));
}

/* The transport died: nothing can be written any more. */
static void transport_lost(struct wax_loop *loop, enum wax_status why)
{
    wax_client_disconnected(loop->client, why);
    const struct wax_client_closed *closed = core_closed(loop->client);
    describe_end(loop, closed);
    loop_over(loop, closed->status == WAX_OK ? WAX_CLIENT_DONE : closed->status, worth_again(closed));
}

static enum wax_status run_read(struct wax_loop *loop)
{
    for (unsigned i = 0; i < LOOP_READS_PER_TURN && !wax_client_is_closed(loop->client); i++) {
        size_t n;
        enum wax_status status = stream_read(&loop->stream, span_of(loop->buffer, sizeof loop->buffer), &n);
        if (status != WAX_OK)
            return status == WAX_MORE ? WAX_OK : status;
        wax_client_input(loop->client, span_of(loop->buffer, n), wax_clock_us());
        if (wax_client_is_open(loop->client)) {
            loop->had_session = true;
            loop->retry_ms = LOOP_RETRY_MS_MIN;
        }
    }
    return WAX_OK;
}

static enum wax_status run_write(struct wax_loop *loop)
{
    for (;;) {
        struct view out = wax_client_output(loop->client);
        size_t n;
        if (out.len == 0)
            return WAX_OK;
        enum wax_status status = stream_write(&loop->stream, out, &n);
        if (status != WAX_OK)
            return status == WAX_MORE ? WAX_OK : status;
        wax_client_written(loop->client, n);
    }
}

static void run(struct wax_loop *loop)
{
    enum wax_status status = run_read(loop);
    uint64_t now_us = wax_clock_us();

    if (!wax_client_is_closed(loop->client)) {
        if (status == WAX_OK && wax_client_next_us(loop->client) <= now_us)
            wax_client_tick(loop->client, now_us);
        if (status == WAX_OK)
            status = run_write(loop);
        if (status != WAX_OK) {
            transport_lost(loop, status);
            return;
        }
    }
    if (wax_client_is_closed(loop->client)) {
        loop->state = LOOP_LINGERING;
        loop->deadline_us = now_us + LOOP_LINGER_MS * 1000u;
    }
}

static void linger(struct wax_loop *loop, uint64_t now_us)
{
    enum wax_status status = run_write(loop);
    const struct wax_client_closed *closed = core_closed(loop->client);

    if (status == WAX_OK && wax_client_output(loop->client).len > 0 && now_us < loop->deadline_us)
        return;
    describe_end(loop, closed);
    stream_close(&loop->stream, status == WAX_OK);
    loop_over(loop, closed->status == WAX_OK ? WAX_CLIENT_DONE : closed->status, worth_again(closed));
}

/* ---- a turn ---- */

static int wait_ms(const struct wax_loop *loop, int timeout_ms)
{
    uint64_t now_us = wax_clock_us(), next_us = loop->deadline_us;

    if (loop->state == LOOP_ENDED || stream_pending(&loop->stream))
        return 0;
    if (loop->state == LOOP_RUNNING)
        next_us = wax_client_next_us(loop->client);
    if (next_us == UINT64_MAX)
        return timeout_ms;
    uint64_t ms = next_us <= now_us ? 0 : (next_us - now_us + 999u) / 1000u;
    return timeout_ms >= 0 && ms > (uint64_t)timeout_ms ? timeout_ms : ms > 60000u ? 60000 : (int)ms;
}

enum wax_status wax_loop_turn(struct wax_loop *loop, int timeout_ms, int extra_fd, bool *extra_ready)
{
    bool writes = loop->stream.wants_write || loop->stream.reads_want_write;

    /* What the program has sent since the last turn goes out before we wait. */
    if (loop->state == LOOP_RUNNING && !writes && run_write(loop) == WAX_OK)
        writes = loop->stream.wants_write;
    struct pollfd fds[2] = {
        {.fd = loop->stream.fd, .events = (short)(POLLIN | (writes ? POLLOUT : 0))},
        {.fd = extra_fd, .events = POLLIN},
    };
    if (loop->state == LOOP_CONNECTING && loop->stream.ssl == NULL)
        fds[0].events = POLLOUT;
    int ready = poll(fds, 2, wait_ms(loop, timeout_ms));
    if (extra_ready != NULL)
        *extra_ready = ready > 0 && fds[1].revents != 0;
    uint64_t now_us = wax_clock_us();
    switch (loop->state) {
    case LOOP_PAUSED:
        if (now_us >= loop->deadline_us)
            connect_begin(loop);
        break;
    case LOOP_CONNECTING:
        connect_go_on(loop, now_us);
        break;
    case LOOP_RUNNING:
        run(loop);
        break;
    case LOOP_LINGERING:
        linger(loop, now_us);
        break;
    case LOOP_ENDED:
        break;
    }
    return loop->state == LOOP_ENDED ? loop->ended : WAX_OK;
}
