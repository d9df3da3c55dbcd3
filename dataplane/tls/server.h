/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A server's side of the handshake: certificates chosen by name (SNI) and kind of key, ALPN, certificates of
 * clients, session tickets. Everything comes as bytes; files are the caller's.
 */
#ifndef WAXWIRE_TLS_SERVER_H
#define WAXWIRE_TLS_SERVER_H

#include "tls/handshake.h"
#include "tls/tickets.h"

#define TLS_REASON_BYTES 320u
#define TLS_NAMES_BYTES  256u

/* The protocol that is spoken (RFC 7301), the only one that ALPN may choose. */
#define TLS_ALPN "http/1.1"

enum tls_client_auth { TLS_CLIENT_OFF, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

/* A certificate chain (the server's own first) and its private key, as PEM. */
struct tls_identity {
    struct view chain, key;
    const char *name; /* what to call it in a reason: the file */
};

struct tls_server_settings {
    const struct tls_identity *identity; /* the first serves clients that name no host, or one of no one's */
    uint32_t identities;                 /* 1 to WAX_CERTIFICATES_MAX */
    enum tls_client_auth client_auth;
    struct view client_ca; /* PEM of the roots of clients' certificates, unless OFF */
    unsigned tickets;      /* after a full handshake, 0 to WAX_TICKETS_MAX; 0: no session is resumed */
    struct tls_tickets *ticket_keys; /* shared by all contexts, outlives them; NULL: keys of its own */
};

/* Why something was refused, for people; always terminated. */
struct tls_reason {
    char text[TLS_REASON_BYTES];
};

/* What a certificate says of itself, for people. */
struct tls_identity_view {
    char names[TLS_NAMES_BYTES]; /* its DNS names and addresses, "a.example, *.b.example, …" when cut */
    char kind[16];               /* "ECDSA P-256", "Ed25519", "RSA 2048" */
    int64_t from_s, until_s;     /* since 1970 */
};

/*
 * Makes a server's context. Refused are: what is no PEM; a key that is not the certificate's; RSA below 2,048
 * bits, and kinds of keys other than RSA, Ed25519 and ECDSA with P-256, P-384 or P-521; a certificate that
 * may not sign or not serve (RFC 8446 4.4.2.2); signatures of SHA-1 or MD5 in the chain; two certificates of
 * one kind for the same names. WAX_OK, or WAX_TLS_CERTIFICATE, WAX_TLS_SUITE, WAX_NO_MEMORY with the reason.
 */
enum wax_status tls_server_create(struct tls_context **out, const struct tls_server_settings *settings,
                                  struct tls_reason *reason);

/*
 * What the first certificate of a chain says. False and the reason when there is none.
 */
bool tls_identity_look(const struct tls_identity *identity, struct tls_identity_view *view,
                       struct tls_reason *reason);

/*
 * The groups that are offered, in the order of preference, for the log: "X25519MLKEM768:X25519:P-256:P-384",
 * or without the first where the installed OpenSSL has not got it (before 3.5).
 */
const char *tls_groups(void);

#endif
