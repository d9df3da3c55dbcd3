/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a server does with a client's second flight (RFC 8446 4.4, 5, 6): an OpenSSL client's Finished is
 * opened with the secrets that its key log tells, changed, and sealed again. The server's alert comes under
 * its new keys.
 */
#include "certificate.h"
#include "peer_help.h"

enum { FINISHED = 20, RECORD_ROOM = 20000 };

static struct tls_context *server;
static SSL_CTX *client_ctx;
static SSL *peer;
static struct tls_shake *shake;
static struct tls_shake_result result;
static struct tls_dir to_server, from_server; /* under the handshake's keys; under the server's new ones */
static uint8_t finished[200], out[TLS_SHAKE_OUT_BYTES];
static size_t finished_len, out_len;
static uint8_t secret[2][TLS_SECRET_BYTES_MAX]; /* of the client's handshake, of the server's data */

static void secret_take(const SSL *ssl, const char *line)
{
    static const char *const labels[] = {"CLIENT_HANDSHAKE_TRAFFIC_SECRET ", "SERVER_TRAFFIC_SECRET_0 "};
    (void)ssl;
    for (int i = 0; i < 2; i++)
        if (strncmp(line, labels[i], strlen(labels[i])) == 0)
            unhex(line + strlen(labels[i]) + 65, secret[i]); /* behind the client's random */
}

static struct tls_dir direction(const uint8_t *of)
{
    struct tls_dir dir = {.aead = aead_for_suite(0x1301)};
    tls_traffic_keys(dir.aead, of, dir.key, dir.iv);
    return dir;
}

static enum wax_status say(const void *bytes, size_t len)
{
    size_t consumed;
    enum wax_status status =
        tls_shake_input(shake, view_of(bytes, len), span_of(out, sizeof out), &consumed, &out_len, &result);
    return status;
}

/* Up to where the client's Finished should go: it is in `finished`, opened. */
static void setup(void)
{
    static uint8_t bytes[RECORD_ROOM];
    uint8_t type;
    struct span plain;
    cr_assert_eq(crypto_init(), WAX_OK);
    server = certificate_context(1);
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_ciphersuites(client_ctx, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_keylog_callback(client_ctx, secret_take);
    peer = SSL_new(client_ctx);
    SSL_set_bio(peer, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(peer);
    SSL_do_handshake(peer);
    shake = tls_shake_new(server);
    int n = BIO_read(SSL_get_wbio(peer), bytes, sizeof bytes);
    cr_assert_eq(say(bytes, (size_t)n), WAX_MORE);
    BIO_write(SSL_get_rbio(peer), out, (int)out_len);
    cr_assert_eq(SSL_do_handshake(peer), 1);
    n = BIO_read(SSL_get_wbio(peer), bytes, sizeof bytes);
    cr_assert(n > 6 && bytes[0] == TLS_CHANGE_CIPHER_SPEC && bytes[6] == TLS_APPLICATION_DATA);
    to_server = direction(secret[0]);
    from_server = direction(secret[1]);
    cr_assert_eq(tls_open(&to_server, span_of(bytes + 6, (size_t)n - 6), &type, &plain), WAX_OK);
    cr_assert(type == TLS_HANDSHAKE && plain.data[0] == FINISHED);
    memcpy(finished, plain.data, plain.len);
    finished_len = plain.len;
    to_server.seq = 0;
}

static void teardown(void)
{
    tls_shake_free(shake);
    SSL_set_quiet_shutdown(peer, 1);
    SSL_shutdown(peer);
    SSL_free(peer);
    SSL_CTX_free(client_ctx);
    tls_context_free(server);
    certificate_remove();
}

TestSuite(tls_flight, .init = setup, .fini = teardown);

/* One record under the handshake's keys. */
static enum wax_status say_sealed(uint8_t type, const void *bytes, size_t len)
{
    static uint8_t record[RECORD_ROOM];
    size_t record_len;
    cr_assert_eq(tls_seal(&to_server, type, view_of(bytes, len), span_of(record, sizeof record), &record_len),
                 WAX_OK);
    return say(record, record_len);
}

/* The alert that the server has said, under its new keys; -1: none. */
static int alert(void)
{
    uint8_t type;
    struct span plain;
    if (out_len == 0)
        return -1;
    cr_assert_eq(out[0], TLS_APPLICATION_DATA, "protected");
    cr_assert_eq(tls_open(&from_server, span_of(out, out_len), &type, &plain), WAX_OK);
    cr_assert(type == TLS_ALERT && plain.len == 2 && plain.data[0] == 2);
    return plain.data[1];
}

#define REFUSED(status, with)                                                                                \
    do {                                                                                                     \
        enum wax_status status_ = (status);                                                                  \
        cr_assert(status_ != WAX_OK && status_ != WAX_MORE, "status %d", (int)status_);                      \
        int alert_ = alert();                                                                                \
        cr_assert_eq(alert_, (with), "alert %d", alert_);                                                    \
    } while (0)

/* A new client's hello, in one record. */
static size_t hello_bytes(uint8_t *bytes, size_t room)
{
    SSL *ssl = SSL_new(client_ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    SSL_do_handshake(ssl);
    int n = BIO_read(SSL_get_wbio(ssl), bytes, (int)room);
    SSL_free(ssl);
    cr_assert_gt(n, 100);
    return (size_t)n;
}

/* What a fresh handshake answers to a hello in records of the test's making: an alert in clear, or -1. */
static int plain_alert(const uint8_t *bytes, size_t len, enum wax_status *status)
{
    struct tls_shake *fresh = tls_shake_new(server);
    size_t consumed, n;
    *status = tls_shake_input(fresh, view_of(bytes, len), span_of(out, sizeof out), &consumed, &n, &result);
    tls_shake_free(fresh);
    return n >= 7 && out[0] == TLS_ALERT ? out[6] : -1;
}

static const uint8_t change[] = {TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 1};

/* ---- 4.4.4: Finished ---- */

Test(tls_flight, rfc8446_4_4_4_the_clients_finished_ends_the_handshake)
{
    cr_assert_eq(say_sealed(TLS_HANDSHAKE, finished, finished_len), WAX_OK);
}

Test(tls_flight, rfc8446_4_4_4_a_wrong_finished_is_a_decrypt_error)
{
    finished[10] ^= 1;
    REFUSED(say_sealed(TLS_HANDSHAKE, finished, finished_len), DECRYPT_ERROR);
}

Test(tls_flight, rfc8446_4_4_4_a_short_finished_is_refused)
{
    finished[3]--;
    REFUSED(say_sealed(TLS_HANDSHAKE, finished, finished_len - 1), DECODE_ERROR);
}

Test(tls_flight, rfc8446_4_4_4_a_long_finished_is_refused)
{
    finished[3]++;
    finished[finished_len] = 0;
    REFUSED(say_sealed(TLS_HANDSHAKE, finished, finished_len + 1), DECODE_ERROR);
}

Test(tls_flight, rfc8446_4_other_messages_are_unexpected_there)
{
    /* ClientHello, ServerHello, NewSessionTicket, EncryptedExtensions, CertificateRequest, and none at all.
     */
    const uint8_t types[] = {1, 2, 4, 8, 13, 99};
    for (size_t i = 0; i < sizeof types; i++) {
        if (i > 0) {
            teardown();
            setup();
        }
        finished[0] = types[i];
        REFUSED(say_sealed(TLS_HANDSHAKE, finished, finished_len), UNEXPECTED_MESSAGE);
    }
}

Test(tls_flight, rfc8446_4_4_2_a_certificate_that_was_not_asked_for_is_unexpected)
{
    const uint8_t certificate[] = {11, 0, 0, 4, 0, 0, 0, 0}, verify[] = {15, 0, 0, 4, 4, 3, 0, 0};
    REFUSED(say_sealed(TLS_HANDSHAKE, certificate, sizeof certificate), UNEXPECTED_MESSAGE);
    teardown();
    setup();
    REFUSED(say_sealed(TLS_HANDSHAKE, verify, sizeof verify), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_4_5_end_of_early_data_without_early_data_is_unexpected)
{
    const uint8_t end[] = {5, 0, 0, 0};
    REFUSED(say_sealed(TLS_HANDSHAKE, end, sizeof end), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_4_6_3_key_update_before_finished_is_unexpected)
{
    const uint8_t update[] = {24, 0, 0, 1, 0};
    REFUSED(say_sealed(TLS_HANDSHAKE, update, sizeof update), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_2_application_data_before_finished_is_unexpected)
{
    REFUSED(say_sealed(TLS_APPLICATION_DATA, "GET", 3), UNEXPECTED_MESSAGE);
}

/* ---- 5.1: messages and records ---- */

Test(tls_flight, rfc8446_5_1_finished_may_be_split_over_records)
{
    cr_assert_eq(say_sealed(TLS_HANDSHAKE, finished, 1), WAX_MORE);
    cr_assert_eq(say_sealed(TLS_HANDSHAKE, finished + 1, 20), WAX_MORE);
    cr_assert_eq(say_sealed(TLS_HANDSHAKE, finished + 21, finished_len - 21), WAX_OK);
}

Test(tls_flight, rfc8446_5_1_nothing_comes_within_a_message)
{
    cr_assert_eq(say_sealed(TLS_HANDSHAKE, finished, 5), WAX_MORE);
    REFUSED(say_sealed(TLS_APPLICATION_DATA, "x", 1), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_5_1_nothing_follows_finished_in_its_record)
{
    const uint8_t update[] = {24, 0, 0, 1, 0};
    memcpy(finished + finished_len, update, sizeof update);
    enum wax_status status = say_sealed(TLS_HANDSHAKE, finished, finished_len + sizeof update);
    cr_assert(status != WAX_OK && status != WAX_MORE);
}

Test(tls_flight, rfc8446_5_1_an_empty_handshake_record_is_refused)
{
    REFUSED(say_sealed(TLS_HANDSHAKE, "", 0), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_5_2_a_changed_record_has_a_bad_mac)
{
    uint8_t record[RECORD_ROOM];
    size_t len;
    cr_assert_eq(tls_seal(&to_server, TLS_HANDSHAKE, view_of(finished, finished_len),
                          span_of(record, sizeof record), &len),
                 WAX_OK);
    record[7] ^= 1;
    REFUSED(say(record, len), BAD_RECORD_MAC);
}

Test(tls_flight, rfc8446_5_2_a_record_too_long_overflows)
{
    const uint8_t head[] = {TLS_APPLICATION_DATA, 3, 3, 0x41, 0x01}; /* 2^14 + 257 */
    REFUSED(say(head, sizeof head), RECORD_OVERFLOW);
}

Test(tls_flight, rfc8446_5_4_padding_is_no_part_of_finished)
{
    uint8_t record[RECORD_ROOM] = {0}, inner[300] = {0};
    size_t len;
    memcpy(inner, finished, finished_len);
    inner[finished_len] =
        TLS_HANDSHAKE; /* then zeros up to the last byte, which tls_seal takes for the type */
    cr_assert_eq(tls_seal(&to_server, 0, view_of(inner, sizeof inner), span_of(record, sizeof record), &len),
                 WAX_OK);
    cr_assert_eq(say(record, len), WAX_OK);
}

Test(tls_flight, rfc8446_5_4_padding_alone_is_unexpected)
{
    const uint8_t zeros[40] = {0};
    REFUSED(say_sealed(0, zeros, sizeof zeros), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_5_a_plain_finished_is_refused)
{
    uint8_t record[300] = {TLS_HANDSHAKE, 3, 3};
    store_be16(record + 3, (uint16_t)finished_len);
    memcpy(record + 5, finished, finished_len);
    enum wax_status status = say(record, 5 + finished_len);
    cr_assert(status != WAX_OK && status != WAX_MORE);
    int told = alert();
    cr_assert(told == UNEXPECTED_MESSAGE || told == BAD_RECORD_MAC, "%d", told);
}

/* ---- 5, D.4: change_cipher_spec ---- */

Test(tls_flight, rfc8446_d_4_change_cipher_spec_is_dropped)
{
    cr_assert_eq(say(change, sizeof change), WAX_MORE);
    cr_assert_eq(out_len, 0);
    cr_assert_eq(say_sealed(TLS_HANDSHAKE, finished, finished_len), WAX_OK);
}

Test(tls_flight, rfc8446_d_4_a_session_id_brings_change_cipher_spec)
{
    uint8_t hello[2000];
    enum wax_status status;
    size_t len = hello_bytes(hello, sizeof hello);
    cr_assert_eq(hello[43], 32, "OpenSSL sends one");
    cr_assert_eq(plain_alert(hello, len, &status), -1);
    size_t behind = 5u + load_be16(out + 3);
    cr_assert_eq(out[0], TLS_HANDSHAKE);
    cr_assert_arr_eq(out + behind, change, sizeof change);
}

Test(tls_flight, rfc8446_5_change_cipher_spec_is_a_single_one)
{
    const uint8_t two[] = {TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 2},
                  longer[] = {TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 2, 1, 1};
    REFUSED(say(two, sizeof two), UNEXPECTED_MESSAGE);
    teardown();
    setup();
    REFUSED(say(longer, sizeof longer), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_5_a_protected_change_cipher_spec_is_unexpected)
{
    const uint8_t one = 1;
    REFUSED(say_sealed(TLS_CHANGE_CIPHER_SPEC, &one, 1), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_5_change_cipher_spec_before_the_hello_is_unexpected)
{
    struct tls_shake *fresh = tls_shake_new(server);
    size_t consumed, len;
    enum wax_status status = tls_shake_input(fresh, view_of(change, sizeof change), span_of(out, sizeof out),
                                             &consumed, &len, &result);
    cr_assert(status != WAX_OK && status != WAX_MORE);
    cr_assert(len == 7 && out[0] == TLS_ALERT && out[6] == UNEXPECTED_MESSAGE);
    tls_shake_free(fresh);
}

Test(tls_flight, rfc8446_5_a_wrong_change_cipher_spec_after_a_retry_is_answered_in_clear)
{
    const uint8_t two[] = {TLS_CHANGE_CIPHER_SPEC, 3, 3, 0, 1, 2};
    uint8_t hello[2000];
    size_t consumed, n;
    SSL_CTX_set1_groups_list(client_ctx, "X448:X25519"); /* its share is of the first alone */
    size_t len = hello_bytes(hello, sizeof hello);
    struct tls_shake *fresh = tls_shake_new(server);
    tls_shake_input(fresh, view_of(hello, len), span_of(out, sizeof out), &consumed, &n, &result);
    cr_assert_eq(out[0], TLS_HANDSHAKE, "a HelloRetryRequest");
    enum wax_status status =
        tls_shake_input(fresh, view_of(two, sizeof two), span_of(out, sizeof out), &consumed, &n, &result);
    cr_assert(status != WAX_OK && status != WAX_MORE);
    cr_assert(n == 7 && out[0] == TLS_ALERT && out[6] == UNEXPECTED_MESSAGE);
    tls_shake_free(fresh);
}

/* ---- 6: alerts of the client ---- */

Test(tls_flight, rfc8446_6_2_a_fatal_alert_ends_the_handshake)
{
    const uint8_t unknown_ca[] = {2, 48};
    cr_assert_eq(say_sealed(TLS_ALERT, unknown_ca, sizeof unknown_ca), WAX_TLS_ALERT);
    cr_assert_eq(out_len, 0, "nothing answers an alert");
}

Test(tls_flight, rfc8446_6_1_close_notify_ends_the_handshake)
{
    const uint8_t close[] = {1, 0};
    enum wax_status status = say_sealed(TLS_ALERT, close, sizeof close);
    cr_assert(status == WAX_TLS_CLOSE_NOTIFY || status == WAX_TLS_ALERT, "%d", (int)status);
}

/* ---- the first flight's records ---- */

Test(tls_flight, rfc8446_5_1_a_hello_may_be_split_over_records)
{
    uint8_t hello[2000], split[4000];
    enum wax_status status;
    size_t len = hello_bytes(hello, sizeof hello), at = 0;
    for (size_t from = 5; from < len; from += 50) {
        size_t n = len - from < 50 ? len - from : 50;
        memcpy(split + at, "\x16\x03\x01\x00", 4);
        split[at + 4] = (uint8_t)n;
        memcpy(split + at + 5, hello + from, n);
        at += 5 + n;
    }
    cr_assert_eq(plain_alert(split, at, &status), -1);
    cr_assert_eq(status, WAX_MORE);
    cr_assert_eq(out[0], TLS_HANDSHAKE, "a ServerHello");
}

Test(tls_flight, rfc8446_5_1_the_records_minor_version_says_nothing)
{
    uint8_t hello[2000];
    enum wax_status status;
    size_t len = hello_bytes(hello, sizeof hello);
    for (uint8_t minor = 1; minor <= 3; minor++) {
        hello[2] = minor;
        cr_assert_eq(plain_alert(hello, len, &status), -1);
        cr_assert_eq(status, WAX_MORE);
    }
}

Test(tls_flight, rfc8446_5_1_too_much_plaintext_in_a_record_overflows)
{
    const uint8_t head[] = {TLS_HANDSHAKE, 3, 1, 0x40, 0x01}; /* 2^14 + 1 */
    enum wax_status status;
    cr_assert_eq(plain_alert(head, sizeof head, &status), RECORD_OVERFLOW);
}

Test(tls_flight, rfc8446_5_1_an_empty_record_before_the_hello_is_unexpected)
{
    const uint8_t head[] = {TLS_HANDSHAKE, 3, 1, 0, 0};
    enum wax_status status;
    cr_assert_eq(plain_alert(head, sizeof head, &status), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_5_unknown_and_early_types_are_unexpected)
{
    const uint8_t unknown[] = {99, 3, 1, 0, 1, 0}, data[] = {TLS_APPLICATION_DATA, 3, 3, 0, 20, [24] = 0};
    enum wax_status status;
    cr_assert_eq(plain_alert(unknown, sizeof unknown, &status), UNEXPECTED_MESSAGE);
    cr_assert_eq(plain_alert(data, sizeof data, &status), UNEXPECTED_MESSAGE);
}

Test(tls_flight, rfc8446_4_the_first_message_is_a_hello)
{
    const uint8_t types[] = {0, 2, 4, 11, 15, 20, 24, 99};
    for (size_t i = 0; i < sizeof types; i++) {
        uint8_t message[] = {TLS_HANDSHAKE, 3, 1, 0, 8, types[i], 0, 0, 4, 0, 0, 0, 0};
        enum wax_status status;
        int told = plain_alert(message, sizeof message, &status);
        cr_assert_eq(told, UNEXPECTED_MESSAGE, "message %u: alert %d", types[i], told);
    }
}

Test(tls_flight, rfc8446_4_a_message_of_16_mib_is_refused)
{
    const uint8_t message[] = {TLS_HANDSHAKE, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff};
    enum wax_status status;
    int told = plain_alert(message, sizeof message, &status);
    cr_assert(status != WAX_OK && status != WAX_MORE && told != -1, "%d", told);
}
