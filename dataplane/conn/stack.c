/* SPDX-License-Identifier: BSD-3-Clause */
/* Building a stack out of one piece of memory, and what concerns the whole of it. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"

#define STATUS_CHUNKS(config) ((config)->connections_max < 1024u ? (config)->connections_max : 1024u)
#define TIMER_MOVES_MAX       64u /* of far deadlines, in a turn */
#define TIMER_GRANULE_US      10000u

/* Cuts parts off a piece of memory, each aligned to a cache line; counts when there is no memory yet. */
struct carver {
    uint8_t *memory;
    size_t used;
};

static struct span carve(struct carver *carver, size_t bytes)
{
    size_t at = carver->used;
    carver->used += (bytes + WAX_CACHE_LINE_BYTES - 1u) & ~(size_t)(WAX_CACHE_LINE_BYTES - 1u);
    return span_of(carver->memory == NULL ? NULL : carver->memory + at, bytes);
}

/* The parts of a stack, in the order they lie. */
struct parts {
    struct span stack, conns, dirty, resume, blocks, backlogs, jobs, fair, addresses, checks, openings,
        transfers, messages, session_env, tcp, home, trace;
};

static uint16_t config_mss(const struct stack_config *config)
{
    uint16_t mtu = NET_MTU_MOST;
    for (uint16_t i = 0; i < config->port_count; i++)
        mtu = config->net[i].mtu < mtu ? config->net[i].mtu : mtu;
    return (uint16_t)(mtu - 40u);
}

struct tcp_config stack_tcp_config(const struct stack_config *config)
{
    return (struct tcp_config){.conns_max = config->config->connections_max,
                               .half_open_max = config->config->half_open_max,
                               .per_address_max = config->config->per_address_max,
                               .per_prefix_max = config->config->per_prefix_max,
                               .opens_per_s = config->config->opens_per_s,
                               .opens_burst = config->config->opens_burst,
                               .mss = config_mss(config),
                               .checksum_offload = config->checksum_offload};
}

struct home_config stack_home_config(const struct stack_config *config)
{
    return (struct home_config){.recipients = config->config->recipients,
                                .messages = config->config->messages,
                                .stores = config->config->messages,
                                .account_per_s = config->config->rates.account.per_s,
                                .account_burst = config->config->rates.account.burst,
                                .hash_key = {config->route_key[0], config->flow_key[1]}};
}

/* A check needs no room for bytes of a handshake. */
static uint32_t check_bytes(void)
{
    return (uint32_t)((offsetof(struct job, in) + 63u) & ~(size_t)63u);
}

static struct fair_config config_fair(const struct stack_config *config)
{
    return (struct fair_config){.under_way_max = config->config->handshakes_max,
                                .per_address_max = config->config->handshakes_per_address_max,
                                .waiting_max = config->config->handshakes_waiting_max};
}

static void carve_parts(struct carver *carver, const struct stack_config *config, struct parts *parts)
{
    const struct wax_config *c = config->config;
    struct tcp_config tcp = stack_tcp_config(config);
    struct home_config home = stack_home_config(config);
    parts->stack = carve(carver, sizeof(struct stack));
    parts->conns = carve(carver, (size_t)c->connections_max * sizeof(struct conn));
    parts->dirty = carve(carver, (size_t)c->connections_max * sizeof(uint32_t));
    parts->resume = carve(carver, (size_t)c->connections_max * sizeof(uint32_t));
    parts->blocks = carve(carver, pool_bytes(c->blocks, WAX_BLOCK_BYTES));
    parts->backlogs = carve(carver, pool_bytes(c->blocks, sizeof(struct backlog)));
    parts->jobs = carve(carver, pool_bytes(c->handshakes_max, sizeof(struct job)));
    struct fair_config fair = config_fair(config);
    parts->fair = carve(carver, fair_bytes(&fair));
    parts->addresses = carve(carver, c->rates.address.per_s != 0 ? rates_bytes() : 0);
    parts->checks = carve(carver, pool_bytes(c->handshakes_max, check_bytes()));
    parts->openings = carve(carver, pool_bytes(2u * c->handshakes_max, sizeof(struct session_opening)));
    parts->transfers = carve(carver, pool_bytes(media_transfers_max(c), sizeof(struct transfer)));
    parts->messages = carve(carver, msg_pool_bytes(c->messages));
    parts->session_env = carve(carver, session_env_bytes(STATUS_CHUNKS(c)));
    parts->tcp = carve(carver, tcp_engine_bytes(&tcp));
    parts->home = carve(carver, home_bytes(&home));
    parts->trace = carve(carver, trace_bytes());
}

size_t stack_bytes(const struct stack_config *config)
{
    struct carver carver = {NULL, 0};
    struct parts parts;
    carve_parts(&carver, config, &parts);
    return carver.used;
}

static enum wax_status init_pools(struct stack *stack, const struct parts *parts)
{
    const struct wax_config *c = stack->config.config;
    enum wax_status status = pool_init(&stack->blocks, parts->blocks, c->blocks, WAX_BLOCK_BYTES);
    if (status == WAX_OK)
        status = pool_init(&stack->backlogs, parts->backlogs, c->blocks, sizeof(struct backlog));
    if (status == WAX_OK)
        status = pool_init(&stack->jobs, parts->jobs, c->handshakes_max, sizeof(struct job));
    struct fair_config fair = config_fair(&stack->config);
    stack->env.random(stack->env.ctx, span_of((uint8_t *)fair.key, sizeof fair.key));
    if (status == WAX_OK)
        status = fair_init(&stack->fair, parts->fair, &fair);
    if (c->rates.address.per_s != 0)
        rates_init(&stack->addresses, parts->addresses, c->rates.address.per_s, c->rates.address.burst);
    if (status == WAX_OK)
        status = pool_init(&stack->checks, parts->checks, c->handshakes_max, check_bytes());
    if (status == WAX_OK)
        status = pool_init(&stack->openings, parts->openings, 2u * c->handshakes_max,
                           sizeof(struct session_opening));
    if (status == WAX_OK)
        status =
            pool_init(&stack->transfers, parts->transfers, media_transfers_max(c), sizeof(struct transfer));
    link_init(&stack->transfers_wait);
    if (status == WAX_OK)
        status = msg_pool_init(&stack->messages, parts->messages, c->messages, &stack->blocks, c->blocks / 4u,
                               (uint8_t)stack->config.worker);
    return status;
}

static enum wax_status init_tcp(struct stack *stack, const struct parts *parts)
{
    const struct wax_config *c = stack->config.config;
    struct tcp_config config = stack_tcp_config(&stack->config);
    struct tcp_env env = {.blocks = &stack->blocks,
                          .flow_key = {stack->config.flow_key[0], stack->config.flow_key[1]},
                          .counters = stack->metrics->status};
    stack->env.random(stack->env.ctx, span_of(env.isn_key, sizeof env.isn_key));
    stack->env.random(stack->env.ctx, span_of(env.cookie_key, sizeof env.cookie_key));
    enum wax_status status = tcp_engine_init(&stack->tcp, parts->tcp, &config, &env, stack->now_us);
    if (status == WAX_OK)
        status = trace_init(&stack->traces, parts->trace, stack->tcp);
    for (uint32_t i = 0; status == WAX_OK && i < c->listener_count; i++)
        status = tcp_listen(stack->tcp, NULL, c->listener[i].port,
                            i | (c->listener[i].proxy_protocol ? TCP_TAG_BEHIND : 0));
    for (uint16_t i = 0; i < stack->config.port_count; i++)
        stack->config.net[i].speaker = stack->config.worker == 0;
    for (uint16_t i = 0; status == WAX_OK && i < stack->config.port_count; i++)
        status = net_init(&stack->net[i], &stack->config.net[i], stack->now_us);
    return status;
}

static enum wax_status init_relay(struct stack *stack, const struct parts *parts)
{
    struct home_config home = stack_home_config(&stack->config);
    enum wax_status status = route_init(&stack->route, stack->config.route_key, stack->config.workers);
    stack_session_env(stack);
    if (status == WAX_OK)
        status =
            session_env_init(&stack->session_env, parts->session_env, STATUS_CHUNKS(stack->config.config));
    if (status == WAX_OK)
        status = home_init(&stack->home, parts->home, &home, &stack->env.relay, &stack->route,
                           &stack->messages, stack->metrics, stack->now_us);
    return status;
}

enum wax_status stack_init(struct stack **out, struct span memory, const struct stack_config *config,
                           const struct stack_env *env)
{
    struct carver carver = {memory.data, 0};
    struct parts parts;
    if (config->port_count == 0 || config->port_count > WAX_PORTS_MAX || config->handshake_threads == 0 ||
        config->worker >= config->workers || config->workers > WAX_WORKERS_MAX)
        return WAX_BAD_ARGUMENT;
    if (memory.len < stack_bytes(config))
        return WAX_NO_MEMORY;
    carve_parts(&carver, config, &parts);

    struct stack *stack = (struct stack *)(void *)parts.stack.data;
    stack->config = *config;
    stack->env = *env;
    stack->metrics = config->metrics;
    stack->metrics->session_bytes = stack_memory(config).session_bytes;
    stack->conns = (struct conn *)(void *)parts.conns.data;
    stack->dirty = (uint32_t *)(void *)parts.dirty.data;
    stack->resume = (uint32_t *)(void *)parts.resume.data;
    stack->now_us = config->now_us;
    wheel_init(&stack->wheel, &stack->conns[0].timer, sizeof(struct conn), TIMER_GRANULE_US, stack->now_us);
    wheel_limit(&stack->wheel, TIMER_MOVES_MAX);
    enum wax_status status = init_pools(stack, &parts);
    if (status == WAX_OK)
        status = init_tcp(stack, &parts);
    if (status == WAX_OK)
        status = init_relay(stack, &parts);
    *out = stack;
    return status;
}

uint8_t stack_port_of(const struct stack *stack, const struct addr *local)
{
    for (uint8_t i = 0; i < stack->config.port_count; i++)
        if (net_is_ours(&stack->net[i], local))
            return i;
    return 0;
}

void stack_control_up(struct stack *stack, uint64_t epoch, const uint8_t relay_id[WAX_RELAY_ID_BYTES])
{
    memcpy(stack->session_env.relay_id, relay_id, WAX_RELAY_ID_BYTES);
    stack->session_env.relay_id_known = true;
    stack->control_up = true;
    home_control_up(stack->home, epoch, stack->now_us);
    session_requests_go_on(&stack->session_env);
    stack->walking = true;
    stack->walk_next = 0;
}

void stack_tokens(struct stack *stack, const struct token_set *tokens)
{
    stack->tokens = *tokens;
}

void stack_control_down(struct stack *stack)
{
    stack->control_up = false;
    trace_end(stack);
    media_control_down(stack);
    session_requests_wait(&stack->session_env, stack->now_us);
    session_requests_lost(&stack->session_env);
    home_control_down(stack->home);
}

void stack_gauges(struct stack *stack)
{
    struct home_counts counts = home_counts(stack->home);
    const struct tcp_stats *tcp = tcp_stats(stack->tcp);
    stack->metrics->half_open_now = tcp->half_open;
    stack->metrics->cookies_sent = tcp->cookies_sent;
    stack->metrics->cookies_accepted = tcp->cookies_accepted;
    stack->metrics->segments_in = tcp->segments_in;
    stack->metrics->segments_out = tcp->segments_out;
    stack->metrics->retransmits = tcp->retransmits;
    stack->metrics->retransmit_timeouts = tcp->timeouts;
    stack->metrics->recipients_now = counts.recipients;
    stack->metrics->custody_now = counts.entries;
    stack->metrics->messages_now = stack->messages.slots.count - stack->messages.slots.free_count;
    stack->metrics->media_transfers_now = stack->transfers.count - stack->transfers.free_count;
    stack->metrics->blocks_free_now = stack->blocks.free_count;
}

#define DRAIN_CONNS 1024u /* closed in one call */

bool stack_drain(struct stack *stack)
{
    uint32_t conns = stack->config.config->connections_max;
    if (!stack->draining) {
        stack->draining = true;
        stack->walking = false;
        stack->walk_next = 0;
        for (uint32_t i = 0; i < stack->config.config->listener_count; i++)
            (void)tcp_unlisten(stack->tcp, NULL, stack->config.config->listener[i].port);
    }
    for (uint32_t i = 0; i < DRAIN_CONNS && stack->walk_next < conns; i++) {
        uint32_t id = stack->walk_next++;
        if (stack->conns[id].state == CONN_WS)
            conn_close_ws(stack, id, WIRE_CLOSE_RESTART);
        else if (stack->conns[id].state != CONN_FREE)
            conn_shut(stack, id);
    }
    return stack->walk_next == conns && stack->metrics->connections_now == 0;
}
