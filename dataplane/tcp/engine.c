/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine as a whole: its memory, configuration, listeners, look-ups and ready list. */
#include "tcp/engine.h"

#define TIME_MAX_MS (1u << 30) /* deadlines are compared modulo 2^32 */

static uint32_t or_default(uint32_t value, uint32_t fallback)
{
    return value != 0 ? value : fallback;
}

/* The configuration with its defaults filled in. */
static struct tcp_config config_resolve(const struct tcp_config *in, const struct pool *blocks)
{
    struct tcp_config c = *in;
    c.conns_max = or_default(c.conns_max, 1024);
    c.half_open_max = or_default(c.half_open_max, c.conns_max / 4 > 0 ? c.conns_max / 4 : 1);
    c.mss = (uint16_t)or_default(c.mss, 1460);
    c.receive_bytes_max = or_default(c.receive_bytes_max, 64u << 10);
    c.send_bytes_max = or_default(c.send_bytes_max, WAX_CONN_SEND_BYTES_MAX);
    if (blocks != NULL) {
        c.blocks_reserve = or_default(c.blocks_reserve, blocks->count / 8);
    }
    c.rto_initial_ms = or_default(c.rto_initial_ms, 1000);
    c.rto_min_ms = or_default(c.rto_min_ms, 200);
    c.rto_max_ms = or_default(c.rto_max_ms, 60000);
    c.delayed_ack_ms = or_default(c.delayed_ack_ms, 40);
    c.time_wait_ms = or_default(c.time_wait_ms, 60000);
    c.fin_wait_2_ms = or_default(c.fin_wait_2_ms, 60000);
    c.user_timeout_ms = or_default(c.user_timeout_ms, 100000);
    c.connect_timeout_ms = or_default(c.connect_timeout_ms, 180000);
    c.half_open_ms = or_default(c.half_open_ms, 30000);
    c.keepalive_probe_ms = or_default(c.keepalive_probe_ms, 10000);
    c.keepalive_probes = or_default(c.keepalive_probes, 6);
    c.opens_burst = or_default(c.opens_burst, c.opens_per_s);
    c.challenge_ms = or_default(c.challenge_ms, 100);
    return c;
}

static bool config_sound(const struct tcp_config *c)
{
    const uint32_t times[] = {c->rto_initial_ms,  c->rto_max_ms,         c->time_wait_ms,
                              c->user_timeout_ms, c->connect_timeout_ms, c->half_open_ms,
                              c->keepalive_ms,    c->keepalive_probe_ms, c->challenge_ms};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (times[i] > TIME_MAX_MS) {
            return false;
        }
    }
    if (c->fin_wait_2_ms > TIME_MAX_MS && c->fin_wait_2_ms != UINT32_MAX) {
        return false;
    }
    return c->conns_max < WHEEL_TIMERS_MAX && c->half_open_max <= c->conns_max && c->mss >= TCP_MSS_MIN &&
           c->receive_bytes_max <= WAX_CONN_RECEIVE_BYTES_MAX &&
           c->send_bytes_max <= WAX_CONN_SEND_BYTES_MAX && c->rto_min_ms <= c->rto_max_ms &&
           c->delayed_ack_ms < 500 && c->keepalive_probes < UINT8_MAX &&
           c->opens_per_s <= WAX_OPENS_PER_S_MAX && c->opens_burst <= WAX_OPENS_BURST_MAX;
}

static size_t line_up(size_t bytes)
{
    return (bytes + WAX_CACHE_LINE_BYTES - 1) & ~((size_t)WAX_CACHE_LINE_BYTES - 1);
}

size_t tcp_engine_bytes(const struct tcp_config *config)
{
    struct tcp_config c = config_resolve(config, NULL);
    return WAX_CACHE_LINE_BYTES + line_up(sizeof(struct tcp_engine)) +
           (size_t)c.conns_max * sizeof(struct tcp_conn) + quota_bytes(&c) + flow_bytes(c.conns_max);
}

static void engine_slots(struct tcp_engine *e)
{
    memset(e->conns, 0, (size_t)e->cfg.conns_max * sizeof *e->conns);
    for (uint32_t i = 0; i < e->cfg.conns_max; i++) {
        e->conns[i].ready_next = i + 1 < e->cfg.conns_max ? i + 1 : TCP_NONE;
    }
    e->free_head = 0;
    e->ready_head = e->ready_tail = TCP_NONE;
}

enum wax_status tcp_engine_init(struct tcp_engine **engine, struct span memory,
                                const struct tcp_config *config, const struct tcp_env *env, uint64_t now_us)
{
    struct tcp_config cfg = config_resolve(config, env->blocks);
    if (!config_sound(&cfg) || env->counters == NULL || env->blocks->item_bytes != WAX_BLOCK_BYTES) {
        return WAX_BAD_ARGUMENT;
    }
    if (memory.len < tcp_engine_bytes(config)) {
        return WAX_NO_MEMORY;
    }
    uint8_t *at = memory.data + (line_up((size_t)(uintptr_t)memory.data) - (size_t)(uintptr_t)memory.data);
    struct tcp_engine *e = (struct tcp_engine *)(void *)at;
    memset(e, 0, sizeof *e);
    at += line_up(sizeof *e);
    e->conns = (struct tcp_conn *)(void *)at;
    at += (size_t)cfg.conns_max * sizeof *e->conns;
    uint8_t *quota = at;
    at += quota_bytes(&cfg);
    e->env = *env;
    e->cfg = cfg;
    engine_clock(e, now_us);
    e->congestion = cfg.newreno ? &tcp_newreno : &tcp_cubic;
    while (cfg.receive_bytes_max >> e->rcv_scale > UINT16_MAX) {
        e->rcv_scale++;
    }
    cookie_init(e);
    quota_init(e, quota);
    e->ooo_max = cfg.receive_bytes_max / 1024 + 8;
    engine_slots(e);
    wheel_init(&e->wheel, &e->conns[0].timer, sizeof *e->conns, 1000, now_us);
    enum wax_status status = flow_init(&e->flows, span_of(at, flow_bytes(cfg.conns_max)), cfg.conns_max);
    *engine = e;
    return status;
}

/* Listeners: few, so a scan. */

static struct tcp_listener *listener_find(struct tcp_engine *e, const struct addr *local, bool any,
                                          uint16_t port)
{
    for (uint32_t i = 0; i < WAX_LISTENERS_MAX; i++) {
        struct tcp_listener *l = &e->listeners[i];
        if (l->port == port && l->any == any && (any || addr_same(&l->local, local))) {
            return l;
        }
    }
    return NULL;
}

enum wax_status tcp_listen(struct tcp_engine *e, const struct addr *local, uint16_t port, uint32_t tag)
{
    if (port == 0) {
        return WAX_BAD_ARGUMENT;
    }
    bool any = local == NULL || addr_is_any(local);
    if (listener_find(e, local, any, port) != NULL) {
        return WAX_EXISTS;
    }
    for (uint32_t i = 0; i < WAX_LISTENERS_MAX; i++) {
        struct tcp_listener *l = &e->listeners[i];
        if (l->port == 0) {
            *l = (struct tcp_listener){.port = port, .any = any, .tag = tag};
            if (!any) {
                l->local = *local;
            }
            return WAX_OK;
        }
    }
    return WAX_FULL;
}

enum wax_status tcp_unlisten(struct tcp_engine *e, const struct addr *local, uint16_t port)
{
    bool any = local == NULL || addr_is_any(local);
    struct tcp_listener *l = port == 0 ? NULL : listener_find(e, local, any, port);
    if (l == NULL) {
        return WAX_NOT_FOUND;
    }
    l->port = 0;
    return WAX_OK;
}

/* Look-ups. */

uint64_t tcp_hash(const struct tcp_engine *e, const struct tcp_segment *s)
{
    return engine_hash(e, &s->tuple);
}

void tcp_prefetch_bucket(const struct tcp_engine *e, uint64_t hash)
{
    flow_prefetch(&e->flows, hash);
}

uint32_t tcp_guess(const struct tcp_engine *e, uint64_t hash)
{
    return flow_guess(&e->flows, hash);
}

void tcp_prefetch_conn(const struct tcp_engine *e, uint32_t id)
{
    if (id != TCP_NONE) {
        const uint8_t *p = (const uint8_t *)&e->conns[id];
        __builtin_prefetch(p, 1);
        __builtin_prefetch(p + 64, 1);
        __builtin_prefetch(p + 128, 1);
        __builtin_prefetch(p + 192, 1);
    }
}

uint32_t tcp_lookup(const struct tcp_engine *e, uint64_t hash, const struct tcp_segment *s)
{
    return engine_find(e, hash, &s->tuple);
}

/* The ready list. */

uint32_t tcp_ready(struct tcp_engine *e)
{
    while (e->ready_head != TCP_NONE) {
        uint32_t id = e->ready_head;
        struct tcp_conn *c = conn_at(e, id);
        e->ready_head = c->ready_next;
        c->flags &= ~F_READY;
        if ((c->flags & F_DEAD) == 0) {
            return id;
        }
        c->flags &= ~F_DEAD;
        conn_collect(e, c);
    }
    return TCP_NONE;
}

void tcp_ready_again(struct tcp_engine *e, uint32_t id)
{
    if (conn_at(e, id)->state != TCP_STATE_FREE) {
        conn_ready(e, conn_at(e, id));
    }
}

uint32_t tcp_take_events(struct tcp_engine *e, uint32_t id)
{
    struct tcp_conn *c = conn_at(e, id);
    uint32_t events = (c->flags & F_USER) != 0 ? c->events : 0;
    c->events = 0;
    return events;
}

/* Facts. */

enum wax_status tcp_status(const struct tcp_engine *e, uint32_t id)
{
    const struct tcp_conn *c = conn_at(e, id);
    return c->state == TCP_STATE_CLOSED ? (enum wax_status)c->status : WAX_OK;
}

uint32_t tcp_mss(const struct tcp_engine *e, uint32_t id)
{
    return conn_at(e, id)->mss;
}

uint32_t tcp_tag(const struct tcp_engine *e, uint32_t id)
{
    return conn_at(e, id)->tag;
}

uint32_t tcp_generation(const struct tcp_engine *e, uint32_t id)
{
    return conn_at(e, id)->generation;
}

enum tcp_state tcp_state(const struct tcp_engine *e, uint32_t id)
{
    return (enum tcp_state)conn_at(e, id)->state;
}

const struct tcp_tuple *tcp_peer(const struct tcp_engine *e, uint32_t id)
{
    return &conn_at(e, id)->tuple;
}

const struct tcp_stats *tcp_stats(const struct tcp_engine *e)
{
    return &e->stats;
}
