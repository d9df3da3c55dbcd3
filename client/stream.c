/* SPDX-License-Identifier: BSD-3-Clause */
#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "waxwire/wire.h"

static bool is_address(const char *name)
{
    struct in6_addr address;

    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

/*
 * OpenSSL hands over each ticket: the newest replaces the one before. A copy, for OpenSSL spoils its own when
 * a connection is cut, which is just when we want it.
 */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct stream_settings *settings = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(settings->session);
    settings->session = SSL_SESSION_dup(session);
    return 0;
}

enum wax_status stream_settings_init(struct stream_settings *settings, const char *name, const char *ca_file,
                                     bool plain)
{
    *settings = (struct stream_settings){.name = strdup(name)};
    if (settings->name == NULL)
        return WAX_NO_MEMORY;
    if (plain)
        return WAX_OK;
    settings->context = SSL_CTX_new(TLS_client_method());
    if (settings->context == NULL)
        return WAX_NO_MEMORY;
    SSL_CTX_set_min_proto_version(settings->context, TLS1_3_VERSION);
    SSL_CTX_set_verify(settings->context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(settings->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(settings->context,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(settings->context, keep_session);
    SSL_CTX_set_app_data(settings->context, settings);
    int loaded = ca_file != NULL ? SSL_CTX_load_verify_file(settings->context, ca_file)
                                 : SSL_CTX_set_default_verify_paths(settings->context);
    return loaded == 1 ? WAX_OK : WAX_TLS_CERTIFICATE;
}

void stream_settings_free(struct stream_settings *settings)
{
    SSL_SESSION_free(settings->session);
    SSL_CTX_free(settings->context);
    free(settings->name);
    *settings = (struct stream_settings){0};
}

static enum wax_status fail(struct stream *stream, enum wax_status status, const char *text)
{
    snprintf(stream->reason, sizeof stream->reason, "%s", text);
    return status;
}

enum wax_status stream_connect(struct stream *stream, const struct sockaddr *address, socklen_t len)
{
    const int on = 1;

    *stream =
        (struct stream){.fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (stream->fd < 0)
        return fail(stream, WAX_CLIENT_CONNECT, strerror(errno));
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(stream->fd, address, len) != 0 && errno != EINPROGRESS) {
        int error = errno;
        stream_close(stream, false);
        return fail(stream, WAX_CLIENT_CONNECT, strerror(error));
    }
    stream->wants_write = true;
    return WAX_OK;
}

static enum wax_status tls_begin(struct stream *stream, struct stream_settings *settings)
{
    stream->ssl = SSL_new(settings->context);
    if (stream->ssl == NULL || SSL_set_fd(stream->ssl, stream->fd) != 1)
        return WAX_NO_MEMORY;
    if (is_address(settings->name)) {
        if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(stream->ssl), settings->name) != 1)
            return WAX_NO_MEMORY;
    } else if (SSL_set1_host(stream->ssl, settings->name) != 1 ||
               SSL_set_tlsext_host_name(stream->ssl, settings->name) != 1) {
        return WAX_NO_MEMORY;
    }
    if (settings->session != NULL)
        SSL_set_session(stream->ssl, settings->session);
    SSL_set_connect_state(stream->ssl);
    return WAX_OK;
}

static enum wax_status shake_failed(struct stream *stream)
{
    long verify = SSL_get_verify_result(stream->ssl);
    int error = errno;
    unsigned long code = ERR_peek_last_error();
    char text[STREAM_REASON_BYTES];

    if (verify != X509_V_OK) {
        snprintf(text, sizeof text, "certificate verify failed: %s", X509_verify_cert_error_string(verify));
        ERR_clear_error();
        return fail(stream, WAX_TLS_CERTIFICATE, text);
    }
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (reason == NULL)
        reason = error != 0 ? strerror(error) : "the peer closed during the handshake";
    ERR_clear_error();
    return fail(stream, WAX_TLS_HANDSHAKE, reason);
}

enum wax_status stream_shake(struct stream *stream, struct stream_settings *settings)
{
    if (stream->ssl == NULL) {
        int error = 0;
        socklen_t len = sizeof error;
        struct sockaddr_storage peer;
        socklen_t peer_len = sizeof peer;

        getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error != 0)
            return fail(stream, WAX_CLIENT_CONNECT, strerror(error));
        if (getpeername(stream->fd, (struct sockaddr *)&peer, &peer_len) != 0)
            return WAX_MORE;
        stream->wants_write = false;
        if (settings->context == NULL)
            return WAX_OK;
        enum wax_status status = tls_begin(stream, settings);
        if (status != WAX_OK)
            return fail(stream, status, "TLS cannot begin");
    }
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(stream->ssl);
    if (done == 1) {
        stream->wants_write = false;
        return WAX_OK;
    }
    int want = SSL_get_error(stream->ssl, done);
    stream->wants_write = want == SSL_ERROR_WANT_WRITE;
    return want == SSL_ERROR_WANT_READ || want == SSL_ERROR_WANT_WRITE ? WAX_MORE : shake_failed(stream);
}

bool stream_binding(const struct stream *stream, uint8_t binding[WAX_BINDING_BYTES])
{
    return stream->ssl != NULL &&
           SSL_export_keying_material(stream->ssl, binding, WAX_BINDING_BYTES, WIRE_EXPORTER_LABEL,
                                      sizeof WIRE_EXPORTER_LABEL - 1, NULL, 0, 0) == 1;
}

static enum wax_status socket_failed(struct stream *stream, int error)
{
    if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR)
        return WAX_MORE;
    return fail(stream, WAX_TCP_RESET, strerror(error));
}

static enum wax_status tls_failed(struct stream *stream, int result)
{
    int error = errno;
    unsigned long code = ERR_peek_last_error();

    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return WAX_MORE;
    case SSL_ERROR_ZERO_RETURN:
        return WAX_TLS_CLOSE_NOTIFY;
    case SSL_ERROR_SYSCALL:
        if (error == 0)
            return WAX_TCP_CLOSED;
        return fail(stream, WAX_TCP_RESET, strerror(error));
    default:
        ERR_clear_error();
        if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
            return fail(stream, WAX_TCP_CLOSED, "the stream was cut without close_notify");
        const char *reason = ERR_reason_error_string(code);
        return fail(stream, WAX_TLS_ALERT, reason != NULL ? reason : "TLS failed");
    }
}

enum wax_status stream_read(struct stream *stream, struct span out, size_t *moved)
{
    *moved = 0;
    if (stream->ssl == NULL) {
        ssize_t n = recv(stream->fd, out.data, out.len, 0);
        if (n > 0) {
            *moved = (size_t)n;
            return WAX_OK;
        }
        return n == 0 ? WAX_TCP_CLOSED : socket_failed(stream, errno);
    }
    ERR_clear_error();
    errno = 0;
    int result = SSL_read_ex(stream->ssl, out.data, out.len, moved);
    if (result == 1)
        return WAX_OK;
    enum wax_status status = tls_failed(stream, result);
    stream->reads_want_write = status == WAX_MORE && SSL_want_write(stream->ssl);
    return status;
}

enum wax_status stream_write(struct stream *stream, struct view in, size_t *moved)
{
    enum wax_status status = WAX_OK;

    *moved = 0;
    if (stream->ssl == NULL) {
        ssize_t n = send(stream->fd, in.data, in.len, MSG_NOSIGNAL);
        if (n >= 0)
            *moved = (size_t)n;
        else
            status = socket_failed(stream, errno);
    } else {
        ERR_clear_error();
        errno = 0;
        int result = SSL_write_ex(stream->ssl, in.data, in.len, moved);
        if (result != 1)
            status = tls_failed(stream, result);
    }
    stream->wants_write = status == WAX_MORE;
    return status;
}

bool stream_pending(const struct stream *stream)
{
    return stream->ssl != NULL && SSL_pending(stream->ssl) > 0;
}

void stream_close(struct stream *stream, bool sound)
{
    if (stream->ssl != NULL) {
        if (sound)
            SSL_shutdown(stream->ssl);
        ERR_clear_error();
        SSL_free(stream->ssl);
        stream->ssl = NULL;
    }
    if (stream->fd >= 0)
        close(stream->fd);
    stream->fd = -1;
    stream->wants_write = false;
}
