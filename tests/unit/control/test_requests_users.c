/* SPDX-License-Identifier: BSD-3-Clause */
/* What an operator does with accounts, at waxwire-control as a process. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>

#include "request_help.h"
#include "waxwire/wire.h"

TestSuite(requests_users, .init = setup, .fini = teardown, .timeout = 60);

static char reply[65536];

static void hex(const struct person *person, char text[33])
{
    for (size_t i = 0; i < WAX_USER_BYTES; i++)
        snprintf(text + 2 * i, 3, "%02x", person->user[i]);
}

/* Ask a command about a person; its answer. */
static const char *operate(const char *command, const struct person *person)
{
    char user[33], line[160];
    hex(person, user);
    snprintf(line, sizeof line, "{\"command\":\"%s\",\"user\":\"%s\"}\n", command, user);
    ask_admin(line, reply, sizeof reply);
    return reply;
}

static bool says(const char *text, const char *what)
{
    return strstr(text, what) != NULL;
}

/* The next orders on the socket bring tokens, of which one of this person is revoked. */
static void expect_revoked(struct plane *plane, const struct person *person)
{
    next_order(plane, CHANNEL_ORDER_TOKENS);
    const struct channel_order_tokens *tokens = (const void *)&plane->said;
    cr_assert_eq(tokens->revoked_count, 1);
    cr_assert_arr_eq(tokens->revoked[0].user, person->user, WAX_USER_BYTES);
    cr_assert_eq(tokens->revoked[0].device, 0);
}

Test(requests_users, who_is_suspended_is_out_until_restored_also_after_a_kill)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    cr_assert_eq(come_in(&plane, &alice, 2), 0);
    cr_assert_eq(come_in(&plane, &bob, 1), 0);
    session_is(&plane, &alice, 1, 1);
    session_is(&plane, &bob, 1, 2);
    cr_assert(says(operate("user", &alice), "\"state\":\"active\""), "%s", reply);
    cr_assert(says(reply, "\"device\":1,\"connected\":true"), "%s", reply);
    cr_assert(says(operate("user-suspend", &alice), "\"done\":true"), "%s", reply);
    expect_revoked(&plane, &alice);
    expect_close(&plane, &alice, 1, WAX_SESSION_SUSPENDED);
    expect_nothing(&plane, 1);
    cr_assert_eq(come_in(&plane, &alice, 1), WIRE_ERROR_SUSPENDED);
    cr_assert_eq(come_in(&plane, &alice, 3), WIRE_ERROR_SUSPENDED, "a new device neither");
    cr_assert_eq(store(&plane, &bob, &alice, 1, false), 0, "it waits for better days");
    session_is(&plane, &alice, 2, 9); /* by a token that it had before the order came */
    expect_close(&plane, &alice, 2, WAX_SESSION_SUSPENDED);
    uint64_t epoch = plane.grant.epoch;
    stop_control(SIGKILL);
    detach(&plane);
    start_control();
    attach(&plane, epoch);
    cr_assert_eq(come_in(&plane, &alice, 1), WIRE_ERROR_SUSPENDED);
    cr_assert_eq(come_in(&plane, &bob, 1), 0);
    cr_assert(says(operate("user", &alice), "\"state\":\"suspended\""), "%s", reply);
    cr_assert(says(operate("user-suspend", &alice), "\"done\":true"), "%s", reply); /* it is already */
    cr_assert(says(operate("user-restore", &alice), "\"done\":true"), "%s", reply);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    cr_assert_eq(come_in(&plane, &alice, 3), 0);
    detach(&plane);
}

Test(requests_users, who_is_deleted_leaves_nothing_and_may_come_anew)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    session_is(&plane, &alice, 1, 1);
    cr_assert(says(operate("user-delete", &alice), "\"done\":true"), "%s", reply);
    expect_revoked(&plane, &alice);
    expect_close(&plane, &alice, 1, WAX_SESSION_SUSPENDED);
    struct channel_session_close *close = reserve(&plane, 0, CHANNEL_SESSION_CLOSE, sizeof *close);
    memcpy(close->name.user, alice.user, WAX_USER_BYTES);
    close->name.device = 1;
    close->generation = 1;
    publish(&plane, 0);
    for (int i = 0; i < 5000 && !says(operate("user", &alice), "no such account"); i++)
        nap();
    cr_assert(says(reply, "no such account"), "%s", reply);
    cr_assert(says(operate("user-delete", &alice), "\"done\":false"), "%s", reply);
    cr_assert(says(operate("user-suspend", &bob), "no such account"), "%s", reply);
    for (uint32_t worker = 0; worker < WORKERS; worker++) /* what asks homes to empty mailboxes */
        for (const struct channel_record *record; (record = next(&plane, worker, 50)) != NULL;) {
            cr_assert_eq(record->kind, CHANNEL_EVICT);
            release(&plane, worker, record);
        }
    cr_assert_eq(store(&plane, &bob, &alice, 1, false), WIRE_REASON_UNKNOWN_USER);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    detach(&plane);
}

/* Killed between the mark and the end, it goes on by itself, though nobody comes for the name. */
Test(requests_users, a_deletion_is_finished_after_a_kill)
{
    struct plane plane;
    struct person alice = person_of(1);
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    session_is(&plane, &alice, 1, 1); /* which doesn't end: so it can't be erased */
    cr_assert(says(operate("user-delete", &alice), "\"done\":true"), "%s", reply);
    cr_assert(says(operate("user", &alice), "being deleted"), "%s", reply);
    uint64_t epoch = plane.grant.epoch;
    stop_control(SIGKILL);
    detach(&plane);
    start_control();
    attach(&plane, epoch);
    for (int i = 0; i < 5000 && !says(operate("user", &alice), "no such account"); i++)
        nap();
    cr_assert(says(reply, "no such account"), "%s", reply);
    detach(&plane);
}

Test(requests_users, they_are_listed_page_by_page)
{
    enum { MANY = 25 };
    struct plane plane;
    bool seen[MANY] = {false};
    char after[33] = "", line[160], user[33];
    attach(&plane, 0);
    for (uint8_t i = 0; i < MANY; i++) {
        struct person person = person_of(i);
        cr_assert_eq(come_in(&plane, &person, 1), 0);
        cr_assert_eq(come_in(&plane, &person, 2), 0);
    }
    for (int page = 0; page < 4; page++) {
        snprintf(line, sizeof line, "{\"command\":\"users\",\"limit\":7%s%s%s}\n",
                 page != 0 ? ",\"after\":\"" : "", after, page != 0 ? "\"" : "");
        ask_admin(line, reply, sizeof reply);
        for (uint8_t i = 0; i < MANY; i++) {
            struct person person = person_of(i);
            hex(&person, user);
            char entry[60];
            snprintf(entry, sizeof entry, "{\"user\":\"%s\"", user);
            if (!says(reply, entry))
                continue;
            cr_assert_not(seen[i], "twice");
            seen[i] = true;
        }
        const char *next = strstr(reply, "\"next\":\"");
        cr_assert_eq(next != NULL, page < 3, "%s", reply);
        if (next != NULL)
            snprintf(after, sizeof after, "%.32s", next + 8);
    }
    for (int i = 0; i < MANY; i++)
        cr_assert(seen[i]);
    ask_admin("{\"command\":\"users\",\"after\":\"12\"}\n", reply, sizeof reply);
    cr_assert(says(reply, "\"error\""));
    ask_admin("{\"command\":\"user-delete\"}\n", reply, sizeof reply);
    cr_assert(says(reply, "\"done\":false"));
    detach(&plane);
}

/* ---- invites ---- */

static void setup_invite(void)
{
    setup_with("accounts: {registration: invite}\n");
}

TestSuite(requests_invite, .init = setup_invite, .fini = teardown, .timeout = 60);

static uint8_t come_invited(struct plane *plane, const struct person *person, const char *code)
{
    size_t len = strlen(code);
    struct channel_login *request = reserve(plane, 1, CHANNEL_LOGIN, sizeof *request + len);
    request->name.device = 1;
    memcpy(request->name.user, person->user, WAX_USER_BYTES);
    memcpy(request->account_key, person->key, sizeof person->key);
    request->invite_bytes = (uint16_t)len;
    memcpy(request->invite, code, len);
    publish(plane, 1);
    const struct channel_record *record = next(plane, 1, 5000);
    cr_assert_not_null(record);
    uint8_t error = ((const struct channel_login_reply *)(const void *)record)->error;
    release(plane, 1, record);
    return error;
}

Test(requests_invite, made_listed_used_and_revoked)
{
    struct plane plane;
    struct person alice = person_of(1), bob = person_of(2), carol = person_of(3);
    char code[33] = "", line[100];
    attach(&plane, 0);
    cr_assert_eq(come_in(&plane, &alice, 1), WIRE_ERROR_NOT_INVITED);
    ask_admin("{\"command\":\"invite-create\",\"uses\":2,\"life_s\":60}\n", reply, sizeof reply);
    const char *at = strstr(reply, "\"code\":\"");
    cr_assert(says(reply, "\"done\":true") && at != NULL, "%s", reply);
    snprintf(code, sizeof code, "%.32s", at + 8);
    cr_assert_eq(come_invited(&plane, &alice, code), 0);
    uint64_t epoch = plane.grant.epoch;
    stop_control(SIGKILL);
    detach(&plane);
    start_control();
    attach(&plane, epoch);
    cr_assert_eq(come_in(&plane, &alice, 1), 0, "without one, for the account is there");
    cr_assert_eq(come_invited(&plane, &bob, code), 0);
    cr_assert_eq(come_invited(&plane, &carol, code), WIRE_ERROR_NOT_INVITED);
    ask_admin("{\"command\":\"invites\"}\n", reply, sizeof reply);
    cr_assert(says(reply, "\"uses\":2,\"used\":2"), "%s", reply);
    cr_assert_not(says(reply, code), "the code is told once");
    ask_admin("{\"command\":\"status\"}\n", reply, sizeof reply);
    cr_assert(says(reply, "\"not_invited\":1,\"invited\":1"), "%s", reply);
    ask_admin("{\"command\":\"invites\"}\n", reply, sizeof reply);
    at = strstr(reply, "\"invite\":\"");
    snprintf(line, sizeof line, "{\"command\":\"invite-revoke\",\"invite\":\"%.8s\"}\n", at + 10);
    ask_admin(line, reply, sizeof reply);
    cr_assert(says(reply, "\"done\":true"), "%s", reply);
    ask_admin(line, reply, sizeof reply);
    cr_assert(says(reply, "no such invite"), "%s", reply);
    cr_assert_eq(come_in(&plane, &alice, 1), 0);
    detach(&plane);
}

Test(requests_invite, orders_that_make_no_sense_are_refused)
{
    static const char *const bad[] = {"\"invite-create\",\"uses\":0",
                                      "\"invite-create\",\"uses\":1001",
                                      "\"invite-create\",\"uses\":\"1\"",
                                      "\"invite-create\",\"life_s\":-1",
                                      "\"invite-revoke\"",
                                      "\"invite-revoke\",\"invite\":\"12\""};
    char line[100];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(line, sizeof line, "{\"command\":%s}\n", bad[i]);
        ask_admin(line, reply, sizeof reply);
        cr_assert(says(reply, "\"done\":false"), "%s: %s", bad[i], reply);
    }
}
