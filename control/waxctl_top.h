/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl top: what one screen shows, made of two looks at the appliance. */
#ifndef CONTROL_WAXCTL_TOP_H
#define CONTROL_WAXCTL_TOP_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was asked at a time; any may be NULL when the control plane did not answer. */
struct top_look {
    struct json_object *status, *workers, *counters, *limits, *store;
};

struct top_screen {
    uint32_t rows, columns;
    bool color;
    bool more; /* lines end with what clears the rest of an old one */
};

/*
 * Write a screen of at most `rows` lines, none longer than `columns` characters, into `out`. `before` may be
 * empty: rates are then 0. Returns the length, less than `room`.
 */
size_t top_write(const struct top_look *before, const struct top_look *now, const struct top_screen *screen,
                 char *out, size_t room);

/* The rates of the screen as an object, for --json. */
struct json_object *top_object(const struct top_look *before, const struct top_look *now);

#endif
