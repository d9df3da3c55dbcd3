/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual time, and the segments that the engine sends in it. */
#include "segment_text.h"

#include <stdio.h>
#include <stdlib.h>

#define TICK_US     100u
#define SENT_MAX    4096u
#define STEPS_MAX   2000000u
#define NO_DEADLINE UINT64_MAX

double play_ms(const struct play *p, uint64_t at_us)
{
    return (double)(at_us - p->start_us) / 1000.0;
}

static struct flow *flow_of(struct play *p, const struct tcp_segment *s)
{
    /* The parser of what the engine sent has the ends the other way round. */
    for (unsigned i = 0; i < p->flow_count; i++) {
        struct flow *f = &p->flows[i];
        if (f->tuple.peer_port == s->tuple.local_port && f->tuple.local_port == s->tuple.peer_port &&
            addr_same(&f->tuple.peer, &s->tuple.local) && addr_same(&f->tuple.local, &s->tuple.peer)) {
            return f;
        }
    }
    return NULL;
}

bool play_take(struct play *p, struct sent *sent)
{
    struct flow *f = flow_of(p, &sent->segment);
    if (f == NULL) {
        free(sent);
        return play_fail(p, "the engine sent to ends that no flow of the script has");
    }
    if ((sent->segment.flags & TCP_SYN) != 0 && !f->irs_known) {
        f->irs = sent->segment.seq;
        f->irs_known = true;
    }
    if (sent->segment.has_timestamps) {
        if (!f->ts_known) {
            f->ts_base = sent->segment.tsval - (uint32_t)((p->now_us - p->start_us) / 1000);
            f->ts_known = true;
        }
        f->ts_seen = sent->segment.tsval;
    }
    uint32_t end = sent->segment.seq + segment_space(&sent->segment);
    if ((sent->segment.flags & TCP_RST) == 0 && (!f->syn_seen || seq_lt(f->engine_next, end))) {
        f->engine_next = end;
    }
    sent->next = NULL;
    if (f->tail != NULL) {
        f->tail->next = sent;
    } else {
        f->head = sent;
    }
    f->tail = sent;
    if (p->verbose) {
        char told[512];
        segment_text_write(p, f, &sent->segment, true, told, sizeof told);
        printf("#   %10.3f ms %s %s\n", play_ms(p, sent->at_us), f->name, told);
    }
    return sound_check(p, f, sent);
}

static bool take_output(struct play *p, const struct tcp_out *o, const uint8_t *bytes)
{
    struct sent *sent = (struct sent *)malloc(sizeof *sent + o->len);
    p->built++;
    *sent = (struct sent){.at_us = p->now_us, .len = o->len};
    memcpy(sent->bytes, bytes, o->len);
    enum wax_status status =
        tcp_parse(view_of(sent->bytes, o->len), &o->tuple->local, &o->tuple->peer, true, &sent->segment);
    if (status != WAX_OK) {
        free(sent);
        return play_fail(p, "the engine sent what can't be parsed: %s", wax_status_text(status));
    }
    const struct tcp_segment *s = &sent->segment;
    if (s->payload.len != o->payload_len || s->seq != o->seq || s->flags != o->flags) {
        free(sent);
        return play_fail(p, "tcp_out says other than the segment");
    }
    hook_ecn_out(o, &sent->ecn);
    return play_take(p, sent);
}

static void learn_events(struct play *p, uint32_t id)
{
    uint32_t events = tcp_take_events(p->engine, id);
    const struct tcp_tuple *t = tcp_peer(p->engine, id);
    for (unsigned i = 0; i < p->flow_count && events != 0; i++) {
        struct flow *f = &p->flows[i];
        if (memcmp(&f->tuple, t, sizeof *t) == 0) {
            f->id = id;
            f->generation = tcp_generation(p->engine, id);
            f->events |= events;
            return;
        }
    }
}

bool play_pump(struct play *p)
{
    uint8_t packet[PLAY_PACKET_BYTES];
    uint32_t id, built = 0;
    tcp_advance(p->engine, p->now_us);
    while (!p->stuck && (id = tcp_ready(p->engine)) != TCP_NONE) {
        learn_events(p, id);
        struct tcp_out o;
        while (tcp_output(p->engine, id, p->now_us, span_of(packet, sizeof packet), &o)) {
            if (++built > SENT_MAX) {
                return play_fail(p, "the engine doesn't stop sending");
            }
            if (!take_output(p, &o, packet)) {
                return false;
            }
        }
    }
    return audit_check(p);
}

bool play_silent(struct play *p)
{
    for (unsigned i = 0; i < p->flow_count; i++) {
        struct flow *f = &p->flows[i];
        if (f->head != NULL) {
            char told[512];
            segment_text_write(p, f, &f->head->segment, true, told, sizeof told);
            return play_fail(p, "expected silence\n    got       %s (flow %s, at %.3f ms)", told, f->name,
                             play_ms(p, f->head->at_us));
        }
    }
    return true;
}

void play_clear(struct play *p, struct flow *f)
{
    (void)p;
    while (f->head != NULL) {
        struct sent *next = f->head->next;
        free(f->head);
        f->head = next;
    }
    f->tail = NULL;
}

/* To the next timer, or to `until_us`. */
static bool step(struct play *p, uint64_t until_us)
{
    uint64_t next = p->stuck ? NO_DEADLINE : tcp_next_us(p->engine);
    /* A timer of the wheel may come a tick later than it says. */
    next = next > p->now_us ? next : p->now_us + TICK_US;
    p->now_us = next < until_us ? next : until_us;
    return play_pump(p);
}

static bool walk(struct play *p, uint64_t until_us, const struct flow *until_sent, bool discard)
{
    for (uint32_t i = 0; p->now_us < until_us && (until_sent == NULL || until_sent->head == NULL); i++) {
        if (i == STEPS_MAX) {
            return play_fail(p, "timers don't stop");
        }
        for (unsigned k = 0; k < p->flow_count && discard; k++) {
            play_clear(p, &p->flows[k]);
        }
        if (!play_silent(p) || !step(p, until_us)) {
            return false;
        }
    }
    return true;
}

bool play_sleep(struct play *p, uint64_t us)
{
    return us == 0 || walk(p, p->now_us + us, NULL, false);
}

bool play_await(struct play *p, uint64_t until_us)
{
    return walk(p, until_us, p->flow, false);
}

bool play_discard(struct play *p, uint64_t us)
{
    bool good = walk(p, p->now_us + us, NULL, true);
    for (unsigned i = 0; i < p->flow_count && good; i++) {
        play_clear(p, &p->flows[i]);
    }
    return good;
}
