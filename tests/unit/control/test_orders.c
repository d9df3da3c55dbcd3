/* SPDX-License-Identifier: BSD-3-Clause */
/* Orders to the data plane, its reports, and the keys of session tickets. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel_help.h"

TestSuite(orders, .init = setup, .fini = teardown, .timeout = 60);

Test(orders, a_new_data_plane_gets_the_ticket_keys_of_the_one_before)
{
    struct plane plane;
    attach(&plane, 0);
    struct wax_ticket_key first = plane.ticket[0];
    cr_assert_eq(plane.tickets, 1);
    cr_assert_eq(first.replaced_ms, 0, "the current one");
    cr_assert_leq(first.made_ms, wall_ms());
    detach(&plane);
    attach(&plane, 0);
    cr_assert_eq(plane.tickets, 1);
    cr_assert_arr_eq(&plane.ticket[0], &first, sizeof first);
    detach(&plane);
    stop_control(SIGKILL);
    start_control();
    attach(&plane, 0);
    cr_assert_arr_neq(&plane.ticket[0].name, first.name, sizeof first.name, "none lies on a disk");
    detach(&plane);
    stop_control(SIGTERM);
}

Test(orders, a_new_data_plane_gets_the_token_keys_of_the_one_before)
{
    struct plane plane;
    attach(&plane, 0);
    struct wax_token_key first = plane.tokens.key[0];
    cr_assert_eq(plane.tokens.keys, 1);
    cr_assert_eq(plane.tokens.revoked_count, 0);
    cr_assert(first.id != 0 && first.replaced_ms == 0 && first.made_ms <= wall_ms());
    detach(&plane);
    attach(&plane, 0);
    cr_assert_arr_eq(&plane.tokens.key[0], &first, sizeof first);
    detach(&plane);
    stop_control(SIGKILL);
    start_control();
    attach(&plane, 0);
    cr_assert_arr_neq(plane.tokens.key[0].key, first.key, sizeof first.key, "none lies on a disk");
    detach(&plane);
    stop_control(SIGTERM);
}

/* Asks for a reload; the answer is read by admin_answer. */
static int admin_reload(void)
{
    static const char request[] = "{\"command\":\"tls-reload\"}\n";
    int fd = connect_to(admin_path, SOCK_STREAM);
    cr_assert_eq(send(fd, request, sizeof request - 1, 0), (ssize_t)sizeof request - 1);
    return fd;
}

static void admin_answer(int fd, const char *part)
{
    char reply[2048] = "";
    ssize_t got = recv(fd, reply, sizeof reply - 1, 0);
    cr_assert_gt(got, 0);
    cr_assert_not_null(strstr(reply, part), "%s in %s", part, reply);
    close(fd);
}

static void report(struct plane *plane, enum wax_status status, const char *text)
{
    struct channel_report done = {.magic = CHANNEL_MAGIC, .status = status, .tag = plane->said.order.tag};
    snprintf(done.text, sizeof done.text, "%s", text);
    cr_assert_eq(send(plane->socket, &done, sizeof done, 0), (ssize_t)sizeof done);
}

Test(orders, a_reload_is_answered_by_what_the_data_plane_reports)
{
    struct plane plane;
    admin_answer(admin_reload(), "no data plane is attached");
    attach(&plane, 0);
    int fd = admin_reload();
    next_order(&plane, CHANNEL_ORDER_TLS_RELOAD);
    report(&plane, WAX_OK, "2 certificates served");
    admin_answer(fd, "\"done\":true,\"status\":\"OK\",\"text\":\"2 certificates served\"");

    fd = admin_reload();
    next_order(&plane, CHANNEL_ORDER_TLS_RELOAD);
    report(&plane, WAX_TLS_CERTIFICATE, "a.pem: the key is not that of the certificate");
    admin_answer(fd, "\"done\":false,\"status\":\"TLS_CERTIFICATE\",\"text\":\"a.pem: the key is not");

    fd = admin_reload();
    next_order(&plane, CHANNEL_ORDER_TLS_RELOAD);
    int second = admin_reload();
    admin_answer(fd, "another reload was asked for meanwhile");
    report(&plane, WAX_OK, "of the first"); /* which nobody waits for */
    next_order(&plane, CHANNEL_ORDER_TLS_RELOAD);
    report(&plane, WAX_OK, "of the second");
    admin_answer(second, "of the second");

    close(admin_reload()); /* who asked has gone */
    next_order(&plane, CHANNEL_ORDER_TLS_RELOAD);
    report(&plane, WAX_OK, "for nobody");
    fd = admin_reload();
    next_order(&plane, CHANNEL_ORDER_TLS_RELOAD);
    detach(&plane);
    admin_answer(fd, "the data plane has gone before it answered");
    stop_control(SIGTERM);
}

Test(orders, a_malformed_report_ends_the_attachment)
{
    struct plane plane;
    char byte;
    attach(&plane, 0);
    cr_assert_eq(send(plane.socket, "nonsense", 8, 0), 8);
    cr_assert_eq(recv(plane.socket, &byte, 1, 0), 0);
    detach(&plane);
    attach(&plane, 0);
    detach(&plane);
    stop_control(SIGTERM);
}
