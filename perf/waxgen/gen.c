/* SPDX-License-Identifier: BSD-3-Clause */
/* The network side of the generator, and its turns. */
#include "waxgen/gen.h"

#define PROTOCOL_TCP    6u
#define ERRORS_TOLD     10u
#define CLOSING_US      3000000u /* after the last goodbye */
#define GOODBYES_A_TURN 256u

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

struct addr gen_address(const struct gen *gen, uint32_t index)
{
    struct addr address = gen->options.address.addr;
    store_be32(address.b + 12, load_be32(address.b + 12) + index);
    return address;
}

/* The network that has an address of ours, by its last four bytes; the first for what is nobody's. */
static struct net *net_of(struct gen *gen, const uint8_t last_four[4])
{
    uint32_t index = load_be32(last_four) - load_be32(gen->options.address.addr.b + 12);
    return &gen->nets[index < gen->addresses ? index / NET_ADDRESSES_MAX : 0];
}

/* The same for a frame: by its destination, or whom an ARP request is after. */
static struct net *net_of_frame(struct gen *gen, struct span frame)
{
    enum { TYPE = 12, ARP_TARGET = 38, IP4_DESTINATION = 30, IP6_DESTINATION_LAST = 50, LEAST = 54 };
    if (frame.len < LEAST - 12)
        return &gen->nets[0];
    uint16_t type = load_be16(frame.data + TYPE);
    if (type == 0x0806)
        return net_of(gen, frame.data + ARP_TARGET);
    if (type == 0x86dd && frame.len >= LEAST)
        return net_of(gen, frame.data + IP6_DESTINATION_LAST);
    return net_of(gen, frame.data + IP4_DESTINATION);
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
    enum wax_status status = net_output(net_of(gen, from->b + 12), from, to, PROTOCOL_TCP, 0, l4, len,
                                        NET_HEADER_BYTES_MAX, gen->now_us, &header);
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
    enum wax_status status = net_input(net_of_frame(gen, frame), frame, now_us, &rx);
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
    if (result.id != TCP_NONE && result.events != 0 && gen->by_conn[result.id] != GEN_NOBODY)
        events(gen, &gen->clients[gen->by_conn[result.id]], result.events, result.data);
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
        struct client *client = &gen->clients[gen->dirty[i]];
        client->dirty = false;
        traffic_flush(gen, client);
    }
    gen->dirty_count = 0;
}

/* Ask for neighbours. */
static void solicit(struct gen *gen, struct net *net)
{
    struct span room;
    void *owner;
    size_t len = 0;
    while (gen->port.alloc(gen->port.ctx, &room, &owner)) {
        if (net_solicit(net, room, gen->now_us, &len) != WAX_OK) {
            gen->port.release(gen->port.ctx, owner);
            return;
        }
        gen->port.send(gen->port.ctx, owner, room.data, len);
    }
}

/* A burst of the flood, when nothing of the clients' waits for the port. True when there was any. */
static bool flood(struct gen *gen)
{
    const struct gen_options *o = &gen->options;
    if (gen->phase != GEN_TRAFFIC || gen->port.waiting(gen->port.ctx) != 0)
        return false;
    uint32_t due = flood_due(&gen->flood, gen->now_us);
    for (uint32_t i = 0; i < due; i++) {
        struct span room;
        struct tcp_tuple tuple;
        void *owner;
        bool broken;
        size_t header = 0;
        if (!gen->port.alloc(gen->port.ctx, &room, &owner))
            return true;
        uint8_t *l4 = room.data + NET_HEADER_BYTES_MAX;
        size_t len =
            flood_segment(&gen->flood, &o->peer, o->port, span_of(l4, FLOOD_FRAME_MAX), &tuple, &broken);
        if (net_output(&gen->nets[0], &tuple.local, &tuple.peer, PROTOCOL_TCP, 0, l4, len,
                       NET_HEADER_BYTES_MAX, gen->now_us, &header) != WAX_OK) {
            gen->port.release(gen->port.ctx, owner);
            return true;
        }
        if (broken)
            flood_spoil(&gen->flood, span_of(l4 - header, header + len));
        gen->port.send(gen->port.ctx, owner, l4 - header, header + len);
    }
    return due != 0;
}

static bool transmit(struct gen *gen)
{
    bool any = gen->dirty_count > 0;
    flush(gen);
    tcp_advance(gen->tcp, gen->now_us);
    for (uint32_t id; (id = tcp_ready(gen->tcp)) != TCP_NONE; any = true) {
        uint32_t raised = tcp_take_events(gen->tcp, id);
        if (raised != 0 && gen->by_conn[id] != GEN_NOBODY)
            events(gen, &gen->clients[gen->by_conn[id]], raised, view_of(NULL, 0));
        if (tcp_state(gen->tcp, id) != TCP_STATE_FREE && !output(gen, id))
            break;
    }
    for (uint32_t i = 0; i < gen->net_count; i++)
        solicit(gen, &gen->nets[i]);
    return any;
}

static void close_all(struct gen *gen)
{
    gen->phase = GEN_CLOSING;
    gen->end_us = gen->now_us;
    if (!gen->failed && gen->options.commands == false)
        limits_judge(gen);
}

/* Goodbyes, as many as there are blocks for: a million at once would want more than all of them. */
static void close_more(struct gen *gen)
{
    if (gen->said_goodbye == gen->options.sessions)
        return;
    for (uint32_t i = 0; i < GOODBYES_A_TURN && gen->said_goodbye < gen->options.sessions; i++) {
        if (gen->blocks.free_count < 2 * GOODBYES_A_TURN)
            break;
        client_close(gen, &gen->clients[gen->said_goodbye++]);
    }
    gen->goodbye_us = gen->now_us;
}

/* Is the way to the relay known? Asking makes the request for it; the first SYNs would be lost until then. */
static bool resolved(struct gen *gen)
{
    uint8_t nothing[NET_HEADER_BYTES_MAX + TCP_HEADER_BYTES];
    size_t header;
    bool all = true;
    for (uint32_t i = 0; i < gen->net_count; i++) {
        struct addr from = gen_address(gen, i * NET_ADDRESSES_MAX);
        all &= net_output(&gen->nets[i], &from, &gen->options.peer, PROTOCOL_TCP, 0,
                          nothing + NET_HEADER_BYTES_MAX, TCP_HEADER_BYTES, NET_HEADER_BYTES_MAX, gen->now_us,
                          &header) == WAX_OK;
    }
    return all;
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
    bool stuck = gen->now_us - gen->progress_us > (uint64_t)o->patience_s * 1000000u && !traffic_done(gen);
    switch (gen->phase) {
    case GEN_OPENING:
        if (!gen->failed)
            open_more(gen);
        if (gen->open == o->sessions && !gen->failed) {
            gen->phase = GEN_SETTLING;
            gen->opened_us = gen->progress_us = gen->now_us;
        }
        break;
    case GEN_SETTLING:
        gen->progress_us = gen->now_us;
        if (o->commands) {
            gen->phase = GEN_WAITING;
        } else if (!o->comeback && gen->now_us - gen->opened_us >= (uint64_t)o->settle_s * 1000000u) {
            gen->phase = GEN_TRAFFIC;
            gen->traffic_us = gen->now_us;
            if (o->search != 0)
                search_begin(gen);
            else
                traffic_begin(gen);
        }
        break;
    case GEN_AWAY:
        comeback_turn(gen);
        break;
    case GEN_WAITING:
        gen->progress_us = gen->now_us;
        steps_next(gen);
        break;
    case GEN_TRAFFIC:
        if (gen->begun < o->sessions && !gen->failed)
            open_more(gen);
        /* The sessions stay until the flood is over: what it does to them is the question. */
        if (traffic_done(gen) && (o->commands || gen->search.on)) {
            steps_end(gen);
        } else if (traffic_done(gen) && (o->flood.kind == FLOOD_NONE || gen->flood.ended_us != 0)) {
            storm_end(gen);
            close_all(gen);
        }
        break;
    case GEN_CLOSING:
        close_more(gen);
        if (gen->closing == gen->begun || gen->now_us - gen->goodbye_us > CLOSING_US)
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
    traffic_pace(gen);
    storm_turn(gen);
    bool any = transmit(gen);
    return flood(gen) || any;
}
