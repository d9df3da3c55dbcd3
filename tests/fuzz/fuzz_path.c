/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The whole input path with its state: frames through Ethernet, IP and ICMP into the TCP engine, what it
 * answers back through IP, several connections of both families, the user's calls, and time. One instruction
 * is eight bytes, some are followed by bytes of their own:
 *
 *     0 what | 16: output waits, as within a burst | peer << 5 · 1 flags · 2..3 seq · 4..5 ack · 6 a · 7 b
 *
 * `seq` and `ack` are signed and relative to rcv_nxt and snd_max of that peer's connection, so that what the
 * fuzzer writes gets deep; checksums are put in unless the instruction leaves them wrong. A payload byte
 * depends on its sequence number alone, so whatever is delivered can be checked. After every instruction the
 * connection touched and all slots, blocks, flows and timers are audited; everything that is sent must be
 * sound; at the end all is released and must be gone.
 */
#include <stdio.h>
#include <stdlib.h>

#include "../sim/tcp/audit.h"
#include "net/net.h"
#include "path/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CONNS       6u
#define BLOCKS      40u
#define PORT        443u
#define MTU         1500u
#define OPTIONS_MAX 40u
#define CHANGES_MAX 8u

enum what {
    SEGMENT,    /* flags, length 4 a, window b * b */
    SEGMENT_TS, /* the same with timestamps: TSval + (a & 1), TSecr - b */
    SYN,        /* flags: 1 anew, 2 window scale b, 4 timestamps, 8 no MSS, 16 ACK, 32 no SACK, 64 ECN */
    SACK,       /* an ACK with flags & 3 + 1 blocks: from snd_una + a * 64 on, of b * 8 bytes each */
    OPTIONS,    /* a segment with a & 63 bytes of options, which follow */
    CHANGED, /* a segment of which a & 7 + 1 bytes are changed: pairs of position and what is XORed follow */
    RAW,     /* a frame of a + 256 * (b & 7) bytes, which follow; flags 1: mend its checksums */
    ICMP,    /* flags: type, a: code, b: MTU / 8; quotes a segment of ours at snd_una + ack */
    NEIGHBOUR, /* an ARP packet or a neighbour advertisement or solicitation from the peer */
    BAD_SUM,   /* a segment whose checksum is wrong by `ack` or 1 */
    MARKED,    /* a segment with ECN bits b & 3 */
    SLEEP,     /* seq ms and flags us */
    USER,      /* flags & 15: which call */
    LISTEN,    /* flags & 1: stop listening, or begin */
    WHATS
};

static struct {
    struct net net;
    struct tcp_engine *e;
    struct pool blocks;
    uint64_t counters[WAX_STATUS_COUNT];
    uint64_t now_us;
    size_t room; /* behind each frame, for replies that are longer */
    bool hold;
    bool users[CONNS];
    struct tcp_segment offers[PEERS]; /* the last SYN-ACK to each peer that was a reply: a cookie */
    uint32_t read_seq[CONNS];         /* sequence number of the next byte that the user reads */
} f;

#define MUST(condition, what)                                                                                \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "fuzz-path: %s (line %d)\n", (what), __LINE__);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

static uint8_t byte_at(uint32_t seq)
{
    return (uint8_t)(seq * 37 + (seq >> 8));
}

static struct tcp_tuple tuple_of(uint32_t peer)
{
    return (struct tcp_tuple){frame_peer_addr(peer), frame_our_addr(peer), (uint16_t)(1000 + peer), PORT};
}

static uint32_t conn_of(uint32_t peer)
{
    struct tcp_tuple t = tuple_of(peer);
    return engine_find(f.e, engine_hash(f.e, &t), &t);
}

/* The user. */

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

static void user_write(uint32_t id, uint32_t n, bool reserve)
{
    static const uint8_t bytes[4096];
    if (!reserve) {
        (void)tcp_write(f.e, id, view_of(bytes, n));
        return;
    }
    struct span room = tcp_reserve(f.e, id,
                                   n == 0                      ? 1
                                   : n < FIFO_BLOCK_DATA_BYTES ? n
                                                               : FIFO_BLOCK_DATA_BYTES);
    if (room.len > 0) {
        memset(room.data, 1, room.len);
        tcp_commit(f.e, id, room.len < n ? room.len : n);
    }
}

static void user_call(uint32_t peer, const uint8_t *op)
{
    uint32_t id = conn_of(peer), n = load_be16(op + 2) & 0xfff;
    uint32_t call = op[1] & 15;
    struct tcp_tuple t = tuple_of(peer);
    if (call == 0) {
        if (tcp_connect(f.e, &t, 0, f.now_us, &id) == WAX_OK) {
            f.users[id] = true;
        }
        return;
    }
    if (call == 1) {
        f.hold = op[6] & 1;
        return;
    }
    if (id == TCP_NONE || !f.users[id]) {
        return;
    }
    switch (call) {
    case 2:
    case 3:
    case 4:
    case 5:
        user_write(id, n, call == 5);
        break;
    case 6:
    case 7:
        user_read(id, n);
        break;
    case 8:
        tcp_abort(f.e, id);
        break;
    case 9:
        user_release(id);
        break;
    case 10:
        tcp_ready_again(f.e, id);
        break;
    default:
        tcp_close(f.e, id, f.now_us);
        break;
    }
}

/* What leaves. */

/* Every frame that carries a segment of ours is sound, seen with the eyes of another host. */
static void check_sent(uint8_t *l4, size_t len, uint8_t ecn, const struct addr *src, const struct addr *dst)
{
    struct tcp_segment s;
    size_t header = 0;
    MUST(tcp_parse(view_of(l4, len), src, dst, true, &s) == WAX_OK, "an unsound segment was built");
    enum wax_status status =
        net_output(&f.net, src, dst, PROTOCOL_TCP, ecn, l4, len, NET_HEADER_BYTES_MAX, f.now_us, &header);
    if (status != WAX_OK) {
        MUST(status == WAX_NEIGH_UNRESOLVED || status == WAX_NEIGH_FULL || status == WAX_NET_NO_ROUTE ||
                 status == WAX_BAD_ARGUMENT,
             wax_status_text(status));
        return;
    }
    const uint8_t *ip = l4 - header + ETH_HEADER_BYTES;
    struct mac from = eth_source(ip - ETH_HEADER_BYTES);
    MUST(mac_same(&from, &frame_our_mac), "a frame that is not from us");
    MUST(header + len <= ETH_HEADER_BYTES + MTU, "a packet larger than the MTU");
    if (addr_is_ip4(src)) {
        MUST(eth_type(ip - ETH_HEADER_BYTES) == ETH_TYPE_IP4 && ip[0] == 0x45 &&
                 load_be16(ip + 2) == IP4_BYTES + len && frame_fold(frame_sum(0, ip, IP4_BYTES)) == 0,
             "an unsound IPv4 header");
    } else {
        MUST(eth_type(ip - ETH_HEADER_BYTES) == ETH_TYPE_IP6 && ip[0] >> 4 == 6 && load_be16(ip + 4) == len,
             "an unsound IPv6 header");
    }
}

static void check_conn(uint32_t id)
{
    const char *fault = tcp_conn_fault(f.e, id);
    MUST(fault == NULL, fault);
}

static void pump(void)
{
    static uint8_t out[NET_HEADER_BYTES_MAX + FRAME_BYTES];
    uint8_t *l4 = out + NET_HEADER_BYTES_MAX;
    uint32_t id, segments = 0;
    while ((id = tcp_ready(f.e)) != TCP_NONE) {
        user_events(id, tcp_take_events(f.e, id));
        struct tcp_out o;
        while (tcp_output(f.e, id, f.now_us, span_of(l4, FRAME_BYTES), &o)) {
            MUST(o.ecn == 0 || o.ecn == TCP_ECN_ECT0, "odd ECN bits");
            check_sent(l4, o.len, o.ecn, &o.tuple->local, &o.tuple->peer);
            MUST(++segments < 5000, "output doesn't end");
        }
        check_conn(id);
    }
}

static void neighbours(void)
{
    uint8_t request[NET_SOLICIT_BYTES];
    size_t len;
    uint32_t n = 0;
    while (net_solicit(&f.net, span_of(request, sizeof request), f.now_us, &len) == WAX_OK) {
        MUST(len <= sizeof request && ++n < 1000, "requests to neighbours don't end");
    }
}

/* What comes in. */

/* A cookie is kept, for the peer to answer. */
static void note_offer(struct view reply, const struct tcp_tuple *tuple)
{
    uint32_t peer = tuple->peer_port - 1000u;
    struct tcp_segment s;
    if (peer < PEERS && tcp_parse(reply, &tuple->local, &tuple->peer, true, &s) == WAX_OK &&
        (s.flags & TCP_SYN) != 0) {
        s.payload = s.sack = view_of(NULL, 0);
        f.offers[peer] = s;
    }
}

static void segment_in(struct tcp_segment *s)
{
    struct tcp_result r;
    uint8_t *payload = (uint8_t *)(uintptr_t)s->payload.data;
    uint32_t first = s->seq + ((s->flags & TCP_SYN) != 0);
    for (size_t i = 0; i < s->payload.len; i++) {
        payload[i] = byte_at(first + (uint32_t)i);
    }
    tcp_input(f.e, tcp_lookup(f.e, tcp_hash(f.e, s), s), s, f.now_us, &r);
    if (r.reply_len != 0) {
        uint8_t reply[NET_HEADER_BYTES_MAX + TCP_HEADER_BYTES_MAX];
        memcpy(reply + NET_HEADER_BYTES_MAX, r.reply, r.reply_len);
        check_sent(reply + NET_HEADER_BYTES_MAX, r.reply_len, 0, &s->tuple.local, &s->tuple.peer);
        note_offer(view_of(r.reply, r.reply_len), &s->tuple);
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
    check_conn(r.id);
}

/* A frame in memory of its exact size, so that one byte too many is noticed. */
static void frame_in(const uint8_t *bytes, size_t len, bool refuse)
{
    size_t room = len + f.room;
    uint8_t *frame = (uint8_t *)malloc(room > 0 ? room : 1);
    struct net_rx rx;
    MUST(frame != NULL, "no memory");
    memcpy(frame, bytes, len);
    enum wax_status status = net_input_room(&f.net, span_of(frame, len), room, f.now_us, &rx);
    MUST((unsigned)status < WAX_STATUS_COUNT &&
             (status == WAX_OK || rx.kind == NET_NONE || rx.kind == NET_REPLY),
         "an odd status");
    if (rx.kind == NET_TCP) {
        struct tcp_segment s;
        MUST(rx.l4.data >= frame && rx.l4.data + rx.l4.len <= frame + len, "a segment outside its frame");
        status = tcp_parse(rx.l4, &rx.src, &rx.dst, true, &s);
        MUST(!refuse || status != WAX_OK, "a wrong checksum was taken");
        if (status == WAX_OK) {
            s.ecn = rx.ecn;
            segment_in(&s);
        }
    } else if (rx.kind == NET_REPLY) {
        struct mac from = eth_source(frame);
        MUST(rx.reply_len <= room && mac_same(&from, &frame_our_mac), "an unsound reply");
    } else if (rx.kind == NET_TCP_ERROR) {
        MUST(net_is_ours(&f.net, &rx.error.src), "an error about somebody else's segment");
        status = tcp_icmp(f.e, &rx.error, f.now_us);
        MUST(status != WAX_TCP_UNREACHABLE || rx.error.hard, "a soft error ended a connection");
    }
    free(frame);
}

static uint32_t signed16(const uint8_t *p)
{
    uint32_t v = load_be16(p);
    return (v ^ 0x8000u) - 0x8000u;
}

/* What a segment of a peer is made from. */
struct draft {
    uint32_t peer, seq, ack;
    uint16_t window;
    uint8_t flags;
    size_t len; /* of the payload */
    size_t options_len;
    uint8_t options[OPTIONS_MAX + 4];
};

/* A segment near what the engine expects of this peer. */
static struct draft draft_of(uint32_t peer, const uint8_t *op)
{
    uint32_t id = conn_of(peer);
    struct draft d = {.peer = peer, .flags = op[1], .seq = 0xffffff00u + (peer << 28)};
    if (id != TCP_NONE) {
        d.seq = f.e->conns[id].rcv_nxt;
        d.ack = f.e->conns[id].snd_max;
    } else if (f.offers[peer].flags != 0) {
        d.seq = f.offers[peer].ack;
        d.ack = f.offers[peer].seq + 1;
    }
    d.seq += signed16(op + 2);
    d.ack += signed16(op + 4);
    d.window = (uint16_t)(op[7] * op[7]);
    d.len = op[6] * 4u;
    return d;
}

static void option_timestamps(struct draft *d, uint8_t ahead, uint8_t behind)
{
    uint32_t id = conn_of(d->peer);
    uint8_t *p = d->options + d->options_len;
    const struct tcp_conn *c = id != TCP_NONE ? &f.e->conns[id] : NULL;
    p[0] = 8;
    p[1] = 10;
    store_be32(p + 2, c != NULL ? c->ts_recent + ahead : ahead);
    store_be32(p + 6, c != NULL ? conn_ts_now(f.e, c) - behind : f.offers[d->peer].tsval);
    d->options_len += 10;
}

static void options_syn(struct draft *d, const uint8_t *op)
{
    uint8_t *p = d->options;
    size_t n = 0;
    if ((op[1] & 8) == 0) {
        p[n] = 2;
        p[n + 1] = 4;
        store_be16(p + n + 2, (uint16_t)(op[6] * 8));
        n += 4;
    }
    if ((op[1] & 2) != 0) {
        p[n++] = 3;
        p[n++] = 3;
        p[n++] = op[7] % 16;
    }
    if ((op[1] & 32) == 0) {
        p[n++] = 4;
        p[n++] = 2;
    }
    d->options_len = n;
    if ((op[1] & 4) != 0) {
        option_timestamps(d, op[6] & 1, op[7]);
    }
    if ((op[1] & 1) != 0 && conn_of(d->peer) == TCP_NONE) {
        d->seq = 0xffffff00u + (d->peer << 28) + signed16(op + 2);
    }
    d->seq -= conn_of(d->peer) != TCP_NONE && (op[1] & 1) == 0;
    d->flags =
        (uint8_t)(TCP_SYN | ((op[1] & 16) != 0 ? TCP_ACK : 0) | ((op[1] & 64) != 0 ? TCP_ECE | TCP_CWR : 0));
    d->len = op[7] > 250 ? 100 : 0;
}

static void options_sack(struct draft *d, const uint8_t *op)
{
    uint32_t id = conn_of(d->peer), blocks = (op[1] & 3u) + 1;
    uint32_t at = id != TCP_NONE ? f.e->conns[id].snd_una : d->ack;
    uint8_t *p = d->options;
    bool timestamps = id != TCP_NONE && (f.e->conns[id].flags & F_TS) != 0;
    blocks = timestamps && blocks == 4 ? 3 : blocks;
    p[0] = 5;
    p[1] = (uint8_t)(2 + 8 * blocks);
    for (uint32_t i = 0; i < blocks; i++) {
        at += op[6] * 64u;
        store_be32(p + 2 + 8 * i, at);
        at += op[7] * 8u;
        store_be32(p + 6 + 8 * i, at);
    }
    d->options_len = p[1];
    d->flags = TCP_ACK;
    d->len = 0;
    d->window = (op[1] & 4) != 0 ? 0 : 60000;
    if (timestamps) {
        option_timestamps(d, 0, 0);
    }
}

static void draft_frame(const struct draft *d, struct frame *frame)
{
    size_t options = (d->options_len + 3) & ~(size_t)3;
    options = options < OPTIONS_MAX ? options : OPTIONS_MAX;
    uint8_t *p = frame_start(frame, d->peer, PROTOCOL_TCP, TCP_HEADER_BYTES + options + d->len);
    store_be16(p, (uint16_t)(1000 + d->peer));
    store_be16(p + 2, PORT);
    store_be32(p + 4, d->seq);
    store_be32(p + 8, d->ack);
    p[12] = (uint8_t)((TCP_HEADER_BYTES + options) << 2);
    p[13] = d->flags;
    store_be16(p + 14, d->window);
    memcpy(p + TCP_HEADER_BYTES, d->options, options);
    frame_mend(frame);
}

/* The instruction's own bytes: at most `want`; `*at` moves behind them. */
static struct view own_bytes(struct view input, size_t *at, size_t want)
{
    size_t left = input.len - *at, n = want < left ? want : left;
    struct view v = view_of(input.data + *at, n);
    *at += n;
    return v;
}

static void raw_in(struct view bytes, bool mend)
{
    static struct frame frame;
    memcpy(frame.bytes, bytes.data, bytes.len);
    frame.len = bytes.len;
    frame.ip6 = bytes.len >= ETH_HEADER_BYTES && eth_type(frame.bytes) == ETH_TYPE_IP6;
    frame.l4 = ETH_HEADER_BYTES + IP6_BYTES;
    if (!frame.ip6 && bytes.len > ETH_HEADER_BYTES) {
        frame.l4 = ETH_HEADER_BYTES + (size_t)(frame.bytes[ETH_HEADER_BYTES] & 15) * 4;
    }
    if (mend && bytes.len >= ETH_HEADER_BYTES + (frame.ip6 ? IP6_BYTES : IP4_BYTES)) {
        frame_mend(&frame);
    }
    frame_in(frame.bytes, frame.len, false);
}

/* A router's word about a segment of ours. */
static void icmp_in(uint32_t peer, const uint8_t *op)
{
    static struct frame frame;
    uint32_t id = conn_of(peer);
    bool ip6 = frame_peer_is_ip6(peer);
    size_t ip_len = ip6 ? IP6_BYTES : IP4_BYTES;
    struct addr src = frame_our_addr(peer), dst = frame_peer_addr(peer);
    uint8_t *p =
        frame_start(&frame, peer, ip6 ? PROTOCOL_ICMP6 : PROTOCOL_ICMP, 8 + ip_len + 8 + (op[6] >> 6) * 8u);
    uint8_t *quote = p + 8, *tcp = quote + ip_len;
    p[0] = op[1];
    p[1] = op[6] & 15;
    if (ip6) {
        store_be32(p + 4, op[7] * 8u);
        quote[0] = 0x60;
        store_be16(quote + 4, 1000);
        quote[6] = PROTOCOL_TCP;
        memcpy(quote + 8, src.b, 16);
        memcpy(quote + 24, dst.b, 16);
    } else {
        store_be16(p + 6, (uint16_t)(op[7] * 8u));
        quote[0] = 0x45;
        store_be16(quote + 2, 1000);
        quote[9] = PROTOCOL_TCP;
        memcpy(quote + 12, src.b + 12, 4);
        memcpy(quote + 16, dst.b + 12, 4);
    }
    store_be16(tcp, PORT);
    store_be16(tcp + 2, (uint16_t)(1000 + peer));
    store_be32(tcp + 4, (id != TCP_NONE ? f.e->conns[id].snd_una : 0) + signed16(op + 4));
    frame_mend(&frame);
    frame_in(frame.bytes, frame.len, false);
}

/* ARP: a is the operation, flags 1 that it is about us. Neighbour discovery: flags 1 an advertisement, else
 * the question for us. */
static void neighbour_in(uint32_t peer, const uint8_t *op)
{
    static struct frame frame;
    struct mac mac = frame_peer_mac(peer);
    struct addr from = frame_peer_addr(peer), to = frame_our_addr(peer);
    if (frame_peer_is_ip6(peer)) {
        uint8_t *p = frame_start(&frame, peer, PROTOCOL_ICMP6, 32);
        bool answer = (op[1] & 1) != 0;
        p[0] = answer ? 136 : 135;
        p[4] = op[6];
        memcpy(p + 8, answer ? from.b : to.b, 16);
        p[24] = answer ? 2 : 1;
        p[25] = 1;
        memcpy(p + 26, mac.b, 6);
        frame_mend(&frame);
    } else {
        static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 0};
        uint8_t *p = frame.bytes + ETH_HEADER_BYTES;
        eth_write(frame.bytes, (op[1] & 2) != 0 ? &mac_broadcast : &frame_our_mac, &mac, ETH_TYPE_ARP);
        frame.len = ETH_HEADER_BYTES + 28;
        memset(p, 0, 28);
        memcpy(p, head, sizeof head);
        p[7] = op[6];
        memcpy(p + 8, mac.b, 6);
        memcpy(p + 14, from.b + 12, 4);
        memcpy(p + 18, frame_our_mac.b, 6);
        memcpy(p + 24, (op[1] & 1) != 0 ? to.b + 12 : from.b + 12, 4);
    }
    frame_in(frame.bytes, frame.len, false);
}

static void segment_instruction(enum what what, uint32_t peer, const uint8_t *op, struct view input,
                                size_t *at)
{
    static struct frame frame;
    struct draft d = draft_of(peer, op);
    bool refuse = false;
    if (what == SEGMENT_TS || what == MARKED) {
        option_timestamps(&d, op[6] & 1, op[7]);
    } else if (what == SYN) {
        options_syn(&d, op);
    } else if (what == SACK) {
        options_sack(&d, op);
    } else if (what == OPTIONS) {
        struct view options = own_bytes(input, at, op[6] & 63);
        d.options_len = options.len < OPTIONS_MAX ? options.len : OPTIONS_MAX;
        memcpy(d.options, options.data, d.options_len);
        d.len = op[6] & 64;
    } else if (what == CHANGED) {
        d.len = 64;
    }
    draft_frame(&d, &frame);
    if (what == MARKED) {
        frame_ecn(&frame, op[7] & 3);
        frame_mend(&frame);
    } else if (what == BAD_SUM) {
        uint16_t wrong = load_be16(op + 4) % 0xffff == 0 ? 1 : load_be16(op + 4);
        store_be16(frame.bytes + frame.l4 + 16, load_be16(frame.bytes + frame.l4 + 16) ^ wrong);
        refuse = (load_be16(frame.bytes + frame.l4 + 16) ^ wrong) % 0xffff !=
                 load_be16(frame.bytes + frame.l4 + 16) % 0xffff; /* both zeros are one number */
    } else if (what == CHANGED) {
        struct view changes = own_bytes(input, at, ((op[6] & 7u) + 1) * 2);
        for (size_t i = 0; i + 1 < changes.len; i += 2) {
            frame.bytes[changes.data[i] % frame.len] ^= changes.data[i + 1];
        }
        if ((op[6] & 128) == 0) {
            frame_mend(&frame);
        }
    }
    frame_in(frame.bytes, frame.len, refuse);
}

static void instruction(const uint8_t *op, struct view input, size_t *at)
{
    enum what what = (enum what)((op[0] & 15u) % WHATS);
    uint32_t peer = op[0] >> 5;
    switch (what) {
    case RAW:
        raw_in(own_bytes(input, at, op[6] + 256u * (op[7] & 7)), (op[1] & 1) != 0);
        break;
    case ICMP:
        icmp_in(peer, op);
        break;
    case NEIGHBOUR:
        neighbour_in(peer, op);
        break;
    case SLEEP:
        f.now_us += (uint64_t)load_be16(op + 2) * 1000 + op[1];
        tcp_advance(f.e, f.now_us);
        break;
    case USER:
        user_call(peer, op);
        break;
    case LISTEN:
        (void)((op[1] & 1) != 0 ? tcp_unlisten(f.e, NULL, PORT) : tcp_listen(f.e, NULL, PORT, 0));
        break;
    default:
        segment_instruction(what, peer, op, input, at);
        break;
    }
}

/* What the first two bytes of an input say. */
static void start(uint8_t config, uint8_t more)
{
    static uint8_t memory[1u << 20];
    memset(&f, 0, sizeof f);
    struct net_config net = {.mac = frame_our_mac,
                             .mtu = MTU,
                             .address_count = 2,
                             .addresses = {{frame_our_addr(0), 24}, {frame_our_addr(PEERS - 1), 64}},
                             .gateway = addr_ip4(0xc61200fe),
                             .key = {1, 2}};
    struct tcp_config cfg = {
        .conns_max = CONNS,
        .half_open_max = 3,
        .receive_bytes_max = (config & 1) != 0 ? 3000 : 64u << 10,
        .send_bytes_max = (config & 2) != 0 ? 5000 : 0,
        .blocks_reserve = (config & 4) != 0 ? 1 : 0,
        .keepalive_ms = (config & 8) != 0 ? 5000 : 0,
        .no_timestamps = (config & 16) != 0,
        .no_window_scale = (config & 32) != 0,
        .cookies_always = (more & 1) != 0,
        .no_cookies = (more & 2) != 0,
        .no_ecn = (more & 4) != 0,
    };
    struct tcp_env env = {.blocks = &f.blocks,
                          .isn_key = {1, 2},
                          .flow_key = {3, 4},
                          .cookie_key = {5, 6},
                          .counters = f.counters};
    size_t pool = pool_bytes(BLOCKS, WAX_BLOCK_BYTES);
    /* With 64 the clock of milliseconds passes 2^32 soon. */
    f.now_us = (config & 64) != 0 ? ((UINT64_C(1) << 32) - 5000) * 1000 : 1000000;
    f.room = (config & 128) != 0 ? 64 : 0;
    MUST(net_init(&f.net, &net, f.now_us) == WAX_OK, "no network");
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
    uint64_t end_us = f.now_us + 300000000, next_us;
    while ((next_us = tcp_next_us(f.e)) <= end_us) {
        f.now_us = next_us > f.now_us + 1000 ? next_us : f.now_us + 1000;
        tcp_advance(f.e, f.now_us);
        pump();
    }
    MUST(tcp_stats(f.e)->conns == 0, "connections are left");
    MUST(f.blocks.free_count == BLOCKS, "blocks are lost");
    MUST(f.e->flows.count == 0 && f.e->wheel.armed == 0, "flows or timers are left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    start(data[0], data[1]);
    for (size_t at = 2; at + 8 <= size;) {
        const uint8_t *op = data + at;
        at += 8;
        f.now_us += 10;
        instruction(op, view_of(data, size), &at);
        if ((op[0] & 16) == 0) {
            pump();
            neighbours();
        }
        const char *fault = tcp_engine_fault(f.e);
        MUST(fault == NULL, fault);
    }
    finish();
    return 0;
}
