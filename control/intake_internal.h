/* SPDX-License-Identifier: BSD-3-Clause */
/* What the intake's files share: intake.c takes requests, intake_attach.c attaches and lets go. */
#ifndef CONTROL_INTAKE_INTERNAL_H
#define CONTROL_INTAKE_INTERNAL_H

#include "allowance.h"
#include "attachment.h"
#include "checker.h"
#include "intake.h"
#include "waxwire/request.h"

/* A connection on the control socket: first a caller, then, perhaps, the data plane. */
struct caller {
    struct loop_op op;
    struct intake *intake;
    int fd;
    bool closing; /* it is freed when its poll has ended */
};

#define REJECTED_NAMES_MAX 16u

/* Mailboxes into which a store was rejected for good, while the worker has not read that. */
struct rejected {
    uint32_t count;
    bool more; /* than are here: any */
    struct device_name name[REJECTED_NAMES_MAX];
};

#define REQUEST_BYTES_MAX (64u << 20) /* of requests under way, all workers together */

#define ALLOWANCES 65536u /* users whose allowances are remembered */

enum allowance_purpose { ALLOWANCE_REQUEST, ALLOWANCE_TAKE_BY, ALLOWANCE_TAKE_OF };

/* A request of a session under way; request_answer and its kin end it. */
struct request {
    struct intake *intake;
    uint32_t attachment; /* intake.serial when it came: another data plane is not answered */
    uint32_t worker;
    uint64_t tag;
    uint32_t slot, slot_serial;
    struct device_name name; /* whose session */
    uint32_t number;         /* the client's */
    uint32_t frame_bytes;
    uint8_t frame[];
};

struct intake {
    struct loop *loop;
    struct journal *journal;
    struct directory *directory;
    struct session_table *sessions;
    struct mailboxes *mailboxes;
    struct media *media;
    struct quota quota;
    char path[108];
    int listener;
    struct loop_op listener_op;
    struct caller *caller; /* that offers, or has attached */
    struct attachment *attachment;
    struct attachment *offered; /* waits for its epoch */
    struct channel_offer offer;
    int kick; /* the data plane's eventfd */
    struct kick {
        struct loop_op op;
        int fd;
        struct loop *loop;
    } * kick_op;
    const struct ticket_keys *ticket_keys;
    struct token_keys *token_keys;
    struct intake_order *order; /* that waits for its report */
    uint64_t order_tag;
    uint32_t serial;  /* of the attachment: old logins are not answered to a new one */
    uint32_t naps;    /* since the last record */
    uint64_t blocked; /* workers whose oldest record finds no room in the store now */
    uint64_t now_ms;
    uint64_t quiet_ms; /* at the end: since when nothing is owed to the data plane, 0: something is */
    struct checker *checker;
    struct allowances *allowances;
    struct policing *policings; /* whose policies homes have not confirmed */
    uint32_t policies_now;      /* not confirmed */
    struct eviction *evictions; /* of devices that are no more */
    uint64_t evict_ms;          /* when to look at them */
    struct login *logins;       /* that wait for their ends */
    uint64_t policy_tag;        /* the last one given */
    uint32_t requests_now;
    uint64_t request_bytes; /* of those under way */
    struct intake_view view;
    struct rejected rejected[WAX_WORKERS_MAX];
    struct wake *wake;                           /* NULL: nobody is woken */
    struct departures *departures;               /* NULL: none yet */
    struct intake_trace *traces[WAX_TRACES_MAX]; /* NULL: free */
    uint64_t trace_tag;                          /* last one given */
};

/* ---- intake_request.c ---- */

/* Take a request; CHANNEL_CORRUPT when no worker should have let it through. */
enum wax_status intake_take_request(struct intake *intake, uint32_t worker,
                                    const struct channel_request *record);

/* Answer with a frame, with ERROR, or with OK. The request is freed. */
void request_answer(struct request *request, struct view frame);
void request_error(struct request *request, uint8_t code, const char *text);
void request_ok(struct request *request);

/* ---- intake_store.c ---- */

/* Have a message stored, or a receipt, or refuse it. FULL: not now, its record stays. */
enum wax_status intake_take_store(struct intake *intake, uint32_t worker,
                                  const struct channel_store *request);
enum wax_status intake_take_receipt(struct intake *intake, uint32_t worker,
                                    const struct channel_store_receipt *request);

/* ---- intake_keys.c ---- */

/* Deal with KEYS_PUT and with KEYS_GET. */
void intake_take_keys_put(struct request *request, const struct wire_keys_put *put);
void intake_take_keys_get(struct request *request, const struct wire_keys_get *get);

/* ---- intake_device.c ---- */

/* Deal with DEVICE's removals; device 0: delete the account. */
void intake_take_removal(struct request *request, uint16_t device);
/* A device is marked as removed: have its mailbox emptied, then erase it. */
void intake_evict(struct intake *intake, const uint8_t user[WAX_USER_BYTES], uint16_t device, uint8_t reason);
/* Once in each turn: go on with those; true when those who wait for them should look again. */
bool intake_evict_turn(struct intake *intake);
void intake_evictions_free(struct intake *intake);
/* At the start: have erased what was marked before. */
void intake_evict_unfinished(struct intake *intake);

/* ---- intake_operate.c ---- */

/* An operation keeps an order in `holder`, which becomes NULL when nobody waits for it any more. */
void intake_hold(struct intake_order **holder, struct intake_order *order);
/* It has ended: answer the order, unless it is NULL. */
void intake_operated(struct intake_order *order, enum wax_status status, const char *text);
/* The tokens of a device (0: all of the user) that were given up to now are dead. */
void intake_revoke(struct intake *intake, const uint8_t user[WAX_USER_BYTES], uint16_t device);

/* ---- intake_policy.c ---- */

/* Deal with BLOCK. */
void intake_take_block(struct request *request, const struct wire_block *block);
/* A home obeys a policy. */
void intake_policed(struct intake *intake, uint64_t tag);
/* The data plane has gone: no home will say so. */
void intake_policies_lost(struct intake *intake);
/* Tell the home of a session the policy of its account; with a tag it is confirmed. */
void intake_send_policy(struct intake *intake, const struct channel_session_open *session, uint32_t home,
                        uint64_t tag);

/* ---- intake_session.c ---- */

/* Tell a session that its device has so few one-time keys left. */
void intake_keys_low(struct intake *intake, const struct channel_session_open *session, uint32_t left);

/* A session is announced by its home. FULL: not now, its record stays. */
enum wax_status intake_session_opened(struct intake *intake, uint32_t home,
                                      const struct channel_session_open *open);

/* ---- intake_wake.c ---- */

/* A message is stored; `first`: none was waiting in that mailbox. */
void intake_wake_stored(struct intake *intake, const struct channel_store *store, bool first);
/* An urgent one that is not stored found no session. */
void intake_wake_called(struct intake *intake, const struct channel_wake *call);
/* A device has a session; its session has ended; and, once in each turn, what comes of those ends. */
void intake_wake_came(struct intake *intake, const struct channel_session_open *open);
void intake_wake_gone(struct intake *intake, const struct device_name *name);
void intake_wake_turn(struct intake *intake);

/* A new data plane is asked for every trace that is on (intake_trace.c). */
void intake_traces_again(struct intake *intake);
/* What a worker has traced. */
void intake_take_traced(struct intake *intake, uint32_t worker, const struct channel_traced *traced);

/* Let the data plane go, whether it is attached or only offers; `why` is for the journal. */
void intake_detach(struct intake *intake, const char *why);

/* ---- intake_order.c ---- */

/* Send the keys of session tickets to the one that has just attached. */
void intake_send_keys(struct intake *intake);

/* The same with the keys of tokens. */
void intake_send_tokens(struct intake *intake);
/* Take the reports that have come on the socket. False when one makes no sense, or no more will come. */
bool intake_take_report(struct intake *intake);
/* The data plane has gone: no report will come. */
void intake_order_lost(struct intake *intake);

#endif
