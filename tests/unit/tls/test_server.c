/* SPDX-License-Identifier: BSD-3-Clause */
/* A server's choices: certificates by name and kind, suites, groups, ALPN, certificates of clients. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "peer_help.h"

static SSL_CTX *client_ctx;
static struct tls_reason reason;

static void setup(void)
{
    cr_assert_eq(crypto_init(), WAX_OK);
    client_ctx = SSL_CTX_new(TLS_client_method());
}

static void teardown(void)
{
    SSL_CTX_free(client_ctx);
}

TestSuite(tls_server, .init = setup, .fini = teardown);

/* A server with so many certificates of these wishes. */
static enum wax_status server_make(struct tls_context **out, const struct certificate_wish *wish,
                                   uint32_t count)
{
    static struct test_identity made[4];
    struct tls_identity identity[4];
    for (uint32_t i = 0; i < count; i++) {
        certificate_make(&made[i], &wish[i]);
        identity[i] = certificate_identity(&made[i]);
    }
    struct tls_server_settings settings = {.identity = identity, .identities = count, .tickets = 1};
    return tls_server_create(out, &settings, &reason);
}

static struct tls_context *server(const struct certificate_wish *wish, uint32_t count)
{
    struct tls_context *ctx;
    cr_assert_eq(server_make(&ctx, wish, count), WAX_OK, "%s", reason.text);
    return ctx;
}

/* ---- certificates ---- */

Test(tls_server, rfc8446_4_4_2_2_every_kind_of_key_serves)
{
    static const char *const kinds[] = {"P-256", "P-384", "P-521", "Ed25519", "RSA 2048", "RSA 3072"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct tls_context *ctx = server(&(struct certificate_wish){.kind = kinds[i]}, 1);
        struct link *l = link_new(client_ctx, true, ctx, NULL);
        link_shake(l);
        cr_assert_eq(l->status, WAX_OK, "%s: %s", kinds[i], tls_shake_reason(l->shake));
        link_free(l);
        tls_context_free(ctx);
    }
}

Test(tls_server, keys_and_certificates_that_are_refused)
{
    static const struct {
        struct certificate_wish wish;
        const char *why;
    } cases[] = {
        {{.kind = "RSA 1024"}, "test: the RSA key is weak: it has less than 2048 bits"},
        {{.kind = "P-224"}, "test: the key's curve is none of P-256, P-384 and P-521"},
        {{.kind = "secp256k1"}, "test: the key's curve is none of P-256, P-384 and P-521"},
        {{.kind = "Ed448"}, "test: the key is none of ECDSA, Ed25519 and RSA"},
        {{.usage = "critical,keyAgreement"},
         "test: the certificate may not sign (key usage without digitalSignature)"},
        {{.extended = "clientAuth"}, "test: the certificate is not for servers (extended key usage)"},
        {{.passphrase = "secret"}, "test: the key is encrypted, and nobody is there to give its passphrase"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tls_context *ctx;
        cr_assert_eq(server_make(&ctx, &cases[i].wish, 1), WAX_TLS_CERTIFICATE, "%s", cases[i].why);
        cr_assert_null(ctx);
        cr_assert_str_eq(reason.text, cases[i].why);
        cr_assert_eq(ERR_peek_error(), 0, "the thread's list of errors is left empty");
    }
    static const struct certificate_wish good[] = {{.usage = "critical,digitalSignature"},
                                                   {.extended = "serverAuth,clientAuth"},
                                                   {.from_s = -7200, .until_s = -3600}};
    for (size_t i = 0; i < 3; i++)
        tls_context_free(
            server(&good[i], 1)); /* an expired one is the operator's to replace, and is warned of */
}

Test(tls_server, a_key_of_another_certificate_is_refused)
{
    struct test_identity one, two, rsa;
    struct tls_context *ctx;
    certificate_make(&one, &(struct certificate_wish){0});
    certificate_make(&two, &(struct certificate_wish){0});
    certificate_make(&rsa, &(struct certificate_wish){.kind = "RSA 2048"});
    const struct test_identity *others[] = {&two, &rsa};
    for (size_t i = 0; i < 2; i++) {
        struct tls_identity mixed = certificate_identity(&one);
        mixed.key = certificate_identity(others[i]).key;
        struct tls_server_settings settings = {.identity = &mixed, .identities = 1};
        cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_TLS_CERTIFICATE);
        cr_assert_str_eq(reason.text, "test: the key is not that of the certificate");
    }
}

Test(tls_server, what_is_no_pem_is_refused)
{
    struct test_identity one;
    struct tls_context *ctx;
    certificate_make(&one, &(struct certificate_wish){0});
    struct tls_identity identity = certificate_identity(&one);
    struct tls_server_settings settings = {.identity = &identity, .identities = 1};
    identity.chain = view_of("nothing", 7);
    cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_TLS_CERTIFICATE);
    cr_assert_str_eq(reason.text, "test: there is no certificate in PEM");
    identity = certificate_identity(&one);
    identity.key = identity.chain;
    cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_TLS_CERTIFICATE);
    cr_assert_str_eq(reason.text, "test: there is no private key in PEM");
    /* a second certificate that is cut off */
    char broken[16384];
    int n = snprintf(broken, sizeof broken, "%s%s", one.chain, one.chain);
    identity = certificate_identity(&one);
    identity.chain = view_of(broken, (size_t)n - 60);
    cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_TLS_CERTIFICATE);
    cr_assert_not_null(strstr(reason.text, "the chain has a broken certificate"), "%s", reason.text);
}

Test(tls_server, sha_1_in_the_chain_is_refused)
{
    struct test_identity ca, middle, leaf;
    char chain[16384];
    struct tls_context *ctx;
    certificate_make(&ca, &(struct certificate_wish){.ca = "critical,CA:TRUE"});
    certificate_make(&middle,
                     &(struct certificate_wish){.ca = "critical,CA:TRUE", .digest = "SHA1", .issuer = &ca});
    certificate_make(&leaf, &(struct certificate_wish){.issuer = &middle});
    int n = snprintf(chain, sizeof chain, "%s%s", leaf.chain, middle.chain);
    struct tls_identity identity = certificate_identity(&leaf);
    identity.chain = view_of(chain, (size_t)n);
    struct tls_server_settings settings = {.identity = &identity, .identities = 1};
    cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_TLS_CERTIFICATE);
    cr_assert_not_null(strstr(reason.text, "md too weak"), "%s", reason.text);
}

Test(tls_server, rfc8446_4_4_2_the_whole_chain_is_sent)
{
    struct test_identity ca, middle, leaf;
    char chain[16384];
    struct tls_context *ctx;
    certificate_make(&ca, &(struct certificate_wish){.ca = "critical,CA:TRUE", .names = "DNS:root"});
    certificate_make(
        &middle, &(struct certificate_wish){.ca = "critical,CA:TRUE", .issuer = &ca, .names = "DNS:middle"});
    certificate_make(&leaf, &(struct certificate_wish){.issuer = &middle});
    int n = snprintf(chain, sizeof chain, "%s%s", leaf.chain, middle.chain);
    struct tls_identity identity = certificate_identity(&leaf);
    identity.chain = view_of(chain, (size_t)n);
    struct tls_server_settings settings = {.identity = &identity, .identities = 1};
    cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_OK, "%s", reason.text);
    struct link *l = link_new(client_ctx, true, ctx, NULL);
    link_shake(l);
    cr_assert_eq(l->status, WAX_OK);
    cr_assert_eq(sk_X509_num(SSL_get_peer_cert_chain(l->peer)), 2);
    link_free(l);
    tls_context_free(ctx);
}

/* The DNS name of the certificate that a client gets who asks for `name` (NULL: says none). */
static void expect_name(struct tls_context *ctx, const char *name, const char *bears)
{
    struct link *l = link_new(client_ctx, true, ctx, NULL);
    if (name != NULL)
        cr_assert_eq(SSL_set_tlsext_host_name(l->peer, name), 1);
    link_shake(l);
    cr_assert_eq(l->status, WAX_OK, "%s: %s", name, tls_shake_reason(l->shake));
    X509 *cert = SSL_get0_peer_certificate(l->peer);
    cr_assert_eq(X509_check_host(cert, bears, 0, 0, NULL), 1, "%s gets another certificate than %s",
                 name != NULL ? name : "nobody", bears);
    link_free(l);
}

Test(tls_server, rfc6066_3_the_name_chooses_the_certificate)
{
    static const struct certificate_wish wishes[] = {{.names = "DNS:first.example"},
                                                     {.names = "DNS:*.wide.example,DNS:second.example"},
                                                     {.names = "DNS:exact.wide.example"}};
    struct tls_context *ctx = server(wishes, 3);
    expect_name(ctx, NULL, "first.example");
    expect_name(ctx, "first.example", "first.example");
    expect_name(ctx, "second.example", "second.example");
    expect_name(ctx, "SECOND.Example", "second.example");
    expect_name(ctx, "any.wide.example", "second.example");
    expect_name(ctx, "exact.wide.example", "exact.wide.example");
    expect_name(ctx, "a.b.wide.example", "first.example");
    expect_name(ctx, "wide.example", "first.example");
    expect_name(ctx, "nobody.example", "first.example");
    tls_context_free(ctx);
}

static int kind_of_peer(struct tls_context *ctx, const char *signatures)
{
    SSL_CTX_set1_sigalgs_list(client_ctx, signatures);
    struct link *l = link_new(client_ctx, true, ctx, NULL);
    link_shake(l);
    int kind = -1;
    if (l->status == WAX_OK)
        kind = EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(l->peer)));
    link_free(l);
    return kind;
}

Test(tls_server, rfc8446_4_4_2_2_the_clients_signatures_choose_among_kinds)
{
    static const struct certificate_wish wishes[] = {
        {.kind = "P-256"}, {.kind = "RSA 2048"}, {.kind = "Ed25519"}};
    struct tls_context *ctx = server(wishes, 3);
    cr_assert_eq(kind_of_peer(ctx, "ecdsa_secp256r1_sha256"), EVP_PKEY_EC);
    cr_assert_eq(kind_of_peer(ctx, "rsa_pss_rsae_sha256:rsa_pkcs1_sha256"), EVP_PKEY_RSA);
    cr_assert_eq(kind_of_peer(ctx, "ed25519"), EVP_PKEY_ED25519);
    tls_context_free(ctx);
    ctx = server(wishes, 1);
    cr_assert_eq(kind_of_peer(ctx, "rsa_pss_rsae_sha256"), -1, "no common signature: handshake_failure");
    tls_context_free(ctx);
}

Test(tls_server, two_of_a_kind_for_the_same_names_are_refused)
{
    static const struct certificate_wish wishes[] = {{.kind = "P-256"}, {.kind = "P-384"}};
    struct tls_context *ctx;
    cr_assert_eq(server_make(&ctx, wishes, 2), WAX_TLS_CERTIFICATE);
    cr_assert_str_eq(reason.text, "test: another certificate has the same names and kind of key");
}

Test(tls_server, what_a_certificate_says_is_told)
{
    struct test_identity one;
    struct tls_identity_view view;
    certificate_make(&one, &(struct certificate_wish){.kind = "P-384"});
    struct tls_identity identity = certificate_identity(&one);
    cr_assert(tls_identity_look(&identity, &view, &reason));
    cr_assert_str_eq(view.kind, "ECDSA P-384");
    cr_assert_str_eq(view.names, "relay.example, 198.18.0.1");
    cr_assert_eq(view.until_s - view.from_s, 86400 + 3600);
    char names[2000] = "DNS:first.example";
    for (unsigned i = 0; i < 40; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), ",DNS:host-%u.of.some.example", i);
    certificate_make(&one, &(struct certificate_wish){.names = names});
    identity = certificate_identity(&one);
    cr_assert(tls_identity_look(&identity, &view, &reason));
    size_t len = strlen(view.names);
    cr_assert_str_eq(view.names + len - 5, ", \xe2\x80\xa6", "cut where there is no room: %s", view.names);
    identity.chain = view_of("", 0);
    cr_assert_not(tls_identity_look(&identity, &view, &reason));
}

Test(tls_server, a_context_lives_as_long_as_its_handshakes)
{
    struct tls_context *ctx = server(&(struct certificate_wish){0}, 1);
    struct link *l = link_new(client_ctx, true, ctx, NULL);
    tls_context_free(ctx); /* as a reload does in the middle of it */
    link_shake(l);
    cr_assert_eq(l->status, WAX_OK);
    link_free(l);
}

/* ---- suites and groups ---- */

static uint16_t suite_of(struct tls_context *ctx, const char *suites)
{
    cr_assert_eq(SSL_CTX_set_ciphersuites(client_ctx, suites), 1);
    struct link *l = link_new(client_ctx, true, ctx, NULL);
    link_shake(l);
    uint16_t suite = l->status == WAX_OK ? l->result.suite : 0;
    link_free(l);
    return suite;
}

Test(tls_server, rfc8446_4_1_1_the_suite_is_the_clients_only_when_chacha_is_its_first)
{
    struct tls_context *ctx = server(&(struct certificate_wish){0}, 1);
    uint16_t ours = crypto_has_aes() ? TLS_AES_128_GCM_SHA256 : TLS_CHACHA20_POLY1305_SHA256;
    cr_assert_eq(suite_of(ctx, "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"),
                 ours);
    cr_assert_eq(suite_of(ctx, "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"),
                 TLS_CHACHA20_POLY1305_SHA256);
    cr_assert_eq(suite_of(ctx, "TLS_AES_256_GCM_SHA384"), TLS_AES_256_GCM_SHA384);
    cr_assert_eq(suite_of(ctx, "TLS_AES_128_CCM_SHA256"), 0, "no common suite: handshake_failure");
    tls_context_free(ctx);
}

Test(tls_server, rfc8446_4_2_7_every_group_leads_on)
{
    struct tls_context *ctx = server(&(struct certificate_wish){0}, 1);
    char list[80];
    snprintf(list, sizeof list, "%s", tls_groups());
    for (char *group = strtok(list, ":"); group != NULL; group = strtok(NULL, ":")) {
        cr_assert_eq(SSL_CTX_set1_groups_list(client_ctx, group), 1, "%s", group);
        struct link *l = link_new(client_ctx, true, ctx, NULL);
        link_shake(l);
        cr_assert_eq(l->status, WAX_OK, "%s: %s", group, tls_shake_reason(l->shake));
        link_free(l);
    }
    cr_assert_not_null(strstr(tls_groups(), "X25519:P-256"));
    cr_assert_eq(strncmp(tls_groups(), "X25519MLKEM768", 14) == 0,
                 SSL_CTX_set1_groups_list(client_ctx, "X25519MLKEM768") == 1,
                 "the hybrid group is offered where OpenSSL has it, and only there");
    tls_context_free(ctx);
}

/* ---- ALPN ---- */

static enum wax_status protocols(struct tls_context *ctx, const char *offer, size_t len, char *chosen)
{
    const unsigned char *name;
    unsigned name_len;
    struct link *l = link_new(client_ctx, true, ctx, NULL);
    SSL_set_alpn_protos(l->peer, (const unsigned char *)offer, (unsigned)len);
    ERR_clear_error();
    link_shake(l);
    enum wax_status status = l->status;
    SSL_get0_alpn_selected(l->peer, &name, &name_len);
    snprintf(chosen, 32, "%.*s", (int)name_len, (const char *)name);
    if (status != WAX_OK)
        cr_assert_eq(ERR_GET_REASON(ERR_peek_last_error()),
                     SSL_AD_REASON_OFFSET + SSL_AD_NO_APPLICATION_PROTOCOL);
    link_free(l);
    return status;
}

Test(tls_server, rfc7301_3_2_http_1_1_or_no_application_protocol)
{
    struct tls_context *ctx = server(&(struct certificate_wish){0}, 1);
    char chosen[32];
    cr_assert_eq(protocols(ctx, "\x08http/1.1", 9, chosen), WAX_OK);
    cr_assert_str_eq(chosen, "http/1.1");
    cr_assert_eq(protocols(ctx, "\x02h2\x08http/1.1", 12, chosen), WAX_OK);
    cr_assert_str_eq(chosen, "http/1.1", "what browsers offer");
    cr_assert_eq(protocols(ctx, "\x02h2", 3, chosen), WAX_TLS_HANDSHAKE);
    cr_assert_eq(protocols(ctx, "\x08http/1.0\x09http/1.1x", 19, chosen), WAX_TLS_HANDSHAKE);
    cr_assert_eq(protocols(ctx, "", 0, chosen), WAX_OK, "who offers none is served");
    cr_assert_str_eq(chosen, "");
    tls_context_free(ctx);
}

/* ---- certificates of clients ---- */

static struct test_identity client_ca, client_good, client_late, client_other, client_server;

static struct tls_tickets *shared_keys; /* of tickets, by servers one after the other */

static struct tls_context *server_asking(enum tls_client_auth auth)
{
    static struct test_identity own;
    certificate_make(&own, &(struct certificate_wish){0});
    certificate_make(&client_ca, &(struct certificate_wish){.ca = "critical,CA:TRUE", .names = "DNS:ca"});
    certificate_make(&client_good,
                     &(struct certificate_wish){.issuer = &client_ca, .extended = "clientAuth"});
    certificate_make(&client_late,
                     &(struct certificate_wish){.issuer = &client_ca, .from_s = -7200, .until_s = -3600});
    certificate_make(&client_server,
                     &(struct certificate_wish){.issuer = &client_ca, .extended = "serverAuth"});
    certificate_make(&client_other, &(struct certificate_wish){0});
    struct tls_identity identity = certificate_identity(&own);
    struct tls_server_settings settings = {.identity = &identity,
                                           .identities = 1,
                                           .client_auth = auth,
                                           .client_ca = view_of(client_ca.chain, strlen(client_ca.chain)),
                                           .tickets = 1,
                                           .ticket_keys = shared_keys};
    struct tls_context *ctx;
    cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_OK, "%s", reason.text);
    return ctx;
}

/* The alert that a client gets who shows this certificate (NULL: none); 0: it is let in. */
static int alert_for(struct tls_context *ctx, const struct test_identity *shown)
{
    SSL_CTX *peer = SSL_CTX_new(TLS_client_method());
    if (shown != NULL) {
        BIO *bio = BIO_new_mem_buf(shown->chain, -1);
        X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
        bio = BIO_new_mem_buf(shown->key, -1);
        EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
        BIO_free(bio);
        cr_assert(SSL_CTX_use_certificate(peer, cert) == 1 && SSL_CTX_use_PrivateKey(peer, key) == 1);
        X509_free(cert);
        EVP_PKEY_free(key);
    }
    struct link *l = link_new(peer, true, ctx, NULL);
    link_shake(l);
    char buffer[16];
    ERR_clear_error();
    int alert = 0;
    if (l->status != WAX_OK) {
        cr_assert_leq(link_peer_read(l, buffer, sizeof buffer), 0);
        alert = ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET;
    }
    link_free(l);
    SSL_CTX_free(peer);
    return alert;
}

Test(tls_server, rfc8446_4_4_2_4_a_required_certificate_of_the_client)
{
    struct tls_context *ctx = server_asking(TLS_CLIENT_REQUIRED);
    cr_assert_eq(alert_for(ctx, &client_good), 0);
    cr_assert_eq(alert_for(ctx, NULL), SSL_AD_CERTIFICATE_REQUIRED);
    cr_assert_eq(alert_for(ctx, &client_other), SSL_AD_UNKNOWN_CA);
    cr_assert_eq(alert_for(ctx, &client_late), SSL_AD_CERTIFICATE_EXPIRED);
    cr_assert_eq(alert_for(ctx, &client_server), SSL_AD_UNSUPPORTED_CERTIFICATE);
    tls_context_free(ctx);
}

Test(tls_server, rfc8446_4_4_2_4_an_optional_certificate_of_the_client)
{
    struct tls_context *ctx = server_asking(TLS_CLIENT_OPTIONAL);
    cr_assert_eq(alert_for(ctx, &client_good), 0);
    cr_assert_eq(alert_for(ctx, NULL), 0);
    cr_assert_eq(alert_for(ctx, &client_other), SSL_AD_UNKNOWN_CA, "one that is shown must be good");
    tls_context_free(ctx);
    ctx = server_asking(TLS_CLIENT_OFF);
    cr_assert_eq(alert_for(ctx, &client_other), 0, "it is not asked for, so it is not shown");
    tls_context_free(ctx);
}

static SSL_SESSION *session_kept;

static int session_keep(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(session_kept);
    session_kept = session;
    return 1;
}

/* A handshake without a certificate of the client's, with the ticket of the one before. */
static enum wax_status shake_again(struct tls_context *ctx, SSL_CTX *peer, bool *resumed)
{
    char buffer[16];
    struct link *l = link_new(peer, true, ctx, NULL);
    if (session_kept != NULL)
        cr_assert_eq(SSL_set_session(l->peer, session_kept), 1);
    link_shake(l);
    enum wax_status status = l->status;
    *resumed = status == WAX_OK && l->result.resumed;
    if (status == WAX_OK) {
        link_send(l, "data", 4);
        cr_assert_eq(link_peer_read(l, buffer, sizeof buffer), 4);
    }
    link_free(l);
    ERR_clear_error();
    return status;
}

/* RFC 8446 4.6.1, 8446 C.4: a ticket stands for what its handshake has proved, and not for more. */
Test(tls_server, a_ticket_does_not_stand_for_a_certificate_that_was_never_shown)
{
    static const enum tls_client_auth before[] = {TLS_CLIENT_OFF, TLS_CLIENT_OPTIONAL};
    struct wax_ticket_key key = {.name = {1}, .cipher_key = {2}, .mac_key = {3}, .made_ms = 1};
    for (unsigned i = 0; i < 2; i++) {
        shared_keys = tls_tickets_new();
        cr_assert_eq(tls_tickets_take(shared_keys, &key, 1, 1), WAX_OK);
        SSL_CTX *peer = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_session_cache_mode(peer, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(peer, session_keep);
        bool resumed = true;
        struct tls_context *ctx = server_asking(before[i]);
        cr_assert_eq(shake_again(ctx, peer, &resumed), WAX_OK);
        cr_assert_not(resumed);
        cr_assert_eq(shake_again(ctx, peer, &resumed), WAX_OK);
        cr_assert(resumed, "the same server honours it");
        struct tls_context *stricter = server_asking(TLS_CLIENT_REQUIRED); /* as after a reload */
        cr_expect_neq(shake_again(stricter, peer, &resumed), WAX_OK, "no certificate, no entry");
        cr_expect_not(resumed);
        tls_context_free(stricter);
        tls_context_free(ctx);
        SSL_SESSION_free(session_kept);
        session_kept = NULL;
        SSL_CTX_free(peer);
        tls_tickets_free(shared_keys);
        shared_keys = NULL;
    }
}

Test(tls_server, roots_of_clients_must_be_there)
{
    struct tls_identity identity = certificate_identity(&certificate()->identity);
    struct tls_server_settings settings = {.identity = &identity,
                                           .identities = 1,
                                           .client_auth = TLS_CLIENT_REQUIRED,
                                           .client_ca = view_of("nothing", 7)};
    struct tls_context *ctx;
    cr_assert_eq(tls_server_create(&ctx, &settings, &reason), WAX_TLS_CERTIFICATE);
    cr_assert_str_eq(reason.text, "clients' roots: there is no certificate in PEM that can be a root");
    certificate_remove();
}
