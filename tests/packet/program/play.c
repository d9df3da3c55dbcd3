/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of a scenario: its engine, its flows, how it fails and how it ends. */
#include "play.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool play_fail(struct play *p, const char *format, ...)
{
    if (p->failed) {
        return false;
    }
    p->failed = true;
    int used = snprintf(p->message, sizeof p->message, "%s:%u: %s: ", p->file, p->line, p->scenario);
    va_list list;
    va_start(list, format);
    vsnprintf(p->message + used, sizeof p->message - (size_t)used, format, list);
    va_end(list);
    return false;
}

static struct addr address(bool ip6, uint8_t last)
{
    return ip6 ? (struct addr){{0x20, 0x01, 0, 2, [15] = last}} : addr_ip4(0xc6120000u + last);
}

struct flow *play_flow(struct play *p, const char *name)
{
    for (unsigned i = 0; i < p->flow_count; i++) {
        if (strcmp(p->flows[i].name, name) == 0) {
            return &p->flows[i];
        }
    }
    if (p->flow_count == PLAY_FLOWS_MAX) {
        play_fail(p, "more than %u flows", PLAY_FLOWS_MAX);
        return NULL;
    }
    struct flow *f = &p->flows[p->flow_count];
    *f = (struct flow){.id = TCP_NONE, .iss = 0xfffffff0u, .peer_window = UINT16_MAX};
    snprintf(f->name, sizeof f->name, "%s", name);
    f->tuple = (struct tcp_tuple){address(p->ip6, 2), address(p->ip6, 1),
                                  (uint16_t)(PLAY_PEER_PORT + p->flow_count), PLAY_LOCAL_PORT};
    f->peer_next = f->iss;
    sound_fresh(f);
    p->flow_count++;
    return f;
}

void play_begin(struct play *p, const char *file, const char *scenario)
{
    memset(p, 0, sizeof *p);
    p->file = file;
    p->scenario = scenario;
    p->config.conns_max = 16;
    p->pool_blocks = 2048;
    p->start_us = p->now_us = 1000000;
}

bool play_start(struct play *p)
{
    if (p->started) {
        return true;
    }
    p->started = true;
    size_t blocks = pool_bytes(p->pool_blocks, WAX_BLOCK_BYTES);
    size_t engine = tcp_engine_bytes(&p->config);
    uint8_t *memory = (uint8_t *)malloc(blocks + engine);
    p->memory = memory;
    if (memory == NULL ||
        pool_init(&p->blocks, span_of(memory, blocks), p->pool_blocks, WAX_BLOCK_BYTES) != WAX_OK) {
        return play_fail(p, "no pool of %u blocks", p->pool_blocks);
    }
    struct tcp_env env = {
        .blocks = &p->blocks, .isn_key = {1, 2}, .flow_key = {3, 4}, .counters = p->counters};
    p->now_us = p->start_us;
    p->flow = play_flow(p, "a");
    enum wax_status status =
        tcp_engine_init(&p->engine, span_of(memory + blocks, engine), &p->config, &env, p->now_us);
    if (status != WAX_OK) {
        p->engine = NULL;
        return play_fail(p, "the engine refuses this configuration: %s", wax_status_text(status));
    }
    if (p->isn_set) {
        /* The number grows by one in 4 us (RFC 6528 3): begin when it is the one wanted. */
        p->start_us += (uint64_t)(p->isn - conn_isn(p->engine, &p->flow->tuple)) * 4;
        p->now_us = p->start_us;
        tcp_engine_init(&p->engine, span_of(memory + blocks, engine), &p->config, &env, p->now_us);
    }
    return true;
}

static void give_back(struct play *p)
{
    while (p->taken != NULL) {
        void *next;
        memcpy(&next, p->taken, sizeof next);
        pool_give(&p->blocks, p->taken);
        p->taken = next;
    }
}

/* What is left when every user has gone and time has passed: nothing. */
static bool leave(struct play *p)
{
    p->stuck = false;
    give_back(p);
    for (uint32_t id = 0; id < p->engine->cfg.conns_max; id++) {
        tcp_release(p->engine, id);
    }
    uint64_t end = p->engine->cfg.fin_wait_2_ms == UINT32_MAX ? 0 : p->engine->cfg.fin_wait_2_ms;
    end +=
        p->engine->cfg.time_wait_ms + (uint64_t)p->engine->cfg.user_timeout_ms + p->engine->cfg.half_open_ms;
    return play_pump(p) && play_discard(p, end * 1000 + PLAY_END_S * 1000000ull) && audit_end(p);
}

bool play_end(struct play *p)
{
    bool good = !p->failed;
    if (good && p->expectations == 0) {
        good = play_fail(p, "the scenario expects nothing: it can't fail");
    }
    good = good && play_silent(p) && leave(p);
    for (unsigned i = 0; i < p->flow_count; i++) {
        play_clear(p, &p->flows[i]);
    }
    free(p->memory);
    p->memory = NULL;
    return good;
}
