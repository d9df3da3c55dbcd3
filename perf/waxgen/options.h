/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the generator is asked to do: by its command line, by a profile, by commands.
 */
#ifndef WAXGEN_OPTIONS_H
#define WAXGEN_OPTIONS_H

#include "net/net.h"
#include "waxgen/flood.h"

#define GEN_LINE_BYTES 512u /* of a command */
#define GEN_KEPT_MAX   32u
#define GEN_STEPS_MAX  256u

/* Who sends to whom. */
enum gen_matrix {
    MATRIX_PAIRS,   /* each to its partner */
    MATRIX_UNIFORM, /* each message to somebody else, drawn at random */
};

struct gen_options {
    const char *memif; /* path of the socket; one of these three ways is there */
    const char *vdev;  /* DPDK's device with its arguments */
    const char *pci;   /* address of a card */
    const char *json;  /* report, NULL: none */
    const char *csv;   /* a line for each second, NULL: none */
    const char *ca;    /* PEM of trusted roots, NULL: any certificate */
    const char *server_name;
    uint32_t sessions, window, payload, opening;
    uint32_t active;   /* sessions among which the messages go; even */
    uint32_t settle_s; /* idle seconds between the last opening and the first message */
    uint64_t messages;
    struct net_address address; /* the first; sessions beyond what its ports allow use those that follow */
    struct addr peer, gateway;
    uint16_t port;
    bool tls;
    bool performance; /* never sleep */
    uint64_t seed;
    uint32_t patience_s; /* without progress */
    uint32_t storm;      /* clients that come and go while messages flow */
    bool resume;         /* who comes again does so with a ticket and a token */
    bool comeback;       /* all wait for the relay's restart, and come again after it */
    uint32_t rate;       /* messages a second of all sessions together, 0: as their windows allow */
    uint32_t seconds;    /* with a rate: so long, instead of so many messages */
    uint32_t search;     /* for the highest rate, until it is known to so many percent; 0: no search */
    enum gen_matrix matrix;
    uint32_t burst;      /* with a rate: messages of a client that are due at once */
    uint32_t senders;    /* of the active, the first so many send; 0: all */
    uint32_t group;      /* recipients of each message, 0: no groups */
    bool silent;         /* forwarding alone: ephemeral and silent, nothing answers */
    bool commands;       /* traffic begins at commands only: those of the profile, or on standard input */
    uint32_t least_rate; /* asked for, 0: any */
    uint32_t most_us[3]; /* p50, p99, p99.9, 0: any */
    char **steps;        /* lines of the profile's */
    uint32_t step_count;
    char *kept[GEN_KEPT_MAX]; /* texts of the profile's that options point to */
    uint32_t kept_count;
    struct flood_options flood;
};

/* ---- profile.c ---- */

/* Options and steps from a file of YAML. False after saying why. */
bool profile_read(const char *path, struct gen_options *options);
/* What it has allocated goes back. */
void profile_free(struct gen_options *options);

/* ---- options.c ---- */

extern const char options_usage[];
/* One option by its name; "true" or "false" for those without a value. False after saying why. */
bool options_set(const char *name, const char *value, struct gen_options *options);
/* Negative: go on; else exit with it. */
int options_read(int argc, char **argv, struct gen_options *options);
/* The options of one step, as words of a line: only those of traffic. False after saying why. */
bool options_step(char *line, struct gen_options *options);

#endif
