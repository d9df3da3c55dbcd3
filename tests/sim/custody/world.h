/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The custody simulation: the real sessions and homes of several workers over model rings,
 * a model control plane with mailboxes, model clients, virtual time, and one seed that
 * decides everything. See sim_custody.c.
 */
#ifndef CUSTODY_WORLD_H
#define CUSTODY_WORLD_H

#include "base/random.h"
#include "base/rates.h"
#include "relay/envelope.h"
#include "relay/home.h"
#include "relay/session.h"

#define WORKERS       4u
#define CONNS         48u /* of a worker */
#define CLIENTS       10u
#define MESSAGES      6000u
#define SEND_SLOTS    16u
#define RETURN_SLOTS  32u
#define CHANNEL_BYTES 65536u
#define FRAME_QUEUE   2048u
#define OPENINGS      32u
#define ITEMS         8192u   /* that a model mailbox has ever held */
#define GROUP         CLIENTS /* recipients of a SEND_MULTI at most */

/* ---- what is known of each message by whoever watches ---- */

enum fate { FATE_UNANSWERED, FATE_ACCEPTED, FATE_DELIVERED, FATE_REJECTED, FATE_GIVEN_UP };

struct message {
    uint64_t id;
    uint32_t from, to; /* clients */
    uint8_t flags;
    uint8_t fate;  /* as its sender knows it */
    bool accepted; /* its sender has been told ACCEPTED */
    bool seen;     /* its recipient has seen it */
    bool acked;    /* its recipient has sent an ACK that covers a delivery of it */
    bool refused;  /* refused somewhere: whether the sender heard of it or not */
    bool expired;
    bool receipt;       /* its sender has been told DELIVERED */
    bool read;          /* its recipient has said READ */
    bool read_due;      /* and nothing excuses its loss */
    bool read_told;     /* its sender has been told */
    uint32_t planes;    /* killed when it was first sent */
    uint32_t sent;      /* times */
    uint32_t delivered; /* times, as its recipient counts */
    uint32_t bytes;
    uint32_t life; /* the sender's connection on which it was last sent */
    uint32_t first_answers;
    uint32_t
        group; /* how many messages from this one on are one SEND_MULTI; 0: not its first, or none of one */
    bool multi;
};

/* ---- bytes between a client and its connection: whole frames, in order ---- */

struct frame {
    uint32_t len;
    uint8_t *data;
    uint64_t at_us; /* when it arrives */
};

struct frames {
    struct frame *slot; /* [FRAME_QUEUE] */
    uint32_t head, tail;
};

struct conn {
    bool used;    /* slot is taken */
    bool open;    /* the transport is */
    bool closing; /* the relay has closed: frames out are still read */
    bool has_session;
    bool parked;
    bool resumed; /* what it was parked for may be there */
    uint32_t generation;
    uint32_t client; /* index, or NONE once that one has left */
    struct session session;
    struct frames in, out;
    uint64_t written; /* stream position of what was flushed to "TCP" */
    uint64_t unflushed;
    uint64_t acked;
    uint64_t break_us; /* the relay notices then that the peer is gone; 0 = it isn't */
};

struct ring {
    struct item *slot;
    uint32_t size, head, tail;
    uint32_t noted; /* sends up to here may be taken in this turn */
};

struct bytes_ring {
    uint8_t *data;
    uint32_t head, tail; /* records, contiguous; compacted when empty or moved */
    uint64_t put, taken; /* records, ever */
};

struct worker {
    uint32_t index;
    bool up;
    uint64_t stalled_us; /* its thread doesn't get the processor before */
    bool in_turn;
    uint32_t message_slots, message_blocks;
    struct home *home;
    void *home_memory;
    struct msg_pool messages;
    struct pool blocks;
    struct pool openings;
    void *memory[4];
    struct rates addresses;
    struct wax_metrics metrics;
    struct relay_port port;
    struct mesh_peer peers[WORKERS];
    struct session_env env;
    struct conn conns[CONNS];
    struct ring sends[WORKERS]; /* to that worker */
    struct ring returns[WORKERS];
    struct bytes_ring to_control, to_worker;
    uint8_t reserved[WAX_CHANNEL_RECORD_BYTES_MAX];
    uint32_t reserved_bytes;
    struct verify_job jobs[64];
    uint32_t job_head, job_tail;
};

/* ---- the model control plane ---- */

struct stored_item {
    uint64_t position;
    uint64_t id;
    struct name peer; /* sender; of a receipt, whom it is about */
    uint64_t taken_ms;
    uint64_t expires_ms;
    uint8_t item; /* enum channel_item */
    uint8_t kind, reason, flags;
    bool committed;
    bool retired;
    bool seen_again; /* offered again: answered once more */
    uint64_t retire; /* position in the mailbox of `peer` */
    uint32_t bytes, head_bytes;
    uint8_t *payload;
    uint64_t tag;
    uint32_t worker;
};

struct mailbox {
    struct name name;
    struct stored_item *items; /* [ITEMS], in order of position */
    uint32_t count;
    uint32_t committed; /* items before this are */
    uint64_t end;
    /* the stream */
    uint64_t generation;
    uint64_t cursor;
    uint32_t credit;
    uint32_t worker;
    bool streaming;
    bool idle_due;
    /* what was refused has not been seen to be refused: everything behind it is refused too */
    bool refusing;
    bool rejected_unread; /* nor was a rejection for good: nothing later is committed until it was read */
    uint32_t worker_rejected;
    uint32_t worker_refused;
    bool refusal_read;
    uint64_t settled_at;
};

struct control {
    bool up;
    uint64_t epoch;
    uint64_t restart_us;
    struct mailbox mailbox[CLIENTS];
    uint64_t epochs_given;
    uint64_t disk_full_us; /* until then */
};

/* ---- clients ---- */

enum client_state { CLIENT_OUT, CLIENT_OPENING, CLIENT_IN };

struct client {
    struct name name;
    uint8_t state;
    bool send_only;
    uint32_t worker, conn, conn_generation;
    uint32_t life;
    uint64_t next_us; /* when it does something again while out */
    uint64_t next_id;
    uint32_t outbox[MESSAGES]; /* messages to be sent or sent again, in order */
    uint32_t outbox_count;
    uint32_t outbox_sent; /* how many of those are under way on this connection */
    uint32_t window;
    uint64_t last_id[CLIENTS]; /* seen from each */
    uint32_t seq;              /* last received in this session */
    uint32_t seq_acked;
    uint64_t ack_due_us;
    uint64_t ack_delay_us; /* how lazy it is */
    uint64_t rest_us;
    uint32_t unread[256]; /* messages acknowledged and not yet said to be read */
    uint32_t unread_count;
    uint8_t token[TOKEN_BYTES]; /* of the last WELCOME */
    uint32_t token_bytes;
    uint32_t charged; /* messages that it has sent in this session, READs among them */
};

/* Messages that somebody may send in a second, 0: any number; and of them after a rest. */
struct limit {
    uint32_t per_s, burst;
};

struct limits {
    struct limit device, account, address;
};

/* What an account has sent, since the data plane began. */
struct spent {
    uint64_t upto_us, sent;
};

struct options {
    bool verbose;
    bool faults;  /* kills and breaks happen now */
    bool sending; /* clients make new messages */
    bool nobody;  /* whoever leaves stays away */
    bool stop;
    uint32_t workers;
    uint32_t clients;
    uint32_t home_messages;
    uint32_t window;
    uint32_t messages;
    uint32_t kill_control_ppm, kill_plane_ppm, break_ppm, refuse_ppm, commit_ppm, drop_frame_ppm, send_ppm,
        jump_ppm, stall_ppm, disk_full_ppm, group_ppm;
    uint64_t stay_us;
};

struct world {
    uint64_t seed;
    struct rng rng;
    uint64_t now_us;
    uint64_t hash; /* of everything that clients saw */
    uint64_t events;
    struct options options;
    struct token_set tokens; /* what the control plane has told workers */
    struct route route;
    struct worker worker[WORKERS];
    uint64_t plane_epoch;
    uint64_t plane_restart_us; /* 0: the data plane runs */
    struct control control;
    struct client client[CLIENTS];
    struct message message[MESSAGES];
    uint32_t message_count;
    uint32_t lives;
    uint64_t control_kills, plane_kills, breaks;
    struct limits limits;
    struct spent spent[CLIENTS]; /* by the first byte of users */
    uint64_t reads;              /* said by anyone */
};

/* How often what was reached, over all runs. */
struct coverage {
    uint64_t status[WAX_STATUS_COUNT];
    uint64_t stores, drained, told[5], reads, groups, reasons[16], deliver_flags[32], control_kills,
        plane_kills, breaks, resent, displaced, dropped_again, resumed, overdrawn;
};

extern struct world *world;
extern struct coverage coverage;

#define NOBODY UINT32_MAX

/* Print what was wrong and how to see it again, and exit. */
void fail(const char *what, ...) __attribute__((noreturn, format(printf, 1, 2)));
#define CHECK(cond, ...)                                                                                     \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            fail(__VA_ARGS__);                                                                               \
    } while (0)
void trace(const char *what, ...) __attribute__((format(printf, 1, 2)));
void note(uint64_t value);
uint64_t below(uint64_t bound);
bool chance(uint32_t ppm);
uint64_t now_ms(void);

/* conns.c */
void conn_env(struct worker *worker);
struct session *conn_session(void *ctx, uint32_t conn, uint32_t generation);
/* The transport is no more. */
void conn_gone(struct worker *worker, struct conn *conn);
/* Frames that have come go to the session. */
void conn_input(struct worker *worker, struct conn *conn);
/* What was written goes to TCP, what was read is acknowledged. */
void conn_tcp(struct worker *worker, struct conn *conn);

/* plane.c */
void plane_start(void);
void plane_kill(void);
void worker_turn(uint32_t index);
uint32_t conn_open(uint32_t worker, uint32_t client);
/* The client's side is gone; the relay notices after `delay_us`. */
void conn_abandon(uint32_t worker, uint32_t conn, uint32_t generation, uint64_t delay_us);
struct conn *conn_of(uint32_t worker, uint32_t conn, uint32_t generation);
void plane_control_up(void);
void plane_control_down(void);
void plane_check_empty(void);
/* Everyone has left: so homes and connections must know. */
void plane_check_left(void);
void frames_push(struct frames *frames, const uint8_t *data, size_t len, uint64_t at_us);
bool frames_pop(struct frames *frames, struct frame *out);
void frames_clear(struct frames *frames);

/* mailbox.c */
void mailbox_store(uint32_t worker, const struct channel_store *store);
void mailbox_store_receipt(uint32_t worker, const struct channel_store_receipt *store);
struct stored_item *mailbox_item(struct mailbox *mailbox, uint64_t position);
void mailbox_retire(struct mailbox *mailbox, struct stored_item *item);
struct mailbox *mailbox_of(const struct device_name *name);
/* Some of what was offered becomes durable. */
void mailbox_commit(struct mailbox *mailbox);
void mailboxes_settle_refusals(void);
void answers_send(void);
void answers_forget(void);

/* control.c */
void control_start(void);
void control_kill(void);
void control_tick(void);
void control_plane_gone(void);
uint32_t client_of(const struct name *name);
struct channel_record *channel_room(struct bytes_ring *ring, uint32_t bytes);
struct channel_record *channel_next(struct bytes_ring *ring);
void control_check_empty(void);
uint32_t control_waiting(void);

/* rates.c */
void rates_draw(void);
void rates_reset(void);
struct session_rates rates_of_sessions(void);
/* A message has left its session. */
void rates_sent(const struct msg *msg);
/* It is told REJECTED 4. */
void rates_refused(const struct client *client);

/* client.c */
void client_start(uint32_t index);
void client_tick(uint32_t index);
void client_leave(struct client *client, uint64_t rest_us);
void clients_check(void);

/* outbox.c */
struct message *message_of(uint32_t from, uint64_t id, uint32_t to);
void client_name(uint32_t index, struct name *name);
uint32_t client_index(const struct client *client);
/* A frame on its way to the relay. */
void client_put(struct client *client, const uint8_t *data, size_t len);
/* A new message, or one to a group. */
void client_makes(struct client *client);
/* What may be sent now is. */
void client_sends(struct client *client);
/* One of its recipients has answered. */
void client_answered(struct client *client, const struct message *message);
/* Its sender asks no more for it (and for the others of its group). */
void message_give_up(struct message *message);
/* What it says, and how much of that is its head. */
void message_fill(const struct message *message, uint8_t *out);
uint32_t message_head_bytes(const struct message *message);

#endif
