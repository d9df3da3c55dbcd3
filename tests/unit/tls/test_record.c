/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "tls_help.h"

/* RFC 8448 3: what client and server send after the handshake. */
#define CLIENT_SECRET "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5"
#define SERVER_SECRET "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643"
#define SERVER_DATA                                                                                          \
    "17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f 82 aa 1b 36 e3 0e " \
    "fa f9 "                                                                                                 \
    "7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2 1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 " \
    "95 5d"
#define CLIENT_DATA                                                                                          \
    "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa 66 bc ab 3f 2b 98 " \
    "19 a8 "                                                                                                 \
    "a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2 97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 " \
    "15 e4"
#define CLIENT_CLOSE "17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3"
#define SERVER_CLOSE "17 03 03 00 13 b5 8f d6 71 66 eb f5 99 d2 47 20 cf be 7e fa 7a 88 64 a9"

static struct tls_state rfc_server(void)
{
    struct tls_shake_result r = {.suite = TLS_AES_128_GCM_SHA256, .tx_seq = 1};
    struct tls_state s;
    cr_assert_eq(crypto_init(), WAX_OK);
    unhex(CLIENT_SECRET, r.rx_secret);
    unhex(SERVER_SECRET, r.tx_secret);
    cr_assert_eq(tls_state_init(&s, &r), WAX_OK);
    return s;
}

Test(tls_record, rfc8448_3_server_seals_its_data_and_close)
{
    struct tls_state s = rfc_server();
    uint8_t plain[50], out[128];
    size_t len;
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)i;
    cr_assert_eq(tls_seal(&s.tx, TLS_APPLICATION_DATA, view_of(plain, 50), span_of(out, sizeof out), &len),
                 WAX_OK);
    cr_assert_eq(len, 50 + TLS_OVERHEAD_BYTES);
    assert_hex(out, SERVER_DATA);
    cr_assert_eq(tls_close(&s, WAX_OK, span_of(out, sizeof out), &len), WAX_OK);
    assert_hex(out, SERVER_CLOSE);
}

Test(tls_record, rfc8448_3_server_opens_the_clients_data_and_close)
{
    struct tls_state s = rfc_server();
    uint8_t in[256], out[TLS_OUT_BYTES];
    struct tls_event ev;
    size_t len = unhex(CLIENT_DATA CLIENT_CLOSE, in);
    cr_assert_eq(tls_input(&s, span_of(in, len), span_of(out, sizeof out), 0, &ev), WAX_OK);
    cr_assert_eq(ev.data.len, 50);
    for (size_t i = 0; i < 50; i++)
        cr_assert_eq(ev.data.data[i], i);
    size_t at = ev.consumed;
    cr_assert_eq(tls_input(&s, span_of(in + at, len - at), span_of(out, sizeof out), 0, &ev),
                 WAX_TLS_CLOSE_NOTIFY);
    cr_assert_eq(ev.out_len, 0);
}

Test(tls_record, every_suite_and_size_opens_as_sealed)
{
    static const uint16_t suites[] = {TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384,
                                      TLS_CHACHA20_POLY1305_SHA256};
    static const size_t sizes[] = {0, 1, 15, 16, 17, 100, 1400, 4096, 16383, 16384};
    static uint8_t plain[16384], record[WAX_TLS_RECORD_BYTES_MAX];
    for (size_t i = 0; i < sizeof plain; i++)
        plain[i] = (uint8_t)(i >> 3);
    for (size_t k = 0; k < 3; k++) {
        struct tls_state server, client;
        pair_init(&server, &client, suites[k]);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            uint8_t type;
            struct span got;
            size_t len, length;
            cr_assert_eq(tls_seal(&client.tx, TLS_APPLICATION_DATA, view_of(plain, sizes[i]),
                                  span_of(record, sizeof record), &len),
                         WAX_OK);
            cr_assert_eq(tls_record_length(view_of(record, 5), &length), WAX_OK);
            cr_assert_eq(length, len);
            cr_assert_eq(tls_open(&server.rx, span_of(record, len), &type, &got), WAX_OK);
            cr_assert(type == TLS_APPLICATION_DATA && got.len == sizes[i]);
            cr_assert_eq(memcmp(got.data, plain, got.len), 0);
        }
    }
}

Test(tls_record, seals_in_place)
{
    struct tls_state server, client;
    uint8_t record[64], type;
    struct span got;
    size_t len;
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
    memcpy(record + WAX_TLS_HEADER_BYTES, "in place", 8);
    cr_assert_eq(tls_seal(&server.tx, TLS_APPLICATION_DATA, view_of(record + WAX_TLS_HEADER_BYTES, 8),
                          span_of(record, sizeof record), &len),
                 WAX_OK);
    cr_assert_eq(tls_open(&client.rx, span_of(record, len), &type, &got), WAX_OK);
    cr_assert_arr_eq(got.data, "in place", 8);
}

Test(tls_record, seal_refuses_too_much_and_too_little_room)
{
    static uint8_t plain[16385], out[17000];
    struct tls_state server, client;
    size_t len = 9;
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
    cr_assert_eq(tls_seal(&server.tx, 23, view_of(plain, 16385), span_of(out, sizeof out), &len),
                 WAX_BAD_ARGUMENT);
    cr_assert_eq(len, 0);
    cr_assert_eq(
        tls_seal(&server.tx, 23, view_of(plain, 10), span_of(out, 10 + TLS_OVERHEAD_BYTES - 1), &len),
        WAX_FULL);
    cr_assert_eq(server.tx.seq, 0);
    cr_assert_eq(tls_seal(&server.tx, 23, view_of(plain, 10), span_of(out, 10 + TLS_OVERHEAD_BYTES), &len),
                 WAX_OK);
}

/* Seals an inner plaintext of the test's own making. */
static size_t seal_inner(struct tls_dir *dir, const uint8_t *inner, size_t inner_len, uint8_t *out)
{
    uint8_t nonce[TLS_IV_BYTES];
    memcpy(nonce, dir->iv, sizeof nonce);
    store_be64(nonce + 4, load_be64(nonce + 4) ^ dir->seq++);
    out[0] = 23;
    store_be16(out + 1, 0x0303);
    store_be16(out + 3, (uint16_t)(inner_len + 16));
    dir->aead->seal(dir->key, nonce, view_of(out, 5), view_of(inner, inner_len),
                    span_of(out + 5, inner_len + 16));
    return 5 + inner_len + 16;
}

static enum wax_status open_inner(const uint8_t *inner, size_t inner_len, uint8_t *type, size_t *len)
{
    static uint8_t record[17000];
    struct tls_state server, client;
    struct span got = {0};
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
    size_t n = seal_inner(&client.tx, inner, inner_len, record);
    enum wax_status status = tls_open(&server.rx, span_of(record, n), type, &got);
    *len = got.len;
    return status;
}

Test(tls_record, rfc8446_5_4_padding_is_removed)
{
    uint8_t inner[300] = {'h', 'i', 0, 'x', 23}, type;
    size_t len;
    for (size_t pad = 0; pad <= 256; pad++) {
        cr_assert_eq(open_inner(inner, 5 + pad, &type, &len), WAX_OK);
        cr_assert(type == 23 && len == 4);
    }
    inner[4] = 0;
    cr_assert_eq(open_inner(inner, 30, &type, &len), WAX_OK);
    cr_assert(type == 'x' && len == 3, "the last byte that is not zero is the type");
}

Test(tls_record, rfc8446_5_4_nothing_but_padding_is_refused)
{
    static const size_t sizes[] = {1, 7, 8, 9, 100, 16385};
    static uint8_t zeros[16385];
    uint8_t type;
    size_t len;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        cr_assert_eq(open_inner(zeros, sizes[i], &type, &len), WAX_TLS_BAD_PADDING);
    cr_assert_eq(tls_alert_number(WAX_TLS_BAD_PADDING), 10);
}

Test(tls_record, rfc8446_5_2_too_long_a_record_is_an_overflow)
{
    static uint8_t inner[16386];
    uint8_t type;
    size_t len;
    inner[16384] = 23;
    cr_assert_eq(open_inner(inner, 16385, &type, &len), WAX_OK);
    cr_assert_eq(len, 16384);
    cr_assert_eq(open_inner(inner, 16386, &type, &len), WAX_TLS_RECORD_LENGTH);
    cr_assert_eq(tls_record_length(view_of("\x17\x03\x03\x41\x00", 5), &len), WAX_OK);
    cr_assert_eq(tls_record_length(view_of("\x17\x03\x03\x41\x01", 5), &len), WAX_TLS_RECORD_LENGTH);
    cr_assert_eq(tls_alert_number(WAX_TLS_RECORD_LENGTH), 22);
}

Test(tls_record, record_without_room_for_type_and_tag_is_refused)
{
    struct tls_state server, client;
    uint8_t record[32] = {23, 3, 3, 0, 16}, type;
    struct span got;
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
    cr_assert_eq(tls_open(&server.rx, span_of(record, 21), &type, &got), WAX_TLS_RECORD_SHORT);
    record[4] = 0;
    cr_assert_eq(tls_open(&server.rx, span_of(record, 5), &type, &got), WAX_TLS_RECORD_SHORT);
    cr_assert_eq(tls_alert_number(WAX_TLS_RECORD_SHORT), 20);
}

Test(tls_record, length_is_known_after_five_bytes_and_a_wrong_type_after_one)
{
    size_t len;
    cr_assert_eq(tls_record_length(view_of(NULL, 0), &len), WAX_MORE);
    cr_assert_eq(len, 5);
    for (size_t n = 1; n < 5; n++)
        cr_assert_eq(tls_record_length(view_of("\x17\x03\x03\x00", n), &len), WAX_MORE);
    cr_assert_eq(tls_record_length(view_of("\x17\x03\x03\x00\x20", 5), &len), WAX_OK);
    cr_assert_eq(len, 37);
    cr_assert_eq(tls_record_length(view_of("G", 1), &len), WAX_TLS_RECORD_TYPE);
}

Test(tls_record, rfc8446_5_3_sequence_numbers_make_nonces)
{
    struct tls_state server, client;
    uint8_t one[32], two[32], copy[32], type;
    struct span got;
    size_t len;
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
    tls_seal(&client.tx, 23, view_of("same", 4), span_of(one, sizeof one), &len);
    tls_seal(&client.tx, 23, view_of("same", 4), span_of(two, sizeof two), &len);
    cr_assert_neq(memcmp(one, two, len), 0);
    memcpy(copy, two, sizeof copy);
    cr_assert_eq(tls_open(&server.rx, span_of(copy, len), &type, &got), WAX_TLS_BAD_TAG, "out of order");
    memcpy(copy, one, sizeof copy);
    cr_assert_eq(tls_open(&server.rx, span_of(copy, len), &type, &got), WAX_OK);
    memcpy(copy, one, sizeof copy);
    cr_assert_eq(tls_open(&server.rx, span_of(copy, len), &type, &got), WAX_TLS_BAD_TAG, "replayed");
    cr_assert_eq(tls_open(&server.rx, span_of(two, len), &type, &got), WAX_OK);
}

Test(tls_record, rfc8446_5_3_all_bytes_of_the_sequence_number_count)
{
    struct tls_state server, client;
    uint8_t record[64], body[64], iv[TLS_IV_BYTES];
    size_t len;
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
    struct tls_dir *dir = &client.tx;
    dir->seq = 0x123456; /* what a key may protect goes no farther */
    cr_assert_eq(tls_seal(dir, 23, view_of("same", 4), span_of(record, sizeof record), &len), WAX_OK);
    memcpy(iv, dir->iv, sizeof iv);
    iv[9] ^= 0x12;
    iv[10] ^= 0x34;
    iv[11] ^= 0x56;
    dir->aead->seal(dir->key, iv, view_of("\x17\x03\x03\x00\x15", 5), view_of("same\x17", 5),
                    span_of(body, 5 + WAX_TLS_TAG_BYTES));
    cr_assert_eq(len, 5 + 5 + WAX_TLS_TAG_BYTES);
    cr_assert_arr_eq(record + 5, body, 5 + WAX_TLS_TAG_BYTES);
}

Test(tls_record, rfc8446_5_5_a_key_is_not_used_beyond_its_limit)
{
    struct tls_state server, client;
    uint8_t out[64];
    size_t len;
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
    uint64_t max = server.tx.aead->records_max;
    cr_assert_leq(max, 23726566);
    cr_assert(!tls_answer_due(&server));
    server.tx.seq = max - 1;
    cr_assert(tls_answer_due(&server), "a KeyUpdate is due before the limit");
    cr_assert_eq(tls_seal(&server.tx, 23, view_of("x", 1), span_of(out, sizeof out), &len), WAX_OK);
    cr_assert_eq(tls_seal(&server.tx, 23, view_of("x", 1), span_of(out, sizeof out), &len),
                 WAX_TLS_KEYS_EXHAUSTED);
    cr_assert_eq(tls_answer(&server, span_of(out, sizeof out), &len), WAX_OK);
    cr_assert_eq(len, 27);
    cr_assert_eq(tls_seal(&server.tx, 23, view_of("x", 1), span_of(out, sizeof out), &len), WAX_OK);
}
