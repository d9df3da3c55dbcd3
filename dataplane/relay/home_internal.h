/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of home share: entries (messages and receipts in custody), recipients, and
 * home itself. The rules are in docs/relay.md.
 */
#ifndef RELAY_HOME_INTERNAL_H
#define RELAY_HOME_INTERNAL_H

#include "base/list.h"
#include "base/rates.h"
#include "base/wheel.h"
#include "relay/home.h"
#include "relay/wake.h"
#include "waxwire/wire.h"

#define NONE              UINT32_MAX
#define DRAIN_CREDIT      16u /* items that a drain may have under way: bounds what overshoots a window */
#define RETRY_US          20000ull
#define STORE_PAUSE_US    1000000ull
#define TIMER_GRANULE_US  1000u
#define NOTICES           256u /* a power of two */
#define RETIRE_BATCH      32u
#define REANNOUNCE_A_POLL 256u
#define TIMERS_A_POLL     1024u

/* Where an entry is (struct entry.places). While it is anywhere it isn't freed. */
enum place {
    PLACE_WINDOW = 1,
    PLACE_EPHEMERAL = 2,
    PLACE_HELD = 4,
    PLACE_STORE = 8,
    PLACE_SHOW = 16,
    PLACE_LENT = 32,
    PLACE_RETIRE = 64,
};

/* What is to be given for an entry (struct entry.out). */
enum out {
    OUT_NOTHING = 0,
    OUT_ANSWER,
    OUT_WAIT, /* until the worker that was sent its DELIVER has taken it */
    OUT_FREE,
    OUT_RECEIPT,
    OUT_DONE,
};

enum role {
    ROLE_MESSAGE, /* at its recipient's home */
    ROLE_LENT,    /* at its sender's home, as a receipt, until it goes back */
    ROLE_RECEIPT, /* at its sender's home, as a receipt that came out of the sender's mailbox */
};

/*
 * A message from its SEND until its end is known, and a receipt. It belongs to the home that
 * took it; while lent, another home works with it and the owner doesn't look at it.
 */
struct entry {
    struct entry *next;          /* in window, ephemeral, held, show or retire list */
    struct entry *out_next;      /* in an outbox */
    struct link store;           /* in a mailbox's store queue */
    struct msg *msg;             /* NULL once it has gone back */
    struct recipient *recipient; /* the owner's, counted there */
    struct recipient *mailbox;   /* whose store queue it is in */
    uint64_t id;
    uint64_t position;         /* in the recipient's mailbox, 0 = none */
    uint64_t receipt_position; /* in the sender's mailbox, of a receipt that is stored */
    uint64_t ticket;           /* of its last DELIVER */
    uint64_t time_us;          /* when it came to where it is */
    uint32_t conn;             /* the sender's */
    uint32_t conn_generation;
    uint32_t seq;  /* delivery sequence, 0 = not yet sent; of a receipt shown: its number */
    uint32_t slot; /* of struct home.stores while it is offered, or NONE */
    uint32_t payload_bytes;
    struct name from; /* the sender */
    struct name to;   /* the recipient */
    uint8_t owner;    /* worker */
    uint8_t places;
    uint8_t role;
    uint8_t out;
    uint8_t sender_worker;
    uint8_t ticket_worker;
    uint8_t answer;    /* enum wire_status_kind that is due first, 0 = none */
    uint8_t kind;      /* of a receipt */
    uint8_t reason;    /* of answer or receipt */
    uint8_t flags;     /* WIRE_DELIVER_... */
    bool answered : 1; /* the first answer has been given (or is another's) */
    bool stored : 1;   /* the mailbox has it */
    bool acked : 1;    /* the recipient has acknowledged it, or it is refused */
    bool handed : 1;   /* it has been sent to a connection */
    bool offered : 1;  /* its position has been offered before */
    bool receipt_due : 1;
    bool retire_due : 1;
    bool retired : 1;  /* by the commit of its receipt */
    bool owed : 1;     /* counted in recipient.owed */
    bool unsaid : 1;   /* counted in home.unsaid */
    bool phase : 1;    /* there */
    const void *ahead; /* where one behind it should be: to be fetched, never read */
} __attribute__((aligned(WAX_CACHE_LINE_BYTES)));

struct entries {
    struct entry *head, *tail;
};

enum recipient_state {
    RECIPIENT_AWAY,     /* no session: to the mailbox */
    RECIPIENT_UNKNOWN,  /* a session, but control has not said what the mailbox holds */
    RECIPIENT_DRAINING, /* the mailbox is streamed, new messages join its end */
    RECIPIENT_HOLD,     /* almost through: new messages wait in memory behind the mailbox's end */
    RECIPIENT_ONLINE,   /* directly */
};

/* Records due to the control plane. */
enum due {
    DUE_OPEN = 1,
    DUE_CLOSE = 2,
    DUE_STOP = 4,
    DUE_DRAIN = 8,
};

/*
 * What is under way for a recipient: only while there is anything. Who has nothing points to home.nothing,
 * which stays empty: so lists can be looked at and emptied without asking, and only what adds to them has to
 * have called recipient_make or recipient_wake before.
 */
struct queues {
    struct recipient *recipient;
    struct entries window;
    struct entry *undelivered; /* first in window without a DELIVER */
    struct entry *unstored;    /* first in window that isn't stored or being stored; all behind are so */
    uint32_t window_count;
    uint32_t window_bytes;
    uint32_t delivered_bytes;
    uint32_t ephemeral_count;
    struct link deliver; /* in home.deliver[worker] */
    struct entries ephemeral;
    struct entry *ephemeral_unsent;
    struct entry *unshown;
    struct entries show; /* receipts for the session */
    uint32_t show_count;
    struct entries later; /* READs that are neither shown nor stored yet */
    uint32_t later_count;
    uint32_t held_count;
    uint32_t held_bytes;
    uint32_t store_count;
    struct link store;      /* queue of entries for the mailbox, in order */
    struct link *unoffered; /* where offering goes on; NULL: nothing to offer */
    struct entries held;
    struct entries retire;
    uint64_t progress_us; /* last ACK */
    uint64_t pause_us;    /* nothing is offered to the store before */
    uint32_t under_way;   /* of the queue for the mailbox, offered and not confirmed */
};

/* Everything else is kept for each session, and for each recipient that is known. */
struct recipient {
    struct name name;
    uint8_t state;
    uint8_t worker; /* of the session's connection */
    uint8_t due;
    bool used : 1;    /* not on the free list */
    bool resting : 1; /* its place is in home.idle, else in home.control */
    bool send_only : 1;
    bool attached_due : 1; /* ATTACHED has still to be sent */
    bool direct : 1;       /* of what waits behind the window nothing has been offered yet */
    bool closing : 1;      /* CLOSE has been said */
    bool idle_seen : 1;    /* DRAIN_IDLE of this drain */
    bool refused : 1;      /* an offer that can't be given up was refused: it comes first */
    bool tls : 1;
    bool policed : 1;   /* not everyone may write to it */
    bool only : 1;      /* but whom the policy names; else all but these */
    bool unpoliced : 1; /* there is no memory for its policy: control judges, so all goes to the mailbox */
    bool evicting : 1;  /* its device is no more: what the mailbox holds is being rejected */
    bool ended : 1;     /* the session of closed_generation has reported its end: all its ACKs were taken */
    uint32_t hash_next;
    uint32_t channel;    /* number of the attachment that all this is about */
    uint64_t generation; /* of the session, 0 = none */
    struct queues *queues;
    uint32_t conn;
    uint32_t conn_generation;
    uint32_t seq_last;
    uint32_t entries; /* that count here */
    struct timer timer;
    uint64_t handed;         /* a message up to here may have been delivered before */
    uint64_t acked_position; /* every message up to here has been acknowledged */
    struct link place;       /* in home.control or home.idle */
    uint32_t owed; /* of the entries, acknowledged ones that the mailbox has until their receipts are given */
    uint32_t shown;  /* number of the last receipt shown */
    uint32_t credit; /* items that the drain may still send */
    uint16_t peer_port;
    uint64_t drain;        /* generation of the drain, 0 = none */
    uint64_t stop;         /* of the one to be stopped */
    uint64_t streamed;     /* the drain has been taken up to here */
    uint64_t retired_from; /* lowest position that was to be retired on this channel, 0 = none */
    uint64_t unsure_from;  /* from here on a RETIRE may have been lost, 0 = nowhere */
    uint64_t high_stored;  /* highest position stored since the drain began */
    uint64_t idle_upto;    /* of the last DRAIN_IDLE */
    uint64_t redrain_us;   /* no drain before */
    uint64_t closed_generation;
    uint64_t since_ms;
    uint8_t peer[16];
    uint32_t policy; /* first part of it, NONE: it names nobody; while policed */
    uint8_t evict_reason;
} __attribute__((aligned(WAX_CACHE_LINE_BYTES)));

_Static_assert(sizeof(struct recipient) == 4 * WAX_CACHE_LINE_BYTES, "a million sessions are affordable");
_Static_assert(offsetof(struct recipient, owed) <= 2 * WAX_CACHE_LINE_BYTES, "the hot part is two lines");

/* A store that is not confirmed. */
struct store_slot {
    struct entry *entry;
    uint32_t serial;
    uint32_t next_free;
};

#define POLICY_PART_USERS 63u
/* A piece of a policy; its users rise, over all of its pieces. */
struct policy_part {
    uint32_t next; /* index, NONE at the end */
    uint32_t count;
    uint8_t reserved[8];
    uint8_t user[POLICY_PART_USERS][WAX_USER_BYTES];
};

_Static_assert(sizeof(struct policy_part) == 1024, "a piece is a kilobyte");

#define POLICED_MAX 256u /* POLICED that are due to the control plane */

struct notice {
    uint32_t worker;
    struct item item;
};

struct home {
    struct home_config config;
    const struct relay_port *port;
    const struct route *route;
    struct msg_pool *messages;
    struct wax_metrics *metrics;
    uint32_t self;
    bool up; /* control is attached */
    uint32_t channel;
    uint64_t position;   /* last one given */
    uint64_t generation; /* last one given, of sessions and drains */
    struct pool entries;
    struct pool queues;
    struct pool policies;  /* of struct policy_part */
    struct queues nothing; /* of everyone who has none */
    uint32_t reserved;
    struct recipient *recipients;
    uint32_t recipients_free; /* head of the free list */
    uint32_t recipients_used;
    uint32_t sessions;
    uint32_t *buckets;
    uint32_t bucket_mask;
    struct link idle; /* recipients that may be forgotten, oldest first */
    struct store_slot *stores;
    uint32_t stores_free;
    uint32_t stores_used;
    struct link control;
    struct link deliver[WAX_WORKERS_MAX];
    struct entries outbox[WAX_WORKERS_MAX];
    struct entries waiting[WAX_WORKERS_MAX];
    struct entries orphans;  /* receipts for whose owner there is no room */
    struct entries reads[2]; /* READs that wait for what is unsaid, see read.c */
    uint32_t unsaid[2];      /* of each phase: messages acknowledged whose senders have not been told */
    bool phase;
    struct msg *refused_head, *refused_tail;
    uint32_t notice_head, notice_tail;
    struct notice notices[NOTICES];
    uint32_t policed_count; /* tags of policies that are in force, and control has not been told */
    uint64_t policed[POLICED_MAX];
    struct calls calls;
    uint64_t own_from;   /* positions below are of data planes before this one */
    uint32_t reannounce; /* next recipient to announce again, NONE = done */
    struct wheel wheel;
    struct rates accounts; /* what they have sent */
};

/* ---- lists of entries ---- */

/* Put an entry, which is in no list by `next`, at the end. */
static inline void entries_append(struct entries *list, struct entry *entry)
{
    entry->next = NULL;
    if (list->tail == NULL)
        list->head = entry;
    else
        list->tail->next = entry;
    list->tail = entry;
}

/* Take the first entry of a list that isn't empty. */
static inline struct entry *entries_pop(struct entries *list)
{
    struct entry *entry = list->head;
    list->head = entry->next;
    if (list->head == NULL)
        list->tail = NULL;
    entry->next = NULL;
    return entry;
}

/* ---- recipient.c: who there is ---- */

/* Nobody is known. */
void recipients_init(struct home *home);
/* Bring the memory of whoever these items are about near. */
void recipients_prefetch(struct home *home, const struct item *const items[], uint32_t count);
/* The recipient of that name, or NULL; perhaps asleep. */
struct recipient *recipient_find(struct home *home, const struct name *name);
/* Likewise, made when it isn't known, and awake; NULL when there is no room. It is no longer idle. */
struct recipient *recipient_make(struct home *home, const struct name *name);
/* The recipient whose session a report is about; NULL (and counted) when that session isn't its present one.
 */
struct recipient *recipient_of_report(struct home *home, const struct item *item);
/* Likewise of a READ, whose session may have ended since by itself. */
struct recipient *recipient_of_read(struct home *home, const struct item *item);
/* See to it that something can be put into its queues; false when there is no memory for more of them. */
bool recipient_wake(struct home *home, struct recipient *recipient);
/* Whether nothing is in them. */
bool queues_empty(const struct queues *queues);
/*
 * Let it sleep if nothing is under way, and be forgotten if nothing holds it. Call after whatever may have
 * been the last thing.
 */
void recipient_rest(struct home *home, struct recipient *recipient);
/* Notice a new attachment of the control plane. */
void recipient_sync(struct home *home, struct recipient *recipient);
/* Something is to be said to the control plane about it. */
void recipient_queue_control(struct home *home, struct recipient *recipient);
/* Something is to be sent to its session. */
void recipient_queue_deliver(struct home *home, struct recipient *recipient);
/* See to it that recipient_expired is called at the latest then. */
void recipient_want_timer(struct home *home, struct recipient *recipient, uint64_t at_us);

/* ---- entry.c: an entry's life and what is given for it ---- */

/* A new entry, or NULL when none is free beyond the promised ones (`promised`: it is one of those). */
struct entry *entry_make(struct home *home, struct recipient *recipient, bool promised);
/* Something about it has changed: queue what is due next, or free it. */
void entry_settle(struct home *home, struct entry *entry);
/* Refuse a message that has gone nowhere (WIRE_REASON_NONE: only give its memory back). */
void home_refuse(struct home *home, struct msg *msg, enum wire_reason reason);
/* Give an item as soon as the ring has room; false when too many wait. */
bool home_notice(struct home *home, uint32_t worker, const struct item *item);
/* Give what waits. True when something still waits. */
bool home_give(struct home *home);

/* ---- window.c: what a session has been sent ---- */

/* Put an entry behind what the session has been sent; its DELIVER follows when there is a credit. */
void window_append(struct home *home, struct recipient *recipient, struct entry *entry, uint64_t now_us);
/* The client has everything up to `seq`: custody of that ends here. */
void window_acked(struct home *home, struct recipient *recipient, uint32_t seq, uint64_t now_us);
/*
 * The window has room: what waits behind it and has not been offered is sent directly. It keeps its place
 * in the queue for the store, from which its ACK takes it.
 */
void window_refill(struct home *home, struct recipient *recipient, uint64_t now_us);
/* Start storing everything in the window that isn't stored. */
void window_spill(struct home *home, struct recipient *recipient);
bool window_has_room(const struct home *home, const struct recipient *recipient, uint32_t bytes);
void hold_append(struct recipient *recipient, struct entry *entry, uint64_t now_us);
/* Store what is held, and go on draining. */
void hold_spill(struct home *home, struct recipient *recipient);
void ephemeral_take(struct home *home, struct recipient *recipient, struct msg *msg, uint64_t now_us);
void silent_take(struct home *home, struct recipient *recipient, struct msg *msg);
/* Reject the ephemeral ones that have waited too long (all: `now_us` = UINT64_MAX). */
void ephemeral_expire(struct home *home, struct recipient *recipient, uint64_t now_us);
/* Send the session what is due to it; false when there is no credit. */
bool window_send(struct home *home, struct recipient *recipient, uint64_t now_us);

/* ---- attach.c: sessions come and go ---- */

/* ITEM_ATTACH: a new session, which displaces an older one. False: not now (too many notices wait). */
bool session_attach(struct home *home, const struct item *item, uint64_t now_us);
/* The session is over: what it had not acknowledged goes to the mailbox. */
void session_over(struct home *home, struct recipient *recipient);
/* Its timer has expired. */
void recipient_expired(struct home *home, struct recipient *recipient, uint64_t now_us);

/* ---- policy.c: who may write to whom ---- */

/* POLICY: it is in force from now on. */
void policy_take(struct home *home, const struct channel_policy *policy);
/* The session is over: the next one brings its own. */
void policy_forget(struct home *home, struct recipient *recipient);
/* Whether this user may not write to it. A person's own devices always may. */
bool policy_refuses(const struct home *home, const struct recipient *recipient,
                    const uint8_t user[WAX_USER_BYTES]);
/* Tell control which policies are in force; false when the channel is full. */
bool policies_tell(struct home *home);

/* ---- receipt.c ---- */

/* ITEM_RECEIPT: a receipt for someone whose home this is; its memory is lent until receipt_done. */
void receipt_take(struct home *home, struct entry *entry);
/* Queue a receipt for the session. */
void receipt_show(struct home *home, struct recipient *recipient, struct entry *entry);
/* Send the session the receipts that wait; false when there is no credit. */
bool receipts_send(struct home *home, struct recipient *recipient);
/* TCP has acknowledged the bytes of those up to `number`. */
void receipts_given(struct home *home, struct recipient *recipient, uint32_t number);
/* The session is over: what was not given goes to the mailbox, or is there still. */
void receipts_session_over(struct home *home, struct recipient *recipient);
/* A receipt needs nothing more here (`retired`: its message went in the same commit). */
void receipt_done(struct home *home, struct entry *entry, bool retired);
/* Try again those for which there was no room. */
void receipts_adopt(struct home *home);

/* ---- read.c ---- */

/* An entry has been acknowledged, and its sender is to be told. */
void home_unsaid(struct home *home, struct entry *entry);
/* ITEM_READ: someone whose home this is has read a message. */
void read_take(struct home *home, const struct item *item);
/* Let those go on that need not wait any more. True when there were any. */
bool reads_go_on(struct home *home);
/* A READ has come to its message's sender's home: it is shown, stored, or waits. */
void read_adopt(struct home *home, struct recipient *sender, struct entry *entry);
/* One of these has changed: let those go on that wait. */
void reads_settle(struct home *home, struct recipient *sender);

/* ---- store.c: to the control plane ---- */

/* Put an entry at the end of what `mailbox` is offered, in order. */
void store_append(struct home *home, struct recipient *mailbox, struct entry *entry);
/* Take an entry, which is not under way, out of the queue. */
void store_remove(struct home *home, struct entry *entry);
/* STORED: an offer has been taken or refused. */
void store_confirmed(struct home *home, const struct channel_stored *stored, uint64_t now_us);
/* Nothing offered is under way any more. */
void stores_forget(struct home *home);
/* Say what is due; true when something still waits. */
bool control_send(struct home *home, uint64_t now_us);

/* ---- drain.c: from the mailbox ---- */

/* Take back what the drain was promised and forget it. */
void drain_end(struct home *home, struct recipient *recipient);
/* True when nothing is left to say (the drain is under way, with its credit). */
bool drain_send(struct home *home, struct recipient *recipient, uint64_t now_us);
void drain_item(struct home *home, const struct channel_drained *item, uint64_t now_us);
void drain_idle(struct home *home, const struct channel_drain_idle *idle, uint64_t now_us);
/* Go online when nothing for it is in the mailbox, or on its way there. */
void drain_check(struct home *home, struct recipient *recipient, uint64_t now_us);
/* EVICT: if it is at home here and has no session, reject what its mailbox holds. */
void drain_evict(struct home *home, const struct channel_evict *evict);

#endif
