/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the mailbox store share: mailbox.c, mailbox_table.c, shard.c, refuse.c,
 * segment.c, purge.c, compact.c, expire.c, drain.c, recover.c, recover_records.c. */
#ifndef CONTROL_MAILBOX_INTERNAL_H
#define CONTROL_MAILBOX_INTERNAL_H

#include "keyring.h"
#include "mailbox.h"

/*
 * What waits: where its record lies, and what must be known without reading it. Everything else is in the
 * record. 24 bytes, for there are many.
 */
struct item {
    uint64_t position;
    uint32_t segment;
    uint32_t expires_s;  /* since 1970, rounded up; ITEM_LIVES_ON for receipts */
    uint64_t block : 20; /* of 8 bytes, where it begins */
    uint64_t size : 18;  /* in 8 bytes */
    uint64_t slot : 15;
    uint64_t message : 1;  /* else a receipt */
    uint64_t stored : 1;   /* else in a commit that is not durable yet */
    uint64_t gone : 1;     /* retired; stays until the retirement is durable */
    uint64_t moving : 1;   /* a copy is in a commit that is not durable yet, or about to be */
    uint64_t stripped : 1; /* expired, and without its payload */
};

#define ITEM_LIVES_ON UINT32_MAX
_Static_assert(sizeof(struct item) == 24, "the index takes 24 bytes a message");
_Static_assert(KEYTREE_SLOTS - 1u <= 0x7fffu, "a slot fits its bits");
_Static_assert(LOG_RECORD_BYTES_MAX < 8u << 18, "so does a size");

/* Where its record begins in its segment. */
static inline uint64_t item_offset(const struct item *item)
{
    return (uint64_t)item->block * 8u;
}

/* What its record takes there. */
static inline uint32_t item_bytes(const struct item *item)
{
    return (uint32_t)item->size * 8u;
}

struct drain_read {
    struct storage_op op;
    struct mailboxes *m;
    struct drain *drain; /* NULL: the drain has ended, only free it */
    uint64_t position;
    uint32_t bytes;
    bool done;
    enum wax_status status;
    uint32_t segment, slot;    /* where it lies */
    bool opened;               /* in place, so that `content` is what it holds */
    struct log_record content; /* its type is 0 when it can't be read */
    bool whole;                /* with its payload */
    struct drain_read *next;
    struct drain_read *all_prev, *all_next;
    uint8_t record[];
};

struct drain {
    struct mailbox *box;
    uint32_t worker;
    uint64_t generation;
    uint64_t after;  /* as asked for */
    uint64_t cursor; /* everything up to it has been streamed */
    uint64_t idle_upto;
    uint64_t credit;
    bool idle_told;
    bool waiting; /* for room in the ring: in m->waiting */
    struct drain *next_waiting;
    struct drain_read *reads; /* in position order */
    uint32_t read_count;
    struct drain *prev, *next; /* all drains */
};

struct mailbox {
    struct log_name name;
    uint32_t shard;
    uint64_t end;        /* the highest position ever taken */
    uint64_t stored_end; /* the highest that is durable */
    uint64_t gap_low;    /* refused positions lie within, 0 = none */
    uint64_t gap_high;
    bool refusing; /* until the worker that offered has settled the refusals */
    uint32_t refused_attachment;
    uint64_t refused_at; /* port.settled then */
    struct item *items;  /* by position */
    uint32_t first, count, room;
    uint32_t messages; /* that wait */
    uint32_t receipts; /* likewise; `count` has those as well whose retirement is under way */
    uint32_t pending;  /* operations that point here */
    uint64_t bytes;    /* of records that wait */
    uint64_t since_ms; /* something has waited since then at least, 0 = nothing does */
    struct drain *drain;
    struct mailbox *hash_next;
    struct mailbox *empty_prev, *empty_next; /* least recently emptied first */
    bool in_empty;
};

enum pending_kind { PENDING_STORE, PENDING_RECEIPT, PENDING_RETIRE, PENDING_MOVE };

/* What a record of a commit means once it is durable. */
struct pending {
    enum pending_kind kind;
    struct mailbox *box;
    uint64_t position; /* of a store or receipt */
    uint32_t at;       /* the record's offset within the commit */
    uint32_t attachment;
    uint32_t worker;
    uint64_t tag;
    struct mailbox *about; /* of a receipt that retires */
    uint64_t retire;
    struct segment *pin; /* of a retirement: the segment that holds its receipt */
    bool strips;         /* of a move: the payload stays behind */
};

struct commit {
    struct storage_op op;
    struct shard *shard;
    struct commit *next;
    uint8_t *bytes; /* the plain records */
    size_t len;
    size_t room;
    const uint8_t *sealed; /* as they are written: shard->sealed, while it is the first */
    size_t sealed_len;
    uint32_t first_slot;
    struct pending *pending; /* one a record */
    uint32_t count, pending_room;
    bool urgent; /* someone waits for it */
    bool begins; /* the segment */
    uint64_t queued_ms;
    enum wax_status refused; /* why it is being refused, while the segment is being sealed */
};

/* Something that lies in another segment is retired by a record here. */
struct segment_ref {
    uint64_t id;
    uint64_t round; /* of purging, begun before that */
};

/* Slots of a segment, in order of their coming. */
struct slots {
    uint32_t *slot;
    uint32_t count, room;
};

struct segment {
    uint64_t id;
    struct shard *shard;
    uint64_t bytes;         /* durable */
    uint32_t live;          /* items that are here and not retired */
    uint64_t live_bytes;    /* of them */
    uint32_t pins;          /* receipts whose retirements are not durable yet */
    bool sealing, deleting; /* `op` is in use */
    bool delete_again;      /* the outcome is not known */
    bool purging;           /* its keys are being taken out */
    bool compacting;        /* what lives in it is being copied */
    bool spoilt;            /* it was: what is left can't be read */
    bool unread;            /* nor could a part of it at the start: it is kept, with its keys */
    struct segment_ref *refs;
    uint32_t ref_count, ref_room;
    struct storage_op op; /* its deletion, or its seal */
    /* the keys of its records */
    uint32_t seed;  /* of its checksums */
    uint32_t slots; /* used so far */
    bool ended;     /* no more will be used: their keys may go */
    bool trim;      /* and must, since what was written under them is to be forgotten */
    struct keytree keys;
    uint32_t nodes; /* as keyring_entry */
    uint8_t area;
    uint8_t secret[KEYRING_SECRET_BYTES];
    struct slots gone;      /* retired for good, their keys are to go */
    struct slots spent;     /* retirements: to go when the keys of what they retire are gone */
    uint32_t spent_covered; /* so many of them by the round that is under way */
    uint64_t gone_ms;       /* when the first of `gone` came */
};

/* Segments to come, whose keys are in the ring already. */
#define RESERVE     16u
#define RESERVE_LOW 8u

/* A segment out of whose tree keys are being taken. */
struct purge_part {
    struct segment *segment;
    struct keytree keys; /* what is left */
    bool made;           /* and its table is written */
    uint32_t taken;      /* of segment->gone */
    uint32_t nodes;
    uint8_t area;
    uint8_t secret[KEYRING_SECRET_BYTES];
};

struct purge {
    struct storage_op op;
    bool active;
    bool round;        /* not only for the reserve */
    bool waits;        /* for pins, or for a time */
    bool ring;         /* is being written, not a table */
    uint64_t retry_ms; /* when to write again, 0 = nothing failed */
    struct purge_part *parts;
    uint32_t count;
    struct purge_part *part; /* whose table is being written */
    uint32_t reserve_new;    /* entries of the reserve that this ring brings */
    uint8_t *bytes;          /* being written */
    size_t len;
};

/* Moving what lives in a segment that is mostly dead (compact.c). */
struct compaction {
    struct storage_op op;
    struct segment *segment; /* NULL: none is under way */
    bool reading, failed, damaged;
    uint8_t *bytes;
    size_t len, got, at;
    struct log_scan scan;
};

/* An expired message whose first part is being read, to be kept without its payload. */
struct strip {
    struct storage_op op;
    struct mailboxes *m;
    struct mailbox *box;
    uint64_t position;
    uint32_t segment, slot;
    struct strip *prev, *next;
    size_t bytes;
    uint8_t record[];
};

struct shard {
    struct mailboxes *m;
    uint32_t index;
    uint64_t epoch;
    uint64_t next_sequence;
    uint64_t next_segment;
    struct segment *current; /* NULL: the next commit begins one */
    struct segment **segments;
    uint32_t segment_count, segment_room;
    struct commit *first, *last; /* the first is under way when in_flight */
    struct commit *spare;        /* one that was freed, with its memory */
    uint8_t
        *sealed; /* at a page's start; what is under way, behind the segment's record when it begins one */
    size_t sealed_room;
    uint32_t commit_count;
    bool in_flight;
    uint64_t retry_ms; /* when to submit again what is under way, 0 = it is submitted */
    uint32_t seals;    /* under way */
    bool dead_segments;
    struct keywalk walk; /* over the current segment's tree */
    struct keyring_entry reserve[RESERVE];
    uint32_t reserve_count; /* that are durable */
    struct purge purge;
    struct compaction compaction;
    bool compact_due; /* something has died */
    bool purge_due;   /* something is to be forgotten */
    bool rotate;      /* a purge waits for the current segment to be left */
    uint64_t next_purge_ms;
    uint64_t rounds_begun, rounds_done;
};

/* A receipt met at recovery that retires. */
struct recovered_retire {
    struct log_name about;
    uint64_t position;
    uint32_t shard; /* of the receipt */
    uint64_t segment;
};

/* A part of a segment that is being read. */
struct recover_piece {
    struct storage_op op;
    struct recovery *r;
    struct span out;
};

#define RECOVER_LANES  4u
#define RECOVER_PIECES 8u /* of a segment */

/* A lane of the recovery: one shard at a time. */
struct recovery {
    struct storage_op op;
    struct mailboxes *m;
    struct storage_head head;
    uint32_t shard;
    uint32_t index; /* of the segment within the head */
    uint8_t *ring;  /* sealed */
    size_t ring_len;
    struct keyring_entry *entries;
    uint32_t entry_count;
    uint8_t *bytes;
    size_t room;
    uint64_t want;
    uint64_t expect;
    struct recover_piece piece[RECOVER_PIECES + 1u]; /* one more for what a division leaves */
    uint32_t pieces_left;
    bool unread; /* a part of it can't be read */
};

/* What all lanes have come to. */
struct recovered {
    enum wax_status status; /* the first that is not OK ends the recovery */
    uint32_t next_shard, lanes;
    struct recovered_retire *retires;
    size_t retire_count, retire_room;
};

struct mailboxes {
    struct storage *storage;
    struct mailbox_port port;
    struct mailbox_config config;
    struct shard shard[WAX_STORE_SHARDS];
    struct mailbox **hash;
    uint32_t hash_mask;
    uint32_t mailbox_count;
    struct mailbox *empty_first, *empty_last;
    uint32_t empty_count;
    struct drain *drains;
    struct drain *waiting;
    struct drain_read *all_reads;
    uint32_t reads; /* under way */
    struct strip *strips;
    uint32_t strip_count;
    uint32_t sweep;    /* the next slot of the hash to look for what has expired */
    uint64_t sweep_ms; /* when that was */
    uint32_t attachment;
    uint64_t now_ms;
    bool stopped;
    bool recovering;
    struct recovery *recovery; /* RECOVER_LANES of them, until all is recovered */
    struct recovered recovered;
    struct mailbox_counts counts;
    /* the commit that has just become durable, so that drains need not read it back */
    const uint8_t *fresh;
    uint64_t fresh_segment;
    uint64_t fresh_offset;
    uint32_t fresh_shard;
    size_t fresh_len;
};

/* mailbox_table.c */
void *xrealloc(void *p,
               size_t bytes); /* aborts when memory is out: the log is the truth, a restart is safe */
struct mailbox *mailbox_find(struct mailboxes *m, const struct log_name *name);
struct mailbox *mailbox_get(struct mailboxes *m, const struct log_name *name);
void mailbox_settle(struct mailboxes *m, struct mailbox *box); /* free it, or keep it among the empty */
uint32_t mailbox_place(const struct mailbox *box, uint64_t position);
struct item *mailbox_item(struct mailbox *box, uint64_t position);
struct item *mailbox_append(struct mailbox *box, uint64_t position);
void mailbox_remove(struct mailbox *box, struct item *item);
/* Make an item of a message or receipt that is in its place, or on its way there. */
void item_of_message(struct item *item, const struct log_message *message);
void item_of_receipt(struct item *item, const struct log_receipt *receipt);
/* As mailbox_append, for a position that may lie below the end, and is not there. */
struct item *mailbox_insert(struct mailbox *box, uint64_t position);
/* An item has come (durable or not), or is not counted any more. */
void mailbox_count_in(struct mailboxes *m, struct mailbox *box, const struct item *item);
void mailbox_count_out(struct mailboxes *m, struct mailbox *box, const struct item *item);
/* It lies here now, and is durable. */
void item_place(struct item *item, struct segment *segment, uint64_t offset, uint32_t slot);
/* The item does not live in the segment any more. */
void segment_dies(struct segment *segment, const struct item *item);
/* Mark an item retired (not durable yet). */
void mailbox_item_gone(struct mailboxes *m, struct mailbox *box, struct item *item);
/* mailbox.c */
void mailbox_refuse(struct mailboxes *m, struct mailbox *box, uint64_t position, uint32_t worker);

/* segment.c */
struct segment *segment_of_op(struct storage_op *op);
void shard_sweep(struct shard *shard); /* delete the segments in which nothing lives */
struct segment *shard_segment(struct shard *shard, uint64_t id);
struct segment *shard_segment_add(struct shard *shard, uint64_t id);
void segment_ref(struct segment *segment, uint64_t id);
void segment_free(struct segment *segment);
void slots_push(struct slots *slots, uint32_t slot);
/* A record of the segment is retired for good: its key is to go. */
void segment_forget(struct segment *segment, uint32_t slot);
/* What is left of a segment whose writing has gone wrong behind `slots`. */
void segment_end(struct segment *segment, uint32_t slots);
/* Take on the keys of an entry of the ring, but for its table. */
void segment_keys(struct shard *shard, struct segment *segment, const struct keyring_entry *entry);

/* shard.c */
bool shard_full(const struct shard *shard, size_t bytes);
void commit_release(struct shard *shard, struct commit *commit);
void commit_free(struct commit *commit);
uint8_t *shard_put(struct shard *shard, size_t bytes, struct pending **pending, bool urgent);
void shard_flush(struct shard *shard);
void pending_answer(struct mailboxes *m, const struct pending *pending, uint8_t reason);
/* refuse.c: seal the segment of the first commit, then refuse it and all that wait behind it. */
void refusal_seal(struct shard *shard);
void store_stop(struct mailboxes *m, enum wax_status status);
void shard_retire(struct mailboxes *m, struct mailbox *box, const uint64_t *positions, uint32_t count,
                  struct segment *pin);

/* purge.c */
void purge_turn(struct shard *shard); /* begin what is due, go on with what waits */
void purge_free(struct purge *purge);

/* compact.c */
void compact_turn(struct shard *shard); /* begin or go on */
void compact_free(struct compaction *compaction);
void move_is_durable(struct shard *shard, const struct commit *commit, const struct pending *pending,
                     uint64_t base);
/* expire.c */
void expire_turn(struct mailboxes *m); /* look at some mailboxes */
void strip_free(struct strip *strip);

/* recover.c */
void recover_free(struct mailboxes *m); /* what it needed */
/* recover_records.c: scan what was read of a segment; returns whether its tail was torn off. */
bool recover_scan(struct recovery *r, struct segment *segment, enum log_tail tail);

/* drain.c */
void drain_pump(struct mailboxes *m, struct drain *drain);
void drain_end(struct mailboxes *m, struct drain *drain);
void read_free(struct drain_read *read);

#endif
