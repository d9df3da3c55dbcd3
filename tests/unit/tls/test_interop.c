/* SPDX-License-Identifier: BSD-3-Clause */
/* Our handshake and records against OpenSSL's own client and server, in memory. */
#include <openssl/err.h>

#include "peer_help.h"

static struct tls_context *server_ctx;
static SSL_CTX *client_ctx;
static SSL_SESSION *ticket;
static unsigned tickets;

static int ticket_keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(ticket);
    ticket = session;
    tickets++;
    return 1;
}

static void setup(void)
{
    cr_assert_eq(crypto_init(), WAX_OK);
    server_ctx = certificate_context(1);
    client_ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(client_ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(client_ctx, ticket_keep);
}

static void teardown(void)
{
    SSL_SESSION_free(ticket);
    ticket = NULL;
    SSL_CTX_free(client_ctx);
    tls_context_free(server_ctx);
    certificate_remove();
}

TestSuite(tls_interop, .init = setup, .fini = teardown);

static void echo(struct link *l, const char *up, const char *down)
{
    char buffer[256];
    size_t before = l->got_len;
    cr_assert_eq(SSL_write(l->peer, up, (int)strlen(up)), (int)strlen(up));
    link_receive(l, 1000000);
    cr_assert_eq(l->records, WAX_MORE, "%s", wax_status_name(l->records));
    cr_assert_eq(l->got_len - before, strlen(up));
    cr_assert_eq(memcmp(l->got + before, up, strlen(up)), 0);
    link_send(l, down, strlen(down));
    cr_assert_eq(link_peer_read(l, buffer, sizeof buffer), (int)strlen(down));
    cr_assert_eq(memcmp(buffer, down, strlen(down)), 0);
}

static void assert_same_binding(struct link *l)
{
    uint8_t binding[WAX_BINDING_BYTES];
    static const char label[] = "EXPORTER-waxwire-v1";
    cr_assert_eq(
        SSL_export_keying_material(l->peer, binding, sizeof binding, label, sizeof label - 1, NULL, 0, 0), 1);
    cr_assert_arr_eq(binding, l->result.binding, sizeof binding);
}

Test(tls_interop, full_handshake_with_every_suite)
{
    static const struct {
        const char *name;
        uint16_t suite;
    } cases[] = {{"TLS_AES_128_GCM_SHA256", TLS_AES_128_GCM_SHA256},
                 {"TLS_AES_256_GCM_SHA384", TLS_AES_256_GCM_SHA384},
                 {"TLS_CHACHA20_POLY1305_SHA256", TLS_CHACHA20_POLY1305_SHA256}};
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(SSL_CTX_set_ciphersuites(client_ctx, cases[i].name), 1);
        struct link *l = link_new(client_ctx, true, server_ctx, NULL);
        link_shake(l);
        cr_assert_eq(l->status, WAX_OK, "%s: %s", cases[i].name, tls_shake_reason(l->shake));
        cr_assert_eq(l->result.suite, cases[i].suite);
        cr_assert(!l->result.client && !l->result.resumed);
        assert_same_binding(l);
        echo(l, "first up", "first down");
        echo(l, "second up", "second down");
        link_free(l);
    }
}

Test(tls_interop, aes_128_is_preferred)
{
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    link_shake(l);
    cr_assert_eq(l->result.suite, TLS_AES_128_GCM_SHA256);
    link_free(l);
}

Test(tls_interop, any_split_of_the_input_and_any_room_for_output)
{
    static const size_t steps[] = {1, 2, 5, 6, 64, 1000};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct link *l = link_new(client_ctx, true, server_ctx, NULL);
        l->step = steps[i];
        l->out_room = 64;
        link_shake(l);
        cr_assert_eq(l->status, WAX_OK, "step %zu", steps[i]);
        echo(l, "up", "down");
        link_free(l);
    }
}

Test(tls_interop, hello_retry_request)
{
    cr_assert_eq(SSL_CTX_set1_groups_list(client_ctx, "P-521:X25519"), 1);
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    link_shake(l);
    cr_assert_eq(l->status, WAX_OK);
    assert_same_binding(l);
    echo(l, "after", "retry");
    link_free(l);
}

Test(tls_interop, early_application_data_behind_finished)
{
    /* The client sends data and close_notify in one go with its Finished. */
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    SSL_do_handshake(l->peer);
    uint8_t bytes[8192], out[TLS_SHAKE_OUT_BYTES];
    size_t consumed, out_len;
    int n = BIO_read(l->peer_out, bytes, sizeof bytes);
    cr_assert_eq(tls_shake_input(l->shake, view_of(bytes, (size_t)n), span_of(out, sizeof out), &consumed,
                                 &out_len, &l->result),
                 WAX_MORE);
    BIO_write(l->peer_in, out, (int)out_len);
    cr_assert_eq(SSL_do_handshake(l->peer), 1);
    SSL_write(l->peer, "early", 5);
    SSL_write(l->peer, "bird", 4);
    SSL_shutdown(l->peer);
    link_shake(l);
    cr_assert_eq(l->status, WAX_OK);
    cr_assert_gt(l->to_us.len, 0, "what follows Finished is left to us");
    link_receive(l, 0);
    cr_assert(l->got_len == 9 && memcmp(l->got, "earlybird", 9) == 0);
    cr_assert_eq(l->records, WAX_TLS_CLOSE_NOTIFY);
    link_free(l);
}

Test(tls_interop, tickets_count_in_the_sequence_and_resume)
{
    for (unsigned count = 0; count <= 4; count++) {
        char buffer[16];
        tickets = 0;
        tls_context_free(server_ctx);
        server_ctx = certificate_context(count);
        struct link *l = link_new(client_ctx, true, server_ctx, NULL);
        link_shake(l);
        cr_assert_eq(l->result.tx_seq, count);
        echo(l, "full", "handshake");
        cr_assert_eq(tickets, count);
        link_peer_read(l, buffer, sizeof buffer);
        link_free(l);
        if (count == 0)
            continue;
        l = link_new(client_ctx, true, server_ctx, NULL);
        cr_assert_eq(SSL_set_session(l->peer, ticket), 1);
        link_shake(l);
        cr_assert_eq(l->status, WAX_OK);
        cr_assert_eq(l->result.resumed, 1);
        cr_assert(SSL_session_reused(l->peer));
        assert_same_binding(l);
        echo(l, "resumed", "handshake");
        link_free(l);
    }
}

Test(tls_interop, key_updates_both_ways)
{
    char buffer[16];
    size_t len;
    uint8_t out[TLS_OUT_BYTES];
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    link_shake(l);
    echo(l, "before", "update");

    cr_assert_eq(SSL_key_update(l->peer, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
    echo(l, "peer's new key", "our old key");
    cr_assert_eq(SSL_key_update(l->peer, SSL_KEY_UPDATE_REQUESTED), 1);
    echo(l, "peer's new key", "our new key");

    cr_assert_eq(tls_update(&l->state, false, span_of(out, sizeof out), &len), WAX_OK);
    BIO_write(l->peer_in, out, (int)len);
    echo(l, "peer's old key", "our newer key");
    cr_assert_eq(tls_update(&l->state, true, span_of(out, sizeof out), &len), WAX_OK);
    BIO_write(l->peer_in, out, (int)len);
    cr_assert_eq(link_peer_read(l, buffer, sizeof buffer), -1);
    uint64_t before = l->state.rx.seq;
    echo(l, "answered", "with a new key");
    cr_assert_lt(l->state.rx.seq, before + 2, "the peer has changed its key");
    for (unsigned i = 0; i < 10; i++) {
        SSL_key_update(l->peer, SSL_KEY_UPDATE_REQUESTED);
        echo(l, "again", "and again");
    }
    link_free(l);
}

Test(tls_interop, close_notify_both_ways)
{
    char buffer[16];
    size_t len;
    uint8_t out[TLS_OUT_BYTES];
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    link_shake(l);
    echo(l, "a", "b");
    cr_assert_eq(tls_close(&l->state, WAX_OK, span_of(out, sizeof out), &len), WAX_OK);
    BIO_write(l->peer_in, out, (int)len);
    cr_assert_eq(link_peer_read(l, buffer, sizeof buffer), 0);
    cr_assert_eq(SSL_get_error(l->peer, 0), SSL_ERROR_ZERO_RETURN);
    cr_assert_eq(SSL_shutdown(l->peer), 1);
    link_receive(l, 0);
    cr_assert_eq(l->records, WAX_TLS_CLOSE_NOTIFY);
    link_free(l);
}

Test(tls_interop, large_and_padded_records)
{
    static uint8_t big[40000], back[40000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (uint8_t)(i * 31 >> 3);
    for (size_t pad = 0; pad <= 512; pad += 256) {
        cr_assert_eq(SSL_CTX_set_block_padding(client_ctx, pad), 1);
        struct link *l = link_new(client_ctx, true, server_ctx, NULL);
        link_shake(l);
        cr_assert_eq(SSL_write(l->peer, big, sizeof big), (int)sizeof big);
        link_receive(l, 0);
        cr_assert_eq(l->got_len, sizeof big);
        cr_assert_eq(memcmp(l->got, big, sizeof big), 0);
        link_send(l, big, 16384);
        link_send(l, big + 16384, 16384);
        int n = 0;
        for (int got; n < 32768 && (got = link_peer_read(l, back + n, sizeof back - (size_t)n)) > 0; n += got)
            ;
        cr_assert_eq(n, 32768);
        cr_assert_eq(memcmp(back, big, 32768), 0);
        link_free(l);
    }
}

Test(tls_interop, our_fatal_alert_reaches_the_peer)
{
    char buffer[16];
    struct link *l = link_new(client_ctx, true, server_ctx, NULL);
    link_shake(l);
    SSL_write(l->peer, "x", 1);
    uint8_t bytes[64];
    int n = BIO_read(l->peer_out, bytes, sizeof bytes);
    bytes[n - 1] ^= 1;
    queue_add(&l->to_us, bytes, (size_t)n);
    link_receive(l, 0);
    cr_assert_eq(l->records, WAX_TLS_BAD_TAG);
    cr_assert_leq(link_peer_read(l, buffer, sizeof buffer), 0);
    unsigned long code = ERR_peek_last_error();
    cr_assert_eq(ERR_GET_REASON(code), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    link_free(l);
}

/* Our client against OpenSSL's server. */

static SSL_CTX *server_of_openssl(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    cr_assert_eq(SSL_CTX_use_certificate_chain_file(ctx, certificate()->cert), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey_file(ctx, certificate()->key, SSL_FILETYPE_PEM), 1);
    return ctx;
}

static enum wax_status client_shake(const char *ca, const char *name)
{
    struct tls_context *ctx;
    SSL_CTX *peer = server_of_openssl();
    cr_assert_eq(tls_context_create_client(&ctx, ca), WAX_OK);
    struct link *l = link_new(peer, false, ctx, name);
    link_shake(l);
    enum wax_status status = l->status;
    if (status == WAX_OK) {
        cr_assert(l->result.client && l->result.tx_seq == 0);
        assert_same_binding(l);
        cr_assert_eq(SSL_write(l->peer, "behind two tickets", 18), 18);
        link_receive(l, 0);
        cr_assert(l->got_len == 18 && memcmp(l->got, "behind two tickets", 18) == 0);
        echo(l, "down", "up");
        SSL_key_update(l->peer, SSL_KEY_UPDATE_REQUESTED);
        echo(l, "down", "up");
    }
    link_free(l);
    tls_context_free(ctx);
    SSL_CTX_free(peer);
    return status;
}

Test(tls_interop, client_shakes_hands_and_passes_over_tickets)
{
    cr_assert_eq(client_shake(NULL, NULL), WAX_OK);
    cr_assert_eq(client_shake(NULL, "anything.example"), WAX_OK);
}

Test(tls_interop, client_checks_the_certificate_when_it_has_roots)
{
    cr_assert_eq(client_shake(certificate()->cert, "relay.example"), WAX_OK);
    cr_assert_eq(client_shake(certificate()->cert, "198.18.0.1"), WAX_OK);
    cr_assert_eq(client_shake(certificate()->cert, "other.example"), WAX_TLS_HANDSHAKE);
    cr_assert_eq(client_shake(certificate()->cert, "198.18.0.2"), WAX_TLS_HANDSHAKE);
}
