/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdlib.h>

#include "../tls/certificate.h"
#include "base/random.h"
#include "waxwire/channel_media.h"

static void wire_put(struct rig *rig, struct rig_wire *wire, const uint8_t *data, uint32_t len)
{
    cr_assert(len <= RIG_FRAME);
    if (rig->options.lose_each != 0 && ++rig->lost % rig->options.lose_each == 0)
        return;
    cr_assert(wire->count < RIG_FRAMES, "the wire is overrun");
    struct rig_frame *frame = &wire->frame[(wire->head + wire->count++) % RIG_FRAMES];
    frame->len = len;
    memcpy(frame->data, data, len);
}

/* ---- what the stack needs ---- */

/* The stack holds one buffer at most beside the one it is writing. */
static bool env_alloc(void *ctx, uint16_t port, struct packet *packet)
{
    struct rig *rig = ctx;
    for (uint32_t i = 0; i < RIG_BUFFERS; i++)
        if (!rig->buffer_used[i]) {
            rig->buffer_used[i] = true;
            *packet = (struct packet){
                .data = rig->buffer[i], .len = RIG_FRAME, .port = port, .owner = &rig->buffer_used[i]};
            return true;
        }
    cr_assert_fail("buffers leak");
    return false;
}

static void env_send_packet(void *ctx, const struct packet *packet)
{
    struct rig *rig = ctx;
    rig->sent++;
    rig->expendable += packet->expendable;
    bool *used = packet->owner;
    wire_put(rig, &rig->to_host, packet->data, packet->len);
    *used = false;
}

static bool env_job(void *ctx, struct job *job)
{
    struct rig *rig = ctx;
    cr_assert(rig->jobs < RIG_JOBS);
    rig->job[rig->jobs++] = job;
    return true;
}

static bool items_put(struct rig_items *items, const struct item *item, uint32_t consumed)
{
    if (items->count == items->room)
        return false;
    items->item[items->count] = *item;
    items->item[items->count].from = 0;
    items->item[items->count].consumed = consumed;
    items->count++;
    return true;
}

static bool env_send(void *ctx, uint32_t worker, const struct item *item)
{
    struct rig *rig = ctx;
    cr_assert(worker == 0);
    if (!mesh_has_credit(&rig->peers[0], WAX_MESH_SEND_SLOTS))
        return false;
    rig->peers[0].sent++;
    return items_put(&rig->sends, item, 0);
}

static bool env_give(void *ctx, uint32_t worker, const struct item *item)
{
    struct rig *rig = ctx;
    cr_assert(worker == 0);
    if (rig->returns.count == rig->returns.room)
        return false;
    return items_put(&rig->returns, item, mesh_tell(&rig->peers[0]));
}

static struct channel_record *env_reserve(void *ctx, uint32_t bytes)
{
    struct rig *rig = ctx;
    return rig->control_up ? channel_reserve(rig->to_control, bytes) : NULL;
}

static uint64_t env_media_room(void *ctx)
{
    struct rig *rig = ctx;
    return rig->control_up ? channel_ring_room(rig->to_control, WAX_MEDIA_RING_BYTES) : 0;
}

static void env_publish(void *ctx)
{
    struct rig *rig = ctx;
    if (rig->control_up)
        channel_publish(rig->to_control);
}

static void env_random(void *ctx, struct span out)
{
    struct rig *rig = ctx;
    uint8_t seed[randombytes_SEEDBYTES] = {0};
    store_be64(seed, ++rig->random);
    randombytes_buf_deterministic(out.data, out.len, seed);
}

/* ---- building ---- */

static void net_make(struct net_config *config, uint8_t last, uint32_t address)
{
    *config = (struct net_config){.mtu = 1500, .address_count = 1, .key = {1, last}};
    config->mac = (struct mac){{2, 0, 0, 0, 0, last}};
    config->addresses[0] = (struct net_address){addr_ip4(address), 15};
}

static void make_stack(struct rig *rig)
{
    const struct rig_options *o = &rig->options;
    struct wax_config *c = &rig->config;
    config_defaults(c);
    c->workers = 1;
    c->connections_max = o->connections_max ? o->connections_max : 64;
    c->half_open_max = 32;
    c->per_address_max = o->per_address_max;
    c->handshakes_max = o->handshakes_max ? o->handshakes_max : 8;
    c->handshakes_waiting_max = o->waiting_max ? o->waiting_max : 64;
    c->handshakes_per_address_max = o->address_max ? o->address_max : c->handshakes_max;
    c->blocks = 8192;
    c->messages = 4096;
    c->recipients = 256;
    c->send_window = o->send_window ? o->send_window : 16;
    c->heartbeat_s = o->heartbeat_s ? o->heartbeat_s : 240;
    c->listener_count = 3;
    c->listener[0] = (struct config_listener){.port = RIG_PORT_TLS, .tls = true};
    c->listener[1] = (struct config_listener){.port = RIG_PORT_PLAIN};
    c->listener[2] = (struct config_listener){.port = RIG_PORT_PROXY, .proxy_protocol = true};
    struct stack_config *s = &rig->stack_config;
    *s = (struct stack_config){.config = c,
                               .now_us = rig->now_us,
                               .workers = 1,
                               .port_count = 1,
                               .handshake_threads = 1,
                               .route_key = {1, 2},
                               .flow_key = {3, 4},
                               .metrics = &rig->metrics};
    net_make(&s->net[0], 1, 0xc6120001u);
    struct stack_env env = {.ctx = rig,
                            .packet_alloc = env_alloc,
                            .packet_send = env_send_packet,
                            .job_submit = env_job,
                            .relay = {.ctx = rig,
                                      .self = 0,
                                      .workers = 1,
                                      .peers = rig->peers,
                                      .send = env_send,
                                      .give = env_give,
                                      .control_reserve = env_reserve,
                                      .control_publish = env_publish},
                            .media_room = env_media_room,
                            .random = env_random};
    size_t bytes = (stack_bytes(s) + 63u) & ~(size_t)63u;
    rig->stack_memory = aligned_alloc(64, bytes);
    cr_assert(rig->stack_memory != NULL);
    memset(rig->stack_memory, 0, bytes);
    cr_assert_eq(stack_init(&rig->stack, span_of(rig->stack_memory, bytes), s, &env), WAX_OK);
}

static void make_host(struct rig *rig)
{
    size_t bytes = (pool_bytes(8192, WAX_BLOCK_BYTES) + 63u) & ~(size_t)63u;
    rig->host_blocks_memory = aligned_alloc(64, bytes);
    cr_assert_eq(pool_init(&rig->host_blocks, span_of(rig->host_blocks_memory, bytes), 8192, WAX_BLOCK_BYTES),
                 WAX_OK);
    struct tcp_config config = {.conns_max = 128};
    struct tcp_env env = {
        .blocks = &rig->host_blocks, .isn_key = {5, 6}, .flow_key = {7, 8}, .counters = rig->host_counters};
    bytes = tcp_engine_bytes(&config);
    rig->host_memory = malloc(bytes);
    cr_assert_eq(tcp_engine_init(&rig->host, span_of(rig->host_memory, bytes), &config, &env, rig->now_us),
                 WAX_OK);
    struct net_config net;
    net_make(&net, 2, 0xc6120002u);
    cr_assert_eq(net_init(&rig->host_net, &net, rig->now_us), WAX_OK);
    /* The host knows its neighbour, or the first SYN would be lost and sent again a second later. */
    uint8_t l4[NET_HEADER_BYTES_MAX + TCP_HEADER_BYTES] = {0};
    struct addr address = addr_ip4(0xc6120001u);
    size_t header;
    (void)net_output(&rig->host_net, &net.addresses[0].addr, &address, 6, 0, l4 + NET_HEADER_BYTES_MAX,
                     TCP_HEADER_BYTES, NET_HEADER_BYTES_MAX, rig->now_us, &header);
    net_neigh(&rig->host_net, &address, &rig->stack_config.net[0].mac, rig->now_us);
}

struct rig *rig_new(const struct rig_options *options)
{
    struct rig *rig = aligned_alloc(_Alignof(struct rig), sizeof *rig); /* its metrics lie on a cache line */
    memset(rig, 0, sizeof *rig);
    cr_assert(rig != NULL && sodium_init() >= 0);
    if (options != NULL)
        rig->options = *options;
    rig->now_us = 1000000;
    rig->wall_ms = UINT64_C(1700000000000);
    rig->to_stack.frame = malloc(RIG_FRAMES * sizeof(struct rig_frame));
    rig->to_host.frame = malloc(RIG_FRAMES * sizeof(struct rig_frame));
    rig->sends =
        (struct rig_items){malloc(WAX_MESH_SEND_SLOTS * sizeof(struct item)), 0, WAX_MESH_SEND_SLOTS};
    rig->returns =
        (struct rig_items){malloc(WAX_MESH_RETURN_SLOTS * sizeof(struct item)), 0, WAX_MESH_RETURN_SLOTS};
    rig->to_control = aligned_alloc(64, sizeof(struct channel_ring));
    rig->to_worker = aligned_alloc(64, sizeof(struct channel_ring));
    rig->stored = calloc(RIG_STORED, sizeof *rig->stored);
    rig->server = certificate_context(1);
    cr_assert_eq(tls_context_create_client(&rig->client, NULL), WAX_OK);
    make_stack(rig);
    make_host(rig);
    if (!rig->options.no_control)
        rig_control_up(rig);
    return rig;
}

static void jobs_cancel(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->jobs; i++)
        if (rig->job[i]->kind != JOB_VERIFY) {
            rig->job[i]->kind = JOB_CANCEL;
            job_run(rig->job[i], rig->server);
        }
    rig->jobs = 0;
}

void rig_free(struct rig *rig)
{
    for (uint32_t i = 0; i < rig->peer_count; i++)
        peer_free(rig->peer[i]);
    jobs_cancel(rig);
    for (uint32_t i = 0; i < rig->stored_count; i++)
        free(rig->stored[i].payload);
    tls_context_free(rig->server);
    tls_context_free(rig->client);
    certificate_remove();
    free(rig->stored);
    free(rig->to_stack.frame);
    free(rig->to_host.frame);
    free(rig->sends.item);
    free(rig->returns.item);
    free(rig->to_control);
    free(rig->to_worker);
    free(rig->stack_memory);
    free(rig->host_memory);
    free(rig->host_blocks_memory);
    free(rig);
}

/* ---- a turn ---- */

/* Fetch ahead as a worker does. */
static void fetch_ahead(struct rig *rig, const struct rig_items *ring, uint32_t at)
{
    const struct item *items[WAX_BURST_MAX];
    uint32_t count = 0;
    for (; count < WAX_BURST_MAX && at + count < ring->count; count++)
        items[count] = &ring->item[at + count];
    if (at % WAX_BURST_MAX == 0)
        stack_prefetch(rig->stack, items, count);
}

static void turn_items(struct rig *rig)
{
    uint32_t n = rig->returns.count;
    for (uint32_t i = 0; i < n; i++) {
        fetch_ahead(rig, &rig->returns, i);
        struct item item = rig->returns.item[i];
        mesh_note_consumed(&rig->peers[0], item.consumed);
        if (item.kind != ITEM_CREDIT)
            stack_return(rig->stack, 0, &item);
    }
    memmove(rig->returns.item, rig->returns.item + n, (rig->returns.count - n) * sizeof(struct item));
    rig->returns.count -= n;
    uint32_t taken = 0;
    n = rig->sends.count;
    while (taken < n) {
        fetch_ahead(rig, &rig->sends, taken);
        struct item item = rig->sends.item[taken];
        if (!stack_send(rig->stack, 0, &item))
            break;
        rig->peers[0].taken++;
        taken++;
    }
    memmove(rig->sends.item, rig->sends.item + taken, (rig->sends.count - taken) * sizeof(struct item));
    rig->sends.count -= taken;
}

static void turn_jobs(struct rig *rig)
{
    struct job *job[RIG_JOBS];
    uint32_t n = rig->jobs_held ? 0 : rig->jobs;
    memcpy(job, rig->job, n * sizeof job[0]);
    rig->jobs -= n;
    for (uint32_t i = 0; i < n; i++) {
        job_run(job[i], rig->server);
        stack_job(rig->stack, job[i]);
    }
}

static void turn_records(struct rig *rig)
{
    enum wax_status status;
    const struct channel_record *record;
    while (rig->control_up && (record = channel_peek(rig->to_worker, &status)) != NULL) {
        stack_record(rig->stack, record);
        channel_release(rig->to_worker, record);
    }
}

static void turn_frames(struct rig *rig)
{
    uint32_t n = rig->to_stack.count;
    while (n > 0) {
        struct packet packets[WAX_BURST_MAX];
        uint32_t burst = n < WAX_BURST_MAX ? n : WAX_BURST_MAX;
        for (uint32_t i = 0; i < burst; i++) {
            struct rig_frame *frame = &rig->to_stack.frame[(rig->to_stack.head + i) % RIG_FRAMES];
            packets[i] = (struct packet){.data = frame->data, .len = frame->len};
        }
        stack_polled(rig->stack, rig->now_us);
        if (!rig->options.strangers_wait) {
            stack_receive(rig->stack, packets, burst);
        } else {
            if (stack_stranger_room(rig->stack) < burst)
                stack_strangers(rig->stack);
            stack_receive_known(rig->stack, packets, burst);
        }
        for (uint32_t i = 0; i < burst; i++)
            rig->held += packets[i].held;
        for (uint32_t i = 0; i < burst; i++)
            if (packets[i].transmit)
                wire_put(rig, &rig->to_host, packets[i].data, packets[i].len);
        rig->to_stack.head = (rig->to_stack.head + burst) % RIG_FRAMES;
        rig->to_stack.count -= burst;
        n -= burst;
    }
}

static struct peer *peer_of(struct rig *rig, uint32_t id)
{
    for (uint32_t i = 0; i < rig->peer_count; i++)
        if (rig->peer[i]->id == id && !rig->peer[i]->closed)
            return rig->peer[i];
    return NULL;
}

static void host_input(struct rig *rig, struct rig_frame *frame)
{
    struct net_rx rx;
    if (net_input(&rig->host_net, span_of(frame->data, frame->len), rig->now_us, &rx) != WAX_OK)
        return;
    if (rx.kind == NET_REPLY)
        wire_put(rig, &rig->to_stack, frame->data, (uint32_t)rx.reply_len);
    struct tcp_segment segment;
    if (rx.kind != NET_TCP || tcp_parse(rx.l4, &rx.src, &rx.dst, true, &segment) != WAX_OK)
        return;
    struct tcp_result result;
    uint32_t id = tcp_lookup(rig->host, tcp_hash(rig->host, &segment), &segment);
    tcp_input(rig->host, id, &segment, rig->now_us, &result);
    struct peer *peer = peer_of(rig, result.id);
    if (peer != NULL && result.events != 0)
        peer_turn(peer, result.events, result.data);
}

static void host_output(struct rig *rig)
{
    uint8_t buffer[RIG_FRAME];
    size_t len, header;
    tcp_advance(rig->host, rig->now_us);
    for (uint32_t i = 0; i < rig->peer_count; i++)
        if (!rig->peer[i]->closed)
            peer_turn(rig->peer[i], 0, view_of(NULL, 0));
    for (uint32_t id; (id = tcp_ready(rig->host)) != TCP_NONE;) {
        struct tcp_out out;
        uint32_t events = tcp_take_events(rig->host, id);
        struct peer *peer = peer_of(rig, id);
        if (peer != NULL && events != 0)
            peer_turn(peer, events, view_of(NULL, 0));
        uint8_t *l4 = buffer + NET_HEADER_BYTES_MAX;
        while (
            tcp_output(rig->host, id, rig->now_us, span_of(l4, sizeof buffer - NET_HEADER_BYTES_MAX), &out))
            if (net_output(&rig->host_net, &out.tuple->local, &out.tuple->peer, 6, 0, l4, out.len,
                           NET_HEADER_BYTES_MAX, rig->now_us, &header) == WAX_OK)
                wire_put(rig, &rig->to_stack, l4 - header, (uint32_t)(header + out.len));
    }
    while (net_solicit(&rig->host_net, span_of(buffer, sizeof buffer), rig->now_us, &len) == WAX_OK)
        wire_put(rig, &rig->to_stack, buffer, (uint32_t)len);
}

void rig_turn(struct rig *rig, uint64_t us)
{
    rig->now_us += us;
    rig->wall_ms = UINT64_C(1700000000000) + rig->now_us / 1000u;
    stack_begin(rig->stack, rig->now_us, rig->wall_ms);
    turn_items(rig);
    turn_records(rig);
    turn_jobs(rig);
    uint32_t sent = rig->sent, held = rig->held;
    turn_frames(rig);
    (void)stack_end(rig->stack);
    if (rig->held != held)
        rig->sent_before += rig->sent - sent;
    stack_strangers(rig->stack);
    if (mesh_must_tell(&rig->peers[0])) {
        struct item credit = {.kind = ITEM_CREDIT};
        (void)env_give(rig, 0, &credit);
    }
    rig_control_turn(rig);
    for (uint32_t n = rig->to_host.count; n > 0; n--) {
        host_input(rig, &rig->to_host.frame[rig->to_host.head]);
        rig->to_host.head = (rig->to_host.head + 1) % RIG_FRAMES;
        rig->to_host.count--;
    }
    host_output(rig);
}

void rig_run(struct rig *rig, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i++)
        rig_turn(rig, 1000);
}
