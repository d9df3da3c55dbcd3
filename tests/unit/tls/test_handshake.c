/* SPDX-License-Identifier: BSD-3-Clause */
/* Handshakes that fail, and the contexts behind them. */
#include <openssl/err.h>

#include "peer_help.h"

static struct tls_context *server_ctx;
static SSL_CTX *client_ctx;

static void setup(void)
{
    cr_assert_eq(crypto_init(), WAX_OK);
    server_ctx = certificate_context(1);
    client_ctx = SSL_CTX_new(TLS_client_method());
}

static void teardown(void)
{
    SSL_CTX_free(client_ctx);
    tls_context_free(server_ctx);
    certificate_remove();
}

TestSuite(tls_handshake, .init = setup, .fini = teardown);

static void assert_peer_alert(struct link *l, int reason)
{
    ERR_clear_error();
    SSL_do_handshake(l->peer);
    cr_assert_eq(ERR_GET_REASON(ERR_peek_last_error()), reason, "%s",
                 ERR_reason_error_string(ERR_peek_last_error()));
}

Test(tls_handshake, tls_1_2_client_is_refused_with_protocol_version)
{
    SSL_CTX_set_max_proto_version(client_ctx, TLS1_2_VERSION);
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    uint8_t out[64];
    size_t consumed, out_len;
    SSL_do_handshake(l->peer);
    int n = BIO_read(l->peer_out, l->to_us.bytes, sizeof l->to_us.bytes);
    cr_assert_eq(tls_shake_input(l->shake, view_of(l->to_us.bytes, (size_t)n), span_of(out, sizeof out),
                                 &consumed, &out_len, &l->result),
                 WAX_TLS_HANDSHAKE);
    BIO_write(l->peer_in, out, (int)out_len);
    assert_peer_alert(l, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
    cr_assert_str_not_empty(tls_shake_reason(l->shake));
    link_free(l);
}

Test(tls_handshake, no_shared_group_is_refused)
{
    SSL_CTX_set1_groups_list(client_ctx, "P-521");
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    link_shake(l);
    cr_assert_eq(l->status, WAX_TLS_HANDSHAKE);
    link_free(l);
}

Test(tls_handshake, alert_of_the_peer_ends_it)
{
    /* The client does not trust our certificate, and says so. */
    SSL_CTX_set_verify(client_ctx, SSL_VERIFY_PEER, NULL);
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    link_shake(l);
    cr_assert_eq(l->status, WAX_TLS_ALERT);
    link_free(l);
}

static enum wax_status judge(const void *bytes, size_t len, size_t *out_len)
{
    uint8_t out[1024];
    size_t consumed;
    struct tls_shake_result result;
    struct tls_shake *shake = tls_shake_new(server_ctx);
    enum wax_status status =
        tls_shake_input(shake, view_of(bytes, len), span_of(out, sizeof out), &consumed, out_len, &result);
    if (status != WAX_MORE) {
        size_t more;
        cr_assert_eq(
            tls_shake_input(shake, view_of(bytes, len), span_of(out, sizeof out), &consumed, &more, &result),
            status, "a failure stays");
        cr_assert_eq(more, 0);
    }
    tls_shake_free(shake);
    return status;
}

Test(tls_handshake, garbage_is_refused_at_its_first_bytes)
{
    size_t out_len;
    cr_assert_eq(judge("", 0, &out_len), WAX_MORE);
    cr_assert_eq(judge("GET / HTTP/1.1\r\n\r\n", 18, &out_len), WAX_TLS_RECORD_TYPE);
    cr_assert_eq(judge("G", 1, &out_len), WAX_TLS_RECORD_TYPE);
    cr_assert_eq(judge("\x16\x02", 2, &out_len), WAX_TLS_RECORD_VERSION);
    cr_assert_eq(judge("\x16\x03\x01\x40\x00", 5, &out_len), WAX_MORE);
    cr_assert_eq(judge("\x16\x03\x01\x40\x01", 5, &out_len), WAX_TLS_RECORD_LENGTH);
    cr_assert_gt(out_len, 0, "with an alert");
    cr_assert_eq(judge("\x17\x03\x03\x00\x20"
                       "aaaabbbbccccddddaaaabbbbccccdddd",
                       37, &out_len),
                 WAX_TLS_HANDSHAKE);
    cr_assert_eq(judge("\x15\x03\x03\x00\x02\x02\x28", 7, &out_len), WAX_TLS_HANDSHAKE);
}

Test(tls_handshake, a_peer_that_sends_without_end_is_cut_off)
{
    /* A ClientHello that claims 100,000 bytes and comes in full records. */
    static uint8_t record[5 + 16384] = {0x16, 3, 1, 0x40, 0, 1, 1, 0x86, 0xA0, 3, 3};
    uint8_t out[1024];
    size_t consumed, out_len, taken = 0;
    struct tls_shake_result result;
    struct tls_shake *shake = tls_shake_new(server_ctx);
    enum wax_status status = WAX_MORE;
    for (unsigned i = 0; i < 10 && status == WAX_MORE; i++) {
        status = tls_shake_input(shake, view_of(record, sizeof record), span_of(out, sizeof out), &consumed,
                                 &out_len, &result);
        taken += consumed;
    }
    cr_assert_eq(status, WAX_TLS_HANDSHAKE);
    cr_assert_leq(taken, TLS_SHAKE_SERVER_BYTES_MAX + sizeof record);
    tls_shake_free(shake);
}

Test(tls_handshake, a_client_needs_the_roots_it_was_promised)
{
    struct tls_context *ctx;
    cr_assert_eq(tls_context_create_client(&ctx, "/nonexistent"), WAX_TLS_CERTIFICATE);
}

Test(tls_handshake, ours_with_ours)
{
    struct tls_context *ctx;
    cr_assert_eq(tls_context_create_client(&ctx, certificate()->cert), WAX_OK);
    struct tls_shake *client = tls_shake_new_client(ctx, "relay.example"),
                     *server = tls_shake_new(server_ctx);
    struct tls_shake_result cr = {0}, sr = {0};
    static struct queue up, down;
    enum wax_status cs = WAX_MORE, ss = WAX_MORE;
    uint8_t out[TLS_SHAKE_OUT_BYTES];
    size_t consumed, out_len;
    up.len = down.len = 0;
    for (unsigned i = 0; i < 10 && (cs != WAX_OK || ss != WAX_OK); i++) {
        if (cs == WAX_MORE) {
            cs = tls_shake_input(client, view_of(down.bytes, down.len), span_of(out, sizeof out), &consumed,
                                 &out_len, &cr);
            queue_drop(&down, consumed);
            queue_add(&up, out, out_len);
        }
        if (ss == WAX_MORE) {
            ss = tls_shake_input(server, view_of(up.bytes, up.len), span_of(out, sizeof out), &consumed,
                                 &out_len, &sr);
            queue_drop(&up, consumed);
            queue_add(&down, out, out_len);
        }
    }
    cr_assert(cs == WAX_OK && ss == WAX_OK, "%s %s", tls_shake_reason(client), tls_shake_reason(server));
    cr_assert_arr_eq(cr.binding, sr.binding, sizeof cr.binding);
    cr_assert_arr_eq(cr.tx_secret, sr.rx_secret, 32);
    cr_assert_arr_eq(cr.rx_secret, sr.tx_secret, 32);

    struct tls_state state;
    struct tls_event ev;
    cr_assert_eq(tls_state_init(&state, &cr), WAX_OK);
    while (down.len > 0) {
        cr_assert_eq(tls_input(&state, span_of(down.bytes, down.len), span_of(out, sizeof out), 0, &ev),
                     WAX_OK);
        queue_drop(&down, ev.consumed);
    }
    cr_assert_eq(state.rx.seq, sr.tx_seq, "the tickets' number is what the server counted");
    tls_shake_free(client);
    tls_shake_free(server);
    tls_context_free(ctx);
}
