/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Certificates and ticket keys of the data plane: read from files, handed to the handshake threads, and
 * changed while they run. Orders come on the channel's thread, which may wait for a disk; no worker notices.
 */
#ifndef WORKER_CERTIFICATES_H
#define WORKER_CERTIFICATES_H

#include "tls/server.h"
#include "worker/worker.h"

/*
 * A context for each handshake thread, into `contexts` (left NULL where no listener uses TLS). False after
 * saying in the journal what is wrong with a file.
 */
bool certificates_start(struct plane *plane, struct tls_context **contexts);

/*
 * Reads the files of the configuration again, takes what their `tls` section says, reads its certificates,
 * and gives every handshake thread a new context. When anything is wrong all stays as it was. WAX_OK with a
 * text of what is served now, and how many of them have expired, or CONFIG_… or TLS_CERTIFICATE with the
 * reason.
 */
enum wax_status certificates_reload(struct plane *plane, char *text, size_t room);

/* An order of the control plane (struct channel_link). */
void certificates_order(void *ctx, const struct channel_order *order, struct channel_report *report);

/* The set of ticket keys, with a key of our own until the control plane sends its. False without memory. */
bool tickets_start(struct plane *plane);

/*
 * Now and then, from one thread: wipes keys whose day is over, and makes one of our own when the control
 * plane has been away for so long that the current one is twice as old as it may be.
 */
void tickets_turn(struct plane *plane);

/* Takes the control plane's keys. */
void tickets_take(struct plane *plane, const struct wax_ticket_key *keys, uint32_t count);

#endif
