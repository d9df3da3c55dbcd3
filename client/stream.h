/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A byte stream over a non-blocking kernel socket, plain or TLS 1.3 (OpenSSL). Used by the loop alone.
 */
#ifndef WAXWIRE_CLIENT_STREAM_H
#define WAXWIRE_CLIENT_STREAM_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

#define STREAM_REASON_BYTES 256u

/* What all streams of a loop share. `context` is NULL for plain ones. */
struct stream_settings {
    SSL_CTX *context;
    SSL_SESSION *session; /* of the last connection: the next one resumes it */
    char *name;           /* the certificate's, and SNI */
};

struct stream {
    int fd; /* -1: none */
    SSL *ssl;
    bool wants_write; /* poll for POLLOUT as well */
    bool reads_want_write;
    char reason[STREAM_REASON_BYTES]; /* of the last failure, for people */
};

/*
 * Prepares the TLS context: TLS 1.3 only, peers verified against the PEM in `ca_file` (NULL: the system's
 * authorities) and for `name`, a host name or an address. `plain`: none of it.
 * Returns WAX_OK, WAX_NO_MEMORY or WAX_TLS_CERTIFICATE.
 */
enum wax_status stream_settings_init(struct stream_settings *settings, const char *name, const char *ca_file,
                                     bool plain);
void stream_settings_free(struct stream_settings *settings);

/*
 * Begins to connect. Returns WAX_OK (call stream_shake when the socket is writable) or WAX_CLIENT_CONNECT.
 */
enum wax_status stream_connect(struct stream *stream, const struct sockaddr *address, socklen_t len);

/*
 * Goes on with connecting and the handshake. Returns WAX_MORE until done, then WAX_OK; WAX_CLIENT_CONNECT,
 * WAX_TLS_HANDSHAKE or WAX_TLS_CERTIFICATE when it failed.
 */
enum wax_status stream_shake(struct stream *stream, struct stream_settings *settings);

/*
 * The exporter of the TLS connection for channel binding. False on a plain stream.
 */
bool stream_binding(const struct stream *stream, uint8_t binding[WAX_BINDING_BYTES]);

/*
 * Reads or writes what goes without waiting; *moved bytes. Returns WAX_OK, WAX_MORE (nothing goes now), and
 * at the end WAX_TLS_CLOSE_NOTIFY, WAX_TCP_CLOSED (the end of the stream, under TLS a cut), WAX_TCP_RESET or
 * WAX_TLS_ALERT.
 */
enum wax_status stream_read(struct stream *stream, struct span out, size_t *moved);
enum wax_status stream_write(struct stream *stream, struct view in, size_t *moved);

/*
 * True when bytes wait inside OpenSSL, where poll(2) can't see them.
 */
bool stream_pending(const struct stream *stream);

/*
 * Ends it: close_notify when the stream is sound, then close(2).
 */
void stream_close(struct stream *stream, bool sound);

#endif
