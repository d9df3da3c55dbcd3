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
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tcp/world.h"

struct sim sim;
struct sim_link wire;
struct sums sums;

static bool trace;

void fail(const char *format, ...)
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

uint64_t draw(uint64_t low, uint64_t high)
{
    return rng_between(&sim.rng, low, high);
}

bool chance(uint32_t percent)
{
    return rng_chance(&sim.rng, percent * 10000);
}

static void digest(const void *bytes, size_t len)
{
    const uint8_t *p = (const uint8_t *)bytes;
    for (size_t i = 0; i < len; i++) {
        sim.hash = (sim.hash ^ p[i]) * 0x100000001b3u;
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
    /* One draw a statement: the order of initialisers is the compiler's, and a seed must mean the same
     * everywhere. */
    h->config.conns_max = sim.tight && chance(50) ? 12 : 256;
    h->config.half_open_max = chance(30) ? 3 : 0;
    h->config.mss = sizes[draw(0, 5)];
    h->config.receive_bytes_max = windows[draw(0, 6)];
    h->config.send_bytes_max = chance(30) ? (uint32_t)draw(1, 8000) : 0;
    h->config.rto_min_ms = chance(50) ? 50 : 0;
    h->config.rto_max_ms = 8000;
    h->config.connect_timeout_ms = 900000;
    h->config.user_timeout_ms = 900000;
    h->config.half_open_ms = 900000;
    h->config.fin_wait_2_ms = UINT32_MAX;
    h->config.keepalive_ms = chance(30) ? 2000 : 0;
    h->config.keepalive_probes = 200;
    h->config.no_timestamps = chance(30);
    h->config.no_window_scale = chance(30);
    h->config.no_sack = chance(20);
    h->config.blocks_reserve = chance(20) ? 1 : 0;
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
            struct end *end = &plan->ends[j];
            end->key = rng_next(&sim.rng);
            end->total = draw(0, totals[draw(0, most)]);
            end->abort_at = UINT64_MAX;
            end->chunk = (uint32_t)(chance(30) ? draw(1, 200) : draw(200, 40000));
            end->close = (enum close_policy)draw(0, CLOSE_POLICIES - 1);
            end->read = (enum read_policy)draw(0, READ_POLICIES - 1);
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
    struct sim_faults f;
    f.loss = (uint32_t)(chance(20) ? 0 : draw(0, chance(30) ? 250000 : 50000));
    f.duplicate = (uint32_t)(chance(50) ? 0 : draw(0, 200000));
    f.reorder = (uint32_t)(chance(50) ? 0 : draw(0, 300000));
    f.corrupt = (uint32_t)(chance(50) ? 0 : draw(0, 50000));
    f.spike = (uint32_t)(chance(50) ? 0 : draw(0, 20000));
    f.delay_us = (uint32_t)draw(10, 40000);
    f.jitter_us = (uint32_t)(chance(50) ? 0 : draw(0, 2000));
    f.spike_us = (uint32_t)draw(1000, 3000000);
    f.packets_max = (uint32_t)(chance(30) ? draw(4, 100) : LINK_PACKETS_MAX);
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
