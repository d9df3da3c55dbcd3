/* SPDX-License-Identifier: BSD-3-Clause */
/* waxctl trace: what happens to TCP connections, live. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "waxctl.h"
#include "waxwire/trace.h"

#define LINE_BYTES 4096u

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static bool port_of(const char *text, uint16_t *port)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    *port = (uint16_t)value;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value <= UINT16_MAX;
}

bool endpoint_read(const char *text, char address[64], uint16_t *port)
{
    uint8_t bytes[16];
    bool bracket = text[0] == '[';
    const char *first = strchr(text, ':'), *end = NULL;
    *port = 0;
    if (bracket) {
        end = strchr(text++, ']');
        if (end == NULL || (end[1] != '\0' && end[1] != ':') || (end[1] == ':' && !port_of(end + 2, port)))
            return false;
    } else if (first != NULL && strchr(first + 1, ':') == NULL) { /* one colon: of IPv4's port */
        end = first;
        if (!port_of(first + 1, port))
            return false;
    }
    size_t len = end != NULL ? (size_t)(end - text) : strlen(text);
    if (len >= 64)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    bool ip6 = inet_pton(AF_INET6, address, bytes) == 1;
    return bracket ? ip6 : ip6 || inet_pton(AF_INET, address, bytes) == 1;
}

struct sink {
    char *out;
    size_t room, len;
};

static void put(struct sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct sink *sink, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(sink->out + sink->len, sink->room - sink->len, format, args);
    va_end(args);
    sink->len += (size_t)n < sink->room - sink->len ? (size_t)n : sink->room - sink->len - 1;
}

static void put_time(struct sink *sink, uint64_t us)
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm local;
    char text[16];
    localtime_r(&seconds, &local);
    strftime(text, sizeof text, "%H:%M:%S", &local);
    put(sink, "%s.%06u ", text, (unsigned)(us % 1000000));
}

static void put_segment(struct sink *sink, struct json_object *event)
{
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"};
    uint64_t flags = get_u(event, "flags");
    bool any = false;
    for (size_t i = 0; i < 8; i++) {
        if ((flags >> i & 1) == 0)
            continue;
        put(sink, "%s%s", any ? "," : "", names[i]);
        any = true;
    }
    put(sink, "%s seq %" PRIu64, any ? "" : "-", get_u(event, "seq"));
    if (flags & 0x10u)
        put(sink, " ack %" PRIu64, get_u(event, "ack"));
    put(sink, " len %" PRIu64 " win %" PRIu64, get_u(event, "len"), get_u(event, "window"));
    if (get_u(event, "tsval") != 0 || get_u(event, "tsecr") != 0)
        put(sink, " ts %" PRIu64 "/%" PRIu64, get_u(event, "tsval"), get_u(event, "tsecr"));
}

static void put_congestion(struct sink *sink, struct json_object *event)
{
    uint64_t ssthresh = get_u(event, "ssthresh"), srtt = get_u(event, "srtt_us");
    put(sink, "cwnd %" PRIu64 " ssthresh ", get_u(event, "cwnd"));
    if (ssthresh >= 1u << 30)
        put(sink, "-");
    else
        put(sink, "%" PRIu64, ssthresh);
    put(sink, " in flight %" PRIu64 " peer's window %" PRIu64, get_u(event, "flight"),
        get_u(event, "peer_window"));
    if (srtt != 0)
        put(sink, " srtt %.3f ms", (double)srtt / 1000);
    put(sink, " rto %" PRIu64 " ms", get_u(event, "rto_ms"));
}

void trace_show(struct json_object *event, char *out, size_t room)
{
    struct sink sink = {out, room, 0};
    const char *kind = get_text(event, "kind"), *peer = get_text(event, "peer");
    bool ip6 = strchr(peer, ':') != NULL;
    if (get_u(event, "lost") != 0)
        put(&sink, "... %" PRIu64 " events before this one are missing\n", get_u(event, "lost"));
    put_time(&sink, get_u(event, "time_us"));
    put(&sink, "w%" PRIu64 " %s%s%s:%" PRIu64 " :%" PRIu64 " %-10s ", get_u(event, "worker"), ip6 ? "[" : "",
        peer, ip6 ? "]" : "", get_u(event, "port"), get_u(event, "local_port"), kind);
    if (strcmp(kind, "in") == 0 || strcmp(kind, "out") == 0) {
        put_segment(&sink, event);
        if (get_text(event, "state")[0] != '\0')
            put(&sink, "  (%s)", get_text(event, "state"));
        else
            put(&sink, "  (no connection)");
    } else if (strcmp(kind, "state") == 0) {
        put(&sink, "%s -> %s", get_text(event, "from"), get_text(event, "state"));
    } else if (strcmp(kind, "congestion") == 0) {
        put_congestion(&sink, event);
    } else if (strcmp(kind, "timer") == 0) {
        put(&sink, "%s expired, backoff %" PRIu64 ", rto %" PRIu64 " ms", get_text(event, "timer"),
            get_u(event, "backoff"), get_u(event, "rto_ms"));
    }
    if (get_text(event, "why")[0] != '\0')
        put(&sink, "%s%s", strcmp(kind, "reason") == 0 ? "" : ": ", get_text(event, "why"));
}

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

struct following {
    const struct options *options;
    bool began;
    uint64_t events, lost;
};

/* One line of the socket. Returns an exit code, or -1 to go on. */
static int take_line(struct following *f, const char *line)
{
    struct json_object *object = json_tokener_parse(line);
    char text[512];
    int code = -1;
    if (get_text(object, "error")[0] != '\0') {
        fprintf(stderr, "waxctl: %s\n", get_text(object, "error"));
        code = EXIT_NO_ANSWER;
    } else if (!f->began) {
        f->began = get_bool(object, "tracing");
        if (!f->began)
            fprintf(stderr, "waxctl: the control plane does not understand\n");
        else if (get_u(object, "workers") == 0)
            fprintf(stderr, "waxctl: no data plane is attached; its connections are traced when it comes\n");
        code = f->began ? -1 : EXIT_NO_ANSWER;
    } else {
        trace_show(object, text, sizeof text);
        puts(f->options->json ? line : text);
        f->events++;
        f->lost += get_u(object, "lost");
        code =
            f->options->number[OPTION_COUNT] != 0 && f->events >= f->options->number[OPTION_COUNT] ? 0 : -1;
    }
    json_object_put(object);
    return code;
}

/* Lines until enough have come, the time is over or somebody interrupts. */
static int follow(struct following *f, int fd)
{
    static char text[LINE_BYTES];
    size_t len = 0;
    uint64_t end_ms = f->options->number[OPTION_FOR] == 0
                          ? UINT64_MAX
                          : now_ms() + 1000ull * f->options->number[OPTION_FOR];
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd look = {.fd = fd, .events = POLLIN};
        if (interrupted || now >= end_ms)
            return 0;
        fflush(stdout);
        if (poll(&look, 1, end_ms - now < 1000 ? (int)(end_ms - now) : 1000) <= 0)
            continue;
        ssize_t got = recv(fd, text + len, sizeof text - len - 1, MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (got <= 0 || len + (size_t)got == sizeof text - 1) {
            fprintf(stderr, "waxctl: the control plane has gone; the trace is off\n");
            return EXIT_NO_ANSWER;
        }
        len += (size_t)got;
        text[len] = '\0';
        char *begin = text;
        for (char *line_end; (line_end = strchr(begin, '\n')) != NULL; begin = line_end + 1) {
            *line_end = '\0';
            int code = take_line(f, begin);
            if (code >= 0)
                return code;
        }
        len = strlen(begin);
        memmove(text, begin, len + 1);
    }
}

int trace_run(const struct options *options)
{
    struct following following = {.options = options};
    char address[64], request[256];
    uint16_t port;
    if (!endpoint_read(options->operand[0], address, &port)) {
        fprintf(stderr, "waxctl: trace takes the peer: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT\n");
        return EXIT_USAGE;
    }
    int len = snprintf(request, sizeof request, "{\"command\":\"trace\",\"peer\":\"%s\",\"port\":%u}\n",
                       address, port);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int fd = connect_admin(options->socket);
    if (fd < 0 || send(fd, request, (size_t)len, MSG_NOSIGNAL) != len) {
        fprintf(stderr, "waxctl: the control plane does not answer on %s: %s\n", options->socket,
                strerror(errno));
        return EXIT_NO_ANSWER;
    }
    int code = follow(&following, fd);
    close(fd); /* that ends the trace */
    fflush(stdout);
    if (code == 0)
        fprintf(stderr, "waxctl: %" PRIu64 " events, %" PRIu64 " missing; the trace is off\n",
                following.events, following.lost);
    return code;
}
