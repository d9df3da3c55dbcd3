/* SPDX-License-Identifier: BSD-3-Clause */
/* A trace as the admin socket writes it and waxctl shows it. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "admin_trace.h"
#include "waxctl.h"

static enum wax_status request(const char *text, struct trace_match *match)
{
    const char *reason = "";
    enum wax_status status = trace_request_read(text, strlen(text), match, &reason);
    cr_expect(status != WAX_BAD_ARGUMENT || strlen(reason) > 10, "a refusal has a reason");
    return status;
}

Test(trace, requests_name_an_address_and_perhaps_ports)
{
    static const uint8_t ip4[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};
    static const uint8_t ip6[16] = {0x20, 1, 0, 2, [15] = 7};
    struct trace_match match;
    cr_assert_eq(request("{\"command\":\"trace\",\"peer\":\"198.18.0.2\"}", &match), WAX_OK);
    cr_expect_arr_eq(match.peer, ip4, 16);
    cr_expect_eq(match.peer_port, 0);
    cr_expect_eq(match.local_port, 0);
    cr_assert_eq(
        request("{\"command\":\"trace\",\"peer\":\"2001:2::7\",\"port\":65535,\"local_port\":443}", &match),
        WAX_OK);
    cr_expect_arr_eq(match.peer, ip6, 16);
    cr_expect_eq(match.peer_port, 65535);
    cr_expect_eq(match.local_port, 443);
}

Test(trace, what_is_no_request_for_a_trace_is_left_to_others)
{
    static const char *const texts[] = {"", "x", "[]", "{}", "{\"command\":1}", "{\"command\":\"status\"}"};
    struct trace_match match;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect_eq(request(texts[i], &match), WAX_NOT_FOUND, "%s", texts[i]);
}

Test(trace, bad_requests_are_refused)
{
    static const char *const texts[] = {
        "{\"command\":\"trace\"}",
        "{\"command\":\"trace\",\"peer\":5}",
        "{\"command\":\"trace\",\"peer\":\"198.18.0\"}",
        "{\"command\":\"trace\",\"peer\":\"::ffff:198.18.0.2\"}",
        "{\"command\":\"trace\",\"peer\":\"198.18.0.2\",\"port\":65536}",
        "{\"command\":\"trace\",\"peer\":\"198.18.0.2\",\"port\":-1}",
        "{\"command\":\"trace\",\"peer\":\"198.18.0.2\",\"port\":\"80\"}",
        "{\"command\":\"trace\",\"peer\":\"198.18.0.2\",\"local_port\":70000}",
    };
    struct trace_match match;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        cr_expect_eq(request(texts[i], &match), WAX_BAD_ARGUMENT, "%s", texts[i]);
}

Test(trace, endpoints_on_the_command_line)
{
    static const struct {
        const char *text, *address;
        uint16_t port;
    } good[] = {{"198.18.0.2", "198.18.0.2", 0},       {"198.18.0.2:4711", "198.18.0.2", 4711},
                {"2001:2::7", "2001:2::7", 0},         {"[2001:2::7]", "2001:2::7", 0},
                {"[2001:2::7]:443", "2001:2::7", 443}, {"::1", "::1", 0}};
    static const char *const bad[] = {"",
                                      "x",
                                      "198.18.0.2:",
                                      "198.18.0.2:65536",
                                      "[198.18.0.2]:1",
                                      "[2001:2::7",
                                      "[2001:2::7]443",
                                      "198.18.0.2:-1",
                                      "[2001:2::7]:",
                                      "198.18.0.2 ",
                                      "198.18.0.256",
                                      "[]:1"};
    char address[64];
    uint16_t port;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        cr_assert(endpoint_read(good[i].text, address, &port), "%s", good[i].text);
        cr_expect_str_eq(address, good[i].address);
        cr_expect_eq(port, good[i].port);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        cr_expect_not(endpoint_read(bad[i], address, &port), "%s", bad[i]);
}

static struct trace_event event_of(enum trace_kind kind)
{
    struct trace_event event = {.time_us = 250,
                                .peer = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2},
                                .peer_port = 4711,
                                .local_port = 443,
                                .id = 5,
                                .kind = (uint8_t)kind,
                                .state = TRACE_STATE_ESTABLISHED};
    return event;
}

/* The event as waxctl shows it, on the way through the socket. */
static const char *shown(const struct trace_event *event, uint64_t lost)
{
    static char text[512];
    char line[TRACE_LINE_BYTES];
    setenv("TZ", "UTC", 1);
    tzset();
    size_t len = trace_line(event, 3, UINT64_C(1700000000000000), lost, line);
    cr_assert_eq(strlen(line), len);
    cr_assert_eq(line[len - 1], '\n');
    struct json_object *object = json_tokener_parse(line);
    cr_assert_not_null(object, "%s", line);
    trace_show(object, text, sizeof text);
    json_object_put(object);
    return text;
}

Test(trace, segments_are_shown_with_all_that_matters)
{
    struct trace_event event = event_of(TRACE_OUT);
    event.flags = 0x12;
    event.segment.seq = UINT32_MAX;
    event.segment.ack = 7;
    event.segment.len = 1448;
    event.segment.window = 65536;
    event.segment.tsval = 9;
    cr_expect_str_eq(shown(&event, 0),
                     "22:13:20.000250 w3 198.18.0.2:4711 :443 out        SYN,ACK seq 4294967295 "
                     "ack 7 len 1448 win 65536 ts 9/0  (established)");
    event.flags = 0;
    event.segment.tsval = 0;
    event.id = UINT32_MAX;
    event.peer[10] = 0x12;
    cr_expect_str_eq(
        shown(&event, 4),
        "... 4 events before this one are missing\n"
        "22:13:20.000250 w3 [::12ff:c612:2]:4711 :443 out        - seq 4294967295 len 1448 win 65536  "
        "(no connection)");
}

Test(trace, states_windows_timers_and_reasons_are_shown)
{
    struct trace_event event = event_of(TRACE_STATE);
    event.change.from = TRACE_STATE_SYN_RECEIVED;
    cr_expect_not_null(strstr(shown(&event, 0), "state      syn-received -> established"));
    event.status = WAX_TCP_RESET;
    cr_expect_not_null(strstr(shown(&event, 0), wax_status_text(WAX_TCP_RESET)));
    event = event_of(TRACE_CONGESTION);
    event.congestion.cwnd = 14480;
    event.congestion.ssthresh = 1u << 30;
    event.congestion.flight = 100;
    event.congestion.snd_wnd = 64000;
    event.congestion.srtt_us = 12345;
    event.congestion.rto_ms = 200;
    cr_expect_not_null(strstr(shown(&event, 0),
                              "congestion cwnd 14480 ssthresh - in flight 100 peer's window 64000 "
                              "srtt 12.345 ms rto 200 ms"));
    event = event_of(TRACE_TIMER);
    event.timer.which = TRACE_TIMER_RETRANSMIT;
    event.timer.backoff = 2;
    event.timer.rto_ms = 800;
    cr_expect_not_null(strstr(shown(&event, 0), "timer      retransmit expired, backoff 2, rto 800 ms"));
    event = event_of(TRACE_REASON);
    event.status = WAX_TCP_OUT_OF_WINDOW;
    cr_expect_not_null(strstr(shown(&event, 0), "reason     tcp: segment outside the window"));
}

Test(trace, numbers_out_of_range_are_shown_as_such_and_never_overflow)
{
    char line[TRACE_LINE_BYTES];
    for (uint32_t kind = 0; kind < 256; kind++) {
        struct trace_event event;
        memset(&event, 0xff, sizeof event);
        event.kind = (uint8_t)kind;
        event.id = 1;
        cr_assert_lt(trace_line(&event, UINT32_MAX, UINT64_MAX, UINT64_MAX, line), TRACE_LINE_BYTES);
        cr_assert_str_not_empty(shown(&event, UINT64_MAX));
    }
}
