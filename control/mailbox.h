/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The mailbox store: what waits for the devices that could not take it, in position order,
 * kept in the shards' logs (control/log.h) over the storage interface (control/storage.h).
 *
 * Each shard commits in groups: while one commit is being made durable the next one fills.
 * Answers are given in the order of the log. The index lies in memory and is rebuilt by
 * scanning. One thread; nothing here blocks.
 */
#ifndef CONTROL_MAILBOX_H
#define CONTROL_MAILBOX_H

#include "log.h"
#include "storage.h"
#include "waxwire/channel.h"

#define MAILBOX_SEGMENT_BYTES_MAX (8u << 20)
#define MAILBOX_RETIRE_DELAY_MS   20u  /* how long retirements alone wait for company */
#define MAILBOX_RETRY_MS          100u /* after an unknown outcome */
#define MAILBOX_DRAIN_READS       8u   /* of one drain, under way at a time */
#define MAILBOX_EMPTY_MAX         65536u

/* How the store speaks to those who asked. */
struct mailbox_port {
    void *ctx;
    /* All shards are recovered (OK), or the store can't be opened. */
    void (*ready)(void *ctx, enum wax_status status);
    /* Answer a store of the worker: a wire_reason, 0 = it is on stable storage. */
    void (*stored)(void *ctx, uint32_t worker, uint64_t tag, uint8_t reason);
    /* Room in the worker's ring, or NULL: the drain goes on at the next mailboxes_pump. */
    struct channel_record *(*reserve)(void *ctx, uint32_t worker, uint32_t bytes);
    void (*publish)(void *ctx, uint32_t worker);
    /*
     * A number that grows each time the worker has read all its answers and everything it
     * sent before that has been taken: it has settled what was refused.
     */
    uint64_t (*settled)(void *ctx, uint32_t worker);
    /* The store has stopped for good: nothing more is answered. */
    void (*failed)(void *ctx, enum wax_status status);
    /* Damage met at recovery (STORE_CORRUPT), or a torn tail cut off (STORE_TORN). */
    void (*damaged)(void *ctx, uint32_t shard, uint64_t segment, uint64_t offset, enum wax_status status);
};

struct mailbox_config {
    uint8_t hash_key[16];   /* spreads users over the shards; secret, and the same for ever */
    uint32_t seed;          /* of the checksums; likewise */
    uint32_t segment_bytes; /* at least what a commit or the largest record takes */
    uint32_t commit_bytes;  /* a commit is closed at this size */
    uint8_t master[32];     /* opens the shards' key rings */
    uint32_t purge_ms;      /* what was retired so long ago can't be read from the disk any more */
    enum log_cipher cipher; /* of new records */
    uint64_t slack_bytes;   /* that a shard may hold beyond twice what lives */
};

#define MAILBOX_WAITS 12u

struct mailbox_counts {
    uint64_t
        waited[MAILBOX_WAITS]; /* items by the time to their commit: less than 2^i ms; the last also more */
    uint64_t stored;           /* items made durable */
    uint64_t retired;          /* items retired */
    uint64_t refused;          /* stores answered busy */
    uint64_t repeated;         /* offers of what had been stored before */
    uint64_t commits;
    uint64_t commit_bytes;
    uint64_t drained;       /* items streamed */
    uint64_t expired;       /* of them, expired */
    uint64_t damaged;       /* places of damage met at recovery */
    uint64_t torn;          /* tails cut off */
    uint64_t purges;        /* rounds of all shards that have destroyed keys */
    uint64_t purge_bytes;   /* written for them: tables and rings */
    uint64_t purge_late_ms; /* the longest time from a retirement's commit to the end of its key */
    uint64_t moved;         /* items copied out of segments that are mostly dead */
    uint64_t moved_bytes;   /* of them */
    uint64_t stripped;      /* expired messages of which the payload was destroyed */
    uint64_t mailboxes_now;
    uint64_t items_now;
    uint64_t bytes_now;     /* of their records */
    uint64_t log_bytes_now; /* of all segments, as far as they are written */
    uint64_t key_nodes_now;
    uint64_t segments_now;
    uint64_t drains_now;
};

struct mailboxes;

/* Made with malloc; `storage` and `port` stay the caller's and must outlive it. */
struct mailboxes *mailboxes_new(struct storage *storage, const struct mailbox_port *port,
                                const struct mailbox_config *config);

/* Only when nothing is under way (mailboxes_busy), or when the storage will never complete. */
void mailboxes_free(struct mailboxes *m);

/* What time it is, ms since 1970: at the start, and at the begin of every turn of the loop. */
void mailboxes_clock(struct mailboxes *m, uint64_t now_ms);

/* Open and scan all shards; port.ready follows. */
void mailboxes_recover(struct mailboxes *m);

/*
 * Requests, as the channel's records (whole: the caller has checked their lengths). OK: an answer
 * will follow, or none is due. FULL: too much is under way, ask again later with the same
 * record. STORE_IO: the store has stopped.
 */
enum wax_status mailbox_store(struct mailboxes *m, uint32_t worker, const struct channel_store *request);
enum wax_status mailbox_store_receipt(struct mailboxes *m, uint32_t worker,
                                      const struct channel_store_receipt *request);
enum wax_status mailbox_retire(struct mailboxes *m, const struct channel_retire *request);
void mailbox_drain(struct mailboxes *m, uint32_t worker, const struct channel_drain *request);
void mailbox_drain_credit(struct mailboxes *m, const struct channel_drain_credit *request);
void mailbox_drain_stop(struct mailboxes *m, const struct channel_drain_stop *request);

/* What lies in a mailbox; false, and zero, when there is none. */
struct mailbox_usage {
    uint32_t messages;
    uint32_t receipts;
    uint64_t bytes;    /* that their records take */
    uint64_t since_ms; /* when the mailbox was last empty, or control started; 0: it is */
    uint64_t end;      /* the highest position */
    bool draining;
};
bool mailbox_usage(struct mailboxes *m, const struct device_name *name, struct mailbox_usage *usage);
/* The same of every mailbox in which something lies. */
void mailboxes_each(const struct mailboxes *m, void *ctx,
                    void (*each)(void *ctx, const struct device_name *name,
                                 const struct mailbox_usage *usage));

/* Messages that wait for the device. */
uint32_t mailbox_waiting(struct mailboxes *m, const struct device_name *name);

/* The channel has ended: forget its drains and whom to answer. */
void mailboxes_detach(struct mailboxes *m);

/* The end of a burst, or of a tick (10 ms while mailboxes_busy): begin what is due, and flush the storage. */
void mailboxes_flush(struct mailboxes *m);

/* Go on with drains that found no room. Returns whether some still wait for room. */
bool mailboxes_pump(struct mailboxes *m);

/* Is anything not durable yet, or under way? */
bool mailboxes_busy(const struct mailboxes *m);

/* The end is near: destroy the keys of what was retired at once, mailboxes_busy tells until when. */
void mailboxes_purge(struct mailboxes *m);

/* What there is and what has happened since the start; `counts` is filled. */
void mailboxes_counts(const struct mailboxes *m, struct mailbox_counts *counts);

#endif
