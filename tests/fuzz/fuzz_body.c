/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The body of a request, and what a media request asks for: an input is a step (first byte), a limit (second,
 * in units of 64 bytes), a head and what follows it. The verdict, the bytes and the end must not depend on
 * how the bytes are split; a range lies inside what it is of.
 */
#include <stdlib.h>

#include "http/body.h"
#include "http/media.h"
#include "http/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

/* What was read: FNV-1a over the body's bytes, so that their order counts too. */
struct made {
    enum wax_status status;
    size_t used, bytes;
    uint64_t hash;
};

static struct made body_read(const struct http_request *request, uint64_t limit, struct view in, size_t step)
{
    struct http_body body;
    struct made made = {.hash = 0xcbf29ce484222325u};
    made.status = http_body_begin(&body, request, limit);
    if (made.status != WAX_OK)
        return made;
    made.status = http_body_is_over(&body) ? WAX_OK : WAX_MORE;
    while (made.status == WAX_MORE && made.used < in.len) {
        size_t have = in.len - made.used < step ? in.len - made.used : step, used;
        struct view data;
        made.status = http_body_read(&body, view_of(in.data + made.used, have), &used, &data);
        check(used > 0 && used <= have && data.len <= used);
        check(data.len == 0 ||
              (data.data >= in.data + made.used && data.data + data.len <= in.data + made.used + used));
        for (size_t i = 0; i < data.len; i++)
            made.hash = (made.hash ^ data.data[i]) * 0x100000001b3u;
        made.used += used;
        made.bytes += data.len;
    }
    check(http_body_is_over(&body) == (made.status == WAX_OK));
    check(made.bytes <= limit && made.bytes <= made.used);
    return made;
}

static void media_read(const struct http_request *request)
{
    struct http_media media;
    char text[HTTP_MEDIA_ID_CHARACTERS];
    uint8_t id[HTTP_MEDIA_ID_BYTES];
    if (request->place != HTTP_PLACE_MEDIA || http_media_parse(request, &media) != WAX_OK)
        return;
    http_media_id_write(media.id, text);
    check(http_media_id_read(view_of(text, sizeof text), id) && memcmp(id, media.id, sizeof id) == 0);
    if (media.has_id && request->media_id.len != 0)
        check(memcmp(text, request->media_id.data, sizeof text) == 0);
    check(request->method == HTTP_GET || request->method == HTTP_HEAD || media.token.len != 0);
}

static void range_read(const struct http_request *request, uint64_t size)
{
    struct http_range range;
    if (http_range_parse(request->range, size, &range) != WAX_OK)
        return;
    check(range.first <= size && range.bytes <= size - range.first);
    check(range.partial ? range.bytes != 0 : range.bytes == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t step = data[0] == 0 ? 1 : data[0];
    uint64_t limit = 64u * (uint64_t)data[1];
    struct view in = view_of(data + 2, size - 2);
    struct http_request request = {0};
    if (http_request_parse(in, &request) != WAX_OK)
        return 0;
    media_read(&request);
    range_read(&request, limit);
    struct view rest = view_of(in.data + request.consumed, in.len - request.consumed);
    struct made whole = body_read(&request, limit, rest, SIZE_MAX),
                split = body_read(&request, limit, rest, step);
    check(whole.status == split.status && whole.used == split.used);
    check(whole.bytes == split.bytes && whole.hash == split.hash);
    return 0;
}
