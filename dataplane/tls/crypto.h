/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Record protection (AEAD, RFC 5116) behind one small table of functions, so that each
 * machine uses the fastest code it has. Keys are raw bytes: a backend expands them for each
 * use, because a million connections with expanded keys would cost gigabytes.
 */
#ifndef WAXWIRE_TLS_CRYPTO_H
#define WAXWIRE_TLS_CRYPTO_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

#define TLS_KEY_BYTES_MAX    32u
#define TLS_IV_BYTES         12u
#define TLS_SECRET_BYTES_MAX 48u

/* Cipher suites of TLS 1.3 (RFC 8446 B.4). */
#define TLS_AES_128_GCM_SHA256       0x1301u
#define TLS_AES_256_GCM_SHA384       0x1302u
#define TLS_CHACHA20_POLY1305_SHA256 0x1303u

struct aead {
    const char *name; /* backend and algorithm, for people: "ipsec-mb aes-128-gcm" */
    uint16_t suite;
    uint8_t key_bytes;
    uint8_t secret_bytes; /* of the suite's hash: 32 (SHA-256) or 48 (SHA-384) */
    uint64_t records_max; /* how many records one key may protect (RFC 8446 5.5) */

    /* True when this machine can run the backend. */
    bool (*available)(void);

    /*
     * Encrypts `plain` under the 12-byte nonce `iv` and authenticates it with `aad`: writes plain.len + 16
     * bytes (the tag is last) to `out`, which must have that room and may begin where `plain` begins.
     */
    void (*seal)(const uint8_t *key, const uint8_t *iv, struct view aad, struct view plain, struct span out);

    /*
     * The reverse: `sealed` ends with the tag and is at least 16 bytes long; writes sealed.len - 16 bytes to
     * `out`, which may begin where `sealed` begins. False when the tag is wrong: `out` then holds nothing of
     * use and must not be read. The tag is compared in constant time.
     */
    bool (*open)(const uint8_t *key, const uint8_t *iv, struct view aad, struct view sealed, struct span out);
};

/*
 * Prepares the libraries behind the backends. Call once when the program starts, before anything else of
 * this layer; calling it again is harmless. WAX_OK, or WAX_TLS_SUITE when no backend can run.
 */
enum wax_status crypto_init(void);

/*
 * Whether the CPU has instructions for AES and its GCM: then AES-128-GCM is the cheapest suite.
 */
bool crypto_has_aes(void);

/*
 * The fastest backend on this machine for a cipher suite, or NULL when there is none. Thread-safe.
 */
const struct aead *aead_for_suite(uint16_t suite);

/*
 * Every backend in the build, available or not, by index from 0; NULL past the end. For tests and doctors.
 */
const struct aead *aead_at(size_t index);

#endif
