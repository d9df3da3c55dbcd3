/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a program says to the service manager that started it (sd_notify(3)): a datagram to the socket that
 * $NOTIFY_SOCKET names. Without such a manager nothing is said, and nothing is wrong.
 */
#ifndef WAXWIRE_NOTIFY_H
#define WAXWIRE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

struct notify {
    int fd; /* negative: nobody listens */
    uint64_t watchdog_ms, next_ms;
};

/* Connect to the manager, and take its watchdog's time ($WATCHDOG_USEC, $WATCHDOG_PID). Before any filter. */
void notify_open(struct notify *notify);

/* Say something: "READY=1", "STOPPING=1", "STATUS=text", "RELOADING=1". */
void notify_say(struct notify *notify, const char *state);

/*
 * Once in a while: tell the watchdog that all is well, twice in its time. `alive` false: say nothing, and the
 * manager starts the program anew when that lasts. `now_ms` is of any steady clock.
 */
void notify_alive(struct notify *notify, bool alive, uint64_t now_ms);

/* Forget the manager. */
void notify_close(struct notify *notify);

#endif
