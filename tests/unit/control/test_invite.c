/* SPDX-License-Identifier: BSD-3-Clause */
/* Invites, over the storage in memory that delays, forgets and crashes. */
#include <criterion/criterion.h>
#include <sodium.h>

#include "directory_device.h"
#include "directory_invite.h"
#include "storage_sim.h"

struct fixture {
    struct storage_sim *disk;
    struct directory *directory;
    bool ready;
};

struct reply {
    struct directory_login login;
    bool done;
    enum wax_status status;
    uint8_t error;
    bool fresh;
};

struct made {
    struct invite_order order;
    bool done;
    enum wax_status status;
};

static void on_ready(void *ctx, enum wax_status status)
{
    cr_assert_eq(status, WAX_OK);
    ((struct fixture *)ctx)->ready = true;
}

static void on_login(struct directory_login *login, enum wax_status status, uint8_t error, bool fresh)
{
    struct reply *reply = (struct reply *)(void *)login;
    cr_assert_not(reply->done);
    *reply = (struct reply){.login = *login, .done = true, .status = status, .error = error, .fresh = fresh};
}

static void on_order(struct invite_order *order, enum wax_status status)
{
    struct made *made = (struct made *)(void *)order;
    made->done = true;
    made->status = status;
}

static void open_directory(struct fixture *f)
{
    f->ready = false;
    f->directory = directory_new(storage_sim_storage(f->disk), f, on_ready);
    directory_open(f->directory);
    while (!f->ready)
        storage_sim_step(f->disk);
    directory_registration(f->directory, DIRECTORY_INVITE);
}

static struct fixture begin(uint64_t seed)
{
    struct fixture f = {.disk = storage_sim_new(seed)};
    cr_assert_geq(sodium_init(), 0);
    storage_sim_set(f.disk, (struct storage_sim_faults){.delay = 3});
    open_directory(&f);
    return f;
}

static void crash(struct fixture *f)
{
    storage_sim_crash(f->disk);
    directory_free(f->directory);
    open_directory(f);
}

static void end(struct fixture *f)
{
    directory_free(f->directory);
    storage_sim_free(f->disk);
}

static void settle(struct fixture *f)
{
    for (int i = 0; i < 1000 && directory_busy(f->directory); i++)
        storage_sim_step(f->disk);
    cr_assert_not(directory_busy(f->directory));
}

static struct made make(struct fixture *f, uint32_t uses, uint64_t expires_ms)
{
    struct made made = {.order = {.uses = uses, .now_ms = 1000, .expires_ms = expires_ms, .done = on_order}};
    directory_invite(f->directory, &made.order);
    settle(f);
    cr_assert_eq(made.status, WAX_OK);
    cr_assert_eq(strlen(made.order.code), INVITE_CODE_CHARS);
    return made;
}

static void ask(struct fixture *f, struct reply *reply, uint8_t key, uint16_t device, const char *code)
{
    memset(reply, 0, sizeof *reply);
    memset(reply->login.account_key, key, WAX_ACCOUNT_KEY_BYTES);
    crypto_generichash(reply->login.user, WAX_USER_BYTES, reply->login.account_key, WAX_ACCOUNT_KEY_BYTES,
                       NULL, 0);
    reply->login.device = device;
    reply->login.now_ms = 2000;
    reply->login.invite = view_of(code, strlen(code));
    reply->login.done = on_login;
    directory_login(f->directory, &reply->login);
}

/* The error of a login that is waited for. */
static uint8_t come(struct fixture *f, uint8_t key, uint16_t device, const char *code)
{
    struct reply reply;
    ask(f, &reply, key, device, code);
    settle(f);
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
    struct fixture f = begin(1);
    struct directory_counts counts;
    struct made made = make(&f, 2, 0);
    cr_assert_eq(come(&f, 1, 1, ""), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(come(&f, 1, 1, made.order.code), 0);
    cr_assert_eq(come(&f, 1, 1, ""), 0, "who has an account needs none");
    cr_assert_eq(come(&f, 1, 2, made.order.code), 0, "nor a new device, and it is not used up by it");
    cr_assert_eq(come(&f, 2, 1, made.order.code), 0);
    cr_assert_eq(come(&f, 3, 1, made.order.code), WIRE_ERROR_NOT_INVITED);
    crash(&f);
    cr_assert_eq(come(&f, 3, 1, made.order.code), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(come(&f, 2, 1, ""), 0);
    struct invite invite = look(&f, 0);
    cr_assert_eq(invite.id, made.order.id);
    cr_assert(invite.uses == 2 && invite.used == 2);
    directory_count(f.directory, &counts);
    cr_assert_eq(counts.not_invited, 1);
    end(&f);
}

Test(invite, what_is_no_code_or_of_another_secret_is_good_for_nothing)
{
    struct fixture f = begin(2);
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
    end(&f);
}

Test(invite, it_expires_and_can_be_revoked)
{
    struct fixture f = begin(3);
    struct made made = make(&f, 5, 2000), lasting = make(&f, 5, 2001);
    cr_assert_eq(come(&f, 1, 1, made.order.code), WIRE_ERROR_NOT_INVITED, "at 2000 it is over");
    cr_assert_eq(come(&f, 1, 1, lasting.order.code), 0);
    lasting.done = false;
    directory_revoke_invite(f.directory, &lasting.order);
    settle(&f);
    cr_assert(lasting.done && lasting.status == WAX_OK);
    cr_assert_eq(come(&f, 2, 1, lasting.order.code), WIRE_ERROR_NOT_INVITED);
    cr_assert_eq(come(&f, 1, 1, ""), 0, "who came by it stays");
    directory_revoke_invite(f.directory, &lasting.order);
    settle(&f);
    cr_assert_eq(lasting.status, WAX_NOT_FOUND);
    end(&f);
}

Test(invite, of_two_who_come_at_once_for_the_last_use_one_is_let_in)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fixture f = begin(seed);
        struct reply first, second;
        struct made made = make(&f, 1, 0);
        ask(&f, &first, 1, 1, made.order.code);
        ask(&f, &second, 2, 1, made.order.code);
        settle(&f);
        cr_assert(first.done && second.done);
        cr_assert_eq((first.error == 0) + (second.error == 0), 1);
        end(&f);
    }
}

/* Whenever a crash comes: who was told WELCOME has an account, who was not may come with the same code, once.
 */
Test(invite, a_crash_neither_loses_a_use_nor_gives_it_twice)
{
    bool between = false;
    for (int steps = 0; steps < 40; steps++) {
        struct fixture f = begin((uint64_t)steps);
        struct reply reply;
        struct account account;
        struct made made = make(&f, 1, 2001);
        ask(&f, &reply, 1, 1, made.order.code);
        for (int i = 0; i < steps && !reply.done; i++)
            storage_sim_step(f.disk);
        crash(&f);
        bool there = directory_account(f.directory, reply.login.user, &account) == WAX_OK;
        cr_assert(there || !reply.done, "%d steps", steps);
        cr_assert(look(&f, 0).used == 1 || !there);
        between |= look(&f, 0).used == 1 && !there;
        struct reply again;
        ask(&f, &again, 1, 1, made.order.code);
        settle(&f);
        cr_assert(again.done && again.error == 0, "%d steps", steps);
        cr_assert_eq(come(&f, 2, 1, made.order.code), WIRE_ERROR_NOT_INVITED);
        cr_assert_eq(look(&f, 0).used, 1);
        end(&f);
    }
    cr_assert(between, "no crash came between the use and the account");
}

/* The same with many people, writes of unknown outcome, and several crashes. */
Test(invite, no_more_accounts_than_uses_whatever_the_storage_does)
{
    enum { USES = 3, PEOPLE = 8 };
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct fixture f = begin(seed);
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
            crash(&f);
        }
        for (int i = 0; i < PEOPLE; i++) {
            bool there = directory_account(f.directory, reply[i].login.user, &account) == WAX_OK;
            cr_assert(there || !told[i], "seed %lu", (unsigned long)seed);
            accounts += there;
            welcome += told[i];
        }
        cr_assert_leq(accounts, USES, "seed %lu", (unsigned long)seed);
        cr_assert_leq(welcome, accounts);
        end(&f);
    }
}

static void on_removed(struct removal *removal, enum wax_status status)
{
    (void)removal;
    cr_assert_eq(status, WAX_OK);
}

Test(invite, who_has_deleted_the_account_is_named_no_more_and_needs_another)
{
    struct fixture f = begin(4);
    static const uint8_t none[WAX_USER_BYTES];
    struct reply reply;
    struct made made = make(&f, 2, 0);
    ask(&f, &reply, 1, 1, made.order.code);
    settle(&f);
    cr_assert_eq(reply.error, 0);
    struct invite before = look(&f, 0);
    cr_assert_arr_eq(before.user[0], reply.login.user, WAX_USER_BYTES);
    struct removal removal = {.device = 0, .done = on_removed};
    memcpy(removal.user, reply.login.user, WAX_USER_BYTES);
    directory_remove(f.directory, &removal);
    settle(&f);
    removal.device = 1;
    directory_erase(f.directory, &removal);
    settle(&f);
    struct invite after = look(&f, 0);
    cr_assert_eq(after.used, 1, "it stays used");
    cr_assert_arr_eq(after.user[0], none, WAX_USER_BYTES);
    cr_assert_eq(come(&f, 2, 1, made.order.code), 0);
    cr_assert_eq(come(&f, 1, 1, made.order.code), WIRE_ERROR_NOT_INVITED, "both uses are gone");
    end(&f);
}

Test(invite, they_are_listed_each_once)
{
    struct fixture f = begin(5);
    struct invite invite;
    uint32_t id = 0, met = 0;
    cr_assert_eq(directory_next_invite(f.directory, &id, &invite), WAX_NOT_FOUND);
    for (uint32_t i = 1; i <= 10; i++)
        make(&f, i, 0);
    uint32_t uses = 0;
    for (id = 0; directory_next_invite(f.directory, &id, &invite) == WAX_OK; met++)
        uses += invite.uses;
    cr_assert(met == 10 && uses == 55);
    end(&f);
}
