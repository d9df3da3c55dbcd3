/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Small HTTP/1.1 replies with a text body that is whole in memory.
 */
#ifndef WAXWIRE_HTTP_REPLY_H
#define WAXWIRE_HTTP_REPLY_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/status.h"

/* Room that takes any reply of http_reply_status. */
#define HTTP_REPLY_BYTES_MAX 512u

struct http_reply {
    int code;                 /* 100 to 599 */
    bool close;               /* say "Connection: close" */
    bool secure;              /* over TLS: Strict-Transport-Security is said (RFC 6797 7.1, 7.2) */
    bool head;                /* answers HEAD: Content-Length is that of the body, the body is left out */
    const char *content_type; /* NULL: text/plain; charset=utf-8 */
    struct view fields;       /* further field lines, each ended by CRLF; may be empty */
    struct view body;
};

/*
 * Writes a reply. WAX_OK and *len, or WAX_FULL when `out` is too small (*len is then 0).
 */
enum wax_status http_reply_write(struct span out, const struct http_reply *reply, size_t *len);

/*
 * Writes the refusal that belongs to a status of the http section (400, 401 with the scheme, 404, 405 with
 * Allow, 408, 411, 413, 416, 426 with the version we speak, 431, 505; anything else 500), with a one-line
 * text and "Connection: close"; for WAX_OK 200 with "ok", as /healthz answers, keeping the connection.
 * `secure`: as in struct http_reply.
 */
enum wax_status http_reply_status(struct span out, enum wax_status status, bool head, bool secure,
                                  size_t *len);

/*
 * The code for a status of the http section (WAX_OK: 200; not of that section: 500).
 */
int http_code(enum wax_status status);

/*
 * The reason phrase of a code, "Not Found"; "Unknown" for one that we don't send.
 */
const char *http_reason(int code);

#endif
