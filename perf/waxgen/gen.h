/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The generator: many clients of a relay on one TCP engine of ours. They open sessions (TCP, TLS, WebSocket,
 * proof of an account key), then send one another messages in pairs, each with a window of its own kept full,
 * and check what comes: who sent it, its id, its payload, its order, and the answer to it. No DPDK in here:
 * frames come in by gen_receive and leave through struct gen_port.
 *
 *   client.c    the bytes of one client: records, WebSocket frames, what waits to be sent
 *   opening.c   from SYN to WELCOME
 *   keepsake.c  what a client comes back with
 *   comeback.c  all of them come back after the relay's restart
 *   traffic.c   windows, rates, and what a client sends in a turn
 *   ledger.c    who sends to whom, and what has become of each message
 *   group.c     messages to many at once
 *   payload.c   what is in a message
 *   steps.c     one traffic after the other with the same sessions, at a command
 *   search.c    the highest rate at which all messages come through in time
 *   flood.c     an attacker beside them
 *   gen.c       the network side and the turns
 *   options.c, report.c, port.c, main.c: the program around it
 */
#ifndef WAXGEN_GEN_H
#define WAXGEN_GEN_H

#include <stdio.h>

#include "base/random.h"
#include "net/net.h"
#include "relay/envelope.h"
#include "tcp/tcp.h"
#include "tls/handshake.h"
#include "tls/record.h"
#include "waxgen/flood.h"
#include "waxgen/options.h"
#include "waxwire/latency.h"
#include "ws/frame.h"

#define GEN_ID_SHIFT      20u /* ids begin at milliseconds since 1970 times 2^20 */
#define GEN_DEVICE        1u
#define GEN_PAYLOAD_LEAST 16u        /* sender and number, by which the receiver knows what it should be */
#define GEN_HEAD_BYTES    32u        /* of each recipient in a group */
#define GEN_GROUP_WINDOW  64u        /* messages of a sender to its group on their way, at most */
#define GEN_GATHER_BYTES  (1u << 17) /* one frame to a group, or a record of others */
#define GEN_PORTS         60000u     /* of one address, from GEN_PORT_FIRST on */
#define GEN_PORT_FIRST    1024u
#define GEN_SESSIONS_MAX  4000000u
#define GEN_NOBODY        UINT32_MAX
#define GEN_INDEX_BITS    0xfffffffu

enum client_state {
    CLIENT_IDLE,      /* not begun */
    CLIENT_CONNECT,   /* SYN sent */
    CLIENT_SHAKE,     /* TLS handshake */
    CLIENT_UPGRADE,   /* waiting for the 101 */
    CLIENT_CHALLENGE, /* HELLO sent */
    CLIENT_WELCOME,   /* PROOF sent */
    CLIENT_OPEN,
    CLIENT_CLOSING, /* close frame and FIN sent */
    CLIENT_GONE,
};

/* What its sender knows of a message, by its number. */
enum message_state { MESSAGE_UNSENT, MESSAGE_SENT, MESSAGE_ACCEPTED, MESSAGE_DELIVERED };

struct message {
    uint32_t sent_us;      /* low 32 bits; with a rate, when it was due */
    uint32_t to : 28;      /* recipient; of a group, how many have not been answered for */
    uint32_t state : 3;    /* enum message_state */
    uint32_t received : 1; /* the recipient has it */
};

_Static_assert(GEN_SESSIONS_MAX <= GEN_INDEX_BITS && sizeof(struct message) == 8, "messages are many");

/* What a session needs only until it is open. */
struct opening {
    struct tls_shake *shake;
    uint8_t binding[WAX_BINDING_BYTES];
    uint8_t nonce[WAX_CLIENT_NONCE_BYTES];
    uint8_t public_key[WAX_ACCOUNT_KEY_BYTES];
    uint8_t secret_key[64];
    char ws_key[24];
};

/* What remains of it while it idles: no buffer, nothing of OpenSSL's. */
struct client {
    struct tls_state tls;
    struct ws_decoder ws;
    struct opening *opening;   /* NULL once it is open */
    uint8_t *partial;          /* plaintext that is not a whole reply or message yet, NULL: none */
    uint8_t *pong;             /* payload of the ping to be answered, NULL: it has none */
    struct member *members;    /* of the group that it sends to, NULL: none */
    struct message *messages;  /* ours, by number from 0; NULL: it sends none */
    struct keepsake *keepsake; /* NULL: nothing to come back with */
    uint32_t partial_len, partial_room;
    uint32_t index;
    uint32_t conn; /* of TCP, TCP_NONE: none */
    struct name name;
    uint8_t state; /* enum client_state */
    uint8_t pong_len;
    bool pong_due;
    bool sealed;    /* records are ours (with TLS: after the handshake) */
    bool dirty;     /* in gen.dirty */
    bool waits;     /* in storm.waiting */
    uint32_t quota; /* messages to send in this run */
    uint32_t sent, unanswered;
    uint32_t granted; /* messages that it may send now, with a rate */
    uint32_t base;    /* of ours: all before it have been received */
    uint32_t seq;     /* last delivery sequence received */
    uint32_t acked;   /* last one acknowledged */
};

_Static_assert(sizeof(struct client) <= 400, "a million idle sessions fit beside the relay's");

struct storm {
    uint64_t opened; /* sessions, one after the other */
    uint64_t began_us, ended_us;
    uint32_t next;     /* whose turn it is to begin anew */
    uint32_t *waiting; /* a ring of those whose handshake goes on, one in each turn */
    uint32_t waiting_first, waiting_count;
    uint64_t step_us;  /* when the last handshake went on */
    uint32_t openings; /* begun, by which they have their ports */
};

struct comeback {
    uint64_t lost_us, up_us; /* the way to the relay */
    uint64_t opened_us;      /* the last session, again */
};

struct search {
    uint32_t low, high; /* rates: the highest that was good, the lowest that was not */
    uint32_t trials;    /* that have begun */
    bool on;
};

/* What a run, or a step of it, has seen. */
struct gen_counts {
    uint64_t sent, received, accepted, completed;
    uint64_t deliveries; /* to one of a group, acknowledged */
    uint64_t lost, duplicated, again, reordered, stale;
    uint64_t wrong;           /* payload, sender, id, answer */
    uint64_t rejected;        /* answers REJECTED */
    uint64_t closed;          /* sessions that ended before their time */
    uint64_t tickets, tokens; /* that were taken by the relay */
    uint64_t wire[WAX_STATUS_COUNT];
    uint64_t latency[LATENCY_BUCKETS]; /* SEND to DELIVERED, microseconds */
    uint32_t errors_told;
};

/* Where frames go. */
struct gen_port {
    void *ctx;
    /* A buffer: its room, and what it is to the port. False: none now. */
    bool (*alloc)(void *ctx, struct span *room, void **owner);
    /* Send `len` bytes at `frame` inside the buffer. Takes it, always. */
    void (*send)(void *ctx, void *owner, uint8_t *frame, size_t len);
    /* Give an unused buffer back. */
    void (*release)(void *ctx, void *owner);
    /* How many frames wait for the port. */
    uint32_t (*waiting)(void *ctx);
};

enum gen_phase { GEN_OPENING, GEN_SETTLING, GEN_AWAY, GEN_WAITING, GEN_TRAFFIC, GEN_CLOSING, GEN_DONE };

struct gen {
    struct gen_options options;
    struct gen_port port;
    struct gen_counts counts;
    struct net *nets; /* each with as many of our addresses as it takes */
    uint32_t net_count, addresses;
    struct tcp_engine *tcp;
    struct pool blocks;
    struct tls_context *context;
    struct client *clients;
    uint32_t *by_conn; /* clients by TCP's ids, GEN_NOBODY: not ours (any more) */
    uint32_t *dirty;
    uint32_t dirty_count;
    uint32_t begun, open, closing; /* clients */
    uint32_t said_goodbye;         /* of the first so many */
    uint64_t goodbye_us;           /* when the last one did */
    uint32_t turn_of;              /* with a rate: whose turn it is to send */
    struct flood flood;
    struct storm storm;
    struct comeback comeback;
    struct search search;
    uint64_t granted;    /* messages, with a rate */
    uint32_t apart;      /* of so many pairs one is active */
    uint32_t quota_most; /* messages of one client */
    enum gen_phase phase;
    bool failed;
    bool short_of; /* what was asked for */
    uint32_t step; /* of the profile's, the next one */
    FILE *csv;
    uint64_t csv_completed, csv_us;
    uint64_t csv_latency[LATENCY_BUCKETS];
    bool behind; /* the last burst was a full one: more frames wait */
    uint64_t now_us;
    uint64_t id_base;
    uint64_t started_us, opened_us, traffic_us, end_us; /* when phases began */
    uint64_t progress_us;                               /* when something last went forward */
    uint16_t first_port;
    struct rng rng;  /* of masks and nonces */
    uint32_t *names; /* clients by their names, for groups */
    uint32_t names_mask;
    uint8_t record[WAX_TLS_RECORD_BYTES_MAX];
    uint8_t gather[GEN_GATHER_BYTES];
    uint8_t sealed[WAX_TLS_RECORD_BYTES_MAX];
    uint8_t out[TLS_SHAKE_OUT_BYTES];
    uint8_t frame[WAX_FRAME_BYTES_MAX];
    uint8_t shared[WAX_TLS_PLAINTEXT_BYTES_MAX];
};

/*
 * Make everything for a run of `options` over `port`, whose hardware address is `mac`. NULL after saying why
 * on standard error.
 */
struct gen *gen_make(const struct gen_options *options, const struct gen_port *port, const uint8_t mac[6],
                     uint64_t now_us);

/* A frame from the port; it may be overwritten. True when it was turned into a reply of *len bytes. */
bool gen_receive(struct gen *gen, struct span frame, uint64_t now_us, size_t *len);

/* Timers, new clients, everything that is to be sent. True when there was anything to do. */
bool gen_turn(struct gen *gen, uint64_t now_us);

void gen_free(struct gen *gen);

/* Our address `index` (0 to gen.addresses - 1). */
struct addr gen_address(const struct gen *gen, uint32_t index);

/* An error: counted, the first few told on standard error, and the run has failed. */
void gen_error(struct gen *gen, const struct client *client, const char *what, const char *detail);

/* ---- opening.c ---- */

/* Begin the connection of a client. */
void opening_begin(struct gen *gen, struct client *client);
/* TCP has connected. */
void opening_connected(struct gen *gen, struct client *client);
/* Begin the TLS handshake. */
void opening_hello(struct gen *gen, struct client *client);
/* Bytes of the handshake; returns how many are done with. */
size_t opening_shake(struct gen *gen, struct client *client, struct view in);
/* Plaintext of the reply to the upgrade; returns how many bytes are done with. */
size_t opening_upgraded(struct gen *gen, struct client *client, struct view in);
/* A frame of the relay's before WELCOME, or WELCOME. */
void opening_frame(struct gen *gen, struct client *client, struct view frame);
/* What the opening needed goes back. */
void opening_end(struct client *client);

/* ---- keepsake.c ---- */

/* The TLS session and the token that a client has kept; empty: none. Good until it keeps another. */
struct view keepsake_session(const struct client *client);
struct view keepsake_token(const struct client *client);
/* Keep what a finished handshake, and what WELCOME brought. */
void keepsake_take_session(struct gen *gen, struct client *client, const struct tls_shake *shake);
void keepsake_take_token(struct gen *gen, struct client *client, struct view token);

/* ---- comeback.c ---- */

/* How the way to the relay is, some hundred times a second. False: it must not be so. */
bool comeback_link(struct gen *gen, bool up);
/* Begin anew, once the relay is there. */
void comeback_turn(struct gen *gen);
/* A session is open (again). */
void comeback_opened(struct gen *gen, struct client *client);

/* ---- client.c ---- */

/* Bytes from TCP, in the packet or the receive queue. */
void client_receive(struct gen *gen, struct client *client, struct view in_packet);
/* The same for what lies in the receive queue. */
void client_go_on(struct gen *gen, struct client *client);
/* Append one WebSocket message to the gathered plaintext at *at; false when it does not fit. */
bool client_message(struct gen *gen, size_t *at, struct view head, struct view payload);
/* Seal gathered plaintext and hand it to TCP. */
bool client_write(struct gen *gen, struct client *client, size_t len);
/* Something is to be sent at the end of the turn. */
void client_mark(struct gen *gen, struct client *client);
/* Say goodbye: close frame, close_notify, FIN. */
void client_close(struct gen *gen, struct client *client);
/* A client without a connection is as at first, but for what it keeps. */
void client_reset(struct client *client);
/* The connection is over. */
void client_gone(struct gen *gen, struct client *client, enum wax_status why);

/* ---- payload.c ---- */

/* Numbers that follow from a number, and look random. */
uint64_t payload_mixed(uint64_t value);
/* What a sender (an index) puts into its message `number`: `len` bytes, at least GEN_PAYLOAD_LEAST. */
void payload_write(uint8_t *payload, uint32_t len, uint32_t sender, uint32_t number);
/* Whether it is that. */
bool payload_good(struct view payload, uint32_t sender, uint32_t number);

/* ---- ledger.c ---- */

/* The place of a client among those that exchange messages, GEN_NOBODY for one that idles. */
uint32_t ledger_place(const struct gen *gen, uint32_t index);
/* The way back: the index of the one at a place. */
uint32_t ledger_index(const struct gen *gen, uint32_t place);
/* To whom (an index) a client's message `number` goes. */
uint32_t ledger_recipient(const struct gen *gen, const struct client *client, uint32_t number);
/* A DELIVER, and an entry of a STATUS. */
void ledger_deliver(struct gen *gen, struct client *client, struct view frame);
void ledger_answer(struct gen *gen, struct client *client, const struct frame_status_entry *entry);

/* A message is here for the second time: an error, unless the relay says that it may be. */
void ledger_again(struct gen *gen, const struct client *client, const struct frame_deliver *d);
/* A message has had its whole cycle. */
void ledger_complete(struct gen *gen, const struct message *message);

/* ---- group.c ---- */

/* Groups of a step, when it has any. False: no memory. */
bool group_begin(struct gen *gen);
/* The client's next message, to all of its group. Returns its length, 0: it does not fit. */
size_t group_frame(struct gen *gen, const struct client *client, struct span out);
/* A sound DELIVER of message `number` of `from`. */
void group_deliver(struct gen *gen, struct client *client, struct client *from, uint32_t number,
                   const struct frame_deliver *d);
/* An answer to message `number`. False when it makes no sense. */
bool group_answer(struct gen *gen, struct client *client, const struct frame_status_entry *entry,
                  uint32_t number);

/* ---- traffic.c ---- */

/* All sessions are open: share out the messages. */
void traffic_begin(struct gen *gen);
/* A frame of the relay's to an open session. */
void traffic_frame(struct gen *gen, struct client *client, struct view frame);
/* With a rate: let clients send in turn what has become due. */
void traffic_pace(struct gen *gen);
/* Send what the window allows, and acknowledge what came. */
void traffic_flush(struct gen *gen, struct client *client);
/* Every message has had its whole cycle. */
bool traffic_done(const struct gen *gen);

/* ---- steps.c ---- */

/* The next step: forget the messages of the last one, and begin those of the options. */
void steps_begin(struct gen *gen);
/* A step is over: report it, and wait for the next command. */
void steps_end(struct gen *gen);
/* The profile's next step, when it has any; after its last one, the end. */
void steps_next(struct gen *gen);
/* A line of commands (options of traffic, or "end"); answers on standard output. */
void steps_command(struct gen *gen, char *line);

/* ---- limits.c ---- */

/* Judge a step by what was asked for; what is short of it is said, and noted. */
void limits_judge(struct gen *gen);

/* ---- csv.c ---- */

/* The file of --csv with its first line; false when it can't be written. */
bool csv_begin(struct gen *gen);
/* A second of traffic has passed: a line about it. */
void csv_line(struct gen *gen);

/* ---- search.c ---- */

/* The first trial, without a rate. */
void search_begin(struct gen *gen);
/* A trial is over. True when another has begun. */
bool search_goes_on(struct gen *gen);

/* ---- storm.c ---- */

/* Whether a client is one of those that come and go. */
bool storm_has(const struct gen *gen, const struct client *client);
/* Let some begin, or begin anew. */
void storm_turn(struct gen *gen);
/*
 * Whether what comes for it is left in the receive queue until it is its turn: a handshake takes long, and
 * those that relay must not wait for many of them.
 */
bool storm_defers(const struct gen *gen, const struct client *client);
/* It has something to do in a turn of its own. */
void storm_later(struct gen *gen, struct client *client);
/* One of them has its session: it says goodbye. */
void storm_opened(struct gen *gen, struct client *client);
/* All of them end at once. */
void storm_end(struct gen *gen);

/* ---- report.c ---- */

/* A line of progress on standard error, once a second. */
void report_progress(struct gen *gen);
/* The sums on standard output, and as JSON. False when the file can't be written. */
bool report_end(const struct gen *gen);
/* The sums as an object of JSON, whose last line is "}" alone. */
void report_json(FILE *file, const struct gen *gen);
/* Note a latency. */
void report_latency(struct gen_counts *counts, uint32_t us);
/* The value, within 1.6 % above, that `part` in a million of the latencies don't exceed; 0 without any. */
uint64_t report_latency_at(const struct gen_counts *counts, uint64_t part);

#endif
