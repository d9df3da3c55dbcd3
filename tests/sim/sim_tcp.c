/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two TCP engines over a lossy link, under virtual time. Everything is drawn from the seed: faults,
 * configuration, what the users write, how slowly they read, how they close. Faults stop after a while; then
 * everything must end:
 *   - every byte arrives, in order and right; FIN comes after the last one; CLOSED comes once;
 *   - a corrupted segment is never accepted;
 *   - queues stay within their bounds at every step, sequence variables in order;
 *   - when all is over no slot, block, flow or timer is in use;
 *   - the same seed gives the same packets.
 *
 *     sim-tcp --seed N --runs N [--trace] [--verbose]
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "link_sim.h"
#include "tcp_invariants.h"

#define PLANS_MAX  64u
#define PORT       443u
#define PORT_BASE  10000u
#define SECOND_US  1000000ull
#define BURST      32u
#define BLOCKS_MAX 4096u

enum close_policy { CLOSE_WHEN_WRITTEN, CLOSE_AFTER_PEER, CLOSE_AND_RELEASE, CLOSE_POLICIES };
enum read_policy { READ_AT_ONCE, READ_A_PART, READ_SLOWLY, READ_POLICIES };

/* One end of a connection: what its user means to do, and what has happened. */
struct end {
    uint64_t key;            /* of the pattern that it writes */
    uint64_t total, written; /* bytes */
    uint64_t received;       /* bytes read and checked */
    uint64_t abort_at;       /* aborts when it has written so many; UINT64_MAX: never */
    uint64_t action_us;      /* when it does something next */
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
    bool started;
    struct end ends[2]; /* 0 opens */
};

struct host {
    struct tcp_engine *e;
    struct pool blocks;
    uint64_t counters[WAX_STATUS_COUNT];
    struct tcp_config config;
    struct end *users[1024]; /* by id */
    uint8_t *memory;
};

struct sim {
    uint64_t seed, now_us, calm_us, hash, steps;
    struct rng rng;
    struct host hosts[2];
    uint32_t plans_count;
    bool wraps; /* sequence numbers begin just below 2^32 */
    bool tight; /* few blocks or slots: connections may fail for want of memory */
    struct plan plans[PLANS_MAX];
};

static struct sim sim;
static struct sim_link wire;
static bool trace;

static struct {
    uint64_t sent, lost, corrupted, retransmits, recoveries, timeouts, probes, out_of_order, challenges, paws,
        fast, bytes, aborted, half_open_full, blocks_empty;
} sums;

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fprintf(stderr, "sim-tcp: seed %" PRIu64 " at %" PRIu64 " us: ", sim.seed, sim.now_us);
    vfprintf(stderr, format, args);
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        for (uint32_t j = 0; j < 2; j++) {
            const struct end *end = &sim.plans[i].ends[j];
            if (!end->done) {
                fprintf(
                    stderr,
                    "\n  port %u end %u: id %u live %d opened %d fin %d closed %d aborted %d, wrote %" PRIu64
                    " of %" PRIu64 ", read %" PRIu64,
                    sim.plans[i].port, j, end->id, end->live, end->opened, end->fin, end->closed,
                    end->aborted, end->written, end->total, end->received);
            }
        }
    }
    fprintf(stderr, "\nagain with: sim-tcp --seed %" PRIu64 " --runs 1 --trace\n", sim.seed);
    va_end(args);
    exit(1);
}

#define CHECK(condition, ...)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fail(__VA_ARGS__);                                                                               \
        }                                                                                                    \
    } while (0)

static uint64_t draw(uint64_t low, uint64_t high)
{
    return rng_between(&sim.rng, low, high);
}

static bool chance(uint32_t percent)
{
    return rng_chance(&sim.rng, percent * 10000);
}

static uint8_t pattern(uint64_t key, uint64_t position)
{
    uint64_t x = (key + position / 8) * 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    return (uint8_t)(x >> position % 8 * 8);
}

static void digest(const void *bytes, size_t len)
{
    const uint8_t *p = (const uint8_t *)bytes;
    for (size_t i = 0; i < len; i++) {
        sim.hash = (sim.hash ^ p[i]) * 0x100000001b3u;
    }
}

static struct plan *plan_of(const struct end *end)
{
    return &sim.plans[(size_t)((const uint8_t *)end - (const uint8_t *)sim.plans) / sizeof(struct plan)];
}

/* The user checks what it reads against what the other end wrote. */
static void user_check(struct end *end, struct view bytes)
{
    struct plan *plan = plan_of(end);
    const struct end *peer = end == &plan->ends[0] ? &plan->ends[1] : &plan->ends[0];
    CHECK(!end->fin || bytes.len == 0 || end->read != READ_AT_ONCE, "bytes behind FIN");
    CHECK(end->received + bytes.len <= peer->written, "port %u: more bytes than were written", plan->port);
    for (size_t i = 0; i < bytes.len; i++) {
        CHECK(bytes.data[i] == pattern(peer->key, end->received + i), "port %u: byte %" PRIu64 " is wrong",
              plan->port, end->received + i);
    }
    end->received += bytes.len;
}

static void user_read(struct host *h, struct end *end, size_t n)
{
    const struct fifo *f = tcp_received(h->e, end->id);
    while (n > 0 && f->len > 0) {
        struct view v = fifo_peek(&h->blocks, f);
        v.len = v.len < n ? v.len : n;
        user_check(end, v);
        tcp_consume(h->e, end->id, v.len, sim.now_us);
        n -= v.len;
    }
}

static void user_abort(struct host *h, struct end *end)
{
    end->aborted = true;
    sums.aborted++;
    tcp_abort(h->e, end->id);
}

static void user_data(struct host *h, struct end *end, struct view data)
{
    size_t now = data.len;
    if (end->read == READ_SLOWLY) {
        now = 0;
    } else if (end->read == READ_A_PART) {
        now = (size_t)draw(0, data.len);
    }
    user_check(end, view_of(data.data, now));
    if (now < data.len && tcp_keep(h->e, end->id, view_of(data.data + now, data.len - now)) != WAX_OK) {
        CHECK(sim.tight, "no block to keep bytes in");
        user_abort(h, end);
        return;
    }
    if (end->read != READ_SLOWLY) {
        user_read(h, end, end->read == READ_AT_ONCE ? SIZE_MAX : (size_t)draw(0, 4000));
    }
}

static void user_release(struct host *h, struct end *end)
{
    user_read(h, end, SIZE_MAX);
    h->users[end->id] = NULL;
    end->live = false;
    end->done = true;
    tcp_release(h->e, end->id);
}

static void user_events(struct host *h, struct end *end, uint32_t events)
{
    CHECK(!end->closed, "event %x after CLOSED", events);
    if ((events & TCP_EV_OPENED) != 0) {
        CHECK(!end->opened, "opened twice");
        end->opened = true;
    }
    if ((events & TCP_EV_FIN) != 0) {
        CHECK(!end->fin, "FIN twice");
        end->fin = true;
    }
    if ((events & TCP_EV_CLOSED) != 0) {
        end->closed = true;
        end->status = tcp_status(h->e, end->id);
        end->action_us = sim.now_us;
    }
}

/* A passive open: which plan is it? */
static struct end *user_accept(struct host *h, uint32_t id)
{
    const struct tcp_tuple *t = tcp_peer(h->e, id);
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        struct plan *plan = &sim.plans[i];
        struct end *end = &plan->ends[1];
        if (plan->port == t->peer_port && plan->started && !plan->ends[0].done && !end->live && !end->done) {
            end->live = true;
            end->id = id;
            end->action_us = sim.now_us;
            h->users[id] = end;
            return end;
        }
    }
    return NULL;
}

static void user_write(struct host *h, struct end *end)
{
    uint64_t want = end->total - end->written;
    uint8_t bytes[65536];
    want = want < end->chunk ? want : end->chunk;
    uint32_t room = tcp_send_room(h->e, end->id);
    want = want < room ? want : room;
    if (want == 0) {
        return;
    }
    if (chance(50)) {
        struct span span = tcp_reserve(h->e, end->id, want < FIFO_BLOCK_DATA_BYTES ? (size_t)want : 1);
        size_t n = span.len < want ? span.len : (size_t)want;
        for (size_t i = 0; i < n; i++) {
            span.data[i] = pattern(end->key, end->written + i);
        }
        if (span.len > 0) {
            tcp_commit(h->e, end->id, n);
        }
        CHECK(span.len > 0 || sim.tight, "no block to write to");
        end->written += n;
        return;
    }
    for (size_t i = 0; i < want; i++) {
        bytes[i] = pattern(end->key, end->written + i);
    }
    enum wax_status status = tcp_write(h->e, end->id, view_of(bytes, (size_t)want));
    CHECK(status == WAX_OK || (sim.tight && status == WAX_NO_MEMORY), "write: %s", wax_status_text(status));
    end->written += status == WAX_OK ? want : 0;
}

/* What a user does from time to time. */
static void user_act(struct host *h, struct end *end)
{
    end->action_us = sim.now_us + draw(100, 30000);
    if (end->closed) {
        user_release(h, end);
        return;
    }
    if (end->read != READ_AT_ONCE) {
        user_read(h, end, (size_t)draw(0, 16000));
    }
    if (!end->opened && chance(80)) {
        return;
    }
    const struct plan *plan = plan_of(end);
    const struct end *peer = end == &plan->ends[0] ? &plan->ends[1] : &plan->ends[0];
    /* The peer aborted and its RST was lost: an end that only listens can't know. Users have clocks for that.
     */
    bool deserted = peer->done && peer->aborted && sim.now_us > sim.calm_us + 30 * SECOND_US;
    if (end->aborted) {
        return;
    }
    if (end->written >= end->abort_at || deserted) {
        user_abort(h, end);
        return;
    }
    if (end->written < end->total) {
        user_write(h, end);
        return;
    }
    if (!end->opened) {
        return;
    }
    if (end->close == CLOSE_AFTER_PEER && !end->fin) {
        return;
    }
    tcp_close(h->e, end->id, sim.now_us);
    if (end->close == CLOSE_AND_RELEASE && end->fin && tcp_received(h->e, end->id)->len == 0) {
        end->status = WAX_OK; /* the rest goes on without us */
        user_release(h, end);
    }
}

static void transmit(uint32_t from, const uint8_t *bytes, uint32_t len)
{
    digest(&sim.now_us, sizeof sim.now_us);
    digest(bytes, len);
    if (trace) {
        printf("%10" PRIu64 " %s %u>%u flags %02x seq %u ack %u win %u len %u\n", sim.now_us,
               from == 0 ? ">" : "<", load_be16(bytes), load_be16(bytes + 2), bytes[13], load_be32(bytes + 4),
               load_be32(bytes + 8), load_be16(bytes + 14), len - (uint32_t)(bytes[12] >> 4) * 4);
    }
    sim_link_send(&wire, 1 - from, bytes, len, sim.now_us);
}

static void check_conn(const struct host *h, uint32_t id)
{
    const char *fault = tcp_conn_fault(h->e, id);
    CHECK(fault == NULL, "connection %u: %s", id, fault);
}

static void host_output(uint32_t host)
{
    struct host *h = &sim.hosts[host];
    uint32_t id;
    while ((id = tcp_ready(h->e)) != TCP_NONE) {
        CHECK(++sim.steps < 40000000, "the engines never come to rest");
        struct end *end = h->users[id];
        uint32_t events = tcp_take_events(h->e, id);
        CHECK(events == 0 || end != NULL, "event %x for nobody", events);
        if (end != NULL && events != 0) {
            user_events(h, end, events);
        }
        uint8_t packet[LINK_BYTES_MAX];
        struct tcp_out o;
        uint32_t n = 0;
        bool stop = false;
        while (!stop && tcp_output(h->e, id, sim.now_us, span_of(packet, sizeof packet), &o)) {
            CHECK(o.payload_len <= h->e->cfg.mss, "a segment larger than the MSS");
            CHECK(++n < 10000, "output doesn't end");
            transmit(host, packet, (uint32_t)o.len);
            stop = chance(2);
        }
        if (stop) {
            tcp_ready_again(h->e, id);
        }
        check_conn(h, id);
    }
}

/* Most transfers are too short to reach the end of sequence space by themselves. */
static void near_wrap(struct host *h, uint32_t id)
{
    struct tcp_conn *c = &h->e->conns[id];
    if (sim.wraps && (c->state == TCP_STATE_SYN_SENT || c->state == TCP_STATE_SYN_RECEIVED) &&
        c->snd_max == c->snd_una) {
        c->snd_una = c->snd_nxt = c->snd_max = c->recover = 0u - (uint32_t)draw(1, 3000);
    }
}

static void host_input(uint32_t host, const struct sim_packet *p)
{
    static const struct addr addrs[2] = {{{[10] = 0xff, 0xff, 198, 18, 0, 1}},
                                         {{[10] = 0xff, 0xff, 198, 18, 0, 2}}};
    struct host *h = &sim.hosts[host];
    struct tcp_segment s;
    enum wax_status status = tcp_parse(view_of(p->bytes, p->len), &addrs[1 - host], &addrs[host], true, &s);
    CHECK(p->corrupt == (status != WAX_OK), "corrupt %d, parsed: %s", p->corrupt, wax_status_text(status));
    if (status != WAX_OK) {
        h->counters[status]++;
        return;
    }
    uint64_t hash = tcp_hash(h->e, &s);
    struct tcp_result r;
    tcp_input(h->e, chance(90) ? tcp_lookup(h->e, hash, &s) : TCP_NONE, &s, sim.now_us, &r);
    if (r.reply_len != 0) {
        transmit(host, r.reply, r.reply_len);
    }
    if (r.id == TCP_NONE) {
        return;
    }
    near_wrap(h, r.id);
    struct end *end = h->users[r.id];
    if (end == NULL && (r.events & TCP_EV_OPENED) != 0) {
        end = user_accept(h, r.id);
        if (end == NULL) {
            tcp_abort(h->e, r.id); /* an old duplicate SYN opened it */
            tcp_release(h->e, r.id);
            return;
        }
    }
    CHECK(end != NULL || r.events == 0, "events %x for nobody", r.events);
    check_conn(h, r.id);
    if (end == NULL) {
        return;
    }
    if ((r.events & TCP_EV_OPENED) != 0) {
        user_events(h, end, TCP_EV_OPENED);
    }
    if ((r.events & TCP_EV_DATA) != 0) {
        user_data(h, end, r.data);
    }
    if ((r.events & ~(uint32_t)TCP_EV_OPENED) != 0) {
        user_events(h, end, r.events & ~(uint32_t)TCP_EV_OPENED);
    }
}

static void plan_start(struct plan *plan)
{
    struct host *h = &sim.hosts[0];
    struct tcp_tuple t = {addr_ip4(0xc6120002), addr_ip4(0xc6120001), PORT, plan->port};
    struct end *end = &plan->ends[0];
    enum wax_status status = tcp_connect(h->e, &t, 0, sim.now_us, &end->id);
    if (status != WAX_OK) {
        CHECK(status == WAX_EXISTS || (status == WAX_TCP_CONNS_FULL), "connect: %s", wax_status_text(status));
        plan->start_us = sim.now_us + draw(1, 2 * SECOND_US);
        return;
    }
    plan->started = end->live = true;
    near_wrap(h, end->id);
    end->action_us = sim.now_us;
    h->users[end->id] = end;
}

/* Both ends are done, or the first one was and the second never heard of it. */
static bool plan_over(const struct plan *plan)
{
    const struct end *first = &plan->ends[0], *second = &plan->ends[1];
    return first->done && (second->done || (!second->live && first->status != WAX_OK));
}

/* The users' turn; returns when one of them wants to act next. */
static uint64_t users_act(void)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        struct plan *plan = &sim.plans[i];
        /* A plan on the same port waits for the one before it. */
        bool waits = i > 0 && sim.plans[i - 1].port == plan->port && !plan_over(&sim.plans[i - 1]);
        if (!plan->started && !waits && plan->start_us <= sim.now_us) {
            if (i > 0 && sim.plans[i - 1].port == plan->port && !sim.plans[i - 1].ends[1].done) {
                plan->port = (uint16_t)(plan->port + 1000); /* remains of that one may still come to life */
            }
            plan_start(plan);
        }
        if (!plan->started && !waits) {
            next = plan->start_us < next ? plan->start_us : next;
        }
        for (uint32_t j = 0; j < 2; j++) {
            struct end *end = &plan->ends[j];
            if (end->live && end->action_us <= sim.now_us) {
                user_act(&sim.hosts[j], end);
            }
            if (end->live && end->action_us < next) {
                next = end->action_us;
            }
        }
    }
    return next;
}

static bool all_done(void)
{
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        if (!plan_over(&sim.plans[i])) {
            return false;
        }
    }
    return true;
}

static void run_until_done(uint64_t deadline_us)
{
    uint64_t users_us = 0;
    while (!all_done()) {
        CHECK(sim.now_us < deadline_us, "no end in sight");
        const struct sim_packet *p;
        for (uint32_t n = 0; n < BURST && (p = sim_link_receive(&wire, sim.now_us)) != NULL; n++) {
            host_input(p->to, p);
        }
        for (uint32_t host = 0; host < 2; host++) {
            tcp_advance(sim.hosts[host].e, sim.now_us);
        }
        if (users_us <= sim.now_us || chance(20)) {
            users_us = users_act();
        }
        for (uint32_t host = 0; host < 2; host++) {
            host_output(host);
        }
        uint64_t next = sim_link_next_us(&wire);
        next = next < users_us ? next : users_us;
        for (uint32_t host = 0; host < 2; host++) {
            uint64_t t = tcp_next_us(sim.hosts[host].e);
            next = next < t ? next : t;
        }
        CHECK(next != UINT64_MAX || all_done(), "nothing will ever happen");
        if (next == UINT64_MAX) {
            continue;
        }
        sim.now_us = next > sim.now_us ? next : sim.now_us + (chance(50) ? 1 : 0);
        if (sim.now_us >= sim.calm_us && wire.faults.loss + wire.faults.corrupt + wire.faults.spike != 0) {
            wire.faults = (struct sim_faults){.delay_us = 1000, .packets_max = LINK_PACKETS_MAX};
        }
        CHECK(++sim.steps < 40000000, "the engines never come to rest");
    }
}

/* What must be true of each connection's history. */
static void check_plans(void)
{
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        const struct plan *plan = &sim.plans[i];
        bool aborted = plan->ends[0].aborted || plan->ends[1].aborted;
        for (uint32_t j = 0; j < 2 && !aborted; j++) {
            const struct end *end = &plan->ends[j], *peer = &plan->ends[1 - j];
            /* Where TIME-WAIT is cut short for want of slots, a FIN sent again is answered by RST: after the
             * last byte. */
            bool late = sim.tight && end->status == WAX_TCP_RESET && end->fin && peer->fin;
            CHECK(end->status == WAX_OK || late, "port %u, end %u: %s", plan->port, j,
                  wax_status_text(end->status));
            CHECK(end->fin, "port %u, end %u: no FIN", plan->port, j);
            CHECK(peer->written == peer->total && end->received == peer->total,
                  "port %u, end %u: %" PRIu64 " of %" PRIu64 " bytes", plan->port, j, end->received,
                  peer->total);
            sums.bytes += end->received;
        }
    }
}

static void check_empty(uint32_t host)
{
    struct host *h = &sim.hosts[host];
    const struct tcp_stats *s = tcp_stats(h->e);
    CHECK(s->conns == 0 && s->half_open == 0 && s->time_wait == 0, "host %u: %u connections are left", host,
          s->conns);
    CHECK(h->blocks.free_count == h->blocks.count, "host %u: %u blocks are lost", host,
          h->blocks.count - h->blocks.free_count);
    CHECK(h->e->flows.count == 0, "host %u: %u flows are left", host, h->e->flows.count);
    CHECK(h->e->wheel.armed == 0, "host %u: %u timers are armed", host, h->e->wheel.armed);
    sums.retransmits += s->retransmits;
    sums.recoveries += s->fast_recoveries;
    sums.timeouts += s->timeouts;
    sums.probes += s->probes;
    sums.out_of_order += s->out_of_order;
    sums.challenges += s->challenge_acks;
    sums.fast += s->fast_path_in;
    sums.paws += h->counters[WAX_TCP_PAWS];
    sums.half_open_full += h->counters[WAX_TCP_HALF_OPEN_FULL];
    sums.blocks_empty += h->counters[WAX_TCP_BLOCKS_EMPTY];
}

static void setup_host(uint32_t host)
{
    static const uint32_t windows[] = {700, 2000, 6000, 20000, 64u << 10, 64u << 10, 256u << 10};
    static const uint16_t sizes[] = {100, 536, 1000, 1460, 1460, 1460};
    struct host *h = &sim.hosts[host];
    h->config = (struct tcp_config){
        .conns_max = sim.tight && chance(50) ? 12 : 256,
        .half_open_max = chance(30) ? 3 : 0,
        .mss = sizes[draw(0, 5)],
        .receive_bytes_max = windows[draw(0, 6)],
        .send_bytes_max = chance(30) ? (uint32_t)draw(1, 8000) : 0,
        .rto_min_ms = chance(50) ? 50 : 0,
        .rto_max_ms = 8000,
        .connect_timeout_ms = 900000,
        .user_timeout_ms = 900000,
        .half_open_ms = 900000,
        .fin_wait_2_ms = UINT32_MAX,
        .keepalive_ms = chance(30) ? 2000 : 0,
        .keepalive_probes = 200,
        .no_timestamps = chance(30),
        .no_window_scale = chance(30),
        .blocks_reserve = chance(20) ? 1 : 0,
    };
    uint32_t blocks = sim.tight ? (uint32_t)draw(24, 100) : BLOCKS_MAX;
    size_t pool = pool_bytes(blocks, WAX_BLOCK_BYTES), engine = tcp_engine_bytes(&h->config);
    h->memory = (uint8_t *)malloc(pool + engine);
    struct tcp_env env = {.blocks = &h->blocks, .counters = h->counters};
    for (uint32_t i = 0; i < 2; i++) {
        env.isn_key[i] = rng_next(&sim.rng);
        env.flow_key[i] = rng_next(&sim.rng);
    }
    CHECK(h->memory != NULL &&
              pool_init(&h->blocks, span_of(h->memory, pool), blocks, WAX_BLOCK_BYTES) == WAX_OK &&
              tcp_engine_init(&h->e, span_of(h->memory + pool, engine), &h->config, &env, sim.now_us) ==
                  WAX_OK,
          "no engine");
    CHECK(tcp_listen(h->e, NULL, PORT, 1) == WAX_OK, "no listener");
}

static void setup_plans(void)
{
    static const uint64_t totals[] = {0, 1, 500, 5000, 30000, 120000};
    uint64_t most = chance(30) ? 5 : 4;
    bool reuse = !sim.tight && chance(40);
    sim.wraps = !reuse && chance(50);
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        struct plan *plan = &sim.plans[i];
        plan->start_us = sim.now_us + draw(0, 3 * SECOND_US);
        plan->port = (uint16_t)(PORT_BASE + (reuse ? i / 2 : i));
        for (uint32_t j = 0; j < 2; j++) {
            plan->ends[j] = (struct end){
                .key = rng_next(&sim.rng),
                .total = draw(0, totals[draw(0, most)]),
                .abort_at = UINT64_MAX,
                .chunk = (uint32_t)(chance(30) ? draw(1, 200) : draw(200, 40000)),
                .close = (enum close_policy)draw(0, CLOSE_POLICIES - 1),
                .read = (enum read_policy)draw(0, READ_POLICIES - 1),
            };
        }
        if (plan->ends[0].close == CLOSE_AFTER_PEER) {
            plan->ends[1].close = CLOSE_WHEN_WRITTEN; /* one must begin */
        }
        if (chance(10)) {
            struct end *end = &plan->ends[draw(0, 1)];
            end->abort_at = draw(0, end->total);
        }
        for (uint32_t j = 0; j < 2; j++) {
            /* Small chunks take their time. */
            plan->ends[j].chunk += (uint32_t)(plan->ends[j].total / 400);
        }
    }
}

static struct sim_faults setup_faults(void)
{
    struct sim_faults f = {
        .loss = (uint32_t)(chance(20) ? 0 : draw(0, chance(30) ? 250000 : 50000)),
        .duplicate = (uint32_t)(chance(50) ? 0 : draw(0, 200000)),
        .reorder = (uint32_t)(chance(50) ? 0 : draw(0, 300000)),
        .corrupt = (uint32_t)(chance(50) ? 0 : draw(0, 50000)),
        .spike = (uint32_t)(chance(50) ? 0 : draw(0, 20000)),
        .delay_us = (uint32_t)draw(10, 40000),
        .jitter_us = (uint32_t)(chance(50) ? 0 : draw(0, 2000)),
        .spike_us = (uint32_t)draw(1000, 3000000),
        .packets_max = (uint32_t)(chance(30) ? draw(4, 100) : LINK_PACKETS_MAX),
    };
    return f;
}

/* Lets everything run out: TIME-WAIT, connections without a user, packets under way. */
static void run_out(void)
{
    uint64_t end_us = sim.now_us + 200 * SECOND_US;
    while (sim.now_us < end_us) {
        const struct sim_packet *p;
        while ((p = sim_link_receive(&wire, sim.now_us)) != NULL) {
            host_input(p->to, p);
        }
        uint64_t next = sim_link_next_us(&wire);
        for (uint32_t host = 0; host < 2; host++) {
            tcp_advance(sim.hosts[host].e, sim.now_us);
            host_output(host);
        }
        for (uint32_t host = 0; host < 2; host++) {
            uint64_t t = tcp_next_us(sim.hosts[host].e);
            next = next < t ? next : t;
        }
        uint64_t sent = sim_link_next_us(&wire);
        next = next < sent ? next : sent;
        if (next == UINT64_MAX) {
            break;
        }
        sim.now_us = next > sim.now_us ? next : sim.now_us + 1;
        CHECK(++sim.steps < 40000000, "the engines never come to rest");
    }
}

static uint64_t run(uint64_t seed)
{
    memset(&sim, 0, sizeof sim);
    sim.seed = seed;
    sim.hash = 0xcbf29ce484222325u;
    sim.now_us = SECOND_US + seed % 1000;
    rng_init(&sim.rng, seed);
    sim.tight = chance(20);
    sim.plans_count = (uint32_t)(chance(20) ? draw(20, PLANS_MAX) : draw(1, 8));
    sim.calm_us = sim.now_us + draw(2, 20) * SECOND_US;
    struct sim_faults faults = setup_faults();
    sim_link_init(&wire, &faults, rng_next(&sim.rng));
    setup_host(0);
    setup_host(1);
    setup_plans();
    run_until_done(sim.calm_us + 3000 * SECOND_US);
    check_plans();
    run_out();
    for (uint32_t host = 0; host < 2; host++) {
        check_empty(host);
        free(sim.hosts[host].memory);
    }
    sums.sent += wire.sent;
    sums.lost += wire.lost;
    sums.corrupted += wire.corrupted;
    return sim.hash;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    uint64_t seed = 1, runs = 1;
    bool verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--runs") == 0 && i + 1 < argc) {
            runs = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            verbose = true;
        } else {
            fprintf(stderr, "usage: sim-tcp [--seed N] [--runs N] [--trace] [--verbose]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < runs; i++) {
        uint64_t hash = run(seed + i);
        uint64_t steps = sim.steps, end_us = sim.now_us;
        if (verbose) {
            printf("seed %" PRIu64 ": %" PRIu64 " steps, %.1f s, hash %016" PRIx64 "\n", seed + i, steps,
                   (double)end_us / 1e6, hash);
        }
        if (i % 8 == 0) {
            bool traced = trace;
            trace = false;
            CHECK(run(seed + i) == hash, "the same seed gave other packets");
            trace = traced;
        }
    }
    printf("%" PRIu64 " runs: %" PRIu64 " segments, %" PRIu64 " lost, %" PRIu64 " corrupted, %" PRIu64
           " resent, %" PRIu64 " recoveries, %" PRIu64 " time-outs, %" PRIu64 " probes, %" PRIu64
           " out of order, %" PRIu64 " challenges, %" PRIu64 " PAWS, %" PRIu64 " fast, %" PRIu64
           " aborted, %" PRIu64 " half-open full, %" PRIu64 " no blocks, %" PRIu64 " bytes checked\n",
           runs, sums.sent, sums.lost, sums.corrupted, sums.retransmits, sums.recoveries, sums.timeouts,
           sums.probes, sums.out_of_order, sums.challenges, sums.paws, sums.fast, sums.aborted,
           sums.half_open_full, sums.blocks_empty, sums.bytes);
    return 0;
}
