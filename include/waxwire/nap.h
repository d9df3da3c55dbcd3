/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How a thread waits for work of the workers. Where one piece came others follow, so for a while it naps,
 * which needs nobody to wake it: a wake-up is a system call of a worker's, and messages wait for it. Naps
 * grow, for each costs its thread a timer and two switches, and what comes late after a long pause is in no
 * hurry.
 */
#ifndef WAXWIRE_NAP_H
#define WAXWIRE_NAP_H

#include <stdint.h>

#define NAP_LEAST_US  50u
#define NAP_DOUBLINGS 4u  /* of them, to the longest nap */
#define NAPS_ALIKE    4u  /* before naps become twice as long */
#define NAPS          36u /* some 20 ms, then it sleeps */

/* The next nap in microseconds, `naps` of them after the last piece of work; 0: sleep until woken. */
static inline uint32_t nap_us(uint32_t naps)
{
    uint32_t doublings = naps / NAPS_ALIKE < NAP_DOUBLINGS ? naps / NAPS_ALIKE : NAP_DOUBLINGS;
    return naps < NAPS ? NAP_LEAST_US << doublings : 0;
}

#endif
