/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <stdio.h>

#include "http/media.h"

#define ID "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

static char head[1024];
static struct http_media media;

static enum wax_status parse(const char *line, const char *fields)
{
    struct http_request request = {0};
    int n = snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", line, fields);
    cr_assert_eq(http_request_parse(view_of(head, (size_t)n), &request), WAX_OK, "%s", head);
    cr_assert_eq(request.place, HTTP_PLACE_MEDIA);
    return http_media_parse(&request, &media);
}

static bool id_reads(const char *text, uint8_t id[HTTP_MEDIA_ID_BYTES])
{
    return http_media_id_read(view_of(text, strlen(text)), id);
}

Test(http_media, an_id_has_one_text)
{
    uint8_t id[HTTP_MEDIA_ID_BYTES];
    char text[HTTP_MEDIA_ID_CHARACTERS];
    cr_assert(id_reads(ID, id));
    for (size_t i = 0; i < sizeof id; i++)
        cr_assert_eq(id[i], i);
    http_media_id_write(id, text);
    cr_assert_arr_eq(text, ID, sizeof text);
    memset(id, 0xFF, sizeof id);
    http_media_id_write(id, text);
    cr_assert_arr_eq(text, "__________________________________________8", sizeof text);
    cr_assert_not(id_reads("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9", id), "a bit left over");
    cr_assert_not(id_reads("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", id), "no padding");
    cr_assert_not(id_reads("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh", id), "too short");
    cr_assert_not(id_reads("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdH/8", id), "another alphabet");
    cr_assert_not(id_reads("", id));
}

Test(http_media, upload_is_taken_apart)
{
    cr_assert_eq(
        parse("PUT /v1/media",
              "Authorization: bearer  abc-_9\r\nContent-Length: 7\r\nWaxwire-TTL: 3600\r\nWaxwire-Id: " ID
              "\r\n"),
        WAX_OK);
    cr_assert(media.has_id && media.id[31] == 31 && media.ttl_s == 3600);
    cr_assert(media.token.len == 6 && memcmp(media.token.data, "abc-_9", 6) == 0);
    cr_assert_eq(parse("PUT /v1/media", "Authorization: Bearer abc\r\nTransfer-Encoding: chunked\r\n"),
                 WAX_OK);
    cr_assert(!media.has_id && media.ttl_s == 0);
}

Test(http_media, uploads_that_are_refused)
{
#define BEARER "Authorization: Bearer abc\r\n"
#define EMPTY  "Content-Length: 0\r\n"
    static const struct {
        const char *fields;
        enum wax_status status;
    } refused[] = {
        {EMPTY, WAX_HTTP_UNAUTHORIZED},
        {"Authorization: Bearer\r\n" EMPTY, WAX_HTTP_UNAUTHORIZED},
        {"Authorization: Basic abc\r\n" EMPTY, WAX_HTTP_UNAUTHORIZED},
        {"Authorization: Bearer a b\r\n" EMPTY, WAX_HTTP_UNAUTHORIZED},
        {"Authorization: Bearer a+b\r\n" EMPTY, WAX_HTTP_UNAUTHORIZED},
        {"", WAX_HTTP_UNAUTHORIZED},
        {BEARER, WAX_HTTP_LENGTH_REQUIRED},
        {BEARER EMPTY "Waxwire-TTL:\r\n", WAX_HTTP_BAD_REQUEST},
        {BEARER EMPTY "Waxwire-TTL: -1\r\n", WAX_HTTP_BAD_REQUEST},
        {BEARER EMPTY "Waxwire-TTL: 1.5\r\n", WAX_HTTP_BAD_REQUEST},
        {BEARER EMPTY "Waxwire-TTL: 4294967296\r\n", WAX_HTTP_BAD_REQUEST},
        {BEARER EMPTY "Waxwire-Id:\r\n", WAX_HTTP_BAD_REQUEST},
        {BEARER EMPTY "Waxwire-Id: short\r\n", WAX_HTTP_BAD_REQUEST},
    };
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        cr_expect_eq(parse("PUT /v1/media", refused[i].fields), refused[i].status, "%zu: %s", i,
                     refused[i].fields);
    cr_expect_eq(parse("PUT /v1/media", BEARER EMPTY "Waxwire-TTL: 4294967295\r\n"), WAX_OK);
    cr_expect_eq(media.ttl_s, UINT32_MAX);
}

Test(http_media, a_blob_is_read_without_and_deleted_with_a_token)
{
    cr_expect_eq(parse("GET /v1/media/" ID, ""), WAX_OK);
    cr_expect(media.has_id && media.id[1] == 1 && media.token.len == 0);
    cr_expect_eq(parse("HEAD /v1/media/" ID, ""), WAX_OK);
    cr_expect_eq(parse("GET /v1/media/" ID, "Content-Length: 1\r\n"), WAX_HTTP_BAD_REQUEST);
    cr_expect_eq(parse("GET /v1/media/" ID, "Transfer-Encoding: chunked\r\n"), WAX_HTTP_BAD_REQUEST);
    cr_expect_eq(parse("DELETE /v1/media/" ID, ""), WAX_HTTP_UNAUTHORIZED);
    cr_expect_eq(parse("DELETE /v1/media/" ID, BEARER), WAX_OK);
    cr_expect_eq(media.token.len, 3);
    cr_expect_eq(parse("GET /v1/media/x", ""), WAX_HTTP_NOT_FOUND);
    cr_expect_eq(parse("PUT /v1/media/" ID, BEARER EMPTY), WAX_HTTP_METHOD);
    cr_expect_eq(parse("GET /v1/media", ""), WAX_HTTP_METHOD);
    cr_expect_eq(parse("POST /v1/media", BEARER EMPTY), WAX_HTTP_METHOD);
}
