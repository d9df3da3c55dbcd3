/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames in: parsed, looked up and prefetched in stages over a burst, then processed one by one. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"

static inline __attribute__((always_inline)) void conn_prefetch(const struct conn *conn)
{
    tls_prefetch(&conn->tls);
    __builtin_prefetch(&conn->ws);
    __builtin_prefetch(&conn->session);
    __builtin_prefetch((const uint8_t *)&conn->session + WAX_CACHE_LINE_BYTES);
    __builtin_prefetch(&conn->out);
}

/* Take the headers off one frame. True when it holds a TCP segment for us. */
static bool receive_frame(struct stack *stack, struct packet *packet, struct tcp_segment *segment)
{
    struct net_rx rx;
    struct span frame = span_of(packet->data, packet->len);
    size_t room = packet->room > packet->len ? packet->room : packet->len;
    enum wax_status status = net_input_room(&stack->net[packet->port], frame, room, stack->now_us, &rx);
    packet->transmit = false;
    if (status == WAX_OK && rx.kind == NET_TCP) {
        status = tcp_parse(rx.l4, &rx.src, &rx.dst, !packet->checksums_good, segment);
        segment->ecn = rx.ecn;
        if (status == WAX_OK)
            return true;
    } else if (status == WAX_OK && rx.kind == NET_TCP_ERROR) {
        (void)tcp_icmp(stack->tcp, &rx.error, stack->now_us); /* it has counted what it made of it */
    } else if (rx.kind == NET_REPLY) {
        packet->transmit = true;
        packet->len = (uint32_t)rx.reply_len;
    }
    if (status != WAX_OK)
        metrics_count(stack->metrics, status);
    return false;
}

void stack_events(struct stack *stack, uint32_t id, uint32_t events)
{
    struct conn *conn = &stack->conns[id];
    if (events & TCP_EV_OPENED)
        conn_open(stack, id, tcp_tag(stack->tcp, id));
    if (conn->state == CONN_FREE || conn->state == CONN_GONE)
        return;
    if (events & TCP_EV_ACKED) {
        if (conn->flags & CONN_SESSION)
            session_acked(&conn->session, &stack->session_env, tcp_acked(stack->tcp, id));
        if (conn->out.len > 0)
            conn_mark(stack, id);
        if (conn->state == CONN_MEDIA)
            media_acked(stack, id);
    }
    if (events & TCP_EV_DATA)
        conn_resume(stack, id);
    if (events & TCP_EV_FIN)
        conn_peer_fin(stack, id);
    if (events & TCP_EV_CLOSED)
        conn_gone(stack, id);
}

/* Bytes that lie in order in the packet are used there; what is left over is copied. */
static void receive_result(struct stack *stack, const struct tcp_result *result)
{
    uint32_t events = result->events;
    uint32_t id = result->id;
    if (events & TCP_EV_OPENED)
        stack_events(stack, id, TCP_EV_OPENED);
    if (events & TCP_EV_DATA && result->data.len > 0) {
        struct span bytes = span_of((uint8_t *)(uintptr_t)result->data.data, result->data.len);
        size_t used = conn_receive(stack, id, bytes);
        if (used < bytes.len &&
            tcp_keep(stack->tcp, id, view_of(bytes.data + used, bytes.len - used)) != WAX_OK)
            conn_abort(stack, id, WAX_TCP_BLOCKS_EMPTY);
        if (stack->conns[id].state != CONN_SHAKE)
            events &= ~TCP_EV_DATA; /* else its job wants to hear of them */
    }
    stack_events(stack, id, events & ~TCP_EV_OPENED);
}

/* One segment through TCP, and what follows from it. */
static void receive_segment(struct stack *stack, uint32_t id, const struct tcp_segment *segment,
                            uint16_t port)
{
    struct tcp_result result;
    tcp_input(stack->tcp, id, segment, stack->now_us, &result);
    if (result.reply_len > 0)
        stack_reply(stack, port, segment, view_of(result.reply, result.reply_len));
    if (result.events != 0)
        receive_result(stack, &result);
}

void stack_receive_known(struct stack *stack, struct packet *packets, uint32_t count)
{
    struct tcp_segment segment[WAX_BURST_MAX];
    uint64_t hash[WAX_BURST_MAX];
    uint32_t id[WAX_BURST_MAX];
    uint8_t at[WAX_BURST_MAX]; /* the packet of each segment */
    uint32_t n = 0;
    assert(count <= WAX_BURST_MAX && count <= stack_stranger_room(stack));

    for (uint32_t i = 0; i < count; i++) {
        packets[i].held = false;
        if (!receive_frame(stack, &packets[i], &segment[n]))
            continue;
        at[n] = (uint8_t)i;
        hash[n] = tcp_hash(stack->tcp, &segment[n]);
        tcp_prefetch_bucket(stack->tcp, hash[n]);
        n++;
    }
    for (uint32_t i = 0; i < n; i++) {
        id[i] = tcp_lookup(stack->tcp, hash[i], &segment[i]);
        if (id[i] != TCP_NONE) {
            tcp_prefetch_conn(stack->tcp, id[i]);
            conn_prefetch(&stack->conns[id[i]]);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (id[i] != TCP_NONE) {
            receive_segment(stack, id[i], &segment[i], packets[at[i]].port);
            continue;
        }
        packets[at[i]].held = true;
        stack->stranger_port[stack->stranger_count] = packets[at[i]].port;
        stack->stranger[stack->stranger_count++] = segment[i];
    }
    stack->busy = stack->busy || count > 0;
}

uint32_t stack_stranger_room(const struct stack *stack)
{
    return STACK_STRANGERS_MAX - stack->stranger_count;
}

void stack_strangers(struct stack *stack)
{
    for (uint32_t i = 0; i < stack->stranger_count; i++)
        receive_segment(stack, TCP_NONE, &stack->stranger[i], stack->stranger_port[i]);
    stack->stranger_count = 0;
}

void stack_receive(struct stack *stack, struct packet *packets, uint32_t count)
{
    if (stack_stranger_room(stack) < count)
        stack_strangers(stack);
    stack_receive_known(stack, packets, count);
    stack_strangers(stack);
}
