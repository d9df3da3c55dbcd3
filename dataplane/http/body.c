/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/body.h"

#include "http/head.h"

enum state {
    BODY_OVER,
    BODY_LENGTH,      /* data, of the whole body */
    CHUNK_SIZE,       /* digits of a chunk's size */
    CHUNK_SPACE,      /* spaces behind it: an extension must follow */
    CHUNK_EXTENSION,  /* behind a semicolon */
    CHUNK_SIZE_LF,    /* the line's CR has been read */
    CHUNK_DATA,       /* data, of this chunk */
    CHUNK_DATA_CR,    /* behind it */
    CHUNK_DATA_LF,    /* behind that */
    TRAILER_BEGIN,    /* of a line, perhaps the empty one */
    TRAILER_NAME,     /* at least one character has been read */
    TRAILER_VALUE,    /* behind the colon */
    TRAILER_LF,       /* the line's CR has been read */
    TRAILER_EMPTY_LF, /* the empty line's CR has been read */
};

enum wax_status http_body_begin(struct http_body *body, const struct http_request *request, uint64_t limit)
{
    *body = (struct http_body){.room = limit};
    if (request->chunked) {
        body->state = CHUNK_SIZE;
        return WAX_OK;
    }
    if (request->content_length > limit)
        return WAX_HTTP_TOO_LARGE;
    body->left = request->content_length;
    body->state = body->left != 0 ? BODY_LENGTH : BODY_OVER;
    return WAX_OK;
}

bool http_body_is_over(const struct http_body *body)
{
    return body->state == BODY_OVER;
}

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* What a line may hold besides its CR and LF: no control characters, but tabs (RFC 9110 5.5). */
static bool is_text(uint8_t c)
{
    return (c >= 0x20 || c == '\t') && c != 0x7F;
}

/* A digit of the size, or what follows the last one. */
static enum wax_status size_byte(struct http_body *body, uint8_t c)
{
    int digit = hex(c);
    if (digit >= 0) {
        if (++body->digits > HTTP_CHUNK_DIGITS_MAX)
            return WAX_HTTP_CHUNK;
        body->left = body->left << 4 | (uint64_t)digit;
        return WAX_MORE;
    }
    if (body->digits == 0)
        return WAX_HTTP_CHUNK;
    if (c == '\r')
        body->state = CHUNK_SIZE_LF;
    else if (c == ';')
        body->state = CHUNK_EXTENSION;
    else if (c == ' ' || c == '\t')
        body->state = CHUNK_SPACE;
    else
        return WAX_HTTP_CHUNK;
    return WAX_MORE;
}

static enum wax_status extension_byte(struct http_body *body, uint8_t c)
{
    if (++body->extensions > HTTP_EXTENSIONS_BYTES_MAX)
        return WAX_HTTP_CHUNK;
    if (body->state == CHUNK_SPACE) {
        if (c == ';')
            body->state = CHUNK_EXTENSION;
        return c == ';' || c == ' ' || c == '\t' ? WAX_MORE : WAX_HTTP_CHUNK;
    }
    if (c == '\r')
        body->state = CHUNK_SIZE_LF;
    return c == '\r' || is_text(c) ? WAX_MORE : WAX_HTTP_CHUNK;
}

/* The line with a chunk's size has ended. */
static enum wax_status chunk_begin(struct http_body *body)
{
    body->digits = 0;
    if (body->left > body->room)
        return WAX_HTTP_TOO_LARGE;
    body->room -= body->left;
    body->state = body->left != 0 ? CHUNK_DATA : TRAILER_BEGIN;
    return WAX_MORE;
}

/* Trailers are read over: none means anything here, but each must be a field line (RFC 9112 7.1.2). */
static enum wax_status trailer_byte(struct http_body *body, uint8_t c)
{
    if (++body->trailers > WAX_HTTP_HEAD_BYTES_MAX)
        return WAX_HTTP_HEAD_TOO_LARGE;
    switch (body->state) {
    case TRAILER_BEGIN:
        body->state = c == '\r' ? TRAILER_EMPTY_LF : TRAILER_NAME;
        return c == '\r' || http_is_token(view_of(&c, 1)) ? WAX_MORE : WAX_HTTP_CHUNK;
    case TRAILER_NAME:
        if (c == ':')
            body->state = TRAILER_VALUE;
        return c == ':' || http_is_token(view_of(&c, 1)) ? WAX_MORE : WAX_HTTP_CHUNK;
    case TRAILER_VALUE:
        if (c == '\r')
            body->state = TRAILER_LF;
        return c == '\r' || is_text(c) ? WAX_MORE : WAX_HTTP_CHUNK;
    default:
        if (c != '\n')
            return WAX_HTTP_CHUNK;
        body->state = body->state == TRAILER_LF ? TRAILER_BEGIN : BODY_OVER;
        return body->state == BODY_OVER ? WAX_OK : WAX_MORE;
    }
}

/* A byte that is not data. */
static enum wax_status framing_byte(struct http_body *body, uint8_t c)
{
    switch (body->state) {
    case CHUNK_SIZE:
        return size_byte(body, c);
    case CHUNK_SPACE:
    case CHUNK_EXTENSION:
        return extension_byte(body, c);
    case CHUNK_SIZE_LF:
        return c == '\n' ? chunk_begin(body) : WAX_HTTP_CHUNK;
    case CHUNK_DATA_CR:
        body->state = CHUNK_DATA_LF;
        return c == '\r' ? WAX_MORE : WAX_HTTP_CHUNK;
    case CHUNK_DATA_LF:
        body->state = CHUNK_SIZE;
        return c == '\n' ? WAX_MORE : WAX_HTTP_CHUNK;
    default:
        return trailer_byte(body, c);
    }
}

static struct view data_take(struct http_body *body, struct view in)
{
    size_t len = in.len < body->left ? in.len : (size_t)body->left;
    body->left -= len;
    if (body->left == 0)
        body->state = body->state == BODY_LENGTH ? BODY_OVER : CHUNK_DATA_CR;
    return view_of(in.data, len);
}

enum wax_status http_body_read(struct http_body *body, struct view in, size_t *used, struct view *data)
{
    *used = 0;
    *data = view_of(NULL, 0);
    enum wax_status status = body->state == BODY_OVER ? WAX_OK : WAX_MORE;
    while (status == WAX_MORE && *used < in.len) {
        if (body->state == BODY_LENGTH || body->state == CHUNK_DATA) {
            *data = data_take(body, view_of(in.data + *used, in.len - *used));
            *used += data->len;
            return body->state == BODY_OVER ? WAX_OK : WAX_MORE;
        }
        status = framing_byte(body, in.data[(*used)++]);
    }
    return status;
}
