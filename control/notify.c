/* SPDX-License-Identifier: BSD-3-Clause */
#include "waxwire/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The watchdog's time when it is meant for us, else 0. */
static uint64_t watchdog_ms(void)
{
    const char *us = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (us == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
        return 0;
    return strtoull(us, NULL, 10) / 1000u;
}

void notify_open(struct notify *notify)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    *notify = (struct notify){.fd = -1, .watchdog_ms = watchdog_ms()};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
        return;
    strcpy(address.sun_path, path);
    if (path[0] == '@') /* an abstract name */
        address.sun_path[0] = '\0';
    notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (notify->fd >= 0 && connect(notify->fd, (struct sockaddr *)&address, len) != 0)
        notify_close(notify);
}

void notify_say(struct notify *notify, const char *state)
{
    if (notify->fd >= 0)
        (void)send(notify->fd, state, strlen(state), MSG_NOSIGNAL);
}

void notify_alive(struct notify *notify, bool alive, uint64_t now_ms)
{
    if (notify->watchdog_ms == 0 || !alive || now_ms < notify->next_ms)
        return;
    notify->next_ms = now_ms + notify->watchdog_ms / 3u;
    notify_say(notify, "WATCHDOG=1");
}

void notify_close(struct notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}
