/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "http/reply.h"

#define BROWSER "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: default-src 'none'\r\n"

static char text[HTTP_REPLY_BYTES_MAX + 1];

static const char *status_reply(enum wax_status status, bool head)
{
    size_t len;
    cr_assert_eq(http_reply_status(span_of(text, HTTP_REPLY_BYTES_MAX), status, head, false, &len), WAX_OK);
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
        cr_assert_eq(http_reply_status(span_of(text, HTTP_REPLY_BYTES_MAX), (enum wax_status)status, false,
                                       true, &len),
                     WAX_OK, "the longest has room");
        text[len] = 0;
        cr_assert_not_null(strstr(text, "\r\nStrict-Transport-Security: max-age=31536000\r\n"));
    }
}
