/* SPDX-License-Identifier: BSD-3-Clause */
/* Whom waxwire-control has woken: with this test as its data plane, and as the push gateway. */
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel_help.h"
#include "waxwire/channel_request.h"
#include "waxwire/wire.h"

static char gateway_path[64];
static int gateway, peer = -1;
static struct plane plane;
static struct device_name bob, alice;

static struct device_name account(uint8_t number)
{
    struct channel_login *request = reserve(&plane, 0, CHANNEL_LOGIN, sizeof *request);
    memset(request->account_key, number, sizeof request->account_key);
    crypto_generichash(request->name.user, WAX_USER_BYTES, request->account_key, WAX_ACCOUNT_KEY_BYTES, NULL,
                       0);
    request->name.device = 1;
    struct device_name name = request->name;
    publish(&plane, 0);
    const struct channel_record *record = next(&plane, 0, 5000);
    cr_assert(record != NULL && record->kind == CHANNEL_LOGIN_REPLY);
    release(&plane, 0, record);
    return name;
}

static void init(void)
{
    char more[160];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(gateway_path, sizeof gateway_path, "/tmp/wax-gateway-%d", getpid());
    strcpy(address.sun_path, gateway_path);
    gateway = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(gateway, (struct sockaddr *)&address, sizeof address), 0);
    cr_assert_eq(listen(gateway, 4), 0);
    snprintf(more, sizeof more, "wake: {socket: %s, interval_ms: 0}\n", gateway_path);
    setup_with(more);
    attach(&plane, 0);
    bob = account(1);
    alice = account(2);
}

static void fini(void)
{
    detach(&plane);
    stop_control(SIGTERM);
    unlink(gateway_path);
    teardown();
}

TestSuite(wakes, .init = init, .fini = fini, .timeout = 60);

static void store(uint64_t position, uint8_t flags)
{
    struct channel_store *request = reserve(&plane, 0, CHANNEL_STORE, sizeof *request + 4);
    memset(request->payload, 'x', 4);
    request->tag = position;
    request->name = bob;
    request->sender = alice;
    request->position = position;
    request->id = position;
    request->taken_ms = wall_ms();
    request->ttl_s = 1000;
    request->payload_bytes = 4;
    request->deliver_flags = flags;
    publish(&plane, 0);
    const struct channel_record *record = next(&plane, 0, 5000);
    cr_assert(record != NULL && record->kind == CHANNEL_STORED);
    cr_assert_eq(((const struct channel_stored *)(const void *)record)->reason, 0);
    release(&plane, 0, record);
}

static void session(bool opens, uint64_t generation, bool send_only)
{
    if (opens) {
        struct channel_session_open *open = reserve(&plane, 0, CHANNEL_SESSION_OPEN, sizeof *open);
        open->name = bob;
        open->generation = generation;
        open->since_ms = 1; /* long ago: nothing greets it */
        open->send_only = send_only;
    } else {
        struct channel_session_close *close = reserve(&plane, 0, CHANNEL_SESSION_CLOSE, sizeof *close);
        close->name = bob;
        close->generation = generation;
    }
    publish(&plane, 0);
}

static void retire(uint64_t position)
{
    struct channel_retire *request = reserve(&plane, 0, CHANNEL_RETIRE, sizeof *request + 8);
    request->name = bob;
    request->count = 1;
    request->position[0] = position;
    publish(&plane, 0);
}

/* The next line of the gateway, which tells of Bob; or none within the time. */
static bool woken(int patience_ms, bool *urgent)
{
    char text[256] = "", user[2 * WAX_USER_BYTES + 1];
    struct pollfd fd = {.fd = peer >= 0 ? peer : gateway, .events = POLLIN};
    if (poll(&fd, 1, patience_ms) == 0)
        return false;
    if (peer < 0)
        peer = accept4(gateway, NULL, NULL, SOCK_CLOEXEC);
    for (size_t len = 0; len == 0 || text[len - 1] != '\n'; len++)
        cr_assert_eq(recv(peer, text + len, 1, 0), 1);
    sodium_bin2hex(user, sizeof user, bob.user, sizeof bob.user);
    cr_assert(strstr(text, user) != NULL && strstr(text, "\"device\":1,") != NULL, "%s", text);
    *urgent = strstr(text, "\"urgent\":true") != NULL;
    return true;
}

Test(wakes, the_first_stored_message_and_every_urgent_one_wakes)
{
    char reply[1024] = "";
    bool urgent;
    store(10, 0);
    cr_assert(woken(5000, &urgent) && !urgent);
    store(11, 0);
    cr_assert_not(woken(200, &urgent), "it has been woken for the first");
    store(12, WIRE_DELIVER_URGENT);
    cr_assert(woken(5000, &urgent) && urgent);
    for (uint64_t position = 10; position <= 12; position++)
        retire(position);
    for (int i = 0; i < 5000 && strstr(reply, "\"mailboxes\":[]") == NULL; i++) {
        nap();
        ask_admin("{\"command\":\"mailbox\"}\n", reply, sizeof reply);
    }
    store(13, 0);
    cr_assert(woken(5000, &urgent) && !urgent, "the mailbox was empty");
    ask_admin("{\"command\":\"wake\"}\n", reply, sizeof reply);
    cr_assert_not_null(strstr(reply, "\"sent\":3,\"coalesced\":0,\"needless\":0,\"dropped\":0"), "%s", reply);
}

Test(wakes, who_is_connected_is_woken_only_when_the_session_ends_with_something_waiting)
{
    bool urgent;
    session(true, 1, false);
    store(10, WIRE_DELIVER_URGENT);
    cr_assert_not(woken(200, &urgent));
    session(false, 1, false);
    cr_assert(woken(5000, &urgent), "its connection was dead");
    session(true, 2, false);
    session(false, 2, false);
    retire(10); /* what was acknowledged last is retired behind the end */
    cr_assert_not(woken(3000, &urgent));
    session(true, 3, true);
    store(11, 0);
    cr_assert(woken(5000, &urgent), "to a session that only sends nothing is delivered");
}

Test(wakes, a_call_wakes_unless_its_caller_is_blocked)
{
    bool urgent;
    struct channel_wake *call = reserve(&plane, 0, CHANNEL_WAKE, sizeof *call);
    call->name = bob;
    memcpy(call->sender, alice.user, WAX_USER_BYTES);
    publish(&plane, 0);
    cr_assert(woken(5000, &urgent) && urgent);
    call = reserve(&plane, 0, CHANNEL_WAKE, sizeof *call);
    call->name = bob;
    call->name.device = 9; /* which there is not */
    memcpy(call->sender, alice.user, WAX_USER_BYTES);
    publish(&plane, 0);
    uint8_t block[WIRE_BLOCK_BYTES] = {WIRE_BLOCK, 1, [7] = 5};
    memcpy(block + 8, alice.user, WAX_USER_BYTES);
    struct channel_request *request = reserve(&plane, 0, CHANNEL_REQUEST, sizeof *request + sizeof block);
    request->name = bob;
    request->frame_bytes = sizeof block;
    memcpy(request->frame, block, sizeof block);
    publish(&plane, 0);
    const struct channel_record *record = next(&plane, 0, 5000);
    cr_assert(record != NULL && record->kind == CHANNEL_ANSWER);
    release(&plane, 0, record);
    call = reserve(&plane, 0, CHANNEL_WAKE, sizeof *call);
    call->name = bob;
    memcpy(call->sender, alice.user, WAX_USER_BYTES);
    publish(&plane, 0);
    cr_assert_not(woken(300, &urgent));
}
