/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How often a core is taken from a thread that does nothing but look at the clock, on the core it is bound
 * to: by timer ticks, by the kernel, by the host of a virtual machine. No program's latency on that core can
 * be better.
 *
 *   bench-stalls [SECONDS]
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LEAST_US = 10, LONG_US = 30 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
    unsigned long seconds = argc > 1 ? strtoul(argv[1], NULL, 10) : 3;
    if (seconds == 0 || seconds > 60) {
        fprintf(stderr, "bench-stalls [SECONDS], 1 to 60\n");
        return 2;
    }
    uint64_t began = now_ns(), last = began, end = began + seconds * 1000000000u, lost_ns = 0;
    unsigned long stalls = 0, longer = 0;
    while (last < end) {
        uint64_t now = now_ns(), gap_us = (now - last) / 1000u;
        if (gap_us >= LEAST_US) {
            stalls++;
            longer += gap_us >= LONG_US;
            lost_ns += now - last;
        }
        last = now;
    }
    printf("{\"stalls_per_s\": %.1f, \"stalls_of_30_us_per_s\": %.1f, \"lost_percent\": %.2f}\n",
           (double)stalls / (double)seconds, (double)longer / (double)seconds,
           (double)lost_ns * 100 / (double)(last - began));
    return 0;
}
