/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a request of /v1/media asks for, and the text of a blob's id.
 */
#ifndef WAXWIRE_HTTP_MEDIA_H
#define WAXWIRE_HTTP_MEDIA_H

#include "http/request.h"

#define HTTP_MEDIA_ID_BYTES      32u
#define HTTP_MEDIA_ID_CHARACTERS 43u /* base64url without padding (RFC 4648 5) */

struct http_media {
    uint8_t id[HTTP_MEDIA_ID_BYTES]; /* of the blob, from the path or from Waxwire-Id; zero without one */
    bool has_id;
    uint32_t ttl_s;    /* 0: none was given */
    struct view token; /* of PUT and DELETE; it has not been checked */
};

/*
 * Reads an id: 43 characters of base64url, the two bits left over zero, so that each id has one text. False
 * for anything else.
 */
bool http_media_id_read(struct view text, uint8_t id[HTTP_MEDIA_ID_BYTES]);

/* Writes the text of an id, not terminated. */
void http_media_id_write(const uint8_t id[HTTP_MEDIA_ID_BYTES], char text[HTTP_MEDIA_ID_CHARACTERS]);

/*
 * Reads what a parsed request of HTTP_PLACE_MEDIA asks for; views point into the request's bytes. In this
 * order: WAX_HTTP_METHOD, WAX_HTTP_NOT_FOUND (no blob has such an id), WAX_HTTP_UNAUTHORIZED (PUT or DELETE
 * without `Authorization: Bearer`, RFC 6750 2.1), WAX_HTTP_LENGTH_REQUIRED (PUT with neither Content-Length
 * nor chunks), WAX_HTTP_BAD_REQUEST (Waxwire-TTL is no number of at most 32 bits, Waxwire-Id is no id, a
 * body where none belongs), WAX_OK.
 */
enum wax_status http_media_parse(const struct http_request *request, struct http_media *media);

#endif
