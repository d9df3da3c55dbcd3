/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The HTTP request parser (and the client's check of an upgrade's reply): an input is a step (first byte) and
 * the bytes that a peer sends. The verdict must not depend on how they are split.
 */
#include <stdlib.h>

#include "http/reply.h"
#include "http/upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void inside(struct view part, struct view whole)
{
    static const char root[] = "/";
    bool is_root = part.len == 1 && *part.data == *root;
    check(part.len == 0 || is_root ||
          (part.data >= whole.data && part.data + part.len <= whole.data + whole.len));
}

static void accepted(const struct http_request *req, struct view in)
{
    const struct view parts[] = {req->method_text, req->path,        req->query,         req->media_id,
                                 req->host,        req->upgrade,     req->connection,    req->authorization,
                                 req->range,       req->if_range,    req->if_none_match, req->ws_key,
                                 req->ws_version,  req->ws_protocol, req->ws_extensions, req->waxwire_ttl,
                                 req->waxwire_id};
    uint8_t out[HTTP_REPLY_BYTES_MAX];
    size_t len;
    check(req->consumed <= in.len && req->consumed >= 18);
    check(!(req->chunked && req->has_length));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        inside(parts[i], in);
    enum wax_status status = http_request_check(req);
    struct http_asked asked = {.head = req->method == HTTP_HEAD, .secure = true, .shared = true};
    if (status == WAX_OK && req->place == HTTP_PLACE_RELAY)
        check(http_upgrade_reply(span_of(out, sizeof out), req, &len) == WAX_OK &&
              len < HTTP_UPGRADE_BYTES_MAX);
    else
        check(http_reply_status(span_of(out, sizeof out), status, &asked, &len) == WAX_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t step = data[0] == 0 ? 1 : data[0], consumed;
    struct view in = view_of(data + 1, size - 1);
    struct http_request whole = {0}, split = {0};
    enum wax_status status = http_request_parse(in, &whole), stepped = WAX_MORE;
    for (size_t have = 0; have < in.len && stepped == WAX_MORE;) {
        have = in.len - have < step ? in.len : have + step;
        stepped = http_request_parse(view_of(in.data, have), &split);
    }
    check(stepped == status);
    if (status == WAX_OK) {
        check(whole.consumed == split.consumed && whole.place == split.place && whole.method == split.method);
        accepted(&whole, in);
    }
    int code;
    status = http_upgrade_confirm(in, "dGhlIHNhbXBsZSBub25jZQ==", &consumed, &code);
    check(consumed <= in.len && (status != WAX_OK || code == 101));
    return 0;
}
