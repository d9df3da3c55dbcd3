/* SPDX-License-Identifier: BSD-3-Clause */
#include "management.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "dashboard_files.h"
#include "history.h"
#include "metrics_text.h"

struct visitor {
    struct loop_op op;
    struct management *management;
    int fd;
    bool closing, answered;
    uint64_t since_ms;
    char request[MANAGEMENT_REQUEST_BYTES];
    size_t request_len;
    char *reply;
    size_t reply_len, reply_sent;
};

struct management {
    struct loop *loop;
    struct admin_sources sources;
    struct history history;
    char path[108]; /* of a UNIX socket; empty: TCP */
    int listener;
    struct loop_op listener_op;
    uint64_t now_ms;
    struct visitor *visitor[MANAGEMENT_CLIENTS_MAX];
};

static void visitor_close(struct visitor *visitor)
{
    if (visitor->closing)
        return;
    visitor->closing = true;
    loop_cancel(visitor->management->loop, &visitor->op);
}

static void visitor_free(struct visitor *visitor)
{
    for (uint32_t i = 0; i < MANAGEMENT_CLIENTS_MAX; i++) {
        if (visitor->management->visitor[i] == visitor)
            visitor->management->visitor[i] = NULL;
    }
    close(visitor->fd);
    free(visitor->reply);
    free(visitor);
}

/* Status line, headers, body in one text. */
static void make_reply(struct visitor *visitor, const char *status, const char *type, const char *body,
                       size_t len, bool head_only)
{
    char head[512];
    int n = snprintf(
        head, sizeof head,
        "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
        "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n\r\n",
        status, type, len);
    visitor->reply_len = (size_t)n + (head_only ? 0 : len);
    visitor->reply = malloc(visitor->reply_len);
    if (visitor->reply == NULL)
        abort();
    memcpy(visitor->reply, head, (size_t)n);
    if (!head_only)
        memcpy(visitor->reply + n, body, len);
}

static void make_text(struct visitor *visitor, const char *type, char *body, bool head_only)
{
    make_reply(visitor, "200 OK", type, body, strlen(body), head_only);
    free(body);
}

static void answer(struct visitor *visitor, enum management_page page, bool head_only)
{
    struct management *m = visitor->management;
    static const struct {
        const char *status, *text;
    } refusal[] = {
        {"400 Bad Request", "malformed request\n"},
        {"403 Forbidden", "this address answers for its own machine alone\n"},
        {"404 Not Found", "no such page\n"},
        {"405 Method Not Allowed", "GET and HEAD\n"},
    };
    switch (page) {
    case MANAGEMENT_INDEX:
        make_reply(visitor, "200 OK", "text/html; charset=utf-8", dashboard_index, sizeof dashboard_index - 1,
                   head_only);
        break;
    case MANAGEMENT_SCRIPT:
        make_reply(visitor, "200 OK", "text/javascript; charset=utf-8", dashboard_script,
                   sizeof dashboard_script - 1, head_only);
        break;
    case MANAGEMENT_STYLE:
        make_reply(visitor, "200 OK", "text/css; charset=utf-8", dashboard_style, sizeof dashboard_style - 1,
                   head_only);
        break;
    case MANAGEMENT_METRICS:
        make_text(visitor, "text/plain; version=0.0.4; charset=utf-8", metrics_text(&m->sources, m->now_ms),
                  head_only);
        break;
    case MANAGEMENT_NOW:
        make_text(visitor, "application/json", history_now_json(&m->sources, m->now_ms), head_only);
        break;
    case MANAGEMENT_HISTORY:
        make_text(visitor, "application/json", history_json(&m->history), head_only);
        break;
    default: {
        uint32_t which = (uint32_t)page - MANAGEMENT_BAD_REQUEST;
        make_reply(visitor, refusal[which].status, "text/plain", refusal[which].text,
                   strlen(refusal[which].text), head_only);
    }
    }
    visitor->answered = true;
}

static void visitor_read(struct visitor *visitor)
{
    while (!visitor->answered) {
        size_t room = sizeof visitor->request - visitor->request_len;
        bool head_only = false;
        ssize_t got = recv(visitor->fd, visitor->request + visitor->request_len, room, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            visitor_close(visitor);
            return;
        }
        visitor->request_len += (size_t)got;
        const char *end = memmem(visitor->request, visitor->request_len, "\r\n\r\n", 4);
        if (end != NULL) {
            enum management_page page =
                management_read(visitor->request, (size_t)(end - visitor->request) + 4,
                                visitor->management->path[0] != '\0', &head_only);
            answer(visitor, page, head_only);
        } else if (visitor->request_len == sizeof visitor->request) {
            answer(visitor, MANAGEMENT_BAD_REQUEST, false);
        }
    }
}

static void visitor_write(struct visitor *visitor)
{
    while (visitor->answered && visitor->reply_sent < visitor->reply_len) {
        ssize_t sent = send(visitor->fd, visitor->reply + visitor->reply_sent,
                            visitor->reply_len - visitor->reply_sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0) {
            visitor_close(visitor);
            return;
        }
        visitor->reply_sent += (size_t)sent;
    }
    if (visitor->answered) {
        shutdown(visitor->fd, SHUT_WR);
        visitor_close(visitor);
    }
}

static void visitor_event(struct loop_op *op, int32_t result, bool more)
{
    struct visitor *visitor = (struct visitor *)(void *)op;
    if (!visitor->closing && result > 0) {
        visitor_read(visitor);
        if (!visitor->closing)
            visitor_write(visitor);
    }
    if (more)
        return;
    if (visitor->closing || result < 0)
        visitor_free(visitor);
    else
        loop_poll(visitor->management->loop, visitor->fd, POLLIN | POLLOUT | POLLRDHUP, op);
}

static void visitor_new(struct management *m, int fd)
{
    for (uint32_t i = 0; i < MANAGEMENT_CLIENTS_MAX; i++) {
        if (m->visitor[i] != NULL)
            continue;
        struct visitor *visitor = calloc(1, sizeof *visitor);
        if (visitor == NULL)
            abort();
        visitor->op.done = visitor_event;
        visitor->management = m;
        visitor->fd = fd;
        visitor->since_ms = m->now_ms;
        m->visitor[i] = visitor;
        loop_poll(m->loop, fd, POLLIN | POLLOUT | POLLRDHUP, &visitor->op);
        return;
    }
    close(fd);
}

static void listener_event(struct loop_op *op, int32_t result, bool more)
{
    struct management *m =
        (struct management *)(void *)((char *)op - offsetof(struct management, listener_op));
    if (result == -ECANCELED) {
        free(m);
        return;
    }
    if (!more)
        loop_poll(m->loop, m->listener, POLLIN, op);
    for (int fd; (fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;)
        visitor_new(m, fd);
}

/* A socket that is bound to the address, or negative. */
static int bind_address(struct management *m, const char *text)
{
    union {
        struct sockaddr any;
        struct sockaddr_un local;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
    } a = {.any = {0}};
    socklen_t len;
    int one = 1;
    const char *colon = strrchr(text, ':');
    if (strncmp(text, "unix:", 5) == 0) {
        a.local.sun_family = AF_UNIX;
        snprintf(a.local.sun_path, sizeof a.local.sun_path, "%s", text + 5);
        snprintf(m->path, sizeof m->path, "%s", text + 5);
        unlink(m->path);
        len = sizeof a.local;
    } else if (text[0] == '[') {
        a.ip6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                      .sin6_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                                      .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        len = sizeof a.ip6;
    } else {
        a.ip4 = (struct sockaddr_in){.sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10)),
                                     .sin_addr = {htonl(INADDR_LOOPBACK)}};
        len = sizeof a.ip4;
    }
    int fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    mode_t before = umask(0117);
    int bound = bind(fd, &a.any, len);
    umask(before);
    if (bound == 0 && listen(fd, 16) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

struct management *management_listen(struct loop *loop, const char *address,
                                     const struct admin_sources *sources)
{
    struct management *m = calloc(1, sizeof *m);
    if (m == NULL)
        abort();
    m->loop = loop;
    m->sources = *sources;
    m->listener = bind_address(m, address);
    if (m->listener < 0) {
        int saved = errno;
        free(m);
        errno = saved;
        return NULL;
    }
    m->listener_op.done = listener_event;
    loop_poll(loop, m->listener, POLLIN, &m->listener_op);
    return m;
}

void management_turn(struct management *m, uint64_t now_ms)
{
    m->now_ms = now_ms;
    history_turn(&m->history, &m->sources, now_ms);
    for (uint32_t i = 0; i < MANAGEMENT_CLIENTS_MAX; i++) {
        if (m->visitor[i] != NULL && now_ms - m->visitor[i]->since_ms > MANAGEMENT_TIMEOUT_MS)
            visitor_close(m->visitor[i]);
    }
}

void management_close(struct management *m)
{
    for (uint32_t i = 0; i < MANAGEMENT_CLIENTS_MAX; i++) {
        if (m->visitor[i] != NULL)
            visitor_close(m->visitor[i]);
    }
    if (m->path[0] != '\0')
        unlink(m->path);
    close(m->listener);
    loop_cancel(m->loop, &m->listener_op); /* frees it when that is done */
}
