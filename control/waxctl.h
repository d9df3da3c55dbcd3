/* SPDX-License-Identifier: BSD-3-Clause */
/* What waxctl's commands share. */
#ifndef CONTROL_WAXCTL_H
#define CONTROL_WAXCTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "waxwire/latency.h"

enum { EXIT_NOT_DONE = 1, EXIT_USAGE = 2, EXIT_NO_ANSWER = 3 };

#define WAXCTL_OPERANDS_MAX 16u

/* X(NUMBER, name, value, kind, help): add here, and to the commands that take it. */
/* clang-format off */
#define WAXCTL_OPTION_LIST(X)                                                                                \
    X(SOCKET, "--socket", "PATH", WAXCTL_PATH, "the admin socket (default: that of the configuration)")      \
    X(CONFIG, "--config", "FILE", WAXCTL_PATH, "the configuration; several are laid over one another "       \
      "(default: /etc/waxwire/waxwire.yaml, when it is there)")                                              \
    X(JSON, "--json", NULL, WAXCTL_FLAG, "answer in JSON, one object")                                       \
    X(HELP, "--help", NULL, WAXCTL_FLAG, "what the command does, with an example")                           \
    X(VERSION, "--version", NULL, WAXCTL_FLAG, "the version")                                                \
    X(INTERVAL, "--interval", "MS", WAXCTL_NUMBER, "milliseconds between two looks (default 1000)")          \
    X(LIMIT, "--limit", "N", WAXCTL_NUMBER, "list so many at most (default 1000)")                           \
    X(KEY, "--key", "FILE", WAXCTL_PATH, "the store's key (default: as the control plane finds it)")         \
    X(FOR, "--for", "SECONDS", WAXCTL_NUMBER, "end it after so long (default: when interrupted)")            \
    X(COUNT, "--count", "N", WAXCTL_NUMBER, "end it after so many")                                          \
    X(ALL, "--all", NULL, WAXCTL_FLAG, "also what never happened")                                           \
    X(FIX, "--fix", NULL, WAXCTL_FLAG, "mend what is safe to mend; a reboot undoes it")                     \
    X(ROOT, "--root", "DIRECTORY", WAXCTL_PATH, "look at a copy of /proc and /sys in a folder, not at this machine") \
    X(AFTER, "--after", "ID", WAXCTL_TEXT, "go on behind this one")                                          \
    X(USES, "--uses", "N", WAXCTL_NUMBER, "accounts that it lets be made, up to 1000 (default 1)")           \
    X(EXPIRES, "--expires", "SECONDS", WAXCTL_NUMBER, "it is good for so long, 0: for ever (default a week)") \
    X(USER, "--user", "USER", WAXCTL_USER, "of this user")                                                   \
    X(DEVICE, "--device", "N", WAXCTL_NUMBER, "of this device of the user")                                  \
    X(ADDRESS, "--address", "ADDRESS", WAXCTL_TEXT, "from this address, or these: ADDRESS/PREFIX")           \
    X(OVER, "--over", "SECONDS", WAXCTL_NUMBER, "spread over so long (default 60; 0: at once)")              \
    X(CANCEL, "--cancel", NULL, WAXCTL_FLAG, "call it off")                                                  \
    X(STATUS, "--status", NULL, WAXCTL_FLAG, "only tell how far it is")                                      \
    X(DETACH, "--detach", NULL, WAXCTL_FLAG, "begin it, and don't wait for its end")                       \
    X(RATE, "--rate", "MB", WAXCTL_NUMBER, "so many megabytes a second at most (default 50)")                 \
    X(OUTPUT, "--output", "FILE", WAXCTL_PATH, "where to write")
/* clang-format on */

#define WAXCTL_OPTION_ENUM(number, name, value, kind, help) OPTION_##number,
enum waxctl_option_number { WAXCTL_OPTION_LIST(WAXCTL_OPTION_ENUM) OPTIONS };
#undef WAXCTL_OPTION_ENUM

/* A command line, taken apart. */
struct options {
    const char *socket;
    const char *operand[WAXCTL_OPERANDS_MAX]; /* NULL beyond the last */
    uint32_t operands;
    const char *config[WAXCTL_OPERANDS_MAX]; /* files, NULL beyond the last */
    uint32_t configs;
    bool json;
    uint32_t interval_ms;
    uint32_t limit;
    const char *text[OPTIONS]; /* an option's value as it was given; NULL: it was not */
    uint32_t number[OPTIONS];  /* the same of numbers; 0: it was not */
};

/* Connect to the admin socket at a path. Negative: errno tells why. */
int connect_admin(const char *path);

/*
 * Ask once, with a request that is taken. The answer is the caller's to put; one with an error counts as
 * an answer. Ends the program when there is none.
 */
struct json_object *ask_request(const struct options *options, struct json_object *request);

/* Ask a command that needs nothing else; as ask_request. */
struct json_object *ask_object(const struct options *options, const char *command);

/* The same, but NULL (errno) when there is no answer, or an error. */
struct json_object *try_ask_object(const struct options *options, const char *command);

/* Whether an answer tells of an error or of something not done; says so on standard error when `say`. */
bool answer_failed(struct json_object *reply, bool say);

/* Print an answer as one line of JSON. */
void print_json(struct json_object *object);

/* Shorter ways to print: "3 d 4 h", "12.3 us", "1.5 GiB". */
void print_duration(uint64_t ms);
void text_ns(char text[16], uint64_t ns);
void print_bytes(uint64_t bytes);

/* What answers hold for people. */
void show_status(const struct options *options, struct json_object *reply);
void show_sessions(const struct options *options, struct json_object *reply);
void show_counters(const struct options *options, struct json_object *reply);
void show_media(const struct options *options, struct json_object *reply);
void show_text(const struct options *options, struct json_object *reply);
void show_store(const struct options *options, struct json_object *reply);
void show_mailboxes(const struct options *options, struct json_object *reply);
void show_limits(const struct options *options, struct json_object *reply);
void show_users(const struct options *options, struct json_object *reply);
void show_user(const struct options *options, struct json_object *reply);
void request_sessions(const struct options *options, struct json_object *request);
void show_wake(const struct options *options, struct json_object *reply);
void show_invite(const struct options *options, struct json_object *reply);
void show_invites(const struct options *options, struct json_object *reply);

/* What a request needs beside its command. */
void request_limit(const struct options *options, struct json_object *request);
void request_mailbox(const struct options *options, struct json_object *request);
void request_users(const struct options *options, struct json_object *request);
void request_user(const struct options *options, struct json_object *request);
void request_invite(const struct options *options, struct json_object *request);
void request_revoke(const struct options *options, struct json_object *request);

/* Commands that do more than to ask and show; each returns the exit code. */
int workers_run(const struct options *options);
int top_run(const struct options *options);
int trace_run(const struct options *options);
int store_verify_run(const struct options *options);
int store_dump_run(const struct options *options);
int store_backup_run(const struct options *options);
int config_check_run(const struct options *options);
int config_show_run(const struct options *options);
int config_diff_run(const struct options *options);
int doctor_run_command(const struct options *options);
int support_run(const struct options *options);
int completion_run(const struct options *options);
int drain_run(const struct options *options);

/* A number, a text or a truth of an object; 0, "" or false when there is none. */
uint64_t get_u(struct json_object *object, const char *key);
const char *get_text(struct json_object *object, const char *key);
bool get_bool(struct json_object *object, const char *key);
struct json_object *get_object(struct json_object *object, const char *key);

/*
 * Add a worker's latencies to a histogram, or take an earlier look's away: what a new data plane has not seen
 * yet stays.
 */
void get_buckets(uint64_t buckets[LATENCY_BUCKETS], struct json_object *worker, bool away);

/* Take "ADDRESS", "ADDRESS:PORT", "[ADDRESS]" or "[ADDRESS]:PORT" apart; the port is 0 when there is none. */
bool endpoint_read(const char *text, char address[64], uint16_t *port);

/* One line of a trace for people, without a newline, from a line of the admin socket. */
void trace_show(struct json_object *event, char *out, size_t room);

#endif
