/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's TCP as one end of test transfers (see options.h). The receive window is bounded by
 * TCP_WINDOW_CLAMP and CUBIC is asked for, whatever the machine's default, so that both stacks are measured
 * under the same conditions.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "options.h"
#include "port.h"

#define CHUNK_BYTES 65536u

struct end {
    int fd; /* -1: none */
    bool connecting, shut;
    size_t at, len; /* what of `out` is still to be written */
    uint8_t out[CHUNK_BYTES];
};

static struct options options;
static struct transfer transfers[TRANSFERS_MAX];
static struct end ends[TRANSFERS_MAX];

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static socklen_t address_of(const struct addr *a, uint16_t port, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (addr_is_ip4(a)) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        in->sin_addr.s_addr = htonl(addr_to_ip4(a));
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)out;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    memcpy(&in6->sin6_addr, a->b, sizeof a->b);
    return sizeof *in6;
}

static int open_socket(void)
{
    const int on = 1;
    int fd = socket(addr_is_ip4(&options.local) ? AF_INET : AF_INET6,
                    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The buffer counts the kernel's overhead, too: room enough, and the clamp bounds what is announced. */
    int receive = (int)(8 * options.window_bytes), send = (int)options.buffer_bytes,
        clamp = (int)options.window_bytes;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive, sizeof receive) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &send, sizeof send) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, sizeof clamp) != 0) {
        die("socket");
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options.congestion,
                   (socklen_t)strlen(options.congestion)) != 0) {
        die(options.congestion);
    }
    return fd;
}

static int listen_on(void)
{
    struct sockaddr_storage at;
    socklen_t len = address_of(&options.local, options.port, &at);
    int fd = open_socket();
    if (bind(fd, (const struct sockaddr *)&at, len) != 0 || listen(fd, TRANSFERS_MAX) != 0) {
        die("listen");
    }
    return fd;
}

static void connect_all(void)
{
    for (uint32_t i = 0; i < options.connections; i++) {
        struct sockaddr_storage from, to;
        socklen_t len = address_of(&options.local, 0, &from);
        int fd = ends[i].fd = open_socket();
        if (bind(fd, (const struct sockaddr *)&from, len) != 0) {
            die("bind");
        }
        len = address_of(&options.peer, options.port, &to);
        if (connect(fd, (const struct sockaddr *)&to, len) != 0 && errno != EINPROGRESS) {
            die("connect");
        }
        ends[i].connecting = true;
    }
}

static void accept_all(int listener, uint32_t *accepted)
{
    int fd;
    while (*accepted < options.connections &&
           (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        ends[(*accepted)++].fd = fd;
    }
}

static void end_over(struct end *e, struct transfer *t, const char *error)
{
    transfer_end(t, error);
    (void)close(e->fd);
    e->fd = -1;
}

static void end_write(struct end *e, struct transfer *t)
{
    for (;;) {
        if (e->at == e->len) {
            e->at = 0;
            e->len = transfer_produce(t, span_of(e->out, sizeof e->out));
        }
        if (e->len == 0) {
            break;
        }
        ssize_t n = send(e->fd, e->out + e->at, e->len - e->at, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno != EAGAIN) {
                end_over(e, t, strerror(errno));
            }
            return;
        }
        e->at += (size_t)n;
    }
    if (!e->shut && transfer_may_close(t)) {
        e->shut = true;
        (void)shutdown(e->fd, SHUT_WR);
    }
}

static void end_read(struct end *e, struct transfer *t)
{
    static uint8_t bytes[CHUNK_BYTES];
    ssize_t n;
    while ((n = recv(e->fd, bytes, sizeof bytes, 0)) > 0) {
        if (!transfer_consume(t, view_of(bytes, (size_t)n))) {
            end_over(e, t, NULL);
            return;
        }
    }
    if (n == 0) {
        t->ended = true;
    } else if (errno != EAGAIN) {
        end_over(e, t, strerror(errno));
    }
}

static void end_serve(struct end *e, struct transfer *t, short events)
{
    e->connecting = false;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !t->ended) {
        end_read(e, t);
    }
    if (e->fd >= 0) {
        end_write(e, t);
    }
    if (e->fd >= 0 && e->shut && t->ended) {
        end_over(e, t, NULL);
    }
}

static void turn(int listener, uint32_t *accepted)
{
    struct pollfd fds[TRANSFERS_MAX + 1];
    uint32_t index[TRANSFERS_MAX], n = 0;
    for (uint32_t i = 0; i < options.connections; i++) {
        if (ends[i].fd < 0) {
            continue;
        }
        bool more = ends[i].at < ends[i].len || ends[i].connecting;
        short events = (short)((transfers[i].ended ? 0 : POLLIN) | (more ? POLLOUT : 0));
        index[n] = i;
        fds[n++] = (struct pollfd){.fd = ends[i].fd, .events = events};
    }
    uint32_t last = n;
    if (listener >= 0 && *accepted < options.connections) {
        fds[n++] = (struct pollfd){.fd = listener, .events = POLLIN};
    }
    (void)poll(fds, n, 100);
    for (uint32_t i = 0; i < last; i++) {
        if (fds[i].revents != 0) {
            end_serve(&ends[index[i]], &transfers[index[i]], fds[i].revents);
        }
    }
    if (n > last && fds[last].revents != 0) {
        accept_all(listener, accepted);
    }
}

int main(int argc, char **argv)
{
    uint32_t accepted = 0;
    int listener = -1;
    options_read(&options, argc, argv);
    options_transfers(&options, transfers);
    for (uint32_t i = 0; i < TRANSFERS_MAX; i++) {
        ends[i].fd = -1;
    }
    if (!options.client) {
        listener = listen_on();
        (void)fprintf(stderr, "ready\n");
    }
    uint64_t began_us = clock_us(), end_us = began_us + options.seconds * UINT64_C(1000000);
    if (options.client) {
        connect_all();
    }
    while (!transfers_over(transfers, options.connections) && clock_us() < end_us) {
        turn(listener, &accepted);
    }
    return report(&options, transfers, clock_us() - began_us, NULL);
}
