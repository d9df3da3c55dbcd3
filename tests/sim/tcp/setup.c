/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run is like: everything is drawn from its seed. */
#include <stdlib.h>

#include "world.h"

#define FILLINGS_MAX 300u

/*
 * One draw a statement, everywhere: the order of initialisers and arguments is the compiler's, and a seed
 * must mean the same everywhere.
 */
void setup_kind(void)
{
    static const enum kind kinds[] = {KIND_MIXED, KIND_MIXED, KIND_MIXED, KIND_MIXED, KIND_MIXED,
                                      KIND_CROWD, KIND_BULK,  KIND_CUT,   KIND_CUT};
    sim.kind = kinds[draw(0, sizeof kinds / sizeof kinds[0] - 1)];
    /* Some begin shortly before the clock of milliseconds passes 2^32. */
    sim.now_us =
        chance(25) ? (UINT64_C(1) << 32) * 1000 - draw(SECOND_US, 20 * SECOND_US) : SECOND_US + draw(0, 1000);
    bool ip6 = chance(50);
    for (uint32_t host = 0; host < 2; host++) {
        sim.addrs[host] =
            ip6 ? (struct addr){{0x20, 1, 0, 2, [15] = (uint8_t)(host + 1)}} : addr_ip4(0xc6120001 + host);
    }
    sim.tight = sim.kind == KIND_MIXED && chance(25);
    sim.routers_tell = chance(60);
    sim.cookies = chance(40);
    switch (sim.kind) {
    case KIND_CROWD:
        sim.plans_count = (uint32_t)draw(100, PLANS_MAX);
        break;
    case KIND_BULK:
        sim.plans_count = (uint32_t)draw(1, 3);
        break;
    default:
        sim.plans_count = (uint32_t)(chance(20) ? draw(20, 64) : draw(1, 8));
        break;
    }
    sim.calm_us = sim.now_us + draw(2, 20) * SECOND_US;
    sim.cut_us = UINT64_MAX;
    if (sim.kind == KIND_CUT) {
        sim.cut_us = sim.now_us + draw(0, 6 * SECOND_US);
        sim.calm_us = UINT64_MAX;
    }
}

static void setup_direction(struct sim_faults *f)
{
    *f = (struct sim_faults){.packets_max = LINK_PACKETS_MAX};
    f->delay_us = (uint32_t)draw(10, 40000);
    f->jitter_us = (uint32_t)(chance(50) ? 0 : draw(0, 2000));
    if (chance(15)) {
        return; /* a path without faults, but perhaps the other way */
    }
    f->loss = (uint32_t)(chance(20) ? 0 : draw(0, chance(30) ? 250000 : 50000));
    f->duplicate = (uint32_t)(chance(50) ? 0 : draw(0, 200000));
    f->reorder = (uint32_t)(chance(50) ? 0 : draw(0, 300000));
    f->corrupt = (uint32_t)(chance(50) ? 0 : draw(0, 50000));
    f->spike = (uint32_t)(chance(50) ? 0 : draw(0, 20000));
    f->spike_us = (uint32_t)draw(1000, 3000000);
    f->mark = (uint32_t)(chance(50) ? 0 : draw(0, 100000));
    f->burst = (uint32_t)(chance(70) ? 0 : draw(0, 10000));
    f->burst_us = (uint32_t)draw(1000, 200000);
    f->down = (uint32_t)(chance(80) ? 0 : draw(0, 1000));
    f->down_us = (uint32_t)draw(SECOND_US, 8 * SECOND_US);
    if (chance(sim.kind == KIND_BULK ? 30 : 10)) {
        bool ip4 = addr_is_ip4(&sim.addrs[0]);
        f->bytes_max = (uint32_t)draw(ip4 ? 552 - 20 : 1280 - 40, 1400);
    }
    if (chance(30)) {
        f->packets_max = (uint32_t)draw(4, 100);
    }
    if (chance(sim.kind == KIND_BULK ? 60 : 15)) {
        f->rate_kbit = (uint32_t)draw(2000, 200000);
        f->packets_max = (uint32_t)draw(10, 200);
    }
}

void setup_link(void)
{
    sim_link_init(&wire, rng_next(&sim.rng));
    setup_direction(&wire.faults[0]);
    if (chance(50)) {
        wire.faults[1] = wire.faults[0];
    } else {
        setup_direction(&wire.faults[1]);
    }
    if (sim.kind == KIND_BULK) {
        for (uint32_t to = 0; to < 2; to++) {
            /* Enough of everything, yet such that megabytes pass. */
            wire.faults[to].loss /= 10;
            wire.faults[to].burst /= 10;
            wire.faults[to].down /= 10;
        }
    }
}

/* Ends of patience: far away where the link recovers, near where it does not. */
static void setup_clocks(struct tcp_config *c)
{
    bool cut = sim.kind == KIND_CUT;
    c->rto_min_ms = chance(50) ? 50 : 0;
    c->rto_max_ms = 8000;
    c->connect_timeout_ms = cut ? (uint32_t)draw(3000, CUT_PATIENCE_MS) : 900000;
    c->user_timeout_ms = cut ? (uint32_t)draw(3000, CUT_PATIENCE_MS) : 900000;
    c->half_open_ms = cut ? (uint32_t)draw(3000, CUT_PATIENCE_MS) : 900000;
    c->fin_wait_2_ms = cut ? (uint32_t)draw(3000, CUT_PATIENCE_MS) : UINT32_MAX;
    c->keepalive_ms = cut || chance(30) ? 2000 : 0;
    if (sim.cookies) {
        c->keepalive_ms = 2000; /* no cookie is sent again: the peer must speak when its ACK was lost */
    }
    c->keepalive_probe_ms = cut ? (uint32_t)draw(200, 2000) : 0;
    c->keepalive_probes = cut ? (uint32_t)draw(3, 8) : 200;
}

void setup_host(uint32_t host)
{
    static const uint32_t windows[] = {700, 2000, 6000, 20000, 64u << 10, 64u << 10, 256u << 10};
    static const uint16_t sizes[] = {100, 536, 1000, 1460, 1460, 1460};
    struct host *h = &sim.hosts[host];
    h->config.conns_max = sim.tight && chance(50) ? 12 : CONNS_MAX;
    h->config.half_open_max = chance(30) ? 3 : 0;
    h->config.no_cookies = !sim.cookies;
    h->config.mss = sizes[draw(0, 5)];
    h->config.receive_bytes_max = windows[draw(0, 6)];
    h->config.send_bytes_max = chance(30) ? (uint32_t)draw(1, 8000) : 0;
    setup_clocks(&h->config);
    h->config.no_timestamps = chance(30);
    h->config.no_window_scale = chance(30);
    h->config.no_sack = chance(20);
    h->config.newreno = chance(20);
    h->config.no_ecn = chance(20);
    h->config.blocks_reserve = chance(20) ? 1 : 0;
    uint32_t blocks = sim.tight ? (uint32_t)draw(16, 64) : BLOCKS_MAX; /* large enough for all */
    size_t pool = pool_bytes(blocks, WAX_BLOCK_BYTES), engine = tcp_engine_bytes(&h->config);
    h->memory = (uint8_t *)malloc(pool + engine);
    struct tcp_env env = {.blocks = &h->blocks, .counters = h->counters};
    for (uint32_t i = 0; i < 2; i++) {
        env.isn_key[i] = rng_next(&sim.rng);
        env.flow_key[i] = rng_next(&sim.rng);
        env.cookie_key[i] = rng_next(&sim.rng);
    }
    CHECK(h->memory != NULL &&
              pool_init(&h->blocks, span_of(h->memory, pool), blocks, WAX_BLOCK_BYTES) == WAX_OK &&
              tcp_engine_init(&h->e, span_of(h->memory + pool, engine), &h->config, &env, sim.now_us) ==
                  WAX_OK,
          "no engine");
    CHECK(tcp_listen(h->e, NULL, PORT, 1) == WAX_OK, "no listener");
}

/* So that a transfer through small buffers, a delayed acknowledgement for each filling, ends in time. */
static uint64_t total_max(uint32_t from)
{
    const struct tcp_config *mine = &sim.hosts[from].config, *other = &sim.hosts[1 - from].config;
    uint32_t most = other->receive_bytes_max;
    if (mine->send_bytes_max != 0 && mine->send_bytes_max < most) {
        most = mine->send_bytes_max;
    }
    return FILLINGS_MAX * (uint64_t)most;
}

void setup_plans(void)
{
    static const uint64_t totals[] = {0, 1, 500, 5000, 30000, 120000, 3000000};
    uint64_t most = chance(30) ? 5 : 4;
    if (sim.kind == KIND_CROWD) {
        most = 3;
    }
    bool reuse = sim.kind == KIND_MIXED && !sim.tight && chance(40);
    sim.wraps = !reuse && chance(50);
    for (uint32_t i = 0; i < sim.plans_count; i++) {
        struct plan *plan = &sim.plans[i];
        plan->start_us = sim.now_us + draw(0, 3 * SECOND_US);
        plan->port = (uint16_t)(PORT_BASE + (reuse ? i / 2 : i));
        for (uint32_t j = 0; j < 2; j++) {
            struct end *end = &plan->ends[j];
            end->key = rng_next(&sim.rng);
            end->total = draw(0, totals[draw(0, most)]);
            if (sim.kind == KIND_BULK && (j == 0 || chance(30))) {
                end->total = draw(totals[5], totals[6]);
            }
            end->total = end->total < total_max(j) ? end->total : total_max(j);
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
