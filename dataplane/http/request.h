/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A strict parser of HTTP/1.1 request heads (RFC 9112): what is ambiguous is refused. It copies nothing:
 * views point into the caller's bytes.
 */
#ifndef WAXWIRE_HTTP_REQUEST_H
#define WAXWIRE_HTTP_REQUEST_H

#include <stdbool.h>

#include "waxwire/bytes.h"
#include "waxwire/limits.h"
#include "waxwire/status.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_DELETE, HTTP_POST, HTTP_OPTIONS, HTTP_OTHER };

/* Where a path leads in this relay. */
enum http_place {
    HTTP_PLACE_NONE,   /* unknown: 404 */
    HTTP_PLACE_RELAY,  /* /v1/relay */
    HTTP_PLACE_MEDIA,  /* /v1/media, and /v1/media/ID with the ID in `media_id` */
    HTTP_PLACE_HEALTH, /* /healthz */
};

struct http_request {
    /* The parser's own, kept between calls with more bytes of the same request; zero before the first. */
    uint32_t scanned;
    uint8_t scan_state;

    /* Valid after WAX_OK. */
    uint8_t method;  /* enum http_method */
    uint8_t place;   /* enum http_place */
    uint8_t minor;   /* HTTP/1.minor */
    bool keep_alive; /* the connection may be used again (RFC 9112 9.3) */
    bool chunked;    /* Transfer-Encoding: chunked */
    bool has_length; /* Content-Length was given */
    bool expects_continue;
    bool upgrade_websocket;  /* Upgrade names websocket */
    bool connection_upgrade; /* Connection names upgrade */
    bool offers_waxwire;     /* Sec-WebSocket-Protocol names waxwire.v1 */
    size_t consumed;         /* bytes of the head, with its empty line; the body follows */
    uint64_t content_length;
    struct view method_text;
    struct view path; /* without query */
    struct view query;
    struct view media_id;
    struct view host;
    /* Values of the first field of that name, without the spaces around; len 0 when absent. */
    struct view upgrade, connection, authorization, range, if_range, if_none_match;
    struct view ws_key, ws_version, ws_protocol, ws_extensions;
    struct view waxwire_ttl, waxwire_id;
};

/*
 * Parses the head at the beginning of `in`. `in` always begins at the request's first byte: after WAX_MORE
 * call again with the same *out and the same bytes followed by new ones (the buffer may have moved). Every
 * byte is looked at only twice, however small the steps.
 *
 * WAX_OK: *out is filled. WAX_MORE: not whole yet. WAX_HTTP_BAD_REQUEST (RFC 9112 2.2, 3, 5, 6.3),
 * WAX_HTTP_HEAD_TOO_LARGE (no end within 8 KiB), WAX_HTTP_VERSION.
 */
enum wax_status http_request_parse(struct view in, struct http_request *out);

/*
 * True when `list` (a comma-separated field value) has the member `token`, in any case.
 */
bool http_list_has(struct view list, const char *token);

/*
 * True when the bytes are `text`, in any case of ASCII letters.
 */
bool http_is(struct view bytes, const char *text);

#endif
