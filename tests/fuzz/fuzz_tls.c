/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS records after a handshake. An input is flags (first byte: bit 0 we are the client, bits 1-2 the suite)
 * and operations: 0 raw bytes from the wire; 1 a record that the peer seals, of a type and padding of the
 * input's choice; 2 the same with a bit turned; 3 our KeyUpdate; 4 our data. Each has a length byte and its
 * bytes.
 */
#include <stdlib.h>

#include "tls/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static struct tls_state us;
static struct tls_dir peer_tx; /* what the peer seals with: follows our rx */

static void begin(uint8_t flags)
{
    static const uint16_t suites[] = {TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384,
                                      TLS_CHACHA20_POLY1305_SHA256, TLS_AES_128_GCM_SHA256};
    struct tls_shake_result r = {.suite = suites[flags >> 1 & 3], .client = flags & 1};
    memset(r.rx_secret, 1, sizeof r.rx_secret);
    memset(r.tx_secret, 2, sizeof r.tx_secret);
    check(crypto_init() == WAX_OK);
    check(tls_state_init(&us, &r) == WAX_OK);
}

/* Feeds bytes of exact size to our state until it wants more. */
static void give(const uint8_t *bytes, size_t len, uint64_t now_us)
{
    uint8_t *copy = malloc(len > 0 ? len : 1), out[TLS_OUT_BYTES];
    check(copy != NULL);
    memcpy(copy, bytes, len);
    size_t at = 0;
    enum wax_status status = WAX_OK;
    while (at < len && status == WAX_OK) {
        struct tls_event ev;
        uint16_t before = us.status;
        status = tls_input(&us, span_of(copy + at, len - at), span_of(out, sizeof out), now_us, &ev);
        check(ev.consumed <= len - at && ev.out_len <= sizeof out);
        check(status == WAX_MORE ? ev.consumed == 0 && ev.need > len - at : ev.consumed > 0);
        check(before == WAX_OK || (status == before && ev.out_len == 0));
        check(ev.data.len == 0 ||
              (status == WAX_OK && ev.data.data >= copy && ev.data.data + ev.data.len <= copy + len));
        at += ev.consumed;
    }
    free(copy);
}

/* A record with an inner plaintext of the input's making: content, type (its last byte) and zeros. */
static void give_sealed(const uint8_t *bytes, size_t len, size_t padding, int turned, uint64_t now_us)
{
    static uint8_t inner[1024], record[1024 + 64];
    uint8_t nonce[TLS_IV_BYTES];
    memset(inner, 0, sizeof inner);
    memcpy(inner, bytes, len);
    len += padding;
    peer_tx = us.rx;
    memcpy(nonce, peer_tx.iv, sizeof nonce);
    store_be64(nonce + 4, load_be64(nonce + 4) ^ peer_tx.seq);
    record[0] = TLS_APPLICATION_DATA;
    store_be16(record + 1, 0x0303);
    store_be16(record + 3, (uint16_t)(len + WAX_TLS_TAG_BYTES));
    peer_tx.aead->seal(peer_tx.key, nonce, view_of(record, 5), view_of(inner, len),
                       span_of(record + 5, sizeof record - 5));
    if (turned >= 0)
        record[5 + (size_t)turned % (len + WAX_TLS_TAG_BYTES)] ^= 1;
    give(record, 5 + len + WAX_TLS_TAG_BYTES, now_us);
    check(turned < 0 || us.status != WAX_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    begin(data[0]);
    uint64_t now_us = 1;
    for (size_t at = 1; size - at >= 3;) {
        uint8_t op = data[at], more = data[at + 1];
        size_t len = data[at + 2];
        uint8_t out[512];
        size_t n;
        at += 3;
        if (len > size - at)
            len = size - at;
        now_us += more * 1000u;
        switch (op % 5) {
        case 0:
            give(data + at, len, now_us);
            break;
        case 1:
            give_sealed(data + at, len, more, -1, now_us);
            break;
        case 2:
            give_sealed(data + at, len, 0, more, now_us);
            break;
        case 3:
            check(tls_update(&us, more & 1, span_of(out, sizeof out), &n) ==
                  (n > 0 ? WAX_OK : WAX_TLS_KEYS_EXHAUSTED));
            break;
        default:
            (void)tls_seal(&us.tx, TLS_APPLICATION_DATA, view_of(data + at, len), span_of(out, sizeof out),
                           &n);
            check(n == 0 || n == len + TLS_OVERHEAD_BYTES);
        }
        at += len;
    }
    return 0;
}
