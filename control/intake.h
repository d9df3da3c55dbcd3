/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The control plane's end of the channel: the socket on which the data plane is waited for,
 * its attachment, and what it asks for, handed to the directory, the mailboxes and the
 * session table.
 */
#ifndef CONTROL_INTAKE_H
#define CONTROL_INTAKE_H

#include "directory.h"
#include "loop.h"
#include "mailbox.h"
#include "media.h"
#include "quota.h"
#include "session_table.h"
#include "ticket_keys.h"
#include "token_keys.h"
#include "wake.h"
#include "waxwire/journal.h"

struct intake;

struct intake_config {
    struct loop *loop;
    struct journal *journal;
    struct directory *directory;
    struct session_table *sessions;
    const char *socket; /* path; an old socket there is replaced */
    struct quota quota; /* of an account's mailboxes */
};

/* What there is to tell of the data plane. */
struct intake_view {
    bool attached;
    int32_t pid;
    uint64_t epoch;
    uint32_t workers;
    uint64_t since_ms;
    uint64_t attachments; /* since the start */
    uint64_t refused;
    uint64_t logins;
    uint64_t records;          /* taken from rings */
    uint64_t requests;         /* of sessions: keys, devices, blocks */
    uint64_t requests_refused; /* with ERROR 131 */
    uint64_t keys_asked;       /* KEYS_GETs */
    uint64_t keys_given;       /* one-time keys */
    uint64_t keys_withheld;    /* KEYS_GETs that were given bundles alone, for too many were asked for */
    struct quota quota;
    uint64_t mailbox_full;     /* messages refused with REJECTED 5 */
    uint64_t reads_refused;    /* READs that policy or quota kept out of a mailbox, or of nobody's */
    uint64_t receipts_refused; /* other receipts, for a device that is no more */
};

/* Makes an intake that does not listen yet; NULL without memory. intake_free takes it back, closed. */
struct intake *intake_new(const struct intake_config *config);
void intake_free(struct intake *intake);

/* The port that the mailboxes speak through; `ready` and `failed` are the caller's to fill. */
struct mailbox_port intake_port(struct intake *intake);

/* The port that media speak through; and who takes their records, before intake_listen. */
struct media_port intake_media_port(struct intake *intake);
void intake_media(struct intake *intake, struct media *media);

/* Who is told of devices that have something waiting (NULL: nobody); stays the caller's. */
void intake_wakes(struct intake *intake, struct wake *wake);

/* Begin to listen, when everything else is ready. OK, or EXISTS/STORE_IO with errno. */
enum wax_status intake_listen(struct intake *intake, struct mailboxes *mailboxes);

/*
 * The end is near: let the data plane ask nothing more, and, once it has heard that, tell whether all that it
 * asked is answered and read. Turns go on meanwhile.
 */
void intake_leave(struct intake *intake);
bool intake_left(struct intake *intake);

/* Let the data plane go, and listen no more. */
void intake_close(struct intake *intake);

/* Take a burst from every ring. Returns whether there may be more at once. */
bool intake_turn(struct intake *intake, uint64_t now_ms);

/* How long to nap, in microseconds, before looking again without having slept (nap.h); 0: sleep. */
uint32_t intake_nap_us(struct intake *intake);

/*
 * About to sleep: tell the data plane, and look at the rings once more. Returns false when
 * there is something to do. `*short_sleep` is set when answers wait for room.
 */
bool intake_sleep(struct intake *intake, bool *short_sleep);
/* The sleep is over: the data plane need not kick. */
void intake_wake(struct intake *intake);

/* The keys of session tickets, now and whenever they change: sent to each data plane. They stay the caller's.
 */
void intake_tickets(struct intake *intake, const struct ticket_keys *keys);

/* The same for the keys of tokens, and what is revoked. Call again when they have changed. */
void intake_tokens(struct intake *intake, struct token_keys *keys);

/* An order of an operator that waits for its end. */
struct intake_order {
    /* Called once: what became of it, and words for the operator. */
    void (*done)(struct intake_order *order, enum wax_status status, const char *text);
    const char *code;           /* of an invite that was made, within `done`; else NULL */
    struct intake_order **held; /* the intake's */
};

/* Let the data plane read its certificates anew. One that still waits is answered with EXISTS. */
void intake_reload(struct intake *intake, struct intake_order *order);
/* Nobody waits for it any more: `done` will not be called. What was begun goes on. */
void intake_forget(struct intake_order *order);

/*
 * Suspend an account, or let it in again; delete it with all that is its own. Answered with OK when that is
 * durable, its tokens are dead and its sessions told to end; with NOT_FOUND when there is no such account.
 */
void intake_suspend(struct intake *intake, const uint8_t user[WAX_USER_BYTES], bool suspended,
                    struct intake_order *order);
void intake_delete(struct intake *intake, const uint8_t user[WAX_USER_BYTES], struct intake_order *order);

/* Make an invite for so many accounts (1 to WAX_INVITE_USES_MAX), which ends after so long (0: never). */
void intake_invite(struct intake *intake, uint32_t uses, uint32_t life_s, struct intake_order *order);
/* Take one back. */
void intake_revoke_invite(struct intake *intake, uint32_t id, struct intake_order *order);

/*
 * Somebody who traces connections. The owner fills the match and the functions, and keeps it from
 * intake_trace_begin to intake_trace_end, which `event` and `answered` may call.
 */
struct intake_trace {
    struct trace_match match;
    /* Something happened; `wall_us` is when the event's clock was 0. */
    void (*event)(struct intake_trace *trace, uint32_t worker, const struct trace_event *event,
                  uint64_t wall_us);
    /* A worker traces from now on (OK), or why it does not. */
    void (*answered)(struct intake_trace *trace, uint32_t worker, enum wax_status status);
    uint64_t tag; /* the intake's */
};

/*
 * Begin to trace, on every worker, also those of a data plane that attaches later; false when WAX_TRACES_MAX
 * others do already. The end takes it off again.
 */
bool intake_trace_begin(struct intake *intake, struct intake_trace *trace);
void intake_trace_end(struct intake *intake, struct intake_trace *trace);

/* End the sessions of a user, or of one device of it (0: all), and tell why. Returns how many there were. */
uint32_t intake_close_sessions(struct intake *intake, const uint8_t user[WAX_USER_BYTES], uint16_t device,
                               enum wax_status why);

/* What of a mailbox counts for a quota. */
struct quota_usage intake_usage(const struct mailbox_usage *usage);

/* End one session of the table, while a data plane is attached, and tell why. */
void intake_close_session(struct intake *intake, const struct channel_session_open *session,
                          enum wax_status why);

/*
 * Let the data plane end all its connections, spread over a time, and take no new ones; or call that off.
 * False when none is attached.
 */
bool intake_vacate(struct intake *intake, uint32_t over_ms);
bool intake_vacate_cancel(struct intake *intake);

/* What there is to tell an operator; `view` is filled. */
void intake_look(const struct intake *intake, struct intake_view *view);
/* The metrics page of a worker, or NULL. */
const struct wax_metrics *intake_metrics(const struct intake *intake, uint32_t worker);

#endif
