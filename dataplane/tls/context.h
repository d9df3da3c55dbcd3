/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What context.c and handshake.c share. Private to tls/.
 */
#ifndef WAXWIRE_TLS_CONTEXT_H
#define WAXWIRE_TLS_CONTEXT_H

#include <openssl/ssl.h>

#include "tls/handshake.h"

struct tls_context {
    SSL_CTX *ssl_ctx;
    bool client;
};

/* Where an SSL object keeps its struct tls_shake. */
int context_shake_index(void);

/* The key log has told a traffic secret of the application's data. */
void shake_secret(struct tls_shake *shake, bool of_client, struct view secret);

#endif
