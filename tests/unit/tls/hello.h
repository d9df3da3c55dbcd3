/* SPDX-License-Identifier: BSD-3-Clause */
/* A ClientHello taken apart, changed and put together again: for tests of what a server does with wrong ones.
 */
#ifndef WAXWIRE_TESTS_TLS_HELLO_H
#define WAXWIRE_TESTS_TLS_HELLO_H

#include <openssl/ssl.h>

#include "tls/handshake.h"
#include "tls_help.h"

enum { HELLO_EXTENSIONS = 32, HELLO_BYTES = 4096 };

/* Extensions by number (RFC 8446 4.2). */
enum {
    EXT_SERVER_NAME = 0,
    EXT_GROUPS = 10,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_PRE_SHARED_KEY = 41,
    EXT_EARLY_DATA = 42,
    EXT_VERSIONS = 43,
    EXT_COOKIE = 44,
    EXT_PSK_MODES = 45,
    EXT_KEY_SHARE = 51,
};

struct hello_part {
    uint8_t bytes[1200];
    size_t len;
};

struct hello {
    uint16_t version;
    uint8_t random[32];
    struct hello_part session_id, suites, compression; /* without their lengths */
    uint32_t count;
    uint16_t type[HELLO_EXTENSIONS];
    struct hello_part extension[HELLO_EXTENSIONS];
    struct hello_part behind; /* bytes behind the extensions */
    bool bare;                /* no extensions at all */
};

/* What a server said first. */
struct answer {
    enum wax_status status; /* of our handshake */
    int alert;              /* that came in clear, -1: none */
    bool server_hello, retry;
    struct hello hello; /* a ServerHello or HelloRetryRequest: one suite, one compression */
};

/* The ClientHello of an OpenSSL client that is at its beginning, and changed as far as the test wants. */
void hello_take(struct hello *hello, SSL *peer);

/* As a handshake message in one record. Returns its length. */
size_t hello_write(const struct hello *hello, uint8_t out[HELLO_BYTES]);

/* An extension's index, or -1. */
int hello_find(const struct hello *hello, uint16_t type);

/* Sets, adds (also a second time), and takes away. */
void hello_set(struct hello *hello, uint16_t type, const void *bytes, size_t len);
void hello_add(struct hello *hello, uint16_t type, const void *bytes, size_t len);
void hello_remove(struct hello *hello, uint16_t type);

/* What a server's handshake answers to bytes from the wire. */
struct answer answer_to(struct tls_shake *shake, const uint8_t *bytes, size_t len);

/* The same for a hello and a fresh handshake. */
struct answer answer_hello(struct tls_context *ctx, const struct hello *hello);

#endif
