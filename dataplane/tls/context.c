/* SPDX-License-Identifier: BSD-3-Clause */
/* What handshakes share: certificate, suites, groups, and the way to their secrets. */
#include "tls/context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#define TICKETS_DEFAULT 1u
#define TICKETS_MAX     4u

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

/* The suites that the record layer can serve here, in our order of preference, as OpenSSL wants them. */
static void suites_list(char out[128])
{
    static const struct {
        uint16_t suite;
        const char *name;
    } suites[] = {{TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"},
                  {TLS_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256"},
                  {TLS_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"}};
    out[0] = 0;
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        if (aead_for_suite(suites[i].suite) == NULL)
            continue;
        if (out[0] != 0)
            strcat(out, ":");
        strcat(out, suites[i].name);
    }
}

static enum wax_status context_new(struct tls_context **out, bool client)
{
    char suites[128];
    *out = NULL;
    if (crypto_init() != WAX_OK)
        return WAX_TLS_SUITE;
    suites_list(suites);
    struct tls_context *ctx = calloc(1, sizeof *ctx);
    if (ctx == NULL)
        return WAX_NO_MEMORY;
    ctx->client = client;
    ctx->ssl_ctx = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
    if (ctx->ssl_ctx == NULL) {
        free(ctx);
        return WAX_NO_MEMORY;
    }
    SSL_CTX_set_options(ctx->ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(ctx->ssl_ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx->ssl_ctx, 0);
    SSL_CTX_set_keylog_callback(ctx->ssl_ctx, keylog_line);
    if (SSL_CTX_set_min_proto_version(ctx->ssl_ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx->ssl_ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(ctx->ssl_ctx, suites) != 1 ||
        SSL_CTX_set1_groups_list(ctx->ssl_ctx, "X25519:P-256:P-384") != 1) {
        tls_context_free(ctx);
        return WAX_TLS_SUITE;
    }
    *out = ctx;
    return WAX_OK;
}

enum wax_status tls_context_create(struct tls_context **out, const char *cert_file, const char *key_file)
{
    enum wax_status status = context_new(out, false);
    if (status != WAX_OK)
        return status;
    SSL_CTX *ssl_ctx = (*out)->ssl_ctx;
    tls_context_set_tickets(*out, TICKETS_DEFAULT);
    if (SSL_CTX_use_certificate_chain_file(ssl_ctx, cert_file) != 1 ||
        SSL_CTX_use_PrivateKey_file(ssl_ctx, key_file, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(ssl_ctx) != 1) {
        ERR_clear_error();
        tls_context_free(*out);
        *out = NULL;
        return WAX_TLS_CERTIFICATE;
    }
    return WAX_OK;
}

enum wax_status tls_context_create_client(struct tls_context **out, const char *ca_file)
{
    enum wax_status status = context_new(out, true);
    if (status != WAX_OK || ca_file == NULL)
        return status;
    if (SSL_CTX_load_verify_locations((*out)->ssl_ctx, ca_file, NULL) != 1) {
        ERR_clear_error();
        tls_context_free(*out);
        *out = NULL;
        return WAX_TLS_CERTIFICATE;
    }
    SSL_CTX_set_verify((*out)->ssl_ctx, SSL_VERIFY_PEER, NULL);
    return WAX_OK;
}

void tls_context_set_tickets(struct tls_context *ctx, unsigned tickets)
{
    SSL_CTX_set_num_tickets(ctx->ssl_ctx, tickets < TICKETS_MAX ? tickets : TICKETS_MAX);
}

void tls_context_free(struct tls_context *ctx)
{
    if (ctx == NULL)
        return;
    SSL_CTX_free(ctx->ssl_ctx);
    free(ctx);
}
