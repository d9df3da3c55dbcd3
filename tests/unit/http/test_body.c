/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>

#include "http/body.h"

#define LIMIT 1000u

static struct http_body body_of(const char *framing)
{
    char head[256];
    struct http_request request = {0};
    struct http_body body;
    int n = snprintf(head, sizeof head, "PUT /v1/media HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", framing);
    cr_assert_eq(http_request_parse(view_of(head, (size_t)n), &request), WAX_OK);
    cr_assert_eq(http_body_begin(&body, &request, LIMIT), WAX_OK);
    return body;
}

/* What a reader makes of `in` in steps of `step` bytes: the body, the verdict and how much was used. */
struct made {
    char bytes[2048];
    size_t len, used;
    enum wax_status status;
};

static struct made read_in_steps(const char *framing, const char *in, size_t len, size_t step)
{
    struct http_body body = body_of(framing);
    struct made made = {.status = http_body_is_over(&body) ? WAX_OK : WAX_MORE};
    while (made.status == WAX_MORE && made.used < len) {
        size_t used, have = len - made.used < step ? len - made.used : step;
        struct view data;
        made.status = http_body_read(&body, view_of(in + made.used, have), &used, &data);
        cr_assert(used > 0 && used <= have, "it goes on");
        if (data.len != 0)
            memcpy(made.bytes + made.len, data.data, data.len);
        made.len += data.len;
        made.used += used;
    }
    cr_assert_eq(http_body_is_over(&body), made.status == WAX_OK);
    return made;
}

static struct made body_read(const char *framing, const char *in)
{
    struct made whole = read_in_steps(framing, in, strlen(in), strlen(in));
    for (size_t step = 1; step < 8; step++) {
        struct made split = read_in_steps(framing, in, strlen(in), step);
        cr_assert_eq(split.status, whole.status, "steps of %zu: %s, whole: %s", step,
                     wax_status_name(split.status), wax_status_name(whole.status));
        cr_assert(split.used == whole.used && split.len == whole.len &&
                  memcmp(split.bytes, whole.bytes, whole.len) == 0);
    }
    return whole;
}

static struct made chunks(const char *in)
{
    return body_read("Transfer-Encoding: chunked", in);
}

static void expect_body(struct made made, const char *bytes, size_t used)
{
    cr_assert_eq(made.status, WAX_OK, "%s", wax_status_name(made.status));
    cr_assert_eq(made.used, used, "%zu bytes were used", made.used);
    cr_assert(made.len == strlen(bytes) && memcmp(made.bytes, bytes, made.len) == 0);
}

Test(http_body, a_length_ends_it_and_the_next_request_is_left)
{
    expect_body(body_read("Content-Length: 5", "helloGET / HTTP/1.1"), "hello", 5);
    expect_body(body_read("Content-Length: 0", "GET"), "", 0);
    expect_body(body_read("Connection: close", "GET"), "", 0);
    cr_assert_eq(body_read("Content-Length: 6", "hello").status, WAX_MORE);
}

Test(http_body, chunks_are_joined_and_the_next_request_is_left)
{
    expect_body(chunks("5\r\nhello\r\n1\r\n \r\n00A\r\nwide world\r\n0\r\n\r\nGET"), "hello wide world", 38);
    expect_body(chunks("0\r\n\r\n"), "", 5);
    expect_body(chunks("000\r\n\r\n"), "", 7);
    expect_body(chunks("2\r\n\r\n\r\n0\r\n\r\n"), "\r\n", 12);
    cr_assert_eq(chunks("5\r\nhello\r\n").status, WAX_MORE);
    cr_assert_eq(chunks("5\r\nhello\r\n0\r\n").status, WAX_MORE);
}

Test(http_body, extensions_and_trailers_are_read_over)
{
    expect_body(chunks("1;a=b;c=\"d\"\r\nx\r\n0;last\r\n\r\n"), "x", 26);
    expect_body(chunks("1 \t;a\r\nx\r\n0\r\n\r\n"), "x", 15);
    expect_body(chunks("1\r\nx\r\n0\r\nDigest: abc\r\nContent-Length: 7\r\n\r\n"), "x", 43);
}

Test(http_body, what_readers_could_read_differently_is_refused)
{
    static const char *const bad[] = {
        "\r\n",                        /* no size */
        ";a\r\n",                      /* nor here */
        "0x1\r\nx",                    /* hexadecimal digits alone */
        "+1\r\nx",                     /* no sign */
        "-1\r\nx",                     /**/
        " 1\r\nx",                     /* no space before it */
        "1 \r\nx",                     /* nor behind it, without an extension */
        "1_0\r\nx",                    /**/
        "1\nx",                        /* lines end by CRLF */
        "1\rx",                        /**/
        "1;a\nx",                      /* in an extension too */
        "1;a\rx",                      /**/
        "1;a\1\r\nx",                  /* no control characters */
        "1\r\nx\n0\r\n\r\n",           /* data end by CRLF */
        "1\r\nx\r0\r\n\r\n",           /**/
        "1\r\nxy\r\n",                 /* more data than the size says */
        "1000000000000000\r\nx",       /* too many digits */
        "0000000000000001\r\nx",       /**/
        "0\r\n\n",                     /* trailers */
        "0\r\n folded: x\r\n\r\n",     /**/
        "0\r\n: x\r\n\r\n",            /**/
        "0\r\nno colon\r\n\r\n",       /**/
        "0\r\na : x\r\n\r\n",          /**/
        "0\r\na: x\n\r\n",             /**/
        "0\r\na: x\1\r\n\r\n",         /**/
        "0\r\na: x\r\n\rGET",          /**/
        "0\r\nGET / HTTP/1.1\r\n\r\n", /* a request in their place */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_eq(chunks(bad[i]).status, WAX_HTTP_CHUNK, "%zu: %s", i, bad[i]);
}

Test(http_body, limit_holds_for_a_length_and_for_the_sum_of_chunks)
{
    struct http_request request = {.has_length = true, .content_length = LIMIT};
    struct http_body body;
    cr_assert_eq(http_body_begin(&body, &request, LIMIT), WAX_OK);
    request.content_length = LIMIT + 1;
    cr_assert_eq(http_body_begin(&body, &request, LIMIT), WAX_HTTP_TOO_LARGE);

    char in[2048];
    int n = snprintf(in, sizeof in, "3e7\r\n%0999d\r\n1\r\nx\r\n0\r\n\r\n", 0);
    struct made made = chunks(in);
    cr_assert(made.status == WAX_OK && made.len == LIMIT && made.used == (size_t)n);
    snprintf(in, sizeof in, "3e7\r\n%0999d\r\n2\r\nxx\r\n0\r\n\r\n", 0);
    cr_assert_eq(chunks(in).status, WAX_HTTP_TOO_LARGE);
    cr_assert_eq(chunks("fffffffffffffff\r\n").status, WAX_HTTP_TOO_LARGE, "the sum doesn't wrap");
}

/* Feeds a piece over and over; how many bytes it took until the verdict. */
static size_t feed(const char *begin, const char *piece, enum wax_status *status)
{
    struct http_body body = body_of("Transfer-Encoding: chunked");
    struct view data;
    size_t used, fed = strlen(begin);
    *status = http_body_read(&body, view_of(begin, fed), &used, &data);
    while (*status == WAX_MORE && fed < 100000u) {
        *status = http_body_read(&body, view_of(piece, strlen(piece)), &used, &data);
        fed += used;
    }
    return fed;
}

Test(http_body, extensions_and_trailers_have_a_bound)
{
    enum wax_status status;
    size_t fed = feed("1;", "aaaaaaaa", &status);
    cr_assert_eq(status, WAX_HTTP_CHUNK);
    cr_assert_eq(fed, 2u + HTTP_EXTENSIONS_BYTES_MAX + 1u);
    fed = feed("0\r\n", "a: b\r\n", &status);
    cr_assert_eq(status, WAX_HTTP_HEAD_TOO_LARGE);
    cr_assert_eq(fed, 3u + WAX_HTTP_HEAD_BYTES_MAX + 1u);
}
