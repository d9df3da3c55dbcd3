/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * waxwire-control as a process, with this test as its data plane: over a real socket and
 * shared memory, killed and started again.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "channel_help.h"
#include "waxwire/wire.h"

#define PEOPLE 4

static struct device_name name_of(uint8_t user, uint16_t device)
{
    struct device_name name = {.device = device};
    uint8_t key[32] = {'k', user};
    memset(name.user, user, sizeof name.user);
    if (user < PEOPLE)
        crypto_generichash(name.user, sizeof name.user, key, sizeof key, NULL, 0);
    return name;
}

static void store(struct plane *plane, uint32_t worker, uint8_t user, uint64_t position, uint32_t bytes,
                  uint64_t tag)
{
    struct channel_store *request = reserve(plane, worker, CHANNEL_STORE, sizeof *request + bytes);
    request->tag = tag;
    request->name = name_of(user, 1);
    request->sender = name_of(200, 7);
    request->position = position;
    request->id = position * 3;
    request->taken_ms = wall_ms();
    request->ttl_s = 1000;
    request->payload_bytes = bytes;
    memset(request->payload, (int)(position & 0xff), bytes);
}

static void expect_stored(struct plane *plane, uint32_t worker, uint64_t tag)
{
    const struct channel_record *record = next(plane, worker, 5000);
    cr_assert_not_null(record, "no answer");
    cr_assert_eq(record->kind, CHANNEL_STORED);
    const struct channel_stored *stored = (const void *)record;
    cr_assert_eq(stored->tag, tag);
    cr_assert_eq(stored->reason, 0);
    release(plane, worker, record);
}

static void drain(struct plane *plane, uint32_t worker, uint8_t user, uint64_t generation, uint64_t after,
                  uint32_t messages)
{
    struct channel_drain *request = reserve(plane, worker, CHANNEL_DRAIN, sizeof *request);
    request->name = name_of(user, 1);
    request->generation = generation;
    request->after = after;
    request->messages = messages;
    publish(plane, worker);
}

/* Expect the items with these positions, then DRAIN_IDLE up to the last. */
static void expect_drained(struct plane *plane, uint32_t worker, uint64_t generation, uint64_t first,
                           uint64_t count, uint64_t step, uint64_t upto)
{
    for (uint64_t i = 0; i < count; i++) {
        const struct channel_record *record = next(plane, worker, 5000);
        cr_assert_not_null(record);
        cr_assert_eq(record->kind, CHANNEL_DRAINED, "kind %u instead of position %lu", record->kind,
                     (unsigned long)(first + i * step));
        const struct channel_drained *d = (const void *)record;
        cr_assert_eq(d->generation, generation);
        cr_assert_eq(d->position, first + i * step);
        cr_assert_eq(d->id, d->position * 3);
        cr_assert_eq(d->item, CHANNEL_ITEM_MESSAGE);
        cr_assert_eq(d->peer.device, 7);
        for (uint32_t b = 0; b < d->payload_bytes; b++)
            cr_assert_eq(d->payload[b], d->position & 0xff);
        release(plane, worker, record);
    }
    const struct channel_record *record = next(plane, worker, 5000);
    cr_assert_not_null(record);
    cr_assert_eq(record->kind, CHANNEL_DRAIN_IDLE);
    cr_assert_eq(((const struct channel_drain_idle *)(const void *)record)->upto, upto);
    release(plane, worker, record);
}

static struct channel_login_reply login(struct plane *plane, const uint8_t key[32], uint16_t device,
                                        bool right_user)
{
    struct channel_login *request = reserve(plane, 0, CHANNEL_LOGIN, sizeof *request);
    request->tag = 77;
    request->name.device = device;
    memcpy(request->account_key, key, 32);
    crypto_generichash(request->name.user, 16, key, 32, NULL, 0);
    request->name.user[0] ^= right_user ? 0 : 1;
    publish(plane, 0);
    const struct channel_record *record = next(plane, 0, 5000);
    cr_assert_not_null(record);
    cr_assert_eq(record->kind, CHANNEL_LOGIN_REPLY);
    struct channel_login_reply reply;
    memcpy(&reply, record, sizeof reply);
    release(plane, 0, record);
    cr_assert_eq(reply.tag, 77);
    return reply;
}

/* Everyone's device 1 is known from here on. */
static void come_in(struct plane *plane)
{
    for (uint8_t user = 0; user < PEOPLE; user++) {
        uint8_t key[32] = {'k', user};
        cr_assert_eq(login(plane, key, 1, true).error, 0);
    }
}

/* ---- the tests ---- */

TestSuite(channel, .init = setup, .fini = teardown, .timeout = 60);

Test(channel, an_account_is_new_once_and_has_at_most_32_devices)
{
    struct plane plane;
    uint8_t key[32] = {1};
    attach(&plane, 0);
    struct channel_login_reply reply = login(&plane, key, 1, true);
    cr_assert_eq(reply.error, 0);
    cr_assert_eq(reply.welcome, WIRE_WELCOME_NEW_ACCOUNT);
    cr_assert_eq(reply.waiting, 0);
    reply = login(&plane, key, 1, true);
    cr_assert_eq(reply.error, 0);
    cr_assert_eq(reply.welcome, 0);
    cr_assert_eq(login(&plane, key, 1, false).error, WIRE_ERROR_BAD_PROOF);
    cr_assert_eq(login(&plane, key, 0, true).error, WIRE_ERROR_BAD_PROOF);
    for (uint16_t device = 2; device <= 32; device++)
        cr_assert_eq(login(&plane, key, device, true).error, 0);
    cr_assert_eq(login(&plane, key, 33, true).error, WIRE_ERROR_DEVICES);
    cr_assert_eq(login(&plane, key, 32, true).error, 0);
    detach(&plane);
    stop_control(SIGKILL);
    start_control();
    attach(&plane, plane.grant.epoch);
    cr_assert_eq(login(&plane, key, 5, true).welcome, 0);
    cr_assert_eq(login(&plane, key, 33, true).error, WIRE_ERROR_DEVICES);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, an_epoch_is_given_once_and_kept_by_who_holds_it)
{
    struct plane plane;
    attach(&plane, 0);
    struct channel_grant first = plane.grant;
    cr_assert_eq(first.epoch, 1);
    detach(&plane);
    stop_control(SIGKILL);
    start_control();
    attach(&plane, first.epoch);
    cr_assert_eq(plane.grant.epoch, first.epoch);
    cr_assert_arr_eq(plane.grant.relay_id, first.relay_id, sizeof first.relay_id);
    detach(&plane);
    attach(&plane, 0);
    cr_assert_eq(plane.grant.epoch, first.epoch + 1);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, who_does_not_fit_is_refused)
{
    struct plane plane, second;
    struct channel_offer offer = sound_offer(0);
    offer.version = CHANNEL_VERSION + 1;
    cr_assert_eq(offer_as(&plane, &offer, F_SEAL_SHRINK).status, WAX_CHANNEL_VERSION);
    detach(&plane);
    offer = sound_offer(0);
    offer.memory_bytes += 64;
    cr_assert_eq(offer_as(&plane, &offer, F_SEAL_SHRINK).status, WAX_CHANNEL_VERSION);
    detach(&plane);
    offer = sound_offer(0);
    cr_assert_eq(offer_as(&plane, &offer, 0).status, WAX_CHANNEL_VERSION); /* could be cut under our feet */
    detach(&plane);
    offer = sound_offer(0);
    offer.workers = 0;
    cr_assert_eq(offer_as(&plane, &offer, F_SEAL_SHRINK).status, WAX_CHANNEL_VERSION);
    detach(&plane);
    attach(&plane, 0);
    offer = sound_offer(0);
    cr_assert_eq(offer_as(&second, &offer, F_SEAL_SHRINK).status, WAX_STORE_LOCKED);
    detach(&second);
    come_in(&plane);
    store(&plane, 0, 1, (1ull << 48) + 1, 10, 1); /* the first is not disturbed */
    publish(&plane, 0);
    expect_stored(&plane, 0, 1);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, what_is_stored_is_drained_with_credit_and_retired_for_good)
{
    struct plane plane;
    attach(&plane, 0);
    come_in(&plane);
    uint64_t base = plane.grant.epoch << 48;
    for (uint64_t i = 1; i <= 60; i++)
        store(&plane, 1, (uint8_t)(i % 3), base + i, (uint32_t)(i * 997), i);
    publish(&plane, 1);
    for (uint64_t i = 1; i <= 60; i++) {
        /* shards answer in their own order: tags of one mailbox rise */
        const struct channel_record *record = next(&plane, 1, 5000);
        cr_assert_not_null(record);
        cr_assert_eq(record->kind, CHANNEL_STORED);
        release(&plane, 1, record);
    }
    drain(&plane, 0, 1, 5, 0, 3);
    for (uint64_t i = 0; i < 3; i++) {
        const struct channel_record *record = next(&plane, 0, 5000);
        cr_assert_not_null(record);
        cr_assert_eq(((const struct channel_drained *)(const void *)record)->position, base + 1 + 3 * i);
        release(&plane, 0, record);
    }
    cr_assert_null(next(&plane, 0, 50), "more than the credit allows");
    struct channel_drain_credit *credit = reserve(&plane, 0, CHANNEL_DRAIN_CREDIT, sizeof *credit);
    credit->name = name_of(1, 1);
    credit->generation = 5;
    credit->messages = 100;
    publish(&plane, 0);
    expect_drained(&plane, 0, 5, base + 10, 17, 3, base + 58);

    char reply[8192];
    ask_admin("{\"command\":\"store\"}\n", reply, sizeof reply);
    cr_assert_not_null(strstr(reply, "\"items\":60,"), "%s", reply);
    ask_admin("{\"command\":\"mailbox\",\"limit\":2}\n", reply, sizeof reply);
    cr_assert_not_null(strstr(reply, "\"count\":3,"), "%s", reply);
    cr_assert_not_null(strstr(reply, "\"messages\":20,"), "%s", reply);

    /* what is stored from now on is streamed as well, after its answer */
    store(&plane, 0, 1, base + 100, 5, 100);
    publish(&plane, 0);
    expect_stored(&plane, 0, 100);
    expect_drained(&plane, 0, 5, base + 100, 1, 1, base + 100);

    struct channel_retire *retire = reserve(&plane, 0, CHANNEL_RETIRE, sizeof *retire + 20 * 8);
    retire->name = name_of(1, 1);
    retire->count = 20;
    for (uint64_t i = 0; i < 20; i++)
        retire->position[i] = base + 1 + 3 * i;
    publish(&plane, 0);
    drain(&plane, 0, 1, 6, 0, 100);
    expect_drained(&plane, 0, 6, base + 100, 1, 1, base + 100);
    stop_control(SIGTERM); /* a clean stop makes the retirement durable */
    start_control();
    detach(&plane);
    attach(&plane, plane.grant.epoch);
    drain(&plane, 0, 1, 1, 0, 100);
    expect_drained(&plane, 0, 1, base + 100, 1, 1, base + 100);
    drain(&plane, 0, 9, 1, 0, 100); /* a mailbox that never was */
    expect_drained(&plane, 0, 1, 0, 0, 1, 0);
    detach(&plane);
    stop_control(SIGTERM);
}

/* Run a command in the test's directory; returns its exit code and the begin of what it says. */
static int run(const char *command, char *out, size_t room)
{
    char line[512];
    size_t len = 0;
    snprintf(line, sizeof line, "cd %s && %s 2>&1", directory, command);
    FILE *pipe = popen(line, "r");
    while (len + 1 < room && !feof(pipe))
        len += fread(out + len, 1, room - len - 1, pipe);
    out[len] = '\0';
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The positions, 1 to 40, of the messages that a copy of all files and its key give away, as bits. */
static uint64_t loot(uint64_t base)
{
    static char out[65536];
    uint64_t found = 0;
    cr_assert_eq(run("rm -rf copy && cp -r store copy && " WAXCTL_EXE " store dump copy", out, sizeof out), 0,
                 "%s", out);
    for (uint64_t i = 1; i <= 40; i++) {
        char text[64];
        snprintf(text, sizeof text, "\"position\":%lu,", (unsigned long)(base + i));
        found |= strstr(out, text) != NULL ? UINT64_C(1) << i : 0;
    }
    cr_assert_eq(run("grep -rqF 'aaaaaaaaaaaaaaaaaaaa' copy", out, sizeof out), 1, "a payload in clear");
    return found;
}

Test(channel, what_was_retired_is_not_in_a_copy_of_all_files_with_their_key)
{
    struct plane plane;
    char out[4096];
    attach(&plane, 0);
    come_in(&plane);
    uint64_t base = (plane.grant.epoch << 48) + 'a' - 1, all = 0, even = 0; /* payloads begin with aaaa */
    for (uint64_t i = 1; i <= 40; i++) {
        store(&plane, 0, 1, base + i, 50, i);
        all |= UINT64_C(1) << i;
        even |= i % 2 == 0 ? UINT64_C(1) << i : 0;
    }
    publish(&plane, 0);
    for (uint64_t i = 1; i <= 40; i++)
        expect_stored(&plane, 0, i);
    cr_assert_eq(loot(base), all);
    struct channel_retire *retire = reserve(&plane, 0, CHANNEL_RETIRE, sizeof *retire + 20 * 8);
    retire->name = name_of(1, 1);
    retire->count = 20;
    for (uint64_t i = 0; i < 20; i++)
        retire->position[i] = base + 1 + 2 * i;
    publish(&plane, 0);
    for (int i = 0; i < 5200; i++)
        nap();
    cr_assert_eq(loot(base), even);
    stop_control(SIGKILL); /* and a start in between changes nothing */
    start_control();
    detach(&plane);
    attach(&plane, plane.grant.epoch);
    cr_assert_eq(loot(base), even);
    cr_assert_eq(run(WAXCTL_EXE " store verify store", out, sizeof out), 1, "%s", out);
    cr_assert_not_null(strstr(out, "store: in use by another process"), "%s", out);
    stop_control(SIGTERM);
    cr_assert_eq(run(WAXCTL_EXE " store verify store", out, sizeof out), 0, "%s", out);
    cr_assert_not_null(strstr(out, " 0 places of damage"), "%s", out);
    cr_assert_eq(run("head -c 32 /dev/urandom >other && chmod 600 other && " WAXCTL_EXE
                     " store verify store --key $PWD/other",
                     out, sizeof out),
                 1);
    cr_assert_not_null(strstr(out, "the key file does not open it"), "%s", out);
    detach(&plane);
}

Test(channel, a_backup_of_a_running_store_is_whole_and_a_store_goes_on_from_it)
{
    struct plane plane;
    char out[4096], command[400];
    attach(&plane, 0);
    come_in(&plane);
    uint64_t epoch = plane.grant.epoch, base = epoch << 48;
    for (uint64_t i = 1; i <= 30; i++)
        store(&plane, 0, 1, base + i, 1000, i);
    publish(&plane, 0);
    for (uint64_t i = 1; i <= 30; i++)
        expect_stored(&plane, 0, i);
    snprintf(command, sizeof command, WAXCTL_EXE " --socket %s store backup copy", admin_path);
    cr_assert_eq(run(command, out, sizeof out), 0, "%s", out);
    cr_assert_eq(run(command, out, sizeof out), 1, "into one that is not empty");
    cr_assert_not_null(strstr(out, "something in it"), "%s", out);
    cr_assert_eq(run(WAXCTL_EXE " store verify copy", out, sizeof out), 1, "the key is not in it");
    cr_assert_eq(run(WAXCTL_EXE " store verify copy --key store/store.key", out, sizeof out), 0, "%s", out);
    cr_assert_not_null(strstr(out, "30 can be read"), "%s", out);
    cr_assert_not_null(strstr(out, "0 places of damage"), "%s", out);
    store(&plane, 0, 1, base + 31, 1000, 31); /* later: not in it */
    publish(&plane, 0);
    expect_stored(&plane, 0, 31);
    detach(&plane);
    stop_control(SIGTERM);
    cr_assert_eq(run("mv store lost && mv copy store && cp -p lost/store.key store/", out, sizeof out), 0);
    start_control();
    attach(&plane, 0);
    cr_assert_gt(plane.grant.epoch, epoch + 1, "an epoch that the original may have given since");
    drain(&plane, 0, 1, 1, 0, 100);
    expect_drained(&plane, 0, 1, base + 1, 30, 1, base + 30);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, a_receipt_retires_what_it_is_about_in_the_same_commit)
{
    struct plane plane;
    attach(&plane, 0);
    come_in(&plane);
    uint64_t base = plane.grant.epoch << 48;
    store(&plane, 0, 1, base + 1, 100, 1);
    publish(&plane, 0);
    expect_stored(&plane, 0, 1);
    struct channel_store_receipt *receipt = reserve(&plane, 0, CHANNEL_STORE_RECEIPT, sizeof *receipt);
    receipt->tag = 2;
    receipt->name = name_of(2, 1);
    receipt->position = base + 2;
    receipt->about = name_of(1, 1);
    receipt->id = (base + 1) * 3;
    receipt->retire = base + 1;
    receipt->status_kind = WIRE_DELIVERED;
    publish(&plane, 0);
    expect_stored(&plane, 0, 2);
    stop_control(SIGKILL);
    start_control();
    detach(&plane);
    attach(&plane, plane.grant.epoch);
    drain(&plane, 0, 1, 1, 0, 100);
    expect_drained(&plane, 0, 1, 0, 0, 1, base + 1);
    drain(&plane, 0, 2, 1, 0, 100);
    const struct channel_record *record = next(&plane, 0, 5000);
    cr_assert_not_null(record);
    const struct channel_drained *d = (const void *)record;
    cr_assert_eq(d->item, CHANNEL_ITEM_RECEIPT);
    cr_assert_eq(d->status_kind, WIRE_DELIVERED);
    cr_assert_eq(d->id, (base + 1) * 3);
    release(&plane, 0, record);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, killed_and_started_again_it_has_all_that_was_answered_and_takes_the_rest_once)
{
    enum { COUNT = 400 };
    struct plane plane;
    bool stored[COUNT + 1] = {false};
    uint64_t answered = 0;
    attach(&plane, 0);
    come_in(&plane);
    uint64_t base = plane.grant.epoch << 48;
    for (int life = 0; life < 4; life++) {
        for (uint64_t i = 1; i <= COUNT; i++) {
            if (!stored[i])
                store(&plane, 0, 3, base + i, (uint32_t)(i * 13 % 5000), i);
        }
        publish(&plane, 0);
        uint64_t want = life == 3 ? COUNT : answered + 1 + (uint64_t)life * 37;
        while (answered < want) {
            const struct channel_record *record = next(&plane, 0, 5000);
            cr_assert_not_null(record);
            const struct channel_stored *answer = (const void *)record;
            cr_assert_eq(record->kind, CHANNEL_STORED);
            cr_assert_eq(answer->reason, 0);
            cr_assert_not(stored[answer->tag]);
            stored[answer->tag] = true;
            answered++;
            release(&plane, 0, record);
        }
        if (life == 3)
            break;
        stop_control(SIGKILL);
        start_control();
        detach(&plane);
        attach(&plane, plane.grant.epoch);
    }
    drain(&plane, 0, 3, 1, 0, COUNT + 1);
    expect_drained(&plane, 0, 1, base + 1, COUNT, 1, base + COUNT);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, who_is_unknown_has_no_mailbox)
{
    struct plane plane;
    attach(&plane, 0);
    come_in(&plane);
    uint64_t base = plane.grant.epoch << 48;
    static const struct {
        uint8_t user;
        uint16_t device;
        uint8_t reason;
    } cases[] = {{9, 1, WIRE_REASON_UNKNOWN_USER}, {1, 2, WIRE_REASON_UNKNOWN_DEVICE}, {1, 1, 0}};
    for (uint64_t i = 0; i < 3; i++) {
        struct channel_store *request = reserve(&plane, 0, CHANNEL_STORE, sizeof *request);
        request->tag = i;
        request->name = name_of(cases[i].user, cases[i].device);
        request->position = base + 1 + i;
        request->ttl_s = 10;
        publish(&plane, 0);
        const struct channel_record *record = next(&plane, 0, 5000);
        cr_assert_not_null(record);
        cr_assert_eq(record->kind, CHANNEL_STORED);
        const struct channel_stored *answer = (const void *)record;
        cr_assert_eq(answer->tag, i);
        cr_expect_eq(answer->reason, cases[i].reason);
        release(&plane, 0, record);
    }
    detach(&plane);
    stop_control(SIGTERM);
}

static void store_for_device_2(struct plane *plane, uint64_t position, bool again)
{
    struct channel_store *request = reserve(plane, 1, CHANNEL_STORE, sizeof *request);
    request->tag = position;
    request->name = name_of(1, 2);
    request->sender.device = 7;
    request->position = position;
    request->id = position * 3;
    request->again = again;
    request->taken_ms = wall_ms();
    request->ttl_s = 100;
    publish(plane, 1);
}

/* The position of what was rejected must not be passed by while home can still offer it again. */
Test(channel, nothing_is_stored_behind_a_rejection_that_was_not_read)
{
    struct plane plane;
    uint8_t key[32] = {'k', 1};
    attach(&plane, 0);
    come_in(&plane);
    uint64_t base = plane.grant.epoch << 48;
    store_for_device_2(&plane, base + 1, false);
    const struct channel_record *record = next(&plane, 1, 5000);
    cr_assert_not_null(record);
    cr_assert_eq(((const struct channel_stored *)(const void *)record)->reason, WIRE_REASON_UNKNOWN_DEVICE);
    cr_assert_eq(login(&plane, key, 2, true).error, 0);
    store_for_device_2(&plane, base + 2, false);
    for (int i = 0; i < 100; i++) /* as long as a commit can take: what must not happen */
        nap();
    stop_control(SIGKILL);
    start_control();
    detach(&plane);
    attach(&plane, plane.grant.epoch);
    store_for_device_2(&plane, base + 1, true);
    store_for_device_2(&plane, base + 2, true);
    for (uint64_t i = 1; i <= 2; i++) {
        record = next(&plane, 1, 5000);
        cr_assert_not_null(record);
        cr_assert_eq(((const struct channel_stored *)(const void *)record)->tag, base + i);
        cr_assert_eq(((const struct channel_stored *)(const void *)record)->reason, 0);
        release(&plane, 1, record);
    }
    struct channel_drain *request = reserve(&plane, 1, CHANNEL_DRAIN, sizeof *request);
    request->name = name_of(1, 2);
    request->generation = 1;
    request->messages = 10;
    publish(&plane, 1);
    expect_drained(&plane, 1, 1, base + 1, 2, 1, base + 2);
    detach(&plane);
    stop_control(SIGTERM);
}

/* Once it is read, what comes behind it is stored. */
Test(channel, a_rejection_that_was_read_holds_nothing_up)
{
    struct plane plane;
    uint8_t key[32] = {'k', 1};
    attach(&plane, 0);
    come_in(&plane);
    uint64_t base = plane.grant.epoch << 48;
    store_for_device_2(&plane, base + 1, false);
    const struct channel_record *record = next(&plane, 1, 5000);
    cr_assert_not_null(record);
    cr_assert_eq(login(&plane, key, 2, true).error, 0);
    store_for_device_2(&plane, base + 2, false);
    nap();
    release(&plane, 1, record);
    record = next(&plane, 1, 5000);
    cr_assert_not_null(record);
    cr_assert_eq(((const struct channel_stored *)(const void *)record)->tag, base + 2);
    cr_assert_eq(((const struct channel_stored *)(const void *)record)->reason, 0);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, a_malformed_record_ends_the_attachment)
{
    struct plane plane;
    char byte;
    attach(&plane, 0);
    struct channel_store *request = reserve(&plane, 0, CHANNEL_STORE, sizeof *request);
    request->payload_bytes = 100; /* which are not there */
    request->position = 1;
    request->ttl_s = 1;
    publish(&plane, 0);
    cr_assert_eq(recv(plane.socket, &byte, 1, 0), 0);
    detach(&plane);
    attach(&plane, 0);
    detach(&plane);
    stop_control(SIGTERM);
}

Test(channel, operators_see_the_sessions_that_were_announced_until_the_channel_ends)
{
    struct plane plane;
    char reply[65536];
    attach(&plane, 0);
    come_in(&plane);
    struct channel_session_open *open = reserve(&plane, 1, CHANNEL_SESSION_OPEN, sizeof *open);
    open->name = name_of(0xab, 9);
    open->generation = 4;
    open->since_ms = wall_ms();
    open->peer[10] = open->peer[11] = 0xff;
    open->peer[12] = 198;
    open->peer[13] = 18;
    open->peer[15] = 77;
    open->peer_port = 1234;
    open->tls = 1;
    plane.memory->worker[1].metrics.sends = 31;
    publish(&plane, 1);
    store(&plane, 1, 1, 99, 5, 1);
    publish(&plane, 1);
    expect_stored(&plane, 1, 1);
    ask_admin("{\"command\":\"sessions\"}\n", reply, sizeof reply);
    cr_assert_not_null(
        strstr(reply, "\"user\":\"abababababababababababababababab\",\"device\":9,\"peer\":\"198.18.0.77\","
                      "\"port\":1234,\"worker\":0,\"tls\":true"),
        "%s", reply);
    ask_admin("{\"command\":\"status\"}\n", reply, sizeof reply);
    cr_assert_not_null(strstr(reply, "\"attached\":true"), "%s", reply);
    cr_assert_not_null(strstr(reply, "\"sessions\":1"), "%s", reply);
    cr_assert_not_null(strstr(reply, "\"items\":1"), "%s", reply);
    ask_admin("{\"command\":\"workers\"}\n", reply, sizeof reply);
    cr_assert_not_null(strstr(reply, "\"sends\":31"), "%s", reply);
    ask_admin("{\"command\":\"counters\"}\n", reply, sizeof reply);
    cr_assert_not_null(strstr(reply, "\"sends\":31"), "%s", reply);
    ask_admin("nonsense\n", reply, sizeof reply);
    cr_assert_not_null(strstr(reply, "\"error\""), "%s", reply);
    struct channel_session_close *close_record =
        reserve(&plane, 1, CHANNEL_SESSION_CLOSE, sizeof *close_record);
    close_record->name = name_of(0xab, 9);
    close_record->generation = 3; /* an older session's end */
    publish(&plane, 1);
    detach(&plane);
    for (int i = 0; i < 2000; i++) {
        ask_admin("{\"command\":\"status\"}\n", reply, sizeof reply);
        if (strstr(reply, "\"attached\":false") != NULL)
            break;
        nap();
    }
    cr_assert_not_null(strstr(reply, "\"sessions\":0"), "%s", reply);
    stop_control(SIGTERM);
}
