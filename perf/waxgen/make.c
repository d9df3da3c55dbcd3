/* SPDX-License-Identifier: BSD-3-Clause */
/* Making a generator, and what it was made of goes back. */
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "waxgen/gen.h"

#define SEND_QUEUE_BYTES (256u << 10)
#define BLOCKS_LEAST     8192u
#define BLOCKS_MOST      (1u << 18) /* of bytes on their way, however many sessions idle */

/* Memory that is only taken as it is touched. */
static struct span memory(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return span_of(NULL, 0);
    madvise(at, bytes, MADV_HUGEPAGE);
    return span_of(at, bytes);
}

static enum wax_status nets_make(struct gen *gen, const uint8_t mac[6], uint64_t now_us)
{
    const struct gen_options *o = &gen->options;
    gen->addresses = (o->sessions + GEN_PORTS - 1u) / GEN_PORTS + (o->storm != 0);
    gen->net_count = (gen->addresses + NET_ADDRESSES_MAX - 1u) / NET_ADDRESSES_MAX;
    gen->nets = calloc(gen->net_count, sizeof *gen->nets);
    enum wax_status status = gen->nets == NULL ? WAX_NO_MEMORY : WAX_OK;
    for (uint32_t n = 0; status == WAX_OK && n < gen->net_count; n++) {
        struct net_config net = {.mtu = 1500, .gateway = o->gateway};
        for (uint32_t i = n * NET_ADDRESSES_MAX; i < gen->addresses && net.address_count < NET_ADDRESSES_MAX;
             i++)
            net.addresses[net.address_count++] = (struct net_address){gen_address(gen, i), o->address.prefix};
        memcpy(&net.mac, mac, 6);
        randombytes_buf(net.key, sizeof net.key);
        status = net_init(&gen->nets[n], &net, now_us);
    }
    return status;
}

/* Those that come and go leave connections in TIME-WAIT behind. */
static uint32_t conns_max(const struct gen *gen)
{
    return gen->options.sessions + gen->options.storm + (gen->options.storm != 0 ? 16384u : 16u);
}

static enum wax_status tcp_make(struct gen *gen, uint64_t now_us)
{
    uint32_t sessions = gen->options.sessions, blocks = sessions * 16u;
    blocks = blocks < BLOCKS_LEAST ? BLOCKS_LEAST : blocks > BLOCKS_MOST ? BLOCKS_MOST : blocks;
    enum wax_status status =
        pool_init(&gen->blocks, memory(pool_bytes(blocks, WAX_BLOCK_BYTES)), blocks, WAX_BLOCK_BYTES);
    if (status != WAX_OK)
        return status;
    struct tcp_config tcp = {
        .conns_max = conns_max(gen),
        .mss = (uint16_t)(gen->nets[0].config.mtu - (addr_is_ip4(&gen->options.peer) ? 40 : 60)),
        .receive_bytes_max = 64u << 10,
        .send_bytes_max = SEND_QUEUE_BYTES,
        .time_wait_ms = 1000};
    struct tcp_env env = {.blocks = &gen->blocks, .counters = gen->counts.wire};
    randombytes_buf(env.isn_key, sizeof env.isn_key);
    randombytes_buf(env.flow_key, sizeof env.flow_key);
    return tcp_engine_init(&gen->tcp, memory(tcp_engine_bytes(&tcp)), &tcp, &env, now_us);
}

static bool clients_make(struct gen *gen)
{
    uint32_t sessions = gen->options.sessions + gen->options.storm, conns = conns_max(gen);
    gen->clients = calloc(sessions, sizeof *gen->clients);
    gen->by_conn = malloc(conns * sizeof *gen->by_conn);
    gen->dirty = calloc(sessions, sizeof *gen->dirty);
    gen->storm.waiting = calloc(gen->options.storm + 1u, sizeof *gen->storm.waiting);
    if (gen->clients == NULL || gen->by_conn == NULL || gen->dirty == NULL || gen->storm.waiting == NULL)
        return false;
    memset(gen->by_conn, 0xff, conns * sizeof *gen->by_conn);
    for (uint32_t i = 0; i < sessions; i++) {
        gen->clients[i].index = i;
        gen->clients[i].conn = TCP_NONE;
        gen->clients[i].name.device = GEN_DEVICE;
    }
    return true;
}

struct gen *gen_make(const struct gen_options *options, const struct gen_port *port, const uint8_t mac[6],
                     uint64_t now_us)
{
    struct gen *gen = calloc(1, sizeof *gen);
    struct timespec wall;
    if (gen == NULL)
        return NULL;
    clock_gettime(CLOCK_REALTIME, &wall);
    gen->options = *options;
    gen->flood.options = options->flood;
    rng_init(&gen->flood.rng, options->seed);
    gen->port = *port;
    gen->id_base = ((uint64_t)wall.tv_sec * 1000u + (uint64_t)wall.tv_nsec / 1000000u) << GEN_ID_SHIFT;
    gen->now_us = gen->started_us = gen->progress_us = now_us;
    gen->first_port = (uint16_t)randombytes_uniform(GEN_PORTS);
    rng_init(&gen->rng, options->seed + gen->id_base);
    enum wax_status status = nets_make(gen, mac, now_us);
    if (status == WAX_OK)
        status = tcp_make(gen, now_us);
    if (status == WAX_OK && options->tls)
        status = tls_context_create_client(&gen->context, options->ca);
    if (status == WAX_OK && !clients_make(gen))
        status = WAX_NO_MEMORY;
    if (status == WAX_OK && !csv_begin(gen))
        status = WAX_BAD_ARGUMENT;
    if (status != WAX_OK) {
        gen_error(gen, NULL, "cannot begin", wax_status_text(status));
        gen_free(gen);
        return NULL;
    }
    return gen;
}

void gen_free(struct gen *gen)
{
    for (uint32_t i = 0; gen->clients != NULL && i < gen->options.sessions + gen->options.storm; i++) {
        opening_end(&gen->clients[i]);
        free(gen->clients[i].messages);
        free(gen->clients[i].members);
        free(gen->clients[i].keepsake);
        free(gen->clients[i].partial);
        free(gen->clients[i].pong);
        free(gen->clients[i].ws.control);
    }
    free(gen->storm.waiting);
    free(gen->names);
    if (gen->csv != NULL)
        fclose(gen->csv);
    free(gen->nets);
    free(gen->clients);
    free(gen->by_conn);
    free(gen->dirty);
    if (gen->context != NULL)
        tls_context_free(gen->context);
    free(gen);
}
