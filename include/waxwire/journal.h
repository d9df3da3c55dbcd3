/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The journal: what the programs say to their operator, one line for each event, as logfmt
 * or JSON, with level, area, message and fields. Never a message's content, a key or a
 * token. A line is one write(2), so lines of several threads don't mix. An event that
 * repeats is cut off at JOURNAL_LINES_PER_S a second, and the next line tells how many
 * were left out.
 *
 *     journal_say(j, CONFIG_LEVEL_INFO, "intake", "data plane attached", J_U("epoch", epoch));
 */
#ifndef WAXWIRE_JOURNAL_H
#define WAXWIRE_JOURNAL_H

#include <stdatomic.h>

#include "waxwire/bytes.h"
#include "waxwire/config.h"

#define JOURNAL_LINE_BYTES  1024u /* longer lines are cut, and stay well formed */
#define JOURNAL_LINES_PER_S 20u
#define JOURNAL_EVENTS      64u

enum journal_kind { JOURNAL_NONE, JOURNAL_UNSIGNED, JOURNAL_SIGNED, JOURNAL_TEXT, JOURNAL_HEX };

struct journal_field {
    const char *key; /* a plain word */
    enum journal_kind kind;
    union {
        uint64_t u;
        int64_t i;
        const char *text;
        const uint8_t *bytes;
    };
    size_t len; /* of bytes */
};

#define J_U(name, value) ((struct journal_field){.key = (name), .kind = JOURNAL_UNSIGNED, .u = (value)})
#define J_I(name, value) ((struct journal_field){.key = (name), .kind = JOURNAL_SIGNED, .i = (value)})
#define J_T(name, value) ((struct journal_field){.key = (name), .kind = JOURNAL_TEXT, .text = (value)})
#define J_X(name, value, bytes_)                                                                             \
    ((struct journal_field){.key = (name), .kind = JOURNAL_HEX, .bytes = (value), .len = (bytes_)})

struct journal {
    int fd;
    enum config_level level; /* lines below it are not written */
    bool json;
    const char *program;
    struct {
        _Atomic uint64_t second;
        _Atomic uint32_t lines;
        _Atomic uint32_t left_out;
    } event[JOURNAL_EVENTS];
};

/* One line, as it will be written, taken apart. */
struct journal_line {
    uint64_t now_ms; /* since 1970 */
    enum config_level level;
    bool json;
    const char *program;
    const char *area;
    const char *message; /* a literal: it is also the name of the event for the rate */
    uint32_t left_out;   /* lines of this event that were not written before, 0: not shown */
};

/* Begin a journal on `fd` (which stays the caller's; it is never closed here). */
void journal_init(struct journal *journal, int fd, const char *program, enum config_level level, bool json);

/*
 * Write one line of an event, unless its level or rate forbids. Safe from any thread. A
 * write that fails is dropped: the journal never stops a program.
 */
void journal_write(struct journal *journal, enum config_level level, const char *area, const char *message,
                   const struct journal_field *fields, size_t count);

/* As journal_write with the fields as arguments: J_U, J_I, J_T, J_X. */
#define journal_say(journal, level, area, message, ...)                                                      \
    journal_write((journal), (level), (area), (message),                                                     \
                  (const struct journal_field[]){{.kind = JOURNAL_NONE}, ##__VA_ARGS__},                     \
                  sizeof((const struct journal_field[]){{.kind = JOURNAL_NONE}, ##__VA_ARGS__}) /            \
                      sizeof(struct journal_field))

/*
 * Format a line with its newline into `text` (pure; JOURNAL_LINE_BYTES is enough for any).
 * Fields that don't fit are left out whole. Returns its length.
 */
size_t journal_format(const struct journal_line *line, const struct journal_field *fields, size_t count,
                      char *text, size_t room);

/*
 * May a line of this event be written in this second? Counts it either way; `*left_out` is
 * how many were refused since the last that was allowed.
 */
bool journal_allow(struct journal *journal, const char *message, uint64_t now_ms, uint32_t *left_out);

#endif
