/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Out-of-order bytes: a list of pieces in order of sequence that don't overlap, each in a block. Bounded for
 * each connection (tcp_engine.ooo_max) and by the reserve of blocks, so the walk is bounded too.
 */
#include "tcp/engine.h"

struct piece {
    uint32_t next; /* block index + 1 */
    uint32_t seq;
    uint32_t len;
    struct {
        uint32_t tail;                                 /* the last piece, block index + 1 */
        uint32_t count;                                /* pieces */
        struct sack_block recent[TCP_SACK_BLOCKS_MAX]; /* the islands that grew last, latest first */
    } list;                                            /* of the whole list: meant in its head only */
    uint8_t data[];
};

#define PIECE_BYTES (WAX_BLOCK_BYTES - (uint32_t)sizeof(struct piece))

static struct piece *piece_at(const struct tcp_engine *e, uint32_t ref)
{
    return ref == 0 ? NULL : (struct piece *)pool_at(e->env.blocks, ref - 1);
}

static uint32_t piece_end(const struct piece *p)
{
    return p->seq + p->len;
}

static struct piece *piece_add(struct tcp_engine *e, struct tcp_conn *c, struct piece *after, uint32_t seq)
{
    struct piece *head = piece_at(e, c->ooo_head);
    if ((head != NULL && head->list.count >= e->ooo_max) ||
        e->env.blocks->free_count <= e->cfg.blocks_reserve) {
        return NULL;
    }
    struct piece *p = (struct piece *)pool_take(e->env.blocks);
    if (p == NULL) {
        return NULL;
    }
    uint32_t ref = pool_index(e->env.blocks, p) + 1;
    p->seq = seq;
    p->len = 0;
    p->next = after != NULL ? after->next : c->ooo_head;
    if (after != NULL) {
        after->next = ref;
    } else {
        c->ooo_head = ref;
        if (head != NULL) {
            p->list = head->list;
        } else {
            memset(&p->list, 0, sizeof p->list);
        }
        head = p;
    }
    if (p->next == 0) {
        head->list.tail = ref;
    }
    head->list.count++;
    return p;
}

static void piece_drop_head(struct tcp_engine *e, struct tcp_conn *c)
{
    struct piece *p = piece_at(e, c->ooo_head);
    c->ooo_head = p->next;
    if (c->ooo_head != 0) {
        struct piece *head = piece_at(e, c->ooo_head);
        head->list = p->list;
        head->list.count--;
    }
    pool_give(e->env.blocks, p);
}

/* The last piece that begins at or before `seq`, or NULL. */
static struct piece *piece_before(const struct tcp_engine *e, const struct tcp_conn *c, uint32_t seq)
{
    struct piece *head = piece_at(e, c->ooo_head);
    struct piece *tail = head != NULL ? piece_at(e, head->list.tail) : NULL;
    if (tail != NULL && seq_le(tail->seq, seq)) {
        return tail; /* the usual case: the stream goes on behind one hole */
    }
    struct piece *before = NULL;
    for (struct piece *p = head; p != NULL && seq_le(p->seq, seq); p = piece_at(e, p->next)) {
        before = p;
    }
    return before;
}

/* Bytes that lie in no piece yet, behind `before`: as much as fits one piece. Returns how many, 0: no room.
 */
static size_t piece_fill(struct tcp_engine *e, struct tcp_conn *c, struct piece **before, uint32_t seq,
                         struct view bytes)
{
    struct piece *p = *before;
    if (p == NULL || piece_end(p) != seq || p->len == PIECE_BYTES) {
        p = piece_add(e, c, p, seq);
        if (p == NULL) {
            return 0;
        }
        *before = p;
    }
    size_t room = PIECE_BYTES - p->len;
    size_t n = bytes.len < room ? bytes.len : room;
    memcpy(p->data + p->len, bytes.data, n);
    p->len += (uint32_t)n;
    return n;
}

/* [start, end) has come: it grows its island, which is now the most recent one (RFC 2018 4). */
static void recent_note(struct sack_block *recent, uint32_t start, uint32_t end)
{
    struct sack_block kept[TCP_SACK_BLOCKS_MAX] = {{0, 0}};
    uint32_t n = 0;
    for (uint32_t i = 0; i < TCP_SACK_BLOCKS_MAX; i++) {
        struct sack_block b = recent[i];
        if (b.start == b.end) {
            continue;
        }
        if (seq_le(b.start, end) && seq_le(start, b.end)) {
            start = seq_lt(b.start, start) ? b.start : start;
            end = seq_max(b.end, end);
        } else {
            kept[n++] = b;
        }
    }
    recent[0] = (struct sack_block){start, end};
    for (uint32_t i = 1; i < TCP_SACK_BLOCKS_MAX; i++) {
        recent[i] = kept[i - 1];
    }
}

const struct sack_block *reassembly_recent(const struct tcp_engine *e, const struct tcp_conn *c)
{
    const struct piece *head = piece_at(e, c->ooo_head);
    return head != NULL ? head->list.recent : NULL;
}

uint32_t reassembly_count(const struct tcp_engine *e, const struct tcp_conn *c)
{
    const struct piece *head = piece_at(e, c->ooo_head);
    return head != NULL ? head->list.count : 0;
}

/*
 * Keeps `bytes` at `seq`, which lie in the window beyond rcv_nxt; what is there already stays as it was.
 * WAX_OK, or WAX_TCP_REASSEMBLY_FULL when a part was dropped: the peer sends it again.
 */
enum wax_status reassembly_insert(struct tcp_engine *e, struct tcp_conn *c, uint32_t seq, struct view bytes)
{
    e->stats.out_of_order++;
    enum wax_status status = WAX_OK;
    uint32_t start = seq, end = seq + (uint32_t)bytes.len;
    bool repeated = false;
    struct piece *before = piece_before(e, c, seq);
    while (bytes.len > 0) {
        size_t n;
        if (before != NULL && seq_lt(seq, piece_end(before))) {
            uint32_t held = piece_end(before);
            n = held - seq;
            if (!repeated) { /* the first stretch alone is reported (RFC 2883 4, (5)) */
                sack_duplicate(e, c, seq, seq_lt(held, end) ? held : end);
            }
            repeated = true;
        } else {
            struct piece *next = piece_at(e, before != NULL ? before->next : c->ooo_head);
            size_t gap = next != NULL ? next->seq - seq : bytes.len;
            if (gap == 0) {
                before = next;
                continue;
            }
            n = piece_fill(e, c, &before, seq, view_of(bytes.data, gap < bytes.len ? gap : bytes.len));
            if (n == 0) {
                status = WAX_TCP_REASSEMBLY_FULL;
                break;
            }
        }
        n = n < bytes.len ? n : bytes.len;
        seq += (uint32_t)n;
        bytes = view_of(bytes.data + n, bytes.len - n);
    }
    if (seq != start) {
        recent_note(piece_at(e, c->ooo_head)->list.recent, start, seq);
    }
    return status;
}

/*
 * Moves what has become in-order to the receive queue and advances rcv_nxt over it. Stops when blocks run
 * out: the rest is tried again with the next segment.
 */
void reassembly_pull(struct tcp_engine *e, struct tcp_conn *c)
{
    while (c->ooo_head != 0) {
        struct piece *p = piece_at(e, c->ooo_head);
        if (seq_lt(c->rcv_nxt, p->seq)) {
            return;
        }
        uint32_t end = piece_end(p);
        if ((c->flags & F_FIN_SEEN) != 0 && seq_lt(c->rcv_fin, end)) {
            end = c->rcv_fin; /* nothing can follow the FIN */
        }
        if (seq_lt(c->rcv_nxt, end)) {
            const uint8_t *from = p->data + (c->rcv_nxt - p->seq);
            uint32_t n = end - c->rcv_nxt;
            if (fifo_append(e->env.blocks, &c->receive, view_of(from, n)) != WAX_OK) {
                engine_count(e, WAX_TCP_BLOCKS_EMPTY);
                return;
            }
            c->rcv_nxt += n;
            c->events |= TCP_EV_DATA;
            e->stats.bytes_in += n;
        }
        piece_drop_head(e, c);
    }
}

void reassembly_clear(struct tcp_engine *e, struct tcp_conn *c)
{
    while (c->ooo_head != 0) {
        piece_drop_head(e, c);
    }
}
