/* SPDX-License-Identifier: BSD-3-Clause */
/* The lines of a configuration's dump, each by its whole name: to show, and to compare. */
#ifndef CONTROL_CONFIG_LINES_H
#define CONTROL_CONFIG_LINES_H

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_LINE_BYTES 512u

struct config_line {
    char key[128]; /* "dataplane.workers", "ports[0].device" */
    char value[CONFIG_LINE_BYTES];
};

/* A walk through a dump. */
struct config_lines {
    const char *at;
    char section[64], list[64];
    uint32_t index; /* of the entry of a list that it is in, from 1 */
};

/* Begin a walk through what config_dump wrote; the text must live as long. */
struct config_lines config_lines_of(const char *dump);

/* The next value; false when there are no more. Lists without entries have none. */
bool config_lines_next(struct config_lines *lines, struct config_line *out);

/* What takes a change of a value over, by its whole name: never NULL. */
const char *config_taken_by(const char *key);

#endif
