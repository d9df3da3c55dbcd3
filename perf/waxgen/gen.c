/* SPDX-License-Identifier: BSD-3-Clause */
/* The network side of the generator, and its turns. */
#include "waxgen/gen.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define PROTOCOL_TCP     6u
#define FIRST_PORT       1024u
#define ERRORS_TOLD      10u
#define CLOSING_US       3000000u
#define SEND_QUEUE_BYTES (256u << 10)

void gen_error(struct gen *gen, const struct client *client, const char *what, const char *detail)
{
    gen->failed = true;
    if (gen->counts.errors_told++ >= ERRORS_TOLD)
        return;
    if (client != NULL)
        fprintf(stderr, "waxgen: session %u: %s%s%s\n", client->index, what, *detail ? ": " : "", detail);
    else
        fprintf(stderr, "waxgen: %s%s%s\n", what, *detail ? ": " : "", detail);
}

/* Memory that is only taken as it is touched. */
static struct span memory(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED)
        return span_of(NULL, 0);
    madvise(at, bytes, MADV_HUGEPAGE);
    return span_of(at, bytes);
}

static enum wax_status network_make(struct gen *gen, const uint8_t mac[6], uint64_t now_us)
{
    const struct gen_options *o = &gen->options;
    struct net_config net = {
        .mtu = 1500, .address_count = 1, .addresses = {o->address}, .gateway = o->gateway};
    memcpy(&net.mac, mac, 6);
    randombytes_buf(net.key, sizeof net.key);
    enum wax_status status = net_init(&gen->net, &net, now_us);
    if (status != WAX_OK)
        return status;
    uint32_t blocks = o->sessions * 16 < 8192 ? 8192 : o->sessions * 16;
    status = pool_init(&gen->blocks, memory(pool_bytes(blocks, WAX_BLOCK_BYTES)), blocks, WAX_BLOCK_BYTES);
    if (status != WAX_OK)
        return status;
    struct tcp_config tcp = {.conns_max = o->sessions + 16,
                             .mss = (uint16_t)(net.mtu - 40),
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
    uint32_t sessions = gen->options.sessions;
    gen->clients = calloc(sessions, sizeof *gen->clients);
    gen->by_conn = calloc(sessions + 16, sizeof *gen->by_conn);
    gen->dirty = calloc(sessions, sizeof *gen->dirty);
    if (gen->clients == NULL || gen->by_conn == NULL || gen->dirty == NULL)
        return false;
    for (uint32_t i = 0; i < sessions; i++) {
        struct client *client = &gen->clients[i];
        uint8_t public_key[32], secret_key[64];
        client->index = i;
        client->conn = TCP_NONE;
        client->name.device = GEN_DEVICE;
        rng_init(&client->rng, gen->options.seed + ((uint64_t)i << 32) + gen->id_base);
        opening_keys(gen, i, public_key, secret_key);
        crypto_generichash(client->name.user, WAX_USER_BYTES, public_key, sizeof public_key, NULL, 0);
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
    gen->port = *port;
    gen->id_base = ((uint64_t)wall.tv_sec * 1000u + (uint64_t)wall.tv_nsec / 1000000u) << GEN_ID_SHIFT;
    gen->now_us = gen->started_us = gen->progress_us = now_us;
    gen->next_port = (uint16_t)(FIRST_PORT + randombytes_uniform(60000));
    enum wax_status status = network_make(gen, mac, now_us);
    if (status == WAX_OK && options->tls)
        status = tls_context_create_client(&gen->context, options->ca);
    if (status == WAX_OK && !clients_make(gen))
        status = WAX_NO_MEMORY;
    if (status != WAX_OK) {
        gen_error(gen, NULL, "cannot begin", wax_status_text(status));
        gen_free(gen);
        return NULL;
    }
    return gen;
}

void gen_free(struct gen *gen)
{
    for (uint32_t i = 0; gen->clients != NULL && i < gen->options.sessions; i++) {
        if (gen->clients[i].shake != NULL)
            tls_shake_free(gen->clients[i].shake);
        free(gen->clients[i].messages);
        free(gen->clients[i].partial);
    }
    free(gen->clients);
    free(gen->by_conn);
    free(gen->dirty);
    if (gen->context != NULL)
        tls_context_free(gen->context);
    free(gen);
}

static void events(struct gen *gen, struct client *client, uint32_t events, struct view data)
{
    if (events & TCP_EV_OPENED)
        opening_connected(gen, client);
    if (events & TCP_EV_DATA && client->conn != TCP_NONE)
        client_receive(gen, client, data);
    if (events & TCP_EV_ACKED && client->state == CLIENT_OPEN)
        client_mark(gen, client);
    if (events & TCP_EV_FIN && client->conn != TCP_NONE)
        client_close(gen, client);
    if (events & TCP_EV_CLOSED && client->conn != TCP_NONE)
        client_gone(gen, client, tcp_status(gen->tcp, client->conn));
}

/* Put headers before a segment that lies behind room for them, and send it. */
static void segment_send(struct gen *gen, void *owner, uint8_t *l4, size_t len, const struct addr *from,
                         const struct addr *to)
{
    size_t header = 0;
    enum wax_status status =
        net_output(&gen->net, from, to, PROTOCOL_TCP, 0, l4, len, NET_HEADER_BYTES_MAX, gen->now_us, &header);
    if (status == WAX_OK) {
        gen->port.send(gen->port.ctx, owner, l4 - header, header + len);
    } else {
        gen->counts.wire[status]++; /* lost: TCP sends it again */
        gen->port.release(gen->port.ctx, owner);
    }
}

static void reply(struct gen *gen, const struct tcp_segment *to, const struct tcp_result *result)
{
    struct span room;
    void *owner;
    if (!gen->port.alloc(gen->port.ctx, &room, &owner))
        return;
    memcpy(room.data + NET_HEADER_BYTES_MAX, result->reply, result->reply_len);
    segment_send(gen, owner, room.data + NET_HEADER_BYTES_MAX, result->reply_len, &to->tuple.local,
                 &to->tuple.peer);
}

bool gen_receive(struct gen *gen, struct span frame, uint64_t now_us, size_t *len)
{
    struct net_rx rx;
    struct tcp_segment segment;
    struct tcp_result result;
    gen->now_us = now_us;
    enum wax_status status = net_input(&gen->net, frame, now_us, &rx);
    if (status == WAX_OK && rx.kind == NET_REPLY) {
        *len = rx.reply_len;
        return true;
    }
    if (status == WAX_OK && rx.kind == NET_TCP)
        status = tcp_parse(rx.l4, &rx.src, &rx.dst, true, &segment);
    else if (status == WAX_OK)
        return false;
    if (status != WAX_OK) {
        gen->counts.wire[status]++;
        return false;
    }
    tcp_input(gen->tcp, tcp_lookup(gen->tcp, tcp_hash(gen->tcp, &segment), &segment), &segment, now_us,
              &result);
    if (result.reply_len > 0)
        reply(gen, &segment, &result);
    if (result.id != TCP_NONE && result.events != 0 && gen->by_conn[result.id] != NULL)
        events(gen, gen->by_conn[result.id], result.events, result.data);
    return false;
}

/* Everything that a connection may send. False: there are no buffers. */
static bool output(struct gen *gen, uint32_t id)
{
    for (;;) {
        struct span room;
        struct tcp_out out;
        void *owner;
        if (!gen->port.alloc(gen->port.ctx, &room, &owner)) {
            tcp_ready_again(gen->tcp, id);
            return false;
        }
        struct span l4 = span_of(room.data + NET_HEADER_BYTES_MAX, room.len - NET_HEADER_BYTES_MAX);
        if (!tcp_output(gen->tcp, id, gen->now_us, l4, &out)) {
            gen->port.release(gen->port.ctx, owner);
            return true;
        }
        segment_send(gen, owner, l4.data, out.len, &out.tuple->local, &out.tuple->peer);
    }
}

static void flush(struct gen *gen)
{
    for (uint32_t i = 0; i < gen->dirty_count; i++) {
        gen->dirty[i]->dirty = false;
        traffic_flush(gen, gen->dirty[i]);
    }
    gen->dirty_count = 0;
}

static bool transmit(struct gen *gen)
{
    bool any = gen->dirty_count > 0;
    flush(gen);
    tcp_advance(gen->tcp, gen->now_us);
    for (uint32_t id; (id = tcp_ready(gen->tcp)) != TCP_NONE; any = true) {
        uint32_t raised = tcp_take_events(gen->tcp, id);
        if (raised != 0 && gen->by_conn[id] != NULL)
            events(gen, gen->by_conn[id], raised, view_of(NULL, 0));
        if (tcp_state(gen->tcp, id) != TCP_STATE_FREE && !output(gen, id))
            break;
    }
    struct span room;
    void *owner;
    size_t len = 0;
    while (gen->port.alloc(gen->port.ctx, &room, &owner)) {
        if (net_solicit(&gen->net, room, gen->now_us, &len) != WAX_OK) {
            gen->port.release(gen->port.ctx, owner);
            break;
        }
        gen->port.send(gen->port.ctx, owner, room.data, len);
    }
    return any;
}

static void close_all(struct gen *gen)
{
    gen->phase = GEN_CLOSING;
    gen->end_us = gen->now_us;
    for (uint32_t i = 0; i < gen->options.sessions; i++)
        client_close(gen, &gen->clients[i]);
}

/* Is the way to the relay known? Asking makes the request for it; the first SYNs would be lost until then. */
static bool resolved(struct gen *gen)
{
    uint8_t nothing[NET_HEADER_BYTES_MAX + TCP_HEADER_BYTES];
    size_t header;
    return net_output(&gen->net, &gen->options.address.addr, &gen->options.peer, PROTOCOL_TCP, 0,
                      nothing + NET_HEADER_BYTES_MAX, TCP_HEADER_BYTES, NET_HEADER_BYTES_MAX, gen->now_us,
                      &header) == WAX_OK;
}

static void open_more(struct gen *gen)
{
    const struct gen_options *o = &gen->options;
    if (gen->begun == 0 && !resolved(gen))
        return;
    while (gen->begun < o->sessions && gen->begun - gen->open - gen->closing < o->opening)
        opening_begin(gen, &gen->clients[gen->begun++]);
}

/* From one phase to the next, when it is time. */
static void phases(struct gen *gen)
{
    const struct gen_options *o = &gen->options;
    bool stuck = gen->now_us - gen->progress_us > (uint64_t)o->patience_s * 1000000u;
    switch (gen->phase) {
    case GEN_OPENING:
        if (!gen->failed)
            open_more(gen);
        if (gen->open == o->sessions && !gen->failed) {
            gen->phase = GEN_TRAFFIC;
            gen->traffic_us = gen->progress_us = gen->now_us;
            traffic_begin(gen);
        }
        break;
    case GEN_TRAFFIC:
        if (traffic_done(gen))
            close_all(gen);
        break;
    case GEN_CLOSING:
        if (gen->closing == gen->begun || gen->now_us - gen->end_us > CLOSING_US)
            gen->phase = GEN_DONE;
        return;
    case GEN_DONE:
        return;
    }
    if (stuck && !gen->failed)
        gen_error(gen, NULL, "nothing has gone forward for too long", "see --patience");
    if (gen->failed && gen->phase < GEN_CLOSING)
        close_all(gen);
}

bool gen_turn(struct gen *gen, uint64_t now_us)
{
    gen->now_us = now_us;
    phases(gen);
    return transmit(gen);
}
