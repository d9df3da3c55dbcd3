/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Wake-ups: the operator's push gateways are told which offline devices have something waiting, so that a
 * push service can wake them. An event has a user, a device, a time and whether it is urgent; never a
 * message. There are two kinds of gateways, each with a thread and a table (wake_table.h) of its own: one
 * that listens on a UNIX socket, and one that is asked over HTTP. What cannot be told is tried again, what
 * finds no room is dropped: the loss of an event costs its user time, never a message.
 */
#ifndef CONTROL_WAKE_H
#define CONTROL_WAKE_H

#include "wake_table.h"
#include "waxwire/journal.h"

#define WAKE_GATEWAYS_MAX     2u
#define WAKE_SOCKET_MS        5000u  /* in which a gateway must take a batch from its socket */
#define WAKE_CONNECT_MS       3000u  /* in which a webhook's connection must stand */
#define WAKE_WEBHOOK_MS       10000u /* and in which it must have answered */
#define WAKE_SOCKET_RETRY_MS  1000u  /* the longest time between attempts: they cost nothing here, */
#define WAKE_WEBHOOK_RETRY_MS 30000u /* and a server something */
#define WAKE_REASON_BYTES     160u
#define WAKE_LINE_BYTES       128u /* of an event as JSON, its newline included */
#define WAKE_BODY_BYTES       (WAKE_BATCH_MAX * WAKE_LINE_BYTES + 32u)

struct wake_config {
    const char *socket;         /* where a gateway listens; "": none */
    const char *webhook;        /* http:// or https://; "": none */
    const char *webhook_socket; /* a UNIX socket to reach it by; "": none */
    const char *webhook_ca;     /* file of the authorities that its certificate may be of; "": the system's */
    uint32_t interval_ms;       /* between two events of one device */
    struct journal *journal;
};

struct wake;

/* Start the gateways' threads. NULL when none is configured; ends the process when a thread can't be had. */
struct wake *wake_new(const struct wake_config *config);

/* End them; what waits is lost. Takes NULL, too. */
void wake_free(struct wake *wake);

/* Something waits for a device that is offline: tell every gateway. Never blocks; NULL: there is none. */
void wake_device(struct wake *wake, const struct device_name *name, bool urgent);

/* The device has come: nobody needs to be told any more. */
void wake_calm(struct wake *wake, const struct device_name *name);

/* What there is to tell of a gateway. */
struct wake_view {
    const char *kind;   /* "socket", "webhook" */
    const char *target; /* its path or URL */
    struct wake_counts counts;
    uint64_t failing_ms; /* for so long; 0: it does not fail */
    uint64_t retry_in_ms;
    char reason[WAKE_REASON_BYTES]; /* of the last failure */
};

/* How many gateways there are (NULL: 0), and what of the n-th; `view` is filled. */
uint32_t wake_gateways(const struct wake *wake);
void wake_look(struct wake *wake, uint32_t number, struct wake_view *view);

/* ---- between the gateways' files ---- */

enum wake_told { WAKE_TOLD, WAKE_REFUSED, WAKE_FAILED, WAKE_STOPPED };

/* How a gateway of one kind is spoken to; all on its thread. */
struct wake_kind {
    const char *name;
    uint32_t retry_ms_most;
    void *(*open)(const struct wake_config *config);
    void (*close)(void *peer);
    /* Tell it of events, as text; `stop` becomes readable when the thread is to end. `reason` is why not. */
    enum wake_told (*tell)(void *peer, const char *text, size_t len, int stop,
                           char reason[WAKE_REASON_BYTES]);
    /* Wait until `wake` is readable or the time (ms, negative: none) is over; notice when the gateway goes.
     */
    void (*rest)(void *peer, int wake, int timeout_ms);
    /* What stands before, between and behind events. */
    const char *first, *between, *last;
};

extern const struct wake_kind wake_socket, wake_webhook;

/* An event as JSON, without a newline; at most WAKE_LINE_BYTES with its NUL. `at_ms`: since 1970. */
size_t wake_text(const struct wake_event *event, uint64_t at_ms, char text[WAKE_LINE_BYTES]);

#endif
