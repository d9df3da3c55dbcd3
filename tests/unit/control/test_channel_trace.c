/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces of connections, between the admin socket and the workers. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_help.h"

TestSuite(channel_trace, .init = setup, .fini = teardown, .timeout = 60);

/* A line of a trace from the admin socket, without its end. */
static void trace_line_next(int fd, char *line, size_t room)
{
    size_t len = 0;
    while (len == 0 || line[len - 1] != '\n') {
        cr_assert_lt(len + 1, room);
        cr_assert_eq(recv(fd, line + len, 1, 0), 1, "the trace goes on");
        len++;
    }
    line[len - 1] = '\0';
}

/* What control asks of a worker about a trace. */
static struct channel_trace trace_asked(struct plane *plane, uint32_t worker)
{
    struct channel_trace asked;
    const struct channel_record *record = next(plane, worker, 5000);
    cr_assert_not_null(record);
    cr_assert_eq(record->kind, CHANNEL_TRACE);
    cr_assert_eq(record->bytes, sizeof asked);
    memcpy(&asked, record, sizeof asked);
    release(plane, worker, record);
    return asked;
}

static void traced(struct plane *plane, uint32_t worker, uint32_t count, uint16_t port, uint16_t lost)
{
    struct channel_traced *record =
        reserve(plane, worker, CHANNEL_TRACED, sizeof *record + count * sizeof record->event[0]);
    record->wall_us = 1000000;
    record->count = count;
    for (uint32_t i = 0; i < count; i++) {
        record->event[i] = (struct trace_event){.time_us = i,
                                                .peer = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2},
                                                .peer_port = (uint16_t)(port + i),
                                                .local_port = 443,
                                                .kind = TRACE_IN,
                                                .lost = lost};
    }
    publish(plane, worker);
}

static int trace_begin(const char *request)
{
    int fd = connect_to(admin_path, SOCK_STREAM);
    cr_assert_eq(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    return fd;
}

Test(channel_trace, a_trace_is_asked_of_every_worker_and_ends_when_its_reader_hangs_up)
{
    struct plane plane;
    char line[1024];
    attach(&plane, 0);
    int fd = trace_begin("{\"command\":\"trace\",\"peer\":\"198.18.0.2\",\"port\":4711}\n");
    trace_line_next(fd, line, sizeof line);
    cr_expect_str_eq(line, "{\"tracing\":true,\"workers\":2}");
    struct channel_trace first = trace_asked(&plane, 0), second = trace_asked(&plane, 1);
    cr_expect_eq(first.on, 1);
    cr_expect_eq(first.match.peer_port, 4711);
    cr_expect_eq(first.match.peer[15], 2);
    cr_expect_neq(first.tag, 0);
    cr_expect_eq(second.tag, first.tag);
    traced(&plane, 1, 3, 4710, 7); /* of three connections; the second is ours */
    trace_line_next(fd, line, sizeof line);
    cr_expect_not_null(strstr(line, "\"time_us\":1000001,\"worker\":1,\"peer\":\"198.18.0.2\",\"port\":4711"),
                       "%s", line);
    cr_expect_not_null(strstr(line, "\"lost\":7}"), "%s", line);
    close(fd);
    cr_expect_eq(trace_asked(&plane, 0).on, 0);
    cr_expect_eq(trace_asked(&plane, 1).tag, first.tag);
    traced(&plane, 0, 1, 4711, 0); /* a late one is nobody's */
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel_trace, a_trace_outlives_the_data_plane_and_is_asked_of_the_next)
{
    struct plane plane;
    char line[1024];
    int fd = trace_begin("{\"command\":\"trace\",\"peer\":\"2001:2::7\"}\n");
    trace_line_next(fd, line, sizeof line);
    cr_expect_str_eq(line, "{\"tracing\":true,\"workers\":0}");
    for (int i = 0; i < 2; i++) {
        attach(&plane, 0);
        cr_expect_eq(trace_asked(&plane, 0).match.peer[0], 0x20);
        cr_expect_eq(trace_asked(&plane, 1).on, 1);
        detach(&plane);
    }
    close(fd);
    stop_control(SIGTERM);
}

Test(channel_trace, refusals_of_a_trace_are_told)
{
    struct plane plane;
    char line[1024];
    int fd[WAX_TRACES_MAX + 1];
    ask_admin("{\"command\":\"trace\",\"peer\":\"nowhere\"}\n", line, sizeof line);
    cr_expect_not_null(strstr(line, "\"error\":\"peer must be"), "%s", line);
    attach(&plane, 0);
    for (uint32_t i = 0; i <= WAX_TRACES_MAX; i++) {
        fd[i] = trace_begin("{\"command\":\"trace\",\"peer\":\"198.18.0.2\"}\n");
        trace_line_next(fd[i], line, sizeof line);
        cr_expect_eq(strstr(line, "\"error\"") != NULL, i == WAX_TRACES_MAX, "%u: %s", i, line);
    }
    struct channel_trace asked = trace_asked(&plane, 0);
    struct channel_traced *answer = reserve(&plane, 0, CHANNEL_TRACED, sizeof *answer);
    answer->tag = asked.tag;
    answer->status = WAX_FULL;
    answer->count = 0;
    publish(&plane, 0);
    trace_line_next(fd[0], line, sizeof line);
    cr_expect_not_null(strstr(line, "\"error\":\"worker 0 does not trace"), "%s", line);
    close(fd[3]);
    for (int i = 0; i < 2000; i++) { /* until that has been noticed */
        close(fd[WAX_TRACES_MAX]);
        fd[WAX_TRACES_MAX] = trace_begin("{\"command\":\"trace\",\"peer\":\"198.18.0.2\"}\n");
        trace_line_next(fd[WAX_TRACES_MAX], line, sizeof line);
        if (strstr(line, "\"tracing\"") != NULL)
            break;
        nap();
    }
    cr_expect_not_null(strstr(line, "\"tracing\""), "%s", line);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel_trace, a_reader_that_does_not_read_loses_events_and_is_told)
{
    struct plane plane;
    char line[1024];
    attach(&plane, 0);
    int fd = trace_begin("{\"command\":\"trace\",\"peer\":\"198.18.0.2\"}\n");
    trace_line_next(fd, line, sizeof line);
    (void)trace_asked(&plane, 0);
    uint32_t sent = 0;
    for (; sent < 32 * 1000; sent += 32)
        traced(&plane, 0, 32, 1, 0);
    struct channel_store *request = reserve(&plane, 0, CHANNEL_STORE, sizeof *request);
    request->position = request->ttl_s = 1; /* its mailbox is unknown: refused, but answered */
    publish(&plane, 0);
    const struct channel_record *record = next(&plane, 0, 5000);
    cr_assert_not_null(record);
    cr_expect_eq(record->kind, CHANNEL_STORED, "control works on");
    release(&plane, 0, record);
    uint64_t seen = 0, lost = 0;
    for (bool told = false; !told;) {
        traced(&plane, 0, 1, 1, 0);
        for (int i = 0; i < 500 && !told; i++) {
            trace_line_next(fd, line, sizeof line);
            seen++;
            const char *at = strstr(line, "\"lost\":");
            told = at != NULL;
            lost = told ? strtoull(at + 7, NULL, 10) : 0;
        }
    }
    cr_expect_gt(lost, 0);
    cr_expect_lt(seen, sent);
    close(fd);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel_trace, a_malformed_record_of_a_trace_ends_the_attachment)
{
    for (int fault = 0; fault < 3; fault++) {
        struct plane plane;
        char byte;
        attach(&plane, 0);
        struct channel_traced *record =
            reserve(&plane, 0, CHANNEL_TRACED, sizeof *record + sizeof record->event[0]);
        record->tag = 0;
        record->count = fault == 0 ? 2 : fault == 1 ? UINT32_MAX : 1;
        record->status = fault == 2 ? WAX_STATUS_COUNT : WAX_OK;
        publish(&plane, 0);
        cr_assert_eq(recv(plane.socket, &byte, 1, 0), 0, "fault %d", fault);
        detach(&plane);
    }
    stop_control(SIGTERM);
}
