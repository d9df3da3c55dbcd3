/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What DPDK's tools see of a data plane: its telemetry socket with commands of our own, and the server of
 * dpdk-dumpcap. Both only where the configuration says so.
 *
 *   /waxwire/workers     the numbers of the workers
 *   /waxwire/worker,N    the metrics of one (waxwire/metrics.h)
 *   /waxwire/statuses,N  what happened in it, how often, by the names of waxwire/status.h
 */
#ifndef WORKER_TELEMETRY_H
#define WORKER_TELEMETRY_H

#include <stdbool.h>

struct plane;

/*
 * Open what the configuration of `plane` asks for, once EAL runs; the plane must live until eal_stop. False
 * after saying why in the journal.
 */
bool telemetry_start(struct plane *plane);

/* Let nobody capture any more. */
void telemetry_stop(struct plane *plane);

#endif
