/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The world of the TCP simulation: two hosts, a link between them, and users with plans. setup.c draws
 * them, users.c plays the users, sim_tcp.c the rest.
 */
#ifndef TESTS_SIM_TCP_WORLD_H
#define TESTS_SIM_TCP_WORLD_H

#include <inttypes.h>

#include "invariants.h"
#include "link.h"

#define PLANS_MAX  400u
#define CONNS_MAX  1000u
#define PORT       443u
#define PORT_BASE  10000u
#define SECOND_US  1000000ull
#define BURST      32u
#define BLOCKS_MAX 8192u

#define CUT_PATIENCE_MS 20000u

enum close_policy { CLOSE_WHEN_WRITTEN, CLOSE_AFTER_PEER, CLOSE_AND_RELEASE, CLOSE_POLICIES };
enum read_policy { READ_AT_ONCE, READ_A_PART, READ_SLOWLY, READ_WITH_STALLS, READ_POLICIES };
enum kind { KIND_MIXED, KIND_CROWD, KIND_BULK, KIND_CUT, KINDS };

/* One end of a connection: what its user means to do, and what has happened. */
struct end {
    uint64_t key;            /* of the pattern that it writes */
    uint64_t total, written; /* bytes */
    uint64_t received;       /* bytes read and checked */
    uint64_t abort_at;       /* aborts when it has written so many; UINT64_MAX: never */
    uint64_t action_us;      /* when it does something next */
    uint64_t stall_us;       /* reads nothing until then */
    uint32_t id;
    uint32_t chunk;
    enum close_policy close;
    enum read_policy read;
    bool live, opened, fin, closed, done, aborted;
    enum wax_status status;
};

struct plan {
    uint64_t start_us;
    uint16_t port;
    uint32_t first; /* sequence number of the first byte from ends[0] */
    bool started;
    struct end ends[2]; /* 0 opens */
};

struct host {
    struct tcp_engine *e;
    struct pool blocks;
    uint64_t counters[WAX_STATUS_COUNT];
    struct tcp_config config;
    struct end *users[CONNS_MAX]; /* by id */
    uint8_t *memory;
};

/* An ICMP error under way to a host; at_us 0: none. */
struct sim_error {
    uint64_t at_us;
    struct icmp_error error;
};

struct sim {
    uint64_t seed, now_us, hash, steps, audits, took_us;
    uint64_t calm_us, cut_us; /* when the faults end, or everything does */
    enum kind kind;
    struct rng rng;
    struct host hosts[2];
    struct addr addrs[2]; /* of the hosts, of either family */
    struct sim_error errors[2];
    uint32_t plans_count;
    bool wraps;        /* sequence numbers begin just below 2^32 */
    bool cookies;      /* some or all SYNs are answered by cookies */
    bool routers_tell; /* the sender of a packet that is too big */
    bool tight;        /* few blocks or slots: connections may fail for want of memory */
    struct plan plans[PLANS_MAX];
};

struct sums {
    struct sim_link_counts link;
    uint64_t kinds[KINDS];
    uint64_t retransmits, recoveries, timeouts, probes, out_of_order, challenges, paws, fast, bytes, aborted,
        given_up, half_open_full, cookies, blocks_empty, stalled, longest_us, boards, boards_short,
        rack_losses, tlp_probes, tlp_losses, dsacks, undone, ecn, mtu_lowered, black_holes;
};

extern struct sim sim;
extern struct sim_link wire;
extern struct sums sums;

/*
 * Ends the program with the seed, what went wrong and the connections that are not done.
 */
void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...);

#define CHECK(condition, ...)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fail(__VA_ARGS__);                                                                               \
        }                                                                                                    \
    } while (0)

/* Draws from the run's generator. */
uint64_t draw(uint64_t low, uint64_t high);
bool chance(uint32_t percent);

/* setup.c */
void setup_kind(void);
void setup_link(void);
void setup_host(uint32_t host);
void setup_plans(void);

/* users.c */
struct end *user_accept(struct host *h, uint32_t id, uint32_t first); /* NULL: nobody waits for it */
void user_data(struct host *h, struct end *end, struct view data);
void user_events(struct host *h, struct end *end, uint32_t events);
uint64_t users_act(void); /* returns when one of them wants to act next */
bool plan_over(const struct plan *plan);
void near_wrap(struct host *h, uint32_t id);

#endif
