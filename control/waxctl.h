/* SPDX-License-Identifier: BSD-3-Clause */
/* What waxctl's commands share. */
#ifndef CONTROL_WAXCTL_H
#define CONTROL_WAXCTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

enum { EXIT_NOT_DONE = 1, EXIT_USAGE = 2, EXIT_NO_ANSWER = 3 };

struct options {
    const char *socket;
    const char *command;
    const char *argument;             /* of `tls`, `trace`, `mailbox`, `store` */
    const char *directory, *key_file; /* of `store verify` and `store dump` */
    bool json;
    uint32_t interval_ms;
    uint32_t limit;
    uint32_t for_s; /* of `trace`, 0: until interrupted */
    uint32_t count; /* events of `trace`, 0: any number */
};

/* Connect to the admin socket at a path. Negative: errno tells why. */
int connect_admin(const char *path);

/* Ask once; the answer is the caller's to put. Ends the program when there is none. */
struct json_object *ask_object(const struct options *options, const char *command);

/* `store` and `mailbox`. */
void show_store(const struct options *options);
void show_mailboxes(const struct options *options);

/* `store verify` and `store dump`: read options->directory; returns the exit code. */
int store_offline(const struct options *options);

/* A number, a text or a truth of an object; 0, "" or false when there is none. */
uint64_t get_u(struct json_object *object, const char *key);
const char *get_text(struct json_object *object, const char *key);
bool get_bool(struct json_object *object, const char *key);
struct json_object *get_object(struct json_object *object, const char *key);

/* Take "ADDRESS", "ADDRESS:PORT", "[ADDRESS]" or "[ADDRESS]:PORT" apart; the port is 0 when there is none. */
bool endpoint_read(const char *text, char address[64], uint16_t *port);

/* One line of a trace for people, without a newline, from a line of the admin socket. */
void trace_show(struct json_object *event, char *out, size_t room);

/* Follow the connections of options->argument; returns the exit code. */
int trace_run(const struct options *options);

#endif
