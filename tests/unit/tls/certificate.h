/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef WAXWIRE_TESTS_TLS_CERTIFICATE_H
#define WAXWIRE_TESTS_TLS_CERTIFICATE_H

/* Paths of a fresh self-signed certificate for `relay.example` and 198.18.0.1, and of its key. */
struct test_certificate {
    char cert[64], key[64];
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
