/* SPDX-License-Identifier: BSD-3-Clause */
/* `< ...`: the peer sends. Headers are built here, not by the engine's code, so that they may be wrong. */
#include "segment_text.h"

#include <stdio.h>
#include <stdlib.h>

static uint16_t wire_sum(const struct tcp_tuple *t, const uint8_t *p, size_t len)
{
    uint64_t sum = 6 + len;
    bool small = addr_is_ip4(&t->peer) && addr_is_ip4(&t->local);
    for (size_t i = small ? 12 : 0; i < 16; i += 2) {
        sum += load_be16(t->peer.b + i) + (uint64_t)load_be16(t->local.b + i);
    }
    for (size_t i = 0; i < len; i++) {
        sum += (uint64_t)p[i] << (i % 2 == 0 ? 8 : 0);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

uint8_t pattern_byte(uint64_t position, bool other)
{
    uint8_t byte = (uint8_t)(position * 131 + (position >> 8) * 7 + (position >> 16));
    return other ? (uint8_t)~byte : byte;
}

static uint8_t *put_ts(struct play *p, struct flow *f, const struct option_text *o, bool ack, uint8_t *at)
{
    uint32_t val = 1000 + (uint32_t)((p->now_us - p->start_us) / 1000), ecr = ack ? f->ts_seen : 0;
    if (o->a.op != MATCH_ANY) {
        val = (uint32_t)o->a.value;
    }
    if (o->b.op != MATCH_ANY) {
        ecr = (uint32_t)o->b.value + (ack && !o->b.absolute ? f->ts_base : 0);
    }
    at[0] = 8;
    at[1] = 10;
    store_be32(at + 2, val);
    store_be32(at + 6, ecr);
    return at + 10;
}

static uint8_t *put_option(struct play *p, struct flow *f, const struct option_text *o, bool ack, uint8_t *at)
{
    switch (o->kind) {
    case OPT_MSS:
        at[0] = 2;
        at[1] = 4;
        store_be16(at + 2, (uint16_t)o->a.value);
        return at + 4;
    case OPT_WSCALE:
        at[0] = 3;
        at[1] = 3;
        at[2] = (uint8_t)o->a.value;
        return at + 3;
    case OPT_SACK_OK:
        at[0] = 4;
        at[1] = 2;
        return at + 2;
    case OPT_TS:
        return put_ts(p, f, o, ack, at);
    case OPT_SACK:
        *at++ = 5;
        *at++ = (uint8_t)(2 + 8 * o->blocks);
        for (uint32_t i = 0; i < o->blocks; i++, at += 8) {
            store_be32(at, (uint32_t)o->left[i] + f->irs);
            store_be32(at + 4, (uint32_t)o->right[i] + f->irs);
        }
        return at;
    case OPT_NOP:
        *at = 1;
        return at + 1;
    case OPT_EOL:
        *at = 0;
        return at + 1;
    default:
        memcpy(at, o->raw, o->raw_len);
        return at + o->raw_len;
    }
}

/* The options; returns the header's length, or 0 when they don't fit. */
static size_t put_options(struct play *p, struct flow *f, const struct segment_text *x, uint8_t *header)
{
    uint8_t room[1024] = {0};
    uint8_t *at = room;
    bool ack = (x->flags & TCP_ACK) != 0;
    for (uint32_t i = 0; i < x->option_count; i++) {
        at = put_option(p, f, &x->options[i], ack, at);
    }
    if (!x->has_options && f->ts_on) {
        struct option_text ts = {.kind = OPT_TS, .a = {MATCH_ANY}, .b = {MATCH_ANY}};
        *at++ = 1;
        *at++ = 1;
        at = put_ts(p, f, &ts, ack, at);
    }
    size_t len = ((size_t)(at - room) + 3) & ~(size_t)3;
    if (len > 40) {
        play_fail(p, "options of %zu bytes don't fit a header", len);
        return 0;
    }
    memcpy(header + TCP_HEADER_BYTES, room, len);
    return TCP_HEADER_BYTES + len;
}

static bool exact(struct play *p, const struct segment_text *x)
{
    const struct match *all[] = {&x->seq, &x->ack, &x->len, &x->win, &x->urg};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i]->op != MATCH_ANY && all[i]->op != MATCH_EQ) {
            return play_fail(p, "an injected segment needs plain numbers");
        }
    }
    for (uint32_t i = 0; i < x->option_count; i++) {
        if (x->options[i].absent || x->options[i].any_blocks) {
            return play_fail(p, "an injected segment can't have 'no' or '*' options");
        }
    }
    return true;
}

static uint32_t number_of(const struct match *m, bool has, uint32_t base, uint32_t otherwise)
{
    if (!has || m->op == MATCH_ANY) {
        return otherwise;
    }
    return (uint32_t)m->value + (m->absolute ? 0 : base);
}

/* Builds one segment and hands it to the engine. */
static bool inject_one(struct play *p, struct flow *f, const struct segment_text *x, uint32_t seq)
{
    uint8_t packet[PLAY_PACKET_BYTES] = {0};
    uint32_t len = number_of(&x->len, x->has_len, 0, 0);
    size_t header = put_options(p, f, x, packet);
    if (header == 0) {
        return false;
    }
    if (header + len > sizeof packet) {
        return play_fail(p, "a segment of %u bytes is too long for a script", len);
    }
    store_be16(packet, f->tuple.peer_port);
    store_be16(packet + 2, f->tuple.local_port);
    store_be32(packet + 4, seq);
    uint32_t ack = number_of(&x->ack, x->has_ack, f->irs, f->engine_next);
    store_be32(packet + 8, (x->flags & TCP_ACK) != 0 || x->has_ack ? ack : 0);
    size_t words = x->header_words >= 0 ? (size_t)x->header_words : header / 4;
    packet[12] = (uint8_t)(words << 4 | x->reserved);
    packet[13] = x->flags;
    store_be16(packet + 14, (uint16_t)number_of(&x->win, x->has_win, 0, f->peer_window));
    store_be16(packet + 18, (uint16_t)number_of(&x->urg, x->has_urg, 0, 0));
    uint32_t position = seq - f->iss - 1 + ((x->flags & TCP_SYN) != 0);
    for (uint32_t i = 0; i < len; i++) {
        packet[header + i] = pattern_byte(position + i, x->other);
    }
    size_t whole = header + len;
    whole = x->cut >= 0 && (size_t)x->cut < whole ? (size_t)x->cut : whole;
    store_be16(packet + 16, (uint16_t)(wire_sum(&f->tuple, packet, whole) ^ (x->bad_checksum ? 0x0100 : 0)));
    uint32_t end = seq + len + ((x->flags & TCP_SYN) != 0) + ((x->flags & TCP_FIN) != 0);
    if (seq_lt(f->peer_next, end) && (x->flags & TCP_RST) == 0) {
        f->peer_next = end;
    }
    if (x->has_win) {
        f->peer_window = (uint16_t)x->win.value;
    }
    return play_deliver(p, f, packet, whole, x->has_ecn ? x->ecn : ECN_NOT);
}

static bool inject_icmp(struct play *p, struct text *t)
{
    struct icmp_event event = {0};
    const char *word = text_next(t);
    if (word == NULL) {
        return play_fail(p, "icmp needs its kind");
    }
    snprintf(event.kind, sizeof event.kind, "%.31s", word);
    while ((word = text_next(t)) != NULL) {
        char name[TEXT_WORD_BYTES];
        snprintf(name, sizeof name, "%s", word);
        struct match m;
        if (!text_match(t, &m)) {
            return play_fail(p, "icmp: '%s' needs a number", name);
        }
        if (strcmp(name, "mtu") == 0) {
            event.mtu = (uint32_t)m.value;
        } else if (strcmp(name, "code") == 0) {
            event.code = (uint32_t)m.value;
        } else if (strcmp(name, "seq") == 0) {
            event.seq = (uint32_t)m.value + (m.absolute ? 0 : p->flow->irs);
        } else {
            return play_fail(p, "icmp: no such field '%s'", name);
        }
    }
    if (!hook_icmp(p, p->flow, &event)) {
        return p->failed ? false : play_fail(p, "the engine takes no ICMP error '%s'", event.kind);
    }
    return play_pump(p);
}

bool play_inject(struct play *p, struct text *t)
{
    if (text_is(t, "icmp")) {
        return inject_icmp(p, t);
    }
    struct segment_text x;
    if (!segment_text_read(p, t, &x) || !exact(p, &x)) {
        return false;
    }
    struct flow *f = p->flow;
    uint32_t seq = number_of(&x.seq, x.has_seq, f->iss, (x.flags & TCP_SYN) != 0 ? f->iss : f->peer_next);
    for (uint32_t i = 0; i < x.times; i++) {
        if (!inject_one(p, f, &x, seq)) {
            return false;
        }
        seq += number_of(&x.len, x.has_len, 0, 0);
    }
    return true;
}

/* What is dropped is counted, once, under the reason that is told. */
static bool hand_in(struct play *p, const struct tcp_segment *s, struct tcp_result *r)
{
    uint64_t before[WAX_STATUS_COUNT];
    memcpy(before, p->counters, sizeof before);
    p->injected++;
    tcp_input(p->engine, tcp_lookup(p->engine, tcp_hash(p->engine, s), s), s, p->now_us, r);
    if (r->status != WAX_OK && p->counters[r->status] != before[r->status] + 1) {
        return play_fail(p, "the engine tells %s and has counted it %d times", wax_status_name(r->status),
                         (int)(p->counters[r->status] - before[r->status]));
    }
    return true;
}

/* One packet through the parser and the look-up, as a worker does it. */
bool play_deliver(struct play *p, struct flow *f, const uint8_t *bytes, size_t len, uint8_t ecn)
{
    struct tcp_segment s;
    enum wax_status status = tcp_parse(view_of(bytes, len), &f->tuple.peer, &f->tuple.local, true, &s);
    if (status != WAX_OK) {
        p->counters[status]++; /* as the caller of the parser does */
        return play_pump(p);
    }
    if (p->verbose) {
        char told[512];
        segment_text_write(p, f, &s, false, told, sizeof told);
        printf("#   %10.3f ms %s %s\n", play_ms(p, p->now_us), f->name, told);
    }
    if (!hook_ecn_in(&s, ecn)) {
        return play_fail(p, "the engine takes no ECN bits");
    }
    sound_learn(f, &s);
    struct tcp_result r;
    if (!hand_in(p, &s, &r)) {
        return false;
    }
    bool stale = f->id == TCP_NONE || tcp_generation(p->engine, f->id) != f->generation;
    if (r.id != TCP_NONE && (stale || r.events != 0)) {
        f->id = r.id;
        f->generation = tcp_generation(p->engine, r.id);
    }
    f->events |= r.events;
    if ((r.events & TCP_EV_DATA) != 0 && !call_data(p, f, r.data)) {
        return false;
    }
    if (r.reply_len != 0) {
        p->built += (r.reply[13] & TCP_SYN) != 0; /* a cookie counts as sent, a reset does not */
        struct sent *sent = (struct sent *)malloc(sizeof *sent + r.reply_len);
        *sent = (struct sent){.at_us = p->now_us, .len = r.reply_len};
        memcpy(sent->bytes, r.reply, r.reply_len);
        status =
            tcp_parse(view_of(sent->bytes, sent->len), &f->tuple.local, &f->tuple.peer, true, &sent->segment);
        if (status != WAX_OK) {
            free(sent);
            return play_fail(p, "the engine's reply can't be parsed: %s", wax_status_text(status));
        }
        if (!play_take(p, sent)) {
            return false;
        }
    }
    return play_pump(p);
}
