/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1.1 replies: small ones with a body that is whole in memory, and the heads of those whose body
 * follows.
 */
#ifndef WAXWIRE_HTTP_REPLY_H
#define WAXWIRE_HTTP_REPLY_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/status.h"

/* Room that takes any reply of http_reply_status. */
#define HTTP_REPLY_BYTES_MAX 640u

/* In place of a length: nobody knows it, the body comes in chunks (RFC 9112 7.1). */
#define HTTP_LENGTH_UNKNOWN UINT64_MAX
/* No field says it: the connection's end does, or there is no body. */
#define HTTP_LENGTH_NONE (UINT64_MAX - 1u)

struct http_reply {
    int code;                 /* 100 to 599; 204 has no body, nor fields about one */
    bool close;               /* say "Connection: close" */
    bool secure;              /* over TLS: Strict-Transport-Security is said (RFC 6797 7.1, 7.2) */
    bool shared;              /* pages of any origin may read it (WHATWG Fetch 3.3) */
    bool head;                /* answers HEAD: Content-Length is that of the body, the body is left out */
    const char *content_type; /* NULL: text/plain; charset=utf-8 */
    struct view fields;       /* further field lines, each ended by CRLF; may be empty */
    struct view body;
    bool stream;     /* the body follows, written by the caller; `body` is not looked at */
    uint64_t length; /* of it: Content-Length, HTTP_LENGTH_UNKNOWN or HTTP_LENGTH_NONE */
};

/*
 * Writes a reply. WAX_OK and *len, or WAX_FULL when `out` is too small (*len is then 0).
 */
enum wax_status http_reply_write(struct span out, const struct http_reply *reply, size_t *len);

/* What a reply to a request depends on, whatever the request was. */
struct http_asked {
    bool head, secure, shared; /* as in struct http_reply */
    const char *allow;         /* of 405: the methods, NULL: GET, HEAD */
};

/*
 * Writes the refusal that belongs to a status of the http section or the media section (400, 401 with the
 * scheme, 403, 404, 405 with Allow, 408, 409, 411, 413, 416, 426 with the version we speak, 431, 503 with
 * Retry-After, 505, 507; anything else 500), with a one-line text and "Connection: close"; for WAX_OK 200
 * with "ok", as /healthz answers, keeping the connection.
 */
enum wax_status http_reply_status(struct span out, enum wax_status status, const struct http_asked *asked,
                                  size_t *len);

/*
 * The code for a status of the http or the media section, or of a token (WAX_OK: 200; any other: 500).
 */
int http_code(enum wax_status status);

/*
 * The reason phrase of a code, "Not Found"; "Unknown" for one that we don't send.
 */
const char *http_reason(int code);

#endif
