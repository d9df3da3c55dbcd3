/* SPDX-License-Identifier: BSD-3-Clause */
/* waxwire-dataplane: the program. */
#include <getopt.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "waxwire/confine.h"
#include "waxwire/notify.h"
#include "worker/certificates.h"
#include "worker/secrets.h"
#include "worker/worker.h"

enum { EXIT_USAGE = 2, LOOK_MS = 200, PATIENCE_US = 500000 };

static const char usage[] =
    "waxwire-dataplane: the data plane of waxwire, a message relay on its own network stack\n"
    "\n"
    "usage: waxwire-dataplane --config FILE [--config FILE ...] [--check]\n"
    "\n"
    "  -c, --config FILE  configuration; a later file is laid over an earlier one\n"
    "      --check        only check the configuration: exit 0 when it is good\n"
    "      --version      print the version\n"
    "  -h, --help         print this\n"
    "\n"
    "It prints one line when it is ready, and ends on SIGTERM after closing every session\n"
    "(another signal later ends it at once). Exit status: 0 ended as asked, 1 it could not run, 2 wrong "
    "usage.\n";

/* Lay one more file over the configuration, saying what is wrong with it. */
static bool take(struct plane *plane, const char *path)
{
    struct config_error error;
    if (plane->file_count == FILES_MAX) {
        fputs("waxwire-dataplane: too many files of configuration\n", stderr);
        return false;
    }
    plane->file[plane->file_count++] = path;
    if (config_load(&plane->config, path, &error) == WAX_OK)
        return true;
    fprintf(stderr, "waxwire-dataplane: %s\n", error.text);
    return false;
}

/* Negative: go on; else exit with it. */
static int options(int argc, char **argv, struct plane *plane)
{
    static const struct option known[] = {{"config", required_argument, NULL, 'c'},
                                          {"check", no_argument, NULL, 'k'},
                                          {"version", no_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    bool check = false;
    int option;
    config_defaults(&plane->config);
    while ((option = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            if (!take(plane, optarg))
                return EXIT_FAILURE;
            break;
        case 'k':
            check = true;
            break;
        case 'v':
            puts("waxwire-dataplane " WAX_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    if (plane->file_count == 0 || optind != argc) {
        fputs(plane->file_count == 0 ? "waxwire-dataplane: --config is missing; --help tells more\n"
                                     : "waxwire-dataplane: arguments that mean nothing; --help tells more\n",
              stderr);
        return EXIT_USAGE;
    }
    struct config_error error;
    if (config_check(&plane->config, &error) != WAX_OK) {
        fprintf(stderr, "waxwire-dataplane: %s\n", error.text);
        return EXIT_FAILURE;
    }
    return check ? EXIT_SUCCESS : -1;
}

static void say_ready(struct plane *plane)
{
    journal_say(&plane->journal, CONFIG_LEVEL_INFO, "main", "ready", J_T("version", WAX_VERSION),
                J_U("workers", plane->config.workers), J_U("threads", plane->place.threads),
                J_U("ports", plane->ports), J_T("memory", plane->hugepages ? "hugepages" : "normal pages"),
                J_T("control", atomic_load(&plane->link.current) != NULL ? "attached" : "away"));
}

/* Whether each worker has turned since the last look. */
static bool workers_turn(struct plane *plane, uint64_t polls[WAX_WORKERS_MAX])
{
    bool all = true;
    for (uint32_t t = 0; t < plane->place.threads; t++) {
        for (uint32_t i = 0; i < plane->thread[t].count; i++) {
            const struct worker *worker = plane->thread[t].worker[i];
            uint64_t now = __atomic_load_n(&worker->metrics.polls, __ATOMIC_RELAXED);
            all &= now != polls[worker->index];
            polls[worker->index] = now;
        }
    }
    return all;
}

/* What is not needed any more is given up. */
static void confine(struct plane *plane)
{
    if (!plane->config.confine)
        return;
    if (!confine_capabilities() || !confine_calls(CONFINE_INET))
        journal_say(&plane->journal, CONFIG_LEVEL_WARN, "main", "the kernel takes no filter of system calls");
}

/* Until a signal asks us to end (0), or the control plane has refused us (1). */
static int wait_for_end(struct plane *plane, const sigset_t *signals, struct notify *notify)
{
    uint64_t polls[WAX_WORKERS_MAX] = {0};
    const struct timespec look = {.tv_nsec = LOOK_MS * 1000000l};
    for (;;) {
        int signal = sigtimedwait(signals, NULL, &look);
        if (signal == SIGTERM || signal == SIGINT) {
            journal_say(&plane->journal, CONFIG_LEVEL_INFO, "main", "stopping", J_I("signal", signal));
            return EXIT_SUCCESS;
        }
        if (channel_refused(&plane->link) != WAX_OK)
            return EXIT_FAILURE;
        tickets_turn(plane);
        notify_alive(notify, workers_turn(plane, polls), clock_kernel_us(CLOCK_MONOTONIC) / 1000u);
    }
}

/* When we began to stop. Supervisors tend to send a signal twice in one breath; that is not impatience. */
static uint64_t stop_us;

static void end_at_once(int signal)
{
    if (clock_kernel_us(CLOCK_MONOTONIC) - stop_us > PATIENCE_US)
        _exit(128 + signal);
}

/* Before any secret is there. */
static bool secrets_keep(struct plane *plane)
{
    secrets_dumps(plane->config.core_dumps);
    enum secrets_heap heap = secrets_start((uint64_t)plane->config.workers * plane->config.handshakes_max);
    if (heap == SECRETS_UNLOCKED)
        journal_say(&plane->journal, CONFIG_LEVEL_WARN, "tls",
                    "private keys can't be locked in memory; raise the limit of locked memory");
    else if (heap == SECRETS_NONE)
        journal_say(&plane->journal, CONFIG_LEVEL_ERROR, "tls", "there is no heap for private keys");
    return heap != SECRETS_NONE && sodium_init() >= 0;
}

int main(int argc, char **argv)
{
    static struct plane plane;
    struct notify notify;
    sigset_t signals;
    int end = options(argc, argv, &plane);
    if (end >= 0)
        return end;
    journal_init(&plane.journal, STDERR_FILENO, "waxwire-dataplane", plane.config.log_level,
                 plane.config.log_json);
    if (!secrets_keep(&plane))
        return EXIT_FAILURE;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    end = EXIT_FAILURE;
    notify_open(&notify);
    if (plane_start(&plane)) {
        confine(&plane);
        say_ready(&plane);
        notify_say(&notify, "READY=1");
        end = wait_for_end(&plane, &signals, &notify);
    }
    notify_say(&notify, "STOPPING=1");
    stop_us = clock_kernel_us(CLOCK_MONOTONIC);
    signal(SIGTERM, end_at_once);
    signal(SIGINT, end_at_once);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    plane_stop(&plane);
    if (end == EXIT_SUCCESS)
        journal_say(&plane.journal, CONFIG_LEVEL_INFO, "main", "ended");
    return end;
}
