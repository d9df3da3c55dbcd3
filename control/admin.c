/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "admin_operate.h"
#include "admin_trace.h"

struct client {
    struct loop_op op;
    struct admin *admin;
    int fd;
    bool closing;
    char request[ADMIN_REQUEST_BYTES];
    size_t request_len;
    struct intake_order order;
    bool waiting; /* for the order to be done */
    char *reply;
    size_t reply_len, reply_sent, reply_room;
    bool tracing;
    struct intake_trace trace;
    uint64_t lost; /* events of the trace since the last one that was told */
};

struct admin {
    struct loop *loop;
    struct journal *journal;
    struct admin_sources sources;
    char path[108];
    int listener;
    struct loop_op listener_op;
    struct client *client[ADMIN_CLIENTS_MAX];
};

static uint64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static void client_close(struct client *client)
{
    if (client->closing)
        return;
    client->closing = true;
    if (client->waiting)
        intake_forget(&client->order);
    if (client->tracing)
        intake_trace_end(client->admin->sources.intake, &client->trace);
    client->tracing = false;
    loop_cancel(client->admin->loop, &client->op);
}

static void client_free(struct client *client)
{
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        if (client->admin->client[i] == client)
            client->admin->client[i] = NULL;
    }
    close(client->fd);
    free(client->reply);
    free(client);
}

static void client_send(struct client *client)
{
    while (client->reply != NULL && client->reply_sent < client->reply_len) {
        ssize_t sent = send(client->fd, client->reply + client->reply_sent,
                            client->reply_len - client->reply_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return; /* the poll tells when there is room */
        if (sent <= 0) {
            client_close(client);
            return;
        }
        client->reply_sent += (size_t)sent;
    }
    free(client->reply);
    client->reply = NULL;
    client->reply_len = client->reply_sent = client->reply_room = 0;
}

/* One more line of a trace; false when its reader is too far behind. */
static bool client_append(struct client *client, const char *line, size_t len)
{
    size_t waiting = client->reply_len - client->reply_sent;
    if (waiting + len > ADMIN_BACKLOG_BYTES)
        return false;
    if (client->reply_len + len > client->reply_room) {
        client->reply_room = waiting + len < 4096 ? 16384 : 4 * (waiting + len);
        char *more = malloc(client->reply_room);
        if (more == NULL)
            abort();
        if (waiting != 0)
            memcpy(more, client->reply + client->reply_sent, waiting);
        free(client->reply);
        client->reply = more;
        client->reply_len = waiting;
        client->reply_sent = 0;
    }
    memcpy(client->reply + client->reply_len, line, len);
    client->reply_len += len;
    return true;
}

static struct client *client_of(struct intake_trace *trace)
{
    return (struct client *)(void *)((char *)trace - offsetof(struct client, trace));
}

static void trace_event(struct intake_trace *trace, uint32_t worker, const struct trace_event *event,
                        uint64_t wall_us)
{
    struct client *client = client_of(trace);
    char line[TRACE_LINE_BYTES];
    client->lost += event->lost;
    size_t len = trace_line(event, worker, wall_us, client->lost, line);
    bool idle = client->reply == NULL;
    client->lost = client_append(client, line, len) ? 0 : client->lost + 1;
    if (idle)
        client_send(client);
}

static void trace_answered(struct intake_trace *trace, uint32_t worker, enum wax_status status)
{
    struct client *client = client_of(trace);
    char line[TRACE_LINE_BYTES];
    if (status == WAX_OK)
        return;
    int len = snprintf(line, sizeof line, "{\"error\":\"worker %u does not trace: %s\"}\n", worker,
                       wax_status_text(status));
    (void)client_append(client, line, (size_t)len);
    client_send(client);
}

/* True when the request was for a trace: its answer is in the reply, and more may follow. */
static bool client_trace(struct client *client, const char *request, size_t len)
{
    struct intake *intake = client->admin->sources.intake;
    struct intake_view view;
    const char *reason = "";
    char line[TRACE_LINE_BYTES];
    enum wax_status status = trace_request_read(request, len, &client->trace.match, &reason);
    if (status == WAX_NOT_FOUND)
        return false;
    client->trace.event = trace_event;
    client->trace.answered = trace_answered;
    intake_look(intake, &view);
    if (status == WAX_OK && !intake_trace_begin(intake, &client->trace)) {
        status = WAX_FULL;
        reason = "as many traces as can be are on already";
    }
    client->tracing = status == WAX_OK;
    int n = status == WAX_OK ? snprintf(line, sizeof line, "{\"tracing\":true,\"workers\":%u}\n",
                                        view.attached ? view.workers : 0)
                             : snprintf(line, sizeof line, "{\"error\":\"%s\"}\n", reason);
    (void)client_append(client, line, (size_t)n);
    return true;
}

static void client_reply(struct client *client, char *reply)
{
    client->reply = reply;
    client->reply_len = client->reply_room = strlen(reply);
    client->reply_sent = 0;
    client_send(client);
}

/* Answer a request, or begin what will be answered later. */
static void client_ask(struct client *client, const char *request, size_t len)
{
    struct admin_sources *sources = &client->admin->sources;
    if (sources->view_only && !admin_only_looks(request, len)) {
        static const char refusal[] = "{\"error\":\"this socket is for looking at what names nobody\"}\n";
        (void)client_append(client, refusal, sizeof refusal - 1);
        client_send(client);
    } else if (admin_is(request, len, "tls-reload")) {
        client->waiting = true;
        client->order.code = NULL;
        intake_reload(sources->intake, &client->order);
    } else if (client_trace(client, request, len)) {
        client_send(client);
    } else if (admin_operates(request, len)) {
        client->waiting = true;
        admin_operate(sources, request, len, &client->order);
    } else {
        client_reply(client, admin_reply(sources, request, len, wall_ms()));
    }
}

/* Answer the requests that are whole, one after the other. */
static void client_answer(struct client *client)
{
    char *end;
    if (client->tracing)
        client->request_len = 0; /* nothing more can be asked */
    while (client->reply == NULL && !client->waiting && !client->tracing && !client->closing &&
           (end = memchr(client->request, '\n', client->request_len)) != NULL) {
        char request[ADMIN_REQUEST_BYTES];
        size_t len = (size_t)(end - client->request);
        memcpy(request, client->request, len);
        client->request_len -= len + 1;
        memmove(client->request, end + 1, client->request_len);
        client_ask(client, request, len);
    }
}

static void client_order_done(struct intake_order *order, enum wax_status status, const char *text)
{
    struct client *client = (struct client *)(void *)((char *)order - offsetof(struct client, order));
    client->waiting = false;
    client_reply(client, admin_order_reply(status, text, order->code, wall_ms()));
}

static void client_read(struct client *client)
{
    for (;;) {
        size_t room = sizeof client->request - client->request_len;
        if (room == 0) {
            if (client->reply == NULL && !client->waiting) /* a line without an end */
                client_close(client);
            return;
        }
        ssize_t got = recv(client->fd, client->request + client->request_len, room, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            client_close(client);
            return;
        }
        client->request_len += (size_t)got;
        client_answer(client);
        if (client->closing)
            return;
    }
}

static void client_event(struct loop_op *op, int32_t result, bool more)
{
    struct client *client = (struct client *)(void *)op;
    if (!client->closing && result > 0) {
        client_send(client);
        if (!client->closing)
            client_answer(client);
        if (!client->closing)
            client_read(client);
    }
    if (more)
        return;
    if (client->closing || result < 0)
        client_free(client);
    else
        loop_poll(client->admin->loop, client->fd, POLLIN | POLLOUT | POLLRDHUP, op);
}

static void client_new(struct admin *admin, int fd)
{
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        if (admin->client[i] != NULL)
            continue;
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL)
            abort();
        client->op.done = client_event;
        client->order.done = client_order_done;
        client->admin = admin;
        client->fd = fd;
        admin->client[i] = client;
        loop_poll(admin->loop, fd, POLLIN | POLLOUT | POLLRDHUP, &client->op);
        return;
    }
    close(fd);
}

static void listener_event(struct loop_op *op, int32_t result, bool more)
{
    struct admin *admin = (struct admin *)(void *)((char *)op - offsetof(struct admin, listener_op));
    if (result == -ECANCELED) {
        free(admin);
        return;
    }
    if (!more)
        loop_poll(admin->loop, admin->listener, POLLIN, op);
    for (int fd; (fd = accept4(admin->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
        client_new(admin, fd);
}

struct admin *admin_listen(struct loop *loop, struct journal *journal, const char *path,
                           const struct admin_sources *sources)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct admin *admin = calloc(1, sizeof *admin);
    if (admin == NULL)
        abort();
    assert(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    strcpy(admin->path, path);
    admin->loop = loop;
    admin->journal = journal;
    admin->sources = *sources;
    admin->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    mode_t before = umask(0117);
    int bound =
        admin->listener >= 0 ? bind(admin->listener, (struct sockaddr *)&address, sizeof address) : -1;
    umask(before);
    if (bound != 0 || listen(admin->listener, 16) != 0) {
        int saved = errno;
        if (admin->listener >= 0)
            close(admin->listener);
        free(admin);
        errno = saved;
        return NULL;
    }
    admin->listener_op.done = listener_event;
    loop_poll(loop, admin->listener, POLLIN, &admin->listener_op);
    return admin;
}

void admin_close(struct admin *admin)
{
    for (uint32_t i = 0; i < ADMIN_CLIENTS_MAX; i++) {
        if (admin->client[i] != NULL)
            client_close(admin->client[i]);
    }
    unlink(admin->path);
    close(admin->listener);
    loop_cancel(admin->loop, &admin->listener_op); /* frees it when that is done */
}
