/* SPDX-License-Identifier: BSD-3-Clause */
/* What holds for every segment that the engine builds, whatever the script expects. */
#include "play.h"

#include <stdio.h>

void sound_fresh(struct flow *f)
{
    f->syn_sent = f->syn_seen = f->edge_known = false;
    f->ts_peer = f->ts_engine = f->sack_peer = f->sack_engine = f->scale_peer = f->scale_engine = false;
    f->shift_peer = f->shift_engine = 0;
    f->mss_peer = addr_is_ip4(&f->tuple.peer) ? TCP_MSS_DEFAULT_IP4 : TCP_MSS_DEFAULT_IP6;
}

/* A segment of the peer: what it offers bounds what the engine may send. */
void sound_learn(struct flow *f, const struct tcp_segment *in)
{
    bool syn = (in->flags & TCP_SYN) != 0;
    if (syn && !f->syn_sent) {
        f->syn_sent = true;
        f->mss_peer = in->mss != 0 ? in->mss : f->mss_peer;
        f->scale_peer = in->wscale != 0xff;
        f->shift_peer = f->scale_peer ? in->wscale : 0;
        f->ts_peer = in->has_timestamps;
        f->sack_peer = in->sack_permitted;
        f->syn_window = in->window;
        f->edge_peer = f->irs + 1 + in->window; /* when the engine's SYN came first */
    }
    if ((in->flags & TCP_ACK) != 0 && (in->flags & TCP_RST) == 0 && seq_le(in->ack, f->engine_next)) {
        uint8_t shift = f->scale_peer && f->scale_engine && !syn ? f->shift_peer : 0;
        f->edge_peer = seq_max(f->edge_peer, in->ack + ((uint32_t)in->window << shift));
    }
}

/* The engine's SYN or SYN-ACK. */
static void learn_syn(struct flow *f, const struct tcp_segment *s)
{
    f->ts_engine = s->has_timestamps;
    f->sack_engine = s->sack_permitted;
    f->scale_engine = s->wscale != 0xff;
    f->shift_engine = f->scale_engine ? s->wscale : 0;
    if (!f->syn_seen) {
        f->edge_peer = s->seq + 1 + (f->syn_sent ? f->syn_window : 0);
    }
    f->syn_seen = true;
}

/* An own addition of 16-bit words: the checksum code of the appliance is not its own judge. */
static bool checksum_right(const struct tcp_segment *s, const uint8_t *p, size_t len)
{
    uint32_t sum = 6 + (uint32_t)len;
    bool small = addr_is_ip4(&s->tuple.peer) && addr_is_ip4(&s->tuple.local);
    for (size_t i = small ? 12 : 0; i < 16; i++) {
        sum += (uint32_t)(s->tuple.peer.b[i] + s->tuple.local.b[i]) << (i % 2 == 0 ? 8 : 0);
    }
    for (size_t i = 0; i < len; i++) {
        sum += (uint32_t)p[i] << (i % 2 == 0 ? 8 : 0);
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum == 0xffff;
}

/* The options' layout: known kinds, right lengths, each once, SYN's own only there (RFC 9293 3.1, 3.2). */
static const char *options_wrong(const struct tcp_segment *s, const uint8_t *p)
{
    static const uint8_t lengths[] = {[2] = 4, [3] = 3, [4] = 2, [8] = 10};
    size_t end = (size_t)(p[12] >> 4) * 4;
    uint32_t seen = 0;
    for (size_t i = TCP_HEADER_BYTES; i < end;) {
        uint8_t kind = p[i];
        if (kind == 0) {
            for (; i < end; i++) {
                if (p[i] != 0) {
                    return "the padding behind the end of options is not zero (RFC 9293 MUST-69)";
                }
            }
            break;
        }
        if (kind == 1) {
            i++;
            continue;
        }
        uint8_t len = i + 1 < end ? p[i + 1] : 0;
        bool sack = kind == 5;
        if (kind > 8 || (!sack && lengths[kind] == 0) ||
            (sack ? len % 8 != 2 || len < 10 : len != lengths[kind])) {
            return "an option of an unknown kind or a wrong length";
        }
        if ((seen & 1u << kind) != 0) {
            return "an option comes twice";
        }
        if (kind >= 2 && kind <= 4 && (s->flags & TCP_SYN) == 0) {
            return "MSS, window scale or SACK-permitted without SYN (RFC 9293 MUST-65, RFC 7323 2.2, RFC "
                   "2018 2)";
        }
        seen |= 1u << kind;
        i += len;
        if (i > end) {
            return "an option reaches beyond the header";
        }
    }
    return NULL;
}

static const char *flags_wrong(const struct flow *f, const struct tcp_segment *s, const uint8_t *p)
{
    bool rst = (s->flags & TCP_RST) != 0, syn = (s->flags & TCP_SYN) != 0;
    if ((p[12] & 0x0f) != 0) {
        return "reserved bits are set (RFC 9293 3.1)";
    }
    if (!rst && !syn && (s->flags & TCP_ACK) == 0) {
        return "neither ACK nor SYN nor RST";
    }
    if ((syn && (s->flags & (TCP_RST | TCP_FIN)) != 0) || (rst && (s->flags & TCP_FIN) != 0)) {
        return "flags that exclude each other";
    }
    if ((s->flags & TCP_URG) != 0 || load_be16(p + 18) != 0) {
        return "urgent data, which the engine never sends";
    }
    if ((s->flags & TCP_ACK) == 0 && s->ack != 0) {
        return "an acknowledgement number without ACK";
    }
    if (s->sack.len > 0 && (!f->sack_peer || !f->sack_engine || rst)) {
        return "a SACK option that was not agreed on (RFC 2018 2)";
    }
    if (!rst && f->syn_sent && f->syn_seen && s->has_timestamps != (f->ts_peer && f->ts_engine)) {
        return "timestamps on some segments only (RFC 7323 3.2)";
    }
    return NULL;
}

/* Payload within the peer's MSS and window; our own window's edge never moves back. */
static const char *windows_wrong(struct flow *f, const struct sent *sent)
{
    const struct tcp_segment *s = &sent->segment;
    if ((s->flags & (TCP_RST | TCP_SYN)) != 0 || !f->syn_seen || !f->syn_sent) {
        return NULL;
    }
    size_t options = (size_t)(sent->bytes[12] >> 4) * 4 - TCP_HEADER_BYTES;
    uint32_t mss = f->mss_peer > TCP_MSS_MIN ? f->mss_peer : TCP_MSS_MIN;
    if (s->payload.len + options > mss && s->payload.len > 1) {
        return "more than the peer's MSS (RFC 9293 MUST-16, RFC 6691 2)";
    }
    uint32_t end = s->seq + (uint32_t)s->payload.len;
    if (s->payload.len > 1 && seq_lt(f->edge_peer, end)) {
        return "beyond the largest window that the peer offered (RFC 9293 3.8.6)";
    }
    uint8_t shift = f->scale_peer && f->scale_engine ? f->shift_engine : 0;
    uint32_t edge = s->ack + ((uint32_t)s->window << shift);
    uint32_t grain = (1u << shift) - 1;
    if (f->edge_known && seq_lt(edge + grain, f->edge_engine)) {
        return "our window has shrunk (RFC 9293 SHLD-14)";
    }
    f->edge_engine = edge;
    f->edge_known = true;
    return NULL;
}

bool sound_check(struct play *p, struct flow *f, const struct sent *sent)
{
    const struct tcp_segment *s = &sent->segment;
    if ((s->flags & TCP_SYN) != 0) {
        learn_syn(f, s);
    }
    const char *wrong =
        checksum_right(s, sent->bytes, sent->len) ? NULL : "a wrong checksum (RFC 9293 MUST-2)";
    wrong = wrong != NULL ? wrong : options_wrong(s, sent->bytes);
    wrong = wrong != NULL ? wrong : flags_wrong(f, s, sent->bytes);
    wrong = wrong != NULL ? wrong : windows_wrong(f, sent);
    if (wrong != NULL) {
        char told[64];
        snprintf(told, sizeof told, "%zu bytes, flags %02x, at %.3f ms", sent->len, s->flags,
                 play_ms(p, sent->at_us));
        return play_fail(p, "the engine built an unsound segment (%s): %s", told, wrong);
    }
    return true;
}
