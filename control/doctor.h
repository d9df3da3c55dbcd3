/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waxctl doctor: is the machine fit for the configuration? Each check looks at files of /proc, /sys and the
 * configuration's paths, all behind a prefix, so that a made-up tree can stand for a machine. Nothing is
 * changed but by what --fix allows, and that is undone by a reboot.
 */
#ifndef CONTROL_DOCTOR_H
#define CONTROL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "waxwire/config.h"

#define DOCTOR_CPUS       1024u
#define DOCTOR_TEXT_BYTES 512u

enum doctor_grade { DOCTOR_GOOD, DOCTOR_NOTE, DOCTOR_WARN, DOCTOR_BAD, DOCTOR_FIXED, DOCTOR_GRADES };

/* What ethtool knows of an interface; zeros where the driver says nothing. */
struct doctor_interface {
    uint32_t rx_ring, rx_ring_max, tx_ring, tx_ring_max;
    char firmware[64];
};

struct doctor {
    const char *root; /* before every path; "" for this machine */
    const struct wax_config *config;
    bool fix;
    uint64_t now_s; /* since 1970 */
    void *ctx;
    /* Takes each finding; `mend` is "" when there is nothing to do. */
    void (*found)(void *ctx, enum doctor_grade grade, const char *check, const char *text, const char *mend);
    /* What no file tells: false when it can't be known. */
    bool (*interface)(void *ctx, const char *name, struct doctor_interface *out);
    bool (*clock_synchronized)(void *ctx, bool *synchronized);
};

/* A set of processors, as the kernel's lists "0-3,8" name them. */
struct cpu_set {
    uint64_t bit[DOCTOR_CPUS / 64];
};

/* Read a list; text that is none gives the empty set. */
void cpu_set_read(struct cpu_set *set, const char *list);
static inline bool cpu_set_has(const struct cpu_set *set, uint32_t cpu)
{
    return cpu < DOCTOR_CPUS && (set->bit[cpu / 64] >> cpu % 64 & 1) != 0;
}

/* All checks, in order. */
void doctor_run(struct doctor *doctor);

/* The checks of each field. */
void doctor_memory(struct doctor *doctor);
void doctor_cores(struct doctor *doctor);
void doctor_power(struct doctor *doctor);
void doctor_interrupts(struct doctor *doctor);
void doctor_ports(struct doctor *doctor);
void doctor_clock(struct doctor *doctor);
void doctor_processes(struct doctor *doctor);
void doctor_disk(struct doctor *doctor);
void doctor_certificates(struct doctor *doctor);

/* ---- what they share ---- */

/* Tell of something; `mend` says how to mend it, or is "". */
void doctor_say(struct doctor *doctor, enum doctor_grade grade, const char *check, const char *mend,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The first line of a file (the whole file with doctor_read_all), its newline taken off. False: there is
 * none. */
bool doctor_read(struct doctor *doctor, char *out, size_t room, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool doctor_read_all(struct doctor *doctor, char *out, size_t room, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* A file's number; `missing` when there is none. */
int64_t doctor_number(struct doctor *doctor, int64_t missing, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The last part of where a link leads. */
bool doctor_link(struct doctor *doctor, char *out, size_t room, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Write a text into a file, with --fix alone. True when it was taken. */
bool doctor_write(struct doctor *doctor, const char *text, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The node of memory that a processor belongs to, or a port; -1: the machine doesn't say. */
int doctor_cpu_node(struct doctor *doctor, uint32_t cpu);
int doctor_port_node(struct doctor *doctor, const struct config_port *port);

/* The cores of the configuration. */
struct cpu_set doctor_worker_cores(const struct doctor *doctor);

#endif
