/* SPDX-License-Identifier: BSD-3-Clause */
#include "http/request.h"

#include "http/head.h"

/* Fields whose value is kept in a view of struct http_request. */
enum field {
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_UPGRADE,
    FIELD_WS_KEY,
    FIELD_WS_VERSION,
    FIELD_WS_PROTOCOL,
    FIELD_WS_EXTENSIONS,
    FIELD_AUTHORIZATION,
    FIELD_RANGE,
    FIELD_IF_RANGE,
    FIELD_IF_NONE_MATCH,
    FIELD_EXPECT,
    FIELD_WAXWIRE_TTL,
    FIELD_WAXWIRE_ID,
    FIELD_COUNT
};

#define NO_VIEW      SIZE_MAX
#define VIEW(member) offsetof(struct http_request, member)

static const struct {
    const char *name;
    size_t view; /* where the first value goes */
    bool once;   /* a second line of that name is refused (RFC 9110 5.3) */
} fields[FIELD_COUNT] = {
    [FIELD_HOST] = {"Host", VIEW(host), true},
    [FIELD_CONTENT_LENGTH] = {"Content-Length", NO_VIEW, true},
    [FIELD_TRANSFER_ENCODING] = {"Transfer-Encoding", NO_VIEW, true},
    [FIELD_CONNECTION] = {"Connection", VIEW(connection), false},
    [FIELD_UPGRADE] = {"Upgrade", VIEW(upgrade), false},
    [FIELD_WS_KEY] = {"Sec-WebSocket-Key", VIEW(ws_key), true},
    [FIELD_WS_VERSION] = {"Sec-WebSocket-Version", VIEW(ws_version), true},
    [FIELD_WS_PROTOCOL] = {"Sec-WebSocket-Protocol", VIEW(ws_protocol), false},
    [FIELD_WS_EXTENSIONS] = {"Sec-WebSocket-Extensions", VIEW(ws_extensions), false},
    [FIELD_AUTHORIZATION] = {"Authorization", VIEW(authorization), true},
    [FIELD_RANGE] = {"Range", VIEW(range), true},
    [FIELD_IF_RANGE] = {"If-Range", VIEW(if_range), true},
    [FIELD_IF_NONE_MATCH] = {"If-None-Match", VIEW(if_none_match), false},
    [FIELD_EXPECT] = {"Expect", NO_VIEW, false},
    [FIELD_WAXWIRE_TTL] = {"Waxwire-TTL", VIEW(waxwire_ttl), true},
    [FIELD_WAXWIRE_ID] = {"Waxwire-Id", VIEW(waxwire_id), true},
};

/* What is known only while the fields of one head are read. */
struct reading {
    uint32_t seen; /* bit of each enum field */
    bool says_close, says_keep_alive;
};

_Static_assert(FIELD_COUNT <= 32, "marks of all fields fit one word");

static bool view_is(struct view v, const char *text)
{
    return v.len == strlen(text) && memcmp(v.data, text, v.len) == 0;
}

static uint8_t method_of(struct view text)
{
    static const char *const names[HTTP_OTHER] = {
        [HTTP_GET] = "GET",       [HTTP_HEAD] = "HEAD", [HTTP_PUT] = "PUT",
        [HTTP_DELETE] = "DELETE", [HTTP_POST] = "POST", [HTTP_OPTIONS] = "OPTIONS",
    };
    for (uint8_t i = 0; i < HTTP_OTHER; i++)
        if (view_is(text, names[i]))
            return i;
    return HTTP_OTHER;
}

/* RFC 9112 3.2.2: a server takes the absolute form too; its authority replaces Host. */
static bool absolute_form(struct view *target, struct view *authority)
{
    size_t skip = 0;
    if (target->len > 7 && http_is(view_of(target->data, 7), "http://"))
        skip = 7;
    else if (target->len > 8 && http_is(view_of(target->data, 8), "https://"))
        skip = 8;
    if (skip == 0)
        return false;
    size_t end = skip;
    while (end < target->len && target->data[end] != '/' && target->data[end] != '?')
        end++;
    *authority = view_of(target->data + skip, end - skip);
    *target = end == target->len ? view_of("/", 1) : view_of(target->data + end, target->len - end);
    return true;
}

static void place_find(struct http_request *req)
{
    static const char media[] = "/v1/media/";
    const size_t prefix = sizeof media - 1;
    if (view_is(req->path, "/v1/relay")) {
        req->place = HTTP_PLACE_RELAY;
    } else if (view_is(req->path, "/healthz")) {
        req->place = HTTP_PLACE_HEALTH;
    } else if (view_is(req->path, "/v1/media")) {
        req->place = HTTP_PLACE_MEDIA;
    } else if (req->path.len > prefix && memcmp(req->path.data, media, prefix) == 0 &&
               memchr(req->path.data + prefix, '/', req->path.len - prefix) == NULL) {
        req->place = HTTP_PLACE_MEDIA;
        req->media_id = view_of(req->path.data + prefix, req->path.len - prefix);
    }
}

static bool is_host(struct view value)
{
    for (size_t i = 0; i < value.len; i++)
        if (strchr(" \t/?#@,\\", value.data[i]) != NULL)
            return false;
    return true;
}

static enum wax_status target_parse(struct http_request *req, struct view target)
{
    for (size_t i = 0; i < target.len; i++)
        if (target.data[i] <= 0x20 || target.data[i] >= 0x7F || target.data[i] == '#')
            return WAX_HTTP_BAD_REQUEST;
    if (absolute_form(&target, &req->host)) {
        if (req->host.len == 0 || !is_host(req->host))
            return WAX_HTTP_BAD_REQUEST;
    } else if (view_is(target, "*") ? req->method != HTTP_OPTIONS
                                    : target.len == 0 || target.data[0] != '/') {
        return WAX_HTTP_BAD_REQUEST;
    }
    const uint8_t *mark = memchr(target.data, '?', target.len);
    req->path = target;
    if (mark != NULL) {
        req->path.len = (size_t)(mark - target.data);
        req->query = view_of(mark + 1, target.len - req->path.len - 1);
    }
    place_find(req);
    return WAX_OK;
}

/* request-line = method SP request-target SP HTTP-version (RFC 9112 3). */
static enum wax_status request_line(struct http_request *req, struct view line)
{
    const uint8_t *space = memchr(line.data, ' ', line.len);
    if (space == NULL)
        return WAX_HTTP_BAD_REQUEST;
    req->method_text = view_of(line.data, (size_t)(space - line.data));
    if (!http_is_token(req->method_text))
        return WAX_HTTP_BAD_REQUEST;
    req->method = method_of(req->method_text);

    struct view rest = view_of(space + 1, line.len - req->method_text.len - 1);
    space = rest.len == 0 ? NULL : memchr(rest.data, ' ', rest.len);
    if (space == NULL)
        return WAX_HTTP_BAD_REQUEST;
    struct view target = view_of(rest.data, (size_t)(space - rest.data));
    const uint8_t *version = space + 1;
    if (rest.len - target.len - 1 != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.' ||
        version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
        return WAX_HTTP_BAD_REQUEST;
    if (version[5] != '1')
        return WAX_HTTP_VERSION;
    req->minor = version[7] == '0' ? 0 : 1;
    return target_parse(req, target);
}

static enum wax_status length_parse(struct http_request *req, struct view value)
{
    if (value.len == 0 || value.len > 18)
        return WAX_HTTP_BAD_REQUEST;
    uint64_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return WAX_HTTP_BAD_REQUEST;
        n = n * 10 + (uint64_t)(value.data[i] - '0');
    }
    req->has_length = true;
    req->content_length = n;
    return WAX_OK;
}

static enum wax_status field_take(struct http_request *req, enum field f, struct view value,
                                  struct reading *r)
{
    switch (f) {
    case FIELD_HOST:
        return is_host(value) ? WAX_OK : WAX_HTTP_BAD_REQUEST;
    case FIELD_CONTENT_LENGTH:
        return length_parse(req, value);
    case FIELD_TRANSFER_ENCODING:
        req->chunked = true;
        return http_is(value, "chunked") ? WAX_OK : WAX_HTTP_BAD_REQUEST;
    case FIELD_CONNECTION:
        req->connection_upgrade |= http_list_has(value, "upgrade");
        r->says_close |= http_list_has(value, "close");
        r->says_keep_alive |= http_list_has(value, "keep-alive");
        return WAX_OK;
    case FIELD_UPGRADE:
        req->upgrade_websocket |= http_list_has(value, "websocket");
        return WAX_OK;
    case FIELD_WS_PROTOCOL:
        req->offers_waxwire |= http_list_has(value, "waxwire.v1");
        return WAX_OK;
    case FIELD_EXPECT:
        req->expects_continue |= http_is(value, "100-continue");
        return WAX_OK;
    default:
        return WAX_OK;
    }
}

static enum wax_status field_line(struct http_request *req, struct view line, struct reading *r)
{
    struct view name, value;
    if (!http_field_split(line, &name, &value))
        return WAX_HTTP_BAD_REQUEST;
    for (unsigned f = 0; f < FIELD_COUNT; f++) {
        if (!http_is(name, fields[f].name))
            continue;
        bool again = (r->seen >> f & 1u) != 0;
        if (again && fields[f].once)
            return WAX_HTTP_BAD_REQUEST;
        r->seen |= 1u << f;
        struct view *view = fields[f].view == NO_VIEW ? NULL : (void *)((uint8_t *)req + fields[f].view);
        if (view != NULL && view->len == 0)
            *view = value;
        return field_take(req, (enum field)f, value, r);
    }
    return WAX_OK;
}

/* What only the whole head shows (RFC 9112 3.2, 6.1, 6.3, 9.3). */
static enum wax_status head_judge(struct http_request *req, const struct reading *r)
{
    bool has_host = (r->seen >> FIELD_HOST & 1u) != 0;
    if (req->minor >= 1 && !has_host)
        return WAX_HTTP_BAD_REQUEST;
    if (req->chunked && (req->has_length || req->minor == 0))
        return WAX_HTTP_BAD_REQUEST;
    req->keep_alive = !r->says_close && (req->minor >= 1 || r->says_keep_alive);
    if (req->minor == 0) {
        /* RFC 9110 7.8, 10.1.1: neither means anything in HTTP/1.0. */
        req->upgrade_websocket = false;
        req->expects_continue = false;
    }
    return WAX_OK;
}

enum wax_status http_request_parse(struct view in, struct http_request *out)
{
    uint32_t scanned = out->scanned;
    uint8_t state = out->scan_state;
    enum wax_status status = http_head_scan(in, &scanned, &state);
    *out = (struct http_request){.scanned = scanned, .scan_state = state};
    if (status != WAX_OK)
        return status;

    struct reading r = {0};
    struct view head = view_of(in.data, scanned), line;
    if (head.data[0] == '\r')
        head = view_of(head.data + 2, head.len - 2);
    if (!http_line_next(&head, &line))
        return WAX_HTTP_BAD_REQUEST;
    status = request_line(out, line);
    while (status == WAX_OK && http_line_next(&head, &line))
        status = field_line(out, line, &r);
    if (status == WAX_OK)
        status = head_judge(out, &r);
    out->consumed = scanned;
    return status;
}
