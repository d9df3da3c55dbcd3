/* SPDX-License-Identifier: BSD-3-Clause */
/* What leaves a stack: TCP's segments, and what the networks of its ports have to say. */
#include <assert.h>

#include "conn/conn.h"
#include "conn/state.h"

#define OUTPUT_SEGMENTS_MAX 64u /* of one connection before the next has its turn */
#define PROTOCOL_TCP        6u

/* A buffer of the port's: the one that was left over, or a new one. */
static bool output_buffer(struct stack *stack, uint16_t port, struct packet *packet)
{
    if (stack->spare[port].data != NULL) {
        *packet = stack->spare[port];
        stack->spare[port].data = NULL;
        return true;
    }
    if (!stack->env.packet_alloc(stack->env.ctx, port, packet))
        return false;
    packet->port = port;
    assert(packet->len > NET_HEADER_BYTES_MAX + TCP_HEADER_BYTES_MAX);
    return true;
}

static void output_keep(struct stack *stack, const struct packet *packet)
{
    assert(stack->spare[packet->port].data == NULL);
    stack->spare[packet->port] = *packet;
    stack->spare[packet->port].expendable = false;
}

/* Put headers before the transport segment that lies behind the packet's headroom, and send it. */
static void output_segment(struct stack *stack, struct packet packet, const struct addr *from,
                           const struct addr *to, uint8_t ecn, size_t len)
{
    size_t header = 0;
    uint8_t *l4 = packet.data + NET_HEADER_BYTES_MAX;
    enum wax_status status = net_output(&stack->net[packet.port], from, to, PROTOCOL_TCP, ecn, l4, len,
                                        NET_HEADER_BYTES_MAX, stack->now_us, &header);
    if (status != WAX_OK) {
        metrics_count(stack->metrics, status); /* lost: TCP sends it again */
        output_keep(stack, &packet);
        return;
    }
    packet.data = l4 - header;
    packet.len = (uint32_t)(header + len);
    packet.checksum = stack->config.checksum_offload;
    packet.l3_len = addr_is_ip4(to) ? IP4_HEADER_BYTES : IP6_HEADER_BYTES;
    packet.l2_len = (uint8_t)(header - packet.l3_len);
    stack->env.packet_send(stack->env.ctx, &packet);
}

/* Everything that a connection may send now. False: there are no buffers. */
static bool output_conn(struct stack *stack, uint32_t id)
{
    uint16_t port = stack_port_of(stack, &tcp_peer(stack->tcp, id)->local);
    for (uint32_t i = 0; i < OUTPUT_SEGMENTS_MAX; i++) {
        struct packet packet;
        struct tcp_out out;
        if (!output_buffer(stack, port, &packet)) {
            tcp_ready_again(stack->tcp, id);
            return false;
        }
        struct span room = span_of(packet.data + NET_HEADER_BYTES_MAX, packet.len - NET_HEADER_BYTES_MAX);
        if (!tcp_output(stack->tcp, id, stack->now_us, room, &out)) {
            output_keep(stack, &packet);
            return true;
        }
        output_segment(stack, packet, &out.tuple->local, &out.tuple->peer, out.ecn, out.len);
    }
    tcp_ready_again(stack->tcp, id);
    return true;
}

void stack_output(struct stack *stack)
{
    tcp_advance(stack->tcp, stack->now_us);
    for (uint32_t id; (id = tcp_ready(stack->tcp)) != TCP_NONE;) {
        uint32_t events = tcp_take_events(stack->tcp, id);
        stack->busy = true;
        if (events != 0) {
            stack_events(stack, id, events);
            stack_flush(stack);
            if (stack->conns[id].state == CONN_FREE && tcp_state(stack->tcp, id) == TCP_STATE_FREE)
                continue; /* the event was its end */
        }
        if (!output_conn(stack, id))
            return;
    }
}

void stack_reply(struct stack *stack, uint16_t port, const struct tcp_segment *to, struct view segment)
{
    struct packet packet;
    if (!output_buffer(stack, port, &packet))
        return; /* a RST may be lost like any segment */
    packet.expendable = true;
    memcpy(packet.data + NET_HEADER_BYTES_MAX, segment.data, segment.len);
    output_segment(stack, packet, &to->tuple.local, &to->tuple.peer, 0, segment.len);
}

void stack_neighbours(struct stack *stack)
{
    for (uint16_t port = 0; port < stack->config.port_count; port++) {
        struct packet packet;
        size_t len = 0;
        while (output_buffer(stack, port, &packet)) {
            if (net_solicit(&stack->net[port], span_of(packet.data, packet.len), stack->now_us, &len) !=
                WAX_OK) {
                output_keep(stack, &packet);
                break;
            }
            packet.len = (uint32_t)len;
            stack->env.packet_send(stack->env.ctx, &packet);
        }
    }
}
