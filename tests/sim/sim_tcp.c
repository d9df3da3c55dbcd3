/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two TCP engines over a lossy link, under virtual time. Everything is drawn from the seed: faults,
 * configuration, what the users write, how slowly they read, how they close. Faults stop after a while; then
 * everything must end soon:
 *   - every byte arrives, in order and right; FIN comes after the last one; CLOSED comes once;
 *   - a corrupted segment is never accepted;
 *   - queues stay within their bounds at every step, sequence variables in order, and now and then all slots,
 *     blocks, flows and timers are accounted for;
 *   - when all is over no slot, block, flow or timer is in use;
 *   - the same seed gives the same packets.
 * In some runs the link is cut for good instead: then both ends of every connection must give it up in time.
 *
 *     sim-tcp [--seed N] [--runs N] [--seconds N] [--complete] [--trace] [--verbose]
 *
 * --seconds ends after so long instead of after so many runs; --complete fails when one of the faults or
 * recoveries that are counted never happened.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tcp/audit.h"
#include "tcp/world.h"

#define AUDIT_EVERY 64u
#define CALM_END_US (180 * SECOND_US)
#define CUT_END_US  (300 * SECOND_US)

struct sim sim;
struct sim_link wire;
struct sums sums;

static bool trace;

/* Where the blocks are, when a run has failed. */
static void print_host(const struct host *h)
{
    fprintf(stderr, "\n  %u of %u blocks free", h->blocks.free_count, h->blocks.count);
    for (uint32_t id = 0; h->e != NULL && id < h->e->cfg.conns_max; id++) {
        const struct tcp_conn *c = &h->e->conns[id];
        if (c->send.len + c->receive.len + reassembly_count(h->e, c) > 0) {
            fprintf(stderr, "; %u: %u to send, %u received, %u pieces", id, c->send.len, c->receive.len,
                    reassembly_count(h->e, c));
        }
    }
}

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
    print_host(&sim.hosts[0]);
    print_host(&sim.hosts[1]);
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

/* A router tells the sender of a packet that it did not fit; it takes its time like a packet. */
static void tell_too_big(uint32_t from, const uint8_t *bytes)
{
    const struct sim_faults *f = &wire.faults[1 - from];
    struct sim_error *told = &sim.errors[from];
    if (!sim.routers_tell || told->at_us != 0) {
        return; /* one at a time will do: the next packet that is too big asks again */
    }
    uint32_t headers = addr_is_ip4(&sim.addrs[0]) ? 20 : 40;
    told->at_us = sim.now_us + 2ull * f->delay_us + 1;
    told->error = (struct icmp_error){.type = addr_is_ip4(&sim.addrs[0]) ? 3 : 2,
                                      .code = addr_is_ip4(&sim.addrs[0]) ? 4 : 0,
                                      .too_big = true,
                                      .mtu = (uint16_t)(f->bytes_max + headers),
                                      .sport = load_be16(bytes),
                                      .dport = load_be16(bytes + 2),
                                      .seq = load_be32(bytes + 4),
                                      .src = sim.addrs[from],
                                      .dst = sim.addrs[1 - from]};
}

/* What routers say arrives. Returns when more will. */
static uint64_t errors_arrive(void)
{
    uint64_t next = UINT64_MAX;
    for (uint32_t host = 0; host < 2; host++) {
        struct sim_error *told = &sim.errors[host];
        if (told->at_us != 0 && told->at_us <= sim.now_us) {
            told->at_us = 0;
            enum wax_status status = tcp_icmp(sim.hosts[host].e, &told->error, sim.now_us);
            CHECK(status == WAX_TCP_MTU_LOWERED || status == WAX_TCP_ICMP_STALE, "too big: %s",
                  wax_status_text(status));
        }
        if (told->at_us != 0 && told->at_us < next) {
            next = told->at_us;
        }
    }
    return next;
}

static void transmit(uint32_t from, const uint8_t *bytes, uint32_t len, uint8_t ecn)
{
    CHECK(ecn == 0 || ecn == TCP_ECN_ECT0, "ECN bits %u", ecn);
    digest(&ecn, sizeof ecn);
    digest(&sim.now_us, sizeof sim.now_us);
    digest(bytes, len);
    if (trace) {
        printf("%10" PRIu64 " %s %u>%u flags %02x seq %u ack %u win %u len %u\n", sim.now_us,
               from == 0 ? ">" : "<", load_be16(bytes), load_be16(bytes + 2), bytes[13], load_be32(bytes + 4),
               load_be32(bytes + 8), load_be16(bytes + 14), len - (uint32_t)(bytes[12] >> 4) * 4);
    }
    uint32_t bytes_max = wire.faults[1 - from].bytes_max;
    if (bytes_max != 0 && len > bytes_max) {
        tell_too_big(from, bytes);
    }
    sim_link_send(&wire, 1 - from, bytes, len, ecn, sim.now_us);
}

static void check_conn(const struct host *h, uint32_t id)
{
    const char *fault = tcp_conn_fault(h->e, id);
    CHECK(fault == NULL, "connection %u: %s", id, fault);
    if (++sim.audits % AUDIT_EVERY == 0) {
        fault = tcp_engine_fault(h->e);
        CHECK(fault == NULL, "%s", fault);
    }
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
            transmit(host, packet, (uint32_t)o.len, o.ecn);
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
    struct host *h = &sim.hosts[host];
    struct tcp_segment s;
    enum wax_status status =
        tcp_parse(view_of(p->bytes, p->len), &sim.addrs[1 - host], &sim.addrs[host], true, &s);
    CHECK(p->corrupt == (status != WAX_OK), "corrupt %d, parsed: %s", p->corrupt, wax_status_text(status));
    if (status != WAX_OK) {
        h->counters[status]++;
        return;
    }
    s.ecn = p->ecn;
    uint64_t hash = tcp_hash(h->e, &s);
    struct tcp_result r;
    tcp_input(h->e, chance(90) ? tcp_lookup(h->e, hash, &s) : TCP_NONE, &s, sim.now_us, &r);
    if (r.reply_len != 0) {
        transmit(host, r.reply, r.reply_len, 0);
    }
    if (r.id == TCP_NONE) {
        return;
    }
    near_wrap(h, r.id);
    struct end *end = h->users[r.id];
    if (end == NULL && (r.events & TCP_EV_OPENED) != 0) {
        const struct tcp_conn *c = &h->e->conns[r.id];
        end = user_accept(
            h, r.id, c->rcv_nxt - ((c->flags & F_FIN_TAKEN) != 0) - (uint32_t)r.data.len - c->receive.len);
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
    bool calm = false;
    while (!all_done()) {
        CHECK(sim.now_us < deadline_us, "no end in sight");
        const struct sim_packet *p;
        for (uint32_t n = 0; n < BURST && (p = sim_link_receive(&wire, sim.now_us)) != NULL; n++) {
            host_input(p->to, p);
        }
        uint64_t told_us = errors_arrive();
        for (uint32_t host = 0; host < 2; host++) {
            tcp_advance(sim.hosts[host].e, sim.now_us);
        }
        if (sim.cookies && chance(2)) {
            struct tcp_config *config = &sim.hosts[draw(0, 1)].e->cfg;
            config->cookies_always = !config->cookies_always;
        }
        if (users_us <= sim.now_us || chance(20)) {
            users_us = users_act();
        }
        for (uint32_t host = 0; host < 2; host++) {
            host_output(host);
        }
        uint64_t next = sim_link_next_us(&wire);
        next = next < users_us ? next : users_us;
        next = next < told_us ? next : told_us;
        for (uint32_t host = 0; host < 2; host++) {
            uint64_t t = tcp_next_us(sim.hosts[host].e);
            next = next < t ? next : t;
        }
        CHECK(next != UINT64_MAX || all_done(), "nothing will ever happen");
        if (next == UINT64_MAX) {
            continue;
        }
        sim.now_us = next > sim.now_us ? next : sim.now_us + (chance(50) ? 1 : 0);
        if (sim.now_us >= sim.calm_us && !calm) {
            calm = true;
            sim_link_calm(&wire);
        }
        wire.cut = sim.now_us >= sim.cut_us;
        CHECK(++sim.steps < 40000000, "the engines never come to rest");
    }
}

/* The link was cut: whoever had not finished was told that the time is over. */
static void check_cut(void)
{
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        const struct plan *plan = &sim.plans[i];
        for (uint32_t j = 0; j < 2; j++) {
            const struct end *end = &plan->ends[j], *peer = &plan->ends[1 - j];
            bool whole = end->fin && end->written == end->total && end->received == peer->total;
            bool timed_out = end->status == WAX_TCP_TIMEOUT;
            /* Patience may end before the cut, the engine's for an end that was released or half open, too.
             */
            bool told = end->status == WAX_TCP_RESET && (peer->status == WAX_TCP_TIMEOUT ||
                                                         peer->close == CLOSE_AND_RELEASE || !peer->opened);
            CHECK(end->aborted || peer->aborted || !end->closed || timed_out || told || whole,
                  "port %u, end %u: %s", plan->port, j, wax_status_text(end->status));
            sums.given_up += timed_out;
        }
    }
}

/* What must be true of each connection's history. */
static void check_plans(void)
{
    if (sim.kind == KIND_CUT) {
        check_cut();
        return;
    }
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
    sums.boards += s->boards_taken;
    sums.rack_losses += s->rack_losses;
    sums.tlp_probes += s->tlp_probes;
    sums.tlp_losses += s->tlp_losses;
    sums.dsacks += s->dsacks;
    sums.undone += s->undone;
    sums.ecn += s->ecn_reductions;
    sums.mtu_lowered += s->mtu_lowered;
    sums.black_holes += s->black_holes;
    sums.challenges += s->challenge_acks;
    sums.fast += s->fast_path_in;
    sums.paws += h->counters[WAX_TCP_PAWS];
    sums.half_open_full += h->counters[WAX_TCP_HALF_OPEN_FULL];
    sums.cookies += s->cookies_accepted;
    sums.blocks_empty += h->counters[WAX_TCP_BLOCKS_EMPTY];
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
    rng_init(&sim.rng, seed);
    setup_kind();
    setup_link();
    setup_host(0);
    setup_host(1);
    setup_plans();
    uint64_t after_us = sim.kind == KIND_CUT ? sim.cut_us : sim.calm_us;
    run_until_done(after_us + (sim.kind == KIND_CUT ? CUT_END_US : CALM_END_US));
    uint64_t took_us = sim.now_us > after_us ? sim.now_us - after_us : 0;
    sim.took_us = took_us;
    sums.longest_us = took_us > sums.longest_us ? took_us : sums.longest_us;
    sums.kinds[sim.kind]++;
    check_plans();
    run_out();
    for (uint32_t host = 0; host < 2; host++) {
        check_empty(host);
        free(sim.hosts[host].memory);
    }
    const uint64_t *from = (const uint64_t *)&wire.counts;
    for (size_t i = 0; i < sizeof wire.counts / sizeof *from; i++) {
        ((uint64_t *)&sums.link)[i] += from[i];
    }
    return sim.hash;
}

static void print_sums(uint64_t runs, uint64_t hash, bool complete)
{
    const struct sim_link_counts *l = &sums.link;
    const struct {
        uint64_t value;
        const char *what;
    } all[] = {
        {sums.kinds[KIND_MIXED], "mixed"},
        {sums.kinds[KIND_CROWD], "crowds"},
        {sums.kinds[KIND_BULK], "bulk"},
        {sums.kinds[KIND_CUT], "cut off"},
        {l->sent, "segments"},
        {l->lost, "lost"},
        {l->burst_lost, "lost in bursts"},
        {l->downs, "link downs"},
        {l->full_lost, "lost in a full queue"},
        {l->duplicated, "doubled"},
        {l->reordered, "reordered"},
        {l->delayed, "delayed long"},
        {l->corrupted, "corrupted"},
        {l->marked, "marked"},
        {sums.retransmits, "resent"},
        {sums.recoveries, "recoveries"},
        {sums.timeouts, "time-outs"},
        {sums.probes, "probes"},
        {sums.boards, "scoreboards"},
        {sums.rack_losses, "RACK losses"},
        {sums.tlp_probes, "tail probes"},
        {sums.tlp_losses, "tails repaired"},
        {sums.dsacks, "D-SACKs"},
        {sums.undone, "undone"},
        {sums.ecn, "reduced for a mark"},
        {l->too_big, "too big"},
        {sums.mtu_lowered, "MTU lowered"},
        {sums.black_holes, "black holes"},
        {sums.out_of_order, "out of order"},
        {sums.challenges, "challenges"},
        {sums.paws, "PAWS"},
        {sums.fast, "fast"},
        {sums.aborted, "aborted"},
        {sums.given_up, "given up"},
        {sums.half_open_full, "half-open full"},
        {sums.cookies, "by cookie"},
        {sums.blocks_empty, "no blocks"},
        {sums.stalled, "readers stalled"},
        {sums.bytes, "bytes checked"},
    };
    uint64_t missing = 0;
    printf("%" PRIu64 " runs:", runs);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        printf("%s %" PRIu64 " %s", i > 0 ? "," : "", all[i].value, all[i].what);
        missing += all[i].value == 0;
    }
    printf("; longest %.1f s after the faults, trace hash %016" PRIx64 "\n", (double)sums.longest_us / 1e6,
           hash);
    if (complete && missing > 0) {
        fprintf(stderr, "sim-tcp: %" PRIu64 " of these never happened: the simulation has lost its bite\n",
                missing);
        exit(1);
    }
}

static uint64_t wall_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec;
}

struct arguments {
    uint64_t seed, runs, seconds;
    bool verbose, complete;
};

static bool arguments_read(struct arguments *a, int argc, char **argv)
{
    *a = (struct arguments){.seed = 1, .runs = 1};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--seed") == 0 && more) {
            a->seed = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--runs") == 0 && more) {
            a->runs = strtoull(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--seconds") == 0 && more) {
            a->seconds = strtoull(argv[++i], NULL, 10);
            a->runs = UINT64_MAX;
        } else if (strcmp(argv[i], "--trace") == 0) {
            trace = true;
        } else if (strcmp(argv[i], "--complete") == 0) {
            a->complete = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            a->verbose = true;
        } else {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    struct arguments a;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!arguments_read(&a, argc, argv)) {
        fprintf(stderr,
                "usage: sim-tcp [--seed N] [--runs N] [--seconds N] [--complete] [--trace] [--verbose]\n");
        return 2;
    }
    uint64_t all = 0, runs = 0, end_s = wall_s() + a.seconds;
    for (; runs < a.runs && (a.seconds == 0 || wall_s() < end_s); runs++) {
        uint64_t hash = run(a.seed + runs);
        if (a.verbose) {
            printf("seed %" PRIu64 ": kind %d, %" PRIu64 " steps, %.1f s after the faults, hash %016" PRIx64
                   "\n",
                   a.seed + runs, (int)sim.kind, sim.steps, (double)sim.took_us / 1e6, hash);
        }
        all = (all ^ hash) * 0x100000001b3u;
        if (runs % 8 == 0) {
            bool traced = trace;
            trace = false;
            CHECK(run(a.seed + runs) == hash, "the same seed gave other packets");
            trace = traced;
        }
    }
    print_sums(runs, all, a.complete);
    return 0;
}
