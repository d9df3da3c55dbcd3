/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/upgrade.h"

#include "http/head.h"
#include "http/sha1.h"

static void base64(const uint8_t *in, size_t len, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)in[i] << 16;
        if (have > 1)
            v |= (uint32_t)in[i + 1] << 8;
        if (have > 2)
            v |= in[i + 2];
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = have > 1 ? digits[v >> 6 & 63] : '=';
        *out++ = have > 2 ? digits[v & 63] : '=';
    }
}

/* Base64 of 16 bytes: 22 digits and two fillers (RFC 6455 4.1 item 7). */
static bool is_key(struct view key)
{
    if (key.len != HTTP_WS_KEY_BYTES || key.data[22] != '=' || key.data[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        uint8_t c = key.data[i];
        bool digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '+' ||
                     c == '/';
        if (!digit)
            return false;
    }
    return true;
}

static enum wax_status relay_check(const struct http_request *req)
{
    if (req->method != HTTP_GET && req->method != HTTP_HEAD)
        return WAX_HTTP_METHOD;
    if (req->method == HTTP_HEAD || !req->upgrade_websocket || !req->connection_upgrade)
        return WAX_HTTP_UPGRADE_REQUIRED;
    if (!http_is(req->ws_version, "13"))
        return WAX_HTTP_UPGRADE_REQUIRED;
    if (!is_key(req->ws_key) || !req->offers_waxwire || req->chunked || req->content_length != 0)
        return WAX_HTTP_BAD_REQUEST;
    return WAX_OK;
}

enum wax_status http_request_check(const struct http_request *req)
{
    bool reads = req->method == HTTP_GET || req->method == HTTP_HEAD;
    switch (req->place) {
    case HTTP_PLACE_RELAY:
        return relay_check(req);
    case HTTP_PLACE_HEALTH:
        return reads ? WAX_OK : WAX_HTTP_METHOD;
    case HTTP_PLACE_MEDIA:
        if (req->method == HTTP_OPTIONS)
            return WAX_OK;
        if (req->media_id.len == 0)
            return req->method == HTTP_PUT ? WAX_OK : WAX_HTTP_METHOD;
        return reads || req->method == HTTP_DELETE ? WAX_OK : WAX_HTTP_METHOD;
    default:
        return WAX_HTTP_NOT_FOUND;
    }
}

void http_ws_accept(struct view key, char accept[HTTP_WS_ACCEPT_BYTES])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[HTTP_WS_KEY_BYTES + sizeof guid - 1];
    uint8_t digest[SHA1_BYTES];
    size_t len = key.len < HTTP_WS_KEY_BYTES ? key.len : HTTP_WS_KEY_BYTES;
    if (len != 0)
        memcpy(text, key.data, len);
    memcpy(text + len, guid, sizeof guid - 1);
    sha1(view_of(text, len + sizeof guid - 1), digest);
    base64(digest, sizeof digest, accept);
}

/* Appends a piece of text to `out` at *len; WAX_FULL when it doesn't fit. */
static enum wax_status put(struct span out, size_t *len, const char *text, size_t n)
{
    if (out.len - *len < n)
        return WAX_FULL;
    memcpy(out.data + *len, text, n);
    *len += n;
    return WAX_OK;
}

static enum wax_status put_all(struct span out, size_t *len, const struct view *pieces, size_t count)
{
    enum wax_status status = WAX_OK;
    *len = 0;
    for (size_t i = 0; i < count && status == WAX_OK; i++)
        status = put(out, len, (const char *)pieces[i].data, pieces[i].len);
    if (status != WAX_OK)
        *len = 0;
    return status;
}

static struct view text_of(const char *text)
{
    return view_of(text, strlen(text));
}

enum wax_status http_upgrade_reply(struct span out, const struct http_request *req, size_t *len)
{
    char accept[HTTP_WS_ACCEPT_BYTES];
    http_ws_accept(req->ws_key, accept);
    const struct view pieces[] = {
        text_of("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Accept: "),
        view_of(accept, sizeof accept),
        text_of("\r\nSec-WebSocket-Protocol: waxwire.v1\r\n\r\n"),
    };
    return put_all(out, len, pieces, sizeof pieces / sizeof pieces[0]);
}

enum wax_status http_upgrade_ask(struct span out, const char *host, const char *path, const uint8_t nonce[16],
                                 char key[HTTP_WS_KEY_BYTES], size_t *len)
{
    base64(nonce, 16, key);
    const struct view pieces[] = {
        text_of("GET "),
        text_of(path),
        text_of(" HTTP/1.1\r\nHost: "),
        text_of(host),
        text_of("\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: waxwire.v1\r\nSec-WebSocket-Key: "),
        view_of(key, HTTP_WS_KEY_BYTES),
        text_of("\r\n\r\n"),
    };
    return put_all(out, len, pieces, sizeof pieces / sizeof pieces[0]);
}

/* The code of a status line (RFC 9112 4), or 0. */
static int status_line(struct view line)
{
    if (line.len < 12 || memcmp(line.data, "HTTP/1.", 7) != 0 || line.data[8] != ' ')
        return 0;
    int code = 0;
    for (size_t i = 9; i < 12; i++) {
        if (line.data[i] < '0' || line.data[i] > '9')
            return 0;
        code = code * 10 + (line.data[i] - '0');
    }
    return line.len == 12 || line.data[12] == ' ' ? code : 0;
}

enum wax_status http_upgrade_confirm(struct view in, const char key[HTTP_WS_KEY_BYTES], size_t *consumed,
                                     int *code)
{
    uint32_t scanned = 0;
    uint8_t state = 0;
    *consumed = 0;
    *code = 0;
    enum wax_status status = http_head_scan(in, &scanned, &state);
    if (status != WAX_OK)
        return status;
    struct view head = view_of(in.data, scanned), line, name, value;
    if (!http_line_next(&head, &line))
        return WAX_HTTP_BAD_REQUEST;
    *code = status_line(line);
    *consumed = scanned;
    if (*code != 101)
        return WAX_HTTP_BAD_REQUEST;

    char accept[HTTP_WS_ACCEPT_BYTES];
    http_ws_accept(view_of(key, HTTP_WS_KEY_BYTES), accept);
    bool upgrade = false, connection = false, accepted = false, protocol = false;
    while (http_line_next(&head, &line)) {
        if (!http_field_split(line, &name, &value))
            return WAX_HTTP_BAD_REQUEST;
        if (http_is(name, "Upgrade"))
            upgrade = http_is(value, "websocket");
        else if (http_is(name, "Connection"))
            connection |= http_list_has(value, "upgrade");
        else if (http_is(name, "Sec-WebSocket-Accept"))
            accepted = value.len == sizeof accept && memcmp(value.data, accept, sizeof accept) == 0;
        else if (http_is(name, "Sec-WebSocket-Protocol"))
            protocol = http_is(value, "waxwire.v1");
        else if (http_is(name, "Sec-WebSocket-Extensions"))
            return WAX_HTTP_BAD_REQUEST; /* we offered none */
    }
    return upgrade && connection && accepted && protocol ? WAX_OK : WAX_HTTP_BAD_REQUEST;
}
