/* SPDX-License-Identifier: BSD-3-Clause */
/* Sessions that an operator finds and ends, and a drain: what waxwire-control says to the data plane. */
#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_help.h"
#include "waxwire/channel_request.h"
#include "waxwire/request.h"

static struct plane plane;
static char reply[4096], user[2 * WAX_USER_BYTES + 1];

static void announce(uint8_t seed, uint16_t device, uint8_t last, uint32_t conn)
{
    struct channel_login *login = reserve(&plane, 0, CHANNEL_LOGIN, sizeof *login);
    memset(login->account_key, seed, sizeof login->account_key);
    crypto_generichash(login->name.user, WAX_USER_BYTES, login->account_key, WAX_ACCOUNT_KEY_BYTES, NULL, 0);
    login->name.device = device;
    struct device_name name = login->name;
    if (seed == 1)
        sodium_bin2hex(user, sizeof user, name.user, sizeof name.user);
    publish(&plane, 0);
    const struct channel_record *record = next(&plane, 0, 5000);
    cr_assert(record != NULL && record->kind == CHANNEL_LOGIN_REPLY);
    release(&plane, 0, record);
    struct channel_session_open *open = reserve(&plane, 0, CHANNEL_SESSION_OPEN, sizeof *open);
    open->name = name;
    open->generation = conn;
    open->since_ms = 1;
    open->peer[10] = open->peer[11] = 0xff;
    memcpy(open->peer + 12, (const uint8_t[]){198, 18, 5, last}, 4);
    open->worker = 1;
    open->conn = conn;
    open->conn_generation = 7;
    publish(&plane, 0);
}

static void init(void)
{
    setup();
    attach(&plane, 0);
    announce(1, 1, 4, 1);
    announce(1, 2, 5, 2);
    announce(2, 1, 200, 3);
    for (int i = 0; i < 5000 && strstr(reply, "\"sessions\":3,") == NULL; i++) {
        nap();
        ask_admin("{\"command\":\"status\"}\n", reply, sizeof reply);
    }
}

static void fini(void)
{
    detach(&plane);
    stop_control(SIGTERM);
    teardown();
}

TestSuite(sessions, .init = init, .fini = fini, .timeout = 60);

static void expect(const char *request, const char *part)
{
    ask_admin(request, reply, sizeof reply);
    cr_assert_not_null(strstr(reply, part), "%s in %s", part, reply);
}

static void expect_close(uint32_t conn)
{
    const struct channel_record *record = next(&plane, 1, 5000);
    cr_assert(record != NULL && record->kind == CHANNEL_CLOSE);
    const struct channel_close *close = (const void *)record;
    cr_assert_eq(close->tag, channel_conn_tag(conn, 7));
    cr_assert_eq(close->status, WAX_SESSION_DRAINED);
    release(&plane, 1, record);
}

/* A command about a user. */
static const char *about(const char *command, const char *more)
{
    static char request[160];
    snprintf(request, sizeof request, "{\"command\":\"%s\",\"user\":\"%s\"%s}\n", command, user, more);
    return request;
}

Test(sessions, are_found_by_user_device_and_address)
{
    expect(about("sessions", ""), "\"count\":2,");
    expect(about("sessions", ",\"device\":2"), "\"count\":1,");
    cr_assert_not_null(strstr(reply, "\"device\":2,\"peer\":\"198.18.5.5\""));
    expect("{\"command\":\"sessions\",\"address\":\"198.18.5.200\"}\n", "\"count\":1,");
    expect("{\"command\":\"sessions\",\"address\":\"198.18.5.0/29\"}\n", "\"count\":2,");
    expect("{\"command\":\"sessions\",\"address\":\"198.18.5.4/31\"}\n", "\"count\":2,");
    expect("{\"command\":\"sessions\",\"address\":\"198.18.0.0/16\",\"limit\":1}\n", "\"count\":3,");
    expect("{\"command\":\"sessions\",\"address\":\"2001:2::/48\"}\n", "\"count\":0,\"sessions\":[]");
    expect("{\"command\":\"sessions\",\"limit\":2}\n", "\"count\":3,");
    expect("{\"command\":\"sessions\",\"user\":\"aa\"}\n", "\"error\":\"a user is 32 hexadecimal digits\"");
    expect("{\"command\":\"sessions\",\"device\":2}\n", "\"error\":\"a device is 1 to 65535, of a user\"");
    static const char *const bad[] = {"198.18.5", "198.18.5.4/33", "198.18.5.4/", "2001:2::/129",
                                      "x",        "1.2.3.4/+1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char request[128];
        snprintf(request, sizeof request, "{\"command\":\"sessions\",\"address\":\"%s\"}\n", bad[i]);
        expect(request, "\"error\":\"an address is");
    }
}

Test(sessions, are_closed_with_1012_and_none_without_a_name)
{
    expect("{\"command\":\"sessions-close\"}\n", "\"error\":\"name a user or an address");
    expect(about("sessions-close", ",\"device\":3"),
           "\"closed\":0,\"left\":0,\"done\":false,\"text\":\"there is no such session\"");
    expect(about("sessions-close", ",\"device\":2"),
           "\"closed\":1,\"left\":0,\"done\":true,\"text\":\"1 sessions closed\"");
    expect_close(2);
    expect("{\"command\":\"sessions-close\",\"address\":\"198.18.5.200\"}\n", "\"closed\":1");
    expect_close(3);
}

static void expect_vacate(uint32_t over_ms, bool off)
{
    for (uint32_t worker = 0; worker < WORKERS; worker++) {
        const struct channel_record *record = next(&plane, worker, 5000);
        cr_assert(record != NULL && record->kind == CHANNEL_VACATE);
        const struct channel_vacate *vacate = (const void *)record;
        cr_assert(vacate->over_ms == over_ms && vacate->off == off);
        release(&plane, worker, record);
    }
}

Test(sessions, all_end_by_a_drain_whose_state_the_workers_show)
{
    expect("{\"command\":\"drain\",\"over_ms\":-1}\n", "\"error\":\"a drain takes");
    expect("{\"command\":\"drain-status\"}\n", "\"state\":\"off\"");
    expect("{\"command\":\"drain\",\"over_ms\":5000}\n", "\"done\":true");
    expect_vacate(5000, false);
    struct wax_metrics *first = &plane.memory->worker[0].metrics, *second = &plane.memory->worker[1].metrics;
    first->vacating_now = 1;
    expect("{\"command\":\"drain-status\"}\n", "\"state\":\"draining\""); /* the second has not begun */
    second->vacating_now = 1;
    second->vacate_over_ms = 5000;
    first->connections_now = 1;
    second->vacated = 2;
    expect("{\"command\":\"drain-status\"}\n", "\"state\":\"draining\"");
    cr_assert_not_null(strstr(reply, "\"over_ms\":5000,"));
    cr_assert_not_null(strstr(reply, "\"closed\":2,"));
    first->connections_now = 0;
    second->custody_now = 1;
    expect("{\"command\":\"drain-status\"}\n", "\"state\":\"draining\"");
    second->custody_now = 0;
    first->messages_now = 1;
    expect("{\"command\":\"drain-status\"}\n", "\"state\":\"draining\"");
    first->messages_now = 0;
    expect("{\"command\":\"drain-status\"}\n", "\"state\":\"drained\"");
    expect("{\"command\":\"drain\",\"cancel\":true}\n", "\"text\":\"connections are taken again\"");
    expect_vacate(0, true);
    detach(&plane);
    for (int i = 0; i < 5000 && strstr(reply, "\"state\":\"away\"") == NULL; i++) {
        nap();
        ask_admin("{\"command\":\"drain-status\"}\n", reply, sizeof reply);
    }
    expect("{\"command\":\"drain\",\"over_ms\":0}\n",
           "\"done\":false,\"text\":\"no data plane is attached\"");
    attach(&plane, 0);
}

Test(sessions, what_was_asked_is_answered_before_a_clean_end)
{
    for (uint32_t i = 0; i < 40; i++) {
        uint8_t frame[WIRE_DEVICE_BYTES];
        struct wire_device list = {WIRE_DEVICE_LIST, 0, i + 1};
        struct channel_request *request = reserve(&plane, 0, CHANNEL_REQUEST, sizeof *request + sizeof frame);
        request->tag = channel_conn_tag(1, 7);
        request->slot = i;
        request->name.device = 1;
        request->frame_bytes = (uint32_t)wire_device_write(span_of(frame, sizeof frame), &list);
        memcpy(request->frame, frame, sizeof frame);
    }
    publish(&plane, 0);
    uint32_t answers = 0, leaving = 0;
    struct ucred control;
    socklen_t len = sizeof control;
    cr_assert_eq(getsockopt(plane.socket, SOL_SOCKET, SO_PEERCRED, &control, &len), 0);
    cr_assert_eq(kill(control.pid, SIGTERM), 0);
    for (const struct channel_record *record; leaving + answers < 41;) {
        record = next(&plane, 0, 5000);
        cr_assert_not_null(record, "%u answers, %u", answers, leaving);
        answers += record->kind == CHANNEL_ANSWER;
        leaving += record->kind == CHANNEL_LEAVING;
        release(&plane, 0, record);
    }
    cr_assert(answers == 40 && leaving == 1);
    const struct channel_record *record = next(&plane, 1, 5000);
    cr_assert(record != NULL && record->kind == CHANNEL_LEAVING);
    release(&plane, 1, record);
    stop_control(SIGTERM);
    detach(&plane);
    start_control();
    attach(&plane, 0);
}
