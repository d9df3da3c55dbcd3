/* SPDX-License-Identifier: BSD-3-Clause */
#include "script.h"

#include <stdlib.h>

#include "net/checksum.h"

struct script S;

#define PACKET_BYTES 4096u

static uint8_t packets[SCRIPT_QUEUE][PACKET_BYTES];

uint8_t script_byte(uint64_t position)
{
    return (uint8_t)(position * 131 + (position >> 8) * 7 + (position >> 16));
}

void script_start(const struct tcp_config *config)
{
    struct tcp_config none = {.conns_max = 16, .newreno = true};
    config = config != NULL ? config : &none;
    memset(&S, 0, sizeof S);
    size_t blocks = pool_bytes(SCRIPT_BLOCKS, WAX_BLOCK_BYTES);
    size_t engine = tcp_engine_bytes(config);
    uint8_t *memory = malloc(blocks + engine);
    cr_assert_not_null(memory);
    S.memory = memory;
    cr_assert_eq(pool_init(&S.blocks, span_of(memory, blocks), SCRIPT_BLOCKS, WAX_BLOCK_BYTES), WAX_OK);
    struct tcp_env env = {.blocks = &S.blocks, .isn_key = {1, 2}, .flow_key = {3, 4}, .counters = S.counters};
    S.now_us = 1000000;
    cr_assert_eq(tcp_engine_init(&S.e, span_of(memory + blocks, engine), config, &env, S.now_us), WAX_OK);
    S.tuple = (struct tcp_tuple){addr_ip4(0xc6120002), addr_ip4(0xc6120001), 50000, SCRIPT_PORT};
    S.iss = 0xfffffff0u; /* sequence numbers wrap in nearly every test */
    S.id = TCP_NONE;
    S.ts_val = 1000;
}

static void learn(uint32_t id, uint32_t events)
{
    if (events != 0) {
        S.id = id;
        S.events |= events;
    }
}

void script_pump(void)
{
    uint32_t id;
    while (!S.mute && (id = tcp_ready(S.e)) != TCP_NONE) {
        learn(id, tcp_take_events(S.e, id));
        struct tcp_out o;
        uint8_t *packet = packets[S.tail % SCRIPT_QUEUE];
        while (tcp_output(S.e, id, S.now_us, span_of(packet, PACKET_BYTES), &o)) {
            cr_assert_lt(S.tail - S.head, SCRIPT_QUEUE, "the engine doesn't stop sending");
            struct script_sent *sent = &S.sent[S.tail++ % SCRIPT_QUEUE];
            sent->at_us = S.now_us;
            cr_assert_eq(
                tcp_parse(view_of(packet, o.len), &o.tuple->local, &o.tuple->peer, true, &sent->segment),
                WAX_OK);
            cr_assert_eq(sent->segment.payload.len, o.payload_len);
            if ((o.flags & TCP_SYN) != 0) {
                S.irs = o.seq;
            }
            packet = packets[S.tail % SCRIPT_QUEUE];
        }
    }
}

static void check(struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        cr_assert_eq(v.data[i], script_byte(S.received + i), "byte %lu is wrong", S.received + i);
    }
    S.received += v.len;
}

void script_read(uint32_t n)
{
    const struct fifo *f = tcp_received(S.e, S.id);
    while (n > 0 && f->len > 0) {
        struct view v = fifo_peek(&S.blocks, f);
        v.len = v.len < n ? v.len : n;
        check(v);
        n -= (uint32_t)v.len;
        tcp_consume(S.e, S.id, v.len, S.now_us);
    }
    script_pump();
}

static void take_data(uint32_t id)
{
    if (S.hold) {
        cr_assert_eq(tcp_keep(S.e, id, S.r.data), WAX_OK);
        return;
    }
    check(S.r.data);
    const struct fifo *f = tcp_received(S.e, id);
    while (f->len > 0) {
        struct view v = fifo_peek(&S.blocks, f);
        check(v);
        tcp_consume(S.e, id, v.len, S.now_us);
    }
}

void script_in(struct script_in in)
{
    uint8_t packet[PACKET_BYTES];
    struct tcp_tuple t = S.tuple;
    t.peer_port = in.port != 0 ? in.port : t.peer_port;
    struct sack_block blocks[4];
    struct tcp_header h = {
        .source = t.peer_port,
        .destination = t.local_port,
        .seq = in.absolute ? in.seq : in.seq + S.iss,
        .ack = (in.flags & TCP_ACK) == 0 ? 0
               : in.absolute             ? in.ack
                                         : in.ack + S.irs,
        .flags = in.flags,
        .window = in.shut       ? 0
                  : in.win != 0 ? in.win
                                : UINT16_MAX,
        .mss = in.mss,
        .wscale = in.ws != 0 ? (uint8_t)(in.ws - 1) : 0xff,
        .has_timestamps = in.ts,
        .tsval = in.tsval != 0 ? in.tsval : S.ts_val,
        .tsecr = in.tsecr,
        .sack_permitted = in.sackok,
        .sack = blocks,
    };
    while (h.sack_count < 4 && in.sack[2 * h.sack_count + 1] != 0) {
        blocks[h.sack_count] =
            (struct sack_block){in.sack[2 * h.sack_count] + S.irs, in.sack[2 * h.sack_count + 1] + S.irs};
        h.sack_count++;
    }
    size_t len = segment_write(packet, &h);
    for (uint32_t i = 0; i < in.len; i++) {
        packet[len + i] = script_byte((uint64_t)in.seq - 1 + i);
    }
    len += in.len;
    struct tcp_tuple back = {t.local, t.peer, t.local_port, t.peer_port};
    segment_checksum(&back, span_of(packet, len), false);
    struct tcp_segment s;
    cr_assert_eq(tcp_parse(view_of(packet, len), &t.peer, &t.local, true, &s), WAX_OK);
    uint64_t hash = tcp_hash(S.e, &s);
    tcp_input(S.e, tcp_lookup(S.e, hash, &s), &s, S.now_us, &S.r);
    learn(S.r.id, S.r.events);
    if (S.id == TCP_NONE || tcp_state(S.e, S.id) == TCP_STATE_FREE) {
        S.id = S.r.id != TCP_NONE ? S.r.id : S.id;
    }
    S.acked += S.r.acked_bytes;
    if ((S.r.events & TCP_EV_DATA) != 0) {
        take_data(S.r.id);
    }
    if (S.r.reply_len != 0) {
        struct script_sent *sent = &S.sent[S.tail % SCRIPT_QUEUE];
        uint8_t *reply = packets[S.tail++ % SCRIPT_QUEUE];
        memcpy(reply, S.r.reply, S.r.reply_len);
        sent->at_us = S.now_us;
        cr_assert_eq(tcp_parse(view_of(reply, S.r.reply_len), &t.local, &t.peer, true, &sent->segment),
                     WAX_OK);
    }
    script_pump();
}

const struct tcp_segment *script_out(int line, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    cr_assert_neq(S.head, S.tail, "line %d: nothing was sent", line);
    const struct tcp_segment *s = &S.sent[S.head++ % SCRIPT_QUEUE].segment;
    uint8_t loose = (uint8_t)(TCP_PSH | ((TCP_ECE | TCP_CWR) &
                                         ~flags)); /* the bits of ECN only where they are asked for */
    cr_assert_eq(s->flags & ~loose, flags, "line %d: flags %02x", line, s->flags);
    cr_assert_eq(s->seq - S.irs, seq, "line %d: seq %u", line, s->seq - S.irs);
    if ((flags & TCP_ACK) != 0) {
        cr_assert_eq(s->ack - S.iss, ack, "line %d: ack %u", line, s->ack - S.iss);
    }
    cr_assert_eq(s->payload.len, len, "line %d: length %zu", line, s->payload.len);
    for (uint32_t i = 0; i < len; i++) {
        cr_assert_eq(s->payload.data[i], script_byte(seq - 1 + i), "line %d: byte %u is wrong", line,
                     seq + i);
    }
    return s;
}

/* The SACK option holds exactly these blocks, relative to the peer's numbers. */
void script_sacked(int line, const struct tcp_segment *s, const uint32_t pairs[8])
{
    uint32_t n = 0;
    while (n < 4 && pairs[2 * n + 1] != 0) {
        n++;
    }
    cr_assert_eq(s->sack.len, 8 * n, "line %d: %zu blocks", line, s->sack.len / 8);
    for (uint32_t i = 0; i < 2 * n; i++) {
        cr_assert_eq(load_be32(s->sack.data + 4 * (size_t)i) - S.iss, pairs[i], "line %d: edge %u is %u",
                     line, i, load_be32(s->sack.data + 4 * (size_t)i) - S.iss);
    }
}

void script_quiet(int line)
{
    if (S.head != S.tail) {
        const struct tcp_segment *s = &S.sent[S.head % SCRIPT_QUEUE].segment;
        cr_assert_fail("line %d: sent flags %02x seq %u ack %u len %zu", line, s->flags, s->seq - S.irs,
                       s->ack - S.iss, s->payload.len);
    }
}

void script_events(int line, uint32_t bits)
{
    cr_assert_eq(S.events, bits, "line %d: events %x", line, S.events);
    S.events = 0;
}

void script_sleep(uint64_t us)
{
    uint64_t until = S.now_us + us;
    for (;;) {
        uint64_t next = tcp_next_us(S.e);
        if (next > until) {
            break;
        }
        S.now_us = next > S.now_us ? next : S.now_us;
        tcp_advance(S.e, S.now_us);
        script_pump();
        if (next == tcp_next_us(S.e) && next <= S.now_us) {
            S.now_us += 100;
            S.now_us = S.now_us < until ? S.now_us : until;
            if (S.now_us == until) {
                break;
            }
        }
    }
    S.now_us = until;
    tcp_advance(S.e, S.now_us);
    script_pump();
}

void script_listen(void)
{
    cr_assert_eq(tcp_listen(S.e, NULL, SCRIPT_PORT, 7), WAX_OK);
}

void script_open(const struct tcp_config *config)
{
    script_start(config);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460);
    OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    QUIET();
}

void script_open_ts(const struct tcp_config *config)
{
    script_start(config);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true, .ws = 1);
    const struct tcp_segment *s = OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s->tsval);
    EVENTS(TCP_EV_OPENED);
    QUIET();
}

void script_open_sack(const struct tcp_config *config)
{
    script_start(config);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .sackok = true);
    cr_assert(OUT(TCP_SYN | TCP_ACK, 0, 1, 0)->sack_permitted);
    IN(TCP_ACK, .seq = 1, .ack = 1);
    EVENTS(TCP_EV_OPENED);
    QUIET();
}

void script_open_full(const struct tcp_config *config)
{
    script_start(config);
    script_listen();
    IN(TCP_SYN, .seq = 0, .mss = 1460, .ts = true, .ws = 1, .sackok = true);
    const struct tcp_segment *s = OUT(TCP_SYN | TCP_ACK, 0, 1, 0);
    cr_assert(s->sack_permitted && s->has_timestamps);
    IN(TCP_ACK, .seq = 1, .ack = 1, .ts = true, .tsecr = s->tsval);
    EVENTS(TCP_EV_OPENED);
    QUIET();
}

void script_connect(void)
{
    cr_assert_eq(tcp_connect(S.e, &S.tuple, 9, S.now_us, &S.id), WAX_OK);
    script_pump();
}

void script_write(uint32_t len)
{
    uint8_t bytes[65536];
    cr_assert_leq(len, sizeof bytes);
    uint64_t at = tcp_written(S.e, S.id);
    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = script_byte(at + i);
    }
    cr_assert_eq(tcp_write(S.e, S.id, view_of(bytes, len)), WAX_OK);
    script_pump();
}

void script_end(void)
{
    for (uint32_t id = 0; id < S.e->cfg.conns_max; id++) {
        tcp_release(S.e, id);
    }
    script_pump();
    script_sleep(300u * 1000000);
    cr_assert_eq(tcp_stats(S.e)->conns, 0, "%u connections are left", tcp_stats(S.e)->conns);
    cr_assert_eq(tcp_stats(S.e)->half_open, 0);
    cr_assert_eq(tcp_stats(S.e)->time_wait, 0);
    cr_assert_eq(S.blocks.free_count, S.blocks.count, "blocks are lost");
    cr_assert_eq(S.e->wheel.armed, 0);
    free(S.memory);
}
