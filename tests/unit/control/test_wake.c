/* SPDX-License-Identifier: BSD-3-Clause */
/* Push gateways of both kinds, against ones made here: over a UNIX socket, and over HTTP. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "wake.h"

static char directory[64], path[100], url[64];
static struct journal journal;
static struct wake *wake;

static void init(void)
{
    cr_assert_geq(sodium_init(), 0);
    strcpy(directory, "/tmp/wax-wake-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/gateway", directory);
    strcpy(url, "http://localhost/wake");
    journal_init(&journal, open("/dev/null", O_WRONLY | O_CLOEXEC), "test", CONFIG_LEVEL_ERROR, false);
}

static void fini(void)
{
    wake_free(wake);
    close(journal.fd);
    unlink(path);
    rmdir(directory);
}

TestSuite(wake, .init = init, .fini = fini, .timeout = 60);

static void start(bool webhook, uint32_t interval_ms)
{
    wake = wake_new(&(struct wake_config){.socket = webhook ? "" : path,
                                          .webhook = webhook ? url : "",
                                          .webhook_socket = webhook ? path : "",
                                          .webhook_ca = "",
                                          .interval_ms = interval_ms,
                                          .journal = &journal});
    cr_assert_not_null(wake);
}

static int listen_at(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(fd, 4), 0);
    return fd;
}

static int accept_one(int listener)
{
    struct timeval patience = {.tv_sec = 10};
    struct pollfd fd = {.fd = listener, .events = POLLIN};
    cr_assert_eq(poll(&fd, 1, 10000), 1, "nobody connects");
    int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(peer, 0);
    setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return peer;
}

/* Read until the text ends so. */
static void read_until(int fd, const char *end, char *text, size_t room)
{
    size_t len = 0;
    while (len < strlen(end) || strcmp(text + len - strlen(end), end) != 0) {
        cr_assert_lt(len + 1, room);
        ssize_t got = recv(fd, text + len, 1, 0);
        cr_assert_gt(got, 0, "the text ends after \"%.*s\"", (int)len, text);
        len += (size_t)got;
        text[len] = '\0';
    }
}

static void device(uint8_t user, uint16_t number, bool urgent)
{
    struct device_name name = {.device = number};
    memset(name.user, user, sizeof name.user);
    wake_device(wake, &name, urgent);
}

static struct wake_view look(void)
{
    struct wake_view view;
    cr_assert_eq(wake_gateways(wake), 1);
    wake_look(wake, 0, &view);
    return view;
}

/* Until so many have been sent. */
static struct wake_view sent(uint64_t count)
{
    for (int i = 0; i < 5000; i++) {
        struct wake_view view = look();
        if (view.counts.sent >= count)
            return view;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    cr_assert_fail("they are not sent");
    return look();
}

Test(wake, without_a_gateway_nothing_happens)
{
    struct device_name name = {.device = 1};
    struct wake_config none = {.socket = "", .webhook = "", .webhook_socket = "", .webhook_ca = ""};
    cr_assert_null(wake_new(&none));
    cr_assert_eq(wake_gateways(NULL), 0);
    wake_device(NULL, &name, true);
    wake_calm(NULL, &name);
}

Test(wake, a_socket_gets_a_line_for_each_event)
{
    char text[512] = "";
    unsigned long long at_ms = 0;
    int listener = listen_at();
    start(false, 1000);
    time_t before = time(NULL);
    device(0xab, 7, true);
    int peer = accept_one(listener);
    read_until(peer, "\n", text, sizeof text);
    cr_assert_eq(
        sscanf(text,
               "{\"user\":\"abababababababababababababababab\",\"device\":7,\"urgent\":true,\"at_ms\":%llu}",
               &at_ms),
        1, "%s", text);
    cr_assert(at_ms / 1000 >= (unsigned long long)before - 1 &&
              at_ms / 1000 <= (unsigned long long)time(NULL) + 1);
    device(1, 1, false);
    device(1, 1, false);
    device(2, 1, false);
    read_until(peer, "\n", text, sizeof text);
    cr_assert_not_null(
        strstr(text, "\"user\":\"01010101010101010101010101010101\",\"device\":1,\"urgent\":false"));
    text[0] = '\0';
    read_until(peer, "\n", text, sizeof text);
    cr_assert_not_null(strstr(text, "\"user\":\"0202"), "device 1 is told once in its interval: %s", text);
    sent(3);
    close(peer);
    close(listener);
}

Test(wake, a_gateway_that_comes_late_or_again_is_told)
{
    char text[512] = "";
    start(false, 0);
    device(1, 1, false);
    for (int i = 0; i < 5000 && look().counts.failures == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    struct wake_view view = look();
    cr_assert(view.counts.failures != 0 && view.failing_ms != 0 && view.counts.waiting_now == 1);
    cr_assert_not_null(strstr(view.reason, "connect: No such file"), "%s", view.reason);
    int listener = listen_at();
    int peer = accept_one(listener);
    read_until(peer, "\n", text, sizeof text);
    cr_assert_eq(sent(1).failing_ms, 0);
    close(peer); /* it restarts */
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    device(2, 1, false);
    peer = accept_one(listener);
    read_until(peer, "\n", text, sizeof text);
    cr_assert_not_null(strstr(text, "\"user\":\"0202"));
    close(peer);
    close(listener);
}

Test(wake, a_gateway_that_reads_nothing_holds_up_nobody)
{
    int listener = listen_at();
    start(false, 0);
    device(1, 1, false);
    int peer = accept_one(listener);
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (uint32_t i = 0; i < 50000; i++)
        device((uint8_t)i, (uint16_t)(i >> 8), false);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_assert_lt(after.tv_sec - before.tv_sec, 20, "noting does not wait for the gateway");
    cr_assert_neq(look().counts.waiting_now, 0);
    wake_free(wake); /* and nor does the end */
    wake = NULL;
    clock_gettime(CLOCK_MONOTONIC, &before);
    cr_assert_lt(before.tv_sec - after.tv_sec, 4);
    close(peer);
    close(listener);
}

/* Take one POST on a connection; its body. */
static void take_post(int peer, char *body, size_t room)
{
    char head[2048] = "";
    read_until(peer, "\r\n\r\n", head, sizeof head);
    cr_assert_eq(strncmp(head, "POST /wake HTTP/1.1\r\n", 21), 0, "%s", head);
    cr_assert_not_null(strcasestr(head, "content-type: application/json\r\n"));
    body[0] = '\0';
    read_until(peer, "]}\n", body, room);
}

static void answer(int peer, const char *status)
{
    char text[128];
    int len = snprintf(text, sizeof text, "HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok", status);
    cr_assert_eq(send(peer, text, (size_t)len, MSG_NOSIGNAL), len);
}

Test(wake, a_webhook_gets_batches_and_its_status_tells_what_becomes_of_them)
{
    char body[WAKE_BODY_BYTES];
    int listener = listen_at();
    start(true, 1000);
    device(1, 1, true);
    int peer = accept_one(listener);
    take_post(peer, body, sizeof body);
    cr_assert_eq(strncmp(body, "{\"wakes\":[{\"user\":\"01010101", 27), 0, "%s", body);
    device(2, 1, false); /* while the first is being told */
    device(3, 1, false);
    answer(peer, "503 Service Unavailable");
    take_post(peer, body, sizeof body);
    cr_assert(strstr(body, "\"0101") != NULL && strstr(body, "\"0202") != NULL &&
                  strstr(body, "\"0303") != NULL,
              "all in one: %s", body);
    cr_assert_str_eq(look().reason, "HTTP status 503");
    cr_assert_neq(look().failing_ms, 0);
    answer(peer, "204 No Content");
    struct wake_view view = sent(3);
    cr_assert(view.counts.failures == 1 && view.failing_ms == 0);
    device(4, 1, false);
    take_post(peer, body, sizeof body);
    answer(peer, "410 Gone");
    for (int i = 0; i < 5000 && look().counts.refused == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    cr_assert(look().counts.refused == 1 && look().counts.waiting_now == 0);
    close(peer);
    close(listener);
}
