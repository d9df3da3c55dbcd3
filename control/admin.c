/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

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
    size_t reply_len, reply_sent;
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
        intake_forget(client->admin->sources.intake, &client->order);
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
}

static void client_reply(struct client *client, char *reply)
{
    client->reply = reply;
    client->reply_len = strlen(reply);
    client->reply_sent = 0;
    client_send(client);
}

/* Answer a request, or begin what will be answered later. */
static void client_ask(struct client *client, const char *request, size_t len)
{
    struct admin_sources *sources = &client->admin->sources;
    if (admin_is(request, len, "tls-reload")) {
        client->waiting = true;
        intake_reload(sources->intake, &client->order);
    } else {
        client_reply(client, admin_reply(sources, request, len, wall_ms()));
    }
}

/* Answer the requests that are whole, one after the other. */
static void client_answer(struct client *client)
{
    char *end;
    while (client->reply == NULL && !client->waiting && !client->closing &&
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
    client_reply(client, admin_order_reply(status, text, wall_ms()));
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
