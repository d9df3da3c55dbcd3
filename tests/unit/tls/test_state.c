/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <stdlib.h>

#include "tls_help.h"

#define KEY_UPDATE_NO  "\x18\x00\x00\x01\x00"
#define KEY_UPDATE_YES "\x18\x00\x00\x01\x01"

static struct tls_state server, client;
static uint8_t record[17000], out[TLS_OUT_BYTES];
static struct tls_event ev;

static void setup(void)
{
    pair_init(&server, &client, TLS_AES_128_GCM_SHA256);
}

TestSuite(tls_state, .init = setup);

/* Seals one record of `from` and feeds it to `to`. */
static enum wax_status give(struct tls_state *from, struct tls_state *to, uint8_t type, const void *plain,
                            size_t len)
{
    size_t n;
    cr_assert_eq(tls_seal(&from->tx, type, view_of(plain, len), span_of(record, sizeof record), &n), WAX_OK);
    return tls_input(to, span_of(record, n), span_of(out, sizeof out), 5000000, &ev);
}

/* Opens what `to` has just written to `out` and says which alert it is (or 255). */
static unsigned alert_in_out(struct tls_state *peer)
{
    uint8_t type, copy[TLS_OUT_BYTES];
    struct span plain;
    memcpy(copy, out, sizeof copy);
    if (ev.out_len == 0 || tls_open(&peer->rx, span_of(copy, ev.out_len), &type, &plain) != WAX_OK)
        return 255;
    return type == TLS_ALERT && plain.len == 2 && plain.data[0] == 2 ? plain.data[1] : 255;
}

Test(tls_state, application_data_goes_both_ways)
{
    cr_assert_eq(give(&client, &server, 23, "up", 2), WAX_OK);
    cr_assert(ev.data.len == 2 && memcmp(ev.data.data, "up", 2) == 0);
    cr_assert_eq(give(&server, &client, 23, "down", 4), WAX_OK);
    cr_assert(ev.data.len == 4 && memcmp(ev.data.data, "down", 4) == 0);
    cr_assert_eq(give(&client, &server, 23, "", 0), WAX_OK, "RFC 8446 5.1 allows empty application data");
    cr_assert_eq(ev.data.len, 0);
}

Test(tls_state, incomplete_record_is_left_alone)
{
    size_t n;
    tls_seal(&client.tx, 23, view_of("split", 5), span_of(record, sizeof record), &n);
    for (size_t have = 0; have < n; have++) {
        cr_assert_eq(tls_input(&server, span_of(record, have), span_of(out, sizeof out), 0, &ev), WAX_MORE);
        cr_assert_eq(ev.consumed, 0);
        cr_assert_eq(ev.need, have < 5 ? 5 : n);
    }
    cr_assert_eq(tls_input(&server, span_of(record, n), span_of(out, sizeof out), 0, &ev), WAX_OK);
    cr_assert_eq(ev.consumed, n);
}

Test(tls_state, rfc8446_6_1_close_notify_ends_one_direction)
{
    size_t n;
    cr_assert_eq(tls_close(&client, WAX_OK, span_of(record, sizeof record), &n), WAX_OK);
    cr_assert_eq(tls_input(&server, span_of(record, n), span_of(out, sizeof out), 0, &ev),
                 WAX_TLS_CLOSE_NOTIFY);
    cr_assert_eq(ev.out_len, 0);
    cr_assert_eq(give(&server, &client, 23, "still", 5), WAX_OK, "the other direction lives");
    memset(record, 23, 40);
    cr_assert_eq(tls_input(&server, span_of(record, 40), span_of(out, sizeof out), 0, &ev),
                 WAX_TLS_CLOSE_NOTIFY);
    cr_assert_eq(ev.consumed, 40, "what follows is ignored");
}

Test(tls_state, nothing_is_sealed_after_our_close)
{
    size_t n;
    cr_assert_eq(tls_close(&server, WAX_OK, span_of(record, sizeof record), &n), WAX_OK);
    cr_assert_eq(n, 24);
    cr_assert_eq(tls_seal(&server.tx, 23, view_of("x", 1), span_of(record, sizeof record), &n),
                 WAX_TLS_KEYS_EXHAUSTED);
    cr_assert_eq(tls_close(&server, WAX_TLS_BAD_TAG, span_of(record, sizeof record), &n), WAX_OK);
    cr_assert_eq(n, 0);
    cr_assert(!tls_answer_due(&server));
    cr_assert_eq(give(&client, &server, 23, "x", 1), WAX_OK, "we still read");
}

Test(tls_state, rfc8446_6_2_every_other_alert_is_fatal)
{
    for (unsigned number = 1; number < 256; number++) {
        const uint8_t alert[] = {1, (uint8_t)number};
        setup();
        enum wax_status status = give(&client, &server, TLS_ALERT, alert, 2);
        cr_assert_eq(status, number == 90 ? WAX_OK : WAX_TLS_ALERT, "alert %u", number);
        cr_assert_eq(ev.out_len, 0, "an alert is not answered by one");
    }
}

Test(tls_state, rfc8446_5_1_alerts_are_two_bytes)
{
    cr_assert_eq(give(&client, &server, TLS_ALERT, "\x02", 1), WAX_TLS_MESSAGE_LENGTH);
    cr_assert_eq(alert_in_out(&client), 50);
    setup();
    cr_assert_eq(give(&client, &server, TLS_ALERT, "\x01\x00\x01\x00", 4), WAX_TLS_MESSAGE_LENGTH);
    setup();
    cr_assert_eq(give(&client, &server, TLS_ALERT, "", 0), WAX_TLS_RECORD_EMPTY);
    cr_assert_eq(alert_in_out(&client), 10);
}

Test(tls_state, rfc8446_5_1_empty_handshake_record_is_refused)
{
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, "", 0), WAX_TLS_RECORD_EMPTY);
    cr_assert_eq(alert_in_out(&client), 10);
}

Test(tls_state, rfc8446_5_1_empty_application_data_is_allowed_but_not_for_ever)
{
    for (unsigned i = 0; i < WAX_TLS_EMPTY_RECORDS_MAX; i++)
        cr_assert_eq(give(&client, &server, 23, "", 0), WAX_OK);
    cr_assert_eq(give(&client, &server, 23, "x", 1), WAX_OK, "what has content begins the count anew");
    for (unsigned i = 0; i < WAX_TLS_EMPTY_RECORDS_MAX; i++)
        cr_assert_eq(give(&client, &server, 23, "", 0), WAX_OK);
    cr_assert_eq(give(&client, &server, 23, "", 0), WAX_TLS_RECORDS_EMPTY);
    cr_assert_eq(alert_in_out(&client), 10);
}

/* RFC 8446 6.1: user_canceled is followed by close_notify; without it it is one more way to say nothing. */
Test(tls_state, user_canceled_counts_as_a_record_that_brings_nothing)
{
    for (unsigned i = 0; i < WAX_TLS_EMPTY_RECORDS_MAX; i++)
        cr_assert_eq(give(&client, &server, TLS_ALERT, "\x01\x5a", 2), WAX_OK);
    cr_assert_eq(give(&client, &server, TLS_ALERT, "\x01\x5a", 2), WAX_TLS_RECORDS_EMPTY);
}

/* RFC 8446 5.4: padding up to the record's limit is the sender's to choose; alone it is an empty record. */
Test(tls_state, rfc8446_5_4_records_of_padding_alone_are_empty_ones)
{
    static uint8_t padded[WAX_TLS_PLAINTEXT_BYTES_MAX];
    padded[0] = TLS_APPLICATION_DATA; /* and zeros behind: what is sealed ends with the type 0 */
    for (unsigned i = 0; i <= WAX_TLS_EMPTY_RECORDS_MAX; i++) {
        size_t n;
        cr_assert_eq(
            tls_seal(&client.tx, 0, view_of(padded, sizeof padded), span_of(record, sizeof record), &n),
            WAX_OK);
        cr_assert_eq(tls_input(&server, span_of(record, n), span_of(out, sizeof out), 5000000, &ev),
                     i < WAX_TLS_EMPTY_RECORDS_MAX ? WAX_OK : WAX_TLS_RECORDS_EMPTY);
        cr_assert_eq(ev.data.len, 0);
    }
}

Test(tls_state, bad_tag_is_bad_record_mac)
{
    size_t n;
    tls_seal(&client.tx, 23, view_of("x", 1), span_of(record, sizeof record), &n);
    record[n - 1] ^= 1;
    cr_assert_eq(tls_input(&server, span_of(record, n), span_of(out, sizeof out), 0, &ev), WAX_TLS_BAD_TAG);
    cr_assert_eq(ev.data.len, 0);
    cr_assert_eq(alert_in_out(&client), 20);
    cr_assert_eq(give(&client, &server, 23, "x", 1), WAX_TLS_BAD_TAG, "and nothing is read any more");
}

Test(tls_state, rfc8446_5_change_cipher_spec_after_finished_is_unexpected)
{
    memcpy(record, "\x14\x03\x03\x00\x01\x01", 6);
    cr_assert_eq(tls_input(&server, span_of(record, 6), span_of(out, sizeof out), 0, &ev),
                 WAX_TLS_RECORD_TYPE);
    cr_assert_eq(alert_in_out(&client), 10);
}

Test(tls_state, plaintext_records_are_refused)
{
    memcpy(record, "\x15\x03\x03\x00\x02\x02\x28", 7);
    cr_assert_eq(tls_input(&server, span_of(record, 7), span_of(out, sizeof out), 0, &ev),
                 WAX_TLS_RECORD_TYPE);
}

Test(tls_state, unknown_inner_type_is_unexpected)
{
    cr_assert_eq(give(&client, &server, 24, "x", 1), WAX_TLS_RECORD_TYPE);
    cr_assert_eq(alert_in_out(&client), 10);
    setup();
    cr_assert_eq(give(&client, &server, TLS_CHANGE_CIPHER_SPEC, "\x01", 1), WAX_TLS_RECORD_TYPE);
}

Test(tls_state, overlong_record_is_an_overflow_before_it_has_come)
{
    memcpy(record, "\x17\x03\x03\xFF\xFF", 5);
    cr_assert_eq(tls_input(&server, span_of(record, 5), span_of(out, sizeof out), 0, &ev),
                 WAX_TLS_RECORD_LENGTH);
    cr_assert_eq(alert_in_out(&client), 22);
}

/* The sender's own change of key after a KeyUpdate that a test has written by hand. */
static void sender_rekey(struct tls_state *s)
{
    tls_next_secret(s->tx.aead, s->tx_secret);
    tls_traffic_keys(s->tx.aead, s->tx_secret, s->tx.key, s->tx.iv);
    s->tx.seq = 0;
}

Test(tls_state, rfc8446_4_6_3_key_update_without_request)
{
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, KEY_UPDATE_NO, 5), WAX_OK);
    cr_assert_eq(ev.out_len, 0);
    sender_rekey(&client);
    cr_assert_eq(server.rx.seq, 0);
    cr_assert_eq(give(&client, &server, 23, "new key", 7), WAX_OK);
    cr_assert_eq(give(&server, &client, 23, "old key", 7), WAX_OK);
}

Test(tls_state, rfc8446_4_6_3_request_is_answered_before_more_data)
{
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, KEY_UPDATE_YES, 5), WAX_OK);
    sender_rekey(&client);
    cr_assert_eq(ev.out_len, 27);
    uint8_t answer[TLS_OUT_BYTES];
    size_t answer_len = ev.out_len;
    memcpy(answer, out, sizeof answer);
    cr_assert_eq(tls_input(&client, span_of(answer, answer_len), span_of(out, sizeof out), 0, &ev), WAX_OK);
    cr_assert_eq(ev.out_len, 0, "an answer asks for none");
    cr_assert_eq(give(&server, &client, 23, "new key", 7), WAX_OK);
    cr_assert_eq(give(&client, &server, 23, "new key", 7), WAX_OK);
}

Test(tls_state, answer_waits_when_there_is_no_room)
{
    size_t n;
    cr_assert_eq(tls_update(&client, true, span_of(record, sizeof record), &n), WAX_OK);
    cr_assert_eq(tls_input(&server, span_of(record, n), span_of(out, 26), 0, &ev), WAX_OK);
    cr_assert_eq(ev.out_len, 0);
    cr_assert(tls_answer_due(&server));
    cr_assert_eq(tls_answer(&server, span_of(out, 26), &n), WAX_FULL);
    cr_assert_eq(tls_answer(&server, span_of(out, 27), &n), WAX_OK);
    cr_assert_eq(n, 27);
    cr_assert(!tls_answer_due(&server));
    cr_assert_eq(tls_answer(&server, span_of(out, 27), &n), WAX_OK);
    cr_assert_eq(n, 0);
}

Test(tls_state, rfc8446_5_1_key_update_may_be_split_over_records)
{
    for (size_t i = 0; i < 5; i++) {
        cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, &KEY_UPDATE_YES[i], 1), WAX_OK);
        cr_assert_eq(ev.out_len, i == 4 ? 27 : 0);
    }
    sender_rekey(&client);
    cr_assert_eq(give(&client, &server, 23, "x", 1), WAX_OK);
}

Test(tls_state, rfc8446_5_1_nothing_comes_within_a_split_message)
{
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, KEY_UPDATE_NO, 3), WAX_OK);
    cr_assert_eq(give(&client, &server, 23, "x", 1), WAX_TLS_INTERLEAVED);
    cr_assert_eq(ev.data.len, 0);
    cr_assert_eq(alert_in_out(&client), 10);
}

/* One that says goodbye there, or warns, isn't in order; one that says what went wrong ends it anyway. */
Test(tls_state, rfc8446_5_1_no_alert_comes_within_a_split_message)
{
    static const char *const alerts[] = {"\x01\x5a", "\x01\x00"};
    for (unsigned i = 0; i < 2; i++) {
        setup();
        cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, KEY_UPDATE_NO, 3), WAX_OK);
        cr_assert_eq(give(&client, &server, TLS_ALERT, alerts[i], 2), WAX_TLS_INTERLEAVED);
        cr_assert_eq(alert_in_out(&client), 10);
    }
    setup();
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, KEY_UPDATE_NO, 3), WAX_OK);
    cr_assert_eq(give(&client, &server, TLS_ALERT, "\x02\x50", 2), WAX_TLS_ALERT);
    cr_assert_eq(ev.out_len, 0);
}

Test(tls_state, rfc8446_5_1_nothing_follows_a_key_update_in_its_record)
{
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, KEY_UPDATE_NO KEY_UPDATE_NO, 10),
                 WAX_TLS_POST_HANDSHAKE);
    cr_assert_eq(alert_in_out(&client), 10);
}

Test(tls_state, rfc8446_4_6_3_bad_key_updates)
{
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, "\x18\x00\x00\x01\x02", 5), WAX_TLS_KEY_UPDATE_VALUE);
    cr_assert_eq(alert_in_out(&client), 47);
    setup();
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, "\x18\x00\x00\x02\x00\x00", 6),
                 WAX_TLS_MESSAGE_LENGTH);
    cr_assert_eq(alert_in_out(&client), 50);
    setup();
    cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, "\x18\x00\x00\x00", 4), WAX_TLS_MESSAGE_LENGTH);
}

static enum wax_status updates(unsigned count, uint64_t now_us)
{
    enum wax_status status = WAX_OK;
    for (unsigned i = 0; i < count && status == WAX_OK; i++) {
        size_t n;
        cr_assert_eq(tls_update(&client, false, span_of(record, sizeof record), &n), WAX_OK);
        status = tls_input(&server, span_of(record, n), span_of(out, sizeof out), now_us, &ev);
    }
    return status;
}

Test(tls_state, key_updates_are_limited_in_rate)
{
    cr_assert_eq(updates(WAX_TLS_KEY_UPDATES_MAX, 1000), WAX_OK);
    cr_assert_eq(updates(1, 1000 + WAX_TLS_KEY_UPDATE_US), WAX_OK, "one more after an interval");
    cr_assert_eq(updates(1, 1000 + WAX_TLS_KEY_UPDATE_US), WAX_TLS_KEY_UPDATE_RATE);
    setup();
    cr_assert_eq(updates(WAX_TLS_KEY_UPDATES_MAX, 1000), WAX_OK);
    cr_assert_eq(updates(WAX_TLS_KEY_UPDATES_MAX, 1000 + 3600ull * 1000000), WAX_OK, "all after an hour");
    cr_assert_eq(updates(1, 1000 + 3600ull * 1000000), WAX_TLS_KEY_UPDATE_RATE);
}

Test(tls_state, client_passes_over_tickets_at_every_split)
{
    uint8_t ticket[4 + 200] = {4, 0, 0, 200};
    for (size_t step = 1; step <= sizeof ticket; step += 7) {
        setup();
        for (size_t at = 0; at < sizeof ticket; at += step) {
            size_t n = sizeof ticket - at < step ? sizeof ticket - at : step;
            cr_assert_eq(give(&server, &client, TLS_HANDSHAKE, ticket + at, n), WAX_OK);
        }
        cr_assert_eq(give(&server, &client, 23, "x", 1), WAX_OK);
        cr_assert_eq(ev.data.len, 1);
    }
    cr_assert_eq(give(&server, &client, TLS_HANDSHAKE, ticket, 100), WAX_OK);
    cr_assert_eq(give(&server, &client, 23, "x", 1), WAX_TLS_INTERLEAVED);
}

Test(tls_state, rfc8446_4_6_other_messages_are_unexpected)
{
    for (unsigned type = 0; type < 256; type++) {
        const uint8_t message[] = {(uint8_t)type, 0, 0, 1, 0};
        if (type == 24)
            continue;
        setup();
        cr_assert_eq(give(&client, &server, TLS_HANDSHAKE, message, 5), WAX_TLS_POST_HANDSHAKE, "type %u",
                     type);
        cr_assert_eq(alert_in_out(&client), 10);
        setup();
        cr_assert_eq(give(&server, &client, TLS_HANDSHAKE, message, 5),
                     type == 4 ? WAX_OK : WAX_TLS_POST_HANDSHAKE, "type %u", type);
    }
}

Test(tls_state, both_sides_change_keys_many_times)
{
    for (unsigned i = 0; i < 100; i++) {
        struct tls_state *from = i % 2 ? &client : &server, *to = i % 2 ? &server : &client;
        size_t n;
        uint64_t now_us = 1000 + i * 10000000ull;
        cr_assert_eq(tls_update(from, true, span_of(record, sizeof record), &n), WAX_OK);
        cr_assert_eq(tls_input(to, span_of(record, n), span_of(out, sizeof out), now_us, &ev), WAX_OK);
        uint8_t answer[TLS_OUT_BYTES];
        memcpy(answer, out, sizeof answer);
        cr_assert_eq(tls_input(from, span_of(answer, ev.out_len), span_of(out, sizeof out), now_us, &ev),
                     WAX_OK);
        cr_assert_eq(give(from, to, 23, "there", 5), WAX_OK);
        cr_assert_eq(give(to, from, 23, "back", 4), WAX_OK);
    }
}

Test(tls_state, suite_without_backend_is_refused)
{
    struct tls_shake_result r = {.suite = 0x1305};
    cr_assert_eq(tls_state_init(&server, &r), WAX_TLS_SUITE);
}
