/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/engine.h"

#define RANGES_MANY (RANGES_MAX - 12u) /* from here on neighbours are joined though their times differ */
#define DSACK_REACH (1u << 16)         /* a duplicate farther below than this and the window is not ours */

struct board *board_of(const struct tcp_engine *e, const struct tcp_conn *c)
{
    return (c->flags & F_BOARD) != 0 ? (struct board *)pool_at(e->env.blocks, c->board) : NULL;
}

uint32_t board_start(const struct tcp_conn *c, const struct board *b, uint32_t i)
{
    return i == 0 ? c->snd_una : b->ranges[i - 1].end;
}

/* F_RESEND tells tcp_output of lost bytes without a look at the board. */
static void board_flag(struct tcp_conn *c, const struct board *b)
{
    if (b->lost > 0) {
        c->flags |= F_RESEND;
    } else {
        c->flags &= ~F_RESEND;
    }
}

/* What is in flight when the board is made: one range, and what a time-out without a board left to be sent.
 */
static void board_begin(struct tcp_conn *c, struct board *b)
{
    if (c->snd_una == c->snd_max) {
        return;
    }
    uint32_t state = seq_lt(c->snd_una, c->recover) ? RANGE_AGAIN : 0;
    if (seq_lt(c->snd_una, c->snd_nxt)) {
        b->ranges[b->count++] = (struct range){c->snd_nxt, c->sent_us, state};
    }
    if (seq_lt(c->snd_nxt, c->snd_max)) {
        b->ranges[b->count++] = (struct range){c->snd_max, c->sent_us, state | RANGE_LOST};
        b->lost = c->snd_max - c->snd_nxt;
        c->snd_nxt = c->snd_max;
    }
    b->fack = c->snd_una;
}

struct board *board_take(struct tcp_engine *e, struct tcp_conn *c)
{
    if ((c->flags & F_BOARD) != 0) {
        return board_of(e, c);
    }
    if ((c->flags & (F_SACK_OK | F_RECOVERY | F_TIMEOUT | F_PERSIST)) != F_SACK_OK) {
        return NULL;
    }
    uint32_t index = POOL_NONE;
    if (e->env.blocks->free_count > e->cfg.blocks_reserve) {
        index = pool_take_index(e->env.blocks);
    }
    if (index == POOL_NONE) {
        e->stats.boards_short++;
        return NULL;
    }
    struct board *b = (struct board *)pool_at(e->env.blocks, index);
    memset(b, 0, offsetof(struct board, ranges));
    c->board = index;
    c->flags |= F_BOARD;
    c->dupacks = 0;
    e->stats.boards_taken++;
    board_begin(c, b);
    board_flag(c, b);
    return b;
}

void board_give(struct tcp_engine *e, struct tcp_conn *c)
{
    if ((c->flags & F_BOARD) != 0) {
        c->flags &= ~(F_BOARD | F_RESEND);
        pool_give_index(e->env.blocks, c->board);
    }
}

uint32_t conn_pipe(const struct tcp_engine *e, const struct tcp_conn *c)
{
    const struct board *b = board_of(e, c);
    return b != NULL ? c->snd_max - c->snd_una - b->sacked - b->lost : c->snd_nxt - c->snd_una;
}

/* Times nearer to each other than this are one: a 32nd of a round trip. */
static uint32_t grain_us(const struct tcp_conn *c)
{
    return c->srtt_us / 32;
}

static void range_remove(struct board *b, uint32_t i, uint32_t n)
{
    b->count -= n;
    memmove(&b->ranges[i], &b->ranges[i + n], (b->count - i) * sizeof b->ranges[0]);
}

static void range_insert(struct board *b, uint32_t i, struct range r)
{
    assert(b->count < RANGES_MAX);
    memmove(&b->ranges[i + 1], &b->ranges[i], (b->count - i) * sizeof b->ranges[0]);
    b->ranges[i] = r;
    b->count++;
}

/* Joins neighbours in the same state: when many, whatever their times; the later time holds then. */
static void ranges_join(const struct tcp_conn *c, struct board *b)
{
    bool many = b->count > RANGES_MANY;
    uint32_t grain = grain_us(c), n = 0;
    for (uint32_t i = 1; i < b->count; i++) {
        struct range *last = &b->ranges[n];
        const struct range *r = &b->ranges[i];
        uint32_t apart = r->sent_us - last->sent_us;
        bool same = last->state == r->state &&
                    (many || (r->state & (RANGE_SACKED | RANGE_LOST)) != 0 || apart <= grain);
        if (same) {
            last->end = r->end;
            last->sent_us = (int32_t)apart > 0 ? r->sent_us : last->sent_us;
        } else {
            b->ranges[++n] = *r;
        }
    }
    b->count = b->count > 0 ? n + 1 : 0;
}

/* Room for two more, at any price: what is known of the highest ranges is forgotten. */
static void ranges_room(const struct tcp_conn *c, struct board *b)
{
    if (b->count > RANGES_MANY) {
        ranges_join(c, b);
    }
    while (b->count > RANGES_MAX - 2) {
        struct range *low = &b->ranges[b->count - 2], *high = low + 1;
        struct range *both[2] = {low, high};
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t len = both[k]->end - board_start(c, b, b->count - 2 + k);
            b->sacked -= (both[k]->state & RANGE_SACKED) != 0 ? len : 0;
            b->lost -= (both[k]->state & RANGE_LOST) != 0 ? len : 0;
        }
        low->end = high->end;
        low->sent_us = (int32_t)(high->sent_us - low->sent_us) > 0 ? high->sent_us : low->sent_us;
        low->state = (low->state | high->state) & RANGE_AGAIN;
        b->count--;
    }
}

/* Divides range `i` at `at`, which lies inside. */
static void range_split(struct board *b, uint32_t i, uint32_t at)
{
    struct range low = b->ranges[i];
    low.end = at;
    range_insert(b, i, low);
}

static uint32_t range_find(const struct board *b, uint32_t seq)
{
    uint32_t i = 0;
    while (i < b->count && seq_le(b->ranges[i].end, seq)) {
        i++;
    }
    return i;
}

/* [start, end), all of it in range `i`, was sent again. */
static void range_resent(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t i,
                         uint32_t start, uint32_t end)
{
    uint32_t now = (uint32_t)e->now_us;
    struct range *r = &b->ranges[i], *before = i > 0 ? r - 1 : NULL;
    if ((r->state & RANGE_SACKED) != 0) {
        return;
    }
    b->lost -= (r->state & RANGE_LOST) != 0 ? end - start : 0;
    if (before != NULL && before->end == start && before->state == RANGE_AGAIN &&
        now - before->sent_us <= grain_us(c)) {
        before->end = end; /* goes on behind what was sent again just before */
        before->sent_us = now;
        if (r->end == end) {
            range_remove(b, i, 1);
        }
        return;
    }
    if (seq_lt(board_start(c, b, i), start)) {
        range_split(b, i++, start);
    }
    if (seq_lt(end, b->ranges[i].end)) {
        range_split(b, i, end);
    }
    b->ranges[i].state = RANGE_AGAIN;
    b->ranges[i].sent_us = now;
}

void board_sent(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t start, uint32_t end)
{
    uint32_t edge = b->count > 0 ? b->ranges[b->count - 1].end : c->snd_una;
    while (seq_lt(start, edge) && seq_lt(start, end)) {
        ranges_room(c, b);
        uint32_t i = range_find(b, start);
        uint32_t to = seq_lt(end, b->ranges[i].end) ? end : b->ranges[i].end;
        range_resent(e, c, b, i, start, to);
        start = to;
    }
    if (seq_lt(start, end)) {
        uint32_t now = (uint32_t)e->now_us;
        ranges_room(c, b);
        struct range *last = b->count > 0 ? &b->ranges[b->count - 1] : NULL;
        if (last != NULL && last->state == 0 && now - last->sent_us <= grain_us(c)) {
            last->end = end;
            last->sent_us = now;
        } else {
            b->ranges[b->count++] = (struct range){end, now, 0};
        }
    }
    board_flag(c, b);
}

/* `len` bytes of range `r`, the last of which is before `end`, have been delivered, as we learn only now. */
static void range_delivered(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct range *r,
                            uint32_t end, uint32_t len, const struct tcp_segment *s, struct delivery *d)
{
    d->bytes += len;
    b->lost -= (r->state & RANGE_LOST) != 0 ? len : 0;
    if ((r->state & RANGE_AGAIN) != 0) {
        d->again = true;
    } else if (seq_le(end, c->recover)) {
        d->original = true;
    }
    rack_delivered(e, c, b, r, end, s);
}

void board_acked(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct tcp_segment *s,
                 struct delivery *d)
{
    uint32_t i = 0, start = c->snd_una;
    while (i < b->count && seq_lt(start, s->ack)) {
        const struct range *r = &b->ranges[i];
        uint32_t end = seq_lt(s->ack, r->end) ? s->ack : r->end;
        if ((r->state & RANGE_SACKED) != 0) {
            b->sacked -= end - start;
        } else {
            range_delivered(e, c, b, r, end, end - start, s, d);
        }
        i += end == r->end;
        start = end;
    }
    d->advanced = true;
    d->acked = s->ack - c->snd_una;
    range_remove(b, 0, i);
    b->fack = seq_max(b->fack, s->ack);
    b->sack_acks = b->sacked == 0 ? 0 : b->sack_acks;
    board_flag(c, b);
}

/* One block: [start, end) is at the peer. */
static void block_sacked(struct tcp_engine *e, struct tcp_conn *c, struct board *b, struct sack_block block,
                         const struct tcp_segment *s, struct delivery *d)
{
    for (uint32_t i = range_find(b, block.start); i < b->count; i++) {
        uint32_t start = board_start(c, b, i);
        if (seq_le(block.end, start)) {
            return;
        }
        if ((b->ranges[i].state & RANGE_SACKED) != 0) {
            continue;
        }
        uint32_t splits =
            (uint32_t)seq_lt(start, block.start) + (uint32_t)seq_lt(block.end, b->ranges[i].end);
        if (b->count + splits > RANGES_MAX - 2) {
            e->stats.sacks_forgotten++;
            continue;
        }
        if (seq_lt(start, block.start)) {
            range_split(b, i++, block.start);
            start = block.start;
        }
        if (seq_lt(block.end, b->ranges[i].end)) {
            range_split(b, i, block.end);
        }
        struct range r = b->ranges[i];
        b->ranges[i].state = RANGE_SACKED;
        b->sacked += r.end - start;
        d->sacked += r.end - start;
        range_delivered(e, c, b, &r, r.end, r.end - start, s, d);
    }
}

/* RFC 2883 4: below the acknowledgement, or inside the second block. */
static bool block_duplicate(const struct sack_block *blocks, uint32_t count, uint32_t ack)
{
    return seq_le(blocks[0].end, ack) ||
           (count > 1 && seq_le(blocks[1].start, blocks[0].start) && seq_le(blocks[0].end, blocks[1].end));
}

void board_sacked(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct tcp_segment *s,
                  struct delivery *d)
{
    struct sack_block blocks[TCP_SACK_BLOCKS_MAX];
    uint32_t count = (uint32_t)(s->sack.len / 8), first = 0;
    count = count < TCP_SACK_BLOCKS_MAX ? count : TCP_SACK_BLOCKS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *p = s->sack.data + (size_t)8 * i;
        blocks[i] = (struct sack_block){load_be32(p), load_be32(p + 4)};
    }
    if (count > 0 && block_duplicate(blocks, count, s->ack) && seq_lt(blocks[0].start, blocks[0].end)) {
        first = 1;
        d->dsack =
            c->snd_una - blocks[0].start <= c->wnd_max + DSACK_REACH || seq_le(c->snd_una, blocks[0].start);
        d->dsack = d->dsack && seq_le(blocks[0].end, c->snd_max);
        d->duplicate = blocks[0];
        e->stats.dsacks += d->dsack;
        e->stats.sacks_bad += !d->dsack;
    }
    ranges_join(c, b);
    for (uint32_t i = first; i < count; i++) {
        if (!seq_lt(blocks[i].start, blocks[i].end) || seq_lt(c->snd_max, blocks[i].end)) {
            e->stats.sacks_bad++; /* empty, backward or of what was never sent */
            continue;
        }
        if (seq_lt(c->snd_una, blocks[i].end)) { /* else it is old */
            blocks[i].start = seq_max(blocks[i].start, c->snd_una);
            block_sacked(e, c, b, blocks[i], s, d);
        }
    }
    b->sack_acks = (uint8_t)(d->sacked > 0 && b->sack_acks < UINT8_MAX ? b->sack_acks + 1 : b->sack_acks);
    board_flag(c, b);
}

void board_lose(struct tcp_conn *c, struct board *b, uint32_t i)
{
    b->lost += b->ranges[i].end - board_start(c, b, i);
    b->again_lost = b->again_lost || (b->ranges[i].state & RANGE_AGAIN) != 0;
    b->ranges[i].state |= RANGE_LOST;
    board_flag(c, b);
}

void board_unlose(struct tcp_conn *c, struct board *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        b->ranges[i].state &= ~RANGE_LOST;
    }
    b->lost = 0;
    board_flag(c, b);
}

void board_renege(struct board *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        b->ranges[i].state &= ~RANGE_SACKED;
    }
    b->sacked = 0;
    b->sack_acks = 0;
}

bool board_plain(const struct board *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        if (b->ranges[i].state != 0) {
            return false;
        }
    }
    return true;
}
