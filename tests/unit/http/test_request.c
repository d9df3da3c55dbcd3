/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>

#include "http/request.h"

static struct view text(const char *s)
{
    return view_of(s, strlen(s));
}

#define assert_view(v, s)                                                                                    \
    cr_assert((v).len == strlen(s) && memcmp((v).data, s, (v).len) == 0, "%.*s is not %s", (int)(v).len,     \
              (const char *)(v).data, s)

static enum wax_status parse(const char *head, struct http_request *req)
{
    *req = (struct http_request){0};
    return http_request_parse(text(head), req);
}

/* The verdict, which must not depend on how the bytes come. */
static enum wax_status judge(const char *head)
{
    struct http_request req, slow = {0};
    enum wax_status whole = parse(head, &req), status = WAX_MORE;
    for (size_t n = 1; n <= strlen(head) && status == WAX_MORE; n++)
        status = http_request_parse(view_of(head, n), &slow);
    cr_assert_eq(status, whole, "split: %s, whole: %s", wax_status_name(status), wax_status_name(whole));
    return whole;
}

/* The verdict on one field line in a request that is sound without it. */
static enum wax_status judge_field(const char *line)
{
    char head[1024];
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", line);
    return judge(head);
}

static const char upgrade[] = "GET /v1/relay?x=1 HTTP/1.1\r\n"
                              "Host: relay.example:443\r\n"
                              "connection: keep-alive, Upgrade\r\n"
                              "Upgrade:\tWebSocket \r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                              "Sec-WebSocket-Protocol: chat, waxwire.v1\r\n"
                              "Sec-WebSocket-Version: 13\r\n"
                              "Authorization: Bearer abc\r\n"
                              "\r\n"
                              "behind";

Test(http_request, upgrade_request_is_taken_apart)
{
    struct http_request req;
    cr_assert_eq(parse(upgrade, &req), WAX_OK);
    cr_assert_eq(req.consumed, sizeof upgrade - 1 - 6);
    cr_assert(req.method == HTTP_GET && req.place == HTTP_PLACE_RELAY && req.minor == 1);
    cr_assert(req.upgrade_websocket && req.connection_upgrade && req.offers_waxwire && req.keep_alive);
    assert_view(req.path, "/v1/relay");
    assert_view(req.query, "x=1");
    assert_view(req.host, "relay.example:443");
    assert_view(req.upgrade, "WebSocket");
    assert_view(req.ws_key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_view(req.ws_version, "13");
    assert_view(req.ws_protocol, "chat, waxwire.v1");
    assert_view(req.authorization, "Bearer abc");
}

Test(http_request, incremental_parse_needs_every_byte_and_no_more)
{
    size_t head = sizeof upgrade - 1 - 6;
    struct http_request req = {0};
    for (size_t n = 0; n < head; n++)
        cr_assert_eq(http_request_parse(view_of(upgrade, n), &req), WAX_MORE, "at %zu", n);
    cr_assert_eq(http_request_parse(view_of(upgrade, head), &req), WAX_OK);
    cr_assert_eq(req.consumed, head);
    assert_view(req.path, "/v1/relay");
}

Test(http_request, list_fields_may_come_in_several_lines)
{
    struct http_request req;
    cr_assert_eq(
        parse("GET /v1/relay HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: upgrade\r\n"
              "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: waxwire.v1\r\n\r\n",
              &req),
        WAX_OK);
    cr_assert(req.connection_upgrade && req.offers_waxwire && req.keep_alive);
}

Test(http_request, list_members_are_whole_tokens)
{
    cr_assert(http_list_has(text("a, b ,C"), "c"));
    cr_assert(http_list_has(text(",,b"), "b"));
    cr_assert(!http_list_has(text("upgraded, notupgrade"), "upgrade"));
    cr_assert(!http_list_has(text(""), "upgrade"));
    cr_assert(!http_list_has(text("waxwire.v10"), "waxwire.v1"));
}

Test(http_request, places)
{
    static const struct {
        const char *target;
        enum http_place place;
    } cases[] = {{"/v1/relay", HTTP_PLACE_RELAY},    {"/v1/relay/", HTTP_PLACE_NONE},
                 {"/healthz", HTTP_PLACE_HEALTH},    {"/v1/media", HTTP_PLACE_MEDIA},
                 {"/v1/media/ab", HTTP_PLACE_MEDIA}, {"/", HTTP_PLACE_NONE},
                 {"/v1/media/a/b", HTTP_PLACE_NONE}, {"/V1/relay", HTTP_PLACE_NONE},
                 {"/v1/relayx", HTTP_PLACE_NONE}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[128];
        struct http_request req;
        snprintf(head, sizeof head, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", cases[i].target);
        cr_assert_eq(parse(head, &req), WAX_OK);
        cr_assert_eq(req.place, cases[i].place, "%s", cases[i].target);
    }
    struct http_request req;
    cr_assert_eq(parse("GET /v1/media/AbC-_9 HTTP/1.1\r\nHost: a\r\n\r\n", &req), WAX_OK);
    assert_view(req.media_id, "AbC-_9");
}

Test(http_request, rfc9112_2_2_one_empty_line_before_is_ignored)
{
    struct http_request req;
    cr_assert_eq(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", &req), WAX_OK);
    assert_view(req.path, "/");
    cr_assert_eq(judge("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
}

Test(http_request, rfc9112_2_2_lines_end_by_crlf_alone)
{
    cr_assert_eq(judge("GET / HTTP/1.1\nHost: a\n\n"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost: a\n\r\n"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
}

Test(http_request, control_characters_are_refused)
{
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost: a\r\nX: \x7F\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
    struct http_request req = {0};
    cr_assert_eq(http_request_parse(view_of("GET /\0", 6), &req), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge_field("X: tab\tand \xC3\xBC are fine"), WAX_OK);
}

Test(http_request, rfc9112_3_request_line)
{
    static const char *const bad[] = {"GET  / HTTP/1.1",
                                      "GET / HTTP/1.1 ",
                                      " GET / HTTP/1.1",
                                      "GET /",
                                      "GET",
                                      "GET / http/1.1",
                                      "GET / HTTP/1.",
                                      "GET / HTTP/1.10",
                                      "GET / HTTP/x.1",
                                      "G(T / HTTP/1.1",
                                      "GET /a b HTTP/1.1",
                                      "GET /#f HTTP/1.1",
                                      "GET * HTTP/1.1",
                                      "GET a HTTP/1.1",
                                      "GET /\t HTTP/1.1",
                                      "CONNECT a:443 HTTP/1.1",
                                      "GET http:// HTTP/1.1",
                                      "GET /\xC3\xBC HTTP/1.1",
                                      "GET  HTTP/1.1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char head[128];
        snprintf(head, sizeof head, "%s\r\nHost: a\r\n\r\n", bad[i]);
        cr_assert_eq(judge(head), WAX_HTTP_BAD_REQUEST, "%s", bad[i]);
    }
    cr_assert_eq(judge("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), WAX_OK);
    cr_assert_eq(judge("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), WAX_OK);
}

Test(http_request, rfc9110_2_5_versions)
{
    struct http_request req;
    cr_assert_eq(judge("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), WAX_HTTP_VERSION);
    cr_assert_eq(judge("GET / HTTP/0.9\r\n\r\n"), WAX_HTTP_VERSION);
    cr_assert_eq(parse("GET / HTTP/1.9\r\nHost: a\r\n\r\n", &req), WAX_OK);
    cr_assert_eq(req.minor, 1);
    cr_assert_eq(parse("GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", &req), WAX_OK);
    cr_assert(req.minor == 0 && !req.keep_alive && !req.upgrade_websocket);
}

Test(http_request, rfc9112_3_2_host_once_and_sound)
{
    cr_assert_eq(judge("GET / HTTP/1.1\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge_field("Host: b"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost:\r\n\r\n"), WAX_OK);
    cr_assert_eq(judge("GET / HTTP/1.1\r\nHost: [2001:2::1]:8443\r\n\r\n"), WAX_OK);
}

Test(http_request, rfc9112_3_2_2_absolute_form_replaces_host)
{
    struct http_request req;
    cr_assert_eq(parse("GET http://b.example/healthz?q HTTP/1.1\r\nHost: a\r\n\r\n", &req), WAX_OK);
    cr_assert_eq(req.place, HTTP_PLACE_HEALTH);
    assert_view(req.host, "b.example");
    assert_view(req.query, "q");
    cr_assert_eq(parse("GET https://b.example HTTP/1.1\r\nHost: a\r\n\r\n", &req), WAX_OK);
    assert_view(req.path, "/");
}

Test(http_request, rfc9112_5_field_lines)
{
    static const char *const bad[] = {
        "X : space before colon", " folded", "\tfolded", "no colon", ": no name", "b\xC3\xBC: x", "a(b): x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(judge_field(bad[i]), WAX_HTTP_BAD_REQUEST, "%s", bad[i]);
    cr_assert_eq(judge_field("X:"), WAX_OK);
    cr_assert_eq(judge_field("X: a:b"), WAX_OK);
}

Test(http_request, rfc9112_6_3_content_length)
{
    static const char *const bad[] = {"Content-Length: ",
                                      "Content-Length: -1",
                                      "Content-Length: 1,1",
                                      "Content-Length: 0x1",
                                      "Content-Length: 1 2",
                                      "Content-Length: +1",
                                      "Content-Length: 9999999999999999999",
                                      "Content-Length: 1\r\nContent-Length: 1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_assert_eq(judge_field(bad[i]), WAX_HTTP_BAD_REQUEST, "%s", bad[i]);
    struct http_request req;
    cr_assert_eq(parse("PUT /v1/media HTTP/1.1\r\nHost: a\r\nContent-Length: 00123\r\n\r\n", &req), WAX_OK);
    cr_assert(req.has_length && req.content_length == 123);
}

Test(http_request, rfc9112_6_1_transfer_encoding)
{
    cr_assert_eq(judge_field("Transfer-Encoding: chunked"), WAX_OK);
    cr_assert_eq(judge_field("Transfer-Encoding: gzip, chunked"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge_field("Transfer-Encoding: identity"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge_field("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
                 WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge_field("Transfer-Encoding: chunked\r\nContent-Length: 3"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge_field("Content-Length: 3\r\nTransfer-Encoding: chunked"), WAX_HTTP_BAD_REQUEST);
    cr_assert_eq(judge("PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), WAX_HTTP_BAD_REQUEST);
}

Test(http_request, singletons_come_once)
{
    static const char *const once[] = {"Sec-WebSocket-Key: a", "Sec-WebSocket-Version: 13",
                                       "Authorization: a",     "Range: bytes=0-",
                                       "Waxwire-TTL: 1",       "Waxwire-Id: a"};
    for (size_t i = 0; i < sizeof once / sizeof once[0]; i++) {
        char twice[128];
        snprintf(twice, sizeof twice, "%s\r\n%s", once[i], once[i]);
        cr_assert_eq(judge_field(once[i]), WAX_OK);
        cr_assert_eq(judge_field(twice), WAX_HTTP_BAD_REQUEST, "%s", once[i]);
    }
}

Test(http_request, rfc9112_9_3_persistence)
{
    static const struct {
        const char *head;
        bool keep;
    } cases[] = {{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
                 {"GET / HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n", false},
                 {"GET / HTTP/1.0\r\n\r\n", false},
                 {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request req;
        cr_assert_eq(parse(cases[i].head, &req), WAX_OK);
        cr_assert_eq(req.keep_alive, cases[i].keep);
    }
}

Test(http_request, head_of_8_kib_passes_and_one_byte_more_is_431)
{
    char head[WAX_HTTP_HEAD_BYTES_MAX + 2];
    static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    for (size_t over = 0; over <= 1; over++) {
        size_t len = WAX_HTTP_HEAD_BYTES_MAX + over;
        memset(head, 'x', sizeof head);
        memcpy(head, start, sizeof start - 1);
        memcpy(head + len - 4, "\r\n\r\n", 4);
        struct http_request req = {0};
        cr_assert_eq(http_request_parse(view_of(head, len), &req), over ? WAX_HTTP_HEAD_TOO_LARGE : WAX_OK);
    }
    /* Without an end it is refused as soon as 8 KiB are there. */
    struct http_request req = {0};
    memset(head, 'x', sizeof head);
    cr_assert_eq(http_request_parse(view_of(head, WAX_HTTP_HEAD_BYTES_MAX - 1), &req), WAX_MORE);
    cr_assert_eq(http_request_parse(view_of(head, WAX_HTTP_HEAD_BYTES_MAX), &req), WAX_HTTP_HEAD_TOO_LARGE);
}

Test(http_request, expect_continue)
{
    struct http_request req;
    cr_assert_eq(parse("PUT /v1/media HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\n\r\n", &req), WAX_OK);
    cr_assert(req.expects_continue);
}
