/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls_server.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);

    cr_assert_not_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *cert = X509_new();

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), issuer == NULL ? 1 : 2);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
                               0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer == NULL ? cert : issuer));
    if (issuer == NULL)
        add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
    else
        add_extension(cert, issuer, NID_subject_alt_name, "DNS:relay.test,IP:127.0.0.1");
    cr_assert_gt(X509_sign(cert, issuer_key, EVP_sha256()), 0);
    return cert;
}

static void make_context(struct tls_server *server)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
    X509 *ca = make_certificate(ca_key, "a test authority", NULL, ca_key);
    X509 *cert = make_certificate(key, "relay.test", ca, ca_key);
    FILE *file = fopen(server->ca_file, "w");

    PEM_write_X509(file, ca);
    fclose(file);
    server->context = SSL_CTX_new(TLS_server_method());
    if (server->only_tls12)
        SSL_CTX_set_max_proto_version(server->context, TLS1_2_VERSION);
    cr_assert_eq(SSL_CTX_use_certificate(server->context, cert), 1);
    cr_assert_eq(SSL_CTX_use_PrivateKey(server->context, key), 1);
    X509_free(ca);
    X509_free(cert);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(key);
}

/* ---- one connection ---- */

struct connection {
    struct tls_server *server;
    int fd;
    SSL *ssl;
    uint8_t binding[WAX_BINDING_BYTES];
    const struct relay_frame *hello;
    struct wax_identity who; /* of HELLO; the public half */
    uint16_t device;
    bool cut;
};

static void take_hello(struct connection *c, const struct relay_frame *frame)
{
    struct frame_hello hello;

    if (frame_parse_hello(view_of(frame->data, frame->len), &hello) != WAX_OK)
        return;
    c->hello = frame;
    c->device = hello.device;
    memcpy(c->who.account_key, hello.account_key, WAX_ACCOUNT_KEY_BYTES);
    wax_user_of_key(c->who.user, hello.account_key);
    relay_say_challenge(&c->server->relay);
}

static void take_proof(struct connection *c, const struct relay_frame *frame)
{
    bool bound = frame->data[1] & WIRE_PROOF_BINDING;

    if (!relay_proof_is_good(&c->server->relay, c->hello, frame, bound ? c->binding : NULL))
        return;
    c->server->proofs_good++;
    c->server->proofs_bound += bound;
    relay_say_welcome(&c->server->relay, &c->who, c->device, 0, 64, view_of(NULL, 0));
}

static void take_send(struct connection *c, const struct relay_frame *frame)
{
    struct tls_server *server = c->server;
    struct frame_send send;
    struct wax_client_message message = {0};

    if (frame_parse_send(view_of(frame->data, frame->len), &send) != WAX_OK)
        return;
    server->ids[server->sends++ % 1024] = send.id;
    if (server->cut_after_sends != 0 && server->connections == 1) {
        c->cut = server->sends >= server->cut_after_sends;
        return;
    }
    if (server->error_after_send != 0) {
        relay_say_error(&server->relay, server->error_after_send);
        relay_say_close(&server->relay, (uint16_t)(4000 + server->error_after_send));
        return;
    }
    message.recipient_device = send.to.device;
    memcpy(message.recipient, send.to.user, WAX_USER_BYTES);
    relay_say_status(&server->relay, WIRE_ACCEPTED, 0, send.id, &message);
}

static void take_frame(struct connection *c, const struct relay_frame *frame)
{
    if (frame->opcode == WS_CLOSE)
        relay_say_close(&c->server->relay, frame->close_code);
    if (frame->opcode != WS_BINARY || frame->len == 0)
        return;
    if (frame->data[0] == WIRE_HELLO)
        take_hello(c, frame);
    else if (frame->data[0] == WIRE_PROOF && c->hello != NULL)
        take_proof(c, frame);
    else if (frame->data[0] == WIRE_SEND)
        take_send(c, frame);
}

static ssize_t connection_read(struct connection *c, uint8_t *out, size_t room)
{
    return c->ssl != NULL ? SSL_read(c->ssl, out, (int)room) : recv(c->fd, out, room, 0);
}

static bool connection_flush(struct connection *c)
{
    struct view out = buffer_view(&c->server->relay.out);
    ssize_t n = 0;

    if (out.len == 0)
        return true;
    n = c->ssl != NULL ? SSL_write(c->ssl, out.data, (int)out.len)
                       : send(c->fd, out.data, out.len, MSG_NOSIGNAL);
    buffer_clear(&c->server->relay.out);
    return n == (ssize_t)out.len;
}

static void serve(struct connection *c)
{
    static uint8_t bytes[16384];
    const struct relay_frame *frame;
    ssize_t n;

    while (!c->cut && (n = connection_read(c, bytes, sizeof bytes)) > 0) {
        relay_take(&c->server->relay, view_of(bytes, (size_t)n));
        while ((frame = relay_next(&c->server->relay)) != NULL)
            take_frame(c, frame);
        if (!c->cut && !connection_flush(c))
            return;
    }
}

static void *serve_all(void *argument)
{
    struct tls_server *server = argument;
    int fd;

    while ((fd = accept(server->listener, NULL, NULL)) >= 0) {
        struct connection c = {.server = server, .fd = fd};
        bool shaken = true;
        relay_reset(&server->relay);
        if (!server->plain) {
            c.ssl = SSL_new(server->context);
            SSL_set_fd(c.ssl, fd);
            shaken = SSL_accept(c.ssl) == 1 &&
                     SSL_export_keying_material(c.ssl, c.binding, sizeof c.binding, "EXPORTER-waxwire-v1", 19,
                                                NULL, 0, 0) == 1;
            server->resumed += shaken && SSL_session_reused(c.ssl);
        }
        server->connections += shaken;
        if (shaken)
            serve(&c);
        SSL_free(c.ssl);
        close(fd);
    }
    return NULL;
}

void tls_server_start(struct tls_server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    snprintf(server->folder, sizeof server->folder, "/tmp/waxwire-loop-XXXXXX");
    cr_assert_not_null(mkdtemp(server->folder));
    snprintf(server->ca_file, sizeof server->ca_file, "%s/ca.pem", server->folder);
    make_context(server);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(server->listener, 8), 0);
    getsockname(server->listener, (struct sockaddr *)&address, &len);
    server->port = ntohs(address.sin_port);
    pthread_create(&server->thread, NULL, serve_all, server);
}

void tls_server_stop(struct tls_server *server)
{
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    SSL_CTX_free(server->context);
    relay_reset(&server->relay);
    buffer_free(&server->relay.in);
    buffer_free(&server->relay.out);
    unlink(server->ca_file);
    rmdir(server->folder);
}
