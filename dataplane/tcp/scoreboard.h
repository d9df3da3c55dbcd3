/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The sender's scoreboard: what the peer has reported of the bytes in flight (RFC 2018 8, RFC 8985 5), in a
 * block of the pool that a connection takes when it first needs one (a SACK block, a loss probe, a time-out,
 * pacing) and gives back when nothing in flight has a story any more. Without one everything between snd_una
 * and snd_max counts as sent at sent_us, which is all that an undisturbed connection needs to remember.
 *
 * The bytes in flight are divided into ranges: stretches that were sent at about the same time and have the
 * same state. They follow one another without gaps from snd_una to snd_max, so a range says only where it
 * ends. There are at most RANGES_MAX of them: neighbours in the same state are joined when they grow many,
 * and what still finds no room is forgotten, which makes us send too much or too late, never too little.
 */
#ifndef TCP_SCOREBOARD_H
#define TCP_SCOREBOARD_H

#include "tcp/segment.h"

struct tcp_engine;
struct tcp_conn;

/* States of a range; none of the first two: in flight. */
#define RANGE_SACKED 0x01u /* the peer has it */
#define RANGE_LOST   0x02u /* to be sent again */
#define RANGE_AGAIN  0x04u /* was sent more than once */

struct range {
    uint32_t end;     /* it begins where the one before ends */
    uint32_t sent_us; /* when the latest of it was sent last, modulo 2^32 */
    uint32_t state;
};

#define RANGES_MAX 158u

/* What a board's timer waits for, when it is not the time-out or the loss probe. */
struct board {
    uint32_t sacked, lost; /* bytes of ranges in that state */
    /* RACK (RFC 8985 5.3): of what was delivered, the piece that was sent last. */
    bool rack_set;
    uint32_t rack_sent_us, rack_end, rack_rtt_us;
    uint32_t fack;       /* highest end delivered */
    uint32_t dsack_next; /* snd_max when the reordering window was widened last */
    bool dsack_round;    /* and snd_una has not come there yet */
    bool reorder_timer;  /* the retransmission timer stands for RACK's reordering timer */
    bool force;          /* the next retransmission goes whatever the window says */
    bool loss;           /* repairing after a time-out, until snd_una reaches recover */
    uint8_t frto;        /* RFC 5682 3.1: 1 the timer has expired, 2 new data goes first */
    uint8_t sack_acks;   /* ACKs that reported something new since nothing was reported */
    /* Tail loss probe (RFC 8985 7.2). */
    bool tlp_out, tlp_again;
    uint32_t tlp_end, tlp_sent_us, tlp_ts;
    /* PRR (RFC 9937 6). */
    uint32_t prr_delivered, prr_out, recover_flight;
    bool again_lost;     /* a retransmission was, since recovery looked last */
    uint32_t reduced_us; /* when the window was reduced last */
    /* To undo a reduction that was for nothing (RFC 3522, 4015, 5682, 3708). */
    bool undo, undo_again_any;
    uint32_t undo_cwnd, undo_ssthresh, undo_una, undo_cc[3];
    uint32_t undo_again; /* bytes sent again since, and not reported as duplicates */
    uint32_t undo_ts;    /* timestamp of the first of them */
    uint32_t calm_at;    /* snd_max when the last trouble ended: the board goes when snd_una is there */
    bool calm;
    uint32_t count;
    struct range ranges[RANGES_MAX];
};

_Static_assert(sizeof(struct board) <= WAX_BLOCK_BYTES, "a scoreboard is a block");

/* What one ACK has told. */
struct delivery {
    uint32_t bytes;  /* delivered that were not known to be, above and below the acknowledgement */
    uint32_t sacked; /* of them by SACK blocks */
    uint32_t acked;  /* by how much snd_una moves */
    bool advanced;   /* it does */
    bool original;   /* something sent only once, and below `recover`, was among them */
    bool again;      /* something sent more than once was acknowledged */
    bool dsack;      /* the first block reports a duplicate */
    struct sack_block duplicate;
};

/*
 * The connection's board, or NULL while it has none; board_take makes one (NULL: blocks are short, or a
 * repair without a board is under way).
 */
struct board *board_of(const struct tcp_engine *e, const struct tcp_conn *c);
struct board *board_take(struct tcp_engine *e, struct tcp_conn *c);
void board_give(struct tcp_engine *e, struct tcp_conn *c);

/* Where range `i` begins. */
uint32_t board_start(const struct tcp_conn *c, const struct board *b, uint32_t i);

/* Bytes in flight that are not known to have left the network (RFC 6675 4, pipe). */
uint32_t conn_pipe(const struct tcp_engine *e, const struct tcp_conn *c);

/* [start, end) was sent at `now_us`, for the first time where it lies beyond what the board covers. */
void board_sent(struct tcp_engine *e, struct tcp_conn *c, struct board *b, uint32_t start, uint32_t end);

/* The cumulative acknowledgement moves to `ack` (snd_una has not moved yet). */
void board_acked(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct tcp_segment *s,
                 struct delivery *d);

/* The blocks of a SACK option; snd_una has moved. */
void board_sacked(struct tcp_engine *e, struct tcp_conn *c, struct board *b, const struct tcp_segment *s,
                  struct delivery *d);

/* Range `i` is lost; all that was lost is in flight after all; nothing that was reported is believed. */
void board_lose(struct tcp_conn *c, struct board *b, uint32_t i);
void board_unlose(struct tcp_conn *c, struct board *b);
void board_renege(struct board *b);

/* True when every range is in flight, sent once. */
bool board_plain(const struct board *b);

#endif
