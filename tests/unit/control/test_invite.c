/* SPDX-License-Identifier: BSD-3-Clause */
/* Invites, over the storage in memory that delays, forgets and crashes. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "directory_help.h"
#include "directory_invite.h"

struct made {
    struct invite_order order;
    bool done;
    enum wax_status status;
};

static void on_order(struct invite_order *order, enum wax_status status)
{
    struct made *made = (struct made *)(void *)order;
    made->done = true;
    made->status = status;
}

static struct made make(struct fixture *f, uint32_t uses, uint64_t expires_ms)
{
    struct made made = {.order = {.uses = uses, .now_ms = 1000, .expires_ms = expires_ms, .done = on_order}};
    directory_invite(f->directory, &made.order);
    fixture_settle(f);
    cr_assert_eq(made.status, WAX_OK);
    cr_assert_eq(strlen(made.order.code), INVITE_CODE_CHARS);
    return made;
}

static void ask(struct fixture *f, struct reply *reply, uint8_t key, uint16_t device, const char *code)
{
    fixture_ask(f, reply, key, device, view_of(code, strlen(code)), 2000);
}

/* The error of a login that is waited for. */
static uint8_t come(struct fixture *f, uint8_t key, uint16_t device, const char *code)
{
    struct reply reply;
    ask(f, &reply, key, device, code);
    fixture_settle(f);
    cr_assert(reply.done && reply.status == WAX_OK);
    return reply.error;
}

static struct invite look(struct fixture *f, uint32_t after)
{
    static struct invite invite;
    uint32_t id = after;
    cr_assert_eq(directory_next_invite(f->directory, &id, &invite), WAX_OK);
    return invite;
}

Test(invite, it_lets_as_many_accounts_be_made_as_it_says)
{
    struct fixture f = fixture_begin(1, 3, DIRECTORY_INVITE);
    struct directory_counts counts;
    struct made made = make(&f, 2, 0);
    cr_assert_eq(come(&f, 1, 1, ""), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(come(&f, 1, 1, made.order.code), 0);
    cr_assert_eq(come(&f, 1, 1, ""), 0, "who has an account needs none");
    cr_assert_eq(come(&f, 1, 2, made.order.code), 0, "nor a new device, and it is not used up by it");
    cr_assert_eq(come(&f, 2, 1, made.order.code), 0);
    cr_assert_eq(come(&f, 3, 1, made.order.code), WIRE_ERROR_NOT_INVITED);
    fixture_crash(&f);
    cr_assert_eq(come(&f, 3, 1, made.order.code), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(come(&f, 2, 1, ""), 0);
    struct invite invite = look(&f, 0);
    cr_assert_eq(invite.id, made.order.id);
    cr_assert(invite.uses == 2 && invite.used == 2);
    directory_count(f.directory, &counts);
    cr_assert_eq(counts.not_invited, 1);
    fixture_end(&f);
}

Test(invite, what_is_no_code_or_of_another_secret_is_good_for_nothing)
{
    struct fixture f = fixture_begin(2, 3, DIRECTORY_INVITE);
    struct made made = make(&f, 5, 0), other = make(&f, 5, 0);
    char code[INVITE_CODE_CHARS + 1];
    cr_assert_eq(come(&f, 1, 1, "hello"), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(come(&f, 1, 1, "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"), WIRE_ERROR_NOT_INVITED);
    for (size_t i = 0; i < INVITE_CODE_CHARS; i++) {
        memcpy(code, made.order.code, sizeof code);
        code[i] = code[i] == 'A' ? 'B' : 'A';
        cr_assert_eq(come(&f, 1, 1, code), WIRE_ERROR_NOT_INVITED, "character %zu", i);
    }
    memcpy(code, made.order.code, 6); /* the id of one, the secret of the other */
    memcpy(code + 6, other.order.code + 6, sizeof code - 6);
    cr_assert_eq(come(&f, 1, 1, code), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(look(&f, 0).used, 0);
    fixture_end(&f);
}

Test(invite, it_expires_and_can_be_revoked)
{
    struct fixture f = fixture_begin(3, 3, DIRECTORY_INVITE);
    struct made made = make(&f, 5, 2000), lasting = make(&f, 5, 2001);
    cr_assert_eq(come(&f, 1, 1, made.order.code), WIRE_ERROR_NOT_INVITED, "at 2000 it is over");
    cr_assert_eq(come(&f, 1, 1, lasting.order.code), 0);
    lasting.done = false;
    directory_revoke_invite(f.directory, &lasting.order);
    fixture_settle(&f);
    cr_assert(lasting.done && lasting.status == WAX_OK);
    cr_assert_eq(come(&f, 2, 1, lasting.order.code), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(come(&f, 1, 1, ""), 0, "who came by it stays");
    directory_revoke_invite(f.directory, &lasting.order);
    fixture_settle(&f);
    cr_assert_eq(lasting.status, WAX_NOT_FOUND);
    fixture_end(&f);
}

Test(invite, of_two_who_come_at_once_for_the_last_use_one_is_let_in)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fixture f = fixture_begin(seed, 3, DIRECTORY_INVITE);
        struct reply first, second;
        struct made made = make(&f, 1, 0);
        ask(&f, &first, 1, 1, made.order.code);
        ask(&f, &second, 2, 1, made.order.code);
        fixture_settle(&f);
        cr_assert(first.done && second.done);
        cr_assert_eq((first.error == 0) + (second.error == 0), 1);
        fixture_end(&f);
    }
}

/* Whenever a crash comes: who was told WELCOME has an account, who was not may come with the same code, once.
 */
Test(invite, a_crash_neither_loses_a_use_nor_gives_it_twice)
{
    bool between = false;
    for (int steps = 0; steps < 40; steps++) {
        struct fixture f = fixture_begin((uint64_t)steps, 3, DIRECTORY_INVITE);
        struct reply reply;
        struct account account;
        struct made made = make(&f, 1, 2001);
        ask(&f, &reply, 1, 1, made.order.code);
        for (int i = 0; i < steps && !reply.done; i++)
            storage_sim_step(f.disk);
        fixture_crash(&f);
        bool there = directory_account(f.directory, reply.login.user, &account) == WAX_OK;
        cr_assert(there || !reply.done, "%d steps", steps);
        cr_assert(look(&f, 0).used == 1 || !there);
        between |= look(&f, 0).used == 1 && !there;
        struct reply again;
        ask(&f, &again, 1, 1, made.order.code);
        fixture_settle(&f);
        cr_assert(again.done && again.error == 0, "%d steps", steps);
        cr_assert_eq(come(&f, 2, 1, made.order.code), WIRE_ERROR_NOT_INVITED);
        cr_assert_eq(look(&f, 0).used, 1);
        fixture_end(&f);
    }
    cr_assert(between, "no crash came between the use and the account");
}

/* The same with many people, writes of unknown outcome, and several crashes. */
Test(invite, no_more_accounts_than_uses_whatever_the_storage_does)
{
    enum { USES = 3, PEOPLE = 8 };
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fixture f = fixture_begin(seed, 3, DIRECTORY_INVITE);
        struct reply reply[PEOPLE];
        struct made made = make(&f, USES, 0);
        uint32_t accounts = 0, welcome = 0;
        struct account account;
        bool told[PEOPLE] = {false};
        storage_sim_set(f.disk, (struct storage_sim_faults){.delay = 3, .unknown = 200, .no_space = 50});
        for (int life = 0; life < 5; life++) {
            for (uint8_t i = 0; i < PEOPLE; i++)
                ask(&f, &reply[i], (uint8_t)(i + 1), 1, made.order.code);
            for (uint64_t step = 0;
                 step < (seed * 7 + (uint64_t)life * 11) % 60 && directory_busy(f.directory); step++)
                storage_sim_step(f.disk);
            for (int i = 0; i < PEOPLE; i++)
                told[i] |= reply[i].done && reply[i].status == WAX_OK && reply[i].error == 0;
            fixture_crash(&f);
        }
        for (int i = 0; i < PEOPLE; i++) {
            bool there = directory_account(f.directory, reply[i].login.user, &account) == WAX_OK;
            cr_assert(there || !told[i], "seed %lu", (unsigned long)seed);
            accounts += there;
            welcome += told[i];
        }
        cr_assert_leq(accounts, USES, "seed %lu", (unsigned long)seed);
        cr_assert_leq(welcome, accounts);
        fixture_end(&f);
    }
}

static void on_removed(struct removal *removal, enum wax_status status)
{
    (void)removal;
    cr_assert_eq(status, WAX_OK);
}

Test(invite, who_has_deleted_the_account_is_named_no_more_and_needs_another)
{
    struct fixture f = fixture_begin(4, 3, DIRECTORY_INVITE);
    static const uint8_t none[WAX_USER_BYTES];
    struct reply reply;
    struct made made = make(&f, 2, 0);
    ask(&f, &reply, 1, 1, made.order.code);
    fixture_settle(&f);
    cr_assert_eq(reply.error, 0);
    struct invite before = look(&f, 0);
    cr_assert_arr_eq(before.user[0], reply.login.user, WAX_USER_BYTES);
    struct removal removal = {.device = 0, .done = on_removed};
    memcpy(removal.user, reply.login.user, WAX_USER_BYTES);
    directory_remove(f.directory, &removal);
    fixture_settle(&f);
    removal.device = 1;
    directory_erase(f.directory, &removal);
    fixture_settle(&f);
    struct invite after = look(&f, 0);
    cr_assert_eq(after.used, 1, "it stays used");
    cr_assert_arr_eq(after.user[0], none, WAX_USER_BYTES);
    cr_assert_eq(come(&f, 2, 1, made.order.code), 0);
    cr_assert_eq(come(&f, 1, 1, made.order.code), WIRE_ERROR_NOT_INVITED, "both uses are gone");
    fixture_end(&f);
}

Test(invite, they_are_listed_each_once)
{
    struct fixture f = fixture_begin(5, 3, DIRECTORY_INVITE);
    struct invite invite;
    uint32_t id = 0, met = 0;
    cr_assert_eq(directory_next_invite(f.directory, &id, &invite), WAX_NOT_FOUND);
    for (uint32_t i = 1; i <= 10; i++)
        make(&f, i, 0);
    uint32_t uses = 0;
    for (id = 0; directory_next_invite(f.directory, &id, &invite) == WAX_OK; met++)
        uses += invite.uses;
    cr_assert(met == 10 && uses == 55);
    fixture_end(&f);
}
