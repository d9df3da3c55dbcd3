/* SPDX-License-Identifier: BSD-3-Clause */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#define FIRST_PORT       20000u
#define PORTS_BITS       4u /* connections of an address: limits by address don't meet the benchmark */
#define CALIBRATE_NS     20000000u
#define SETTLE_TURNS_MAX 100000u

uint64_t cycles_now(void)
{
    return __rdtsc();
}

static uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

double cycles_per_ns(void)
{
    static double rate;
    if (rate > 0)
        return rate;
    uint64_t began_ns = clock_ns(), began = cycles_now(), ns;
    do {
        ns = clock_ns() - began_ns;
    } while (ns < CALIBRATE_NS);
    rate = (double)(cycles_now() - began) / (double)ns;
    return rate;
}

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "bench-tcp: %s\n", what);
    exit(1);
}

void *memory_get(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED, "no memory");
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void side_make(struct side *side, const struct tcp_config *config, uint32_t connections,
                      uint32_t blocks, uint64_t now_us)
{
    size_t bytes = pool_bytes(blocks, WAX_BLOCK_BYTES);
    must(pool_init(&side->blocks, span_of(memory_get(bytes), bytes), blocks, WAX_BLOCK_BYTES) == WAX_OK,
         "no pool");
    struct tcp_env env = {
        .blocks = &side->blocks, .isn_key = {1, 2}, .flow_key = {3, 4}, .counters = side->counters};
    bytes = tcp_engine_bytes(config);
    must(tcp_engine_init(&side->engine, span_of(memory_get(bytes), bytes), config, &env, now_us) == WAX_OK,
         "no engine");
    side->conn = memory_get(connections * sizeof side->conn[0]);
    for (uint32_t i = 0; i < connections; i++)
        side->conn[i] = TCP_NONE;
}

void pair_make(struct pair *pair, uint32_t connections, uint32_t blocks, uint32_t time_wait_ms)
{
    struct tcp_config config = {.conns_max = connections,
                                .receive_bytes_max = WAX_CONN_RECEIVE_BYTES_MAX,
                                .time_wait_ms = time_wait_ms};
    must(connections <= PAIR_INDEX_MAX, "too many connections");
    pair->connections = connections;
    pair->now_us = 1000000;
    side_make(&pair->client, &config, connections, blocks, pair->now_us);
    side_make(&pair->server, &config, connections, blocks, pair->now_us);
    must(tcp_listen(pair->server.engine, NULL, PAIR_PORT, 0) == WAX_OK, "cannot listen");
}

static struct addr address_of(uint32_t number)
{
    struct addr addr = {{[10] = 0xff, [11] = 0xff, [12] = 198}};
    addr.b[13] = (uint8_t)(18 + (number >> 16));
    addr.b[14] = (uint8_t)(number >> 8);
    addr.b[15] = (uint8_t)number;
    return addr;
}

static uint32_t index_of(const struct tcp_tuple *tuple)
{
    const uint8_t *b = tuple->peer.b;
    uint32_t number = (uint32_t)(b[13] - 18) << 16 | (uint32_t)b[14] << 8 | b[15];
    return number << PORTS_BITS | (uint32_t)(tuple->peer_port - FIRST_PORT);
}

void pair_connect(struct pair *pair, uint32_t index)
{
    struct tcp_tuple tuple = {.peer = {{[10] = 0xff, [11] = 0xff, 198, 19, 255, 1}},
                              .local = address_of(index >> PORTS_BITS),
                              .peer_port = PAIR_PORT,
                              .local_port = (uint16_t)(FIRST_PORT + (index & ((1u << PORTS_BITS) - 1)))};
    uint32_t id;
    must(tcp_connect(pair->client.engine, &tuple, index, pair->now_us, &id) == WAX_OK, "cannot connect");
    pair->client.conn[index % pair->connections] = id;
}

static void events(struct pair *pair, struct side *side, uint32_t id, uint32_t events)
{
    if (events & TCP_EV_OPENED) {
        side->open++;
        if (side == &pair->server)
            side->conn[index_of(tcp_peer(side->engine, id)) % pair->connections] = id;
    }
    if ((events & TCP_EV_FIN) && side == &pair->server && pair->close_on_fin)
        tcp_close(side->engine, id, pair->now_us);
    if (events & TCP_EV_CLOSED) {
        side->closed++;
        tcp_release(side->engine, id);
    }
}

void side_timers(struct pair *pair, struct side *side)
{
    uint64_t began = cycles_now();
    tcp_advance(side->engine, pair->now_us);
    side->timers.cycles += cycles_now() - began;
    side->timers.segments++;
}

uint32_t side_transmit(struct pair *pair, struct side *side, struct cost *cost)
{
    uint32_t count = 0;
    uint64_t began = cycles_now();
    for (uint32_t id; count < PAIR_BURST && (id = tcp_ready(side->engine)) != TCP_NONE;) {
        uint32_t told = tcp_take_events(side->engine, id);
        if (told != 0) {
            events(pair, side, id, told);
            if (tcp_state(side->engine, id) == TCP_STATE_FREE)
                continue;
        }
        struct tcp_out out;
        while (count < PAIR_BURST) {
            struct frame *frame = &pair->frame[count];
            if (!tcp_output(side->engine, id, pair->now_us, span_of(frame->bytes, sizeof frame->bytes), &out))
                break;
            frame->len = (uint32_t)out.len;
            frame->source = out.tuple->local;
            frame->destination = out.tuple->peer;
            count++;
        }
        if (count == PAIR_BURST)
            tcp_ready_again(side->engine, id);
    }
    cost->cycles += cycles_now() - began;
    cost->segments += count;
    return count;
}

uint64_t payload_sum(struct view payload)
{
    return payload.len >= 8 ? load_be64(payload.data) + payload.len : payload.len;
}

static void take(struct pair *pair, struct side *side, uint32_t id, struct tcp_result *result)
{
    if (result->data.len > 0) {
        side->bytes += result->data.len;
        side->checked += payload_sum(result->data);
    } else if (result->events & TCP_EV_DATA) {
        size_t len = tcp_received(side->engine, id)->len; /* what reassembly had kept */
        side->bytes += len;
        tcp_consume(side->engine, id, len, pair->now_us);
    }
    if (result->events & ~(TCP_EV_DATA | TCP_EV_ACKED))
        events(pair, side, result->id, result->events);
}

void side_receive(struct pair *pair, struct side *side, uint32_t count, struct cost *cost)
{
    struct tcp_segment segment[PAIR_BURST];
    uint64_t hash[PAIR_BURST];
    uint32_t id[PAIR_BURST];
    uint64_t began = cycles_now();
    for (uint32_t i = 0; i < count; i++) {
        struct frame *frame = &pair->frame[i];
        const struct addr *src = &frame->source, *dst = &frame->destination;
        must(tcp_parse(view_of(frame->bytes, frame->len), src, dst, true, &segment[i]) == WAX_OK,
             "a segment is broken");
        hash[i] = tcp_hash(side->engine, &segment[i]);
        tcp_prefetch_bucket(side->engine, hash[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        id[i] = tcp_lookup(side->engine, hash[i], &segment[i]);
        if (id[i] != TCP_NONE)
            tcp_prefetch_conn(side->engine, id[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_result result;
        tcp_input(side->engine, id[i], &segment[i], pair->now_us, &result);
        must(result.reply_len == 0, "a segment without a connection");
        if (result.events != 0)
            take(pair, side, result.id, &result);
    }
    cost->cycles += cycles_now() - began;
    cost->segments += count;
}

void pair_settle(struct pair *pair)
{
    struct cost unused = {0};
    for (uint32_t turn = 0; turn < SETTLE_TURNS_MAX; turn++) {
        tcp_advance(pair->client.engine, pair->now_us);
        tcp_advance(pair->server.engine, pair->now_us);
        uint32_t there = side_transmit(pair, &pair->client, &unused);
        side_receive(pair, &pair->server, there, &unused);
        uint32_t back = side_transmit(pair, &pair->server, &unused);
        side_receive(pair, &pair->client, back, &unused);
        if (there + back == 0)
            return;
    }
    must(false, "the two never come to rest");
}

void pair_open_all(struct pair *pair)
{
    for (uint32_t index = 0; index < pair->connections; index++) {
        pair_connect(pair, index);
        if (index % PAIR_BURST == PAIR_BURST - 1 || index + 1 == pair->connections) {
            pair_settle(pair);
            pair->now_us += 20;
        }
    }
    must(pair->client.open == pair->connections && pair->server.open == pair->connections,
         "not all connections have opened");
}
