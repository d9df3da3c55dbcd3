/* SPDX-License-Identifier: BSD-3-Clause */
/* A server's contexts: one SSL_CTX for each set of names, and the choices that a ClientHello asks for. */
#include "tls/server.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "tls/context.h"

#define KIND_RSA     1u
#define KIND_ECDSA   2u
#define KIND_ED25519 4u

static uint32_t kind_of(X509 *leaf)
{
    int id = EVP_PKEY_get_base_id(X509_get0_pubkey(leaf));
    return id == EVP_PKEY_RSA ? KIND_RSA : id == EVP_PKEY_EC ? KIND_ECDSA : KIND_ED25519;
}

/* ---- what a ClientHello asks for ---- */

/* The site whose certificate bears a name: exact names before wildcards, then the order of configuration. */
static const struct site *site_find(const struct tls_context *ctx, const char *name)
{
    static const unsigned ways[] = {X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT};
    for (size_t way = 0; way < 2; way++)
        for (uint32_t i = 0; i < ctx->sites; i++)
            if (X509_check_host(ctx->site[i].leaf, name, 0, ways[way], NULL) == 1)
                return &ctx->site[i];
    return NULL;
}

/*
 * Where OpenSSL's alerts are others than RFC 8446 says: what is no TLS 1.3 gets protocol_version whatever
 * else is wrong with it (4.2.1), and a compression other than one null illegal_parameter (4.1.2).
 */
static int hello_checked(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *versions, *methods;
    size_t len, count = SSL_client_hello_get0_compression_methods(ssl, &methods);
    bool current = false;
    (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_versions, &versions, &len) == 1)
        for (size_t at = 1; at + 2 <= len; at += 2)
            current |= load_be16(versions + at) == TLS1_3_VERSION;
    if (current && count == 1 && methods[0] == 0)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = current ? SSL_AD_ILLEGAL_PARAMETER : SSL_AD_PROTOCOL_VERSION;
    return SSL_CLIENT_HELLO_ERROR;
}

/* SNI (RFC 6066 3): a name of nobody's gets the first certificate, and its client judges. */
static int name_chosen(SSL *ssl, int *alert, void *arg)
{
    const struct tls_context *ctx = context_of(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    (void)arg;
    if (ctx == NULL || name == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    const struct site *site = site_find(ctx, name);
    if (site == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    if (site->ssl_ctx != ctx->ssl_ctx && SSL_set_SSL_CTX(ssl, site->ssl_ctx) == NULL)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    return SSL_TLSEXT_ERR_OK;
}

/* RFC 7301 3.2: http/1.1 when it is offered, no_application_protocol when only others are. */
static int protocol_chosen(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = TLS_ALPN;
    (void)ssl;
    (void)arg;
    for (unsigned at = 0; at < in_len; at += 1u + in[at]) {
        if (in[at] == sizeof ours - 1 && in_len - at > in[at] &&
            memcmp(in + at + 1, ours, sizeof ours - 1) == 0) {
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- making ---- */

/* Roots from PEM, for verifying and for the list of names that clients are told. */
static enum wax_status roots_use(SSL_CTX *ssl_ctx, struct view pem, struct tls_reason *reason)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509_STORE *store = SSL_CTX_get_cert_store(ssl_ctx);
    X509 *root;
    uint32_t count = 0;
    bool good = bio != NULL;
    while (good && (root = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = X509_STORE_add_cert(store, root) == 1 && SSL_CTX_add_client_CA(ssl_ctx, root) == 1;
        X509_free(root);
        count++;
    }
    BIO_free(bio);
    if (!good || count == 0)
        return reason_say(reason, "clients' roots", "there is no certificate in PEM that can be a root");
    ERR_clear_error();
    return WAX_OK;
}

/*
 * What a ticket must have been given under to be taken: the same service, asking clients for the same. Else
 * one that was given before certificates were asked for would stand for one, for a day (RFC 8446 4.6.1).
 */
static bool terms_set(SSL_CTX *ssl_ctx, const struct tls_server_settings *s)
{
    const uint8_t auth = (uint8_t)s->client_auth;
    uint8_t terms[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool made = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(md, "waxwire", 7) == 1 && EVP_DigestUpdate(md, &auth, 1) == 1 &&
                (auth == TLS_CLIENT_OFF || EVP_DigestUpdate(md, s->client_ca.data, s->client_ca.len) == 1) &&
                EVP_DigestFinal_ex(md, terms, &len) == 1 &&
                SSL_CTX_set_session_id_context(ssl_ctx, terms, len) == 1;
    EVP_MD_CTX_free(md);
    return made;
}

static SSL_CTX *site_ssl_new(struct tls_context *ctx, const struct tls_server_settings *s,
                             enum wax_status *status, struct tls_reason *reason)
{
    SSL_CTX *ssl_ctx = context_ssl_new(false);
    *status = ssl_ctx != NULL && terms_set(ssl_ctx, s) ? WAX_OK : WAX_TLS_SUITE;
    if (*status != WAX_OK) {
        SSL_CTX_free(ssl_ctx);
        reason_say(reason, "OpenSSL", "no context with our suites");
        return NULL;
    }
    SSL_CTX_set_client_hello_cb(ssl_ctx, hello_checked, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl_ctx, name_chosen);
    SSL_CTX_set_alpn_select_cb(ssl_ctx, protocol_chosen, NULL);
    SSL_CTX_set_timeout(ssl_ctx, WAX_TICKET_MS / 1000u);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl_ctx, tickets_ask);
    SSL_CTX_set_num_tickets(ssl_ctx, s->tickets < WAX_TICKETS_MAX ? s->tickets : WAX_TICKETS_MAX);
    SSL_CTX_set_max_early_data(ssl_ctx, 0);
    if (ctx->tickets == NULL)
        SSL_CTX_set_options(ssl_ctx, SSL_OP_NO_TICKET);
    if (s->client_auth != TLS_CLIENT_OFF) {
        int required = s->client_auth == TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
        SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER | required, NULL);
        *status = roots_use(ssl_ctx, s->client_ca, reason);
    }
    return ssl_ctx;
}

/* The subject's other names as they stand in the certificate, for telling whether two bear the same. */
static const ASN1_OCTET_STRING *names_of(X509 *leaf)
{
    int at = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1);
    return at < 0 ? NULL : X509_EXTENSION_get_data(X509_get_ext(leaf, at));
}

static bool same_names(X509 *a, X509 *b)
{
    const ASN1_OCTET_STRING *one = names_of(a), *two = names_of(b);
    return one != NULL && two != NULL ? ASN1_OCTET_STRING_cmp(one, two) == 0 : one == two;
}

/* The site that a certificate belongs to: one with the same names, or a new one. */
static enum wax_status identity_place(struct tls_context *ctx, const struct tls_server_settings *s,
                                      const struct tls_identity *identity, struct tls_reason *reason)
{
    X509 *leaf = identity_leaf(identity, reason);
    if (leaf == NULL)
        return WAX_TLS_CERTIFICATE;
    uint32_t i = 0, kind = kind_of(leaf);
    while (i < ctx->sites && !same_names(leaf, ctx->site[i].leaf))
        i++;
    X509_free(leaf);
    struct site *site = &ctx->site[i];
    enum wax_status status = WAX_OK;
    if (i == ctx->sites) {
        site->ssl_ctx = site_ssl_new(ctx, s, &status, reason);
        ctx->sites += site->ssl_ctx != NULL ? 1 : 0;
    } else if ((site->kinds & kind) != 0) {
        return reason_say(reason, identity->name, "another certificate has the same names and kind of key");
    }
    if (status == WAX_OK)
        status = identity_use(site->ssl_ctx, identity, &site->leaf, reason);
    site->kinds |= kind;
    return status;
}

/* A server without shared keys has keys for as long as it lives. */
static bool tickets_own(struct tls_context *ctx)
{
    struct wax_ticket_key key = {0};
    ctx->tickets = tls_tickets_new();
    ctx->own_tickets = ctx->tickets != NULL;
    if (ctx->tickets == NULL || RAND_bytes((uint8_t *)&key, offsetof(struct wax_ticket_key, made_ms)) != 1)
        return false;
    bool taken = tls_tickets_take(ctx->tickets, &key, 1, 0) == WAX_OK;
    OPENSSL_cleanse(&key, sizeof key);
    return taken;
}

enum wax_status tls_server_create(struct tls_context **out, const struct tls_server_settings *s,
                                  struct tls_reason *reason)
{
    *out = NULL;
    reason->text[0] = '\0';
    assert(s->identities > 0 && s->identities <= WAX_CERTIFICATES_MAX);
    if (crypto_init() != WAX_OK)
        return WAX_TLS_SUITE;
    struct tls_context *ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL)
        return WAX_NO_MEMORY;
    atomic_init(&ctx->users, 1);
    ctx->tickets = s->ticket_keys;
    enum wax_status status = WAX_OK;
    if (s->tickets == 0)
        ctx->tickets = NULL;
    else if (ctx->tickets == NULL && !tickets_own(ctx))
        status = WAX_NO_MEMORY;
    for (uint32_t i = 0; status == WAX_OK && i < s->identities; i++)
        status = identity_place(ctx, s, &s->identity[i], reason);
    ctx->ssl_ctx = ctx->site[0].ssl_ctx;
    if (status != WAX_OK) {
        tls_context_free(ctx);
        return status;
    }
    *out = ctx;
    return WAX_OK;
}
