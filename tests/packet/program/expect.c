/* SPDX-License-Identifier: BSD-3-Clause */
/* `> ...`: exactly this must be the next segment that the engine sends. */
#include "segment_text.h"

#include <stdio.h>
#include <stdlib.h>

#define ANY_TIME_US (3600u * 1000000ull)
#define NAMED_ONLY  (TCP_PSH | TCP_ECE | TCP_CWR) /* flags that are compared only when named */

static bool sack_same(const struct flow *f, const struct option_text *o, const struct tcp_segment *s)
{
    if (o->any_blocks) {
        return s->sack.len > 0;
    }
    if (s->sack.len != 8 * (size_t)o->blocks) {
        return false;
    }
    for (uint32_t i = 0; i < o->blocks; i++) {
        const uint8_t *at = s->sack.data + 8 * (size_t)i;
        if (load_be32(at) - f->iss != (uint32_t)o->left[i] ||
            load_be32(at + 4) - f->iss != (uint32_t)o->right[i]) {
            return false;
        }
    }
    return true;
}

static bool raw_same(const struct option_text *o, const struct sent *sent)
{
    struct view all = options_of(sent->bytes, sent->len);
    return memmem(all.data, all.len, o->raw, o->raw_len) != NULL;
}

static bool option_same(const struct flow *f, const struct option_text *o, const struct sent *sent)
{
    const struct tcp_segment *s = &sent->segment;
    switch (o->kind) {
    case OPT_MSS:
        return (s->mss != 0) != o->absent && match_holds(&o->a, s->mss);
    case OPT_WSCALE:
        return (s->wscale != 0xff) != o->absent && match_holds(&o->a, s->wscale);
    case OPT_SACK_OK:
        return s->sack_permitted != o->absent;
    case OPT_TS: {
        if (s->has_timestamps == o->absent) {
            return false;
        }
        uint32_t val = s->tsval - (o->a.absolute ? 0 : f->ts_base);
        return o->absent || (match_holds(&o->a, val) && match_holds(&o->b, s->tsecr));
    }
    case OPT_SACK:
        return o->absent ? s->sack.len == 0 : sack_same(f, o, s);
    case OPT_RAW:
        return raw_same(o, sent) != o->absent;
    default:
        return true;
    }
}

/* With `only`: as many options as named, NOP and end apart. */
static uint32_t options_count(const struct sent *sent)
{
    struct view all = options_of(sent->bytes, sent->len);
    uint32_t n = 0;
    for (size_t i = 0; i < all.len && all.data[i] != 0;) {
        bool nop = all.data[i] == 1;
        n += !nop;
        i += nop || i + 1 >= all.len ? 1 : (all.data[i + 1] != 0 ? all.data[i + 1] : 1);
    }
    return n;
}

static const char *options_differ(const struct flow *f, const struct segment_text *x, const struct sent *sent)
{
    uint32_t present = 0;
    for (uint32_t i = 0; i < x->option_count; i++) {
        static const char *const names[] = {"mss", "wscale", "sackOK", "TS", "sack", "nop", "eol", "raw"};
        if (!option_same(f, &x->options[i], sent)) {
            return names[x->options[i].kind];
        }
        present += !x->options[i].absent;
    }
    if (x->has_options && (x->only || x->option_count == 0) && options_count(sent) != present) {
        return "options (there are others)";
    }
    return NULL;
}

static bool payload_same(const struct flow *f, const struct segment_text *x, const struct tcp_segment *s)
{
    uint32_t position = s->seq - f->irs - 1;
    for (size_t i = 0; i < s->payload.len; i++) {
        if (s->payload.data[i] != pattern_byte(position + i, x->other)) {
            return false;
        }
    }
    return true;
}

/* What differs, or NULL. */
static const char *differs(const struct flow *f, const struct segment_text *x, const struct sent *sent,
                           uint32_t moved)
{
    const struct tcp_segment *s = &sent->segment;
    uint8_t compared = (uint8_t)(~NAMED_ONLY | x->flags | x->absent);
    int32_t seq = (int32_t)(s->seq - (x->seq.absolute ? 0 : f->irs) - moved);
    int32_t ack = (int32_t)(s->ack - (x->ack.absolute ? 0 : f->iss));
    struct match wanted_seq = x->seq, wanted_ack = x->ack;
    wanted_seq.value = (int32_t)wanted_seq.value;
    wanted_ack.value = (int32_t)wanted_ack.value;
    if (((s->flags ^ x->flags) & compared) != 0) {
        return "flags";
    }
    if (x->has_seq && !match_holds(&wanted_seq, seq)) {
        return "seq";
    }
    if (x->has_ack && !match_holds(&wanted_ack, ack)) {
        return "ack";
    }
    if (x->has_len ? !match_holds(&x->len, (int64_t)s->payload.len) : s->payload.len != 0) {
        return "len";
    }
    if (x->has_win && !match_holds(&x->win, s->window)) {
        return "win";
    }
    if (x->has_urg && !match_holds(&x->urg, load_be16(sent->bytes + 18))) {
        return "urg";
    }
    if (x->has_ecn && sent->ecn != x->ecn) {
        return "the ECN bits of the IP header";
    }
    if (!payload_same(f, x, s)) {
        return "payload";
    }
    return options_differ(f, x, sent);
}

static bool expect_one(struct play *p, const struct segment_text *x, const char *wanted, uint64_t earliest,
                       uint32_t moved)
{
    struct flow *f = p->flow;
    struct sent *sent = f->head;
    if (sent == NULL) {
        return play_fail(p, "expected  >%s\n    got       nothing (until %.3f ms)", wanted,
                         play_ms(p, p->now_us));
    }
    char told[512];
    segment_text_write(p, f, &sent->segment, true, told, sizeof told);
    if (sent->at_us < earliest) {
        return play_fail(p, "expected  >%s not before %.3f ms\n    got       %s at %.3f ms", wanted,
                         play_ms(p, earliest), told, play_ms(p, sent->at_us));
    }
    const char *what = differs(f, x, sent, moved);
    if (what != NULL) {
        return play_fail(p, "expected  >%s\n    got       %s (at %.3f ms)\n    differs   in %s", wanted, told,
                         play_ms(p, sent->at_us), what);
    }
    f->head = sent->next;
    if (f->head == NULL) {
        f->tail = NULL;
    }
    free(sent);
    return true;
}

bool play_expect(struct play *p, struct text *t, uint64_t after_us, uint64_t slack_us, bool any_time)
{
    char wanted[512];
    snprintf(wanted, sizeof wanted, "%s", t->at);
    struct segment_text x;
    if (!segment_text_read(p, t, &x)) {
        return false;
    }
    if (x.bad_checksum || x.header_words >= 0 || x.cut >= 0 || x.reserved != 0) {
        return play_fail(p, "only an injected segment can be broken");
    }
    p->expectations++;
    uint64_t target = p->now_us + after_us;
    uint64_t earliest = any_time || after_us == 0 ? 0 : target - (slack_us < after_us ? slack_us : after_us);
    uint64_t latest = any_time ? p->now_us + ANY_TIME_US : after_us == 0 ? p->now_us : target + slack_us;
    if (!play_await(p, latest)) {
        return false;
    }
    uint32_t moved = 0;
    for (uint32_t i = 0; i < x.times; i++) {
        uint32_t len = p->flow->head != NULL ? (uint32_t)p->flow->head->segment.payload.len : 0;
        if (!expect_one(p, &x, wanted, i == 0 ? earliest : 0, moved)) {
            return false;
        }
        moved += len;
    }
    return true;
}
