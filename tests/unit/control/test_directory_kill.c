/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The directory over real files, killed under load at random, again and again: accounts, bundles, one-time
 * keys and invites. Who is killed has told, in memory that outlives it, what was asked for and what was
 * answered. Each next life looks at all of that: what was answered is there; and in the end every one-time
 * key was given once, in order, but for those that a kill met on their way out, and every invite as often as
 * it says. WAX_KILLS in the environment sets how often.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "directory.h"
#include "directory_invite.h"
#include "directory_keys.h"
#include "storage_reopen.h"

#define PEOPLE  64u
#define INVITES 4u
#define USES    10u
#define SERIALS 400000u
#define PUT_MAX 12u
#define HELD    120u /* no more keys are put for a device that has so many */

enum { ASKED = 1, TOLD = 2 };

/* What outlives a life. */
struct told {
    char code[INVITES][INVITE_CODE_CHARS + 1u];
    bool invites;
    uint8_t account[PEOPLE];                            /* ASKED, or TOLD that it is there */
    uint64_t bundle_asked[PEOPLE], bundle_told[PEOPLE]; /* versions */
    uint64_t next;                                      /* serial of the next one-time key */
    uint8_t owner[SERIALS], put[SERIALS], given[SERIALS];
    uint64_t takes_asked[PEOPLE], takes_told[PEOPLE], last_given[PEOPLE];
    uint64_t burnt[PEOPLE]; /* at most so many keys were on their way out at a kill */
    uint64_t held_told[PEOPLE];
    uint64_t answered, lives;
    volatile bool ready, finished;
    char fault[160];
};

struct person {
    struct life *life;
    uint32_t number;
    bool busy;
    uint8_t key[WAX_ACCOUNT_KEY_BYTES], user[WAX_USER_BYTES];
    struct directory_login login;
    struct keys_put put;
    struct keys_get get;
    uint64_t version, first_serial;
    uint8_t bundle[16], signature[WAX_SIGNATURE_BYTES], keys[PUT_MAX * 10u];
    bool empty; /* the last take brought nothing */
};

struct life {
    struct told *told;
    struct loop *loop;
    struct storage *storage;
    struct directory *directory;
    bool ready;
    struct person person[PEOPLE];
};

static void fault(const struct life *life, const char *text, uint64_t number)
{
    snprintf(life->told->fault, sizeof life->told->fault, "%s %lu in life %lu", text, (unsigned long)number,
             (unsigned long)life->told->lives);
    _exit(1);
}

static void on_ready(void *ctx, enum wax_status status)
{
    struct life *life = ctx;
    life->ready = true;
    if (status != WAX_OK)
        fault(life, wax_status_text(status), 0);
}

/* ---- what is asked ---- */

static void on_login(struct directory_login *login, enum wax_status status, uint8_t error, bool fresh)
{
    struct person *p = (struct person *)(void *)((char *)login - offsetof(struct person, login));
    struct told *told = p->life->told;
    (void)fresh;
    p->busy = false;
    if (status != WAX_OK)
        fault(p->life, wax_status_text(status), p->number);
    if (error == 0)
        told->account[p->number] = TOLD;
    else if (error != WIRE_ERROR_NOT_INVITED || told->account[p->number] == TOLD)
        fault(p->life, "not let in:", p->number);
    told->answered++;
}

static void come(struct person *p)
{
    struct told *told = p->life->told;
    p->busy = true;
    p->login = (struct directory_login){.device = 1, .now_ms = 1, .done = on_login};
    memcpy(p->login.user, p->user, sizeof p->user);
    memcpy(p->login.account_key, p->key, sizeof p->key);
    p->login.invite = view_of(told->code[p->number % INVITES], INVITE_CODE_CHARS);
    if (told->account[p->number] == 0)
        told->account[p->number] = ASKED;
    directory_login(p->life->directory, &p->login);
}

static void on_put(struct keys_put *put, enum wax_status status, uint32_t held)
{
    struct person *p = (struct person *)(void *)((char *)put - offsetof(struct person, put));
    struct told *told = p->life->told;
    p->busy = false;
    if (status != WAX_OK)
        fault(p->life, wax_status_text(status), p->number);
    told->bundle_told[p->number] = p->version;
    for (uint32_t i = 0; i < put->count; i++)
        told->put[p->first_serial + i] = TOLD;
    told->held_told[p->number] = held;
    told->answered++;
}

static void put_keys(struct person *p)
{
    struct told *told = p->life->told;
    uint32_t count = randombytes_uniform(PUT_MAX + 1u);
    if (told->held_told[p->number] > HELD || told->next + count >= SERIALS)
        count = 0;
    p->busy = true;
    p->version = ++told->bundle_asked[p->number];
    p->first_serial = told->next;
    store_be64(p->bundle, p->version);
    memset(p->signature, (int)p->version, sizeof p->signature);
    for (uint32_t i = 0; i < count; i++) {
        store_be16(p->keys + 10u * i, 8);
        store_be64(p->keys + 10u * i + 2, told->next);
        told->owner[told->next] = (uint8_t)p->number;
        told->put[told->next++] = ASKED;
    }
    p->put = (struct keys_put){.device = 1,
                               .bundle = view_of(p->bundle, sizeof p->bundle),
                               .signature = p->signature,
                               .count = (uint16_t)count,
                               .keys = view_of(p->keys, 10u * count),
                               .done = on_put};
    memcpy(p->put.user, p->user, sizeof p->user);
    directory_keys_put(p->life->directory, &p->put);
}

static void look_bundle(const struct person *p, const struct keys_of_device *device)
{
    const struct told *told = p->life->told;
    uint64_t version = load_be64(device->bundle);
    if (device->bundle_bytes != sizeof p->bundle || version < told->bundle_told[p->number] ||
        version > told->bundle_asked[p->number] || device->signature[7] != (uint8_t)version)
        fault(p->life, "another bundle:", p->number);
}

static void on_get(struct keys_get *get, enum wax_status status, const uint8_t *account_key,
                   const struct keys_of_device *device, uint32_t count)
{
    struct person *p = (struct person *)(void *)((char *)get - offsetof(struct person, get));
    struct told *told = p->life->told;
    uint32_t n = p->number;
    p->busy = false;
    if (status != WAX_OK || memcmp(account_key, p->key, sizeof p->key) != 0)
        fault(p->life, "an account is missing:", n);
    if (count != (told->bundle_told[n] != 0) && (count != 1 || told->bundle_asked[n] == 0))
        fault(p->life, "a bundle is missing:", n);
    if (count == 1)
        look_bundle(p, device);
    told->answered++;
    if (!get->take)
        return;
    told->takes_told[n]++;
    p->empty = count == 0 || device->key_bytes == 0;
    if (p->empty)
        return;
    uint64_t serial = load_be64(device->key);
    if (device->key_bytes != 8 || serial >= told->next || told->owner[serial] != n)
        fault(p->life, "a key that was never put:", serial);
    if (told->given[serial]++ != 0)
        fault(p->life, "given twice:", serial);
    if (serial < told->last_given[n])
        fault(p->life, "not the oldest:", serial);
    told->last_given[n] = serial;
    told->held_told[n] = device->left;
}

static void get_keys(struct person *p, bool take)
{
    p->busy = true;
    p->get = (struct keys_get){.take = take, .done = on_get};
    memcpy(p->get.user, p->user, sizeof p->user);
    p->life->told->takes_asked[p->number] += take;
    directory_keys_get(p->life->directory, &p->get);
}

/* ---- a life ---- */

static void turn(struct life *life)
{
    life->storage->calls->flush(life->storage);
    loop_turn(life->loop, 1);
}

static void wait_all(struct life *life)
{
    while (directory_busy(life->directory))
        turn(life);
}

static void open_directory(struct life *life, const char *path)
{
    const struct storage_local_config local = {path, 256u << 10, UINT64_C(1) << 28};
    life->loop = loop_new();
    enum wax_status status = storage_reopen(life->loop, &local, &life->storage);
    if (status != WAX_OK)
        fault(life, wax_status_text(status), 0);
    life->directory = directory_new(life->storage, life, on_ready);
    directory_registration(life->directory, DIRECTORY_INVITE);
    directory_open(life->directory);
    while (!life->ready)
        turn(life);
}

static void on_invite(struct invite_order *order, enum wax_status status)
{
    (void)order;
    cr_assert_eq(status, WAX_OK);
}

static void make_invites(struct life *life)
{
    for (uint32_t i = 0; i < INVITES; i++) {
        struct invite_order order = {.uses = USES, .now_ms = 1, .done = on_invite};
        directory_invite(life->directory, &order);
        wait_all(life);
        strcpy(life->told->code[i], order.code);
    }
    life->told->invites = true;
}

/* All that was answered in lives before is there. */
static void check(struct life *life)
{
    static struct invite invite;
    struct account account;
    uint32_t accounts = 0, used = 0, id = 0;
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct person *p = &life->person[i];
        enum wax_status status = directory_account(life->directory, p->user, &account);
        if (status != WAX_OK && (status != WAX_NOT_FOUND || life->told->account[i] == TOLD))
            fault(life, "an account is missing:", i);
        if (status == WAX_OK && (!account_has(&account, 1) || memcmp(account_key(&account), p->key, 32) != 0))
            fault(life, "another account:", i);
        accounts += status == WAX_OK;
        if (status == WAX_OK)
            get_keys(p, false);
        life->told->burnt[i] += life->told->takes_asked[i] - life->told->takes_told[i];
        life->told->takes_asked[i] = life->told->takes_told[i];
    }
    wait_all(life);
    while (directory_next_invite(life->directory, &id, &invite) == WAX_OK)
        used += invite.used;
    if (accounts > used || used > INVITES * USES)
        fault(life, "more accounts than uses of invites:", accounts);
}

static void do_something(struct person *p)
{
    uint32_t dice = randombytes_uniform(10);
    if (p->busy)
        return;
    if (p->life->told->account[p->number] != TOLD || dice == 0)
        come(p);
    else if (dice < 4)
        put_keys(p);
    else
        get_keys(p, dice < 9);
}

/* The last life: everybody comes, and every key that is left is given. */
static void finish(struct life *life)
{
    for (uint32_t i = 0; i < PEOPLE; i++)
        come(&life->person[i]);
    wait_all(life);
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < PEOPLE; i++) {
            if (life->told->account[i] != TOLD || life->person[i].empty)
                continue;
            get_keys(&life->person[i], true);
            more = true;
        }
        wait_all(life);
    }
    life->told->finished = true;
    _exit(0);
}

static void live(struct told *told, const char *path, bool last)
{
    struct life *life = calloc(1, sizeof *life);
    life->told = told;
    for (uint32_t i = 0; i < PEOPLE; i++) {
        struct person *p = &life->person[i];
        p->life = life;
        p->number = i;
        memset(p->key, (int)i + 1, sizeof p->key);
        crypto_generichash(p->user, sizeof p->user, p->key, sizeof p->key, NULL, 0);
    }
    open_directory(life, path);
    if (!told->invites)
        make_invites(life);
    check(life);
    told->ready = true;
    if (last)
        finish(life);
    for (;;) {
        for (uint32_t i = 0; i < PEOPLE; i++)
            do_something(&life->person[randombytes_uniform(PEOPLE)]);
        turn(life);
    }
}

/* Start a life, and wait until it has looked at what was before, or for a moment of that. */
static pid_t begin_life(struct told *told, const char *path, bool whole, bool last)
{
    told->ready = false;
    pid_t child = fork();
    if (child == 0)
        live(told, path, last);
    for (int j = 0; j < 20000 && whole && !told->ready && told->fault[0] == '\0'; j++)
        usleep(1000);
    return child;
}

static void end_life(struct told *told, pid_t child)
{
    int status;
    kill(child, SIGKILL);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(told->fault[0], '\0', "%s", told->fault);
    told->lives++;
}

/* Every key that was told to be there was given once, but for those that kills met; and every invite used up.
 */
static void judge(const struct told *told)
{
    uint64_t missing[PEOPLE] = {0}, given = 0, accounts = 0, burnt = 0;
    for (uint64_t serial = 1; serial < told->next; serial++) {
        given += told->given[serial];
        missing[told->owner[serial]] += told->put[serial] == TOLD && told->given[serial] == 0;
    }
    for (uint32_t i = 0; i < PEOPLE; i++) {
        cr_assert_leq(missing[i], told->burnt[i], "keys of %u are lost", i);
        accounts += told->account[i] == TOLD;
        burnt += missing[i];
    }
    cr_assert_eq(accounts, INVITES * USES, "every use of the invites was given once");
    cr_assert_gt(given, told->lives, "so few keys were given that nothing was shown");
    cr_log_info("%lu kills, %lu answers, %lu one-time keys given, %lu on their way at a kill",
                (unsigned long)told->lives, (unsigned long)told->answered, (unsigned long)given,
                (unsigned long)burnt);
}

Test(directory_kill, whatever_was_answered_outlives_a_kill_and_no_key_is_given_twice, .timeout = 3600)
{
    char path[64] = "/tmp/wax-kill-XXXXXX", command[96];
    const char *wanted = getenv("WAX_KILLS");
    uint32_t kills = wanted != NULL ? (uint32_t)atoi(wanted) : 12;
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq((void *)told, MAP_FAILED);
    cr_assert_geq(sodium_init(), 0);
    cr_assert_not_null(mkdtemp(path));
    told->next = 1;
    for (uint32_t i = 0; i < kills; i++) {
        pid_t child = begin_life(told, path, i % 4 != 3, false); /* each fourth is killed while it starts */
        usleep(randombytes_uniform(150000));
        end_life(told, child);
    }
    pid_t child = begin_life(told, path, true, true);
    for (int j = 0; j < 60000 && !told->finished && told->fault[0] == '\0'; j++)
        usleep(1000);
    end_life(told, child);
    cr_assert(told->finished);
    judge(told);
    snprintf(command, sizeof command, "rm -r %s", path);
    cr_assert_eq(system(command), 0);
}
