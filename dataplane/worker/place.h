/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which thread and core every worker runs on. Workers are laid on the given cores in turn, or, when none are
 * given, on the last of those that this process may use (the first ones serve interrupts). More workers than
 * cores are logical workers: a thread runs the turns of several, one after the other.
 */
#ifndef WORKER_PLACE_H
#define WORKER_PLACE_H

#include <sched.h>

#include "waxwire/config.h"

struct place {
    uint32_t threads;
    uint16_t core[WAX_WORKERS_MAX];      /* of each thread */
    uint16_t thread_of[WAX_WORKERS_MAX]; /* of each worker */
    cpu_set_t all;                       /* cores that this process may use */
    cpu_set_t others;                    /* of them, without workers; all of them when none is left */
};

/*
 * Place the workers of `config` on cores out of `all`. OK; BAD_ARGUMENT when a core of the configuration is
 * not in `all` (*bad_core says which) or `all` is empty.
 */
enum wax_status place_workers(struct place *place, const struct wax_config *config, const cpu_set_t *all,
                              uint16_t *bad_core);

/* Bind the calling thread to `core`; returns its NUMA node (0 when unknown). */
int place_thread(uint16_t core);

#endif
