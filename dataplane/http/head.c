/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/head.h"

#include "http/request.h"

/* States of the scan, as bits. */
#define SCAN_CR      0x01u /* the byte before was a CR */
#define SCAN_LINE    0x02u /* the present line has bytes */
#define SCAN_BEGUN   0x04u /* a line that is not empty has been seen */
#define SCAN_LEADING 0x08u /* the one empty line before it has been seen */

/* A line has ended: WAX_OK at the end of the head, WAX_MORE to go on. */
static enum wax_status line_end(uint8_t *state)
{
    bool empty = (*state & SCAN_LINE) == 0;
    *state &= (uint8_t) ~(SCAN_CR | SCAN_LINE);
    if (!empty) {
        *state |= SCAN_BEGUN;
        return WAX_MORE;
    }
    if ((*state & SCAN_BEGUN) != 0)
        return WAX_OK;
    if ((*state & SCAN_LEADING) != 0)
        return WAX_HTTP_BAD_REQUEST;
    *state |= SCAN_LEADING;
    return WAX_MORE;
}

enum wax_status http_head_scan(struct view in, uint32_t *scanned, uint8_t *state)
{
    while (*scanned < in.len) {
        if (*scanned == WAX_HTTP_HEAD_BYTES_MAX)
            return WAX_HTTP_HEAD_TOO_LARGE;
        uint8_t c = in.data[(*scanned)++];
        if ((*state & SCAN_CR) != 0) {
            if (c != '\n')
                return WAX_HTTP_BAD_REQUEST;
            enum wax_status status = line_end(state);
            if (status != WAX_MORE)
                return status;
        } else if (c == '\r') {
            *state |= SCAN_CR;
        } else if ((c < 0x20 && c != '\t') || c == 0x7F) {
            return WAX_HTTP_BAD_REQUEST;
        } else {
            *state |= SCAN_LINE;
        }
    }
    return *scanned == WAX_HTTP_HEAD_BYTES_MAX ? WAX_HTTP_HEAD_TOO_LARGE : WAX_MORE;
}

bool http_line_next(struct view *head, struct view *line)
{
    const uint8_t *cr = head->len == 0 ? NULL : memchr(head->data, '\r', head->len);
    if (cr == NULL || cr == head->data)
        return false;
    size_t len = (size_t)(cr - head->data);
    *line = view_of(head->data, len);
    *head = view_of(cr + 2, head->len - len - 2);
    return true;
}

static bool is_token_char(uint8_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        return true;
    return c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

bool http_is_token(struct view bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (!is_token_char(bytes.data[i]))
            return false;
    return bytes.len != 0;
}

static struct view trimmed(struct view v)
{
    while (v.len != 0 && (v.data[0] == ' ' || v.data[0] == '\t'))
        v = view_of(v.data + 1, v.len - 1);
    while (v.len != 0 && (v.data[v.len - 1] == ' ' || v.data[v.len - 1] == '\t'))
        v.len--;
    return v;
}

bool http_field_split(struct view line, struct view *name, struct view *value)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (colon == NULL)
        return false;
    size_t name_len = (size_t)(colon - line.data);
    *name = view_of(line.data, name_len);
    *value = trimmed(view_of(colon + 1, line.len - name_len - 1));
    return http_is_token(*name);
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool http_is(struct view bytes, const char *text)
{
    if (bytes.len != strlen(text))
        return false;
    for (size_t i = 0; i < bytes.len; i++)
        if (lower(bytes.data[i]) != lower((uint8_t)text[i]))
            return false;
    return true;
}

bool http_list_has(struct view list, const char *token)
{
    while (list.len != 0) {
        const uint8_t *comma = memchr(list.data, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.data) : list.len;
        if (http_is(trimmed(view_of(list.data, len)), token))
            return true;
        if (comma == NULL)
            return false;
        list = view_of(comma + 1, list.len - len - 1);
    }
    return false;
}
