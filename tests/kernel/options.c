/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>

#define SEED_STEP UINT64_C(0x2545f4914f6cdd1d)

static void __attribute__((noreturn)) usage(const char *what)
{
    (void)fprintf(stderr, "bad command line: %s\n", what);
    exit(2);
}

static struct addr address(const char *text)
{
    struct addr a = {{0}};
    struct in_addr ip4;
    if (inet_pton(AF_INET, text, &ip4) == 1) {
        return addr_ip4(ntohl(ip4.s_addr));
    }
    if (inet_pton(AF_INET6, text, a.b) != 1) {
        usage(text);
    }
    return a;
}

static uint64_t number(const char *text, uint64_t most)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (end == text || *end != 0 || n > most) {
        usage(text);
    }
    return n;
}

static void option(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "--interface") == 0) {
        o->interface = value;
    } else if (strcmp(name, "--local") == 0) {
        o->local = address(value);
    } else if (strcmp(name, "--peer") == 0) {
        o->peer = address(value);
    } else if (strcmp(name, "--congestion") == 0) {
        o->congestion = value;
    } else if (strcmp(name, "--port") == 0) {
        o->port = (uint16_t)number(value, UINT16_MAX);
    } else if (strcmp(name, "--connections") == 0) {
        o->connections = (uint32_t)number(value, TRANSFERS_MAX);
    } else if (strcmp(name, "--send") == 0) {
        o->send_bytes = number(value, UINT64_MAX);
    } else if (strcmp(name, "--receive") == 0) {
        o->receive_bytes = number(value, UINT64_MAX);
    } else if (strcmp(name, "--seed") == 0) {
        o->seed = number(value, UINT64_MAX);
    } else if (strcmp(name, "--window") == 0) {
        o->window_bytes = (uint32_t)number(value, 1u << 30);
    } else if (strcmp(name, "--buffer") == 0) {
        o->buffer_bytes = (uint32_t)number(value, 1u << 30);
    } else if (strcmp(name, "--seconds") == 0) {
        o->seconds = (uint32_t)number(value, 1u << 20);
    } else {
        usage(name);
    }
}

void options_read(struct options *o, int argc, char **argv)
{
    *o = (struct options){.port = 5001,
                          .connections = 1,
                          .congestion = "cubic",
                          .seed = 1,
                          .window_bytes = 256u << 10,
                          .buffer_bytes = 512u << 10,
                          .seconds = 60};
    bool server = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--client") == 0) {
            o->client = true;
        } else if (strcmp(argv[i], "--server") == 0) {
            server = true;
        } else if (strcmp(argv[i], "--cookies") == 0) {
            o->cookies = true;
        } else if (strcmp(argv[i], "--ecn") == 0) {
            o->ecn = true;
        } else if (i + 1 < argc) {
            option(o, argv[i], argv[i + 1]);
            i++;
        } else {
            usage(argv[i]);
        }
    }
    if (server == o->client || o->connections == 0 || addr_is_any(&o->local)) {
        usage("--server or --client, --local and --peer are needed");
    }
    if (sodium_init() < 0) {
        usage("libsodium");
    }
}

void options_transfers(const struct options *o, struct transfer *t)
{
    for (uint32_t i = 0; i < o->connections; i++) {
        if (o->client) {
            transfer_client(&t[i], o->seed + i * SEED_STEP, o->send_bytes, o->receive_bytes);
        } else {
            transfer_server(&t[i]);
        }
    }
}

int report(const struct options *o, struct transfer *t, uint64_t us, const char *more)
{
    bool good = transfers_good(t, o->connections);
    printf("{\"seconds\": %.6f, \"good\": %s, \"connections\": [", (double)us / 1e6, good ? "true" : "false");
    for (uint32_t i = 0; i < o->connections; i++) {
        printf("%s", i > 0 ? ", " : "");
        transfer_end(&t[i], t[i].over ? NULL : "the time is over");
        transfer_print(&t[i], stdout);
    }
    printf("], \"stack\": %s}\n", more != NULL ? more : "null");
    return good ? 0 : 1;
}
