/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/media.h"

#include "base/base64url.h"

#define SCHEME_BYTES 7u /* of "Bearer " */

bool http_media_id_read(struct view text, uint8_t id[HTTP_MEDIA_ID_BYTES])
{
    return base64url_decode(text, span_of(id, HTTP_MEDIA_ID_BYTES));
}

void http_media_id_write(const uint8_t id[HTTP_MEDIA_ID_BYTES], char text[HTTP_MEDIA_ID_CHARACTERS])
{
    base64url_encode(view_of(id, HTTP_MEDIA_ID_BYTES), (uint8_t *)text);
}

/* credentials = "Bearer" 1*SP b64token (RFC 6750 2.1; the scheme in any case, RFC 9110 11.1). */
static bool bearer_read(struct view value, struct view *token)
{
    if (value.len <= SCHEME_BYTES || !http_is(view_of(value.data, SCHEME_BYTES), "Bearer "))
        return false;
    size_t at = SCHEME_BYTES;
    while (at < value.len && value.data[at] == ' ')
        at++;
    *token = view_of(value.data + at, value.len - at);
    for (size_t i = 0; i < token->len; i++)
        if (base64url_digit(token->data[i]) < 0)
            return false;
    return token->len != 0;
}

static bool ttl_read(struct view value, uint32_t *ttl_s)
{
    uint64_t n = 0;
    if (value.len == 0 || value.len > 10)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        n = n * 10u + (uint64_t)(value.data[i] - '0');
    }
    *ttl_s = (uint32_t)n;
    return n <= UINT32_MAX;
}

static enum wax_status put_parse(const struct http_request *request, struct http_media *media)
{
    if (!request->chunked && !request->has_length)
        return WAX_HTTP_LENGTH_REQUIRED;
    if (request->waxwire_ttl.data != NULL && !ttl_read(request->waxwire_ttl, &media->ttl_s))
        return WAX_HTTP_BAD_REQUEST;
    media->has_id = request->waxwire_id.data != NULL;
    if (media->has_id && !http_media_id_read(request->waxwire_id, media->id))
        return WAX_HTTP_BAD_REQUEST;
    return WAX_OK;
}

enum wax_status http_media_parse(const struct http_request *request, struct http_media *media)
{
    enum http_method method = (enum http_method)request->method;
    bool named = request->media_id.len != 0, reads = method == HTTP_GET || method == HTTP_HEAD;
    *media = (struct http_media){0};
    if (named ? !reads && method != HTTP_DELETE : method != HTTP_PUT)
        return WAX_HTTP_METHOD;
    if (named && !http_media_id_read(request->media_id, media->id))
        return WAX_HTTP_NOT_FOUND;
    if (!reads && !bearer_read(request->authorization, &media->token))
        return WAX_HTTP_UNAUTHORIZED;
    if (!named)
        return put_parse(request, media);
    media->has_id = true;
    return request->chunked || request->content_length != 0 ? WAX_HTTP_BAD_REQUEST : WAX_OK;
}
