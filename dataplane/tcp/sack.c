/* SPDX-License-Identifier: BSD-3-Clause */
/* What we report to the peer beyond the cumulative acknowledgement: RFC 2018 3 and 4, RFC 2883. */
#include "tcp/engine.h"

/* The bytes [start, end) came although we had them: the next ACK says so (RFC 2883 4). */
void sack_duplicate(struct tcp_engine *e, struct tcp_conn *c, uint32_t start, uint32_t end)
{
    if ((c->flags & F_SACK_OK) == 0 || !seq_lt(start, end)) {
        return;
    }
    uint32_t id = conn_id(e, c);
    e->dsacks[id % DSACKS_MAX] = (struct dsack){id, {start, end}};
    c->flags2 |= F2_DSACK;
}

/*
 * The blocks of the next segment, which has `room` bytes for the option: the duplicate, then what lies out of
 * order, most recent first. Returns how many.
 */
uint32_t sack_blocks(struct tcp_engine *e, struct tcp_conn *c, uint32_t room, struct sack_block *out)
{
    uint32_t most = (c->flags & F_TS) != 0 ? TCP_SACK_BLOCKS_MAX - 1 : TCP_SACK_BLOCKS_MAX;
    while (most > 0 && TCP_SACK_BYTES(most) > room) {
        most--;
    }
    if (most == 0) {
        return 0;
    }
    uint32_t n = 0;
    if ((c->flags2 & F2_DSACK) != 0) {
        const struct dsack *d = &e->dsacks[conn_id(e, c) % DSACKS_MAX];
        c->flags2 &= (uint8_t)~F2_DSACK; /* once (RFC 2883 4, (1)) */
        if (d->id == conn_id(e, c)) {
            out[n++] = d->block;
            e->stats.dsacks_sent++;
        }
    }
    const struct sack_block *recent = reassembly_recent(e, c);
    for (uint32_t i = 0; recent != NULL && i < TCP_SACK_BLOCKS_MAX && n < most; i++) {
        if (seq_lt(c->rcv_nxt, recent[i].start) && recent[i].start != recent[i].end) {
            out[n++] = recent[i];
        }
    }
    e->stats.sacks_sent += n > 0;
    return n;
}
