/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/reply.h"

#include <assert.h>

#include "http/writer.h"

#define FIELDS_BYTES 128u

const char *http_reason(int code)
{
    switch (code) {
    case 100:
        return "Continue";
    case 101:
        return "Switching Protocols";
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 204:
        return "No Content";
    case 206:
        return "Partial Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 416:
        return "Range Not Satisfiable";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    case 507:
        return "Insufficient Storage";
    default:
        return "Unknown";
    }
}

int http_code(enum wax_status status)
{
    switch (status) {
    case WAX_OK:
        return 200;
    case WAX_HTTP_BAD_REQUEST:
    case WAX_HTTP_CHUNK:
        return 400;
    case WAX_HTTP_UNAUTHORIZED:
    case WAX_TOKEN_FORGED:
    case WAX_TOKEN_STALE:
        return 401;
    case WAX_MEDIA_NOT_OWNER:
        return 403;
    case WAX_HTTP_NOT_FOUND:
    case WAX_MEDIA_OFF:
    case WAX_MEDIA_NOT_FOUND:
        return 404;
    case WAX_HTTP_METHOD:
        return 405;
    case WAX_MEDIA_EXISTS:
        return 409;
    case WAX_HTTP_LENGTH_REQUIRED:
        return 411;
    case WAX_HTTP_TOO_LARGE:
        return 413;
    case WAX_HTTP_RANGE:
        return 416;
    case WAX_HTTP_UPGRADE_REQUIRED:
        return 426;
    case WAX_HTTP_HEAD_TOO_LARGE:
        return 431;
    case WAX_MEDIA_BUSY:
    case WAX_MEDIA_AWAY:
        return 503;
    case WAX_HTTP_VERSION:
        return 505;
    case WAX_MEDIA_QUOTA:
    case WAX_MEDIA_NO_SPACE:
        return 507;
    case WAX_HTTP_TIMEOUT:
    case WAX_MEDIA_STALLED:
        return 408;
    default:
        return 500;
    }
}

/* What the body is and how long. */
static void put_body_fields(struct http_writer *w, const struct http_reply *reply)
{
    http_put_text(w, "Content-Type: ");
    http_put_text(w, reply->content_type != NULL ? reply->content_type : "text/plain; charset=utf-8");
    http_put_text(w, "\r\n");
    if (reply->stream && reply->length == HTTP_LENGTH_NONE)
        return;
    if (reply->stream && reply->length == HTTP_LENGTH_UNKNOWN) {
        http_put_text(w, "Transfer-Encoding: chunked\r\n");
        return;
    }
    http_put_text(w, "Content-Length: ");
    http_put_number(w, reply->stream ? reply->length : reply->body.len);
    http_put_text(w, "\r\n");
}

enum wax_status http_reply_write(struct span out, const struct http_reply *reply, size_t *len)
{
    struct http_writer w = {.out = out};
    assert(reply->code >= 100 && reply->code <= 599);
    http_put_text(&w, "HTTP/1.1 ");
    http_put_number(&w, (uint64_t)reply->code);
    http_put_text(&w, " ");
    http_put_text(&w, http_reason(reply->code));
    http_put_text(&w, "\r\n");
    if (reply->code != 204)
        put_body_fields(&w, reply);
    if (reply->close)
        http_put_text(&w, "Connection: close\r\n");
    /* What a browser gets here is no page, whatever it looks like. */
    http_put_text(&w, "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n");
    if (reply->secure)
        http_put_text(&w, "Strict-Transport-Security: max-age=31536000\r\n");
    if (reply->shared)
        http_put_text(&w, "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: "
                          "Content-Length, Content-Range, ETag, Location, Retry-After\r\n");
    http_put(&w, reply->fields.data, reply->fields.len);
    http_put_text(&w, "\r\n");
    if (!reply->head && !reply->stream)
        http_put(&w, reply->body.data, reply->body.len);
    *len = w.full ? 0 : w.len;
    return w.full ? WAX_FULL : WAX_OK;
}

enum wax_status http_reply_status(struct span out, enum wax_status status, const struct http_asked *asked,
                                  size_t *len)
{
    static const char authenticate[] = "WWW-Authenticate: Bearer\r\n";
    static const char retry[] = "Retry-After: 5\r\n";
    static const char upgrade[] = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    static const char upgrade_close[] = "Connection: close, Upgrade\r\n";
    int code = http_code(status);
    char body[64];
    char fields[FIELDS_BYTES];
    struct http_writer text = {.out = span_of(body, sizeof body)};
    struct http_writer more = {.out = span_of(fields, sizeof fields)};

    if (code == 200) {
        http_put_text(&text, "ok\n");
    } else {
        http_put_number(&text, (uint64_t)code);
        http_put_text(&text, " ");
        http_put_text(&text, http_reason(code));
        http_put_text(&text, "\n");
    }
    if (code == 401)
        http_put_text(&more, authenticate);
    if (code == 405) {
        http_put_text(&more, "Allow: ");
        http_put_text(&more, asked->allow != NULL ? asked->allow : "GET, HEAD");
        http_put_text(&more, "\r\n");
    }
    if (code == 503)
        http_put_text(&more, retry);
    if (code == 426) {
        http_put_text(&more, upgrade);
        http_put_text(&more, upgrade_close);
    }
    struct http_reply reply = {
        .code = code,
        .close = code != 200 && code != 426,
        .head = asked->head,
        .secure = asked->secure,
        .shared = asked->shared,
        .fields = view_of(fields, more.len),
        .body = view_of(body, text.len),
    };
    assert(!text.full && !more.full);
    return http_reply_write(out, &reply, len);
}
