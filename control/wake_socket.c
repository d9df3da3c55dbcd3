/* SPDX-License-Identifier: BSD-3-Clause */
/* A push gateway that listens on a UNIX socket: a line of JSON for each event. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wake.h"

struct peer {
    const char *path;
    int fd; /* -1: not connected */
};

static void *peer_open(const struct wake_config *config)
{
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        abort();
    peer->path = config->socket;
    peer->fd = -1;
    return peer;
}

static void hang_up(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    peer->fd = -1;
}

static void peer_close(void *ctx)
{
    hang_up(ctx);
    free(ctx);
}

static enum wake_told fail(struct peer *peer, const char *what, int error, char reason[WAKE_REASON_BYTES])
{
    snprintf(reason, WAKE_REASON_BYTES, "%s: %s", what, strerror(error));
    hang_up(peer);
    return WAKE_FAILED;
}

static bool dial(struct peer *peer)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(peer->path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(address.sun_path, peer->path);
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return peer->fd >= 0 && connect(peer->fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Nothing that a gateway says is of interest. False: it has gone. */
static bool discard(struct peer *peer)
{
    char said[512];
    ssize_t got;
    while ((got = recv(peer->fd, said, sizeof said, MSG_DONTWAIT)) > 0)
        ;
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

static enum wake_told peer_tell(void *ctx, const char *text, size_t len, int stop,
                                char reason[WAKE_REASON_BYTES])
{
    struct peer *peer = ctx;
    int64_t until_ms = now_ms() + WAKE_SOCKET_MS;
    if (peer->fd >= 0 && !discard(peer))
        hang_up(peer);
    if (peer->fd < 0 && !dial(peer))
        return fail(peer, "connect", errno, reason);
    while (len > 0) {
        ssize_t sent = send(peer->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent > 0) {
            text += sent;
            len -= (size_t)sent;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return fail(peer, "send", errno, reason);
        struct pollfd fds[2] = {{.fd = peer->fd, .events = POLLOUT}, {.fd = stop, .events = POLLIN}};
        int64_t left_ms = until_ms - now_ms();
        if (left_ms <= 0)
            return fail(peer, "send", ETIMEDOUT, reason);
        poll(fds, 2, (int)left_ms);
        if (fds[1].revents != 0) {
            hang_up(peer); /* a line may have been cut off */
            return WAKE_STOPPED;
        }
    }
    return WAKE_TOLD;
}

static void peer_rest(void *ctx, int wake, int timeout_ms)
{
    struct peer *peer = ctx;
    struct pollfd fds[2] = {{.fd = wake, .events = POLLIN}, {.fd = peer->fd, .events = POLLIN | POLLRDHUP}};
    poll(fds, 2, timeout_ms);
    if (peer->fd >= 0 && fds[1].revents != 0 && ((fds[1].revents & ~POLLIN) != 0 || !discard(peer)))
        hang_up(peer);
}

const struct wake_kind wake_socket = {
    .name = "socket",
    .retry_ms_most = WAKE_SOCKET_RETRY_MS,
    .open = peer_open,
    .close = peer_close,
    .tell = peer_tell,
    .rest = peer_rest,
    .first = "",
    .between = "\n",
    .last = "\n",
};
