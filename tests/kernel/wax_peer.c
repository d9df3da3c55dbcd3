/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waxwire's TCP as one end of test transfers (see options.h), on an interface that the kernel leaves alone.
 */
#include <stdlib.h>
#include <sys/prctl.h>

#include "host.h"
#include "options.h"

#define CHUNK_BYTES   16384u
#define PORT_FIRST    20000u
#define CONNS_MAX     (2u * TRANSFERS_MAX + 16u)
#define REPORT_BYTES  8192u
#define LINGER_US     500000u /* for what still has to be sent when all is over: the last ACKs */
#define TRANSFER_NONE UINT32_MAX

static struct options options;
static struct transfer transfers[TRANSFERS_MAX];
static struct host host;
static uint32_t transfer_of[CONNS_MAX]; /* by id: index + 1 */
static uint32_t accepted;

/* Writes as much as there is room for. */
static void user_write(uint32_t id, struct transfer *t)
{
    static uint8_t bytes[CHUNK_BYTES];
    uint32_t room;
    while ((room = tcp_send_room(host.tcp, id)) > 0) {
        size_t n = transfer_produce(t, span_of(bytes, room < sizeof bytes ? room : sizeof bytes));
        if (n == 0) {
            break;
        }
        enum wax_status status = tcp_write(host.tcp, id, view_of(bytes, n));
        if (status != WAX_OK) {
            t->error = wax_status_text(status); /* the pool is large enough for all */
            tcp_abort(host.tcp, id);
            return;
        }
    }
    if (transfer_may_close(t)) {
        tcp_close(host.tcp, id, host.now_us);
    }
}

static void user_read(uint32_t id, struct transfer *t, struct view data)
{
    const struct fifo *queue = tcp_received(host.tcp, id);
    bool good = transfer_consume(t, data);
    while (good && queue->len > 0) {
        struct view piece = fifo_peek(&host.blocks, queue);
        good = transfer_consume(t, piece);
        tcp_consume(host.tcp, id, piece.len, host.now_us);
    }
    if (!good) {
        tcp_abort(host.tcp, id);
    }
}

static void user(void *ctx, uint32_t id, uint32_t events, struct view data)
{
    (void)ctx;
    if ((events & TCP_EV_OPENED) != 0 && !options.client) {
        transfer_of[id] = accepted < options.connections ? ++accepted : 0;
    }
    if (transfer_of[id] == 0) {
        tcp_release(host.tcp, id);
        return;
    }
    struct transfer *t = &transfers[transfer_of[id] - 1];
    if ((events & TCP_EV_DATA) != 0) {
        user_read(id, t, data);
    }
    if ((events & TCP_EV_FIN) != 0) {
        t->ended = true;
    }
    if ((events & TCP_EV_CLOSED) != 0) {
        enum wax_status status = tcp_status(host.tcp, id);
        transfer_end(t, status == WAX_OK ? NULL : wax_status_text(status));
        transfer_of[id] = 0;
        tcp_release(host.tcp, id);
        return;
    }
    user_write(id, t);
}

static void start(void)
{
    if (!options.client) {
        if (tcp_listen(host.tcp, NULL, options.port, 0) != WAX_OK) {
            exit(1);
        }
        (void)fprintf(stderr, "ready\n");
        return;
    }
    for (uint32_t i = 0; i < options.connections; i++) {
        struct tcp_tuple tuple = {options.peer, options.local, options.port, (uint16_t)(PORT_FIRST + i)};
        uint32_t id;
        enum wax_status status = tcp_connect(host.tcp, &tuple, 0, host.now_us, &id);
        if (status != WAX_OK) {
            (void)fprintf(stderr, "connect: %s\n", wax_status_text(status));
            exit(1);
        }
        transfer_of[id] = i + 1;
    }
}

int main(int argc, char **argv)
{
    static char text[REPORT_BYTES];
    options_read(&options, argc, argv);
    options_transfers(&options, transfers);
    (void)prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul);
    struct host_config config = {.interface = options.interface,
                                 .local = options.local,
                                 .conns = options.connections,
                                 .receive_bytes = options.window_bytes,
                                 .send_bytes = options.buffer_bytes,
                                 .key = options.seed,
                                 .cookies = options.cookies,
                                 .ecn = options.ecn};
    if (config.interface == NULL) {
        (void)fprintf(stderr, "--interface is needed\n");
        return 2;
    }
    host.user = user;
    host_open(&host, &config);
    if (options.client) {
        host_resolve(&host, &options.peer);
    }
    uint64_t began_us = clock_us(), end_us = began_us + options.seconds * UINT64_C(1000000), over_us = 0;
    start();
    while (clock_us() < end_us && (over_us == 0 || clock_us() < over_us + LINGER_US)) {
        if (!host_turn(&host)) {
            host_wait(&host, over_us == 0 ? end_us : over_us + LINGER_US);
        }
        if (over_us == 0 && transfers_over(transfers, options.connections)) {
            over_us = clock_us();
        }
    }
    host_report(&host, text, sizeof text);
    return report(&options, transfers, (over_us != 0 ? over_us : clock_us()) - began_us, text);
}
