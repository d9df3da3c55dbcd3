/* SPDX-License-Identifier: BSD-3-Clause */
#include "admin_trace.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool address_read(const char *text, uint8_t out[16])
{
    memcpy(out, mapped, sizeof mapped);
    return inet_pton(AF_INET, text, out + 12) == 1 ||
           (inet_pton(AF_INET6, text, out) == 1 && memcmp(out, mapped, sizeof mapped) != 0);
}

/* A port that may be left out. False when it is none. */
static bool port_read(struct json_object *request, const char *key, uint16_t *port)
{
    struct json_object *value;
    if (!json_object_object_get_ex(request, key, &value))
        return true;
    int64_t number = json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : -1;
    *port = (uint16_t)number;
    return number >= 0 && number <= UINT16_MAX;
}

static enum wax_status request_take(struct json_object *request, struct trace_match *match,
                                    const char **reason)
{
    struct json_object *value;
    memset(match, 0, sizeof *match);
    if (!json_object_is_type(request, json_type_object) ||
        !json_object_object_get_ex(request, "command", &value) ||
        !json_object_is_type(value, json_type_string) || strcmp(json_object_get_string(value), "trace") != 0)
        return WAX_NOT_FOUND;
    *reason = "peer must be an IPv4 or IPv6 address";
    if (!json_object_object_get_ex(request, "peer", &value) ||
        !json_object_is_type(value, json_type_string) ||
        !address_read(json_object_get_string(value), match->peer))
        return WAX_BAD_ARGUMENT;
    *reason = "port and local_port must be 0 to 65535";
    if (!port_read(request, "port", &match->peer_port) ||
        !port_read(request, "local_port", &match->local_port))
        return WAX_BAD_ARGUMENT;
    return WAX_OK;
}

enum wax_status trace_request_read(const char *request, size_t len, struct trace_match *match,
                                   const char **reason)
{
    struct json_tokener *tokener = json_tokener_new_ex(8);
    struct json_object *parsed = json_tokener_parse_ex(tokener, request, (int)len);
    enum wax_status status = request_take(parsed, match, reason);
    json_object_put(parsed);
    json_tokener_free(tokener);
    return status;
}

struct sink {
    char *line;
    size_t len;
};

static void put(struct sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct sink *sink, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(sink->line + sink->len, TRACE_LINE_BYTES - sink->len, format, args);
    va_end(args);
    sink->len += (size_t)n < TRACE_LINE_BYTES - sink->len ? (size_t)n : TRACE_LINE_BYTES - sink->len - 1;
}

static void put_segment(struct sink *sink, const struct trace_event *event)
{
    put(sink, ",\"flags\":%u,\"seq\":%u,\"ack\":%u,\"len\":%u,\"window\":%u,\"tsval\":%u,\"tsecr\":%u",
        event->flags, event->segment.seq, event->segment.ack, event->segment.len, event->segment.window,
        event->segment.tsval, event->segment.tsecr);
}

static void put_details(struct sink *sink, const struct trace_event *event)
{
    switch (event->kind) {
    case TRACE_IN:
    case TRACE_OUT:
        put_segment(sink, event);
        return;
    case TRACE_STATE:
        put(sink, ",\"from\":\"%s\"", trace_state_text(event->change.from));
        return;
    case TRACE_CONGESTION:
        put(sink,
            ",\"cwnd\":%u,\"ssthresh\":%u,\"flight\":%u,\"peer_window\":%u,\"srtt_us\":%u,\"rto_ms\":%u",
            event->congestion.cwnd, event->congestion.ssthresh, event->congestion.flight,
            event->congestion.snd_wnd, event->congestion.srtt_us, event->congestion.rto_ms);
        return;
    case TRACE_TIMER:
        put(sink, ",\"timer\":\"%s\",\"backoff\":%u,\"rto_ms\":%u", trace_timer_text(event->timer.which),
            event->timer.backoff, event->timer.rto_ms);
        return;
    default:
        return;
    }
}

size_t trace_line(const struct trace_event *event, uint32_t worker, uint64_t wall_us, uint64_t lost,
                  char line[TRACE_LINE_BYTES])
{
    struct sink sink = {line, 0};
    char peer[INET6_ADDRSTRLEN];
    bool ip4 = memcmp(event->peer, mapped, sizeof mapped) == 0;
    inet_ntop(ip4 ? AF_INET : AF_INET6, ip4 ? event->peer + 12 : event->peer, peer, sizeof peer);
    put(&sink,
        "{\"time_us\":%" PRIu64
        ",\"worker\":%u,\"peer\":\"%s\",\"port\":%u,\"local_port\":%u,\"kind\":\"%s\"",
        wall_us + event->time_us, worker, peer, event->peer_port, event->local_port,
        trace_kind_text(event->kind));
    if (event->id != UINT32_MAX)
        put(&sink, ",\"conn\":%u,\"state\":\"%s\"", event->id, trace_state_text(event->state));
    put_details(&sink, event);
    if (event->status != WAX_OK)
        put(&sink, ",\"status\":\"%s\",\"why\":\"%s\"", wax_status_name((enum wax_status)event->status),
            wax_status_text((enum wax_status)event->status));
    if (lost != 0)
        put(&sink, ",\"lost\":%" PRIu64, lost);
    put(&sink, "}\n");
    return sink.len;
}
