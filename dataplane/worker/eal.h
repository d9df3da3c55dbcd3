/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DPDK's environment layer: its arguments out of our configuration, with or without hugepages, and its log
 * into our journal. The machine's own network cards are never probed unless a port names one.
 */
#ifndef WORKER_EAL_H
#define WORKER_EAL_H

#include "waxwire/journal.h"
#include "worker/place.h"

/*
 * Start EAL. With hugepages `auto` they are used when memory_mib of them are free; *hugepages tells. The
 * calling thread keeps its affinity. Returns true; false after saying why in the journal.
 */
bool eal_start(const struct wax_config *config, const struct place *place, struct journal *journal,
               bool *hugepages);

/*
 * The logical core of EAL's that runs a thread of workers. Counted from the top: a capturing process has its
 * own number of the same kind, from the bottom, and caches of packet memory are kept by that number.
 */
unsigned eal_lcore(uint32_t thread);

/* Give everything of EAL's back. */
void eal_stop(void);

/*
 * Zeroed memory for a worker's state, on the node of the calling thread: of hugepages where EAL has enough,
 * else anonymous and lent huge pages by the kernel. Aligned to a page; never freed but by the process's end.
 * NULL when there is none.
 */
void *eal_memory(size_t bytes, bool hugepages, int node);

#endif
