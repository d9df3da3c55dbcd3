/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the files of the handshake share. Private to tls/.
 */
#ifndef WAXWIRE_TLS_CONTEXT_H
#define WAXWIRE_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "tls/handshake.h"
#include "tls/server.h"

/* Certificates for the same names, one of each kind of key. */
struct site {
    SSL_CTX *ssl_ctx;
    X509 *leaf; /* that its names are read from; owned by ssl_ctx */
    uint32_t kinds;
};

struct tls_context {
    bool client;
    _Atomic uint32_t users; /* the owner, and each handshake under way */
    SSL_CTX *ssl_ctx;       /* of a client; of a server the first site's */
    struct tls_tickets *tickets;
    bool own_tickets;
    uint32_t sites;
    struct site site[WAX_CERTIFICATES_MAX];
};

/* One more user of a context; tls_context_free takes it back. */
void context_hold(struct tls_context *ctx);

/* The context of a handshake, NULL outside of one. */
const struct tls_context *context_of(const SSL *ssl);

/* An SSL_CTX with our version, suites and groups; NULL when OpenSSL has not got them. */
SSL_CTX *context_ssl_new(bool client);

/* Where an SSL object keeps its struct tls_shake. */
int context_shake_index(void);

/* The key log has told a traffic secret of the application's data. */
void shake_secret(struct tls_shake *shake, bool of_client, struct view secret);

/* The context that a handshake was begun with. */
const struct tls_context *shake_context(const struct tls_shake *shake);

/*
 * Puts a certificate chain and its key into an SSL_CTX. *leaf is the SSL_CTX's own. WAX_OK, or
 * WAX_TLS_CERTIFICATE and the reason.
 */
enum wax_status identity_use(SSL_CTX *ssl_ctx, const struct tls_identity *identity, X509 **leaf,
                             struct tls_reason *reason);

/* Reads the first certificate of a PEM text; NULL and the reason when there is none. The caller's to free. */
X509 *identity_leaf(const struct tls_identity *identity, struct tls_reason *reason);

/* Writes a reason, and empties OpenSSL's list of errors. Returns WAX_TLS_CERTIFICATE. */
enum wax_status reason_say(struct tls_reason *reason, const char *name, const char *text);

/* OpenSSL's question for a ticket's keys (tickets.c). */
int tickets_ask(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                int seal);

#endif
