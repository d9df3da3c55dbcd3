/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/reply.h"

#include <assert.h>

/* Appends to a span; `full` sticks. */
struct writer {
    struct span out;
    size_t len;
    bool full;
};

static void put(struct writer *w, const void *bytes, size_t len)
{
    if (w->full || w->out.len - w->len < len) {
        w->full = true;
        return;
    }
    if (len != 0)
        memcpy(w->out.data + w->len, bytes, len);
    w->len += len;
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_number(struct writer *w, uint64_t n)
{
    char digits[20];
    size_t i = sizeof digits;
    do {
        digits[--i] = (char)('0' + n % 10);
        n /= 10;
    } while (n != 0);
    put(w, digits + i, sizeof digits - i);
}

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
        return 401;
    case WAX_HTTP_NOT_FOUND:
        return 404;
    case WAX_HTTP_METHOD:
        return 405;
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
    case WAX_HTTP_VERSION:
        return 505;
    case WAX_HTTP_TIMEOUT:
        return 408;
    default:
        return 500;
    }
}

enum wax_status http_reply_write(struct span out, const struct http_reply *reply, size_t *len)
{
    struct writer w = {.out = out};
    assert(reply->code >= 100 && reply->code <= 599);
    put_text(&w, "HTTP/1.1 ");
    put_number(&w, (uint64_t)reply->code);
    put_text(&w, " ");
    put_text(&w, http_reason(reply->code));
    put_text(&w, "\r\nContent-Type: ");
    put_text(&w, reply->content_type != NULL ? reply->content_type : "text/plain; charset=utf-8");
    put_text(&w, "\r\nContent-Length: ");
    put_number(&w, reply->body.len);
    put_text(&w, "\r\n");
    if (reply->close)
        put_text(&w, "Connection: close\r\n");
    /* What a browser gets here is no page, whatever it looks like. */
    put_text(&w, "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n");
    if (reply->secure)
        put_text(&w, "Strict-Transport-Security: max-age=31536000\r\n");
    put(&w, reply->fields.data, reply->fields.len);
    put_text(&w, "\r\n");
    if (!reply->head)
        put(&w, reply->body.data, reply->body.len);
    *len = w.full ? 0 : w.len;
    return w.full ? WAX_FULL : WAX_OK;
}

enum wax_status http_reply_status(struct span out, enum wax_status status, bool head, bool secure,
                                  size_t *len)
{
    static const char allow[] = "Allow: GET, HEAD\r\n";
    static const char authenticate[] = "WWW-Authenticate: Bearer\r\n";
    static const char upgrade[] = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    static const char upgrade_close[] = "Connection: close, Upgrade\r\n";
    int code = http_code(status);
    char body[64];
    char fields[sizeof upgrade + sizeof upgrade_close];
    struct writer text = {.out = span_of(body, sizeof body)};
    struct writer more = {.out = span_of(fields, sizeof fields)};

    if (code == 200) {
        put_text(&text, "ok\n");
    } else {
        put_number(&text, (uint64_t)code);
        put_text(&text, " ");
        put_text(&text, http_reason(code));
        put_text(&text, "\n");
    }
    if (code == 401)
        put_text(&more, authenticate);
    if (code == 405)
        put_text(&more, allow);
    if (code == 426) {
        put_text(&more, upgrade);
        put_text(&more, upgrade_close);
    }
    struct http_reply reply = {
        .code = code,
        .close = code != 200 && code != 426,
        .head = head,
        .secure = secure,
        .fields = view_of(fields, more.len),
        .body = view_of(body, text.len),
    };
    return http_reply_write(out, &reply, len);
}
