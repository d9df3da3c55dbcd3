/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The part of TLS 1.3's key schedule that outlives the handshake: traffic secrets become
 * record keys, and KeyUpdate makes the next secret (RFC 8446 7.1-7.3). Allocates nothing.
 */
#ifndef WAXWIRE_TLS_KEYS_H
#define WAXWIRE_TLS_KEYS_H

#include "tls/crypto.h"

/*
 * What a finished handshake hands to the record layer. Plain bytes without pointers, so that
 * it can cross a ring between threads; wipe it (explicit_bzero) when the state is made of it.
 */
struct tls_shake_result {
    uint16_t suite;  /* TLS_AES_128_GCM_SHA256, … */
    uint8_t client;  /* 1: we are the client of this connection */
    uint8_t resumed; /* 1: a ticket was used */
    uint8_t reserved[4];
    uint64_t rx_seq; /* sequence number of the next record to open … */
    uint64_t tx_seq; /* … and to seal */
    uint8_t rx_secret[TLS_SECRET_BYTES_MAX];
    uint8_t tx_secret[TLS_SECRET_BYTES_MAX];
    uint8_t binding[WAX_BINDING_BYTES]; /* exporter EXPORTER-waxwire-v1, no context (RFC 8446 7.5) */
};

/*
 * HKDF-Expand-Label (RFC 8446 7.1) with the hash whose output is `secret.len` bytes: 32 (SHA-256) or
 * 48 (SHA-384). `label` without the "tls13 " prefix, at most 24 characters; context at most 64 bytes;
 * writes out.len bytes (at most 255).
 */
void tls_expand_label(struct view secret, const char *label, struct view context, struct span out);

/*
 * HKDF-Extract (RFC 5869 2.2): writes as many bytes as the hash has, `hash_bytes` (32 or 48), to `out`.
 */
void tls_extract(size_t hash_bytes, struct view salt, struct view ikm, uint8_t *out);

/*
 * The record key (aead->key_bytes) and IV (12 bytes) of a traffic secret (RFC 8446 7.3).
 */
void tls_traffic_keys(const struct aead *aead, const uint8_t *secret, uint8_t *key, uint8_t *iv);

/*
 * Replaces a traffic secret by the next one, "traffic upd" (RFC 8446 7.2).
 */
void tls_next_secret(const struct aead *aead, uint8_t *secret);

#endif
