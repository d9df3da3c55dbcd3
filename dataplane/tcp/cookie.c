/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SYN cookies (RFC 4987 3.6): with no place left for half-open connections a SYN is answered without keeping
 * anything of it. The initial sequence number of the answer is
 *
 *     8 bits of SipHash-2-4 · 20 bits of another · 3 bits class of MSS · 1 bit parity of the period
 *
 * under a key of the period: the first over both ends and the options, the second over that and the peer's
 * initial sequence number. A data segment that overtakes the handshake's ACK fits the first and not the
 * second; it is taken for the ACK once in 2^20 times, while 28 bits stand between us and a blind guess. The
 * options lie in the low bits of the answer's timestamp, which the peer echoes: window scale, SACK permitted,
 * ECN. A peer without timestamps gets none of them. The key of each period comes from the one before through
 * the hash and that is forgotten, so an old key can't be recovered; a cookie is good for its own period and
 * the next.
 *
 * What cookies cost the peer: a SYN-ACK that is lost isn't sent again (its SYN is), and options beyond these
 * are lost. An ACK that is repeated within two periods after a short connection has ended opens it once more;
 * the layers above see a peer that says nothing sensible.
 */
#include "tcp/engine.h"

#include "base/hash.h"

#define CLASS_BITS     3u
#define OPTIONS_BITS   6u
#define OPTIONS_MASK   ((1u << OPTIONS_BITS) - 1)
#define OPTION_SCALE   0x0fu /* its shift, or all ones: none */
#define OPTION_SACK    0x10u
#define OPTION_ECN     0x20u
#define NO_TIMESTAMPS  0x80u /* hashed instead of the options */
#define PERIODS_USABLE 2u
#define FRONT_BITS     8u
#define BACK_BITS      20u
#define BACK_MASK      ((1u << BACK_BITS) - 1)
_Static_assert(FRONT_BITS + BACK_BITS + CLASS_BITS + 1 == 32, "a cookie fills a sequence number");

/* The largest that is not above what the peer offered; the first is what smaller offers are taken for. */
static const uint16_t classes[1u << CLASS_BITS] = {TCP_MSS_MIN, 256, 536, 1220, 1380, 1440, 1460, 8940};

static uint32_t class_of(uint32_t mss)
{
    uint32_t mss_class = (1u << CLASS_BITS) - 1;
    while (mss_class > 0 && classes[mss_class] > mss) {
        mss_class--;
    }
    return mss_class;
}

void cookie_init(struct tcp_engine *e)
{
    struct tcp_cookies *k = &e->cookies;
    k->period = e->now_us / TCP_COOKIE_PERIOD_US;
    k->keys[k->period & 1][0] = e->env.cookie_key[0];
    k->keys[k->period & 1][1] = e->env.cookie_key[1];
    k->until_us = 0;
}

/* The key of the period before makes the next; both halves are needed for either. */
static void key_next(struct tcp_cookies *k, uint64_t period)
{
    const uint64_t *old = k->keys[(period - 1) & 1];
    uint64_t *new = k->keys[period & 1];
    uint64_t input[2] = {period, 0};
    uint64_t first = siphash24(old, view_of(input, sizeof input));
    input[1] = 1;
    new[1] = siphash24(old, view_of(input, sizeof input));
    new[0] = first;
    k->period = period;
}

/* Catch up with the clock: two steps at most, whatever time has passed, since no older key is good. */
static void keys_turn(struct tcp_engine *e)
{
    struct tcp_cookies *k = &e->cookies;
    uint64_t period = e->now_us / TCP_COOKIE_PERIOD_US;
    if (k->period == period) {
        return;
    }
    if (k->period + 1 < period) {
        uint64_t even[2] = {k->keys[k->period & 1][0], k->keys[k->period & 1][1]};
        k->keys[(period - 2) & 1][0] = even[0];
        k->keys[(period - 2) & 1][1] = even[1];
        key_next(k, period - 1);
    }
    key_next(k, period);
}

/*
 * A cookie without the half that depends on the peer's initial sequence number: whoever acknowledges this one
 * was sent it, though a segment that isn't its first one can't show the rest.
 */
static uint32_t cookie_front(const struct tcp_engine *e, const struct tcp_tuple *t, uint32_t mss_class,
                             uint32_t options, uint64_t period)
{
    struct {
        struct tcp_tuple tuple;
        uint32_t rest;
    } input = {*t, options << CLASS_BITS | mss_class};
    _Static_assert(sizeof input == 40, "hashed as bytes");
    uint64_t hash = siphash24(e->cookies.keys[period & 1], view_of(&input, sizeof input));
    return (uint32_t)hash << (32 - FRONT_BITS) | mss_class << 1 | (uint32_t)(period & 1);
}

static uint32_t cookie_back(const struct tcp_engine *e, const struct tcp_tuple *t, uint32_t front,
                            uint32_t irs, uint64_t period)
{
    uint32_t input[4] = {front, irs, (uint32_t)t->peer_port << 16 | t->local_port, addr_to_ip4(&t->peer)};
    uint64_t hash = siphash24(e->cookies.keys[period & 1], view_of(input, sizeof input));
    return ((uint32_t)hash & BACK_MASK) << (CLASS_BITS + 1);
}

/* What the low bits of the timestamp say of the peer's options. */
static uint32_t options_of(const struct tcp_engine *e, const struct tcp_segment *syn)
{
    bool scale = syn->wscale != 0xff && !e->cfg.no_window_scale;
    uint32_t options = scale ? syn->wscale : OPTION_SCALE;
    options |= syn->sack_permitted ? OPTION_SACK : 0;
    bool ecn = (syn->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR) && !e->cfg.no_ecn;
    options |= ecn ? OPTION_ECN : 0;
    return options;
}

/* The present time with its low bits replaced, not after it: later segments' timestamps must not run back. */
static uint32_t tsval_with(uint32_t now, uint32_t options)
{
    uint32_t tsval = (now & ~OPTIONS_MASK) | options;
    return seq_lt(now, tsval) ? tsval - (OPTIONS_MASK + 1) : tsval;
}

bool cookie_wanted(const struct tcp_engine *e)
{
    return e->cfg.cookies_always || e->stats.half_open >= e->cfg.half_open_max;
}

bool cookie_recent(const struct tcp_engine *e)
{
    return e->now_us < e->cookies.until_us;
}

void cookie_answer(struct tcp_engine *e, const struct tcp_segment *syn, struct tcp_result *r)
{
    keys_turn(e);
    e->cookies.until_us = (e->cookies.period + PERIODS_USABLE) * TCP_COOKIE_PERIOD_US;
    uint32_t offered = conn_mss_offered(e, syn);
    uint32_t mss_class = class_of(offered);
    bool timestamps = syn->has_timestamps && !e->cfg.no_timestamps;
    uint32_t options = timestamps ? options_of(e, syn) : NO_TIMESTAMPS;
    uint32_t cap = e->cfg.receive_bytes_max;
    uint32_t front = cookie_front(e, &syn->tuple, mss_class, options, e->cookies.period);
    struct tcp_header h = {
        .source = syn->tuple.local_port,
        .destination = syn->tuple.peer_port,
        .seq = front | cookie_back(e, &syn->tuple, front, syn->seq, e->cookies.period),
        .ack = syn->seq + 1,
        .window = (uint16_t)(cap < UINT16_MAX ? cap : UINT16_MAX),
        .flags = (uint8_t)(TCP_SYN | TCP_ACK | (timestamps && (options & OPTION_ECN) != 0 ? TCP_ECE : 0)),
        .wscale = timestamps && (options & OPTION_SCALE) != OPTION_SCALE ? e->rcv_scale : 0xff,
        .mss = conn_mss_ours(e, &syn->tuple),
        .has_timestamps = timestamps,
        .sack_permitted = timestamps && (options & OPTION_SACK) != 0 && !e->cfg.no_sack,
        .tsval = tsval_with(e->now_ms + conn_ts_offset(e, &syn->tuple), options),
        .tsecr = syn->tsval,
    };
    size_t len = segment_write(r->reply, &h);
    segment_checksum(&syn->tuple, span_of(r->reply, len), e->cfg.checksum_offload);
    r->reply_len = (uint8_t)len;
    e->stats.cookies_sent++;
    e->stats.segments_out++;
}

/* One hash for what isn't one of ours, and nothing is written. */
enum cookie_verdict cookie_check(struct tcp_engine *e, const struct tcp_segment *s, uint32_t irs,
                                 struct tcp_segment *syn)
{
    if (!cookie_recent(e)) {
        return COOKIE_NONE;
    }
    keys_turn(e);
    uint32_t cookie = s->ack - 1, mss_class = cookie >> 1 & ((1u << CLASS_BITS) - 1);
    uint64_t period = e->cookies.period - ((e->cookies.period ^ cookie) & 1);
    uint32_t options = s->has_timestamps ? s->tsecr & OPTIONS_MASK : NO_TIMESTAMPS;
    uint32_t front = cookie_front(e, &s->tuple, mss_class, options, period);
    if (((front ^ cookie) & ~(BACK_MASK << (CLASS_BITS + 1))) != 0) {
        return COOKIE_NONE;
    }
    if ((front | cookie_back(e, &s->tuple, front, irs, period)) != cookie) {
        return COOKIE_LATER;
    }
    *syn = (struct tcp_segment){
        .tuple = s->tuple,
        .seq = irs,
        .window = s->window,
        .mss = classes[mss_class],
        .flags = TCP_SYN,
        .wscale = 0xff,
        .has_timestamps = s->has_timestamps,
        .tsval = s->tsval,
    };
    if (s->has_timestamps) {
        uint8_t scale = options & OPTION_SCALE;
        syn->wscale = scale != OPTION_SCALE ? scale : 0xff;
        syn->sack_permitted = (options & OPTION_SACK) != 0;
        syn->flags |= (options & OPTION_ECN) != 0 ? TCP_ECE | TCP_CWR : 0;
    }
    return COOKIE_GOOD;
}

void cookie_take(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_segment *s,
                 const struct tcp_segment *syn)
{
    c->snd_una = s->ack - 1;
    c->snd_nxt = c->snd_max = s->ack;
    c->recover = c->snd_una;
    c->flags &= ~(F_TS | F_WSCALE | F_SACK_OK); /* what another SYN-ACK may have agreed to is void */
    c->flags2 &= (uint8_t)~F2_ECN;
    c->snd_scale = c->rcv_scale = 0;
    conn_options(e, c, syn);
    struct tcp_segment first = *s;
    first.tsecr = 0; /* its low bits are no time: not for measuring */
    conn_established(e, c, &first);
    e->stats.cookies_accepted++;
}
