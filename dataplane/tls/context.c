/* SPDX-License-Identifier: BSD-3-Clause */
/* What handshakes of both sides share: suites, groups, and the way to their secrets. */
#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

/* 112 bits at least: no SHA-1, no RSA below 2,048 bits. */
#define SECURITY_LEVEL 2

/* A group list that OpenSSL 3.5 and later take, and one for the others. */
#define GROUPS        "X25519:P-256:P-384"
#define GROUPS_HYBRID "X25519MLKEM768:" GROUPS

int context_shake_index(void)
{
    return 0; /* SSL_set_app_data's place: OpenSSL leaves it to the program */
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* A line of the key log: "LABEL client_random secret", the latter two in hexadecimal. */
static void keylog_line(const SSL *ssl, const char *line)
{
    static const char client[] = "CLIENT_TRAFFIC_SECRET_0 ", server[] = "SERVER_TRAFFIC_SECRET_0 ";
    struct tls_shake *shake = SSL_get_ex_data(ssl, context_shake_index());
    bool of_client = strncmp(line, client, sizeof client - 1) == 0;
    if (shake == NULL || (!of_client && strncmp(line, server, sizeof server - 1) != 0))
        return;
    const char *hex = strrchr(line, ' ') + 1;
    uint8_t secret[TLS_SECRET_BYTES_MAX];
    size_t len = 0;
    while (len < sizeof secret && hex_digit(hex[0]) >= 0 && hex_digit(hex[1]) >= 0) {
        secret[len++] = (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));
        hex += 2;
    }
    shake_secret(shake, of_client, view_of(secret, len));
    OPENSSL_cleanse(secret, sizeof secret);
}

/*
 * The suites that the record layer can serve here, in our order of preference, as OpenSSL wants them: AES-128
 * first where the CPU has instructions for AES, else ChaCha20.
 */
static void suites_list(char out[128])
{
    static const struct {
        uint16_t suite;
        const char *name;
    } suites[] = {{TLS_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"},
                  {TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"},
                  {TLS_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"},
                  {TLS_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"}};
    size_t first = crypto_has_aes() ? 1 : 0;
    out[0] = 0;
    for (size_t i = first; i < first + 3; i++) {
        if (aead_for_suite(suites[i].suite) == NULL)
            continue;
        if (out[0] != 0)
            strcat(out, ":");
        strcat(out, suites[i].name);
    }
}

static bool groups_set(SSL_CTX *ssl_ctx, const char *groups)
{
    bool set = SSL_CTX_set1_groups_list(ssl_ctx, groups) == 1;
    ERR_clear_error();
    return set;
}

const char *tls_groups(void)
{
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_server_method());
    bool hybrid = ssl_ctx != NULL && groups_set(ssl_ctx, GROUPS_HYBRID);
    SSL_CTX_free(ssl_ctx);
    return hybrid ? GROUPS_HYBRID : GROUPS;
}

SSL_CTX *context_ssl_new(bool client)
{
    char suites[128];
    suites_list(suites);
    SSL_CTX *ssl_ctx = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
    if (ssl_ctx == NULL)
        return NULL;
    /* Who puts ChaCha20 first has no instructions for AES, and gets it. */
    SSL_CTX_set_options(ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_security_level(ssl_ctx, SECURITY_LEVEL);
    SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ssl_ctx, 0);
    SSL_CTX_set_keylog_callback(ssl_ctx, keylog_line);
    if (SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ssl_ctx, suites) != 1 ||
        (!groups_set(ssl_ctx, GROUPS_HYBRID) && !groups_set(ssl_ctx, GROUPS))) {
        SSL_CTX_free(ssl_ctx);
        return NULL;
    }
    return ssl_ctx;
}

enum wax_status tls_context_create_client(struct tls_context **out, const char *ca_file)
{
    *out = NULL;
    if (crypto_init() != WAX_OK)
        return WAX_TLS_SUITE;
    struct tls_context *ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL)
        return WAX_NO_MEMORY;
    atomic_init(&ctx->users, 1);
    ctx->client = true;
    ctx->ssl_ctx = context_ssl_new(true);
    enum wax_status status = ctx->ssl_ctx != NULL ? WAX_OK : WAX_TLS_SUITE;
    if (status == WAX_OK && ca_file != NULL) {
        if (SSL_CTX_load_verify_locations(ctx->ssl_ctx, ca_file, NULL) != 1)
            status = WAX_TLS_CERTIFICATE;
        ERR_clear_error();
        SSL_CTX_set_verify(ctx->ssl_ctx, SSL_VERIFY_PEER, NULL);
    }
    if (status != WAX_OK) {
        tls_context_free(ctx);
        return status;
    }
    *out = ctx;
    return WAX_OK;
}

const struct tls_context *context_of(const SSL *ssl)
{
    const struct tls_shake *shake = SSL_get_ex_data(ssl, context_shake_index());
    return shake != NULL ? shake_context(shake) : NULL;
}

void context_hold(struct tls_context *ctx)
{
    atomic_fetch_add_explicit(&ctx->users, 1, memory_order_relaxed);
}

void tls_context_free(struct tls_context *ctx)
{
    if (ctx == NULL || atomic_fetch_sub_explicit(&ctx->users, 1, memory_order_acq_rel) != 1)
        return;
    if (ctx->client)
        SSL_CTX_free(ctx->ssl_ctx);
    for (uint32_t i = 0; i < ctx->sites; i++)
        SSL_CTX_free(ctx->site[i].ssl_ctx);
    if (ctx->own_tickets)
        tls_tickets_free(ctx->tickets);
    free(ctx);
}
