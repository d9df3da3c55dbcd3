/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A scripted relay behind a real TLS 1.3 (OpenSSL) or plain listener on loopback, in a thread: welcomes
 * whoever proves itself and answers each SEND with ACCEPTED.
 */
#ifndef TEST_TLS_SERVER_H
#define TEST_TLS_SERVER_H

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>

#include "scripted_relay.h"

struct tls_server {
    /* What to do; set before tls_server_start. */
    bool plain;
    bool only_tls12;
    uint32_t cut_after_sends; /* end the first connection, with no answer, after so many SENDs; 0: never */
    uint8_t error_after_send; /* a fatal ERROR and close after the first SEND; 0: none */

    /* What happened. */
    _Atomic uint32_t connections, proofs_good, proofs_bound, sends, resumed;
    uint64_t ids[1024]; /* of SENDs in the order they came */

    uint16_t port;
    char folder[64], ca_file[96];
    int listener;
    SSL_CTX *context;
    pthread_t thread;
    struct scripted_relay relay;
};

/*
 * Makes an authority (server->ca_file) and a certificate for relay.test and 127.0.0.1, and begins to serve.
 */
void tls_server_start(struct tls_server *server);
void tls_server_stop(struct tls_server *server);

#endif
