/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Feeds a TCP engine with a history: segments of several peers (mostly near what the engine expects, so that
 * they get deep), raw segments, the user's calls and time. One instruction is eight bytes, a raw segment
 * follows its own:
 *
 *     0 what | peer << 5 · 1 flags · 2..3 seq · 4..5 ack · 6 length · 7 window
 *
 * `seq` and `ack` are signed and relative to rcv_nxt and snd_una of that peer's connection. A payload byte
 * depends on its sequence number alone, so whatever is delivered can be checked. At the end everything is
 * released and must be gone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../sim/tcp/invariants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNS  6u
#define BLOCKS 40u
#define PORT   443u

enum what {
    SEGMENT,
    SEGMENT_TS,
    RAW,
    SLEEP,
    WRITE,
    READ,
    CLOSE,
    ABORT,
    RELEASE,
    CONNECT,
    SYN,
    HOLD,
    SACKS,
    ICMP,
    WHATS
};

static struct {
    struct tcp_engine *e;
    struct pool blocks;
    uint64_t counters[WAX_STATUS_COUNT];
    uint64_t now_us;
    bool hold;
    bool users[CONNS];
    struct tcp_segment cookies[8]; /* the last SYN-ACK without a connection, by peer */
    uint32_t read_seq[CONNS];      /* sequence number of the next byte that the user reads */
} f;

#define MUST(condition, what)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "fuzz-tcp: %s\n", (what));                                                       \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static uint8_t byte_at(uint32_t seq)
{
    return (uint8_t)(seq * 37 + (seq >> 8));
}

static struct tcp_tuple tuple_of(uint32_t peer)
{
    return (struct tcp_tuple){addr_ip4(0xc6120002), addr_ip4(0xc6120001), (uint16_t)(1000 + peer), PORT};
}

static void check_bytes(uint32_t id, struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        MUST(v.data[i] == byte_at(f.read_seq[id] + (uint32_t)i), "a byte at the wrong place");
    }
    f.read_seq[id] += (uint32_t)v.len;
}

static void user_read(uint32_t id, size_t n)
{
    const struct fifo *q = tcp_received(f.e, id);
    while (n > 0 && q->len > 0) {
        struct view v = fifo_peek(&f.blocks, q);
        v.len = v.len < n ? v.len : n;
        check_bytes(id, v);
        tcp_consume(f.e, id, v.len, f.now_us);
        n -= v.len;
    }
}

static void user_release(uint32_t id)
{
    if (f.users[id]) {
        f.users[id] = false;
        tcp_release(f.e, id);
    }
}

static void user_events(uint32_t id, uint32_t events)
{
    MUST(events == 0 || f.users[id], "an event for nobody");
    if ((events & TCP_EV_CLOSED) != 0) {
        user_read(id, SIZE_MAX);
        user_release(id);
    }
}

static void pump(void)
{
    static uint8_t out[2048];
    uint32_t id, segments = 0;
    while ((id = tcp_ready(f.e)) != TCP_NONE) {
        user_events(id, tcp_take_events(f.e, id));
        struct tcp_out o;
        while (tcp_output(f.e, id, f.now_us, span_of(out, sizeof out), &o)) {
            struct tcp_segment s;
            MUST(tcp_parse(view_of(out, o.len), &o.tuple->local, &o.tuple->peer, true, &s) == WAX_OK,
                 "an unsound segment was built");
            MUST(++segments < 5000, "output doesn't end");
        }
        const char *fault = tcp_conn_fault(f.e, id);
        MUST(fault == NULL, fault);
    }
}

static void input(const struct tcp_segment *s)
{
    struct tcp_result r;
    tcp_input(f.e, tcp_lookup(f.e, tcp_hash(f.e, s), s), s, f.now_us, &r);
    if (r.reply_len != 0) {
        struct tcp_segment reply;
        MUST(r.reply_len <= TCP_HEADER_BYTES_MAX && tcp_parse(view_of(r.reply, r.reply_len), &s->tuple.local,
                                                              &s->tuple.peer, true, &reply) == WAX_OK,
             "an unsound reply");
        if ((reply.flags & TCP_SYN) != 0) {
            reply.payload = reply.sack = view_of(NULL, 0);
            f.cookies[(s->tuple.peer_port - 1000u) & 7u] = reply;
        }
    }
    if (r.id == TCP_NONE) {
        return;
    }
    const struct tcp_conn *c = &f.e->conns[r.id];
    if ((r.events & TCP_EV_OPENED) != 0) {
        f.users[r.id] = true;
        f.read_seq[r.id] =
            c->rcv_nxt - ((c->flags & F_FIN_TAKEN) != 0) - (uint32_t)r.data.len - c->receive.len;
    }
    MUST(r.events == 0 || f.users[r.id], "an event for nobody");
    if (r.data.len > 0) {
        size_t now = f.hold ? r.data.len / 3 : r.data.len;
        check_bytes(r.id, view_of(r.data.data, now));
        if (now < r.data.len &&
            tcp_keep(f.e, r.id, view_of(r.data.data + now, r.data.len - now)) == WAX_NO_MEMORY) {
            tcp_abort(f.e, r.id);
            user_release(r.id);
            return;
        }
    }
    if (!f.hold && f.users[r.id]) {
        user_read(r.id, SIZE_MAX);
    }
    user_events(r.id, r.events);
    const char *fault = tcp_conn_fault(f.e, r.id);
    MUST(fault == NULL, fault);
}

static uint32_t signed16(const uint8_t *p)
{
    uint32_t v = load_be16(p);
    return (v ^ 0x8000u) - 0x8000u;
}

/* A segment near what the engine expects of this peer. */
static void input_near(uint32_t peer, const uint8_t *op, bool timestamps, bool syn)
{
    static uint8_t payload[1024];
    struct tcp_segment s = {.tuple = tuple_of(peer), .flags = op[1], .wscale = 0xff};
    uint32_t id = engine_find(f.e, engine_hash(f.e, &s.tuple), &s.tuple);
    s.seq = 0xffffff00u + (peer << 28);
    if (id != TCP_NONE) {
        s.seq = f.e->conns[id].rcv_nxt;
        s.ack = f.e->conns[id].snd_max;
        s.tsval = f.e->conns[id].ts_recent + (op[6] & 1);
        s.tsecr = f.now_us != 0 ? conn_ts_now(f.e, &f.e->conns[id]) - op[7] : 0;
    }
    if (id == TCP_NONE && !syn && f.cookies[peer].flags != 0) {
        s.seq++;
        s.ack = f.cookies[peer].seq + 1;
        s.tsval = op[6];
        s.tsecr = f.cookies[peer].tsval;
    }
    s.seq += signed16(op + 2);
    s.ack += signed16(op + 4);
    s.window = (uint16_t)(op[7] * op[7]);
    s.has_timestamps = timestamps;
    if (syn) {
        s.flags = (uint8_t)(TCP_SYN | (op[1] & TCP_ACK));
        s.seq -= id != TCP_NONE && (op[1] & 1) == 0;
        s.mss = (uint16_t)(op[6] * 8);
        s.wscale = (op[1] & 2) != 0 ? op[7] % 15 : 0xff;
        s.sack_permitted = true;
    }
    uint32_t first = s.seq + ((s.flags & TCP_SYN) != 0);
    size_t len = syn ? 0 : op[6] * 4u;
    for (size_t i = 0; i < len; i++) {
        payload[i] = byte_at(first + (uint32_t)i);
    }
    s.payload = view_of(payload, len);
    input(&s);
}

/*
 * An ACK with SACK blocks near what is in flight: 1 blocks (two bits), mark of the network (bit 6) · 2..3 ack
 * and 4..5 first block, both signed and relative to snd_una · 6 length of a block and 7 distance to the next,
 * of 16 bytes each.
 */
static void input_sacks(uint32_t peer, const uint8_t *op)
{
    static uint8_t blocks[32];
    struct tcp_segment s = {.tuple = tuple_of(peer), .flags = TCP_ACK | (op[1] & TCP_ECE), .wscale = 0xff};
    uint32_t id = engine_find(f.e, engine_hash(f.e, &s.tuple), &s.tuple);
    if (id == TCP_NONE) {
        return;
    }
    const struct tcp_conn *c = &f.e->conns[id];
    uint32_t count = 1 + (op[1] & 3u), at = c->snd_una + signed16(op + 4);
    for (uint32_t i = 0; i < count; i++) {
        store_be32(blocks + (size_t)8 * i, at);
        store_be32(blocks + (size_t)8 * i + 4, at + op[6] * 16u);
        at += (op[6] + op[7]) * 16u;
    }
    s.sack = view_of(blocks, (size_t)8 * count);
    s.seq = c->rcv_nxt;
    s.ack = c->snd_una + signed16(op + 2);
    s.window = UINT16_MAX;
    s.has_timestamps = (c->flags & F_TS) != 0;
    s.tsval = c->ts_recent;
    s.tsecr = conn_ts_now(f.e, c) - (op[1] >> 2 & 7u);
    s.payload = view_of(blocks, 0);
    input(&s);
}

static void user_call(enum what what, uint32_t id, const uint8_t *op)
{
    static const uint8_t bytes[4096];
    uint32_t n = load_be16(op + 2) & 0xfff;
    if (id == TCP_NONE || !f.users[id]) {
        return;
    }
    switch (what) {
    case WRITE:
        if ((op[1] & 1) != 0 && n > 0) {
            struct span room = tcp_reserve(f.e, id, n < FIFO_BLOCK_DATA_BYTES ? n : FIFO_BLOCK_DATA_BYTES);
            if (room.len > 0) {
                memset(room.data, 1, room.len);
                tcp_commit(f.e, id, room.len < n ? room.len : n);
            }
        } else {
            (void)tcp_write(f.e, id, view_of(bytes, n));
        }
        break;
    case READ:
        user_read(id, n);
        break;
    case CLOSE:
        tcp_close(f.e, id, f.now_us);
        break;
    case ABORT:
        tcp_abort(f.e, id);
        break;
    default:
        user_release(id);
        break;
    }
}

/* An ICMP error near what is in flight. */
static void icmp(uint32_t peer, const uint8_t *op)
{
    struct tcp_tuple t = tuple_of(peer);
    uint32_t id = engine_find(f.e, engine_hash(f.e, &t), &t);
    struct icmp_error error = {
        .too_big = (op[1] & 1) != 0,
        .hard = (op[1] & 2) != 0,
        .mtu = (uint16_t)(op[6] * 8),
        .src = t.local,
        .dst = t.peer,
        .sport = t.local_port,
        .dport = t.peer_port,
        .seq = (id != TCP_NONE ? f.e->conns[id].snd_una : 0) + signed16(op + 2),
    };
    uint32_t before = id != TCP_NONE ? f.e->conns[id].mss : 0;
    enum wax_status status = tcp_icmp(f.e, &error, f.now_us);
    MUST(id == TCP_NONE || f.e->conns[id].mss <= before, "an ICMP error raised the MSS");
    MUST(status != WAX_TCP_UNREACHABLE || error.hard, "a soft error ended a connection");
    if (id != TCP_NONE) {
        const char *fault = tcp_conn_fault(f.e, id);
        MUST(fault == NULL, fault);
    }
}

static void connect_to(uint32_t peer)
{
    struct tcp_tuple t = tuple_of(peer);
    uint32_t id;
    if (tcp_connect(f.e, &t, 0, f.now_us, &id) == WAX_OK) {
        f.users[id] = true;
    }
}

static size_t raw(const uint8_t *data, size_t size, size_t want)
{
    struct addr src = addr_ip4(0xc6120002), dst = addr_ip4(0xc6120001);
    struct tcp_segment s;
    size_t n = want < size ? want : size;
    /* The bytes of a raw segment follow no pattern: those that parse go in without their payload. */
    if (tcp_parse(view_of(data, n), &src, &dst, false, &s) == WAX_OK) {
        s.payload.len = 0;
        input(&s);
    }
    return n;
}

static void start(uint8_t config)
{
    static uint8_t memory[1u << 20];
    memset(&f, 0, sizeof f);
    struct tcp_config cfg = {
        .conns_max = CONNS,
        .half_open_max = 3,
        .receive_bytes_max = (config & 1) != 0 ? 3000 : 64u << 10,
        .send_bytes_max = (config & 2) != 0 ? 5000 : 0,
        .blocks_reserve = (config & 4) != 0 ? 1 : 0,
        .keepalive_ms = (config & 8) != 0 ? 5000 : 0,
        .no_timestamps = (config & 16) != 0,
        .no_window_scale = (config & 32) != 0,
        .cookies_always = (config & 64) != 0,
        .per_address_max = (config & 128) != 0 ? 3 : 0,
        .per_prefix_max = (config & 128) != 0 ? 4 : 0,
        .opens_per_s = (config & 128) != 0 ? 1 : 0,
        .opens_burst = (config & 128) != 0 ? 4 : 0,
    };
    struct tcp_env env = {.blocks = &f.blocks, .isn_key = {1, 2}, .flow_key = {3, 4}, .counters = f.counters};
    size_t pool = pool_bytes(BLOCKS, WAX_BLOCK_BYTES);
    f.now_us = 1000000;
    MUST(pool_init(&f.blocks, span_of(memory, pool), BLOCKS, WAX_BLOCK_BYTES) == WAX_OK &&
             tcp_engine_init(&f.e, span_of(memory + pool, sizeof memory - pool), &cfg, &env, f.now_us) ==
                 WAX_OK &&
             tcp_listen(f.e, NULL, PORT, 0) == WAX_OK,
         "no engine");
}

static void finish(void)
{
    for (uint32_t id = 0; id < CONNS; id++) {
        user_release(id);
    }
    pump();
    for (int i = 0; i < 300; i++) {
        f.now_us += 1000000;
        tcp_advance(f.e, f.now_us);
        pump();
    }
    MUST(tcp_stats(f.e)->conns == 0, "connections are left");
    MUST(f.blocks.free_count == BLOCKS, "blocks are lost");
    for (uint32_t i = 0; i < f.e->quota.bucket_count * QUOTA_ENTRIES; i++) {
        MUST(f.e->quota.buckets[i / QUOTA_ENTRIES].entries[i % QUOTA_ENTRIES].count == 0,
             "a quota isn't given back");
    }
    MUST(f.e->flows.count == 0 && f.e->wheel.armed == 0, "flows or timers are left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    start(data[0]);
    for (size_t at = 1; at + 8 <= size;) {
        const uint8_t *op = data + at;
        enum what what = (enum what)((op[0] & 31u) % WHATS);
        uint32_t peer = op[0] >> 5;
        struct tcp_tuple t = tuple_of(peer);
        at += 8;
        switch (what) {
        case SEGMENT:
        case SEGMENT_TS:
            input_near(peer, op, what == SEGMENT_TS, false);
            break;
        case SYN:
            input_near(peer, op, (op[1] & 4) != 0, true);
            break;
        case SACKS:
            input_sacks(peer, op);
            break;
        case RAW:
            at += raw(data + at, size - at, op[6]);
            break;
        case SLEEP:
            f.now_us += (uint64_t)load_be16(op + 2) * 1000 + op[1];
            tcp_advance(f.e, f.now_us);
            break;
        case CONNECT:
            connect_to(peer);
            break;
        case ICMP:
            icmp(peer, op);
            break;
        case HOLD:
            f.hold = (op[1] & 1) != 0;
            break;
        default:
            user_call(what, engine_find(f.e, engine_hash(f.e, &t), &t), op);
            break;
        }
        if ((op[0] & 16) == 0) {
            pump(); /* else output waits, as within a burst */
        }
    }
    finish();
    return 0;
}
