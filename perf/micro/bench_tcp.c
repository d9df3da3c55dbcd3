/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the TCP engine costs, without a network card: two engines back to back on one core, under virtual
 * time, each one's cycles counted apart. A case is run and printed as one line of JSON:
 *
 *   echo    in order, both ways: a request of --payload bytes, a reply as long (which acknowledges the
 *           request), and an acknowledgement of the reply when its delay is over; connections in random order
 *   open    handshake, FIN both ways, over and over; the oldest TIME-WAIT makes room
 *   bulk    one connection that always has something to send, full segments
 *   loss    the same through a link of 100 Mbit/s and 10 ms there and back that loses 1 % each way
 *   memory  what an idle connection takes
 *
 *     bench-tcp CASE [--connections N] [--payload N] [--exchanges N]
 *
 * echo's six steps are functions of their own, by which callgrind collects them (perf/run).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/flow.h"
#include "lossy.h"
#include "pair.h"
#include "tcp/engine.h"

#define ROUND       1000u  /* exchanges before time passes */
#define DELAY_US    45000u /* above the delay of an ACK */
#define PAYLOAD_MAX 1448u
#define STEP        __attribute__((noinline)) static

static struct {
    uint32_t connections, payload;
    uint64_t exchanges;
} options = {.connections = 1000, .payload = 128, .exchanges = 2000000};

static struct pair pair;
static uint32_t *order; /* connections in random order */
static uint8_t payload[PAYLOAD_MAX];
static uint64_t written;

static void fail(const char *what)
{
    fprintf(stderr, "bench-tcp: %s\n", what);
    exit(1);
}

static double ns_per(const struct cost *cost, uint64_t of)
{
    return of == 0 ? 0 : (double)cost->cycles / cycles_per_ns() / (double)of;
}

static double ns_per_segment(const struct cost *cost)
{
    return ns_per(cost, cost->segments);
}

static void shuffle(void)
{
    struct rng rng;
    rng_init(&rng, 1);
    order = memory_get(options.connections * sizeof order[0]);
    for (uint32_t i = 0; i < options.connections; i++) {
        uint32_t other = (uint32_t)rng_below(&rng, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
}

/* ---- echo ---- */

static struct cost request_tx, request_rx, reply_tx, reply_rx, ack_tx, ack_rx;

/* Payload on each of the connections; a run of numbers, so that a sum tells whether all came. */
static void write_all(struct side *side, const uint32_t *pick, uint32_t count, struct cost *cost)
{
    uint64_t began = cycles_now();
    for (uint32_t i = 0; i < count; i++) {
        store_be64(payload, ++written);
        if (tcp_write(side->engine, side->conn[pick[i]], view_of(payload, options.payload)) != WAX_OK)
            fail("a write was refused");
    }
    cost->cycles += cycles_now() - began;
}

STEP uint32_t request_transmit(const uint32_t *pick, uint32_t count)
{
    write_all(&pair.client, pick, count, &request_tx);
    return side_transmit(&pair, &pair.client, &request_tx);
}

STEP void request_receive(uint32_t count)
{
    side_receive(&pair, &pair.server, count, &request_rx);
}

STEP uint32_t reply_transmit(const uint32_t *pick, uint32_t count)
{
    write_all(&pair.server, pick, count, &reply_tx);
    return side_transmit(&pair, &pair.server, &reply_tx);
}

STEP void reply_receive(uint32_t count)
{
    side_receive(&pair, &pair.client, count, &reply_rx);
}

STEP uint32_t ack_transmit(void)
{
    return side_transmit(&pair, &pair.client, &ack_tx);
}

STEP void ack_receive(uint32_t count)
{
    side_receive(&pair, &pair.server, count, &ack_rx);
}

/* The ids of both ends lie in tables of the benchmark; fetched before the clock runs. */
static void prefetch_ids(const uint32_t *pick, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        __builtin_prefetch(&pair.client.conn[pick[i]]);
        __builtin_prefetch(&pair.server.conn[pick[i]]);
    }
}

static void echo_round(const uint32_t *pick, uint32_t count)
{
    for (uint32_t at = 0; at < count; at += PAIR_BURST) {
        uint32_t n = count - at < PAIR_BURST ? count - at : PAIR_BURST;
        prefetch_ids(pick + at, n);
        side_timers(&pair, &pair.client);
        request_receive(request_transmit(pick + at, n));
        side_timers(&pair, &pair.server);
        reply_receive(reply_transmit(pick + at, n));
        pair.now_us += 20;
    }
    pair.now_us += DELAY_US;
    side_timers(&pair, &pair.client);
    for (uint32_t n; (n = ack_transmit()) != 0;)
        ack_receive(n);
    side_timers(&pair, &pair.server);
}

static int echo(void)
{
    pair_make(&pair, options.connections, 8192, 0);
    shuffle();
    pair_open_all(&pair);
    pair.client.timers = pair.server.timers = (struct cost){0};
    uint64_t done = 0, expected = 0;
    for (uint32_t at = 0; done < options.exchanges; at += ROUND) {
        if (at >= options.connections)
            at = 0;
        uint32_t count = options.connections - at < ROUND ? options.connections - at : ROUND;
        echo_round(order + at, count);
        done += count;
    }
    pair_settle(&pair);
    for (uint64_t i = 1; i <= written; i++)
        expected += i + options.payload;
    if (pair.client.checked + pair.server.checked != expected || request_rx.segments != done ||
        reply_rx.segments != done)
        fail("something was lost, or is wrong");
    struct cost rx = {request_rx.cycles + reply_rx.cycles, 2 * done};
    struct cost tx = {request_tx.cycles + reply_tx.cycles, 2 * done};
    struct cost timers = {pair.client.timers.cycles + pair.server.timers.cycles, 0};
    printf("{\"case\": \"echo\", \"connections\": %u, \"payload\": %u, \"exchanges\": %" PRIu64
           ", \"acks\": %" PRIu64 ", \"rx_ns\": %.1f, \"tx_ns\": %.1f, \"tx_cold_ns\": %.1f, "
           "\"tx_warm_ns\": %.1f, \"ack_rx_ns\": %.1f, \"ack_tx_ns\": %.1f, \"timers_ns\": %.1f}\n",
           options.connections, options.payload, done, ack_rx.segments, ns_per_segment(&rx),
           ns_per_segment(&tx), ns_per_segment(&request_tx), ns_per_segment(&reply_tx),
           ns_per_segment(&ack_rx), ns_per_segment(&ack_tx), ns_per(&timers, 2 * done + ack_rx.segments));
    return 0;
}

/* ---- open ---- */

static int open_and_close(void)
{
    struct cost client_tx = {0}, client_rx = {0}, server_tx = {0}, server_rx = {0}, begin = {0};
    uint32_t next = 0;
    pair_make(&pair, options.connections, 4096, 0);
    pair.close_on_fin = true;
    while (next < options.exchanges) {
        uint64_t began = cycles_now();
        uint32_t first = next;
        for (uint32_t i = 0; i < PAIR_BURST; i++)
            pair_connect(&pair, next++ % PAIR_INDEX_MAX);
        begin.cycles += cycles_now() - began;
        for (bool closed = false;;) {
            uint32_t there = side_transmit(&pair, &pair.client, &client_tx);
            side_receive(&pair, &pair.server, there, &server_rx);
            uint32_t back = side_transmit(&pair, &pair.server, &server_tx);
            side_receive(&pair, &pair.client, back, &client_rx);
            if (there + back != 0)
                continue;
            if (closed)
                break;
            began = cycles_now();
            for (uint32_t i = first; i < next; i++)
                tcp_close(pair.client.engine, pair.client.conn[i % pair.connections], pair.now_us);
            begin.cycles += cycles_now() - began;
            closed = true;
        }
        pair.now_us += 50;
        side_timers(&pair, &pair.client);
        side_timers(&pair, &pair.server);
    }
    if (pair.client.open != next || pair.server.open != next || pair.server.closed != next)
        fail("not all connections opened and closed");
    struct cost client = {begin.cycles + client_tx.cycles + client_rx.cycles + pair.client.timers.cycles, 0};
    struct cost server = {server_tx.cycles + server_rx.cycles + pair.server.timers.cycles, 0};
    double client_ns = ns_per(&client, next), server_ns = ns_per(&server, next);
    printf("{\"case\": \"open\", \"connections\": %u, \"opened\": %u, \"segments_per_connection\": %.2f, "
           "\"client_ns\": %.0f, \"server_ns\": %.0f, \"opens_per_s\": %.0f}\n",
           options.connections, next, (double)(client_tx.segments + server_tx.segments) / (double)next,
           client_ns, server_ns, 1e9 / server_ns);
    return 0;
}

/* ---- bulk ---- */

/* Keep the client's send queue full. */
static void fill(struct cost *cost)
{
    uint64_t began = cycles_now();
    while (tcp_write(pair.client.engine, pair.client.conn[0], view_of(payload, sizeof payload)) == WAX_OK)
        written += sizeof payload;
    cost->cycles += cycles_now() - began;
}

static int bulk(void)
{
    struct cost tx = {0}, rx = {0}, ack_there = {0}, ack_back = {0};
    uint64_t want = options.exchanges * PAYLOAD_MAX;
    pair_make(&pair, 1, 8192, 0);
    pair_open_all(&pair);
    while (pair.server.bytes < want) {
        fill(&tx);
        side_timers(&pair, &pair.client);
        side_receive(&pair, &pair.server, side_transmit(&pair, &pair.client, &tx), &rx);
        side_timers(&pair, &pair.server);
        side_receive(&pair, &pair.client, side_transmit(&pair, &pair.server, &ack_back), &ack_there);
        pair.now_us += 10;
    }
    struct cost sender = {tx.cycles + ack_there.cycles + pair.client.timers.cycles, 0};
    struct cost receiver = {rx.cycles + ack_back.cycles + pair.server.timers.cycles, 0};
    double sender_ns = ns_per(&sender, pair.server.bytes), receiver_ns = ns_per(&receiver, pair.server.bytes);
    printf("{\"case\": \"bulk\", \"bytes\": %" PRIu64 ", \"segments\": %" PRIu64 ", \"acks\": %" PRIu64
           ", \"tx_ns\": %.1f, \"rx_ns\": %.1f, \"sender_gbit_per_s\": %.2f, "
           "\"receiver_gbit_per_s\": %.2f, \"gbit_per_s\": %.2f}\n",
           pair.server.bytes, tx.segments, ack_back.segments, ns_per_segment(&tx), ns_per_segment(&rx),
           8 / sender_ns, 8 / receiver_ns, 8 / (sender_ns + receiver_ns));
    return 0;
}

/* ---- loss ---- */

#define LOSS_RATE_MBIT 100u
#define LOSS_DELAY_US  5000u
#define LOSS_PARTS     10000u /* in a million: 1 % */

static int loss_case(void)
{
    pair_make(&pair, 1, 8192, 0);
    pair_open_all(&pair);
    struct lossy_result r =
        lossy_run(&pair, options.exchanges * PAYLOAD_MAX, LOSS_RATE_MBIT, LOSS_DELAY_US, LOSS_PARTS);
    const struct tcp_stats *stats = tcp_stats(pair.client.engine);
    double goodput = (double)r.bytes * 8 / 1e6 / r.seconds;
    printf("{\"case\": \"loss\", \"bytes\": %" PRIu64 ", \"link_mbit_per_s\": %u, \"rtt_ms\": %u, "
           "\"segments\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"retransmits\": %" PRIu64
           ", \"timeouts\": %" PRIu64 ", \"goodput_mbit_per_s\": %.2f}\n",
           r.bytes, LOSS_RATE_MBIT, 2 * LOSS_DELAY_US / 1000, r.sent, r.lost, stats->retransmits,
           stats->timeouts, goodput);
    return 0;
}

/* ---- memory ---- */

static int memory(void)
{
    struct tcp_config small = {
        .conns_max = options.connections, .per_address_max = 1, .per_prefix_max = 1, .opens_per_s = 1};
    struct tcp_config large = small;
    large.conns_max = 2 * small.conns_max;
    double n = options.connections;
    double all = (double)(tcp_engine_bytes(&large) - tcp_engine_bytes(&small)) / n;
    double conn = sizeof(struct tcp_conn);
    double flow = (double)(flow_bytes(large.conns_max) - flow_bytes(small.conns_max)) / n;
    printf("{\"case\": \"memory\", \"connections\": %u, \"bytes_per_idle_connection\": %.1f, \"parts\": "
           "{\"connection\": %.1f, \"of_it_timer\": %zu, \"flow_table\": %.1f, \"other_tables\": %.1f}, "
           "\"engine_fixed_bytes\": %zu}\n",
           options.connections, all, conn, sizeof(struct timer), flow, all - conn - flow,
           sizeof(struct tcp_engine));
    return 0;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } cases[] = {
        {"echo", echo}, {"open", open_and_close}, {"bulk", bulk}, {"loss", loss_case}, {"memory", memory}};
    for (int i = 2; i + 1 < argc; i += 2) {
        uint64_t value = strtoull(argv[i + 1], NULL, 0);
        if (strcmp(argv[i], "--connections") == 0 && value >= 1 && value <= PAIR_INDEX_MAX)
            options.connections = (uint32_t)value;
        else if (strcmp(argv[i], "--payload") == 0 && value >= 8 && value <= PAYLOAD_MAX)
            options.payload = (uint32_t)value;
        else if (strcmp(argv[i], "--exchanges") == 0 && value >= 1)
            options.exchanges = value;
        else
            argc = 0;
    }
    for (size_t i = 0; argc >= 2 && argc % 2 == 0 && i < sizeof cases / sizeof cases[0]; i++)
        if (strcmp(argv[1], cases[i].name) == 0)
            return cases[i].run();
    fprintf(stderr, "usage: bench-tcp echo|open|bulk|loss|memory [--connections N] [--payload N] "
                    "[--exchanges N]\n");
    return 2;
}
