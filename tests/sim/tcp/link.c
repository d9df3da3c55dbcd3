/* SPDX-License-Identifier: BSD-3-Clause */
#include "link.h"

#include <stddef.h>

#define CALM_DELAY_US 1000u

static bool before(const struct sim_packet *a, const struct sim_packet *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void swap(struct sim_link *l, uint32_t i, uint32_t j)
{
    struct sim_packet *p = l->heap[i];
    l->heap[i] = l->heap[j];
    l->heap[j] = p;
}

void sim_link_init(struct sim_link *l, uint64_t seed)
{
    memset(l, 0, offsetof(struct sim_link, heap));
    rng_init(&l->rng, seed);
    for (uint32_t i = 0; i < LINK_PACKETS_MAX; i++) {
        l->heap[i] = &l->store[i];
    }
}

void sim_link_calm(struct sim_link *l)
{
    for (uint32_t to = 0; to < 2; to++) {
        l->faults[to] = (struct sim_faults){.delay_us = CALM_DELAY_US, .packets_max = LINK_PACKETS_MAX};
        l->silent_us[to] = 0;
    }
}

static struct sim_packet *push(struct sim_link *l, uint64_t at_us, uint32_t packets_max)
{
    uint32_t max = packets_max < LINK_PACKETS_MAX ? packets_max : LINK_PACKETS_MAX;
    if (l->count >= max) {
        l->counts.full_lost++;
        return NULL;
    }
    struct sim_packet *p = l->heap[l->count];
    p->at_us = at_us;
    p->order = l->order++;
    for (uint32_t i = l->count++; i > 0 && before(l->heap[i], l->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        swap(l, i, (i - 1) / 2);
    }
    return p;
}

/* Changes bits within 15 neighbouring ones, which a 16-bit checksum is certain to notice. */
static void corrupt(struct sim_link *l, struct sim_packet *p)
{
    uint64_t bits = rng_between(&l->rng, 1, 0x7fff);
    uint64_t at = rng_below(&l->rng, p->len * 8ull - 15);
    for (uint32_t i = 0; i < 15; i++) {
        if ((bits >> i & 1) != 0) {
            p->bytes[(at + i) / 8] ^= (uint8_t)(1u << (at + i) % 8);
        }
    }
    p->corrupt = true;
    l->counts.corrupted++;
}

static void send_one(struct sim_link *l, uint32_t to, const uint8_t *bytes, uint32_t len, uint8_t ecn,
                     uint64_t at_us)
{
    const struct sim_faults *f = &l->faults[to];
    uint64_t at = at_us + f->delay_us + rng_below(&l->rng, f->jitter_us + 1);
    if (rng_chance(&l->rng, f->reorder)) {
        at += rng_between(&l->rng, f->delay_us, 4ull * f->delay_us + 1000);
        l->counts.reordered++;
    }
    if (rng_chance(&l->rng, f->spike)) {
        at += rng_below(&l->rng, f->spike_us);
        l->counts.delayed++;
    }
    struct sim_packet *p = push(l, at, f->packets_max);
    if (p == NULL) {
        return;
    }
    p->to = to;
    p->len = len;
    p->corrupt = false;
    p->ecn = ecn;
    if (ecn != 0 && rng_chance(&l->rng, f->mark)) {
        p->ecn = 3;
        l->counts.marked++;
    }
    memcpy(p->bytes, bytes, len);
    if (rng_chance(&l->rng, f->corrupt)) {
        corrupt(l, p);
    }
}

/* Whether a packet is lost before it is under way. */
static bool lost(struct sim_link *l, uint32_t to, uint32_t len, uint64_t now_us)
{
    const struct sim_faults *f = &l->faults[to];
    if (l->cut) {
        return true;
    }
    if (now_us < l->silent_us[to]) {
        l->counts.burst_lost++;
        return true;
    }
    if (rng_chance(&l->rng, f->burst)) {
        l->silent_us[to] = now_us + rng_below(&l->rng, f->burst_us);
        l->counts.burst_lost++;
        return true;
    }
    if (rng_chance(&l->rng, f->down)) {
        l->silent_us[0] = l->silent_us[1] = now_us + rng_below(&l->rng, f->down_us); /* both directions */
        l->counts.downs++;
        return true;
    }
    if (f->bytes_max != 0 && len > f->bytes_max) {
        l->counts.too_big++;
        return true;
    }
    if (rng_chance(&l->rng, f->loss)) {
        l->counts.lost++;
        return true;
    }
    return false;
}

/* When the packet has passed the bottleneck. */
static uint64_t passed(struct sim_link *l, uint32_t to, uint32_t len, uint64_t now_us)
{
    uint32_t rate = l->faults[to].rate_kbit;
    if (rate == 0) {
        return now_us;
    }
    uint64_t begin = l->free_us[to] > now_us ? l->free_us[to] : now_us;
    l->free_us[to] = begin + len * 8000ull / rate;
    return l->free_us[to];
}

void sim_link_send(struct sim_link *l, uint32_t to, const uint8_t *bytes, uint32_t len, uint8_t ecn,
                   uint64_t now_us)
{
    l->counts.sent++;
    if (lost(l, to, len, now_us)) {
        return;
    }
    uint64_t at_us = passed(l, to, len, now_us);
    send_one(l, to, bytes, len, ecn, at_us);
    if (rng_chance(&l->rng, l->faults[to].duplicate)) {
        l->counts.duplicated++;
        send_one(l, to, bytes, len, ecn, at_us);
    }
}

uint64_t sim_link_next_us(const struct sim_link *l)
{
    return l->count > 0 ? l->heap[0]->at_us : UINT64_MAX;
}

const struct sim_packet *sim_link_receive(struct sim_link *l, uint64_t now_us)
{
    if (l->count == 0 || l->heap[0]->at_us > now_us) {
        return NULL;
    }
    swap(l, 0, --l->count);
    for (uint32_t i = 0;;) {
        uint32_t least = i, left = 2 * i + 1;
        for (uint32_t child = left; child < left + 2 && child < l->count; child++) {
            least = before(l->heap[child], l->heap[least]) ? child : least;
        }
        if (least == i) {
            break;
        }
        swap(l, i, least);
        i = least;
    }
    return l->heap[l->count];
}
