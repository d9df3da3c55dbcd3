/* SPDX-License-Identifier: BSD-3-Clause */
#include <criterion/criterion.h>
#include <sodium.h>

#include "directory_help.h"
#include "directory_operate.h"
#include "session_table.h"

struct given {
    bool done;
    enum wax_status status;
    uint64_t epoch;
};

static void on_epoch(void *ctx, enum wax_status status, uint64_t epoch)
{
    *(struct given *)ctx = (struct given){true, status, epoch};
}

static struct fixture begin(void)
{
    return fixture_begin(5, 3, DIRECTORY_OPEN);
}

static void ask(struct fixture *f, struct reply *reply, uint8_t key, uint16_t device)
{
    fixture_ask(f, reply, key, device, view_of(NULL, 0), 0);
}

Test(directory, the_relay_keeps_its_identity)
{
    struct fixture f = begin();
    struct directory_relay first = *directory_relay(f.directory);
    static const uint8_t zero[16];
    cr_assert_arr_neq(first.relay_id, zero, 16);
    cr_assert_arr_neq(first.hash_key, zero, 16);
    fixture_crash(&f);
    cr_assert_arr_eq(directory_relay(f.directory)->relay_id, first.relay_id, 16);
    cr_assert_arr_eq(directory_relay(f.directory)->hash_key, first.hash_key, 16);
    cr_assert_eq(directory_relay(f.directory)->log_seed, first.log_seed);
    fixture_end(&f);
}

Test(directory, an_epoch_is_durable_before_it_is_given_and_never_given_twice)
{
    uint64_t last = 0;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fixture f = fixture_begin(seed, 3, DIRECTORY_OPEN);
        struct given given;
        last = 0;
        for (int i = 0; i < 10; i++) {
            given.done = false;
            directory_epoch(f.directory, 0, &given, on_epoch);
            for (uint64_t step = 0; step < (seed + (uint64_t)i) % 6 && !given.done; step++)
                storage_sim_step(f.disk);
            if (given.done) {
                cr_assert_gt(given.epoch, last);
                last = given.epoch;
            }
            fixture_crash(&f);
        }
        given.done = false;
        directory_epoch(f.directory, last, &given, on_epoch); /* who holds one keeps it */
        while (!given.done)
            storage_sim_step(f.disk);
        if (last != 0)
            cr_assert_eq(given.epoch, last);
        fixture_end(&f);
    }
}

Test(directory, a_new_account_is_durable_before_the_reply)
{
    struct fixture f = begin();
    struct reply reply;
    ask(&f, &reply, 1, 1);
    cr_assert_not(reply.done);
    fixture_settle(&f);
    cr_assert(reply.done && reply.fresh && reply.error == 0);
    fixture_crash(&f);
    ask(&f, &reply, 1, 1);
    cr_assert(reply.done && !reply.fresh && reply.error == 0);
    fixture_end(&f);
}

Test(directory, a_user_must_be_the_digest_of_its_key)
{
    struct fixture f = begin();
    struct reply reply = {.login = {.device = 1, .done = reply_done}};
    memset(reply.login.user, 7, sizeof reply.login.user);
    directory_login(f.directory, &reply.login);
    cr_assert(reply.done);
    cr_assert_eq(reply.error, WIRE_ERROR_BAD_PROOF);
    fixture_end(&f);
}

Test(directory, devices_that_come_at_once_are_all_kept_and_one_account_is_made)
{
    struct fixture f = begin();
    struct reply reply[40];
    uint32_t fresh = 0, refused = 0;
    for (uint16_t i = 0; i < 40; i++)
        ask(&f, &reply[i], 9, (uint16_t)(i + 1));
    fixture_settle(&f);
    for (uint32_t i = 0; i < 40; i++) {
        cr_assert(reply[i].done);
        fresh += reply[i].fresh;
        refused += reply[i].error == WIRE_ERROR_DEVICES;
        cr_assert(reply[i].error == 0 || reply[i].error == WIRE_ERROR_DEVICES);
    }
    cr_assert_eq(fresh, 1);
    cr_assert_eq(refused, 40 - WAX_DEVICES_PER_USER_MAX);
    for (uint32_t i = 0; i < 40; i++) {
        struct reply again;
        ask(&f, &again, 9, (uint16_t)(i + 1));
        fixture_settle(&f);
        cr_assert_eq(again.error, reply[i].error);
    }
    fixture_end(&f);
}

Test(directory, what_cannot_be_written_is_not_let_in)
{
    struct fixture f = begin();
    struct reply reply;
    storage_sim_set(f.disk, (struct storage_sim_faults){.no_space = 1000});
    ask(&f, &reply, 3, 1);
    fixture_settle(&f);
    cr_assert(reply.done);
    cr_assert_eq(reply.status, WAX_STORE_NO_SPACE);
    storage_sim_set(f.disk, (struct storage_sim_faults){0});
    ask(&f, &reply, 3, 1);
    fixture_settle(&f);
    cr_assert(reply.done && reply.fresh && reply.status == WAX_OK && reply.error == 0);
    fixture_end(&f);
}

Test(directory, who_is_just_coming_in_counts_as_known)
{
    struct fixture f = begin();
    struct reply reply;
    struct account account;
    struct device_name name = {.device = 1};
    ask(&f, &reply, 1, 1);
    cr_assert_not(reply.done);
    memcpy(name.user, reply.login.user, sizeof name.user);
    cr_assert_eq(directory_refuses(f.directory, &name, name.user, &account), 0);
    name.device = 2;
    cr_assert_eq(directory_refuses(f.directory, &name, name.user, &account), WIRE_REASON_UNKNOWN_DEVICE);
    fixture_settle(&f);
    cr_assert(reply.done);
    fixture_end(&f);
}

Test(directory, a_closed_registration_lets_in_whom_there_is_and_nobody_else)
{
    struct fixture f = begin();
    struct directory_counts counts;
    struct account account;
    struct device_name name = {.device = 1};
    struct reply reply;
    ask(&f, &reply, 1, 1);
    fixture_settle(&f);
    cr_assert(reply.fresh && reply.error == 0);
    fixture_crash(&f);
    directory_registration(f.directory, DIRECTORY_CLOSED);
    ask(&f, &reply, 1, 1);
    cr_assert(reply.done && !reply.fresh && reply.error == 0, "a device that there is");
    ask(&f, &reply, 1, 2);
    fixture_settle(&f);
    cr_assert(reply.done && !reply.fresh && reply.error == 0, "a new device of an account that there is");
    ask(&f, &reply, 2, 1);
    cr_assert(reply.done && reply.status == WAX_OK, "refused at once");
    cr_assert_eq(reply.error, WIRE_ERROR_NOT_INVITED);
    cr_assert_not(directory_busy(f.directory), "nothing is kept of it");
    memcpy(name.user, reply.login.user, sizeof name.user);
    cr_assert_eq(directory_refuses(f.directory, &name, name.user, &account), WIRE_REASON_UNKNOWN_USER);
    directory_count(f.directory, &counts);
    cr_assert_eq(counts.not_invited, 1);
    cr_assert_eq(counts.accounts, 0);
    cr_assert_eq(counts.devices, 1);
    directory_registration(f.directory, DIRECTORY_OPEN);
    ask(&f, &reply, 2, 1);
    fixture_settle(&f);
    cr_assert(reply.done && reply.fresh && reply.error == 0, "open again");
    fixture_end(&f);
}

Test(directory, a_second_device_of_an_account_being_made_comes_in_though_registration_closes)
{
    struct fixture f = begin();
    struct reply first, second;
    ask(&f, &first, 4, 1);
    cr_assert_not(first.done);
    directory_registration(f.directory, DIRECTORY_CLOSED);
    ask(&f, &second, 4, 2);
    fixture_settle(&f);
    cr_assert(first.done && first.fresh && first.error == 0);
    cr_assert(second.done && !second.fresh && second.error == 0);
    fixture_end(&f);
}

Test(directory, a_wrong_user_is_a_bad_proof_also_when_registration_is_closed)
{
    struct fixture f = begin();
    struct directory_counts counts;
    struct reply reply = {.login = {.device = 1, .done = reply_done}};
    directory_registration(f.directory, DIRECTORY_CLOSED);
    memset(reply.login.user, 7, sizeof reply.login.user);
    directory_login(f.directory, &reply.login);
    cr_assert_eq(reply.error, WIRE_ERROR_BAD_PROOF);
    directory_count(f.directory, &counts);
    cr_assert_eq(counts.not_invited, 0);
    fixture_end(&f);
}

Test(directory, a_device_is_seen_and_that_is_written_once_a_day)
{
    struct fixture f = begin();
    struct account account;
    struct reply reply;
    const uint64_t day_ms = DIRECTORY_SEEN_MS;
    ask(&f, &reply, 6, 3);
    fixture_settle(&f);
    struct device_name name = {.device = 3};
    memcpy(name.user, reply.login.user, sizeof name.user);
    directory_see(f.directory, &name, day_ms - 1);
    cr_assert_not(directory_busy(f.directory), "what is kept is not old yet");
    directory_see(f.directory, &name, 2 * day_ms);
    directory_see(f.directory, &name, 2 * day_ms + 1);
    fixture_settle(&f);
    fixture_crash(&f);
    cr_assert_eq(directory_account(f.directory, name.user, &account), WAX_OK);
    cr_assert_eq(account_seen_ms(&account, 0), 2 * day_ms);
    name.device = 4;
    directory_see(f.directory, &name, 9 * day_ms);
    cr_assert_not(directory_busy(f.directory), "there is no such device");
    fixture_end(&f);
}

/* ---- the sessions ---- */

static bool count_session(void *ctx, const struct channel_session_open *session)
{
    (void)session;
    return ++*(uint32_t *)ctx < 100;
}

Test(sessions, a_newer_one_replaces_an_older_and_only_its_own_end_removes_it)
{
    struct session_table *table = session_table_new();
    struct channel_session_open open = {.name = {.user = {1}, .device = 2}, .generation = 5};
    session_table_open(table, &open, 1);
    open.generation = 4; /* late news of an older one */
    session_table_open(table, &open, 1);
    session_table_close(table, &open.name, 4);
    cr_assert_eq(session_table_count(table), 1);
    open.generation = 6;
    session_table_open(table, &open, 1);
    cr_assert_eq(session_table_count(table), 1);
    session_table_close(table, &open.name, 5);
    cr_assert_eq(session_table_count(table), 1);
    session_table_close(table, &open.name, 6);
    cr_assert_eq(session_table_count(table), 0);
    session_table_free(table);
}

Test(sessions, many_are_kept_and_listed_up_to_a_limit)
{
    struct session_table *table = session_table_new();
    struct channel_session_open open = {.generation = 1};
    for (uint32_t i = 0; i < 5000; i++) {
        open.name.device = (uint16_t)(i % 5 + 1);
        store_be32(open.name.user, i / 5 * 0x01010101u);
        session_table_open(table, &open, 1);
    }
    uint32_t listed = 0;
    cr_assert_eq(session_table_count(table), 5000);
    session_table_each(table, &listed, count_session);
    cr_assert_eq(listed, 100);
    session_table_clear(table);
    cr_assert_eq(session_table_count(table), 0);
    session_table_free(table);
}

/* ---- what is unfinished ---- */

struct removed {
    struct removal removal;
    bool done;
    enum wax_status status;
};

static void on_removed(struct removal *removal, enum wax_status status)
{
    struct removed *removed = (struct removed *)(void *)removal;
    removed->done = true;
    removed->status = status;
}

static void begin_removal(struct fixture *f, struct removed *removed, const struct reply *who,
                          uint16_t device, void (*how)(struct directory *, struct removal *))
{
    *removed = (struct removed){.removal = {.device = device, .done = on_removed}};
    memcpy(removed->removal.user, who->login.user, WAX_USER_BYTES);
    how(f->directory, &removed->removal);
}

/* Whatever is marked durably is on the list, whenever a crash comes; and what is erased is not. */
Test(directory, what_is_marked_is_found_after_a_crash_until_it_is_erased)
{
    bool early = false, late = false;
    for (int steps = 0; steps < 60; steps++) {
        struct fixture f = begin();
        struct reply reply;
        struct removed removed;
        struct account account;
        uint8_t user[WAX_USER_BYTES] = {0};
        ask(&f, &reply, 1, 7);
        fixture_settle(&f);
        cr_assert_not(directory_unfinished(f.directory, user));
        begin_removal(&f, &removed, &reply, 0, directory_remove);
        for (int i = 0; i < steps && !removed.done; i++)
            storage_sim_step(f.disk);
        early |= !removed.done;
        fixture_crash(&f);
        cr_assert_eq(directory_account(f.directory, reply.login.user, &account), WAX_OK);
        bool marked = (account_flags(&account) & ACCOUNT_DELETED) != 0;
        bool listed = directory_unfinished(f.directory, user);
        cr_assert(listed || !marked, "%d steps", steps);
        cr_assert(marked || !removed.done, "it was told to be");
        if (listed)
            cr_assert_arr_eq(user, reply.login.user, WAX_USER_BYTES);
        if (marked) {
            begin_removal(&f, &removed, &reply, 7, directory_erase);
            fixture_settle(&f);
            cr_assert_eq(removed.status, WAX_OK);
            cr_assert_eq(directory_account(f.directory, reply.login.user, &account), WAX_NOT_FOUND);
            memset(user, 0, sizeof user);
            cr_assert_not(directory_unfinished(f.directory, user));
            late = true;
        }
        fixture_end(&f);
    }
    cr_assert(early && late);
}

Test(directory, an_account_without_devices_is_erased_as_well)
{
    struct fixture f = begin();
    struct reply reply;
    struct removed removed;
    struct account account;
    uint8_t user[WAX_USER_BYTES] = {0};
    ask(&f, &reply, 1, 7);
    fixture_settle(&f);
    begin_removal(&f, &removed, &reply, 7, directory_remove);
    fixture_settle(&f);
    begin_removal(&f, &removed, &reply, 7, directory_erase);
    fixture_settle(&f);
    cr_assert_eq(directory_account(f.directory, reply.login.user, &account), WAX_OK);
    cr_assert_eq(account_devices(&account), 0);
    cr_assert_not(directory_unfinished(f.directory, user), "the device has gone, the account is not to");
    begin_removal(&f, &removed, &reply, 0, directory_remove);
    fixture_settle(&f);
    begin_removal(&f, &removed, &reply, 0, directory_erase);
    fixture_settle(&f);
    cr_assert_eq(directory_account(f.directory, reply.login.user, &account), WAX_NOT_FOUND);
    cr_assert_not(directory_unfinished(f.directory, user));
    fixture_end(&f);
}

Test(directory, accounts_are_met_one_after_the_other_each_once)
{
    struct fixture f = begin();
    struct reply reply;
    struct account account;
    uint8_t user[WAX_USER_BYTES] = {0}, last[WAX_USER_BYTES];
    uint32_t met = 0;
    cr_assert_eq(directory_next_account(f.directory, user, &account), WAX_NOT_FOUND, "the relay is none");
    for (uint8_t key = 1; key <= 40; key++) {
        ask(&f, &reply, key, key);
        fixture_settle(&f);
    }
    while (directory_next_account(f.directory, user, &account) == WAX_OK) {
        cr_assert(met == 0 || memcmp(last, user, sizeof user) < 0);
        memcpy(last, user, sizeof user);
        cr_assert_eq(account_device(&account, 0), account_key(&account)[0]);
        met++;
    }
    cr_assert_eq(met, 40);
    fixture_end(&f);
}
