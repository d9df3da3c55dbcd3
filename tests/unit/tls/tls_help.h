/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of this layer share. */
#ifndef WAXWIRE_TESTS_TLS_HELP_H
#define WAXWIRE_TESTS_TLS_HELP_H

#include <criterion/criterion.h>
#include <stdio.h>

#include "tls/record.h"

/* Alerts (RFC 8446 6). */
enum {
    UNEXPECTED_MESSAGE = 10,
    BAD_RECORD_MAC = 20,
    RECORD_OVERFLOW = 22,
    HANDSHAKE_FAILURE = 40,
    ILLEGAL_PARAMETER = 47,
    DECODE_ERROR = 50,
    DECRYPT_ERROR = 51,
    PROTOCOL_VERSION = 70,
    MISSING_EXTENSION = 109,
    NO_APPLICATION_PROTOCOL = 120
};

/* Reads hexadecimal digits, spaces between bytes allowed; returns the number of bytes. */
static inline size_t unhex(const char *hex, uint8_t *out)
{
    size_t n = 0;
    for (; *hex != 0; hex++) {
        if (*hex == ' ')
            continue;
        cr_assert_eq(sscanf(hex, "%2hhx", &out[n++]), 1);
        hex++;
    }
    return n;
}

#define assert_hex(bytes, hex)                                                                               \
    do {                                                                                                     \
        uint8_t expected_[1024];                                                                             \
        size_t len_ = unhex(hex, expected_);                                                                 \
        cr_assert_eq(memcmp(bytes, expected_, len_), 0, "%s differs from %s", #bytes, hex);                  \
    } while (0)

/* A server's and a client's state with the same secrets, as after a handshake. */
static inline void pair_init(struct tls_state *server, struct tls_state *client, uint16_t suite)
{
    struct tls_shake_result one = {.suite = suite}, two = {.suite = suite, .client = 1};
    for (size_t i = 0; i < TLS_SECRET_BYTES_MAX; i++) {
        one.rx_secret[i] = two.tx_secret[i] = (uint8_t)(i * 5 + 1);
        one.tx_secret[i] = two.rx_secret[i] = (uint8_t)(i * 7 + 2);
    }
    cr_assert_eq(crypto_init(), WAX_OK);
    cr_assert_eq(tls_state_init(server, &one), WAX_OK);
    cr_assert_eq(tls_state_init(client, &two), WAX_OK);
}

#endif
