/* SPDX-License-Identifier: BSD-3-Clause */
/* What a program can no longer do once it is confined, and what it says to its service manager. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "waxwire/confine.h"
#include "waxwire/notify.h"

static sem_t confined, tried;
static int thread_errno;

/* A thread that was there before the filter. */
static void *older(void *arg)
{
    (void)arg;
    sem_wait(&confined);
    thread_errno = unshare(CLONE_NEWNET) == 0 ? 0 : errno;
    sem_post(&tried);
    return NULL;
}

static int refusal_of_socket(int family)
{
    int fd = socket(family, SOCK_DGRAM, 0);
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

Test(confine, all_threads_lose_what_the_programs_never_do)
{
    pthread_t thread;
    char *const none[] = {NULL};
    sem_init(&confined, 0, 0);
    sem_init(&tried, 0, 0);
    pthread_create(&thread, NULL, older, NULL);
    cr_assert(confine_calls(CONFINE_INET));
    sem_post(&confined);
    sem_wait(&tried);
    cr_expect_eq(thread_errno, EPERM);
    cr_expect(execve("/bin/true", none, none) == -1 && errno == EPERM);
#if !defined(__SANITIZE_ADDRESS__)
    cr_expect(ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM);
#endif
    cr_expect(mount("x", "/", "tmpfs", 0, NULL) == -1 && errno == EPERM);
    cr_expect(setresuid(0, 0, 0) == -1 && errno == EPERM);
    cr_expect_eq(refusal_of_socket(AF_UNIX), 0);
    cr_expect_eq(refusal_of_socket(AF_INET), 0);
    cr_expect_eq(refusal_of_socket(AF_NETLINK), 0);
    cr_expect_eq(refusal_of_socket(AF_INET6), 0);
    cr_expect_eq(refusal_of_socket(AF_ALG), EPERM);
    cr_expect_eq(refusal_of_socket(AF_PACKET), EPERM);
    FILE *file = fopen("/proc/self/status", "r"); /* files are still to be had */
    cr_expect_not_null(file);
    fclose(file);
    pthread_join(thread, NULL);
    cr_assert(confine_calls(CONFINE_UNIX), "once more, and less");
    cr_expect_eq(refusal_of_socket(AF_INET), EPERM);
    cr_expect_eq(refusal_of_socket(AF_UNIX), 0);
}

Test(notify, the_manager_hears_when_it_is_ready_and_that_it_is_alive)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct notify notify;
    char text[64], pid[16];
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/wax-notify-%d", getpid());
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "30000000", 1);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("WATCHDOG_PID", pid, 1);
    notify_open(&notify);
    notify_say(&notify, "READY=1");
    cr_assert_eq(recv(fd, text, sizeof text, 0), 7);
    notify_alive(&notify, true, 1000);
    cr_assert_eq(recv(fd, text, sizeof text, 0), 10);
    cr_assert_eq(memcmp(text, "WATCHDOG=1", 10), 0);
    notify_alive(&notify, true, 5000);
    cr_assert_eq(recv(fd, text, sizeof text, 0), -1, "not at every turn");
    notify_alive(&notify, false, 50000);
    cr_assert_eq(recv(fd, text, sizeof text, 0), -1, "who is stuck says nothing");
    notify_alive(&notify, true, 50000);
    cr_assert_eq(recv(fd, text, sizeof text, 0), 10);
    notify_close(&notify);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open(&notify);
    cr_assert_eq(notify.watchdog_ms, 0u, "a watchdog of another process");
    notify_close(&notify);
    unsetenv("NOTIFY_SOCKET");
    notify_open(&notify);
    cr_assert_lt(notify.fd, 0);
    notify_say(&notify, "READY=1");
    unlink(address.sun_path);
    close(fd);
}
