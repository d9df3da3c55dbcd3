/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "http/reply.h"

#define BROWSER "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n"

static char text[HTTP_REPLY_BYTES_MAX + 1];

static const char *status_reply(enum wax_status status, bool head)
{
    size_t len;
    cr_assert_eq(http_reply_status(span_of(text, HTTP_REPLY_BYTES_MAX), status,
                                   &(struct http_asked){.head = head}, &len),
                 WAX_OK);
    text[len] = 0;
    return text;
}

Test(http_reply, health_is_200_ok_and_keeps_the_connection)
{
    cr_assert_str_eq(status_reply(WAX_OK, false),
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: 3\r\n" BROWSER "\r\nok\n");
}

Test(http_reply, rfc9110_9_3_2_head_has_the_length_but_no_body)
{
    cr_assert_str_eq(status_reply(WAX_OK, true),
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: 3\r\n" BROWSER "\r\n");
}

Test(http_reply, refusals_have_their_codes_and_close)
{
    static const struct {
        enum wax_status status;
        const char *line;
    } cases[] = {{WAX_HTTP_BAD_REQUEST, "HTTP/1.1 400 Bad Request\r\n"},
                 {WAX_HTTP_NOT_FOUND, "HTTP/1.1 404 Not Found\r\n"},
                 {WAX_HTTP_METHOD, "HTTP/1.1 405 Method Not Allowed\r\n"},
                 {WAX_HTTP_TIMEOUT, "HTTP/1.1 408 Request Timeout\r\n"},
                 {WAX_HTTP_CHUNK, "HTTP/1.1 400 Bad Request\r\n"},
                 {WAX_HTTP_UNAUTHORIZED, "HTTP/1.1 401 Unauthorized\r\n"},
                 {WAX_HTTP_LENGTH_REQUIRED, "HTTP/1.1 411 Length Required\r\n"},
                 {WAX_HTTP_RANGE, "HTTP/1.1 416 Range Not Satisfiable\r\n"},
                 {WAX_HTTP_TOO_LARGE, "HTTP/1.1 413 Content Too Large\r\n"},
                 {WAX_HTTP_UPGRADE_REQUIRED, "HTTP/1.1 426 Upgrade Required\r\n"},
                 {WAX_HTTP_HEAD_TOO_LARGE, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
                 {WAX_HTTP_VERSION, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
                 {WAX_NO_MEMORY, "HTTP/1.1 500 Internal Server Error\r\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *reply = status_reply(cases[i].status, false);
        cr_assert_eq(strncmp(reply, cases[i].line, strlen(cases[i].line)), 0, "%s", reply);
        cr_assert_not_null(strstr(reply, "\r\nConnection: close"));
        const char *body = strstr(reply, "\r\n\r\n") + 4;
        const char *length = strstr(reply, "Content-Length: ") + 16;
        cr_assert_eq((size_t)strtoul(length, NULL, 10), strlen(body));
        cr_assert_eq(strchr(body, '\n'), body + strlen(body) - 1, "one line of text");
    }
}

Test(http_reply, rfc9110_15_5_2_401_names_the_scheme)
{
    const char *reply = status_reply(WAX_HTTP_UNAUTHORIZED, false);
    cr_assert_not_null(strstr(reply, "\r\nWWW-Authenticate: Bearer\r\n"));
}

Test(http_reply, rfc9110_15_5_22_426_names_the_protocol)
{
    const char *reply = status_reply(WAX_HTTP_UPGRADE_REQUIRED, false);
    cr_assert_not_null(strstr(reply, "\r\nUpgrade: websocket\r\n"));
    cr_assert_not_null(strstr(reply, "\r\nSec-WebSocket-Version: 13\r\n"));
    cr_assert_not_null(strstr(reply, "\r\nConnection: close, Upgrade\r\n"));
}

Test(http_reply, rfc9110_15_5_6_405_has_allow)
{
    cr_assert_not_null(strstr(status_reply(WAX_HTTP_METHOD, false), "\r\nAllow: GET, HEAD\r\n"));
}

Test(http_reply, too_small_a_span_is_full_at_every_length)
{
    struct http_reply reply = {.code = 404, .close = true, .body = view_of("no\n", 3)};
    uint8_t out[256];
    size_t whole, len;
    cr_assert_eq(http_reply_write(span_of(out, sizeof out), &reply, &whole), WAX_OK);
    for (size_t room = 0; room < whole; room++) {
        cr_assert_eq(http_reply_write(span_of(out, room), &reply, &len), WAX_FULL);
        cr_assert_eq(len, 0);
    }
    cr_assert_eq(http_reply_write(span_of(out, whole), &reply, &len), WAX_OK);
}

Test(http_reply, fields_and_type_of_the_caller)
{
    size_t len;
    struct http_reply reply = {.code = 201,
                               .content_type = "application/json",
                               .fields = view_of("ETag: \"x\"\r\n", 11),
                               .body = view_of("{}", 2)};
    cr_assert_eq(http_reply_write(span_of(text, HTTP_REPLY_BYTES_MAX), &reply, &len), WAX_OK);
    text[len] = 0;
    cr_assert_str_eq(text,
                     "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 2\r\n" BROWSER
                     "ETag: \"x\"\r\n\r\n{}");
}

Test(http_reply, rfc6797_7_hsts_is_said_over_tls_alone)
{
    size_t len;
    cr_assert_null(strstr(status_reply(WAX_HTTP_NOT_FOUND, false), "Strict-Transport-Security"));
    for (int status = 0; status < WAX_STATUS_COUNT; status++) {
        struct http_asked asked = {
            .secure = true, .shared = true, .allow = "GET, HEAD, PUT, DELETE, POST, OPTIONS"};
        cr_assert_eq(
            http_reply_status(span_of(text, HTTP_REPLY_BYTES_MAX), (enum wax_status)status, &asked, &len),
            WAX_OK, "the longest has room");
        text[len] = 0;
        cr_assert_not_null(strstr(text, "\r\nStrict-Transport-Security: max-age=31536000\r\n"));
    }
}

Test(http_reply, media_have_refusals_of_their_own)
{
    static const struct {
        enum wax_status status;
        const char *line;
    } cases[] = {{WAX_TOKEN_FORGED, "HTTP/1.1 401 Unauthorized\r\n"},
                 {WAX_TOKEN_STALE, "HTTP/1.1 401 Unauthorized\r\n"},
                 {WAX_MEDIA_NOT_OWNER, "HTTP/1.1 403 Forbidden\r\n"},
                 {WAX_MEDIA_OFF, "HTTP/1.1 404 Not Found\r\n"},
                 {WAX_MEDIA_NOT_FOUND, "HTTP/1.1 404 Not Found\r\n"},
                 {WAX_MEDIA_STALLED, "HTTP/1.1 408 Request Timeout\r\n"},
                 {WAX_MEDIA_EXISTS, "HTTP/1.1 409 Conflict\r\n"},
                 {WAX_MEDIA_IO, "HTTP/1.1 500 Internal Server Error\r\n"},
                 {WAX_MEDIA_BUSY, "HTTP/1.1 503 Service Unavailable\r\n"},
                 {WAX_MEDIA_AWAY, "HTTP/1.1 503 Service Unavailable\r\n"},
                 {WAX_MEDIA_QUOTA, "HTTP/1.1 507 Insufficient Storage\r\n"},
                 {WAX_MEDIA_NO_SPACE, "HTTP/1.1 507 Insufficient Storage\r\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *reply = status_reply(cases[i].status, false);
        cr_expect_eq(strncmp(reply, cases[i].line, strlen(cases[i].line)), 0, "%s", reply);
        cr_expect_eq(strstr(reply, "Retry-After") != NULL, http_code(cases[i].status) == 503);
        cr_expect_eq(strstr(reply, "WWW-Authenticate: Bearer") != NULL, http_code(cases[i].status) == 401);
    }
}

static const char *write_reply(const struct http_reply *reply)
{
    size_t len;
    cr_assert_eq(http_reply_write(span_of(text, HTTP_REPLY_BYTES_MAX), reply, &len), WAX_OK);
    text[len] = 0;
    return text;
}

Test(http_reply, rfc9112_6_a_body_that_follows_has_its_length_chunks_or_neither)
{
    struct http_reply reply = {.code = 200, .stream = true, .length = 5, .body = view_of("never", 5)};
    cr_expect_not_null(strstr(write_reply(&reply), "\r\nContent-Length: 5\r\n"));
    cr_expect_null(strstr(text, "never"));
    reply.length = HTTP_LENGTH_UNKNOWN;
    cr_expect_not_null(strstr(write_reply(&reply), "\r\nTransfer-Encoding: chunked\r\n"));
    cr_expect_null(strstr(text, "Content-Length"));
    reply.length = HTTP_LENGTH_NONE;
    cr_expect_null(strstr(write_reply(&reply), "Transfer-Encoding"));
    cr_expect_null(strstr(text, "Content-Length"));
}

Test(http_reply, rfc9110_8_6_no_length_in_a_204)
{
    cr_expect_null(strstr(write_reply(&(struct http_reply){.code = 204}), "Content-Length:"));
    cr_expect_null(strstr(text, "Content-Type:"));
}

Test(http_reply, pages_of_other_origins_may_read_what_is_shared)
{
    cr_expect_null(strstr(write_reply(&(struct http_reply){.code = 200}), "Access-Control"));
    cr_expect_not_null(strstr(write_reply(&(struct http_reply){.code = 200, .shared = true}),
                              "\r\nAccess-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: "));
}
