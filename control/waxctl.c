/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl: the operator's command line. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "waxctl.h"
#include "waxwire/config.h"
#include "waxwire/metrics.h"

/* ---- asking ---- */

/* A line of answer, or NULL with errno. */
static char *read_line(int fd)
{
    size_t len = 0, room = 1 << 16;
    char *text = malloc(room);
    while (text != NULL) {
        ssize_t got = recv(fd, text + len, room - len - 1, 0);
        if (got <= 0) {
            int saved = got == 0 ? ECONNRESET : errno;
            free(text);
            errno = saved;
            return NULL;
        }
        len += (size_t)got;
        if (text[len - 1] == '\n') {
            text[len] = '\0';
            return text;
        }
        if (len + 1 >= room) {
            room *= 2;
            char *grown = realloc(text, room);
            if (grown == NULL)
                free(text);
            text = grown;
        }
    }
    return NULL;
}

/* Ask once. The answer's text is the caller's to free; ends the program when there is none. */
static char *ask(const struct options *options, const char *command)
{
    char request[160];
    char *reply = NULL;
    int fd = connect_admin(options->socket);
    const char *user = strcmp(command, "mailbox") == 0 ? options->argument : NULL;
    int len = snprintf(request, sizeof request, "{\"command\":\"%s\",\"limit\":%u%s%.40s%s}\n", command,
                       options->limit, user != NULL ? ",\"user\":\"" : "", user != NULL ? user : "",
                       user != NULL ? "\"" : "");
    if (fd >= 0 && send(fd, request, (size_t)len, MSG_NOSIGNAL) == len)
        reply = read_line(fd);
    if (reply == NULL) {
        fprintf(stderr, "waxctl: the control plane does not answer on %s: %s\n", options->socket,
                strerror(errno));
        exit(EXIT_NO_ANSWER);
    }
    close(fd);
    return reply;
}

struct json_object *ask_object(const struct options *options, const char *command)
{
    char *text = ask(options, command);
    struct json_object *object = json_tokener_parse(text);
    free(text);
    if (!json_object_is_type(object, json_type_object) || get_object(object, "error") != NULL) {
        fprintf(stderr, "waxctl: the control plane does not understand: %s\n",
                object != NULL ? get_text(object, "error") : "no JSON");
        json_object_put(object);
        exit(EXIT_NO_ANSWER);
    }
    return object;
}

/* ---- showing ---- */

static void print_duration(uint64_t ms)
{
    uint64_t s = ms / 1000;
    if (s >= 86400)
        printf("%" PRIu64 " d %" PRIu64 " h", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        printf("%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        printf("%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
    else
        printf("%" PRIu64 " s", s);
}

/* 12.3 us */
static void print_ns(char text[16], uint64_t ns)
{
    if (ns < 10000000)
        snprintf(text, 16, "%.1f us", (double)ns / 1e3);
    else
        snprintf(text, 16, "%.1f ms", (double)ns / 1e6);
}

static void show_latency(struct json_object *latency)
{
    char p50[16], p99[16], p999[16], most[16];
    if (get_u(latency, "count") == 0)
        return;
    print_ns(p50, get_u(latency, "p50_ns"));
    print_ns(p99, get_u(latency, "p99_ns"));
    print_ns(p999, get_u(latency, "p999_ns"));
    print_ns(most, get_u(latency, "max_ns"));
    printf("relaying    SEND polled to DELIVER at the port: p50 %s, p99 %s, p99.9 %s, most %s\n", p50, p99,
           p999, most);
}

/* Add the buckets of an answer to a histogram, or take them away. */
static void add_buckets(uint64_t buckets[LATENCY_BUCKETS], struct json_object *worker, bool away)
{
    struct json_object *filled = get_object(worker, "latency_buckets");
    for (size_t i = 0; filled != NULL && i < json_object_array_length(filled); i++) {
        struct json_object *pair = json_object_array_get_idx(filled, i);
        uint64_t bucket = json_object_get_uint64(json_object_array_get_idx(pair, 0));
        uint64_t count = json_object_get_uint64(json_object_array_get_idx(pair, 1));
        if (bucket < LATENCY_BUCKETS)
            buckets[bucket] += away ? -count : count;
    }
}

static void show_status(const struct options *options)
{
    struct json_object *reply = ask_object(options, "status");
    struct json_object *plane = get_object(reply, "data_plane"), *store = get_object(reply, "store");
    printf("control     pid %" PRIu64 ", version %s, up ", get_u(reply, "pid"), get_text(reply, "version"));
    print_duration(get_u(reply, "uptime_ms"));
    printf("\nrelay       %s\n", get_text(reply, "relay_id"));
    if (get_bool(plane, "attached")) {
        printf("data plane  pid %" PRIu64 ", epoch %" PRIu64 ", %" PRIu64 " workers, %" PRIu64
               " connections, attached ",
               get_u(plane, "pid"), get_u(plane, "epoch"), get_u(plane, "workers"),
               get_u(plane, "connections"));
        print_duration(get_u(reply, "now_ms") - get_u(plane, "since_ms"));
        printf("\n");
        show_latency(get_object(plane, "latency"));
    } else {
        printf("data plane  not attached\n");
    }
    printf("sessions    %" PRIu64 " open, %" PRIu64 " logins, %" PRIu64 " new accounts since the start\n",
           get_u(reply, "sessions"), get_u(reply, "logins"), get_u(reply, "accounts_made"));
    if (get_u(reply, "not_invited") != 0)
        printf("            %" PRIu64 " logins refused, for registration is closed\n",
               get_u(reply, "not_invited"));
    printf("store       %" PRIu64 " items waiting in %" PRIu64 " mailboxes, %" PRIu64 " segments\n",
           get_u(store, "items"), get_u(store, "mailboxes"), get_u(store, "segments"));
    printf("            %" PRIu64 " stored, %" PRIu64 " drained, %" PRIu64 " retired, %" PRIu64
           " refused, %" PRIu64 " commits since the start\n",
           get_u(store, "stored"), get_u(store, "drained"), get_u(store, "retired"), get_u(store, "refused"),
           get_u(store, "commits"));
    struct json_object *requests = get_object(reply, "requests");
    printf("requests    %" PRIu64 " of sessions, %" PRIu64 " rate limited; %" PRIu64 " for keys, %" PRIu64
           " one-time keys given, %" PRIu64 " times withheld\n",
           get_u(requests, "taken"), get_u(requests, "rate_limited"), get_u(requests, "keys_asked"),
           get_u(requests, "one_time_keys_given"), get_u(requests, "one_time_keys_withheld"));
    if (get_u(store, "damaged") != 0)
        printf("            %" PRIu64 " places of DAMAGE were met at recovery\n", get_u(store, "damaged"));
    json_object_put(reply);
}

static void show_workers(const struct options *options)
{
    struct timespec wait = {options->interval_ms / 1000, (long)(options->interval_ms % 1000) * 1000000};
    struct json_object *before = ask_object(options, "workers");
    nanosleep(&wait, NULL);
    struct json_object *after = ask_object(options, "workers");
    struct json_object *old = get_object(before, "workers"), *new = get_object(after, "workers");
    double seconds = (double)(get_u(after, "now_ms") - get_u(before, "now_ms")) / 1000.0;
    size_t count = json_object_array_length(new);
    if (count == 0 || seconds <= 0 || json_object_array_length(old) != count) {
        printf("no data plane is attached\n");
        count = 0;
    } else {
        printf("%6s %6s %10s %10s %10s %8s %8s %8s %8s %9s %8s %10s %10s %10s\n", "worker", "busy", "rx/s",
               "tx/s", "conns", "sessions", "sends/s", "deliv/s", "accept/s", "deliv'd/s", "blocks", "p50",
               "p99", "p99.9");
    }
    for (size_t i = 0; i < count; i++) {
        struct json_object *a = json_object_array_get_idx(old, i), *b = json_object_array_get_idx(new, i);
#define RATE(key) ((double)(get_u(b, key) - get_u(a, key)) / seconds)
        double busy = RATE("busy_cycles"), idle = RATE("idle_cycles");
        uint64_t buckets[LATENCY_BUCKETS] = {0};
        char p50[16], p99[16], p999[16];
        add_buckets(buckets, b, false);
        add_buckets(buckets, a, true);
        print_ns(p50, latency_at(buckets, 500000));
        print_ns(p99, latency_at(buckets, 990000));
        print_ns(p999, latency_at(buckets, 999000));
        printf("%6zu %5.1f%% %10.0f %10.0f %10" PRIu64 " %8" PRIu64 " %8.0f %8.0f %8.0f %9.0f %8" PRIu64
               " %10s %10s %10s\n",
               i, busy + idle > 0 ? 100.0 * busy / (busy + idle) : 0.0, RATE("rx_packets"),
               RATE("tx_packets"), get_u(b, "connections_now"), get_u(b, "sessions_now"), RATE("sends"),
               RATE("deliveries"), RATE("accepted"), RATE("delivered"), get_u(b, "blocks_free_now"), p50, p99,
               p999);
#undef RATE
    }
    json_object_put(before);
    json_object_put(after);
}

static void show_sessions(const struct options *options)
{
    struct json_object *reply = ask_object(options, "sessions");
    struct json_object *sessions = get_object(reply, "sessions");
    size_t count = json_object_array_length(sessions);
    if (count != 0)
        printf("%-32s %6s %-28s %6s %-5s %s\n", "user", "device", "peer", "worker", "tls", "open for");
    for (size_t i = 0; i < count; i++) {
        struct json_object *s = json_object_array_get_idx(sessions, i);
        char peer[80];
        snprintf(peer, sizeof peer, "%s port %" PRIu64, get_text(s, "peer"), get_u(s, "port"));
        printf("%-32s %6" PRIu64 " %-28s %6" PRIu64 " %-5s ", get_text(s, "user"), get_u(s, "device"), peer,
               get_u(s, "worker"), get_bool(s, "tls") ? "yes" : "no");
        print_duration(get_u(reply, "now_ms") - get_u(s, "since_ms"));
        printf("%s\n", get_bool(s, "send_only") ? ", send-only" : "");
    }
    printf("%zu of %" PRIu64 " sessions\n", count, get_u(reply, "count"));
    json_object_put(reply);
}

static void show_counters(const struct options *options)
{
    struct json_object *reply = ask_object(options, "counters");
    struct json_object *metrics = get_object(reply, "metrics"), *statuses = get_object(reply, "statuses");
#define SHOW(name, unit, help)                                                                               \
    printf("%-22s %16" PRIu64 " %-12s %s\n", #name, get_u(metrics, #name), unit, help);
    WAX_METRIC_LIST(SHOW)
#undef SHOW
    for (size_t i = 0; i < json_object_array_length(statuses); i++) {
        struct json_object *s = json_object_array_get_idx(statuses, i);
        printf("%-22s %16" PRIu64 " %-12s %s\n", get_text(s, "name"), get_u(s, "count"), "times",
               get_text(s, "text"));
    }
    json_object_put(reply);
}

static void print_bytes(uint64_t bytes)
{
    if (bytes >= UINT64_C(10) << 30)
        printf("%.1f GiB", (double)bytes / (double)(1u << 30));
    else
        printf("%.1f MiB", (double)bytes / (double)(1u << 20));
}

static void show_media(const struct options *options)
{
    struct json_object *reply = ask_object(options, "media");
    if (!get_bool(reply, "on")) {
        printf("media are off\n");
    } else if (!get_bool(reply, "ready")) {
        printf("media are being listed\n");
    } else {
        printf("blobs       %" PRIu64 " of %" PRIu64 " accounts, ", get_u(reply, "blobs"),
               get_u(reply, "accounts"));
        print_bytes(get_u(reply, "bytes"));
        printf("\nquota       ");
        if (get_u(reply, "quota_bytes") == 0)
            printf("none");
        else
            print_bytes(get_u(reply, "quota_bytes"));
        printf(" for an account\nnow         %" PRIu64 " uploads, %" PRIu64 " downloads, %" PRIu64
               " buffers\n",
               get_u(reply, "uploads_now"), get_u(reply, "downloads_now"), get_u(reply, "buffers_now"));
        printf("since start %" PRIu64 " uploads (", get_u(reply, "uploads"));
        print_bytes(get_u(reply, "bytes_in"));
        printf("; %" PRIu64 " broke off), %" PRIu64 " downloads (", get_u(reply, "broken"),
               get_u(reply, "downloads"));
        print_bytes(get_u(reply, "bytes_out"));
        printf("), %" PRIu64 " deleted, %" PRIu64 " expired\n", get_u(reply, "deletions"),
               get_u(reply, "expired"));
        if (get_u(reply, "damaged") != 0)
            printf("            %" PRIu64 " files that are NOT what their names say\n",
                   get_u(reply, "damaged"));
    }
    json_object_put(reply);
}

/* Exits with 1 when the old certificates stay. */
static void show_tls_reload(const struct options *options)
{
    struct json_object *reply = ask_object(options, "tls-reload");
    bool done = get_bool(reply, "done");
    fprintf(done ? stdout : stderr, "%s%s\n",
            done ? "" : "waxctl: the certificates stay as they were: ", get_text(reply, "text"));
    json_object_put(reply);
    if (!done)
        exit(EXIT_NOT_DONE);
}

static void usage(FILE *out)
{
    fputs("usage: waxctl [options] COMMAND\n"
          "\n"
          "  status     the two processes, sessions and the store, at a glance\n"
          "  workers    what each worker does, in rates over an interval\n"
          "  sessions   who is connected\n"
          "  counters   all counters, and everything that was refused or went wrong\n"
          "  store      the mailboxes' log: what lives in it, and what keeping it has cost\n"
          "  store verify DIRECTORY  read a store that nobody serves, or a copy: is all of it sound?\n"
          "  store dump DIRECTORY    and what is in it, without payloads, as JSON lines\n"
          "  mailbox [USER]  the largest mailboxes, or those of a user (32 hexadecimal digits)\n"
          "  media      blobs: how many, how large, what was moved\n"
          "  tls reload  read certificates and keys anew; sessions go on, and the old ones stay when\n"
          "             anything is wrong with the new\n"
          "  trace PEER what happens to the TCP connections of a client, live: segments, states, windows,\n"
          "             timers, reasons; PEER is ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT\n"
          "\n"
          "  --socket PATH    the admin socket (default: that of the configuration)\n"
          "  --config FILE    read the socket's path from a configuration file\n"
          "  --json           print the control plane's answer as it is\n"
          "  --interval MS    of `workers` (default 1000)\n"
          "  --limit N        sessions or mailboxes to list at most (default 1000)\n"
          "  --key FILE       of `store verify` and `dump`: the store's key (default: as the control plane "
          "finds it)\n"
          "  --for SECONDS    of `trace`: end it after so long (default: when interrupted)\n"
          "  --count N        of `trace`: end it after so many events\n"
          "  --help           this text\n"
          "  --version        the version\n"
          "\n"
          "examples:\n"
          "  waxctl trace 203.0.113.7 --for 60            all connections of that address, for a minute\n"
          "  waxctl trace '[2001:db8::7]:50123' --json    one connection, as JSON lines\n"
          "  waxctl workers --interval 5000               rates and latencies over five seconds\n"
          "\n"
          "Exit: 0, 1 not done, 2 usage, 3 the control plane does not answer, or has gone.\n",
          out);
}

static uint32_t number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value > 1000000000ul) {
        fprintf(stderr, "waxctl: '%s' is not a number\n", text);
        exit(EXIT_USAGE);
    }
    return (uint32_t)value;
}

static void arguments(int argc, char **argv, struct options *options, struct wax_config *config)
{
    struct config_error error;
    for (int i = 1; i < argc; i++) {
        bool value = i + 1 < argc;
        if (strcmp(argv[i], "--help") == 0) {
            usage(stdout);
            exit(0);
        } else if (strcmp(argv[i], "--version") == 0) {
            puts("waxctl " WAX_VERSION);
            exit(0);
        } else if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
        } else if (strcmp(argv[i], "--socket") == 0 && value) {
            options->socket = argv[++i];
        } else if (strcmp(argv[i], "--interval") == 0 && value) {
            options->interval_ms = number(argv[++i]);
        } else if (strcmp(argv[i], "--for") == 0 && value) {
            options->for_s = number(argv[++i]);
        } else if (strcmp(argv[i], "--count") == 0 && value) {
            options->count = number(argv[++i]);
        } else if (strcmp(argv[i], "--limit") == 0 && value) {
            options->limit = number(argv[++i]);
        } else if (strcmp(argv[i], "--key") == 0 && value) {
            options->key_file = argv[++i];
        } else if (strcmp(argv[i], "--config") == 0 && value) {
            if (config_load(config, argv[++i], &error) != WAX_OK) {
                fprintf(stderr, "waxctl: %s\n", error.text);
                exit(EXIT_USAGE);
            }
        } else if (argv[i][0] != '-' && options->command == NULL) {
            options->command = argv[i];
        } else if (argv[i][0] != '-' && options->argument == NULL &&
                   (strcmp(options->command, "tls") == 0 || strcmp(options->command, "trace") == 0 ||
                    strcmp(options->command, "mailbox") == 0 || strcmp(options->command, "store") == 0)) {
            options->argument = argv[i];
        } else if (argv[i][0] != '-' && options->directory == NULL && options->argument != NULL &&
                   strcmp(options->command, "store") == 0) {
            options->directory = argv[i];
        } else {
            fprintf(stderr, "waxctl: unknown argument '%s'\n", argv[i]);
            exit(EXIT_USAGE);
        }
    }
    if (options->socket == NULL)
        options->socket = config->admin_socket;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*show)(const struct options *);
    } commands[] = {{"status", show_status},     {"workers", show_workers},  {"sessions", show_sessions},
                    {"counters", show_counters}, {"media", show_media},      {"tls-reload", show_tls_reload},
                    {"store", show_store},       {"mailbox", show_mailboxes}};
    static struct wax_config config;
    struct options options = {.interval_ms = 1000, .limit = 1000, .key_file = ""};
    config_defaults(&config);
    arguments(argc, argv, &options, &config);
    if (options.command != NULL && strcmp(options.command, "tls") == 0)
        options.command =
            options.argument != NULL && strcmp(options.argument, "reload") == 0 ? "tls-reload" : "tls …";
    if (options.command != NULL && strcmp(options.command, "trace") == 0)
        return trace_run(&options);
    if (options.command != NULL && strcmp(options.command, "store") == 0 && options.argument != NULL) {
        bool known = strcmp(options.argument, "verify") == 0 || strcmp(options.argument, "dump") == 0;
        if (known && options.directory != NULL)
            return store_offline(&options);
        fputs("waxctl: store, store verify DIRECTORY or store dump DIRECTORY\n", stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; options.command != NULL && i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(options.command, commands[i].name) != 0)
            continue;
        if (options.json) {
            char *text = ask(&options, options.command);
            bool done = strstr(text, "\"done\":false") == NULL;
            fputs(text, stdout);
            free(text);
            if (!done)
                return EXIT_NOT_DONE;
        } else {
            commands[i].show(&options);
        }
        return 0;
    }
    if (options.command != NULL)
        fprintf(stderr, "waxctl: unknown command '%s'\n", options.command);
    else
        usage(stderr);
    return EXIT_USAGE;
}
