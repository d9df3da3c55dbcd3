/* SPDX-License-Identifier: BSD-3-Clause */
#include "host.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"

#define MTU          1500u
#define SEGMENTS_MAX 64u /* of one connection before the next has its turn */
#define RESOLVE_US   5000000u

static void must(bool good, const char *what)
{
    if (!good) {
        (void)fprintf(stderr, "host: %s\n", what);
        exit(1);
    }
}

static void open_net(struct host *h, const struct host_config *config, struct rng *rng)
{
    struct net_config net = {.mtu = MTU, .address_count = 1, .speaker = true};
    port_mac(&h->port, config->interface, net.mac.b);
    net.addresses[0] = (struct net_address){config->local, addr_is_ip4(&config->local) ? 24 : 64};
    rng_fill(rng, span_of(net.key, sizeof net.key));
    must(net_init(&h->net, &net, h->now_us) == WAX_OK, "net_init");
}

void host_open(struct host *h, const struct host_config *config)
{
    struct rng rng;
    rng_init(&rng, config->key);
    h->now_us = clock_us();
    port_open(&h->port, config->interface);
    open_net(h, config, &rng);
    struct tcp_config tcp = {.conns_max = 2 * config->conns + 16,
                             .receive_bytes_max = config->receive_bytes,
                             .send_bytes_max = config->send_bytes,
                             .cookies_always = config->cookies,
                             .no_ecn = !config->ecn,
                             .mss = MTU - 40u};
    /* What a worker has for many connections together, here for the few there are. */
    uint32_t each = 2 * (config->send_bytes + 2 * config->receive_bytes) / FIFO_BLOCK_DATA_BYTES;
    uint32_t blocks = config->conns * each + 1024;
    struct tcp_env env = {.blocks = &h->blocks, .counters = h->counters};
    rng_fill(&rng, span_of(env.isn_key, sizeof env.isn_key));
    rng_fill(&rng, span_of(env.flow_key, sizeof env.flow_key));
    rng_fill(&rng, span_of(env.cookie_key, sizeof env.cookie_key));
    size_t pool = pool_bytes(blocks, WAX_BLOCK_BYTES), engine = tcp_engine_bytes(&tcp);
    uint8_t *memory = malloc(pool + engine);
    must(memory != NULL, "no memory");
    must(pool_init(&h->blocks, span_of(memory, pool), blocks, WAX_BLOCK_BYTES) == WAX_OK, "pool_init");
    must(tcp_engine_init(&h->tcp, span_of(memory + pool, engine), &tcp, &env, h->now_us) == WAX_OK,
         "tcp_engine_init");
}

/* Put headers before the segment behind the headroom of `packet`, and send it. */
static void send_segment(struct host *h, uint8_t *packet, const struct addr *from, const struct addr *to,
                         uint8_t ecn, size_t len)
{
    uint8_t *l4 = packet + NET_HEADER_BYTES_MAX;
    size_t header = 0;
    enum wax_status status = net_output(&h->net, from, to, IP_PROTOCOL_TCP, ecn, l4, len,
                                        NET_HEADER_BYTES_MAX, h->now_us, &header);
    if (status == WAX_OK) {
        port_send(&h->port, view_of(l4 - header, header + len));
    } else {
        h->counters[status]++;
    }
}

static void result(struct host *h, const struct tcp_segment *s, const struct tcp_result *r)
{
    if (r->reply_len > 0) {
        uint8_t packet[NET_HEADER_BYTES_MAX + TCP_HEADER_BYTES_MAX];
        memcpy(packet + NET_HEADER_BYTES_MAX, r->reply, r->reply_len);
        send_segment(h, packet, &s->tuple.local, &s->tuple.peer, 0, r->reply_len);
    }
    if (r->events != 0) {
        h->user(h->ctx, r->id, r->events, r->data);
    }
}

/* Takes the headers off one frame. True when it holds a segment for us. */
static bool receive_frame(struct host *h, struct span frame, struct tcp_segment *segment)
{
    struct net_rx rx;
    enum wax_status status = net_input(&h->net, frame, h->now_us, &rx);
    if (status == WAX_OK && rx.kind == NET_TCP) {
        status = tcp_parse(rx.l4, &rx.src, &rx.dst, true, segment);
        if (status == WAX_OK) {
            segment->ecn = rx.ecn;
            return true;
        }
    } else if (status == WAX_OK && rx.kind == NET_TCP_ERROR) {
        (void)tcp_icmp(h->tcp, &rx.error, h->now_us);
    } else if (rx.kind == NET_REPLY) {
        port_send(&h->port, view_of(frame.data, rx.reply_len));
    }
    h->counters[status] += status != WAX_OK;
    return false;
}

static uint32_t receive(struct host *h)
{
    uint32_t count = port_receive(&h->port);
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_segment segment;
        struct tcp_result r;
        if (receive_frame(h, span_of(h->port.frames[i], h->port.lengths[i]), &segment)) {
            uint32_t id = tcp_lookup(h->tcp, tcp_hash(h->tcp, &segment), &segment);
            tcp_input(h->tcp, id, &segment, h->now_us, &r);
            result(h, &segment, &r);
        }
    }
    return count;
}

static bool output(struct host *h)
{
    bool any = false;
    tcp_advance(h->tcp, h->now_us);
    for (uint32_t id, turns = 0; turns < 4096 && (id = tcp_ready(h->tcp)) != TCP_NONE; turns++) {
        uint32_t events = tcp_take_events(h->tcp, id);
        any = true;
        if (events != 0) {
            h->user(h->ctx, id, events, view_of(NULL, 0));
        }
        uint32_t n = 0;
        for (; n < SEGMENTS_MAX; n++) {
            uint8_t packet[PORT_FRAME_BYTES];
            struct tcp_out out;
            struct span room = span_of(packet + NET_HEADER_BYTES_MAX, sizeof packet - NET_HEADER_BYTES_MAX);
            if (!tcp_output(h->tcp, id, h->now_us, room, &out)) {
                break;
            }
            send_segment(h, packet, &out.tuple->local, &out.tuple->peer, out.ecn, out.len);
        }
        if (n == SEGMENTS_MAX) {
            tcp_ready_again(h->tcp, id);
            break; /* what has come in meanwhile first */
        }
    }
    return any;
}

static void neighbours(struct host *h)
{
    uint8_t frame[PORT_FRAME_BYTES];
    size_t len;
    while (net_solicit(&h->net, span_of(frame, sizeof frame), h->now_us, &len) == WAX_OK) {
        port_send(&h->port, view_of(frame, len));
    }
}

bool host_turn(struct host *h)
{
    h->now_us = clock_us();
    bool busy = receive(h) > 0;
    busy |= output(h);
    neighbours(h);
    port_flush(&h->port);
    return busy;
}

void host_resolve(struct host *h, const struct addr *peer)
{
    uint8_t packet[NET_HEADER_BYTES_MAX + TCP_HEADER_BYTES];
    size_t header = 0;
    for (uint64_t end_us = clock_us() + RESOLVE_US; clock_us() < end_us;) {
        if (net_output(&h->net, &h->net.config.addresses[0].addr, peer, IP_PROTOCOL_TCP, 0,
                       packet + NET_HEADER_BYTES_MAX, TCP_HEADER_BYTES, NET_HEADER_BYTES_MAX, h->now_us,
                       &header) == WAX_OK) {
            return;
        }
        (void)host_turn(h);
        host_wait(h, clock_us() + 1000);
    }
    must(false, "the peer can't be found");
}

void host_wait(struct host *h, uint64_t until_us)
{
    struct port *const ports[] = {&h->port};
    uint64_t next_us = tcp_next_us(h->tcp);
    ports_wait(ports, 1, next_us < until_us ? next_us : until_us);
}

void host_report(const struct host *h, char *text, size_t room)
{
    const struct tcp_stats *s = tcp_stats(h->tcp);
    FILE *out = fmemopen(text, room, "w");
    must(out != NULL, "fmemopen");
    (void)fprintf(out,
                  "{\"segments_in\": %" PRIu64 ", \"segments_out\": %" PRIu64 ", \"retransmits\": %" PRIu64
                  ", \"timeouts\": %" PRIu64 ", \"fast_recoveries\": %" PRIu64 ", \"probes\": %" PRIu64
                  ", \"out_of_order\": %" PRIu64 ", \"fast_path_in\": %" PRIu64 ", \"cookies\": %" PRIu64
                  ", \"ecn_marks\": %" PRIu64 ", \"ecn_reductions\": %" PRIu64 ", \"mtu_lowered\": %" PRIu64
                  ", \"black_holes\": %" PRIu64 ", \"blocks_low\": %u, \"port_refused\": %" PRIu64,
                  s->segments_in, s->segments_out, s->retransmits, s->timeouts, s->fast_recoveries, s->probes,
                  s->out_of_order, s->fast_path_in, s->cookies_accepted, s->ecn_marks, s->ecn_reductions,
                  s->mtu_lowered, s->black_holes, h->blocks.low_water, h->port.refused);
    for (uint32_t i = 0; i < WAX_STATUS_COUNT; i++) {
        if (h->counters[i] != 0) {
            (void)fprintf(out, ", \"%s\": %" PRIu64, wax_status_text((enum wax_status)i), h->counters[i]);
        }
    }
    (void)fprintf(out, "}");
    (void)fclose(out);
}
