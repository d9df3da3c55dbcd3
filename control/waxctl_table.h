/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one table of waxctl's commands and options: the parser, --help, the man page and the
 * completions of bash and zsh are made from it.
 */
#ifndef CONTROL_WAXCTL_TABLE_H
#define CONTROL_WAXCTL_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "waxctl.h"

/* What a value of an option, or an operand, is. */
enum waxctl_kind { WAXCTL_FLAG, WAXCTL_NUMBER, WAXCTL_TEXT, WAXCTL_PATH, WAXCTL_USER };

struct waxctl_option {
    const char *name;  /* "--limit" */
    const char *value; /* "N"; NULL: it takes none */
    enum waxctl_kind kind;
    const char *help;
};

/* The bit of an option in a set of them. */
#define OPTION_BIT(name) (UINT64_C(1) << OPTION_##name)

/* Options that every command takes; SOCKET and CONFIG too, but by those that work alone. */
#define OPTIONS_COMMON (OPTION_BIT(JSON) | OPTION_BIT(HELP))

struct waxctl_command {
    const char *name;     /* a word, or two: "tls reload" */
    const char *operands; /* "PEER", "[USER]", "[FILE...]" or "" */
    const char *says;     /* in a few words */
    const char *more;     /* the rest of its help, in sentences, or "" */
    const char *example, *example_says;
    uint64_t options; /* a set, beyond the common ones */
    bool alone;       /* needs no control plane */
    /* Either the admin socket's command with what shows its answer, and what adds to the request (NULL:
     * nothing)… */
    const char *ask;
    void (*request)(const struct options *options, struct json_object *request);
    void (*show)(const struct options *options, struct json_object *reply);
    /* … or a function that does it all and returns the exit code. */
    int (*run)(const struct options *options);
};

/* The commands, in the order that people read them. */
const struct waxctl_command *waxctl_commands(size_t *count);

/* An option by its number. */
const struct waxctl_option *waxctl_option(enum waxctl_option_number number);

/* All options that a command takes, those for everyone included. */
uint64_t waxctl_options_of(const struct waxctl_command *command);

/* How many operands a command takes at least and at most, and what the one at `index` is. */
void waxctl_operands(const struct waxctl_command *command, uint32_t *least, uint32_t *most);
enum waxctl_kind waxctl_operand_kind(const struct waxctl_command *command, uint32_t index);

/*
 * Take a command line apart. Returns NULL when `command` and `options` are filled, else why it can't be
 * understood: one line for people, in a buffer of its own. `command` is NULL when none is named.
 */
const char *waxctl_parse(int argc, char **argv, const struct waxctl_command **command,
                         struct options *options);

/* Write the help of everything, or of one command; the man page; what the shells complete with. */
void waxctl_help(FILE *out);
void waxctl_help_command(FILE *out, const struct waxctl_command *command);
void waxctl_man(FILE *out);
void waxctl_complete_bash(FILE *out);
void waxctl_complete_zsh(FILE *out);

#endif
