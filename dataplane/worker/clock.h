/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The two clocks of a turn out of the processor's cycle counter, one for all workers: monotonic microseconds,
 * which begin at the kernel's CLOCK_MONOTONIC and then follow the counter, and the wall clock, which is
 * looked at again every WALL_REFRESH_US.
 */
#ifndef WORKER_CLOCK_H
#define WORKER_CLOCK_H

#include <stdint.h>
#include <time.h>

#define WALL_REFRESH_US 50000u

struct clock {
    uint64_t start_cycles, start_us;
    uint64_t us_per_cycle_32; /* times 2^32 */
    uint64_t ns_per_cycle_32;
    uint64_t cycles_per_s;
};

struct wall {
    uint64_t read_us; /* when it was looked at */
    uint64_t read_ms; /* and what it said */
};

/* What a clock of the kernel says, in microseconds. */
static inline uint64_t clock_kernel_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Begin at CLOCK_MONOTONIC now, when the counter shows `now_cycles`. */
static inline void clock_init(struct clock *clock, uint64_t now_cycles, uint64_t cycles_per_s)
{
    clock->start_cycles = now_cycles;
    clock->start_us = clock_kernel_us(CLOCK_MONOTONIC);
    clock->cycles_per_s = cycles_per_s;
    clock->us_per_cycle_32 = (uint64_t)(((unsigned __int128)1000000u << 32) / cycles_per_s);
    clock->ns_per_cycle_32 = (uint64_t)(((unsigned __int128)1000000000u << 32) / cycles_per_s);
}

/* What a number of cycles lasts, in nanoseconds; UINT32_MAX: that or more. */
static inline uint32_t clock_ns(const struct clock *clock, uint64_t cycles)
{
    uint64_t ns = (uint64_t)((unsigned __int128)cycles * clock->ns_per_cycle_32 >> 32);
    return ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
}

/* Monotonic microseconds when the counter shows `now_cycles`. */
static inline uint64_t clock_us(const struct clock *clock, uint64_t now_cycles)
{
    unsigned __int128 passed = (unsigned __int128)(now_cycles - clock->start_cycles) * clock->us_per_cycle_32;
    return clock->start_us + (uint64_t)(passed >> 32);
}

/* Milliseconds since 1970 at monotonic time `now_us`. */
static inline uint64_t wall_ms(struct wall *wall, uint64_t now_us)
{
    if (now_us - wall->read_us >= WALL_REFRESH_US) {
        wall->read_us = now_us;
        wall->read_ms = clock_kernel_us(CLOCK_REALTIME) / 1000u;
    }
    return wall->read_ms + (now_us - wall->read_us) / 1000u;
}

#endif
