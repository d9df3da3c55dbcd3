/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS 1.3 handshakes by OpenSSL over memory BIOs. They cost some 200 µs of CPU and allocate, so they run on
 * handshake threads, never on a worker. What remains of one is a struct tls_shake_result;
 * records are then ours (record.h).
 */
#ifndef WAXWIRE_TLS_HANDSHAKE_H
#define WAXWIRE_TLS_HANDSHAKE_H

#include "tls/keys.h"

struct tls_context; /* certificates and settings (a server's: server.h); shared by threads; immutable */
struct tls_shake;   /* one handshake under way; used by one thread at a time */

/* Room in `out` that takes any answer in one call with usual certificates. */
#define TLS_SHAKE_OUT_BYTES (18u << 10)
/* A peer may send at most so much before its handshake is finished. */
#define TLS_SHAKE_SERVER_BYTES_MAX (32u << 10)
#define TLS_SHAKE_CLIENT_BYTES_MAX (128u << 10)
/* A session to be resumed, as its client keeps it: secret, ticket, the server's certificate. */
#define TLS_SESSION_BYTES_MAX (8u << 10)

/*
 * A client's context. `ca_file` is a PEM file of trusted roots; NULL trusts any certificate (test rigs).
 */
enum wax_status tls_context_create_client(struct tls_context **out, const char *ca_file);

/*
 * Gives a context of either role back; NULL is allowed. Handshakes under way keep theirs until they end, so a
 * context can be replaced by another at any time.
 */
void tls_context_free(struct tls_context *ctx);

/*
 * Begins a handshake as the server; NULL without memory.
 */
struct tls_shake *tls_shake_new(struct tls_context *ctx);

/*
 * Begins a handshake as the client. `server_name` (SNI, and the name that the certificate must bear when
 * roots are given) may be NULL. Its first flight comes out of tls_shake_input with an empty `in`.
 */
struct tls_shake *tls_shake_new_client(struct tls_context *ctx, const char *server_name);

/*
 * Before a client's first flight: resumes an earlier session, of which `session` is what tls_shake_session
 * gave (RFC 8446 2.2). The server may take it or not: tls_shake_result.resumed tells. WAX_OK, or
 * WAX_BAD_ARGUMENT when it is none.
 */
enum wax_status tls_shake_resume(struct tls_shake *shake, struct view session);

/*
 * Before a client's first flight: it is finished only when a ticket has come too, so that tls_shake_session
 * has something to give. A server that gives none leaves it waiting.
 */
void tls_shake_want_ticket(struct tls_shake *shake);

/*
 * Of a finished client that wanted a ticket: the session as bytes, secrets in it. *len: how many; 0 when
 * there is nothing to resume, or `out` has too little room (TLS_SESSION_BYTES_MAX is enough with usual
 * certificates).
 */
void tls_shake_session(const struct tls_shake *shake, struct span out, size_t *len);

/*
 * Feeds received bytes and takes what must be sent. *consumed: bytes of `in` used; *out_len: bytes written to
 * `out` (which has at least 64 bytes of room), to be sent whatever is returned.
 *
 * WAX_MORE: call again when more has come, with what was not consumed before it (a record is taken whole or
 * not at all).
 *
 * WAX_FULL: `out` is full and there is more: call again at once with the rest of `in` and fresh room.
 *
 * WAX_OK: finished, *result is filled; what was not consumed are records for tls_input.
 *
 * WAX_TLS_HANDSHAKE, WAX_TLS_ALERT, WAX_TLS_RECORD_TYPE, _VERSION, _LENGTH, WAX_TLS_SUITE: it failed; `out`
 * holds the alert, if any; only tls_shake_free may follow.
 */
enum wax_status tls_shake_input(struct tls_shake *shake, struct view in, struct span out, size_t *consumed,
                                size_t *out_len, struct tls_shake_result *result);

/*
 * OpenSSL's reason for a failure, for logs ("no shared cipher"); "" when there is none.
 */
const char *tls_shake_reason(const struct tls_shake *shake);

void tls_shake_free(struct tls_shake *shake);

#endif
