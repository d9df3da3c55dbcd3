/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WAXWIRE_TESTS_TLS_CERTIFICATE_H
#define WAXWIRE_TESTS_TLS_CERTIFICATE_H

#include "tls/server.h"

/* What a certificate shall be; what is not said is as in certificate(). */
struct certificate_wish {
    const char *kind;     /* "P-256" and other curves, "Ed25519", "RSA 2048" */
    const char *names;    /* of the extension: "DNS:relay.example,IP:198.18.0.1" */
    const char *usage;    /* keyUsage, "digitalSignature" */
    const char *extended; /* extendedKeyUsage, "serverAuth" */
    const char *ca;       /* basicConstraints, "critical,CA:TRUE" */
    const char *digest;   /* "SHA256" */
    const char *passphrase;
    const struct test_identity *issuer; /* NULL: signed by itself */
    long from_s, until_s;               /* from now; both 0: an hour ago to tomorrow */
};

/* A certificate and its key as PEM. */
struct test_identity {
    char chain[8192], key[8192];
};

/*
 * Makes a certificate and a key. Aborts when it can't.
 */
void certificate_make(struct test_identity *out, const struct certificate_wish *wish);

/* The same as the server takes it. */
struct tls_identity certificate_identity(const struct test_identity *identity);

/*
 * A server's context with the certificate of certificate(), and so many tickets. Aborts when it can't.
 */
struct tls_context *certificate_context(unsigned tickets);

/* Paths of a fresh self-signed certificate for `relay.example` and 198.18.0.1, and of its key. */
struct test_certificate {
    char cert[64], key[64];
    struct test_identity identity;
};

/*
 * Makes the files at the first call, in a directory of their own under /tmp. Aborts when it can't.
 */
const struct test_certificate *certificate(void);

/*
 * Removes them.
 */
void certificate_remove(void);

#endif
